"""Small images that tests encode and look at."""

from __future__ import annotations

import io
import random
import struct
import zlib
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.sample.shapes import Drawing, Encoding, draw_image

Pixels = npt.NDArray[np.uint8]
KINDS: tuple[Encoding, ...] = ("usual", "gray", "progressive", "full-chroma", "cmyk", "png")
WIDTH, HEIGHT = 24, 16


@cache  # drawing an image takes 40 ms
def drawn(encoding: Encoding = "usual", seed: int = 0) -> Drawing:
    return draw_image(random.Random(seed), "n01440764", "tench", encoding=encoding)


def ramp(channels: int = 3) -> Pixels:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    planes = [10 * x, 15 * y, 6 * (x + y), 255 - 9 * x][:channels]
    return np.stack(planes, axis=-1).astype(np.uint8)


def saved(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    output = io.BytesIO()
    image.save(output, form, **options)
    return output.getvalue()


def ramp_png(channels: int = 3) -> bytes:
    pixels = ramp(channels)
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels]
    return saved(Image.frombytes(mode, (WIDTH, HEIGHT), pixels.tobytes()))


def wide_png(colour: int, channels: int, low: int) -> bytes:
    """A PNG of 16 bits a sample, the low ones all `low`."""
    wide = (ramp(channels).astype(np.uint16) << 8 | low).astype(">u2")
    rows = zlib.compress(b"".join(b"\0" + row.tobytes() for row in wide))
    ihdr = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, colour, 0, 0, 0)
    parts = ((b"IHDR", ihdr), (b"IDAT", rows), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def chunk(name: bytes, content: bytes) -> bytes:
    body = name + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def pixels_of(data: bytes) -> Pixels:
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image)
