"""``shardmill sample``: draws a small ILSVRC-shaped set to try things on."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Final

import click

from pipeline.job.table.option import SAMPLE
from pipeline.job.table.options import options_of
from tasks.cli.grouping import GroupedCommand
from tasks.cli.options import parameters
from tasks.cli.saying import say

EXAMPLES: Final = (
    "shardmill sample NEW",
    "shardmill sample NEW --seed 7",
    "shardmill sample TRIAL/RAW",
)


@click.command(cls=GroupedCommand, params=parameters(options_of(SAMPLE)), examples=EXAMPLES)
def sample(raw: str, seed: int) -> int:
    """Draw a small ILSVRC-shaped set of archives, and its configuration, into RAW."""
    from pipeline.sample.draw import draw_sample  # noqa: PLC0415  (draws with Pillow: not for others)

    config = draw_sample(Path(raw).absolute(), seed=seed)
    say(f"drawn: {config.parent}")
    words = ["shardmill", "imagenet", "--raw", raw, "--config", str(config), "--out", "OUT"]
    say(f"now: {shlex.join(words)}")
    return 0
