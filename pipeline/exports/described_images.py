"""The images of a split with the objects on them, one by one: what exports of boxes are made of.

Where the source of a split says more than the catalog (see `pipeline.catalog.details`), that is
what is given: boxes in float64, flags that may be unknown, masks. Nobody holds all of a split.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, starmap
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog import class_folders, details, objects
from pipeline.catalog import table as catalog
from pipeline.catalog.image_names import stem_of
from pipeline.errors import OutputDamaged
from pipeline.exports.base import SplitView
from pipeline.exports.image_sizes import ImageSizes, Size
from pipeline.quantities import counted, verb

_AT_ONCE: Final = 1 << 11  # images
_PARTS: Final = [name for name in details.OBJECTS.names if name not in {"key", *details.FLAGS}]


@dataclass(frozen=True, slots=True)
class DescribedObject:
    """An object on an image.

    Attributes:
        label: the id of its class; "": nobody knows.
        class_index: 0-based in the label table; -1: of none.
        xmin, ymin, xmax, ymax: its box, as fractions of width and height.
        source: how the box was made; None: nobody says.
        confidence: of the annotation; None: nobody says.
        box_id: what the publishers call the box; None: nothing.
        mask_path: of its mask, below `Details.masks`; None: there is none.
        predicted_iou: of the mask; None: nobody says.
        flags: of `details.FLAGS`, in their order: 1, 0, or -1 where it is unknown; None: nobody
            says.
        is_difficult: whether it is hard to recognise, as PASCAL VOC says.
    """

    label: str
    class_index: int
    xmin: float
    ymin: float
    xmax: float
    ymax: float
    source: str | None
    confidence: float | None
    box_id: str | None
    mask_path: str | None
    predicted_iou: float | None
    flags: tuple[int | None, ...]
    is_difficult: bool = False

    @property
    def is_group(self) -> bool:
        """Whether it is a group of objects of its class; unknown is no."""
        return self.flags[_GROUP] == 1

    @property
    def has_area(self) -> bool:
        """Whether its box has an area."""
        return self.xmin < self.xmax and self.ymin < self.ymax


_GROUP: Final = details.FLAGS.index("group_of")


@dataclass(frozen=True, slots=True)
class DescribedImage:
    """An image with what is on it.

    Attributes:
        key: as of the catalog.
        name: its path below the folder of the split's images.
        image_id: what its publishers call it; of most data sets that is the key.
        width, height: pixels of the source.
        objects: on it, in a fixed order.
    """

    key: str
    name: str
    image_id: str
    width: int
    height: int
    objects: tuple[DescribedObject, ...]

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return stem_of(self.name)


@dataclass
class Tally:
    """How many images and objects were described, and how many not."""

    images: int = 0
    objects: int = 0
    absent: int = 0
    unannotated: int = 0
    notes: dict[str, int] = field(default_factory=dict)

    def note(self, what: str) -> None:
        """Count one more of something that the command says at its end."""
        self.notes[what] = self.notes.get(what, 0) + 1

    def closing(self, what: str) -> list[str]:
        """Return for people what was described, and what was not."""
        lines = [f"{what}: {counted(self.objects, 'object')} on {counted(self.images, 'image')}."]
        if self.absent:
            are = verb(self.absent, "is", "are")
            lines.append(f"{counted(self.absent, 'image')} {are} left out, as in the shards.")
        if self.unannotated:
            are = verb(self.unannotated, "is", "are")
            which = f"{counted(self.unannotated, 'image')} without an annotation {are} left out"
            lines.append(f"{which}: what is on such an image is not known.")
        return [*lines, *(f"{number:,} x {note}." for note, number in self.notes.items())]


def read(split: SplitView, left_out: frozenset[str], tally: Tally) -> Iterator[DescribedImage]:
    """Yield the images of a split that are there and annotated, in the order of the catalog.

    Args:
        split: the split.
        left_out: keys of images that its outputs lack.
        tally: counts them, and the others.

    Raises:
        OutputDamaged: what the source says is of other images than the catalog has.
    """
    sizes = ImageSizes(split)
    more = split.details
    images = Following(more.images()) if more else None
    annotations = Following(more.objects()) if more else None
    for rows in _parts(split):
        keys = rows["key"].combine_chunks()
        held = _of_catalog(rows) if annotations is None else annotations.take(keys)
        listed = _listed(held, keys)
        of_source = None if images is None else images.take(keys)
        if of_source is not None and not of_source["key"].combine_chunks().equals(keys):
            raise other_images(split)
        by_key = more is not None and more.names_are_keys
        described = _images(rows, sizes.of(rows["key"]), of_source, by_key=by_key)
        absent = pc.less(rows["length"], 0).to_pylist()
        for image, objects_on_it, is_absent in zip(described, listed, absent, strict=True):
            if is_absent or image.size is None or image.key in left_out:
                tally.absent += 1
            elif not objects_on_it and not image.is_negative:
                tally.unannotated += 1
            else:
                tally.images += 1
                tally.objects += len(objects_on_it)
                yield DescribedImage(
                    image.key, image.name, image.image_id, *image.size, tuple(objects_on_it)
                )
    if not all(stream is None or stream.ended for stream in (images, annotations)):
        raise other_images(split)


def _parts(split: SplitView) -> Iterator[pa.Table]:
    """Yield a catalog some images at a time: all of their objects are Python values together."""
    for rows in catalog.read(split.catalog):
        for start in range(0, rows.num_rows, _AT_ONCE):
            yield rows.take(pa.array(np.arange(start, min(start + _AT_ONCE, rows.num_rows))))


class Following:
    """A stream of tables whose rows follow the keys of a catalog."""

    def __init__(self, tables: Iterable[pa.Table]) -> None:
        self._tables = iter(tables)
        self._held: pa.Table | None = None

    def take(self, keys: pa.Array) -> pa.Table:
        """Return the rows of some images, which come next; none of those that have none."""
        pieces = list[pa.Table]()
        while (table := self._next()) is not None:
            others = pc.invert(pc.is_in(table["key"], value_set=keys))
            stop = pc.index(others, True).as_py()
            stop = table.num_rows if stop < 0 else stop
            pieces.append(table.slice(0, stop))
            self._held = table.slice(stop)
            if self._held.num_rows:
                break
        return pa.concat_tables(pieces) if pieces else details.OBJECTS.empty_table()

    @property
    def ended(self) -> bool:
        """Whether there is no row left."""
        return self._next() is None

    def _next(self) -> pa.Table | None:
        while self._held is None or not self._held.num_rows:
            self._held = next(self._tables, None)
            if self._held is None:
                return None
        return self._held


@dataclass(frozen=True, slots=True)
class _Image:
    key: str
    name: str
    image_id: str
    size: Size | None
    is_negative: bool


def _images(
    rows: pa.Table, sizes: Sequence[Size | None], of_source: pa.Table | None, *, by_key: bool
) -> Iterator[_Image]:
    """Yield what is known of the images in some rows of a catalog but their objects."""
    keys = rows["key"].to_pylist()
    if of_source is None:
        names = class_folders.paths(rows).to_pylist()
        for key, name, size in zip(keys, names, sizes, strict=True):
            yield _Image(key, name, key, size, is_negative=False)
        return
    known = of_source.to_pylist()
    names = keys if by_key else rows["filename"].to_pylist()
    for key, name, size, said in zip(keys, names, sizes, known, strict=True):
        own = (said["width"], said["height"]) if said["width"] and said["height"] else size
        is_there = size is not None
        yield _Image(
            key, name, said["image_id"], own if is_there else None, bool(said["is_negative"])
        )


def _of_catalog(rows: pa.Table) -> pa.Table:
    """Return the objects on the images of a catalog as a source would say them."""
    listed = rows["objects"].combine_chunks()
    parents = pc.list_parent_indices(listed)
    flat = listed.flatten()
    own = flat.field("class_index")
    of_image = rows["class_index"].combine_chunks().take(parents)
    named = pc.greater_equal(own, 0)
    ids = rows["class_id"].combine_chunks().cast(pa.string()).take(parents)
    bits = flat.field("flags")
    columns: dict[str, Any] = {
        "key": rows["key"].combine_chunks().take(parents),
        "label": pc.if_else(named, pc.coalesce(flat.field("class_id"), ids), ids),
        "class_index": pc.if_else(named, own, of_image),
        **{side: flat.field(side).cast(pa.float64()) for side in objects.CORNERS},
        **{
            name: pc.not_equal(
                pc.bit_wise_and(bits, pa.scalar(objects.FLAGS[name], pa.uint8())), 0
            ).cast(pa.int8())
            for name in details.FLAGS
        },
        "mask_path": flat.field("mask"),
    }
    missing = [name for name in details.OBJECTS.names if name not in columns]
    columns |= {name: pa.nulls(len(flat), details.OBJECTS.field(name).type) for name in missing}
    return pa.table(columns).select(details.OBJECTS.names).cast(details.OBJECTS)


def _listed(rows: pa.Table, keys: pa.Array) -> list[list[DescribedObject]]:
    """Return the objects of each image."""
    if not rows.num_rows:
        return [[] for _ in keys]
    places = pc.index_in(rows["key"], value_set=keys).to_numpy()
    if (np.diff(places) < 0).any():
        raise OutputDamaged("the objects of images are not in the order of the catalog")
    ends = np.cumsum(np.bincount(places, minlength=len(keys)))
    columns = [rows[name].to_pylist() for name in _PARTS]
    flags = zip(*(rows[name].to_pylist() for name in details.FLAGS), strict=True)
    difficult: Iterable[object] = [None] * rows.num_rows
    if details.DIFFICULT in rows.column_names:
        difficult = rows[details.DIFFICULT].to_pylist()
    are_difficult = (each == 1 for each in difficult)
    every = list(starmap(DescribedObject, zip(*columns, flags, are_difficult, strict=True)))
    return [every[start:stop] for start, stop in pairwise([0, *ends.tolist()])]


def other_images(split: SplitView) -> OutputDamaged:
    """Return what is raised where a source speaks of other images than the catalog."""
    return OutputDamaged(
        "what the source says is of other images than the catalog",
        file=str(split.catalog),
        remedy="run the shardmill command again: what is damaged is made anew",
    )
