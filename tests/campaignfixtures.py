"""What campaigns of random rounds share: undisturbed runs, and a tally of what was done."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache

import pytest
from support import RawSet, prepare, products

UndisturbedRuns = Callable[[tuple[str, ...]], tuple[dict[str, str], float]]
"""Given options, returns the products of a local run that nothing disturbs, and its seconds."""


@pytest.fixture(scope="module")
def undisturbed_runs(sample: RawSet, tmp_path_factory: pytest.TempPathFactory) -> UndisturbedRuns:
    """One run for all rounds with the same options."""

    @cache
    def made(options: tuple[str, ...]) -> tuple[dict[str, str], float]:
        folder, begun = tmp_path_factory.mktemp("reference") / "out", time.monotonic()
        run = prepare(sample, folder, *options)
        assert run.returncode == 0, run.stderr
        return products(folder), time.monotonic() - begun

    return made


@pytest.fixture(scope="module")
def tally() -> Iterator[Counter[str]]:
    """What all rounds did and met; told at the end."""
    counts: Counter[str] = Counter()
    yield counts
    lines = [f"{count:6,}  {what}" for what, count in sorted(counts.items())]
    print("\n" + "\n".join(lines))  # noqa: T201 - the campaign's result
