"""What follows from a job for its exports: what they are told, what they refuse, what they make."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import paths, storage
from pipeline.catalog.classes import LabelTable
from pipeline.errors import EnvironmentRefused, UsageError
from pipeline.exports import registry
from pipeline.exports.base import (
    DATA_DIR,
    STRICT,
    Described,
    Export,
    ExportPlan,
    Need,
    SetView,
    ShardSet,
    SplitView,
    TreeOfImages,
    What,
)
from pipeline.job import products
from pipeline.job.artifacts import (
    ARCHIVE,
    CATALOG,
    CHANGED_TREE,
    EXPORT,
    MANIFEST,
    Product,
    name_of,
)
from pipeline.job.options import FORMATS, Job
from pipeline.job.split import SplitJob
from pipeline.sources.data_set import DataSet
from pipeline.state import claims

if TYPE_CHECKING:
    from pipeline.job.resolve import ResolvedJob


def check(job: Job, dataset: DataSet, names: Iterable[str]) -> None:
    """Check that a job's exports can be made.

    Raises:
        UsageError: they cannot.
    """
    splits = [dataset.splits[name] for name in names]
    given = {DATA_DIR: bool(job.data_dir), STRICT: job.dbcollection_strict}
    of_classes = [each.name for each in registry.asked(job.exports) if each.needs_classes]
    refusals = {
        "--export comes after the shards: leave --until out, or say --format none if none are"
        " wanted": bool(job.exports and not job.wants("shards")),
        **dict.fromkeys(
            registry.without_meaning(job.exports, [name for name, said in given.items() if said]),
            True,
        ),
        f"no split has classes, which --export {' and '.join(of_classes)} needs": (
            bool(of_classes) and not any(split.has_classes for split in splits)
        ),
    }
    for what, refused in refusals.items():
        if refused:
            raise UsageError(what)


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

    Raises:
        UsageError: one cannot be made of these images.
    """
    asked = registry.asked(job.exports)
    check_class_folders(job, splits.values(), asked)
    data = view(job, dataset, table, splits, others)
    trees, files = list[Product](), list[Product]()
    for export in asked:
        for what in export.refusals(data):
            raise UsageError(what)
        made = replace(data, described=(*data.described, *_described((*trees, *files))))
        for plan in export.plan(made):
            product = _product(job, export, plan, dataset, splits)
            (trees if product.tree else files).append(product)
    return (*trees, *files)


def check_class_folders(job: Job, splits: Iterable[SplitJob], asked: Iterable[Export]) -> None:
    """Check that images can lie in class folders, where these are to be made or to be named.

    Raises:
        UsageError: they cannot; or the folders would lie where the images are read from.
    """
    if not job.wants("extract") and not any(export.needs_classes for export in asked):
        return
    for split in splits:
        split.source.check_class_folders()
        if job.images:
            _check_folder(job, split)


def _check_folder(job: Job, split: SplitJob) -> None:
    """Check that the class folders of a list or folder lie in a folder of their own."""
    name = split.split.folder
    if name in taken_names():
        raise UsageError(
            f"class folders cannot lie in {name}, which is a folder of this program's own",
            file=str(Path(job.out) / name),
            remedy="give another name with --name",
        )
    read, out = storage.real_folder(Path(job.images)), Path(job.out)
    inside = read is not None and storage.is_within(out / name, read)
    if read is not None and (inside or storage.same_folder(out / name, read)):
        raise UsageError(
            "the class folders would lie in the folder that is read",
            file=str(out / name),
            expected=f"a folder outside of {read}",
            remedy="choose another --out",
        )


def view(
    job: Job,
    dataset: DataSet,
    table: LabelTable,
    splits: Mapping[str, SplitJob],
    others: Iterable[Product] = (),
) -> SetView:
    """Return what exports are told of a job."""
    texts = dataset.class_texts
    return SetView(
        name=dataset.name,
        out=Path(job.out),
        published=dataset.published,
        table=table,
        splits={name: _split_view(Path(job.out), split) for name, split in splits.items()},
        class_texts=texts.md5 if texts else "",
        data_dir=job.data_dir,
        strict=job.dbcollection_strict,
        max_pixels=job.image.max_pixels,
        described=_described(others),
    )


