"""Boxes in pixels, as annotations have them, as fractions of their images."""

from __future__ import annotations

from typing import Final

from pipeline.catalog.objects import Box

SLACK: Final = 1.0
"""Pixels by which a box may leave its image, as rounded ones do; what is outside is cut off."""


class Outside(Exception):
    """A box that is not on its image."""


def fractions(corners: tuple[float, float, float, float], width: int, height: int) -> Box | None:
    """Return a box as fractions of its image, without what is outside; None: it has no area.

    Args:
        corners: xmin, ymin, xmax, ymax in pixels, from 0 at the edge of the image.
        width: of the image, in pixels, at least 1.
        height: likewise.

    Raises:
        Outside: it leaves the image by more than `SLACK`.
    """
    xmin, ymin, xmax, ymax = corners
    if min(xmin, ymin) < -SLACK or xmax > width + SLACK or ymax > height + SLACK:
        raise Outside
    box = (
        max(xmin, 0.0) / width,
        max(ymin, 0.0) / height,
        min(xmax, width) / width,
        min(ymax, height) / height,
    )
    return box if box[0] < box[2] and box[1] < box[3] else None
