"""The command line of a job: what a person types to have it done again."""

from __future__ import annotations

import shlex

import click

from pipeline.job import PRODUCTS, Job
from tasks import roots
from tasks.cli.imagenet import imagenet


def command_line(job: Job) -> str | None:
    """Return the ``shardmill imagenet`` command of a job; None if only Luigi's own can do it."""
    until = max(job.products, key=PRODUCTS.index)
    extract = "extract" in job.products
    if set(roots.products_until(until, boxes=job.boxes, extract=extract)) != set(job.products):
        return None
    default = Job(raw="", out="", config=roots.default_config())
    words = ["shardmill", "imagenet"]
    for option in imagenet.params:
        name = str(option.name)
        if name == "until":
            words += ["--until", until] if until != PRODUCTS[-1] else []
        elif name == "extract":
            words += ["--extract"] if extract and until != "extract" else []
        elif getattr(job, name, None) != getattr(default, name, None):
            words += _words(option, getattr(job, name))
    return shlex.join(words)


def _words(option: click.Parameter, value: object) -> list[str]:
    if isinstance(value, bool):
        return [option.opts[0] if value else option.secondary_opts[0]]
    values = value if isinstance(value, tuple) else (value,)
    texts = ["=".join(map(str, each)) if isinstance(each, tuple) else str(each) for each in values]
    return [word for text in texts for word in (option.opts[0], text)]
