"""Where an engine is, as ``--cluster`` says it, and whether one answers there."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

from pipeline.errors import EnvironmentRefused, UsageError

PATIENCE_S: Final = 10.0
"""Seconds in which a scheduler answers."""
_HOST: Final = r"\[[0-9A-Fa-f:.]+\]|[\w.-]+"
_ADDRESS: Final = re.compile(rf"(dask|tls)://({_HOST}):([0-9]{{1,5}})", re.ASCII)
_EXPECTED: Final = "dask://HOST:PORT, or tls://HOST:PORT, of a Dask scheduler"
_LAST_PORT: Final = 65535
_GREETING: Final = b"pickle-protocol"
"""What stands in the first message that each process of Dask sends to whoever connects to it."""
_MOST: Final = 1 << 12  # bytes of that message


@dataclass(frozen=True)
class EngineAddress:
    """Where the scheduler of an engine is.

    Attributes:
        protocol: ``dask``, or ``tls`` where Dask's own configuration names certificates.
        host: its name or number.
        port: its port.
    """

    protocol: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.protocol}://{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The address as Dask has it."""
        protocol = "tcp" if self.protocol == "dask" else self.protocol
        return f"{protocol}://{self.host}:{self.port}"


def parse(given: str) -> EngineAddress:
    """Return the address that ``--cluster`` means.

    Raises:
        UsageError: it is none.
    """
    match = _ADDRESS.fullmatch(given)
    if match is None or not 0 < int(match[3]) <= _LAST_PORT:
        found = "one with an @, which is not shown" if "@" in given else given  # a password
        raise UsageError("--cluster: no address of a cluster", expected=_EXPECTED, found=found)
    return EngineAddress(match[1], match[2], int(match[3]))


def check_installed() -> None:
    """Check that the library of the engine is there.

    Raises:
        UsageError: it is not.
    """
    if find_spec("distributed") is None:
        raise UsageError(
            "--cluster: Dask is not installed",
            expected="the package distributed",
            remedy="run pip install '.[dask]' in the checkout of shardmill, here and where"
            " the scheduler and the workers run",
        )


def check(address: EngineAddress) -> None:
    """Connect to a scheduler once, and see that it greets as Dask does.

    Dask's own client waits for ever for the greeting of a server that has none.

    Raises:
        EnvironmentRefused: nothing answers there, or something else does.
    """
    try:
        found = _greeting(address)
    except OSError as error:
        raise refused(address, str(error) or type(error).__name__) from error
    if _GREETING not in found:
        raise refused(address, "something that does not greet as Dask does")


def refused(address: EngineAddress, found: str) -> EnvironmentRefused:
    """Return the refusal of a scheduler that does not answer as one of Dask."""
    return EnvironmentRefused(
        f"no Dask scheduler answers at {address}",
        expected=f"one that answers within {PATIENCE_S:.0f} seconds",
        found=found,
        remedy="start `dask scheduler` there, or leave --cluster out to write the shards here",
    )


def _greeting(address: EngineAddress) -> bytes:
    """Return the first bytes of what is sent to whoever connects; of TLS that is not seen."""
    host = address.host.strip("[]")
    with socket.create_connection((host, address.port), timeout=PATIENCE_S) as connection:
        if address.protocol == "tls":
            return _GREETING
        found = b""
        while _GREETING not in found and len(found) < _MOST:
            if not (more := connection.recv(_MOST)):
                break
            found += more
        return found
