"""Reads back what has a path without a digest: bboxes.csv, lists, trees of class folders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline import extraction, manifest, paths, storage
from pipeline.errors import OutputDamaged, ShardmillError
from pipeline.manifest import Document, FileEntry
from pipeline.recordcheck import damaged
from pipeline.verify import file_damage

_DAMAGED = "remove the file and run the shardmill command again: it is made anew"
_FOREIGN = "move it away: a training script would take it for one of the set"
_UNFINISHED = "run the shardmill command again: it goes on where it was"


@dataclass(frozen=True)
class FinishedProduct:
    """A product with a mark that is as it was written."""

    out: Path
    name: str
    document: Document

    @property
    def groups(self) -> int:
        """How many groups of classes it has, if it is a tree; else 0."""
        return int(self.document.get("groups", 0))

    @property
    def tree(self) -> Path:
        """The folder of a tree."""
        return paths.tree(self.out, self.document["folder"])


@dataclass(frozen=True)
class ProductCheck:
    """What reading a product, or a group of classes of it, back has shown."""

    files: int
    bytes: int
    damage: tuple[ShardmillError, ...]


def product_names(out: Path) -> list[str]:
    """Return the names of all products that were begun."""
    return [path.stem for path in storage.documents(paths.product_marks(out))]


def open_product(out: Path, name: str) -> FinishedProduct:
    """Read the mark of a product.

    Raises:
        OutputDamaged: it is not as it was written, or the product is not finished.
    """
    path = paths.product_mark(out, name)
    document = manifest.load(path)
    if not document["finished"]:
        raise OutputDamaged(f"{name} is not finished", file=str(path), remedy=_UNFINISHED)
    return FinishedProduct(out, name, document)


def check_files(product: FinishedProduct) -> ProductCheck:
    """Compare the files of a product with the hashes in its mark."""
    entries = manifest.files_of(product.document)
    damage: list[ShardmillError] = []
    if product.groups:
        damage += _strangers(product)
    damage += [error for entry in entries for error in file_damage(product.out, entry, _DAMAGED)]
    return ProductCheck(len(entries), sum(entry.bytes for entry in entries), tuple(damage))


def _strangers(product: FinishedProduct) -> list[ShardmillError]:
    """Return the class folders of a tree that are none of its classes."""
    digest, classes = product.document["digest"], set()
    for index in range(product.groups):
        path = paths.group_listing(product.out, digest, index)
        if storage.stat(path) is not None:
            files = extraction.read_listing(path)["file"].to_pylist()
            classes |= {name.partition("/")[0] for name in files}
    return [
        damaged(product.tree / name, "a class folder that was not made here", remedy=_FOREIGN)
        for name in storage.folders(product.tree, links=True)
        if name not in classes and not storage.is_clutter(name)
    ]


def check_group(product: FinishedProduct, index: int) -> ProductCheck:
    """Compare the pictures of a group of classes with their hashes, and look for others."""
    digest = product.document["digest"]
    try:
        manifest.load_checked(paths.group_mark(product.out, digest, index), product.out)
    except ShardmillError as error:
        return ProductCheck(0, 0, (error,))
    listing = extraction.read_listing(paths.group_listing(product.out, digest, index))
    entries = [FileEntry(row["file"], row["bytes"], row["xxh3_128"]) for row in listing.to_pylist()]
    damage = [error for entry in entries for error in file_damage(product.tree, entry, _DAMAGED)]
    known = {entry.file for entry in entries}
    for folder in sorted({name.partition("/")[0] for name in known}):
        for name in storage.sizes(product.tree / folder):
            if f"{folder}/{name}" not in known and not storage.is_clutter(name):
                path = product.tree / folder / name
                damage.append(damaged(path, "a file that was not written here", remedy=_FOREIGN))
    return ProductCheck(len(entries), sum(entry.bytes for entry in entries), tuple(damage))
