"""What comes of runs of ``shardmill openimages``; the fixtures are in `openimagesfixtures`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import inprocess
from openimagesbucket import Bucket

Run = Callable[..., inprocess.Ran]


def images(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in out.glob("images/*/*.jpg")}


def asked(bucket: Bucket, since: int = 0) -> list[str]:
    return sorted(seen.path for seen in bucket.log[since:] if seen.path.endswith(".jpg"))


def files_of(out: Path) -> dict[str, bytes]:
    """What lies in OUT, but for what says of a host, a time or a place."""
    paths = (path for path in out.rglob("*") if path.is_file() and ".shardmill" not in path.parts)
    kept = (path for path in paths if "failures" not in path.parts and path.name != "manifest.json")
    return {str(path.relative_to(out)): path.read_bytes() for path in kept}
