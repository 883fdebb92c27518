"""The mode of an image where it is stored."""

from __future__ import annotations

import pytest

from pipeline.exports.modes import stored_mode
from pipeline.images.prepare import PLAIN, ImageOptions

BAKED, SMALL = ImageOptions(orientation="bake"), ImageOptions(resize=8)


@pytest.mark.parametrize(
    ("source", "options", "repaired", "expected"),
    [
        ("RGB", PLAIN, False, "RGB"),
        ("L", PLAIN, False, "L"),
        ("RGBA;16", PLAIN, False, "RGBA;16"),
        ("CMYK", PLAIN, True, "RGB"),
        ("L", SMALL, False, "RGB"),
        ("CMYK", ImageOptions(color=0), False, "L"),
        ("CMYK", ImageOptions(color=-1), False, "RGB"),
        ("L", ImageOptions(color=-1), False, None),
        ("RGB;16", ImageOptions(color=-1, encoding=".png"), False, None),
        ("WEBP", ImageOptions(transcode=True), False, "RGB"),
        ("L", BAKED, False, "L"),
        ("P", BAKED, False, None),
    ],
)
def test_the_mode_follows_from_the_source_and_the_options(
    source: str, options: ImageOptions, repaired: bool, expected: str | None
) -> None:
    assert stored_mode(source, options, repaired=repaired) == expected
