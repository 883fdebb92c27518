"""Drawn images that are there more than once, or nearly so, in two splits."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw

HOSTILE = '"><script>alert(1)<;script>'


def scene(seed: int) -> Image.Image:
    """Return a drawing of large shapes, as photographs have them."""
    random = np.random.default_rng(seed)
    image = Image.new("RGB", (120, 90), tuple(random.integers(0, 256, 3).tolist()))
    draw = ImageDraw.Draw(image)
    for _ in range(9):
        x, y = random.integers(0, 90, 2).tolist()
        side = int(random.integers(10, 50))
        color = tuple(random.integers(0, 256, 3).tolist())
        draw.ellipse((x - side, y - side, x + side, y + side), fill=color)
    return image


def stored(image: Image.Image, quality: int = 85) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def drawn() -> dict[str, bytes]:
    """Return images of two splits: a copy in both, a small one, two classes, flat ones, others."""
    flat = {
        f"train/flat/{n}.jpg": stored(Image.new("RGB", (20 + n, 30), (n, n, n))) for n in range(9)
    }
    return flat | {
        "train/a/leaked.jpg": stored(scene(1)),
        f"val/a/{HOSTILE}.jpg": stored(scene(1)),
        "train/a/large.jpg": stored(scene(2)),
        "train/a/small.jpg": stored(scene(2).resize((80, 60))),
        "train/a/one.jpg": stored(scene(3)),
        "train/b/other.jpg": stored(scene(3), 70),
        "train/a/alone.jpg": stored(scene(4)),
        "train/b/alone.jpg": stored(scene(5)),
        "val/b/alone.jpg": stored(scene(6)),
    }
