"""The options that say which shards are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from pipeline.errors import UsageError
from pipeline.job.options import FORMATS, Job
from pipeline.job.table.group import Group, Kind
from pipeline.job.table.option import CATALOG, RESHARD, Option
from pipeline.job.table.values import check_words
from pipeline.shards import foreign

if TYPE_CHECKING:
    from pipeline.sources.data_set import DataSet


def _source_format(job: Job, dataset: DataSet, names: Sequence[str]) -> Iterator[UsageError]:
    del dataset, names
    if job.source_format:
        check_words("--from", [job.source_format], FORMATS)
        foreign.check_read(job.source_format)
    yield from ()


SHARDS_READ: Final = (
    Option(
        flag="--source",
        kind=Kind.PATH,
        group=Group.INPUT,
        help="Folder of TFRecord, RecordIO, WebDataset, Parquet or MDS shards of any program, or of"
        " zips, a pattern of such files in quotes, one of them, or the output folder of another"
        " command; or their s3:// address.",
        commands=(RESHARD,),
        field="images",
        metavar="SHARDS_OR_OUT",
        required=True,
        positional=True,
        anywhere=True,
        digests=CATALOG,
    ),
    Option(
        flag="--from",
        kind=Kind.TEXT,
        group=Group.INPUT,
        help="Of an output folder, the format whose shards are read, such as webdataset; default:"
        " the first that is there.",
        commands=(RESHARD,),
        field="source_format",
        default=Job.source_format,
        metavar="FORMAT",
        refusals=_source_format,
    ),
)
