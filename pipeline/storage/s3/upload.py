"""Put a local file or bytes under a key, and believe it only when the store has confirmed it.

Up to `ONE_PUT` bytes are one request, whose object appears whole or not at all; more are several
parts, see `pipeline.storage.s3.multipart`. Each request carries the MD5 of its body: of all checks
it is the one that every store makes. Two who write one key at once write the same bytes, so that no
condition is sent, which several stores would not heed.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import Final

from botocore.exceptions import BotoCoreError

from pipeline.errors import RemoteUnavailable, ShardmillError, UploadDiffers
from pipeline.storage.location import Remote
from pipeline.storage.s3 import multipart
from pipeline.storage.s3.body import OpenedFile, Part, base64_of
from pipeline.storage.s3.client import Answer, Client
from pipeline.storage.s3.etags import bare, is_md5
from pipeline.storage.s3.listing import ObjectInfo, find, stat
from pipeline.storage.s3.settings import ONE_PUT

_PUTS: Final = 3  # of one object, where the store does not confirm what it was sent
_CHUNK: Final = 1 << 20
_TYPES: Final = {
    ".css": "text/css",
    ".html": "text/html",
    ".jpg": "image/jpeg",
    ".js": "text/javascript",
    ".png": "image/png",
}
"""What a browser is told of files that it can show: of others the store says what it will."""
_SMALL: Final = 1 << 20
"""Bytes up to which a file is read before it is sent: botocore then does not ask the store whether
it may send it, which takes a small one as long as the sending."""


def put_file(client: Client, place: Remote, path: Path, md5: bytes | None = None) -> ObjectInfo:
    """Put a local file under a key, replacing what is there.

    Args:
        client: of the store.
        place: the address that the object gets.
        path: the file; it must not change meanwhile.
        md5: of the file, 16 bytes, if it is known; else the file is read once more for it. Nothing
            needs it where the file is sent in parts.

    Returns:
        What the store says of the object.

    Raises:
        UploadDiffers: the store took it, and does not hold the same.
        ShardmillError: the store refuses or does not answer. Then nothing new is under the key, or
            the whole object is, and its answer was lost.
    """
    with OpenedFile(path) as file:
        if file.size > ONE_PUT:
            return multipart.put(client, place, file)
        part = file.part(0, file.size)
        digest = md5 or part.digest()
        body = b"".join(map(bytes, part.blocks())) if file.size <= _SMALL else part
        return _put(client, place, body, file.size, digest)


def put_bytes(client: Client, place: Remote, content: bytes) -> ObjectInfo:
    """Put a few bytes under a key, replacing what is there; see `put_file`."""
    md5 = hashlib.md5(content, usedforsecurity=False).digest()
    return _put(client, place, content, len(content), md5)


def _put(client: Client, place: Remote, body: Part | bytes, size: int, md5: bytes) -> ObjectInfo:
    """Send an object, and send it again where the store does not confirm it."""
    info = None
    content_type = _TYPES.get(place.suffix)
    said = {"ContentType": content_type} if content_type else {}
    for _ in range(_PUTS):
        if isinstance(body, Part):
            body.seek(0)
        try:
            answer = client.request(
                "PutObject",
                place,
                Key=place.key,
                Body=body,
                ContentLength=size,
                ContentMD5=base64_of(md5),
                **said,
            )
        except RemoteUnavailable:
            info = _if_there(client, place, size, md5)
            if info is None:
                raise
            return info
        if is_md5(answer) and bare(answer["ETag"]).lower() == md5.hex():
            return ObjectInfo.of(answer, size)
        info = stat(client, place)
        if info is not None and _is_confirmed(client, place, info, answer, size, md5):
            return info
    raise UploadDiffers(
        "the store does not hold what was sent to it",
        file=str(place),
        expected=f"{size:,} bytes, MD5 {md5.hex()}",
        found="no object" if info is None else f"{info.size:,} bytes, ETag {info.etag}",
        remedy="check the proxies between, then run the same command again",
    )


def _if_there(client: Client, place: Remote, size: int, md5: bytes) -> ObjectInfo | None:
    """Return what is known of an object whose answers were all lost; None: it is not that one.

    It is asked once: a store that does not answer has most probably not taken it either.
    """
    with contextlib.suppress(ShardmillError), client.trying_once():
        info = find(client, place)
        if info is not None and (info.size, info.etag.lower()) == (size, md5.hex()):
            return info
    return None


def _is_confirmed(
    client: Client, place: Remote, info: ObjectInfo, answer: Answer, size: int, md5: bytes
) -> bool:
    """Whether an object is what was sent, though the answer has another ETag than its MD5.

    A store that encrypts has others; its answer must be about the object that is there. Where an
    ETag looks like an MD5 and is another, the object is read back, once for all uploads.
    """
    if info.size != size or info.etag != bare(answer.get("ETag")):
        return False
    if not is_md5(answer) or not client.etags_are_md5:
        return True
    client.etags_are_md5 = not _holds(client, place, md5)
    return not client.etags_are_md5


def _holds(client: Client, place: Remote, md5: bytes) -> bool:
    """Whether the store returns the bytes of this MD5."""
    body = client.request("GetObject", place, Key=place.key)["Body"]
    digest = hashlib.md5(usedforsecurity=False)
    try:
        for chunk in body.iter_chunks(_CHUNK):
            digest.update(chunk)
    except BotoCoreError:
        raise RemoteUnavailable("an object could not be read back", file=str(place)) from None
    return digest.digest() == md5
