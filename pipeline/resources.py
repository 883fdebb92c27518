"""Finds what is shipped with the program: ``config/`` and ``luigi.cfg``."""

from __future__ import annotations

from pathlib import Path


def shipped(name: str) -> Path:
    """Return the path of a shipped file, e.g. ``config/ilsvrc2012.toml``.

    In a wheel they lie inside this package; in a checkout, beside it.
    """
    here = Path(__file__).resolve().parent
    packed = here / "shipped" / name
    return packed if packed.exists() else here.parent / name
