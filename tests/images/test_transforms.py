from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.errors import BadImage, UsageError
from pipeline.images.transforms import AutoOrient, CenterCrop, ColorConvert, Compose, Resize

Pixels = npt.NDArray[np.uint8]
SIDES = st.integers(1, 5000)


def ramp(width: int, height: int, channels: int = 3) -> Pixels:
    y, x = np.mgrid[:height, :width]
    planes = [3 * x, 5 * y, 2 * (x + y), 255 - x][:channels]
    return np.stack(planes, axis=-1).astype(np.uint8)


def float_tensor(pixels: Pixels) -> Any:
    return pixels.transpose(2, 0, 1).astype(np.float32) / 255


def twice_as_dark(pixels: Pixels) -> Pixels:
    return pixels // np.uint8(2)


@pytest.mark.parametrize(
    ("resize", "target"),
    [
        (Resize(256), (341, 256)),  # 500 * 256 // 375: rounded down, as im2rec does
        (Resize(256, "longer"), (256, 192)),
        (Resize(256, "exact"), (256, 256)),
        (Resize((30, 40)), (30, 40)),
        (Resize((30, 40), "exact"), (30, 40)),
        (Resize(750), (1000, 750)),
        (Resize(750, never_enlarge=True), (500, 375)),
        (Resize(400, "longer", never_enlarge=True), (400, 300)),
        (Resize((400, 400), never_enlarge=True), (500, 375)),
        (Resize((500, 200), never_enlarge=True), (500, 200)),
    ],
)
def test_the_target_size_follows_the_mode(resize: Resize, target: tuple[int, int]) -> None:
    assert resize.target(500, 375) == target


@given(SIDES, SIDES, st.integers(1, 1000))
def test_the_edge_that_is_named_is_met_and_the_other_keeps_the_aspect(
    width: int, height: int, size: int
) -> None:
    shorter, longer = (
        Resize(size).target(width, height),
        Resize(size, "longer").target(width, height),
    )
    assert min(shorter) == size
    assert max(longer) == size
    for target in (shorter, longer):
        scale = size / (min(width, height) if target is shorter else max(width, height))
        assert min(target) >= 1
        assert abs(target[0] - width * scale) < 1
        assert abs(target[1] - height * scale) < 1


@given(SIDES, SIDES, st.integers(1, 6000), st.sampled_from(["shorter", "longer", "exact"]))
def test_never_enlarge_never_enlarges(width: int, height: int, size: int, mode: Any) -> None:
    target = Resize(size, mode, never_enlarge=True).target(width, height)
    assert target[0] <= width
    assert target[1] <= height


def test_an_edge_never_vanishes() -> None:
    assert Resize(10, "longer").target(5000, 1) == (10, 1)
    assert Resize(10, "longer")(ramp(500, 1)).shape == (1, 10, 3)


@pytest.mark.parametrize("by", ["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"])
def test_each_filter_is_pillows_own(by: Any) -> None:
    pixels = ramp(60, 40)
    way = Image.Resampling[by.upper()]
    wanted = np.asarray(Image.fromarray(pixels).resize((30, 20), way))
    np.testing.assert_array_equal(Resize(20, filter=by)(pixels), wanted)


def test_lanczos_is_the_filter_unless_another_is_named() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (40, 60, 3), np.uint8)
    np.testing.assert_array_equal(Resize(20)(pixels), Resize(20, filter="lanczos")(pixels))
    assert (Resize(20)(pixels) != Resize(20, filter="bilinear")(pixels)).any()


@pytest.mark.parametrize(
    ("crop", "box"),
    [
        (CenterCrop(), (62, 0, 437, 375)),  # a margin of (500 - 375) // 2: rounded down
        (CenterCrop(224), (138, 75, 362, 299)),
        (CenterCrop((100, 50)), (200, 162, 300, 212)),
        (CenterCrop(400), (50, 0, 450, 375)),
        (CenterCrop(9000), (0, 0, 500, 375)),
    ],
)
def test_the_crop_is_in_the_middle(crop: CenterCrop, box: tuple[int, int, int, int]) -> None:
    assert crop.box(500, 375) == box


@pytest.mark.parametrize("shape", [(50, 37), (37, 50), (1, 9), (8, 8)])
def test_a_crop_cuts_out_those_very_pixels(shape: tuple[int, int]) -> None:
    pixels = ramp(*shape)
    left, top, right, bottom = CenterCrop().box(*shape)
    np.testing.assert_array_equal(CenterCrop()(pixels), pixels[top:bottom, left:right])


