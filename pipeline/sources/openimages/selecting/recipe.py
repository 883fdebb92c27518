"""The lists and CSV files of the manual recipe, for each class of what is selected of a split.

They lie where no digest is in the path, and say what the command that ran last has selected: a
mark for each class says of which selection its files are.

Each CSV file is read once more for them. Which images are selected is known only when all files
were read, so to take the rows along would mean to keep aside those of all images, as many bytes
as the files themselves can have, and they are asked for in runs that select nothing, too: where
one class is missing, or an earlier command had another selection.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline import manifest
from pipeline.annotations.openimages import columns, row_texts
from pipeline.annotations.openimages.choice import Choice
from pipeline.annotations.openimages.columns import Kind
from pipeline.annotations.openimages.records import Records
from pipeline.annotations.openimages.row_texts import TextBatch
from pipeline.documents.openimages import RecipeMark
from pipeline.errors import TransientError
from pipeline.sources.openimages import ids as imageids
from pipeline.sources.openimages import places, tables
from pipeline.sources.openimages.selecting.chosen import Chosen, ChosenClass
from pipeline.sources.openimages.selecting.recipe_files import FirstSeen, RecipeFiles, write_list
from pipeline.sources.openimages.selecting.selection import Selection
from pipeline.storage import Location, StagedFile

MOST_CLASSES: Final = 50
"""For more classes than these, the files are written only where they are asked for."""

_ROWS: Final = {"boxes": places.box_rows, "masks": places.mask_rows}
_AT_ONCE: Final = 128  # classes, of which each has open files


def is_wanted(chosen: Chosen, *, asked: bool) -> bool:
    """Whether the files are written: they are asked for, or the classes are few."""
    return asked or len(chosen.selected_for) <= MOST_CLASSES


def complete(out: Location, selection: Selection) -> tuple[RecipeMark, ...] | None:
    """Return the marks of all classes; None: some files are missing, or are of another selection.

    Args:
        out: the output folder.
        selection: of a split.
    """
    marks = [_mark(out, selection, each) for each in selection.chosen.selected_for]
    return tuple(mark for mark in marks if mark is not None) if all(marks) else None


def write(out: Location, selection: Selection) -> tuple[RecipeMark, ...]:
    """Write the files of all classes of a split, unless they are there; return their marks.

    The rows are those of the chosen classes on the selected images, without boxes that are
    dropped. A class that has none gets files without rows. What an earlier selection has written
    is replaced.

    Args:
        out: the output folder.
        selection: of a split; its tables are there.

    Raises:
        InputRefused: a CSV file is not what it should be.
        OutputDamaged: a table is not what was written.
        TransientError: another command writes those of another selection meanwhile.
    """
    missing = [
        each for each in selection.chosen.selected_for if _mark(out, selection, each) is None
    ]
    if missing:
        table = places.selected_images(out, selection.split, selection.digest)
        parts = tables.read(table, tables.IMAGES, ["image_id"])
        images = np.concatenate([np.zeros(0, np.uint64), *map(_numbers, parts)])
        for start in range(0, len(missing), _AT_ONCE):
            _write_some(out, selection, missing[start : start + _AT_ONCE], images)
    marks = complete(out, selection)
    if marks is None:
        raise TransientError(
            "another command writes lists and rows of another selection at the same time",
            file=str(places.recipe_mark(out, selection.split, missing[0].mid)),
            remedy="run the same command again, when the other one has ended",
        )
    return marks


def _mark(out: Location, selection: Selection, of: ChosenClass) -> RecipeMark | None:
    path = places.recipe_mark(out, selection.split, of.mid)
    mark = manifest.read_complete(path, out, RecipeMark)
    return mark if mark is not None and mark.selection == selection.digest else None


def _numbers(part: pa.Table) -> NDArray[np.uint64]:
    return imageids.numbers(part["image_id"])


def _write_some(
    out: Location, selection: Selection, classes: Sequence[ChosenClass], images: NDArray[np.uint64]
) -> None:
    """Write the files of some classes, in one pass of each CSV file."""
    split, options = selection.split, selection.options
    seen = [FirstSeen() for _ in classes]
    staged = [list[StagedFile]() for _ in classes]
    members = {mid: place for place, each in enumerate(classes) for mid in each.members}
    with ExitStack() as stack:
        for name, path in _passes(selection):
            place = _ROWS.get(name)
            targets = [place(out, split, each.mid) if place else None for each in classes]
            choice = Choice(frozenset(mid.encode() for mid in members), images)
            kind = _kind(name, options.drop_boxes)
            header = Records(path, kind).header
            files = stack.enter_context(RecipeFiles(header, members, targets))
            for batch in row_texts.read(path, kind, choice):
                files.add(batch, _kept(batch, options.drop_boxes))
            if name == options.by:
                seen = files.images
            for of_class, file in zip(staged, files.files, strict=False):
                of_class.append(file)
        for each, of_class, listed in zip(classes, staged, seen, strict=True):
            id_list = write_list(places.id_list(out, split, each.mid), split, listed)
            stack.enter_context(id_list)
            document = {"split": split, "selection": selection.digest, "mid": each.mid}
            manifest.publish(
                [id_list, *of_class],
                places.recipe_mark(out, split, each.mid),
                out,
                document | {"images": len(listed)},
                superseding=True,
            )


def _passes(selection: Selection) -> Iterator[tuple[str, Location]]:
    """Yield the kind and path of each CSV file that rows or images are taken from."""
    for name, file in selection.files.items():
        if name in _ROWS or name == selection.options.by:
            yield name, file.path


def _kind(name: str, drop: Sequence[str]) -> Kind:
    """Return what a file is read as: all of it was checked when it was selected from."""
    if name == "labels":
        return columns.SURE_ROWS
    flags = [columns.BOXES.column(flag) for flag in drop] if name == "boxes" else []
    return Kind(columns.ROWS.noun, (*columns.ROWS.columns, *flags))


def _kept(batch: TextBatch, drop: Sequence[str]) -> NDArray[np.bool_]:
    """Return (n,): which rows are of something that is there and not dropped."""
    kept = np.ones(len(batch), np.bool_)
    for flag in drop:
        if flag in batch.texts:
            kept &= np.array([int(text) != 1 for text in batch.texts[flag]], np.bool_)
    if "confidence" in batch.texts:
        kept &= np.array([float(text) > 0 for text in batch.texts["confidence"]], np.bool_)
    return kept
