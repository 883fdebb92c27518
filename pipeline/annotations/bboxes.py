r"""bboxes.csv: every box of an archive of annotations, as fractions of its picture.

One line a box, without a header, as ``gen_train_bboxes.py`` writes it, which follows
``process_bounding_boxes.py`` of TensorFlow's Inception::

    '%s.JPEG,%.4f,%.4f,%.4f,%.4f\n' % (name of the XML file, xmin, ymin, xmax, ymax)

The files stand in C order, which those scripts leave to the file system; the boxes of a file in
the order of its XML. An archive is read once, as a stream, and never unpacked.
"""

from __future__ import annotations

import csv
import io
import sys
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from isal import igzip_lib
from numpy.typing import NDArray

from pipeline import storage
from pipeline.annotations.voc import Annotation, normalise, parse_annotation
from pipeline.archives.tar import Member, TarScanner
from pipeline.errors import ArchiveMissing, ArchiveRefused, BadAnnotation

Kind = Literal["repaired", "dropped", "refused"]

_STEP = 1 << 18
_MAX_ANNOTATION = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"
_SUFFIX = ".xml"


class ReportRow(NamedTuple):
    """A box or file that was not taken as it stands.

    Attributes:
        file: the member of the archive.
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
        files: (files,) names of the pictures that have a box, ``*.JPEG``, in C order.
        offsets: (files + 1,) int64; the boxes of picture i are rows offsets[i] to offsets[i + 1].
        corners: (boxes, 4) float64, xmin, ymin, xmax, ymax, in 0..1.
        report: in C order of the member's name, then by object.
        xml_files: annotations in the archive, refused ones among them.
        skipped_files: those that the class filter left out.
        skipped_boxes: boxes that it left out of the other files.
    """

    files: tuple[str, ...]
    offsets: NDArray[np.int64]
    corners: NDArray[np.float64]
    report: tuple[ReportRow, ...]
    xml_files: int
    skipped_files: int
    skipped_boxes: int


def read_annotations(archive: Path) -> Iterator[tuple[str, bytes | BadAnnotation]]:
    """Yield name and content of every member of a tar or tar.gz but its folders.

    A member that is no regular file named ``*.xml``, or is larger than 1 MiB, comes with the
    reason in place of its content. At most 2 MiB of the archive are held at a time.

    Raises:
        ArchiveMissing: there is no such file.
        ArchiveRefused: it is truncated, fails its CRC, or is no tar.
    """
    scanner = TarScanner(str(archive))
    waiting: list[Member] = []
    kept = b""
    for piece in _unpacked(archive):
        waiting += (each for each in scanner.feed(piece) if each.kind != "directory")
        window = kept + piece
        start, end = scanner.size - len(window), scanner.size
        done = 0
        for member in waiting:
            refusal = _refusal(member)
            if refusal is None and member.offset + member.size > end:
                break
            first = member.offset - start
            yield member.name, refusal or window[first : first + member.size]
            done += 1
        del waiting[:done]
        kept = window[waiting[0].offset - start :] if waiting else b""
    scanner.finish()


def collect(archive: Path, *, class_filter: frozenset[str] | None = None) -> Boxes:
    """Read the boxes of an archive of annotations.

    Args:
        archive: tar or tar.gz of ``<class>/<name>.xml``, of up to a million files.
        class_filter: None: every box. Else TensorFlow's rule: a file whose folder is not among
            these is left out, and so is a box that names another class among these than its
            folder's. A box that names none of them stays.

    Raises:
        ArchiveMissing: there is no such file.
        ArchiveRefused: it is damaged, or annotates a picture twice.
    """
    gathering = _Gathering(class_filter)
    for member, content in read_annotations(archive):
        try:
            if isinstance(content, BadAnnotation):
                raise content
            gathering.take(member, content)
        except BadAnnotation as error:
            row = ReportRow(member, None, "refused", f"{error.what}: {error.found}")
            gathering.report.append(row)
    return gathering.boxes(archive)


def csv_bytes(boxes: Boxes) -> bytes:
    """Return the content of bboxes.csv, whose format the module describes."""
    text = io.BytesIO()  # it gives its content away without a copy
    for file, (first, last) in zip(boxes.files, pairwise(boxes.offsets), strict=True):
        for xmin, ymin, xmax, ymax in boxes.corners[first:last].tolist():
            text.write(f"{file},{xmin:.4f},{ymin:.4f},{xmax:.4f},{ymax:.4f}\n".encode())
    return text.getvalue()


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
    return [
        f"Finished processing {boxes.xml_files} XML files.",
        f"Skipped {without} XML files not in ImageNet Challenge.",
        f"Skipped {boxes.skipped_boxes + lost} bounding boxes not in ImageNet Challenge.",
        f"Wrote {len(boxes.corners)} bounding boxes from {len(boxes.files)} annotated images.",
    ]


