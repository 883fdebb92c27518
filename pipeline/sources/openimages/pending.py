"""What a job still has to fetch and write of Open Images, as far as that is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from pipeline import storage
from pipeline.documents.openimages import SelectionMark
from pipeline.sources.openimages import ids, published
from pipeline.sources.openimages.collection import Collection
from pipeline.sources.openimages.file_table import PublishedFile
from pipeline.sources.openimages.ids import Numbers
from pipeline.sources.openimages.images import missing_images
from pipeline.sources.openimages.images.image_files import Asking
from pipeline.sources.openimages.images.missing_images import MissingImages
from pipeline.sources.openimages.masks import mask_archives, masks
from pipeline.sources.openimages.masks.mask_archives import ArchiveAt
from pipeline.sources.openimages.selecting import recipe

MASK_BYTES: Final = 1_600
"""What a mask has, on average over all of Open Images: 2.79 million in 4.70 GB."""
_BLOCK: Final = 4_096  # what a file system takes for one, at least
_LIST_SHARE: Final = 0.05  # of the bytes of an archive: its list of members
_AT_ONCE: Final = 1 << 14


@dataclass(frozen=True)
class MissingMasks:
    """Masks that are not there yet.

    Attributes:
        masks: how many.
        archives: the archives that they are in, those in RAW too.
        fetched: about how many bytes are fetched of those that are not in RAW.
        whole: how many of these are of archives that are put into RAW, since much of each is
            needed; where they do not fit, they are read by ranges.
        written: about how many bytes the masks take, those at the size of their images too.
    """

    masks: int = 0
    archives: tuple[PublishedFile, ...] = ()
    fetched: int = 0
    whole: int = 0
    written: int = 0


@dataclass(frozen=True)
class PendingSplit:
    """What is to be collected of a split.

    Attributes:
        mark: of its selection, or what it will say.
        is_selected: whether it is selected: of masks that are there nothing is known before.
        images: those that are to be asked for.
        masks: those that are not there.
    """

    mark: SelectionMark
    is_selected: bool
    images: MissingImages
    masks: MissingMasks


@dataclass(frozen=True)
class Pending:
    """What is to be fetched and written.

    Attributes:
        files: metadata files that are needed and not there.
        metadata: how many bytes of them are still to be fetched; of some the size is not known.
        splits: what is to be collected of each; None: it is not known before the metadata is there.
    """

    files: tuple[PublishedFile, ...]
    metadata: int
    splits: Mapping[str, PendingSplit | None]

    @property
    def known(self) -> tuple[PendingSplit, ...]:
        """The splits of which it is known what is to be collected."""
        return tuple(each for each in self.splits.values() if each is not None)

    @cached_property
    def fetched(self) -> int:
        """About how many bytes are to be fetched."""
        of_splits = (each.images.bytes + each.masks.fetched for each in self.known)
        return self.metadata + sum(of_splits)

    @cached_property
    def archives(self) -> int:
        """About how many bytes of mask archives are put into RAW, if there is room."""
        return sum(each.masks.whole for each in self.known)

    @cached_property
    def images(self) -> int:
        """About how many bytes of images are written."""
        return sum(each.images.bytes for each in self.known)

    @cached_property
    def masks(self) -> int:
        """About how many bytes of masks are written."""
        return sum(each.masks.written for each in self.known)


def pending(what: Collection, since: str, *, surveys: bool = False) -> Pending:
    """Return what is still to be fetched and written.

    Args:
        what: what is collected.
        since: when the command began; see `Asking.retry_since`.
        surveys: whether the CSV files of a split are read that is not selected yet.

    Raises:
        UsageError: a class is unknown.
        InputRefused: a file is not what it should be.
    """
    files = missing_metadata(what)
    metadata = sum(published.bytes_left(file, what.raw) for file in files)
    splits = {split: _pending_split(what, split, since, surveys=surveys) for split in what.splits}
    return Pending(files, metadata, splits if what.options.reaches("select") else {})


def missing_metadata(what: Collection) -> tuple[PublishedFile, ...]:
    """Return the metadata files that are needed and not there.

    The rows of a split that is selected are not needed any more.
    """
    files = [*what.class_files, *(file for split in what.splits for file in _needed(what, split))]
    return tuple(file for file in dict.fromkeys(files) if published.find(file, what.raw) is None)


def missing_archives(what: Collection) -> tuple[PublishedFile, ...]:
    """Return the mask archives that are needed, of splits that are selected, and not there."""
    return tuple(
        archive
        for split in what.splits
        if (mark := _selected(what, split)) is not None
        for digit in what.digits(mark)
        if masks.complete(what.out, split, mark.digest, digit) is None
        and published.find(archive := what.mask_archive(split, digit), what.raw) is None
    )


def archives_in_question(what: Collection) -> tuple[PublishedFile, ...]:
    """Return the mask archives of splits that are not selected yet, and not there.

    Which of them are needed is known when the images are: by the first digits of their ImageIDs.
    """
    if not (what.options.masks and what.options.reaches("masks")):
        return ()
    return tuple(
        archive
        for split in what.splits
        if _selected(what, split) is None
        for archive in what.config.split(split).mask_archives.values()
        if published.find(archive, what.raw) is None
    )


def _needed(what: Collection, split: str) -> Iterator[PublishedFile]:
    """Yield the files that are still read of a split, beside those of classes."""
    mark = _selected(what, split)
    if mark is None or not _has_recipe(what, split):
        yield from what.csv_files(split)
    yield from what.files_beside(split)


def _selected(what: Collection, split: str) -> SelectionMark | None:
    return what.selected(split) if what.options.reaches("select") else None


def _has_recipe(what: Collection, split: str) -> bool:
    """Whether the files of the recipe of a selected split are there, or none are wanted."""
    selection = what.selection(split)
    is_wanted = recipe.is_wanted(selection.chosen, asked=what.options.recipe)
    return not is_wanted or recipe.complete(what.out, selection) is not None


def _pending_split(
    what: Collection, split: str, since: str, *, surveys: bool
) -> PendingSplit | None:
    asking = what.asking(split, 1, since)
    mark = _selected(what, split)
    if mark is not None:
        return PendingSplit(
            mark,
            True,
            MissingImages.sum(_missing_images(what, mark, asking)),
            _missing_masks(what, mark, is_selected=True),
        )
    surveyed = what.surveyed(split) if surveys and what.options.reaches("select") else None
    if surveyed is None:
        return None
    mark, image_ids = surveyed
    images = MissingImages.sum(_missing_among(what, split, image_ids, asking))
    return PendingSplit(mark, False, images, _missing_masks(what, mark, is_selected=False))


def _missing_images(
    what: Collection, mark: SelectionMark, asking: Asking
) -> Iterator[MissingImages]:
    for group in what.groups(mark) if what.options.reaches("images") else ():
        yield missing_images.missing_of_group(group, asking)


def _missing_among(
    what: Collection, split: str, image_ids: Numbers, asking: Asking
) -> Iterator[MissingImages]:
    count = len(image_ids) if what.options.reaches("images") else 0
    for first in range(0, count, _AT_ONCE):
        some = ids.texts(image_ids[first : first + _AT_ONCE]).to_pylist()
        yield missing_images.missing_among(what.out, split, some, asking)


def _missing_masks(what: Collection, mark: SelectionMark, *, is_selected: bool) -> MissingMasks:
    """Return the masks of a split that are not there, for all that is known of them."""
    digits = what.digits(mark) if what.options.reaches("masks") else []
    counts = {
        digit: masks.missing(what.out, mark.split, mark.digest, digit)
        if is_selected
        else mark.digits[digit]
        for digit in digits
    }
    archives = {digit: what.mask_archive(mark.split, digit) for digit in digits if counts[digit]}
    by_ranges, whole = 0, 0
    for digit, archive in archives.items():
        needed = counts[digit] * MASK_BYTES
        if published.find(archive, what.raw) is not None:
            continue
        if needed * mask_archives.WHOLE > (archive.bytes or needed):
            whole += published.bytes_left(archive, what.raw)
        else:
            by_ranges += needed + _list_bytes(what, archive)
    count = sum(counts.values())
    sizes = 2 if what.sized_digits(mark) else 1
    return MissingMasks(
        count, tuple(archives.values()), by_ranges + whole, whole, count * sizes * _BLOCK
    )


def _list_bytes(what: Collection, archive: PublishedFile) -> int:
    """Return about how many bytes are read to know the members of an archive."""
    index = ArchiveAt(what.out, archive, what.raw).index_path
    return 0 if storage.stat(index) is not None else int((archive.bytes or 0) * _LIST_SHARE)
