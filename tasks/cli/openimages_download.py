"""``shardmill openimages-download``: the images of a list, as the official downloader takes it."""

from __future__ import annotations

from typing import Any, Final

import click

from pipeline.job.table.option import DOWNLOAD
from pipeline.job.table.options import options_of
from tasks.cli.grouping import GroupedCommand
from tasks.cli.options import parameters

EXAMPLES: Final = (
    "shardmill openimages-download LIST --download_folder=DIR --num_processes=5",
    "shardmill openimages-download LIST --download_folder=DIR --bucket s3://open-images-dataset",
    "shardmill openimages-download LIST --bucket https://HOST/FOLDER --tries 20 --check-pixels",
)


@click.command(cls=GroupedCommand, params=parameters(options_of(DOWNLOAD)), examples=EXAMPLES)
def openimages_download(**given: Any) -> int:
    """Download the images of a list into a folder, each verified before it gets its name.

    The whole list is looked through before anything is asked for. An image that is not there is no
    end of the others: it is named in failures/SPLIT.csv in DIR, and failures/SPLIT.txt is a list of
    those alone. The same command goes on where it was, and asks for no image that has come.

    Exit status 4 when images are left that the bucket does not have or that are bad, 1 when there
    was no answer for some.
    """
    from tasks.cli import openimages_download_report  # noqa: PLC0415 - Arrow: not for --help

    return openimages_download_report.download_all(given)
