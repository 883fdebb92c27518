"""Where a file may be fetched from, in which order, and which of the user's headers go there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from pipeline.errors import UsageError
from pipeline.storage.location import HTTP, S3, Remote, parse, shown

Headers: TypeAlias = tuple[tuple[str, str], ...]

_HEADER: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")
_MOST_HEADER_BYTES: Final = 1 << 16
_SEVERAL: Final = re.compile(r",\s*(?:https?|s3)://", re.IGNORECASE)
_ARGUMENT: Final = re.compile(r"(?:(?P<host>[A-Za-z0-9._:\[\]-]+)=)?@(?P<file>.+)")


@dataclass(frozen=True)
class Address:
    """A place that a file may be fetched from.

    Attributes:
        name: what people and the sidecar are told: nothing in it is secret.
        url: what is asked for; None: an object of S3, which `object` names.
        headers: the user's, for this host alone.
        object: of S3.
    """

    name: str
    url: str | None = field(repr=False)
    headers: Headers = field(default=(), repr=False)
    object: Remote | None = None


def of_configuration(text: str) -> str | None:
    """Return the address that a configuration's `url` begins with; None: it begins with none.

    What follows it, behind a blank, is a remark for people.

    Raises:
        UsageError: there is a user or a password in it.
    """
    word = text.split(maxsplit=1)[0] if text.strip() else ""
    parts = urlsplit(word)
    if parts.scheme.lower() not in HTTP or not parts.hostname:
        return None
    if "@" in parts.netloc:
        parse(word, "url")  # which refuses it, and does not show them
    return word


def of_mirror(text: str, file: str) -> str | Remote:
    """Return the address of a file at a mirror: the folder that it lies in, or its own.

    Raises:
        UsageError: the mirror is no address of a web server or of S3.
    """
    if _SEVERAL.search(text):
        raise UsageError(
            "--mirror: several addresses with commas between them",
            expected="one address; it may hold commas",
            found=text,
            remedy="repeat the option: --mirror URL --mirror URL",
        )
    folder = parse(text, "--mirror")
    if not isinstance(folder, Remote):
        raise UsageError(
            "--mirror: not an address",
            expected="https://HOST/FOLDER or s3://BUCKET/PREFIX, in which the archives lie",
            found=text,
            remedy="copy a file that is on this machine into RAW",
        )
    place = folder if folder.name == file else folder / file
    return place if place.scheme == S3 else str(place)


def candidates(
    file: str, configured: str, mirrors: Sequence[str], headers: Mapping[str, Headers]
) -> list[Address]:
    """Return where a file may be fetched from: the mirrors in their order, then the configured one.

    Args:
        file: its name.
        configured: the configuration's `url`.
        mirrors: of the user.
        headers: the user's, by the host that they are for; "": the only host that there is.

    Raises:
        UsageError: an address means nothing, or it is not clear which host headers are for.
    """
    places: list[str | Remote] = [of_mirror(mirror, file) for mirror in mirrors]
    own = of_configuration(configured)
    if own is not None and own not in places:
        places.append(own)
    _check_only_host(headers, {_host(place) for place in places if isinstance(place, str)})
    return [_address(place, headers) for place in places]


def check_headers(headers: Mapping[str, Headers], addresses: Iterable[Address]) -> None:
    """Check that headers are for hosts that something is fetched from.

    Args:
        headers: see `candidates`.
        addresses: of all files that are to be fetched.

    Raises:
        UsageError: some are for another, or it is not clear which host they are for.
    """
    hosts = {_host(address.url) for address in addresses if address.url is not None}
    _check_only_host(headers, hosts)
    unknown = sorted(headers.keys() - hosts - {""})
    if unknown and hosts:
        raise UsageError(
            f"--header {unknown[0]}=@FILE: nothing is fetched from this host",
            expected=", ".join(sorted(hosts)),
            found=unknown[0],
        )


def _check_only_host(headers: Mapping[str, Headers], hosts: set[str]) -> None:
    if "" in headers and len(hosts) > 1:
        raise UsageError(
            "--header: there is more than one host, and headers are sent to one only",
            expected="--header HOST=@FILE",
            found=", ".join(sorted(hosts)),
            remedy=f"say which, such as --header {min(hosts)}=@FILE",
        )


def header_argument(text: str) -> tuple[str, str]:
    """Return host ("": the only one) and file of what ``--header`` was given.

    Raises:
        UsageError: it is a header in clear; the message does not show it.
    """
    match = _ARGUMENT.fullmatch(text)
    if match is None:
        raise UsageError(
            "--header: a header in clear is not taken, for lists of processes and the history of"
            " the shell would show it",
            expected="--header @FILE, or --header HOST=@FILE",
            found="something that does not begin with @, which is not shown here",
            remedy="write the header, such as `Cookie: ...`, into a file that only you may read,"
            " and name that",
        )
    return (match["host"] or "").lower(), match["file"]


def header_bytes(file: str) -> bytes:
    """Return what a file of headers holds; it may be a pipe, as of a program that keeps secrets.

    Raises:
        UsageError: it cannot be read, or is longer than headers are.
    """
    try:
        with Path(file).expanduser().open("rb") as source:
            content = source.read(_MOST_HEADER_BYTES + 1)
    except OSError as error:
        raise UsageError(
            "--header: the file cannot be read", file=file, found=error.strerror
        ) from None
    if len(content) > _MOST_HEADER_BYTES:
        raise UsageError(
            "--header: the file is no file of headers",
            file=file,
            expected=f"at most {_MOST_HEADER_BYTES:,} bytes",
        )
    return content


def read_headers(content: bytes, file: str) -> Headers:
    """Return the headers in a file, a line each; empty lines and those with a # do not count.

    Raises:
        UsageError: a line is no header; the message does not show it.
    """
    found = []
    for number, raw in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        match = _HEADER.fullmatch(line)
        if match is None or not line.isascii():
            raise UsageError(
                "--header: this line is no header",
                file=file,
                place=f"line {number}, which is not shown here",
                expected="NAME: VALUE, in ASCII",
            )
        found.append((match[1], match[2].strip()))
    if not found:
        raise UsageError("--header: there is no header in the file", file=file)
    return tuple(found)


def _address(place: str | Remote, headers: Mapping[str, Headers]) -> Address:
    if isinstance(place, Remote):
        return Address(str(place), None, object=place)
    own = headers.get(_host(place), headers.get("", ()))
    return Address(shown(place), place, own)


def _host(url: str) -> str:
    """Return the host of an address, and its port where one is given."""
    return urlsplit(url).netloc.lower()
