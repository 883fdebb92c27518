"""ILSVRC2012 and sets of its shape: the members of verified archives become a catalog."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.annotations.boxjoin import BoxJoin
from pipeline.catalog import objects
from pipeline.catalog import table as catalog
from pipeline.catalog.classes import LabelTable
from pipeline.errors import ArchiveRefused, CountMismatch, abbreviate
from pipeline.quantities import counted
from pipeline.sources.ilsvrc2012 import odd_names as oddnames
from pipeline.sources.ilsvrc2012.dataset import SplitConfig
from pipeline.sources.ilsvrc2012.expectation import Expectation
from pipeline.storage.clutter import NOTHING, PassedOver

_EXAMINED = 8  # classes of which names are looked at


def build_catalog(
    parts: Iterable[pa.Table],
    split: SplitConfig,
    table: LabelTable,
    expected: Expectation,
    classes: tuple[str, ...] | None,
    boxes: BoxJoin | None = None,
    origin: str = "",
    passed_over: Callable[[], PassedOver] = PassedOver,
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
        boxes: the bounding boxes to join with the images; None: not wanted.
        origin: what errors say the images lie in; empty: the archive.
        passed_over: returns what was passed over as clutter. Where images are missing, they may
            lie in a folder whose name is hidden.

    Raises:
        ArchiveRefused: an image appears twice.
        BadAnnotation: an annotation fits two images.
        CountMismatch: a class does not have exactly the expected number of images.
    """
    tally = _Tally(split, expected, classes, origin or split.archive, boxes, passed_over)
    first = 0
    for rows in _in_groups(map(tally.take, parts)):
        yield _labelled(rows, table, boxes, first)
        first += rows.num_rows
    tally.check()


class _Tally:
    """Takes the rows that are wanted, and compares them all with what is expected at the end."""

    def __init__(
        self,
        split: SplitConfig,
        expected: Expectation,
        classes: tuple[str, ...] | None,
        origin: str,
        boxes: BoxJoin | None,
        passed_over: Callable[[], PassedOver],
    ) -> None:
        self._boxes, self._passed_over = boxes, passed_over
        self._split, self._expected, self._origin = split, expected, origin
        self._classes = None if classes is None else pa.array(classes, pa.string())
        self._counts: Counter[str] = Counter()
        self._numbers: set[int] = set()
        self._seen: set[int] = set()  # of those that are left out
        self._remarks: dict[str, str] = {}

    def take(self, part: pa.Table) -> pa.Table:
        """Return the rows that are wanted, sorted by key.

        The choice of classes and images comes before every check: nobody needs the others.

        Raises:
            ArchiveRefused: an image appears twice.
        """
        rows = part
        if self._expected.left_out:
            self._seen |= self._expected.left_out.intersection(rows["number"].to_pylist())
            unwanted = pa.array(sorted(self._expected.left_out), pa.int64())
            rows = self._keep(rows, pc.invert(pc.is_in(rows["number"], unwanted)))
        if self._classes is not None:
            rows = self._keep(rows, pc.is_in(rows["class_id"], self._classes))
        if self._expected.consecutive:
            self._numbers.update(rows["number"].to_pylist())
        rows = rows.sort_by("key")
        check_unique(rows["key"], self._origin)
        self._count(rows)
        return rows

    def _keep(self, rows: pa.Table, kept: pa.ChunkedArray) -> pa.Table:
        """Return some of the rows; the annotations of the others are not wanted either."""
        if self._boxes is not None:
            self._boxes.pass_over(rows.filter(pc.invert(kept))["key"].combine_chunks())
        return rows.filter(kept)

    def _count(self, rows: pa.Table) -> None:
        for each in rows["class_id"].value_counts().to_pylist():
            wnid, count = each["values"], each["counts"]
            self._counts[wnid] += count
            wanted = self._expected.counts.get(wnid, 0)
            if count == wanted or len(self._remarks) == _EXAMINED:
                continue
            keys = rows["key"].filter(pc.equal(rows["class_id"], wnid)).to_pylist()
            names = [key.rpartition("/")[2] for key in keys]
            self._remarks[wnid] = oddnames.describe(wnid, names, wanted)

    def check(self) -> None:
        """Raise CountMismatch if these were not all of the expected images and no others."""
        if self._expected.consecutive:
            self._check_numbers()
        else:
            self._check_left_out()
        self._check_counts()

    def _check_numbers(self) -> None:
        images, numbered = self._split.images or 0, self._expected.numbered
        wanted = set(range(1, images + 1)) - self._expected.left_out
        if self._classes is not None:
            chosen = set(self._classes.to_pylist())
            wanted = {number for number in wanted if numbered[number - 1] in chosen}
        absent, surplus = sorted(wanted - self._numbers), sorted(self._numbers - wanted)
        if absent or surplus:
            parts = [f"missing: {abbreviate(map(str, absent))}"] if absent else []
            parts += [f"not expected: {abbreviate(map(str, surplus))}"] if surplus else []
            whole = len(wanted) == images
            expected = f"the images 1 to {images}" if whole else f"{len(wanted)} of {images} images"
            raise CountMismatch(
                f"split {self._split.name}: not the expected images",
                file=self._origin,
                expected=f"{expected}, each once",
                found=f"{counted(len(self._numbers), 'image')}; {'; '.join(parts)}"
                + self._hidden(absent),
                remedy=self._remedy("`images`"),
            )

    def _check_left_out(self) -> None:
        """Raise if images that should be left out are not there: they were counted, too."""
        chosen = None if self._classes is None else set(self._classes.to_pylist())
        absent = [
            number
            for number in sorted(self._expected.left_out - self._seen)
            if chosen is None or self._expected.numbered[number - 1] in chosen
        ]
        if absent:
            raise CountMismatch(
                f"split {self._split.name}: the blacklist names images that are not there",
                file=str(self._split.blacklist),
                expected="images of the split, which are among its `counts`",
                found=f"the numbers {abbreviate(map(str, absent))}",
                remedy="remove their lines from that file, or leave --skip-blacklisted out",
            )

    def _check_counts(self) -> None:
        found, wanted = self._counts, self._expected.counts
        classes = sorted(found.keys() | wanted.keys())
        wrong = [wnid for wnid in classes if found.get(wnid, 0) != wanted.get(wnid, 0)]
        if wrong:
            what = f"wrong number of images in {len(wrong)} of {len(classes)} classes"
            named = abbreviate(map(self._described, wrong))
            raise CountMismatch(
                f"split {self._split.name}: {what}",
                file=self._origin,
                expected=_held(self._expected.images, len(wanted)),
                found=f"{_held(sum(found.values()), len(found))}; {named}"
                + self._hidden([wnid for wnid in wrong if found[wnid] < wanted.get(wnid, 0)]),
                remedy=self._remedy("the counts"),
            )

    def _hidden(self, absent: Sequence[object]) -> str:
        """Return what was passed over, if something is missing: it may be among that."""
        left = self._passed_over() if absent else NOTHING
        return f"; passed over: {left}" if left.count else ""

    def _described(self, wnid: str) -> str:
        images, wanted = self._counts.get(wnid, 0), self._expected.counts.get(wnid, 0)
        remark = self._remarks.get(wnid)
        return f"{wnid} {images} of {wanted}" + (f" ({remark})" if remark else "")

    def _remedy(self, key: str) -> str:
        """Return what to do: where classes are absent as a whole, they may not be wanted."""
        usual = f"get it again, or correct {key} in the configuration"
        in_archive = self._origin == self._split.archive
        if in_archive:
            usual = (
                "the archive has its MD5, so another download would be no different: pack it anew "
                f"as it should be and correct `md5`, or correct {key}, in the configuration"
            )
        absent = self._expected.counts.keys() - self._counts.keys()
        if self._counts and absent and self._split.has_classes:
            return (
                f"if only the classes that are there are wanted, {len(self._counts)} of "
                f"{len(self._expected.counts)}, name them in a file, a line each, with --classes; "
                f"else {usual}"
            )
        if not in_archive and any(self._remarks.values()):
            return (
                f"move away what is no image of its class, bring back what is missing; or {usual}"
            )
        return usual


