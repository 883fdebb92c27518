"""The hash of what an image looks like: the same for copies, another one for other images."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from pipeline.duplicates.perceptual_hash import FLAT, hash_of_pixels, perceptual_hash
from pipeline.errors import BadImage


def scene(seed: int, size: tuple[int, int] = (400, 300)) -> Image.Image:
    """Return a drawing of large shapes, as photographs have them."""
    random = np.random.default_rng(seed)
    image = Image.new("RGB", size, tuple(random.integers(0, 256, 3).tolist()))
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        x, y = (int(random.integers(0, side)) for side in size)
        wide, high = (int(random.integers(20, side // 2)) for side in size)
        color = tuple(random.integers(0, 256, 3).tolist())
        draw.ellipse((x - wide, y - high, x + wide, y + high), fill=color)
    return image


def stored(image: Image.Image, form: str = "JPEG", **options: int) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def apart(one: bytes, other: bytes) -> int:
    return (perceptual_hash(one) ^ perceptual_hash(other)).bit_count()


@pytest.mark.parametrize("seed", range(4))
def test_a_copy_that_was_compressed_or_resized_is_near(seed: int) -> None:
    image = scene(seed)
    whole = stored(image, quality=95)
    assert apart(whole, stored(image, quality=40)) <= 4
    assert apart(whole, stored(image.resize((200, 150)))) <= 4
    assert apart(whole, stored(image.resize((900, 675)))) <= 4
    assert apart(whole, stored(image, "PNG")) <= 4
    assert apart(whole, stored(image.convert("L"))) <= 4


def test_other_images_are_far() -> None:
    hashes = [perceptual_hash(stored(scene(seed))) for seed in range(12)]
    distances = [
        (one ^ other).bit_count() for place, one in enumerate(hashes) for other in hashes[:place]
    ]
    assert min(distances) > 8


@pytest.mark.parametrize("color", [0, 1, 128, 255])
def test_images_of_one_colour_have_the_same_hash(color: int) -> None:
    assert perceptual_hash(stored(Image.new("RGB", (50, 70), (color,) * 3))) == FLAT


def test_the_hash_of_known_pixels_stays_what_it_is() -> None:
    pixels = (np.arange(32)[:, None] * 7 + np.arange(32) ** 2 // 5).astype(np.uint8)
    assert f"{hash_of_pixels(pixels):016x}" == "1d356a5a745d328c"


@pytest.mark.parametrize("mode", ["CMYK", "RGBA", "L", "P"])
def test_every_mode_that_shards_hold_has_a_hash(mode: str) -> None:
    image = scene(1).convert(mode)
    copy = stored(image, "JPEG" if mode == "CMYK" else "PNG")
    assert apart(stored(image.convert("RGB"), quality=95), copy) <= 8


def test_what_cannot_be_decoded_is_refused() -> None:
    with pytest.raises(BadImage):
        perceptual_hash(stored(scene(1))[:300])
