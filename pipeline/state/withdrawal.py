"""Withdraws all that was made of images that have been replaced, in one step.

The step is a document: from the moment it is there nothing in the output folder is complete. What
it names is removed then, links and manifests first, and at last the document. A command that finds
one left behind by a killed command carries it out first.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping

from pipeline import manifest, paths, storage
from pipeline.documents.outputs import OutputManifest
from pipeline.documents.products import ProductMark
from pipeline.documents.records import Withdrawal
from pipeline.documents.shards import ShardMark
from pipeline.errors import OutputDamaged, TransientError
from pipeline.exports.registry import EXPORTS
from pipeline.formats.registry import ALL
from pipeline.job.artifacts import Begun, begun
from pipeline.manifest import Document
from pipeline.shards import part_sources as partsources
from pipeline.storage import Location

Parts = Mapping[str, Collection[int]]
"""Numbers of parts by their family; see `pipeline.shards.part_sources`."""
Families = Mapping[str, str]
"""Digests of outputs, and the families that their shards belong to.

The marks of shards name these themselves, but for those of earlier versions."""

_OF_WHOLE = frozenset(name for name, export in EXPORTS.items() if export.of_images)


def pending(out: Location) -> bool:
    """Whether something is being withdrawn: then nothing is complete."""
    return storage.stat(paths.withdrawal(out)) is not None


def finished(out: Location) -> frozenset[Location]:
    """Return the folders of outputs that have a manifest, of whatever job."""
    return frozenset(
        folder for folder in _folders(out) if storage.stat(paths.manifest(folder)) is not None
    )


def withdraw(out: Location, parts: Parts, families: Families | None = None) -> None:
    """Withdraw every output, export and tree that holds one of these parts, and the parts.

    Manifests and links named ``current`` are removed, marks of products are made marks of what has
    to be made, and marks of the parts are removed, so that they are made anew.

    Args:
        out: the output folder.
        parts: what is withdrawn.
        families: of outputs that are not finished; what finished ones belong to, they say.
    """
    with storage.wait_for_lock(paths.sources_lock(out)):
        every, known = _read(out)
        for family, numbers in parts.items():
            every[family] = sorted({*every.get(family, ()), *numbers})
        known |= {digest: of for digest, of in (families or {}).items() if of in every}
        known |= {folder.name: family for folder, family in _outputs(out, every)}
        manifest.publish_alone(paths.withdrawal(out), {"parts": every, "families": known})
        _carry_out(out, every, known)


def resume(out: Location) -> None:
    """Carry out what a killed command has begun to withdraw."""
    if pending(out):
        withdraw(out, {})


def standing(manifests: Iterable[Location]) -> dict[Location, str]:
    """Return the content hash of manifests that something is going to be made of.

    Raises:
        Vanished: one is gone.
    """
    return {path: manifest.hash_file(path) for path in manifests}


@contextlib.contextmanager
def while_standing(out: Location, made_of: Mapping[Location, str]) -> Iterator[None]:
    """Let nothing be withdrawn in this context, in which what is made of manifests is published.

    Args:
        out: the output folder.
        made_of: the manifests as they were before; see `standing`. Empty: nothing is looked at.

    Raises:
        TransientError: one was withdrawn meanwhile, and perhaps written anew.
    """
    if not made_of:
        yield
        return
    with storage.shared_lock(paths.sources_lock(out)):
        for path, content_hash in made_of.items():
            gone = pending(out) or storage.stat(path) is None
            if gone or manifest.hash_file(path) != content_hash:
                raise TransientError(
                    "images were replaced while something was made of their shards",
                    file=str(path),
                    remedy="run the same command again: it is made anew",
                )
        yield


def _read(out: Location) -> tuple[dict[str, list[int]], dict[str, str]]:
    """Return what is being withdrawn: the parts, and the families of outputs."""
    path = paths.withdrawal(out)
    if storage.stat(path) is None:
        return {}, {}
    try:
        document = manifest.read(path, Withdrawal)
    except OutputDamaged:  # which parts it named is not known any more: all of them are suspect
        families = partsources.families(out)
        return {family: partsources.parts(out, family) for family in families}, {}
    parts = {family: list(numbers) for family, numbers in document.parts.items()}
    return parts, dict(document.families)


def _carry_out(out: Location, parts: Parts, families: Families) -> None:
    folders = [folder for folder, _ in _outputs(out, parts)]
    for folder in folders:
        link = paths.current(out, folder.parent.parent.name, folder.parent.name)
        if storage.pointed(link) == folder.name:
            storage.remove(out, link)
    for folder in folders:
        storage.remove(out, paths.manifest(folder))
    marks = list(_shard_marks(out, parts, families))
    for product in begun(out):
        _unfinish(product, {*parts, *(mark.parent.name for mark in marks)})
    for family, numbers in parts.items():
        for number in numbers:
            storage.remove(out, paths.group_mark(out, family, number))
    for mark in marks:
        storage.remove(out, mark)
    for family, numbers in parts.items():
        for number in numbers:
            partsources.forget(out, family, number)
    storage.remove(out, paths.withdrawal(out))


def _outputs(out: Location, parts: Parts) -> Iterator[tuple[Location, str]]:
    """Yield the folders of finished outputs that parts belong to, and their families."""
    for folder in _folders(out):
        document = manifest.read_undamaged(paths.manifest(folder), OutputManifest)
        if document is not None and document.digests.family in parts:
            yield folder, document.digests.family


def _folders(out: Location) -> Iterator[Location]:
    """Yield the folders of outputs, of whatever job."""
    for shard_format in ALL:
        for split in storage.folders(paths.outputs(out, shard_format, ""), links=True):
            for name in storage.folders(paths.outputs(out, shard_format, split), links=True):
                if paths.is_digest(name):  # `current` is another name of one of these
                    yield paths.output(out, shard_format, split, name)


def _shard_marks(out: Location, parts: Parts, families: Families) -> Iterator[Location]:
    """Yield the marks of shards that are such parts, of finished outputs and of others."""
    numbers = {number for each in parts.values() for number in each}
    for digest in storage.folders(paths.shard_marks(out, ""), links=True):
        for number in numbers:
            path = paths.shard_mark(out, digest, number)
            mark = manifest.read_undamaged(path, ShardMark)
            if mark is None:
                continue
            family = mark.made_of.family if mark.made_of else families.get(digest, "")
            if number in parts.get(family, ()):
                yield path


def _unfinish(product: Begun, digests: Collection[str]) -> None:
    """Make the mark of a product that one that it has to be made, if it is of these digests."""
    mark = manifest.read_undamaged(product.mark, ProductMark)
    if not mark or not mark.finished:
        return
    if mark.digest in digests or product.kind in _OF_WHOLE:
        unfinished: Document = {"digest": mark.digest, "finished": False}
        if mark.made_of:
            unfinished["made_of"] = mark.made_of
        manifest.publish_alone(product.mark, unfinished)
