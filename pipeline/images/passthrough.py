"""Pictures that are stored as they are, and the few that cannot be."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from pipeline.errors import BadImage
from pipeline.images.decode import foreign_format
from pipeline.images.engine import Engine
from pipeline.images.header import read_header
from pipeline.images.orientation import UPRIGHT, read_orientation
from pipeline.images.spec import EncodeSpec, Processed
from pipeline.storage import Buffer

_EOI: Final = b"\xff\xd9"
_TAIL: Final = 4096  # bytes


@dataclass(frozen=True, slots=True)
class PassedThrough:
    """A picture as it is stored.

    Attributes:
        encoded: the file's bytes: the source's own, unless it could not stay as it is.
        width: pixels, as stored.
        height: pixels, as stored.
        mode: of the source, as `ImageHeader.mode`; GIF, WEBP or BMP where it is one of these.
        notes: as `Processed.notes`; ``16-bit`` of a picture of so many a sample; ``cut-short`` of
            a file without its end: readers give the lower part gray, or refuse it.
    """

    encoded: Buffer
    width: int
    height: int
    mode: str
    notes: tuple[str, ...]


def pass_through(data: Buffer, spec: EncodeSpec, engine: Engine) -> PassedThrough:
    """Return a JPEG or PNG as it is, without decoding it.

    Args:
        data: the file's bytes.
        spec: what is done with a picture that does not lie upright (``keep`` leaves it), and how
            one in another format is encoded, if `EncodeSpec.transcode` has it.
        engine: who encodes these.

    Raises:
        BadImage: its header is that of no JPEG or PNG; its format or orientation is refused; it
            cannot be decoded where it must be.
    """
    try:
        found = read_header(data)
    except BadImage:
        form = foreign_format(data)
        if form is None:
            raise
        return _encoded(engine.process(data, spec), form)
    orientation = read_orientation(data, found.format)
    if orientation != UPRIGHT and spec.orientation != "keep":
        own = replace(spec, color=-1, encoding=".png" if found.format == "PNG" else ".jpg")
        return _encoded(engine.process(data, own), found.mode)
    notes = () if orientation == UPRIGHT else (f"orientation-{orientation}-kept",)
    if found.mode.endswith(";16"):
        notes = (*notes, "16-bit")
    if _lacks_end(data, found.format):
        notes = (*notes, "cut-short")
    return PassedThrough(data, found.width, found.height, found.mode, notes)


def _lacks_end(data: Buffer, form: str) -> bool:
    """Whether a file surely ends before its picture does."""
    if form == "PNG":
        return b"IEND" not in bytes(data[-_TAIL:])
    if data[-2:] == _EOI:
        return False
    # Others may follow; a thumbnail's own end, which lies near the beginning, does not count.
    return _EOI not in bytes(data[len(data) // 2 :])


def _encoded(made: Processed, mode: str) -> PassedThrough:
    return PassedThrough(made.encoded, made.width, made.height, mode, made.notes)
