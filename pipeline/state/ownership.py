"""Which names below an output folder are this program's own: asked before anything is removed.

There is no second list of names here. Each pattern is made from the function of `pipeline.paths`,
or of the shard format, that spells the name when the file is written, with a placeholder in the
place of what varies.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, cached_property
from pathlib import Path

from pipeline import paths, storage
from pipeline.archives import member_hashes as memberhashes
from pipeline.catalog import class_folders
from pipeline.catalog.shard_name import ShardName
from pipeline.documents import fingerprint_tables, small_files
from pipeline.duplicates import hash_groups
from pipeline.errors import ShardmillError
from pipeline.exports import registry as exports
from pipeline.exports.base import ANY_PATH
from pipeline.formats.base import JOINED
from pipeline.formats.registry import ALL
from pipeline.report import places
from pipeline.segments import places as segment_places
from pipeline.sources import read_files
from pipeline.sources import registry as sources
from pipeline.sources.kept_files import Placeholders
from pipeline.storage import Location

_OUT = Path("OUT")
_SPLIT, _DIGEST, _NAME, _NUMBER = "~split~", "~digest~", "~name~", 98765
_LOOK = "~look~"
_PLACEHOLDERS = (
    (_SPLIT, "split", r"[^/]+"),
    (_DIGEST, "digest", r"[0-9a-f]{12}"),
    (_NAME, "name", r"[^/]+"),
    (_LOOK, "look", r"\d+-(-?\d+|[0-9a-f]{16})"),
    (ANY_PATH, "path", r".+"),
)


def is_owned(out: Location, path: Location) -> bool:
    """Whether a file or folder of this path is one that this program writes, by its name.

    Of trees of class folders it is false: their names are those of the images, see `Catalogued`.
    """
    if not storage.is_below(path, out) or path == out:
        return False
    name = storage.relative(path, out)
    return any(pattern.fullmatch(name) for pattern in _patterns())


def begins_owned(out: Location, path: Location) -> bool:
    """Whether the end of a long name, which is cut off, could make this a path of this program's.

    Only names that another name is a part of are so long: in the same folder, one of these has to
    begin with the same letters, as far as no such name begins.
    """
    if not storage.is_below(path, out) or path == out:
        return False
    folder = storage.relative(path.parent, out)
    return any(
        pattern.fullmatch(folder) and path.name.startswith(head) for pattern, head in _beginnings()
    )


class Catalogued:
    """The names of images in the class folders of trees, by the catalogs of an output folder.

    Args:
        out: the output folder.
        classes: the class folders that will be asked about; only their rows are read.
        beginnings: names of class folders of which the end is cut off, as those of temporary
            folders are, that will be asked about, too: such a one may be any that begins so.
    """

    def __init__(
        self, out: Location, classes: Iterable[str], beginnings: Iterable[str] = ()
    ) -> None:
        self._out = out
        self._classes = sorted(set(classes))
        # The last letter may be cut in the middle of its bytes.
        self._beginnings = {name: os.fsencode(name).decode(errors="ignore") for name in beginnings}

    def __contains__(self, place: tuple[str, str]) -> bool:
        """Whether a class folder may hold a file of this name: `(class folder, name)`."""
        folder, name = place
        return name in self._names.get(folder, ())

    @cached_property
    def _names(self) -> Mapping[str, set[str]]:
        names: dict[str, set[str]] = {}
        catalogs = paths.catalog(self._out, _SPLIT, _DIGEST).parent
        listed = storage.sizes(catalogs) if storage.reachable(self._out, catalogs) else {}
        heads = sorted(set(self._beginnings.values()))
        for file in sorted(listed) if self._classes or heads else ():
            path = catalogs / file
            if is_owned(self._out, path) and path.suffix == ".parquet":
                for name, file_name in _rows(path, self._classes, heads):
                    begun = (cut for cut, head in self._beginnings.items() if name.startswith(head))
                    for folder in (name, *begun):
                        names.setdefault(folder, set()).add(file_name)
        return names


def _rows(path: Location, classes: list[str], heads: list[str]) -> Iterator[tuple[str, str]]:
    """Yield class folder and file name of rows of a catalog; none of one that is damaged."""
    try:
        rows = class_folders.read(path, classes, heads)
    except ShardmillError:
        return
    named = class_folders.names(rows), class_folders.file_names(rows)
    yield from zip(*(column.to_pylist() for column in named), strict=True)


@cache
def _patterns() -> tuple[re.Pattern[str], ...]:
    return tuple(_pattern(path) for path in _every())


@cache
def _beginnings() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Return the folder of each name that holds another one, and what comes before that."""
    named = ((path, re.split(f"{_SPLIT}|{_NAME}", path.name)) for path in _every())
    return tuple((_pattern(path.parent), pieces[0]) for path, pieces in named if pieces[1:])


def _every() -> list[Path]:
    like = Placeholders(_SPLIT, _NAME, _DIGEST, _NUMBER)
    of_sources = (*sources.own_names(_OUT, like), *read_files.own_names(_OUT, like))
    return sorted({*_of_outputs(), *_of_products(), *_of_state(), *_of_report(), *of_sources})


def _pattern(path: Path) -> re.Pattern[str]:
    text = re.escape(path.relative_to(_OUT).as_posix())
    for placeholder, group, form in _PLACEHOLDERS:
        head, there, tail = text.partition(re.escape(placeholder))
        if there:
            tail = tail.replace(re.escape(placeholder), f"(?P={group})")
            text = f"{head}(?P<{group}>{form}){tail}"
    return re.compile(text.replace(str(_NUMBER), r"\d+"), re.ASCII)


