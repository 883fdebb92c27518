"""What exports that describe the objects on images have in common."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pipeline import digests
from pipeline.documents import small_files as listings
from pipeline.documents.products import FORM
from pipeline.exports.base import Export, ExportPlan, Need, SetView, SplitView, What
from pipeline.exports.image_sizes import keeps_size
from pipeline.manifest import Document
from pipeline.storage import below

VERSION_OF_FORM: Final = "version of its form"
"""What marks call the version of an export's form."""


class ExportOfObjects(Export):
    """An export of boxes: of every split whose source has some.

    Images that are left out of the shards are left out of it, too, and so are images that have no
    annotation.
    """

    of_images = True
    needs_boxes = True
    parts = ("images", "boxes")

    def file_of_image(self, folder: str, stem: str) -> str:  # noqa: ARG002 - some ask
        """Return the small file that is of one image alone; "": it makes none for each image.

        Args:
            folder: of a split, see `files`.
            stem: the name of the image below the folder of its split, without its suffix.
        """
        return ""

    def refusals(self, data: SetView) -> Iterator[str]:
        """Yield that there are no boxes, no classes, or that images are not of their own size."""
        what = f"--export {self.name}"
        if not with_boxes(data):
            yield f"{what} is of bounding boxes, and no split has some: leave it out"
        if data.table.refusal:
            yield f"{what} names classes, and {data.table.refusal}"
        for split in with_boxes(data).values():
            if split.details is None and not any(keeps_size(each.images) for each in split.shards):
                yield (
                    f"{what} says where objects are in the images of the source, and the shards of"
                    f" {split.name} have others: leave --resize, --center-crop and --orientation"
                    f" bake out, or say --format none with {what} in a job of its own"
                )


def with_boxes(data: SetView) -> dict[str, SplitView]:
    """Return the splits that have boxes, by name."""
    return {name: split for name, split in data.splits.items() if split.has_boxes}


def made_of(data: SetView, split: SplitView, version: int) -> Document:
    """Return what decides the bytes of an export of a split, for its digest."""
    said = split.details.digest if split.details else ""
    return {
        "images": split.images_digest,
        "details": said,
        "labels": data.table.digest,
        "version": version,
    }


def needs(split: SplitView) -> tuple[Need, ...]:
    """Return what has to be there before the objects of a split can be described."""
    return (
        Need(What.CATALOG, split.name),
        Need(What.FACTS, split.name),
        Need(What.LEFT_OUT, split.name),
    )


def of_small_files(
    export: Export, data: SetView, version: int, folder: str, *, kind: str = "", form: str = ""
) -> Iterator[ExportPlan]:
    """Yield the plan of each split that has boxes, of an export of a small file for each image.

    Args:
        export: the export; the first of its files is the list of a split's images.
        data: the data set.
        version: of the export's form.
        folder: which has a folder of small files for each split.
        kind: of the plans; "": the name of the export.
        form: how objects are described, where an export describes them otherwise than another one
            of this kind; "": in the usual way.
    """
    kind, otherwise = kind or export.name, {FORM: form} if form else {}
    for name, split in with_boxes(data).items():
        listing = listings.listing(data.out, f"{kind}-{name}")
        yield ExportPlan(
            kind=kind,
            files=(below(data.out, export.files(name)[0]), listing),
            digest=digests.digest({**made_of(data, split, version), **otherwise}),
            split=name,
            folder=below(data.out, folder, name),
            needs=needs(split),
            made_of={VERSION_OF_FORM: str(version), **otherwise},
        )


def class_names(data: SetView) -> list[str]:
    """Return a name for each class, by its index; no two are the same."""
    return list(data.table.names)
