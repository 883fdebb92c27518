"""``shardmill verify``: reads everything back, and removes what is damaged if asked to."""

from __future__ import annotations

import contextlib
import errno
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import click

from pipeline import paths, storage
from pipeline.errors import (
    EnvironmentRefused,
    InputRefused,
    OutputDamaged,
    ShardmillError,
    UsageError,
)
from pipeline.images import codec
from pipeline.job import exports as exportjob
from pipeline.job.artifacts import begun
from pipeline.job.options import Job
from pipeline.job.resolve import resolve
from pipeline.job.table.option import VERIFY
from pipeline.job.table.options import options_of
from pipeline.plaintext import Lines
from pipeline.quantities import counted, size
from pipeline.sources import registry as sources
from pipeline.state import standing
from pipeline.storage import Location
from pipeline.verification import (
    notbegun,
    removal,
    statecheck,
)
from pipeline.verification.findings import Finding, by_layer
from pipeline.verification.reading import Verification
from pipeline.verification.removal import Damaged, Removal
from tasks.cli.checks import Checks, new_processes
from tasks.cli.grouping import GroupedCommand
from tasks.cli.options import parameters
from tasks.cli.packedsets import PackedSets
from tasks.cli.reaching import Reached
from tasks.cli.rerun_command import command_line
from tasks.cli.saying import say, say_refusal, say_traceback

_MEANT = (ShardmillError, click.ClickException, click.Abort, MemoryError)
_SHORTAGES = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN}

EXAMPLES: Final = (
    "shardmill verify OUT",
    "shardmill verify OUT --against RAW --workers 4",
    "shardmill verify OUT --remove-damaged",
)


@click.command(cls=GroupedCommand, params=parameters(options_of(VERIFY)), examples=EXAMPLES)
def verify(out: str, against: str, remove_damaged: bool, workers: int | None, **given: Any) -> int:
    """Read everything in OUT back: hashes, framing, checksums, counts, each image once.

    OUT may also be an output of im2rec, NAME.rec or its manifest, or a folder of such; RAW is then
    the folder of the images, and the list is read beside the manifest. Of Open Images RAW is the
    bucket, or a folder of the same keys: what it has now is compared with the images in OUT.

    With --remove-damaged, damaged files of this program's making are removed after they are
    named; the command that makes them again is printed.

    Exit status 0 when everything is as it was written, else 1.
    """
    reached = Reached.of(out, given)
    folder = reached.out
    _warn_of_codec()
    raw = _against(against)
    jobs = reached.as_given(statecheck.known_jobs(folder))
    packed = PackedSets.of(folder)
    outputs = _outputs(folder, jobs, packed)
    if packed and not outputs and not begun(folder):
        return _verify_packed(packed, storage.on_this_machine(raw) if raw else None)
    with _alone(folder, remove_damaged), new_processes(workers, reached, jobs) as pool:
        try:
            reading = Verification(folder, jobs, raw, Checks(pool, twice=reached.is_shared), _tell)
            of_im2rec = packed.beside_others().findings(None)
            damaged = Damaged(folder)
            every = itertools.chain(reading.findings(outputs), of_im2rec)
            findings = list(_named(every, damaged if remove_damaged else None))
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            if isinstance(error, Exception) and _is_defect(error):
                return _internal_error(error)
            raise
        if raw is not None:
            storage.give_up_unpacked(raw)
        _warn_of_dead_paths(folder)
        _sum_up(findings)
        if findings and remove_damaged:
            _remove(damaged.remove(), jobs)
    return OutputDamaged.exit_status if findings else 0


def _against(place: str) -> Location | None:
    """Return what is compared with, which may be a whole bucket."""
    name = "--against"
    return storage.parse(storage.absolute(place, name), name, whole_bucket=True) if place else None


def _verify_packed(packed: PackedSets, raw: Path | None) -> int:
    """Read outputs of im2rec back; nothing is removed: their command replaces them."""
    try:
        findings = list(_named(packed.findings(raw)))
    except BaseException as error:
        if isinstance(error, Exception) and _is_defect(error):
            return _internal_error(error)
        raise
    _sum_up(findings)
    return OutputDamaged.exit_status if findings else 0


