from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np
import pytest
from drawn_images import (
    HEIGHT,
    KINDS,
    WIDTH,
    Pixels,
    drawn,
    pixels_of,
    ramp,
    ramp_png,
    saved,
)
from PIL import Image

from pipeline.errors import BadImage, UsageError
from pipeline.images import repair
from pipeline.images.engine import Engine, PillowEngine, engine
from pipeline.images.header import ImageHeader, read_header
from pipeline.images.orientation import read_orientation, with_orientation
from pipeline.images.sampling import read_sampling
from pipeline.images.spec import EncodeSpec, Processed
from pipeline.images.transforms import AutoOrient, CenterCrop, Resize
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


def negative(pixels: Pixels) -> Pixels:
    return ~pixels


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("encoding", [".jpg", ".png"])
@pytest.mark.parametrize(("color", "mode"), [(1, "RGB"), (0, "L")])
def test_every_kind_of_image_is_encoded_as_asked(
    kind: Encoding, encoding: str, color: int, mode: str
) -> None:
    image = drawn(kind)
    spec = EncodeSpec((Resize(64),), encoding, None, "444", color)  # type: ignore[arg-type]
    done = process(image.encoded, spec)
    size = Resize(64).target(image.width, image.height)
    form = "JPEG" if encoding == ".jpg" else "PNG"
    assert read_header(done.encoded) == ImageHeader(form, *size, mode)
    assert (done.width, done.height, done.mode) == (*size, mode)
    with Image.open(io.BytesIO(image.encoded)) as opened:
        wanted = np.asarray(opened.convert(mode).resize(size, Image.Resampling.LANCZOS))
    assert np.abs(pixels_of(done.encoded).astype(float) - wanted).mean() < 3


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_bytes_come_every_time_from_every_buffer_and_in_every_process(
    kind: Encoding,
) -> None:
    data = drawn(kind).encoded
    once = process(data, SMALL)
    assert process(memoryview(data), SMALL) == process(bytearray(data), SMALL) == once  # type: ignore[arg-type]
    other: Engine = pickle.loads(pickle.dumps(engine("pillow")))  # noqa: S301
    assert other.process(data, pickle.loads(pickle.dumps(SMALL))) == once  # noqa: S301


@pytest.mark.parametrize("kind", ["usual", "progressive", "full-chroma"])
def test_an_image_that_is_as_asked_keeps_its_bytes(kind: Encoding) -> None:
    image = drawn(kind)
    done = process(image.encoded, EncodeSpec())
    assert done == Processed(image.encoded, image.width, image.height, "RGB", ("passed-through",))


@pytest.mark.parametrize(
    ("data", "spec"),
    [
        (drawn("gray").encoded, EncodeSpec(color=0)),
        (drawn("gray").encoded, EncodeSpec(color=-1)),
        (drawn("cmyk").encoded, EncodeSpec(color=-1)),
        (drawn("png").encoded, EncodeSpec(encoding=".png", color=-1)),
        (ramp_png(), EncodeSpec(encoding=".png", subsampling="420")),
        (drawn("usual").encoded, EncodeSpec(subsampling="420")),
        (with_orientation(drawn().encoded, "JPEG", 6), EncodeSpec(orientation="keep")),
    ],
)
def test_other_wishes_that_are_met_keep_the_bytes_too(data: bytes, spec: EncodeSpec) -> None:
    done = process(data, spec)
    assert done.encoded == data
    assert done.notes[0] == "passed-through"


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("usual", EncodeSpec(quality=95)),
        ("usual", EncodeSpec(subsampling="444")),
        ("usual", EncodeSpec((AutoOrient(),))),
        ("usual", EncodeSpec(encoding=".png")),
        ("usual", EncodeSpec(color=0)),
        ("gray", EncodeSpec()),
        ("cmyk", EncodeSpec()),
        ("png", EncodeSpec()),
    ],
)
def test_one_wish_that_is_not_met_is_enough_to_encode(kind: Encoding, spec: EncodeSpec) -> None:
    data = drawn(kind).encoded
    done = process(data, spec)
    assert done.encoded != data
    assert "passed-through" not in done.notes


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_a_baked_orientation_shows_the_image_upright(form: str, orientation: int) -> None:
    data = saved(Image.fromarray(ramp()), form)
    stored = with_orientation(data, form, orientation)
    done = process(stored, AS_PNG)
    with Image.open(io.BytesIO(data)) as image:
        ways = (None, 0, 3, 1, 5, 4, 6, 2)  # Image.Transpose, by orientation
        way = ways[orientation - 1]
        wanted = np.asarray(image if way is None else image.transpose(Image.Transpose(way)))
    np.testing.assert_array_equal(pixels_of(done.encoded), wanted)
    assert (done.height, done.width) == wanted.shape[:2]
    assert done.notes == (() if orientation == 1 else (f"orientation-{orientation}-baked",))
    assert read_orientation(done.encoded, "PNG") == 1


