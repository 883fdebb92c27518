"""What ``shardmill fetch`` is asked for: which archives, from where, and how."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pipeline import storage
from pipeline.errors import ArchiveMissing, ConfigError, UsageError
from pipeline.job import build
from pipeline.job.options import Job
from pipeline.job.table.fetch import STORE_FIELDS
from pipeline.names import meant
from pipeline.quantities import counted
from pipeline.sources import registry
from pipeline.sources.inputs import NO_MD5, Archive
from pipeline.storage.http.fetch.addresses import (
    Address,
    Headers,
    candidates,
    check_headers,
    header_argument,
    header_bytes,
    read_headers,
)
from pipeline.storage.http.fetch.places import Place, place_of
from pipeline.storage.local.local_path import absolute
from pipeline.storage.location import Location, Remote
from pipeline.storage.remote_options import DEFAULT, RemoteOptions

if TYPE_CHECKING:  # libcurl: only where a transfer is made
    from pipeline.storage.http.objects import Objects

_RATE: Final = re.compile(r"(\d{1,12}(?:\.\d{1,3})?)([kKmMgG]?)[bB]?")
_UNITS: Final = {"": 1, "k": 1_000, "m": 1_000_000, "g": 1_000_000_000}
_LEAST_RATE: Final = 4_000  # of a connection: one of next to nothing is taken for dead


def stored(folder: Remote, options: RemoteOptions) -> Objects:
    """Return the objects of a folder in a store."""
    # boto3: only where such an address is met.
    from pipeline.storage.s3.objects import S3Objects  # noqa: PLC0415

    return S3Objects(folder, options.s3)


@dataclass(frozen=True)
class FetchPlan:
    """Where archives are fetched from and to.

    Attributes:
        raw: the folder that they go into.
        archives: the archives.
        out: the output folder that they are verified and indexed for; None: only their MD5s.
        mirrors: addresses of folders, before the configured addresses.
        headers: the user's, by the host that they are for; "": the only host that there is.
        netrc: whether names and passwords are looked up in ``.netrc``.
        connections: how many parts are fetched at a time.
        rate: bytes a second of all of them together; 0: as many as come.
        remote: how stores are reached, of mirrors and of the output.
        objects: returns what is in a folder of a store.
    """

    raw: Path
    archives: tuple[Archive, ...]
    out: Location | None = None
    mirrors: tuple[str, ...] = ()
    headers: Mapping[str, Headers] = field(default_factory=dict, repr=False)
    netrc: bool = False
    connections: int = 4
    rate: int = 0
    remote: RemoteOptions = DEFAULT
    objects: Callable[[Remote, RemoteOptions], Objects] = field(default=stored, repr=False)

    def target(self, archive: Archive) -> Path:
        """Return where an archive goes."""
        return self.raw / archive.file

    def check(self) -> None:
        """Check what can be checked before anything is fetched.

        Raises:
            UsageError: an address, a host of headers or an option of S3 means nothing.
        """
        self.remote.s3  # noqa: B018 - raises where one cannot be
        addresses = [each for archive in self.archives for each in self._addresses(archive)]
        check_headers(self.headers, addresses)

    def _addresses(self, archive: Archive) -> list[Address]:
        return candidates(archive.file, archive.url, self.mirrors, self.headers)

    def places(self, archive: Archive) -> list[Place]:
        """Return where an archive may be fetched from, in this order.

        Raises:
            UsageError: an address means nothing.
            ArchiveMissing: there is none; with where to get the archive.
        """
        found = self._addresses(archive)
        if not found:
            raise ArchiveMissing(
                "the configuration has no address that this archive can be fetched from",
                file=str(self.target(archive)),
                expected="a `url` that begins with https://, or --mirror",
                found=f"url = {archive.url!r}",
                remedy="get it by hand from where `url` says, and put it there under exactly this"
                " name; or name a mirror with --mirror",
            )
        return [self._place(address) for address in found]

    def _place(self, address: Address) -> Place:
        remote = address.object
        objects = None if remote is None else self.objects(remote.parent, self.remote)
        return place_of(address, objects, netrc=self.netrc)


def plan_of(values: Mapping[str, Any]) -> FetchPlan:
    """Return the plan that the values of options ask for.

    Args:
        values: of every option of `FETCH_OPTIONS`, by its name.

    Raises:
        UsageError: a value means nothing; a header is given in clear.
        ConfigError: the configuration cannot be understood.
    """
    config = values["config"] or build.default_config()
    out = values["out"]
    return FetchPlan(
        raw=Path(absolute(values["raw"], "--raw")),
        archives=_archives(absolute(config, "--config"), values["only"]),
        out=_output(out) if out else None,
        mirrors=values["mirror"],
        headers=_headers(values["header"]),
        netrc=values["netrc"],
        connections=values["connections"],
        rate=rate_of(values["limit_rate"], values["connections"]),
        remote=RemoteOptions(**{name: values[name] for name in STORE_FIELDS}),
    )


def _output(text: str) -> Location:
    """Return where the output of a preparation lies.

    Raises:
        UsageError: nothing can be written there.
    """
    return storage.check_takes_files(storage.parse(storage.absolute(text, "--out")), "--out")


def rate_of(text: str, connections: int = 1) -> int:
    """Return the bytes a second that a text such as ``50M`` means; 0: no limit.

    Raises:
        UsageError: it means none, or so few that a connection would be taken for dead.
    """
    if not text:
        return 0
    match = _RATE.fullmatch(text.strip())
    rate = int(float(match[1]) * _UNITS[match[2].lower()]) if match else 0
    least = _LEAST_RATE * connections
    if rate < least:
        raise UsageError(
            f"--limit-rate {text}: not such a number",
            expected=f"bytes a second, such as 500k, 50M or 1G; at least {least:,} of"
            f" {counted(connections, 'connection')}",
            found=text,
        )
    return rate


def _archives(config: str, only: tuple[str, ...]) -> tuple[Archive, ...]:
    dataset = registry.data_set(Job(raw="", out="", config=config))
    known = {**dataset.archives, **dataset.optional}
    for name in only:
        if name not in known:
            likely = meant(name, known)
            raise UsageError(
                f"--only {name}: the configuration has no archive of this name",
                expected=", ".join(known),
                found=name,
                remedy=f"say {likely}" if likely else None,
            )
    names = dict.fromkeys(only or dataset.archives)
    wanted = tuple(known[name].as_published() for name in names)
    for archive in wanted:
        if archive.md5 == NO_MD5:
            raise ConfigError(
                f"the archive {archive.name} has no md5, which says whether the right file came",
                file=config,
                expected=f"md5 of {archive.file}",
                remedy="write it into the configuration, or get the archive by hand",
            )
    return wanted


def _headers(arguments: Iterable[str]) -> dict[str, Headers]:
    """Return the headers of all files, by the host that they are for."""
    by_host: dict[str, Headers] = {}
    for host, file in map(header_argument, arguments):
        by_host[host] = by_host.get(host, ()) + read_headers(header_bytes(file), file)
    return by_host
