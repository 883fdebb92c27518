r"""bboxes.csv: every box of an archive or folder of annotations, as fractions of its picture.

One line a box, without a header, as ``gen_train_bboxes.py`` writes it, which follows
``process_bounding_boxes.py`` of TensorFlow's Inception::

    '%s.JPEG,%.4f,%.4f,%.4f,%.4f\n' % (name of the XML file, xmin, ymin, xmax, ymax)

The files stand in C order, which those scripts leave to the file system; the boxes of a file in
the order of its XML. An archive is read once, as a stream, and never unpacked. A folder gives
what the archive gives that unpacks to it: a folder of ``val/*.xml`` is that member ``val/``.
"""

from __future__ import annotations

import csv
import io
import os
import re
import sys
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline import clutter, storage
from pipeline.annotations.voc import Annotation, normalise, parse_annotation
from pipeline.archives.compressed import read_members
from pipeline.archives.tar import Member
from pipeline.clutter import PassedOver
from pipeline.errors import ArchiveRefused, BadAnnotation, TreeRefused

VERSION = 1  # other boxes from the same annotations, another version

Kind = Literal["repaired", "dropped", "refused"]

MAX_ANNOTATION = 1 << 20
"""Bytes: what is larger is no annotation."""

_AT_ONCE = 1 << 14  # files that are handled at once
_SUFFIX = ".xml"
_NO_UTF8 = re.compile(r"[\ud800-\udfff]")


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
class Boxes:
    """The boxes of an archive, and what became of the rest.

    Attributes:
        files: (files,) names of the pictures that have a box, ``*.JPEG``, as string, in C order.
        offsets: (files + 1,) int64; the boxes of picture i are rows offsets[i] to offsets[i + 1].
        corners: (boxes, 4) float64, xmin, ymin, xmax, ymax, in 0..1.
        report: in C order of the member's name, then by object.
        xml_files: annotations in the archive, refused ones among them.
        skipped_files: those that the class filter left out.
        skipped_boxes: boxes that it left out of the other files.
        clutter: what was passed over as clutter.
    """

    files: pa.StringArray
    offsets: NDArray[np.int64]
    corners: NDArray[np.float64]
    report: tuple[ReportRow, ...]
    xml_files: int
    skipped_files: int
    skipped_boxes: int
    clutter: PassedOver


def read_annotations(
    source: Path, passed: list[str] | None = None
) -> Iterator[tuple[str, bytes | BadAnnotation]]:
    """Yield name and content of everything in an archive or folder of annotations.

    What is no regular file named ``*.xml``, or is larger than 1 MiB, comes with the reason in
    place of its content. Passed over are an archive's folders, and clutter. At most 3 MiB are
    held at a time.

    Args:
        source: a tar, a tar.gz or a folder, as `collect` takes them.
        passed: names of clutter are appended to it.

    Raises:
        ArchiveMissing: there is no such file or folder.
        ArchiveRefused: the archive is truncated, fails its CRC, or is no tar.
        TreeRefused: a name in the folder is not UTF-8.
    """
    left = [] if passed is None else passed
    archive = read_members(source, largest=MAX_ANNOTATION)
    is_folder = storage.real_folder(source) is not None
    for member, content in _read_folder(source, left) if is_folder else archive:
        if not is_folder and clutter.in_clutter(member.name):
            left.append(member.name)
        elif content is not None and member.name.endswith(_SUFFIX):
            yield member.name, content
        else:
            wanted = f"a regular file *{_SUFFIX} of at most {MAX_ANNOTATION} bytes"
            found = f"a {member.kind} of {member.size} bytes"
            yield member.name, BadAnnotation("not an annotation", expected=wanted, found=found)


