"""What every export offers to those who plan, make and verify it; they know no more of it.

An export makes files of a whole data set from what is known of its images, and never from pixels
alone: one class in a file of its own and one line of `pipeline.exports.registry`. It owns the names
of its files, its options, what decides its bytes, what it needs, and what it refuses.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import ClassVar, Final, NamedTuple

from pipeline import digests
from pipeline.archives.member_hashes import KnownContents
from pipeline.catalog.classes import LabelTable
from pipeline.catalog.details import Details
from pipeline.documents.products import ProductMark
from pipeline.exports.tree import TreeOfImages
from pipeline.images.prepare import ImageOptions
from pipeline.manifest import Document, FileEntry
from pipeline.plaintext import Lines
from pipeline.storage import Location, Sources, StagedFile

DATA_DIR, STRICT = "--data-dir", "--dbcollection-strict"
"""Options that only some exports take, see `Export.takes`."""

ANY_PATH: Final = "~path~"
"""What stands for a relative path in the patterns of `Export.small_files`."""


class What(Enum):
    """The kinds of things that an export can need before it is made."""

    CATALOG = "the catalog of a split"
    FACTS = "the facts of every output of a split"
    OUTPUTS = "the files of every output of a split"
    LEFT_OUT = "which images of the plan's own split are left out of its outputs"
    CLASS_TEXTS = "the archive that says what classes mean"
    ARTIFACT = "another artifact, by its name"


class Need(NamedTuple):
    """One thing that has to be there before; `name` is that of a split or of an artifact."""

    what: What
    name: str = ""


@dataclass(frozen=True, eq=False, kw_only=True)
class ShardSet:
    """One output of a split: its shards in one format, or facts without shards.

    Attributes:
        format: name of the format.
        digest: of the output.
        folder: where it lies.
        exported_as: what exports call the shards; "": there are none, only facts.
        images: how images are stored in it.
        label_map_offset, features: see `RecordForm`.
    """

    format: str
    digest: str
    folder: Location
    exported_as: str
    images: ImageOptions
    label_map_offset: int | None = None
    features: str = ""


@dataclass(frozen=True, eq=False, kw_only=True)
class SplitView:
    """What exports know of a split.

    Attributes:
        name: of the split.
        folder: of its images, in trees of class folders.
        flat: whether its images may lie outside of class folders.
        has_classes: whether its images have classes.
        counts: class folder -> images; "" stands for a class that nobody knows.
        class_names: names of its classes by their index, of an image list or folder; empty: the
            list names none. None: it is no list, and the label table has them.
        images: how many there are.
        rows_digest: of what decides which images there are, and their labels.
        images_digest: of that, and of all else that a catalog says.
        catalog: the catalog.
        shards: its outputs.
        find_in: returns the folder of its images in an unpacked tree; None: there is none.
        unused: returns which labels and chosen classes have no image, a line each.
        has_boxes: whether its catalog has bounding boxes, of those images that have some.
        details: what its source says of it beyond the catalog; None: nothing.
        known_contents: returns what its images were when they were verified.
    """

    name: str
    folder: str
    flat: bool
    has_classes: bool
    counts: Mapping[str, int]
    class_names: tuple[str, ...] | None
    images: int
    rows_digest: str
    images_digest: str
    catalog: Location
    shards: tuple[ShardSet, ...]
    find_in: Callable[[Path], str | None]
    unused: Callable[[], list[str]]
    known_contents: Callable[[], KnownContents]
    has_boxes: bool = False
    details: Details | None = None

    @property
    def outputs(self) -> list[list[str]]:
        """Format and digest of each output, for digests."""
        return [[each.format, each.digest] for each in self.shards]


@dataclass(frozen=True, eq=False, kw_only=True)
class Described:
    """An artifact whose files a description of the whole output names.

    Attributes:
        name: unique in an output folder.
        digest: of everything that decides its bytes.
        files: its files.
    """

    name: str
    digest: str
    files: tuple[Location, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class SetView:
    """What exports know of a data set and of the job.

    Attributes:
        name: of the data set.
        out: the output folder.
        published: what its publishers say of it.
        table: its label table.
        splits: its splits, by name.
        class_texts: MD5 of the archive that says what classes mean; "": none is used.
        data_dir: the folder that images are said to lie in; "": the output folder.
        strict: whether dbcollection's files are also made as it makes them itself.
        max_pixels: how many pixels an image may have.
        described: the artifacts that are made before and whose files a description names.
        with_finished: returns, of a kind of product in a form, some splits of the job and those of
            the data set of which it is finished with the same classes, in the order of the set.
    """

    name: str
    out: Location
    published: Mapping[str, str]
    table: LabelTable
    splits: Mapping[str, SplitView]
    class_texts: str = ""
    data_dir: str = ""
    strict: bool = False
    max_pixels: int
    described: tuple[Described, ...] = ()
    with_finished: Callable[[Iterable[str], str, str], list[str]] = lambda names, *_: list(names)

    @property
    def with_classes(self) -> dict[str, SplitView]:
        """The splits whose images have classes."""
        return {name: split for name, split in self.splits.items() if split.has_classes}

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """The classes of an image list or folder, see `SplitView`; all splits have the same."""
        return next((split.class_names for split in self.splits.values()), None)

    @property
    def made_of_classes(self) -> dict[str, str]:
        """The same as `of_labels` says of class folders, for people."""
        if not self.class_names:
            return {}
        names = digests.digest({"classes": self.class_names})
        return {"class folders": f"{len(self.class_names):,}, {names}"}

    @property
    def of_labels(self) -> Document:
        """What of the label table or class folders decides the bytes of tables, for digests."""
        labels = {"columns": self.table.of_images.columns, "labels": self.table.of_images.digest}
        return labels if self.class_names is None else {**labels, "classes": self.class_names}


@dataclass(frozen=True, eq=False, kw_only=True)
class ExportPlan:
    """Files that an export makes together, at paths that carry no digest.

    Attributes:
        kind: what they are, without a ``-``; with the split's name, the name of their mark.
        files: the files; of a tree, its folder.
        digest: of everything that decides their bytes; "": see `tree.ChangedImages.digest`.
        split: whose they are; "": of all splits.
        folder: that it fills with many small files besides, see `small_files`; the last of
            `files` is their listing. None: there are none.
        needs: what has to be there before.
        made_of: what else decides the digest, by name, in short values that a person understands.
        described: whether a description of the whole output names them.
        tree: how the tree is made, class folder by class folder; None: it is no tree.
    """

    kind: str
    files: tuple[Location, ...]
    digest: str = ""
    split: str = ""
    folder: Location | None = None
    needs: tuple[Need, ...] = ()
    made_of: Mapping[str, str] = field(default_factory=dict)
    described: bool = False
    tree: TreeOfImages | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class ExportWork:
    """What an export is given when it is made: everything that it needs is there, and checked.

    Attributes:
        plan: what is made.
        data: what is known of the data set.
        digest: of the plan.
        mark: the mark of the same files from before; None: there is none.
        entries: returns the files of all it needs, relative to the output folder.
        left_out: keys of the images that the outputs lack, of a plan that needs `What.LEFT_OUT`.
        class_texts: returns words and gloss of each class that the archive knows, and its path.
        sources: opens what images are read from, by the names in the catalog.
        counter: reports progress, by how many units there are and what they are.
    """

    plan: ExportPlan
    data: SetView
    digest: str
    mark: ProductMark | None
    entries: Callable[[], list[FileEntry]]
    left_out: frozenset[str]
    class_texts: Callable[[], tuple[Location, Mapping[str, tuple[str, str]]]]
    sources: Callable[[], Sources]
    counter: Callable[[int, str], AbstractContextManager[Callable[[int], None]]]


class Export(ABC):
    """One export; see `pipeline.exports.registry`."""

    name: ClassVar[str]
    """How it is called on the command line; of what a step makes, its name among exports."""
    step: ClassVar[str] = ""
    """The step of a job that makes it; "": `--export` asks for it, by its name."""
    tree: ClassVar[str] = ""
    """The kind of the trees of class folders that it makes, see `ExportPlan`; "": it makes none."""
    implies: ClassVar[tuple[str, ...]] = ()
    """Exports that are made with it."""
    takes: ClassVar[tuple[str, ...]] = ()
    """Options that are not for every export and that this one takes: `DATA_DIR`, `STRICT`."""
    needs_classes: ClassVar[bool] = False
    """Whether it is of splits whose images have classes only."""
    needs_boxes: ClassVar[bool] = False
    """Whether it is of splits whose images have boxes only."""
    needs_masks: ClassVar[bool] = False
    """Whether it is of sets whose objects have masks only."""
    excludes: ClassVar[tuple[str, ...]] = ()
    """Exports whose files have the names of its own, so that a job makes one of them."""
    reads_attribution: ClassVar[bool] = False
    """Whether it says whose the images are, where their source knows it."""
    keeps_splits: ClassVar[bool] = False
    """Whether its file of all splits keeps those that earlier commands have finished alike."""
    transfers: ClassVar[bool] = False
    """Whether it makes trees of unchanged images, which may be links; see `TRANSFERS`."""
    changes_images: ClassVar[bool] = False
    """Whether it makes trees of changed images, in which no bad image can be left out."""
    on_a_disk: ClassVar[str] = ""
    """Why it can be made on a disk only, and in no store of objects; "": it can."""
    of_images: ClassVar[bool] = False
    """Whether it says something of each image's bytes: replaced images make it be made anew."""
    parts: ClassVar[tuple[str, ...]] = ("images", "boxes")
    """What of the splits decides its bytes, for people: ``images``, ``boxes``, ``shards``."""

    def in_class_folders(self, data_dir: str) -> bool:  # noqa: ARG002 - one asks
        """Whether it needs the class folders of the images in the output folder."""
        return False

    def check_installed(self) -> None:  # noqa: B027 - most need nothing
        """Check that what only it needs is installed.

        Raises:
            UsageError: it is not.
        """

    def refusals(self, data: SetView) -> Iterator[str]:  # noqa: ARG002 - some ask
        """Yield why it cannot be made of a data set, what to do instead included."""
        yield from ()

    @abstractmethod
    def files(self, folder: str) -> tuple[str, ...]:
        """Return the names of all files that it can make, relative to the output folder.

        Args:
            folder: of a split, in trees of class folders; in other names, that of the split.
        """

    def small_files(self, folder: str) -> tuple[str, ...]:  # noqa: ARG002 - some ask
        """Return patterns of the small files that it can make, see `files`; `ANY_PATH` in them."""
        return ()

    @abstractmethod
    def plan(self, data: SetView) -> Iterator[ExportPlan]:
        """Yield what it makes of a data set.

        Raises:
            InputRefused: it cannot be made of that.
            UsageError: the options cannot be met.
        """

    @abstractmethod
    def write(self, work: ExportWork, staged: Sequence[StagedFile]) -> Document:
        """Write the files of a plan that is no tree; return what the mark says of them.

        The same arguments give the same bytes.
        """

    def dead_paths(self, out: Location) -> Iterator[Lines]:  # noqa: ARG002 - some ask
        """Yield warnings of paths in its files that lead nowhere."""
        yield from ()
