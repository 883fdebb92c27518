"""What im2rec.py of MXNet 1.9.1 does is spelt out here in OpenCV's own calls."""

from __future__ import annotations

import importlib.util
import struct
import sys
from typing import Any

import numpy as np
import pytest
from drawn_images import KINDS, Pixels, chunk, drawn, pixels_of, ramp, ramp_png, saved, wide_png
from PIL import Image

from pipeline.errors import BadImage, UsageError
from pipeline.images import opencv
from pipeline.images.engine import engine
from pipeline.images.header import read_header
from pipeline.images.orientation import with_orientation
from pipeline.images.sampling import read_sampling
from pipeline.images.spec import EncodeSpec, Processed
from pipeline.images.transforms import CenterCrop, Resize, Transform
from pipeline.sample.shapes import Encoding

installed = pytest.mark.skipif(
    importlib.util.find_spec("cv2") is None, reason="opencv-python-headless is not installed"
)


def process(data: bytes, spec: EncodeSpec) -> Processed:
    return engine("opencv").process(data, spec)


def im2rec(
    data: bytes, *, crop: bool = False, resize: int = 0, color: int = 1, form: str = ".jpg"
) -> bytes:
    """The bytes that image_encode of im2rec.py packs, at its default quality."""
    cv2 = opencv.cv2()
    image = cv2.imdecode(np.frombuffer(data, np.uint8), color)
    height, width = image.shape[:2]
    if crop:
        margin = abs(height - width) // 2
        tall = height > width
        image = image[margin : margin + width] if tall else image[:, margin : margin + height]
        height, width = image.shape[:2]
    if resize:
        tall = height > width
        size = (resize, height * resize // width) if tall else (width * resize // height, resize)
        image = cv2.resize(image, size)
    flag = cv2.IMWRITE_JPEG_QUALITY if form == ".jpg" else cv2.IMWRITE_PNG_COMPRESSION
    return bytes(cv2.imencode(form, image, [flag, 95])[1])


def asked(*transforms: Transform, **options: Any) -> EncodeSpec:
    return EncodeSpec(transforms, quality=95, **{"subsampling": "420", **options})


@installed
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("color", [1, 0, -1])
@pytest.mark.parametrize("form", [".jpg", ".png"])
def test_the_bytes_are_im2recs(kind: Encoding, color: int, form: str) -> None:
    data = drawn(kind).encoded
    spec = asked(Resize(64), color=color, encoding=form)
    assert process(data, spec).encoded == im2rec(data, resize=64, color=color, form=form)


@installed
@pytest.mark.parametrize("seed", range(4))
def test_the_bytes_are_im2recs_with_and_without_crop_and_size(seed: int) -> None:
    data = drawn(seed=seed).encoded
    assert process(data, asked()).encoded == im2rec(data)
    assert process(data, asked(CenterCrop())).encoded == im2rec(data, crop=True)
    for size in (64, 600):
        done = process(data, asked(CenterCrop(), Resize(size)))
        assert done.encoded == im2rec(data, crop=True, resize=size)


@installed
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_bytes_are_im2recs_for_images_that_lie_turned(orientation: int) -> None:
    data = with_orientation(drawn().encoded, "JPEG", orientation)
    for color in (1, 0):
        done = process(data, asked(Resize(64), color=color))
        assert done.encoded == im2rec(data, resize=64, color=color)
    left = process(data, asked(Resize(64), color=-1, orientation="ignore"))
    assert left.encoded == im2rec(data, resize=64, color=-1)


@installed
def test_pixels_are_rgb_to_a_transform_of_ones_own() -> None:
    seen: list[Pixels] = []

    def look(pixels: Pixels) -> Pixels:
        seen.append(pixels)
        return pixels[:, ::-1]

    for channels, color in ((3, 1), (1, 0), (4, -1)):
        spec = EncodeSpec((look,), encoding=".png", color=color)  # type: ignore[arg-type]
        done = process(ramp_png(channels), spec)
        np.testing.assert_array_equal(seen[-1], ramp(channels))
        shown = pixels_of(done.encoded).reshape(ramp(channels).shape)
        np.testing.assert_array_equal(shown, ramp(channels)[:, ::-1])


@installed
def test_sixteen_bits_become_eight_by_a_shift_and_are_not_saturated() -> None:
    for options in ({"encoding": ".png"}, {"quality": 90, "color": -1}):
        done = process(wide_png(2, 3, 0xFF), EncodeSpec(**options))
        shown = pixels_of(done.encoded).astype(int)
        assert np.abs(shown - ramp()).mean() < (1 if "encoding" in options else 8)
        assert done.notes == ("16-bit-to-8",)


@installed
@pytest.mark.parametrize(("colour", "channels", "mode"), [(0, 1, "I;16"), (2, 3, "RGB;16")])
def test_sixteen_bits_stay_sixteen_as_im2rec_has_them(
    colour: int, channels: int, mode: str
) -> None:
    data = wide_png(colour, channels, 0x5A)
    done = process(data, asked(CenterCrop(), Resize(12), color=-1, encoding=".png"))
    assert done.encoded == im2rec(data, crop=True, resize=12, color=-1, form=".png")
    assert read_header(done.encoded).mode == done.mode == mode
    assert done.notes == ()
    levels = opencv.cv2().imdecode(np.frombuffer(done.encoded, np.uint8), -1)
    assert levels.dtype == np.uint16
    assert (levels & 0xFF).any()


@installed
def test_sixteen_bits_are_eight_to_a_function_of_pixels_and_that_is_said() -> None:
    def look(pixels: Pixels) -> Pixels:
        np.testing.assert_array_equal(pixels, ramp())
        return pixels

    done = process(wide_png(2, 3, 0xFF), EncodeSpec((look,), encoding=".png", color=-1))
    assert done.notes == ("16-bit-to-8",)


@installed
@pytest.mark.parametrize("color", [1, 0, -1])
@pytest.mark.parametrize("form", ["BMP", "TIFF", "PPM"])
def test_the_bytes_of_other_formats_are_im2recs_too(form: str, color: int) -> None:
    data = saved(Image.fromarray(ramp()), form)
    done = process(data, asked(Resize(12), color=color, transcode=True))
    assert done.encoded == im2rec(data, resize=12, color=color)


@installed
@pytest.mark.parametrize("order", ["<", ">"])
def test_an_orientation_is_read_as_opencv_reads_it(order: str) -> None:
    start = {"<": b"II*\0", ">": b"MM\0*"}[order]
    tiff = start + struct.pack(f"{order}IHHHII", 8, 1, 0x0112, 4, 1, 6) + bytes(4)
    data = drawn().encoded
    part = struct.pack(">BBH", 0xFF, 0xE1, 8 + len(tiff)) + b"Exif\0\0" + tiff
    turned = data[:2] + part + data[2:]
    done = process(turned, asked(Resize(64)))
    assert done.encoded == im2rec(turned, resize=64)
    assert done.notes == ("orientation-6-baked" if order == "<" else "orientation-6-ignored",)


@installed
def test_a_jpeg_that_lacks_nothing_but_its_end_marker_is_taken() -> None:
    data = drawn().encoded
    done = process(data[:-2], asked(Resize(64)))
    assert done.encoded == im2rec(data, resize=64)
    assert done.notes == ("end-marker-added",)


@installed
def test_what_stands_beside_the_pixels_of_a_png_does_not_cost_them() -> None:
    data = ramp_png()
    spoiled = data[:33] + chunk(b"tEXt", b"k\0v")[:-1] + b"\0" + data[33:]
    done = process(spoiled, asked(color=1, encoding=".png"))
    np.testing.assert_array_equal(pixels_of(done.encoded), ramp())


@installed
@pytest.mark.parametrize("sampling", ["4:2:0", "4:2:2", "4:4:4"])
def test_subsampling_is_kept(sampling: str) -> None:
    data = saved(Image.fromarray(ramp()), "JPEG", subsampling=sampling)
    done = process(data, EncodeSpec(quality=95))
    assert read_sampling(done.encoded) == sampling.replace(":", "")


@installed
@pytest.mark.parametrize("kind", KINDS)
def test_an_image_that_is_cut_off_is_refused_not_packed(kind: Encoding) -> None:
    data = drawn(kind).encoded
    with pytest.raises(BadImage, match="cannot be decoded"):
        process(data[: len(data) // 2], EncodeSpec(quality=95))


@installed
def test_other_formats_come_by_way_of_pillow() -> None:
    data = saved(Image.fromarray(ramp()).quantize(64), "GIF")
    spec = EncodeSpec(encoding=".png", transcode=True)
    wanted = engine("pillow").process(data, spec)
    np.testing.assert_array_equal(pixels_of(process(data, spec).encoded), pixels_of(wanted.encoded))


@installed
def test_a_filter_that_opencv_lacks_is_refused() -> None:
    with pytest.raises(UsageError, match="no filter hamming"):
        process(drawn().encoded, EncodeSpec((Resize(64, filter="hamming"),)))
    for name in ("nearest", "box", "bilinear", "bicubic", "lanczos"):
        spec = EncodeSpec((Resize(64, filter=name),))
        assert process(drawn().encoded, spec).height == 64


@installed
def test_the_codec_is_named_with_its_versions() -> None:
    name, version, rest = engine("opencv").codec().split(maxsplit=2)
    assert (name, version) == ("opencv", opencv.cv2().__version__)
    assert "jpeg" in rest
    assert engine("opencv").codec(".png").startswith(engine("opencv").codec() + " / zlib ")


def test_an_engine_that_is_not_installed_is_refused_when_it_is_chosen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opencv.cv2.cache_clear()
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(UsageError, match="opencv is not installed") as caught:
        engine("opencv")
    assert "opencv-python-headless" in (caught.value.remedy or "")
