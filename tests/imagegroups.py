"""A bucket of drawn images, and groups of them that are to be collected."""

from __future__ import annotations

import io
import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from openimagesbucket import Bucket
from PIL import Image

from pipeline import storage
from pipeline.documents.openimages import ImageGroupMark
from pipeline.sources.openimages import places, tables
from pipeline.sources.openimages.images import image_rows
from pipeline.sources.openimages.images.image_files import Asking, ImageGroup, collect, is_collected
from pipeline.sources.openimages.images.image_rows import ImageRow
from pipeline.storage.http import process
from pipeline.storage.http.retries import Patience
from pipeline.storage.http.transfer import Transfer

SPLIT = "train"
SELECTION = "0123456789ab"


def ids(count: int, first: int = 0) -> list[str]:
    """Return ImageIDs, ascending."""
    return [f"{number:016x}" for number in range(first, first + count)]


def jpeg(number: int = 0, size: tuple[int, int] = (40, 30)) -> bytes:
    """Return a JPEG, another one for each number."""
    noise = random.Random(number).randbytes(size[0] * size[1] * 3)
    sink = io.BytesIO()
    Image.frombytes("RGB", size, noise).save(sink, "JPEG", quality=90)
    return sink.getvalue()


def fill(folder: Path, image_ids: Iterable[str]) -> None:
    """Put images into the folder of a bucket."""
    for image_id in image_ids:
        path = folder / SPLIT / f"{image_id}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(int(image_id, 16)))


@dataclass
class Collecting:
    """An output folder in which groups are collected from a bucket.

    Attributes:
        out: the folder.
        bucket: that serves the images.
        told: the outcome of each image, and the bytes that were received for it.
    """

    out: Path
    bucket: Bucket
    told: list[tuple[str, int]] = field(default_factory=list)

    def select(self, image_ids: Iterable[str], selection: str = SELECTION) -> ImageGroup:
        """Select images, all of one group."""
        path = places.selected_images(self.out, SPLIT, selection)
        rows = [{"image_id": each, "classes": [0], "negatives": []} for each in image_ids]
        table = pa.Table.from_pylist(rows, schema=tables.IMAGES)
        with storage.StagedFile(path) as staged:
            tables.write(staged, tables.IMAGES, [table])
            storage.publish(staged)
        return ImageGroup(self.out, SPLIT, selection, 0)

    def asking(self, **options: Any) -> Asking:
        bucket = storage.parse(self.bucket.images, whole_bucket=True)
        return Asking(**{"bucket": bucket, "key": f"{SPLIT}/{{id}}.jpg", "in_flight": 8, **options})

    def collect(self, group: ImageGroup, **options: Any) -> ImageGroupMark:
        """Collect a group, and forget what was told of the last one."""
        self.told.clear()
        told = self.told
        return collect(
            group, self.asking(**options), lambda outcome, size: told.append((outcome, size))
        )

    def is_collected(self, group: ImageGroup, **options: Any) -> bool:
        return is_collected(group, self.asking(**options))

    def rows(self, group: ImageGroup) -> dict[str, ImageRow]:
        return {row.image_id: row for row in image_rows.read_rows(group.table)}

    def outcomes(self, group: ImageGroup) -> list[str]:
        return [row.outcome for row in image_rows.read_rows(group.table)]

    def image(self, image_id: str) -> Path:
        return places.image(self.out, SPLIT, image_id)

    def asked(self) -> list[str]:
        """Return the ImageIDs that the bucket was asked for, each as often as it was, sorted."""
        return sorted(Path(seen.path).stem for seen in self.bucket.requests())


@contextmanager
def hurried() -> Iterator[None]:
    """Have nobody wait before another try, and no two tests share connections."""
    transfers: list[Transfer] = []

    def patient(in_flight: int, tries: int) -> Transfer:
        patience = Patience(tries, few=tries, first=0.0, longest=0.0, longest_asked=0.0)
        transfers.append(Transfer(in_flight, patience=patience, yielding=True))
        return transfers[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "patient", patient)
        yield
        for transfer in transfers:
            transfer.close()
