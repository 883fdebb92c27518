"""The protocol of a shard format: what writing and verifying shards needs of it.

A format is a class in a folder of its own and a line of `pipeline.formats.registry`. It owns the
names of its files, its options and defaults, and the bytes of its records.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

from pipeline.formats import without_boxes
from pipeline.formats.appending import AppendingWriter
from pipeline.formats.reader import Reader
from pipeline.formats.record import ImageRecord, Placement
from pipeline.storage import Location, StagedFile, Where, below

if TYPE_CHECKING:  # a loader encodes no images
    from pipeline.images.prepare import ImageOptions

LABELS: Final = ("class", "detection")
"""What records can have as labels: those of the class or list, or classes and boxes of objects."""

DETECTION: Final = f"--labels {LABELS[1]}"
"""The option that makes labels of boxes, as it is given on the command line."""
JOINED: Final = "--joined"
"""The option that makes one more file of all shards, as it is given on the command line."""


@dataclass(frozen=True, slots=True)
class RecordOptions:
    """What decides the bytes of records beside their images.

    Attributes:
        label_offset: added to the class index of a labelled image.
        labels: one of `LABELS`.
        suffix: what keys customarily end in, such as ``.JPEG``.
        multi_hot: how many classes there are, where a label is a vector of as many numbers: 1 for
            each class of the image, else 0; such labels have no offset. 0: a label is no such
            vector.
        class_names: of a format with columns, the names of the classes by their index, no two the
            same; empty: nobody names them.
        boxes: likewise, whether there are boxes.
        vectors: likewise, whether an image may have several labels, or none that is a class.
        object_names: of a format that `names_objects`, likewise of objects; None: as of images.
    """

    label_offset: int
    labels: str = LABELS[0]
    suffix: str = ".JPEG"
    multi_hot: int = 0
    class_names: tuple[str, ...] = ()
    boxes: bool = False
    vectors: bool = False
    object_names: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class StoredRecord(Placement):
    """A record as it was read.

    Attributes:
        data: what stands between the framing; a view that is valid until the next one is read.
        line: the record's part of the index; empty where the format has none.
        parsed: what the format has parsed of it while it was read, for its own use.
    """

    data: memoryview
    line: bytes = b""
    parsed: object = None


@dataclass(frozen=True, slots=True)
class WrittenShard:
    """A finished shard, as files of the whole output list it.

    Attributes:
        stem: its name without a format's suffix.
        bytes: size of its first file.
        records: how many it holds.
        without_boxes: keys of the images that it lacks because they have no boxes.
        xxh3_128: of its first file, in hex.
    """

    stem: str
    bytes: int
    records: int
    without_boxes: Sequence[str] = ()
    xxh3_128: str = ""


class ShardWriter(Protocol):
    """Writes the records of one shard, and what belongs to it; publishes nothing."""

    def write(self, record: ImageRecord) -> Placement:
        """Append a record.

        Raises:
            BadImage: the format cannot hold the image.
            BadAnnotation: it cannot hold the labels.
        """

    def finish(self) -> None:
        """Write what belongs to the whole shard."""


class ShardFormat(ABC):
    """One format of shards; see `pipeline.formats.registry.FORMATS`.

    A format whose records are one image between two byte strings derives from `ContiguousFormat`,
    by which they are verified faster; of others each record is parsed.
    """

    name: ClassVar[str]
    """How it is called on the command line; also its folder in the output."""
    title: ClassVar[str]
    """How people call it."""
    version: ClassVar[int]
    """Part of the output digest: raised when the same records would give other bytes."""
    label_offset: ClassVar[int] = 0
    """What is added to class indexes unless one says otherwise."""
    jpeg_only: ClassVar[bool] = False
    """Whether each image must be an RGB or gray JPEG."""
    holds_images: ClassVar[bool] = True
    """Whether there are shards at all."""
    takes: ClassVar[tuple[str, ...]] = ()
    """Options that are not for every format and that this one takes: `DETECTION`, `JOINED`."""
    describes_objects: ClassVar[bool] = False
    """Whether records say more of each object than its box, if labels are of detection and the
    source says more; it has all images then, those without objects, too."""
    needs_label_map: ClassVar[bool] = False
    """Whether readers look up in a label map beside the shards what the labels of described
    objects mean."""
    one_label_width: ClassVar[bool] = False
    """Whether readers want the same number of labels in every record of an output."""
    has_columns: ClassVar[bool] = False
    """Whether each record says the same things, in columns that its shards name: what they are
    is known of the source, before any image is read, and decides the bytes of each shard."""
    names_objects: ClassVar[bool] = False
    """Whether its shards name the classes of objects beside those of images."""
    cuts_names: ClassVar[bool] = False
    """Whether some keys are too long for the names of its records, see `is_cut`."""
    writes_ids: ClassVar[bool] = True
    """Whether the ids of images are in its shards; of those without, a number more or less before
    an image changes no byte."""
    readers: ClassVar[tuple[Reader, ...]] = ()
    """Programs that read its shards, most people's first."""

    @property
    def labels(self) -> tuple[str, ...]:
        """What its records can have as labels, of `LABELS`, whatever the source."""
        return LABELS if DETECTION in self.takes else LABELS[:1]

    def needs_boxes(self, options: RecordOptions) -> bool:
        """Whether its records cannot be of images without boxes."""
        return DETECTION in self.takes and options.labels != LABELS[0]

    def check_installed(self) -> None:  # noqa: B027 - one needs something
        """Raise `EnvironmentRefused` where what only its writer needs is not installed."""

    def refusals(self, image: ImageOptions, others: Collection[str]) -> Iterator[str]:  # noqa: ARG002
        """Yield why it cannot be made of a job, on whatever machine, what to do instead included.

        Args:
            image: how images are stored.
            others: names of the formats that are made besides.
        """
        if self.jpeg_only and image.encoding == ".png":
            what = f"leave --encoding .png or --format {self.name} out"
            yield f"{self.title} shards hold JPEGs: {what}"

    @abstractmethod
    def files(self, stem: str) -> tuple[str, ...]:
        """Return the names of one shard's files, relative to the folder of the output.

        The shard comes first, then its index if it has one, then what else belongs to it. They
        lie in that folder or in one folder below it. The stem is ``train-00000-of-01024``, or,
        of all shards joined, ``train``.
        """

    def paths(self, folder: Where, stem: str) -> tuple[Where, ...]:
        """Return the paths of one shard's files in the folder of an output, see `files`."""
        return tuple(below(folder, name) for name in self.files(stem))

    def whole_files(self) -> tuple[str, ...]:
        """Return the names of the files that an output may have once, for all of its shards."""
        return (without_boxes.NAME,) if DETECTION in self.takes else ()

    def whole(
        self,
        split: str,  # noqa: ARG002 - some name it
        shards: Sequence[WrittenShard],
        options: RecordOptions,
    ) -> Mapping[str, Iterable[bytes]]:
        """Return the content of these files, in pieces, by their names; of those that are made."""
        if not self.needs_boxes(options):
            return {}
        return {without_boxes.NAME: without_boxes.lines(shard.without_boxes for shard in shards)}

    def features(self, options: RecordOptions) -> str:  # noqa: ARG002 - one has a card
        """Return the JSON of its columns as `datasets` has it; "": it reads no card of them."""
        return ""

    @abstractmethod
    def writer(
        self, files: Sequence[StagedFile], options: RecordOptions, records: int
    ) -> ShardWriter:
        """Return a writer into the files of one shard.

        Args:
            files: one for each name of `files`; `StagedFile.write_at` writes over what was
                written before.
            options: of the records.
            records: how many are planned; fewer are written where images are left out.
        """

    @abstractmethod
    def read(self, path: Location) -> Iterator[StoredRecord]:
        """Yield the records of a shard in order, framing and checksums verified.

        Raises:
            OutputDamaged: the file is missing or not as it is written.
        """

    @abstractmethod
    def parse(self, record: StoredRecord, file: str) -> tuple[dict[str, object], memoryview]:
        """Return what a record says, by name, and its image.

        Raises:
            OutputDamaged: it is not as it is written; `file` is what it names.
        """

    @abstractmethod
    def fields(self, record: ImageRecord, options: RecordOptions) -> dict[str, object]:
        """Return what `parse` finds in the record of an image.

        ``filename``, ``width`` and ``height`` are compared with the facts, all else with the plan.
        """

    def masks_of(self, record: StoredRecord) -> tuple[bytes, ...]:  # noqa: ARG002
        """Return the masks that a record has of its objects, as in `ImageRecord`.

        Raises:
            OutputDamaged: the record is not as it is written.
        """
        return ()

    def image(self, record: StoredRecord, size: int) -> memoryview | None:  # noqa: ARG002
        """Return the image of a record, `size` bytes long, without parsing it; None: it cannot."""
        return None

    def is_as_written(
        self, record: StoredRecord, image: ImageRecord, options: RecordOptions
    ) -> bool:
        """Whether a record is what would be written of an image now.

        Raises:
            ShardmillError: the format would not take the image.
        """
        said, encoded = self.parse(record, image.key)
        return said == self.fields(image, options) and encoded == image.encoded

    def unframed(self, view: memoryview, offset: int) -> StoredRecord | None:  # noqa: ARG002
        """Return the record that a view of a shard holds, unchecked; None if nobody can tell."""
        return None

    def index(self, lines: Sequence[bytes]) -> bytes:
        """Return an index of these lines."""
        return b"".join(lines)

    def join(self, shards: Iterable[Sequence[Location]], files: Sequence[StagedFile]) -> int:
        """Write the records of finished shards, one after another; return how many there are.

        Args:
            shards: the files of each, see `files`.
            files: those of the one that is written; it is finished, and not published.

        Raises:
            OutputDamaged: a shard is not as it was written.
        """
        raise TypeError(f"{self.title} shards are not joined: {shards}, {files}")

    def is_cut(self, key: str, suffix: str) -> bool:  # noqa: ARG002
        """Whether a key is too long to be the name of its record; see `RecordOptions.suffix`."""
        return False


