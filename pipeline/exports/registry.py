"""Every export, a line each; nothing else of the program names one."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from pipeline.catalog.image_names import stem_of
from pipeline.exports.annotations import Annotations
from pipeline.exports.attribution import Attribution
from pipeline.exports.base import ANY_PATH, Export
from pipeline.exports.class_tree_export import ClassTree
from pipeline.exports.coco_export import Coco
from pipeline.exports.croissant_export import Croissant
from pipeline.exports.dataset_card import DatasetCard
from pipeline.exports.dbcollection.export import Classification, Raw256
from pipeline.exports.image_list_export import ImageList, LabelTables
from pipeline.exports.imagefolder import ImageFolder
from pipeline.exports.label_map import LabelMap
from pipeline.exports.linked_classes import LinkedClasses
from pipeline.exports.of_objects import ExportOfObjects
from pipeline.exports.parquet_export import Parquet
from pipeline.exports.voc import Voc
from pipeline.exports.yolo import Yolo
from pipeline.exports.yolo_segments import YoloSegments

_BY_NAME: Final = (
    Classification(),
    Raw256(),
    ImageFolder(),
    Coco(),
    Voc(),
    Yolo(),
    YoloSegments(),
    LinkedClasses(),
    LabelMap(),
    Annotations(),
    Attribution(),
    DatasetCard(),
    Parquet(),
    Croissant(),
)
_BY_STEP: Final = (
    ImageList(),
    LabelTables(),
    ClassTree(),
)

EXPORTS: Final[Mapping[str, Export]] = {each.name: each for each in _BY_NAME}
"""Every export of `--export` by its name, in the order of making: each after those it implies."""
LABEL_MAP: Final[Export] = EXPORTS[LabelMap.name]
"""What comes, unasked, with shards whose readers look up what labels mean."""
CARD: Final[Export] = EXPORTS[DatasetCard.name]
"""What comes, unasked, with shards whose readers find the splits by it, and follows these."""
OF_STEPS: Final[Mapping[str, Export]] = {each.name: each for each in _BY_STEP}
"""Every export that a step of a job makes, by its name."""


def every() -> Mapping[str, Export]:
    """Return all exports by their names."""
    return {**EXPORTS, **OF_STEPS}


def trees() -> frozenset[str]:
    """Return the kinds of all trees of class folders that exports make, see `Export.tree`."""
    return frozenset(export.tree for export in every().values() if export.tree)


def asked(names: Collection[str]) -> list[Export]:
    """Return the exports of some names, with those that they imply, in the order of making."""
    implied = {also for name in names if name in EXPORTS for also in EXPORTS[name].implies}
    return [export for name, export in EXPORTS.items() if name in names or name in implied]


def without_meaning(names: Collection[str], given: Collection[str]) -> Iterator[str]:
    """Yield why options that some exports take mean nothing to those that are chosen.

    Args:
        names: of the chosen exports.
        given: options, see `Export.takes`.
    """
    takers: dict[tuple[str, ...], list[str]] = {}
    for option in dict.fromkeys(option for each in EXPORTS.values() for option in each.takes):
        owners = tuple(each.name for each in EXPORTS.values() if option in each.takes)
        takers.setdefault(owners, []).append(option)
    for owners, options in takers.items():
        if not set(given).isdisjoint(options) and set(names).isdisjoint(owners):
            what = f"{' and '.join(options)} {'has' if len(options) == 1 else 'have'} a meaning"
            yield f"{what} with --export {' or '.join(owners)} only"


def check_installed(names: Collection[str]) -> None:
    """Check that what some exports alone need is installed.

    Raises:
        UsageError: it is not.
    """
    for export in asked(names):
        export.check_installed()


def excluding(names: Collection[str]) -> Iterator[str]:
    """Yield why some exports cannot be asked for together."""
    for export in asked(names):
        for other in export.excludes:
            if other in names:
                yield (
                    f"--export {other} and --export {export.name} write files of the same names:"
                    " say one of them, or give each an --out of its own"
                )


def files(folder: str, *, of_boxes: bool = True) -> Iterator[str]:
    """Yield the names of all files that exports can make, and patterns of the small ones.

    Args:
        folder: of a split, see `Export.files`.
        of_boxes: whether those that need boxes count.
    """
    for export in every().values():
        if of_boxes or not export.needs_boxes:
            yield from (*export.files(folder), *export.small_files(folder))


def file_of_image(kind: str, folder: str, name: str) -> str:
    """Return the small file that an export makes of one image alone; "": it makes none.

    Where it makes one in each of several class folders, `ANY_PATH` stands for these.

    Args:
        kind: of what it makes, see `ExportPlan`.
        folder: of a split, see `Export.files`.
        name: of the image below the folder of its split.
    """
    export = _of_kind(kind)
    if isinstance(export, ExportOfObjects):
        return export.file_of_image(folder, stem_of(name))
    return export.file_of_image(folder, name) if isinstance(export, LinkedClasses) else ""


def in_any_class(kind: str, folder: str, file: str, class_ids: Collection[str]) -> str:
    """Return a small file as `file_of_image` calls it; "": it is in the folder of no class.

    Args:
        kind: see `file_of_image`.
        folder: see `file_of_image`.
        file: the path of the small file in the output.
        class_ids: of the classes that may have a folder.
    """
    export = _of_kind(kind)
    if isinstance(export, LinkedClasses):
        return export.in_any_class(folder, file, class_ids)
    return file


def root_of_small_files(kind: str, folder: str) -> str:
    """Return the folder that an export fills with small files for a split; "": it fills none."""
    export = _of_kind(kind)
    patterns = export.small_files(folder) if export else ()
    return next((pattern.partition(ANY_PATH)[0].rstrip("/") for pattern in patterns), "")


def _of_kind(kind: str) -> Export | None:
    """Return the export that calls what it makes so: by its name, as no kind has a hyphen."""
    return next((each for name, each in every().items() if name.replace("-", "") == kind), None)


def folders(*, of_boxes: bool = True) -> frozenset[str]:
    """Return the folders of the output that exports fill and that are no split's; see `files`."""
    marker = "~"
    named = (name.partition("/") for name in files(marker, of_boxes=of_boxes))
    return frozenset(folder for folder, slash, _ in named if slash and folder != marker)
