"""Masks: what they decode to, how they are resized and measured, and COCO's run lengths."""

from __future__ import annotations

import io

import numpy as np
import pytest
from drawn_images import chunk, ramp_png, saved, wide_png
from PIL import Image

from pipeline.errors import BadAnnotation, BadImage
from pipeline.images import masks
from pipeline.images.masks import Mask, Rle


def ring(width: int = 60, height: int = 40) -> Mask:
    mask = np.zeros((height, width), np.bool_)
    mask[5:30, 7:50] = True
    mask[10:12, 20:22] = False
    mask[height - 1, width - 1] = True
    return mask


def stored(mask: Mask, mode: str) -> bytes:
    if mode == "1":
        return saved(Image.fromarray(mask))
    levels = Image.fromarray(mask.astype(np.uint8) * (255 if mode == "L" else 1))
    if mode == "P":
        levels = levels.convert("P")
        levels.putpalette([0, 0, 0, 10, 200, 30])
    return saved(levels)


@pytest.mark.parametrize("mode", ["1", "L", "P"])
@pytest.mark.parametrize("size", [(60, 40), (61, 41), (64, 33)])
def test_each_mode_decodes_to_the_same_mask(mode: str, size: tuple[int, int]) -> None:
    mask = ring(*size)
    data = stored(mask, mode)
    assert Image.open(io.BytesIO(data)).mode == mode
    decoded = masks.decode_mask(memoryview(data))
    assert decoded.dtype == np.bool_
    assert np.array_equal(decoded, mask)
    assert masks.mask_size(data) == size
    assert not masks.is_black(data)


def test_every_level_but_black_is_the_object() -> None:
    levels = np.array([[0, 1, 127], [128, 255, 0]], np.uint8)
    decoded = masks.decode_mask(saved(Image.fromarray(levels)))
    assert decoded.tolist() == [[False, True, True], [True, True, False]]


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_black_masks_are_seen_whatever_their_mode(mode: str) -> None:
    mask = np.zeros((40, 61), np.bool_)
    assert masks.is_black(stored(mask, mode))
    mask[39, 60] = True
    assert not masks.is_black(stored(mask, mode))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>no mask</html>",
        saved(Image.new("L", (8, 8)), "JPEG"),
        ramp_png(3),
        ramp_png(2),
        wide_png(0, 1, 0),
        stored(ring(), "1")[:-30],
        stored(ring(), "L")[:60] + b"\0" * 40,
    ],
    ids=["empty", "page", "jpeg", "rgb", "alpha", "16 bits", "cut", "damaged"],
)
def test_what_is_no_mask_is_refused(data: bytes) -> None:
    with pytest.raises(BadImage):
        masks.decode_mask(data)
    with pytest.raises(BadImage):
        masks.is_black(data)


def test_a_mask_that_claims_more_pixels_than_its_bytes_hold_is_refused_undecoded() -> None:
    bomb = masks.encode_png(np.zeros((1, 1), np.bool_))
    header = (20_000).to_bytes(4) * 2 + bytes([1, 0, 0, 0, 0])
    bomb = bomb[:8] + chunk(b"IHDR", header) + bomb[33:]
    with pytest.raises(BadImage, match="20000 x 20000"):
        masks.decode_mask(bomb)


def test_a_written_mask_is_one_bit_a_pixel() -> None:
    data = masks.encode_png(ring())
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == "1"
        assert np.array_equal(np.array(image), ring())


@pytest.mark.parametrize("size", [(60, 40), (30, 20), (120, 80), (97, 13), (1, 1), (1024, 683)])
def test_pixels_are_chosen_by_their_centres(size: tuple[int, int]) -> None:
    mask = np.random.default_rng(0).random((40, 60)) < 0.5
    by_pillow = Image.fromarray(mask).resize(size, Image.Resampling.NEAREST)
    result = masks.resized(mask, size)
    assert result.shape == size[::-1]
    assert np.array_equal(result, np.array(by_pillow))


def test_the_middle_of_three_pixels_is_taken_for_one() -> None:
    line = np.array([[False, True, False]])
    assert masks.resized(line, (1, 1)).tolist() == [[True]]
    assert masks.resized(np.array([[True, False]]), (4, 1)).tolist() == [[True, True, False, False]]


@pytest.mark.parametrize(
    ("mask", "image", "same"),
    [
        ((720, 480), (1024, 683), True),
        ((800, 533), (1024, 682), True),
        ((1600, 1066), (1024, 682), True),
        ((1024, 683), (1024, 683), True),
        ((1024, 685), (1024, 683), False),
        ((480, 720), (1024, 683), False),
        ((1024, 768), (1024, 683), False),
    ],
)
def test_a_shape_may_differ_by_scale_and_a_pixel(
    mask: tuple[int, int], image: tuple[int, int], same: bool
) -> None:
    assert masks.has_shape_of(mask, image) is same


def test_area_and_tight_box_count_pixels() -> None:
    mask = ring()
    assert masks.area(mask) == 25 * 43 - 4 + 1
    assert masks.tight_box(mask) == (7, 5, 60, 40)
    assert masks.tight_box(np.zeros((3, 4), np.bool_)) is None
    assert masks.area(np.zeros((3, 4), np.bool_)) == 0


# As pycocotools 2.0.11 encodes them.
_RING = "0" * 24 + "\\OC==CC==7" + "0" * 54 + "Z<XO"
OF_RING, OF_THE_REST = "m8i0?" + _RING, "0m8i0bG" + _RING
OF_DISC = "S47e04M2N2O0O2O000000000001N101N2N3L_3"


def disc() -> Mask:
    y, x = np.mgrid[:30, :25]
    inside: Mask = (x - 12) ** 2 + (y - 14) ** 2 < 80
    return inside


@pytest.mark.parametrize(
    ("mask", "counts"), [(ring(), OF_RING), (~ring(), OF_THE_REST), (disc(), OF_DISC)]
)
def test_run_lengths_are_those_of_coco(mask: Mask, counts: str) -> None:
    rle = masks.encode_rle(mask)
    assert rle.to_json() == {"size": list(mask.shape), "counts": counts}
    assert np.array_equal(rle.decode(), mask)


def test_run_lengths_of_any_mask_decode_to_it() -> None:
    random = np.random.default_rng(5)
    for share in (0.0, 0.01, 0.3, 0.9, 1.0):
        for shape in ((1, 1), (1, 50), (50, 1), (37, 23), (300, 200)):
            mask = random.random(shape) < share
            assert np.array_equal(masks.encode_rle(mask).decode(), mask)


@pytest.mark.parametrize("counts", ["", "m8i0?0", "é", "~", "m8i0" + "o" * 20, OF_RING + "1"])
def test_run_lengths_that_do_not_fill_a_mask_are_refused(counts: str) -> None:
    with pytest.raises(BadAnnotation):
        Rle((60, 40), counts).decode()
