"""Images that are neither JPEG nor PNG, as they are taken where images are encoded anew."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from drawn_images import HEIGHT, WIDTH, Pixels, pixels_of, ramp, saved
from PIL import Image

from pipeline.errors import BadImage
from pipeline.images.engine import engine
from pipeline.images.foreign import foreign_format
from pipeline.images.spec import EncodeSpec, Processed

RGB = Image.fromarray(ramp())
GRAY = Image.fromarray(ramp(1)[..., 0])
DEEP = ramp(1)[..., 0].astype(np.uint16) << 8 | 0xA5


def process(data: bytes, **options: Any) -> Processed:
    asked: dict[str, Any] = {"encoding": ".png", "transcode": True, **options}
    return engine("pillow").process(data, EncodeSpec(**asked))


def refusal(data: bytes, **options: Any) -> BadImage:
    with pytest.raises(BadImage) as caught:
        process(data, **options)
    assert caught.value.remedy
    return caught.value


def pnm(magic: str, levels: Pixels | np.ndarray[Any, Any], most: int) -> bytes:
    width, height = levels.shape[1], levels.shape[0]
    head = f"{magic}\n# a comment\n{width} {height}\n{most}\n".encode()
    return head + levels.astype(">u2" if most > 255 else np.uint8).tobytes()


PLAIN_TEXT = f"P3\n{WIDTH} {HEIGHT}\n255\n{' '.join(map(str, ramp().ravel()))}\n".encode()
IMAGES = {
    "TIFF": (saved(RGB, "TIFF"), "tiff", ramp()),
    "TIFF, high byte first": (saved(RGB, "TIFF", big_tiff=False), "tiff", ramp()),
    "BigTIFF": (saved(RGB, "TIFF", big_tiff=True), "tiff", ramp()),
    "gray TIFF": (saved(GRAY, "TIFF"), "tiff", ramp(1).repeat(3, axis=-1)),
    "PPM": (saved(RGB, "PPM"), "pnm", ramp()),
    "PPM in figures": (PLAIN_TEXT, "pnm", ramp()),
    "PGM": (saved(GRAY, "PPM"), "pnm", ramp(1).repeat(3, axis=-1)),
    "BMP": (saved(RGB, "BMP"), "bmp", ramp()),
}


@pytest.mark.parametrize(("data", "form", "shown"), IMAGES.values(), ids=list(IMAGES))
def test_the_pixels_are_those_of_the_file(data: bytes, form: str, shown: Pixels) -> None:
    done = process(memoryview(data))  # type: ignore[arg-type]
    np.testing.assert_array_equal(pixels_of(done.encoded), shown)
    assert (done.width, done.height, done.mode) == (WIDTH, HEIGHT, "RGB")
    assert done.notes == (f"{form}-transcoded",)
    found = refusal(data, transcode=False)
    assert found.found == f"a {form.upper()}"
    assert "--transcode" in (found.remedy or "")


@pytest.mark.parametrize("form", ["TIFF", "PGM"])
def test_sixteen_bits_become_eight_by_a_shift_or_are_refused(form: str) -> None:
    data = saved(Image.fromarray(DEEP), "TIFF") if form == "TIFF" else pnm("P5", DEEP, 65535)
    done = process(data)
    np.testing.assert_array_equal(pixels_of(done.encoded), ramp(1).repeat(3, axis=-1))
    assert "16-bit-to-8" in done.notes
    assert "--engine opencv" in (refusal(data, color=-1).remedy or "")
    assert process(data, color=-1, encoding=".jpg").mode == "L"


def test_colours_of_sixteen_bits_are_told_to_be_so() -> None:
    done = process(pnm("P6", ramp().astype(np.uint16) * 257, 65535))
    np.testing.assert_array_equal(pixels_of(done.encoded), ramp())
    assert "16-bit-to-8" in done.notes


def test_alpha_is_dropped_unless_it_can_be_kept() -> None:
    data = saved(Image.fromarray(ramp(4)), "TIFF")
    assert process(data).notes == ("tiff-transcoded", "alpha-dropped")
    kept = process(data, color=-1)
    np.testing.assert_array_equal(pixels_of(kept.encoded), ramp(4))
    assert kept.notes == ("tiff-transcoded",)


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_tiff_is_turned_upright(orientation: int) -> None:
    data = saved(RGB, "TIFF", tiffinfo={274: orientation})
    ways = (0, 3, 1, 5, 4, 6, 2)
    wanted = np.asarray(RGB.transpose(Image.Transpose(ways[orientation - 2])))
    done = process(data)
    np.testing.assert_array_equal(pixels_of(done.encoded), wanted)
    assert done.notes == ("tiff-transcoded", f"orientation-{orientation}-baked")
    assert "upright" in refusal(data, orientation="refuse").what


def test_of_many_pages_the_first_is_taken() -> None:
    other = [Image.fromarray(255 - ramp())]
    done = process(saved(RGB, "TIFF", save_all=True, append_images=other))
    np.testing.assert_array_equal(pixels_of(done.encoded), ramp())
    assert done.notes == ("tiff-transcoded", "first-frame")


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_samples_that_are_no_levels_are_refused(kind: Any) -> None:
    data = saved(Image.fromarray(ramp(1)[..., 0].astype(kind)), "TIFF")
    assert "no levels of light" in refusal(data).what


def test_the_reduced_image_of_a_camera_s_raw_data_is_not_taken_for_it() -> None:
    assert "reduced" in refusal(saved(RGB, "TIFF", tiffinfo={254: 1})).what


def test_a_compressed_tiff_is_refused_with_the_ways_to_read_it() -> None:
    data = bytearray(saved(RGB, "TIFF"))
    at = data.index(struct.pack("<HHI", 259, 3, 1))
    data[at + 8] = 5  # LZW, of which the pixels are not
    found = refusal(bytes(data))
    assert "cannot be decoded" in found.what or "--engine opencv" in (found.remedy or "")


@pytest.mark.parametrize("data", [saved(RGB, form) for form in ("TIFF", "PPM", "BMP")])
def test_one_that_is_cut_off_is_refused(data: bytes) -> None:
    for end in (12, len(data) // 2):
        assert refusal(data[:end]).what.endswith(("cannot be decoded", "can hold"))


def test_one_that_is_too_large_is_refused_before_it_is_decoded() -> None:
    assert "too large" in refusal(b"P5\n100000 100000\n255\n").what
    assert "more pixels than" in refusal(b"P5\n10000 10000\n255\n" + bytes(100)).what
    data = saved(RGB, "TIFF")
    assert "image too large" in refusal(data, max_pixels=WIDTH * HEIGHT - 1).what
    assert process(data, max_pixels=WIDTH * HEIGHT).width == WIDTH


@pytest.mark.parametrize("start", [b"P7\n", b"PK\x03\x04", b"P5", b"II*", b"", b"\xff\xd8\xff"])
def test_other_bytes_are_of_no_foreign_format(start: bytes) -> None:
    assert foreign_format(start) is None
    assert foreign_format(io.BytesIO(start).getbuffer()) is None
