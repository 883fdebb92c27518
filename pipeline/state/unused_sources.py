"""Fingerprints of source files that no output needs any more (`pipeline.shards.part_sources`)."""

from __future__ import annotations

from collections.abc import Collection

from pipeline import manifest, paths, storage
from pipeline.documents.outputs import OutputManifest
from pipeline.documents.products import ProductMark
from pipeline.documents.shards import ShardMark
from pipeline.errors import OutputDamaged
from pipeline.shards import part_sources as partsources
from pipeline.state import ownership, standing
from pipeline.storage import Location, Plan


def plans(out: Location, gone: Collection[Location] = ()) -> dict[Location, Plan]:
    """Return folder -> what goes of each family of fingerprints that nothing there is made of.

    Where a document cannot be read that could say what is needed, nothing goes.

    Args:
        out: the output folder.
        gone: folders of outputs that count as removed.
    """
    families = partsources.families(out)
    try:
        needed = _needed(out, gone) if families else set()
    except OutputDamaged:
        return {}
    folders = (
        paths.part_sources(out, family, 0).parent for family in families if family not in needed
    )
    every = {folder: _plan(out, folder) for folder in folders}
    return {folder: plan for folder, plan in every.items() if plan.items}


def _plan(out: Location, folder: Location) -> Plan:
    return storage.plan_folder(out, folder, lambda path: ownership.is_owned(out, path))


def _needed(out: Location, gone: Collection[Location]) -> set[str]:
    """Return the families of outputs, finished or not, and of trees.

    Raises:
        OutputDamaged: a document does not say.
    """
    needed, finished = set(storage.folders(paths.tree_marks(out, ""))), set[str]()
    for folder in standing.output_folders(out):
        path = paths.manifest(folder)
        if folder not in gone and storage.stat(path) is not None:
            needed.add(manifest.read(path, OutputManifest).digests.family)
            finished.add(folder.name)
    for path in storage.documents(paths.product_marks(out)):
        needed.add(manifest.read(path, ProductMark).digest)
    removed = {folder.name for folder in gone}
    for digest in storage.folders(paths.shard_marks(out, "")):
        if digest not in finished | removed:
            for path in storage.documents(paths.shard_marks(out, digest)):
                made_of = manifest.read(path, ShardMark).made_of
                needed |= {made_of.family} if made_of else set()
    return needed
