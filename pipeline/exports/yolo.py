"""YOLO: a text file of the objects on each image, as Ultralytics looks for it, and ``data.yaml``.

::

    labels/<split>/<name>.txt    a line an object: class xcenter ycenter width height, fractions
    yolo_<split>.txt             the images of the split, as ``./images/<split>/<name>``
    data.yaml                    these lists, also of splits that an earlier command has made alike
                                 of the same classes, and the names of classes by their index

Source: ultralytics 8, data/utils.py (`img2label_paths`, `verify_image_label`): labels are looked
for where ``images`` in the path of an image is replaced by ``labels``. Lists name the images,
because a folder may hold others, which would count as images without objects. An image that was
verified to show no object has an empty file. What has no area is no object.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar, Final

from pipeline import digests
from pipeline.documents.products import FORM
from pipeline.exports import described_images, small_files
from pipeline.exports.base import ANY_PATH, ExportPlan, ExportWork, SetView, SplitView
from pipeline.exports.described_images import DescribedImage, DescribedObject, Tally
from pipeline.exports.of_objects import (
    VERSION_OF_FORM,
    ExportOfObjects,
    class_names,
    of_small_files,
    with_boxes,
)
from pipeline.manifest import Document
from pipeline.storage import StagedFile, below

VERSION: Final = 1
_FOLDER: Final = "labels"
_DATA: Final = "data.yaml"
_OF_SET: Final = "yolodata"
_KEYS: Final = {"validation": "val"}
"""What a split is called in ``data.yaml``, where its name is another."""
_KIND: Final = "yolo"
"""Also of polygons: their files take the place of those of boxes, and the other way round."""
OTHER_CLASS: Final = "object of a class that is none of the label table left out"
EMPTY: Final = "object whose box has no area left out"


class Yolo(ExportOfObjects):
    """The objects on each image, as Ultralytics reads them."""

    name = "yolo"
    on_a_disk = "it is a small file for each image"
    form: ClassVar[str] = ""
    """How objects are described, where that is not by boxes."""

    def files(self, folder: str) -> tuple[str, ...]:
        """Return the list of a split's images, and what describes all."""
        return f"yolo_{folder}.txt", _DATA

    def file_of_image(self, folder: str, stem: str) -> str:
        """Return the file of an image."""
        return f"{_FOLDER}/{folder}/{stem}.txt"

    def small_files(self, folder: str) -> tuple[str, ...]:
        """Return the files of images."""
        return (self.file_of_image(folder, ANY_PATH),)

    def plan(self, data: SetView) -> Iterator[ExportPlan]:
        """Yield the files of each split that has boxes, and what describes all."""
        version = {VERSION_OF_FORM: str(VERSION)}
        otherwise = {FORM: self.form} if self.form else {}
        splits = with_boxes(data)
        yield from of_small_files(self, data, VERSION, _FOLDER, kind=_KIND, form=self.form)
        said = {"labels": data.table.digest, "splits": list(splits), "version": VERSION}
        yield ExportPlan(
            kind=_OF_SET,
            files=(below(data.out, _DATA),),
            digest=digests.digest({**said, **otherwise}),
            made_of={**version, **otherwise, "splits": ", ".join(splits)},
        )

    def write(self, work: ExportWork, staged: Sequence[StagedFile]) -> Document:
        """Write the files of a split, or what describes all."""
        if work.plan.kind == _OF_SET:
            listed = work.data.with_finished(with_boxes(work.data), _KIND, self.form)
            staged[0].write(data_yaml(listed, class_names(work.data)).encode())
            return {}
        images, listing = staged
        tally, split = Tally(), work.data.splits[work.plan.split]
        folder = work.plan.folder or below(work.data.out, _FOLDER, split.name)

        def labels() -> Iterator[tuple[str, bytes]]:
            for image in described_images.read(split, work.left_out, tally):
                images.write(f"./images/{split.name}/{image.name}\n".encode())
                yield f"{image.stem}.txt", "".join(self.lines(split, image, tally)).encode()

        small_files.fill(work.data.out, folder, listing, labels())
        return {"closing": tally.closing(f"YOLO, {split.name}")}

    def lines(self, split: SplitView, image: DescribedImage, tally: Tally) -> Iterator[str]:
        """Yield the line of each object on an image that has an area; others are counted."""
        del split
        for one in image.objects:
            if one.class_index < 0:
                tally.note(OTHER_CLASS)
            elif not one.has_area:
                tally.note(EMPTY)
            else:
                yield f"{one.class_index} {' '.join(map(fraction, centered(one)))}\n"


def clipped(one: DescribedObject) -> tuple[float, float, float, float]:
    """Return the part of a box that is within the image: xmin, ymin, xmax, ymax as fractions."""
    xmin, ymin, xmax, ymax = (
        min(max(side, 0.0), 1.0) for side in (one.xmin, one.ymin, one.xmax, one.ymax)
    )
    return xmin, ymin, xmax, ymax


def centered(one: DescribedObject) -> tuple[float, float, float, float]:
    """Return centre, width and height of a box, as fractions."""
    xmin, ymin, xmax, ymax = clipped(one)
    return (xmin + xmax) / 2, (ymin + ymax) / 2, xmax - xmin, ymax - ymin


def fraction(value: float) -> str:
    """Return a fraction with all of its digits that matter to a pixel."""
    return f"{value:.9f}"


def data_yaml(splits: Iterable[str], names: Sequence[str]) -> str:
    """Return what describes all: paths are relative to its folder."""
    listed = [f"{_KEYS.get(name, name)}: yolo_{name}.txt" for name in splits]
    named = [f"  {place}: {json.dumps(name)}" for place, name in enumerate(names)]
    about = ["# Images are looked for in images/<split>/, their labels in labels/<split>/."]
    return "\n".join((*about, *listed, f"nc: {len(names)}", "names:", *named, ""))
