"""``shardmill where``: the finished output that a training script should read."""

from __future__ import annotations

from typing import Any, Final

import click

from pipeline import plaintext
from pipeline.errors import UsageError
from pipeline.formats.registry import FORMATS
from pipeline.job.table.option import WHERE
from pipeline.job.table.options import options_of
from pipeline.state import current
from tasks.cli.grouping import GroupedCommand
from tasks.cli.options import parameters
from tasks.cli.reaching import Reached
from tasks.cli.saying import say_as_it_is

EXAMPLES: Final = (
    "shardmill where OUT train",
    "shardmill where OUT validation --format tfrecord",
    "shardmill where . --split train",
)


@click.command(cls=GroupedCommand, params=parameters(options_of(WHERE)), examples=EXAMPLES)
def where(out: str, of: str | None, split: str, **given: Any) -> int:
    """Print where the finished output of a split lies, and nothing else.

    It is the one that `current` names: of a local OUT the path of its folder, of one in S3 the
    address, s3://BUCKET/PREFIX/FORMAT/SPLIT/DIGEST. A command that finishes later changes what
    `current` names, and nothing in this folder. Every file that its manifest names is there.

    Exit status 1 when there is no finished output, 2 when there are other splits or formats only.
    """
    if bool(of) == bool(split):
        raise UsageError(
            "a split is named twice" if split else "no split is named",
            expected="one split, such as train",
            found=f"{of} and {split}" if split else "none",
            remedy="say shardmill where OUT SPLIT",
        )
    shard_format = given.pop("format")
    output = current.find(Reached.of(out, given).out, shard_format, of or split, FORMATS)
    current.check_sizes(output.folder, [*output.listed.shards, *output.listed.files])
    if plaintext.line(str(output.folder)) != str(output.folder):
        raise UsageError(
            "the path of the output cannot be printed as it is",
            file=str(output.folder),
            expected="a path of printable characters",
            remedy="give the output folder another name",
        )
    say_as_it_is(output.folder)
    return 0
