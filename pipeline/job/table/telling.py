"""The options by which others hear how a command ends: monitoring, a program, a health check."""

from __future__ import annotations

from typing import Final

from pipeline.job.table.group import Group, Kind
from pipeline.job.table.option import COMMANDS, Option

TELLING_OPTIONS: Final = (
    Option(
        flag="--metrics-file",
        kind=Kind.PATH,
        group=Group.RUN,
        help="Keep figures of this command in this file, as text for Prometheus: renewed once a"
        " minute and at the end.",
        commands=COMMANDS,
        metavar="FILE",
    ),
    Option(
        flag="--on-success",
        kind=Kind.TEXT,
        group=Group.RUN,
        help="Have the shell run this once the command is complete (status 0 or 4);"
        " docs/cron.md has the variables that it finds.",
        commands=COMMANDS,
        metavar="CMD",
    ),
    Option(
        flag="--on-failure",
        kind=Kind.TEXT,
        group=Group.RUN,
        help="Have the shell run this once the command has ended otherwise, but for status 10.",
        commands=COMMANDS,
        metavar="CMD",
    ),
    Option(
        flag="--health-url",
        kind=Kind.TEXT,
        group=Group.RUN,
        help="Tell a service that watches cron jobs, as healthchecks.io does: URL/start is asked"
        " for when tasks begin, URL or URL/fail at the end.",
        commands=COMMANDS,
        metavar="URL",
    ),
)
"""They decide nothing of what is made, and are in no job."""
