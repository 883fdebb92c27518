"""Asks what there is in a store: a folder, all that lies below it, or one object.

A folder is all keys that begin with its own and a slash. What is answered is kept nowhere here: see
`pipeline.storage.s3.kept`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Self

from pipeline.errors import ObjectMissing, RemoteUnavailable
from pipeline.storage.fileinfo import FileInfo
from pipeline.storage.location import Remote, is_key
from pipeline.storage.s3.client import Answer, Client
from pipeline.storage.s3.etags import bare
from pipeline.storage.s3.listpage import PAGE, Page

_EMPTY_PAGES: Final = 100  # in a row: a store may have looked at so many removed objects

_UNEXPLAINED: Final = frozenset({"301", "307", "400", "401", "403", "404"})  # answers to HEAD


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What is known of an object without reading it.

    Attributes:
        size: in bytes.
        etag: what identifies its content to the store, without quotes; empty where the store gives
            none. It is not always an MD5.
        version: where the bucket keeps versions and the answer names them.
    """

    size: int
    etag: str
    version: str | None = None

    @classmethod
    def of(cls, answer: Answer, size: int) -> Self:
        """Return what an answer about one object says of it."""
        version = answer.get("VersionId")
        is_kept = version not in {None, "null"}
        return cls(size, bare(answer.get("ETag")), str(version) if is_kept else None)

    @classmethod
    def of_file(cls, info: FileInfo) -> Self:
        """Return what `as_file` was made of."""
        etag, _, version = info.stamp.partition(" ")
        return cls(info.size, etag, version or None)

    @property
    def as_file(self) -> FileInfo:
        """Size and stamp, as every store has them; a listing knows of no version."""
        stamp = self.etag if self.version is None else f"{self.etag} {self.version}"
        return FileInfo(self.size, stamp)


@dataclass
class Listing:
    """What a folder holds, by name.

    Attributes:
        objects: directly in it.
        folders: names of those directly in it.
    """

    objects: dict[str, ObjectInfo] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)


def read_folder(client: Client, folder: Remote) -> Listing:
    """Return what a folder holds, without what the folders in it hold."""
    listing = Listing()
    prefix = f"{folder.key}/" if folder.key else ""
    for page in _pages(client, folder, Prefix=prefix, Delimiter="/"):
        for key, size, etag in page.objects:
            name = key.removeprefix(prefix)
            if is_key(name):  # some programs make an object for the folder itself
                listing.objects[name] = ObjectInfo(size, etag)
        names = (each.removeprefix(prefix).removesuffix("/") for each in page.prefixes)
        listing.folders.update(filter(is_key, names))
    return listing


def walk(client: Client, folder: Remote) -> Iterator[tuple[str, ObjectInfo]]:
    """Yield name and info of every object below a folder, in the order of their keys.

    Names are relative to the folder, joined by slashes; those that no address has, see `is_key`,
    are passed over. What is yielded is not kept: there may be millions.
    """
    prefix = f"{folder.key}/" if folder.key else ""
    for page in _pages(client, folder, Prefix=prefix):
        for key, size, etag in page.objects:
            name = key.removeprefix(prefix)
            if is_key(name):
                yield name, ObjectInfo(size, etag)


def _pages(client: Client, folder: Remote, **parameters: object) -> Iterator[Page]:
    """Yield the pages of a listing, and raise where it would never end."""
    tokens, empty = set[str](), 0
    while True:
        page: Page = client.request("ListObjectsV2", folder, **parameters)[PAGE]
        yield page
        if page.token is None:
            return
        empty = 0 if page.objects or page.prefixes else empty + 1
        if page.token in tokens or empty > _EMPTY_PAGES:
            raise RemoteUnavailable(
                "the store answers with a listing without end", file=str(folder)
            )
        tokens.add(page.token)
        parameters["ContinuationToken"] = page.token


def find(client: Client, place: Remote) -> ObjectInfo | None:
    """Return what a listing says of one object, or None if there is none: never a second request.

    Raises:
        ShardmillError: the store refuses or does not answer.
    """
    page: Page = client.request("ListObjectsV2", place, Prefix=place.key, MaxKeys=1)[PAGE]
    of_key = {key: ObjectInfo(size, etag) for key, size, etag in page.objects}
    return of_key.get(place.key)  # it is the first of all keys that begin with it


def stat(client: Client, place: Remote) -> ObjectInfo | None:
    """Return what one request says of an object, or None if there is none.

    Raises:
        NoSuchBucket: there is no bucket.
        ObjectRefused: the store does not let the object be looked at.
        ShardmillError: it refuses for another reason, or does not answer.
    """
    answer = client.request_unless(_UNEXPLAINED, "HeadObject", place, Key=place.key)
    if isinstance(answer, str):
        return _explained(client, place)
    return _info(answer, answer.get("ContentLength"), place)


def _explained(client: Client, place: Remote) -> ObjectInfo | None:
    """Return what there is where HEAD was refused, or raise why it was.

    An answer to HEAD has no body, and so no reason: 404 is of a missing object and of a missing
    bucket, 403 of missing rights, unknown keys and a wrong clock. A GET of one byte says which.
    """
    try:
        answer = client.request("GetObject", place, Key=place.key, Range="bytes=0-0")
    except ObjectMissing:
        return None
    answer["Body"].close()
    total = str(answer.get("ContentRange", "")).rpartition("/")[2]
    return _info(answer, int(total) if total.isdecimal() else None, place)


def _info(answer: Answer, size: object, place: Remote) -> ObjectInfo:
    """Return what an answer says of an object; one of a proxy has no ETag."""
    info = ObjectInfo.of(answer, size if isinstance(size, int) else -1)
    if not info.etag or info.size < 0:
        raise RemoteUnavailable(
            "something answers that is not the store",
            file=str(place),
            expected="an answer with an ETag and a length",
            remedy="check --s3-endpoint and the proxies between",
        )
    return info
