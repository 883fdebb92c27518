"""What one shard should hold, and what its images were when their archive was verified."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import xxhash

from pipeline import storage
from pipeline.documents.shards import RepairedImage
from pipeline.shards.output import RecordForm

Row = Mapping[str, Any]

OF_ARCHIVE = (
    "what the image lies in has changed, or its bytes go bad on the way: compute its MD5, and"
    " compare it with that of where you got it; the shard need not be wrong"
)


class Changed(NamedTuple):
    """How the source of an image differs from the verified one: texts of a finding."""

    what: str
    place: str
    expected: str
    found: str


@dataclass(frozen=True)
class Expected:
    """What one shard should hold, record by record.

    Attributes:
        records: how many.
        facts: a row of `facts.SCHEMA` a record; nothing where there are no facts to trust, and
            then no record is looked into.
        plan: a row of the plan a record, as of `catalog.dicts`; or nothing, if none is trusted.
        repairs: the repairs of the manifest, by key.
        form: of the records.
    """

    records: int
    facts: list[Row]
    plan: list[Row]
    repairs: Mapping[str, RepairedImage]
    form: RecordForm
    members: Sequence[bytes | None] = ()
    """Of each row of the plan, the xxh3-128 that its source had when its archive was verified; None
    where it is not known."""

    def changed(self, number: int, source: storage.Buffer) -> Changed | None:
        """Return that the source of a row is not what was verified; None: it is, or may be.

        Args:
            number: 0-based, of the row of the plan.
            source: its bytes as they are now.
        """
        known = self.members[number] if number < len(self.members) else None
        content = xxhash.xxh3_128_digest(source) if known is not None else None
        if known is None or content is None or content == known:
            return None
        row = self.plan[number]
        what = f"{row['key']}: its source is not what it was when its archive was verified"
        place = f"{row['source']}, offset {row['offset']}"
        return Changed(what, place, f"xxh3-128 {known.hex()}", content.hex())
