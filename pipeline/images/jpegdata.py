"""The segments of a JPEG that its pixels need, and no others.

Metadata that is damaged keeps Pillow from an image that libjpeg, and so TensorFlow and OpenCV,
reads: there, a segment that is too short for what it says to be is passed over. Of the
application's segments, JFIF's and Adobe's say which colours the components are.
"""

from __future__ import annotations

from typing import Final

from pipeline.images.segments import Segments
from pipeline.storage import Buffer

_JFIF, _ADOBE, _COMMENT = 0xE0, 0xEE, 0xFE
_NEEDED: Final = {_JFIF: 2 + 14, _ADOBE: 2 + 12}  # bytes, with their length, that libjpeg wants
_BESIDE: Final = frozenset({*range(0xE0, 0xF0), _COMMENT})


def pixel_segments(data: Buffer, segments: Segments) -> Buffer:
    """Return a JPEG without the metadata before its first scan; `data` itself if it has none.

    Args:
        data: the file's bytes.
        segments: what `head_segments` returned, a scan last.
    """
    kept: list[Buffer] = [data[:2]]
    for code, at in segments[:-1]:
        length = data[at + 2] << 8 | data[at + 3]
        if code not in _BESIDE or length >= _NEEDED.get(code, 1 << 16):
            kept.append(data[at : at + 2 + length])
    if len(kept) == len(segments):
        return data
    return b"".join([*kept, data[segments[-1][1] :]])
