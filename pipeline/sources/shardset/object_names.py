"""What the classes of objects are called in columns beside those of the images they are on.

All splits have the same names, so that a reader of several finds the same columns in each.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.catalog.classes import LabelTable
from pipeline.sources.shardset import object_classes
from pipeline.sources.shardset.kept import Found
from pipeline.storage import Location


def of_splits(known: LabelTable, every: Sequence[Found], path: Location) -> tuple[str, ...] | None:
    """Return the names of the classes of objects by their index; see `Defaults.object_names`.

    Args:
        known: the label table of images; without classes: numbers, words or folders are theirs.
        every: what was found in each split.
        path: of the shards.
    """
    kinds = {kind for found in every for kind in found.kinds if kind[0] >= 0}
    if known.class_ids:
        if not object_classes.named_by(known, kinds).refusal:
            return None
    elif all(map(_are_of_images, every)):
        return None
    table = object_classes.table(kinds, path)
    named = {index for index, *names in kinds if any(names)}
    # Those that no object is of, or that stand there as numbers alone, have no name.
    return table.names if len(named) == len(table.class_ids) else ()


def _are_of_images(found: Found) -> bool:
    """Whether the objects of a split are of classes that its images are of, or may be."""
    folders, of_images, others = {name for name, _ in found.counts}, set[int](), set[int]()
    for index, class_id, words in found.kinds:
        is_named = bool(class_id) and found.names[index : index + 1] == (class_id,)
        if index < 0 or words or class_id in folders or is_named:
            of_images.add(index)  # words are those of an image of the same class
        elif class_id:
            return False
        else:
            others.add(index)
    return others <= of_images
