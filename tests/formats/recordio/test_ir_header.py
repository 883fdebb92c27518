"""Image records of MXNet: the header, the labels behind it, and labels for object detection."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.errors import BadAnnotation, OutputDamaged
from pipeline.formats.recordio.header import (
    IndexedRecord,
    LabelForm,
    Labels,
    as_float32,
    detection_labels,
    encode_header,
    parse_header,
)

ONE = IndexedRecord(7, (464.0,), b"image", "n04/a.JPEG")
FLOAT32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
BOX = (0.0, 0.25, 0.5, 1.0)
SEVEN_AND_0 = "0700000000000000" + "0000000000000000"


def with_labels(*labels: float) -> IndexedRecord:
    return replace(ONE, labels=labels)


def kept(label: float) -> bool:
    """Whether a label is stored as it is given, or as a fraction may be rounded."""
    with np.errstate(over="ignore"):
        stored = float(np.float32(label))
    return bool(np.isfinite(stored)) and (abs(label) < 2**24 or stored == label)


class TestBytes:
    # 464 is 0x43e80000, 1 is 0x3f800000, one half 0x3f000000.
    @pytest.mark.parametrize(
        ("labels", "form", "expected"),
        [
            ((464,), LabelForm.PYTHON, "00000000 0000e843" + SEVEN_AND_0),
            ((464,), LabelForm.CPP, "00000000 0000e843" + SEVEN_AND_0),
            ((464,), LabelForm.VECTOR, "01000000 00000000" + SEVEN_AND_0 + "0000e843"),
            ((1, 0.5), LabelForm.PYTHON, "02000000 00000000" + SEVEN_AND_0 + "0000803f 0000003f"),
            ((1, 0.5), LabelForm.CPP, "02000000 0000803f" + SEVEN_AND_0 + "0000803f 0000003f"),
            ((1, 0.5), LabelForm.VECTOR, "02000000 00000000" + SEVEN_AND_0 + "0000803f 0000003f"),
        ],
    )
    def test_are_those_of_each_program(
        self, labels: tuple[float, ...], form: LabelForm, expected: str
    ) -> None:
        assert encode_header(replace(ONE, labels=labels), form).hex() == expected.replace(" ", "")

    def test_labels_may_be_an_array(self) -> None:
        for array in (np.array([464], np.float32), np.array([1, 0.5], np.float32)):
            record = replace(ONE, labels=array)
            assert encode_header(record) == encode_header(with_labels(*array.tolist()))

    @given(
        key=st.integers(0, 2**64 - 1),
        labels=st.lists(FLOAT32, min_size=1, max_size=9),
        form=st.sampled_from(LabelForm),
        encoded=st.binary(max_size=9),
    )
    def test_are_read_again(
        self, key: int, labels: list[float], form: LabelForm, encoded: bytes
    ) -> None:
        record = IndexedRecord(key, labels, encoded, "a")
        parsed = parse_header(encode_header(record, form) + encoded)
        one = len(labels) == 1 and form is not LabelForm.VECTOR
        assert (parsed.flag, parsed.id, parsed.id2) == (0 if one else len(labels), key, 0)
        assert parsed.label == (labels[0] if one or form is LabelForm.CPP else 0)
        assert parsed.labels == tuple(labels)
        assert parsed.encoded == encoded

    @given(label=st.one_of(st.floats(), st.integers(-(2**40), 2**40), FLOAT32))
    @example(label=2.0**24 + 1)
    @example(label=2**24 + 2)
    @example(label=-(2**24) - 1)
    @example(label=3.5e38)
    def test_one_label_is_refused_or_stored_whatever_the_form(self, label: float) -> None:
        for form in LabelForm:
            if kept(label):
                parsed = parse_header(encode_header(with_labels(label), form))
                assert parsed.labels == (float(np.float32(label)),)
            else:
                with pytest.raises(BadAnnotation, match="float32 cannot hold"):
                    encode_header(with_labels(label), form)


class TestRefusals:
    @pytest.mark.parametrize("key", [-1, 2**64])
    def test_an_id_beyond_64_bits(self, key: int) -> None:
        with pytest.raises(BadAnnotation, match="0 to 18446744073709551615") as caught:
            encode_header(replace(ONE, id=key))
        assert (caught.value.file, caught.value.found) == (ONE.path, str(key))

    @pytest.mark.parametrize("labels", [(), np.zeros((2, 2), np.float32)])
    def test_no_vector_of_labels(self, labels: Labels) -> None:
        with pytest.raises(BadAnnotation, match="not the labels of an image") as caught:
            encode_header(replace(ONE, labels=labels))
        assert (caught.value.file, caught.value.place) == (ONE.path, "id 7")

    @pytest.mark.parametrize(
        "label", [float("nan"), float("inf"), -3.5e38, 2**24 + 1, 16777216.5, 10**400]
    )
    def test_a_label_that_would_become_another(self, label: float) -> None:
        with pytest.raises(BadAnnotation, match="float32 cannot hold") as caught:
            encode_header(with_labels(1, label))
        assert (caught.value.file, caught.value.place) == (ONE.path, "id 7")
        assert label == 10**400 or caught.value.found == f"{label} as label 2"

    def test_fractions_are_rounded_and_large_numbers_of_float32_kept(self) -> None:
        assert as_float32([0.1, 2.0**40, 16777218]).tolist() == [
            float(np.float32(0.1)),
            2.0**40,
            16777218.0,
        ]
        assert as_float32([1]).dtype == np.dtype("<f4")

    @pytest.mark.parametrize("size", range(24))
    def test_a_payload_shorter_than_its_header(self, size: int) -> None:
        with pytest.raises(OutputDamaged, match="a header of 24 bytes") as caught:
            parse_header(bytes(size), file="a.rec, record 1")
        assert (caught.value.file, caught.value.found) == ("a.rec, record 1", f"{size} bytes")

    @pytest.mark.parametrize("flag", [3, 2**32 - 1])
    def test_a_payload_shorter_than_its_labels(self, flag: int) -> None:
        whole = struct.pack("<IfQQ", flag, 0, 7, 0) + bytes(11)
        with pytest.raises(OutputDamaged, match=f"{flag} labels, {24 + 4 * flag} bytes"):
            parse_header(whole)


def test_what_another_program_wrote_into_id2_is_read() -> None:
    parsed = parse_header(struct.pack("<IfQQ", 0, 1.5, 2, 3) + b"image")
    assert (parsed.flag, parsed.label, parsed.id, parsed.id2) == (0, 1.5, 2, 3)
    assert (parsed.labels, bytes(parsed.encoded)) == ((1.5,), b"image")


class TestDetectionLabels:
    def test_are_two_widths_and_the_objects(self) -> None:
        labels = detection_labels([3, 0], [BOX, (0.5, 0.5, 0.75, 0.75)])
        assert labels.tolist() == [2, 5, 3, *BOX, 0, 0.5, 0.5, 0.75, 0.75]
        assert labels.dtype == np.float32

    def test_have_room_for_more(self) -> None:
        labels = detection_labels([3], [BOX], header=(500, 375), extras=[(1, 0)])
        assert labels.tolist() == [4, 7, 500, 375, 3, *BOX, 1, 0]

    @given(
        count=st.integers(1, 5),
        header=st.lists(FLOAT32, max_size=3),
        extras=st.lists(FLOAT32, max_size=3),
    )
    def test_have_the_shape_that_mxnet_asks_for(
        self, count: int, header: list[float], extras: list[float]
    ) -> None:
        labels = detection_labels(
            range(count), [BOX] * count, header=header, extras=[extras] * count
        ).tolist()
        before, width = int(labels[0]), int(labels[1])
        assert (before, width) == (2 + len(header), 5 + len(extras))
        assert labels[2:before] == header
        rows = [labels[at : at + width] for at in range(before, len(labels), width)]
        assert rows == [[float(number), *BOX, *extras] for number in range(count)]

    @pytest.mark.parametrize(
        ("kind", "box"),
        [
            (-1, BOX),
            (0.5, BOX),
            (0, (0.5, 0, 0.5, 1)),
            (0, (0, 1, 1, 0)),
            (0, (-0.1, 0, 1, 1)),
            (0, (0, 0, 1.1, 1)),
            (0, (0, 0, float("nan"), 1)),
            (0, (0.5, 0, 0.5 + 1e-9, 1)),  # one number in float32
        ],
    )
    def test_are_not_made_of_what_is_no_object(
        self, kind: int, box: tuple[float, float, float, float]
    ) -> None:
        with pytest.raises(BadAnnotation, match="object 2 cannot be a label"):
            detection_labels([0, kind], [BOX, box])

    def test_are_not_made_of_no_object(self) -> None:
        with pytest.raises(BadAnnotation, match="without objects"):
            detection_labels([], [])

    def test_are_not_made_of_extras_of_different_numbers(self) -> None:
        with pytest.raises(BadAnnotation, match="1 extras"):
            detection_labels([0, 0], [BOX, BOX], extras=[(1,), (1, 2)])

    def test_are_not_made_of_a_class_that_float32_lacks(self) -> None:
        with pytest.raises(BadAnnotation, match="float32 cannot hold"):
            detection_labels([2**24 + 1], [BOX])
