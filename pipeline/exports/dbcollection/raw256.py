"""The smaller images of dbcollection's task ``raw256``, in trees ``train256`` and ``val256``.

Source: dbcollection 0.2.6, datasets/imagenet/ilsvrc2012/classification.py. The shorter side gets
256 pixels, the other one keeps the aspect, rounded down; by Lanczos, also where an image grows;
as a JPEG of quality 75 and 4:2:0 under the name that the image had. The orientation that EXIF
knows of is neither heeded nor kept. Gray stays gray.

Otherwise than there, four inks become RGB and alpha is dropped: the original leaves the inks to
whoever reads them, and dies of alpha.
"""

from __future__ import annotations

from dataclasses import replace

from pipeline import digests
from pipeline.images.bounds import MAX_PIXELS
from pipeline.images.engine import PillowEngine
from pipeline.images.spec import EncodeSpec
from pipeline.images.transforms import Resize

VERSION = 1
EDGE = 256
"""Pixels of the shorter side."""

_SPEC = EncodeSpec(
    transforms=(Resize(EDGE, mode="shorter", filter="lanczos"),),
    quality=75,
    subsampling="420",
    color=-1,
    orientation="ignore",
)


def shrink(image: memoryview, max_pixels: int = MAX_PIXELS) -> bytes:
    """Return the smaller image of one.

    Args:
        image: its bytes.
        max_pixels: how many it may have.

    Raises:
        BadImage: it is damaged, too large, or no JPEG or PNG.
    """
    return PillowEngine().process(image, replace(_SPEC, max_pixels=max_pixels)).encoded


def codec() -> str:
    """Return the codec that encodes them here.

    Raises:
        EnvironmentRefused: none is installed.
    """
    return PillowEngine().codec()


def digest(rows_digest: str, codec: str) -> str:
    """Return the digest of a tree.

    Args:
        rows_digest: of what decides which images there are.
        codec: what encodes them: its bytes are its own.
    """
    return digests.digest({"codec": codec, "rows": rows_digest, "small": EDGE, "version": VERSION})
