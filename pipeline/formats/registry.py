"""Every shard format, a line each; nothing else of the program names one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from pipeline.formats.arrayrecord.format import ArrayRecord
from pipeline.formats.base import ShardFormat
from pipeline.formats.facts.format import Facts
from pipeline.formats.hfparquet.format import HuggingFaceParquet
from pipeline.formats.mds.format import Mds
from pipeline.formats.recordio.format import RecordIO
from pipeline.formats.tfrecord.format import TFRecord
from pipeline.formats.webdataset.format import WebDataset

_EVERY: Final = (
    TFRecord(),
    RecordIO(),
    WebDataset(),
    HuggingFaceParquet(),
    Mds(),
    ArrayRecord(),
    Facts(),
)

DEFAULT: Final = _EVERY[0].name
"""The format of those who name none."""
ALL: Final[Mapping[str, ShardFormat]] = {each.name: each for each in _EVERY}
"""Everything that is made in the way of shards, by its name."""
FORMATS: Final[Mapping[str, ShardFormat]] = {
    name: each for name, each in ALL.items() if each.holds_images
}
"""Every format of shards by its name."""
FACTS: Final = next(name for name in ALL if name not in FORMATS)
"""The name of the format of those who want no shards."""


def titles(option: str) -> str:
    """Return what people call the formats that take an option, see `ShardFormat.takes`."""
    return ", ".join(each.title for each in FORMATS.values() if option in each.takes)


def without_meaning(formats: Iterable[str], given: Iterable[str]) -> Iterator[str]:
    """Yield why options that some formats take mean nothing to those that are chosen.

    Args:
        formats: the names of the chosen ones.
        given: options, see `ShardFormat.takes`.
    """
    chosen, asked = set(formats), set(given)
    takers: dict[tuple[str, ...], list[str]] = {}
    for option in dict.fromkeys(option for each in ALL.values() for option in each.takes):
        names = tuple(each.name for each in ALL.values() if option in each.takes)
        takers.setdefault(names, []).append(option)
    for names, options in takers.items():
        said = [option for option in options if option in asked]
        if said and chosen.isdisjoint(names):
            what = f"{' and '.join(said)} {'has' if len(said) == 1 else 'have'} a meaning"
            yield f"{what} with --format {' or '.join(names)} only"


def of_any_label_width() -> str:
    """Return the names of the formats that hold any number of labels, as a person is told them."""
    return " or ".join(each.name for each in FORMATS.values() if not each.one_label_width)


def is_cut(key: str, suffix: str) -> bool:
    """Whether a key is too long to be the name of its record in a format, see `ShardFormat`."""
    return any(each.is_cut(key, suffix) for each in ALL.values() if each.cuts_names)
