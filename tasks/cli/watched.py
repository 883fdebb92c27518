"""The run of a supervisor as a person or a program watches it: begun, going on, done."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline import paths, storage
from pipeline.state import progress
from pipeline.storage import Location
from tasks.cli import report
from tasks.cli.display import display
from tasks.cli.saying import say, voice
from tasks.cli.text import duration

if TYPE_CHECKING:
    from tasks.cli.bars import Bars
    from tasks.run.supervisor import Outcome, Supervisor


def watched(
    supervisor: Supervisor,
    observer: Bars,
    tell: Callable[[str], None],
    outputs: Sequence[Mapping[str, Any]] = (),
) -> Outcome:
    """Carry out a run; show how far it is, and say what each of its steps took.

    Args:
        supervisor: of the run.
        observer: says how far it is.
        tell: called with what a person should know at once.
        outputs: what is to be made, for programs.
    """
    voice().event(
        "run",
        phase=supervisor.phase.name,
        run=supervisor.name,
        job=supervisor.phase.digest(supervisor.job),
        out=str(supervisor.out),
        log=str(supervisor.log),
        outputs=outputs,
    )
    say(f"log: {supervisor.log}")
    finished = FinishedTasks(supervisor.out, supervisor.name)
    with display(observer, finished.tell) as show:

        def watch() -> None:
            show()
            voice().look(observer.bars)

        outcome = supervisor.run(watch, tell)
    finished.tell()
    report.steps(supervisor.out, supervisor.name)
    say(f"in all: {duration(time.monotonic() - supervisor.began)}")
    return outcome


class FinishedTasks:
    """Tells programs of the tasks that a run has finished, each once."""

    def __init__(self, out: Location, run: str) -> None:
        self._out, self._run = out, run
        self._size = self._told = 0

    def tell(self) -> None:
        """Tell of those that have finished since."""
        if not voice().is_for_programs:
            return
        info = storage.stat(paths.run_timings(self._out, self._run))
        if info is None or info.size == self._size:
            return
        self._size = info.size
        tasks = progress.timings(self._out, self._run)
        for task in tasks[self._told :]:
            voice().event(
                "task",
                step=task.step,
                name=task.name,
                seconds=round(task.end - task.start, 3),
                images=task.images,
                bytes=task.bytes,
            )
        self._told = len(tasks)