class ContiguousFormat(ShardFormat):
    """A format whose records are one image between two byte strings.

    Unless it says otherwise, a shard is one file, in which records follow each other unframed.
    """

    def files(self, stem: str) -> tuple[str, ...]:
        """Return the shard alone, with the name of the format as its suffix."""
        return (f"{stem}.{self.name}",)

    @abstractmethod
    def wrap(self, record: ImageRecord, options: RecordOptions) -> tuple[bytes, bytes]:
        """Return what stands before and after the image in the data of a record."""

    def writer(
        self,
        files: Sequence[StagedFile],
        options: RecordOptions,
        records: int,  # noqa: ARG002 - records are appended
    ) -> ShardWriter:
        """Return a writer that appends records to one file as `wrap` gives them."""
        (file,) = files
        return AppendingWriter(file, lambda record: self.wrap(record, options))

    def image(self, record: StoredRecord, size: int) -> memoryview | None:
        """Return what a record ends in; None if it is too short."""
        start = len(record.data) - size
        return record.data[start:] if start >= 0 else None

    def is_as_written(
        self, record: StoredRecord, image: ImageRecord, options: RecordOptions
    ) -> bool:
        """Whether what stands around an image is, byte for byte, what would be written now."""
        before, after = self.wrap(image, options)
        data = record.data
        end = len(data) - len(after)
        return (
            len(data) == len(before) + len(image.encoded) + len(after)
            and data[: len(before)] == before
            and data[end:] == after
        )
