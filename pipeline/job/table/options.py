"""Every option of every command, declared once.

The options of all commands of ``shardmill``, their ``--help`` and the manual page follow from this
table. So do the parameters of Luigi's roots, the job that is made of them, and the command line
that is printed for a job.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from pipeline.job.table import collecting, openimages, openimages_classes, openimages_download
from pipeline.job.table.doctor import DOCTOR_OPTIONS
from pipeline.job.table.exports import EXPORT_OPTIONS
from pipeline.job.table.fetch import FETCH_OPTIONS
from pipeline.job.table.im2rec import PACK_OPTIONS
from pipeline.job.table.images import IMAGE_OPTIONS
from pipeline.job.table.inputs import INPUT_OPTIONS, SELECTION_OPTIONS
from pipeline.job.table.messages import MESSAGE_OPTIONS
from pipeline.job.table.option import Option
from pipeline.job.table.outputs import OUTPUT_OPTIONS
from pipeline.job.table.own_data import OWN_DATA_OPTIONS
from pipeline.job.table.remote import REMOTE_OPTIONS
from pipeline.job.table.reshard import SHARDS_READ
from pipeline.job.table.run import RUN_OPTIONS
from pipeline.job.table.shards import SHARD_OPTIONS
from pipeline.job.table.show import SHOW_OPTIONS
from pipeline.job.table.telling import TELLING_OPTIONS
from pipeline.job.table.worker import WORKER_OPTIONS

OPTIONS: Final[tuple[Option, ...]] = (
    *(*SHARDS_READ, *INPUT_OPTIONS, *collecting.INPUT, *REMOTE_OPTIONS),
    *(*openimages.SELECTION, *SELECTION_OPTIONS, *openimages.IMAGES, *IMAGE_OPTIONS),
    *(*SHARD_OPTIONS, *collecting.SHARDS, *EXPORT_OPTIONS, *collecting.RUN, *RUN_OPTIONS),
    *PACK_OPTIONS,
    *FETCH_OPTIONS,
    *(*MESSAGE_OPTIONS, *TELLING_OPTIONS),
    *OWN_DATA_OPTIONS,
    *openimages_classes.OPTIONS,
    *openimages_download.OPTIONS,
    *OUTPUT_OPTIONS,
    *SHOW_OPTIONS,
    *DOCTOR_OPTIONS,
    *WORKER_OPTIONS,
)
"""All options, in the order of ``--help``."""


@cache
def options_of(command: str) -> tuple[Option, ...]:
    """Return the options of a command, in the order of ``--help``."""
    return tuple(option for option in OPTIONS if command in option.commands)
