"""What came of one image, as a row of the table of its group."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import digests
from pipeline.sources.openimages import tables
from pipeline.storage import Location

FETCHED: Final = "fetched"
"""The outcome of an image whose bytes came from the bucket."""
KEPT: Final = "kept"
"""The outcome of one that was there already."""
ABSENT: Final = "absent"
"""The outcome of one that the bucket does not have."""
FORBIDDEN: Final = "forbidden"
"""The outcome of one that the bucket does not give out."""
BAD: Final = "bad"
"""The outcome of one whose bytes are no image, or not a whole one."""
FAILED: Final = "failed"
"""The outcome of one for which there was no answer: in the table of a group without mark alone."""
THERE: Final = frozenset({FETCHED, KEPT})
"""The outcomes of images whose files are there."""
FINAL: Final = frozenset({ABSENT, FORBIDDEN, BAD})
"""The outcomes of images that are asked for again only with ``--retry-absent``."""
Hash: TypeAlias = bytes


@dataclass(frozen=True, slots=True)
class ImageRow:
    """A row of `tables.GROUP_TABLE`.

    Attributes:
        image_id: 16 hex digits.
        outcome: see above.
        url: where it was asked for.
        status: of HTTP, of the last answer; 0: there was none.
        tries: how often it was asked for; 0: not at all, because it is known.
        detail: why it is not there, or what was not verified; "": nothing is to be said.
        bytes: of the file; 0 of one that is not there.
        md5: of the file, in hex; None: it is not there.
        xxh3: the xxh3-128 of the file, 16 bytes.
        width: pixels.
        height: pixels.
        etag: as the server says it, without quotes; None: it says none.
        asked: when it was asked for, in UTC, by ISO 8601 with microseconds, if it is not there.
    """

    image_id: str
    outcome: str
    url: str
    status: int = 0
    tries: int = 0
    detail: str = ""
    bytes: int = 0
    md5: str | None = None
    xxh3: Hash | None = None
    width: int | None = None
    height: int | None = None
    etag: str | None = None
    asked: str | None = None

    @property
    def is_there(self) -> bool:
        """Whether its file is."""
        return self.outcome in THERE


def read_rows(path: Location) -> Iterator[ImageRow]:
    """Yield the rows of a group, in order.

    Raises:
        OutputDamaged: the file is not what was written.
    """
    for table in tables.read(path, tables.GROUP_TABLE):
        for row in table.to_pylist():
            yield ImageRow(**row)


def encode(rows: Iterable[ImageRow]) -> bytes:
    """Return the bytes of the table of a group."""
    sink, listed = io.BytesIO(), list(rows)
    columns = [[getattr(row, name) for row in listed] for name in tables.GROUP_TABLE.names]
    table = pa.table(columns, schema=tables.GROUP_TABLE)
    pq.write_table(table, sink, compression="zstd", write_statistics=["image_id"])
    return sink.getvalue()


def digest(rows: Iterable[ImageRow]) -> str:
    """Return the digest of which images there are: those that were kept count as fetched."""
    there = [[row.image_id, "there" if row.is_there else row.outcome, row.md5] for row in rows]
    return digests.digest({"images": there})
