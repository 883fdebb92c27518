"""What botocore raises, as the errors of this program.

None of them holds a key, a token or a signature: an answer's own message is shown only where it is
about rights or names, and never one about keys; and the exception of botocore, which holds the
whole answer, is not chained.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final

from botocore import exceptions as boto
from botocore.exceptions import BotoCoreError, ClientError

from pipeline.errors import (
    CredentialsRefused,
    EnvironmentRefused,
    NoPermission,
    NoSpace,
    NoSuchBucket,
    ObjectMissing,
    ObjectRefused,
    RemoteUnavailable,
    ShardmillError,
    TransientError,
    UsageError,
    WrongRegion,
)
from pipeline.storage.location import Remote, shown
from pipeline.storage.s3 import retries

EXPIRED: Final = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
_WRITES: Final = frozenset(
    {
        *("PutObject", "CreateMultipartUpload", "UploadPart", "UploadPartCopy"),
        *("CompleteMultipartUpload", "AbortMultipartUpload", "DeleteObjects"),
    }
)
_RIGHTS: Final = {
    "ListObjectsV2": "s3:ListBucket",
    "HeadObject": "s3:GetObject",
    "GetObject": "s3:GetObject",
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "DeleteObjects": "s3:DeleteObject",
}
_KEYS_REMEDY: Final = (
    "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or --s3-profile (AWS_PROFILE); for a public"
    " bucket give --s3-unsigned"
)


@dataclass(frozen=True)
class _Meaning:
    """What the code of an answer means, where it says more than its status of HTTP."""

    error: type[ShardmillError]
    what: str
    remedy: str | None = None
    of_bucket: bool = True  # and not of the one object


def _keys(what: str) -> _Meaning:
    return _Meaning(CredentialsRefused, what, _KEYS_REMEDY)


_EXPIRED: Final = _Meaning(
    CredentialsRefused,
    "the credentials have expired",
    "renew them, then run the same command again: what is finished is kept",
)
_NO_ROOM: Final = _Meaning(NoSpace, "the store takes no more data")
_MISSING: Final = _Meaning(ObjectMissing, "there is no such object", of_bucket=False)
_MEANINGS: Final = {
    **dict.fromkeys(EXPIRED, _EXPIRED),
    **dict.fromkeys(("QuotaExceeded", "InsufficientStorage", "507", "XMinioStorageFull"), _NO_ROOM),
    **dict.fromkeys(("NoSuchKey", "NoSuchVersion", "404"), _MISSING),
    "NoSuchBucket": _Meaning(
        NoSuchBucket,
        "there is no such bucket",
        "check the name, and --s3-endpoint; no bucket is made by this program",
    ),
    "InvalidAccessKeyId": _keys("the store does not know the access key"),
    "SignatureDoesNotMatch": _keys("the secret key is not that of the access key"),
    "InvalidToken": _keys("the session token is not valid"),
    "InvalidClientTokenId": _keys("the access key is not valid"),
    "UnrecognizedClientException": _keys("the access key is not valid"),
    "AuthFailure": _keys("the store does not take the keys"),
    "AccountProblem": _keys("the store has closed the account"),
    "NotSignedUp": _keys("the account may not use this store"),
    "RequestTimeTooSkewed": _Meaning(
        EnvironmentRefused,
        "the clock of this machine differs too much from that of the store",
        "set the clock, then run the same command again",
    ),
    "InvalidObjectState": _Meaning(
        ObjectRefused,
        "the object lies in an archive class, such as Glacier",
        "restore it, then run the same command again",
        of_bucket=False,
    ),
    "NoSuchUpload": _Meaning(TransientError, "the store has given up an upload", of_bucket=False),
}
_PERHAPS_THE_CLOCK: Final = frozenset({"AccessDenied", "SignatureDoesNotMatch", "400", "403"})
_SKEW_S: Final = 600.0  # a store takes a quarter of an hour
_REGION_CODES: Final = frozenset(
    {
        *("PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed"),
        *("IllegalLocationConstraintException", "AuthorizationQueryParametersError"),
    }
)
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_NO_KEYS: Final = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.MetadataRetrievalError,
    boto.NoAuthTokenError,
    boto.TokenRetrievalError,
    boto.RefreshWithMFAUnsupportedError,
    boto.SSOError,
    boto.LoginError,
    boto.UnknownCredentialError,
)
_SECRETS: Final = re.compile(
    r"(?i)(?:X-Amz-(?:Signature|Credential|Security-Token)|AWSAccessKeyId|Signature)=[^&\s]+"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{12,}|[A-Za-z0-9/+=_-]{40,}"
)


def translated(error: Exception, operation: str, place: Remote) -> ShardmillError:
    """Return what kept a request from being done.

    Args:
        error: of botocore.
        operation: of S3, such as ``PutObject``.
        place: the address that it is about.
    """
    if isinstance(error, ClientError):
        return _refused(error.response, operation, place)
    if isinstance(error, retries.UNANSWERED):
        return _unanswered(error, place)
    if isinstance(error, _NO_KEYS):
        return CredentialsRefused(
            "there are no credentials to sign a request with",
            file=str(place),
            found=type(error).__name__,
            remedy=_KEYS_REMEDY,
        )
    return misconfigured(error, place)


def misconfigured(error: Exception, place: Remote | None = None) -> UsageError:
    """Return the error of a request that boto3 could not make, or of a client.

    The messages of these name options, sections and files, and no values of keys.
    """
    return UsageError(
        "boto3 cannot work as it is configured",
        file=str(place) if place else None,
        found=_safe(str(error)),
        remedy="check the options --s3-… and AWS's variables and files",
    )


def of_code(refusal: Mapping[str, Any], operation: str, place: Remote) -> ShardmillError:
    """Return the error that one object of several met: its code and message stand in `refusal`."""
    status = {"AccessDenied": 403, "InternalError": 500, "SlowDown": 503}
    code = refusal.get("Code")
    answer = {
        "Error": {"Code": code, "Message": refusal.get("Message")},
        "ResponseMetadata": {"HTTPStatusCode": status.get(str(code), 400)},
    }
    return _refused(answer, operation, place)


def code_of(answer: Mapping[str, Any]) -> str:
    """Return the code of an error's answer; of one without a body, its status of HTTP."""
    return str(answer.get("Error", {}).get("Code", ""))


