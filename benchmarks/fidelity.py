"""How far resized images are from what they should be: PSNR beside every speed of resizing."""

from __future__ import annotations

import io
import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.formats.recordio.header import parse_header
from pipeline.formats.recordio.shard import read_records

Pixels = npt.NDArray[np.float64]


def of_shard(shard: Path, sources: Sequence[Path]) -> str:
    """Return mean and lowest PSNR of the first images of a RecordIO file, one for each source."""
    pairs = zip(read_records(shard), sources, strict=False)
    return _summary(
        [psnr(bytes(parse_header(record.data).encoded), source) for record, source in pairs]
    )


def of_files(files: Sequence[Path], sources: Sequence[Path]) -> str:
    """Return mean and lowest PSNR of images, one for each source."""
    pairs = zip(files, sources, strict=True)
    return _summary([psnr(file.read_bytes(), source) for file, source in pairs])


def _summary(found: Sequence[float]) -> str:
    return f"{statistics.mean(found):.2f}, {min(found):.2f}"


def psnr(encoded: bytes, source: Path) -> float:
    """Return the PSNR of an image against Lanczos-3 of its source, in double precision."""
    made = _pixels(encoded)
    wanted = lanczos(_pixels(source.read_bytes()), (made.shape[1], made.shape[0]))
    return float(10 * np.log10(255**2 / np.square(made - wanted).mean()))


def lanczos(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Scale pixels, height x width x 3, by Lanczos-3, stretched by the scale when shrinking."""
    across, down = (_weights(old, new) for old, new in zip(pixels.shape[1::-1], size, strict=True))
    scaled = np.einsum("yr,rcz,xc->yxz", down, pixels, across, optimize=True)
    return np.asarray(scaled.clip(0, 255))


def _weights(old: int, new: int) -> Pixels:
    scale = old / new
    centres = (np.arange(new) + 0.5) * scale
    x = (np.arange(old) + 0.5 - centres[:, None]) / max(scale, 1)
    kernel = np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0)
    return np.asarray(kernel / kernel.sum(axis=1, keepdims=True))


def _pixels(encoded: bytes) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB"), np.float64)
