"""``shardmill clean``: removes what is of no use any more."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import click

from pipeline import paths, storage
from pipeline.errors import ShardmillError, UsageError
from pipeline.job.options import FORMATS
from pipeline.job.table.option import CLEAN
from pipeline.job.table.options import options_of
from pipeline.quantities import counted, size
from pipeline.state import (
    at_work,
    cleaning,
    leftover_files,
    status,
    unselected,
    unused,
    unused_appends,
)
from pipeline.state.cleaning import Stale, Superseded
from pipeline.storage import Location, Plan, Unfinished
from tasks.cli import clean_stays, clean_tars
from tasks.cli.clean_wanted import Wanted
from tasks.cli.grouping import GroupedCommand
from tasks.cli.options import parameters
from tasks.cli.reaching import Reached
from tasks.cli.saying import say

EXAMPLES: Final = (
    "shardmill clean OUT",
    "shardmill clean OUT --yes",
    "shardmill clean .",
)


@click.command(cls=GroupedCommand, params=parameters(options_of(CLEAN)), examples=EXAMPLES)
def clean(
    out: str, yes: bool, dry_run: bool, uploads_after: int, other_hosts: bool, **given: Any
) -> int:
    """Remove stale temporary files and superseded outputs from OUT, after asking.

    A temporary file is removed only when its owner is provably gone, and the hidden lock file of a
    killed command only when nobody holds it. Of a process of another host nothing is known here:
    what it has left is named with its age, and goes with --other-hosts. Outputs are superseded
    when `current` points to another; they are left alone while a command is at work, as is what was
    kept of the files that they were made of and of appends to them, and as are files for single
    images that an export has left half done. Tars that were unpacked beside packed archives go if
    no command reads them.

    With --unselected, images and masks go that neither the command that was started last asks for
    nor a finished output was made of.

    In S3 there are unfinished uploads in the place of temporary files: parts of large files, which
    are paid for. Those that were begun a day ago or earlier are given up.
    """
    every = given.pop("unselected")
    folder = (reached := Reached.of(out, given)).out
    if not {*FORMATS, paths.state(folder).name} & set(storage.folders(folder)):
        raise UsageError("this is no output folder of shardmill", file=out)
    going = _going(reached, uploads_after * 3600, unneeded=every, elsewhere=other_hosts)
    clean_stays.say_kept(reached)
    if not going:
        say("nothing to remove")
    elif not dry_run and (yes or _confirmed(going)):
        _remove_idle(reached, going)
    return 0 if going.is_all_known else ShardmillError.exit_status


@dataclass(frozen=True)
class _Going:
    """What a person is asked about.

    Attributes:
        stale: temporary files.
        superseded: outputs.
        locks: lock files of commands that were killed, a plan for each root.
        leftovers: name of a product -> what goes of small files that were left half done.
        unused: folder -> what goes of what was kept of source files, duplicates or pages.
        uploads: parts of files in a store; None: the store does not let them be listed.
        unselected: what it was kept for -> what goes of images and masks that nothing asks for.
        appends: what is remembered of appends that no output needs.
        tars: plain tars of packed archives, beside these.
        said: leases and claims: what commands that are gone have said of themselves.
        elsewhere: whether all that goes was left, too, by processes of other hosts.
    """

    stale: list[Stale]
    superseded: list[Superseded]
    locks: list[Plan]
    leftovers: dict[str, Plan]
    unused: dict[Location, Plan]
    uploads: list[Unfinished] | None
    unselected: dict[str, Plan]
    appends: Plan
    tars: list[Path]
    said: list[Plan]
    elsewhere: bool

    def __bool__(self) -> bool:
        kept = (self.leftovers, self.unused, self.uploads, self.unselected, self.tars)
        plans = (*self.locks, self.appends, *self.said)
        return any((self.stale, self.superseded, *(plan.items for plan in plans), *kept))

    @property
    def is_all_known(self) -> bool:
        """Whether nothing else could have been removed."""
        return self.uploads is not None


def _going(reached: Reached, upload_s: int, *, unneeded: bool, elsewhere: bool) -> _Going:
    """Return what is of no use any more, and say it."""
    folder = reached.out
    tars = clean_tars.left(reached)
    stale = [*clean_stays.stale(folder, of_other_hosts=elsewhere), *tars.half]
    wanted = Wanted.of(reached)
    superseded = cleaning.superseded(folder, wanted.outputs)
    for each in stale:
        of = f", of {each.temp.host}{clean_stays.age(each.temp)}" if each.temp.is_elsewhere else ""
        say(f"temporary file: {each.temp.path}, {size(each.plan.bytes)}{of}")
    for output in superseded:
        plan = output.plan
        say(
            f"superseded output: {output.folder}, {counted(plan.files, 'file')}, {size(plan.bytes)}"
        )
        for line in clean_stays.strangers(plan):
            say(line)
    locks = [cleaning.left_locks(folder), *tars.locks]
    for item in (item for plan in locks for item in plan.items):
        say(f"lock file that nobody holds: {item.path}")
    leftovers = leftover_files.plans(folder)
    for name, plan in leftovers.items():
        what = f"{counted(plan.files, 'file')}, {size(plan.bytes)}, e.g. {plan.items[0].path}"
        say(f"left half done of {name}: {what}")
    kept = _unused(folder, superseded, wanted)
    for place, plan in kept.items():
        what = f"{place}, {counted(plan.files, 'file')}, {size(plan.bytes)}"
        say(f"kept of {unused.kept_of(folder, place)}, and needed by no output: {what}")
    others = _unselected(reached, superseded) if unneeded else {}
    for what, plan in others.items():
        say(f"nothing asks for it: {what}: {counted(plan.files, 'file')}, {size(plan.bytes)}")
    appends = _appends(folder, wanted, superseded)
    for item in appends.items:
        say(f"remembered of an append, and needed by no output: {item.path}")
    return _Going(
        stale=stale,
        superseded=superseded,
        locks=locks,
        leftovers=leftovers,
        unused=kept,
        unselected=others,
        appends=appends,
        tars=list(tars.whole),
        said=clean_stays.said_by_the_gone(folder, of_other_hosts=elsewhere),
        uploads=clean_stays.uploads(folder, upload_s),
        elsewhere=elsewhere,
    )


def _confirmed(going: _Going) -> bool:
    if going.elsewhere:
        say("commands of other hosts are not seen from here: make sure that none is at work there")
    return click.confirm("remove these?")


def _remove_idle(reached: Reached, going: _Going) -> None:
    """Remove what was confirmed; while a command is at work, what dead processes left only."""
    folder = reached.out
    with storage.sole_lock(paths.run_lock(folder)) as idle:
        holders = [] if going.elsewhere else at_work.at_work(folder)
        if not idle or holders:
            who = storage.lock_holders(paths.run_lock(folder)).splitlines() if not idle else []
            by = f" by {', '.join((*who, *map(str, holders)))}" if who or holders else ""
            say(f"a command is at work here{by}: outputs are left alone")
            _remove(going.stale, [], going.said, going.locks)
            return
        storage.renew()  # what was confirmed may be wanted again by now
        wanted = Wanted.of(reached)
        still = {output.folder for output in cleaning.superseded(folder, wanted.outputs)}
        superseded = [output for output in going.superseded if output.folder in still]
        free = _unused(folder, superseded, wanted)
        kept = [plan for place, plan in going.unused.items() if place in free]
        half_done = leftover_files.plans(folder)
        kept += [plan for name, plan in going.leftovers.items() if name in half_done]
        unneeded = {item.path for item in _appends(folder, wanted, superseded).items}
        appends = tuple(item for item in going.appends.items if item.path in unneeded)
        kept.append(replace(going.appends, items=appends))
        others = _unselected(reached, superseded) if going.unselected else {}
        kept += [plan for what, plan in going.unselected.items() if what in others]
        _remove(going.stale, superseded, [*kept, *going.said], going.locks)
        clean_tars.remove(going.tars)
        _give_up(going.uploads or [])


def _give_up(uploads: list[Unfinished]) -> None:
    for upload in uploads:
        storage.give_up(upload)
    if uploads:
        say(f"given up: {counted(len(uploads), 'unfinished upload')}")


def _unused(out: Location, gone: list[Superseded], wanted: Wanted) -> dict[Location, Plan]:
    """Return what goes of what was kept, once some outputs are gone."""
    return unused.plans(out, [output.folder for output in gone], wanted.unwritten)


def _appends(out: Location, wanted: Wanted, gone: list[Superseded]) -> Plan:
    """Return what goes of what is remembered of appends, once some outputs are gone."""
    return unused_appends.plan(out, wanted.shards, [output.folder for output in gone])


def _unselected(reached: Reached, gone: list[Superseded]) -> dict[str, Plan]:
    """Return what goes of images and masks that nothing asks for, once some outputs are gone."""
    last = reached.as_given(status.recorded_jobs(reached.out))[-1:]
    try:
        return unselected.plans(reached.out, last, [output.folder for output in gone])
    except ShardmillError as error:
        say(f"images and masks are left alone: {error.what}", err=True)
        return {}


def _remove(
    stale: list[Stale], superseded: list[Superseded], unused: list[Plan], locks: list[Plan]
) -> None:
    """Remove what was shown, but what has changed since, and say what became of it."""
    outcomes = [storage.remove_temp(each.temp, each.plan) for each in stale]
    outcomes += [cleaning.remove_output(output) for output in superseded]
    outcomes += [storage.carry_out(plan) for plan in unused]
    outcomes += map(storage.remove_left_locks, locks)
    for item in (item for outcome in outcomes for item in outcome.kept):
        say(f"left alone: {item.path} has changed since, or is in use")
    items = [item for outcome in outcomes for item in outcome.removed]
    files = counted(sum(not item.is_folder for item in items), "file")
    say(f"removed: {files}, {size(sum(item.size for item in items))}")
