r"""Image lists of im2rec: a line an image, with its id, its labels and its path.

Two programs of MXNet read them, each in its own way. ``tools/im2rec.py`` splits at TABs only::

    id TAB label [TAB label ...] TAB path

``tools/im2rec.cc`` takes blanks of any kind, as many labels as it is told (one, if it is not
told), and what is left of the line as the path. A line is read in the first way where it has that
form, else in the second. Where those programs pass over a line in silence, here it is refused.

Sources: both files in apache/mxnet 1.9.1.
"""

from __future__ import annotations

import itertools
import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline import names as rule
from pipeline.errors import BadAnnotation, UsageError
from pipeline.sources.imagelist import label_values as labelvalues
from pipeline.sources.imagelist import list_forms as listforms
from pipeline.sources.imagelist.lst_refusals import REMEDY, SHOWN, refused, shown
from pipeline.sources.imagelist.text_blocks import text_blocks
from pipeline.storage import Location

SCHEMA: Final = pa.schema(
    [
        ("line", pa.int64()),  # in the list, from 1
        ("id", pa.uint64()),
        ("labels", pa.list_(pa.float32())),  # one or more
        ("path", pa.string()),  # as it stands there: relative to a folder of images, or absolute
    ]
)
"""Columns of the tables that `read` yields; no value is null."""

_Column: TypeAlias = Sequence[object] | NDArray[np.generic] | pa.Array
_FEWEST: Final = 3  # fields: id, label, path
_LAST_ID: Final = 2**64 - 1

_BLANKS: Final = re.compile(r"[ \t]+")
_ID: Final = re.compile(r"\+?0*([0-9]{1,20})")

_IS_SEPARATOR: Final = np.isin(np.arange(256), list(b"\t\n"))
_IS_CONTROL: Final = np.isin(np.arange(256), [*range(32), 127]) & ~_IS_SEPARATOR


def read(
    path: Location, *, label_width: int | None = None, unique: bool = True
) -> Iterator[pa.Table]:
    """Yield the images of a list, in its order.

    UTF-8, with a byte order mark or without; lines end in LF or CR LF; empty ones are passed over,
    and blanks around a field are not part of it. A label is the float32 nearest to the decimal
    number. Memory does not grow with the list, but for 8 bytes an image that find ids used twice.

    Args:
        path: the list.
        label_width: how many labels every line has; None: each line may have a number of its
            own between TABs, and has one where there are blanks instead.
        unique: whether an id that stands there twice is refused; where it does, readers of an
            indexed RecordIO file find the last of its images only.

    Yields:
        tables of 1 to `ROWS` rows, columns as in `SCHEMA`.

    Raises:
        UsageError: `label_width` is below 1.
        BadAnnotation: a line is not of that form; its id is no whole number that fits in 64 bits;
            a label is no finite number, or one so large that float32 would make another whole
            number of it; its path holds a control character. There is no line at all. After the
            last table: an id stands there twice.
        Vanished: there is no such file.
    """
    if label_width is not None and label_width < 1:
        raise UsageError("every image has a label", expected="1 or more", found=str(label_width))
    ids = array("Q")
    empty = True
    for first, content in text_blocks(path):
        block = _Block(path, label_width, first, content)
        table = block.regular()
        if table is None:
            table = block.odd()
        if unique:
            ids.frombytes(table["id"].to_numpy().tobytes())
        if table.num_rows:
            empty = False
            yield table
    if empty:
        what, wanted = "no image in the list", "a line for each image"
        remedy = "write a line for each image: an id, its label and its path, with TABs between"
        raise refused(path, 1, what, wanted, "nothing", remedy)
    twice = _repeated(ids)
    if twice is not None:
        raise _used_twice(path, label_width, twice)


