"""Images joined with their annotations, part by part; what has no other half is known at the end.

An image and its annotation are of one class folder and have one name, whatever their suffixes.
An annotation of no class in particular is joined by its name alone.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline import plaintext
from pipeline.annotations.boxtable import BoxTable
from pipeline.annotations.names import without_image_suffix
from pipeline.catalog import objects
from pipeline.documents.values import Size
from pipeline.errors import BadAnnotation
from pipeline.quantities import counted, verb
from pipeline.storage import Location

_AT_ONCE: Final = 1 << 14  # rows
_NONE: Final = -1


@dataclass(frozen=True)
class JoinCounts:
    """What a join did, in numbers.

    Attributes:
        annotations: how many there are.
        matched: those that have an image among those that are wanted.
        unwanted: those whose image or class is not wanted.
        unmatched: those that fit no image.
        images: how many are wanted.
        without: those of them that have no annotation.
        boxes: those of the wanted images.
        other_class: those of them that name another class of the table than their image's.
        no_class: those of them that name none.
    """

    annotations: Size
    matched: Size
    unwanted: Size
    unmatched: Size
    images: Size
    without: Size
    boxes: Size
    other_class: Size
    no_class: Size

    def to_json(self) -> dict[str, int]:
        """Return it as plain data."""
        return asdict(self)


class BoxJoin:
    """Finds the boxes of images.

    Args:
        table: the boxes of a split.
        source: the archive or folder of annotations, for errors.
        class_ids: every known class, sorted.
        chosen: the classes that are wanted; None: all.
    """

    def __init__(
        self,
        table: BoxTable,
        source: Location,
        class_ids: Collection[str],
        chosen: Collection[str] | None = None,
    ) -> None:
        self._table = table
        self._source = source
        self._class_ids = pa.array(class_ids, pa.string())
        others = set() if chosen is None else set(class_ids).difference(chosen)
        self._not_chosen = pa.array(sorted(others), pa.string())
        self._matched = np.zeros(len(table), np.bool_)
        self._unwanted = np.zeros(len(table), np.bool_)
        self._some_by_name = not pc.all(pc.match_substring(table.keys, "/")).as_py()
        self._images = self._without = self._boxes = self._other_class = self._no_class = 0
        self._example = ""

    def take(self, keys: pa.StringArray, class_index: pa.Int32Array) -> pa.ListArray:
        """Return the objects of wanted images.

        Args:
            keys: (n,) keys of the catalog.
            class_index: (n,) int32, 0-based class of each image; -1: none.

        Returns:
            (n,) lists, as of `objects.TYPE`.

        Raises:
            BadAnnotation: an annotation fits two images.
        """
        places = self._find(keys)
        matched = places[places != _NONE]
        again = np.bincount(matched, minlength=len(self._table)) > 1 if len(matched) else None
        if again is not None and (again.any() or self._matched[matched].any()):
            raise self._of_two(keys, places, again | self._matched)
        self._matched[matched] = True
        self._images += len(places)
        self._without += len(places) - len(matched)
        self._example = self._example or str(keys[0].as_py() if len(keys) else "")
        boxes = self._table.boxes.take(pa.array(places % len(self._table.boxes)))
        corners = boxes.values.to_numpy().reshape(-1, 4)
        self._boxes += len(corners)
        offsets = boxes.offsets.to_numpy() // 4
        classes = self._classes(places, class_index.to_numpy(), np.diff(offsets))
        known = pa.array(classes, mask=classes == objects.UNKNOWN)
        return objects.listed(offsets, corners, classes, self._class_ids.take(known))

    def pass_over(self, keys: pa.StringArray) -> None:
        """Note images that are there and not wanted: their annotations have their image."""
        places = self._find(keys)
        self._unwanted[places[places != _NONE]] = True

    def counts(self) -> JoinCounts:
        """Return what was done so far."""
        matched = int(self._matched.sum())
        unmatched = sum(map(len, self.unmatched()))
        return JoinCounts(
            annotations=len(self._table),
            matched=matched,
            unwanted=len(self._table) - matched - unmatched,
            unmatched=unmatched,
            images=self._images,
            without=self._without,
            boxes=self._boxes,
            other_class=self._other_class,
            no_class=self._no_class,
        )

    def unmatched(self) -> Iterator[pa.StringArray]:
        """Yield the keys of the annotations that fit no image, in C order, part by part."""
        others = np.flatnonzero(~(self._matched | self._unwanted))
        for start in range(0, len(others), _AT_ONCE):
            keys = self._table.keys.take(pa.array(others[start : start + _AT_ONCE]))
            if self._not_chosen:
                classes = pc.replace_substring_regex(keys, "/.*", "")
                keys = keys.filter(pc.invert(pc.is_in(classes, self._not_chosen)))
            yield keys

    def check(self) -> None:
        """Raise unless a wanted image has a box.

        Raises:
            BadAnnotation: none has, though there are boxes.
        """
        if self._boxes:
            return
        without_box = int(self._matched.sum())
        example = next(filter(len, self.unmatched()), self._table.keys[:1]).to_pylist()
        raise BadAnnotation(
            "not one of the bounding boxes is of an image that is wanted",
            file=str(self._source),
            expected=f"annotations named after the images, such as {self._example}, in folders of "
            "their classes",
            found=counted(len(self._table), "annotation")
            + (f", e.g. {example[0]}.xml" if example else "")
            + (f"; {without_box:,} fit an image, and have no box" if without_box else ""),
            remedy="bring the annotations of these images there, or say --no-boxes",
        )

    def _find(self, keys: pa.StringArray) -> NDArray[np.int64]:
        """Return (n,): the annotation of each key; -1 where there is none."""
        places = self._table.find(without_image_suffix(keys))
        if self._some_by_name and (places == _NONE).any():
            names = pc.replace_substring_regex(keys, "^.*/", "")
            by_name = self._table.find(without_image_suffix(names))
            places = np.where(places == _NONE, by_name, places)
        return places

    def _classes(
        self, places: NDArray[np.int64], class_index: NDArray[np.int32], counts: NDArray[np.int32]
    ) -> NDArray[np.int32]:
        """Return the class of each object: that of its image, where all are named after it."""
        classes = np.repeat(class_index, counts)
        names = self._table.names.take(pa.array(places % len(self._table.names)))
        named = pc.list_value_length(names).to_numpy() > 0
        own = pc.fill_null(
            pc.index_in(names.flatten(), self._class_ids), objects.UNKNOWN
        ).to_numpy()
        parents = class_index[pc.list_parent_indices(names).to_numpy()]
        self._other_class += int(((own != objects.UNKNOWN) & (own != parents)).sum())
        self._no_class += int((own == objects.UNKNOWN).sum())
        classes[np.repeat(named, counts)] = own
        return classes

    def _of_two(
        self, keys: pa.StringArray, places: NDArray[np.int64], again: NDArray[np.bool_]
    ) -> BadAnnotation:
        place = next(each for each in places if each != _NONE and again[each])
        images = keys.filter(pa.array(places == place)).to_pylist()
        found = " and ".join(images) if len(images) > 1 else f"{images[0]}, and one before it"
        return BadAnnotation(
            "an annotation fits two images",
            file=str(self._source),
            place=f"{self._table.keys[int(place)].as_py()}.xml",
            expected="one image of that name, whatever its suffix, in a class",
            found=found,
            remedy="give one of the images another name, or lay the annotations into the folders "
            "of their classes; or say --no-boxes",
        )


def unmatched_pieces(join: BoxJoin) -> Iterator[bytes]:
    """Yield the annotations that fit no image as CSV (RFC 4180 with LF), with a header.

    Cells are escaped as those of `bboxes.report_bytes`.
    """
    yield b"annotation\n"
    for keys in join.unmatched():
        text = io.StringIO()
        rows = ([plaintext.cell(f"{key}.xml")] for key in keys.to_pylist())
        csv.writer(text, lineterminator="\n").writerows(rows)
        yield text.getvalue().encode()


def closing_lines(counts: JoinCounts) -> list[str]:
    """Return for people what a join matched, and what it did not."""
    without = f"{counts.without:,} of {counts.images:,} images have no annotation."
    lines = [f"{counts.matched:,} of {counts.annotations:,} annotations fit an image; {without}"]
    if counts.unmatched:
        fit = verb(counts.unmatched, "fits", "fit")
        lines.append(f"{counted(counts.unmatched, 'annotation')} {fit} no image.")
    if counts.unwanted:
        which = f"{verb(counts.unwanted, 'is', 'are')} of images or classes that are left out"
        lines.append(f"{counted(counts.unwanted, 'annotation')} {which}.")
    if counts.other_class:
        lines.append(
            f"{counted(counts.other_class, 'box')} {verb(counts.other_class, 'is', 'are')} of"
            " another class than the image."
        )
    if counts.no_class:
        lines.append(
            f"{counted(counts.no_class, 'box')} {verb(counts.no_class, 'names', 'name')} no"
            " class id: the class is that of the image."
        )
    return lines
