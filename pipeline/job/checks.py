"""What the options of a job may be, alone and together: each says so in its row of the table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pipeline.errors import UsageError
from pipeline.formats import registry as shardformats
from pipeline.formats.base import LABELS
from pipeline.formats.registry import ALL
from pipeline.job import exports as exportjob
from pipeline.job.options import STEPS, Job
from pipeline.job.split import SplitJob
from pipeline.job.table.group import Kind
from pipeline.job.table.option import COMMANDS
from pipeline.job.table.options import OPTIONS
from pipeline.job.table.values import check_words
from pipeline.sources.data_set import DataSet

_OTHERWISE: Final = {"steps", "formats"}
"""Fields of a job that hold other words than those that are given on the command line."""


def check_options(job: Job, dataset: DataSet, names: tuple[str, ...]) -> None:
    """Check each option by itself and beside the others: as its row, format and export say.

    Args:
        job: the job.
        dataset: its data set.
        names: of the chosen splits.

    Raises:
        UsageError: an option has a value that means nothing, or contradicts another.
    """
    check_words("steps", job.steps, STEPS)
    options = [option for option in OPTIONS if set(COMMANDS).intersection(option.commands)]
    for option in options:
        if option.kind is Kind.CHOICE and option.field not in _OTHERWISE:
            value = option.value_in(job)
            given = value if option.repeats else [value]
            # What one command takes and another does not is said by their refusals.
            rows = [each for each in options if each.field == option.field]
            known = dict.fromkeys(word for each in rows for word in each.choices)
            check_words(option.flag, [word for word in given if word is not None], list(known))
    for option in options:
        for refusal in option.refusals(job, dataset, names):
            raise refusal
    exportjob.check(job, dataset, names)


def check_detection(job: Job, splits: Mapping[str, SplitJob]) -> None:
    """Check that splits whose labels are to be made of bounding boxes have some.

    Raises:
        UsageError: one has none.
    """
    without = [name for name, split in splits.items() if not split.source.has_boxes]
    if job.labels != LABELS[0] and job.wants("plan", "shards") and without:
        raise UsageError(
            f"--labels detection: no bounding boxes are read for the split {', '.join(without)}",
            expected="boxes in every split",
            remedy="name their archive with --with, or choose other splits with --split",
        )


def check_label_widths(job: Job, splits: Mapping[str, SplitJob]) -> None:
    """Check that the formats can hold as many labels as the images have.

    Raises:
        BadAnnotation: one cannot.
    """
    for split in splits.values():
        widths = split.source.label_widths
        if job.labels != LABELS[0]:  # those are made of the boxes
            continue
        if widths is not None and any(ALL[name].one_label_width for name in job.formats):
            others = shardformats.of_any_label_width()
            otherwise = f"say --format {others}, which hold any number of labels"
            widths.check(job.images, otherwise)
