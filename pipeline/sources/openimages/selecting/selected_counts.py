"""What a selection has of each class, and what a person is told of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import abbreviate
from pipeline.manifest import Document
from pipeline.quantities import counted, verb
from pipeline.sources.openimages import places, tables
from pipeline.sources.openimages.ids import Numbers
from pipeline.sources.openimages.selecting.bucket import Pairs
from pipeline.sources.openimages.selecting.selection import Selection

_OF_CLASSES: Final = ("images", "boxes", "masks", "negatives")
MASKS_ALONE: Final = "masks without box"
"""Masks of which no box has image, label and corners."""
NEGATIVES: Final = "images without a chosen class"
"""Images that are selected because they are verified not to show a chosen class."""
NOT_SELECTED: Final = "images of the list that are not selected"
DOUBLED_BOXES: Final = "doubled boxes"
"""Boxes with the image, class, corners and source of one before them in the file; all are kept."""
DOUBLED_MASKS: Final = "doubled masks"
"""Masks with the name, corners and quality of one before them in the file; all are kept."""
UNKNOWN: Final = "objects with an unknown flag"


class Counts:
    """Counts the rows of a selection while they are written."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        classes = len(selection.chosen.classes)
        self._of_classes = {name: np.zeros(classes, np.int64) for name in _OF_CLASSES}
        self._digits = np.zeros(len(places.DIGITS), np.int64)
        self._counts: Counter[str] = Counter()
        self._images = self._objects = 0
        self.labels = 0

    def add_lost(self, counts: Counter[str]) -> None:
        """Add what options on flags took away."""
        self._counts.update(counts)

    def add_choice(self, chosen: Numbers, negatives: Numbers) -> None:
        """Add how many images are selected, and how many of them for what they do not show."""
        self._counts[NEGATIVES] = len(negatives)
        if self._selection.ids is not None:
            self._counts[NOT_SELECTED] = len(self._selection.ids) - len(chosen)

    def add_lone_masks(self, masks: int) -> None:
        """Add masks that found no box."""
        if self._selection.boxes is not None:
            self._counts[MASKS_ALONE] += masks

    def add_doubled(self, boxes: int, masks: int) -> None:
        """Add boxes and masks that are the same as one before them."""
        self._counts[DOUBLED_BOXES] += boxes
        self._counts[DOUBLED_MASKS] += masks

    def add(self, images: Numbers, shown: Pairs, absent: Pairs, objects: pa.Table) -> None:
        """Add some images, the classes that are shown and absent there, and their objects."""
        self._images += len(images)
        self._objects += objects.num_rows
        has_box, has_mask = (
            pc.is_valid(objects[name]).to_numpy() for name in ("confidence", "mask_path")
        )
        index = objects["class_index"].to_numpy()
        of_masks = objects["id"].to_numpy()[has_mask] >> np.uint64(60)
        self._digits += np.bincount(of_masks.astype(np.int64), minlength=len(self._digits))
        every = (shown.classes, index[has_box], index[has_mask], absent.classes)
        for name, classes in zip(_OF_CLASSES, every, strict=True):
            of_class = self._of_classes[name]
            of_class += np.bincount(classes, minlength=len(of_class))
        self._add_unknown(objects)

    def _add_unknown(self, objects: pa.Table) -> None:
        unknown = np.zeros(objects.num_rows, np.bool_)
        for flag in tables.FLAGS:
            is_unknown = pc.fill_null(pc.equal(objects[flag], -1), False).to_numpy()
            self._counts[f"unknown {flag}"] += int(np.count_nonzero(is_unknown))
            unknown |= is_unknown
        self._counts[UNKNOWN] += int(np.count_nonzero(unknown))

    def document(self) -> Document:
        """Return what the mark says; see `pipeline.documents.openimages.SelectionMark`."""
        of_classes = {name: counts.tolist() for name, counts in self._of_classes.items()}
        return {
            "images": self._images,
            "objects": self._objects,
            "labels": self.labels,
            "classes": [
                {
                    "mid": each.mid,
                    "name": each.name,
                    **{name: of_classes[name][each.index] for name in _OF_CLASSES},
                }
                for each in self._selection.chosen.classes
            ],
            "digits": {f"{digit:x}": n for digit, n in enumerate(self._digits.tolist()) if n},
            "counts": {name: count for name, count in sorted(self._counts.items()) if count},
            "closing": list(self._closing()),
        }

    def _closing(self) -> Iterator[str]:
        masks = int(self._digits.sum())
        with_masks = f", {masks:,} with a mask" if self._selection.masks is not None else ""
        objects = counted(self._objects, "object")
        yield f"{counted(self._images, 'image')} selected, with {objects}{with_masks}."
        yield from self._notes()

    def _notes(self) -> Iterator[str]:
        counts, chosen = self._counts, self._selection.chosen.selected_for
        missing = [each.name for each in chosen if not self._of_classes["images"][each.index]]
        if missing:
            yield f"no image of {counted(len(missing), 'class')}: {abbreviate(missing)}."
        if negatives := counts[NEGATIVES]:
            yield (
                f"{counted(negatives, 'image')} of these {verb(negatives, 'is', 'are')} verified"
                f" not to show a chosen class, and {verb(negatives, 'shows', 'show')} none."
            )
        if not_selected := counts[NOT_SELECTED]:
            are = verb(not_selected, "is", "are")
            yield f"{counted(not_selected, 'image')} of the list {are} not selected in this split."
        if lone := counts[MASKS_ALONE]:
            yield f"{counted(lone, 'mask')} {verb(lone, 'is', 'are')} of no box."
        if boxes := counts[DOUBLED_BOXES]:
            yield (
                f"{counted(boxes, 'box')} {verb(boxes, 'has', 'have')} the image, class, corners"
                f" and source of another one in the CSV file; {verb(boxes, 'it is', 'they are')}"
                " kept."
            )
        if masks := counts[DOUBLED_MASKS]:
            yield (
                f"{counted(masks, 'mask')} {verb(masks, 'has', 'have')} the name, corners and"
                f" PredictedIoU of another one in the CSV file; {verb(masks, 'it is', 'they are')}"
                " kept."
            )
        if unknown := counts[UNKNOWN]:
            flags = [flag for flag in tables.FLAGS if counts[f"unknown {flag}"]]
            has = verb(unknown, "has", "have")
            yield (
                f"{counted(unknown, 'object')} {has} an unknown flag"
                f" ({', '.join(flags)}), which is not read as true."
            )
        if boxes := counts["dropped boxes"]:
            without = counts["images left without boxes"]
            yield (
                f"{counted(boxes, 'box')} dropped for {verb(boxes, 'its', 'their')} flags;"
                f" {counted(without, 'image')} left without any"
                f" {verb(without, 'is', 'are')} not selected."
            )
        if dropped := counts["dropped images"]:
            yield f"{counted(dropped, 'image')} not selected for the flags of a box."
