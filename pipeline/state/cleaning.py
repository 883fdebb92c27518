"""What may be removed from an output folder: stale temporary files and superseded outputs."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from pipeline import paths, storage
from pipeline.documents.outputs import OutputManifest
from pipeline.errors import NoPermission, NoSpace, ShardmillError
from pipeline.exports import registry as exports
from pipeline.formats.base import JOINED
from pipeline.formats.registry import ALL
from pipeline.job import neighbours
from pipeline.job.artifacts import JOINED as JOINED_SHARDS
from pipeline.job.artifacts import MANIFEST, Product, begun, name_of
from pipeline.job.options import FORMATS
from pipeline.job.resolve import ResolvedJob
from pipeline.manifest import read_undamaged
from pipeline.report import places
from pipeline.shards.work import ShardWork
from pipeline.sources import registry as sources
from pipeline.state import at_work, shard_claims, sorted_segments, unverified
from pipeline.state.ownership import Catalogued, begins_owned, is_owned
from pipeline.storage import Location, Outcome, Plan, TempFile, Unfinished


@dataclass(frozen=True)
class Superseded:
    """An output beside the finished one that `current` points to.

    Attributes:
        folder: where it lies.
        plan: what goes of it, its manifest first, and what stays because it is not this program's.
    """

    folder: Location
    plan: Plan


@dataclass(frozen=True)
class Stale:
    """A temporary file whose owner is provably gone.

    Attributes:
        temp: the file, link or folder.
        plan: what goes of it; nothing where it is not this program's.
    """

    temp: TempFile
    plan: Plan


def stale(
    out: Location, found: Collection[TempFile], *, of_other_hosts: bool = False
) -> list[Stale]:
    """Return those of some temporary files whose owners are provably gone, with what goes.

    With `of_other_hosts` those of processes, too, of which nothing is known here: a person says
    that they are gone.
    """
    gone = [temp for temp in found if temp.owner_gone]
    if of_other_hosts:
        gone += [replace(temp, owner_gone=True) for temp in found if temp.is_elsewhere]
    folders = [temp for temp in gone if temp.is_folder]
    images = Catalogued(
        out,
        (temp.target.name for temp in folders if not temp.is_cut),
        (temp.target.name for temp in folders if temp.is_cut),
    )
    return [Stale(temp, _plan_of_temp(out, temp, images)) for temp in gone]


def temps(out: Location, resolved: ResolvedJob | None = None) -> list[TempFile]:
    """Return all temporary files, those of living owners too; none that lie behind a link.

    Args:
        out: the output folder.
        resolved: look only where this job writes; None: everywhere.
    """
    if not storage.takes_folders(out):
        return []  # an object appears whole; what is not yet one lies in the scratch folder
    folders = _everywhere(out) if resolved is None else _of_job(out, resolved)
    reachable = (folder for folder in dict.fromkeys(folders) if storage.reachable(out, folder))
    return [temp for folder in reachable for temp in storage.temp_files(folder)]


def temps_below(out: Location, *folders: Location) -> list[TempFile]:
    """Return the temporary files in some folders and all below them, see `temps`.

    Args:
        out: the output folder.
        folders: folders below it, or itself; one may be absent.
    """
    if not storage.takes_folders(out):
        return []  # see `temps`
    below = (folder for each in folders for folder in _below(out, each))
    return [temp for folder in dict.fromkeys(below) for temp in storage.temp_files(folder)]


def left_locks(out: Location) -> Plan:
    """Return what goes of the lock files that killed commands have left: those nobody holds."""
    if not storage.takes_folders(out):
        return Plan(out)
    downloads = (_below(out, out / name) for name in sources.download_folders())
    folders = dict.fromkeys((*_everywhere(out), *itertools.chain.from_iterable(downloads)))
    reachable = (folder for folder in folders if storage.reachable(out, folder))
    locks = (lock for folder in reachable for lock in storage.left_locks(out, folder))
    return storage.plan_files(out, locks)


def sweep(resolved: ResolvedJob) -> None:
    """Remove what dead processes have left half written where a job writes, and unpacked files.

    What may not be removed stays, such as where an output that is complete can only be read.
    """
    storage.give_up_unpacked(resolved.root)
    remove_stale(resolved.out, temps(resolved.out, resolved))
    with contextlib.suppress(NoPermission, NoSpace):
        at_work.sweep(resolved.out)
        unverified.sweep(resolved)
        sorted_segments.sweep(resolved)
        shard_claims.sweep_gone(resolved.out)
        for split in resolved.splits.values() if resolved.job.wants("shards") else ():
            written = ShardWork(resolved, split).is_there
            shard_claims.sweep(resolved.out, split.shards_digest, written)


def remove_stale(out: Location, found: Collection[TempFile]) -> None:
    """Remove those of some temporary files whose owners are provably gone, if that is permitted."""
    for each in stale(out, found):
        with contextlib.suppress(NoPermission, NoSpace):
            storage.remove_temp(each.temp, each.plan)


def superseded(out: Location, keep: frozenset[str]) -> list[Superseded]:
    """Return the outputs that another one of the same data set has taken the place of.

    Args:
        out: the output folder.
        keep: digests of outputs that are still wanted, e.g. of a job that is half done.
    """
    outgrown, sources, unknown = [], neighbours.sources(out), frozenset[str]()
    for shard_format, split in _splits(out):
        wanted = storage.pointed(paths.current(out, shard_format, split))
        if wanted is None or not paths.is_digest(wanted):
            continue
        if not _finished(paths.output(out, shard_format, split, wanted)):
            continue
        for digest in storage.folders(paths.outputs(out, shard_format, split)):
            own, its = (sources.get(each, unknown) for each in (wanted, digest))
            if digest in keep | {wanted} or not neighbours.same_source(own, its):
                continue
            plan = _plan_of_output(out, paths.output(out, shard_format, split, digest))
            if plan is not None:
                outgrown.append(Superseded(paths.output(out, shard_format, split, digest), plan))
    return outgrown


def unfinished_uploads(out: Location) -> list[Unfinished]:
    """Return the uploads below an output folder that nobody has finished, of files of its own.

    Raises:
        ShardmillError: the store refuses, as without ``s3:ListBucketMultipartUploads``.
    """
    return [each for each in storage.unfinished_uploads(out) if is_owned(out, each.place)]


def unfinished(out: Location) -> frozenset[str]:
    """Return the digests of the outputs that have no manifest."""
    folders = (
        paths.output(out, shard_format, split, digest)
        for shard_format, split in _splits(out)
        for digest in storage.folders(paths.outputs(out, shard_format, split))
    )
    return frozenset(folder.name for folder in folders if not _finished(folder))


def remove_output(output: Superseded) -> Outcome:
    """Remove what was planned of an output, its manifest first.

    So it is never taken for complete. Where the manifest has changed since, all of it stays.
    """
    items = output.plan.items
    if items and items[0].path == paths.manifest(output.folder):
        first = storage.carry_out(Plan(output.plan.root, items[:1]))
        if first.kept:
            return Outcome(kept=items)
        rest = storage.carry_out(Plan(output.plan.root, items[1:]))
        return Outcome(first.removed + rest.removed, rest.kept)
    return storage.carry_out(output.plan)


def _plan_of_temp(out: Location, temp: TempFile, images: Catalogued) -> Plan:
    """Return what goes of a temporary file: a folder's files if a catalog has their names."""
    if temp.is_folder:
        target = temp.target
        owns = lambda path: (  # noqa: E731
            (target.name, path.name) in images or is_owned(out, target / path.name)
        )
        return storage.plan_folder(out, temp.path, owns, links=True)
    in_state = storage.is_below(temp.path, paths.state(out))
    scratch = temp.target.name in storage.SCRATCH
    owned = begins_owned if temp.is_cut else is_owned
    if in_state or scratch or owned(out, temp.target):
        return storage.plan_files(out, [temp.path], links=True)
    return Plan(out, strangers=(temp.path,))


