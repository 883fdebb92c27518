"""Small files that exports of a file for each image have left half done: no listing names them.

A command that is killed while it writes them leaves them, and the same command again puts others
in their place. Where one follows that makes fewer, they would stay, and pass for somebody else's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import pyarrow as pa

from pipeline import paths, storage
from pipeline.catalog import objects
from pipeline.catalog import table as catalog
from pipeline.catalog.image_names import possible_names
from pipeline.documents import small_files
from pipeline.errors import OutputDamaged, ShardmillError
from pipeline.exports import registry as exports
from pipeline.job.artifacts import Begun, begun
from pipeline.state import claims
from pipeline.storage import Location, Plan

_ANY_DIGEST = "0" * 12


def plans(out: Location) -> dict[str, Plan]:
    """Return, by the name of the product, what goes of files that an export has left half done.

    Only files go that the export calls so, of images that a catalog of the split has. Of a product
    that is not finished all of these go, because it makes each anew; of one whose mark or listing
    is damaged, nothing does.
    """
    if not storage.takes_folders(out):
        return {}
    by_name = {each.name: _plan(out, each) for each in begun(out)}
    return {name: plan for name, plan in by_name.items() if plan.items}


def _plan(out: Location, product: Begun) -> Plan:
    """Return what goes of the files of a product; nothing where it has not one for each image."""
    folder = exports.root_of_small_files(product.kind, product.split)
    mark = claims.mark(out, product.name) if folder else None
    if mark is None:
        return Plan(out)
    unlisted = set(_files(out, out / folder))
    try:
        unlisted -= _listed(out, product) if mark.finished else set()
    except OutputDamaged:
        return Plan(out)
    going = dict[Location, set[str]]()
    for file in _of_images(out, product, unlisted) if unlisted else ():
        going.setdefault((out / file).parent, set()).add(file)
    return sum((_of_folder(out, *each) for each in sorted(going.items())), Plan(out))


def _of_folder(out: Location, folder: Location, files: Collection[str]) -> Plan:
    """Return what goes of a folder: some files, and the folder if it holds nothing else.

    Readers would take an empty one for a class without images.
    """
    paths_of_files = [out / name for name in sorted(files)]
    if len(storage.sizes(folder)) > len(paths_of_files):
        return storage.plan_files(out, paths_of_files)
    return storage.plan_folder(out, folder, frozenset(paths_of_files).__contains__)


def _of_images(out: Location, product: Begun, files: Collection[str]) -> Iterator[str]:
    """Yield those of some files that are of images, and in folders of classes, of catalogs."""
    kind, split, class_ids = product.kind, product.split, set[str]()
    for rows in _catalogs(out, split):
        class_ids.update(rows["class_id"].unique().drop_null().to_pylist())
        class_ids |= objects.known_classes(rows["objects"])
    by_name = dict[str, list[str]]()
    for file in files:
        by_name.setdefault(exports.in_any_class(kind, split, file, class_ids), []).append(file)
    for rows in _catalogs(out, split):
        for name in possible_names(rows):
            yield from by_name.pop(exports.file_of_image(kind, split, name), ())


def _files(out: Location, folder: Location) -> Iterator[str]:
    """Yield the files below a folder that no link leads to, as paths in the output."""
    if storage.reachable(out, folder):
        above = storage.relative(folder, out)
        yield from (f"{above}/{name}" for name in storage.sizes(folder))
        for name in storage.folders(folder):
            yield from _files(out, folder / name)


def _listed(out: Location, product: Begun) -> set[str]:
    """Return the files of a finished product.

    Raises:
        OutputDamaged: their listing is not as it was written.
    """
    listing = small_files.listing(out, product.name)
    return {name for rows in small_files.read(listing) for name in rows["file"].to_pylist()}


def _catalogs(out: Location, split: str) -> Iterator[pa.Table]:
    """Yield the rows of all catalogs of a split, in parts."""
    place = paths.catalog(out, split, _ANY_DIGEST)
    head, tail = place.name.split(_ANY_DIGEST)
    for name in storage.sizes(place.parent) if storage.reachable(out, place.parent) else ():
        digest = name.removeprefix(head).removesuffix(tail)
        if name == f"{head}{digest}{tail}" and paths.is_digest(digest):
            try:
                yield from catalog.read(place.parent / name)
            except ShardmillError:  # of another catalog the images may still be known
                continue
