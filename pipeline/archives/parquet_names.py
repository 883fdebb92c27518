"""What the names of Parquet files end in: known without the library that reads them."""

from __future__ import annotations

from typing import Final

PARQUET: Final = ".parquet"
"""What names of Parquet files end in, in lower case."""


def is_parquet(source: str) -> bool:
    """Whether images in a source are rows of a Parquet file."""
    return source[-len(PARQUET) :].lower() == PARQUET
