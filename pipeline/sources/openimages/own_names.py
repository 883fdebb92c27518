"""How everything is called that Open Images leaves in an output folder, for what may be removed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pipeline.sources.kept_files import Placeholders
from pipeline.sources.openimages import places
from pipeline.storage import with_suffix

FOLDERS: Final = ("images", "masks", "masks_image_size", "csv", "failures")
"""The folders of an output in which nothing but what is spelled here is this program's."""

DOWNLOADS: Final = ("raw",)
"""The folders that published files are fetched into, where no other place is named."""


def own_names(out: Path, like: Placeholders) -> Iterator[Path]:
    """Yield the path of each kind of file, with placeholders in the place of what varies."""
    split, name = like.split, like.name
    yield places.image(out, split, name)
    mask = f"{name}.png"
    yield from (places.mask(out, split, mask), places.sized_masks(out, split) / mask)
    yield from (places.failures(out, split), places.failure_list(out, split))
    yield places.id_list(out, split, name)
    yield from (places.mask_rows(out, split, name), places.box_rows(out, split, name))
    yield from _of_state(out, like)


def _of_state(out: Path, like: Placeholders) -> Iterator[Path]:
    split, name, digest = like.split, like.name, like.digest
    yield from (places.published_mark(out, name), places.request(out, digest))
    place = out, split, digest
    tables = (places.selected_images, places.selected_objects, places.selected_labels)
    yield from (spell(*place) for spell in tables)
    yield from (places.selection_mark(*place), places.selection(*place))
    yield from (places.recipe_mark(out, split, name), places.failures_mark(out, split))
    index = places.mask_index(out, name)
    yield from (index, with_suffix(index, ".json"))
    of_masks = places.mask_table(*place, name), places.sized_mask_table(*place, name)
    for table in (*of_masks, places.image_table(*place, like.number)):
        yield from (table, with_suffix(table, ".json"), table.parent)
