"""``shardmill imagenet``: ILSVRC2012, or a set of its shape, from archives to shards."""

from __future__ import annotations

import contextlib
import os

import click

from pipeline import cleaning, paths, preflight, status, storage
from pipeline.job import ON_BAD_IMAGE, Job, ResolvedJob, resolve
from pipeline.sharding import ORDERS
from tasks import datasets, scheduler
from tasks.cli import report
from tasks.cli.display import display
from tasks.scheduler import Address
from tasks.supervisor import Supervisor

_LUIGID_PORT = 8082
_OVERLAP = 10


@click.command()
@click.option("--raw", required=True, help="Folder of the archives; may be read-only.")
@click.option("--out", required=True, help="Folder of the output.")
@click.option("--config", default="", help="Dataset configuration; default: ILSVRC2012's.")
@click.option("--split", "splits", multiple=True, help="Split to prepare; default: all.")
@click.option("--format", "formats", multiple=True, default=("tfrecord",), show_default=True)
@click.option("--shards", multiple=True, metavar="SPLIT=N", help="Number of shards of a split.")
@click.option("--order", type=click.Choice(ORDERS), default="hash", show_default=True)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the hash order.")
@click.option("--label-offset", type=int, default=None, help="Of label 0; TFRecord: 1.")
@click.option("--classes", default="", metavar="FILE", help="Only these WNIDs, one per line.")
@click.option("--with", "extras", multiple=True, metavar="NAME", help="Optional archive to verify.")
@click.option("--on-bad-image", type=click.Choice(ON_BAD_IMAGE), default="fail", show_default=True)
@click.option("--workers", type=click.IntRange(1), default=None, help="Default: the CPUs.")
@click.option("--scheduler-host", default="", metavar="HOST[:PORT]", help="luigid to share work.")
@click.option("--no-overlap", is_flag=True, help="Do nothing (status 10) beside another command.")
@click.option("--dry-run", is_flag=True, help="Say what would be done.")
def imagenet(
    raw: str,
    out: str,
    config: str,
    splits: tuple[str, ...],
    formats: tuple[str, ...],
    shards: tuple[str, ...],
    order: str,
    seed: int,
    label_offset: int | None,
    classes: str,
    extras: tuple[str, ...],
    on_bad_image: str,
    workers: int | None,
    scheduler_host: str,
    no_overlap: bool,
    dry_run: bool,
) -> int:
    """Prepare ILSVRC2012, or a set of its shape, from its archives.

    The same command goes on where an interrupted one was.
    """
    job = Job(
        raw=datasets.absolute(raw),
        out=datasets.absolute(out),
        config=datasets.absolute(config) if config else datasets.default_config(),
        splits=splits,
        formats=formats,
        shards=datasets.shard_counts(shards),
        order=order,
        seed=seed,
        label_offset=label_offset,
        classes=datasets.absolute(classes) if classes else "",
        extras=extras,
        on_bad_image=on_bad_image,
    )
    address = _address(scheduler_host)
    resolved = resolve(job)
    if datasets.complete(job):
        cleaning.sweep(resolved)
        return report.complete(resolved, "already complete")
    if dry_run:
        preflight.look(resolved)
        report.plan(resolved)
        return report.COMPLETE
    lock = paths.run_lock(resolved.out)
    with contextlib.ExitStack() as stack:
        if not no_overlap:
            stack.enter_context(storage.shared_lock(lock))
        elif not stack.enter_context(storage.sole_lock(lock, then_share=True)):
            click.echo(f"another command is at work on {job.out}", err=True)
            return _OVERLAP
        preflight.check(resolved)
        if address is not None:
            scheduler.check(address)
        return _run(resolved, Supervisor(job, workers or _cpus(), address))


def _run(resolved: ResolvedJob, supervisor: Supervisor) -> int:
    status.record_job(resolved)
    click.echo(f"log: {supervisor.log}")
    with display(resolved, supervisor.name) as watch:
        outcome = supervisor.run(watch, lambda text: click.echo(text, err=True))
    report.steps(resolved, supervisor.name)
    if outcome.complete:
        return report.complete(resolved, "complete")
    return report.failure(supervisor, outcome)


def _address(given: str) -> Address | None:
    if not given:
        return None
    host, _, port = given.partition(":")
    if not host or (port and not port.isdecimal()):
        raise click.UsageError(f"--scheduler-host {given}: HOST or HOST:PORT, a number")
    return host, int(port or _LUIGID_PORT)


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
