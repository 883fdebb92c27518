"""CSV files of annotations as Open Images publishes them, and what is selected of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.documents.openimages import SelectionMark
from pipeline.sources.openimages import places, tables
from pipeline.sources.openimages.selecting.chosen import Chosen, ChosenClass
from pipeline.sources.openimages.selecting.selecting import select
from pipeline.sources.openimages.selecting.selection import CsvFile, RowOptions, Selection

BEAR, WAFFLE, CAT = "/m/01dws", "/m/01dwsz", "/m/01yrx"
"""The MID of the first is the beginning of that of the second."""
NAMES = {BEAR: "Bear", WAFFLE: "Waffle", CAT: "Cat"}

_BOXES = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,"
_BOXES += "IsGroupOf,IsDepiction,IsInside"
_MASKS = "MaskPath,ImageID,LabelName,BoxID,BoxXMin,BoxXMax,BoxYMin,BoxYMax,PredictedIoU,Clicks"
_LABELS = "ImageID,Source,LabelName,Confidence"
CORNERS = (0.1, 0.5, 0.2, 0.6)


def image(number: int, digit: str = "0") -> str:
    """Return an ImageID with a first digit."""
    return f"{digit}{number:015x}"


@dataclass
class Annotations:
    """The rows of one split."""

    boxes: list[str] = field(default_factory=list)
    masks: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)

    def box(
        self,
        image_id: str,
        label: str,
        corners: Sequence[float] = CORNERS,
        flags: Sequence[int] = (0, 0, 0, 0, 0),
        source: str = "xclick",
    ) -> None:
        """Add a box; corners are xmin, xmax, ymin and ymax."""
        values = [image_id, source, label, 1, *corners, *flags]
        self.boxes.append(",".join(map(str, values)))

    def mask(
        self, image_id: str, label: str, box_id: str, corners: Sequence[float] = CORNERS
    ) -> str:
        """Add a mask, and return its MaskPath."""
        path = f"{image_id}_{label.replace('/', '')}_{box_id}.png"
        self.masks.append(",".join(map(str, [path, image_id, label, box_id, *corners, "", ""])))
        return path

    def label(self, image_id: str, label: str, confidence: int = 1) -> None:
        """Add what a person said of a whole image."""
        self.labels.append(f"{image_id},verification,{label},{confidence}")

    def written(self, folder: Path) -> dict[str, CsvFile]:
        """Write the files that have rows."""
        kinds = {
            "boxes": (_BOXES, self.boxes),
            "masks": (_MASKS, self.masks),
            "labels": (_LABELS, self.labels),
        }
        files = {}
        folder.mkdir(exist_ok=True)
        for kind, (header, rows) in kinds.items():
            content = "\n".join([header, *rows, ""]).encode()
            path = folder / f"train-{kind}.csv"
            path.write_bytes(content)
            files[kind] = CsvFile(path, hashlib.md5(content).hexdigest())
        return files


def chosen(*mids: str, members: dict[str, tuple[str, ...]] | None = None) -> Chosen:
    """Return a label table of some classes, with the MIDs that are merged into each."""
    merged = members or {}
    classes = tuple(
        ChosenClass(index, mid, NAMES.get(mid, mid), (mid, *merged.get(mid, ())))
        for index, mid in enumerate(sorted(mids))
    )
    return Chosen(classes, frozenset(mid for each in classes for mid in each.members))


@dataclass
class Tables:
    """What was selected: the mark, and the rows of the tables."""

    mark: SelectionMark
    images: list[dict[str, Any]]
    objects: list[dict[str, Any]]
    labels: list[dict[str, Any]]

    @property
    def ids(self) -> list[str]:
        """The selected images."""
        return [row["image_id"] for row in self.images]


def selected(
    folder: Path,
    annotations: Annotations,
    classes: Chosen,
    kinds: Sequence[str] = ("boxes",),
    ids: frozenset[str] | None = None,
    **options: Any,
) -> Tables:
    """Select of some annotations, and read the tables."""
    files = {name: file for name, file in annotations.written(folder).items() if name in kinds}
    rows = RowOptions(boxes="boxes" in kinds, masks="masks" in kinds, **options)
    selection = Selection("train", classes, rows, ids=ids, **files)
    out = folder / "out"
    return read_tables(out, select(out, selection))


def read_tables(out: Path, mark: SelectionMark) -> Tables:
    """Read the tables of a selection."""
    kinds = (
        (places.selected_images, tables.IMAGES),
        (places.selected_objects, tables.OBJECTS),
        (places.selected_labels, tables.LABELS),
    )
    paths = [(path(out, mark.split, mark.digest), schema) for path, schema in kinds]
    return Tables(
        mark,
        *(
            [
                row
                for part in (tables.read(path, schema) if path.exists() else ())
                for row in part.to_pylist()
            ]
            for path, schema in paths
        ),
    )
