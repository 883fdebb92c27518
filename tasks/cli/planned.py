"""What is said of what is only planned: by ``--dry-run``, and of shards that others write."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from pipeline.job.resolve import ResolvedJob
from pipeline.quantities import counted
from pipeline.state import status
from pipeline.state.differences import Differences
from pipeline.state.inventory import Inventory
from pipeline.state.status import OutputState
from tasks.cli.saying import say, voice
from tasks.cli.text import product_states


def tell(inventory: Inventory) -> None:
    """Say of each plan that a job ends with whether it is there, and what would run."""
    for state in status.survey_plans(inventory):
        voice().event("plan", **dataclasses.asdict(state))
        done = "complete" if state.complete else "pending"
        say(f"{state.split} (plan {state.digest}): {done}, {_volume(state.images, state.shards)}")
        if state.would_run:
            say(f"  would run: {', '.join(state.would_run)}")


def differing(differences: Differences, inventory: Inventory, state: OutputState) -> list[str]:
    """Return what differs for an output since the job before, in a line; none: nothing."""
    split = inventory.resolved.splits[state.split]
    return _line(differences.of_output(split, split.output(state.format)))


def product_lines(differences: Differences, inventory: Inventory) -> Iterator[str]:
    """Yield whether each product is there, and what differs for it since the job before."""
    states = product_states(status.survey_products(inventory))
    for line, product in zip(states, inventory.resolved.products, strict=True):
        yield line
        yield from _line(differences.of_product(product))


def _line(phrases: Sequence[str]) -> list[str]:
    return [f"  differs from the last job: {'; '.join(phrases)}"] if phrases else []


def complete(resolved: ResolvedJob, how: str) -> None:
    """Say what was planned."""
    for name, split in resolved.planned.items():
        say(f"{name}: {how}, planned: {_volume(split.expected.images, split.shards)}")


def _volume(images: int, shards: int) -> str:
    return f"{counted(images, 'image')} in {counted(shards, 'shard')}"
