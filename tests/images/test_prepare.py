"""One image as it will be stored: as it is, repaired, or encoded anew, and all of it said."""

from __future__ import annotations

import io
import struct
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import xxhash
from drawnlists import encoded, size_of
from PIL import Image

from pipeline.documents.decoding import fitted
from pipeline.errors import BadImage, UsageError
from pipeline.images import repair
from pipeline.images.orientation import read_orientation
from pipeline.images.prepare import (
    PLAIN,
    ImageOptions,
    Preparation,
    encode_spec,
    preparation,
    repaired,
)

TURNED = encoded(orientation=6)
GIF = encoded(form="GIF")


def deep() -> bytes:
    """Draw a PNG of 16 bits a pixel."""
    memory = io.BytesIO()
    Image.fromarray((np.arange(600, dtype=np.uint16) * 99).reshape(20, 30)).save(memory, "PNG")
    return memory.getvalue()


def pixels_of(data: bytes) -> npt.NDArray[np.uint8]:
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image)


DEEP = deep()
EVERY_OPTION = ImageOptions(
    resize=64,
    resize_mode="longer",
    center_crop=True,
    quality=80,
    subsampling="444",
    color=0,
    encoding=".png",
    never_enlarge=True,
    filter="lanczos",
    engine="opencv",
    orientation="refuse",
    transcode=True,
    max_pixels=1 << 30,
)


class TestOptions:
    def test_are_rebuilt_from_what_differs_from_the_default(self) -> None:
        assert PLAIN.to_json() == {}
        assert EVERY_OPTION.to_json().keys() == {field.name for field in fields(ImageOptions)}
        for options in (PLAIN, EVERY_OPTION, ImageOptions(quality=90)):
            assert fitted(options.to_json(), ImageOptions, Path()) == options

    def test_that_are_not_known_any_more_are_passed_over(self) -> None:
        recorded = {"resize": 8, "shear": 3}
        assert fitted(recorded, ImageOptions, Path()) == ImageOptions(resize=8)

    @pytest.mark.parametrize(
        ("options", "encodes"),
        [
            ({}, False),
            ({"orientation": "bake"}, False),
            ({"transcode": True}, False),
            ({"engine": "opencv"}, False),
            ({"resize": 64}, True),
            ({"center_crop": True}, True),
            ({"quality": 95}, True),
            ({"subsampling": "420"}, True),
            ({"color": 1}, True),
            ({"encoding": ".jpg"}, True),
        ],
    )
    def test_say_whether_every_image_is_encoded_anew(
        self, options: dict[str, object], encodes: bool
    ) -> None:
        assert ImageOptions(**options).encodes is encodes  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        "options", [{"filter": "lanczos"}, {"never_enlarge": True}, {"resize_mode": "exact"}]
    )
    def test_of_a_resizing_that_nobody_asks_for_are_refused(
        self, options: dict[str, object]
    ) -> None:
        with pytest.raises(UsageError, match="how images are resized"):
            encode_spec(ImageOptions(**options))  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        "options", [{"quality": 0}, {"quality": -1, "encoding": ".png"}, {"engine": "gimp"}]
    )
    def test_that_cannot_be_met_are_refused_before_an_image_is_seen(
        self, options: dict[str, object]
    ) -> None:
        with pytest.raises(UsageError):
            Preparation(ImageOptions(**options))  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({}, "keep"),
            ({"resize": 8}, "bake"),
            ({"resize": 8, "orientation": "keep"}, "keep"),
            ({"orientation": "refuse"}, "refuse"),
        ],
    )
    def test_leave_orientations_alone_unless_images_are_encoded(
        self, options: dict[str, object], expected: str
    ) -> None:
        assert encode_spec(ImageOptions(**options)).orientation == expected  # type: ignore[arg-type]

    def test_share_a_preparation(self) -> None:
        assert preparation(ImageOptions(resize=9)) is preparation(ImageOptions(resize=9))


