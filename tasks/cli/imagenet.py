"""``shardmill imagenet``: ILSVRC2012, or a set of its shape, from archives to shards."""

from __future__ import annotations

import contextlib
import os
from typing import Any

import click

from pipeline import cleaning, paths, preflight, status, storage
from pipeline.job import ON_BAD_IMAGE, PRODUCTS, TRANSFERS, Job
from pipeline.resolved import ResolvedJob, resolve
from pipeline.sharding import ORDERS
from tasks import datasets, roots, scheduler
from tasks.cli import report
from tasks.cli.display import display
from tasks.scheduler import Address
from tasks.supervisor import Supervisor

_LUIGID_PORT = 8082
_OVERLAP = 10
_PATHS = ("raw", "tree", "config", "classes")


@click.command()
@click.option("--raw", default="", help="Folder of the archives; may be read-only.")
@click.option(
    "--tree", default="", metavar="DIR", help="An unpacked set, read instead of archives."
)
@click.option("--out", required=True, help="Folder of the output.")
@click.option("--config", default="", help="Dataset configuration; default: ILSVRC2012's.")
@click.option("--split", "splits", multiple=True, help="Split to prepare; default: all.")
@click.option(
    "--format",
    "formats",
    multiple=True,
    default=("tfrecord",),
    show_default=True,
    help="Of shards.",
)
@click.option("--shards", multiple=True, metavar="SPLIT=N", help="Number of shards of a split.")
@click.option("--order", type=click.Choice(ORDERS), default="hash", show_default=True)
@click.option("--seed", type=int, default=None, help="Of the hash order; default: 0.")
@click.option("--inception-threads", type=click.IntRange(1), default=None, help="Default: 8.")
@click.option("--label-offset", type=int, default=None, help="Of label 0; TFRecord: 1.")
@click.option("--classes", default="", metavar="FILE", help="Only these WNIDs, one per line.")
@click.option("--skip-blacklisted", is_flag=True, help="Leave out what the blacklist names.")
@click.option("--with", "extras", multiple=True, metavar="NAME", help="Optional archive to use.")
@click.option("--boxes/--no-boxes", default=True, show_default=True, help="Bounding boxes.")
@click.option("--box-class-filter", is_flag=True, help="Drop boxes of other classes: TensorFlow's.")
@click.option("--extract", is_flag=True, help="Make class folders of pictures too.")
@click.option(
    "--transfer",
    type=click.Choice(TRANSFERS),
    default="copy",
    show_default=True,
    help="How the files of --tree get into what --extract makes.",
)
@click.option(
    "--until", type=click.Choice(PRODUCTS), default="shards", help="Stop after this step."
)
@click.option("--replace", is_flag=True, help="Replace another job's boxes, lists and trees.")
@click.option("--on-bad-image", type=click.Choice(ON_BAD_IMAGE), default="fail", show_default=True)
@click.option("--workers", type=click.IntRange(1), default=None, help="Default: the CPUs.")
@click.option("--scheduler-host", default="", metavar="HOST[:PORT]", help="luigid to share work.")
@click.option("--no-overlap", is_flag=True, help="Do nothing (status 10) beside another command.")
@click.option("--dry-run", is_flag=True, help="Say what would be done.")
def imagenet(
    workers: int | None, scheduler_host: str, no_overlap: bool, dry_run: bool, **options: Any
) -> int:
    """Prepare ILSVRC2012, or a set of its shape, from its archives or an unpacked tree.

    The same command goes on where an interrupted one was.
    """
    job = _job(options)
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


def _job(options: dict[str, Any]) -> Job:
    """Return the job of the options, which have the names of its fields but for two."""
    until, extract = options.pop("until"), options.pop("extract")
    given = {name: roots.absolute(options[name]) for name in _PATHS if options[name]}
    given["out"] = roots.absolute(options["out"])
    products = roots.products_until(until, boxes=options["boxes"], extract=extract)
    shards = roots.shard_counts(options["shards"])
    default = {"config": roots.default_config()} if not options["config"] else {}
    return Job(**(options | given | default | {"products": products, "shards": shards}))


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
