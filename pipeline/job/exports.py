"""What follows from a job for its exports: what they refuse, and what they make."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from pipeline import paths, storage
from pipeline.catalog.classes import LabelTable
from pipeline.errors import EnvironmentRefused, UsageError
from pipeline.exports import registry
from pipeline.exports.base import (
    DATA_DIR,
    STRICT,
    Export,
    ExportPlan,
    Need,
    SetView,
    What,
)
from pipeline.exports.tree import ChangedImages
from pipeline.job import set_view
from pipeline.job.artifacts import (
    ARCHIVE,
    CATALOG,
    EXPORT,
    INPUTS,
    MANIFEST,
    Product,
    name_of,
    product,
    tree_product,
)
from pipeline.job.options import FORMATS, Job
from pipeline.job.split import SplitJob
from pipeline.report import places
from pipeline.sources.data_set import DataSet
from pipeline.state import claims
from pipeline.storage import Location

_STEP: Final = "exports"
"""What reports call the making of an export that `--export` asks for."""


def check(job: Job, dataset: DataSet, names: Iterable[str]) -> None:
    """Check that a job's exports can be made.

    Raises:
        UsageError: they cannot.
    """
    splits = [dataset.splits[name] for name in names]
    given = {DATA_DIR: bool(job.data_dir), STRICT: job.dbcollection_strict}
    of_classes = [each.name for each in registry.asked(job.exports) if each.needs_classes]
    of_masks = [each.name for each in registry.asked(job.exports) if each.needs_masks]
    refusals = {
        "--export comes after the shards: leave --until out, or say --format none if none are"
        " wanted": bool(job.exports) and not job.wants("plan", "shards"),
        **dict.fromkeys(
            registry.without_meaning(job.exports, [name for name, said in given.items() if said]),
            True,
        ),
        **dict.fromkeys(registry.excluding(job.exports), True),
        f"--export {' and '.join(of_masks)} needs masks, and none are asked for or there are none:"
        " say --masks where there are some": bool(of_masks) and not dataset.reads_masks,
        f"no split has classes, which --export {' and '.join(of_classes)} needs": (
            bool(of_classes) and not any(split.has_classes for split in splits)
        ),
    }
    for what, refused in refusals.items():
        if refused:
            raise UsageError(what)


def check_installed(job: Job) -> None:
    """Check that what only a job's exports need is installed.

    Raises:
        UsageError: it is not.
    """
    registry.check_installed(job.exports)


def of_steps(
    job: Job, dataset: DataSet, table: LabelTable, splits: Mapping[str, SplitJob]
) -> tuple[Product, ...]:
    """Return what the exports are that the steps of a job make."""
    exports = [each for each in registry.OF_STEPS.values() if job.wants(each.step)]
    if not exports:
        return ()
    data = set_view.view(job, dataset, table, splits)
    return tuple(
        _product(job, export, plan, dataset, splits)
        for export in exports
        for plan in export.plan(data)
    )


def derive(
    job: Job,
    dataset: DataSet,
    table: LabelTable,
    splits: Mapping[str, SplitJob],
    others: Iterable[Product],
) -> tuple[Product, ...]:
    """Return what the exports are that a job asks for by their names, or that its shards need.

    They come after the shards: a job that does not get to those has none.

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
    data = set_view.view(job, dataset, table, splits, others)
    trees, files = list[Product](), list[Product]()
    for export in _with_needed(job, data, splits.values()):
        for what in export.refusals(data):
            raise UsageError(what)
        made = replace(data, described=(*data.described, *set_view.described_by((*trees, *files))))
        for plan in export.plan(made):
            one = _product(job, export, plan, dataset, splits)
            (trees if one.tree else files).append(one)
    return (*trees, *files) if job.wants("shards") else ()


def _with_needed(job: Job, data: SetView, splits: Iterable[SplitJob]) -> list[Export]:
    """Return the exports that a job asks for, and the label map and card that its shards need.

    These are left out where they cannot be made, unless they are asked for by their names.
    """
    forms = (
        [output.form for split in splits for output in split.outputs] if job.wants("shards") else []
    )
    needed = (
        [registry.LABEL_MAP] if any(form.label_map_offset is not None for form in forms) else []
    )
    needed += [registry.CARD] if any(form.features for form in forms) else []
    possible = [export.name for export in needed if not any(export.refusals(data))]
    return registry.asked((*job.exports, *possible))


def check_class_folders(job: Job, splits: Iterable[SplitJob], asked: Iterable[Export]) -> None:
    """Check that images can lie in class folders, where these are to be made or to be named.

    Raises:
        UsageError: they cannot; or the folders would lie where the images are read from.
    """
    if not job.wants("extract") and not any(export.needs_classes for export in asked):
        return
    for split in splits:
        split.source.check_class_folders()
        if job.is_listed:
            _check_folder(job, split)


