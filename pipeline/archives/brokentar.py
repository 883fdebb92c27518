"""Nested tars that cannot be read: an archive may hold them where nobody needs what is in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.documents.records import RecordedBrokenTar
from pipeline.errors import ArchiveRefused, from_record


@dataclass(frozen=True)
class BrokenTar:
    """A tar inside an archive that cannot be read from its start to its end.

    Attributes:
        name: of the member that should be a tar.
        refusal: why it is none, or where it breaks off.
        is_foreign: whether its first bytes are those of other data, such as gzip.
    """

    name: str
    refusal: ArchiveRefused
    is_foreign: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        record = self.refusal.to_record()
        return {"name": self.name, "refusal": record, "is_foreign": self.is_foreign}

    @staticmethod
    def recorded(tar: RecordedBrokenTar) -> BrokenTar:
        """Rebuild it from the mark of an archive."""
        known = from_record(tar.refusal)
        refusal = ArchiveRefused(
            known.what,
            file=known.file,
            place=known.place,
            expected=known.expected,
            found=known.found,
            remedy=known.remedy,
        )
        return BrokenTar(tar.name, refusal, tar.is_foreign)
