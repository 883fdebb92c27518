"""The bytes of a JPEG or PNG that a decoder is given: only those that its pixels need."""

from __future__ import annotations

from typing import Final

from pipeline.images.inspection import Inspection
from pipeline.images.jpegdata import pixel_segments
from pipeline.images.jpegend import with_end
from pipeline.images.pngdata import pixel_chunks
from pipeline.storage import Buffer

END_ADDED: Final = "end-marker-added"
"""The note of a file that lacks its end and no pixel."""


def decodable(data: Buffer, of: Inspection) -> tuple[Buffer, tuple[str, ...]]:
    """Return what decoders need of a file, and with its end marker, though it lack that.

    Args:
        data: the file's bytes.
        of: what they say of themselves; of a JPEG, that decoders know its process.

    Returns:
        The bytes, `data` itself where nothing is to be done; and what is to be noted.

    Raises:
        BadImage: pixels are missing; a chunk that a PNG's pixels need is damaged.
    """
    if of.header.format == "PNG":
        changed, ended = pixel_chunks(data)
    else:
        whole, ended = with_end(data, of)
        changed = pixel_segments(whole, of.segments)
    return changed, (*of.notes, *((END_ADDED,) if ended else ()))
