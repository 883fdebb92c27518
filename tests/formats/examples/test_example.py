"""The bytes of an Example, and the reading of them."""

from __future__ import annotations

import contextlib
import mmap
import re
import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.catalog.objects import Box
from pipeline.errors import BadImage, OutputDamaged
from pipeline.formats.examples.example import encode_head, parse_example
from pipeline.formats.record import ImageRecord, ParsedRecord
from pipeline.storage import Buffer

TENCH = ImageRecord(
    key="n01440764/n01440764_18.JPEG",
    filename="n01440764_18.JPEG",
    class_index=0,
    class_id="n01440764",
    class_text="tench, Tinca tinca",
    boxes=(),
    width=500,
    height=375,
    encoded=b"\xff\xd8\xff\xd9",
)

# Written by hand from the .proto files: 0a entry, 0a key, 12 Feature, then the list
# (0a bytes, 12 floats, 1a integers) and in it 0a, its one element or all that are packed.
BEFORE_BOXES = (
    b"\x0a\x17\x0a\x0eimage/channels\x12\x05\x1a\x03\x0a\x01\x03"
    b"\x0a\x1a\x0a\x11image/class/label\x12\x05\x1a\x03\x0a\x01\x01"
    b"\x0a\x23\x0a\x12image/class/synset\x12\x0d\x0a\x0b\x0a\x09n01440764"
    b"\x0a\x2a\x0a\x10image/class/text\x12\x16\x0a\x14\x0a\x12tench, Tinca tinca"
    b"\x0a\x1b\x0a\x10image/colorspace\x12\x07\x0a\x05\x0a\x03RGB"
    b"\x0a\x27\x0a\x0eimage/filename\x12\x15\x0a\x13\x0a\x11n01440764_18.JPEG"
    b"\x0a\x18\x0a\x0cimage/format\x12\x08\x0a\x06\x0a\x04JPEG"
    b"\x0a\x16\x0a\x0cimage/height\x12\x06\x1a\x04\x0a\x02\xf7\x02"
)
NO_BOXES = (
    b"\x0a\x1d\x0a\x17image/object/bbox/label\x12\x02\x1a\x00"
    b"\x0a\x1c\x0a\x16image/object/bbox/xmax\x12\x02\x12\x00"
    b"\x0a\x1c\x0a\x16image/object/bbox/xmin\x12\x02\x12\x00"
    b"\x0a\x1c\x0a\x16image/object/bbox/ymax\x12\x02\x12\x00"
    b"\x0a\x1c\x0a\x16image/object/bbox/ymin\x12\x02\x12\x00"
)
TWO_BOXES = (
    b"\x0a\x21\x0a\x17image/object/bbox/label\x12\x06\x1a\x04\x0a\x02\x01\x01"
    b"\x0a\x26\x0a\x16image/object/bbox/xmax\x12\x0c\x12\x0a\x0a\x08"
    b"\x00\x00\x00\x3f\x00\x00\x80\x3f"  # 0.5, 1.0
    b"\x0a\x26\x0a\x16image/object/bbox/xmin\x12\x0c\x12\x0a\x0a\x08"
    b"\x00\x00\x80\x3e\x00\x00\x00\x00"  # 0.25, 0.0
    b"\x0a\x26\x0a\x16image/object/bbox/ymax\x12\x0c\x12\x0a\x0a\x08"
    b"\x00\x00\x40\x3f\x00\x00\x80\x3f"  # 0.75, 1.0
    b"\x0a\x26\x0a\x16image/object/bbox/ymin\x12\x0c\x12\x0a\x0a\x08"
    b"\x00\x00\x00\x3e\x00\x00\x00\x3f"  # 0.125, 0.5
)
WIDTH = b"\x0a\x15\x0a\x0bimage/width\x12\x06\x1a\x04\x0a\x02\xf4\x03"
ENCODED = b"\x0a\x19\x0a\x0dimage/encoded\x12\x08\x0a\x06\x0a\x04"
IMAGE = b"\xff\xd8\xff\xd9"

FEATURES = BEFORE_BOXES + NO_BOXES + WIDTH + ENCODED + IMAGE


def example(features: bytes) -> bytes:
    """Frame map entries as an Example of 128 to 16,383 bytes."""
    assert 128 <= len(features) < 16_384
    return bytes((0x0A, len(features) & 0x7F | 0x80, len(features) >> 7)) + features


def entry(key: bytes, feature: bytes) -> bytes:
    """Return a map entry of less than 128 bytes."""
    content = bytes((0x0A, len(key))) + key + bytes((0x12, len(feature))) + feature
    assert len(content) < 128
    return bytes((0x0A, len(content))) + content


def parsed_or_refused(data: Buffer) -> ParsedRecord | OutputDamaged:
    try:
        return parse_example(data)
    except OutputDamaged as damage:
        return damage