def _of_outputs() -> Iterator[Path]:
    """Yield what lies in the folders of shard formats, and the folders in these."""
    shards = (ShardName(_SPLIT, _NUMBER, _NUMBER, generation) for generation in (0, _NUMBER))
    stems = [shard.stem for shard in shards]
    for shard_format in ALL.values():
        folder = paths.output(_OUT, shard_format.name, _SPLIT, _DIGEST)
        files = [paths.manifest(folder), paths.facts(folder)]
        files += (path for stem in stems for path in shard_format.paths(folder, stem))
        files += (folder / name for name in shard_format.whole_files())
        if JOINED in shard_format.takes:
            files += shard_format.paths(folder, _SPLIT)
        yield from files
        yield from (file.parent for file in files)
        yield paths.current(_OUT, shard_format.name, _SPLIT)


def _of_products() -> Iterator[Path]:
    """Yield what has a path without a digest, but for trees."""
    by_split: tuple[Callable[[Path, str], Path], ...] = (
        paths.bboxes,
        paths.bboxes_report,
        paths.bboxes_unmatched,
        paths.bboxes_table,
        paths.class_table,
    )
    for split in ("train", _SPLIT):  # some names of the training images have no split in them
        yield from (spell(_OUT, split) for spell in by_split)
    yield from (_OUT / name for name in exports.files(_NAME))


def _of_report() -> Iterator[Path]:
    """Yield the page for people, what it leads to, and the marks and tables of both."""
    yield from (places.index(_OUT), places.run(_OUT))
    folder = places.files(_OUT, _DIGEST)
    yield from (folder / name for name in (places.STYLE, places.SCRIPT, places.KEYS))
    yield places.file(_OUT, _DIGEST, places.CLASSES, places.page_name(_NUMBER))
    copies = (places.copy_name(_NUMBER, _NUMBER, ending) for ending in places.ENDINGS)
    for name in (places.sheet_name(_NUMBER), places.masks_name(_NUMBER), *copies):
        file = places.file(_OUT, _DIGEST, _SPLIT, name)
        yield from (file, file.parent, folder)
    yield places.images_mark(_OUT, _DIGEST, _SPLIT)
    yield places.sheets_mark(_OUT, _DIGEST, _SPLIT, _NUMBER)
    yield from (places.pages_mark(_OUT, _DIGEST, _NUMBER), places.mark(_OUT, _DIGEST))
    table = places.table(_OUT, _DIGEST, _SPLIT, _NAME)
    yield from (table, table.parent)
    yield from (places.duplicates(_OUT), places.duplicates_table(_OUT))
    yield places.duplicates_sheet(_OUT, _DIGEST, _NUMBER)
    yield places.duplicates_mark(_OUT, _DIGEST)
    for spell in (hash_groups.table, hash_groups.mark):
        yield from (path := spell(_OUT, _SPLIT, _DIGEST), path.parent)


def _of_state() -> Iterator[Path]:
    """Yield what lies in the folder of the state."""
    by_digest: tuple[Callable[[Path, str, str], Path], ...] = (
        paths.catalog,
        paths.catalog_mark,
        paths.catalog_unmatched,
        paths.labels_mark,
        paths.plan,
        paths.plan_mark,
        paths.shard_terms,
        paths.append_record,
        paths.tree_record,
        paths.list_record,
    )
    yield from (spell(_OUT, _SPLIT, _DIGEST) for spell in by_digest)
    yield paths.list_record(_OUT, "", _DIGEST)
    shards_record = paths.shards_record(_OUT, _SPLIT, _DIGEST)
    yield from (shards_record, shards_record.with_suffix(".parquet"))
    yield paths.archive_mark(_OUT, _NAME, _LOOK)
    yield paths.archive_refusal(_OUT, _NAME, _LOOK)
    index = paths.archive_index(_OUT, _NAME)
    yield from (index, fingerprint_tables.mark_of(index))
    walked = paths.walked_index(_OUT, _NAME)
    yield from (walked, fingerprint_tables.mark_of(walked))
    hashes = paths.member_hashes(_OUT, _NAME)
    yield from (hashes, memberhashes.mark_of(hashes))
    yield segment_places.segment(_OUT, _DIGEST, _NUMBER)
    yield segment_places.mark(_OUT, _DIGEST, _NUMBER)
    yield from (segment_places.rows(_OUT, _DIGEST), segment_places.rows_mark(_OUT, _DIGEST))
    contents = (
        paths.part_sources(_OUT, _DIGEST, _NUMBER),
        paths.annotation_contents(_OUT, _SPLIT),
    )
    for table in contents:
        yield from (table, fingerprint_tables.mark_of(table), table.parent)
    yield paths.shard_mark(_OUT, _DIGEST, _NUMBER)
    yield paths.shard_claim(_OUT, _DIGEST, _NUMBER)
    yield paths.lease(_OUT, _NAME)
    yield paths.shard_facts(_OUT, _DIGEST, _NUMBER)
    yield paths.group_mark(_OUT, _DIGEST, _NUMBER)
    yield paths.group_listing(_OUT, _DIGEST, _NUMBER)
    yield from (paths.product_mark(_OUT, _NAME), small_files.listing(_OUT, _NAME))
    yield from (paths.job(_OUT, _DIGEST), paths.last_job(_OUT), paths.withdrawal(_OUT))
    yield from (paths.run_lock(_OUT), paths.sources_lock(_OUT))
