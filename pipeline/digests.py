"""Names for what was asked: short digests over canonical JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

DIGITS = 12


def canonical(value: object) -> bytes:
    """Return JSON with sorted keys, no white space, UTF-8: equal values give equal bytes."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def digest(value: Mapping[str, object]) -> str:
    """Return the first 12 hex digits of SHA-256 over the canonical JSON of `value`."""
    return hashlib.sha256(canonical(value)).hexdigest()[:DIGITS]


def file_name(path: str) -> str:
    """Return a name for what is kept of a file: its own, and a digest of the folder it lies in."""
    folder, _, base = path.rpartition("/")
    return f"{base}-{digest({'folder': folder})}" if folder else base
