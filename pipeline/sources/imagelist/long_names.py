"""Which lists name an image so long that its name in shards is cut, of formats that cut names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.sources.source import IsCut

# No shorter path can be cut: encoding makes at most three bytes of one, and adds a few.
_PART: Final = r"[^/]{75,}"  # in bytes
_WHOLE: Final = 1000  # bytes


def never_cut(key: str, suffix: str) -> bool:
    """Say that no name is cut, for those who want no such names."""
    del key, suffix
    return False


class LongNames:
    """Looks at the paths of a list, some at a time.

    Attributes:
        found: whether the name of a key that is a path is cut.
    """

    def __init__(self, is_cut: IsCut) -> None:
        self.found = False
        self._is_cut = is_cut
        self._numbered: list[str] = []

    def look(self, paths: pa.ChunkedArray, ids: pa.ChunkedArray, suffix: str) -> None:
        """Look at paths and the ids of their images."""
        if self.found:
            return
        encoded = paths.cast(pa.binary())
        long = pc.or_(
            pc.match_substring_regex(encoded, _PART), pc.greater(pc.binary_length(encoded), _WHOLE)
        )
        rows = zip(paths.filter(long).to_pylist(), ids.filter(long).to_pylist(), strict=True)
        for path, number in rows:
            if self._is_cut(path, suffix):
                self.found = True
                return
            if self._is_cut(f"{path}#{number}", suffix):
                self._numbered.append(path)

    def with_ids(self, are_numbered: Callable[[list[str]], NDArray[np.bool_]]) -> bool:
        """Whether any key's name is cut, once it is known which keys are a path and an id."""
        return self.found or bool(are_numbered(self._numbered).any())
