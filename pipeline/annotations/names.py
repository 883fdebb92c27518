"""Names of images without what says their format."""

from __future__ import annotations

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

_SUFFIXES: Final = r"(?i)\.(?:jpe?g|jpe|jfif|png|gif|bmp|webp|tiff?|p[bgpn]m)$"


def without_image_suffix(names: pa.StringArray | pa.ChunkedArray) -> pa.StringArray:
    """Return (n,) names without the suffix of an image, whatever its case: annotations lack it."""
    if isinstance(names, pa.ChunkedArray):
        names = names.combine_chunks()
    if not pc.any(pc.match_substring(names, ".")).as_py():
        return names
    return pc.replace_substring_regex(names, _SUFFIXES, "")
