"""ILSVRC2012 and sets of its shape: the members of verified archives become a catalog."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import catalog, labels
from pipeline.annotations.boxtable import BoxTable
from pipeline.config import SplitConfig
from pipeline.errors import ArchiveRefused, ConfigError, CountMismatch
from pipeline.labels import LabelTable

_SHOWN = 8
_BOXES = catalog.SCHEMA.field("boxes").type
_LABELS = catalog.SCHEMA.field("labels").type


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


def build_catalog(
    parts: Iterable[pa.Table],
    split: SplitConfig,
    table: LabelTable,
    expected: Expectation,
    classes: tuple[str, ...] | None,
    boxes: BoxTable | None = None,
    origin: str = "",
) -> Iterator[pa.Table]:
    """Yield the catalog of a split in parts, rows sorted by key.

    What is wrong with the whole is known only at its end.

    Args:
        parts: what lies in the archive (`members.archive_rows`) or tree (`tree.rows`),
            the keys of each part after those of the part before.
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
    found: Counter[str] = Counter()
    first = 0
    for rows in _in_groups(_wanted(parts, split, expected, classes, origin)):
        found.update(
            {
                each["values"].as_py(): each["counts"].as_py()
                for each in rows["synset"].value_counts()
            }
        )
        yield _labelled(rows, table, boxes, first)
        first += rows.num_rows
    _check_counts(found, split, expected, origin)


def _wanted(
    parts: Iterable[pa.Table],
    split: SplitConfig,
    expected: Expectation,
    classes: tuple[str, ...] | None,
    origin: str,
) -> Iterator[pa.Table]:
    """Yield the rows that are wanted, sorted by key."""
    seen: set[int] = set()
    for part in parts:
        rows = part
        if expected.consecutive:
            seen.update(rows["number"].to_pylist())
        if expected.left_out:
            unwanted = pa.array(sorted(expected.left_out), pa.int64())
            rows = rows.filter(pc.invert(pc.is_in(rows["number"], unwanted)))
        if classes is not None:
            rows = rows.filter(pc.is_in(rows["synset"], pa.array(classes, pa.string())))
        rows = rows.sort_by("key")
        _check_unique(rows["key"], origin)
        yield rows
    if expected.consecutive:
        _check_numbers(seen, split, origin)


def _in_groups(parts: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Yield the same rows, as many at a time as a row group of a catalog has."""
    held: list[pa.Table] = []
    for part in parts:
        held.append(part)
        if sum(each.num_rows for each in held) >= catalog.ROWS:
            rows = pa.concat_tables(held)
            full = rows.num_rows // catalog.ROWS * catalog.ROWS
            for start in range(0, full, catalog.ROWS):
                yield rows.slice(start, catalog.ROWS).combine_chunks()
            held = [rows.slice(full)]
    rest = pa.concat_tables(held).combine_chunks() if held else None
    if rest:
        yield rest


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


def _check_counts(
    found: Mapping[str, int], split: SplitConfig, expected: Expectation, origin: str
) -> None:
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
            found=f"{sum(found.values())} images in {len(found)} classes; {_few(wrong)}",
            remedy="get it again, or correct the counts in the configuration",
        )


def _check_unique(keys: pa.ChunkedArray, origin: str) -> None:
    again = pc.index(pc.equal(keys[1:], keys[:-1]), True).as_py()
    if again >= 0:
        raise ArchiveRefused(
            "a member appears twice",
            file=origin,
            place=keys[again].as_py(),
            expected="each name once",
        )


def _labelled(rows: pa.Table, table: LabelTable, boxes: BoxTable | None, first: int) -> pa.Table:
    classes = pc.fill_null(pc.index_in(rows["synset"], pa.array(table.wnids, pa.string())), -1)
    words = pa.array([*table.words, ""], pa.string())
    names = pc.replace_substring_regex(rows["key"], r"^.*/", "").combine_chunks()
    columns = {
        "key": rows["key"],
        "source": rows["source"],
        "offset": rows["offset"],
        "length": rows["length"],
        "class_index": classes,
        "synset": rows["synset"],
        "text": words.take(pc.if_else(pc.less(classes, 0), len(table.words), classes)),
        "boxes": boxes.lookup(names)[0] if boxes else pa.array([[]] * rows.num_rows, _BOXES),
        "line": pa.array(np.zeros(rows.num_rows, np.int32)),
        "id": pa.array(range(first, first + rows.num_rows), pa.uint64()),
        "labels": pa.array([[]] * rows.num_rows, _LABELS),
    }
    encoded = {
        name: pc.dictionary_encode(column)
        if pa.types.is_dictionary(catalog.SCHEMA.field(name).type)
        else column
        for name, column in columns.items()
    }
    return pa.table(encoded).cast(catalog.SCHEMA)


def _few(items: Iterable[str]) -> str:
    shown: list[str] = []
    more = 0
    for item in items:
        if len(shown) < _SHOWN:
            shown.append(item)
        else:
            more += 1
    return ", ".join(shown) + (f" and {more} more" if more else "")