def _check_folder(job: Job, split: SplitJob) -> None:
    """Check that the class folders of a list or folder lie in a folder of their own."""
    name = split.split.folder
    if name in taken_names(of_boxes=split.source.has_boxes):
        raise UsageError(
            f"class folders cannot lie in {name}, which is a folder of this program's own",
            file=str(job.folder / name),
            remedy="give another name with --name",
        )
    read, out = storage.real_folder(storage.parse(job.images)), job.folder
    inside = read is not None and storage.is_within(out / name, read)
    if read is not None and (inside or storage.same_folder(out / name, read)):
        raise UsageError(
            "the class folders would lie in the folder that is read",
            file=str(out / name),
            expected=f"a folder outside of {read}",
            remedy="choose another --out",
        )


def _product(
    job: Job, export: Export, plan: ExportPlan, dataset: DataSet, splits: Mapping[str, SplitJob]
) -> Product:
    """Return a plan as a product: a tree that is made in groups, or files."""
    out = job.folder
    if plan.tree is None:
        needs = [name for need in plan.needs for name in _names(need, job, dataset, splits)]
        files = product(
            *(out, plan.kind, plan.digest, plan.files),
            needs=needs or (INPUTS,),
            step=export.step or _STEP,
            split=plan.split,
            described=plan.described,
        )
        return replace(
            files,
            maker=EXPORT,
            export=export.name,
            plan=plan,
            parts=export.parts,
            succeeds=export is registry.CARD,  # it says what `current` points to, and follows it
        )
    if plan.kind != export.tree:
        raise ValueError(f"{export.name} makes trees of the kind {export.tree!r}: {plan.kind!r}")
    (folder,) = plan.files
    tree = tree_product(out, plan.kind, plan.split, folder, plan.digest, plan.tree)
    tree = replace(tree, export=export.name, plan=plan, parts=export.parts)
    if plan.tree.changed:
        return _by_codec(job, tree, plan.tree.changed)
    return replace(tree, in_place=_in_place(splits[plan.split], tree))


def _in_place(split: SplitJob, made: Product) -> bool:
    """Whether the tree to be made is the one that is read."""
    tree = split.source.tree
    return tree is not None and storage.same_folder(tree, made.files[0])


def _names(need: Need, job: Job, dataset: DataSet, splits: Mapping[str, SplitJob]) -> list[str]:
    """Return the names of the artifacts that something which an export needs consists of."""
    if need.what is What.CATALOG:
        return [name_of(CATALOG, need.name)]
    if need.what is What.CLASS_TEXTS:
        texts = dataset.class_texts
        return [name_of(ARCHIVE, variant=texts.file)] if texts else []
    if need.what is What.ARTIFACT:
        return [need.name]
    if need.what is What.LEFT_OUT and (job.on_bad_image != "skip" or not job.wants("shards")):
        return []  # no image can be left out
    outputs = splits[need.name].outputs
    return [name_of(MANIFEST, need.name, output.format) for output in outputs]


def _by_codec(job: Job, tree: Product, changed: ChangedImages) -> Product:
    """Return a tree of changed images: one that another codec has made is taken as it is.

    Raises:
        EnvironmentRefused: no codec is installed, and the tree was not begun.
    """
    out = job.folder

    def made_by(codec: str, here: str = "") -> Product:
        return replace(tree, digest=changed.digest(codec), codec=codec, codec_here=here)

    here: str | EnvironmentRefused
    try:
        here = changed.codec()
    except EnvironmentRefused as error:
        here = error
    standing = claims.mark(out, tree.name)
    then = standing.made_of.get("codec", here) if standing else here
    if standing is not None and isinstance(then, str) and then != here:
        other = made_by(then, here if isinstance(here, str) else "no codec")
        replaced = job.replace and claims.finished(out, other) is None
        if other.digest == standing.digest and not replaced:
            return other
    if isinstance(here, EnvironmentRefused):
        raise here
    return made_by(here)


def taken_names(*, of_boxes: bool = True) -> frozenset[str]:
    """Return the names in an output folder that no folder of a split may have.

    Args:
        of_boxes: whether the split has boxes, and so can have the exports that need them.
    """
    return frozenset({paths.LISTS, places.FOLDER, *FORMATS}) | registry.folders(of_boxes=of_boxes)


def dead_paths(out: Location) -> Iterator[str]:
    """Yield warnings of paths in an output's exports that lead nowhere."""
    for export in registry.every().values():
        yield from export.dead_paths(out)
