"""Which files of a folder are shards or archives of images, and which split each is of: by names.

``train-00000-of-00064``, ``imagenet-train-000123.tar`` and ``train/00123.tar`` are of the split
train.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from pipeline import paths, storage
from pipeline.archives.decompression import PACKED_NAMES
from pipeline.archives.packed_sources import ZIP
from pipeline.archives.parquet_names import PARQUET, is_parquet
from pipeline.archives.parquet_rows import has_images
from pipeline.errors import InputRefused, UsageError, abbreviate
from pipeline.shards import foreign
from pipeline.sources import split_names
from pipeline.sources.shardset import packed_tars
from pipeline.storage import Location
from pipeline.storage.clutter import is_clutter

TAR: Final = ".tar"
_ARCHIVES: Final = (TAR, ZIP, PARQUET, *PACKED_NAMES)
"""What names of archives end in."""
_ENDS: Final = (
    *(*_ARCHIVES, ".tfrecord", ".tfrecords", ".tfrec", ".record", ".rec"),
    *foreign.ENDS,
)
_OF: Final = re.compile(
    r"(?P<head>.*?)[-_.]?(?P<number>[0-9]+)-of-(?P<count>[0-9]+)(?:-[0-9a-f]{16})?"
)
_NUMBERED: Final = re.compile(r"(?P<head>.*?)[-_.]?[0-9]+")
_NUMBERED_ALONE: Final = re.compile(r".*?(?:^|[-_.])[0-9]+")
_SPLITS: Final = frozenset(
    ("train", "training", "val", "valid", "validation", "test", "testing", "dev")
)
_WILD: Final = re.compile(r"[*?\[]")
_MOST_FOLDERS: Final = 10_000


@dataclass(frozen=True)
class ShardFiles:
    """The shards of the splits of a folder.

    Attributes:
        splits: of each split its shards, relative to the folder, in their order.
        others: files beside them that are none, relative.
    """

    splits: Mapping[str, tuple[str, ...]]
    others: tuple[str, ...] = ()


def is_archive(name: str) -> bool:
    """Whether a name is that of a zip, a Parquet file, or a tar, compressed or not."""
    return name.lower().endswith(_ARCHIVES)


def find(path: Location, root: Location, name: str) -> ShardFiles:
    """Return the shards that a path means: those of a folder, of a pattern, or it alone.

    A plain tar that this program has unpacked from one of them is none.

    Args:
        path: a folder, a file, or a path whose last part has ``*``, ``?`` or ``[...]``.
        root: the folder that names are relative to: that folder, or the one that holds the files.
        name: of the only split; "": splits are found by the names.

    Raises:
        UsageError: nothing is there.
        ArchiveRefused: a Parquet file is damaged.
        InputRefused: of some shards that are numbered, one is not there; a tar is there packed
            and plain.
    """
    names, others = list[str](), list[str]()
    alone = not (_WILD.search(path.name) or storage.is_folder(path))
    every = sorted(_listed(path, root))
    own = set[str]() if alone else packed_tars.unpacked_here(root, every)
    for each in (name for name in every if name not in own):
        (names if _is_shard(root, each, alone=alone) else others).append(each)
    if not names:
        raise UsageError(
            "there are no shards or archives of images",
            file=str(path),
            expected="TFRecord, RecordIO or MDS shards, tars, zips, or Parquet files of images",
            found=f"other files, such as {abbreviate(others, 3)}" if others else "nothing",
            remedy="name a folder, a file, or a pattern in quotes such as 'DIR/train-*.tar'",
        )
    packed_tars.check_alone(root, names)
    _check_numbers(root, names)
    if storage.is_folder(path):
        _check_beside(root, names)
    fallback = split_names.of_file(_stem(root.name) or "images")
    splits: dict[str, list[str]] = {}
    for each in names:
        called = name or split_of(each, fallback, alone=alone)
        splits.setdefault(called, []).append(each)
    return ShardFiles({key: tuple(splits[key]) for key in sorted(splits)}, tuple(others))


def split_of(name: str, fallback: str, *, alone: bool = False) -> str:
    """Return the split of a shard, by its name and folder; `fallback` where they say none.

    Digits at the end are the number of one of several shards; of one that is `alone` they are so
    only behind a sign: ``z64.zip`` is not the 64th of several.
    """
    folder, _, base = name.rpartition("/")
    stem = _stem(base)
    match = _OF.fullmatch(stem) or _NUMBERED.fullmatch(stem)
    head = _stem(match["head"] if match else stem)
    last = re.split(r"[-_.]", head)[-1].lower()
    if last in _SPLITS:
        return last
    if alone and not (_OF.fullmatch(stem) or _NUMBERED_ALONE.fullmatch(stem)):
        head = stem
    above = folder.rpartition("/")[2]
    if above.lower() in _SPLITS or not head or head.lower() in foreign.PLAIN_NAMES:
        return split_names.of_file(above) if above else fallback
    return split_names.of_file(head)


def _stem(name: str) -> str:
    """Return a name without what names of shards end in."""
    ends = sorted(_ENDS, key=len, reverse=True)
    found = next((end for end in ends if name.lower().endswith(end)), "")
    return name[: len(name) - len(found)]


def _listed(path: Location, root: Location) -> Iterator[str]:
    """Yield the files that a path means, relative to the root, and links to folders below it.

    Links to folders, and outputs, end in a slash, and what is in them is not looked at; clutter is
    left out.
    """
    if _WILD.search(path.name):
        yield from (name for name in storage.sizes(root) if fnmatchcase(name, path.name))
        return
    if not storage.is_folder(path):
        if storage.stat(path) is not None:
            yield path.name
        return
    pending = [""]
    for count, folder in enumerate(pending):
        if count > _MOST_FOLDERS:
            raise UsageError(
                "the folder holds too many folders for one of shards",
                file=str(path),
                expected=f"{_MOST_FOLDERS:,} at most",
                remedy="name the folder of the shards alone",
            )
        files, folders = _in_folder(root, folder)
        pending += folders
        yield from files


def _in_folder(root: Location, folder: str) -> tuple[list[str], list[str]]:
    """Return the files in a folder, with the links to folders, and the folders; see `_listed`.

    An output is passed over as a whole: it may be that of the same command, or hold several forms
    and versions of one split.
    """
    place = storage.below(root, folder)
    real = {*storage.folders(place)}  # a link may lead to a folder that is read anyway
    if folder and paths.state(place).name in real:
        return [f"{folder}/"], []
    files, folders = list[str](), list[str]()
    for entry in storage.kinds(place):
        name = f"{folder}/{entry.name}" if folder else entry.name
        if is_clutter(entry.name):
            continue
        if entry.name in real:
            folders.append(name)
        elif entry.kind == "folder":
            files.append(f"{name}/")
        elif entry.kind == "file":
            files.append(name)
    return files, folders


def _is_shard(root: Location, name: str, *, alone: bool) -> bool:
    """Whether a file is a shard: by what its name ends in, or by ``-of-`` and its first bytes.

    A Parquet file of paths is one where it is named alone: in a folder it may be about the shards.
    """
    base = name.rpartition("/")[2]
    if is_parquet(base):
        return has_images(storage.below(root, name), or_paths=alone)
    if base.lower().endswith(_ENDS):
        return True
    if _OF.fullmatch(base) is None:
        return False
    place = storage.below(root, name)
    return storage.stat(place) is not None and foreign.format_of(place) is not None


def _check_numbers(root: Location, names: list[str]) -> None:
    """Check that of shards that say how many there are, each is there.

    Raises:
        InputRefused: one is not.
    """
    sets: dict[tuple[str, str, str], set[int]] = {}
    for name in names:
        folder, _, base = name.rpartition("/")
        match = _OF.fullmatch(_stem(base))
        if match is not None:
            end = base[len(_stem(base)) :]
            key = (f"{folder}/{match['head']}", match["count"], end)
            sets.setdefault(key, set()).add(int(match["number"]))
    for (head, count, _), there in sets.items():
        missing = [number for number in range(int(count)) if number not in there]
        if missing:
            shown = abbreviate([f"{number:05d}" for number in missing], 5)
            raise InputRefused(
                "shards are missing",
                file=str(root),
                place=f"{head.removeprefix('/')}-*-of-{count}",
                expected=f"{int(count):,} shards",
                found=f"{len(there):,}; missing: {shown}",
                remedy="put them there, or name those to be taken by a pattern that no -of- is in,"
                " such as of links to them under other names",
            )


def _check_beside(root: Location, names: list[str]) -> None:
    """Check that each shard is there of which a file beside the others says that there is.

    Raises:
        InputRefused: one is not.
    """
    told = (name for name in names if name.lower().endswith(foreign.ENDS))
    folders = {name.rpartition("/")[0]: name for name in told}
    for folder, name in folders.items():
        there = {each.rpartition("/")[2] for each in names if each.rpartition("/")[0] == folder}
        expected = foreign.shards_beside(storage.below(root, name))
        missing = [each for each in expected if each not in there]
        if missing:
            raise InputRefused(
                "shards are missing",
                file=str(storage.below(root, folder) if folder else root),
                expected=f"the {len(expected):,} shards of the index beside them",
                found=f"{len(there):,}; missing: {abbreviate(missing, 5)}",
                remedy="put them there, or name those to be taken by a pattern in quotes",
            )
