"""Whose the images of a split are, as CSV: licences such as CC BY ask for it.

A line for each image that is there, in the order of the catalog, after a header: RFC 4180 with LF,
in UTF-8. An image of which nobody says anything has empty fields. People open it with spreadsheets:
what would be a formula there is marked as text, and a control character is shown escaped.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pipeline import digests, plaintext
from pipeline.catalog import table as catalog
from pipeline.exports import attribution_rows
from pipeline.exports.base import (
    Export,
    ExportPlan,
    ExportWork,
    Need,
    SetView,
    SplitView,
    What,
)
from pipeline.manifest import Document
from pipeline.quantities import counted, verb
from pipeline.storage import StagedFile, below

VERSION: Final = 1
COLUMNS: Final = {
    "ImageID": "image_id",
    "Author": "author",
    "AuthorProfileURL": "author_profile",
    "Title": "title",
    "License": "license",
    "OriginalLandingURL": "landing_page",
    "OriginalURL": "original_url",
}
"""The columns, and what `details.ATTRIBUTION` calls them."""


class Attribution(Export):
    """The authors, titles and licences of the images of each split."""

    name = "attribution"
    of_images = True
    parts = ("images",)
    reads_attribution = True

    def files(self, folder: str) -> tuple[str, ...]:
        """Return the table of a split."""
        return (f"attribution/{folder}.csv",)

    def refusals(self, data: SetView) -> Iterator[str]:
        """Yield that the authors of the images are not known."""
        if not any(map(_says_whose, data.splits.values())):
            yield f"the authors of the images are not known: leave --export {self.name} out"

    def plan(self, data: SetView) -> Iterator[ExportPlan]:
        """Yield a table for each split of which it is known."""
        for name, split in data.splits.items():
            if split.details is not None and _says_whose(split):
                said = {"images": split.images_digest, "details": split.details.digest}
                yield ExportPlan(
                    kind=self.name,
                    files=tuple(below(data.out, file) for file in self.files(name)),
                    digest=digests.digest({**said, "version": VERSION}),
                    split=name,
                    needs=(Need(What.CATALOG, name), Need(What.LEFT_OUT, name)),
                    made_of={"version of its form": str(VERSION)},
                )

    def write(self, work: ExportWork, staged: Sequence[StagedFile]) -> Document:
        """Write the table; nothing of it is held."""
        split, (file,) = work.data.splits[work.plan.split], staged
        file.write(_line(COLUMNS))
        images = unknown = 0
        for key, row in _present(split, work.left_out, file):
            said = [row[name] for name in COLUMNS.values()]
            known = any(value is not None for value in said)
            images, unknown = images + 1, unknown + (not known)
            file.write(_line(said if known else [key.rpartition(".")[0], *said[1:]]))
        lines = [f"attribution, {split.name}: {counted(images, 'image')}."]
        if unknown:
            which = f"{counted(unknown, 'image')} {verb(unknown, 'has', 'have')}"
            lines.append(f"{which} no known author.")
        return {"rows": images, "closing": lines}


def _says_whose(split: SplitView) -> bool:
    return split.details is not None and split.details.attribution is not None


def _present(
    split: SplitView, left_out: frozenset[str], file: StagedFile
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the images that are there, each with what is said of whose it is."""
    if split.details is None:
        return
    said = attribution_rows.read(split, split.details, file.path)
    for rows in catalog.read(split.catalog):
        for length, (key, row) in zip(rows["length"].to_pylist(), said, strict=False):
            if length >= 0 and key not in left_out:
                yield key, row


def _line(values: Sequence[str | None] | Mapping[str, str]) -> bytes:
    text = io.StringIO()
    cells = [plaintext.cell(value or "") for value in values]
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode()
