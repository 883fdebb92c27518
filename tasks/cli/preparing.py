"""What the commands that prepare shards share: options, and how a job is run."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

import click

from pipeline import paths, plaintext, storage
from pipeline.errors import NoPermission, NoSpace, abbreviate
from pipeline.formats.base import DETECTION, JOINED, LABELS
from pipeline.formats.registry import DEFAULT, FORMATS, titles
from pipeline.images import prepare as pictures
from pipeline.images.prepare import PictureOptions
from pipeline.job import neighbours
from pipeline.job.options import ON_BAD_IMAGE, Job
from pipeline.job.resolve import ResolvedJob, resolve
from pipeline.state import cleaning, preflight, status, withdrawal
from pipeline.state import run_end as runend
from pipeline.state import source_look as sourcelook
from pipeline.state.source_look import Look
from tasks import arguments, datasets
from tasks.cli import report
from tasks.cli.saying import say
from tasks.run import scheduler, settings
from tasks.run.exchange import Address
from tasks.run.supervisor import Supervisor

_LUIGID_PORT = 8082
_OVERLAP = 10
_Command = TypeVar("_Command", bound=Callable[..., Any])

SHARD_OPTIONS = (
    click.option(
        "--format",
        "formats",
        multiple=True,
        type=click.Choice((*FORMATS, arguments.NO_SHARDS)),
        default=(DEFAULT,),
        show_default=True,
        help="Of shards; several are made from one read and one decode. none: no shards, only the"
        " facts that exports are made of.",
    ),
    click.option(JOINED, is_flag=True, help=f"{titles(JOINED)}: all shards in one file, too."),
    click.option(
        "--on-bad-image", type=click.Choice(ON_BAD_IMAGE), default="fail", show_default=True
    ),
)
LABEL_OPTION = click.option(
    "--labels",
    type=click.Choice(LABELS),
    default=LABELS[0],
    show_default=True,
    help=f"{titles(DETECTION)}: detection packs the boxes; a picture without one is left out.",
)
PICTURE_OPTIONS = (
    click.option("--resize", type=click.IntRange(1), metavar="N", help="Pixels of the edge."),
    click.option(
        "--resize-mode",
        type=click.Choice(pictures.MODES),
        default="shorter",
        show_default=True,
        help="Which edge.",
    ),
    click.option("--never-enlarge", is_flag=True, help="Leave smaller pictures as they are."),
    click.option("--center-crop", is_flag=True, help="Cut out the middle square first."),
    click.option("--quality", type=click.IntRange(0, 100), help="Of JPEGs; default: 95."),
    click.option(
        "--subsampling",
        type=click.Choice(pictures.SUBSAMPLINGS),
        default="keep",
        show_default=True,
        help="Of the colours of JPEGs.",
    ),
    click.option(
        "--filter", type=click.Choice(pictures.FILTERS), help="Of resizing; Pillow: lanczos."
    ),
    click.option(
        "--color",
        type=click.IntRange(-1, 1),
        help="1 makes RGB, 0 gray, -1 leaves the channels that there are. Default: RGB.",
    ),
    click.option("--encoding", type=click.Choice(pictures.ENCODINGS), help="Default: .jpg."),
    click.option(
        "--engine", type=click.Choice(pictures.ENGINES), default="pillow", show_default=True
    ),
    click.option(
        "--orientation",
        type=click.Choice(pictures.ORIENTATIONS),
        help="Of pictures that EXIF turns. Default: keep, or bake into what is encoded anew.",
    ),
    click.option(
        "--transcode",
        is_flag=True,
        help="Take GIF, WebP, BMP, TIFF and PNM, too, and make JPEGs of them.",
    ),
    click.option(
        "--max-pixels",
        type=click.IntRange(1),
        default=pictures.PLAIN.max_pixels,
        show_default=True,
        metavar="N",
        help="Refuse an image that has more when it is decoded, or made.",
    ),
)
RUN_OPTIONS = (
    click.option("--workers", type=click.IntRange(1), default=None, help="Default: the CPUs."),
    click.option(
        "--scheduler-host", default="", metavar="HOST[:PORT]", help="luigid to share work."
    ),
    click.option(
        "--no-overlap", is_flag=True, help="Do nothing (status 10) beside another command."
    ),
    click.option("--dry-run", is_flag=True, help="Say what would be done."),
)


def options(*given: Callable[[_Command], _Command]) -> Callable[[_Command], _Command]:
    """Return a decorator that adds options to a command, in their order."""

    def decorate(command: _Command) -> _Command:
        for option in reversed(given):
            command = option(command)
        return command

    return decorate


def take_picture_options(given: dict[str, Any]) -> PictureOptions:
    """Take from a command's options those of `PICTURE_OPTIONS`."""
    return PictureOptions(**{field.name: given.pop(field.name) for field in fields(PictureOptions)})


