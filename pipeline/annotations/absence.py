"""The refusal of missing annotations: what lies in their place, and what to do."""

from __future__ import annotations

from typing import Final

from pipeline import storage
from pipeline.annotations.gathering import Boxes
from pipeline.annotations.source import own_name
from pipeline.errors import BadAnnotation, abbreviate
from pipeline.quantities import counted
from pipeline.storage import Location

_ARCHIVES: Final = (".tar", ".tar.gz", ".tgz", ".zip", ".tar.bz2", ".tar.xz")
_MOST_NAMED: Final = 4
_REMEDY: Final = "put the annotations there, or say --no-boxes"


def check(source: Location, boxes: Boxes) -> None:
    """Raise if an archive or folder of annotations gives no box at all.

    Raises:
        BadAnnotation: it does not.
    """
    if len(boxes.corners):
        return
    if not boxes.xml_files:
        own = f"{own_name(source)}/"
        names = [row.file.removeprefix(own) for row in boxes.report]
        raise BadAnnotation(
            "bounding boxes are asked for, and there is no annotation",
            file=str(source),
            expected="annotations, <class>/<name>.xml",
            found=abbreviate(names, _MOST_NAMED) or "nothing",
            remedy=_to_unpack(source, [name for name in names if _is_archive(name)]) or _REMEDY,
        )
    rows = [f"{row.file}: {row.reason}" for row in boxes.report]
    skipped = f"{boxes.skipped_files:,} of classes that are not in the label table"
    raise BadAnnotation(
        "bounding boxes are asked for, and no annotation has one that can be used",
        file=str(source),
        expected="annotations, <class>/<name>.xml, with an <object> and its <bndbox>",
        found=counted(boxes.xml_files, "annotation")
        + (f", {skipped}" if boxes.skipped_files else "")
        + (f"; {abbreviate(rows, _MOST_NAMED)}" if rows else ""),
        remedy="correct them, bring others, or say --no-boxes",
    )


def _to_unpack(source: Location, archives: list[str]) -> str:
    """Return what to do with archives that hold the annotations; "" if there is none."""
    if not archives:
        return ""
    if storage.real_folder(source) is not None:
        return f"unpack {abbreviate(archives, _MOST_NAMED)} in that folder, or say --no-boxes"
    return (
        "unpack it, and the archives in it, into the folder bboxes of a --tree; or pack the "
        "unpacked XML files into one archive, with its MD5 in the configuration; or say --no-boxes"
    )


def _is_archive(name: str) -> bool:
    return name.lower().endswith(_ARCHIVES)
