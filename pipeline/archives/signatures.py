"""What a file that should be a tar is instead, by its first bytes.

Names say little: browsers and scripts save packed archives, web pages and pointers to files under
the name of the archive. Sources of the signatures: RFC 1952 (gzip), RFC 8878 (zstd), PKWARE's
APPNOTE (zip), the format documents of xz, bzip2, lz4, 7-Zip and RAR, Git LFS's specification of
pointers, BEP 3 (torrents).
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Final

GZIP_MAGIC: Final = b"\x1f\x8b"
BZIP2_MAGIC: Final = b"BZh"
XZ_MAGIC: Final = b"\xfd7zXZ\x00"
ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
SKIPPABLE_MAGICS: Final = tuple(bytes([0x50 + n]) + b"\x2a\x4d\x18" for n in range(16))
"""What frames of zstd begin with that are to be skipped, such as those that pzstd writes first."""
HEAD_BYTES: Final = 512
"""How many first bytes of a file are enough to recognise it."""


@dataclass(frozen=True)
class Foreign:
    """Data that are no tar archive.

    Attributes:
        kind: what they are, such as ``gzip data``.
        unpack: a shell command, with ``{file}`` for the file, that writes the tar to its standard
            output or unpacks what is in it; None: there is no tar in such data.
        cause: how such a file gets its name, where nothing is to be unpacked.
    """

    kind: str
    unpack: str | None = None
    cause: str = ""

    @property
    def is_stream(self) -> bool:
        """Whether the command writes what is in such data to its standard output."""
        return self.unpack is not None and not self.unpack.startswith(_UNPACKED_TO_FILES)


_WEB_PAGE: Final = Foreign(
    "a web page", cause="a web page was saved in its place, perhaps for want of a login"
)
_SIGNATURES: Final = (
    (GZIP_MAGIC, Foreign("gzip data", "gzip -dc {file}")),
    (b"PK\x03\x04", Foreign("a zip archive", "unzip {file}")),
    (b"PK\x05\x06", Foreign("a zip archive", "unzip {file}")),
    (XZ_MAGIC, Foreign("xz data", "xz -dc {file}")),
    (BZIP2_MAGIC, Foreign("bzip2 data", "bzip2 -dc {file}")),
    (ZSTD_MAGIC, Foreign("zstd data", "zstd -dc {file}")),
    (b"\x04\x22\x4d\x18", Foreign("lz4 data", "lz4 -dc {file}")),
    (b"LZIP", Foreign("lzip data", "lzip -dc {file}")),
    (b"7z\xbc\xaf\x27\x1c", Foreign("a 7z archive", "7z x {file}")),
    (b"Rar!\x1a\x07", Foreign("a RAR archive", "unrar x {file}")),
    (
        b"version https://git-lfs",
        Foreign("a Git LFS pointer", cause="Git LFS has not fetched it: say `git lfs pull`"),
    ),
    (
        b"d8:announce",
        Foreign("a torrent", cause="it says where to get the archive: give it to a torrent client"),
    ),
    (b"\xff\xd8\xff", Foreign("a JPEG image", cause="it is an image with the name of an archive")),
    (b"\x89PNG", Foreign("a PNG image", cause="it is an image with the name of an archive")),
)
_UNPACKED_TO_FILES: Final = ("unzip", "7z", "unrar")


def recognise(head: bytes) -> Foreign | None:
    """Return what data are that begin with `head` and not with the header of a tar; None: unknown.

    Args:
        head: the first `HEAD_BYTES`, or all of a shorter file.
    """
    for signature, foreign in _SIGNATURES:
        if head.startswith(signature):
            return foreign
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"<"):
        return _WEB_PAGE
    if text.startswith((b'{"', b"{\n", b"{ ")):
        return Foreign("a JSON document", cause="a server's answer was saved in its place")
    return None


def remedy(foreign: Foreign, file: str, *, container: str = "") -> str:
    """Return what to do about data that are no tar.

    Args:
        foreign: what they are.
        file: the archive's path.
        container: the name of the class tar in it that they are; empty: the archive itself.
    """
    if foreign.unpack is None:
        return f"{foreign.cause}; {'pack' if container else 'get'} the archive itself"
    if container:
        command = foreign.unpack.format(file=shlex.quote(container.rpartition("/")[2]))
        return (
            f"nothing is damaged: unpack the archive, unpack the class tars in it, such as by "
            f"`{command}`, and read the class folders with --tree; or pack an archive of plain tars"
        )
    command = foreign.unpack.format(file=shlex.quote(file))
    whole = f"{command} > PLAIN.tar" if foreign.is_stream else command
    return (
        f"unpack it: `{whole}`, put the plain tar in its place, and set `md5` in the configuration "
        "where that is the MD5 of the packed file"
    )
