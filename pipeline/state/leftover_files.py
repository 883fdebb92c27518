"""Small files that exports of a file for each image have left half done: no listing names them.

A command that is killed while it writes them leaves them, and the same command again puts others
in their place. Where one follows that makes fewer, they would stay, and pass for somebody else's.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from pipeline import paths, storage
from pipeline.catalog import table as catalog
from pipeline.catalog.image_names import possible_names, stem_of
from pipeline.documents import small_files
from pipeline.errors import OutputDamaged, ShardmillError
from pipeline.exports import registry as exports
from pipeline.exports.base import ANY_PATH
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
    name_of = partial(exports.file_of_image, product.kind, product.split)
    folder, found, _ = name_of(ANY_PATH).partition(ANY_PATH)
    mark = claims.mark(out, product.name) if found else None
    if mark is None:
        return Plan(out)
    unlisted = set(_files(out, out / folder.rstrip("/")))
    try:
        unlisted -= _listed(out, product) if mark.finished else set()
    except OutputDamaged:
        return Plan(out)
    images = _stems(out, product.split) if unlisted else ()
    going = unlisted.intersection(map(name_of, images))
    return storage.plan_files(out, [out / name for name in sorted(going)])


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


def _stems(out: Location, split: str) -> Iterator[str]:
    """Yield the names of the images of all catalogs of a split, without their suffixes."""
    place = paths.catalog(out, split, _ANY_DIGEST)
    head, tail = place.name.split(_ANY_DIGEST)
    for name in storage.sizes(place.parent) if storage.reachable(out, place.parent) else ():
        digest = name.removeprefix(head).removesuffix(tail)
        if name == f"{head}{digest}{tail}" and paths.is_digest(digest):
            try:
                for rows in catalog.read(place.parent / name):
                    yield from map(stem_of, possible_names(rows))
            except ShardmillError:  # of another catalog the images may still be known
                continue