def collect(source: Path, *, class_filter: frozenset[str] | None = None) -> Boxes:
    """Read the boxes of an archive of annotations, or of the folder that it unpacks to.

    Args:
        source: tar or tar.gz of ``<class>/<name>.xml``, of up to a million files; or a folder of
            such folders; or a folder of ``<name>.xml``, which stands for the class itself.
        class_filter: None: every box. Else TensorFlow's rule: a file whose folder is not among
            these is left out, and so is a box that names another class among these than its
            folder's. A box that names none of them stays.

    Raises:
        ArchiveMissing: there is no such file or folder.
        ArchiveRefused: it is damaged, or annotates a picture twice.
        TreeRefused: a name in the folder is not UTF-8.
    """
    gathering, passed = _Gathering(class_filter), list[str]()
    for member, content in read_annotations(source, passed):
        try:
            if isinstance(content, BadAnnotation):
                raise content
            gathering.take(member, content)
        except BadAnnotation as error:
            row = ReportRow(member, None, "refused", f"{error.what}: {error.found}")
            gathering.report.append(row)
    return gathering.boxes(source, clutter.passed_over(passed))


def csv_pieces(boxes: Boxes) -> Iterator[bytes]:
    """Yield the content of bboxes.csv, whose format the module describes."""
    for start in range(0, len(boxes.files), _AT_ONCE):
        files = boxes.files[start : start + _AT_ONCE].to_pylist()
        ends = pairwise(boxes.offsets[start : start + len(files) + 1])
        yield "".join(
            [
                f"{file},{xmin:.4f},{ymin:.4f},{xmax:.4f},{ymax:.4f}\n"
                for file, (first, last) in zip(files, ends, strict=True)
                for xmin, ymin, xmax, ymax in boxes.corners[first:last].tolist()
            ]
        ).encode()


