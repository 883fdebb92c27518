"""How many scans a JPEG may have: each may cost a decoder as much time as all of its pixels.

A scan of a few bytes is decoded block by block like any other, so a file of 1 MB whose thousands of
scans are empty takes hours. Progressive JPEGs of photographs have about ten. The fuzzers of
libjpeg-turbo, too, stop at 500 scans.
"""

from __future__ import annotations

import sys
from typing import Final

import numpy as np

from pipeline.images.segments import jpeg_scans
from pipeline.storage import Buffer

MAX_SCANS: Final = 500
MAX_SCANNED_PIXELS: Final = 8 << 30
"""Pixels of an image, times its scans; `FEW_SCANS` are allowed whatever its size."""
FEW_SCANS: Final = 32

_SOS: Final = int.from_bytes(b"\xff\xda", sys.byteorder)


def excessive_scans(data: Buffer, at: int, pixels: int) -> int:
    """Return the number of scans if a JPEG has too many of them, else 0.

    Takes some ten microseconds for 100 KiB where there are few.

    Args:
        data: the file's bytes.
        at: offset of the first scan's marker (SOS).
        pixels: width times height, as the frame header states them.
    """
    if _marker_count(data, at) <= FEW_SCANS:  # the compressed data cannot hold the marker's bytes
        return 0
    scans = len(jpeg_scans(data, at).headers)
    excessive = scans > MAX_SCANS or (scans > FEW_SCANS and scans * pixels > MAX_SCANNED_PIXELS)
    return scans if excessive else 0


def _marker_count(data: Buffer, at: int) -> int:
    """Return how often the bytes of the marker SOS stand behind an offset, as scans or not."""
    count = 0
    for start in (at, at + 1):
        pairs = np.frombuffer(data, np.uint16, max(0, len(data) - start) // 2, start)
        count += int(np.count_nonzero(pairs == _SOS))
    return count
