"""The files that say which images of a split are not there, and why.

``failures/<split>.csv`` has a row for each: where it was asked for, what the answer was, and when.
``failures/<split>.txt`` is a list of the same images, which ``--ids``, ``openimages-download`` and
the official downloader take. Both are written anew after each run; where nothing is to be said and
there are none, none is written.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from pipeline import manifest, storage
from pipeline.documents.openimages import ImageGroupMark
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
    for path, text in (
        (places.failures(out, split), table.getvalue()),
        (places.failure_list(out, split), listed.getvalue()),
    ):
        _replace(path, text.encode(), is_needed=bool(outcomes))
    return outcomes


def _replace(path: Path, content: bytes, *, is_needed: bool) -> None:
    """Give a file this content, unless it has it; one that says nothing need not be there."""
    info = storage.stat(path)
    if info is None and not is_needed:
        return
    if info is None or info.size != len(content) or storage.read_bytes(path) != content:
        storage.publish_bytes(path, content)


def _missing(out: Path, split: str, selection: str) -> Iterator[ImageRow]:
    """Yield the rows of images that are not there, in order; most groups have none."""
    folder = places.image_tables(out, split, selection)
    names = sorted(each.name for each in storage.kinds(folder) if each.name.endswith(_TABLE))
    for name in names:
        mark = manifest.read_undamaged(storage.with_suffix(folder / name, ".json"), ImageGroupMark)
        if mark is None or mark.finals:
            yield from (row for row in read_rows(folder / name) if not row.is_there)
