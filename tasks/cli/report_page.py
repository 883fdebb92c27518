"""``shardmill report``: a page for people of what an output holds."""

from __future__ import annotations

import contextlib
import webbrowser
from pathlib import Path
from typing import Any, Final

import click

from pipeline.errors import OutputDamaged, ShardmillError, UsageError
from pipeline.job.options import Job
from pipeline.job.table.option import REPORT
from pipeline.job.table.options import options_of
from pipeline.quantities import counted, verb
from pipeline.report import places
from pipeline.state import run_end, status
from pipeline.storage import Location
from tasks.cli import report as outcomes
from tasks.cli.grouping import GroupedCommand
from tasks.cli.how import How, tell
from tasks.cli.options import parameters
from tasks.cli.preparing import sharing
from tasks.cli.reaching import Reached
from tasks.cli.rerun_command import command_line
from tasks.cli.saying import say, say_as_it_is
from tasks.phases import Phase, Reporting

EXAMPLES: Final = (
    "shardmill report OUT",
    "shardmill report . --open",
    "shardmill report OUT --duplicates --distance 2",
)


@click.command(cls=GroupedCommand, params=parameters(options_of(REPORT)), examples=EXAMPLES)
def report(
    out: str,
    workers: int | None,
    *,
    open: bool,  # noqa: A002 - the name of the option
    duplicates: bool,
    distance: int | None,
    **given: Any,
) -> int:
    """Make a page of what OUT holds, OUT/report/index.html: images, plots, and what was repaired.

    It needs no network and no server: a browser opens it from the folder, which can be copied
    elsewhere as a whole. It has a contact sheet of each class, with boxes and masks, and a page for
    each; plots of sizes, modes and boxes; what was repaired or left out, with reasons; inputs,
    files, commands, and what each step cost. The same outputs give the same bytes, but for the
    page of commands and costs. What was made of an earlier report and is still right stays.

    Of an output in S3 the page is made there, of ranges of its shards: copy it to look at it, or
    have the store serve it.

    --duplicates looks for images that are there more than once, or nearly so, and adds a page of
    them, OUT/report/duplicates.html: first those in several splits. Every image is decoded for it.

    Exit status 0 when everything that is shown is as it was written, 4 when images were left out,
    1 when something is damaged: the page says what, and shows the rest.
    """
    reached = Reached.of(out, given)
    folder = reached.out
    _check(folder, is_opened=open, distance=distance, duplicates=duplicates)
    how = How.of(
        workers=workers,
        scheduler_host="",
        cluster="",
        no_overlap=False,
        dry_run=False,
        keep_runs=None,
    )
    jobs = _recorded(folder)
    job = Job(raw="", out=str(folder), config="", remote=reached.options)
    most = _DISTANCE if distance is None else distance
    phase = Reporting(most) if duplicates else Reporting()
    digest = phase.digest(job)  # before a lock is made: it refuses other folders
    with sharing(folder, no_overlap=False):
        commands = [line.offer for each in jobs if (line := command_line(each))]
        failed = _make(phase, job, digest, how, commands)
        if failed is not None:
            return failed
        code = _told(folder, phase)
    index = places.index(folder)
    say_as_it_is(index)
    if open and isinstance(index, Path):
        webbrowser.open(index.as_uri())
    return code


def _check(folder: Location, *, is_opened: bool, distance: int | None, duplicates: bool) -> None:
    """Check what is asked for.

    Raises:
        UsageError: it means nothing.
    """
    if distance is not None and not duplicates:
        raise UsageError(
            "--distance is of duplicates, and these are not asked for",
            found=f"--distance {distance}",
            expected="--duplicates",
            remedy="add --duplicates, or leave --distance out",
        )
    if is_opened and not isinstance(folder, Path):
        raise UsageError(
            "--open hands a file of this machine to a browser, and the page is made in the store",
            file=str(folder),
            expected="an output folder of this machine",
            remedy="leave --open out, copy the folder report from there, and open its index.html",
        )


def _recorded(folder: Location) -> list[Job]:
    """Return the jobs that are recorded; none where a record is damaged: the page says the rest."""
    with contextlib.suppress(ShardmillError):
        return status.recorded_jobs(folder)
    return []


def _make(phase: Phase, job: Job, digest: str, how: How, commands: list[str]) -> int | None:
    """Have the report made; return the exit status if it is not."""
    # Pillow and Jinja: not for --help
    from pipeline.report import renewal, run_page, survey  # noqa: PLC0415

    found, hashes = survey.survey(job.folder), phase != Reporting()
    renewal.forget_damaged(found)
    if hashes:
        renewal.forget_damaged_hashes(job.folder, found.splits.values())
    if phase.is_complete(job):
        say(
            "already complete: the outputs were looked at by names, sizes and marks;"
            " shardmill verify OUT reads them"
        )
    else:
        how.begin()
        supervisor = how.supervisor(job, phase)
        supervisor.name = run_end.new_name(run_end.ASSISTANT)  # its end is not that of a job
        from tasks.cli.report_display import ReportObserver  # noqa: PLC0415
        from tasks.cli.watched import watched  # noqa: PLC0415

        observer = ReportObserver(found, supervisor.name, hashes=hashes)
        outcome = watched(supervisor, observer, tell)
        if not outcome.complete:
            return outcomes.failure(supervisor, outcome)
    renewal.sweep(survey.survey(job.folder))
    run_page.write(job.folder, digest, commands)
    return None


def _told(folder: Location, phase: Phase) -> int:
    """Say what the report has found; return the exit status."""
    from pipeline.report import gathered, survey  # noqa: PLC0415
    from pipeline.report.duplicates_page import duplicates_summary  # noqa: PLC0415

    whole = gathered.gather(survey.survey(folder))
    for damage in whole.damage[:_MOST_SAID]:
        say(f"damaged: {damage.place}: {damage.what}", err=True)
    if (more := len(whole.damage) - _MOST_SAID) > 0:
        say(f"damaged: {more:,} more, on the page", err=True)
    shown = sum(split.shown for split in whole.splits)
    empty = len(whole.empty_classes)
    without = f"; {counted(empty, 'class')} without an image" if empty else ""
    say(f"{counted(len(whole.classes), 'class')}, {counted(shown, 'image')} shown{without}")
    if whole.duplicates and phase != Reporting():
        say(duplicates_summary(whole.duplicates))
    if whole.damage:
        say("shardmill verify OUT says more of what is damaged, and what makes it anew", err=True)
        return OutputDamaged.exit_status
    left_out = sum(split.output.left_out for split in whole.splits)
    if left_out:
        say(f"{counted(left_out, 'image')} {verb(left_out, 'is', 'are')} in no shard: left out")
    return outcomes.LEFT_OUT if left_out else outcomes.COMPLETE


_MOST_SAID: Final = 20
_DISTANCE: Final = 4  # see docs/report.md