class TestCodec:
    """The codec is part of an output's digest: another one may give other bytes."""

    def test_is_of_none_where_no_image_is_to_be_encoded(self) -> None:
        assert Preparation(PLAIN).codec is None
        assert Preparation(ImageOptions(orientation="refuse")).codec is None

    @pytest.mark.parametrize(
        "options", [{"resize": 8}, {"orientation": "bake"}, {"transcode": True}, {"quality": 90}]
    )
    def test_is_named_wherever_one_is(self, options: dict[str, object]) -> None:
        codec = Preparation(ImageOptions(**options)).codec  # type: ignore[arg-type]
        assert codec is not None
        assert codec.startswith(repair.codec())

    def test_of_pngs_is_named_where_one_may_be_made(self) -> None:
        assert "zlib" in str(Preparation(ImageOptions(encoding=".png")).codec)
        assert "zlib" in str(Preparation(ImageOptions(orientation="bake")).codec)
        assert "zlib" not in str(Preparation(ImageOptions(resize=8)).codec)


class TestAsTheyAre:
    @pytest.mark.parametrize(
        ("data", "mode", "plain"),
        [
            (encoded(), "RGB", True),
            (encoded(mode="L"), "L", True),
            (encoded(mode="CMYK"), "CMYK", False),
            (encoded(mode="RGBA", form="PNG"), "RGBA", False),
            (DEEP, "I;16", False),
        ],
        ids=["rgb", "gray", "cmyk", "png", "16-bit"],
    )
    def test_images_are_passed_on_uncopied(self, data: bytes, mode: str, plain: bool) -> None:
        view = memoryview(data)
        found = Preparation(PLAIN).prepare(view)
        assert found.encoded is view
        assert (found.mode, found.plain) == (mode, plain)
        assert (found.width, found.height) == size_of(data)
        assert found.xxh3_128 == xxhash.xxh3_128_hexdigest(data)
        assert found.notes == (("16-bit",) if mode == "I;16" else ())
        assert found.repair is None

    @pytest.mark.parametrize("form", ["JPEG", "PNG"])
    def test_a_turned_one_is_noted(self, form: str) -> None:
        data = encoded(form=form, orientation=6)
        found = Preparation(PLAIN).prepare(data)
        assert found.encoded is data
        assert found.notes == ("orientation-6-kept",)

    @pytest.mark.parametrize("form", ["JPEG", "PNG"])
    def test_a_turned_one_alone_is_encoded_where_they_are_baked(self, form: str) -> None:
        prepared = Preparation(ImageOptions(orientation="bake"))
        upright, turned = encoded(form=form), encoded(form=form, orientation=6)
        assert prepared.prepare(upright).encoded is upright
        found = prepared.prepare(turned)
        assert (found.width, found.height) == size_of(turned)[::-1]
        assert size_of(bytes(found.encoded)) == (found.width, found.height)
        assert read_orientation(found.encoded, form) == 1
        assert found.notes == ("orientation-6-baked",)
        assert found.plain is (form == "JPEG")

    @pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
    def test_what_is_baked_is_of_the_kind_that_it_is_said_to_be(self, mode: str) -> None:
        prepared = Preparation(ImageOptions(orientation="bake"))
        found = prepared.prepare(encoded(mode=mode, orientation=3))
        assert found.plain
        with_none = Preparation(PLAIN).prepare(found.encoded)
        assert with_none.plain
        assert with_none.mode == ("L" if mode == "L" else "RGB")

    def test_a_turned_one_is_refused_on_request(self) -> None:
        prepared = Preparation(ImageOptions(orientation="refuse"))
        with pytest.raises(BadImage, match="upright") as refusal:
            prepared.prepare(TURNED)
        assert refusal.value.found == "EXIF orientation 6"
        upright = encoded()
        assert prepared.prepare(upright).encoded is upright

    @pytest.mark.parametrize("data", [b"", b"<html>", GIF, encoded()[:2]])
    def test_what_is_no_jpeg_or_png_is_refused(self, data: bytes) -> None:
        with pytest.raises(BadImage):
            Preparation(PLAIN).prepare(data)

    def test_a_gif_is_taken_on_request_and_noted(self) -> None:
        found = Preparation(ImageOptions(transcode=True)).prepare(GIF)
        assert (found.mode, found.plain, found.notes) == ("GIF", True, ("gif-transcoded",))
        assert size_of(bytes(found.encoded)) == (40, 30)
        untouched = encoded()
        assert Preparation(ImageOptions(transcode=True)).prepare(untouched).encoded is untouched


