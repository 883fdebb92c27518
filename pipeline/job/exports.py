"""What follows from a job for its exports: where they go, and what decides their bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline import digests, paths, storage
from pipeline.catalog.classes import LabelTable
from pipeline.errors import EnvironmentRefused, UsageError
from pipeline.exports import croissant, imagefolder, parquet
from pipeline.job import products
from pipeline.job.artifacts import ARCHIVE, CATALOG, MANIFEST, SMALL_TREE, TREE, Product, name_of
from pipeline.job.options import Job
from pipeline.job.split import SplitJob
from pipeline.sources.data_set import EXPORTS, DataSet
from pipeline.state import claims


@dataclass(frozen=True)
class ImageFolder:
    """Where dbcollection is told that a split's images lie.

    Attributes:
        folder: below the data folder.
        flat: whether they lie in that folder itself, and not in a folder a class.
    """

    folder: str
    flat: bool


def check(job: Job, dataset: DataSet, names: Iterable[str]) -> None:
    """Check that a job's exports can be made.

    Raises:
        UsageError: they cannot.
    """
    splits = [dataset.splits[name] for name in names]
    of_dbcollection, folders = job.exported("dbcollection", "raw256"), {s.folder for s in splits}
    refusals = {
        "--export is of a configured set: a list of images has no catalog of classes": (
            bool(job.exports) and EXPORTS not in dataset.offers
        ),
        "--export comes after the shards: leave --until out, or say --format none if none are"
        " wanted": bool(job.exports and not job.wants("shards")),
        "--data-dir and --dbcollection-strict have a meaning with --export dbcollection or raw256"
        " only": bool((job.data_dir or job.dbcollection_strict) and not of_dbcollection),
        "a split has the folder that the smaller pictures of another go into": (
            job.exported("raw256")
            and any(paths.small_tree(Path(), f).name in folders for f in folders)
        ),
        "no split has classes, which dbcollection and imagefolder need": (
            (of_dbcollection or job.exported("imagefolder"))
            and not any(split.has_classes for split in splits)
        ),
    }
    for what, refused in refusals.items():
        if refused:
            raise UsageError(what)
    if of_dbcollection:
        from pipeline.exports.dbcollection import file as dbcollection  # noqa: PLC0415  (loads HDF5: not for others)

        dbcollection.check_dir(data_folder(job))


def derive(
    job: Job,
    dataset: DataSet,
    table: LabelTable,
    splits: Mapping[str, SplitJob],
    others: Iterable[Product],
) -> tuple[Product, ...]:
    """Return what a job's exports are.

    Args:
        job: the job.
        dataset: its configuration.
        table: its label table.
        splits: its splits.
        others: what it makes besides, at paths without a digest.
    """
    out = Path(job.out)
    labelled = with_classes(splits)
    made: list[Product] = []
    if job.exported("raw256"):
        made += [_small_tree(job, out, name, split) for name, split in labelled.items()]
    if job.exported("dbcollection", "raw256"):
        made += _dbcollection(job, dataset, table, labelled)
    if job.exported("imagefolder"):
        made += _imagefolder(out, table, labelled)
    if job.exported("parquet", "croissant"):
        made.append(_images_table(out, table, splits))
    if job.exported("croissant"):
        made.append(_description(out, dataset, splits, (*others, *made)))
    return tuple(made)


def with_classes(splits: Mapping[str, SplitJob]) -> dict[str, SplitJob]:
    """Return the splits whose images have classes."""
    return {name: split for name, split in splits.items() if split.split.has_classes}


def data_folder(job: Job) -> str:
    """Return the folder that dbcollection is told the images lie in."""
    return job.data_dir or job.out


def image_folder(job: Job, split: SplitJob) -> ImageFolder:
    """Return where in that folder the images of a split lie: in class folders, where nobody knows.

    Raises:
        TreeRefused: two folders could be the split's.
        UsageError: the data folder is there, and none in it is the split's.
    """
    own = split.split.folder
    data_dir = Path(job.data_dir)
    if not job.data_dir or storage.real_folder(data_dir) is None:
        return ImageFolder(own, flat=False)
    folder = split.source.find_in(data_dir)
    if folder is None:
        raise UsageError(
            f"split {split.name}: its images are not in the data folder",
            file=job.data_dir,
            expected=f"a folder {own}",
            remedy="name the folder that holds it with --data-dir, or leave --data-dir out",
        )
    there = data_dir / folder
    flat = split.split.flat and not storage.is_empty(there)
    return ImageFolder(folder, flat and not storage.folders(there, links=True))


def _small_tree(job: Job, out: Path, name: str, split: SplitJob) -> Product:
    """Return a split's tree of smaller images: one that another codec has made is taken as it is.

    Raises:
        EnvironmentRefused: no codec is installed, and the tree was not begun.
    """
    from pipeline.exports.dbcollection import raw256  # noqa: PLC0415  (loads Pillow: not for others)

    def made_by(codec: str, here: str = "") -> Product:
        digest = raw256.digest(split.rows_digest, codec)
        tree = products.small_tree(out, name, split.split.folder, digest)
        return replace(tree, codec=codec, codec_here=here)

    here: str | EnvironmentRefused
    try:
        here = raw256.codec()
    except EnvironmentRefused as error:
        here = error
    standing = claims.mark(out, products.small_tree(out, name, split.split.folder, "").name)
    then = standing.made_of.get("codec", here) if standing else here
    if standing is not None and isinstance(then, str) and then != here:
        other = made_by(then, here if isinstance(here, str) else "no codec")
        replaced = job.replace and claims.finished(out, other) is None
        if other.digest == standing.digest and not replaced:
            return other
    if isinstance(here, EnvironmentRefused):
        raise here
    return made_by(here)


def _dbcollection(
    job: Job, dataset: DataSet, table: LabelTable, splits: Mapping[str, SplitJob]
) -> list[Product]:
    from pipeline.exports.dbcollection import file as dbcollection  # noqa: PLC0415  (loads HDF5: not for others)

    out, devkit_used = Path(job.out), dataset.class_texts
    tasks = [dbcollection.CLASSIFICATION] if job.exported("dbcollection") else []
    tasks += [dbcollection.RAW256] if job.exported("raw256") else []
    lies: list[object] = []
    for split in splits.values():
        at = image_folder(job, split)
        lies.append([split.split.folder, at.folder, at.flat, split.rows_digest])
    shared = {
        "data_dir": data_folder(job),
        "devkit": devkit_used.md5 if devkit_used else None,
        "labels": table.digest,
        "splits": lies,
        "version": dbcollection.VERSION,
    }
    devkit = [name_of(ARCHIVE, variant=devkit_used.file)] if devkit_used else []
    trees = {dbcollection.CLASSIFICATION: "" if job.data_dir else TREE}
    return [
        products.product(
            out,
            f"dbcollection.{task}{'.strict' if strict else ''}",
            digests.digest({**shared, "strict": strict, "task": task}),
            (paths.dbcollection(out, task, strict=strict),),
            needs=[*_catalogs(splits), *devkit, *_trees(trees.get(task, SMALL_TREE), splits)],
        )
        for task in tasks
        for strict in ((False, True) if job.dbcollection_strict else (False,))
    ]


def _trees(kind: str, splits: Iterable[str]) -> list[str]:
    """Return the names of the trees of a kind; "": the images lie elsewhere."""
    return [name_of(kind, name) for name in splits] if kind else []


def _imagefolder(out: Path, table: LabelTable, splits: Mapping[str, SplitJob]) -> list[Product]:
    made = []
    for name, split in splits.items():
        catalog, labels = {"catalog": split.catalog_digest}, _of_labels(table)
        digest = digests.digest({**catalog, **labels, "version": imagefolder.VERSION})
        file = paths.tree_metadata(paths.tree(out, split.split.folder))
        needs = (name_of(CATALOG, name), name_of(TREE, name))
        made.append(products.product(out, "imagefolder", digest, (file,), split=name, needs=needs))
    return made


def _images_table(out: Path, table: LabelTable, splits: Mapping[str, SplitJob]) -> Product:
    rows = [
        [name, split.split.folder, split.catalog_digest, _outputs(split)]
        for name, split in splits.items()
    ]
    digest = digests.digest({**_of_labels(table), "splits": rows, "version": parquet.VERSION})
    needs = (*_catalogs(splits), *_manifests(splits))
    file = paths.images_table(out)
    return products.product(out, "parquet", digest, (file,), needs=needs, described=True)


def _description(
    out: Path, dataset: DataSet, splits: Mapping[str, SplitJob], made: Iterable[Product]
) -> Product:
    described = [product for product in made if product.described]
    digest = digests.digest(
        {
            "dataset": dataset.name,
            "published": dict(dataset.published),
            "outputs": [_outputs(split) for split in splits.values()],
            "products": [[product.name, product.digest] for product in described],
            "version": croissant.VERSION,
        }
    )
    needs = (*(product.name for product in described), *_manifests(splits))
    return products.product(out, "croissant", digest, (paths.croissant(out),), needs=needs)


def _catalogs(splits: Iterable[str]) -> list[str]:
    return [name_of(CATALOG, name) for name in splits]


def _manifests(splits: Mapping[str, SplitJob]) -> list[str]:
    return [
        name_of(MANIFEST, name, output.format)
        for name, split in splits.items()
        for output in split.outputs
    ]


def _of_labels(table: LabelTable) -> dict[str, Any]:
    return {"columns": table.columns, "labels": table.digest}


def _outputs(split: SplitJob) -> list[list[str]]:
    return [[output.format, output.digest] for output in split.outputs]
