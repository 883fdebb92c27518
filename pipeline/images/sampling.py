"""Chroma subsampling: how many pixels of a JPEG share their colour."""

from __future__ import annotations

from typing import Final, Literal

from pipeline.images.segments import FRAMES, jpeg_segments
from pipeline.storage import Buffer

Sampling = Literal["420", "422", "444"]
"""Pixels that share a colour: 2 x 2, 2 x 1, or none."""

_FACTORS_AT: Final = 7  # of a frame header's content: after 6 bytes and the first component's id
_COMPONENT_BYTES: Final = 3
_COMPONENTS: Final = 3
_SAMPLINGS: Final[dict[tuple[int, ...], Sampling]] = {
    (0x22, 0x11, 0x11): "420",
    (0x21, 0x11, 0x11): "422",
}


def read_sampling(data: Buffer) -> Sampling:
    """Return the subsampling of an image's colours.

    ``444`` is the answer for a PNG or gray too, and for the rare layouts (4:4:0, 4:1:1) that the
    other two would blur. Source: ITU-T T.81 B.2.2, the sampling factors of a frame header.
    """
    for segment in jpeg_segments(data):
        if segment.name in FRAMES:
            end = _FACTORS_AT + _COMPONENT_BYTES * _COMPONENTS
            factors = data[segment.start : segment.end][_FACTORS_AT:end:_COMPONENT_BYTES]
            return _SAMPLINGS.get(tuple(factors), "444")
    return "444"
