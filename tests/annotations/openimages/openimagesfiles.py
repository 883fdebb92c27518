"""CSV files of Open Images' forms, drawn for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

BOX_HEADER: Final = (
    "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,"
    "IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside"
)
MASK_HEADER: Final = (
    "MaskPath,ImageID,LabelName,BoxID,BoxXMin,BoxXMax,BoxYMin,BoxYMax,PredictedIoU,Clicks"
)
IMAGE_HEADER: Final = (
    "ImageID,Subset,OriginalURL,OriginalLandingURL,License,AuthorProfileURL,Author,Title,"
    "OriginalSize,OriginalMD5,Thumbnail300KURL,Rotation"
)
BEAR, WAFFLE, DOG = "/m/01dws", "/m/01dwsz", "/m/0bt9lr"
ONE, TWO, THREE = "00000000000000a1", "0123456789abcdef", "ffffffffffffffff"


def box(
    image: str = ONE, label: str = BEAR, corners: str = "0.1,0.5,0.25,1", flags: str = ""
) -> str:
    """Return a row of a file of boxes."""
    return f"{image},xclick,{label},1,{corners},{flags or '0,1,-1,0,0'}"


def mask(image: str = ONE, label: str = BEAR, box_id: str = "0a1b2c3d", iou: str = "") -> str:
    """Return a row of a file of masks."""
    name = f"{image}_{label.replace('/', '')}_{box_id}.png"
    return f"{name},{image},{label},{box_id},0.1,0.5,0.25,1.000000,{iou},0.2 0.3 1;0.4 0.5 0"


def write(path: Path, header: str, rows: Sequence[str], end: str = "\n") -> Path:
    """Write a file of a first line and rows."""
    path.write_bytes("".join(f"{line}{end}" for line in (header, *rows)).encode())
    return path
