from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from drawn_images import (
    Pixels,
    drawn,
    pixels_of,
    saved,
)
from PIL import Image
from support import RawSet

from pipeline.images.engine import engine
from pipeline.images.header import ImageHeader, read_header
from pipeline.images.spec import EncodeSpec, Processed
from pipeline.images.transforms import Resize


def process(data: bytes, spec: EncodeSpec) -> Processed:
    return engine("pillow").process(data, spec)


def lanczos(pixels: Pixels, size: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Lanczos-3 in double precision, stretched by the scale when shrinking."""
    across, down = (weights(old, new) for old, new in zip(pixels.shape[1::-1], size, strict=True))
    scaled = np.einsum("yr,rcz,xc->yxz", down, pixels.astype(float), across, optimize=True)
    return np.asarray(scaled.clip(0, 255))


def weights(old: int, new: int) -> npt.NDArray[np.float64]:
    scale = old / new
    centres = (np.arange(new) + 0.5) * scale
    x = (np.arange(old) + 0.5 - centres[:, None]) / max(scale, 1)
    kernel = np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0)
    return np.asarray(kernel / kernel.sum(axis=1, keepdims=True))


def psnr(actual: Pixels, wanted: npt.NDArray[np.float64]) -> float:
    return float(10 * np.log10(255**2 / np.square(actual - wanted).mean()))


def texture(seed: int) -> Image.Image:
    """Noise whose amplitude falls with the frequency as a soft photograph's; muted colours."""
    rng = np.random.default_rng(seed)
    y, x = np.meshgrid(np.fft.fftfreq(375), np.fft.fftfreq(500), indexing="ij")
    falling = np.maximum(np.hypot(x, y), 1 / 500) ** -1.5
    planes = [
        np.fft.ifft2(np.fft.fft2(rng.standard_normal((375, 500))) * falling).real for _ in range(3)
    ]
    luma, blue, red = (plane / plane.std() for plane in planes)
    levels = np.stack([128 + 40 * luma, 128 + 12 * blue, 128 + 12 * red], axis=-1)
    return Image.fromarray(levels.clip(0, 255).astype(np.uint8), "YCbCr")


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
def test_a_photograph_resized_to_256_is_close_to_the_exact_lanczos(subsampling: str) -> None:
    found = []
    for seed in range(2):
        data = saved(texture(seed), "JPEG", quality=95, subsampling=subsampling)
        done = process(data, EncodeSpec((Resize(256),)))
        wanted = lanczos(pixels_of(data), (done.width, done.height))
        found.append(psnr(pixels_of(done.encoded), wanted))
    assert np.mean(found) >= 37


def test_resizing_alone_loses_no_more_than_rounding_does() -> None:
    data = saved(texture(0), "JPEG", quality=95)
    done = process(data, EncodeSpec((Resize(256),), encoding=".png"))
    wanted = lanczos(pixels_of(data), (done.width, done.height))
    assert psnr(pixels_of(done.encoded), wanted) >= 55


def test_drawn_shapes_and_letters_are_close_to_it_too() -> None:
    images = [drawn("full-chroma", seed) for seed in range(8)]
    images = [image for image in images if min(image.width, image.height) > 300][:3]
    assert len(images) == 3
    found = []
    for image in images:
        done = process(image.encoded, EncodeSpec((Resize(256),)))
        wanted = lanczos(pixels_of(image.encoded), (done.width, done.height))
        found.append(psnr(pixels_of(done.encoded), wanted))
    assert np.mean(found) >= 37


def test_the_real_photographs_are_resized(mini: RawSet) -> None:
    expected = json.loads((mini.raw / "EXPECTED.json").read_text())
    seen, found = 0, []
    for data in real_photographs(mini.raw):
        done = process(data, EncodeSpec((Resize(256),)))
        assert min(done.width, done.height) == 256
        assert read_header(done.encoded) == ImageHeader("JPEG", done.width, done.height, "RGB")
        seen += 1
        if not done.notes and seen % 20 == 0 and read_header(data).mode == "RGB":
            wanted = lanczos(pixels_of(data), (done.width, done.height))
            found.append(psnr(pixels_of(done.encoded), wanted))
    assert seen == expected["val_images"]
    assert np.mean(found) >= 37


def real_photographs(raw: Path) -> Iterator[bytes]:
    with tarfile.open(raw / "ILSVRC2012_img_val.tar") as tar:
        for member in tar:
            content = tar.extractfile(member)
            if content is not None:
                yield content.read()


def test_a_higher_quality_is_closer_and_larger() -> None:
    data = drawn().encoded
    low, high = (process(data, EncodeSpec(quality=quality)) for quality in (30, 95))
    wanted = pixels_of(data).astype(float)
    assert len(low.encoded) < len(high.encoded)
    errors = [np.abs(pixels_of(done.encoded) - wanted).mean() for done in (low, high)]
    assert errors[0] > 2 * errors[1]
