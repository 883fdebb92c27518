"""Signed addresses of many objects of one bucket, made after one that boto3 has signed.

boto3 takes most of a millisecond for an address, which is more than an image takes to be read;
where each image is an object of its own there are millions. A `Pattern` does the same sum (AWS's
Signature Version 4) for another key in a fiftieth of that. There only is one where it gives what
boto3 gives, for the key that boto3 has signed for.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Self
from urllib.parse import parse_qs, quote, urlsplit

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_SIGNATURE: Final = "&X-Amz-Signature="


@dataclass(frozen=True)
class SignedUrl:
    """An address that whoever holds it may read: it is shown without its signature.

    Attributes:
        url: with the signature.
        expires: seconds since the epoch after which it is refused.
    """

    url: str = field(repr=False)
    expires: float


@dataclass(frozen=True)
class Pattern:
    """What addresses that are signed in one second for one bucket have in common.

    Attributes:
        begin: of each address, up to the key.
        host: with its port, if it has one.
        folder: the path up to the key, percent-encoded.
        query: all but the signature.
        sorted_query: the same in the order in which it is signed.
        date: the second in which it was signed.
        scope: date, region and service.
        key: derived from the secret key, for this scope.
    """

    begin: str
    host: str
    folder: str
    query: str
    sorted_query: str
    date: str
    scope: str
    key: bytes = field(repr=False)

    @classmethod
    def of(cls, url: str, key: str, secret: str) -> Self | None:
        """Return the pattern of an address that boto3 has signed; None: it has another form.

        Args:
            url: the address.
            key: of the object that it is the address of.
            secret: the secret key that it was signed with.
        """
        parts, encoded = urlsplit(url), _encoded(key)
        query, _, signature = parts.query.partition(_SIGNATURE)
        values = {name: value[0] for name, value in parse_qs(parts.query).items()}
        if values.get("X-Amz-Algorithm") != _ALGORITHM or not parts.path.endswith(f"/{encoded}"):
            return None
        scope = values["X-Amz-Credential"].partition("/")[2]
        folder = parts.path.removesuffix(encoded)
        pattern = cls(
            f"{parts.scheme}://{parts.netloc}{folder}",
            parts.netloc,
            folder,
            query,
            "&".join(sorted(query.split("&"))),
            values["X-Amz-Date"],
            scope,
            _key(secret, scope),
        )
        return pattern if pattern._signature(encoded) == signature else None

    def url(self, key: str) -> str:
        """Return the signed address of an object by its key."""
        encoded = _encoded(key)
        return f"{self.begin}{encoded}?{self.query}{_SIGNATURE}{self._signature(encoded)}"

    def _signature(self, encoded: str) -> str:
        lines = (
            *("GET", f"{self.folder}{encoded}", self.sorted_query),
            *(f"host:{self.host}", "", "host", "UNSIGNED-PAYLOAD"),
        )
        digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        text = f"{_ALGORITHM}\n{self.date}\n{self.scope}\n{digest}"
        return hmac.digest(self.key, text.encode(), hashlib.sha256).hex()


class Kept(NamedTuple):
    """A pattern of addresses, if there is one, the keys and the time by which it was signed."""

    pattern: Pattern | None
    keys: object
    begun: float
    expires: float


def _encoded(key: str) -> str:
    return quote(key, safe="/-_.~")


def _key(secret: str, scope: str) -> bytes:
    """Return the key by which all that is signed in a scope is signed."""
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    return key
