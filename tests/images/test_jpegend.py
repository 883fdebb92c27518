"""Files that lack their end marker: taken where every pixel is there, refused where one is not."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_images import KINDS, drawn, pixels_of, saved
from PIL import Image

from pipeline.errors import BadImage
from pipeline.images.engine import engine
from pipeline.images.inspection import inspect
from pipeline.images.jpegend import with_end
from pipeline.images.repair import repair
from pipeline.images.spec import EncodeSpec, Processed
from pipeline.sample.shapes import Encoding

AS_PNG = EncodeSpec(encoding=".png", quality=1)
TRAILERS = {
    "cut off": b"",
    "half a marker": b"\xff",
    "fill bytes": b"\xff" * 50,
    "zeros": bytes(4096),
    "a camera's own": b"\xff\xff\xff" + b"SEFT" * 500,
    "text": b"a trailer of this and that; " * 90,
    "another image": saved(Image.new("L", (8, 8)), "JPEG"),
}

CASES: list[tuple[Encoding, bytes]] = [
    *((kind, b"") for kind in KINDS if kind != "png"),
    *(("usual", trailer) for trailer in TRAILERS.values()),
]


def process(data: bytes) -> Processed:
    return engine("pillow").process(data, AS_PNG)


@pytest.mark.parametrize(("kind", "trailer"), CASES)
def test_all_pixels_are_taken_whatever_stands_in_the_place_of_the_end(
    kind: Encoding, trailer: bytes
) -> None:
    data = drawn(kind).encoded
    assert data.endswith(b"\xff\xd9")
    done = process(data[:-2] + trailer)
    np.testing.assert_array_equal(pixels_of(done.encoded), pixels_of(process(data).encoded))
    assert "end-marker-added" in done.notes


@pytest.mark.parametrize(("kind", "trailer"), CASES)
@pytest.mark.parametrize("share", [0.3, 0.97])
def test_an_image_that_lacks_pixels_is_refused_whatever_follows(
    kind: Encoding, share: float, trailer: bytes
) -> None:
    data = drawn(kind).encoded
    with pytest.raises(BadImage, match="cannot be decoded") as caught:
        process(data[: int(share * len(data))] + trailer)
    assert caught.value.remedy


def test_a_progressive_image_that_lacks_a_scan_is_refused_though_its_rows_are_there() -> None:
    data = drawn("progressive").encoded
    last = data.rindex(b"\xff\xda")
    before = data.rindex(b"\xff\xc4", 0, last)
    for cut in (data[:before], data[:last], data[: last + 6]):
        with pytest.raises(BadImage, match="cannot be decoded"):
            process(cut)


@pytest.mark.parametrize("marker", [b"\xff\xe0\xff\xff", b"\xff\xc4\0\x20", b"\xff\xdd\0\4"])
def test_what_looks_like_a_segment_behind_the_last_scan_is_not_kept(marker: bytes) -> None:
    data = drawn().encoded
    cut = data[:-2] + marker + b"a video" * 99
    assert with_end(cut, inspect(cut)) == (data, True)


def test_bytes_that_would_be_kept_are_encoded_anew_if_their_end_is_missing() -> None:
    data = drawn().encoded
    done = engine("pillow").process(data[:-2], EncodeSpec())
    assert done.encoded.endswith(b"\xff\xd9")
    assert done.notes == ("end-marker-added",)
    with pytest.raises(BadImage):
        engine("pillow").process(data[:-900], EncodeSpec())


def test_a_repaired_image_is_whole_again() -> None:
    data = drawn("cmyk").encoded
    assert repair(data[:-2]) == repair(data)
    with pytest.raises(BadImage):
        repair(data[:-900])
