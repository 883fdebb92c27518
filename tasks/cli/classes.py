"""``shardmill classes``: names, ids and numbers of classes, of Open Images or of a label table."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from pipeline.errors import InputRefused, RemoteUnavailable, UsageError
from pipeline.job.table.option import CLASSES, OPEN, SET
from pipeline.job.table.options import options_of
from pipeline.quantities import counted
from tasks.cli.grouping import GroupedCommand
from tasks.cli.options import parameters
from tasks.cli.saying import say

if TYPE_CHECKING:
    from pipeline.sources.ilsvrc2012.numbered_classes import NumberedClass
    from pipeline.sources.openimages.selecting.class_lookup import KnownClass, SplitCounts

EXAMPLES: Final = (
    "shardmill classes gun",
    "shardmill classes gun --dataset imagenet",
    "shardmill classes /m/01dws --raw RAW --counts --offline",
)


@click.command(cls=GroupedCommand, params=parameters(options_of(CLASSES)), examples=EXAMPLES)
def classes(
    words: str,
    dataset: str | None,
    raw: str,
    config: str,
    label_offset: int | None,
    *,
    counts: bool,
    offline: bool,
) -> int:
    """Find classes by words of their names, ids or numbers, and say what is known of each.

    Of Open Images that is the MID, which commands and files know a class by; what each version
    calls it, where names have changed; the classes that it is a kind of, and its own kinds;
    whether it has masks. Of ILSVRC2012, and of each set with a configuration of its form, it is
    the WNID or other id, and the number of the class in every convention: from 0, from 1 as in
    TFRecord, as the publishers number it, and with --label-offset.
    """
    given = {"--raw": bool(raw), "--counts": counts, "--offline": offline}
    if (dataset or _dataset_of(words, config, of_open_images=any(given.values()))) == SET:
        if meaningless := [flag for flag, is_given in given.items() if is_given]:
            raise UsageError(f"{', '.join(meaningless)}: of Open Images only")
        _say_numbered(words, config, label_offset)
        return 0
    if label_offset is not None:
        raise UsageError("--label-offset: of ILSVRC2012 and sets of its form only")
    try:
        _say_known(words, raw, config, counts=counts, offline=offline)
    except (InputRefused, RemoteUnavailable) as error:
        if dataset or config or raw or counts:
            raise
        here = f"shardmill classes {shlex.quote(words)} --dataset {SET}"
        other = f"the classes of ILSVRC2012 are on this machine: {here}"
        remedy = f"{error.remedy}; {other}"
        raise error.altered(remedy=remedy) from error
    return 0


def _dataset_of(words: str, config: str, *, of_open_images: bool) -> str:
    """Return the data set that is meant where none is named."""
    from pipeline.sources.ilsvrc2012 import numbered_classes  # noqa: PLC0415 - not for --help

    if config:
        return SET if numbered_classes.is_configuration(Path(config)) else OPEN
    return SET if numbered_classes.is_id_or_number(words) and not of_open_images else OPEN


def _say_numbered(words: str, config: str, label_offset: int | None) -> None:
    from pipeline.job.build import default_config  # noqa: PLC0415
    from pipeline.sources.ilsvrc2012 import numbered_classes  # noqa: PLC0415

    table = numbered_classes.table_of(Path(config or default_config()))
    for each in numbered_classes.find(words, table, label_offset):
        for line in _numbered(each, label_offset):
            say(line)


def _numbered(known: NumberedClass, label_offset: int | None) -> Iterator[str]:
    yield f"{known.class_id} {known.words}"
    details = {
        "from 0": f"{known.index}, as torchvision, MXNet and tfds count",
        "from 1": f"{known.index + 1}, as in TFRecord, where 0 is the background",
    }
    if label_offset is not None:
        details["offset"] = f"{known.index + label_offset}, with --label-offset {label_offset}"
    for name, text in known.columns.items():
        less = f", or {int(text) - 1} where that is counted from 0" if known.is_number(name) else ""
        details[name] = f"{text}{less}"
    yield from _table(details)


def _say_known(words: str, raw: str, config: str, *, counts: bool, offline: bool) -> None:
    from pipeline.sources.openimages.config import load  # noqa: PLC0415
    from pipeline.sources.openimages.selecting import class_lookup  # noqa: PLC0415 - Arrow

    known = class_lookup.find(
        words,
        load(Path(config) if config else None),
        Path(raw) if raw else class_lookup.default_raw(),
        counted=counts,
        offline=offline,
        say=lambda text: say(text, err=True),
    )
    for each in known:
        for line in _lines(each):
            say(line)


def _lines(known: KnownClass) -> Iterator[str]:
    yield f"{known.name} ({known.mid})"
    details = {
        "names": "; ".join(f"{version} {name}" for version, name in known.names.items()),
        "kind of": ", ".join(known.parents),
        "kinds": ", ".join(known.children),
        "masks": "" if known.has_masks else "none",
        **{name: _counted(split) for name, split in known.splits.items()},
    }
    yield from _table({name: text for name, text in details.items() if text})


def _counted(split: SplitCounts) -> str:
    texts = [
        counted(number, noun)
        for number, noun in (
            (split.images, "image"),
            (split.boxes, "box"),
            (split.masks, "mask"),
        )
        if number is not None
    ]
    return ", ".join(texts) or "not counted: its CSV files are not in RAW"


def _table(details: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each detail, all texts in one column."""
    width = max(map(len, details), default=0)
    for name, text in details.items():
        yield f"  {name + ':':<{width + 1}} {text}"
