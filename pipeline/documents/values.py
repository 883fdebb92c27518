"""The values that documents are made of: types that say what range, length and form they have.

A plain `str` or `int` in a document could be anything. These are the same types for a type
checker; `pipeline.documents.decoding` checks the rest when a document is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Final

from msgspec import Meta

CONTROL: Final = "\\x00-\\x1f\\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
"""Control characters and those of the writing direction, as in a character class of `re`."""

_PART: Final = rf"(?!\.{{1,2}}(?:/|\Z))[^/{CONTROL}]{{1,255}}"
_LATEST: Final = 253_402_300_799  # the last second of the year 9999

Size = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
"""A number of bytes, images, records or the like."""

Position = Annotated[int, Meta(ge=0, le=99_999_999)]
"""The 0-based number of a shard or of a group of classes, or how many there are."""

Stamp = Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
"""A time of a file, in nanoseconds since the epoch."""

Seconds = Annotated[float, Meta(ge=0, le=_LATEST)]
"""A time since the epoch, or a duration."""

Digest = Annotated[str, Meta(pattern=r"\A[0-9a-f]{12}\Z")]
"""A digest of `pipeline.digests`."""

ContentHash = Annotated[str, Meta(pattern=r"\A[0-9a-f]{32}\Z")]
"""An xxh3-128 or an MD5, in hex."""

Sha256 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
"""A SHA-256, in hex."""

Text = Annotated[str, Meta(max_length=1 << 16)]
"""Anything that is shown or compared, and names nothing."""

Key = Annotated[str, Meta(min_length=1, max_length=1 << 12)]
"""What names an image, a class or a split; as a path it is never opened."""

Place = Annotated[str, Meta(max_length=1 << 12, pattern=r"\A[^\x00]*\Z")]
"""A path on the machine that wrote the document, or "": shown, compared, perhaps read."""

Name = Annotated[str, Meta(pattern=rf"\A{_PART}\Z")]
"""The name of a file or folder: one part of a path, neither ``.`` nor ``..``."""

NameOrNone = Annotated[str, Meta(pattern=rf"\A(?:{_PART})?\Z")]
"""As `Name`; "" stands for none."""

Below = Annotated[str, Meta(max_length=1 << 10, pattern=rf"\A{_PART}(?:/{_PART})*\Z")]
"""A path that stays below the folder that it is relative to."""

BelowOrNone = Annotated[str, Meta(max_length=1 << 10, pattern=rf"\A(?:{_PART}(?:/{_PART})*)?\Z")]
"""As `Below`; "" stands for none."""


def one_of(words: Iterable[str]) -> Meta:
    """Return the constraint that a string is one of some words."""
    return Meta(pattern=rf"\A(?:{'|'.join(map(re.escape, words))})\Z")
