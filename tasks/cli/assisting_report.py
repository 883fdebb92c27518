"""What ``shardmill worker`` says: how far the jobs are, and at the end what it did of them."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline import storage
from pipeline.errors import ShardmillError
from pipeline.job.resolve import ResolvedJob, resolve
from pipeline.quantities import counted, size
from pipeline.state import progress
from pipeline.state.inventory import Inventory
from pipeline.storage import Location
from tasks.cli import report
from tasks.cli.bars import Bar
from tasks.cli.observer import Observer
from tasks.cli.saying import say, say_refusal, voice
from tasks.run.assistant.supervisor import AssistantSupervisor, Assisted


class Observers:
    """Says how far some jobs are."""

    def __init__(self, jobs: Sequence[ResolvedJob], run: str) -> None:
        self._observers = [Observer(resolved, run) for resolved in jobs]

    def bars(self, now: float) -> list[Bar]:
        """Return the bars of all of them."""
        return [bar for observer in self._observers for bar in observer.bars(now)]


def ended(
    supervisor: AssistantSupervisor,
    taken: Sequence[ResolvedJob],
    refused: Sequence[ShardmillError],
    assisted: Assisted,
) -> int:
    """Say what was done and why no more; return the exit status.

    What is published decides: where a job is complete nothing of it is pending any more, and
    nothing has failed. So it ends well for a worker whose luigid is gone with the last command.

    Args:
        supervisor: of the run.
        taken: the jobs whose tasks were taken.
        refused: why tasks of other jobs were not.
        assisted: how it ended.
    """
    complete = {each.job: Inventory(resolve(each.job)).complete for each in taken}
    for out in dict.fromkeys(resolved.out for resolved in taken):
        report.steps(out, supervisor.name)
        of_out = (is_there for job, is_there in complete.items() if job.folder == out)
        _tell_done(supervisor, out, is_complete=all(of_out))
    for job, error in assisted.left.items():
        where = f"{job.out}: no more tasks are taken on {storage.host_name()}"
        say(f"{where}; those at work were given back:", err=True)
        say_refusal(error)
    if assisted.failure is not None:
        say_refusal(assisted.failure)
    if assisted.cut_off:
        say("stopped before shards were finished: others write them", err=True)
        return report.INTERRUPTED
    errors = [*refused, *(error for job, error in assisted.left.items() if not complete[job])]
    if assisted.failure is not None and not all(complete.values()):
        errors.append(assisted.failure)
    return status(errors)


def _tell_done(supervisor: AssistantSupervisor, out: Location, *, is_complete: bool) -> None:
    """Say what was done here of an output, and whether anything is left of it."""
    tasks = progress.timings(out, supervisor.name)
    shards = [task for task in tasks if task.step == "shards"]
    images, written = sum(task.images for task in shards), sum(task.bytes for task in shards)
    voice().event(
        "assisted",
        out=str(out),
        tasks=len(tasks),
        shards=len(shards),
        images=images,
        bytes=written,
        complete=is_complete,
    )
    done = f"{counted(len(shards), 'shard')}, {counted(images, 'image')}, {size(written)}"
    others = f", and {counted(len(tasks) - len(shards), 'other task')}" if tasks != shards else ""
    left = "complete" if is_complete else "not complete: see its commands"
    say(f"{out}: done here: {done}{others}; {left}")


def status(errors: Sequence[ShardmillError]) -> int:
    """Return the exit status where these are all that went wrong."""
    return max((error.exit_status for error in errors), default=report.COMPLETE)
