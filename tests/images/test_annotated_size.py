"""The size that annotations say of an image, beside the one that it has."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from pipeline.errors import BadImage
from pipeline.images.annotated_size import check_annotated_size

SIZE, TURNED = (40, 30), (30, 40)
SIDEWAYS = 6


def encoded(form: str, orientation: int = 1) -> bytes:
    sink, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    more: dict[str, Any] = {} if form in {"GIF", "BMP", "PPM"} else {"exif": exif}
    Image.new("RGB", SIZE).save(sink, form, **more)
    return sink.getvalue()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "PPM"])
def test_an_image_has_the_size_of_its_annotations_or_is_refused(form: str) -> None:
    check_annotated_size(encoded(form), SIZE)
    for size in (TURNED, (41, 30)):
        with pytest.raises(BadImage) as refusal:
            check_annotated_size(encoded(form), size)
        assert refusal.value.found == f"40 x 30 pixels, where they say {size[0]} x {size[1]}"
        assert "EXIF" not in str(refusal.value.remedy)


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_annotations_of_an_image_as_exif_turns_it_are_refused_with_what_to_do(form: str) -> None:
    check_annotated_size(encoded(form, SIDEWAYS), SIZE)
    with pytest.raises(BadImage) as refusal:
        check_annotated_size(encoded(form, SIDEWAYS), TURNED)
    assert "as EXIF turns it" in str(refusal.value.remedy)


def test_a_tiff_is_taken_as_it_lies_and_as_decoders_turn_it() -> None:
    for size in (SIZE, TURNED):
        check_annotated_size(encoded("TIFF", SIDEWAYS), size)
