"""Fetches images into a folder: each is verified before it gets its name, and has a row."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import xxhash

from pipeline import storage
from pipeline.errors import BadImage, UsageError
from pipeline.sources.openimages.images import image_check
from pipeline.sources.openimages.images.image_rows import (
    ABSENT,
    BAD,
    FAILED,
    FETCHED,
    FORBIDDEN,
    KEPT,
    ImageRow,
)
from pipeline.storage import Asked, Location, Received, Result

FIRST_ANSWERS: Final = 20
"""After so many answers, none of which is an image, something else is wrong than the images."""
_LEFT_ALONE: Final = "the file that lies there is left alone, and counts for nothing"
_MD5: Final = re.compile(r"[0-9a-f]{32}")
_OUTCOMES: Final = {
    Result.MISSING: ABSENT,
    Result.FORBIDDEN: FORBIDDEN,
    Result.UNUSABLE: BAD,
    Result.FAILED: FAILED,
}


class Wanted(NamedTuple):
    """An image that is wanted: its ImageID, and its key below the bucket."""

    image_id: str
    key: str


@dataclass(frozen=True)
class Arrival:
    """What came of an image, and how many bytes were received for it."""

    row: ImageRow
    received: int = 0


@dataclass
class Arrivals:
    """Fetches images from one bucket into one folder.

    Attributes:
        bucket: the bucket, a web server that serves it, or a folder that has the same keys.
        folder: where images go, as ``<ImageID>.jpg``.
        in_flight: how many are asked for at a time, at most.
        tries: of each image.
        check_pixels: whether each image is decoded.
        had_some: whether an image of this bucket has ever come: then it is no wrong one, and given
            more time to answer.
    """

    bucket: Location
    folder: Path
    in_flight: int
    tries: int
    check_pixels: bool = False
    had_some: bool = False
    _lying: dict[str, ImageRow] = field(default_factory=dict)
    _refused: Counter[str] = field(default_factory=Counter)

    def fetch(self, wanted: Iterable[Wanted]) -> Iterator[Arrival]:
        """Yield what came of each image, as soon as it is known.

        A file that lies there already is asked for by its MD5. Nothing is synced.

        Raises:
            RemoteUnavailable: the bucket does not answer at all.
            UsageError: none of the first answers is an image.
            NoSpace: there is no room.
        """
        ids = dict[str, str]()
        stream = storage.receive(
            self.bucket,
            self._asked(wanted, ids),
            in_flight=self.in_flight,
            tries=self.tries,
            seems_whole=image_check.seems_whole,
            has_answered=self.had_some,
        )
        with contextlib.closing(stream):
            for received in stream:
                image_id = ids.pop(received.asked.name)
                row = self._row(image_id, received)
                self._lying.pop(image_id, None)
                yield Arrival(row, len(received.body))

    def path(self, image_id: str) -> Path:
        """Return the file of an image."""
        return self.folder / f"{image_id}.jpg"

    def _asked(self, wanted: Iterable[Wanted], ids: dict[str, str]) -> Iterator[Asked]:
        for image_id, key in wanted:
            ids[key] = image_id
            yield Asked(key, self._md5_there(image_id))

    def _md5_there(self, image_id: str) -> str:
        """Return the MD5 of the file of an image, in hex; "": there is none, or it is no image."""
        path = self.path(image_id)
        if storage.stat(path) is None:
            return ""
        data = storage.read_bytes(path)
        try:
            row = self._verified(ImageRow(image_id, KEPT, ""), memoryview(data))
        except BadImage:
            return ""
        self._lying[image_id] = row
        return row.md5 or ""

    def _verified(self, row: ImageRow, data: memoryview, md5: str = "") -> ImageRow:
        """Return a row with what the bytes of its image say.

        Raises:
            BadImage: they are no image, or not a whole one.
        """
        width, height = image_check.size_of(data, pixels=self.check_pixels)
        return replace(
            row,
            bytes=len(data),
            md5=md5 or hashlib.md5(data, usedforsecurity=False).hexdigest(),
            xxh3=xxhash.xxh3_128_digest(data),
            width=width,
            height=height,
        )

    def _row(self, image_id: str, received: Received) -> ImageRow:
        outcome = _OUTCOMES.get(received.result, FETCHED)
        row = ImageRow(
            image_id,
            outcome,
            received.url,
            received.status,
            received.tries,
            received.detail,
            etag=received.etag or None,
        )
        is_image = True
        if received.result is Result.SAME:
            facts = self._lying[image_id]
            row = replace(facts, url=row.url, status=row.status, tries=row.tries, etag=row.etag)
        elif received.result is Result.WHOLE:
            row, is_image = self._taken(row, received)
        else:
            is_image = False
            row = replace(row, asked=now())
        if outcome != FAILED:
            self._check_first(row, is_image)
        return row if row.is_there else self._noted(row)

    def _noted(self, row: ImageRow) -> ImageRow:
        """Return the row of an image that did not come; it says so if a file lies there."""
        if storage.stat(self.path(row.image_id)) is None:
            return row
        return replace(row, detail=f"{row.detail}; {_LEFT_ALONE}")

    def _taken(self, row: ImageRow, received: Received) -> tuple[ImageRow, bool]:
        """Write an image; return its row, and whether it is no web page."""
        try:
            row = self._verified(row, received.body, received.md5)
        except BadImage as error:
            refused = replace(row, outcome=BAD, detail=error.brief, asked=now())
            return refused, not image_check.is_page(error)
        storage.write_unsynced(self.path(row.image_id), received.body)
        if not _MD5.fullmatch(received.etag):
            row = replace(row, detail="not compared with an MD5: the bucket does not say one")
        return row, True

    def _check_first(self, row: ImageRow, is_image: bool) -> None:
        """Stop where nothing but refusals has come.

        Raises:
            UsageError: none of the first answers is an image.
        """
        self.had_some = self.had_some or is_image
        if self.had_some:
            return
        self._refused[f"{row.status} ({row.outcome})" if row.status else row.outcome] += 1
        if self._refused.total() < FIRST_ANSWERS:
            return
        answers = ", ".join(f"{count} x {answer}" for answer, count in self._refused.most_common())
        raise UsageError(
            f"none of the first {FIRST_ANSWERS} answers is an image: the bucket, the endpoint or"
            " the credentials are wrong",
            file=row.url,
            expected="images",
            found=answers,
            remedy="check --bucket and --s3-endpoint; of a public bucket leave --s3-signed out",
        )


def now() -> str:
    """Return the time, as rows have it."""
    return datetime.now(UTC).isoformat(timespec="microseconds")
