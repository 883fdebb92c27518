"""What the answer to a request for a whole small object says: of the object, or of all of them."""

from __future__ import annotations

import os
import re
from typing import Final

from pipeline.errors import (
    CredentialsRefused,
    NoSuchBucket,
    ObjectChanged,
    ObjectRefused,
    RemoteUnavailable,
    ShardmillError,
    Unreachable,
    WrongRegion,
)
from pipeline.storage.http.answers import Answer, Outcome
from pipeline.storage.http.ticket import Ticket
from pipeline.storage.received import Asked, Received, Result

_MD5: Final = re.compile(r"[0-9a-f]{32}")
_USER: Final = re.compile(r"[^/]*@")  # and a password
_NO_KEYS: Final = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken"}
)
_NOT_OF_THE_OBJECT: Final = frozenset({407, 511})  # a proxy or a network asks who one is
_PROXIES: Final = ("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy")


def unreachable(what: str, ticket: Ticket) -> Unreachable:
    """Return the error of a server that gives nothing.

    Args:
        what: it does, as the error says it.
        ticket: one of the requests that came to nothing.
    """
    return Unreachable(
        what,
        file=ticket.request.shown,
        found=f"{ticket.trouble}; {_proxies()}",
        remedy="see whether the address, the network and the proxy are right, then run the same"
        " command again",
    )


def refused(asked: Asked, ticket: Ticket, tries: int) -> Received:
    """Return why there is no object; raise what is no matter of this one.

    Raises:
        ShardmillError: it would be the same of every other.
    """
    answer, error = ticket.answer, ticket.error
    if not isinstance(error, ShardmillError):
        raise error or RuntimeError("the request is under way")
    _check_bucket(answer, error)
    result = {
        Outcome.MISSING: Result.MISSING,
        Outcome.FORBIDDEN: Result.FORBIDDEN,
        Outcome.UNAUTHORIZED: Result.FORBIDDEN,
    }.get(ticket.outcome or Outcome.BROKEN, Result.FAILED)
    if isinstance(error, ObjectRefused) and result is Result.FAILED:
        result = Result.UNUSABLE
    elif result is Result.FAILED and not isinstance(error, (RemoteUnavailable, ObjectChanged)):
        raise error
    etag = etag_of(answer)
    detail = error.found or error.what
    url = ticket.request.shown
    return Received(asked, url, result, answer.status, tries, etag=etag, detail=detail)


def _check_bucket(answer: Answer, error: ShardmillError) -> None:
    """Raise what an answer says of the bucket, its region or the credentials."""
    file = error.file
    if answer.code == "NoSuchBucket":
        raise NoSuchBucket(
            "there is no such bucket", file=file, remedy="check --bucket, and --s3-endpoint"
        )
    if answer.code in _NO_KEYS:
        raise CredentialsRefused(
            "the credentials are refused",
            file=file,
            found=str(answer),
            remedy="renew them, or leave --s3-signed out: a public bucket takes unsigned requests",
        )
    region = answer.headers.get("x-amz-bucket-region", "")
    if region and answer.status in {301, 307, 400}:
        raise WrongRegion(
            "the bucket lies in another region",
            file=file,
            found=region,
            remedy=f"give --s3-region {region}",
        )
    if answer.status in _NOT_OF_THE_OBJECT:
        raise error.altered(found=f"{error.found}; {_proxies()}")


def etag_of(answer: Answer) -> str:
    """Return the ETag without its quotes; "": the answer has none."""
    return answer.headers.get("etag", "").removeprefix("W/").strip('"')


def is_md5(etag: str, answer: Answer) -> bool:
    """Whether an ETag is the MD5 of the bytes; that of an encrypted object only looks like one."""
    encrypted = (
        answer.headers.get("x-amz-server-side-encryption", "").startswith("aws:kms")
        or "x-amz-server-side-encryption-customer-algorithm" in answer.headers
    )
    return _MD5.fullmatch(etag) is not None and not encrypted


def says_its_length(answer: Answer) -> bool:
    """Whether a cut of the body would have been noticed."""
    chunked = "chunked" in answer.headers.get("transfer-encoding", "").lower()
    return answer.length is not None or answer.content_range is not None or chunked


def _proxies() -> str:
    """Return the proxies that the environment names, without what may be secret."""
    values = {name: os.environ[name] for name in _PROXIES if os.environ.get(name)}
    named = [f"{name}={_USER.sub('…@', value)}" for name, value in values.items()]
    return "proxies: " + (", ".join(named) or "none")
