"""``shardmill config``: the shipped configuration, to be copied and changed."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from pipeline.job.table.option import CONFIG
from pipeline.job.table.options import options_of
from tasks.cli.grouping import GroupedCommand
from tasks.cli.options import parameters
from tasks.cli.saying import say

EXAMPLES: Final = (
    "shardmill config copy my-config",
    "shardmill config copy NEW",
    "shardmill config copy ./config",
)


@click.command(cls=GroupedCommand, params=parameters(options_of(CONFIG)), examples=EXAMPLES)
def config(action: str, folder: str) -> int:
    """Write the shipped configuration of ILSVRC2012 into a folder, with the files that it names.

    These are its label table, the labels of the validation images and the blacklist. Change the
    copy, and name it with --config. Files of other contents are not overwritten.
    """
    from pipeline.sources import own_data  # noqa: PLC0415 - Arrow: not for --help

    del action  # there is one
    for path in own_data.copy_shipped(Path(folder)):
        say(f"written: {path}")
    return 0
