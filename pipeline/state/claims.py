"""Whose the products of an output folder are: artifacts whose paths carry no digest.

Each has a mark under ``.shardmill`` that says by its digest whose it is. The mark is written
twice: before the first file, to claim the path, and after the last, as the mark that it is
finished. So what a killed run left is known from what somebody else put there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from pipeline import manifest, paths, storage
from pipeline.documents import small_files, tree_listing
from pipeline.documents.products import ProductMark
from pipeline.documents.records import JobRecord
from pipeline.documents.shards import GroupMark
from pipeline.errors import OutputConflict, OutputDamaged
from pipeline.exports.tree import ClassGroup
from pipeline.job.artifacts import Product
from pipeline.job.options import Job
from pipeline.job.provenance import split_of
from pipeline.manifest import Document
from pipeline.plaintext import Lines
from pipeline.state import withdrawal
from pipeline.storage import Location, clutter

_EARLIER = "version of catalogs"
"""What only marks of earlier versions of this program name among what decides a product."""
_DAMAGED = "damaged"  # this program's, whoever's it was: it is made again


def finished(out: Location, product: Product) -> ProductMark | None:
    """Return a product's mark if it is finished, this job's, and its files are there."""
    if withdrawal.pending(out):
        return None
    mark = manifest.read_complete(paths.product_mark(out, product.name), out, ProductMark)
    if mark is None or mark.digest != product.digest or not mark.finished:
        return None
    if product.tree and len(_class_folders(product.files[0])) != mark.classes:
        return None
    if product.plan and product.plan.folder and not _small_files_are_there(out, product):
        return None
    groups = range(mark.groups if product.tree else 0)
    return mark if all(group_document(out, product, index) for index in groups) else None


def class_groups(tree: Product, counts: Mapping[str, int]) -> tuple[ClassGroup, ...]:
    """Return the groups of classes that a tree is made in.

    Args:
        tree: the tree.
        counts: class folder -> images.
    """
    if tree.tree is None:
        raise LookupError(f"{tree.name} is no tree of class folders")
    return tree.tree.groups(counts)


def extracted_images(out: Location, product: Product, counts: Mapping[str, int]) -> int:
    """Return how many images of a tree lie in finished groups of classes, by one listing."""
    done = {path.stem for path in storage.documents(paths.tree_marks(out, product.digest))}
    groups = class_groups(product, counts)
    names = (paths.group_mark(out, product.digest, group.index).stem for group in groups)
    return sum(group.images for group, name in zip(groups, names, strict=True) if name in done)


def group_document(out: Location, tree: Product, index: int) -> GroupMark | None:
    """Return the mark of one group of classes of a tree if all its files are there."""
    path = paths.group_mark(out, tree.digest, index)
    mark = manifest.read_complete(path, out, GroupMark)
    if mark is None:
        return None
    try:
        listing = tree_listing.read_listing(paths.group_listing(out, tree.digest, index))
    except OutputDamaged:
        return None
    return None if tree_listing.missing(tree.files[0], listing) else mark


def last_group(out: Location, tree: Product, counts: Mapping[str, int]) -> GroupMark | None:
    """Return the mark of the last group of classes of a tree; None: a group lacks a file."""
    last: GroupMark | None = None
    for group in class_groups(tree, counts):
        last = group_document(out, tree, group.index)
        if last is None:
            return None
    return last


def claim(out: Location, product: Product, *, replace: bool, with_images: bool = False) -> None:
    """Note that this product is being made, unless another stands in its place.

    Args:
        out: the output folder.
        product: what is being made.
        replace: whether it may replace another.
        with_images: whether the images of a tree that it replaces may go; the mark says of which.

    Raises:
        OutputConflict: another stands in its place, and it may not be replaced.
    """
    check(out, product, replace=replace)
    owner = _owner(out, product)
    if owner == product.digest:
        return
    standing = mark(out, product.name)
    replaces = (*standing.replaces, standing.digest) if standing and with_images else ()
    _publish_unfinished(out, product, replaces)


def unfinish(out: Location, product: Product) -> None:
    """Note that this product has to be made, and that what lies in its place is its own."""
    standing = mark(out, product.name)
    is_own = standing is not None and standing.digest == product.digest
    _publish_unfinished(out, product, standing.replaces if standing and is_own else ())


def _publish_unfinished(out: Location, product: Product, replaces: tuple[str, ...]) -> None:
    document = {**_head(product), "finished": False}
    if replaces:
        document["replaces"] = list(dict.fromkeys(replaces))
    manifest.publish_alone(paths.product_mark(out, product.name), document)


def publish(
    out: Location, product: Product, files: Iterable[storage.StagedFile], /, **more: object
) -> None:
    """Publish the files of a product and then its mark, finished; `more` is kept with that."""
    document = {**_head(product), "finished": True, **more}
    manifest.publish(files, paths.product_mark(out, product.name), out, document)


def mark(out: Location, name: str) -> ProductMark | None:
    """Return the mark of a product, whoever's it is; None: there is none, or it is damaged."""
    return manifest.read_undamaged(paths.product_mark(out, name), ProductMark)


