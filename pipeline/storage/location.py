"""Where something lies: a path of this machine, or the address of an object in a store.

`parse` is the one function that reads such a text. What it returns is a `Path` for a local path and
for a ``file://`` address, and a `Remote` for ``s3://``, ``http://`` and ``https://``. A `Remote` is
no `Path`, so that a type checker finds every place that would ask the local disk for it; nothing
outside `pipeline.storage` asks which of the two a location is.
"""

from __future__ import annotations

import re
import string
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import quote, unquote

from pipeline import plaintext
from pipeline.errors import UsageError

S3: Final = "s3"
HTTP: Final = ("http", "https")
SCHEMES: Final = (S3, *HTTP, "file")
"""The schemes that an address may have."""

_ADDRESS: Final = re.compile(r"\s*([\w+.-]+)://(.*)", re.DOTALL)
_BUCKET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_HOST: Final = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_ONE_SLASH: Final = re.compile(r"\s*(s3|https?|file):/(?!/)", re.IGNORECASE)
_NO_NAMES: Final = frozenset({"", ".", ".."})
_HIGHEST_PORT: Final = 65535
_UNQUOTED: Final = "/!$&'()*+,;=:@" + string.ascii_letters + string.digits
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")  # a line feed, say, that was pasted along
_SIGNATURE: Final = re.compile(r"\?(?:[^/]*&)?(?:X-Amz-|AWSAccessKeyId=)", re.IGNORECASE)
_LONGEST_KEY: Final = 1024  # bytes of UTF-8, by S3's own rule


@dataclass(frozen=True, order=True)
class Remote:
    """The address of an object, or of all objects whose keys begin with this key and a slash.

    Attributes:
        scheme: ``s3``, ``http`` or ``https``.
        host: the bucket, or the host with its port if one is given.
        key: names joined by slashes, none of them empty, ``.`` or ``..``; of HTTP, decoded. The
            empty key is the root of a web server.
    """

    scheme: str
    host: str
    key: str

    def __truediv__(self, name: str) -> Remote:
        """Return the address of a name, or of names joined by slashes, below this one.

        Raises:
            UsageError: a name is empty, ``.`` or ``..``, or the key is too long or not UTF-8.
        """
        key = f"{self.key}/{name}" if self.key else name
        _check_key(key, self.scheme, f"{self.scheme}://{self.host}/{key}")
        return replace(self, key=key)

    def __str__(self) -> str:
        """Return the address as `parse` reads it; a web address is percent-encoded."""
        key = self.key if self.scheme == S3 else quote(self.key, safe=_UNQUOTED)
        return f"{self.scheme}://{self.host}/{key}"

    @property
    def name(self) -> str:
        """The last name of the key."""
        return self.key.rpartition("/")[2]

    @property
    def parent(self) -> Remote:
        """The address without the last name; of a key of one name, with the empty key."""
        return replace(self, key=self.key.rpartition("/")[0])

    @property
    def suffix(self) -> str:
        """The end of the name from its last dot on, as of a `Path`."""
        return Path(self.name).suffix

    @property
    def stem(self) -> str:
        """The name without its `suffix`."""
        return Path(self.name).stem

    def with_name(self, name: str) -> Remote:
        """Return the address with another last name."""
        return self.parent / name

    def with_suffix(self, suffix: str) -> Remote:
        """Return the address with another suffix, or with one where there was none."""
        return self.with_name(self.stem + suffix)

    def relative_to(self, folder: Remote) -> str:
        """Return the names below a folder, joined by slashes.

        Raises:
            ValueError: this address is not below the folder.
        """
        same_place = (self.scheme, self.host) == (folder.scheme, folder.host)
        prefix = f"{folder.key}/" if folder.key else ""
        if not same_place or not self.key.startswith(prefix) or self.key == prefix:
            raise ValueError(f"{self} is not below {folder}")
        return self.key[len(prefix) :]


def object_name(path: str) -> str | None:
    """Return the name below an address that a relative path means; None: it means none.

    ``a//b/./c`` is ``a/b/c``, as it is below a folder. A path with ``..`` and an absolute one lead
    out of it.
    """
    parts = [part for part in path.split("/") if part not in {"", "."}]
    return None if path.startswith("/") or ".." in parts or not parts else "/".join(parts)


Location: TypeAlias = Path | Remote
"""Where a file or an object lies."""


def on_this_machine(location: Location) -> Path:
    """Return the path of a location that can only be one of this machine.

    Raises:
        UsageError: it is an address.
    """
    if isinstance(location, Remote):
        raise UsageError("an address where only a local path can stand", found=str(location))
    return location


def is_address(text: str) -> bool:
    """Whether a text begins with ``scheme://``, of whatever scheme."""
    return _ADDRESS.match(text) is not None


