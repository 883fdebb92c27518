"""The document beside a download that was cut: where its parts came from, and which are there.

It is written often and atomically. What it says is checked when the parts are read again, by the
hash of each, so that no byte of a part needs to be durable before it is named here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from pipeline.documents.decoding import decoded
from pipeline.documents.values import ContentHash, Size, Text
from pipeline.errors import OutputDamaged
from pipeline.storage.http.fetch.parts import Parts, Piece

VERSION: Final = 1
MOST_BYTES: Final = 1 << 26
"""Bytes of a sidecar at most: those of a file of 5 TB."""

Number = Annotated[int, Meta(ge=0, le=1 << 24)]


class Origin(Struct, frozen=True):
    """A place that parts came from.

    Attributes:
        url: its address, without anything that may be secret.
        validator: the ETag that the server gave, else its Last-Modified, else "".
    """

    url: Text
    validator: Text


class _Piece(Struct, frozen=True, array_like=True):
    part: Number
    length: Size
    xxh3_128: ContentHash
    origin: Number


class _Document(Struct, frozen=True):
    version: int
    size: Size
    part: Size
    beat: Size
    origins: tuple[Origin, ...]
    pieces: tuple[_Piece, ...]


@dataclass(frozen=True)
class Sidecar:
    """What is kept of a download.

    Attributes:
        size: of the whole file, in bytes.
        origins: the places that parts came from; a part has the number of one.
        pieces: what is there, by the number of the part.
    """

    size: int
    origins: tuple[Origin, ...]
    pieces: Mapping[int, Piece]

    @property
    def present(self) -> int:
        """How many bytes are there."""
        return sum(piece.length for piece in self.pieces.values())

    def serialised(self, beat: int) -> bytes:
        """Return its bytes; `beat` is another number each time, so that others see it at work."""
        pieces = tuple(
            _Piece(number, each.length, each.xxh3_128, each.origin)
            for number, each in sorted(self.pieces.items())
        )
        part = Parts(self.size).part
        document = _Document(VERSION, self.size, part, beat, self.origins, pieces)
        return msgspec.json.encode(document)

    @staticmethod
    def parsed(content: bytes, path: Path) -> Sidecar:
        """Return what a sidecar says.

        Raises:
            OutputDamaged: it is not one that this version writes.
        """
        document = decoded(content, _Document, path)
        pieces = {
            each.part: Piece(each.length, each.xxh3_128, each.origin) for each in document.pieces
        }
        parts = Parts(document.size, pieces)
        wrong = document.version != VERSION or document.part != parts.part
        if wrong or any(not _fits(parts, number, len(document.origins)) for number in pieces):
            raise OutputDamaged("a sidecar of a download of another form", file=str(path))
        return Sidecar(document.size, document.origins, pieces)


@dataclass(frozen=True)
class Kept:
    """What of an earlier download is gone on with.

    Attributes:
        parts: what is there.
        origins: the places that they came from, and last the one that the rest comes from.
        said: what a person should know of it; "": nothing.
    """

    parts: Parts
    origins: tuple[Origin, ...]
    said: str

    @property
    def current(self) -> int:
        """The number of the origin that the rest comes from."""
        return len(self.origins) - 1

    @property
    def is_doubtful(self) -> bool:
        """Whether what is there may be of another file than the rest: then the MD5 may be wrong.

        An ETag that stands for the bytes leaves no doubt. A date does, and so does another address.
        """
        foreign = any(each.origin != self.current for each in self.parts.pieces.values())
        strong = self.origins[-1].validator.startswith('"')
        return foreign or (bool(self.parts.pieces) and not strong)

    def of_now(self) -> Sidecar:
        """Return what the sidecar is to say where only what is beyond doubt is kept."""
        strong = self.origins[-1].validator.startswith('"')
        pieces = {
            number: each
            for number, each in self.parts.pieces.items()
            if strong and each.origin == self.current
        }
        return Sidecar(self.parts.size, self.origins, pieces)

    @property
    def state(self) -> Sidecar:
        """What the sidecar is to say of it now."""
        return Sidecar(self.parts.size, self.origins, self.parts.pieces)


def gone_on_with(before: Sidecar | None, origin: Origin, size: int) -> Kept:
    """Decide what of an earlier download is gone on with, now that a server has answered.

    Parts of the same address are kept if the server says that its file is the same. Parts of
    another address are kept if the size is the same: whether it was the same file, the MD5 of the
    whole decides, and if not, they are fetched again.

    Args:
        before: what was kept; None: nothing.
        origin: the address and validator that the server gives now.
        size: of its file now, in bytes.
    """
    if before is None or not before.pieces:
        return Kept(Parts(size), (origin,), "")
    if before.size != size:
        why = f"the file has {size:,} bytes now, and had {before.size:,}"
        return Kept(Parts(size), (origin,), f"begun anew: {why}")
    used = sorted({each.origin for each in before.pieces.values()})
    others = [number for number in used if before.origins[number].url != origin.url]
    origins = (*(before.origins[number] for number in others), origin)
    last = len(others)
    new = {number: place for place, number in enumerate(others)}
    new |= {number: last for number in used if before.origins[number] == origin}
    pieces = {
        part: Piece(each.length, each.xxh3_128, new[each.origin])
        for part, each in before.pieces.items()
        if each.origin in new
    }
    parts = Parts(size, pieces)
    if not pieces:
        return Kept(parts, (origin,), "begun anew: the file at the server is another than before")
    said = f"going on with {parts.present:,} of {size:,} bytes that are there"
    if others:
        urls = ", ".join(origins[number].url for number in range(last))
        said += f", some of them from {urls}: the MD5 decides"
    if len(pieces) < len(before.pieces):
        said += "; the file at the server is another than before, so its older parts are not kept"
    return Kept(parts, origins, said)


def _fits(parts: Parts, number: int, origins: int) -> bool:
    piece = parts.pieces[number]
    if number >= parts.count or piece.origin >= origins:
        return False
    return 0 < piece.length <= parts.extent(number)[1]
