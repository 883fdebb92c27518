"""Manifests: JSON documents that are written last and say what was written.

A manifest names its files with their sizes and content hashes, and carries a hash of itself.
"Done" means: the manifest parses, and every file it names is there at its recorded size.
The same form serves the marks under ``.shardmill`` (an archive verified, a catalog, a plan, a
shard) and the manifest of a whole output.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xxhash

from pipeline import digests, storage
from pipeline.errors import OutputDamaged, ShardmillError

_SELF = "self_xxh3_128"
_PART = rb"(?!\.\.?(?:/|\Z))[^/\0]{1,255}"
_BELOW = re.compile(rb"(?=.{1,1024}\Z)%b(?:/%b)*" % (_PART, _PART), re.DOTALL)

Document = dict[str, Any]


@dataclass(frozen=True)
class FileEntry:
    """A written file: its name relative to the manifest's base, bytes, xxh3-128 in hex."""

    file: str
    bytes: int
    xxh3_128: str

    def to_json(self) -> Document:
        """Return the entry as plain data."""
        return {"file": self.file, "bytes": self.bytes, "xxh3_128": self.xxh3_128}


def hash_bytes(content: storage.Buffer) -> str:
    """Return the xxh3-128 of some bytes, in hex."""
    return xxhash.xxh3_128_hexdigest(content)


def hash_file(path: Path) -> str:
    """Return the xxh3-128 of a file, in hex."""
    hasher = xxhash.xxh3_128()
    with storage.RangeReader(path) as reader:
        offset, step = 0, min(1 << 20, max(1, reader.info.size))  # a small file, a small buffer
        while view := reader.read(offset, step):
            hasher.update(view)
            offset += len(view)
    return hasher.hexdigest()


def serialise(document: Mapping[str, object]) -> bytes:
    """Return the bytes of a manifest: the same document always gives the same bytes."""
    sealed = {key: value for key, value in document.items() if key != _SELF}
    sealed[_SELF] = hash_bytes(digests.canonical(sealed))
    return (json.dumps(sealed, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def parse(content: bytes, path: Path) -> Document:
    """Return the document, or raise OutputDamaged if any byte is not as it was written."""
    remedy = "remove the file and run the shardmill command again: it is made anew"
    try:
        document = json.loads(content)
        whole = isinstance(document, dict) and serialise(document) == content
    except (ValueError, RecursionError) as error:
        raise OutputDamaged(
            "not a manifest", file=str(path), place=str(error), remedy=remedy
        ) from error
    if not whole:
        raise OutputDamaged(
            "the manifest is not as it was written",
            file=str(path),
            expected="a document that agrees with its own hash",
            found="changed or missing bytes",
            remedy=remedy,
        )
    files = document.get("files", [])
    if not isinstance(files, list) or not all(map(_is_entry, files)):
        raise OutputDamaged(
            "the manifest does not name its files",
            file=str(path),
            expected="a name, a size and a hash for each",
            found="another form: this program did not write it",
            remedy=remedy,
        )
    found: Document = document
    return found


def load(path: Path) -> Document:
    """Read and check a manifest."""
    return parse(storage.read_bytes(path), path)


def load_undamaged(path: Path) -> Document | None:
    """Return a manifest; None if it is absent or damaged. Errors of the system are raised."""
    if storage.stat(path) is None:
        return None
    try:
        return load(path)
    except OutputDamaged:
        return None


def files_of(document: Mapping[str, Any]) -> list[FileEntry]:
    """Return the files a manifest names."""
    files = document.get("files", [])
    return [FileEntry(f["file"], f["bytes"], f["xxh3_128"]) for f in files]


def missing_files(entries: Iterable[FileEntry], base: Path) -> list[str]:
    """Return the named files that are absent or of another size, by one listing a folder."""
    listings: dict[Path, dict[str, int]] = {}
    missing = []
    for entry in entries:
        path = base / entry.file
        if path.parent not in listings:
            listings[path.parent] = storage.sizes(path.parent)
        if listings[path.parent].get(path.name) != entry.bytes:
            missing.append(entry.file)
    return missing


def load_checked(path: Path, base: Path) -> Document:
    """Read a mark and check that its files have the hashes it records.

    Raises:
        OutputDamaged: the mark or a file is not as it was written.
    """
    document = load(path)
    for entry in files_of(document):
        found = hash_file(base / entry.file)
        if found != entry.xxh3_128:
            raise OutputDamaged(
                "the file is not as it was written",
                file=str(base / entry.file),
                expected=f"xxh3-128 {entry.xxh3_128}",
                found=found,
                remedy="remove the file and run the same command again: it is made anew",
            )
    return document


def _is_entry(entry: object) -> bool:
    """Whether this is what `FileEntry.to_json` gives, of a file below the manifest's base."""
    if not isinstance(entry, dict):
        return False
    file, size, content = (entry.get(name) for name in ("file", "bytes", "xxh3_128"))
    named = isinstance(file, str) and _BELOW.fullmatch(file.encode()) is not None
    return named and type(size) is int and size >= 0 and isinstance(content, str)


def load_complete(path: Path, base: Path) -> Document | None:
    """Return a manifest whose files are all there at their sizes; None if anything is amiss.

    A mark names two or three files, so they are asked for one by one; see `load_whole` for
    the manifest of an output, which names thousands.
    """
    document = _load_intact(path)
    for entry in files_of(document) if document is not None else ():
        info = storage.stat(base / entry.file)
        if info is None or info.size != entry.bytes:
            return None
    return document


def load_whole(path: Path) -> Document | None:
    """Return an output's manifest if every file beside it is there, by one listing a folder."""
    document = _load_intact(path)
    if document is None or missing_files(files_of(document), path.parent):
        return None
    return document


def _load_intact(path: Path) -> Document | None:
    if storage.stat(path) is None:
        return None
    try:
        document = load(path)
    except ShardmillError:
        return None
    return document if "files" in document else None
