r"""bboxes.csv: every box of an archive or folder of annotations, as fractions of its image.

One line a box, without a header, as ``gen_train_bboxes.py`` writes it, which follows
``process_bounding_boxes.py`` of TensorFlow's Inception::

    '%s.JPEG,%.4f,%.4f,%.4f,%.4f\n' % (name of the XML file, xmin, ymin, xmax, ymax)

The files stand in C order, which those scripts leave to the file system; the boxes of a file in
the order of its XML. An archive is read once, as a stream, and never unpacked. A folder gives
what the archive gives that unpacks to it: a folder of ``val/*.xml`` is that member ``val/``.

That format has no room for the class of an annotation. `boxtable` keeps the same boxes by class
and name, and is what images are joined with.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import numpy as np

from pipeline import plaintext, storage
from pipeline.annotations.decimals import four_decimals
from pipeline.annotations.gathering import Boxes, Gathering, ReportRow
from pipeline.annotations.source import SUFFIX, own_name, read_annotations
from pipeline.errors import BadAnnotation
from pipeline.quantities import counted, verb
from pipeline.storage import Location, clutter

__all__ = [
    "VERSION",
    "Boxes",
    "ReportRow",
    "closing_lines",
    "collect",
    "csv_pieces",
    "read_annotations",
    "report_bytes",
]

VERSION = 2  # other boxes from the same annotations, another version

_AT_ONCE = 1 << 14  # files that are written at once


def collect(
    source: Location,
    *,
    classes: frozenset[str] | None = None,
    class_filter: frozenset[str] | None = None,
) -> Boxes:
    """Read the boxes of an archive of annotations, or of the folder that it unpacks to.

    Args:
        source: tar or tar.gz of ``<class>/<name>.xml``, of up to a million files; or a folder of
            such folders; or a folder of ``<name>.xml``, which stands for the class itself.
        classes: the known classes, if annotations lie in class folders: a folder of ``<name>.xml``
            that is not named after one of them holds annotations of all. None: what folder an
            annotation lies in means nothing.
        class_filter: None: every box. Else TensorFlow's rule: a file whose folder is not among
            these is left out, and so are the boxes of a file whose first ``<name>`` is another
            class among these than its folder's. A name that is none of them does not matter.

    Raises:
        ArchiveMissing: there is no such file or folder.
        ArchiveRefused: it is damaged, or annotates an image twice.
        TreeRefused: a name in the folder is not UTF-8, or a link in it leads around in a circle.
    """
    gathering = Gathering(_folder_of_all(source, classes), class_filter)
    passed: list[str] = []
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
        ends = boxes.offsets[start : start + len(files) + 1]
        numbers = iter(four_decimals(boxes.corners[ends[0] : ends[-1]]))
        yield b"".join(
            [
                b"%b%b\n" % (name, next(numbers))
                for name, count in zip(map(str.encode, files), np.diff(ends).tolist(), strict=True)
                for _ in range(count)
            ]
        )


def report_bytes(boxes: Boxes) -> bytes:
    """Return the report as CSV (RFC 4180 with LF) in UTF-8, with a header.

    People open it with spreadsheets: what would be a formula there is marked as text, and a control
    character is shown in its escaped form.
    """
    text = io.StringIO()
    rows = (
        [*map(plaintext.cell, (row.file, row.object or "", row.kind, row.reason))]
        for row in boxes.report
    )
    csv.writer(text, lineterminator="\n").writerows([ReportRow._fields, *rows])
    return text.getvalue().encode()


def closing_lines(boxes: Boxes) -> list[str]:
    """Return what the scripts say at their end, by their way of counting, and what they do not.

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
        *_unread(boxes),
    ]


def _unread(boxes: Boxes) -> Iterator[str]:
    """Yield how many files were refused as a whole, in words that say what follows from it."""
    refused = [row.file for row in boxes.report if row.kind == "refused" and row.object is None]
    unread = [name for name in refused if name.lower().endswith(SUFFIX)]
    if unread:
        which = counted(len(unread), "annotation")
        yield f"{which} cannot be read, e.g. {unread[0]}; no boxes are taken from such."
    if others := [name for name in refused if not name.lower().endswith(SUFFIX)]:
        are = verb(len(others), "is no annotation", "are no annotations")
        yield f"{counted(len(others), 'other file')} {are}, e.g. {others[0]}."


def _folder_of_all(source: Location, classes: frozenset[str] | None) -> str | None:
    """Return the first argument of `Gathering`."""
    if classes is None:
        return None
    name = own_name(source) if storage.real_folder(source) else ""
    return "" if name in classes else name
