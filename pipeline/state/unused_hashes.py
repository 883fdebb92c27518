"""Hashes of what images look like that no output has any more, or that are made otherwise now."""

from __future__ import annotations

from collections.abc import Collection

from pipeline import manifest, paths, storage
from pipeline.documents.outputs import OutputManifest
from pipeline.duplicates import hash_groups
from pipeline.errors import EnvironmentRefused, OutputDamaged
from pipeline.state import ownership, standing
from pipeline.storage import Location, Plan


def plans(out: Location, gone: Collection[Location] = ()) -> dict[Location, Plan]:
    """Return folder -> what goes of the hashes there.

    Where a manifest cannot be read that could say what is needed, nothing goes.

    Args:
        out: the output folder.
        gone: folders of outputs that count as removed.
    """
    folder = hash_groups.folder(out)
    names = storage.folders(folder) if storage.reachable(out, folder) else []
    if not names:
        return {}
    try:
        needed = _needed(out, gone)
    except (OutputDamaged, EnvironmentRefused):
        return {}

    def is_unused(path: Location) -> bool:
        return path not in needed and ownership.is_owned(out, path)

    every = {folder / name: storage.plan_folder(out, folder / name, is_unused) for name in names}
    return {each: plan for each, plan in every.items() if plan.files}


def are_in(out: Location, place: Location) -> bool:
    """Whether a folder is one of such hashes."""
    return storage.is_below(place, hash_groups.folder(out))


def _needed(out: Location, gone: Collection[Location]) -> set[Location]:
    """Return the paths of the hashes of all outputs.

    Raises:
        OutputDamaged: a manifest is not as it was written.
    """
    needed = set[Location]()
    for folder in standing.output_folders(out):
        path = paths.manifest(folder)
        if folder in gone or storage.stat(path) is None:
            continue
        for group in hash_groups.hash_groups(manifest.read(path, OutputManifest)):
            for spell in (hash_groups.table, hash_groups.mark):
                needed.add(spell(out, group.split, group.digest))
    return needed