def parse(text: str, name: str = "path", *, whole_bucket: bool = False) -> Location:
    """Return where a text says that something lies.

    Args:
        text: a local path, ``~`` standing for the home folder, or an address. A slash at the end
            of an address counts for nothing.
        name: the option or argument, which the message names.
        whole_bucket: whether ``s3://BUCKET`` may stand for all that is in a bucket.

    Raises:
        UsageError: the scheme is not one of `SCHEMES`, there is no bucket or no host, the address
            holds a user, a password, a query of a web address, a signature or a control
            character, or a name in the key is empty, ``.`` or ``..``.
    """
    match = _ADDRESS.match(text)
    if match is None:
        return _local(text, name)
    scheme, rest = match[1].lower(), match[2]
    if scheme == "file":
        return _of_file(rest, text, name)
    if scheme not in SCHEMES:
        raise UsageError(
            f"{name}: an address with an unknown scheme",
            expected=", ".join(f"{each}://" for each in SCHEMES) + ", or a local path",
            found=shown(text),
            remedy="copy from or to that place with its own program, and give a local path",
        )
    host, _, key = rest.partition("/")
    key = key.removesuffix("/")
    _check_host(scheme, host, text, name)
    if scheme in HTTP:
        key = _decoded(key, text, name)
    _check_plain(key, text, name)
    if scheme == S3:
        _check_unsigned(key, text, name)
    if whole_bucket and not key:
        return Remote(scheme, host, key)
    if scheme == S3 and not key:
        raise UsageError(
            f"{name}: an address that names a bucket and nothing in it",
            expected="s3://BUCKET/PREFIX: a prefix keeps one job's objects apart from all else",
            found=shown(text),
            remedy="name a prefix; what is read has to lie below one, too",
        )
    _check_key(key, scheme, shown(text), name)
    return Remote(scheme, host, key)


def _local(text: str, name: str) -> Path:
    if not text or text.encode(errors="replace").decode() != text:
        raise UsageError(f"{name}: a path is empty or not UTF-8", found=repr(text))
    if _ONE_SLASH.match(text):
        raise UsageError(
            f"{name}: an address with one slash after its scheme",
            expected="two, as in s3://BUCKET/PREFIX",
            found=shown(text),
            remedy="give the second slash; a folder of such a name is ./s3:",
        )
    return Path(text).expanduser()


def _of_file(rest: str, text: str, name: str) -> Path:
    """Return the path of a ``file://`` address, which names this machine or none."""
    host, slash, path = rest.partition("/")
    if host not in {"", "localhost"} or not slash:
        raise UsageError(
            f"{name}: a file address of another machine",
            expected="file:///PATH, with three slashes",
            found=shown(text),
        )
    return Path(f"/{_decoded(path, text, name)}")


def _check_host(scheme: str, host: str, text: str, name: str) -> None:
    if "@" in host:
        raise UsageError(
            f"{name}: an address that holds a user or a password",
            expected="an address without them: logs and lists of processes would show them",
            found=shown(text),
            remedy="shardmill fetch takes them by --netrc or --header @FILE; of S3, AWS's variables"
            " and files have them",
        )
    pattern = _BUCKET if scheme == S3 else _HOST
    port = re.search(r":(\d+)$", host)
    if pattern.fullmatch(host) is None or (port and not 0 < int(port[1]) <= _HIGHEST_PORT):
        noun = "bucket" if scheme == S3 else "host"
        raise UsageError(
            f"{name}: an address without a {noun}, or with one that cannot be",
            expected=f"{scheme}://{noun.upper()}/NAME",
            found=shown(text),
        )


def _decoded(key: str, text: str, name: str) -> str:
    """Return what a percent-encoded path of an address stands for."""
    if "?" in key or "#" in key:
        raise UsageError(
            f"{name}: an address with a query or a fragment",
            expected="the address of a folder or a file, to which names are added",
            found=shown(text),
            remedy="leave out what follows the ? or the #; write %3F or %23 if it is in a name",
        )
    try:
        return unquote(key, errors="strict")
    except UnicodeDecodeError:
        raise UsageError(f"{name}: an address that is not UTF-8", found=shown(text)) from None


def _check_plain(key: str, text: str, name: str) -> None:
    if control := _CONTROL.search(f"{text}{key}"):
        raise UsageError(
            f"{name}: an address with a control character",
            expected="characters that can be seen",
            found=f"{plaintext.line(shown(text))}, with {control[0]!r}",
            remedy="leave it out, or give a prefix above that name",
        )


def _check_unsigned(key: str, text: str, name: str) -> None:
    """Check that a key, which may hold a ``?``, is not the rest of a signed web address."""
    if _SIGNATURE.search(key):
        raise UsageError(
            f"{name}: a signed address",
            expected="an address without a signature: logs and lists of processes would show it",
            found=shown(text),
            remedy="leave out what follows the ?; keys are taken from AWS's variables and files",
        )


def is_key(key: str) -> bool:
    """Whether an address can end in this: names joined by slashes, none empty, ``.`` or ``..``."""
    return not _NO_NAMES.intersection(key.split("/")) and "\0" not in key


def _check_key(key: str, scheme: str, shown: str, name: str = "path") -> None:
    parts = key.split("/") if key or scheme == S3 else []
    if _NO_NAMES.intersection(parts):
        raise UsageError(
            f"{name}: an address with an empty name, a . or a .. in it",
            expected="names joined by single slashes",
            found=shown,
        )
    encoded = key.encode(errors="replace")
    if encoded.decode() != key or "\0" in key:
        raise UsageError(f"{name}: an address that is not UTF-8", found=plaintext.line(repr(shown)))
    if len(encoded) > _LONGEST_KEY:
        raise UsageError(
            f"{name}: an address that is too long",
            expected=f"at most {_LONGEST_KEY:,} bytes after the bucket or host",
            found=f"{len(encoded):,} bytes",
        )


def shown(text: str) -> str:
    """Return an address without what may be a secret in it: a user, a password, a query."""
    without_query = re.split(r"[?#]", text, maxsplit=1)
    shown = re.sub(r"(://)[^/]*@", r"\1…@", without_query[0])
    return shown if len(without_query) == 1 else f"{shown}?…"