class TestEncoding:
    def test_gives_the_bytes_of_the_hand_made_example(self) -> None:
        assert encode_head(TENCH, 1) + IMAGE == example(FEATURES)

    def test_packs_boxes_as_little_endian_float32_with_a_label_each(self) -> None:
        boxes = ((0.25, 0.125, 0.5, 0.75), (0.0, 0.5, 1.0, 1.0))
        features = BEFORE_BOXES + TWO_BOXES + WIDTH + ENCODED + IMAGE
        assert encode_head(replace(TENCH, boxes=boxes), 1) + IMAGE == example(features)

    def test_leaves_the_image_alone(self) -> None:
        one = encode_head(replace(TENCH, encoded=b"\x00" * 300), 1)
        other = encode_head(replace(TENCH, encoded=memoryview(bytearray(b"\xff" * 300))), 1)
        assert one == other

    def test_writes_keys_in_ascending_order_with_the_image_last(self) -> None:
        head = encode_head(replace(TENCH, boxes=((0.0, 0.0, 1.0, 1.0),)), 1)
        keys = re.findall(rb"image/[a-z/]+", head)
        assert len(keys) == 15
        assert keys == [*sorted(set(keys) - {b"image/encoded"}), b"image/encoded"]

    @pytest.mark.parametrize("offset", [0, 1, 1000])
    def test_label_is_the_class_index_plus_the_offset(self, offset: int) -> None:
        data = encode_head(replace(TENCH, class_index=999), offset) + IMAGE
        assert parse_example(data).label == 999 + offset

    @pytest.mark.parametrize("offset", [0, 1])
    def test_unlabelled_stays_minus_one_whatever_the_offset(self, offset: int) -> None:
        record = replace(TENCH, class_index=-1, class_id="", class_text="")
        data = encode_head(record, offset) + IMAGE
        label = entry(b"image/class/label", b"\x1a\x0c\x0a\x0a" + b"\xff" * 9 + b"\x01")
        assert label in data
        parsed = parse_example(data)
        assert (parsed.label, parsed.class_id, parsed.class_text) == (-1, "", "")

    @pytest.mark.parametrize("size", [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152])
    def test_lengths_are_right_on_both_sides_of_each_varint_size(self, size: int) -> None:
        image = bytes(size)
        data = encode_head(replace(TENCH, encoded=image), 1) + image
        assert parse_example(data).encoded == image

    def test_refuses_an_image_that_protobuf_could_not_read_back(self) -> None:
        with mmap.mmap(-1, 1 << 31) as pages, memoryview(pages) as image:
            record = replace(TENCH, encoded=image)
            with pytest.raises(BadImage, match="n01440764_18") as caught:
                encode_head(record, 1)
            del record
        assert caught.value.expected == "at most 2147483647 bytes with its features"


fractions = st.floats(0, 1, width=32)
box_lists = st.lists(st.tuples(fractions, fractions, fractions, fractions), max_size=40)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


@given(
    filename=words,
    text=words,
    boxes=box_lists,
    class_index=st.integers(-1, 1 << 40),
    width=st.integers(1, 1 << 31),
    height=st.integers(1, 1 << 31),
    image=st.binary(max_size=300),
)
def test_an_example_reads_back_as_it_was_written(
    filename: str,
    text: str,
    boxes: list[Box],
    class_index: int,
    width: int,
    height: int,
    image: bytes,
) -> None:
    record = ImageRecord(
        f"k/{filename}", filename, class_index, "n01", text, tuple(boxes), width, height, image
    )
    parsed = parse_example(encode_head(record, 1) + image)
    assert parsed.filename == filename
    assert parsed.label == (class_index + 1 if class_index >= 0 else -1)
    assert (parsed.class_id, parsed.class_text) == ("n01", text)
    assert parsed.boxes == tuple(boxes)
    assert (parsed.width, parsed.height) == (width, height)
    assert parsed.encoded == image