def prepare(
    job: Job, *, workers: int | None, scheduler_host: str, no_overlap: bool, dry_run: bool
) -> int:
    """Do a job, or say what would be done; return the exit status."""
    address = _address(scheduler_host)
    resolved = resolve(job)
    storage.check_link(resolved.out)  # before anything is looked for in that folder
    found = sourcelook.look(resolved)
    report.look(found)
    if not found.parts and datasets.complete(job):
        cleaning.sweep(resolved)
        # It spares the next look some reading, no more.
        with contextlib.suppress(NoPermission, NoSpace):
            sourcelook.settle(resolved.out, found)
            preflight.keep_contents(resolved)
            if not dry_run:
                _record_finished(resolved)
        return report.complete(resolved, "already complete")
    if dry_run:
        preflight.look(resolved)
        if warning := preflight.codec_warning(resolved):
            say(warning, err=True)
        report.plan(resolved, found)
        return report.COMPLETE
    preflight.look(resolved)  # before the lock, which makes the folder of the output
    lock = paths.run_lock(resolved.out)
    with contextlib.ExitStack() as stack:
        if not no_overlap:
            stack.enter_context(storage.shared_lock(lock, claim=True))
        elif not stack.enter_context(storage.sole_lock(lock, then_share=True)):
            say(f"another command is at work on {job.out}", err=True)
            return _OVERLAP
        stack.callback(report.withdrawn, resolved, withdrawal.finished(resolved.out))
        resolved = _withdraw(resolved, found)
        preflight.check(resolved)
        if warning := preflight.codec_warning(resolved):
            say(warning, err=True)
        preflight.keep_contents(resolved)
        _say_settings()
        if address is not None:
            scheduler.wait_for(address, _tell)
        return _run(resolved, Supervisor(job, workers or _cpus(), address))


def _record_finished(resolved: ResolvedJob) -> None:
    """Record a job of which nothing is to be done, if no record speaks of it."""
    known = neighbours.knows(resolved)
    if not known:
        neighbours.take_over(resolved)  # its list or folder was somewhere else
    if not known or storage.stat(paths.last_job(resolved.out)) is None:  # damaged, and removed
        status.record_job(resolved)


def _withdraw(resolved: ResolvedJob, found: Look) -> ResolvedJob:
    """Withdraw what was made of images that were replaced; return the job as it is then."""
    withdrawal.resume(resolved.out)
    sourcelook.settle(resolved.out, found)
    if not found.parts:
        return resolved
    resolve.cache_clear()
    return resolve(resolved.job)


def _run(resolved: ResolvedJob, supervisor: Supervisor) -> int:
    status.record_job(resolved)
    from tasks.cli.display import display  # noqa: PLC0415 - Rich: not where nothing is to do

    say(f"log: {supervisor.log}")
    with display(resolved, supervisor.name) as watch:
        outcome = supervisor.run(watch, _tell)
    report.steps(resolved, supervisor.name)
    if outcome.complete:
        code, reason = report.complete(resolved, "complete"), ""
    else:
        code = report.failure(supervisor, outcome)
        first = next(iter(map(str, outcome.failures)), "no headway: see its log")
        reason = "interrupted" if outcome.interrupted else first
    runend.note(resolved.out, supervisor.name, code, reason)
    return code


def _say_settings() -> None:
    if left_out := settings.apply_users_settings():
        _tell(
            f"luigi.cfg of the working folder: {abbreviate(map(plaintext.beginning, left_out))}:"
            " not taken from there; the file that LUIGI_CONFIG_PATH names is taken whole"
        )


def _tell(text: str) -> None:
    say(text, err=True)


def _address(given: str) -> Address | None:
    if not given:
        return None
    host, _, port = given.partition(":")
    if not host or (port and not port.isdecimal()):
        raise click.UsageError(f"--scheduler-host {given}: HOST or HOST:PORT, a number")
    return host, int(port or _LUIGID_PORT)


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