def view_of(resolved: ResolvedJob) -> SetView:
    """Return what exports are told of a resolved job, when they are made."""
    return view(resolved.job, resolved.dataset, resolved.table, resolved.splits, resolved.products)


def _split_view(out: Path, split: SplitJob) -> SplitView:
    return SplitView(
        name=split.name,
        folder=split.split.folder,
        flat=split.split.flat,
        has_classes=bool(split.class_counts),
        counts=split.class_counts or split.expected.counts,
        class_names=split.source.class_names,
        images=split.expected.images,
        rows_digest=split.rows_digest,
        images_digest=split.images_digest,
        catalog=paths.catalog(out, split.name, split.catalog_digest),
        shards=tuple(
            ShardSet(
                format=output.format,
                digest=output.digest,
                folder=output.folder,
                exported_as=output.exported_as,
                images=output.form.image,
            )
            for output in split.outputs
        ),
        find_in=split.source.find_in,
    )


def _described(made: Iterable[Product]) -> tuple[Described, ...]:
    return tuple(
        Described(name=each.name, digest=each.digest, files=each.files)
        for each in made
        if each.described
    )


def _product(
    job: Job, export: Export, plan: ExportPlan, dataset: DataSet, splits: Mapping[str, SplitJob]
) -> Product:
    """Return a plan as a product."""
    out = Path(job.out)
    if plan.tree is None:
        needs = [name for need in plan.needs for name in _names(need, dataset, splits)]
        product = products.product(
            *(out, plan.kind, plan.digest, plan.files),
            needs=needs,
            split=plan.split,
            described=plan.described,
        )
        return replace(product, export=export.name, plan=plan, parts=export.parts, maker=EXPORT)
    (folder,) = plan.files
    tree = products.tree_product(out, plan.kind, plan.split, folder, "", step=plan.tree.step)
    return _by_codec(
        job,
        replace(tree, export=export.name, plan=plan, parts=export.parts, maker=CHANGED_TREE),
        plan.tree,
    )


def _names(need: Need, dataset: DataSet, splits: Mapping[str, SplitJob]) -> list[str]:
    """Return the names of the artifacts that something which an export needs consists of."""
    if need.what is What.CATALOG:
        return [name_of(CATALOG, need.name)]
    if need.what is What.CLASS_TEXTS:
        texts = dataset.class_texts
        return [name_of(ARCHIVE, variant=texts.file)] if texts else []
    if need.what is What.ARTIFACT:
        return [need.name]
    outputs = splits[need.name].outputs
    return [name_of(MANIFEST, need.name, output.format) for output in outputs]


def _by_codec(job: Job, product: Product, tree: TreeOfImages) -> Product:
    """Return a tree of changed images: one that another codec has made is taken as it is.

    Raises:
        EnvironmentRefused: no codec is installed, and the tree was not begun.
    """
    out = Path(job.out)

    def made_by(codec: str, here: str = "") -> Product:
        return replace(product, digest=tree.digest(codec), codec=codec, codec_here=here)

    here: str | EnvironmentRefused
    try:
        here = tree.codec()
    except EnvironmentRefused as error:
        here = error
    standing = claims.mark(out, product.name)
    then = standing.made_of.get("codec", here) if standing else here
    if standing is not None and isinstance(then, str) and then != here:
        other = made_by(then, here if isinstance(here, str) else "no codec")
        replaced = job.replace and claims.finished(out, other) is None
        if other.digest == standing.digest and not replaced:
            return other
    if isinstance(here, EnvironmentRefused):
        raise here
    return made_by(here)


def taken_names() -> frozenset[str]:
    """Return the names in an output folder that no folder of a split may have."""
    return frozenset({paths.LISTS, *FORMATS}) | registry.folders()


def dead_paths(out: Path) -> Iterator[str]:
    """Yield warnings of paths in an output's exports that lead nowhere."""
    for export in registry.EXPORTS.values():
        yield from export.dead_paths(out)
