"""A data set whose source says more than its catalog: flags, exact boxes, masks, authors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import paths
from pipeline.catalog import details
from pipeline.catalog import table as catalog
from pipeline.catalog.classes import LabelTable
from pipeline.catalog.details import Details
from pipeline.exports.base import Export, ExportWork, SetView, ShardSet, SplitView
from pipeline.images.masks import encode_png
from pipeline.images.prepare import PLAIN
from pipeline.manifest import Document
from pipeline.shards import facts
from pipeline.shards.read import NONE_KNOWN
from pipeline.storage import StagedFile, open_sources

CLASSES = ("/m/01", "/m/02")
TABLE = LabelTable(Path("labels.tsv"), CLASSES, ("Bear", "Waffle"), {})


@dataclass(frozen=True)
class Thing:
    """An object: its class, its box as xmin, ymin, xmax, ymax, its flags and its mask."""

    class_index: int
    box: tuple[float, float, float, float]
    flags: tuple[int | None, ...] = (0, 0, 0, 0, 0)
    mask: str | None = None

    def row(self, key: str) -> dict[str, Any]:
        label = CLASSES[self.class_index] if self.class_index >= 0 else "/m/09"
        sides = dict(zip(("xmin", "ymin", "xmax", "ymax"), self.box, strict=True))
        flags = dict(zip(details.FLAGS, self.flags, strict=True))
        named = {"key": key, "label": label, "class_index": self.class_index, "source": "xclick"}
        box_id = None if self.mask is None else "0a1b2c3d"
        return {
            **named,
            **sides,
            **flags,
            "confidence": 1.0,
            "box_id": box_id,
            "mask_path": self.mask,
        }


@dataclass(frozen=True)
class Shown:
    """An image: its size in pixels, what is on it, and whether it is there."""

    size: tuple[int, int]
    things: tuple[Thing, ...] = ()
    is_negative: bool = False
    is_there: bool = True


@dataclass(frozen=True)
class Described:
    """A data set of one split ``train``, in a folder; `images` is by ImageID, ascending."""

    out: Path
    images: Mapping[str, Shown]
    attribution: Sequence[Mapping[str, str]] | None = None
    masks: Mapping[str, np.ndarray[Any, Any]] = field(default_factory=dict)
    in_catalog: Mapping[str, Shown] | None = None

    def view(self) -> SetView:
        """Write catalog, facts and masks, and return what exports are told."""
        shown = self.images if self.in_catalog is None else self.in_catalog
        listed, folder = self.out / "catalog.parquet", self.out / "facts"
        with StagedFile(listed) as staged:
            catalog.write(staged, [_catalog_of(shown)])
            staged.rename()
        folder.mkdir(exist_ok=True)
        pq.write_table(_facts_of(shown), paths.facts(folder))
        masks = self.out / "masks"
        masks.mkdir(exist_ok=True)
        for name, pixels in self.masks.items():
            (masks / name).write_bytes(encode_png(pixels))
        said = Details(
            digest="said",
            images=lambda: iter([_images_of(self.images)]),
            objects=self._objects,
            attribution=None if self.attribution is None else self._attribution,
            masks=masks if self.masks else None,
        )
        split = SplitView(
            name="train",
            folder="images/train",
            flat=True,
            has_classes=True,
            counts={},
            class_names=None,
            images=len(shown),
            rows_digest="rows",
            images_digest="images",
            catalog=listed,
            shards=(
                ShardSet(format="none", digest="d", folder=folder, exported_as="", images=PLAIN),
            ),
            find_in=lambda _: None,
            unused=list,
            known_contents=lambda: NONE_KNOWN,
            has_boxes=True,
            details=said,
        )
        return SetView(
            name="drawn",
            out=self.out,
            published={},
            table=TABLE,
            splits={"train": split},
            max_pixels=1 << 20,
        )

    def _objects(self) -> Iterator[pa.Table]:
        rows = [
            thing.row(f"{name}.jpg")
            for name, shown in self.images.items()
            for thing in shown.things
        ]
        whole = pa.Table.from_pylist(rows, details.OBJECTS)
        yield whole.slice(0, 2)  # the objects of an image may lie in two parts
        yield whole.slice(2)

    def _attribution(self) -> Iterator[pa.Table]:
        yield pa.Table.from_pylist(list(self.attribution or ()), details.ATTRIBUTION)


def made(export: Export, data: SetView, left_out: Sequence[str] = ()) -> list[Document]:
    """Make all that an export makes of a data set; return what its marks say."""
    said = list[Document]()
    for plan in export.plan(data):
        work = ExportWork(
            plan=plan,
            data=data,
            digest=plan.digest,
            mark=None,
            entries=list,
            left_out=frozenset(left_out),
            class_texts=lambda: (data.out, {}),
            sources=lambda: open_sources(data.out),
            counter=lambda *_: contextlib.nullcontext(lambda _: None),
        )
        with contextlib.ExitStack() as stack:
            staged = [stack.enter_context(StagedFile(path)) for path in plan.files]
            said.append(export.write(work, staged))
            for file in staged:
                file.rename()
    return said


def without_details(data: SetView) -> SetView:
    """Return the data set with a source that says no more than the catalog."""
    splits = {name: replace(split, details=None) for name, split in data.splits.items()}
    return replace(data, splits=splits)


def _catalog_of(images: Mapping[str, Shown]) -> pa.Table:
    rows = [
        {
            "key": f"{name}.jpg",
            "filename": f"{name}.jpg",
            "source": f"images/train/{name}.jpg",
            "offset": 0,
            "length": 100 if shown.is_there else -1,
            "class_index": -1,
            "class_id": "",
            "class_text": "",
            "labels": [],
            "id": number,
            "line": 0,
            "objects": [_stored(thing) for thing in shown.things],
        }
        for number, (name, shown) in enumerate(images.items())
    ]
    return pa.Table.from_pylist(rows, catalog.SCHEMA)


def _stored(thing: Thing) -> dict[str, Any]:
    sides = dict(zip(("xmin", "ymin", "xmax", "ymax"), thing.box, strict=True))
    bits = sum(1 << bit for bit, flag in enumerate(thing.flags) if flag == 1)
    label = CLASSES[thing.class_index] if thing.class_index >= 0 else None
    rest = {"class_index": thing.class_index, "class_id": label, "mask": thing.mask}
    return {**sides, **rest, "flags": bits}


def _images_of(images: Mapping[str, Shown]) -> pa.Table:
    rows = [
        {
            "key": f"{name}.jpg",
            "image_id": name,
            "width": shown.size[0] if shown.is_there else None,
            "height": shown.size[1] if shown.is_there else None,
            "classes": sorted({one.class_index for one in shown.things if one.class_index >= 0}),
            "is_negative": shown.is_negative,
            "outcome": "there" if shown.is_there else "absent",
        }
        for name, shown in images.items()
    ]
    return pa.Table.from_pylist(rows, details.IMAGES)


def _facts_of(images: Mapping[str, Shown]) -> pa.Table:
    rows = [
        {
            "key": f"{name}.jpg",
            "shard": 0,
            "record": 0,
            "offset": 0,
            "length": 100,
            "width": shown.size[0],
            "height": shown.size[1],
            "mode": "RGB",
            "bytes": 100,
            "repair": None,
            "xxh3_128": "0" * 32,
        }
        for name, shown in images.items()
        if shown.is_there
    ]
    return pa.Table.from_pylist(rows, facts.SCHEMA)


def drawn(folder: Path) -> Described:
    """Return the set that most tests are about."""
    whole = np.zeros((40, 80), np.bool_)  # of half the size of its image
    whole[10:30, 20:60] = True
    things = (
        Thing(0, (0.1234567890123, 0.25, 0.75, 0.7654321), (0, -1, 0, 1, None), "bear.png"),
        Thing(1, (0.0, 0.0, 1.0, 1.0), (1, 0, 1, 0, -1)),
        Thing(1, (0.5, 0.5, 0.5, 0.9), (0, 0, -1, 0, 0), "black.png"),
    )
    images = {
        "000a": Shown((160, 80), things),
        "000b": Shown((100, 50), (Thing(0, (0.2, 0.2, 0.4, 0.4)),), is_there=False),
        "000c": Shown((64, 48), is_negative=True),
        "000d": Shown((64, 48)),
        "fffe": Shown((33, 77), (Thing(-1, (0.1, 0.1, 0.2, 0.2)), Thing(0, (0.3, 0.4, 0.5, 0.6)))),
    }
    author = {"author": 'Jo "the, Bear"\nLee', "license": "https://l/by/2.0/", "title": "Bär"}
    attribution = [
        {"key": "fffe.jpg", "image_id": "fffe", "license": "https://l/by/4.0/"},
        {"key": "zzzz.jpg", "image_id": "zzzz", "license": "of no image"},
        {"key": "000a.jpg", "image_id": "000a", "original_url": "https://f/a.jpg", **author},
    ]
    masks = {"bear.png": whole, "black.png": np.zeros((80, 160), np.bool_)}
    return Described(folder, images, attribution, masks)
