"""Boxes as they are gathered, annotation by annotation, and then sorted."""

from __future__ import annotations

import sys
from array import array
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline import names as rule
from pipeline.annotations.names import without_image_suffix
from pipeline.annotations.source import SUFFIX
from pipeline.annotations.voc import Annotation, normalise, parse_annotation
from pipeline.documents import first_words
from pipeline.errors import ArchiveRefused, BadAnnotation
from pipeline.storage import Location
from pipeline.storage.clutter import PassedOver

Kind = Literal["repaired", "dropped", "refused"]

_AT_ONCE = 1 << 14  # files that are held as objects of Python
_JPEG = ".JPEG"


class ReportRow(NamedTuple):
    """A box or file that was not taken as it stands.

    Attributes:
        file: the member of the archive, or what its name would be.
        object: the 1-based number of the ``<object>`` in it; None: the file as a whole.
        kind: ``repaired`` and written, ``dropped`` for want of an area, or ``refused`` unread.
        reason: for people.
    """

    file: str
    object: int | None
    kind: Kind
    reason: str


@dataclass(frozen=True, eq=False)
class Annotated:
    """Every annotation by class and name, whether it has a box or not.

    Attributes:
        keys: (annotations,) ``<class>/<name>``, or the name alone where there is no class folder,
            without suffix, as string, in C order, each once.
        firsts: (annotations,) int64; the boxes of annotation i are the rows of `Boxes.corners`
            from firsts[i] on,
        counts: (annotations,) int64; so many.
        names: of an annotation whose objects are not all named after its class: the name of each
            object that has a box. By the number of the annotation.
    """

    keys: pa.StringArray
    firsts: NDArray[np.int64]
    counts: NDArray[np.int64]
    names: dict[int, tuple[str, ...]]


@dataclass(frozen=True, eq=False)
class Boxes:
    """The boxes of an archive, and what became of the rest.

    Attributes:
        files: (files,) names of the images that have a box, ``*.JPEG``, as string, in C order;
            those of one name in two classes follow one another.
        offsets: (files + 1,) int64; the boxes of image i are rows offsets[i] to offsets[i + 1].
        corners: (boxes, 4) float64, xmin, ymin, xmax, ymax, in 0..1.
        annotated: the same boxes by class and name.
        report: in C order of the member's name, then by object.
        xml_files: annotations in the archive, refused ones among them.
        skipped_files: those that the class filter left out.
        skipped_boxes: boxes that it left out of the other files.
        clutter: what was passed over as clutter.
    """

    files: pa.StringArray
    offsets: NDArray[np.int64]
    corners: NDArray[np.float64]
    annotated: Annotated
    report: tuple[ReportRow, ...]
    xml_files: int
    skipped_files: int
    skipped_boxes: int
    clutter: PassedOver


