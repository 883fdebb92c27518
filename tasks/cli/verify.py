"""``shardmill verify``: reads every finished shard back."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TypeVar

import click
from rich.console import Console
from rich.progress import track

from pipeline import productcheck, status, storage
from pipeline import verify as checks
from pipeline.errors import InputRefused, OutputDamaged, ShardmillError, UsageError
from pipeline.resolved import resolve
from pipeline.verify import FinishedOutput, ShardCheck
from tasks.cli.text import size

Check = TypeVar("Check")
_AT_ONCE = 4  # shards handed to a process at a time


@click.command()
@click.argument("out")
@click.option("--against", default="", metavar="RAW", help="Compare each picture with its source.")
@click.option("--workers", type=click.IntRange(1), default=None, help="Default: the CPUs.")
def verify(out: str, against: str, workers: int | None) -> int:
    """Read everything in OUT back: hashes, framing, checksums, counts, each image once.

    Exit status 0 when everything is as it was written, else 1.
    """
    folder = Path(out).absolute()
    raw = Path(against).absolute() if against else None
    damaged = 0
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers or os.cpu_count(), mp_context=context) as pool:
        for output in _outputs(folder):
            try:
                found = _verify(folder, output, raw, pool)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
            damaged += _tell(found)
        for name in productcheck.product_names(folder):
            damaged += _tell(_verify_product(folder, name, pool))
    problems = "1 problem" if damaged == 1 else f"{damaged} problems"
    click.echo(problems if damaged else "everything is as it was written")
    return OutputDamaged.exit_status if damaged else 0


def _tell(found: list[ShardmillError]) -> int:
    for error in found:
        click.echo(f"shardmill: {error}", err=True)
    return len(found)


def _verify_product(out: Path, name: str, pool: ProcessPoolExecutor) -> list[ShardmillError]:
    try:
        product = productcheck.open_product(out, name)
    except ShardmillError as error:
        return [error]
    checks = [productcheck.check_files(product)]
    groups = product.groups
    results = pool.map(productcheck.check_group, [product] * groups, range(groups))
    checks += _progress(name, results, groups)
    files = sum(check.files for check in checks)
    click.echo(f"{name}: {files:,} files, {size(sum(check.bytes for check in checks))}")
    return [error for check in checks for error in check.damage]


def _outputs(out: Path) -> list[Path]:
    """Return what is there and what was asked for last, without what nobody asks for."""
    wanted = set()
    jobs = status.recorded_jobs(out)
    try:
        resolved = resolve(jobs[-1]) if jobs else None
        splits = resolved.splits.values() if resolved and resolved.job.wants("shards") else ()
        wanted = {output.folder for split in splits for output in split.outputs}
    except (UsageError, InputRefused) as error:
        click.echo(f"what was asked for last is not known any more: {error}", err=True)
    found = {*checks.output_folders(out), *wanted}
    abandoned = {folder for folder in found if checks.is_abandoned(folder, wanted)}
    for folder in sorted(abandoned):
        click.echo(f"not looked at: {folder} is unfinished, and another is current")
    if not found and not productcheck.product_names(out):
        raise UsageError("there is no output to verify", file=str(out))
    return sorted(found - abandoned)


def _verify(
    out: Path, folder: Path, raw: Path | None, pool: ProcessPoolExecutor
) -> list[ShardmillError]:
    try:
        output = checks.open_output(out, folder)
    except ShardmillError as error:
        return [error]
    if raw is not None:
        checks.check_sources(output, raw)
    damage = checks.check_tables(output)
    if damage:
        return damage
    planned = storage.stat(output.plan) is not None
    if raw is not None and not planned:
        raise UsageError(
            "without its plan an output cannot be compared with its sources",
            file=str(output.plan),
            remedy="remove a shard and run the shardmill command again: the plan is made anew",
        )
    results = list(_progress(folder.parent.name, _check_all(output, raw, pool), output.shards))
    damage += [error for result in results for error in result.damage]
    damage += checks.check_whole(output, results)
    total = size(sum(result.bytes for result in results))
    records = sum(result.records for result in results)
    compared = sum(result.compared for result in results)
    click.echo(
        f"{folder}: {output.shards:,} shards, {records:,} records, {total}"
        + (f", {compared:,} compared with their sources" if raw else "")
        + ("" if planned else "; labels not checked: the plan is gone")
    )
    return damage


def _check_all(
    output: FinishedOutput, raw: Path | None, pool: ProcessPoolExecutor
) -> Iterator[ShardCheck]:
    numbers = range(output.shards)
    return pool.map(
        checks.check_shard,
        [output] * output.shards,
        numbers,
        [raw] * output.shards,
        chunksize=_AT_ONCE,
    )


def _progress(name: str, results: Iterator[Check], total: int) -> Iterator[Check]:
    console = Console(stderr=True)
    yield from track(
        results,
        description=f"verify {name}",
        total=total,
        transient=True,
        console=console,
        disable=not console.is_terminal,
    )
