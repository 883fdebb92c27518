from __future__ import annotations

import errno
import io
import json
import struct
import tarfile
import warnings
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL
import pytest
from PIL import Image, JpegImagePlugin
from support import RawSet

from pipeline.errors import BadImage
from pipeline.images.header import ImageHeader, read_header
from pipeline.images.repair import codec, needs_repair, repair

WIDTH, HEIGHT = 48, 32
Pixels = npt.NDArray[np.uint8]


def smooth(channels: int) -> Pixels:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([5 * x, 7 * y, 2 * (x + y), 3 * x + 40][:channels], axis=-1).astype(np.uint8)


def encoded(pixels: Pixels, mode: str, form: str = "PNG", **options: object) -> bytes:
    output = io.BytesIO()
    height, width = pixels.shape[:2]
    image = Image.frombytes(mode, (width, height), pixels.tobytes())
    image.save(output, form, **options)
    return output.getvalue()


def png(bits: int, colour: int, rows: list[bytes], *, extra: bytes = b"") -> bytes:
    size = struct.pack(">II", WIDTH, HEIGHT)
    content = zlib.compress(b"".join(b"\0" + row for row in rows))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", size + bytes([bits, colour, 0, 0, 0]))
        + extra
        + chunk(b"IDAT", content)
        + chunk(b"IEND", b"")
    )


def chunk(name: bytes, content: bytes) -> bytes:
    crc = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)


def decoded(data: bytes) -> Pixels:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def assert_close(actual: Pixels, wanted: Pixels, levels: int = 6) -> None:
    assert actual.shape == wanted.shape
    assert np.abs(actual.astype(int) - wanted.astype(int)).max() <= levels


def app14(jpeg: bytes) -> tuple[int, int]:
    start = jpeg.index(b"\xff\xee")
    return start, start + 2 + int.from_bytes(jpeg[start + 2 : start + 4])


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (ImageHeader("JPEG", 1, 1, "RGB"), None),
        (ImageHeader("JPEG", 1, 1, "L"), None),
        (ImageHeader("JPEG", 1, 1, "CMYK"), "cmyk"),
        (ImageHeader("JPEG", 1, 1, "YCCK"), "ycck"),
        (ImageHeader("PNG", 1, 1, "RGB"), "png"),
        (ImageHeader("PNG", 1, 1, "I;16"), "png"),
    ],
)
def test_only_png_and_four_component_jpegs_need_repair(
    header: ImageHeader, reason: str | None
) -> None:
    assert needs_repair(header) == reason


def test_the_result_is_a_444_jpeg_of_quality_100_without_metadata() -> None:
    source = Image.fromarray(smooth(3))
    source.info["comment"] = b"a comment"
    output = io.BytesIO()
    source.convert("CMYK").save(
        output, "JPEG", comment=b"a comment", exif=b"Exif\0\0II*\0", icc_profile=b"profile"
    )
    assert b"a comment" in output.getvalue()
    fixed = repair(output.getvalue())
    assert read_header(fixed) == ImageHeader("JPEG", WIDTH, HEIGHT, "RGB")
    with Image.open(io.BytesIO(fixed)) as image:
        assert isinstance(image, JpegImagePlugin.JpegImageFile)
        assert JpegImagePlugin.get_sampling(image) == 0
        assert set(np.ravel(list(image.quantization.values()))) == {1}
        assert {name for name, _ in image.applist} == {"APP0"}


def test_the_same_bytes_come_from_every_buffer_and_every_time() -> None:
    source = encoded(smooth(4), "RGBA")
    assert repair(memoryview(source)) == repair(bytearray(source)) == repair(source)


def test_alpha_is_dropped_and_not_blended() -> None:
    pixels = smooth(4)
    pixels[..., 3] = 0
    assert_close(decoded(repair(encoded(pixels, "RGBA"))), pixels[..., :3])


def test_gray_is_spread_over_three_channels() -> None:
    gray = smooth(1)
    wanted = gray.repeat(3, axis=-1)
    with_alpha = np.concatenate([gray, np.zeros_like(gray)], axis=-1)
    assert_close(decoded(repair(encoded(gray, "L"))), wanted)
    assert_close(decoded(repair(encoded(gray, "L", transparency=40))), wanted)
    assert_close(decoded(repair(encoded(with_alpha, "LA"))), wanted)