def _plan_of_output(out: Location, folder: Location) -> Plan | None:
    """Return what goes of an output; None: it is none of this program's."""
    manifest, marks = paths.manifest(folder), paths.shard_marks(out, folder.name)
    of_marks = storage.plan_folder(out, marks, lambda path: is_owned(out, path))
    if not paths.is_digest(folder.name) or not (_finished(folder) or of_marks.files):
        return None
    joined = name_of(JOINED_SHARDS, folder.parent.name, folder.name)
    mark = storage.plan_files(out, [paths.product_mark(out, joined)])
    named = _named(folder)
    owns = lambda path: is_owned(out, path) and (named is None or path in named)  # noqa: E731
    files = storage.plan_folder(out, folder, owns)
    return (mark + files + of_marks).beginning_with(manifest)


def _named(folder: Location) -> set[Location] | None:
    """Return what is an output's by its manifest; None: there is none to believe.

    Those of all shards in one are a product of their own, which no manifest names.
    """
    try:
        document = read_undamaged(paths.manifest(folder), OutputManifest)
    except ShardmillError:  # such as one that may not be read: then names alone tell
        return None
    if document is None:
        return None
    locations = {folder / entry.file for entry in document.files}
    shard_format = ALL[document.format]
    if JOINED in shard_format.takes:
        locations.update(shard_format.paths(folder, folder.parent.name))
    locations.add(paths.manifest(folder))
    return locations | {path.parent for path in locations}


def _finished(folder: Location) -> bool:
    return storage.stat(paths.manifest(folder)) is not None


def _splits(out: Location) -> Iterator[tuple[str, str]]:
    """Yield format and split of each folder of outputs that no link leads to."""
    for shard_format in FORMATS:
        if storage.reachable(out, out / shard_format):
            for split in storage.folders(out / shard_format):
                yield shard_format, split


def _of_job(out: Location, resolved: ResolvedJob) -> Iterator[Location]:
    yield from _below(out, paths.state(out))
    for artifact in resolved.graph:
        if isinstance(artifact, Product):
            files = artifact.files
            yield from files if artifact.tree else (file.parent for file in files)
            if artifact.plan is not None and artifact.plan.folder is not None:
                yield artifact.plan.folder.parent
                yield from _below(out, artifact.plan.folder)
        elif artifact.kind == MANIFEST:
            (folder,) = artifact.files
            yield folder.parent
            yield from _below(out, folder)


def _everywhere(out: Location) -> Iterator[Location]:
    yield from _below(out, paths.state(out))
    yield from (out, paths.lists(out))
    yield from _below(out, places.folder(out))
    for name in sorted({*exports.folders(), *sources.own_folders()}):
        yield from _below(out, out / name)
    # A tree's folder has the name that its configuration gives it.
    if not exports.trees().isdisjoint(product.kind for product in begun(out)):
        yield from (out / name for name in storage.folders(out))
    for shard_format in FORMATS:
        yield from _below(out, out / shard_format)


def _below(out: Location, folder: Location) -> Iterator[Location]:
    """Yield a folder and all below it that no link leads to."""
    if storage.reachable(out, folder):
        yield folder
        for name in storage.folders(folder):
            yield from _below(out, folder / name)
