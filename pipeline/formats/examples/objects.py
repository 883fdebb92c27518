"""Features of an Example that describe each object, with labels of detection.

Beside the fifteen features of every Example, in ascending order of all keys::

    image/object/class/label    INTS    own class of each object, with the label offset
    image/object/class/text     BYTES   id of that class; empty where it has none
    image/object/depiction      INTS    1 or 0, likewise group_of, occluded and truncated
    image/object/mask           BYTES   PNG of the image's size; there only if masks are asked for
    image/source_id             BYTES   what the publishers call the image

``image/object/bbox/label`` is then the own class of each object, too. Names and forms are those of
TensorFlow's Object Detection API (object_detection/core/standard_fields.py, and its script for
Open Images, dataset_tools/create_oid_tf_record.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pipeline.catalog import objects
from pipeline.formats.examples.features import Kind, Values, elements_entry, empty_entry, entry
from pipeline.formats.examples.wire import encode_varint
from pipeline.formats.record import ImageRecord, object_labels

SOURCE_ID: Final = "image/source_id"
LABEL: Final = "image/object/class/label"
TEXT: Final = "image/object/class/text"
_MASK: Final = "image/object/mask"
BITS: Final = {
    "image/object/depiction": objects.DEPICTION,
    "image/object/group_of": objects.GROUP,
    "image/object/occluded": objects.OCCLUDED,
    "image/object/truncated": objects.TRUNCATED,
}
KINDS: Final[Mapping[str, Kind]] = {
    LABEL: Kind.INTS,
    TEXT: Kind.BYTES,
    **dict.fromkeys(BITS, Kind.INTS),
    SOURCE_ID: Kind.BYTES,
}
"""Features that are there all together or not at all."""
OPTIONAL: Final[Mapping[str, Kind]] = {_MASK: Kind.BYTES}


def entries(record: ImageRecord, label_offset: int) -> bytes:
    """Return the map entries of these features, in ascending order of their keys."""
    by_key = {
        LABEL: ints(LABEL, object_labels(record, label_offset)),
        TEXT: elements_entry(TEXT, [text.encode() for text in _ids(record)]),
        **{key: ints(key, _bits(record, bit)) for key, bit in BITS.items()},
        SOURCE_ID: entry(SOURCE_ID, Kind.BYTES, source_id(record.key).encode()),
    }
    if record.masks:
        by_key[_MASK] = elements_entry(_MASK, record.masks)
    return b"".join(by_key[key] for key in sorted(by_key))


def ints(key: str, values: list[int]) -> bytes:
    """Return the map entry of a list of integers."""
    if not values:
        return empty_entry(key, Kind.INTS)
    return entry(key, Kind.INTS, b"".join(map(encode_varint, values)))


def source_id(key: str) -> str:
    """Return what the publishers call an image: its key without the suffix."""
    return key.rpartition(".")[0] or key


def described(record: ImageRecord, label_offset: int) -> dict[str, object]:
    """Return what `parsed` gives of the record of an image."""
    return {
        LABEL: tuple(object_labels(record, label_offset)),
        TEXT: _ids(record),
        **{key: tuple(_bits(record, bit)) for key, bit in BITS.items()},
        SOURCE_ID: (source_id(record.key),),
    }


def parsed(values: Values) -> dict[str, object]:
    """Return these features of an Example as plain values."""
    return {key: tuple(map(_plain, values[key])) for key in KINDS}


def masks(values: Values) -> tuple[bytes, ...]:
    """Return the masks of an Example; none if it has none."""
    return tuple(map(bytes, values.get(_MASK, ())))


def flags(said: Mapping[str, tuple[int, ...]], count: int) -> tuple[int, ...]:
    """Return the flags of so many objects, bits as of `catalog.objects`; () where nobody says any.

    Args:
        said: the values of features of `BITS`, by name; those of another length say nothing.
        count: how many objects there are.
    """
    known = {name: values for name, values in said.items() if len(values) == count}
    if not count or not known:
        return ()
    return tuple(
        sum(BITS[name] for name, values in known.items() if values[place]) for place in range(count)
    )


def _plain(value: Any) -> object:
    return bytes(value).decode(errors="replace") if isinstance(value, memoryview) else value


def _ids(record: ImageRecord) -> tuple[str, ...]:
    return record.box_ids or ("",) * len(record.boxes)


def _bits(record: ImageRecord, bit: int) -> list[int]:
    return [int(flags & bit > 0) for flags in record.flags or (0,) * len(record.boxes)]
