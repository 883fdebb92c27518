"""The smaller pictures of dbcollection's task ``raw256``, in trees ``train256`` and ``val256``.

Source: dbcollection 0.2.6, datasets/imagenet/ilsvrc2012/classification.py. The shorter side gets
256 pixels, the other one keeps the aspect, rounded down; by Lanczos, also where a picture grows;
as a JPEG of quality 75 and 4:2:0 under the name that the picture had. The orientation that EXIF
knows of is neither heeded nor kept. Gray stays gray.

Otherwise than there, four inks become RGB and alpha is dropped: the original leaves the inks to
whoever reads them, and dies of alpha.
"""

from __future__ import annotations

from pipeline import digests
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


def shrink(picture: memoryview) -> bytes:
    """Return the smaller picture of one.

    Raises:
        BadImage: it is damaged, too large, or no JPEG or PNG.
    """
    return PillowEngine().process(picture, _SPEC).encoded


def digest(rows_digest: str) -> str:
    """Return the digest of a tree; it has the codec in it, whose bytes are its own.

    Args:
        rows_digest: of what decides which pictures there are.
    """
    return digests.digest(
        {"codec": PillowEngine().codec(), "rows": rows_digest, "small": EDGE, "version": VERSION}
    )
