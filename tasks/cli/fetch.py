"""``shardmill fetch``: the archives of a data set, downloaded and verified."""

from __future__ import annotations

from typing import Any, Final

import click

from pipeline.job.table.option import FETCH
from pipeline.job.table.options import options_of
from tasks.cli.options import parameters
from tasks.cli.speaking import TellingCommand

EXAMPLES: Final = (
    "shardmill fetch --raw RAW --only validation-boxes",
    "shardmill fetch --raw RAW --header @cookie.txt --out OUT",
    "shardmill fetch --raw RAW --only train,validation --mirror https://HOST/FOLDER",
)


@click.command(cls=TellingCommand, params=parameters(options_of(FETCH)), examples=EXAMPLES)
def fetch(**given: Any) -> int:
    """Fetch the archives of a data set into RAW, each verified while it arrives.

    An archive gets its name only when its MD5 is right. Whatever cuts a download, the same command
    goes on where it was; a server that sends no ranges begins again, which is said. Of several
    addresses the next one is tried where one fails, or has another file.

    Exit status 10 when another command is fetching the same file.
    """
    from tasks.cli import fetch_report  # noqa: PLC0415 - libcurl, Arrow: not for --help

    return fetch_report.fetch_all(given)
