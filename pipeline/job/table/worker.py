"""The options of the command that takes tasks of other commands."""

from __future__ import annotations

from typing import Final

from pipeline.job.table.group import Group, Kind
from pipeline.job.table.option import WORKER, Option

GRACE_S: Final = 25
"""Slurm and Kubernetes kill 30 seconds after they have asked to end; systemd waits for 90."""
_MOST_S: Final = 86_400

WORKER_OPTIONS: Final = (
    Option(
        flag="--for",
        kind=Kind.PATH,
        group=Group.INPUT,
        help="Output folder of commands that are at work, or its address in S3: their tasks are"
        " taken. Repeat it for more.",
        commands=(WORKER,),
        metavar="OUT",
        repeats=True,
        commas=False,
        required=True,
        anywhere=True,
    ),
    Option(
        flag="--workers",
        kind=Kind.NUMBER,
        group=Group.RUN,
        help="How many processes work; default: as many as there are CPUs.",
        commands=(WORKER,),
        least=1,
        metavar="N",
    ),
    Option(
        flag="--scheduler-host",
        kind=Kind.TEXT,
        group=Group.RUN,
        help="luigid of the commands; default port 8082.",
        commands=(WORKER,),
        metavar="HOST[:PORT]",
        required=True,
    ),
    Option(
        flag="--grace",
        kind=Kind.NUMBER,
        group=Group.RUN,
        help="Asked to end, finish within so many seconds the shards that are being written; what"
        " takes longer is stopped, and written by others.",
        commands=(WORKER,),
        default=GRACE_S,
        least=1,
        most=_MOST_S,
        metavar="S",
    ),
)
"""All of its options but those of messages and remote places, in the order of ``--help``."""