class Gathering:
    """Boxes in the order of the archive; in arrays, because there are 600,000 of them.

    Args:
        folder_of_all: the folder whose annotations are of no class in particular; empty: those
            in no folder; None: all of them.
        class_filter: see `bboxes.collect`.
    """

    def __init__(self, folder_of_all: str | None, class_filter: frozenset[str] | None) -> None:
        self.report: list[ReportRow] = []
        self._folder_of_all = folder_of_all
        self._filter = class_filter
        self._files: list[str] = []  # of the last annotations: their images;
        self._named: list[pa.StringArray] = []  # and of those before them
        self._folders: list[str] = []  # of every annotation: its folder
        self._counts = array("q")  # how many of its boxes are written
        self._names: dict[int, tuple[str, ...]] = {}  # and see `Annotated`
        self._corners = array("d")
        self._misplaced = 0  # annotations in folders that can be no class
        self._skipped_files = 0
        self._skipped_boxes = 0

    def take(self, member: str, content: bytes) -> None:
        """Add the boxes of an annotation.

        Raises:
            BadAnnotation: it cannot be read, or lies in a folder that can be no class, or under a
                name that can be no image's.
        """
        folder, _, file = member.rpartition("/")
        label = folder.rpartition("/")[2]
        if label == ".." or rule.has_control(label):
            self._misplaced += 1
            raise BadAnnotation(
                "a folder that can be no class",
                expected="the name of a class",
                found=repr(label),
                remedy="give the folder the name of its class",
            )
        stem = file[: -len(SUFFIX)]
        self._files.append(f"{stem}{_JPEG}")
        if len(self._files) == _AT_ONCE:
            self._pack()
        self._folders.append(sys.intern(folder))
        self._counts.append(0)
        if not stem or not stem.isprintable() or any(each in stem for each in ',"'):
            raise BadAnnotation(
                "a name that cannot stand in bboxes.csv",
                expected="a name without commas, quotes and control characters",
                found=repr(stem),
                remedy="give the annotation and its image another name",
            )
        if self._filter is not None and label not in self._filter:
            self._skipped_files += 1
            return
        self._write(member, label, parse_annotation(content))

    def boxes(self, source: Location, passed: PassedOver) -> Boxes:
        """Return everything, sorted."""
        self._pack()
        files = pa.chunked_array(self._named, pa.string()).combine_chunks()
        self._named = []
        keys = self._keys(files)
        by_key = pc.sort_indices(keys).to_numpy().astype(np.int64)
        keys = keys.take(pa.array(by_key))
        self._check_unique(source, keys, by_key)
        every = np.frombuffer(self._counts, np.int64)
        by_name = by_key[_order(files.take(pa.array(by_key)))]
        order = by_name[every[by_name] > 0]
        starts, counts = (np.cumsum(every) - every)[order], every[order]
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        rows = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], counts)
        firsts = np.zeros_like(every)
        firsts[order] = offsets[:-1]
        ranks = np.empty_like(by_key)
        ranks[by_key] = np.arange(len(by_key))
        names = {int(ranks[number]): names for number, names in self._names.items()}
        return Boxes(
            files=files.take(pa.array(order)),
            offsets=offsets,
            corners=np.frombuffer(self._corners).reshape(-1, 4)[rows],
            annotated=Annotated(keys, firsts[by_key], every[by_key], names),
            report=tuple(sorted(self.report, key=lambda row: (row.file, row.object or 0))),
            xml_files=len(files) + self._misplaced,
            skipped_files=self._skipped_files,
            skipped_boxes=self._skipped_boxes,
            clutter=passed,
        )

    def _pack(self) -> None:
        self._named.append(pa.array(self._files, pa.string()))
        self._files = []

    def _keys(self, files: pa.StringArray) -> pa.StringArray:
        stems = without_image_suffix(pc.utf8_slice_codeunits(files, 0, -len(_JPEG)))
        if self._folder_of_all is None:
            return stems
        folders = pc.dictionary_encode(pa.array(self._folders, pa.string()))
        labels = [each.rpartition("/")[2] for each in folders.dictionary.to_pylist()]
        starts = ["" if each in {"", self._folder_of_all} else f"{each}/" for each in labels]
        started = pa.array(starts, pa.string()).take(folders.indices)
        return pc.binary_join_element_wise(started, stems, "")

    def _check_unique(
        self, source: Location, keys: pa.StringArray, by_key: NDArray[np.int64]
    ) -> None:
        place = pc.index(pc.equal(keys[1:], keys[:-1]), True).as_py()
        if place >= 0:
            one, other = (self._folders[each] or "." for each in by_key[place : place + 2])
            raise ArchiveRefused(
                "an image is annotated twice",
                file=str(source),
                place=f"in {one} and in {other}" if one != other else f"twice in {one}",
                expected="one annotation of every image",
                found=f"two of {keys[place].as_py()}",
                remedy="remove one of them; where an archive holds them, pack it anew without it "
                "and correct `md5` in the configuration",
            )

    def _write(self, member: str, label: str, annotation: Annotation) -> None:
        """Append the boxes that stay."""
        size = annotation.width, annotation.height
        other = self._filter and annotation.name != label and annotation.name in self._filter
        names = []
        for number, each in enumerate(annotation.objects, 1):
            if other:
                self._skipped_boxes += 1
                of_class = f"of class {annotation.name}"
                self.report.append(ReportRow(member, number, "dropped", of_class))
                continue
            if each.corners is None:
                self.report.append(ReportRow(member, number, "refused", each.problem or ""))
                continue
            box, repairs = normalise(each.corners, *size)
            if box:
                self._corners.extend(box)
                names.append(each.name)
            if repairs or box is None:
                how = ", ".join(repairs) if box else first_words.NO_AREA
                reason = f"{how}: {each.corners} in {size}"
                kind: Kind = "repaired" if box else "dropped"
                self.report.append(ReportRow(member, number, kind, reason))
        self._counts[-1] = len(names)
        if self._folder_of_all is None or names.count(label) < len(names):
            self._names[len(self._counts) - 1] = tuple(map(sys.intern, names))


def _order(names: pa.StringArray) -> NDArray[np.int64]:
    """Return the stable order of names; most often they are in order."""
    if not pc.any(pc.greater(names[:-1], names[1:])).as_py():
        return np.arange(len(names))
    order: NDArray[np.int64] = pc.sort_indices(names).to_numpy().astype(np.int64)
    return order
