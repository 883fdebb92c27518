"""One more export, to show what an export needs: this file, and a line of the registry."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import cast

from pipeline import digests
from pipeline.catalog import class_folders
from pipeline.catalog import table as catalog
from pipeline.exports import registry
from pipeline.exports.base import Export, ExportPlan, ExportWork, Need, SetView, What
from pipeline.manifest import Document
from pipeline.storage import StagedFile


class Counts(Export):
    """How many images each class of each split has, as JSON."""

    name = "counts"
    parts = ("images",)

    def files(self, folder: str) -> tuple[str, ...]:
        """Return the file."""
        del folder
        return ("counted/counts.json",)

    def refusals(self, data: SetView) -> Iterator[str]:
        """Yield that a single image is not worth counting."""
        if any(split.images == 1 for split in data.splits.values()):
            yield "--export counts: a split of one image is not counted, leave it out"

    def plan(self, data: SetView) -> Iterator[ExportPlan]:
        """Yield the file."""
        rows = [[name, split.rows_digest] for name, split in data.splits.items()]
        yield ExportPlan(
            kind=self.name,
            files=tuple(data.out / name for name in self.files("")),
            digest=digests.digest({"counts": rows}),
            needs=tuple(Need(What.CATALOG, name) for name in data.splits),
        )

    def write(self, work: ExportWork, staged: Sequence[StagedFile]) -> Document:
        """Write the file."""
        found = {}
        for name, split in work.data.splits.items():
            counter = Counter[str]()
            for rows in catalog.read(split.catalog):
                counter.update(class_folders.names(rows).to_pylist())
            found[name] = dict(sorted(counter.items()))
        staged[0].write(json.dumps(found).encode())
        return {"closing": [f"counted in {len(found)} splits"]}


def register() -> None:
    """Put the export into the registry: its one line, of this process alone.

    What the program makes of the registry, it makes when it is imported: this comes before.
    """
    cast("dict[str, Export]", registry.EXPORTS)[Counts.name] = Counts()
