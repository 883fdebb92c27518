"""Manifests: JSON documents that are written last and say what was written.

A manifest names its files with their sizes and content hashes, and carries a hash of itself.
"Done" means: the manifest parses, and every file it names is there at its recorded size.
The same form serves the marks under ``.shardmill`` (an archive verified, a catalog, a plan, a
shard) and the manifest of a whole output. What a document says is decoded into the dataclass of its
kind (`pipeline.documents`): its own hash shows that no byte was lost, and not who wrote it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol, TypeVar

import msgspec
import xxhash

from pipeline import digests, storage
from pipeline.documents.decoding import REMEDY, fitted
from pipeline.documents.values import Below, ContentHash, Size
from pipeline.errors import OutputDamaged, ShardmillError, Vanished
from pipeline.storage import Location

_SELF = "self_xxh3_128"

MOST_BYTES: Final = 1 << 26
"""Bytes of a document, at most: 21,841 class tars that cannot be read, each with its error, take
less than a third of that, and what is said of 10,000 shards takes less."""

MOST_BYTES_OF_IMAGES: Final = 1 << 30
"""Bytes of a document that lists images, at most: 1.7 million of them, each repaired or left out,
take some 300 bytes each."""

Document = dict[str, Any]
"""A document as plain data: on its way into a file, or before it is decoded."""


@dataclass(frozen=True)
class FileEntry:
    """A written file: its name relative to the manifest's base, bytes, xxh3-128 in hex."""

    file: Below
    bytes: Size
    xxh3_128: ContentHash

    def to_json(self) -> Document:
        """Return the entry as plain data."""
        return {"file": self.file, "bytes": self.bytes, "xxh3_128": self.xxh3_128}

    def named(self, name: str) -> FileEntry:
        """Return the entry of the same file by its name in another folder."""
        return replace(self, file=name)


class Sealed(Protocol):
    """What every kind of document has: the files that it names."""

    @property
    def files(self) -> tuple[FileEntry, ...]:
        """Its files."""


Kind = TypeVar("Kind", bound=Sealed)


def hash_bytes(content: storage.Buffer) -> str:
    """Return the xxh3-128 of some bytes, in hex."""
    return xxhash.xxh3_128_hexdigest(content)


def hash_file(path: Location) -> str:
    """Return the xxh3-128 of a file, in hex."""
    hasher = xxhash.xxh3_128()
    with storage.open_ranges(path) as reader:
        offset, step = 0, min(1 << 20, max(1, reader.info.size))  # a small file, a small buffer
        while view := reader.read(offset, step):
            hasher.update(view)
            offset += len(view)
    return hasher.hexdigest()


def serialise(document: Mapping[str, object]) -> bytes:
    """Return the bytes of a manifest: the same document always gives the same bytes."""
    sealed = {key: value for key, value in document.items() if key != _SELF}
    sealed[_SELF] = hash_bytes(digests.canonical(sealed))
    # The same bytes as those of `json.dumps(indent=1)`, which is some ten times slower.
    return msgspec.json.format(digests.canonical(sealed), indent=1) + b"\n"


def publish(
    files: Iterable[storage.StagedFile],
    mark: Location,
    base: Location,
    document: Mapping[str, object],
    *,
    listed: Iterable[FileEntry] = (),
    superseding: bool = False,
) -> Document:
    """Publish written files together, and last the mark that names them; return what it says.

    Args:
        files: the files, whole; the mark names them in this order.
        mark: where to write it.
        base: the folder that the names of files are relative to.
        document: what the mark says beside the names, sizes and hashes of its files.
        listed: files that are there already, which the mark names before these.
        superseding: see `storage.publish`.
    """
    staged = tuple(files)
    entries = [*listed, *(_entry(file, base) for file in staged)]
    whole = {**document, "files": [entry.to_json() for entry in entries]}
    with storage.StagedFile(mark) as sealed:
        sealed.write(serialise(whole))
        storage.publish(*staged, sealed, superseding=superseding)
    return whole


def publish_alone(path: Location, document: Mapping[str, object]) -> None:
    """Publish a document that names no file."""
    storage.publish_bytes(path, alone(document))


def publish_without(path: Location, name: str) -> None:
    """Publish a document again that does not have a field any more.

    Raises:
        OutputDamaged: it is not as it was written.
        Vanished: there is none.
    """
    document = load(path)
    storage.publish_bytes(path, serialise({k: v for k, v in document.items() if k != name}))


def alone(document: Mapping[str, object]) -> bytes:
    """Return the bytes of a document that names no file."""
    return serialise({**document, "files": []})


