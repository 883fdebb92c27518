"""Compares files that sources keep in an output folder with what their bucket has now."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Final

from pipeline import storage
from pipeline.errors import ShardmillError, UsageError
from pipeline.sources.kept_files import KeptFile, Originals
from pipeline.storage import Asked, Location, Received, Result
from pipeline.verification.findings import Finding, Layer, damage

_IN_FLIGHT: Final = 16  # requests of one process at a time: a check runs in each of some
_TRIES: Final = 8
_ENOUGH: Final = 20  # objects: where a bucket has none of so many, it is another one
_REMEDY: Final = (
    "nothing has to be done for what is here, which is as it was collected; to have what the bucket"
    " has now, remove the file and run the shardmill command again"
)
_COMPARED: Final = frozenset({Result.SAME, Result.WHOLE})


@dataclass(frozen=True)
class BucketCheck:
    """What comparing some files with a bucket has shown.

    Attributes:
        compared: how many files the bucket has, the same or others.
        bytes: that were received for it: none where a server compares MD5s itself.
        findings: what the bucket does not have any more, or has otherwise.
    """

    compared: int
    bytes: int
    findings: tuple[Finding, ...]


def check_bucket(originals: Originals, bucket: Location) -> BucketCheck:
    """Ask for each object by the MD5 that its file has: who has another one sends that.

    Args:
        originals: the files, and their keys.
        bucket: a store, web server or folder that has these keys.

    Raises:
        UsageError: none of the first objects is there: it is another bucket.
        RemoteUnavailable: it does not answer.
    """
    files: dict[str, KeptFile] = {}
    with contextlib.suppress(ShardmillError):  # of the table, which its mark says is damaged
        files.update((each.key, each.file) for each in originals.read())
    findings, compared, size, missing = list[Finding](), 0, 0, 0
    stream = storage.receive(
        bucket,
        (Asked(key, file.digest) for key, file in files.items()),
        in_flight=_IN_FLIGHT,
        tries=_TRIES,
        seems_whole=lambda _body: True,
        has_answered=True,
    )
    with contextlib.closing(stream):
        for received in stream:
            file = files[received.asked.name]
            compared += received.result in _COMPARED
            missing += received.result is Result.MISSING
            size += len(received.body)
            finding = _finding(file, received)
            findings += [finding] if finding is not None else []
            if missing == _ENOUGH and not compared:
                raise _another(originals, bucket, missing)
    return BucketCheck(compared, size, tuple(findings))


def _finding(file: KeptFile, received: Received) -> Finding | None:
    """Return how the bucket's object differs from the file; None: it does not."""
    if received.result is Result.SAME or received.md5 == file.digest:
        return None
    if received.result is Result.WHOLE:
        what, found = "the bucket has another image", f"MD5 {received.md5} at {received.url}"
    elif received.result is Result.MISSING:
        what, found = "the bucket does not have the image any more", f"nothing at {received.url}"
    else:
        what = "the image could not be compared with the bucket's"
        found = f"{received.detail or received.result.value}: {received.url}"
    expected = f"MD5 {file.digest}, as it was collected"
    texts = (what, None, expected, found, _REMEDY)
    return damage(Layer.SOURCE, file.path, *texts, removable=False)


def _another(originals: Originals, bucket: Location, missing: int) -> UsageError:
    return UsageError(
        f"there is none of the first {missing:,} images of {originals.name}",
        file=str(bucket),
        expected="the bucket that they were collected from, or a folder of the same keys",
        remedy="name that with --against, or leave it out",
    )
