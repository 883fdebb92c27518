"""What gzip, bzip2, xz or zstd has packed, as a stream of the bytes that it stands for.

Packed data are recognised by their first bytes, not by the name of a file, which a browser may have
left as it was when it decompressed the file. Formats: RFC 1952 (gzip), bzip2's and xz's documents,
RFC 8878 (zstd).
"""

from __future__ import annotations

import bz2
import lzma
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from isal import igzip_lib

from pipeline import storage
from pipeline.archives.packed_streams import STEP, Packed, Pieces, streams, zstd_frames
from pipeline.archives.signatures import (
    BZIP2_MAGIC,
    GZIP_MAGIC,
    SKIPPABLE_MAGICS,
    XZ_MAGIC,
    ZSTD_MAGIC,
)
from pipeline.archives.tar import COMPARE_MD5
from pipeline.errors import ArchiveRefused
from pipeline.storage import Location

_ALWAYS_UNPACKED: Final = 256 << 20  # bytes
_MAX_PACKING: Final = 200  # how many bytes a packed one may stand for beyond; annotations: some 40
_XZ_MEMORY: Final = 40 << 20  # bytes: `xz -8` needs 33 MiB of them, `xz -9` needs 65
_DAMAGED: Final[tuple[type[Exception], ...]] = (
    igzip_lib.IsalError,  # type: ignore[assignment] # isal's stub calls it an instance
    lzma.LZMAError,
    OSError,  # of bzip2 and of zstd
)


@dataclass(frozen=True)
class Packing:
    """A way in which archives are packed as a whole.

    Attributes:
        name: of the program.
        suffix: what it adds to names, without the dot.
        magics: the first bytes of what it has packed.
        pieces: unpacks that.
        short: what names end in instead of ``.tar`` and the suffix.
    """

    name: str
    suffix: str
    magics: tuple[bytes, ...]
    pieces: Pieces
    short: str

    @property
    def ends(self) -> tuple[str, str]:
        """What names of tars end in that it has packed."""
        return f".tar.{self.suffix}", self.short


def _gzip() -> igzip_lib.IgzipDecompressor:
    return igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)


def _xz() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, _XZ_MEMORY)


PACKINGS: Final = (
    Packing("gzip", "gz", (GZIP_MAGIC,), streams(_gzip), ".tgz"),
    Packing("bzip2", "bz2", (BZIP2_MAGIC,), streams(bz2.BZ2Decompressor), ".tbz2"),
    Packing("xz", "xz", (XZ_MAGIC,), streams(_xz), ".txz"),
    Packing("zstd", "zst", (ZSTD_MAGIC, *SKIPPABLE_MAGICS), zstd_frames, ".tzst"),
)
"""Every way in which archives are packed, a line each; their ends stand in no other place."""
PROGRAMS: Final = " or ".join(
    [", ".join(packing.name for packing in PACKINGS[:-1]), PACKINGS[-1].name]
)
"""The names of the programs, for people."""
PACKED_NAMES: Final = tuple(end for packing in PACKINGS for end in packing.ends)
"""What names of packed archives end in, in lower case."""
_PACKED: Final = re.compile(rf"(.+)(?:{'|'.join(map(re.escape, PACKED_NAMES))})", re.IGNORECASE)


def plain_name(file: str) -> str | None:
    """Return what the tar in a packed archive is called, by its name; None: that is none's name."""
    packed = _PACKED.fullmatch(file)
    return f"{packed[1]}.tar" if packed else None


def packing_of(head: bytes) -> Packing | None:
    """Return how data are packed that begin with `head`; None: not at all, or otherwise."""
    return next((each for each in PACKINGS if head.startswith(each.magics)), None)


def unpacked(
    archive: Location,
    reader: storage.Ranges,
    packing: Packing,
    look: Callable[[memoryview], None] = lambda _view: None,
) -> Iterator[bytes]:
    """Yield what was packed, at most 256 KiB at a time.

    One stream may follow another, as programs write them that pack in parallel.

    Args:
        archive: what errors name.
        reader: reads the packed bytes.
        packing: how they are packed.
        look: shown all of these, in order, before what they stand for.

    Raises:
        ArchiveRefused: a stream is truncated, fails its checksum, is followed by what is none, or
            stands for far more bytes than archives of files do.
    """
    source, size = Packed(reader.read, look), 0
    try:
        for piece in packing.pieces(source):
            size += len(piece)
            if size > _ALWAYS_UNPACKED + _MAX_PACKING * source.at:
                raise _packed_too_well(archive, packing, source.at, size)
            if piece:
                yield piece
    except EOFError:
        found = "the end of the file"
    except _DAMAGED as error:
        found = f"damaged data: {error}"
    else:
        return
    raise ArchiveRefused(
        f"the {packing.name} stream is damaged or ends too early",
        file=str(archive),
        place=f"byte {source.at} of the packed file, or up to {STEP} before it",
        expected="a whole stream, of the CRC at its end",
        found=found,
        remedy=COMPARE_MD5,
    )


def _packed_too_well(archive: Location, packing: Packing, at: int, size: int) -> ArchiveRefused:
    return ArchiveRefused(
        f"the {packing.name} stream stands for far more bytes than archives of small files do",
        file=str(archive),
        place=f"byte {at} of the packed file, or up to {STEP} before it",
        expected=f"at most {_ALWAYS_UNPACKED >> 20} MiB, and {_MAX_PACKING} bytes for each beyond",
        found=f"{size} bytes or more",
        remedy=f"{COMPARE_MD5}; an archive that is right is taken unpacked, as a plain tar",
    )
