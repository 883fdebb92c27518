from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from drawn_images import (
    KINDS,
    chunk,
    drawn,
    pixels_of,
    ramp,
    ramp_png,
    saved,
    wide_png,
)
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, features

from pipeline.errors import BadImage
from pipeline.images import repair
from pipeline.images.engine import engine
from pipeline.images.orientation import with_orientation
from pipeline.images.spec import EncodeSpec, Processed
from pipeline.images.transforms import CenterCrop, ColorConvert, Resize
from pipeline.sample.shapes import Encoding

SMALL = EncodeSpec((Resize(64),))
AS_PNG = EncodeSpec(encoding=".png", quality=1)


def process(data: bytes, spec: EncodeSpec) -> Processed:
    return engine("pillow").process(data, spec)


def refusal(data: bytes, spec: EncodeSpec = SMALL) -> BadImage:
    with pytest.raises(BadImage) as caught:
        process(data, spec)
    assert caught.value.expected
    assert caught.value.found
    assert caught.value.remedy
    return caught.value


@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_is_dropped_and_not_blended_unless_it_can_be_kept(channels: int) -> None:
    data = ramp_png(channels)
    rgb = ramp(channels)[..., :3] if channels == 4 else ramp(1).repeat(3, axis=-1)
    dropped = process(data, AS_PNG)
    np.testing.assert_array_equal(pixels_of(dropped.encoded), rgb)
    assert dropped.notes == ("alpha-dropped",)
    kept = process(data, EncodeSpec(encoding=".png", quality=1, color=-1))
    np.testing.assert_array_equal(
        pixels_of(kept.encoded), np.dstack([rgb, ramp(channels)[..., -1]])
    )
    assert (kept.mode, kept.notes) == ("RGBA", ())
    jpeg = process(data, EncodeSpec(quality=90, color=-1))
    assert (jpeg.mode, jpeg.notes) == ("RGB", ("alpha-dropped",))


@pytest.mark.parametrize("transparency", [None, 3, bytes(range(200))], ids=str)
def test_a_palette_is_looked_up_whatever_its_transparency(transparency: int | bytes | None) -> None:
    image = Image.fromarray(ramp()).quantize(200)
    options: dict[str, Any] = {} if transparency is None else {"transparency": transparency}
    done = process(saved(image, **options), AS_PNG)
    np.testing.assert_array_equal(pixels_of(done.encoded), np.asarray(image.convert("RGB")))
    assert done.notes == (() if transparency is None else ("alpha-dropped",))