def status_of(answer: Mapping[str, Any]) -> int:
    """Return the status of HTTP of an answer."""
    return int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _refused(answer: Mapping[str, Any], operation: str, place: Remote) -> ShardmillError:
    """Return the error that an answer stands for."""
    code, status = code_of(answer), status_of(answer)
    of_bucket = f"{place.scheme}://{place.host}"
    if code in _PERHAPS_THE_CLOCK and _skew_s(answer) > _SKEW_S:
        code = "RequestTimeTooSkewed"
    if meaning := _MEANINGS.get(code):
        return meaning.error(
            meaning.what,
            file=of_bucket if meaning.of_bucket else str(place),
            found=f"{code} to {operation}",
            remedy=meaning.remedy,
        )
    if code in _REGION_CODES or status in _REDIRECTS:
        return _elsewhere(answer, f"{code or status} to {operation}", of_bucket)
    if status in {401, 403} or code == "AccessDenied":
        return _forbidden(answer, operation, place)
    if retries.is_passing(status, code):
        return RemoteUnavailable(
            "the store does not do what it is asked to, after all tries",
            file=str(place),
            found=_said(answer, operation),
            remedy="run the same command again later: what is finished is kept",
        )
    return UsageError(
        "the store refuses a request",
        file=str(place),
        found=_said(answer, operation),
        remedy="check --s3-endpoint, --s3-addressing and --s3-checksums",
    )


def _skew_s(answer: Mapping[str, Any]) -> float:
    """Return by how many seconds the clocks of this machine and of the store differ, if it says."""
    date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        return abs(parsedate_to_datetime(date).timestamp() - time.time())
    except ValueError:
        return 0.0


def _forbidden(answer: Mapping[str, Any], operation: str, place: Remote) -> ShardmillError:
    found = _said(answer, operation)
    right = _RIGHTS.get(operation, "s3:PutObject")
    remedy = f"grant {right} there; docs/remote.md lists all rights that are needed"
    if operation in _WRITES:
        return NoPermission(
            "nothing may be written, or removed, here", file=str(place), found=found, remedy=remedy
        )
    if operation == "HeadObject":
        remedy += "; a missing object looks the same to keys without s3:ListBucket"
    return ObjectRefused(
        "the store does not let this be read", file=str(place), found=found, remedy=remedy
    )


def _elsewhere(answer: Mapping[str, Any], found: str, of_bucket: str) -> ShardmillError:
    """Return the error of an answer that sends a request to another region, or another server."""
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    region = headers.get("x-amz-bucket-region") or answer.get("Error", {}).get("Region")
    if "location" in headers and not region and code_of(answer) not in _REGION_CODES:
        return UsageError(
            "the store lies at another address",
            file=of_bucket,
            found=f"{found}: {shown(headers['location'])}",
            remedy="give the address of that server as --s3-endpoint (AWS_ENDPOINT_URL)",
        )
    return WrongRegion(
        "the bucket lies in another region than requests are signed for",
        file=of_bucket,
        expected=f"region {region}" if region else None,
        found=found,
        remedy=f"give --s3-region {region or 'REGION'}, or set AWS_REGION",
    )


def _unanswered(error: BotoCoreError, place: Remote) -> ShardmillError:
    reason = retries.cause(error)
    if isinstance(reason, ShardmillError):
        return reason  # a local file that was being sent
    if isinstance(error, boto.SSLError):
        return EnvironmentRefused(
            "the certificate of the store is not trusted",
            file=str(place),
            found=type(reason).__name__ if reason is not None else None,
            remedy="name the file of the authority that signed it in AWS_CA_BUNDLE",
        )
    return RemoteUnavailable(
        "the store does not answer, after all tries",
        file=str(place),
        found=_how(error),
        remedy="check --s3-endpoint (AWS_ENDPOINT_URL) and the network, then run the same command"
        " again: what is finished is kept",
    )


def _how(error: BotoCoreError) -> str:
    """Return in which way there was no answer; the address in it has no query."""
    address = str(error.kwargs.get("endpoint_url", "")).partition("?")[0]
    reason = retries.cause(error)
    parts = (type(error).__name__, address, type(reason).__name__ if reason is not None else "")
    return ", ".join(part for part in parts if part)


def _said(answer: Mapping[str, Any], operation: str) -> str:
    """Return the code of an answer and its message, which is about no key."""
    message = str(answer.get("Error", {}).get("Message") or "")
    head = f"{code_of(answer) or status_of(answer)} to {operation}"
    return f"{head}: {_safe(message)}" if message else head


def _safe(text: str, longest: int = 300) -> str:
    """Return a text without what looks like a key, a token or a signature."""
    return _SECRETS.sub("…", text)[:longest]
