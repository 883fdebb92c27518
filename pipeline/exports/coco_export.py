"""The export ``coco``: a document of the objects of each split that has boxes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pipeline import digests
from pipeline.exports import attribution_rows, coco, described_images
from pipeline.exports.base import ExportPlan, ExportWork, SetView
from pipeline.exports.described_images import DescribedImage, Tally
from pipeline.exports.masks_of_objects import mask_of
from pipeline.exports.of_objects import (
    VERSION_OF_FORM,
    ExportOfObjects,
    class_names,
    made_of,
    needs,
    with_boxes,
)
from pipeline.manifest import Document
from pipeline.storage import StagedFile, below

_FOLDER = "coco"
_OTHER_CLASS = "object of a class that is none of the label table left out"


class Coco(ExportOfObjects):
    """The objects on the images of each split, as COCO describes them."""

    name = "coco"
    reads_attribution = True

    def files(self, folder: str) -> tuple[str, ...]:
        """Return the document of a split."""
        return (f"{_FOLDER}/instances_{folder}.json",)

    def plan(self, data: SetView) -> Iterator[ExportPlan]:
        """Yield a document for each split that has boxes."""
        for name, split in with_boxes(data).items():
            yield ExportPlan(
                kind=self.name,
                files=tuple(below(data.out, file) for file in self.files(name)),
                digest=digests.digest(made_of(data, split, coco.VERSION)),
                split=name,
                needs=needs(split),
                made_of={VERSION_OF_FORM: str(coco.VERSION)},
            )

    def write(self, work: ExportWork, staged: Sequence[StagedFile]) -> Document:
        """Write the document, the images first; nothing of it is held."""
        (file,) = staged
        writer = _Writer(work, file)
        table = work.data.table
        about = f"{work.data.name}, {work.plan.split}, prepared by shardmill"
        document = coco.pieces(
            about,
            class_names(work.data),
            table.class_ids,
            writer.images(),
            writer.licences,
            writer.annotations(),
        )
        for piece in document:
            file.write(piece)
        return {"closing": writer.tally.closing(f"COCO, {work.plan.split}")}


class _Writer:
    """Gives the entries of a document, which are read twice from what they are made of."""

    def __init__(self, work: ExportWork, file: StagedFile) -> None:
        self._work = work
        self._split = work.data.splits[work.plan.split]
        self._scratch = file.path
        self.licences = coco.Licences()
        self.tally = Tally()

    def images(self) -> Iterator[dict[str, Any]]:
        """Yield the entries of images, with whose they are where that is known."""
        number, ahead = 0, self._described(Tally())
        image = next(ahead, None)
        said = self._split.details
        if said is None or said.attribution is None:
            while image is not None:
                yield coco.image_entry(number := number + 1, image)
                image = next(ahead, None)
            return
        rows = attribution_rows.read(self._split, said, self._scratch)
        for key, row in rows:
            if image is not None and key == image.key:
                entry = coco.image_entry(number := number + 1, image)
                yield entry | coco.attribution_of(row, self.licences)
                image = next(ahead, None)

    def annotations(self) -> Iterator[dict[str, Any]]:
        """Yield the entries of objects."""
        number = 0
        for image_number, image in enumerate(self._described(self.tally), start=1):
            for one in image.objects:
                if one.class_index < 0:
                    self.tally.note(_OTHER_CLASS)
                    continue
                mask = mask_of(self._split, image, one, self.tally)
                number += 1
                yield coco.annotation_entry(number, image_number, image, one, mask)

    def _described(self, tally: Tally) -> Iterator[DescribedImage]:
        return described_images.read(self._split, self._work.left_out, tally)
