"""What is kept of source files and that no output needs any more.

That is fingerprints (`pipeline.shards.part_sources`), and hashes of the members of archives that
were replaced (`pipeline.archives.member_hashes`).
"""

from __future__ import annotations

from collections.abc import Collection

from pipeline import manifest, paths, storage
from pipeline.archives import member_hashes as memberhashes
from pipeline.documents.outputs import OutputManifest
from pipeline.documents.products import ProductMark
from pipeline.documents.shards import ShardMark
from pipeline.errors import OutputDamaged
from pipeline.shards import part_sources as partsources
from pipeline.state import ownership, standing
from pipeline.storage import Location, Plan


def plans(out: Location, gone: Collection[Location] = ()) -> dict[Location, Plan]:
    """Return folder -> what goes of what is kept there of files that nothing is made of.

    Where a document cannot be read that could say what is needed, nothing goes.

    Args:
        out: the output folder.
        gone: folders of outputs that count as removed.
    """
    families = partsources.families(out)
    tables = dict(memberhashes.of_replaced(out))
    try:
        needed = families_needed(out, gone) if families else set()
        unused = tables.keys() - (_archives(out, gone) if tables else set())
    except OutputDamaged:
        return {}
    folders = (
        paths.part_sources(out, family, 0).parent for family in families if family not in needed
    )
    every = {folder: _plan(out, folder) for folder in folders}
    for table in (tables[md5] for md5 in sorted(unused)):
        plan = storage.plan_files(out, [memberhashes.mark_of(table), table])
        every[table.parent] = every.get(table.parent, storage.Plan(out)) + plan
    return {folder: plan for folder, plan in every.items() if plan.items}


def _plan(out: Location, folder: Location) -> Plan:
    return storage.plan_folder(out, folder, lambda path: ownership.is_owned(out, path))


def _archives(out: Location, gone: Collection[Location]) -> set[str]:
    """Return the MD5s of the archives that finished outputs were made of.

    Raises:
        OutputDamaged: a manifest does not say.
    """
    manifests = (paths.manifest(each) for each in standing.output_folders(out) if each not in gone)
    found = [manifest.read(path, OutputManifest) for path in manifests if storage.stat(path)]
    return {each.md5 for document in found for each in document.inputs if each.md5}


def families_needed(out: Location, gone: Collection[Location]) -> set[str]:
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
