"""What a recorded job has made, known without its inputs, which may be gone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from pipeline import manifest, paths, storage
from pipeline.documents.outputs import OutputManifest
from pipeline.documents.products import ProductMark
from pipeline.documents.records import JobRecord
from pipeline.job.options import FORMATS
from pipeline.job.resolve import ResolvedJob
from pipeline.manifest import Document
from pipeline.state import withdrawal
from pipeline.storage import Location


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
    return {
        "outputs": [[each.format, split.name, each.digest] for split, each in resolved.outputs],
        "products": [[product.name, product.digest] for product in resolved.products],
    }


def standing_of(out: Location, record: JobRecord | None) -> Standing | None:
    """Return what is there of a recorded job; None: its record does not say what it is about."""
    if record is None or record.outputs is None or record.products is None:
        return None
    return Standing(
        tuple(_output(out, *named) for named in record.outputs),
        {name: _is_finished(out, name, digest) for name, digest in record.products},
    )


def current_outputs(out: Location, formats: Iterable[str]) -> tuple[StandingOutput, ...]:
    """Return the outputs that `current` points to."""
    current = []
    for shard_format in formats:
        for split in storage.folders(out / shard_format, links=True):
            digest = storage.pointed(paths.current(out, shard_format, split))
            if digest is not None and paths.is_digest(digest):
                current.append(_output(out, shard_format, split, digest))
    return tuple(current)


def output_folders(out: Location) -> list[Location]:
    """Return the folders of all outputs, finished or not, and those that `current` points to."""
    output_paths = []
    for shard_format in FORMATS:
        for split in storage.folders(out / shard_format, links=True):
            names = set(storage.folders(paths.outputs(out, shard_format, split)))
            names.add(storage.pointed(paths.current(out, shard_format, split)) or "")
            digests = sorted(name for name in names if paths.is_digest(name))
            output_paths += [paths.output(out, shard_format, split, name) for name in digests]
    return output_paths


def is_abandoned(folder: Location, wanted: Collection[Location]) -> bool:
    """Whether an output is unfinished and nobody asks for it: `current` has another, whole.

    Every other output counts, for `status` and `verify` alike, whichever command was to make it.
    """
    unfinished = storage.stat(paths.manifest(folder)) is None
    return folder not in wanted and unfinished and is_superseded(folder)


def is_superseded(folder: Location) -> bool:
    """Whether another output has taken the place of one: `current` has it, and it is whole."""
    split, shard_format = folder.parent.name, folder.parent.parent.name
    pointed = storage.pointed(paths.current(storage.folder_above(folder, 3), shard_format, split))
    current = folder.parent / (pointed or folder.name)
    return current != folder and storage.stat(paths.manifest(current)) is not None


def others(out: Location, known: Collection[str]) -> list[StandingOutput]:
    """Return the outputs that count, but for those of known digests.

    Left out are also those that are whole and superseded: there is nothing to be said of them.
    """
    folders = [folder for folder in output_folders(out) if folder.name not in known]
    outputs = [(folder, _output(out, *_names(folder))) for folder in folders]
    return [
        output
        for folder, output in outputs
        if not (is_superseded(folder) if output.document else is_abandoned(folder, ()))
    ]


def _names(folder: Location) -> tuple[str, str, str]:
    """Return format, split and digest of the folder of an output."""
    return folder.parent.parent.name, folder.parent.name, folder.name


def _output(out: Location, shard_format: str, split: str, digest: str) -> StandingOutput:
    path = paths.manifest(paths.output(out, shard_format, split, digest))
    document = None if withdrawal.pending(out) else manifest.read_whole(path, OutputManifest)
    return StandingOutput(split, shard_format, digest, document)


def _is_finished(out: Location, name: str, digest: str) -> bool:
    mark = manifest.read_complete(paths.product_mark(out, name), out, ProductMark)
    return mark is not None and mark.digest == digest and mark.finished
