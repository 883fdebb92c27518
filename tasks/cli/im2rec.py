"""``shardmill im2rec``: MXNet's im2rec.py and im2rec.cc, by their own command lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click
from click.core import ParameterSource

from pipeline.catalog import class_table as classtable
from pipeline.errors import UsageError
from pipeline.formats.recordio.header import LabelForm
from pipeline.im2rec.assignments import Assignments
from pipeline.im2rec.job import PackJob, encode_spec, pass_through_spec
from pipeline.im2rec.lists import find_lists, make_lists
from pipeline.im2rec.pack import pack
from pipeline.im2rec.result import Packed
from pipeline.images.transforms import CenterCrop, Resize, Transform
from pipeline.job.table.im2rec import PACK_OPTIONS
from pipeline.quantities import counted
from pipeline.sources.imagelist.folder import EXTENSIONS, SEED, Division, folder_lines
from tasks.cli import listreport
from tasks.cli.grouping import GroupedArgument
from tasks.cli.im2rec_report import progress, report
from tasks.cli.im2recwords import Im2recCommand
from tasks.cli.options import parameters, processes
from tasks.cli.paramtypes import LOCAL_PATH
from tasks.cli.saying import say

_LISTING = ("exts", "chunks", "train_ratio", "test_ratio", "recursive", "no_shuffle", "classes")
_ENCODING = ("resize", "center_crop", "quality", "color", "encoding", "filter")
_PACKING = ("pass_through", "pack_label", *_ENCODING)
_PAIR = 2  # words: PREFIX and ROOT
_OURS = ("engine", "orientation", "transcode", "max_pixels", "error_limit", "num_thread")

EXAMPLES: Final = (
    "shardmill im2rec --list --recursive PREFIX ROOT",
    "shardmill im2rec PREFIX ROOT --resize 256 --num-thread 4",
    "shardmill im2rec image.lst ROOT/ out.rec resize=256",
)


_WORDS: Final = GroupedArgument(
    ["words"],
    nargs=-1,
    type=LOCAL_PATH,
    metavar="PREFIX ROOT | LIST ROOT OUT [KEY=VALUE]...",
    text="What the paths of lists begin with, and the folder of the images, as for im2rec.py; or,"
    " as for im2rec.cc, a list, that folder, the file to write, and options such as resize=256.",
)


@click.command(cls=Im2recCommand, params=[_WORDS, *parameters(PACK_OPTIONS)], examples=EXAMPLES)
@click.pass_context
def im2rec(ctx: click.Context, /, words: tuple[str, ...], **options: Any) -> int:
    """Pack images and labels into RecordIO, as MXNet's im2rec.py and im2rec.cc do.

    \b
    im2rec --list PREFIX ROOT      makes PREFIX.lst of the images in ROOT
                                   (--recursive: and PREFIX.classes.tsv)
    im2rec PREFIX ROOT             packs every list whose path begins with PREFIX
    im2rec LIST ROOT OUT resize=256 label_width=4 ...     as im2rec.cc: LIST into OUT

    Exit status 4 when images were left out, as --error-limit allows.
    """  # noqa: D301 - click's \b is a real backspace
    given = {
        name
        for name in options
        if ctx.get_parameter_source(name) not in {ParameterSource.DEFAULT, None}
    }
    if len(words) < _PAIR:
        raise click.UsageError("PREFIX and ROOT are needed, or LIST, ROOT and OUT")
    if options["list"]:
        return _make_lists(words, given, options)
    forms = _from_assignments if len(words) > _PAIR else _from_prefix
    return max(report(_packed(job)) for job in forms(words, given, options))


def _packed(job: PackJob) -> Packed:
    with progress(job.listing.name) as tell:
        return pack(job, tell)


def _make_lists(words: tuple[str, ...], given: set[str], options: dict[str, Any]) -> int:
    if len(words) > _PAIR:
        raise click.UsageError(f"--list takes PREFIX and ROOT; not {words[2]}")
    _say_ignored(given.intersection((*_PACKING, *_OURS)))
    division = Division(
        options["chunks"],
        options["train_ratio"],
        options["test_ratio"],
        None if options["no_shuffle"] else SEED,
    )
    prefix, root = words
    if options["classes"] and not options["recursive"]:
        raise click.UsageError("--classes says the labels of class folders: say --recursive, too")
    made = make_lists(
        prefix,
        Path(root),
        options["exts"] or EXTENSIONS,
        division,
        recursive=options["recursive"],
        table=classtable.read(Path(options["classes"])) if options["classes"] else None,
    )
    listing = made.listing
    for line in folder_lines(listing).split("\n")[:-1]:
        say(line)
    if listing.classes is not None:
        listreport.classes(prefix, listing.classes)
    if listing.ignored:
        first = listing.first_ignored
        say(f"passed over: {counted(listing.ignored, 'file')}, e.g. {first}", err=True)
    if listing.clutter.count:
        say(f"passed over: {listing.clutter}", err=True)
    listreport.lists(made, division)
    return 0


def _from_prefix(words: tuple[str, ...], given: set[str], options: dict[str, Any]) -> list[PackJob]:
    """Return the jobs of im2rec.py's command line."""
    ignored = _ENCODING if options["pass_through"] else ("transcode",)
    _say_ignored(given.intersection((*_LISTING, *ignored)))
    own = {name: options[name] for name in ("orientation", "max_pixels")}
    crop = (CenterCrop(),) if options["center_crop"] else ()
    transforms: tuple[Transform, ...] = crop
    if options["resize"]:
        transforms = (*crop, Resize(options["resize"], filter=options["filter"]))
    if options["pass_through"]:
        spec = pass_through_spec(transcode=options["transcode"], **own)
    else:
        chosen = {name: options[name] for name in ("color", "encoding", "quality")}
        spec = encode_spec(transforms, **chosen, **own)
    return [
        PackJob(
            listing=path,
            root=Path(words[1]).absolute(),
            output=path.with_suffix(".rec"),
            spec=spec,
            pass_through=options["pass_through"],
            labels=LabelForm.PYTHON if options["pack_label"] else None,
            **_common(options),
        )
        for path in find_lists(words[0])
    ]


def _from_assignments(
    words: tuple[str, ...], given: set[str], options: dict[str, Any]
) -> list[PackJob]:
    """Return the job of im2rec.cc's command line."""
    foreign = sorted(given.intersection((*_LISTING, *_PACKING)))
    if foreign:
        raise click.UsageError(f"{_option(foreign[0])} does not go with OUT: say it as KEY=VALUE")
    if words[2].rpartition("/")[2] in {"", ".", ".."}:
        raise UsageError(
            "this is the path of a folder, and the output needs a name",
            file=words[2],
            expected="the name of a file, such as OUT.rec",
            remedy=f"say {Path(words[2], 'train.rec')}, for example",
        )
    listing, root, output = (Path(word).absolute() for word in words[:3])
    assignments = Assignments.parse(words[3:])
    for word in assignments.ignored_options():
        say(f"{word} has no effect here", err=True)
    own = {name: options[name] for name in ("orientation", "transcode", "max_pixels")}
    # im2rec.cc puts ROOT in front of a name, whatever that begins with.
    own["below_root"] = words[1] != ""
    return [assignments.job(listing, root, output, **own, **_common(options))]


def _common(options: dict[str, Any]) -> dict[str, Any]:
    return {
        "engine": options["engine"],
        "error_limit": options["error_limit"],
        "threads": processes(options["num_thread"]),
    }


def _say_ignored(names: set[str]) -> None:
    for name in sorted(names):
        say(f"{_option(name)} has no effect here", err=True)


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
