"""The finished outputs of a split in a format, by their manifests."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline import manifest, paths, storage
from pipeline.documents.generations import Generation
from pipeline.documents.outputs import OutputManifest
from pipeline.storage import Location


def every(out: Location, shard_format: str, split: str) -> Iterator[OutputManifest]:
    """Yield their manifests; a folder may be a link, such as to another disk."""
    for digest in storage.folders(paths.outputs(out, shard_format, split), links=True):
        document = _manifest(out, shard_format, split, digest) if paths.is_digest(digest) else None
        if document is not None:
            yield document


def current_digest(out: Location, shard_format: str, split: str) -> str | None:
    """Return the digest that `current` points to, of an output that may be unfinished; or None."""
    digest = storage.pointed(paths.current(out, shard_format, split))
    return digest if digest is not None and paths.is_digest(digest) else None


def current(out: Location, shard_format: str, split: str) -> OutputManifest | None:
    """Return the manifest of the output that `current` points to; None: it is not finished."""
    digest = current_digest(out, shard_format, split)
    return None if digest is None else _manifest(out, shard_format, split, digest)


def generations_of(document: OutputManifest) -> tuple[Generation, ...]:
    """Return the generations of an output; of one that nothing was appended to, the only one."""
    of = document.digests
    return document.generations or (Generation(len(document.shards), of.family, of.plan),)


def _manifest(out: Location, shard_format: str, split: str, digest: str) -> OutputManifest | None:
    path = paths.manifest(paths.output(out, shard_format, split, digest))
    return manifest.read_undamaged(path, OutputManifest)
