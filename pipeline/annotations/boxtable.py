"""bboxes.csv read back: the boxes of a picture, by its file name.

A line ends in 29 bytes of fixed layout, ``,0.1234,0.1234,1.0000,1.0000`` and LF; what is before
them is the name. So all lines are read at once, as columns of digits.
"""

from __future__ import annotations

from collections.abc import Sequence
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
        places = pc.fill_null(pc.index_in(wanted, self.files), -1).to_numpy()
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


def read(path: Path) -> BoxTable:
    """Read a bboxes.csv that `pipeline.annotations.bboxes` wrote.

    A coordinate is the float32 nearest to its four decimals, as the scripts of TensorFlow's
    Inception read it.

    Raises:
        OutputDamaged: a line is malformed, or not in its place.
        Vanished: there is no such file.
    """
    lines = _Lines(path, storage.read_bytes(path))
    corners = lines.corners()
    names = pc.run_end_encode(lines.names())
    files, offsets = names.values, np.append(0, names.run_ends.to_numpy()).astype(np.int64)
    fit = pc.match_substring_regex(files, _NAME).to_numpy(zero_copy_only=False)
    lines.check(fit, _LINE, offsets)
    ascending = pc.less(files[:-1], files[1:]).to_numpy(zero_copy_only=False)
    lines.check(ascending, "file names in C order, the boxes of one together", offsets[1:])
    return BoxTable(files, offsets, corners)


class _Lines:
    """The lines of a file, as columns of bytes."""

    def __init__(self, path: Path, content: bytes) -> None:
        self._path = path
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
        """Return (lines,): what stands before the coordinates of each line."""
        widths = np.stack([self._lengths, np.full_like(self._lengths, _TAIL + 1)], axis=1)
        is_name = np.repeat(np.tile([True, False], len(widths)), widths.ravel())
        offsets = np.append(0, np.cumsum(self._lengths)).astype(np.int32)
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(self._bytes[is_name])]
        return pa.Array.from_buffers(pa.string(), len(widths), buffers)

    def check(
        self,
        fit: NDArray[np.bool_],
        expected: str,
        rows: NDArray[np.int64] | None = None,
    ) -> None:
        """Raise unless all are fit; `rows`: to which line each belongs, where not to its own."""
        if not fit.all():
            first = int(np.argmin(fit))
            raise self._damaged(first if rows is None else int(rows[first]), expected)

    def _damaged(self, row: int, expected: str) -> OutputDamaged:
        line = bytes(self._bytes[self._starts[row] :][:_SHOWN]).partition(b"\n")[0]
        return OutputDamaged(
            "the table of boxes is not as it was written",
            file=str(self._path),
            place=f"line {row + 1}",
            expected=expected,
            found=repr(line)[1:],
            remedy="remove the file and run the shardmill command again: it is made anew",
        )
