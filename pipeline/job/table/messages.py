"""The options that say where messages go: for cron, batch systems and programs."""

from __future__ import annotations

from typing import Final

from pipeline.job.table.group import Group, Kind
from pipeline.job.table.option import COMMANDS, FETCH, STATUS, WORKER, Option

TELLING: Final = (*COMMANDS, FETCH, WORKER)
"""The commands that work for long, and tell meanwhile how far they are."""

MESSAGE_OPTIONS: Final = (
    Option(
        flag="--quiet",
        kind=Kind.SWITCH,
        group=Group.RUN,
        help="Print nothing if the command ends with status 0, and everything that there is to say"
        " at the end if it does not.",
        commands=TELLING,
        default=False,
    ),
    Option(
        flag="--log-file",
        kind=Kind.PATH,
        group=Group.RUN,
        help="Append each message to this file, with its time and level, and leave standard error"
        " empty. With --quiet a command that fails says everything there, too.",
        commands=TELLING,
        metavar="FILE",
    ),
    Option(
        flag="--json",
        kind=Kind.SWITCH,
        group=Group.RUN,
        help="Print what happens as JSON objects, one a line, and nothing else on standard output:"
        " docs/scripting.md has their fields.",
        commands=TELLING,
        default=False,
    ),
    Option(
        flag="--json",
        kind=Kind.SWITCH,
        group=Group.RUN,
        help="Print what is found as one JSON object: docs/scripting.md has its fields.",
        commands=(STATUS,),
        default=False,
    ),
)
"""They decide nothing of what is made, and are in no job."""
