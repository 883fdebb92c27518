"""Images of a tree of class folders that another tree replaces, and that this one has no more.

A list or folder that has lost an image has its tree made anew at the same path. What the tree
before had there is known from its listings, and goes only if it is still what these say.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import pyarrow as pa

from pipeline import paths, storage
from pipeline.catalog import class_folders
from pipeline.documents import tree_listing
from pipeline.errors import OutputConflict, OutputDamaged, Vanished
from pipeline.job.artifacts import Product
from pipeline.state import claims


def check_and_remove(
    out: Path,
    tree: Product,
    *,
    of_group: Collection[str],
    of_tree: Collection[str],
    rows: pa.Table,
    permitted: bool,
) -> int:
    """Remove images of the trees that a tree replaces; return how many.

    A file that is not as a listing of these trees says is nobody's, and stays.

    Args:
        out: the output folder.
        tree: the tree, which is being made; its mark says which it replaces.
        of_group: class folders that are looked at, besides those that are not of the tree at all.
        of_tree: all class folders of the tree.
        rows: the images that the tree has in the folders of `of_group`, rows of the catalog.
        permitted: whether the user has said that what follows from inputs is made anew.

    Raises:
        OutputConflict: there are some, and that was not said.
    """
    mark = claims.mark(out, tree.name)
    if mark is None or mark.digest != tree.digest or not mark.replaces:
        return 0
    new = frozenset(class_folders.paths(rows).to_pylist())
    root = storage.on_this_machine(tree.files[0])
    going, left = list[Path](), set[Path]()
    for file, size, content in _listed(out, mark.replaces):
        class_name = file.partition("/")[0]
        is_gone = class_name not in of_tree
        if is_gone or (class_name in of_group and file not in new):
            if _is_unchanged(root / file, size, content):
                going.append(root / file)
            if is_gone:
                left.add(root / class_name)
    plan = storage.plan_files(out, dict.fromkeys(going), links=True)
    if plan.items and not permitted:
        raise OutputConflict(
            "images of the tree are gone from the input",
            file=str(plan.items[0].path),
            expected="the images that there are now, no others",
            found=f"{plan.files:,} more in the folders that were looked at",
            remedy="bring the images back, or say --update to have them removed here, too",
        )
    removed = storage.carry_out(plan).removed
    for folder in sorted(left):
        storage.remove_empty(folder)
    return len(removed)


def _listed(out: Path, digests: Collection[str]) -> Iterator[tuple[str, int, str]]:
    """Yield file, bytes and xxh3-128 of all that trees had; damaged listings say nothing."""
    for digest in digests:
        names = storage.sizes(paths.tree_marks(out, digest))  # a number, a dot, and what it is
        for index in sorted({int(name.partition(".")[0]) for name in names if name[0].isdigit()}):
            path = paths.group_listing(out, digest, index)
            if storage.stat(path) is None:
                continue
            try:
                rows = tree_listing.read_listing(path)
            except OutputDamaged:
                continue
            yield from zip(*(rows[name].to_pylist() for name in rows.column_names), strict=True)


def _is_unchanged(file: Path, size: int, content: str) -> bool:
    """Whether a file, or what a link leads to if that is there, is what a listing says of it."""
    there = storage.stat(file)
    if there is None:
        return storage.pointed(file) is not None
    try:
        return there.size == size and storage.read_stamped(file)[1].hex() == content
    except Vanished:
        return False
