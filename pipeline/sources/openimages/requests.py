"""From the options of a job to what is selected of each split: nothing but small files is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from pipeline.annotations.openimages import classes, hierarchy
from pipeline.annotations.openimages.classes import ClassNames
from pipeline.documents.openimages import SelectionMark
from pipeline.errors import InputRefused, UsageError, abbreviate
from pipeline.job.selection_options import SelectionOptions
from pipeline.sources.openimages import text_lists
from pipeline.sources.openimages.config import OpenImagesConfig, SplitFiles, Version
from pipeline.sources.openimages.file_table import PublishedFile
from pipeline.sources.openimages.selecting.chosen import Chosen
from pipeline.sources.openimages.selecting.class_choice import ClassFiles, choose
from pipeline.sources.openimages.selecting.selection import CsvFile, RowOptions, Selection

Locate = Callable[[PublishedFile], CsvFile]
"""Says where a published file lies on this machine, and its MD5, pinned or recorded."""

KINDS: Final = ("boxes", "masks", "labels")
"""The kinds of CSV files of annotations."""


def csv_kinds(options: SelectionOptions) -> tuple[str, ...]:
    """Return which CSV files of annotations a request reads, of `KINDS`."""
    read = {
        "boxes": options.boxes or options.by == "boxes",
        "masks": options.masks or options.by == "masks",
        "labels": options.image_labels or options.by == "labels" or options.negatives > 0,
    }
    return tuple(kind for kind in KINDS if read[kind])


def class_files(options: SelectionOptions, version: Version) -> tuple[PublishedFile, ...]:
    """Return which files of classes a request reads."""
    files = [version.classes]
    if needs_hierarchy(options):
        files.append(version.hierarchy)
    if options.by == "masks":
        files.append(version.segmentation_classes)
    return tuple(files)


def needs_hierarchy(options: SelectionOptions) -> bool:
    """Whether a request asks which classes are kinds of which."""
    return options.with_subclasses or options.merge_subclasses


def chosen_classes(options: SelectionOptions, version: Version, locate: Locate) -> Chosen:
    """Return the label table of a request.

    Raises:
        UsageError: a class is unknown or ambiguous, or the choice cannot be met.
        BadAnnotation: a file of classes is none.
    """
    below = hierarchy.read(locate(version.hierarchy).path) if needs_hierarchy(options) else None
    with_masks = (
        classes.read_mids(locate(version.segmentation_classes).path)
        if options.by == "masks"
        else None
    )
    names = classes.read(locate(version.classes).path)
    return choose(options, ClassFiles(names, below, with_masks))


def selections(
    options: SelectionOptions,
    seed: int,
    splits: Sequence[str],
    config: OpenImagesConfig,
    locate: Locate,
) -> dict[str, Selection]:
    """Return what is selected of each split, whose digest is known before a row is read.

    Args:
        options: what is asked for.
        seed: of the hash by which images are chosen where not all are.
        splits: their names; none: all that the configuration has.
        config: the published files.
        locate: says where they lie; it is asked for those of `csv_kinds` and `class_files` only.

    Raises:
        UsageError: the classes or splits cannot be had.
        InputRefused: a file that a person gives, or one of classes, is not what it should be.
    """
    chosen = chosen_classes(options, config.version(options.version), locate)
    ids = text_lists.images(Path(options.ids)) if options.ids else None
    names = list(splits or config.splits)
    return {
        name: Selection(
            name,
            chosen,
            row_options(options, seed),
            **_csv_files(options, config.split(name), config, locate),
            ids=None if ids is None else frozenset(ids.get(name, ())),
        )
        for name in names
    }


def row_options(options: SelectionOptions, seed: int) -> RowOptions:
    """Return what of a request chooses rows.

    The seed decides nothing where all images are taken, and is not in the digest then.
    """
    kinds = csv_kinds(options)
    chooses = options.limit is not None or options.negatives
    return RowOptions(
        by=options.by,
        boxes="boxes" in kinds,
        masks="masks" in kinds,
        image_labels=options.image_labels,
        all_objects=options.all_objects,
        negatives=options.negatives,
        limit=options.limit,
        seed=seed if chooses else 0,
        drop_boxes=_flags(options.drop_boxes),
        drop_images=_flags(options.drop_images),
    )


def check_any(
    marks: Mapping[str, SelectionMark], options: SelectionOptions, names: ClassNames | None = None
) -> None:
    """Check that an image is selected in at least one split.

    Args:
        marks: of all splits.
        options: what was asked for.
        names: of all classes, to propose others; None: they are not known any more.

    Raises:
        UsageError: in none.
    """
    if any(mark.images for mark in marks.values()):
        return
    chosen = {each.mid: each.name for mark in marks.values() for each in mark.classes}
    given = {
        "--by": options.by,
        "--drop-boxes": ",".join(options.drop_boxes),
        "--drop-images": ",".join(options.drop_images),
        "--ids": options.ids,
    }
    used = ", ".join(f"{flag} {value}" for flag, value in given.items() if value)
    asked = abbreviate(f"{name} ({mid})" for mid, name in sorted(chosen.items()))
    raise UsageError(
        "no image is selected",
        expected="an image of a chosen class in at least one split" + _near(chosen, names),
        found=f"none of {asked} in {abbreviate(marks)}, with {used}",
        remedy="choose other classes, or --with-subclasses: objects are annotated as the most"
        " special class that fits; `shardmill classes NAME --counts` says what there is",
    )


def _near(chosen: Mapping[str, str], names: ClassNames | None) -> str:
    """Return in words which classes are called like those that were chosen."""
    if names is None:
        return ""
    near = dict.fromkeys(mid for name in chosen.values() for mid in names.near(name))
    others = [mid for mid in near if mid not in chosen]
    return f"; called nearly so: {names.described(others)}" if others else ""


def _flags(given: Sequence[str]) -> tuple[str, ...]:
    """Return flags as the tables call them."""
    return tuple(sorted({flag.replace("-", "_") for flag in given}))


def _csv_files(
    options: SelectionOptions, split: SplitFiles, config: OpenImagesConfig, locate: Locate
) -> dict[str, CsvFile]:
    files = {kind: getattr(split, kind) for kind in csv_kinds(options)}
    if missing := [kind for kind, file in files.items() if file is None]:
        raise InputRefused(
            f"the configuration names no file of {missing[0]} for the split {split.name}",
            file=str(config.path),
            place=f"[splits.{split.name}]",
            expected=f'{missing[0]} = "..."',
            found="nothing",
        )
    return {kind: locate(file) for kind, file in files.items() if file is not None}
