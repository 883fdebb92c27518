"""Masks of objects: they are decoded, resized to the size of an image, and measured and stored.

A mask is a boolean array, height x width, true where the object is. Masks are often stored at
another size than their image, so they are resized to exactly its size, and never by a factor.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from pipeline.errors import BadAnnotation, BadImage
from pipeline.images.bounds import check_claim
from pipeline.images.decode import open_image, refusals
from pipeline.images.header import read_header
from pipeline.images.pngdata import chunk
from pipeline.images.raster import Box, Size
from pipeline.images.segments import png_chunks
from pipeline.storage import Buffer

Mask = npt.NDArray[np.bool_]
"""Height x width; true where the object is."""

MAX_PIXELS: Final = 64 << 20
"""Pixels of a mask that is decoded; those of Open Images have 1,600 on a side at most."""

_MODES: Final = {"L", "P"}  # of a header; one bit a pixel is "L", too
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_DEPTH: Final = 24  # offset in a PNG of bits, colour type, compression, filters, interlacing
_GRAY: Final = 0  # colour type
_REMEDY: Final = "get an intact copy of the mask"


def mask_size(data: Buffer) -> Size:
    """Return width and height in pixels that the header of a mask says; nothing is decoded.

    Raises:
        BadImage: it is no PNG of one channel, or claims more than `MAX_PIXELS`.
    """
    header = read_header(data)
    if header.format != "PNG" or header.mode not in _MODES:
        raise BadImage(
            "an image that is no mask",
            expected="a PNG of mode 1, L or P",
            found=f"a {header.format} of mode {header.mode}",
            remedy=_REMEDY,
        )
    check_claim(header, len(data), MAX_PIXELS)
    return header.width, header.height


def decode_mask(data: Buffer) -> Mask:
    """Decode a PNG of mode ``1``, ``L`` or ``P``; every pixel that is not black is the object's.

    Returns:
        bool, height x width.

    Raises:
        BadImage: it is no such PNG, is damaged or cut off, or claims more than `MAX_PIXELS`.
    """
    width, height = mask_size(data)
    with refusals("a mask", f"a PNG of {width} x {height} pixels"):
        image = open_image(data, "PNG")
        pixels = np.asarray(image.convert("L") if image.mode == "P" else image)
        if pixels.shape != (height, width):
            raise ValueError(f"{pixels.shape} pixels")
    return pixels if pixels.dtype == np.bool_ else pixels > 0


def is_black(data: Buffer) -> bool:
    """Whether no pixel of a mask is the object's, in a fraction of the time of decoding it.

    Raises:
        BadImage: see `decode_mask`.
    """
    width, height = mask_size(data)
    bits, colour, _, _, interlaced = data[_DEPTH : _DEPTH + 5]
    if colour == _GRAY and not interlaced:
        # Filters subtract neighbours from each other: lines are black if all that is left is 0.
        lines = _inflated(data, height * (1 + (width * bits + 7) // 8))
        if lines is not None:
            return not np.frombuffer(lines, np.uint8).reshape(height, -1)[:, 1:].any()
    return not decode_mask(data).any()


def _inflated(data: Buffer, size: int) -> bytes | None:
    """Return the lines of a PNG, each with its filter in front; None: they are no `size` bytes."""
    pieces = [data[part.start : part.end] for part in png_chunks(data) if part.name == b"IDAT"]
    stream = zlib.decompressobj()
    try:
        lines = stream.decompress(b"".join(pieces), size + 1)
    except zlib.error:
        return None
    return lines if len(lines) == size and stream.eof else None


def encode_png(mask: Mask) -> bytes:
    """Return a mask as a PNG of one bit a pixel, as Open Images stores them."""
    height, width = mask.shape
    rows = np.zeros((height, 1 + (width + 7) // 8), np.uint8)  # each begins with its filter: none
    rows[:, 1:] = np.packbits(mask, axis=1)
    header = struct.pack(">IIBBBBB", width, height, 1, _GRAY, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes())), (b"IEND", b""))
    return _SIGNATURE + b"".join(chunk(name, content) for name, content in parts)


def resized(mask: Mask, size: Size) -> Mask:
    """Return a mask of exactly `size` (width and height), each pixel the nearest by its centre."""
    height, width = mask.shape
    if (width, height) == size:
        return mask
    columns, rows = _nearest(width, size[0]), _nearest(height, size[1])
    return mask[rows][:, columns]


def _nearest(before: int, after: int) -> npt.NDArray[np.int64]:
    """Return, for each of `after` pixels in a line, which of `before` its centre falls into."""
    return (2 * np.arange(after) + 1) * before // (2 * after)


def has_shape_of(mask: Size, image: Size) -> bool:
    """Whether a mask has the shape of an image, but for its scale and a pixel of rounding."""
    (width, height), (image_width, image_height) = mask, image
    # One of the sides was rounded after the image was scaled to the size of the mask, or the mask
    # to that of the image: a pixel of the smaller of both may be missing or too many.
    off = abs(width * image_height - height * image_width)
    return off <= max(image_width, image_height, width, height)


def area(mask: Mask) -> int:
    """Return how many pixels are the object's."""
    return int(np.count_nonzero(mask))


