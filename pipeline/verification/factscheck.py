"""Compares facts that stand for themselves, without shards, with the plan and the raw archives."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline import storage
from pipeline.archives import packed_sources
from pipeline.errors import BadImage
from pipeline.images.prepare import preparation
from pipeline.storage import Location
from pipeline.verification.expected import OF_ARCHIVE, Expected, Row
from pipeline.verification.findings import Finding, Layer, damage
from pipeline.verification.recordcheck import OF_SOURCE


class FactsChecker:
    """Looks at the facts of one part; see `RecordChecker`, in whose place it stands.

    Args:
        expected: the facts, and the plan that they should be of.
        raw: folder of the archives or of the tree, to compare every fact with its image; or
            None.
    """

    def __init__(self, expected: Expected, raw: Location | None) -> None:
        self.expected = expected
        self.raw = raw
        self.records = len(expected.facts)
        self.compared = 0
        self.uncompared = 0
        self.keys = [str(fact["key"]) for fact in expected.facts]

    def check(self, file: Location) -> Iterator[Finding]:
        """Yield what is wrong with the facts in a file."""
        expected = self.expected
        if self.records not in {0, expected.records}:
            what = "wrong number of facts"
            wanted, found = str(expected.records), str(self.records)
            yield damage(Layer.RECORD_FACTS, file, what, None, wanted, found)
        planned = [str(row["key"]) for row in expected.plan]
        if planned and planned != self.keys:
            yield damage(Layer.PLAN, file, "not the planned images", None, str(len(planned)))
            return
        if self.raw is not None:
            with packed_sources.open_sources(self.raw) as sources:
                for number, fact in enumerate(expected.facts):
                    self.compared += 1
                    yield from self._check_source(file, number, fact, sources)

    def _check_source(
        self, file: Location, number: int, fact: Row, sources: storage.Sources
    ) -> Iterator[Finding]:
        row = self.expected.plan[number]
        data = sources.read(row["source"], row["offset"], row["length"])
        changed = self.expected.changed(number, data)
        if changed is not None:
            yield damage(Layer.SOURCE, file, *changed, OF_ARCHIVE, removable=False)
            return
        what = f"the facts of {row['key']} are not those of its source"
        try:
            made = preparation(self.expected.form.image).prepare(data)
        except BadImage as error:
            texts = (what, None, None, f"a source that is no image: {error.what}", OF_SOURCE)
            yield damage(Layer.SOURCE, file, *texts, removable=False)
            return
        found: dict[str, object] = {
            "width": made.width,
            "height": made.height,
            "mode": made.mode,
            "bytes": len(made.encoded),
            "xxh3_128": made.xxh3_128,
        }
        for name, value in found.items():
            if value != fact[name]:
                wrong = (what, name, str(fact[name]), str(value), OF_SOURCE)
                yield damage(Layer.SOURCE, file, *wrong, removable=False)
