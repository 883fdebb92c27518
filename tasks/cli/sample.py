"""``shardmill sample``: draws a small ILSVRC2012 or Open Images to try things on."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Final

import click

from pipeline.errors import UsageError
from pipeline.job.table.option import SAMPLE
from pipeline.job.table.options import options_of
from tasks.cli.grouping import GroupedCommand
from tasks.cli.options import parameters
from tasks.cli.saying import say

EXAMPLES: Final = (
    "shardmill sample NEW",
    "shardmill sample NEW --seed 7",
    "shardmill sample NEW --openimages",
)


@click.command(cls=GroupedCommand, params=parameters(options_of(SAMPLE)), examples=EXAMPLES)
def sample(raw: str, seed: int, openimages: bool) -> int:
    """Draw a small ILSVRC2012 or Open Images, and its configuration, into RAW."""
    from pipeline import storage  # noqa: PLC0415 - Arrow: not for --help

    folder = Path(raw).absolute()
    if storage.stat(folder) is not None and not storage.is_folder(folder):
        raise UsageError(
            "the sample cannot be drawn into a file",
            file=str(folder),
            expected="a folder, or nothing",
            remedy="name a folder of its own",
        )
    words = _draw_openimages(folder, raw, seed) if openimages else _draw_ilsvrc(folder, raw, seed)
    say(f"drawn: {folder}")
    say(f"now: {shlex.join(words)}")
    return 0


def _draw_ilsvrc(folder: Path, raw: str, seed: int) -> list[str]:
    """Draw the set; return the words of a command that prepares it."""
    from pipeline.sample.draw import draw_sample  # noqa: PLC0415  (draws with Pillow: not for others)

    config = draw_sample(folder, seed=seed)
    return ["shardmill", "imagenet", "--raw", raw, "--config", str(config), "--out", "OUT"]


def _draw_openimages(folder: Path, raw: str, seed: int) -> list[str]:
    """Do as `_draw_ilsvrc` does."""
    from pipeline.sample.openimages import RAW, draw_openimages  # noqa: PLC0415  (likewise)

    config = draw_openimages(folder, seed=seed)
    words = ["shardmill", "openimages", "--raw", f"{raw}/{RAW}", "--config", str(config)]
    return [*words, "--class", "Bear", "--masks", "--out", "OUT"]
