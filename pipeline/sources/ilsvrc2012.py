"""ILSVRC2012 and sets of its shape: the members of verified archives become a catalog."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import catalog, labels
from pipeline.annotations.boxtable import BoxTable
from pipeline.config import SplitConfig
from pipeline.errors import ArchiveRefused, ConfigError, CountMismatch
from pipeline.labels import LabelTable

_SHOWN = 8
_BOXES = catalog.SCHEMA.field("boxes").type
_NO_FILE_NAME = r"^\.{0,2}$|[/\x00-\x1f\x7f]"
_LONGEST_NAME = 255  # bytes


@dataclass(frozen=True)
class Expectation:
    """What a split must hold.

    Attributes:
        counts: images per WNID; "" stands for a class that nobody knows.
        numbered: flat splits only: the WNID of each image number, 1 first.
        consecutive: flat splits only: each number once, and no other.
        left_out: numbers of images that are not wanted.
    """

    counts: Mapping[str, int]
    numbered: tuple[str, ...] = ()
    consecutive: bool = False
    left_out: frozenset[int] = frozenset()

    @property
    def images(self) -> int:
        """How many images that is."""
        return sum(self.counts.values())


def expectation(
    split: SplitConfig,
    table: LabelTable,
    classes: tuple[str, ...] | None,
    *,
    skip_blacklisted: bool = False,
) -> Expectation:
    """Return what the configuration expects of a split, reduced to what is wanted.

    Raises:
        ConfigError: the label list is shorter than `images`, or a file of counts or numbers is
            malformed.
    """
    images = split.images or 0
    numbered = labels.load_list(split.labels, table) if split.labels else ("",) * images
    left_out: frozenset[int] = frozenset()
    if skip_blacklisted and split.blacklist is not None:
        left_out = labels.load_numbers(split.blacklist, len(numbered))
    if split.counts is not None:
        counts = Counter(labels.load_counts(split.counts, table))
    else:
        _check_labels(split, numbered, images)
        counts = Counter(numbered[:images])
        counts.subtract(numbered[number - 1] for number in left_out)
    if classes is not None:
        counts = Counter({wnid: count for wnid, count in counts.items() if wnid in classes})
    return Expectation(dict(+counts), numbered, split.counts is None, left_out)


def _check_labels(split: SplitConfig, numbered: tuple[str, ...], images: int) -> None:
    if len(numbered) < images:
        raise ConfigError(
            f"split {split.name}: too few labels",
            file=str(split.labels),
            expected=f"{images} lines",
            found=f"{len(numbered)} lines",
        )


def archive_rows(
    index: pa.Table, split: SplitConfig, table: LabelTable, expected: Expectation
) -> pa.Table:
    """Return the images of a split that its archive holds.

    Args:
        index: member index of the archive (`pipeline.archives.index.INDEX_SCHEMA`).
        split: its configuration.
        table: the label table.
        expected: what the split must hold.

    Returns:
        Columns key, synset, source, offset, length, and number, which is 0 in class tars. A key
        is ``<wnid>/<name>`` in class tars and the file's name in a flat tar.

    Raises:
        ArchiveRefused: a member is not what the layout promises, or no file may have its name.
    """
    if split.layout == "class-tars":
        return _class_tars(index, split, table)
    return _flat(index, split, expected)


def build_catalog(
    rows: pa.Table,
    split: SplitConfig,
    table: LabelTable,
    expected: Expectation,
    classes: tuple[str, ...] | None,
    boxes: BoxTable | None = None,
    origin: str = "",
) -> pa.Table:
    """Return the catalog of a split, rows sorted by key.

    Args:
        rows: what lies in the archive (`archive_rows`) or tree (`pipeline.sources.tree.rows`).
        split: its configuration.
        table: the label table.
        expected: what the split must hold.
        classes: the chosen WNIDs; None: all.
        boxes: bounding boxes by file name; None: not wanted.
        origin: what errors say the images lie in; empty: the archive.

    Raises:
        ArchiveRefused: an image appears twice.
        CountMismatch: a class does not have exactly the expected number of images.
    """
    origin = origin or split.archive
    if expected.consecutive:
        _check_numbers(set(rows["number"].to_pylist()), split, origin)
    if expected.left_out:
        unwanted = pa.array(sorted(expected.left_out), pa.int64())
        rows = rows.filter(pc.invert(pc.is_in(rows["number"], unwanted)))
    if classes is not None:
        rows = rows.filter(pc.is_in(rows["synset"], pa.array(classes, pa.string())))
    rows = rows.sort_by("key")
    _check_unique(rows, origin)
    _check_counts(rows, split, expected, origin)
    return _labelled(rows, table, boxes)


def _class_tars(index: pa.Table, split: SplitConfig, table: LabelTable) -> pa.Table:
    containers = index["container"].cast(pa.string())
    outer = index.filter(pc.equal(containers, ""))
    known = {f"{wnid}.tar": wnid for wnid in table.wnids}
    for row in outer.filter(_is_no(outer, "directory")).to_pylist():
        if row["kind"] != "file" or _plain(row["name"]) not in known:
            raise _unexpected(split, row, "a tar named after a WNID of the label table")
    inner = index.filter(pc.not_equal(containers, ""))
    members = inner.filter(_is_no(inner, "directory"))
    for row in members.filter(_is_no(members, "file")).slice(0, 1).to_pylist():
        raise _unexpected(split, row, "regular files only")
    names = _plain_column(members["name"])
    unsafe = pc.or_(
        pc.match_substring_regex(names, _NO_FILE_NAME),
        pc.greater(pc.binary_length(names), _LONGEST_NAME),
    )
    for row in members.filter(unsafe).slice(0, 1).to_pylist():
        raise _unexpected(split, row, "a plain file name, at the top level of a class tar")
    stems = [known[_plain(name)] for name in members["container"].to_pylist()]
    synsets = pa.array(stems, pa.string())
    keys = pc.binary_join_element_wise(synsets, names.combine_chunks(), "/")
    return _rows(split, members, keys, synsets, np.zeros(len(keys), np.int64))


def _flat(index: pa.Table, split: SplitConfig, expected: Expectation) -> pa.Table:
    pattern = re.compile(split.member or "")
    numbers, keep, seen = [], [], set()
    for row in index.select(["name", "kind", "container", "offset"]).to_pylist():
        keep.append(row["kind"] != "directory")
        if row["kind"] == "directory":
            continue
        name = _plain(row["name"])
        match = pattern.fullmatch(name) if row["kind"] == "file" else None
        digits = (match[1] or "") if match else ""
        number = int(digits) if digits.isascii() and digits.isdigit() else 0
        if not 1 <= number <= len(expected.numbered) or number in seen or _unsafe(name):
            wanted = f"{split.member} with a number from 1 to {len(expected.numbered)}, each once"
            raise _unexpected(split, row, wanted)
        seen.add(number)
        numbers.append(number)
    members = index.filter(pa.array(keep, pa.bool_()))
    synsets = pa.array([expected.numbered[number - 1] for number in numbers], pa.string())
    keys = pc.replace_substring_regex(members["name"], r"^.*/", "").combine_chunks()
    return _rows(split, members, keys, synsets, numbers)


def _check_numbers(seen: set[int], split: SplitConfig, origin: str) -> None:
    images = split.images or 0
    absent = sorted(set(range(1, images + 1)) - seen)
    surplus = sorted(seen - set(range(1, images + 1)))
    if absent or surplus:
        parts = [f"missing: {_few(map(str, absent))}"] if absent else []
        parts += [f"not expected: {_few(map(str, surplus))}"] if surplus else []
        raise CountMismatch(
            f"split {split.name}: not the expected images",
            file=origin,
            expected=f"the images 1 to {images}, each once",
            found=f"{len(seen)} images; {'; '.join(parts)}",
            remedy="get it again, or correct `images` in the configuration",
        )


def _check_counts(rows: pa.Table, split: SplitConfig, expected: Expectation, origin: str) -> None:
    found = Counter(rows["synset"].to_pylist())
    classes = sorted(found.keys() | expected.counts.keys())
    wrong = [
        f"{wnid} {found.get(wnid, 0)} of {expected.counts.get(wnid, 0)}"
        for wnid in classes
        if found.get(wnid, 0) != expected.counts.get(wnid, 0)
    ]
    if wrong:
        raise CountMismatch(
            f"split {split.name}: wrong number of images in {len(wrong)} of {len(classes)} classes",
            file=origin,
            expected=f"{expected.images} images in {len(expected.counts)} classes",
            found=f"{rows.num_rows} images in {len(found)} classes; {_few(wrong)}",
            remedy="get it again, or correct the counts in the configuration",
        )


def _check_unique(rows: pa.Table, origin: str) -> None:
    keys = rows["key"].to_pylist()
    for first, second in pairwise(keys):
        if first == second:
            raise ArchiveRefused(
                "a member appears twice", file=origin, place=first, expected="each name once"
            )


def _labelled(rows: pa.Table, table: LabelTable, boxes: BoxTable | None) -> pa.Table:
    synsets = rows["synset"].to_pylist()
    classes = [table.index.get(wnid, -1) for wnid in synsets]
    names = pc.replace_substring_regex(rows["key"], r"^.*/", "").combine_chunks()
    columns = {
        "key": rows["key"],
        "source": rows["source"],
        "offset": rows["offset"],
        "length": rows["length"],
        "class_index": pa.array(classes, pa.int32()),
        "synset": rows["synset"],
        "text": pa.array([table.words[place] if place >= 0 else "" for place in classes]),
        "boxes": boxes.lookup(names)[0] if boxes else pa.array([[]] * rows.num_rows, _BOXES),
    }
    encoded = {
        name: pc.dictionary_encode(column)
        if pa.types.is_dictionary(catalog.SCHEMA.field(name).type)
        else column
        for name, column in columns.items()
    }
    return pa.table(encoded).cast(catalog.SCHEMA)


def _rows(
    split: SplitConfig,
    members: pa.Table,
    keys: pa.Array,
    synsets: pa.Array,
    numbers: Sequence[int] | npt.NDArray[np.int64],
) -> pa.Table:
    return pa.table(
        {
            "key": keys,
            "synset": synsets,
            "source": pa.array([split.archive] * len(keys), pa.string()),
            "offset": members["offset"],
            "length": members["size"],
            "number": pa.array(numbers, pa.int64()),
        }
    )


def _is_no(index: pa.Table, kind: str) -> pa.ChunkedArray:
    return pc.not_equal(index["kind"].cast(pa.string()), kind)


def _plain(name: str) -> str:
    return name.removeprefix("./")


def _plain_column(names: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.replace_substring_regex(names, r"^\./", "")


def _unsafe(name: str) -> bool:
    """Whether the last part of a name cannot be a file's in a folder."""
    last = name.rpartition("/")[2]
    return bool(re.search(_NO_FILE_NAME, last)) or len(last.encode()) > _LONGEST_NAME


def _unexpected(split: SplitConfig, row: Mapping[str, object], expected: str) -> ArchiveRefused:
    inside = f"{row['container']} > " if row["container"] else ""
    return ArchiveRefused(
        f"split {split.name}: a member that does not belong there",
        file=split.archive,
        place=f"member {inside}{row['name']}, offset {row['offset']}",
        expected=expected,
        found=f"{row['kind']} {row['name']!r}",
        remedy="remove it from the archive, or describe the archive's layout in the configuration",
    )


def _few(items: Iterable[str]) -> str:
    shown: list[str] = []
    more = 0
    for item in items:
        if len(shown) < _SHOWN:
            shown.append(item)
        else:
            more += 1
    return ", ".join(shown) + (f" and {more} more" if more else "")