def report_bytes(boxes: Boxes) -> bytes:
    """Return the report as CSV (RFC 4180 with LF) in UTF-8, with a header."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([ReportRow._fields, *boxes.report])
    return text.getvalue().encode()


def closing_lines(boxes: Boxes) -> list[str]:
    """Return what the scripts say at their end, by their way of counting.

    To them a file without a box is skipped as a filtered one is, and so is a box without an area.
    """
    lost = sum(row.object is not None and row.kind != "repaired" for row in boxes.report)
    without = boxes.xml_files - len(boxes.files)
    passed = [f"Passed over {boxes.clutter}."] if boxes.clutter.count else []
    return [
        *passed,
        f"Finished processing {boxes.xml_files} XML files.",
        f"Skipped {without} XML files not in ImageNet Challenge.",
        f"Skipped {lost} bounding boxes not in ImageNet Challenge.",
        f"Wrote {len(boxes.corners)} bounding boxes from {len(boxes.files)} annotated images.",
    ]


class _Gathering:
    """Boxes in the order of the archive; in arrays, because there are 600,000 of them."""

    def __init__(self, class_filter: frozenset[str] | None) -> None:
        self.report: list[ReportRow] = []
        self._filter = class_filter
        self._files: list[str] = []  # of the last annotations: their pictures;
        self._named: list[pa.StringArray] = []  # and of those before them
        self._folders: list[str] = []  # of every annotation: its folder
        self._counts = array("q")  # and how many of its boxes are written
        self._corners = array("d")
        self._skipped_files = 0
        self._skipped_boxes = 0

    def take(self, member: str, content: bytes) -> None:
        """Add the boxes of an annotation."""
        folder, _, file = member.rpartition("/")
        stem = file.removesuffix(_SUFFIX)
        self._files.append(f"{stem}.JPEG")
        if len(self._files) == _AT_ONCE:
            self._pack()
        self._folders.append(sys.intern(folder))
        self._counts.append(0)
        if not stem or not stem.isprintable() or any(each in stem for each in ',"'):
            raise BadAnnotation("a name that cannot stand in bboxes.csv", found=repr(stem))
        label = folder.rpartition("/")[2]
        if self._filter is not None and label not in self._filter:
            self._skipped_files += 1
            return
        self._counts[-1] = self._write(member, label, parse_annotation(content))

    def boxes(self, source: Path, passed: PassedOver) -> Boxes:
        """Return everything, sorted."""
        self._pack()
        files = pa.chunked_array(self._named, pa.string()).combine_chunks()
        self._named = []
        by_name = pc.sort_indices(files).to_numpy().astype(np.int64)
        self._check_unique(source, files, by_name)
        every = np.frombuffer(self._counts, np.int64)
        order = by_name[every[by_name] > 0]
        starts, counts = (np.cumsum(every) - every)[order], every[order]
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        rows = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], counts)
        return Boxes(
            files=files.take(pa.array(order)),
            offsets=offsets,
            corners=np.frombuffer(self._corners).reshape(-1, 4)[rows],
            report=tuple(sorted(self.report, key=lambda row: (row.file, row.object or 0))),
            xml_files=len(files),
            skipped_files=self._skipped_files,
            skipped_boxes=self._skipped_boxes,
            clutter=passed,
        )

    def _pack(self) -> None:
        self._named.append(pa.array(self._files, pa.string()))
        self._files = []

    def _check_unique(
        self, source: Path, files: pa.StringArray, by_name: NDArray[np.int64]
    ) -> None:
        ordered = files.take(pa.array(by_name))
        place = pc.index(pc.equal(ordered[1:], ordered[:-1]), True).as_py()
        if place >= 0:
            one, other = by_name[place : place + 2]
            raise ArchiveRefused(
                "a picture is annotated twice",
                file=str(source),
                place=f"in {self._folders[one]} and in {self._folders[other]}",
                expected="one annotation of every picture",
                found=f"two of {ordered[place].as_py()}",
                remedy="remove one of them, or download the archive again",
            )

    def _write(self, member: str, label: str, annotation: Annotation) -> int:
        """Append the boxes that stay; return how many."""
        before = len(self._corners)
        size = annotation.width, annotation.height
        for number, each in enumerate(annotation.objects, 1):
            if self._filter and each.name != label and each.name in self._filter:
                self._skipped_boxes += 1
                self.report.append(ReportRow(member, number, "dropped", f"of class {each.name}"))
                continue
            if each.corners is None:
                self.report.append(ReportRow(member, number, "refused", each.problem or ""))
                continue
            box, repairs = normalise(each.corners, *size)
            self._corners.extend(box or ())
            if repairs or box is None:
                how = ", ".join(repairs) if box else "no area inside the picture"
                reason = f"{how}: {each.corners} in {size}"
                kind: Kind = "repaired" if box else "dropped"
                self.report.append(ReportRow(member, number, kind, reason))
        return (len(self._corners) - before) // 4


def is_annotation(member: Member) -> bool:
    """Whether a member, by its kind and name, should be an annotation."""
    return member.kind == "file" and member.name.endswith(_SUFFIX)


def _read_folder(folder: Path, passed: list[str]) -> Iterator[tuple[Member, bytes | None]]:
    """Yield what a folder holds as `read_members` yields the members of an archive."""
    for place, entry, member in listed(folder, passed):
        small = is_annotation(member) and member.size <= MAX_ANNOTATION
        yield member, storage.read_bytes(place / entry.name) if small else None


def listed(
    folder: Path, passed: list[str] | None = None
) -> Iterator[tuple[Path, storage.Entry, Member]]:
    """Yield everything in a folder of annotations: its folder, its entry, its member of an archive.

    Clutter is passed over, and its names are appended to `passed`.

    Raises:
        TreeRefused: a name is not UTF-8.
    """
    left = [] if passed is None else passed
    top = list(_level(folder, "", left))
    inner = [entry.name for entry in top if entry.kind == "folder"]
    # The name as it was given: a link to the folder may well bear that of a class.
    prefix = "" if inner else f"{Path(os.path.abspath(folder)).name}/"
    for entry in top:
        if entry.kind != "folder":
            yield folder, entry, Member("", prefix + entry.name, 0, entry.size, entry.kind)
    for each in inner:
        place = folder / each
        for entry in _level(place, f"{each}/", left):
            yield place, entry, Member("", f"{each}/{entry.name}", 0, entry.size, entry.kind)


def _level(folder: Path, shown: str, passed: list[str]) -> Iterator[storage.Entry]:
    """Yield what a folder holds, sorted; names of clutter are appended, after `shown`."""
    for entry in sorted(storage.entries(folder)):
        if clutter.is_clutter(entry.name):
            passed.append(shown + _NO_UTF8.sub("\ufffd", entry.name))
            continue
        if _NO_UTF8.search(entry.name):
            raise TreeRefused(
                "a name that is not UTF-8",
                file=str(folder),
                found=repr(entry.name),
                remedy="give it another name, or move it away",
            )
        yield entry