@dataclass(frozen=True)
class _Block:
    """Some lines of a list."""

    path: Location
    width: int | None  # labels a line; None: any number
    first: int  # number of its first line, from 1
    content: bytes  # at most `ROWS` lines in UTF-8; each ends in LF

    def regular(self) -> pa.Table | None:
        """Parse lines of a plain form all at once; None: some line has another."""
        plain = np.frombuffer(self.content.replace(b"\r\n", b"\n"), np.uint8)
        if _IS_CONTROL[plain].any() or rule.has_wide_control(self.content):
            return None
        table = self._separated(plain, self.width)
        if table is None and (blank := (plain == ord(" ")) | (plain == ord("\t"))).any():
            tabs = np.where(blank, np.uint8(ord("\t")), plain)
            again = np.append(False, blank[1:] & blank[:-1])
            table = self._separated(tabs[~again], self.width or 1)
        return table

    def _separated(self, plain: NDArray[np.uint8], width: int | None) -> pa.Table | None:
        """Parse lines whose fields are separated by single TABs."""
        separates = _IS_SEPARATOR[plain]
        separators = np.flatnonzero(separates)
        last = np.flatnonzero(plain[separators] == ord("\n"))
        start = np.append(0, last[:-1] + 1)
        counts = last - start - 1
        if counts.min() < 1 or not (width is None or (counts == width).all()):
            return None
        edges = plain[separators[last - 1] + 1], plain[separators[last] - 1]  # of the paths
        if not all((edge > ord(" ")).all() for edge in edges):
            return None
        stops = separators - np.arange(len(separators))  # once all separators are taken out
        buffers = [None, pa.py_buffer(np.append(0, stops).astype(np.int32))]
        buffers.append(pa.py_buffer(plain[~separates]))
        fields = pa.Array.from_buffers(pa.string(), len(stops), buffers)
        between = np.ones(len(stops), np.bool_)
        between[start] = between[last] = False
        ids = _ids(fields.take(pa.array(start)))
        labels = _labels(fields.filter(pa.array(between)))
        if ids is None or labels is None:
            return None
        lines = np.arange(self.first, self.first + len(last))
        paths = fields.take(pa.array(last))
        return _table(lines, ids, np.append(0, np.cumsum(counts)), labels, paths)

    def odd(self) -> pa.Table:
        """Parse line by line; refuse the first that cannot be."""
        lines, ids, ends, labels, paths = list[int](), list[int](), [0], list[float](), list[str]()
        for number, whole in enumerate(self.content.decode().split("\n")[:-1], self.first):
            line = whole.removesuffix("\r").strip(" \t")
            if not line:
                continue
            key, values, name = self._parsed(number, line)
            lines.append(number)
            ids.append(key)
            labels.extend(values)
            ends.append(len(labels))
            paths.append(name)
        return _table(lines, ids, ends, labels, paths)

    def _parsed(self, number: int, line: str) -> tuple[int, list[float], str]:
        """Return id, labels and path; of a line of another program's form, name that."""
        try:
            key, *values, name = self._fields(number, line)
            if rule.has_control(name):
                wanted = "a path without control characters"
                raise self._refused(number, "a path that no image may have", wanted, name)
            return self._id(number, key), [self._label(number, value) for value in values], name
        except BadAnnotation as error:
            form = listforms.recognised(line, number)
            if form is None:
                raise
            what = f"not im2rec's form of image lists, but {form.name}"
            wanted = "an id, a label and a path, separated by TABs"
            raise self._refused(number, what, wanted, line, form.remedy) from error

    def _fields(self, number: int, line: str) -> list[str]:
        fields = [each.strip(" ") for each in line.split("\t")]
        fits = len(fields) == self.width + 2 if self.width else len(fields) >= _FEWEST
        if fits and all(each and " " not in each for each in fields[:-1]):
            return fields
        width = self.width or 1
        fields = _BLANKS.split(line, maxsplit=width + 1)
        wanted = f"an id, {width} label{'s' * (width > 1)} and a path, separated by TABs"
        if len(fields) < width + 2:
            raise self._refused(number, "fields are missing", wanted, line)
        more = _BLANKS.split(fields[-1], maxsplit=1)
        if len(more) > 1 and self.width is None and labelvalues.is_number(more[0]):
            what = f"{more[0][:SHOWN]} may be a second label or belong to the path"
            raise self._refused(number, what, wanted, line)
        if "\t" in fields[-1]:
            raise self._refused(number, "there are too many fields", wanted, line)
        return fields

    def _id(self, number: int, text: str) -> int:
        digits = _ID.fullmatch(text)
        if digits and int(digits[1]) <= _LAST_ID:
            return int(digits[1])
        wanted = f"a whole number from 0 to {_LAST_ID}"
        raise self._refused(number, "not the id of an image", wanted, text)

    def _label(self, number: int, text: str) -> float:
        flaw = labelvalues.flaw(text)
        if flaw is not None:
            raise self._refused(number, *flaw, text)
        return float(text)

    def _refused(
        self, number: int, what: str, expected: str, found: str, remedy: str = REMEDY
    ) -> BadAnnotation:
        return refused(self.path, number, what, expected, shown(found), remedy)


def _ids(texts: pa.StringArray) -> pa.UInt64Array | None:
    """Parse ids that are nothing but digits; None: some are not, or too large."""
    try:
        return texts.cast(pa.uint64()) if pc.all(pc.ascii_is_decimal(texts)).as_py() else None
    except pa.ArrowInvalid:
        return None


def _labels(texts: pa.StringArray) -> NDArray[np.float32] | None:
    """Parse labels of a size at which float32 is good enough; None: some are none, or larger."""
    try:
        values: NDArray[np.float64] = texts.cast(pa.float64()).to_numpy()
    except pa.ArrowInvalid:
        return None
    return values.astype(np.float32) if (np.abs(values) <= labelvalues.EXACT).all() else None


def _table(
    lines: _Column, ids: _Column, ends: _Column, labels: _Column, paths: _Column
) -> pa.Table:
    lists = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pa.array(labels, pa.float32()))
    return pa.table([lines, ids, lists, paths], schema=SCHEMA)


def _repeated(ids: array[int]) -> int | None:
    """Return the least id that is there twice; sorts them in place."""
    ordered = np.frombuffer(ids, np.uint64)
    ordered.sort()
    again = np.flatnonzero(ordered[1:] == ordered[:-1])
    return int(ordered[again[0]]) if len(again) else None


def _used_twice(path: Location, width: int | None, key: int) -> BadAnnotation:
    tables = read(path, label_width=width, unique=False)
    same_id = (table.filter(pc.field("id") == pa.scalar(key, pa.uint64())) for table in tables)
    lines = (line for table in same_id for line in table["line"].to_pylist())
    first, second = itertools.islice(lines, 2)
    what, wanted = f"id {key} stands there twice", "an id of its own for each image"
    remedy = "give one of the two lines another id, or leave it out"
    return refused(path, second, what, wanted, f"it is in line {first}, too", remedy)
