"""What a job asked Open Images for is kept: then the metadata need not be there to know it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import xxhash

from pipeline import digests, storage
from pipeline.documents.openimages import RecordedRequest
from pipeline.job.options import Job
from pipeline.sources import glance
from pipeline.sources.openimages import places
from pipeline.sources.openimages.config import OpenImagesConfig
from pipeline.storage import Location

_FILES: Final = ("classes_file", "class_order", "ids")
"""Options that name files of a person's own."""
_HOW: Final = frozenset(
    {
        *("bucket", "offline", "tries", "retry_absent", "check_pixels", "mask_size", "recipe"),
        "until",
    }
)
"""Options that choose no row."""


@dataclass(frozen=True)
class RequestRecord:
    """Where it is kept which selections follow from the options of a job.

    Attributes:
        job: the job.
        config: its configuration.
    """

    job: Job
    config: OpenImagesConfig

    @property
    def asked(self) -> str:
        """A digest of everything that the selections follow from, metadata without a pin aside."""
        options = asdict(self.job.openimages)
        files = {name: _content(options.pop(name)) for name in _FILES}
        published = sorted((file.name, file.bytes, file.md5) for file in self.config.files.values())
        return digests.digest(
            {
                "files": files,
                "options": {name: options[name] for name in options.keys() - _HOW},
                "published": published,
                "seed": self.job.seed or 0,
            }
        )

    @property
    def path(self) -> Location:
        """Where the document lies."""
        return places.request(self.job.folder, self.asked)

    def recall(self) -> Mapping[str, str] | None:
        """Return the digest of each split's selection as it was kept; None: nothing was."""
        known = glance.recall(self.path, RecordedRequest)
        return None if known is None else known.selections

    def keep(self, selections: Mapping[str, str]) -> None:
        """Keep the digest of each split's selection, beside those of other splits."""
        every = {**(self.recall() or {}), **selections}
        glance.record(self.job.folder, self.path, {"selections": every}, RecordedRequest)


def _content(path: str) -> str:
    """Return the xxh3-128 of a file in hex; "" where none is named or there."""
    if not path or storage.stat(Path(path)) is None:
        return ""
    return xxhash.xxh3_128_hexdigest(storage.read_bytes(Path(path)))
