"""``shardmill openimages-split``: the rows of one class, and the list of its images."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from pipeline.job.table import openimages_classes
from pipeline.job.table.option import DIVIDE
from pipeline.quantities import counted
from tasks.cli.grouping import GroupedCommand
from tasks.cli.options import parameters
from tasks.cli.saying import say

EXAMPLES: Final = (
    "shardmill openimages-split --label /m/0gxl3 --subset train --input train-masks.csv",
    "shardmill openimages-split -l /m/0gxl3 -s validation -i boxes.csv --out csv/validation",
    "shardmill openimages-split -l /m/0gxl3,/m/01dws -s train -i train-masks.csv --out NEW",
)
# Not out of the table of all commands' options, which brings every export and 30 MB with it.
_OPTIONS: Final = [each for each in openimages_classes.OPTIONS if DIVIDE in each.commands]


@click.command(cls=GroupedCommand, params=parameters(_OPTIONS), examples=EXAMPLES)
def openimages_split(label: tuple[str, ...], subset: str, out: str, **given: Any) -> int:
    """Take the rows of a class out of a CSV file of Open Images, and list its images.

    Two files are written, both with the names and bytes of the manual recipe's script:
    MID_annotations.csv has all columns of the rows of the class, in the order of FILE, and
    downloader_IDs_for_MID_SUBSET.txt lists its images for the official downloader, and for
    shardmill openimages-download. A class is taken by its whole MID: /m/01dws takes nothing of
    /m/01dwsz. Rows of Confidence 0 say that the class is not there, and are left out.
    """
    from pipeline.sources.openimages.selecting.single_class import split_classes  # noqa: PLC0415  (Arrow)

    split = split_classes(Path(given["input"]), label, subset, Path(out), replace=given["replace"])
    for each in split.classes:
        say(f"{each.rows}: {counted(each.count, 'row')} of {each.label}")
        say(f"{each.list}: {counted(each.images, 'image')}")
    if split.absent:
        say(f"left out: {counted(split.absent, 'row')} of Confidence 0, where the class is not")
    return 0