@pytest.mark.parametrize("encoding", [".jpg", ".png"])
def test_a_kept_orientation_is_repeated_and_an_ignored_one_is_dropped(encoding: str) -> None:
    data = with_orientation(drawn().encoded, "JPEG", 6)
    for policy, left, done_how in (("keep", 6, "kept"), ("ignore", 1, "ignored")):
        spec = EncodeSpec((Resize(64),), encoding=encoding, orientation=policy)  # type: ignore[arg-type]
        done = process(data, spec)
        assert read_orientation(done.encoded, spec.form) == left
        assert done.notes == (f"orientation-6-{done_how}",)
        assert (done.width, done.height) == Resize(64).target(drawn().width, drawn().height)


def test_an_orientation_is_refused_where_that_is_the_policy() -> None:
    spec = EncodeSpec(orientation="refuse")
    assert process(drawn().encoded, spec).notes == ("passed-through",)
    error = refusal(with_orientation(drawn().encoded, "JPEG", 3), spec)
    assert error.found == "EXIF orientation 3"
    assert "--orientation bake" in (error.remedy or "")


def test_auto_orient_turns_at_its_place_what_was_kept_until_then() -> None:
    data = with_orientation(ramp_png(), "PNG", 6)
    resize = Resize((10, 4))
    first = EncodeSpec((AutoOrient(), resize), encoding=".png", orientation="keep")
    last = EncodeSpec((resize, AutoOrient(), negative), encoding=".png", orientation="keep")
    assert (process(data, first).width, process(data, first).height) == (10, 4)
    assert (process(data, last).width, process(data, last).height) == (4, 10)
    assert process(data, last).notes == ("orientation-6-baked",)
    assert read_orientation(process(data, last).encoded, "PNG") == 1


def test_any_function_of_pixels_is_a_transform() -> None:
    done = process(ramp_png(), EncodeSpec((negative, CenterCrop()), encoding=".png"))
    np.testing.assert_array_equal(pixels_of(done.encoded), 255 - ramp()[:, 4:20])


def test_a_float_tensor_is_refused_with_a_reason() -> None:
    def to_tensor(pixels: Pixels) -> Any:
        return pixels.transpose(2, 0, 1).astype(np.float32) / 255

    with pytest.raises(UsageError, match="to_tensor returned what no JPEG") as caught:
        process(ramp_png(), EncodeSpec((to_tensor,)))
    assert caught.value.found == f"float32 of shape 3 x {HEIGHT} x {WIDTH}"


@pytest.mark.parametrize(
    ("kind", "asked", "sampling"),
    [
        ("usual", "keep", "420"),
        ("full-chroma", "keep", "444"),
        ("png", "keep", "444"),
        ("usual", "444", "444"),
        ("full-chroma", "420", "420"),
        ("png", "420", "420"),
    ],
)
def test_subsampling_is_the_sources_or_as_asked(kind: Encoding, asked: str, sampling: str) -> None:
    spec = EncodeSpec((Resize(64),), subsampling=asked)  # type: ignore[arg-type]
    assert read_sampling(process(drawn(kind).encoded, spec).encoded) == sampling


@pytest.mark.parametrize(("orientation", "sampling"), [(1, "422"), (3, "422"), (6, "444")])
def test_colours_shared_in_rows_are_not_shared_any_more_when_rows_become_columns(
    orientation: int, sampling: str
) -> None:
    data = saved(Image.fromarray(ramp()), "JPEG", subsampling="4:2:2")
    stored = with_orientation(data, "JPEG", orientation)
    done = process(stored, EncodeSpec(quality=90))
    assert read_sampling(done.encoded) == sampling


def test_metadata_is_left_behind() -> None:
    image = Image.fromarray(ramp())
    exif = b"Exif\0\0" + b"II*\0\x08\0\0\0\0\0\0\0\0\0"
    data = saved(image, "JPEG", comment=b"a comment", icc_profile=b"a profile", exif=exif)
    for spec in (EncodeSpec(quality=90), EncodeSpec(encoding=".png")):
        done = process(data, spec).encoded
        with Image.open(io.BytesIO(done)) as left:
            assert not {"comment", "icc_profile", "exif"} & set(left.info)


def drawn_cmyk() -> Image.Image:
    return Image.fromarray(ramp())


def test_a_thin_image_is_not_stretched_beyond_all_bounds() -> None:
    data = saved(Image.new("RGB", (1, 9000)))
    assert process(data, EncodeSpec((Resize(256, "longer"),))).height == 256
    found = refusal(data, EncodeSpec((Resize(256),))).found
    assert found == f"256 x {256 * 9000}, as it would be made"


def test_the_global_size_limit_of_pillow_is_neither_used_nor_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = drawn().encoded
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert process(data, EncodeSpec((CenterCrop(), Resize(32)))).width == 32
    assert Image.MAX_IMAGE_PIXELS == 10


def test_the_engine_is_chosen_by_name() -> None:
    assert engine("pillow") == PillowEngine()
    assert engine("pillow").codec() == repair.codec()
    assert engine("pillow").codec(".png").startswith(f"{repair.codec()} / zlib ")
    with pytest.raises(UsageError, match="no such image engine"):
        engine("vips")
