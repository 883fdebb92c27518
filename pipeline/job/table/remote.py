"""The options that say how places in stores and on web servers are reached; they decide no byte."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from pipeline.errors import UsageError
from pipeline.job.table.group import Group, Kind
from pipeline.job.table.option import (
    CLEAN,
    COMMANDS,
    DOCTOR,
    LIST,
    REPORT,
    RESHARD,
    SET,
    SHOW,
    STATUS,
    VERIFY,
    WHERE,
    WORKER,
    Option,
    Refusals,
    refuses_nothing,
)
from pipeline.storage.location import is_address
from pipeline.storage.remote_options import DEFAULT, MOST_IN_FLIGHT, NOT_STAGED
from pipeline.storage.s3.settings import ADDRESSING, CHECKSUMS

if TYPE_CHECKING:
    from pipeline.job.options import Job
    from pipeline.sources.data_set import DataSet


_OF_OUTPUTS: Final = (STATUS, VERIFY, CLEAN, WHERE, SHOW, REPORT, DOCTOR, WORKER)


def _option(
    flag: str,
    kind: Kind,
    text: str,
    *,
    metavar: str = "",
    choices: tuple[str, ...] = (),
    most: int | None = None,
    commands: tuple[str, ...] = (*COMMANDS, *_OF_OUTPUTS),
    refusals: Refusals = refuses_nothing,
) -> Option:
    name = flag.removeprefix("--").replace("-", "_")
    return Option(
        flag=flag,
        kind=kind,
        group=Group.INPUT,
        help=text,
        commands=commands,
        field=name,
        default=getattr(DEFAULT, name),
        choices=choices,
        least=1 if most else None,
        most=most,
        metavar=metavar,
        refusals=refusals,
    )


def _stage(job: Job, dataset: DataSet, names: Sequence[str]) -> Iterator[UsageError]:
    del dataset, names
    if job.remote.stage and not is_address(job.raw):
        yield UsageError(
            "--stage: there is nothing to copy, for the archives are not at an address",
            expected="--raw s3://…, http://… or https://…",
            found=f"--raw {job.raw}" if job.raw else "no --raw",
        )


_BY_AWS: Final = "default: what AWS's variables and files say"

REMOTE_OPTIONS: Final = (
    _option("--s3-endpoint", Kind.TEXT, f"Address of the S3 store; {_BY_AWS}.", metavar="URL"),
    _option("--s3-region", Kind.TEXT, f"Region of the S3 store; {_BY_AWS}.", metavar="NAME"),
    _option("--s3-profile", Kind.TEXT, "Section of AWS's files that has the keys.", metavar="NAME"),
    _option(
        "--s3-unsigned",
        Kind.SWITCH,
        "Send no keys, as to a public bucket.",
        commands=(SET, LIST, RESHARD, *_OF_OUTPUTS),
    ),
    _option(
        "--s3-addressing",
        Kind.CHOICE,
        "Whether the bucket stands in the path or in the host name; default: boto3 decides.",
        choices=ADDRESSING,
    ),
    _option(
        "--s3-checksums",
        Kind.CHOICE,
        "When checksums are sent and asked for, beside the MD5 of each upload; default:"
        " when_required, since several stores refuse others.",
        choices=CHECKSUMS,
    ),
    _option(
        "--in-flight",
        Kind.NUMBER,
        "Requests of a worker that are under way at a time.",
        metavar="N",
        most=MOST_IN_FLIGHT,
    ),
    _option(
        "--scratch",
        Kind.PATH,
        "Folder of this host for files on their way; default: one below your cache.",
        metavar="DIR",
    ),
    _option(
        "--stage",
        Kind.PATH,
        "Folder that archives of a store or web server are copied into, each once, to be read"
        f" there; {NOT_STAGED}: read ranges of them; default: a folder in that of --scratch, if"
        " there is room.",
        metavar="DIR",
        choices=(NOT_STAGED,),
        commands=(SET,),
        refusals=_stage,
    ),
)
