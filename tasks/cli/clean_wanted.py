"""What ``shardmill clean`` leaves alone, since the job that was started last is about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pipeline.errors import (
    EnvironmentRefused,
    InputRefused,
    OutputConflict,
    OutputDamaged,
    UsageError,
)
from pipeline.job.resolve import resolve
from pipeline.shards import finish
from pipeline.state import cleaning, status
from tasks.cli.reaching import Reached
from tasks.cli.saying import say

_UNKNOWN: Final = (UsageError, InputRefused, EnvironmentRefused, OutputConflict, OutputDamaged)
"""Why it is not known what a job is about."""


@dataclass(frozen=True)
class Wanted:
    """What the job that was started last is about.

    Attributes:
        outputs: digests of its outputs; where they are not known, of all that are not finished.
        shards: digests of its shards, whatever their format, and of those that were planned last;
            None: they are not known.
        unwritten: those of `shards` of which an output is not finished.
    """

    outputs: frozenset[str]
    shards: frozenset[str] | None
    unwritten: frozenset[str] | None

    @classmethod
    def of(cls, reached: Reached) -> Wanted:
        """Return what it is about."""
        recorded = reached.as_given(status.recorded_jobs(reached.out))
        jobs = [job for job in recorded if job.wants("shards")]
        planned = [job for job in recorded if job.wants("plan")]
        try:
            splits = [split for job in jobs[-1:] for split in resolve(job).splits.values()]
            others = [split for job in planned[-1:] for split in resolve(job).splits.values()]
        except _UNKNOWN as error:
            # Its configuration, list, tree or plan is gone: what is half done may be its output.
            about = f"{error.what}: {error.file}" if error.file else error.what
            say(f"unfinished outputs are left alone: {about}", err=True)
            return cls(cleaning.unfinished(reached.out), None, None)
        outputs = (output.digest for split in splits for output in split.outputs)
        shards = frozenset(split.shards_digest for split in (*splits, *others))
        left = (each for each in splits if not all(map(finish.document, each.outputs)))
        unwritten = frozenset(split.shards_digest for split in left)
        return cls(frozenset(outputs), shards, unwritten)
