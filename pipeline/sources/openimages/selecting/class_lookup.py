"""What is known of classes by their names: MIDs, names of every version, parents and children."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.annotations.openimages import changed_names, classes, hierarchy
from pipeline.annotations.openimages.classes import ClassNames
from pipeline.errors import UsageError
from pipeline.sources.openimages import published
from pipeline.sources.openimages.config import OpenImagesConfig, SplitFiles
from pipeline.sources.openimages.file_table import PublishedFile
from pipeline.sources.openimages.selecting.class_counts import counts
from pipeline.storage.local import userfolders

Say = Callable[[str], None]

_OLDEST: Final = changed_names.VERSIONS[0]


@dataclass(frozen=True)
class SplitCounts:
    """How often a split shows a class; None: its CSV file is not there.

    Attributes:
        images: with at least one box of it.
        boxes: of it.
        masks: of it.
    """

    images: int | None
    boxes: int | None
    masks: int | None


@dataclass(frozen=True)
class KnownClass:
    """A class.

    Attributes:
        mid: its MID.
        name: in the version that is taken where none is chosen.
        names: what each version calls it, where they differ; else empty.
        parents: names and MIDs of the classes that it is a kind of.
        children: names and MIDs of its kinds.
        has_masks: whether any image has a mask of it.
        splits: how often each split shows it; empty: that was not asked for.
    """

    mid: str
    name: str
    names: Mapping[str, str]
    parents: tuple[str, ...]
    children: tuple[str, ...]
    has_masks: bool
    splits: Mapping[str, SplitCounts]


def default_raw() -> Path:
    """Return the folder of published files that belongs to a user.

    Raises:
        UsageError: the user has no home folder.
    """
    return userfolders.cache("--raw RAW") / "openimages"


def find(
    words: str,
    config: OpenImagesConfig,
    raw: Path,
    *,
    counted: bool,
    offline: bool = False,
    say: Say = lambda _text: None,
) -> list[KnownClass]:
    """Return the classes whose name in some version, or MID, has all of some words.

    Args:
        words: such as ``gun``, ``Kitchen_&_dining_room_table`` or ``/m/0gxl3``.
        config: the published files.
        raw: where those lie that are read; small ones that are not there are fetched into it.
        counted: whether it is counted what each split has of them, in the CSV files of boxes and
            masks that are there.
        offline: fetch nothing.
        say: told what a person should know.

    Raises:
        UsageError: there is no such class; it lists those that are near.
        InputRefused: a file is not there and cannot be had, or is not what it should be.
    """

    def read(file: PublishedFile) -> Path:
        return published.fetch(file, raw, offline=offline, say=say).path

    default = config.version()
    if offline:
        files = [each.classes for each in config.versions.values()]
        published.check_all_there((*files, default.hierarchy, default.segmentation_classes), raw)
    versions = {name: classes.read(read(each.classes)) for name, each in config.versions.items()}
    own = versions[default.name]
    mids = list(dict.fromkeys(mid for names in versions.values() for mid in names.find(words)))
    if not mids:
        try:
            mids = [own.mid_of(words)]
        except UsageError as error:
            raise error.altered(remedy=_REMEDY) from error
    below = hierarchy.read(read(default.hierarchy))
    with_masks = {*classes.read_mids(read(default.segmentation_classes))}
    named = {mid: own.names.get(mid, next(_names(mid, versions))) for mid in mids}
    splits = [_split(each, raw, say) for each in config.splits.values()] if counted else []
    return [
        KnownClass(
            mid,
            name,
            _by_version(mid, versions),
            _described(own, below.parents.get(mid, ())),
            _described(own, below.children.get(mid, ())),
            mid in with_masks,
            {each.name: each.of(mid) for each in splits},
        )
        for mid, name in named.items()
    ]


_REMEDY: Final = "ask for fewer words, for a part of a word, or for a MID such as /m/0gxl3"


@dataclass(frozen=True)
class _Split:
    name: str
    boxes: Mapping[str, int] | None
    images: Mapping[str, int] | None
    masks: Mapping[str, int] | None

    def of(self, mid: str) -> SplitCounts:
        images, boxes, masks = (
            known.get(mid, 0) if known is not None else None
            for known in (self.images, self.boxes, self.masks)
        )
        return SplitCounts(images, boxes, masks)


def _split(files: SplitFiles, raw: Path, say: Say) -> _Split:
    boxes, masks = (
        published.find(file, raw) if file is not None else None
        for file in (files.boxes, files.masks)
    )
    of_boxes = counts(boxes, say) if boxes is not None else None
    of_masks = counts(masks, say) if masks is not None else None
    return _Split(
        files.name,
        of_boxes.rows if of_boxes else None,
        of_boxes.images if of_boxes else None,
        of_masks.rows if of_masks else None,
    )


def _names(mid: str, versions: Mapping[str, ClassNames]) -> Iterator[str]:
    return (names.names[mid] for names in versions.values() if mid in names.names)


def _by_version(mid: str, versions: Mapping[str, ClassNames]) -> dict[str, str]:
    """Return what each version calls a class, the oldest first; empty: all the same."""
    of_files = {name: names.names[mid] for name, names in versions.items() if mid in names.names}
    first = changed_names.CHANGED.get(mid, tuple(of_files.values()))[0]
    names = {_OLDEST.lower(): first, **of_files}
    return names if len(set(names.values())) > 1 else {}


def _described(own: ClassNames, mids: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{own.names[mid]} ({mid})" for mid in mids if mid in own.names)