def tight_box(mask: Mask) -> Box | None:
    """Return the smallest box around the object, in pixels; None: no pixel is the object's."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if not columns.size:
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


@dataclass(frozen=True)
class Rle:
    """A mask as lengths of runs, column by column, in the compressed form of COCO.

    Attributes:
        size: width and height in pixels.
        counts: the lengths as text; the first run, which may be empty, is not the object's.
    """

    size: Size
    counts: str

    def to_json(self) -> dict[str, object]:
        """Return it as COCO has it: ``size`` is height and width."""
        width, height = self.size
        return {"size": [height, width], "counts": self.counts}

    def decode(self) -> Mask:
        """Return the mask.

        Raises:
            BadAnnotation: the runs are not as long as the mask.
        """
        lengths = _lengths(self.counts)
        width, height = self.size
        if (lengths < 0).any() or int(lengths.sum()) != width * height:
            raise BadAnnotation(
                "a mask's runs do not fill it",
                expected=f"{width * height:,} pixels",
                found=f"{int(lengths.sum()):,}",
            )
        values = np.arange(lengths.size) % 2 == 1
        return np.repeat(values, lengths).reshape(width, height).T


def encode_rle(mask: Mask) -> Rle:
    """Return a mask in the compressed run lengths of COCO."""
    height, width = mask.shape
    pixels = mask.ravel(order="F")
    changes = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    ends = np.concatenate([changes, [pixels.size]])
    starts = np.concatenate([[0], changes])
    lengths = (ends - starts)[ends > starts]
    if pixels.size and pixels[0]:
        lengths = np.concatenate([[0], lengths])
    return Rle((width, height), _text(lengths))


_BITS: Final = 5
_MORE: Final = 0x20  # another character of the same number follows
_FIRST: Final = 48  # the character of the value 0
_DIGITS: Final = 13  # characters that an int64 takes at most


def _text(lengths: npt.NDArray[np.int64]) -> str:
    """Return lengths as COCO writes them: from the fourth on the difference to the last but one.

    A number is written in groups of 5 bits, the lowest first, in two's complement: as many as it
    takes, so that the highest bit of the last one is its sign.
    """
    numbers = lengths.astype(np.int64)
    numbers[3:] -= lengths[1:-2]
    shifts = _BITS * np.arange(_DIGITS)
    groups = numbers[:, None] >> shifts  # all that is left of a number at each of its characters
    rest = groups >> (_BITS - 1)  # 0 or -1: what follows only repeats the sign
    more = (rest != 0) & (rest != -1)
    written = np.ones_like(more)
    written[:, 1:] = more[:, :-1]
    characters = (groups & (_MORE - 1)) + _FIRST + np.where(more, _MORE, 0)
    return str(characters[written].astype(np.uint8).tobytes(), "ascii")


def _lengths(text: str) -> npt.NDArray[np.int64]:
    """Return the lengths that `_text` has written.

    Raises:
        BadAnnotation: it is no such text.
    """
    lengths = list[int]()
    value = shift = 0
    for character in text.encode("latin-1", "replace"):
        digit = character - _FIRST
        if not 0 <= digit < 2 * _MORE or shift >= _BITS * _DIGITS:
            raise _no_rle(text)
        value |= (digit & (_MORE - 1)) << shift
        shift += _BITS
        if digit & _MORE:
            continue
        if digit >> (_BITS - 1):
            value -= 1 << shift
        lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))  # noqa: PLR2004
        value = shift = 0
    if shift:
        raise _no_rle(text)
    return np.array(lengths, np.int64)


def _no_rle(text: str) -> BadAnnotation:
    return BadAnnotation(
        "a mask's runs cannot be read", expected="compressed counts of COCO", found=text[:40]
    )
