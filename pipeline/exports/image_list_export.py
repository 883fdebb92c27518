"""What the step ``lists`` makes: an image list of each split, and the label tables of all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pipeline import digests, paths
from pipeline.catalog import table as catalog
from pipeline.exports import image_list
from pipeline.exports.base import Export, ExportPlan, ExportWork, Need, SetView, What
from pipeline.manifest import Document
from pipeline.quantities import counted, verb
from pipeline.storage import StagedFile

_VERSION_OF_FORM = {"version of its form": str(image_list.VERSION)}


class ImageList(Export):
    """The images of each split as a list in the form of im2rec.

    An image that is left out of the shards is left out of the list, too.
    """

    name = "list"
    step = "lists"
    parts = ("images",)

    def files(self, folder: str) -> tuple[str, ...]:
        """Return the list of a split."""
        return (str(paths.image_list(Path(), folder)),)

    def plan(self, data: SetView) -> Iterator[ExportPlan]:
        """Yield a list for each split."""
        for name, split in data.splits.items():
            document = {"rows": split.rows_digest, "version": image_list.VERSION}
            yield ExportPlan(
                kind=self.name,
                files=(paths.image_list(data.out, name),),
                digest=digests.digest(document),
                split=name,
                needs=(Need(What.CATALOG, name), Need(What.LEFT_OUT, name)),
                made_of=_VERSION_OF_FORM,
                described=True,
            )

    def write(self, work: ExportWork, staged: Sequence[StagedFile]) -> Document:
        """Write the list."""
        split = work.data.splits[work.plan.split]
        pieces = image_list.list_pieces(
            catalog.read(split.catalog), work.left_out, in_class_folders=split.has_classes
        )
        _write(staged[0], pieces)
        closing = split.unused()
        if work.left_out:
            number = len(work.left_out)
            images = f"{counted(number, 'image')} {verb(number, 'is', 'are')}"
            closing.append(f"{images} left out of the list as well")
        return {"closing": closing}


class LabelTables(Export):
    """The ids of the label table, and every class of it by all conventions in use."""

    name = "labels"
    step = "lists"
    parts = ()

    def files(self, folder: str) -> tuple[str, ...]:
        """Return both tables."""
        del folder
        return (str(paths.synsets(Path())), str(paths.label_table(Path())))

    def plan(self, data: SetView) -> Iterator[ExportPlan]:
        """Yield both tables."""
        table = data.table
        document = {"columns": table.columns, "labels": table.digest}
        yield ExportPlan(
            kind=self.name,
            files=(paths.synsets(data.out), paths.label_table(data.out)),
            digest=digests.digest({**document, "version": image_list.VERSION}),
            made_of=_VERSION_OF_FORM,
            described=True,
        )

    def write(self, work: ExportWork, staged: Sequence[StagedFile]) -> Document:
        """Write both tables."""
        _write(staged[0], [image_list.synsets_bytes(work.data.table)])
        _write(staged[1], [image_list.labels_bytes(work.data.table)])
        return {}


def _write(staged: StagedFile, pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        staged.write(piece)
