"""How an S3 store is reached, as far as a user says it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from pipeline.errors import UsageError

ADDRESSING: Final = ("path", "virtual", "auto")
CHECKSUMS: Final = ("when_required", "when_supported")
ONE_PUT: Final = 256 << 20
"""Bytes up to which an object is put by one request."""


@dataclass(frozen=True)
class Settings:
    """What is said of a store; what is None is read from AWS's own variables and files.

    Keys and tokens are never here: boto3 finds them where AWS's own programs do.

    Attributes:
        endpoint: the URL of the store; by default that of AWS.
        region: such as ``eu-west-1``.
        profile: a section of AWS's files.
        unsigned: whether requests are sent without a signature, as to a public bucket.
        addressing: whether the bucket stands in the path or in the host name; by default boto3
            decides.
        checksums: whether requests carry more checksums than the protocol needs. By default they
            do not: several stores refuse them, and each upload has its MD5.

    Raises:
        UsageError: a value is none of those that can be, or the endpoint holds a secret.
    """

    endpoint: str | None = None
    region: str | None = None
    profile: str | None = None
    unsigned: bool = False
    addressing: str | None = None
    checksums: str | None = None

    def __post_init__(self) -> None:
        if self.endpoint is not None:
            check_endpoint(self.endpoint, "--s3-endpoint")
        _check_choice(self.addressing, ADDRESSING, "--s3-addressing")
        _check_choice(self.checksums, CHECKSUMS, "--s3-checksums")


def ca_file() -> str:
    """Return the PEM file of certificates to trust that AWS's own variable names; "": none."""
    return os.environ.get("AWS_CA_BUNDLE", "")


def check_endpoint(url: str, name: str) -> None:
    """Check that a URL can be that of a store, and that it may be shown.

    Args:
        url: as it was given.
        name: of the option or variable, for the message.

    Raises:
        UsageError: it is no http(s) address of a host, or it holds a user, a password or a query.
    """
    expected = "http://HOST:PORT or https://HOST, without a user, a password or a query"
    try:
        parts = urlsplit(url)
        is_fit = _is_fit(parts)
    except ValueError:  # such as of a port that is no number
        is_fit = False
    if not is_fit:
        raise UsageError(f"{name}: no address of a store", expected=expected)


def _is_fit(parts: SplitResult) -> bool:
    """Whether the parts of a URL are those of an endpoint; `port` raises where it is no number."""
    is_host = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    return is_host and "@" not in parts.netloc and not parts.query and not parts.fragment


def _check_choice(value: str | None, choices: tuple[str, ...], name: str) -> None:
    if value is not None and value not in choices:
        raise UsageError(f"{name}: unknown value", expected=", ".join(choices), found=value)
