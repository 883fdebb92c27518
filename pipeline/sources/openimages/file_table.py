"""The table of the published files: what each is called, how large it is, its MD5 and its address.

It is TAB-separated, with the header line ``path bytes md5_hex url``; ``-`` stands for what nobody
knows. An address is looked up and never made of a version and a split.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline import names, storage
from pipeline.errors import ConfigError

HEADER: Final = ("path", "bytes", "md5_hex", "url")
UNKNOWN: Final = "-"
_MOST_BYTES: Final = 1 << 20  # that of Open Images has 13,500
_SIZE: Final = re.compile(r"[1-9][0-9]{0,17}")
_MD5: Final = re.compile(r"[0-9a-f]{32}")
_REMEDY: Final = "correct the line, or copy the table that is shipped with shardmill"


@dataclass(frozen=True)
class PublishedFile:
    """A file as it is published.

    Attributes:
        path: its names in the table, joined by slashes.
        bytes: its size; None: not known.
        md5: 32 lower-case hex digits; None: it is not pinned.
        url: where it is fetched from; "": nowhere.
    """

    path: str
    bytes: int | None
    md5: str | None
    url: str

    @property
    def name(self) -> str:
        """The last name of its path, by which it is called in RAW."""
        return self.path.rpartition("/")[2]


def read(path: Path) -> dict[str, PublishedFile]:
    """Read a table of files.

    Args:
        path: the table.

    Returns:
        Name -> file.

    Raises:
        ConfigError: it is no such table; the message names the line.
    """
    info = storage.stat(path)
    if info is None or info.size > _MOST_BYTES:
        raise ConfigError(
            "not a table of files",
            file=str(path),
            expected=f"a file of at most {_MOST_BYTES:,} bytes",
            found="nothing" if info is None else f"{info.size:,} bytes",
        )
    try:
        lines = storage.read_bytes(path).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ConfigError("not UTF-8 text", file=str(path), place=str(error)) from error
    head = tuple(lines[0].split("\t")) if lines else ()
    if head != HEADER:
        raise _error(path, 1, "not the header of a table of files", " ".join(HEADER), str(head))
    files: dict[str, PublishedFile] = {}
    for number, line in enumerate(lines[1:], start=2):
        file = _file(path, number, line)
        if file.name in files:
            what = "two files of one name"
            raise _error(path, number, what, "a last name of its own for each path", file.name)
        files[file.name] = file
    return files


def rows(files: Mapping[str, PublishedFile]) -> bytes:
    """Return a table of these files as `read` reads it."""
    cells = [HEADER]
    for file in files.values():
        size = UNKNOWN if file.bytes is None else str(file.bytes)
        cells.append((file.path, size, file.md5 or UNKNOWN, file.url or UNKNOWN))
    return "".join("\t".join(row) + "\n" for row in cells).encode()


def _file(path: Path, number: int, line: str) -> PublishedFile:
    cells = line.split("\t")
    if len(cells) != len(HEADER):
        what = "a line of the table of files has another number of columns"
        raise _error(path, number, what, f"{len(HEADER)}, between TABs", str(len(cells)))
    name, size, md5, url = cells
    if any(names.file_flaw(part) for part in name.split("/")):
        raise _error(path, number, "the path of a file is none", "names joined by slashes", name)
    if size != UNKNOWN and not _SIZE.fullmatch(size):
        raise _error(path, number, "bytes is no size", f"a whole number, or {UNKNOWN}", size)
    if md5 != UNKNOWN and not _MD5.fullmatch(md5.lower()):
        raise _error(path, number, "md5_hex is no MD5", f"32 hex digits, or {UNKNOWN}", md5)
    if url != UNKNOWN and not re.fullmatch(r"https?://[^\s/@]+/\S+", url):
        expected = f"https://… or http://…, or {UNKNOWN}"
        raise _error(path, number, "url is no address", expected, url)
    return PublishedFile(
        path=name,
        bytes=None if size == UNKNOWN else int(size),
        md5=None if md5 == UNKNOWN else md5.lower(),
        url="" if url == UNKNOWN else url,
    )


def _error(path: Path, number: int, what: str, expected: str, found: str) -> ConfigError:
    return ConfigError(
        what,
        file=str(path),
        place=f"line {number}",
        expected=expected,
        found=repr(found) if found else "nothing",
        remedy=_REMEDY,
    )
