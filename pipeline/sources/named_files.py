"""Images that are files of their own, each of one numbered class, as whoever reads them names them.

It is for sources that need no more than to say which images there are: such a data set reads names
and classes, and `NamedFiles.of` does the rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
import pyarrow as pa

from pipeline import digests, names, storage
from pipeline.annotations.boxjoin import BoxJoin
from pipeline.catalog import class_folders, objects
from pipeline.catalog import table as catalog
from pipeline.errors import InputRefused
from pipeline.job.options import Job
from pipeline.manifest import Document
from pipeline.sources.shard_count import shard_count
from pipeline.sources.source import Defaults, Expected, Source, Split
from pipeline.storage import Location
from pipeline.storage.local.fingerprints import FileStamps, path_hashes

Named = tuple[str, int]
"""Path of an image, relative to the root or absolute, and its class, from 0."""

_CLASSES: Final = 1 << 31  # a class index is an int32


@dataclass(frozen=True, eq=False, kw_only=True)
class NamedFiles(Source):
    """Images that a file names.

    Attributes:
        file: what names them.
        images: path and class of each, in their order.
        looks: size in bytes and stamp of each, as they were looked at.
    """

    file: Path
    images: Sequence[Named]
    looks: Sequence[tuple[int, int]]

    @classmethod
    def of(cls, job: Job, split: Split, file: Path, images: Sequence[Named]) -> Self:
        """Look at each image, and return the source.

        Args:
            job: the job; its `root` is the folder that paths are relative to.
            split: what they are a split of.
            file: what names them.
            images: path and class of each.

        Raises:
            InputRefused: there is no image; one is named twice, is not there, has a name that
                cannot be stored, or a class that is none.
            UsageError: a shard would be empty.
        """
        root = Path(job.root)
        looks = storage.file_stamps(root, [path for path, _ in images])
        _check(file, images, [size for size, _ in looks])
        size = sum(size for size, _ in looks)
        return cls(
            split=split,
            root=root,
            expected=Expected(Counter(class_folders.of_number(label) for _, label in images)),
            shards=shard_count(job, split.name, len(images), 0, size),
            defaults=Defaults(Path(images[0][0]).suffix, offsets=False, repairs=False),
            file=file,
            images=images,
            looks=looks,
        )

    def identity(self) -> Document:
        """Return a digest of paths, classes and sizes, in their order."""
        sizes = [size for size, _ in self.looks]
        digest = digests.digest({"images": self.images, "sizes": sizes})
        return {"list": digest, "split": self.split.name}

    def described(self) -> list[Document]:
        """Return the file's name, and the digest."""
        return [{"list": self.file.name, "digest": self.identity()["list"]}]

    def rows(self, out: Location, boxes: BoxJoin | None) -> Iterator[pa.Table]:
        """Yield the catalog, in the order of the images."""
        del out, boxes
        for first in range(0, len(self.images), catalog.ROWS):
            yield self._rows(range(first, min(first + catalog.ROWS, len(self.images))))

    def _rows(self, chosen: range) -> pa.Table:
        paths = pa.array([self.images[each][0] for each in chosen], pa.string())
        count, none = len(chosen), pa.array([""] * len(chosen), pa.string())
        columns = {
            "key": paths,
            "filename": catalog.file_names(paths),
            "source": paths,
            "offset": pa.array([0] * count, pa.int64()),
            "length": pa.array([self.looks[each][0] for each in chosen], pa.int64()),
            "class_index": pa.array([self.images[each][1] for each in chosen], pa.int32()),
            "class_id": none.dictionary_encode(),
            "class_text": none.dictionary_encode(),
            "labels": pa.array([[]] * count, pa.list_(pa.float32())),
            "id": pa.array(chosen, pa.uint64()),
            "line": pa.array([each + 1 for each in chosen], pa.int32()),
            "objects": objects.none(count),
        }
        return pa.table(columns).cast(catalog.SCHEMA)

    def size(self) -> int:
        """Return how many bytes the files have."""
        return sum(size for size, _ in self.looks)

    def stamps(self) -> FileStamps:
        """Return how the files looked."""
        stamps = np.array([stamp for _, stamp in self.looks], np.uint64)
        return FileStamps.of(path_hashes([path for path, _ in self.images]), stamps)

    @property
    def class_names(self) -> tuple[str, ...]:
        """No names: classes have numbers."""
        return ()


def _check(file: Path, images: Sequence[Named], sizes: Sequence[int]) -> None:
    if not images:
        raise InputRefused("it names no image", file=str(file), expected="one or more")
    seen = set[str]()
    for number, ((path, label), size) in enumerate(zip(images, sizes, strict=True), start=1):
        flaw = ""
        if not path or names.has_control(path):
            flaw = f"not a path of an image: {path!r}"
        elif path in seen:
            flaw = f"an image that is named before: {path}"
        elif not 0 <= label < _CLASSES:
            flaw = f"not a class, which are numbers from 0 to {_CLASSES - 1}: {label}"
        elif size < 0:
            flaw = f"there is no such image: {path}"
        if flaw:
            raise InputRefused(flaw, file=str(file), place=f"image {number}")
        seen.add(path)
