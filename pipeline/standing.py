"""What a recorded job has made, told without its configuration, list or tree: those may be gone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline import manifest, paths, storage
from pipeline.documents.outputs import OutputManifest
from pipeline.documents.products import ProductMark
from pipeline.documents.records import JobRecord
from pipeline.manifest import Document
from pipeline.resolved import ResolvedJob


@dataclass(frozen=True)
class StandingOutput:
    """An output as its own manifest has it.

    Attributes:
        split: name of the split.
        format: shard format.
        digest: of the output.
        document: its manifest; None: it is not finished, or lacks a file.
    """

    split: str
    format: str
    digest: str
    document: OutputManifest | None

    @property
    def left_out(self) -> int:
        """How many images it lacks."""
        return self.document.counts.left_out if self.document else 0


@dataclass(frozen=True)
class Standing:
    """What is there of a job.

    Attributes:
        outputs: those that it is about.
        products: name -> finished, of what has a path without a digest.
    """

    outputs: tuple[StandingOutput, ...]
    products: Mapping[str, bool]

    @property
    def complete(self) -> bool:
        """Whether everything is there."""
        whole = all(output.document is not None for output in self.outputs)
        return whole and all(self.products.values())


def names_of(resolved: ResolvedJob) -> Document:
    """Return what a job's record says of the outputs and products that it is about."""
    splits = resolved.splits.items() if resolved.job.wants("shards") else ()
    return {
        "outputs": [[each.format, name, each.digest] for name, s in splits for each in s.outputs],
        "products": [[product.name, product.digest] for product in resolved.products],
    }


def look(out: Path, record: JobRecord | None) -> Standing | None:
    """Return what is there of a recorded job; None: its record does not say what it is about."""
    if record is None or record.outputs is None or record.products is None:
        return None
    return Standing(
        tuple(_output(out, *named) for named in record.outputs),
        {name: _is_finished(out, name, digest) for name, digest in record.products},
    )


def current_outputs(out: Path, formats: Iterable[str]) -> tuple[StandingOutput, ...]:
    """Return the outputs that `current` points to."""
    found = []
    for shard_format in formats:
        for split in storage.folders(out / shard_format, links=True):
            digest = storage.pointed(paths.current(out, shard_format, split))
            if digest is not None and paths.is_digest(digest):
                found.append(_output(out, shard_format, split, digest))
    return tuple(found)


def _output(out: Path, shard_format: str, split: str, digest: str) -> StandingOutput:
    path = paths.manifest(paths.output(out, shard_format, split, digest))
    document = manifest.read_whole(path, OutputManifest)
    return StandingOutput(split, shard_format, digest, document)


def _is_finished(out: Path, name: str, digest: str) -> bool:
    mark = manifest.read_complete(paths.product_mark(out, name), out, ProductMark)
    return mark is not None and mark.digest == digest and mark.finished
