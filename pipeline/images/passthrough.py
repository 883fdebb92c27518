"""Images that are stored as they are, and the few that cannot be."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from msgspec import Struct

from pipeline.errors import BadImage
from pipeline.images.bounds import check_size
from pipeline.images.engine import Engine
from pipeline.images.foreign import foreign_format
from pipeline.images.inspection import inspect, is_cut_short
from pipeline.images.orientation import UPRIGHT
from pipeline.images.spec import EncodeSpec, Processed
from pipeline.storage import Buffer

CUT_SHORT: Final = "cut-short"
"""The note of a file that ends before its image does."""


class PassedThrough(Struct, frozen=True):
    """An image as it is stored; a struct, because one is made of every image.

    Attributes:
        encoded: the file's bytes: the source's own, unless it could not stay as it is.
        width: pixels, as stored.
        height: pixels, as stored.
        mode: of the source, as `ImageHeader.mode`; GIF, WEBP or BMP where it is one of these.
        notes: as `Processed.notes`; ``16-bit`` of an image of so many a sample; what is said by
            `peculiarity`; ``cut-short`` of a file without its end: readers give the lower part
            gray, or refuse it.
        decodable: whether its process is one that decoders know.
    """

    encoded: Buffer
    width: int
    height: int
    mode: str
    notes: tuple[str, ...]
    decodable: bool = True


def pass_through(data: Buffer, spec: EncodeSpec, engine: Engine) -> PassedThrough:
    """Return a JPEG or PNG as it is, without decoding it.

    Args:
        data: the file's bytes.
        spec: what is done with an image that does not lie upright (``keep`` leaves it), and how
            one in another format is encoded, if `EncodeSpec.transcode` has it.
        engine: who encodes these.

    Raises:
        BadImage: its header is that of no JPEG or PNG; it has more pixels than are allowed; its
            format or orientation is refused; it cannot be decoded where it must be.
    """
    try:
        seen = inspect(data)
    except BadImage:
        form = foreign_format(data)
        if form is None:
            raise
        return _encoded(engine.process(data, spec), form)
    header, orientation = seen.header, seen.orientation
    check_size(header.width, header.height, spec.max_pixels)
    if orientation != UPRIGHT and spec.orientation != "keep":
        own = replace(spec, color=-1, encoding=".png" if header.format == "PNG" else ".jpg")
        return _encoded(engine.process(data, own), header.mode)
    notes = () if orientation == UPRIGHT else (f"orientation-{orientation}-kept",)
    if header.mode.endswith(";16"):
        notes = (*notes, "16-bit")
    if seen.peculiarity:
        notes = (*notes, seen.peculiarity)
    if is_cut_short(data, seen):
        notes = (*notes, CUT_SHORT)
    size = (header.width, header.height)
    return PassedThrough(data, *size, header.mode, notes, decodable=seen.decodable)


def _encoded(made: Processed, mode: str) -> PassedThrough:
    return PassedThrough(made.encoded, made.width, made.height, mode, made.notes)
