"""``shardmill classes``: names and MIDs of classes, what they are kinds of, how many there are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from pipeline.job.table.option import CLASSES
from pipeline.job.table.options import options_of
from pipeline.quantities import counted
from tasks.cli.grouping import GroupedCommand
from tasks.cli.options import parameters
from tasks.cli.saying import say

if TYPE_CHECKING:
    from pipeline.sources.openimages.selecting.class_lookup import KnownClass, SplitCounts

EXAMPLES: Final = (
    "shardmill classes gun",
    'shardmill classes "kitchen table" --raw RAW',
    "shardmill classes /m/01dws --raw RAW --counts --offline",
)


@click.command(cls=GroupedCommand, params=parameters(options_of(CLASSES)), examples=EXAMPLES)
def classes(words: str, dataset: str, raw: str, config: str, *, counts: bool, offline: bool) -> int:
    """Find classes by words of their names, and say what is known of each.

    That is its MID, which commands and files know it by; what each version calls it, where names
    have changed; the classes that it is a kind of, and its own kinds; whether it has masks.
    """
    from pipeline.sources.openimages.config import load  # noqa: PLC0415
    from pipeline.sources.openimages.selecting import class_lookup  # noqa: PLC0415  (Arrow: not for --help)

    del dataset  # there is one
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
    return 0


def _lines(known: KnownClass) -> Iterator[str]:
    yield f"{known.name} ({known.mid})"
    details = {
        "names": "; ".join(f"{version} {name}" for version, name in known.names.items()),
        "kind of": ", ".join(known.parents),
        "kinds": ", ".join(known.children),
        "masks": "" if known.has_masks else "none",
        **{name: _counted(split) for name, split in known.splits.items()},
    }
    for name, text in details.items():
        if text:
            yield f"  {name + ':':<12}{text}"


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
