"""What is said where the framework that a loader is for is not installed."""

from __future__ import annotations

from pipeline.errors import FrameworkMissing


def missing(title: str, extra: str | None, error: ImportError) -> FrameworkMissing:
    """Return the error that says how to get a framework.

    Args:
        title: how people call it.
        extra: of shardmill, which brings it; None: it needs an environment of its own.
        error: of importing it.
    """
    return FrameworkMissing(
        f"this loader needs {title}, which cannot be imported",
        found=str(error),
        remedy=f"run pip install '.[{extra}]' in the checkout of shardmill"
        if extra
        else "make an environment for it as docs/loading.md says",
    )