class TestReading:
    def test_gives_the_image_as_a_view_of_the_same_memory(self) -> None:
        data = bytearray(example(FEATURES))
        parsed = parse_example(data)
        data[-1] = 0x00
        assert bytes(parsed.encoded) == b"\xff\xd8\xff\x00"

    def test_accepts_the_keys_in_any_order(self) -> None:
        data = example(ENCODED + IMAGE + WIDTH + NO_BOXES + BEFORE_BOXES)
        assert parse_example(data) == parse_example(example(FEATURES))

    def test_accepts_a_value_before_its_key(self) -> None:
        swapped = b"\x0a\x15\x12\x06\x1a\x04\x0a\x02\xf4\x03\x0a\x0bimage/width"
        data = example(FEATURES.replace(WIDTH, swapped))
        assert parse_example(data).width == 500

    def test_accepts_lists_that_are_not_packed(self) -> None:
        boxes = entry(b"image/object/bbox/label", b"\x1a\x04\x08\x01\x08\x01")
        numbers = {"xmin": (0.25, 0.0), "ymin": (0.125, 0.5), "xmax": (0.5, 1.0), "ymax": (0.75, 1)}
        for side, (first, second) in numbers.items():
            unpacked = b"\x0d" + struct.pack("<f", first) + b"\x0d" + struct.pack("<f", second)
            boxes += entry(b"image/object/bbox/" + side.encode(), b"\x12\x0a" + unpacked)
        parsed = parse_example(example(FEATURES.replace(NO_BOXES, boxes)))
        assert parsed.boxes == ((0.25, 0.125, 0.5, 0.75), (0.0, 0.5, 1.0, 1.0))

    def test_refuses_an_example_cut_anywhere(self) -> None:
        whole, taken = example(FEATURES), []
        for size in range(len(whole)):
            with contextlib.suppress(OutputDamaged):
                parse_example(whole[:size])
                taken.append(size)
        assert taken == []

    @given(at=st.integers(0, len(example(FEATURES)) - 1), value=st.integers(0, 255))
    def test_a_changed_byte_gives_a_refusal_or_an_example(self, at: int, value: int) -> None:
        data = bytearray(example(FEATURES))
        data[at] = value
        read = parsed_or_refused(data)
        assert read.place if isinstance(read, OutputDamaged) else len(read.encoded) == 4

    @given(data=st.binary(max_size=200))
    def test_refuses_noise(self, data: bytes) -> None:
        with pytest.raises(OutputDamaged):
            parse_example(data)

    @pytest.mark.parametrize(
        ("old", "new", "place"),
        [
            (WIDTH, b"", "feature image/width"),
            (WIDTH, WIDTH + WIDTH, "byte "),
            (b"image/width", b"image/depth", "byte "),
            (b"image/width", b"image/widt\xff", "byte "),
            (b"\x0a\x03RGB", b"\x0a\x03BGR", "feature image/colorspace"),
            (b"\x0a\x04JPEG", b"\x0a\x04WEBP", "feature image/format"),
            (b"\x1a\x03\x0a\x01\x03", b"\x1a\x03\x0a\x01\x01", "feature image/channels"),
            (b"tench, Tinca tinca", b"tench, Tinca tinc\xff", "feature image/class/text"),
            (
                WIDTH,
                entry(b"image/width", b"\x1a\x00"),
                "feature image/width",
            ),
            (WIDTH, entry(b"image/width", b"\x1a\x06\x0a\x04\xf4\x03\xf4\x03"), "feature image/w"),
            (WIDTH, entry(b"image/width", b"\x1a\x03\x0a\x01\x00"), "feature image/width"),
            (
                WIDTH,
                entry(b"image/width", b"\x1a\x0c\x0a\x0a" + b"\xff" * 9 + b"\x01"),
                "feature image/width",
            ),
            (WIDTH, entry(b"image/width", b"\x12\x06\x0a\x04\x00\x00\x00\x00"), "byte "),
            (WIDTH, entry(b"image/width", b""), "byte "),
            (WIDTH, entry(b"image/width", b"\x1a\x03\x0a\x01\x01\x1a\x03\x0a\x01\x01"), "byte "),
            (WIDTH, entry(b"image/width", b"\x1a\x05\x0d\x00\x00\x00\x00"), "byte "),
            (WIDTH, entry(b"image/width", b"\x1a\x0d\x0a\x0b" + b"\xff" * 10 + b"\x01"), "byte "),
            (WIDTH, entry(b"image/width", b"\x1a\x0c\x0a\x0a" + b"\xff" * 9 + b"\x02"), "byte "),
            (
                NO_BOXES,
                TWO_BOXES.replace(b"\x0a\x02\x01\x01", b"\x0a\x02\x01\x02"),
                "feature image/object/bbox/label",
            ),
            (
                entry(b"image/object/bbox/xmin", b"\x12\x00"),
                entry(b"image/object/bbox/xmin", b"\x12\x06\x0a\x04\x00\x00\x00\x00"),
                "feature image/object/bbox/xmin",
            ),
            (
                entry(b"image/object/bbox/xmin", b"\x12\x00"),
                entry(b"image/object/bbox/xmin", b"\x12\x05\x0a\x03\x00\x00\x00"),
                "byte ",
            ),
            (WIDTH, WIDTH + b"\x12\x00", "byte "),
            (WIDTH, WIDTH + b"\x0b", "byte "),
        ],
    )
    def test_refuses_features_that_are_not_as_written(
        self, old: bytes, new: bytes, place: str
    ) -> None:
        assert FEATURES.count(old) == 1
        with pytest.raises(OutputDamaged) as caught:
            parse_example(example(FEATURES.replace(old, new)))
        assert str(caught.value.place).startswith(place)

    def test_names_the_file_it_was_told(self) -> None:
        with pytest.raises(OutputDamaged) as caught:
            parse_example(b"\x0b", file="train-00000-of-00001, record 7")
        assert caught.value.file == "train-00000-of-00001, record 7"
        assert caught.value.place == "byte 0"
        assert caught.value.found == "wire type 3"
