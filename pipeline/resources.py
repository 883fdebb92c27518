"""Finds what is shipped with the program: ``config/`` and ``luigi.cfg``."""

from __future__ import annotations

from pathlib import Path

from pipeline import storage


def shipped(name: str) -> Path:
    """Return the path of a shipped file, e.g. ``config/ilsvrc2012.toml``.

    In a wheel they lie inside this package; in a checkout, beside it.
    """
    here = storage.resolved(Path(__file__)).parent
    packed = here / "shipped" / name
    return packed if storage.stat(packed) else here.parent / name
