"""How one record of a shard is found by the shard's index and read, in each format."""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import OutputDamaged
from pipeline.formats.examples import objects as of_examples
from pipeline.formats.examples import quick as examples
from pipeline.formats.record import ParsedRecord, stored_label
from pipeline.formats.registry import FORMATS
from pipeline.formats.tfrecord.shard import masked_crc32c
from pipeline.formats.webdataset import quick as samples
from pipeline.state.current import REMEDY

_LENGTH_AND_CRC: Final = struct.Struct("<QI")
_CRC: Final = struct.Struct("<I")


class Layout(ABC):
    """The shards of one format, as far as single records are read."""

    name: ClassVar[str]
    """Of the format."""
    suffix: ClassVar[str]
    """What the names of its shards end in."""

    def index_name(self, shard: str) -> str:
        """Return the name of the index of a shard, relative to the folder of the output."""
        return FORMATS[self.name].files(shard.removesuffix(self.suffix))[1]

    @abstractmethod
    def spans(self, index: bytes) -> NDArray[np.int64]:
        """Return where the records of a shard are, by its index.

        Returns:
            (n, m) of each record: where it begins and how many bytes it has; then what else
            `parse` wants.

        Raises:
            ValueError: it is no index.
        """

    @abstractmethod
    def parse(self, data: memoryview, span: list[int], file: str) -> ParsedRecord:
        """Return what a record says; its image is a view of `data`.

        Raises:
            OutputDamaged: it is not as it was written; `file` is what it names.
        """

    def stored(self, data: memoryview, span: list[int], file: str) -> memoryview:
        """Return what stands in the framing of a record, checked as far as the framing allows.

        Raises:
            OutputDamaged: see `parse`.
        """
        del span, file
        return data

    @abstractmethod
    def object_labels(self, record: ParsedRecord, label_offset: int) -> list[int]:
        """Return the label of each object of a record."""


class TFRecordLayout(Layout):
    """tf.train.Examples, each with its checksum."""

    name = "tfrecord"
    suffix = ""

    def spans(self, index: bytes) -> NDArray[np.int64]:
        """Return offset and length of each record, framing included."""
        return _numbers(index.split(), 2)

    def parse(self, data: memoryview, span: list[int], file: str) -> ParsedRecord:
        """Return what an Example says, after a look at the checksum of its bytes."""
        return examples.parse(self.stored(data, span, file), file=file)

    def stored(self, data: memoryview, span: list[int], file: str) -> memoryview:
        """Return the serialised Example, after a look at the checksum of its bytes."""
        size = span[1] - _LENGTH_AND_CRC.size - _CRC.size
        content = data[_LENGTH_AND_CRC.size : -_CRC.size]
        length, _ = _LENGTH_AND_CRC.unpack_from(data)
        (stored,) = _CRC.unpack_from(data, span[1] - _CRC.size)
        if length != size or masked_crc32c(content) != stored:
            raise OutputDamaged(
                "a record of the shard is not as it was written",
                file=file,
                place=f"byte {span[0]}",
                expected=f"{size} bytes and their masked CRC-32C",
                found=f"a length of {length}, or another checksum",
                remedy="say shardmill verify OUT --remove-damaged, then run the shardmill command"
                " again: it is made anew",
            )
        return content

    def object_labels(self, record: ParsedRecord, label_offset: int) -> list[int]:
        """Return those that objects have of their own, or that of the image."""
        del label_offset  # they have it already
        return object_labels(record)


class WebDatasetLayout(Layout):
    """Samples of three members: image, class and facts."""

    name = "webdataset"
    suffix = ".tar"

    def spans(self, index: bytes) -> NDArray[np.int64]:
        """Return begin and length of each sample, then offset and size of each of its members.

        A line has extension, offset, size and name of each of three.
        """
        _, *lines = index.splitlines()
        words = [word for line in lines for word in line.split()]
        members = _numbers([*zip(words[1::4], words[2::4], strict=True)], 6)
        begin, end = members[:, 0], members[:, 4] + members[:, 5]
        return np.column_stack([begin, end - begin, members])

    def parse(self, data: memoryview, span: list[int], file: str) -> ParsedRecord:
        """Return what a sample says."""
        begin, _, *members = span
        image, label, facts = (
            data[offset - begin : offset - begin + size]
            for offset, size in zip(members[::2], members[1::2], strict=True)
        )
        return samples.parse(image, label, facts, file=file)

    def object_labels(self, record: ParsedRecord, label_offset: int) -> list[int]:
        """Return those of the classes that objects name, or that of the image."""
        described: Any = record.described.get("objects")
        if described is None:
            return [record.label] * len(record.boxes)
        own = [one["class_index"] for one in described]
        return [record.label if each < 0 else stored_label(each, label_offset) for each in own]


LAYOUTS: Final[Mapping[str, Layout]] = {
    each.name: each for each in (TFRecordLayout(), WebDatasetLayout())
}
"""By the name of the format; of several that an output has, the first is read."""


def object_labels(record: ParsedRecord) -> list[int]:
    """Return the label of each object of an Example: its own, or else that of the image."""
    own: Any = record.described.get(of_examples.LABEL)
    return [record.label] * len(record.boxes) if own is None else list(own)


def spans(layout: Layout, index: bytes, records: int, file: str) -> NDArray[np.int64]:
    """Return where the records of a shard are, see `Layout.spans`.

    Args:
        layout: of the shard.
        index: the content of its index.
        records: how many the manifest says there are.
        file: the index, for errors.

    Raises:
        OutputDamaged: the index is none, or is of another number of records.
    """
    try:
        found = layout.spans(index)
    except ValueError as error:
        count = str(error)
    else:
        if len(found) == records:
            return found
        count = f"{len(found)} records"
    raise OutputDamaged(
        "the index is not of what the shard holds",
        file=file,
        expected=f"the offsets of {records} records",
        found=count,
        remedy=REMEDY,
    )


def _numbers(words: Any, columns: int) -> NDArray[np.int64]:
    return np.array(words, dtype=np.bytes_).reshape(-1).astype(np.int64).reshape(-1, columns)
