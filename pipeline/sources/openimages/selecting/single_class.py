"""Split one CSV file of Open Images by class, as the script of the manual recipe does.

Its options, names and bytes, with what it gets wrong put right: a class is its whole MID and not a
part of one, a row that says the class is not there counts for nothing, and what was written of
another split or file is not replaced in silence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline import plaintext, storage
from pipeline.annotations.openimages import columns, row_texts
from pipeline.annotations.openimages.choice import Choice
from pipeline.annotations.openimages.columns import LABEL, Kind
from pipeline.annotations.openimages.header import Header
from pipeline.annotations.openimages.records import Records
from pipeline.annotations.openimages.row_texts import TextBatch
from pipeline.errors import OutputConflict, UsageError, abbreviate
from pipeline.sources.openimages.places import SPLITS
from pipeline.sources.openimages.selecting.recipe_files import RecipeFiles, write_list
from pipeline.storage import StagedFile
from pipeline.storage.local.input_file import check_rereadable

SUBSETS: Final = (*SPLITS, "challenge2018")
"""What the official downloader takes in front of an ImageID."""

_CONFIDENCE: Final = "confidence"


@dataclass(frozen=True)
class ClassFiles:
    """What was written of a class.

    Attributes:
        label: its MID.
        list: of its images, for the official downloader.
        rows: the CSV file of its rows.
        images: how many the list has.
        count: how many rows.
    """

    label: str
    list: Path
    rows: Path
    images: int
    count: int


@dataclass(frozen=True)
class SplitClasses:
    """What was written, and how many rows say of a class that it is not there."""

    classes: tuple[ClassFiles, ...]
    absent: int


def split_classes(
    source: Path, labels: Sequence[str], subset: str, folder: Path, *, replace: bool = False
) -> SplitClasses:
    """Write the list of images and the rows of some classes, in one pass of a CSV file.

    Nothing is written where one of them has no row.

    Args:
        source: a CSV file with the columns ImageID and LabelName.
        labels: MIDs, such as ``/m/0gxl3``; ``/m/`` may be left out.
        subset: one of `SUBSETS`, which the lists have in front of each ImageID.
        folder: where the files go.
        replace: whether files of other contents that lie there are replaced.

    Raises:
        UsageError: there is no such file; a label is no MID; no row is of one; two would go into
            one file; `subset` is none.
        OutputConflict: a file of that name and other contents is there.
        BadAnnotation: see `row_texts.read`.
    """
    check_rereadable(source, "a CSV file")
    if storage.stat(source) is None:
        raise UsageError(
            "there is no such file",
            file=str(source),
            expected="a CSV file with the columns ImageID and LabelName",
            remedy="check --input",
        )
    mids = [_mid(label) for label in dict.fromkeys(labels)]
    lists = [
        folder / f"downloader_IDs_for_{_sanitised(mid)}_{_checked(subset)}.txt" for mid in mids
    ]
    places = [folder / f"{_sanitised(mid)}_annotations.csv" for mid in mids]
    if len(set(places)) < len(mids):
        raise UsageError("two labels would go into one file", found=", ".join(mids))
    choice = Choice(frozenset(mid.encode() for mid in mids))
    kind = _kind(source)
    header = Records(source, kind).header
    targets = [storage.output_file(place) for place in places]
    absent = 0
    with ExitStack() as stack:
        members = {mid: number for number, mid in enumerate(mids)}
        files = stack.enter_context(RecipeFiles(header, members, targets))
        for batch in row_texts.read(source, kind, choice):
            present = _present(batch)
            absent += len(batch) - int(np.count_nonzero(present))
            files.add(batch, present)
        for mid, count in zip(mids, files.counts, strict=True):
            if not count:
                raise _no_row(source, header, mid, absent)
        staged = list[StagedFile]()
        for place, images, csv_file in zip(lists, files.images, files.files, strict=True):
            id_list = write_list(storage.output_file(place), subset, images)
            staged += [stack.enter_context(id_list), csv_file]
        _publish(staged, replace=replace)
        written = zip(mids, lists, places, map(len, files.images), files.counts, strict=True)
        return SplitClasses(tuple(ClassFiles(*each) for each in written), absent)


def _mid(label: str) -> str:
    mid = label if "/" in label else f"/m/{label}"
    if LABEL.accepts(mid) and (label.startswith("/") or label[:1].isdecimal()):
        return mid
    raise UsageError(
        "a label is the MID of a class",
        expected=LABEL.expected,
        found=plaintext.beginning(label),
        remedy="`shardmill classes NAME` says the MID of a class",
    )


def _sanitised(mid: str) -> str:
    """Return a MID as the script has it in names of files."""
    return "m" + mid.rpartition("/")[2]


def _checked(subset: str) -> str:
    if subset not in SUBSETS:
        raise UsageError(
            "the official downloader knows no such subset",
            expected=", ".join(SUBSETS),
            found=plaintext.beginning(subset),
        )
    return subset


def _kind(source: Path) -> Kind:
    names = Records(source, columns.ROWS).header.names
    return columns.SURE_ROWS if _CONFIDENCE in map(str.casefold, names) else columns.ROWS


def _present(batch: TextBatch) -> NDArray[np.bool_]:
    """Return (n,): whether each row says that its class is there."""
    sure = batch.texts.get(_CONFIDENCE)
    if sure is None:
        return np.ones(len(batch), np.bool_)
    return np.array([float(text) > 0 for text in sure], np.bool_)


def _publish(staged: Sequence[StagedFile], *, replace: bool) -> None:
    new = [file for file in staged if not file.is_there()]
    for file in new:
        if not replace and storage.stat(file.path) is not None:
            raise OutputConflict(
                "a file of other contents is there, such as of another split",
                file=str(file.path),
                expected="nothing, or the same bytes",
                remedy="give another folder as --out, one for each subset, or say --replace",
            )
    if new:
        storage.publish(*new)


def _no_row(source: Path, header: Header, mid: str, absent: int) -> UsageError:
    if absent:
        return UsageError(
            "every row of this class says that it is not there: Confidence is 0",
            file=str(source),
            found=mid,
        )
    near = _near(source, header, mid)
    return UsageError(
        "no row is of this class",
        file=str(source),
        expected=f"perhaps {abbreviate(near)}" if near else "the MID of a class in the file",
        found=mid,
        remedy="`shardmill classes NAME` says the MID of a class",
    )


def _near(source: Path, header: Header, mid: str) -> list[str]:
    """Return the MIDs in a file that begin as one does, or that it begins with."""
    place, counts = header.places["label"], Counter[str]()
    for _, some in Records(source, header.kind).wanted(Choice()):
        counts.update(row.split(b",", place + 1)[place].decode("utf-8", "replace") for row in some)
    return sorted(each for each in counts if each.startswith(mid) or mid.startswith(each or "-"))