@pytest.mark.parametrize(("colour", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
@pytest.mark.parametrize("low", [0x00, 0xFF])
def test_sixteen_bits_lose_their_low_byte(colour: int, channels: int, low: int) -> None:
    done = process(wide_png(colour, channels, low), AS_PNG)
    shown = ramp(channels)[..., :3] if channels > 2 else ramp(1).repeat(3, axis=-1)
    np.testing.assert_array_equal(pixels_of(done.encoded), shown)
    assert done.notes[0] == "16-bit-to-8"


def test_one_bit_fills_the_range() -> None:
    image = Image.fromarray(ramp(1)[..., 0] > 100)
    done = process(saved(image), EncodeSpec(encoding=".png", color=-1, quality=9))
    np.testing.assert_array_equal(pixels_of(done.encoded), np.asarray(image) * np.uint8(255))


@pytest.mark.parametrize("kind", ["cmyk", "png"])
def test_the_colours_are_those_of_a_repaired_image(kind: Encoding) -> None:
    data = drawn(kind).encoded
    done = process(data, AS_PNG)
    repaired = pixels_of(repair.repair(data)).astype(int)
    assert np.abs(pixels_of(done.encoded) - repaired).max() <= 6
    assert done.notes == (("cmyk-to-rgb",) if kind == "cmyk" else ("alpha-dropped",))


def test_cmyk_without_adobes_marker_is_not_inverted() -> None:
    data = saved(Image.fromarray(ramp()).convert("CMYK"), "JPEG")
    start = data.index(b"\xff\xee")
    end = start + 2 + int.from_bytes(data[start + 2 : start + 4])
    plain = data[:start] + data[end:]
    shown, inverse = (pixels_of(process(d, AS_PNG).encoded).astype(int) for d in (data, plain))
    assert np.abs(shown - ramp()).mean() < 10
    assert np.abs(inverse - pixels_of(repair.repair(plain))).max() <= 6
    assert np.abs(inverse - shown).mean() > 30


def test_gray_is_the_luma_that_a_jpeg_stores() -> None:
    data = drawn().encoded
    done = process(data, EncodeSpec(encoding=".png", color=0))
    with Image.open(io.BytesIO(data)) as image:
        image.draft("YCbCr", None)
        luma = np.asarray(image)[..., 0]
    np.testing.assert_array_equal(pixels_of(done.encoded), luma)
    again = process(data, EncodeSpec((ColorConvert(0),), encoding=".png"))
    assert np.abs(pixels_of(again.encoded).astype(int) - luma).mean() < 1


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_one_pixel_is_an_image(form: str) -> None:
    data = saved(Image.new("RGB", (1, 1), (200, 100, 50)), form)
    done = process(data, EncodeSpec((Resize(3), CenterCrop(2)), encoding=".png"))
    assert (done.width, done.height) == (2, 2)
    assert np.abs(pixels_of(done.encoded).astype(int) - (200, 100, 50)).max() <= 3


@pytest.mark.parametrize(
    ("width", "height", "what"),
    [(60000, 60000, "too large"), (9999, 9999, "more pixels than")],
)
def test_a_huge_claim_is_refused_before_it_is_decoded(width: int, height: int, what: str) -> None:
    ihdr = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    assert what in refusal(b"\x89PNG\r\n\x1a\n" + ihdr).what


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_an_image_that_is_cut_off_is_refused(kind: Encoding, share: float) -> None:
    data = drawn(kind).encoded
    refusal(data[: int(share * len(data))], EncodeSpec(quality=90))


@pytest.mark.parametrize("form", ["GIF", "BMP", "WEBP"])
def test_other_formats_are_refused_by_the_name_of_the_option_that_takes_them(form: str) -> None:
    start = {"GIF": b"GIF89a", "BMP": b"BM", "WEBP": b"RIFF\0\0\0\0WEBP"}[form]
    error = refusal(start + bytes(100))
    assert error.found == f"a {form}"
    assert "--transcode" in (error.remedy or "")


@pytest.mark.parametrize("form", ["GIF", "BMP"])
def test_other_formats_are_transcoded_on_request(form: str) -> None:
    image = Image.fromarray(ramp()).quantize(64).convert("RGB")
    spec = EncodeSpec(encoding=".png", transcode=True)
    done = process(saved(image, form), spec)
    np.testing.assert_array_equal(pixels_of(done.encoded), np.asarray(image))
    assert done.notes == (f"{form.lower()}-transcoded",)


def test_of_many_frames_the_first_is_taken() -> None:
    frames = [Image.new("RGB", (9, 7), shade) for shade in ((250, 0, 0), (0, 250, 0))]
    data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    done = process(data, EncodeSpec(encoding=".png", transcode=True))
    assert pixels_of(done.encoded)[0, 0].tolist() == [250, 0, 0]
    assert done.notes == ("gif-transcoded", "first-frame")


def test_webp_is_transcoded_where_pillow_has_the_codec_and_refused_where_not() -> None:
    spec = EncodeSpec(encoding=".png", transcode=True)
    if not features.check("webp"):
        refused = refusal(b"RIFF\0\0\0\0WEBPVP8 " + bytes(40), spec)
        assert refused.what == "Pillow was built without WebP here"
        assert "libwebp-dev" in (refused.remedy or "")
        return
    stored = saved(Image.fromarray(ramp()), "WEBP", lossless=True)
    np.testing.assert_array_equal(pixels_of(process(stored, spec).encoded), ramp())


@pytest.mark.parametrize(
    "data", [b"", b"GIF89a", b"BM", b"\0" * 99, b"<html>", b"GIF89a" + b"\xff" * 99]
)
def test_what_is_no_image_is_refused(data: bytes) -> None:
    refusal(data, EncodeSpec((Resize(64),), transcode=True))


@given(
    kind=st.sampled_from([*KINDS, "gif"]),
    places=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=12),
    cut=st.floats(0.3, 1),
)
def test_damaged_bytes_give_an_image_or_a_refusal(
    kind: str, places: list[tuple[float, int]], cut: float
) -> None:
    data = bytearray(SMALL_IMAGES[kind])
    for place, value in places:
        data[int(place * (len(data) - 1))] = value
    spec = EncodeSpec((Resize(8),), transcode=True)
    try:
        done = process(bytes(data[: int(cut * len(data))]), spec)
    except BadImage:
        return
    assert min(done.width, done.height) == 8


def small_images() -> Iterator[tuple[str, bytes]]:
    for kind in KINDS:
        mode, form = {"gray": ("L", "JPEG"), "cmyk": ("CMYK", "JPEG"), "png": ("RGBA", "PNG")}.get(
            kind, ("RGB", "JPEG")
        )
        options = {"progressive": True} if kind == "progressive" else {}
        data = saved(Image.fromarray(ramp()).convert(mode), form, **options)
        yield kind, with_orientation(data, form, 5) if kind != "cmyk" else data
    yield "gif", saved(Image.fromarray(ramp()), "GIF")


SMALL_IMAGES = dict(small_images())
