"""The plan of an output that is appended to: the keys, ids and classes of its images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline import paths
from pipeline.catalog import generations, plan
from pipeline.catalog.generations import KnownKeys
from pipeline.errors import OutputDamaged, Vanished
from pipeline.storage import Location

ANEW: Final = "leave out --append: shards with the same records are linked then, too"
"""What to do where what is appended to is not there as it was."""


@dataclass(frozen=True)
class Parent:
    """The plan of an output that is appended to.

    Attributes:
        out: the output folder.
        split: name of the split.
        plan: digest of the plan.
    """

    out: Location
    split: str
    plan: str

    def keys(self) -> KnownKeys:
        """Return the keys of its images, in the order of the records.

        Raises:
            OutputDamaged: the plan is not there any more, or is damaged.
        """
        return KnownKeys(rows.column("key").to_pylist() for rows in self._rows())

    def ids(self) -> npt.NDArray[np.uint64]:
        """Return uint64 of shape [images]: their ids, in the same order.

        Raises:
            OutputDamaged: see `keys`.
        """
        ids = [rows.column("id").to_numpy() for rows in self._rows()]
        return np.concatenate([np.empty(0, np.uint64), *ids])

    def labels(self) -> npt.NDArray[np.int32]:
        """Return int32 of shape [images]: the index of the class of each, in the same order.

        Raises:
            OutputDamaged: see `keys`.
        """
        labels = [rows.column("class_index").to_numpy() for rows in self._rows()]
        return np.concatenate([np.empty(0, np.int32), *labels])

    def classes(self) -> Mapping[str, int]:
        """Return the indexes of the classes that have a name, of images and of objects.

        Raises:
            OutputDamaged: see `keys`.
        """
        return dict(pair for rows in self._rows() for pair in generations.classes_of(rows))

    def _rows(self) -> Iterator[pa.RecordBatch]:
        try:
            yield from plan.read(paths.plan(self.out, self.split, self.plan))
        except (OutputDamaged, Vanished) as error:
            raise OutputDamaged(
                "the plan of the shards that are appended to cannot be read",
                file=error.file,
                found=error.what,
                remedy=ANEW,
            ) from error
