"""What a job collects of Open Images: which files, selections, masks and images, in that order.

Nothing is read here but what is small: the configuration, files of classes, and marks.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final

from pipeline import digests, storage
from pipeline.annotations.openimages import classes
from pipeline.annotations.openimages.classes import ClassNames
from pipeline.documents.openimages import SelectionMark
from pipeline.errors import NotCollected, OutputDamaged
from pipeline.job.options import Job
from pipeline.job.selection_options import NOTHING, SelectionOptions
from pipeline.sources.openimages import collected as collecting
from pipeline.sources.openimages import config as configuration
from pipeline.sources.openimages import metadata, places, published, requests, tables
from pipeline.sources.openimages.collected import Collected
from pipeline.sources.openimages.config import OpenImagesConfig
from pipeline.sources.openimages.file_table import PublishedFile
from pipeline.sources.openimages.ids import Numbers
from pipeline.sources.openimages.images.image_files import Asking, ImageGroup
from pipeline.sources.openimages.selecting import selecting, selection
from pipeline.sources.openimages.selecting.selection import CsvFile, Selection
from pipeline.storage import Location

_HOW: Final = (
    *("bucket", "offline", "tries", "retry_absent", "check_pixels", "recipe"),
    "until",
)
"""Options that choose no row."""


@dataclass(frozen=True)
class Collection:
    """What a job collects.

    Attributes:
        job: the job.
        config: its configuration.
        splits: names of the splits.
    """

    job: Job
    config: OpenImagesConfig
    splits: tuple[str, ...]

    @property
    def options(self) -> SelectionOptions:
        """What is wanted."""
        return self.job.openimages

    @property
    def out(self) -> Path:
        """The output folder."""
        return storage.on_this_machine(self.job.folder)

    @property
    def raw(self) -> Path:
        """The folder of metadata files and mask archives."""
        return Path(self.job.raw) if self.job.raw else places.raw(self.out)

    @property
    def bucket(self) -> Location:
        """Where the images lie."""
        return storage.parse(
            self.options.bucket or self.config.bucket, "--bucket", whole_bucket=True
        )

    @cached_property
    def digest(self) -> str:
        """A digest of the request: tasks of two commands that want the same are the same."""
        chosen = asdict(replace(self.options, **{name: getattr(NOTHING, name) for name in _HOW}))
        return digests.digest(
            {
                "config": self.job.config,
                "raw": str(self.raw),
                "seed": self.job.seed or 0,
                "wanted": chosen,
            }
        )

    @property
    def class_files(self) -> tuple[PublishedFile, ...]:
        """The files that say what the classes are."""
        return requests.class_files(self.options, self.config.version(self.options.version))

    def csv_files(self, split: str) -> tuple[PublishedFile, ...]:
        """Return the CSV files that a split is selected from."""
        kinds = requests.csv_kinds(self.options)
        files = (getattr(self.config.split(split), kind) for kind in kinds)
        return tuple(file for file in files if file is not None)

    def files_beside(self, split: str) -> tuple[PublishedFile, ...]:
        """Return the files that are read of a split after its images were collected."""
        images = self.config.split(split).images
        are_read = self.options.reaches("plan") and self.job.reads_attribution
        return (images,) if are_read and images is not None else ()

    def every_file(self, split: str) -> tuple[PublishedFile, ...]:
        """Return all metadata files that are needed of a split."""
        return (*self.every_selecting(split), *self.files_beside(split))

    def selection(self, split: str) -> Selection:
        """Return what is selected of a split; its CSV files need not be there.

        Raises:
            UsageError: a class is unknown; see `requests.selections`.
            NotCollected: a file of classes is not there yet.
        """
        files = {file.name: self._locate(file) for file in self.every_selecting(split)}
        key = (split, tuple(files.values()))
        if key not in self._selections:
            self._selections[key] = self._selection(split, lambda file: files[file.name])
        return self._selections[key]

    @cached_property
    def _selections(self) -> dict[object, Selection]:
        """What was found out, each once: a list of ImageIDs may be long."""
        return {}

    def _selection(self, split: str, locate: requests.Locate) -> Selection:
        seed = self.job.seed or 0
        return requests.selections(self.options, seed, (split,), self.config, locate)[split]

    def surveyed(self, split: str) -> tuple[SelectionMark, Numbers] | None:
        """Return what would be selected of a split, and its ImageIDs; None: a file is not there.

        Files of the right size are taken for those that are pinned; nothing is kept.

        Raises:
            UsageError: a class is unknown.
            InputRefused: a file is not what it should be.
        """
        files = {file.name: published.find(file, self.raw) for file in self.every_selecting(split)}
        if not all(files.values()):
            return None

        def locate(file: PublishedFile) -> CsvFile:
            return CsvFile(files[file.name] or self.raw, file.md5 or "")

        return selecting.survey(self._selection(split, locate))

    def every_selecting(self, split: str) -> tuple[PublishedFile, ...]:
        """Return the files that a split is selected from."""
        return (*self.class_files, *self.csv_files(split))

    def _locate(self, file: PublishedFile) -> CsvFile:
        """Return where a metadata file lies, or will, and its MD5.

        Raises:
            NotCollected: its MD5 is not known, or it is of classes and not there.
        """
        known = metadata.known(file, self.out, self.raw)
        if known is not None:
            return CsvFile(known.path, known.md5)
        md5 = metadata.md5(file, self.out)
        if md5 is None or file in self.class_files:
            raise metadata.not_there(file, self.raw)
        return CsvFile(self.raw / file.name, md5)

    def selected(self, split: str) -> SelectionMark | None:
        """Return the mark of a split's selection; None: it is still to be made."""
        try:
            selected = self.selection(split)
        except NotCollected:
            return None
        return selection.complete(self.out, split, selected.digest)

    @property
    def class_names(self) -> ClassNames | None:
        """The names of all classes; None: their file is not there any more."""
        version = self.config.version(self.options.version)
        try:
            return classes.read(self._locate(version.classes).path)
        except NotCollected:
            return None

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of the choice of classes; nothing where it is not known."""
        version = self.config.version(self.options.version)
        try:
            return requests.chosen_classes(self.options, version, self._locate).notes
        except NotCollected:
            return ()

    def groups(self, mark: SelectionMark) -> list[ImageGroup]:
        """Return the groups of a selection's images."""
        count = tables.group_count(mark.images)
        return [ImageGroup(self.out, mark.split, mark.digest, each) for each in range(count)]

    def mask_archive(self, split: str, digit: str) -> PublishedFile:
        """Return the archive of the masks of images with a first digit."""
        return self.config.split(split).mask_archives[digit]

    def digits(self, mark: SelectionMark) -> list[str]:
        """Return the first digits of the images whose masks are wanted."""
        if not self.options.masks:
            return []
        return sorted(digit for digit, masks in mark.digits.items() if masks)

    def sized_digits(self, mark: SelectionMark) -> list[str]:
        """Return those of `digits` whose masks are wanted at the size of their images, too."""
        are_sized = self.options.mask_size == "image" and self.options.reaches("images")
        return self.digits(mark) if are_sized else []

    def asking(self, split: str, workers: int, since: str) -> Asking:
        """Return how the images of a split are asked for.

        Args:
            split: the split.
            workers: how many processes ask.
            since: when the command began.
        """
        return Asking(
            bucket=self.bucket,
            key=self.config.split(split).key,
            in_flight=max(1, self.job.remote.in_flight // workers),
            tries=self.options.tries,
            retry_since=since if self.options.retry_absent else "",
            check_pixels=self.options.check_pixels,
        )

    def collected(self, mark: SelectionMark) -> Collected:
        """Return what was collected of a split, as far as the job asks for it.

        Raises:
            NotCollected: something is still to be collected.
        """
        return collecting.load(
            self.out,
            mark.split,
            mark.digest,
            with_masks=self.options.masks and self.options.reaches("masks"),
            with_images=self.options.reaches("images"),
        )

    def whole(self, split: str) -> SelectionMark:
        """Return the mark of a selection that was made.

        Raises:
            OutputDamaged: it is not there.
        """
        mark = self.selected(split)
        if mark is None:
            folder = places.selections(self.out)
            raise OutputDamaged(f"the selection of {split} is not there", file=str(folder))
        return mark


@lru_cache(maxsize=16)
def collection_of(job: Job) -> Collection:
    """Return what a job collects.

    Raises:
        ConfigError: the configuration cannot be understood.
        UsageError: the options contradict it.
    """
    config = configuration.load(Path(job.config))
    splits = tuple(dict.fromkeys(job.splits)) or tuple(config.splits)
    for name in splits:
        config.split(name)
    config.version(job.openimages.version)
    return Collection(job, config, splits)
