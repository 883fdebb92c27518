"""The command line of a job: what a person types to have it done again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import click

from pipeline import plaintext
from pipeline.formats.registry import FACTS
from pipeline.images.prepare import PictureOptions
from pipeline.job.options import PRODUCTS, Job
from tasks import arguments
from tasks.cli.imagelist import imagelist
from tasks.cli.imagenet import imagenet

_SHOWN = 80  # characters of a word
_OF_PICTURE = {field.name for field in fields(PictureOptions)}


@dataclass(frozen=True)
class CommandLine:
    """A command that a person may copy into a shell.

    A job may have been recorded by others, in an output folder from elsewhere: each word is quoted,
    and a command with a character that a terminal obeys or does not show is not offered, because
    what a person sees of it would not be what the shell is given.

    Attributes:
        words: of the command.
    """

    words: Sequence[str]

    @property
    def text(self) -> str:
        """The command for a shell."""
        return shlex.join(self.words)

    @property
    def offer(self) -> str:
        """The command, or why it is not offered."""
        hidden = next((word for word in self.words if not plaintext.is_plain(word)), None)
        if hidden is None:
            return self.text
        return (
            "not shown, for the recorded job holds characters that a terminal obeys or does not"
            f" show, so what you read would not be what you paste: {_shortened(ascii(hidden))}"
        )


def command_line(job: Job) -> CommandLine | None:
    """Return the ``shardmill`` command of a job; None if only Luigi's own can do it."""
    if job.images:
        products = ("shards",)
        default = Job("", "", "", products=products, boxes=False, images=job.images)
        images = f"./{job.images}" if job.images.startswith("-") else job.images  # no option
        return CommandLine(["shardmill", "imagelist", images, *_options(imagelist, job, default)])
    if not job.products:
        return None
    until = max(job.products, key=PRODUCTS.index)
    extract = "extract" in job.products
    if set(arguments.products_until(until, boxes=job.boxes, extract=extract)) != set(job.products):
        return None
    words = ["shardmill", "imagenet"]
    words += _options(imagenet, job, Job(raw="", out="", config=arguments.default_config()))
    words += ["--until", until] if until != PRODUCTS[-1] else []
    words += ["--extract"] if extract and until != "extract" else []
    return CommandLine(words)


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


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