def test_colours_are_converted_as_im2rec_numbers_them() -> None:
    rgb, rgba = ramp(9, 7), ramp(9, 7, 4)
    gray = ColorConvert(0)(rgb)
    luma = rgb @ np.array([0.299, 0.587, 0.114])
    assert gray.shape == (7, 9, 1)
    assert np.abs(gray[..., 0] - luma).max() <= 1
    np.testing.assert_array_equal(ColorConvert(1)(gray), gray.repeat(3, axis=-1))
    np.testing.assert_array_equal(ColorConvert(1)(rgba), rgb)
    np.testing.assert_array_equal(ColorConvert(-1)(rgba), rgba)


def test_plain_pixels_are_upright() -> None:
    np.testing.assert_array_equal(AutoOrient()(ramp(9, 7)), ramp(9, 7))


def test_composed_transforms_are_done_in_order() -> None:
    pixels = ramp(90, 60)
    done = Compose([CenterCrop(50), twice_as_dark, Resize(20)])(pixels)
    np.testing.assert_array_equal(done, Resize(20)(twice_as_dark(CenterCrop(50)(pixels))))
    assert Resize(20)(CenterCrop(50)(pixels)).max() > done.max()


def test_what_comes_out_may_be_written_to() -> None:
    assert Compose([])(ramp(9, 7)).flags.writeable
    assert Resize(3)(ramp(9, 7, 1)).flags.writeable


def test_transforms_are_pickled_compared_and_shown_by_what_they_do() -> None:
    transform = Compose([AutoOrient(), Resize(256), CenterCrop(), ColorConvert(0), twice_as_dark])
    assert pickle.loads(pickle.dumps(transform)) == transform  # noqa: S301
    assert hash(transform) == hash(Compose(transform.transforms))
    assert repr(Resize(8)) == "Resize(size=8, mode=None, never_enlarge=False, filter=None)"


@pytest.mark.parametrize(
    "result",
    [
        float_tensor(ramp(9, 7)),
        ramp(9, 7).astype(np.float32),
        ramp(9, 7).astype(np.uint16),
        ramp(9, 7)[..., 0],
        ramp(9, 7)[..., :2],
        ramp(9, 7)[:0],
        np.uint8(3) * np.ones((), np.uint8),
        None,
        [[1, 2, 3]],
    ],
    ids=lambda result: f"{getattr(result, 'dtype', type(result))} {np.shape(result)}",
)
def test_what_is_no_image_is_refused_when_a_transform_returns_it(result: Any) -> None:
    def broken(pixels: Pixels) -> Any:
        return result

    with pytest.raises(UsageError, match="broken returned what no JPEG or PNG can hold") as caught:
        Compose([broken])(ramp(9, 7))
    assert "not a float tensor" in (caught.value.remedy or "")


def test_the_refusal_of_a_float_tensor_names_its_type_and_shape() -> None:
    with pytest.raises(UsageError) as caught:
        Compose([Resize(3), float_tensor])(ramp(9, 7))
    assert caught.value.found == "float32 of shape 3 x 3 x 3"


@pytest.mark.parametrize(
    ("resize", "size"),
    [(Resize(256), (60000, 1)), (Resize((65500, 5000)), (9, 9)), (Resize((65500, 1)), (1, 5000))],
)
def test_a_size_that_would_take_all_memory_is_refused(
    resize: Resize, size: tuple[int, int]
) -> None:
    with pytest.raises(BadImage, match="as it would be made"):
        resize(np.zeros((size[1], size[0], 3), np.uint8))


@pytest.mark.parametrize(
    ("make", "arguments"),
    [
        (Resize, {"size": 0}),
        (Resize, {"size": -3}),
        (Resize, {"size": 2.5}),
        (Resize, {"size": True}),
        (Resize, {"size": (3, 4, 5)}),
        (Resize, {"size": (3, 4), "mode": "shorter"}),
        (Resize, {"size": 3, "mode": "larger"}),
        (Resize, {"size": 3, "filter": "cubic"}),
        (CenterCrop, {"size": 0}),
        (CenterCrop, {"size": "256"}),
        (ColorConvert, {"color": 2}),
    ],
)
def test_arguments_that_make_no_sense_are_refused_at_once(make: Any, arguments: Any) -> None:
    with pytest.raises(UsageError, match=f"{make.__name__} cannot be made"):
        make(**arguments)
