"""The tf.train.Example of an image, encoded and read without TensorFlow or protobuf.

The features are the fifteen of the Inception scripts (tensorflow/models, research/inception,
build_imagenet_data.py), and ``image/labels``, a list of floats, where the labels of an image list
are no class; and those of `objects`. Their keys are in ascending order, but for ``image/encoded``,
which is last: all that precedes the image is one small head, and the image follows it untouched.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Final

from pipeline.catalog.objects import Box
from pipeline.errors import BadImage
from pipeline.formats.examples import objects
from pipeline.formats.examples.features import (
    Kind,
    Values,
    empty_entry,
    entry,
    open_entry,
    open_example,
    read_features,
)
from pipeline.formats.examples.wire import WireReader, encode_varint
from pipeline.formats.record import (
    UNLABELLED,
    ImageRecord,
    ParsedRecord,
    object_labels,
    stored_label,
)
from pipeline.storage import Buffer

KINDS: Final = {
    "image/channels": Kind.INTS,
    "image/class/label": Kind.INTS,
    "image/class/synset": Kind.BYTES,
    "image/class/text": Kind.BYTES,
    "image/colorspace": Kind.BYTES,
    "image/filename": Kind.BYTES,
    "image/format": Kind.BYTES,
    "image/height": Kind.INTS,
    "image/object/bbox/label": Kind.INTS,
    "image/object/bbox/xmax": Kind.FLOATS,
    "image/object/bbox/xmin": Kind.FLOATS,
    "image/object/bbox/ymax": Kind.FLOATS,
    "image/object/bbox/ymin": Kind.FLOATS,
    "image/width": Kind.INTS,
    "image/encoded": Kind.BYTES,
}
"""The features that every Example has."""
_LABELS: Final = "image/labels"
_OPTIONAL: Final = {_LABELS: Kind.FLOATS, **objects.KINDS, **objects.OPTIONAL}
_CHANNELS: Final = 3
_COLORSPACE: Final = b"RGB"
_FORMAT: Final = b"JPEG"
_LEAST: Final = {"image/class/label": UNLABELLED, "image/height": 1, "image/width": 1}
_OBJECT: Final = "image/object/"  # the lists under it have an element a box, all others one
_BOX: Final = f"{_OBJECT}bbox/"
_MAX_MESSAGE: Final = (1 << 31) - 1  # bytes; protobuf parses no more


def encode_head(record: ImageRecord, label_offset: int, *, described: bool = False) -> bytes:
    """Return the serialised Example up to the image; ``record.encoded`` completes it.

    Args:
        record: the image.
        label_offset: added to the class index of a labelled image; 1 keeps 0 for a background
            class, as the Inception scripts do.
        described: whether each object is described, see `objects`.

    Raises:
        BadImage: the Example would reach 2 GiB.
    """
    label = stored_label(record.class_index, label_offset)
    filename = record.filename.encode()
    height, width = _size_entries(record.height, record.width)
    own = object_labels(record, label_offset) if described else [label] * len(record.boxes)
    size = len(record.encoded)
    entries = b"".join(
        (
            _class_entries(label, record.class_id, record.class_text),
            _open_filename(len(filename)),
            filename,
            height,
            _label_entry(record.labels) if record.labels else b"",
            _box_entries(tuple(own), record.boxes) if record.boxes else _NO_BOXES,
            objects.entries(record, label_offset) if described else b"",
            width,
            open_entry("image/encoded", Kind.BYTES, size),
        )
    )
    head = open_example(entries, size)
    if len(head) + size > _MAX_MESSAGE:
        raise BadImage(
            "the image is too large for a tf.train.Example",
            file=record.key,
            expected=f"at most {_MAX_MESSAGE} bytes with its features",
            found=f"{len(head) + size} bytes",
            remedy="leave this image out, or store it smaller",
        )
    return head


def parse_example(data: Buffer, *, file: str | None = None) -> ParsedRecord:
    """Read an Example of the fifteen features, in any key order, lists packed or not.

    Args:
        data: the serialised message.
        file: what an error shall name, e.g. the shard and the number of the record in it.

    Raises:
        OutputDamaged: malformed wire data, or a feature that is missing, unknown, repeated, of
            another kind or value than is written; it names the byte of `data`, or the feature.
    """
    wire = WireReader(data, file)
    values = read_features(wire, KINDS, _OPTIONAL)
    _check_lengths(wire, values)
    label = values["image/class/label"][0]
    _check_value(wire, values, "image/channels", _CHANNELS)
    _check_value(wire, values, "image/colorspace", _COLORSPACE)
    _check_value(wire, values, "image/format", _FORMAT)
    described = _check_described(wire, values)
    if not described:
        _check_value(wire, values, _BOX + "label", label)
    elif values[_BOX + "label"] != values[objects.LABEL]:
        raise wire.refused(_BOX + "label", f"those of {objects.LABEL}", "others")
    for key, least in _LEAST.items():
        if values[key][0] < least:
            raise wire.refused(key, f"at least {least}", str(values[key][0]))
    sides = (values[_BOX + side] for side in ("xmin", "ymin", "xmax", "ymax"))
    return ParsedRecord(
        filename=_text(wire, values, "image/filename"),
        label=label,
        class_id=_text(wire, values, "image/class/synset"),
        class_text=_text(wire, values, "image/class/text"),
        boxes=tuple(zip(*sides, strict=True)),
        width=values["image/width"][0],
        height=values["image/height"][0],
        encoded=values["image/encoded"][0],
        labels=tuple(values.get(_LABELS, ())),
        described=objects.parsed(values) if described else {},
        masks=objects.masks(values),
    )


# What many images share is encoded once. The caches are bounded: there is no telling how many
# classes and sizes a dataset has.

_NO_BOXES: Final = b"".join(empty_entry(key, KINDS[key]) for key in KINDS if key.startswith(_BOX))


@lru_cache(maxsize=4096)
def _class_entries(label: int, class_id: str, class_text: str) -> bytes:
    return (
        entry("image/channels", Kind.INTS, encode_varint(_CHANNELS))
        + entry("image/class/label", Kind.INTS, encode_varint(label))
        + entry("image/class/synset", Kind.BYTES, class_id.encode())
        + entry("image/class/text", Kind.BYTES, class_text.encode())
        + entry("image/colorspace", Kind.BYTES, _COLORSPACE)
    )


@lru_cache(maxsize=1024)
def _open_filename(size: int) -> bytes:
    return open_entry("image/filename", Kind.BYTES, size)


@lru_cache(maxsize=4096)
def _size_entries(height: int, width: int) -> tuple[bytes, bytes]:
    """Return what stands between the file name and the boxes, and what follows the boxes."""
    image_format = entry("image/format", Kind.BYTES, _FORMAT)
    return (
        image_format + entry("image/height", Kind.INTS, encode_varint(height)),
        entry("image/width", Kind.INTS, encode_varint(width)),
    )


def _label_entry(labels: tuple[float, ...]) -> bytes:
    return entry(_LABELS, Kind.FLOATS, struct.pack(f"<{len(labels)}f", *labels))


@lru_cache(maxsize=4096)
def _open_boxes(own: tuple[int, ...]) -> tuple[bytes, ...]:
    """Return what precedes the numbers of xmax, xmin, ymax and ymin: first, all the labels."""
    labels = entry(_BOX + "label", Kind.INTS, b"".join(map(encode_varint, own)))
    first, *others = (
        open_entry(_BOX + side, Kind.FLOATS, 4 * len(own))
        for side in ("xmax", "xmin", "ymax", "ymin")
    )
    return labels + first, *others


def _box_entries(own: tuple[int, ...], boxes: tuple[Box, ...]) -> bytes:
    xmin, ymin, xmax, ymax = zip(*boxes, strict=True)
    numbers = struct.Struct(f"<{len(boxes)}f").pack
    at_xmax, at_xmin, at_ymax, at_ymin = _open_boxes(own)
    parts = (at_xmax, numbers(*xmax), at_xmin, numbers(*xmin))
    return b"".join((*parts, at_ymax, numbers(*ymax), at_ymin, numbers(*ymin)))


def _check_described(wire: WireReader, values: Values) -> bool:
    """Return whether an Example describes each object; it has all of the features that do, or none.

    Raises:
        OutputDamaged: it has some of them.
    """
    there = objects.KINDS.keys() & values.keys()
    if there and there != objects.KINDS.keys():
        missing = min(objects.KINDS.keys() - there)
        raise wire.refused(missing, "to be there", f"{len(there)} of {len(objects.KINDS)} features")
    if not there and objects.OPTIONAL.keys() & values.keys():
        raise wire.refused(min(objects.OPTIONAL), "none, or the other features", "it alone")
    return bool(there)


def _check_lengths(wire: WireReader, values: Values) -> None:
    boxes = len(values[_BOX + "label"])
    if _LABELS in values and not values[_LABELS]:
        raise wire.refused(_LABELS, "1 or more elements", "none")
    for key, elements in values.items():
        if key == _LABELS:
            continue
        expected = boxes if key.startswith(_OBJECT) else 1
        if len(elements) != expected:
            raise wire.refused(key, f"{expected} elements", f"{len(elements)} elements")


def _check_value(wire: WireReader, values: Values, key: str, expected: int | bytes) -> None:
    for element in values[key]:
        if element != expected:
            shown = bytes(element[:100]) if isinstance(element, memoryview) else element
            raise wire.refused(key, repr(expected), repr(shown))


def _text(wire: WireReader, values: Values, key: str) -> str:
    content = bytes(values[key][0])
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise wire.refused(key, "UTF-8", repr(content[:100])) from None
