"""The protocol of a source: the images of one split, wherever they lie.

A source turns raw files into the rows of a catalog, and says what must be known before: which files
to find and verify, how many images of which class to expect, and what identifies them in digests.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import pyarrow as pa

from pipeline import digests
from pipeline.annotations.boxjoin import BoxJoin
from pipeline.archives.member_hashes import KnownContents, KnownMembers
from pipeline.archives.tar import Member
from pipeline.catalog.class_table import FolderClasses
from pipeline.catalog.details import Details
from pipeline.catalog.label_widths import LabelWidths
from pipeline.errors import InputRefused
from pipeline.manifest import Document
from pipeline.sources.inputs import Archive, BoxSource, LabelCheck
from pipeline.storage.clutter import NOTHING, PassedOver
from pipeline.storage.local.fingerprints import FileStamps
from pipeline.storage.location import Location

IMAGES: Final = "images"
"""What `Source.made_of` calls the images, or where they lie."""
NUMBERS: Final = ("number of images", "images of each class")
"""What `Source.expected` is called among what something was made of."""

IsCut: TypeAlias = Callable[[str, str], bool]
"""Whether the name of a sample cannot hold all of a key, by the key and the suffix of such keys."""


@dataclass(frozen=True)
class Split:
    """What is known of a split before anything of its images is looked at.

    Attributes:
        name: e.g. ``train``.
        folder: the split's folder in trees of images.
        flat: whether its images may lie outside of class folders.
        has_classes: whether its images have classes; of a list, `Source.check_class_folders` says.
        has_blacklist: whether there is a list of images that may be left out.
    """

    name: str
    folder: str
    flat: bool = False
    has_classes: bool = False
    has_blacklist: bool = False


@dataclass(frozen=True)
class Expected:
    """What a split must hold: images per class; "" stands for a class that nobody knows."""

    counts: Mapping[str, int]

    @property
    def images(self) -> int:
        """How many images that is."""
        return sum(self.counts.values())


@dataclass(frozen=True)
class Defaults:
    """How the images of a source are stored where no option says otherwise.

    Attributes:
        suffix: what keys customarily end in.
        offsets: whether class indexes get a format's usual offset; those of a list do not.
        repairs: whether every format gets RGB or gray JPEGs; else only those that must.
        long_names: whether the name of some sample cannot hold all of its key.
        describes_objects: whether its objects have flags, or classes of their own: labels of
            detection say these then, in every format that can.
        multi_hot: how many classes there are, where an image can be of several or of none: formats
            of one label width say each. 0: an image is of one, or has the labels of a list.
        class_names: `LabelTable.names`; empty: `Source.class_names` has them, or nobody.
        reads_boxes: whether images of any split may have boxes: all have the same columns.
        object_names: of classes of objects; empty: not all are known. None: they are of images.
    """

    suffix: str
    offsets: bool
    repairs: bool
    long_names: bool = False
    describes_objects: bool = False
    multi_hot: int = 0
    class_names: tuple[str, ...] = ()
    reads_boxes: bool = False
    object_names: tuple[str, ...] | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Source(ABC):
    """The images of one split, as they lie in archives or in files of their own.

    Attributes:
        split: what is known of it without looking.
        root: folder that the files of `rows` are relative to.
        expected: what it must hold.
        shards: how many shards are made of it, as asked for or by default.
        defaults: how its images are stored.
        inputs: archives that its images lie in, to be verified; none where each is its own file.
        boxes: where its bounding boxes come from; None: none are wanted.
        classes: the ids of the chosen classes; None: all.
        left_out: how many of its images an option leaves out.
        labels: what its labels are compared with; None: nothing was asked for.
        is_walked: whether its rows are read by the walked indexes of archives not verified yet.
    """

    split: Split
    root: Location
    expected: Expected
    shards: int
    defaults: Defaults
    inputs: tuple[Archive, ...] = ()
    boxes: BoxSource | None = None
    classes: tuple[str, ...] | None = None
    left_out: int = 0
    labels: LabelCheck | None = None
    is_walked: bool = False

    @abstractmethod
    def identity(self) -> Document:
        """Return what decides which images there are, and their labels: it goes into digests."""

    def places(self) -> Document:
        """Return what else decides a catalog: where the images lie, and their boxes."""
        return {}

    def made_of(self) -> dict[str, str]:
        """Return what `identity` was made of, by names and in values that a person understands."""
        return {IMAGES: digests.digest(self.identity())}

    def follows(self) -> frozenset[str]:
        """Return what of `made_of`, `made_of_places` and `NUMBERS` only says what a folder holds.

        What was made at a fixed path follows the folder without being asked, where nothing else
        differs; none for a source whose images were chosen by somebody.
        """
        return frozenset()

    @property
    def before(self) -> frozenset[str]:
        """What `made_of` called the same images before some of them were replaced.

        What was made of these at a fixed path follows without being asked, too.
        """
        return frozenset()

    @property
    def numbers_by_place(self) -> bool:
        """Whether the id of an image is its place in the source, and nobody has chosen it."""
        return True

    @property
    def selection(self) -> str:
        """The digest of what chooses its images, whose files it keeps itself; "": it keeps none."""
        return ""

    @abstractmethod
    def described(self) -> list[Document]:
        """Return what a manifest says of it among the inputs, without the boxes."""

    def parameters(self) -> Document:
        """Return its options as a manifest says them; none where it has none."""
        return {}

    @abstractmethod
    def rows(self, out: Location, boxes: BoxJoin | None) -> Iterator[pa.Table]:
        """Yield the catalog in parts, columns as in `catalog.SCHEMA`, perhaps with `catalog.SIZES`.

        Args:
            out: the output folder, which has the indexes of `inputs`.
            boxes: the bounding boxes to join with the images; None: not wanted.

        Raises:
            InputRefused: it does not hold what it must.
            TransientError: it was changed meanwhile.
        """

    @property
    def has_boxes(self) -> bool:
        """Whether its rows have bounding boxes, of those images that have some."""
        return self.boxes is not None

    def details(self) -> Details | None:
        """Return what it says of its images beyond the catalog; None: nothing, as by default.

        It is called before anything of that is there: the streams are opened when a catalog is.
        """
        return None

    def passed_over(self, out: Location) -> PassedOver:  # noqa: ARG002 - few ask
        """Return what lies among the images as clutter; of archives their indexes say so."""
        return NOTHING

    @abstractmethod
    def size(self) -> int:
        """Return roughly how many bytes its images have, of whatever class."""

    @property
    def whole_files(self) -> bool:
        """Whether each image is a file of its own, which others can replace."""
        return not self.inputs

    def known_contents(self, out: Location) -> KnownContents:
        """Return what its images were when they were verified, as far as that was kept."""
        return KnownMembers.of(out, ((archive.file, archive.md5) for archive in self.inputs))

    def why_absent(self, key: str) -> tuple[str, str]:
        """Return why there is no file of the image of a key, and what can be done about it."""
        del key
        return "there is no such file", "put the files there, or correct the list or --root"

    @property
    def gets_images_in(self) -> str:
        """What to do for images that were left out, in words; "": nothing helps.

        What lies in an archive is pinned by its MD5: no other bytes can take its place.
        """
        if not self.whole_files:
            return ""
        return "put intact files in their places, then run the same command again"

    def share(self) -> float:
        """Return the share of `size` that is of the chosen images."""
        return 1.0

    @property
    def glanced_at(self) -> str:
        """What alone was looked at, in words, and not each image; empty: all that there is.

        Such a source is what a document says of it: see `DataSet.recorded`.
        """
        return ""

    def stamps(self) -> FileStamps | None:
        """Return how the files of its images look; None: they lie in archives, or are gone."""
        return None

    def made_of_places(self) -> dict[str, str]:
        """Return, like `made_of`, what decides the paths of its images."""
        return {}

    def forget(self) -> None:  # noqa: B027 - most have nothing to forget
        """Forget what `remember` has kept, because it is not so any more: all is read anew."""

    def closing(self) -> Iterator[str]:
        """Yield what is to be said of it when a job is complete."""
        yield from ()

    def unused(self) -> list[str]:
        """Return which labels and chosen classes have no image, a line each."""
        return []

    def gone(self) -> InputRefused | None:
        """Return why nothing more can be made of it, if it is remembered only; else None."""
        return None

    def remember(self) -> None:  # noqa: B027 - most have nothing to note
        """Keep what was found in it, so that it need not be read to be known, or if it is gone."""

    def needs(self, tar: str) -> bool:  # noqa: ARG002 - few ask
        """Return whether what lies in a nested tar of `inputs` is needed, by the tar's name."""
        return True

    def check_first(self, member: Member) -> None:  # noqa: B027 - few can tell by it
        """Check the first file of an archive before the rest is read.

        Raises:
            ArchiveRefused: it cannot be what the split is to be read from.
        """

    def beside_missing(self, raw: Location) -> tuple[str, str] | None:
        """Return what a folder holds in the place of a missing archive, and what to do with it."""
        del raw
        return None

    def find_in(self, tree: Path) -> str | None:  # noqa: ARG002 - few ask
        """Return the folder of this split in an unpacked tree; None: there is none.

        Raises:
            TreeRefused: two folders could be it.
        """
        return None

    @property
    def tree(self) -> Path | None:
        """The folder of class folders that it is read from; None: there is no such folder."""
        return None

    @property
    def class_counts(self) -> Mapping[str, int]:
        """Images of each class folder that a tree of them has; empty: there can be no such tree."""
        return self.expected.counts if self.split.has_classes else {}

    def check_class_folders(self) -> None:  # noqa: B027 - most can always be
        """Check that its images can lie in class folders, if they have classes.

        Raises:
            UsageError: they cannot.
        """

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """The names of classes by their index, where no label table has them; None: it has."""
        return None

    @property
    def unpacked(self) -> frozenset[str]:
        """File names of the archives that are not needed because a tree has what they hold."""
        return frozenset()

    @property
    def folder_classes(self) -> FolderClasses | None:
        """The class folders that its labels were made of; None: labels come from elsewhere."""
        return None

    @property
    def label_widths(self) -> LabelWidths | None:
        """How many labels its images have; None: a class each."""
        return None