@pytest.mark.parametrize("transparency", [None, 3, bytes(range(200))], ids=str)
def test_a_palette_is_looked_up_whatever_its_transparency(transparency: int | bytes | None) -> None:
    image = Image.fromarray(smooth(3)).quantize(200)
    options = {} if transparency is None else {"transparency": transparency}
    output = io.BytesIO()
    image.save(output, "PNG", **options)
    assert read_header(output.getvalue()).mode == "P"
    assert_close(decoded(repair(output.getvalue())), np.asarray(image.convert("RGB")), 12)


@pytest.mark.parametrize(("colour", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
@pytest.mark.parametrize("low", [0x00, 0xFF])  # scaling shows with the one, rounding with the other
def test_sixteen_bits_lose_their_low_byte(colour: int, channels: int, low: int) -> None:
    high = smooth(channels)
    wide = (high.astype(">u2") << 8 | low).astype(">u2")
    fixed = decoded(repair(png(16, colour, [row.tobytes() for row in wide])))
    shown = high[..., :3] if channels > 2 else high[..., :1].repeat(3, axis=-1)
    assert_close(fixed, shown)
    assert abs(fixed.astype(float).mean() - shown.mean()) < 0.25


@pytest.mark.parametrize(("bits", "step"), [(1, 255), (2, 85), (4, 17)])
def test_fewer_than_eight_bits_fill_the_range(bits: int, step: int) -> None:
    levels = (smooth(1)[..., 0] >> (8 - bits)).astype(np.uint8)
    planes = np.unpackbits(levels[..., None], axis=-1)[..., 8 - bits :]
    rows = [row.tobytes() for row in np.packbits(planes.reshape(HEIGHT, -1), axis=1)]
    fixed = decoded(repair(png(bits, 0, rows)))
    assert_close(fixed, np.stack([levels * step] * 3, axis=-1))


def test_cmyk_of_adobe_is_inverted() -> None:
    ink = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    ink[..., 0], ink[..., 1], ink[..., 3] = 255, 51, 102  # no red, 80 % green, all over 60 %
    fixed = decoded(repair(encoded(ink, "CMYK", "JPEG", quality=100)))
    wanted = np.broadcast_to(np.array([0, 122, 153], np.uint8), (HEIGHT, WIDTH, 3))
    assert_close(fixed, wanted, 3)


def test_cmyk_without_adobes_marker_is_not_inverted() -> None:
    ink = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    ink[..., 0], ink[..., 1], ink[..., 3] = 255, 51, 102
    stored_plain = encoded(255 - ink, "CMYK", "JPEG", quality=100)  # Pillow stores the inverse
    start, end = app14(stored_plain)
    fixed = decoded(repair(stored_plain[:start] + stored_plain[end:]))
    wanted = np.broadcast_to(np.array([0, 122, 153], np.uint8), (HEIGHT, WIDTH, 3))
    assert_close(fixed, wanted, 3)


def test_ycck_gives_the_colours_that_went_in() -> None:
    pixels = smooth(3)
    stored = np.empty((HEIGHT, WIDTH, 4), np.uint8)
    # YCCK is YCbCr of the inks: libjpeg turns it to 255 - R, and Adobe's inverse undoes that.
    stored[..., :3] = np.asarray(Image.fromarray(255 - pixels).convert("YCbCr"))
    stored[..., 3] = 255
    jpeg = bytearray(encoded(255 - stored, "CMYK", "JPEG", quality=100, subsampling=0))
    _, end = app14(bytes(jpeg))
    assert jpeg[end - 1] == 0
    jpeg[end - 1] = 2
    assert read_header(jpeg).mode == "YCCK"
    assert_close(decoded(repair(jpeg)), pixels, 8)


def test_warnings_of_corrupt_exif_stay_inside() -> None:
    exif = b"Exif\0\0II*\0\x08\0\0\0\x02\0" + struct.pack("<HHII", 0x010E, 2, 4_000_000, 999)
    jpeg = encoded(smooth(4), "CMYK", "JPEG", exif=exif)
    with warnings.catch_warnings(record=True) as escaped:
        warnings.simplefilter("always")
        Image.open(io.BytesIO(jpeg)).close()
    assert escaped
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_header(repair(jpeg)).mode == "RGB"


def test_the_global_size_limit_of_pillow_is_neither_used_nor_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert read_header(repair(encoded(smooth(3), "RGB"))).width == WIDTH
    assert Image.MAX_IMAGE_PIXELS == 10


@pytest.mark.parametrize(("width", "height"), [(32768, 8193), (65501, 1), (1, 65501)])
def test_an_image_too_large_is_refused_before_it_is_decoded(width: int, height: int) -> None:
    ihdr = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    with pytest.raises(BadImage, match="too large") as caught:
        repair(b"\x89PNG\r\n\x1a\n" + ihdr)
    assert caught.value.found == f"{width} x {height}"


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_an_image_of_more_pixels_than_its_bytes_can_hold_is_refused(form: str) -> None:
    claim = struct.pack(">HH", 15_000, 15_000) if form == "JPEG" else struct.pack(">II", 9999, 9999)
    whole = encoded(smooth(4), "CMYK", "JPEG") if form == "JPEG" else encoded(smooth(3), "RGB")
    at = whole.index(b"\xff\xc0") + 5 if form == "JPEG" else 16
    data = whole[:at] + claim + whole[at + len(claim) :]
    if form == "PNG":
        data = data[:29] + struct.pack(">I", zlib.crc32(data[12:29])) + data[33:]
    with pytest.raises(BadImage, match="more pixels than its bytes can hold"):
        repair(data)


@pytest.mark.parametrize(("mode", "form"), [("1", "PNG"), ("CMYK", "JPEG")])
def test_a_large_image_of_one_colour_takes_few_bytes_and_is_encoded(mode: str, form: str) -> None:
    blank = io.BytesIO()
    Image.new(mode, (2000, 3000)).save(blank, form, optimize=True)
    assert read_header(repair(blank.getvalue())).height == 3000


def test_what_cannot_be_decoded_is_refused() -> None:
    whole = encoded(smooth(4), "CMYK", "JPEG")
    image = encoded(smooth(3), "RGB")
    for damaged in (whole[: len(whole) // 2], image[: len(image) // 2], image[:33]):
        with pytest.raises(BadImage, match="cannot be decoded") as caught:
            repair(damaged)
        assert caught.value.found
    with pytest.raises(BadImage, match="known format"):
        repair(b"GIF89a")


def test_the_codec_is_named_with_its_versions() -> None:
    owner, version, slash, library, library_version = codec().split()
    assert owner in {"pillow", "pillow-simd"}
    assert version == PIL.__version__
    assert (slash, library) in {("/", "libjpeg-turbo"), ("/", "libjpeg")}
    assert library_version[0].isdigit()


def test_the_two_odd_ones_of_the_real_photographs_are_repaired(mini: RawSet) -> None:
    expected = json.loads((mini.raw / "EXPECTED.json").read_text())
    for key in ("cmyk_jpeg", "png_named_jpeg"):
        data = real_image(mini.raw, expected[key])
        before, after = read_header(data), read_header(repair(data))
        assert after == ImageHeader("JPEG", before.width, before.height, "RGB")
        with Image.open(io.BytesIO(data)) as image:
            wanted = np.asarray(image.convert("RGB")).astype(int)
        assert np.abs(decoded(repair(data)).astype(int) - wanted).mean() < 1


def real_image(raw: Path, name: str) -> bytes:
    with tarfile.open(raw / "ILSVRC2012_img_train.tar") as outer:
        class_tar = outer.extractfile(f"{name.partition('_')[0]}.tar")
        assert class_tar is not None
        with tarfile.open(fileobj=class_tar) as inner:
            content = inner.extractfile(name)
            assert content is not None
            return content.read()


def test_an_error_of_the_system_is_not_called_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile", refuse)
    with pytest.raises(OSError, match="Too many open files"):
        repair(encoded(smooth(3), "RGB"))


@pytest.mark.parametrize("size", [(4, 4), (20_000, 20_000)])
@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_second_header_does_not_decide_how_large_an_image_is(
    form: str, size: tuple[int, int]
) -> None:
    if form == "PNG":
        second = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 8, 0, 0, 0, 0))
        data = png(8, 0, [bytes(WIDTH)] * HEIGHT, extra=second)
    else:
        plain = encoded(smooth(4), "CMYK", "JPEG")
        at = plain.index(b"\xff\xc0")
        end = at + 2 + int.from_bytes(plain[at + 2 : at + 4])
        frame = plain[at : at + 5] + struct.pack(">HH", *size) + plain[at + 9 : end]
        data = plain[:end] + frame + plain[end:]
    with pytest.raises(BadImage, match="cannot be decoded") as caught:
        repair(data)
    assert caught.value.found == f"{size[0]} x {size[1]} pixels"
