"""An output: the shards of one split in one format, where they go and what decides their bytes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from pipeline import digests
from pipeline.catalog.shard_name import ShardName
from pipeline.documents import first_words
from pipeline.documents.outputs import Parameters
from pipeline.formats.base import LABELS, RecordOptions, ShardFormat
from pipeline.formats.registry import ALL
from pipeline.images.bounds import MAX_PIXELS
from pipeline.images.prepare import ImageOptions
from pipeline.storage import Location

_OF_COLUMNS: Final = ("class_names", "boxes", "vectors", "object_names")
"""What the options of records say of columns, where a format has such."""


@dataclass(frozen=True)
class RecordForm:
    """What decides the records of a format beside the plan: a part of an output's manifest.

    Attributes:
        format: name of the shard format.
        options: those of the records.
        image: how images are stored.
        codec: what encodes those that are to be encoded anew; None where that is asked of none.
        repairs: whether images that are no RGB or gray JPEG are made one.
    """

    format: str
    options: RecordOptions
    image: ImageOptions
    codec: str | None
    repairs: bool

    @property
    def shard_format(self) -> ShardFormat:
        """The format itself."""
        return ALL[self.format]

    @property
    def describes_objects(self) -> bool:
        """Whether its records say more of objects than their boxes."""
        return self.shard_format.describes_objects and self.options.labels != LABELS[0]

    @property
    def label_map_offset(self) -> int | None:
        """What is added to class indexes of objects that readers look up in a label map.

        None: they look up none.
        """
        mapped = self.describes_objects and self.shard_format.needs_label_map
        return self.options.label_offset if mapped else None

    @property
    def features(self) -> str:
        """What a dataset card says of its columns, see `ShardFormat.features`."""
        return self.shard_format.features(self.options)

    def to_json(self) -> dict[str, Any]:
        """Return it as the parameters of a manifest."""
        vector = {"multi_hot": self.options.multi_hot} if self.options.multi_hot else {}
        columns = {name: getattr(self.options, name) for name in _OF_COLUMNS}
        if self.options.object_names is None:
            del columns["object_names"]
        return {
            "label_offset": self.options.label_offset,
            "labels": self.options.labels,
            "suffix": self.options.suffix,
            **vector,
            **(columns if self.shard_format.has_columns else {}),
            first_words.IMAGE_OPTIONS: self.image.to_json(),
            "codec": self.codec,
            "repairs": self.repairs,
        }

    @staticmethod
    def recorded(name: str, parameters: Parameters) -> RecordForm:
        """Rebuild it from the parameters of a manifest."""
        options = RecordOptions(
            parameters.label_offset,
            parameters.labels,
            parameters.suffix,
            parameters.multi_hot,
            *(getattr(parameters, name) for name in _OF_COLUMNS),
        )
        return RecordForm(name, options, parameters.image, parameters.codec, parameters.repairs)


@dataclass(frozen=True)
class Output:
    """One format's output of a split.

    Attributes:
        digest: of what decides its bytes.
        folder: where it goes.
        form: of its records.
        joined: whether the shards are joined into one file, too, which changes none of them.
        codec_here: the codec that is installed, where it is another than the output's; else "".
    """

    digest: str
    folder: Location
    form: RecordForm
    joined: bool = False
    codec_here: str = ""

    @property
    def format(self) -> str:
        """Name of the shard format."""
        return self.form.format

    @property
    def label_offset(self) -> int:
        """What is added to class indexes."""
        return self.form.options.label_offset

    @property
    def exported_as(self) -> str:
        """What exports call its shards: the name of the format; "" where there are none."""
        return self.format if self.form.shard_format.holds_images else ""

    def files(self, name: ShardName) -> tuple[Location, ...]:
        """Return the files of one shard, see `ShardFormat.files`."""
        return self.form.shard_format.paths(self.folder, name.stem)


def digest_of(form: RecordForm, shards: str, *, shortened: bool = False) -> str:
    """Return the digest of an output: of everything that decides its bytes.

    Args:
        form: of its records.
        shards: the digest of which image goes where; see `pipeline.job.split.SplitJob`.
        shortened: whether names of its records are, which were longer once.
    """
    if shortened:
        shards = digests.digest({"names": "shortened", "shards": shards})
    return digests.digest({**decisive(form), "shards": shards})


def decisive(form: RecordForm) -> dict[str, Any]:
    """Return what of a form decides the bytes of an output."""
    # How many pixels are allowed decides which images are refused, and no byte of the others.
    counted = replace(form, image=replace(form.image, max_pixels=MAX_PIXELS))
    return {
        "format": form.format,
        "parameters": counted.to_json(),
        "writer_version": form.shard_format.version,
    }
