"""What a split must hold, as its configuration says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.catalog.classes import LabelTable
from pipeline.errors import ConfigError, abbreviate
from pipeline.sources.ilsvrc2012 import label_files as labels
from pipeline.sources.ilsvrc2012.dataset import SplitConfig
from pipeline.sources.source import Expected


@dataclass(frozen=True)
class Expectation(Expected):
    """What a split must hold: images per WNID, and which of them are which.

    Attributes:
        numbered: flat splits only: the WNID of each image number, 1 first.
        consecutive: flat splits only: each number once, and no other.
        left_out: numbers of images that are not wanted.
    """

    numbered: tuple[str, ...] = ()
    consecutive: bool = False
    left_out: frozenset[int] = frozenset()


def expectation(
    split: SplitConfig,
    table: LabelTable,
    classes: tuple[str, ...] | None,
    *,
    skip_blacklisted: bool = False,
) -> Expectation:
    """Return what the configuration expects of a split, reduced to what is wanted.

    Raises:
        ConfigError: the label list is shorter than `images`, more images of a class are to be left
            out than are counted, or a file of counts or numbers is malformed.
    """
    images = split.images or 0
    numbered = labels.load_list(split.labels, table) if split.labels else ("",) * images
    left_out: frozenset[int] = frozenset()
    if skip_blacklisted and split.blacklist is not None:
        left_out = labels.load_numbers(split.blacklist, len(numbered))
    if split.counted is not None:
        counts = Counter(dict(split.counted))
    elif split.counts is not None:
        counts = Counter(labels.load_counts(split.counts, table))
    else:
        _check_labels(split, numbered, images)
        counts = Counter(numbered[:images])
    counts.subtract(numbered[number - 1] for number in left_out)
    _check_left_out(split, counts)
    if classes is not None:
        chosen = set(classes)
        counts = Counter({wnid: count for wnid, count in counts.items() if wnid in chosen})
    return Expectation(dict(+counts), numbered, split.images is not None, left_out)


def _check_labels(split: SplitConfig, numbered: tuple[str, ...], images: int) -> None:
    if len(numbered) < images:
        raise ConfigError(
            f"split {split.name}: too few labels",
            file=str(split.labels),
            expected=f"{images} lines",
            found=f"{len(numbered)} lines",
        )


def _check_left_out(split: SplitConfig, counts: Mapping[str, int]) -> None:
    short = sorted(wnid for wnid, count in counts.items() if count < 0)
    if short:
        counted = split.counts or split.archive
        raise ConfigError(
            f"split {split.name}: the blacklist names more images of a class than there are",
            file=str(split.blacklist),
            expected=f"images of the split, which are among those of {counted}",
            found=abbreviate(f"{wnid} {-counts[wnid]} too many" for wnid in short),
            remedy="remove the lines of images that are not there, or leave --skip-blacklisted out",
        )


def unused(split: SplitConfig, expected: Expectation, classes: tuple[str, ...] | None) -> list[str]:
    """Return for people which lines of labels and choices of classes have no image.

    Args:
        split: its configuration.
        expected: what it holds.
        classes: the chosen WNIDs; None: all.
    """
    lines = []
    empty = [wnid for wnid in classes or () if wnid not in expected.counts]
    if empty:
        count = f"{len(empty):,} of {len(classes or ()):,} chosen classes"
        lines.append(f"{count} have no image here: {abbreviate(empty)}")
    held = expected.images + len(expected.left_out)
    if split.labels is not None and classes is None and held < len(expected.numbered):
        count = f"{len(expected.numbered) - held:,} of {len(expected.numbered):,} lines"
        lines.append(f"{count} of {split.labels.name} are of no image here")
    return lines
