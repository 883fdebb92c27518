"""``shardmill clean``: removes what is of no use any more."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline import cleaning, paths, status, storage
from pipeline.cleaning import Superseded
from pipeline.errors import EnvironmentRefused, InputRefused, UsageError
from pipeline.job import FORMATS
from pipeline.resolved import resolve
from pipeline.storage import TempFile
from tasks.cli import text
from tasks.cli.paramtypes import LOCAL_PATH
from tasks.cli.text import size


@click.command()
@click.argument("out", type=LOCAL_PATH)
@click.option("--yes", is_flag=True, help="Do not ask.")
def clean(out: str, yes: bool) -> int:
    """Remove stale temporary files and superseded outputs from OUT, after asking.

    A temporary file is removed only when its owner is provably gone. Outputs are superseded
    when `current` points to another; they are left alone while a command is at work.
    """
    folder = Path(out).absolute()
    if not {*FORMATS, paths.state(folder).name} & set(storage.folders(folder)):
        raise UsageError("this is no output folder of shardmill", file=out)
    stale = _stale(folder)
    superseded = cleaning.superseded(folder, _wanted(folder))
    for temp in stale:
        click.echo(f"temporary file: {temp.path}, {size(temp.size)}")
    for output in superseded:
        click.echo(f"superseded output: {output.folder}, {size(output.bytes)}")
    _say_kept(folder)
    if not stale and not superseded:
        click.echo("nothing to remove")
        return 0
    if not yes and not click.confirm("remove these?"):
        return 0
    with storage.sole_lock(paths.run_lock(folder)) as idle:
        if not idle:
            click.echo("a command is at work here: outputs are left alone")
        # What was confirmed may be wanted again by now.
        still = cleaning.superseded(folder, _wanted(folder)) if idle else []
        _remove(stale, [output for output in superseded if output in still])
    return 0


def _say_kept(out: Path) -> None:
    """Name the sets that no recorded job would make now: whether they are needed, a person knows.

    What a job reads may be on a disk that is not mounted; so nothing of its outputs is removed.
    """
    for output in status.other_sets(out, status.recorded_jobs(out)):
        folder = paths.outputs(out, output.format, output.split)
        click.echo(
            f"kept: {text.standing(output)}: no recorded command would make it now, for an older"
            f" version made it, or what it was made of is gone; if nobody needs it, remove {folder}"
        )


def _remove(stale: list[TempFile], superseded: list[Superseded]) -> None:
    for temp in stale:
        storage.remove_temp(temp)
    for output in superseded:
        cleaning.remove_output(output)
    total = sum(temp.size for temp in stale) + sum(output.bytes for output in superseded)
    click.echo(f"removed: {len(stale) + len(superseded)}, {size(total)}")


def _stale(folder: Path) -> list[TempFile]:
    found = cleaning.temps(folder)
    for temp in found:
        if not temp.owner_gone:
            click.echo(f"kept: {temp.path} belongs to process {temp.pid} on {temp.host}")
    return [temp for temp in found if temp.owner_gone]


def _wanted(out: Path) -> frozenset[str]:
    """Return the digests of the outputs that the job that was started last is about."""
    jobs = [job for job in status.recorded_jobs(out) if job.wants("shards")]
    try:
        splits = resolve(jobs[-1]).splits.values() if jobs else ()
        return frozenset(output.digest for split in splits for output in split.outputs)
    except (UsageError, InputRefused, EnvironmentRefused) as error:
        # Its configuration, list or tree is gone: what is half done may be its output.
        about = f"{error.what}: {error.file}" if error.file else error.what
        click.echo(f"unfinished outputs are left alone: {about}", err=True)
        return cleaning.unfinished(out)
