"""The page of each class: its images in every split."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.quantities import counted
from pipeline.report.gathered import Gathered, GatheredClass, GatheredSplit
from pipeline.report.image_views import image_view
from pipeline.report.view import ClassPage, ClassSplit, Neighbour

_UP = "../../"  # from the page of a class to the folder of the report


def class_pages(gathered: Gathered) -> Iterator[tuple[str, ClassPage]]:
    """Yield the name of the file of each class, and its page."""
    classes = gathered.classes
    for each in classes:
        splits = tuple(_split(gathered, split, each) for split in gathered.splits)
        images = [image for split in splits for image in split.images]
        yield (
            each.page,
            ClassPage(
                name=each.name,
                label=each.label,
                before=_neighbour(classes, each.number - 1),
                after=_neighbour(classes, each.number + 1),
                has_boxes=any(image.boxes for image in images),
                has_masks=any(image.masks for image in images),
                splits=splits,
            ),
        )


def _neighbour(classes: tuple[GatheredClass, ...], number: int) -> Neighbour | None:
    if not 0 <= number < len(classes):
        return None
    return Neighbour(classes[number].name, classes[number].page)


def _split(gathered: Gathered, split: GatheredSplit, each: GatheredClass) -> ClassSplit:
    row = split.classes.get(each.index)
    if row is None:
        why = f"No image of this class is in {split.name}."
        return ClassSplit(split.name, split.number, "0 images", (), why)
    parts = [counted(row["images"], "image")]
    if row["boxes"]:
        parts.append(counted(row["boxes"], "box"))
    if row["repaired"]:
        parts.append(f"{row['repaired']:,} repaired")
    rows = split.rows.get(row["sheet"], [])
    if len(rows) < row["images"]:
        parts.append(f"{len(rows)} shown")
    images = tuple(image_view(gathered, split, each_row, _UP) for each_row in rows)
    return ClassSplit(split.name, split.number, ", ".join(parts), images, "None is shown.")