def check(out: Location, product: Product, *, replace: bool) -> None:
    """Look whether another product stands in the place of this one.

    Raises:
        OutputConflict: it does, and it may not be replaced.
    """
    owner = _owner(out, product)
    if replace or owner in {product.digest, _DAMAGED} or (owner and product.succeeds):
        return
    present = [file for file in product.files if _is_there(file)]
    folder = product.plan.folder if product.plan else None
    present += [folder] if folder and not storage.is_empty(folder) else []
    if not present or (owner is None and product.in_place) or _is_newer(out, product):
        return
    file = str(present[0])
    raise _made_otherwise(out, product, file) if owner else _in_the_way(file)


def _is_newer(out: Location, product: Product) -> bool:
    """Whether it was made of the same list or folder, whose images are others now."""
    standing = mark(out, product.name)
    then: Mapping[str, str] = standing.made_of if standing else {}
    now = product.made_of
    names = {name for name in {*then, *now} if then.get(name) != now.get(name)}
    followed = {name for name, value in product.before if then.get(name) == value}
    if standing is None or not then or not names <= product.follows | followed:
        return False
    return bool(followed) or not product.folder or _is_of(out, product, standing.digest)


def _is_of(out: Location, product: Product, digest: str) -> bool:
    """Whether a job that made a product of this digest was given the folder of this product."""
    for path in storage.documents(paths.jobs(out)):
        record = manifest.read_undamaged(path, JobRecord)
        if record is not None and (product.name, digest) in (record.products or ()):
            images = Job.from_json(record.job, path).images
            if images and storage.same_place(Path(images), Path(product.folder)):
                return True
    return False


def _made_otherwise(out: Location, product: Product, file: str) -> OutputConflict:
    """Return the refusal that names what a product was made of, and what it would be made of."""
    standing = mark(out, product.name)
    then: Mapping[str, str] = standing.made_of if standing else {}
    now = product.made_of
    then, now = _lone_splits_as_one(then, now) if then else (then, now)
    names = sorted(name for name in {*then, *now} if then and then.get(name) != now.get(name))
    if names and all(name.endswith(_EARLIER) for name in names):
        return OutputConflict(
            "an earlier version of shardmill made what stands here",
            file=file,
            remedy="say --replace to make it anew, or choose another --out",
        )
    names = [name for name in names if not name.endswith(_EARLIER)]
    if names:
        what = f"what stands here was made otherwise than is asked for now: {', '.join(names)}"
    else:
        what = (
            "what stands here was made otherwise than is asked for now, or by an older shardmill:"
            " its mark does not say how"
        )
        names, now = ["digest"], {"digest": product.digest}
        then = {"digest": standing.digest} if standing else {}
    return OutputConflict(
        what,
        file=file,
        expected=Lines.of(f"{name}: {now.get(name, 'nothing')}" for name in names),
        found=Lines.of(f"{name}: {then.get(name, 'nothing')}" for name in names),
        remedy="say --replace to put the new one in its place, or choose another --out",
    )


def _lone_splits_as_one(
    then: Mapping[str, str], now: Mapping[str, str]
) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Return both with one entry for all that is said of a split which only one of them has."""
    splits = [{split_of(name) for name in made_of} - {""} for made_of in (then, now)]
    lone = splits[0] ^ splits[1]
    shown = []
    for made_of, own in zip((then, now), splits, strict=True):
        rest = {name: value for name, value in made_of.items() if split_of(name) not in lone}
        parts = {f"split {name}": "part of it" if name in own else "no part of it" for name in lone}
        shown.append(rest | parts)
    return shown[0], shown[1]


def _in_the_way(file: str) -> OutputConflict:
    return OutputConflict(
        "a file or folder is in the way",
        file=file,
        expected="nothing, or what this program made",
        found="something that is not of this program",
        remedy="say --replace to put the new one in its place, or choose another --out",
    )


def _head(product: Product) -> Document:
    """Return what every mark begins with."""
    return {"digest": product.digest, "made_of": dict(product.made_of)}


def _class_folders(tree: Location) -> list[str]:
    return [name for name in storage.folders(tree, links=True) if not clutter.is_clutter(name)]


def _owner(out: Location, product: Product) -> str | None:
    path = paths.product_mark(out, product.name)
    if storage.stat(path) is None:
        return None
    try:
        return manifest.read(path, ProductMark).digest
    except OutputDamaged:
        return _DAMAGED


def _is_there(path: Location) -> bool:
    return storage.stat(path) is not None or bool(storage.folders(path))


def _small_files_are_there(out: Location, product: Product) -> bool:
    try:
        return small_files.are_there(out, small_files.listing(out, product.name))
    except OutputDamaged:
        return False