def _held(images: int, classes: int) -> str:
    return f"{counted(images, 'image')} in {counted(classes, 'class')}"


def _in_groups(parts: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Yield the same rows, as many at a time as a row group of a catalog has."""
    held: list[pa.Table] = []
    count = 0
    for part in parts:
        held.append(part)
        count += part.num_rows
        if count >= catalog.ROWS:
            rows = pa.concat_tables(held)
            full = count // catalog.ROWS * catalog.ROWS
            for start in range(0, full, catalog.ROWS):
                yield rows.slice(start, catalog.ROWS).combine_chunks()
            held, count = [rows.slice(full)], count - full
    rest = pa.concat_tables(held).combine_chunks() if held else None
    if rest:
        yield rest


def check_unique(keys: pa.ChunkedArray, origin: str) -> None:
    """Check that no two of some sorted keys are the same.

    Raises:
        ArchiveRefused: two are.
    """
    again = pc.index(pc.equal(keys[1:], keys[:-1]), True).as_py()
    if again >= 0:
        raise ArchiveRefused(
            "a member appears twice",
            file=origin,
            place=keys[again].as_py(),
            expected="each name once",
            remedy="take one of the two out and pack the archive anew, or unpack it and read it "
            "with --tree",
        )


def _labelled(rows: pa.Table, table: LabelTable, boxes: BoxJoin | None, first: int) -> pa.Table:
    classes = pc.fill_null(
        pc.index_in(rows["class_id"], pa.array(table.class_ids, pa.string())), -1
    )
    words = pa.array([*table.words, ""], pa.string())
    keys, objects_of_rows = rows["key"].combine_chunks(), objects.none(rows.num_rows)
    if boxes is not None:
        objects_of_rows = boxes.take(keys, classes.combine_chunks().cast(pa.int32()))
    no_labels = pa.array(np.zeros(rows.num_rows + 1, np.int32))
    columns = {
        "key": rows["key"],
        "filename": catalog.file_names(keys),
        "source": rows["source"],
        "offset": rows["offset"],
        "length": rows["length"],
        "class_index": classes,
        "class_id": rows["class_id"],
        "class_text": words.take(pc.if_else(pc.less(classes, 0), len(table.words), classes)),
        "labels": pa.ListArray.from_arrays(no_labels, pa.array([], pa.float32())),
        "id": pa.array(np.arange(first, first + rows.num_rows, dtype=np.uint64)),
        "line": pa.array(np.zeros(rows.num_rows, np.int32)),
        "objects": objects_of_rows,
    }
    encoded = {
        name: pc.dictionary_encode(column)
        if pa.types.is_dictionary(catalog.SCHEMA.field(name).type)
        else column
        for name, column in columns.items()
    }
    return pa.table(encoded).cast(catalog.SCHEMA)
