"""``shardmill worker``: takes tasks of commands that are at work on other hosts."""

from __future__ import annotations

from typing import Any, Final

import click

from pipeline.job.table.option import WORKER
from pipeline.job.table.options import options_of
from tasks.cli.luigi_import import importing_luigi
from tasks.cli.options import parameters
from tasks.cli.speaking import TellingCommand

EXAMPLES: Final = (
    "shardmill worker --scheduler-host HOST --for OUT",
    "shardmill worker --scheduler-host HOST:8082 --for OUT --workers 8 --json",
    "shardmill worker --scheduler-host HOST --for OUT --grace 80 --quiet",
)


@click.command(cls=TellingCommand, params=parameters(options_of(WORKER)), examples=EXAMPLES)
def worker(**given: Any) -> int:
    """Help the commands that are at work on outputs: take tasks of them from their luigid.

    It takes tasks of the jobs that are recorded in the outputs, and no others, as a command that
    was started with the same options would; whoever has another version of a writer or another
    codec, or does not see the archives, takes none, and says why. Where a task fails here, it is
    given back, and no more are taken of its job: whether it fails, the command finds.

    It ends with status 0 when nothing of the outputs is pending any more. At the beginning it
    waits up to 60 seconds for a command to schedule its tasks; while all that is pending stands
    still, up to five minutes.

    Asked to end (SIGTERM, SIGINT), it finishes the shards that are being written, gives the rest
    back and ends with status 0. What takes longer than --grace is stopped as if killed, which
    harms nothing, and the status is 130; so does a second signal.
    """
    with importing_luigi():
        from tasks.cli import assisting  # noqa: PLC0415 - Luigi: not for --help and completion

    return assisting.assist(given)
