"""Reads back artifacts at fixed paths: bboxes.csv, lists, trees of class folders, exports."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from pipeline import paths, storage
from pipeline.documents import small_files, tree_listing
from pipeline.documents.part_numbers import numbers
from pipeline.documents.products import ProductMark
from pipeline.documents.shards import GroupMark
from pipeline.errors import OutputDamaged, ShardmillError
from pipeline.exports import registry as exports
from pipeline.job.artifacts import Begun
from pipeline.job.options import Job
from pipeline.manifest import FileEntry
from pipeline.storage import Location, clutter
from pipeline.verification.findings import Finding, Layer, check_file, damage, of_error
from pipeline.verification.statecheck import load_table, read

_FOREIGN = "move it away: a training script would take it for one of the set"
_UNFINISHED = "run the shardmill command again: it goes on where it was"
_REPLACED = "run the shardmill command again: it makes what the mark is of anew, in its place"
_NOT_OURS = "bring back what was there: it may be the only one, so the program removes none"


@dataclass(frozen=True)
class FinishedProduct:
    """A product with a mark that is as it was written.

    Attributes:
        out: the output folder.
        name: of the product.
        document: the mark.
        copied: whether the images of a tree are copies, which can be made again.
    """

    out: Location
    name: str
    document: ProductMark
    copied: bool

    @property
    def groups(self) -> list[int]:
        """The numbers of its groups of classes, if it is a tree.

        Of those that have no mark one is enough: a mark that says a billion is a finding, too.
        """
        claimed = self.document.groups
        marked = {n for n in numbers(storage.documents(self.marks)) if n < claimed}
        return sorted(marked.union(range(min(claimed, len(marked) + 1))))

    @property
    def tree(self) -> Location:
        """The folder of a tree."""
        return paths.tree(self.out, self.document.folder or "")

    @property
    def marks(self) -> Location:
        """The folder of the marks and listings of a tree."""
        return paths.tree_marks(self.out, self.document.digest)


@dataclass(frozen=True)
class ProductCheck:
    """What reading a product, or a group of classes of it, back has shown."""

    files: int
    bytes: int
    findings: tuple[Finding, ...]


def open_product(out: Location, begun: Begun, jobs: Iterable[Job]) -> FinishedProduct | Finding:
    """Read the mark of a product, or say what is wrong with it.

    Args:
        out: the output folder.
        begun: the product.
        jobs: those that were started here: they tell how images came into a tree.
    """
    path = begun.mark
    document = read(path, ProductMark)
    if isinstance(document, Finding):
        # Without a mark, what stands there would pass for somebody else's.
        what, place, found = document.error.what, document.error.place, document.error.found
        return damage(
            Layer.SELF_CHECKSUM, path, what, place, None, found, _REPLACED, removable=False
        )
    if not document.finished:
        error = OutputDamaged(f"{begun.name} is not finished", file=str(path), remedy=_UNFINISHED)
        return Finding(Layer.FINISHED, path, error, removable=False)
    if document.folder is None and begun.kind in exports.trees():
        what = "the mark does not say which folder the tree is"
        return damage(Layer.SELF_CHECKSUM, path, what, remedy=_REPLACED, removable=False)
    return FinishedProduct(out, begun.name, document, _copied(begun, jobs))


def check_files(product: FinishedProduct) -> ProductCheck:
    """Compare the files of a product with the hashes in its mark."""
    entries = product.document.files
    findings = [finding for entry in entries for finding in check_file(product.out, entry)]
    if product.groups:
        findings += _strange_folders(product)
    listing = small_files.listing(product.out, product.name)
    if not findings and any(product.out / entry.file == listing for entry in entries):
        return _check_small_files(product, listing)
    return ProductCheck(len(entries), sum(entry.bytes for entry in entries), tuple(findings))


def _check_small_files(product: FinishedProduct, listing: Location) -> ProductCheck:
    """Compare the small files of a product with their hashes, and look for others."""
    findings, files, size = list[Finding](), len(product.document.files), 0
    names: dict[str, set[str]] = {}
    for rows in small_files.read(listing):
        for row in rows.to_pylist():
            entry = FileEntry(row["file"], row["bytes"], row["xxh3_128"])
            findings += check_file(product.out, entry)
            folder, _, name = entry.file.rpartition("/")
            names.setdefault(folder, set()).add(name)
            files, size = files + 1, size + entry.bytes
    findings += _strange_small_files(product, names)
    return ProductCheck(files, size, tuple(findings))


def _strange_small_files(
    product: FinishedProduct, names: Mapping[str, Collection[str]]
) -> Iterator[Finding]:
    """Yield what lies in the folder that a product fills, and is neither its file nor its folder.

    Args:
        product: the product.
        names: of its files, by their folders, which are paths in the output.
    """
    begun = Begun.at(paths.product_mark(product.out, product.name))
    root = exports.root_of_small_files(begun.kind, begun.split)
    own = {root, *(above for folder in names for above in _up_to(root, folder))} - {""}
    for folder in sorted(own):
        known = names.get(folder, ())
        for name in sorted(storage.sizes(product.out / folder)):
            if name not in known and not clutter.is_clutter(name):
                path = product.out / folder / name
                yield _stranger(path, "a file that was not written here")
        for name in sorted(storage.folders(product.out / folder, links=True)):
            if f"{folder}/{name}" not in own and not clutter.is_clutter(name):
                yield _stranger(product.out / folder / name, "a folder that was not made here")


def _up_to(root: str, folder: str) -> Iterator[str]:
    """Yield a folder, and those above it that lie in another one."""
    yield folder
    while folder.startswith(f"{root}/"):
        folder = folder.rpartition("/")[0]
        yield folder


def check_group(product: FinishedProduct, index: int) -> ProductCheck:
    """Compare the images of a group of classes with their hashes, and look for others."""
    entries = _listing(product, index)
    if isinstance(entries, Finding):
        return ProductCheck(0, 0, (entries,))
    findings = [finding for entry in entries for finding in _check_image(product, entry)]
    findings += _strange_files(product, entries)
    return ProductCheck(len(entries), sum(entry.bytes for entry in entries), tuple(findings))


def _copied(begun: Begun, jobs: Iterable[Job]) -> bool:
    """Whether every job that can have made a tree has copied its images.

    Links share their bytes with somebody's own images, and what was moved is the only one.
    """
    makers = [each for each in exports.OF_STEPS.values() if each.transfers]
    steps = [export.step for export in makers if export.tree == begun.kind]
    if not steps:
        return True  # no tree, or one of images that were changed
    split = begun.split
    makes = [job for job in jobs if job.wants(*steps) and split in (job.splits or (split,))]
    return bool(makes) and all(job.transfer == "copy" for job in makes)


def _check_image(product: FinishedProduct, entry: FileEntry) -> list[Finding]:
    if product.copied:
        return check_file(product.tree, entry)
    findings = check_file(product.tree, entry, _NOT_OURS)
    return [replace(finding, removable=False) for finding in findings]


def _listing(product: FinishedProduct, index: int) -> list[FileEntry] | Finding:
    """Return the images of a group, or what is wrong with its mark or listing."""
    digest = product.document.digest
    document = read(paths.group_mark(product.out, digest, index), GroupMark)
    if isinstance(document, Finding):
        return document
    for entry in document.files:
        for finding in check_file(product.out, entry):
            return finding
    path = paths.group_listing(product.out, digest, index)
    try:
        table = load_table(
            path, tree_listing.LISTING_SCHEMA, lambda: tree_listing.read_listing(path)
        )
    except ShardmillError as error:
        return of_error(Layer.TABLE, path, error)
    return [FileEntry(row["file"], row["bytes"], row["xxh3_128"]) for row in table.to_pylist()]


def _strange_folders(product: FinishedProduct) -> list[Finding]:
    """Return the class folders of a tree that are none of its classes."""
    classes = set()
    for index in product.groups:
        entries = _listing(product, index)
        if isinstance(entries, Finding):
            return []  # it cannot be told, and the listing is found damaged anyway
        classes |= {entry.file.partition("/")[0] for entry in entries}
    return [
        _stranger(product.tree / name, "a class folder that was not made here")
        for name in storage.folders(product.tree, links=True)
        if name not in classes and not clutter.is_clutter(name)
    ]


def _strange_files(product: FinishedProduct, entries: Iterable[FileEntry]) -> Iterator[Finding]:
    known = {entry.file for entry in entries}
    for folder in sorted({name.partition("/")[0] for name in known}):
        for name in sorted(storage.sizes(product.tree / folder)):
            if f"{folder}/{name}" not in known and not clutter.is_clutter(name):
                path = product.tree / folder / name
                yield _stranger(path, "a file that was not written here")


def _stranger(path: Location, what: str) -> Finding:
    return damage(Layer.UNEXPECTED_FILE, path, what, remedy=_FOREIGN, removable=False)