def _is_defect(error: Exception) -> bool:
    """Whether an error is none that a check means to raise.

    Where the machine is short of memory or files, the command ends with the system's words.
    """
    if isinstance(error, OSError):
        return error.errno not in _SHORTAGES
    return not isinstance(error, _MEANT)


def _internal_error(error: Exception) -> int:
    """Say that a check has failed itself: that is no finding, and nothing is removed."""
    say_traceback(error)
    say(f"shardmill: internal error: {type(error).__name__}: {error}", err=True)
    say(
        "  this is a defect of the program, or of the machine, and says nothing of the data: what"
        " was not looked at before it is not verified, and nothing was removed",
        err=True,
    )
    return ShardmillError.exit_status


def _warn_of_dead_paths(out: Location) -> None:
    """Say which exports name images that are not there: they may be meant for another machine."""
    for warning in exportjob.dead_paths(out):
        say(Lines(f"warning: {warning}"), err=True)


def _warn_of_codec() -> None:
    """Say if Pillow is not the one that should be there; what is written does not depend on it."""
    warning: str | ShardmillError | None
    try:
        warning = codec.warning()
    except EnvironmentRefused as error:
        warning = error
    if warning:
        say(warning, err=True)


@contextlib.contextmanager
def _alone(out: Location, wanted: bool) -> Iterator[None]:
    """Keep commands from working on an output, if it is to be changed."""
    if not wanted:
        yield
        return
    with storage.sole_lock(paths.run_lock(out)) as idle:
        if not idle:
            raise UsageError(
                "a command is at work here, so nothing can be removed",
                file=str(out),
                found=storage.lock_holders(paths.run_lock(out)) or None,
                remedy="wait until it has ended, or leave --remove-damaged out",
            )
        yield


def _outputs(out: Location, jobs: list[Job], packed: PackedSets) -> list[Location]:
    """Return what is there and what was asked for last, without what nobody asks for."""
    wanted = set()
    try:
        makes = jobs and (jobs[-1].steps or jobs[-1].exports)  # else it collects images alone
        resolved = resolve.reading(jobs[-1]) if makes else None
        wanted = {output.folder for _, output in resolved.outputs} if resolved else set()
        for other in notbegun.outputs_not_begun(resolved) if resolved else ():
            wanted.discard(other.folder)
            say(str(other))
    except (UsageError, InputRefused) as error:
        say("what was asked for last is not known any more:", err=True)
        say(error, err=True)
    folders = {*standing.output_folders(out), *wanted}
    abandoned = {folder for folder in folders if standing.is_abandoned(folder, wanted)}
    for folder in sorted(abandoned):
        say(f"not looked at: {folder} is unfinished, and another is current")
    nothing = not folders and not packed and not begun(out)
    nothing = nothing and next(iter(sources.kept_files(out)), None) is None
    if nothing and (archives := statecheck.archive_marks(out)):
        count = counted(len(archives), "verified archive")
        say(f"nothing is made of {count} yet: what is kept of {_them(archives)} is read back")
    elif nothing:
        raise UsageError("there is no output to verify", file=str(out))
    return sorted(folders - abandoned)


def _them(archives: list[Location]) -> str:
    return "it" if len(archives) == 1 else "them"


def _sum_up(findings: list[Finding]) -> None:
    if not findings:
        say("everything is as it was written")
        return
    seen = ", ".join(f"{layer} {count:,}" for layer, count in by_layer(findings).items())
    say(f"found by: {seen}")
    say(counted(len(findings), "problem"))


def _remove(done: Removal, jobs: list[Job]) -> None:
    for path in done.removed:
        say(f"removed: {path}")
    for path in done.kept:
        say(f"left alone: {path}")
    if not done.removed:
        return
    lines = map(command_line, removal.makers(jobs, done.removed))
    commands = [line.offer for line in lines if line is not None]
    say("what is needed of these is made again by the command that made them")
    for line in commands:
        say(f"  {line}")


def _named(findings: Iterable[Finding], damaged: Damaged | None = None) -> Iterator[Finding]:
    """Say each finding; a damaged file is what it is now, whenever it is removed."""
    for finding in findings:
        if damaged is not None:
            damaged.note(finding)
        say_refusal(finding.error)
        yield finding


def _tell(what: str, read: int | None) -> None:
    say(what if read is None else f"{what}, {size(read)}")
