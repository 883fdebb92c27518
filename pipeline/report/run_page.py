"""The page of commands and of what each step cost: of times and machines, so no mark names it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pipeline import paths, storage
from pipeline.quantities import size
from pipeline.report import places, rendering
from pipeline.report.view import RunPage, StepLine
from pipeline.state import progress
from pipeline.state.progress import Timing
from pipeline.storage import Location


def timings(out: Location) -> list[Timing]:
    """Return the finished tasks of all commands whose logs are kept."""
    names = sorted(storage.folders(paths.runs(out)))
    return [timing for name in names for timing in progress.timings(out, name)]


def run_page(commands: Sequence[str], finished: Iterable[Timing]) -> RunPage:
    """Return the page.

    Args:
        commands: as they are typed, the last one last.
        finished: the tasks of all commands.
    """
    finished = list(finished)
    work: dict[str, float] = {}
    for timing in finished:
        work[timing.step] = work.get(timing.step, 0.0) + max(0.0, timing.end - timing.start)
    total = sum(work.values()) or 1.0
    lines = tuple(
        StepLine(
            name=step.step,
            tasks=step.tasks,
            work=f"{work[step.step]:,.2f}",
            images=f"{step.images:,}" if step.images else "",
            bytes=size(step.bytes) if step.bytes else "",
            share=round(100 * work[step.step] / total, 1),
            percent=f"{100 * work[step.step] / total:.0f} %",
        )
        for step in progress.by_step(finished)
    )
    return RunPage(tuple(dict.fromkeys(commands)), lines)


def write(out: Location, digest: str, commands: Sequence[str]) -> None:
    """Write the page beside the first one, over an earlier one that says something else."""
    content = rendering.render("run.html", run_page(commands, timings(out)), f"{digest}/")
    path = places.run(out)
    if storage.stat(path) is None or storage.read_bytes(path) != content:
        storage.publish_bytes(path, content)
