"""Images of Open Images as if they had been collected: tables, marks and files, written by hand."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import xxhash
from drawnlists import encoded, size_of

from pipeline import digests, manifest, resources, storage
from pipeline.job.options import Job
from pipeline.job.selection_options import SelectionOptions
from pipeline.sources.openimages import config, places, tables
from pipeline.sources.openimages.request import RequestRecord

CLASSES = (("/m/0gxl3", "Handgun"), ("/m/01dws", "Bear"), ("/m/01dwsz", "Waffle"))
SELECTION = "0123456789ab"
_BOX = {"xmin": 0.1, "xmax": 0.7, "ymin": 0.2, "ymax": 0.9}
_FLAGS = dict.fromkeys(tables.FLAGS, 0)


@dataclass(frozen=True)
class Object:
    """An object of a class; `more` are other values of `tables.OBJECTS`."""

    class_index: int
    mask: str = ""
    more: dict[str, Any] = field(default_factory=dict)

    def row(self, image_id: str) -> dict[str, Any]:
        """Return its row."""
        mid, name = CLASSES[self.class_index]
        nothing = dict.fromkeys(tables.OBJECTS.names)
        known = {"label": mid, "class_index": self.class_index, "class_name": name}
        mask = {"box_id": "0a0b0c0d", "mask_path": self.mask} if self.mask else {}
        boxed = {"source": "xclick", "confidence": 1.0, **_BOX, **_FLAGS}
        return {**nothing, "image_id": image_id, **known, **boxed, **mask, **self.more}


@dataclass(frozen=True)
class Collectable:
    """An image: its objects, and what came of it; one that is there is drawn by `drawn`."""

    image_id: str
    objects: tuple[Object, ...] = ()
    negatives: tuple[int, ...] = ()
    outcome: str = "fetched"
    drawn: int = 0

    @property
    def content(self) -> bytes | None:
        """Its bytes; None: there is no file."""
        return encoded(self.drawn) if self.outcome in {"fetched", "kept"} else None

    @property
    def classes(self) -> list[int]:
        """The indexes of its classes."""
        return sorted({each.class_index for each in self.objects})

    def outcome_row(self, split: str) -> dict[str, Any]:
        """Return the row that says what came of it."""
        content = self.content
        width, height = size_of(content) if content else (None, None)
        return {
            "image_id": self.image_id,
            "outcome": self.outcome,
            "url": f"https://bucket/{split}/{self.image_id}.jpg",
            "status": 200 if content else 404,
            "tries": 1,
            "detail": "",
            "bytes": len(content) if content else None,
            "md5": hashlib.md5(content).hexdigest() if content else None,
            "xxh3": xxhash.xxh3_128_digest(content) if content else None,
            "width": width,
            "height": height,
            "etag": None,
        }


def some_images(count: int = 12) -> list[Collectable]:
    """Return images of each class, of two, of none, and one that is not there."""
    kinds: Sequence[tuple[Object, ...]] = ((Object(0),), (Object(1), Object(2)), (Object(2),))
    images = [
        Collectable(f"{place:x}{place:015x}", kinds[place % 3], drawn=place)
        for place in range(count)
    ]
    images[1] = Collectable(images[1].image_id, outcome="absent", objects=(Object(0),))
    images[5] = Collectable(images[5].image_id, negatives=(0,), drawn=5)
    return images


def job_of(out: Path, *splits: str, **options: Any) -> Job:
    """Return a job whose collecting can be written by hand; options are of `Job`."""
    wanted = options.pop("openimages", SelectionOptions(classes=tuple(m for m, _ in CLASSES)))
    values: dict[str, Any] = {"formats": ("tfrecord",), "steps": ("lists", "shards"), "boxes": True}
    values |= {"on_bad_image": "skip", "splits": splits or ("train",), **options}
    shipped = str(resources.shipped(config.SHIPPED))
    return Job("", str(out), shipped, openimages=wanted, **values)


def collect(
    job: Job, split: str, images: Iterable[Collectable], masks: dict[str, str] | None = None
) -> None:
    """Write what collecting a split leaves in the output of a job.

    Args:
        job: see `job_of`.
        split: the split.
        images: its images, by ImageID.
        masks: name -> outcome of each mask that is not kept.
    """
    out, every = Path(job.out), list(images)
    _select(out, split, every)
    size = tables.group_size(len(every))
    for number, first in enumerate(range(0, len(every), size)):
        fetch(out, split, number, every[first : first + size])
    if job.openimages.masks:
        _masks(out, split, every, masks or {})
    RequestRecord(job, config.load(Path(job.config))).keep({split: SELECTION})


def _select(out: Path, split: str, images: Sequence[Collectable]) -> None:
    selected = [
        {"image_id": each.image_id, "classes": each.classes, "negatives": list(each.negatives)}
        for each in images
    ]
    rows = [(each, one) for each in images for one in each.objects]
    objects = [one.row(each.image_id) for each, one in rows]
    size = tables.group_size(len(images))
    groups = [selected[first : first + size] for first in range(0, len(images), size)]
    with (
        storage.StagedFile(places.selected_images(out, split, SELECTION)) as of_images,
        storage.StagedFile(places.selected_objects(out, split, SELECTION)) as of_objects,
    ):
        tables.write(
            of_images, tables.IMAGES, [pa.Table.from_pylist(g, tables.IMAGES) for g in groups]
        )
        by_digit = [[row for row in objects if row["image_id"][0] == d] for d in places.DIGITS]
        parts = [pa.Table.from_pylist(part, tables.OBJECTS) for part in by_digit]
        tables.write(of_objects, tables.OBJECTS, parts)
        digits = Counter(each.image_id[0] for each, one in rows if one.mask)
        manifest.publish(
            [of_images, of_objects],
            places.selection_mark(out, split, SELECTION),
            out,
            {
                "digest": SELECTION,
                "split": split,
                "images": len(images),
                "objects": len(objects),
                "classes": [
                    {"mid": mid, "name": name, "images": _showing(images, index)}
                    for index, (mid, name) in enumerate(CLASSES)
                ],
                "digits": dict(digits),
            },
        )


def _showing(images: Sequence[Collectable], index: int) -> int:
    return sum(index in each.classes for each in images)


def fetch(out: Path, split: str, number: int, images: Sequence[Collectable]) -> None:
    """Write the files, the table and the mark of a group of images."""
    rows = [each.outcome_row(split) for each in images]
    there = [row["bytes"] for row in rows if row["bytes"]]
    decided = [["there" if r["bytes"] else r["outcome"], r["image_id"], r["md5"]] for r in rows]
    for each in images:
        if each.content is not None:
            path = places.image(out, split, each.image_id)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(each.content)
    table = pa.Table.from_pylist(rows, tables.GROUP_TABLE)
    with storage.StagedFile(places.image_table(out, split, SELECTION, number)) as staged:
        tables.write(staged, tables.GROUP_TABLE, [table])
        manifest.publish(
            [staged],
            places.image_mark(out, split, SELECTION, number),
            out,
            {
                "split": split,
                "selection": SELECTION,
                "digest": digests.digest({"rows": decided}),
                "images": len(there),
                "bytes": sum(there),
                "outcomes": dict(Counter(row["outcome"] for row in rows)),
                "asked": "2026-11-29T03:52:10Z",
            },
        )


def _masks(out: Path, split: str, images: Sequence[Collectable], outcomes: dict[str, str]) -> None:
    for digit in sorted({each.image_id[0] for each in images}):
        named = [
            (each.image_id, one.mask)
            for each in images
            for one in each.objects
            if one.mask and each.image_id[0] == digit
        ]
        if not named:
            continue
        rows = [
            {
                **dict.fromkeys(tables.MASK_TABLE.names, 1),
                "mask_path": mask,
                "image_id": image_id,
                "outcome": outcomes.get(mask, "kept"),
            }
            for image_id, mask in named
        ]
        examples = {outcomes[mask]: [mask] for _, mask in named if mask in outcomes}
        with storage.StagedFile(places.mask_table(out, split, SELECTION, digit)) as staged:
            tables.write(staged, tables.MASK_TABLE, [pa.Table.from_pylist(rows, tables.MASK_TABLE)])
            manifest.publish(
                [staged],
                places.mask_mark(out, split, SELECTION, digit),
                out,
                {
                    "split": split,
                    "selection": SELECTION,
                    "digest": digests.digest({"rows": rows}),
                    "digit": digit,
                    "masks": len(rows),
                    "outcomes": dict(Counter(row["outcome"] for row in rows)),
                    "examples": examples,
                },
            )