class TestEncodedAnew:
    def test_every_image_has_the_size_that_is_asked_for(self) -> None:
        found = Preparation(ImageOptions(resize=15)).prepare(encoded())
        assert (found.width, found.height) == size_of(bytes(found.encoded)) == (20, 15)
        assert found.xxh3_128 == xxhash.xxh3_128_hexdigest(found.encoded)
        assert (found.mode, found.plain, found.repair) == ("RGB", True, None)

    def test_the_mode_is_that_of_the_source(self) -> None:
        prepared = Preparation(ImageOptions(quality=90))
        assert prepared.prepare(encoded(mode="CMYK")).mode == "CMYK"
        assert prepared.prepare(GIF).mode == "GIF"

    @pytest.mark.parametrize("form", ["GIF", "BMP", "TIFF", "PPM"])
    def test_any_format_is_taken_for_none_keeps_its_bytes(self, form: str) -> None:
        found = Preparation(ImageOptions(resize=15)).prepare(encoded(form=form))
        assert (found.width, found.height) == size_of(bytes(found.encoded)) == (20, 15)
        assert found.notes == (f"{form.replace('PPM', 'PNM').lower()}-transcoded",)
        with pytest.raises(BadImage, match="where it is asked for"):
            Preparation(PLAIN).prepare(encoded(form=form))
        asked = Preparation(ImageOptions(transcode=True))
        assert size_of(bytes(asked.prepare(encoded(form=form)).encoded)) == (40, 30)

    def test_what_is_lost_is_noted(self) -> None:
        prepared = Preparation(ImageOptions(quality=90))
        assert prepared.prepare(encoded(mode="RGBA", form="PNG")).notes == ("alpha-dropped",)
        assert prepared.prepare(DEEP).notes == ("16-bit-to-8",)
        assert prepared.prepare(TURNED).notes == ("orientation-6-baked",)

    def test_what_passes_unchanged_is_not_noted(self) -> None:
        data = encoded()
        found = Preparation(ImageOptions(color=1)).prepare(data)
        assert (bytes(found.encoded), found.notes) == (data, ())

    def test_a_png_is_no_plain_jpeg(self) -> None:
        found = Preparation(ImageOptions(encoding=".png")).prepare(encoded())
        assert not found.plain
        assert bytes(found.encoded[:4]) == b"\x89PNG"

    def test_a_damaged_image_is_refused(self) -> None:
        with pytest.raises(BadImage):
            Preparation(ImageOptions(resize=8)).prepare(encoded(3, form="PNG")[:300])


class TestRepaired:
    def test_a_plain_image_is_left_alone(self) -> None:
        found = Preparation(PLAIN).prepare(encoded())
        assert repaired(found) is found

    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (encoded(mode="CMYK"), "cmyk"),
            (encoded(mode="RGBA", form="PNG"), "png"),
            (DEEP, "png"),
        ],
        ids=["cmyk", "png", "16-bit"],
    )
    def test_any_other_becomes_a_plain_one_and_is_on_record(self, data: bytes, reason: str) -> None:
        before = Preparation(PLAIN).prepare(data)
        found = repaired(before)
        assert found.plain
        assert Preparation(PLAIN).prepare(found.encoded).plain
        assert (found.width, found.height, found.mode) == (*size_of(data), before.mode)
        assert found.xxh3_128 == xxhash.xxh3_128_hexdigest(found.encoded)
        assert found.repair is not None
        assert (found.repair.reason, found.repair.codec) == (reason, repair.codec())
        assert found.repair.source_xxh3_128 == before.xxh3_128

    @pytest.mark.parametrize(("mode", "form"), [("CMYK", "JPEG"), ("RGB", "PNG"), ("P", "PNG")])
    def test_an_orientation_that_is_kept_is_kept_by_a_repair_too(
        self, mode: str, form: str
    ) -> None:
        data = encoded(mode=mode, form=form, orientation=6)
        found = repaired(Preparation(PLAIN).prepare(data))
        assert found.notes == ("orientation-6-kept",)
        assert read_orientation(found.encoded, "JPEG") == 6
        upright = encoded(mode=mode, form=form)
        alike = repaired(Preparation(PLAIN).prepare(upright))
        assert np.array_equal(pixels_of(bytes(found.encoded)), pixels_of(bytes(alike.encoded)))

    def test_what_was_baked_is_not_turned_again(self) -> None:
        prepared = Preparation(ImageOptions(orientation="bake"))
        found = repaired(prepared.prepare(encoded(form="PNG", orientation=8)))
        assert read_orientation(found.encoded, "JPEG") == 1
        assert size_of(bytes(found.encoded)) == (30, 40)

    def test_what_cannot_be_decoded_is_refused(self) -> None:
        broken = Preparation(PLAIN).prepare(encoded(3, form="PNG")[:300])
        with pytest.raises(BadImage, match="cannot be decoded"):
            repaired(broken)


