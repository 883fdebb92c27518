"""The files that say which images of a split are not there, and why.

``failures/<split>.csv`` has a row for each: where it was asked for, what the answer was, and when.
``failures/<split>.txt`` is a list of the same images, which ``--ids``, ``openimages-download`` and
the official downloader take. Both are written anew after each run, with a mark by which `verify`
knows what they were; where nothing is to be said and there are none, none is written.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from pipeline import manifest, storage
from pipeline.documents.openimages import FailuresMark, ImageGroupMark
from pipeline.sources.openimages import places
from pipeline.sources.openimages.images.image_rows import ImageRow, read_rows

COLUMNS: Final = ("ImageID", "url", "outcome", "status", "tries", "detail", "when")
"""The header of the CSV file."""
_TABLE: Final = ".parquet"


def write(out: Path, split: str, selection: str) -> Counter[str]:
    """Write the files of a selection's images, and return how many have each outcome.

    Tables of groups without a mark count, too: images for which there was no answer are in them.
    What another selection has written is replaced.

    Args:
        out: the output folder.
        split: of Open Images.
        selection: digest of what chooses the images.

    Raises:
        OutputDamaged: a table of a group is not what was written.
    """
    return write_rows(out, split, _missing(out, split, selection))


def write_rows(out: Path, split: str, rows: Iterable[ImageRow]) -> Counter[str]:
    """Write the files of these images, which are not there; see `write`."""
    table, listed = io.StringIO(), io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(COLUMNS)
    outcomes = Counter[str]()
    for row in rows:
        outcomes[row.outcome] += 1
        status = row.status or ""
        fields = (row.url, row.outcome, status, row.tries, row.detail, row.asked or "")
        writer.writerow((row.image_id, *fields))
        listed.write(f"{split}/{row.image_id}\n")
    contents = {
        places.failures(out, split): table.getvalue().encode(),
        places.failure_list(out, split): listed.getvalue().encode(),
    }
    _replace(out, split, contents, outcomes)
    return outcomes


def _replace(
    out: Path, split: str, contents: Mapping[Path, bytes], outcomes: Mapping[str, int]
) -> None:
    """Give the files their contents, and a mark; those that say nothing need not be there."""
    if not outcomes and all(storage.stat(path) is None for path in contents):
        return
    mark = places.failures_mark(out, split)
    if manifest.read_complete(mark, out, FailuresMark) is not None and all(
        storage.read_bytes(path) == content for path, content in contents.items()
    ):
        return
    with ExitStack() as stack:
        staged = [stack.enter_context(storage.StagedFile(path)) for path in contents]
        for file, content in zip(staged, contents.values(), strict=True):
            file.write(content)
        document = {"split": split, "outcomes": dict(sorted(outcomes.items()))}
        manifest.publish(staged, mark, out, document, superseding=True)


def _missing(out: Path, split: str, selection: str) -> Iterator[ImageRow]:
    """Yield the rows of images that are not there, in order; most groups have none."""
    folder = places.image_tables(out, split, selection)
    names = sorted(each.name for each in storage.kinds(folder) if each.name.endswith(_TABLE))
    for name in names:
        mark = manifest.read_undamaged(storage.with_suffix(folder / name, ".json"), ImageGroupMark)
        if mark is None or mark.finals:
            yield from (row for row in read_rows(folder / name) if not row.is_there)
