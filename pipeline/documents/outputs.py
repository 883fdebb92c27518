"""The manifest of a finished output."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta, Struct, field

from pipeline.catalog.shard_name import ShardName
from pipeline.documents import first_words
from pipeline.documents.generations import Generation, counts_of
from pipeline.documents.shards import LeftOutImage, RepairedImage
from pipeline.documents.values import Below, Digest, Key, Name, Size, Text, one_of
from pipeline.formats.base import LABELS
from pipeline.formats.registry import ALL
from pipeline.images.prepare import ImageOptions
from pipeline.manifest import FileEntry
from pipeline.storage.clutter import PassedOver


class Input(Struct, frozen=True):
    """What an output was made of: a list, a folder, an archive, annotations or a selection.

    Of shards whose classes stand in no table beside the output, `classes` has id and words of each
    by its index, either of which may be empty.
    """

    list: Name | None = None
    folder: Below | None = None
    file: Name | None = None
    annotations: Text | None = None
    md5: Text = ""
    digest: Text = ""
    selection: Text = ""
    classes: tuple[tuple[Text, Text], ...] = ()


class Digests(Struct, frozen=True):
    """Of the output itself, and of what it was made of.

    Attributes:
        output: of what decides its bytes.
        plan: of the plan that its shards, or the last of them, were made by.
        catalog: of the catalog of that plan.
        shards: of which image goes where, whatever the version of the plan; "": an older version
            did not say.
    """

    output: Digest
    plan: Digest
    catalog: Text = ""
    shards: Text = ""

    @property
    def family(self) -> str:
        """What the shards' marks call their family; see `pipeline.shards.part_sources`."""
        return self.shards or self.plan


class Parameters(Struct, frozen=True):
    """What decides the records of an output; see `pipeline.shards.output.RecordForm`.

    Attributes:
        order: of the images; "": nobody said.
        seed: of the ``hash`` order.
    """

    label_offset: int
    labels: Annotated[str, one_of(LABELS)]
    suffix: Text
    image: ImageOptions = field(name=first_words.IMAGE_OPTIONS)
    codec: Text | None
    repairs: bool
    multi_hot: Size = 0
    class_names: tuple[Text, ...] = ()
    boxes: bool = False
    vectors: bool = False
    object_names: tuple[Text, ...] | None = None
    order: Text = ""
    seed: int = 0


class Counts(Struct, frozen=True):
    """What an output holds, in numbers."""

    bytes: Size
    images: Size
    left_out: Size
    records: Size
    boxes: Size = 0
    repaired: Size = 0
    without_boxes: Size = 0


class NamedShard(Struct, frozen=True):
    """A shard of an output; of facts alone there is no file to name."""

    records: Size
    file: Below | None = None
    bytes: Size = 0


class OutputManifest(Struct, frozen=True):
    """The manifest of an output; file names are relative to its folder.

    Of one that nothing was appended to, `generations` is empty.
    """

    LISTS_IMAGES: ClassVar = True

    format: Annotated[str, one_of(ALL)]
    split: Name
    digests: Digests
    inputs: Annotated[tuple[Input, ...], Meta(min_length=1)]
    parameters: Parameters
    counts: Counts
    shards: tuple[NamedShard, ...]
    files: tuple[FileEntry, ...]
    left_out: tuple[LeftOutImage, ...] = ()
    repairs: tuple[RepairedImage, ...] = ()
    notes: dict[Key, Size] = field(default_factory=dict)
    passed_over: PassedOver | None = None
    generations: tuple[Generation, ...] = ()

    @property
    def classes(self) -> tuple[tuple[str, str], ...]:
        """Id and words of each class by its index, as what it was made of said; else empty."""
        return next((each.classes for each in self.inputs if each.classes), ())

    @property
    def counts_of_shards(self) -> tuple[int, ...]:
        """How many shards each generation has."""
        return counts_of(self.generations) or (len(self.shards),)

    @property
    def shards_of_first(self) -> int:
        """How many shards the first generation was divided among; some may be empty since."""
        return self.generations[0].shards if self.generations else len(self.shards)

    def shard_name(self, number: int) -> ShardName:
        """Return the name of a shard, by its 0-based number of all.

        Raises:
            IndexError: it has no such shard.
        """
        return ShardName.numbered(self.split, self.counts_of_shards, number)