class _Gathering:
    """Boxes in the order of the archive; in arrays, because there are 600,000 of them."""

    def __init__(self, class_filter: frozenset[str] | None) -> None:
        self.report: list[ReportRow] = []
        self._filter = class_filter
        self._files: list[str] = []  # of every annotation: its picture,
        self._folders: list[str] = []  # its folder
        self._counts = array("q")  # and how many of its boxes are written
        self._corners = array("d")
        self._skipped_files = 0
        self._skipped_boxes = 0

    def take(self, member: str, content: bytes) -> None:
        """Add the boxes of an annotation."""
        folder, _, file = member.rpartition("/")
        stem = file.removesuffix(_SUFFIX)
        self._files.append(f"{stem}.JPEG")
        self._folders.append(sys.intern(folder))
        self._counts.append(0)
        if not stem or not stem.isprintable() or any(each in stem for each in ',"'):
            raise BadAnnotation("a name that cannot stand in bboxes.csv", found=repr(stem))
        label = folder.rpartition("/")[2]
        if self._filter is not None and label not in self._filter:
            self._skipped_files += 1
            return
        self._counts[-1] = self._write(member, label, parse_annotation(content))

    def boxes(self, archive: Path) -> Boxes:
        """Return everything, sorted."""
        files = self._files
        by_name = sorted(range(len(files)), key=files.__getitem__)
        for one, other in pairwise(by_name):
            if files[one] == files[other]:
                raise self._twice(archive, one, other)
        every = np.array(self._counts, np.int64)
        order = np.array([at for at in by_name if self._counts[at]], np.int64)
        starts, counts = (np.cumsum(every) - every)[order], every[order]
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        rows = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], counts)
        return Boxes(
            files=tuple([files[at] for at in order]),
            offsets=offsets,
            corners=np.frombuffer(self._corners).reshape(-1, 4)[rows],
            report=tuple(sorted(self.report, key=lambda row: (row.file, row.object or 0))),
            xml_files=len(files),
            skipped_files=self._skipped_files,
            skipped_boxes=self._skipped_boxes,
        )

    def _twice(self, archive: Path, one: int, other: int) -> ArchiveRefused:
        return ArchiveRefused(
            "a picture is annotated twice",
            file=str(archive),
            place=f"in {self._folders[one]} and in {self._folders[other]}",
            expected="one annotation of every picture",
            found=f"two of {self._files[one]}",
            remedy="remove one of them, or download the archive again",
        )

    def _write(self, member: str, label: str, annotation: Annotation) -> int:
        """Append the boxes that stay; return how many."""
        before = len(self._corners)
        size = annotation.width, annotation.height
        for number, each in enumerate(annotation.objects, 1):
            if self._filter and each.name != label and each.name in self._filter:
                self._skipped_boxes += 1
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


def _refusal(member: Member) -> BadAnnotation | None:
    """Return why a member cannot be an annotation, or None."""
    if member.kind == "file" and member.name.endswith(_SUFFIX) and member.size <= _MAX_ANNOTATION:
        return None
    wanted = f"a regular file *{_SUFFIX} of at most {_MAX_ANNOTATION} bytes"
    found = f"a {member.kind} of {member.size} bytes"
    return BadAnnotation("not an annotation", expected=wanted, found=found)


def _unpacked(archive: Path) -> Iterator[bytes]:
    """Yield the bytes of the tar in an archive, at most 256 KiB at a time."""
    if storage.stat(archive) is None:
        remedy = "put it there, or correct the folder of the raw archives"
        raise ArchiveMissing("the archive is not there", file=str(archive), remedy=remedy)
    with storage.RangeReader(archive) as reader:
        if bytes(reader.read(0, len(_GZIP_MAGIC))) == _GZIP_MAGIC:
            yield from _inflated(archive, reader)
            return
        at = 0
        while view := reader.read(at, _STEP):
            at += len(view)
            yield bytes(view)


def _inflated(archive: Path, reader: storage.RangeReader) -> Iterator[bytes]:
    """Yield what gzip packed; one stream may follow another, and zeros the last (RFC 1952)."""
    stream = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
    at = 0
    found = "the end of the file"
    try:
        while view := reader.read(at, _STEP):
            at += len(view)
            packed = bytes(view)
            while packed or not stream.needs_input:
                if stream.eof:
                    packed = packed.lstrip(b"\0")
                    if not packed:
                        break
                    stream = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
                yield stream.decompress(packed, _STEP)
                packed = stream.unused_data if stream.eof else b""
        if stream.eof:
            return
    except igzip_lib.IsalError as error:  # type: ignore[misc] # isal's stub calls it an instance
        found = f"damaged data: {error}"
    raise ArchiveRefused(
        "the gzip stream is damaged or ends too early",
        file=str(archive),
        place=f"byte {at} of the packed file, or up to {_STEP} before it",
        expected="a whole stream, of the CRC at its end",
        found=found,
        remedy="download it again: it is damaged or incomplete",
    )
