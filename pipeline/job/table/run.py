"""The options that say how far a command goes, and how it is run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from pipeline.errors import UsageError
from pipeline.job.options import READ_ORDERS, STEPS, VERIFY, Job
from pipeline.job.table.common import WORKERS
from pipeline.job.table.group import Group, Kind
from pipeline.job.table.option import COMMANDS, LIST, RESHARD, SET, Option
from pipeline.storage.location import is_address

if TYPE_CHECKING:
    from pipeline.sources.data_set import DataSet

STEPS_OF: Final[Mapping[str, tuple[str, ...]]] = {
    SET: STEPS,
    LIST: STEPS[-3:],
    RESHARD: STEPS[-3:],
}
"""The steps that each command can stop after, in the order of making."""


def _append(job: Job, dataset: DataSet, names: Sequence[str]) -> Iterator[UsageError]:
    """Refuse to append where no shards are asked for."""
    del dataset, names
    if job.append and not job.wants("plan", "shards"):
        yield UsageError(
            "--append adds to shards, and none are asked for",
            remedy="leave out --append, or --until extract",
        )


def _read_order(job: Job, dataset: DataSet, names: Sequence[str]) -> Iterator[UsageError]:
    """Refuse to read archives in their own order where that is not what is done."""
    del dataset, names
    if job.read_order != "archive":
        return
    places = {"--out": job.out, "--raw": job.raw}
    remote = ", ".join(flag for flag, place in places.items() if is_address(place))
    whys = {
        "no archive is read where --tree is given": bool(job.tree),
        f"archives and sorted segments lie on this machine, and {remote} does not": bool(remote),
        "no shards are asked for": not job.wants("shards"),
        "other commands write the shards that --until plan asks for": job.wants("plan"),
        "--verify beside has shards written before an archive is read": job.verify == "beside",
        "--stage has archives copied before they are read": bool(job.remote.stage_folder),
    }
    for why in (why for why, is_so in whys.items() if is_so):
        yield UsageError(
            f"--read-order archive has no effect here: {why}",
            remedy="leave out --read-order, or what contradicts it",
        )


RUN_OPTIONS: Final = (
    Option(
        flag="--until",
        kind=Kind.CHOICE,
        group=Group.RUN,
        help="Stop after this step: archives verified, boxes read, lists written, class folders"
        " extracted, all but shards made, shards made.",
        commands=(SET,),
        field="steps",
        default=STEPS[-1],
        choices=STEPS_OF[SET],
    ),
    Option(
        flag="--until",
        kind=Kind.CHOICE,
        group=Group.RUN,
        help="Stop after this step: class folders extracted, all but shards made, shards made.",
        commands=(LIST, RESHARD),
        field="steps",
        default=STEPS[-1],
        choices=STEPS_OF[LIST],
    ),
    Option(
        flag="--replace",
        kind=Kind.SWITCH,
        group=Group.RUN,
        help="Replace boxes, lists, trees and exports that a command with other options made.",
        commands=(SET,),
        field="replace",
        default=Job.replace,
    ),
    Option(
        flag="--replace",
        kind=Kind.SWITCH,
        group=Group.RUN,
        help="Let the name of the shards go over from another list or folder to this one, and"
        " replace class folders and exports that a command with other options made.",
        commands=(LIST, RESHARD),
        field="replace",
        default=Job.replace,
    ),
    Option(
        flag="--update",
        kind=Kind.SWITCH,
        group=Group.RUN,
        help="Make anew what follows from inputs that have changed (an archive, a list, a folder),"
        " without --replace; other options still need that.",
        commands=(SET, LIST, RESHARD),
        field="update",
        default=Job.update,
    ),
    Option(
        flag="--verify",
        kind=Kind.CHOICE,
        group=Group.RUN,
        help="When the MD5 of an archive is computed: before anything is made of it, beside the"
        " shards, which then count as done when it is right, or auto: beside where that is quicker,"
        " with two workers or more, and archives of 256 MiB or more on a disk that reads at random"
        " quickly.",
        commands=(SET,),
        field="verify",
        default=Job.verify,
        choices=VERIFY,
    ),
    Option(
        flag="--read-order",
        kind=Kind.CHOICE,
        group=Group.RUN,
        help="How images are read from archives: as shards need them; or archives front to back, a"
        " segment at a time, whose images are sorted by shard in OUT until the shards are there,"
        " so that a disk need not seek for each image; or auto: the latter for an archive on a"
        " rotational disk that is larger than half of the memory, where there is room.",
        commands=(SET,),
        field="read_order",
        default=Job.read_order,
        choices=READ_ORDERS,
        refusals=_read_order,
    ),
    Option(
        flag="--segment-size",
        kind=Kind.NUMBER,
        group=Group.RUN,
        help="How much of an archive is held in memory and sorted at once where archives are read"
        " in their own order; default: 2147483648, 2 GiB.",
        commands=(SET,),
        field="segment_bytes",
        default=Job.segment_bytes,
        least=1 << 12,
        metavar="BYTES",
    ),
    Option(
        flag="--append",
        kind=Kind.SWITCH,
        group=Group.RUN,
        help="Keep the shards of the finished output, and write new images into shards of their own"
        " beside them; a shard of which an image changed or is gone is written again.",
        commands=(LIST, RESHARD),
        field="append",
        default=Job.append,
        refusals=_append,
    ),
    Option(
        flag="--part",
        kind=Kind.TEXT,
        group=Group.RUN,
        help="Write the shards whose number is I modulo N, with I from 0, then what is missing of"
        " others; auto: as the array of Slurm, AWS Batch or Kubernetes says. --until plan comes"
        " before, the same command without --part after.",
        commands=COMMANDS,
        default="",
        metavar="I/N|auto",
    ),
    Option(
        flag="--cluster",
        kind=Kind.TEXT,
        group=Group.RUN,
        help="Have the shards written by the workers of a Dask cluster, which see OUT and the"
        " images by the same paths: where its scheduler is. Everything else is made here."
        " --engine with an address is the same.",
        commands=COMMANDS,
        default="",
        metavar="dask://HOST:PORT",
    ),
    WORKERS,
    Option(
        flag="--scheduler-host",
        kind=Kind.TEXT,
        group=Group.RUN,
        help="luigid through which several hosts share the work; default port 8082.",
        commands=COMMANDS,
        default="",
        metavar="HOST[:PORT]",
    ),
    Option(
        flag="--no-overlap",
        kind=Kind.SWITCH,
        group=Group.RUN,
        help="Do nothing, and end with status 10, while another command works on OUT.",
        commands=COMMANDS,
        default=False,
    ),
    Option(
        flag="--keep-runs",
        kind=Kind.NUMBER,
        group=Group.RUN,
        help="If the command completes, remove the logs of commands that ended here, but those of"
        " the last N; default: keep all.",
        commands=COMMANDS,
        least=1,
        metavar="N",
    ),
    Option(
        flag="--dry-run",
        kind=Kind.SWITCH,
        group=Group.RUN,
        help="Say what would be done, and do nothing. Of images that an earlier run has looked at,"
        " only their list or folders are looked at.",
        commands=COMMANDS,
        default=False,
    ),
)
