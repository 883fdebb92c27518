"""The protocol of a data set: its splits, and what they share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Self

from pipeline.archives.passage import Progress
from pipeline.catalog.classes import NO_LABELS, LabelTable
from pipeline.job.options import Job
from pipeline.sources.inputs import Archive
from pipeline.sources.kept_files import KeptFiles, Originals, Placeholders, Unneeded
from pipeline.sources.source import IsCut, Source, Split
from pipeline.storage import Location

BOXES, LISTS, EXTRACT = "boxes", "lists", "extract"
"""Steps that a data set may offer beside shards."""


@dataclass(frozen=True, eq=False, kw_only=True)
class DataSet(ABC):
    """The data set that a job's options mean, before anything of its images is looked at.

    Attributes:
        job: the job.
        name: of the set.
        root: folder that the files of its sources are relative to.
        splits: all that there are.
        archives: those that are always there, by the names that the configuration gives them.
        optional: those that an option asks for.
        offers: which steps mean something for it, beside shards.
        own_orders: orders of images that mean something for it and not for every data set.
        published: what its publishers say of it, fields of a Croissant `Description`.
    """

    job: Job
    name: str
    root: Location
    splits: Mapping[str, Split]
    archives: Mapping[str, Archive] = field(default_factory=dict)
    optional: Mapping[str, Archive] = field(default_factory=dict)
    offers: frozenset[str] = frozenset()
    own_orders: frozenset[str] = frozenset()
    published: Mapping[str, str] = field(default_factory=dict)

    @property
    def describes_objects(self) -> bool:
        """Whether the `Defaults` of its sources say so; that is known before one is read."""
        return False

    @property
    def reads_boxes(self) -> bool:
        """Whether bounding boxes are wanted, and it can have some."""
        return self.job.boxes and BOXES in self.offers

    @property
    def reads_masks(self) -> bool:
        """Whether masks of objects are wanted, and it can have some."""
        return False

    @staticmethod
    @abstractmethod
    def is_meant(job: Job) -> bool:
        """Whether the options of a job mean a data set of this kind."""

    @staticmethod
    def kept_files(out: Location) -> Iterator[KeptFiles]:
        """Yield the files of its own that lie in an output folder, whatever job asked for them."""
        del out
        yield from ()

    @staticmethod
    def originals(job: Job, out: Location) -> Iterator[Originals]:
        """Yield those of these files that came from a bucket, each once, by the keys of a job.

        Raises:
            ConfigError: what says how keys are spelled cannot be read.
        """
        del job, out
        yield from ()

    @staticmethod
    def unneeded(out: Location, selections: Collection[str]) -> Iterator[Unneeded]:
        """Yield the files of its own that none of some selections needs, by their digests."""
        del out, selections
        yield from ()

    @staticmethod
    def own_names(out: Path, like: Placeholders) -> Iterator[Path]:
        """Yield the path of each kind of file that it leaves in an output folder itself."""
        del out, like
        yield from ()

    own_folders: ClassVar[tuple[str, ...]] = ()
    """The folders of an output that hold such files, beside that of the state."""

    download_folders: ClassVar[tuple[str, ...]] = ()
    """The folders of an output that its input is fetched into, where no other place is named."""

    @classmethod
    @abstractmethod
    def of(cls, job: Job, taken: Iterable[str] = ()) -> Self:
        """Return the data set of a job that means one of this kind.

        Args:
            job: the job.
            taken: names in the output that no folder of a split may have.

        Raises:
            ConfigError: the configuration cannot be understood.
            UsageError: the options cannot be met.
        """

    @property
    def table(self) -> LabelTable:
        """The label table; by default one without classes.

        Raises:
            ConfigError: it cannot be understood.
        """
        return NO_LABELS

    @property
    def chosen_classes(self) -> Mapping[int, tuple[str, str]]:
        """Index -> id and words of each class that images may be of, as far as `table` says.

        Raises:
            ConfigError: that, or the choice of classes, cannot be understood.
        """
        every = enumerate(zip(self.table.class_ids, self.table.words, strict=True))
        chosen = self._classes()
        return {index: named for index, named in every if chosen is None or named[0] in chosen}

    def _classes(self) -> tuple[str, ...] | None:
        """Return the ids of the chosen classes of the label table; None: all."""
        return None

    @abstractmethod
    def read(self, names: Sequence[str], is_cut: IsCut) -> dict[str, Source]:
        """Look at the images of some splits, and return each split's source.

        Args:
            names: of the splits.
            is_cut: see `IsCut`.

        Raises:
            ConfigError: the configuration contradicts itself.
            UsageError: the options cannot be met.
            InputRefused: what is there is not what it should be.
        """

    def recorded(self, names: Sequence[str]) -> dict[str, Source] | None:
        """Return each split's source as it was kept when it was read last, without reading it.

        None: nothing was kept, as by default, or what is there does not look as it did then; it
        is read then. The images themselves are not looked at.

        Raises:
            ShardmillError: as `read` does, of what can be seen without reading.
        """
        del names
        return None

    def unread(self, names: Sequence[str]) -> tuple[Archive, ...]:
        """Return the archives that are to be read before anything of some splits can be planned.

        By default there are none: their MD5s, and how many images they hold, are known.
        """
        del names
        return ()

    lists_files: ClassVar[bool] = False
    """Whether `unlisted` may ever return files."""

    def unlisted(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the files of some splits if they are to be read one by one before all else.

        By default there are none. Some of them may be read already: see `is_listed`.
        """
        del names
        return ()

    def is_listed(self, file: str) -> bool:
        """Whether one of these files was read, and looks as it did then."""
        raise LookupError(f"{file} is none of the files of {self.name} that are read by themselves")

    def list_file(self, file: str, progress: Progress) -> None:
        """Read one of these files, and keep what it holds until the source is remembered.

        Args:
            file: its name, relative to the root.
            progress: told now and then how many bytes were read.

        Raises:
            InputRefused: it is not what it should be.
        """
        del progress
        raise LookupError(f"{file} is none of the files of {self.name} that are read by themselves")

    def record(self, archive: Archive, md5: str) -> None:
        """Record what such an archive is, now that it was read and its index is there.

        Raises:
            ArchiveRefused: a member is not what a split of it promises.
        """
        raise LookupError(f"everything is known of {archive.file} but that its MD5 is {md5}")

    @property
    def default_splits(self) -> tuple[str, ...]:
        """The splits that are meant where none is named."""
        return tuple(self.splits)

    def plain_tars(self) -> Iterator[str]:
        """Yield the names of the tars that packed archives of it are unpacked to."""
        every = (*self.archives.values(), *self.optional.values())
        yield from (archive.file for archive in every if archive.packed)

    def named(self, name: str) -> Archive:
        """Return the archive that the configuration calls `name`."""
        return {**self.archives, **self.optional}[name]

    def archive(self, file: str) -> Archive:
        """Return the archive with this published file name."""
        every = [*self.archives.values(), *self.optional.values()]
        return next(archive for archive in every if archive.file == file)

    @property
    def class_texts(self) -> Archive | None:
        """The archive that says what classes mean, if it is to be used; see `read_class_texts`."""
        return None

    def read_class_texts(self, file: Location) -> dict[str, tuple[str, str]]:
        """Return the words and the gloss of each class that the archive in a file knows.

        Raises:
            ArchiveRefused: it is no such archive.
        """
        raise LookupError(f"nobody says in {file} what the classes of {self.name} mean")

    def annotations(self, split: str, tree: Path) -> tuple[Path, bool] | None:
        """Return a split's folder of annotations in a tree, and whether they are filtered by class.

        None: there is none.
        """
        del split, tree
        return None

    @property
    def empty_splits(self) -> tuple[str, ...]:
        """The chosen splits that are left out because none of their images is there.

        It is asked when the others were read or are known; `beside` says why.
        """
        return ()

    def beside(self) -> Iterator[str]:
        """Yield what lies beside the splits and is passed over, for people."""
        yield from ()
