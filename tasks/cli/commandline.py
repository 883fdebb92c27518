"""The command line of a job: what a person types to have it done again."""

from __future__ import annotations

import shlex
from dataclasses import fields
from typing import Any

import click

from pipeline.formats.shardformats import FACTS
from pipeline.job import PRODUCTS, Job
from pipeline.pictures import PictureOptions
from tasks import arguments
from tasks.cli.imagelist import imagelist
from tasks.cli.imagenet import imagenet

_OF_PICTURE = {field.name for field in fields(PictureOptions)}


def command_line(job: Job) -> str | None:
    """Return the ``shardmill`` command of a job; None if only Luigi's own can do it."""
    if job.images:
        products = ("shards",)
        default = Job("", "", "", products=products, boxes=False, images=job.images)
        words = ["shardmill", "imagelist", job.images]
        return shlex.join([*words, *_options(imagelist, job, default)])
    until = max(job.products, key=PRODUCTS.index)
    extract = "extract" in job.products
    if set(arguments.products_until(until, boxes=job.boxes, extract=extract)) != set(job.products):
        return None
    words = ["shardmill", "imagenet"]
    words += _options(imagenet, job, Job(raw="", out="", config=arguments.default_config()))
    words += ["--until", until] if until != PRODUCTS[-1] else []
    words += ["--extract"] if extract and until != "extract" else []
    return shlex.join(words)


def _options(command: click.Command, job: Job, default: Job) -> list[str]:
    """Return the options of a command whose values are not the default ones."""
    words = []
    for option in command.params:
        name = str(option.name)
        value, usual = _value(job, name), _value(default, name)
        if isinstance(option, click.Option) and value != usual:
            words += _words(option, value)
    return words


def _value(job: Job, name: str) -> Any:
    if name == "shards" and job.images:
        return job.shards[0][1] if job.shards else None
    if name == "formats":
        return tuple(arguments.NO_SHARDS if each == FACTS else each for each in job.formats)
    return getattr(job.picture if name in _OF_PICTURE else job, name, None)


def _words(option: click.Parameter, value: object) -> list[str]:
    if isinstance(value, bool):
        return [option.opts[0] if value else option.secondary_opts[0]]
    values = value if isinstance(value, tuple) else (value,)
    texts = ["=".join(map(str, each)) if isinstance(each, tuple) else str(each) for each in values]
    return [word for text in texts for word in (option.opts[0], text)]
