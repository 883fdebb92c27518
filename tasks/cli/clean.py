"""``shardmill clean``: removes what is of no use any more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from pipeline import paths, storage
from pipeline.errors import EnvironmentRefused, InputRefused, UsageError
from pipeline.job.options import FORMATS
from pipeline.job.resolve import resolve
from pipeline.job.table.option import CLEAN
from pipeline.job.table.options import options_of
from pipeline.quantities import counted, size
from pipeline.state import cleaning, status
from pipeline.state import unused_sources as unusedsources
from pipeline.state.cleaning import Stale, Superseded
from pipeline.storage import Location, Plan, TempFile
from tasks.cli import text
from tasks.cli.grouping import GroupedCommand
from tasks.cli.options import parameters
from tasks.cli.saying import say

_SHOWN = 5

EXAMPLES: Final = (
    "shardmill clean OUT",
    "shardmill clean OUT --yes",
    "shardmill clean .",
)


@click.command(cls=GroupedCommand, params=parameters(options_of(CLEAN)), examples=EXAMPLES)
def clean(out: str, yes: bool) -> int:
    """Remove stale temporary files and superseded outputs from OUT, after asking.

    A temporary file is removed only when its owner is provably gone. Outputs are superseded
    when `current` points to another; they are left alone while a command is at work, as is what
    was kept of the files that they were made of.
    """
    folder = Path(out).absolute()
    if not {*FORMATS, paths.state(folder).name} & set(storage.folders(folder)):
        raise UsageError("this is no output folder of shardmill", file=out)
    stale = _stale(folder)
    superseded = cleaning.superseded(folder, _wanted(folder))
    for each in stale:
        say(f"temporary file: {each.temp.path}, {size(each.plan.bytes)}")
    for output in superseded:
        plan = output.plan
        say(
            f"superseded output: {output.folder}, {counted(plan.files, 'file')}, {size(plan.bytes)}"
        )
        for line in _strangers(plan):
            say(line)
    unused = _unused(folder, superseded)
    for place, plan in unused.items():
        what = f"{place}, {counted(plan.files, 'file')}, {size(plan.bytes)}"
        say(f"kept of source files, and needed by no output: {what}")
    _say_kept(folder)
    if not stale and not superseded and not unused:
        say("nothing to remove")
        return 0
    if not yes and not click.confirm("remove these?"):
        return 0
    with storage.sole_lock(paths.run_lock(folder)) as idle:
        if not idle:
            who = ", ".join(storage.lock_holders(paths.run_lock(folder)).splitlines())
            by = f" by {who}" if who else ""
            say(f"a command is at work here{by}: outputs are left alone")
        # What was confirmed may be wanted again by now.
        still = cleaning.superseded(folder, _wanted(folder)) if idle else []
        folders = {output.folder for output in still}
        going = [output for output in superseded if output.folder in folders]
        free = _unused(folder, going) if idle else {}
        _remove(stale, going, [plan for place, plan in unused.items() if place in free])
    return 0


def _unused(out: Location, gone: list[Superseded]) -> dict[Location, Plan]:
    """Return what goes of what was kept of source files, once some outputs are gone."""
    return unusedsources.plans(out, [output.folder for output in gone])


def _say_kept(out: Location) -> None:
    """Name the sets that no recorded job would make now: whether they are needed, a person knows.

    What a job reads may be on a disk that is not mounted; so nothing of its outputs is removed.
    """
    for output in status.other_sets(out, status.recorded_jobs(out)):
        folder = paths.outputs(out, output.format, output.split)
        say(
            f"kept: {text.standing(output)}: no recorded command would make it now, for an older"
            f" version made it, or what it was made of is gone; if nobody needs it, remove {folder}"
        )


def _remove(stale: list[Stale], superseded: list[Superseded], unused: list[Plan]) -> None:
    """Remove what was shown, but what has changed since, and say what became of it."""
    outcomes = [storage.remove_temp(each.temp, each.plan) for each in stale]
    outcomes += [cleaning.remove_output(output) for output in superseded]
    outcomes += [storage.carry_out(plan) for plan in unused]
    for item in (item for outcome in outcomes for item in outcome.kept):
        say(f"left alone: {item.path} has changed since, or is in use")
    removed = [item for outcome in outcomes for item in outcome.removed]
    files = sum(not item.is_folder for item in removed)
    say(f"removed: {counted(files, 'file')}, {size(sum(item.size for item in removed))}")


def _stale(folder: Location) -> list[Stale]:
    """Return the temporary files that go; say which stay."""
    found = cleaning.temps(folder)
    for temp in found:
        if not temp.owner_gone:
            say(f"kept: {_why_kept(temp)}")
    stale = cleaning.stale(folder, found)
    for line in (line for each in stale for line in _strangers(each.plan)):
        say(line)
    return [each for each in stale if each.plan.items]


def _why_kept(temp: TempFile) -> str:
    """Return why a temporary file stays: its process may live, or somebody holds a lock on it."""
    process = f"process {temp.pid} on {temp.host}"
    if not temp.is_held:
        return f"{temp.path} belongs to {process}"
    who = " and ".join(storage.lock_holders(temp.path).splitlines()) or "somebody"
    return f"{temp.path} is locked by {who}; {process}, which made it, is gone"


def _strangers(plan: Plan) -> Iterator[str]:
    """Yield a line for each of the first paths of a plan that stay, and how many more there are."""
    for path in plan.strangers[:_SHOWN]:
        yield f"left alone: {path} is a link, or not of this program"
    if (more := len(plan.strangers) - _SHOWN) > 0:
        yield f"left alone: {more:,} more"


def _wanted(out: Location) -> frozenset[str]:
    """Return the digests of the outputs that the job that was started last is about."""
    jobs = [job for job in status.recorded_jobs(out) if job.wants("shards")]
    try:
        splits = resolve(jobs[-1]).splits.values() if jobs else ()
        return frozenset(output.digest for split in splits for output in split.outputs)
    except (UsageError, InputRefused, EnvironmentRefused) as error:
        # Its configuration, list or tree is gone: what is half done may be its output.
        about = f"{error.what}: {error.file}" if error.file else error.what
        say(f"unfinished outputs are left alone: {about}", err=True)
        return cleaning.unfinished(out)
