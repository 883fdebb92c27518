"""Jobs that read small archives in their own order, in tiny segments."""

from __future__ import annotations

from pathlib import Path

import inprocess
from support import RawSet

from pipeline.job.options import Job
from pipeline.job.resolve import ResolvedJob, resolve
from pipeline.segments import of_split, places
from tasks.artifact_tasks import tasks_of

TINY = 60_000
"""Bytes of a segment, so that archives have several."""


def job(raw: RawSet, out: Path, **options: object) -> Job:
    """Return a job that reads in the order of archives."""
    shards = (("train", 3), ("validation", 2))
    given: dict[str, object] = {"boxes": False, "shards": shards, "steps": ("shards",)}
    given |= {"read_order": "archive", "segment_bytes": TINY}
    return raw.job(out, **(given | options))


def begun(raw: RawSet, out: Path, *names: str, **options: object) -> ResolvedJob:
    """Return a job of which some artifacts are made; without names, all that it is about."""
    inprocess.forget()
    resolved = resolve(job(raw, out, **options))
    inprocess.build(tasks_of(resolved, names or resolved.graph.last))
    return resolved


def segments(resolved: ResolvedJob, split: str) -> list[Path]:
    """Return the sorted segments of a split."""
    digest = of_split.digest(resolved, resolved.splits[split])
    return sorted(places.folder(Path(resolved.job.out), digest).glob("*.images"))


def flip(path: Path, offset: int) -> None:
    """Flip a bit of a file."""
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)
