"""bboxes.csv read back: the boxes of a picture, by its file name.

A line ends in 29 bytes of fixed layout, ``,0.1234,0.1234,1.0000,1.0000`` and LF; what is before
them is the name. So all lines are read at once, as columns of digits.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from pipeline import storage
from pipeline.errors import OutputDamaged

_LAYOUT = ",0.1234"  # of a coordinate
_BASE = 10
_ONE = 10_000  # 1.0000
_WEIGHTS = np.array([10_000, 1_000, 100, 10, 1], np.float32)  # of its digits
_TAIL = 4 * len(_LAYOUT)
_NAME = r'^[^,"]+\.JPEG$'
_LINE = '"<name>.JPEG,<xmin>,<ymin>,<xmax>,<ymax>", each from 0.0000 to 1.0000, none below its min'
_LIST = pa.list_(pa.float32())
_SHOWN = 120
_STEP = 1 << 19  # bytes that are read at once


@dataclass(frozen=True, eq=False)
class BoxTable:
    """The boxes of pictures.

    Attributes:
        files: (files,) names of the pictures that have a box, as string, in C order.
        offsets: (files + 1,) int64; the boxes of picture i are rows offsets[i] to offsets[i + 1].
        corners: (boxes, 4) float32, xmin, ymin, xmax, ymax, in 0..1.
    """

    files: pa.StringArray
    offsets: NDArray[np.int64]
    corners: NDArray[np.float32]

    def lookup(self, names: pa.Array | Sequence[str]) -> tuple[pa.ListArray, int]:
        """Find the boxes of pictures.

        Args:
            names: (n,) their file names, e.g. ``n01440764_18.JPEG``.

        Returns:
            (n,) lists of float32, never null: xmin, ymin, xmax, ymax of each box of a picture
            one after another. And the number of boxes whose picture is not among `names`.
        """
        wanted = names if isinstance(names, pa.Array) else pa.array(names, pa.string())
        near = self._between(wanted)
        places = pc.fill_null(pc.index_in(wanted, self.files[near]), -1 - near.start).to_numpy()
        places = places + near.start
        first = self.offsets
        counts = np.diff(first, append=first[-1:])  # -1, where nothing is found, is the empty last
        found = counts[places]
        ends = np.cumsum(found)
        rows = np.arange(found.sum()) + np.repeat(first[places] - ends + found, found)
        lists = pa.ListArray.from_arrays(
            pa.array(np.append(0, 4 * ends), pa.int32()),
            pa.array(self.corners[rows].ravel()),
            _LIST,
        )
        counts[places] = 0
        return lists, int(counts.sum())

    def _between(self, names: pa.StringArray) -> slice:
        """Return where all pictures of these names are: to look among few takes little memory."""
        extremes = pc.min_max(names)
        low, high = (extremes[side].as_py() or "" for side in ("min", "max"))
        start = bisect_left(self.files, low.encode(), key=_encoded)
        return slice(start, bisect_right(self.files, high.encode(), key=_encoded))


def _encoded(name: pa.StringScalar) -> bytes:
    return str(name.as_py()).encode()


def read(path: Path) -> BoxTable:
    """Read a bboxes.csv that `pipeline.annotations.bboxes` wrote.

    A coordinate is the float32 nearest to its four decimals, as the scripts of TensorFlow's
    Inception read it.

    Raises:
        OutputDamaged: a line is malformed, or not in its place.
        Vanished: there is no such file.
    """
    names, corners, rows = [], [np.empty((0, 4), np.float32)], 0
    for content in _pieces(path):
        lines = _Lines(path, content, rows)
        names.append(lines.names())
        corners.append(lines.corners())
        rows += len(names[-1])
    encoded = pc.run_end_encode(pa.chunked_array(names, pa.string()).combine_chunks())
    files, offsets = encoded.values, np.append(0, encoded.run_ends.to_numpy()).astype(np.int64)
    ascending = pc.less(files[:-1], files[1:]).to_numpy(zero_copy_only=False)
    if not ascending.all():
        place = 1 + int(np.argmin(ascending))
        wanted = "file names in C order, the boxes of one together"
        raise _damaged(path, int(offsets[place]), wanted, repr(files[place].as_py()))
    return BoxTable(files, offsets, np.concatenate(corners))


def _pieces(path: Path) -> Iterator[bytes]:
    """Yield a file in pieces of whole lines."""
    rest = b""
    with storage.RangeReader(path) as file:
        offset = 0
        while view := file.read(offset, _STEP):
            offset += len(view)
            whole, end, rest = (rest + view).rpartition(b"\n")
            if end:
                yield whole + end
    if rest:
        yield rest


class _Lines:
    """Lines of a file, as columns of bytes; `first` is the number of the first one, from 0."""

    def __init__(self, path: Path, content: bytes, first: int) -> None:
        self._path = path
        self._first = first
        self._bytes = np.frombuffer(content, np.uint8)
        self._ends = np.flatnonzero(self._bytes == ord("\n"))
        self._starts = np.append(0, self._ends + 1)
        self._lengths = self._ends - self._starts[:-1] - _TAIL  # of the names
        if self._starts[-1] != len(content):
            raise self._damaged(len(self._ends), "a line that ends in LF")
        try:
            content.decode()
        except UnicodeDecodeError as error:
            row = int(np.searchsorted(self._ends, error.start))
            raise self._damaged(row, "UTF-8") from None
        self.check(self._lengths > 0, _LINE)

    def corners(self) -> NDArray[np.float32]:
        """Return (lines, 4): the coordinates at the end of each line."""
        if not len(self._ends):
            return np.empty((0, 4), np.float32)
        tails = sliding_window_view(self._bytes, _TAIL)[self._ends - _TAIL]
        columns = tails.reshape(-1, 4, len(_LAYOUT))
        digits = columns[..., [1, 3, 4, 5, 6]] - ord("0")  # what is below "0" wraps around
        values = digits.astype(np.float32) @ _WEIGHTS  # exact
        fit = (digits < _BASE).all((1, 2)) & (values <= _ONE).all(1)
        fit &= (columns[..., [0, 2]] == [ord(","), ord(".")]).all((1, 2))
        self.check(fit & (values[:, :2] <= values[:, 2:]).all(1), _LINE)
        return values / np.float32(_ONE)

    def names(self) -> pa.StringArray:
        """Return (lines,): what stands before the coordinates of each line, names of pictures."""
        widths = np.stack([self._lengths, np.full_like(self._lengths, _TAIL + 1)], axis=1)
        is_name = np.repeat(np.tile([True, False], len(widths)), widths.ravel())
        offsets = np.append(0, np.cumsum(self._lengths)).astype(np.int32)
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(self._bytes[is_name])]
        names = pa.Array.from_buffers(pa.string(), len(widths), buffers)
        self.check(pc.match_substring_regex(names, _NAME).to_numpy(zero_copy_only=False), _LINE)
        return names

    def check(self, fit: NDArray[np.bool_], expected: str) -> None:
        """Raise unless all lines are fit."""
        if not fit.all():
            raise self._damaged(int(np.argmin(fit)), expected)

    def _damaged(self, row: int, expected: str) -> OutputDamaged:
        line = bytes(self._bytes[self._starts[row] :][:_SHOWN]).partition(b"\n")[0]
        return _damaged(self._path, self._first + row, expected, repr(line)[1:])


def _damaged(path: Path, row: int, expected: str, found: str) -> OutputDamaged:
    return OutputDamaged(
        "the table of boxes is not as it was written",
        file=str(path),
        place=f"line {row + 1}",
        expected=expected,
        found=found,
        remedy="remove the file and run the shardmill command again: it is made anew",
    )
