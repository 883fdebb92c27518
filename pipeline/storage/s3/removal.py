"""Objects and unfinished uploads that are removed, for those who asked a person before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from email.utils import parsedate_to_datetime
from typing import Final

from pipeline.errors import RemoteUnavailable, ShardmillError
from pipeline.storage.location import Remote
from pipeline.storage.removal import Unfinished
from pipeline.storage.s3 import errors, multipart
from pipeline.storage.s3.client import Answer, Client

_AT_ONCE: Final = 1000  # objects, by S3's own rule
_NOT_OFFERED: Final = frozenset({"NotImplemented", "MethodNotAllowed"})
_NONE: Final = "NoSuchUpload"  # so rclone says it of a bucket


def unfinished(client: Client, folder: Remote) -> list[Unfinished] | None:
    """Return the unfinished uploads below a folder; None where the store does not tell.

    Raises:
        ShardmillError: the store refuses, as without ``s3:ListBucketMultipartUploads``.
    """
    uploads = list[Unfinished]()
    marker: dict[str, object] = {}
    markers = list[object]()
    while True:
        answer = client.request_unless(
            _NOT_OFFERED | {_NONE},
            "ListMultipartUploads",
            folder,
            Prefix=f"{folder.key}/",
            **marker,
        )
        if isinstance(answer, str):
            return uploads if answer == _NONE else None
        uploads += _of_page(answer, folder)
        marker = {
            "KeyMarker": answer.get("NextKeyMarker"),
            "UploadIdMarker": answer.get("NextUploadIdMarker"),
        }
        if not answer.get("IsTruncated"):
            return uploads
        if not all(marker.values()) or marker in markers:
            raise RemoteUnavailable("the store answers with a list without end", file=str(folder))
        markers.append(marker)


def _of_page(answer: Answer, folder: Remote) -> Iterator[Unfinished]:
    now = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    for upload in answer.get("Uploads", ()):
        place = Remote(folder.scheme, folder.host, upload["Key"])
        age_s = (now - upload["Initiated"]).total_seconds()  # the date has no fractions of a second
        yield Unfinished(place, max(0.0, age_s), upload["UploadId"])


def give_up(client: Client, upload: Unfinished) -> None:
    """Have the store forget the parts of an upload.

    Raises:
        ShardmillError: the store refuses, as without ``s3:AbortMultipartUpload``.
    """
    multipart.abort(client, upload.place, upload.upload_id)


def remove(client: Client, places: Sequence[Remote]) -> dict[Remote, ShardmillError]:
    """Remove objects of one bucket; those that are not there count as removed.

    Returns:
        Those that could not be removed, and why.

    Raises:
        ShardmillError: the store refuses the request as a whole, or does not answer.
    """
    failures: dict[Remote, ShardmillError] = {}
    for start in range(0, len(places), _AT_ONCE):
        by_key = {place.key: place for place in places[start : start + _AT_ONCE]}
        first = places[start]
        answer = client.request(
            "DeleteObjects",
            first if len(by_key) == 1 else first.parent,
            Delete={"Objects": [{"Key": key} for key in by_key], "Quiet": True},
        )
        for refusal in answer.get("Errors", ()):
            place = by_key.get(refusal.get("Key"), first)
            failures[place] = errors.of_code(refusal, "DeleteObjects", place)
    return failures
