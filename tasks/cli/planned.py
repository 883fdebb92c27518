"""What is said of splits whose shards are only planned: others write them, or a later command."""

from __future__ import annotations

import dataclasses

from pipeline.job.resolve import ResolvedJob
from pipeline.quantities import counted
from pipeline.state import status
from pipeline.state.inventory import Inventory
from tasks.cli.saying import say, voice


def tell(inventory: Inventory) -> None:
    """Say of each plan that a job ends with whether it is there, and what would run."""
    for state in status.survey_plans(inventory):
        voice().event("plan", **dataclasses.asdict(state))
        done = "complete" if state.complete else "pending"
        say(f"{state.split} (plan {state.digest}): {done}, {_volume(state.images, state.shards)}")
        if state.would_run:
            say(f"  would run: {', '.join(state.would_run)}")


def complete(resolved: ResolvedJob, how: str) -> None:
    """Say what was planned."""
    for name, split in resolved.planned.items():
        say(f"{name}: {how}, planned: {_volume(split.expected.images, split.shards)}")


def _volume(images: int, shards: int) -> str:
    return f"{counted(images, 'image')} in {counted(shards, 'shard')}"