def _entry(file: storage.StagedFile, base: Location) -> FileEntry:
    return FileEntry(storage.relative(file.known_as, base), file.size, file.content_hash)


def parse(content: bytes, path: Location) -> Document:
    """Return the document, or raise OutputDamaged if any byte is not as it was written."""
    try:
        document = json.loads(content)
        whole = isinstance(document, dict) and serialise(document) == content
    except (ValueError, RecursionError) as error:
        raise OutputDamaged(
            "not a manifest", file=str(path), place=str(error), remedy=REMEDY
        ) from error
    if not whole:
        raise OutputDamaged(
            "the manifest is not as it was written",
            file=str(path),
            expected="a document that agrees with its own hash",
            found="changed or missing bytes",
            remedy=REMEDY,
        )
    found: Document = document
    return found


def most_bytes(kind: type[Sealed]) -> int:
    """Return how many bytes a document of a kind may have; a longer one is not read.

    A kind that lists images says so by a `LISTS_IMAGES`.
    """
    return MOST_BYTES_OF_IMAGES if hasattr(kind, "LISTS_IMAGES") else MOST_BYTES


def load(path: Location, most: int = MOST_BYTES_OF_IMAGES) -> Document:
    """Read a document as plain data, of which nothing is known but that its hash is right.

    Raises:
        OutputDamaged: it is not as it was written, or has more bytes than `most`.
        Vanished: there is none.
    """
    return parse(storage.read_bytes(path, most), path)


def read(path: Location, kind: type[Kind]) -> Kind:
    """Read a document of a kind; see `pipeline.documents`.

    Raises:
        OutputDamaged: it is not as it was written, is of another form or longer than `most_bytes`.
        Vanished: there is none.
    """
    return fitted(load(path, most_bytes(kind)), kind, path)


def decoded(content: bytes, kind: type[Kind], path: Location) -> Kind:
    """Return what the bytes of a document of a kind say; see `read`.

    Raises:
        OutputDamaged: they are not as they were written, or of another form.
    """
    return fitted(parse(content, path), kind, path)


def read_undamaged(path: Location, kind: type[Kind]) -> Kind | None:
    """Return a document; None if it is absent or damaged. Errors of the system are raised.

    Another process may remove it between the look and the read: then it is absent as well.
    """
    if storage.stat(path) is None:
        return None
    try:
        return read(path, kind)
    except (OutputDamaged, Vanished):
        return None


def missing_files(entries: Iterable[FileEntry], base: Location) -> list[str]:
    """Return the named files that are absent or of another size, by one listing a folder."""
    listings: dict[str, dict[str, int]] = {}
    missing = []
    for entry in entries:
        folder, _, name = entry.file.rpartition("/")
        if folder not in listings:
            listings[folder] = storage.sizes(storage.below(base, folder))
        if listings[folder].get(name) != entry.bytes:
            missing.append(entry.file)
    return missing


def read_checked(path: Location, base: Location, kind: type[Kind]) -> Kind:
    """Read a mark and check that its files have the hashes it records.

    Raises:
        OutputDamaged: the mark or a file is not as it was written.
    """
    document = read(path, kind)
    for entry in document.files:
        place = base / entry.file
        found = hash_file(storage.local_copy(place))
        if found != entry.xxh3_128:  # of a copy that was damaged on this host, the original is not
            found = hash_file(storage.local_copy(place, anew=True))
        if found != entry.xxh3_128:
            raise OutputDamaged(
                "the file is not as it was written",
                file=str(place),
                expected=f"xxh3-128 {entry.xxh3_128}",
                found=found,
                remedy="remove the file and run the same command again: it is made anew",
            )
    return document


def read_complete(path: Location, base: Location, kind: type[Kind]) -> Kind | None:
    """Return a document whose files are all there at their sizes; None if anything is amiss.

    A mark names two or three files, so they are asked for one by one; see `read_whole` for
    the manifest of an output, which names thousands.
    """
    document = _read_intact(path, kind)
    for entry in document.files if document is not None else ():
        info = storage.stat(base / entry.file)
        if info is None or info.size != entry.bytes:
            return None
    return document


def read_whole(path: Location, kind: type[Kind]) -> Kind | None:
    """Return an output's manifest if every file beside it is there, by one listing a folder."""
    document = _read_intact(path, kind)
    if document is None or missing_files(document.files, path.parent):
        return None
    return document


def _read_intact(path: Location, kind: type[Kind]) -> Kind | None:
    if storage.stat(path) is None:
        return None
    try:
        return read(path, kind)
    except ShardmillError:
        return None
