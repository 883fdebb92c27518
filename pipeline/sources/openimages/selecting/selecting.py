"""Selects the images and objects of a split: one pass over each CSV file, then bucket by bucket.

The rows of the chosen classes are spilled by ImageID. The buckets are read twice: to know which
images are selected, which a limit decides for all of them together, and to write the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Final

import msgspec
import numpy as np
import pyarrow as pa

from pipeline import manifest, storage
from pipeline.annotations.openimages import rows
from pipeline.documents.openimages import SelectionMark
from pipeline.manifest import Document
from pipeline.sources.openimages import ids, places, tables
from pipeline.sources.openimages.ids import Numbers
from pipeline.sources.openimages.selecting import spilled
from pipeline.sources.openimages.selecting.bucket import Bucket, Pairs, Rules
from pipeline.sources.openimages.selecting.limits import All, Least
from pipeline.sources.openimages.selecting.objects import Names, Selected
from pipeline.sources.openimages.selecting.selected_counts import Counts
from pipeline.sources.openimages.selecting.selection import CsvFile, Selection, complete
from pipeline.sources.openimages.selecting.spilled import Spill, Words
from pipeline.storage import Location

OBJECTS_AT_ONCE: Final = 1 << 14
"""How many rows a row group of objects or labels has, about: whole images."""

Tell = Callable[[int], object]
"""Is told how many bytes of all CSV files were read; see `bytes_of`."""

_READERS: Final = {
    "boxes": (rows.read_boxes, spilled.BOXES),
    "masks": (rows.read_masks, spilled.MASKS),
    "labels": (rows.read_labels, spilled.LABELS),
}


def select(out: Location, selection: Selection, tell: Tell | None = None) -> SelectionMark:
    """Select the images and objects of a split, in one pass of each CSV file.

    Does nothing where the selection is there already.

    Args:
        out: the output folder.
        selection: what is wanted.
        tell: is told time and again how many bytes of the files were read.

    Raises:
        BadAnnotation: a CSV file is not what it should be; the error has file and line.
    """
    split, digest = selection.split, selection.digest
    mark = complete(out, split, digest)
    if mark is not None:
        return mark
    with ExitStack() as stack:
        staged, document = _selected(out, _selecting(out, selection, tell, stack), stack)
        manifest.publish(staged, places.selection_mark(out, split, digest), out, document)
    return manifest.read(places.selection_mark(out, split, digest), SelectionMark)


def survey(selection: Selection) -> tuple[SelectionMark, Numbers]:
    """Return what `select` would say of a selection, and its images; nothing of it is kept.

    Returns:
        The mark as it would be; (n,) ImageIDs, ascending.

    Raises:
        BadAnnotation: see `select`.
    """
    with ExitStack() as stack:
        work = _selecting(storage.scratch_folder(), selection, None, stack)
        _, document = _selected(storage.scratch_folder(), work, stack)
    return msgspec.convert({**document, "files": []}, SelectionMark), work.chosen


def _selecting(out: Location, selection: Selection, tell: Tell | None, stack: ExitStack) -> _Work:
    """Read the rows, and decide which images are selected; the stack removes what is spilled."""
    folder = places.selection(out, selection.split, selection.digest)
    _sweep(folder)
    work = _Work(selection, folder, stack)
    work.spill(tell)
    work.choose()
    return work


def _selected(
    out: Location, work: _Work, stack: ExitStack
) -> tuple[list[storage.StagedFile], Document]:
    """Return the tables of a selection, staged until the stack ends, and what its mark says."""
    selection = work.selection
    split, digest = selection.split, selection.digest
    paths = [
        places.selected_images(out, split, digest),
        places.selected_objects(out, split, digest),
    ]
    if selection.options.image_labels:
        paths.append(places.selected_labels(out, split, digest))
    staged = [stack.enter_context(storage.StagedFile(path)) for path in paths]
    work.write(staged)
    return staged, {"digest": digest, "split": split, **work.counts.document()}


def bytes_of(selection: Selection) -> int:
    """Return how many bytes the CSV files of a selection have together."""
    return sum(map(_size, selection.files.values()))


def _size(file: CsvFile) -> int:
    info = storage.stat(file.path)
    return 0 if info is None else info.size


def _tell_on(tell: Tell, before: int, done: int) -> None:
    """Tell how far reading is, of files before this one and of this."""
    tell(before + done)


def _sweep(folder: Location) -> None:
    """Remove the rows that a process has left spilled which was killed while it selected this."""
    for temp in storage.temp_files(folder):
        if temp.owner_gone:
            storage.remove_temp(temp, storage.plan_files(folder, [temp.path]))


class _Work:
    """The selecting of a split.

    Args:
        selection: what is wanted.
        folder: where temporary files lie.
        stack: removes them.
    """

    def __init__(self, selection: Selection, folder: Location, stack: ExitStack) -> None:
        self.selection = selection
        self._words = {"label": Words(sorted(selection.chosen.indexes)), "source": Words()}
        self._files = selection.files
        self._buckets = spilled.bucket_count(bytes_of(selection))
        self._spills = {
            kind: stack.enter_context(
                Spill(folder / kind, _READERS[kind][1], self._words, self._buckets)
            )
            for kind in self._files
        }
        self.chosen = np.empty(0, np.uint64)
        self.counts = Counts(selection)

    def spill(self, tell: Tell | None) -> None:
        """Read the rows of all files."""
        options, chosen = self.selection.options, self.selection.chosen
        labels = None if options.all_objects else frozenset(map(str.encode, chosen.indexes))
        before = 0
        for kind, file in self._files.items():
            tell_on = None if tell is None else partial(_tell_on, tell, before)
            for batch in _READERS[kind][0](file.path, labels, None, tell_on):
                self._spills[kind].add(batch.table)
            before += _size(file)

    def choose(self) -> None:
        """Decide which images are selected."""
        options, classes = self.selection.options, len(self.selection.chosen.classes)
        positive = All() if options.limit is None else Least(classes, options.limit, options.seed)
        negative = Least(classes, options.negatives, options.seed)
        for bucket in self._each():
            _add(positive, bucket.candidates())
            if options.negatives:
                _add(negative, bucket.absences())
            self.counts.add_lost(bucket.counts)
        self.chosen, negatives = positive.images(), negative.images()
        if len(negatives):
            self.chosen = np.union1d(self.chosen, negatives)
        self.counts.add_choice(self.chosen, negatives)

    def write(self, staged: Sequence[storage.StagedFile]) -> None:
        """Write the tables of images and objects, and that of labels if it is asked for."""
        schemas = (tables.IMAGES, tables.OBJECTS, tables.LABELS)
        with ExitStack() as stack:
            images, objects, *labels = [
                stack.enter_context(tables.Writer(file, schema))
                for file, schema in zip(staged, schemas, strict=False)
            ]
            groups = _Groups(images, tables.group_size(len(self.chosen)))
            for bucket in self._each():
                selected = Selected(bucket, self.chosen, self._names)
                self._write_bucket(selected, groups, objects)
                for writer in labels:
                    _add_pieces(writer, selected.labels())
            groups.finish()
            self.counts.labels = sum(writer.rows for writer in labels)

    def _write_bucket(self, selected: Selected, groups: _Groups, objects: tables.Writer) -> None:
        """Write images and objects of a bucket."""
        of_bucket, shown, absent = selected.classes()
        rows = selected.objects()
        groups.add(of_bucket, shown, absent)
        _add_pieces(objects, rows)
        self.counts.add(of_bucket, shown, absent, rows)
        self.counts.add_lone_masks(selected.masks_alone)
        self.counts.add_doubled(*selected.doubled())

    def _each(self) -> Iterator[Bucket]:
        """Yield the rows of the files, bucket by bucket; none where there are no rows."""
        labels = self._words["label"].words.to_pylist()
        of_list = self.selection.ids
        listed = None if of_list is None else ids.numbers(pa.array(sorted(of_list), pa.string()))
        rules = Rules.of(self.selection.options, self.selection.chosen, labels, listed)
        empty = {kind: schema.empty_table() for kind, (_, schema) in _READERS.items()}
        for number in range(self._buckets):
            parts = {kind: spill.read(number) for kind, spill in self._spills.items()}
            if not any(rows.num_rows for rows in parts.values()):
                continue
            yield Bucket(**{**empty, **parts}, rules=rules)
            pa.default_memory_pool().release_unused()

    @property
    def _names(self) -> Names:
        names = [each.name for each in self.selection.chosen.classes]
        labels, sources = (self._words[name].words for name in ("label", "source"))
        return Names(labels, sources, pa.array(names, pa.string()))


class _Groups:
    """Writes images in groups of equal size, as a task collects them.

    Args:
        writer: of their table.
        size: of a group; the last one may have fewer.
    """

    def __init__(self, writer: tables.Writer, size: int) -> None:
        self._writer = writer
        self._size = size
        self._rows = tables.IMAGES.empty_table()

    def add(self, images: Numbers, shown: Pairs, absent: Pairs) -> None:
        """Add images, which come after those before, with the classes shown and absent there."""
        columns = [ids.texts(images), _lists(images, shown), _lists(images, absent)]
        rows = pa.table(columns, tables.IMAGES)
        self._rows = pa.concat_tables([self._rows, rows]).combine_chunks()
        while self._rows.num_rows > self._size:
            self._writer.add(self._rows.slice(0, self._size).combine_chunks())
            self._rows = self._rows.slice(self._size)

    def finish(self) -> None:
        """Write the last group."""
        self._writer.add(self._rows)


def _lists(images: Numbers, pairs: Pairs) -> pa.ListArray:
    """Return the classes of each image, of pairs of these images alone."""
    offsets = np.searchsorted(pairs.images, images).tolist()
    return pa.ListArray.from_arrays(
        pa.array([*offsets, len(pairs.images)], pa.int32()), pa.array(pairs.classes, pa.int32())
    )


def _add(least: Least | All, pairs: Pairs) -> None:
    least.add(pairs.images, pairs.classes)


def _add_pieces(writer: tables.Writer, rows: pa.Table) -> None:
    """Write rows of whole images in row groups of a size that is easily held in memory."""
    for piece in spilled.pieces(rows, OBJECTS_AT_ONCE):
        writer.add(piece)
