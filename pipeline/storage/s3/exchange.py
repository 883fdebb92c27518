"""An object that is put in the place of one that was seen, where the store heeds conditions.

Of stores that do not, some say so, and some put it all the same. So a condition that must fail is
tried once where it matters: on the object that was just put.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from botocore.exceptions import BotoCoreError

from pipeline.errors import RemoteUnavailable
from pipeline.storage.location import Remote
from pipeline.storage.s3.body import base64_of
from pipeline.storage.s3.client import Client
from pipeline.storage.s3.etags import bare
from pipeline.storage.s3.listing import ObjectInfo

_OTHERS: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
_NO_CONDITIONS: Final = frozenset({"NotImplemented", "InvalidArgument", "InvalidRequest"})
_NONE: Final = frozenset({"NoSuchKey", "404"})
_ANYTHING: Final = "*"


@dataclass(frozen=True)
class Put:
    """What was put, and whether nobody else can have put another object at the same time."""

    info: ObjectInfo
    is_alone: bool


def exchange(client: Client, place: Remote, seen: bytes, content: bytes) -> Put | None:
    """Put an object in the place of what was seen, of which b"" is nothing or one without a byte.

    Returns:
        None: something else was there.

    Raises:
        ShardmillError: the store refuses, or does not answer.
    """
    there = read(client, place)
    body, etag = there or (b"", None)
    if body != seen:
        return None
    condition = {"IfNoneMatch": _ANYTHING} if etag is None else {"IfMatch": f'"{etag}"'}
    info = _put(client, place, content, **condition)
    if info is None:
        # The answer to a first try may have been lost, and the second have met that.
        there = read(client, place)
        if there is None or there[0] != content:
            return None
        return Put(ObjectInfo(len(content), there[1]), is_alone=False)
    if isinstance(info, str):
        info = _put(client, place, content)
        if not isinstance(info, ObjectInfo):
            return None
        return Put(info, is_alone=False)
    is_heeded = etag is None and _put(client, place, content, IfNoneMatch=_ANYTHING) is None
    return Put(info, is_heeded)


def read(client: Client, place: Remote) -> tuple[bytes, str] | None:
    """Return content and ETag of a small object; None: there is none.

    Raises:
        ShardmillError: the store refuses, or does not answer.
    """
    answer = client.request_unless(_NONE, "GetObject", place, Key=place.key)
    if isinstance(answer, str):
        return None
    try:
        return answer["Body"].read(), bare(answer.get("ETag"))
    except BotoCoreError:
        raise RemoteUnavailable("an object could not be read", file=str(place)) from None


def _put(
    client: Client, place: Remote, content: bytes, **condition: object
) -> ObjectInfo | str | None:
    """Put an object; None: the condition is not met; a code: the store knows no conditions."""
    awaited = _OTHERS | _NO_CONDITIONS if condition else frozenset[str]()
    answer = client.request_unless(
        awaited,
        "PutObject",
        place,
        Key=place.key,
        Body=content,
        ContentLength=len(content),
        ContentMD5=base64_of(hashlib.md5(content, usedforsecurity=False).digest()),
        **condition,
    )
    if isinstance(answer, str):
        return None if answer in _OTHERS else answer
    return ObjectInfo.of(answer, len(content))
