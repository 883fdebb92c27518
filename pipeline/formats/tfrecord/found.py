"""The images in TFRecord shards of any program: tf.train.Examples whose features have known names.

The names are those of the Inception scripts and of TensorFlow's Object Detection API, and the
short ones that TensorFlow Datasets and Keras' examples use. Other features are passed over.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, Final

from pipeline.catalog.objects import Box
from pipeline.formats.examples import objects
from pipeline.formats.examples.features import Kind, SpannedValues, read_any
from pipeline.formats.examples.wire import WireReader
from pipeline.formats.found import FoundImage, Note
from pipeline.formats.tfrecord import shard
from pipeline.storage import Location

_HEADER: Final = struct.Struct("<QI")  # the length of a record, and its checksum
_IMAGE: Final = ("image/encoded", "image", "image_raw", "jpg", "jpeg", "png")
_LABEL: Final = ("image/class/label", "label")
_TEXT: Final = ("image/class/text",)
_ID: Final = ("image/class/synset",)
_NAME: Final = ("image/filename", "file_name", "filename", "image/source_id")
_VECTOR: Final = ("image/labels",)
_BOX: Final = "image/object/bbox/"
_OBJECT_LABELS: Final = (objects.LABEL, f"{_BOX}label")


def is_shard(head: bytes) -> bool:
    """Whether a file that begins so is of TFRecords: the checksum of the first length is right."""
    if len(head) < _HEADER.size:
        return False
    length, checksum = _HEADER.unpack_from(head)
    return bool(checksum == shard.masked_crc32c(struct.pack("<Q", length)))


def images(path: Location, note: Note) -> Iterator[FoundImage]:
    """Yield the images of a shard in order, checksums verified.

    Raises:
        OutputDamaged: a record is cut short, has a wrong checksum, or is no Example.
    """
    for number, record in enumerate(shard.read_records(path), start=1):
        wire = WireReader(record.data, f"{path}, record {number}")
        features = read_any(wire)
        stored = next((features[name] for name in _IMAGE if _is_image(features, name)), None)
        if stored is None:
            note("a record without an image", f"{path}, record {number}")
            continue
        start, stop = stored.values[0]
        yield _found(wire, features, record.offset + _HEADER.size + start, (start, stop))


def _found(
    wire: WireReader, features: dict[str, SpannedValues], offset: int, span: tuple[int, int]
) -> FoundImage:
    label, text = _number(features), _text(wire, features, _TEXT)
    class_id = _text(wire, features, _ID)
    if not text and label is None:
        text = _text(wire, features, ("label",))
    boxes = _boxes(wire, features)
    count = len(boxes)
    numbers = next((ints for name in _OBJECT_LABELS if (ints := _ints(features, name))), ())
    texts = _texts(wire, features, objects.TEXT)
    texts = texts if len(texts) == count else ()
    # One number may be a class of images, and another one of objects: then the texts differ.
    differ = set(numbers) != {label} or not {*texts} <= {"", class_id, text}
    own = numbers if len(numbers) == count and differ else ()
    flags = objects.flags({name: _ints(features, name) for name in objects.BITS}, count)
    return FoundImage(
        name=_text(wire, features, _NAME),
        offset=offset,
        encoded=wire.data[span[0] : span[1]],
        label=label,
        class_id=class_id,
        class_text=text,
        labels=next((tuple(features[n].values) for n in _VECTOR if n in features), ()),
        boxes=boxes,
        box_classes=own,
        box_ids=texts if own or not numbers else (),
        flags=flags,
    )


def _is_image(features: dict[str, SpannedValues], name: str) -> bool:
    found = features.get(name)
    if found is None or found.kind is not Kind.BYTES or not found.values:
        return False
    start, stop = found.values[0]
    return bool(stop > start)


def _number(features: dict[str, SpannedValues]) -> int | None:
    """Return the class of an image; below 0 it has none."""
    for name in _LABEL:
        found = _ints(features, name)
        if found:
            return found[0] if found[0] >= 0 else None
    return None


def _ints(features: dict[str, SpannedValues], name: str) -> tuple[int, ...]:
    found = features.get(name)
    return tuple(found.values) if found is not None and found.kind is Kind.INTS else ()


def _text(wire: WireReader, features: dict[str, SpannedValues], names: tuple[str, ...]) -> str:
    """Return the first text that is there and not empty, of features of some names."""
    return next((text for name in names for text in _texts(wire, features, name)[:1] if text), "")


def _texts(wire: WireReader, features: dict[str, SpannedValues], name: str) -> tuple[str, ...]:
    found = features.get(name)
    if found is None or found.kind is not Kind.BYTES:
        return ()
    spans: list[Any] = found.values
    try:
        return tuple(bytes(wire.data[start:stop]).decode() for start, stop in spans)
    except UnicodeDecodeError:
        raise wire.refused(name, "UTF-8", "other bytes") from None


def _boxes(wire: WireReader, features: dict[str, SpannedValues]) -> tuple[Box, ...]:
    names = [f"{_BOX}{side}" for side in ("xmin", "ymin", "xmax", "ymax")]
    there = [features[name] for name in names if name in features and features[name].values]
    if not there:
        return ()
    lengths = {len(each.values) for each in there}
    if len(there) != len(names) or len(lengths) != 1 or {e.kind for e in there} != {Kind.FLOATS}:
        raise wire.refused(names[0], "four lists of as many numbers", "others")
    return tuple(zip(*(each.values for each in there), strict=True))
