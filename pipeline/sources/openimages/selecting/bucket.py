"""The rows of some images, from all CSV files of a split: which of them are kept.

Nothing here reads a file: everything is decided with the rows of one bucket in memory.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.sources.openimages.ids import Numbers
from pipeline.sources.openimages.selecting import matching
from pipeline.sources.openimages.selecting.chosen import Chosen
from pipeline.sources.openimages.selecting.selection import RowOptions
from pipeline.sources.openimages.selecting.spilled import column, corners

_Mask = NDArray[np.bool_]
_Classes = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Rules:
    """What decides which rows are kept.

    Attributes:
        options: what was asked for.
        index: (labels,) the class that objects of each label become; -1: none.
        selecting: (labels,) whether an image that shows it is selected.
        own: (labels,) the class whose own MID the label is; -1: none. That a subclass is absent
            does not say that the class is, into which it was merged.
        ids: the only images that can be selected, ascending; None: any.
    """

    options: RowOptions
    index: _Classes
    selecting: _Mask
    own: _Classes
    ids: Numbers | None = None

    @staticmethod
    def of(
        options: RowOptions, chosen: Chosen, labels: list[str], ids: Numbers | None = None
    ) -> Rules:
        """Return the rules for labels that are known by their places in a list."""
        own = {each.mid: each.index for each in chosen.classes}
        return Rules(
            options,
            np.array([chosen.indexes.get(label, -1) for label in labels], np.int32),
            np.array([label in chosen.selecting for label in labels], np.bool_),
            np.array(
                [own.get(label, -1) if label in chosen.selecting else -1 for label in labels],
                np.int32,
            ),
            ids,
        )


@dataclass(frozen=True, eq=False)
class Pairs:
    """Images, each with a class; every pair once, by image and then by class."""

    images: Numbers
    classes: _Classes

    @staticmethod
    def of(images: Numbers, classes: _Classes) -> Pairs:
        """Return the distinct ones of some pairs."""
        order = np.lexsort((classes, images))
        images, classes = images[order], classes[order]
        is_new = np.ones(len(images), np.bool_)
        is_new[1:] = (images[1:] != images[:-1]) | (classes[1:] != classes[:-1])
        return Pairs(images[is_new], classes[is_new])

    def where(self, wanted: _Mask) -> Pairs:
        """Return some of the pairs."""
        return Pairs(self.images[wanted], self.classes[wanted])

    def of_images(self, images: Numbers) -> Pairs:
        """Return the pairs of some images, which are ascending."""
        return self.where(within(self.images, images))

    def without(self, others: Pairs) -> Pairs:
        """Return the pairs that are not among others."""
        if not len(others.images):
            return self
        images = np.concatenate([self.images, others.images])
        classes = np.concatenate([self.classes, others.classes]).astype(np.int64)
        _, ranks = np.unique(images, return_inverse=True)
        keys = ranks.astype(np.int64) * (int(classes.max(initial=0)) + 1) + classes
        mine, theirs = np.split(keys, [len(self.images)])
        return self.where(~np.isin(mine, theirs))


@dataclass(eq=False)
class Bucket:
    """All rows of some images, and which of them are kept.

    Attributes:
        boxes: as of `spilled.BOXES`, by image; those of no class of the label table among them.
        masks: as of `spilled.MASKS`, by image.
        labels: as of `spilled.LABELS`, by image.
        rules: what decides.
        counts: what `candidates` took away, by name.
    """

    boxes: pa.Table
    masks: pa.Table
    labels: pa.Table
    rules: Rules
    counts: Counter[str] = field(default_factory=Counter)

    @cached_property
    def box_of_mask(self) -> NDArray[np.int64]:
        """(masks,): the place of the box that each mask is of; -1: none."""
        return matching.join(_drawn(self.boxes), _drawn(self.masks))

    @cached_property
    def keeps_box(self) -> _Mask:
        """(boxes,): whether each is of a class, and has none of the flags that are dropped."""
        return self._is_of_class(self.boxes) & ~self._flagged(self.rules.options.drop_boxes)

    @cached_property
    def keeps_mask(self) -> _Mask:
        """(masks,): whether each is of a class, and its box is not dropped, if it has one."""
        of_class = self._is_of_class(self.masks)
        if not self.boxes.num_rows:
            return of_class
        return of_class & ((self.box_of_mask < 0) | self.keeps_box[self.box_of_mask])

    @cached_property
    def positive(self) -> _Mask:
        """(labels,): whether each says that its class is there."""
        return np.asarray(column(self.labels, "confidence") > 0)

    def candidates(self) -> Pairs:
        """Return the images that may be selected, with the classes that they are selected for."""
        rows, kept = {
            "boxes": lambda: (self.boxes, self.keeps_box),
            "masks": lambda: (self.masks, self.keeps_mask),
            "labels": lambda: (self.labels, self.positive),
        }[self.rules.options.by]()
        pairs = self._pairs(rows, kept & self._selects(rows))
        barred = self._barred()
        self._count_lost(rows, pairs, barred)
        return self._allowed(pairs.where(~within(pairs.images, barred)))

    def absences(self) -> Pairs:
        """Return images that show no chosen class, with those that are verified to be absent."""
        absent = self.absent()
        shown = np.unique(
            np.concatenate(
                [
                    _images(rows)[self._selects(rows) & shows]
                    for rows, shows in (
                        (self.boxes, np.True_),
                        (self.masks, np.True_),
                        (self.labels, self.positive),
                    )
                ]
            )
        )
        return self._allowed(absent.where(~within(absent.images, shown)))

    def absent(self) -> Pairs:
        """Return images with the chosen classes that are verified to be absent."""
        own = self.rules.own[_labels(self.labels)]
        rows = (own >= 0) & ~self.positive
        return Pairs.of(_images(self.labels)[rows], own[rows])

    def shown(self) -> Pairs:
        """Return images with the classes of the objects on them, and of labels that are kept."""
        options = self.rules.options
        parts = [
            self._pairs(self.boxes, self.keeps_box),
            self._pairs(self.masks, self.keeps_mask),
        ]
        if options.image_labels or options.by == "labels":
            parts.append(self._pairs(self.labels, self.positive & self._is_of_class(self.labels)))
        return Pairs.of(
            np.concatenate([part.images for part in parts]),
            np.concatenate([part.classes for part in parts]),
        )

    def _pairs(self, rows: pa.Table, kept: _Mask) -> Pairs:
        return Pairs.of(_images(rows)[kept], self.rules.index[_labels(rows)[kept]])

    def _is_of_class(self, rows: pa.Table) -> _Mask:
        return np.asarray(self.rules.index[_labels(rows)] >= 0)

    def _selects(self, rows: pa.Table) -> _Mask:
        return np.asarray(self.rules.selecting[_labels(rows)])

    def _flagged(self, flags: tuple[str, ...]) -> _Mask:
        """(boxes,): whether each has one of some flags; what is unknown is not read as true."""
        flagged = np.zeros(self.boxes.num_rows, np.bool_)
        for flag in flags:
            flagged |= column(self.boxes, flag) == 1
        return flagged

    def _barred(self) -> Numbers:
        """Return the images that a flag of a box keeps from being selected, ascending."""
        rows = self._selects(self.boxes) & self._flagged(self.rules.options.drop_images)
        return np.unique(_images(self.boxes)[rows])

    def _allowed(self, pairs: Pairs) -> Pairs:
        return pairs if self.rules.ids is None else pairs.of_images(self.rules.ids)

    def _count_lost(self, rows: pa.Table, pairs: Pairs, barred: Numbers) -> None:
        """Count what the options on flags took away."""
        selecting = self._selects(self.boxes)
        self.counts["dropped boxes"] += int(np.count_nonzero(selecting & ~self.keeps_box))
        self.counts["dropped images"] += len(barred)
        if self.rules.options.drop_boxes and rows is not self.labels:
            before = np.unique(_images(rows)[self._selects(rows)])
            left = within(before, np.unique(pairs.images))
            self.counts["images left without boxes"] += int(np.count_nonzero(~left))


def within(images: Numbers, chosen: Numbers) -> _Mask:
    """Return whether each of some images is among others, which are ascending."""
    if not len(chosen):
        return np.zeros(len(images), np.bool_)
    places = np.minimum(np.searchsorted(chosen, images), len(chosen) - 1)
    return np.asarray(chosen[places] == images)


def _images(rows: pa.Table) -> Numbers:
    return column(rows, "id").astype(np.uint64, copy=False)


def _labels(rows: pa.Table) -> NDArray[Any]:
    return column(rows, "label")


def _drawn(rows: pa.Table) -> matching.Drawn:
    return matching.Drawn(_images(rows), _labels(rows).astype(np.int32, copy=False), corners(rows))
