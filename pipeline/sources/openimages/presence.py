"""Which of the images that were selected are there: what is read, left out or refused by that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np

from pipeline import storage
from pipeline.errors import InputRefused, TreeRefused, abbreviate
from pipeline.plaintext import Lines
from pipeline.quantities import counted, verb
from pipeline.sources.openimages import places
from pipeline.sources.openimages.collected import Collected
from pipeline.sources.openimages.images import image_rows
from pipeline.storage.local.fingerprints import FileStamps, path_hashes

RETRY: Final = "ask for them again with --retry-absent"
"""What to do for images that were left out."""
_SHOWN: Final = 10


def with_images(every: Mapping[str, Collected]) -> dict[str, Collected]:
    """Return the splits that have an image with a file.

    Raises:
        InputRefused: none has one.
    """
    there = {name: each for name, each in every.items() if each.there}
    if not there:
        count = sum(each.mark.images for each in every.values())
        raise InputRefused(
            f"none of the images of {abbreviate(every)} is there",
            file=abbreviate(str(places.failures(each.out, name)) for name, each in every.items()),
            expected=f"{count:,} images",
            found="none of them",
            remedy="look at the list of failures: is this the bucket of Open Images?",
        )
    return there


def of_empty(every: Mapping[str, Collected]) -> Iterator[str]:
    """Yield of which splits nothing is made, and why, a line each."""
    for name, each in every.items():
        if not each.mark.images:
            yield f"{name}: no image is selected: nothing is made of it"
        elif not each.there:
            outcomes = ", ".join(f"{count:,} {outcome}" for outcome, count in each.outcomes.items())
            yield (
                f"{name}: none of its {counted(each.mark.images, 'image')} is there ({outcomes}):"
                f" nothing is made of it; all are named in {places.failures(each.out, name)};"
                f" {RETRY}"
            )


def look(collected: Collected) -> FileStamps:
    """Look at each image of a split, and return how their files look.

    Raises:
        TreeRefused: a file is not there, or has another size than when it was collected.
    """
    hashes, stamps = [np.empty(0, np.uint64)], [np.empty(0, np.uint64)]
    for rows in collected.outcome_groups(["image_id", "outcome", "bytes"]):
        columns = (rows[name].to_pylist() for name in ("image_id", "outcome", "bytes"))
        expected = {
            collected.source(image_id): size if outcome in image_rows.THERE else -1
            for image_id, outcome, size in zip(*columns, strict=True)
        }
        looks = storage.file_stamps(collected.out, expected)
        for (path, size), (found, _) in zip(expected.items(), looks, strict=True):
            if size >= 0 and size != found:
                raise TreeRefused(
                    "an image is not as it was collected",
                    file=str(Path(str(collected.out), path)),
                    expected=f"{size:,} bytes",
                    found=f"{found:,} bytes" if found >= 0 else "no file",
                    remedy="run the same command again: it alone is fetched again",
                )
        hashes.append(path_hashes(list(expected)))
        absent = storage.ABSENT
        pairs = zip(expected.values(), looks, strict=True)
        each = [stamp if size >= 0 else absent for size, (_, stamp) in pairs]
        stamps.append(np.array(each, np.uint64))
    return FileStamps.of(np.concatenate(hashes), np.concatenate(stamps))


def check_all(every: Iterable[Collected]) -> None:
    """Check that each image has a file.

    Raises:
        InputRefused: some have none.
    """
    lacking = [each for each in every if each.absences]
    if not lacking:
        return
    count = sum(len(each.absences) for each in lacking)
    shown = list(_absences(lacking))[:_SHOWN]
    more = [f"and {count - len(shown):,} more"] if count > len(shown) else []
    raise InputRefused(
        f"{counted(count, 'image')} {verb(count, 'has', 'have')} no file",
        file=abbreviate(str(places.failures(each.out, each.split)) for each in lacking),
        place=Lines.of([*shown, *more]),
        remedy="leave them out with --on-bad-image skip, which fetches nothing again; or ask for"
        " them again with --retry-absent",
    )


def _absences(every: Iterable[Collected]) -> Iterator[str]:
    for each in every:
        for image_id, reason in each.absences.items():
            yield f"{each.split}/{image_id}: {reason}"