def test_an_image_that_claims_too_many_pixels_is_refused() -> None:
    png = bytearray(encoded(form="PNG"))
    png[16:24] = struct.pack(">II", 60000, 60000)
    prepared = Preparation(replace(PLAIN, resize=8))
    with pytest.raises(BadImage):
        prepared.prepare(bytes(png))


def unread() -> bytes:
    """Draw a JPEG that says it has 12 bits a sample."""
    data = encoded()
    at = data.index(b"\xff\xc0") + 4
    return data[:at] + bytes([12]) + data[at + 1 :]


class TestWhatNoDecoderReads:
    def test_is_kept_with_a_note_where_bytes_are_and_never_made_a_jpeg_of(self) -> None:
        kept = Preparation(PLAIN).prepare(unread())
        assert (kept.encoded, kept.notes, kept.plain) == (unread(), ("12-bit",), False)
        with pytest.raises(BadImage, match="no common decoder reads"):
            repaired(kept)
        with pytest.raises(BadImage, match="no common decoder reads"):
            Preparation(ImageOptions(color=1)).prepare(unread())

    def test_is_not_what_lacks_nothing_but_its_end(self) -> None:
        kept = Preparation(PLAIN).prepare(encoded(mode="CMYK")[:-2])
        assert kept.notes == ("cut-short",)
        again = repaired(kept)
        assert again.notes == ("end-marker-added",)
        assert again.encoded == repaired(Preparation(PLAIN).prepare(encoded(mode="CMYK"))).encoded


class TestWithoutAnEnd:
    def test_a_jpeg_gets_its_end_marker_where_decoders_must_read_it(self) -> None:
        kept = Preparation(PLAIN).prepare(encoded()[:-2] + bytes(100))
        assert (kept.plain, kept.notes) == (True, ("cut-short",))
        ended = repaired(kept)
        assert pixels_of(bytes(ended.encoded)).tolist() == pixels_of(encoded()).tolist()
        assert bytes(ended.encoded).endswith(b"\xff\xd9")
        assert ended.xxh3_128 == xxhash.xxh3_128_hexdigest(ended.encoded)
        assert ended.notes == ("end-marker-added",)
        assert ended.repair is not None
        assert (ended.repair.reason, ended.repair.source_xxh3_128) == ("end-marker", kept.xxh3_128)
        assert (ended.width, ended.height, ended.mode) == (kept.width, kept.height, kept.mode)

    def test_one_that_lacks_pixels_or_has_too_many_stays_as_it_is(self) -> None:
        cut = Preparation(PLAIN).prepare(encoded()[:-60])
        assert repaired(cut) is cut
        large = Preparation(PLAIN).prepare(encoded()[:-2])
        assert repaired(large, 40 * 30 - 1) is large


class TestMaxPixels:
    def test_bounds_what_is_decoded_and_what_is_only_stored(self) -> None:
        few = ImageOptions(max_pixels=40 * 30 - 1)
        enough = replace(few, max_pixels=40 * 30)
        options: tuple[dict[str, Any], ...]
        options = ({}, {"quality": 90}, {"transcode": True}, {"orientation": "bake"})
        for more in options:
            data = {"transcode": GIF, "orientation": TURNED}.get(next(iter(more), ""), encoded())
            with pytest.raises(BadImage, match="too large") as caught:
                Preparation(replace(few, **more)).prepare(data)
            assert "--max-pixels" in (caught.value.remedy or "")
            assert Preparation(replace(enough, **more)).prepare(data).width in {30, 40}

    def test_bounds_what_is_repaired(self) -> None:
        kept = Preparation(PLAIN).prepare(encoded(mode="CMYK"))
        with pytest.raises(BadImage, match="too large"):
            repaired(kept, 40 * 30 - 1)
        assert repaired(kept, 40 * 30).plain
