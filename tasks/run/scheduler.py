"""Whether a ``luigid`` is there, before a command and while it is at work."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from pipeline.errors import ShardmillError, UsageError
from tasks.run import exchange, settings
from tasks.run.exchange import Address

_PAUSE_S = 0.5
_PORT = 8082


def address_of(given: str) -> Address:
    """Return the host and port that ``--scheduler-host`` means.

    Raises:
        UsageError: it is no host.
    """
    host, _, port = given.partition(":")
    if not host or (port and not port.isdecimal()):
        raise UsageError(
            "--scheduler-host: no host", expected="HOST or HOST:PORT, a number", found=given
        )
    return host, int(port or _PORT)


def check_luigid(address: Address) -> None:
    """Ask what answers at an address something that changes nothing, as only a luigid answers it.

    Raises:
        ShardmillError: nothing answers there, or something else does.
    """
    check(address)
    wanted = {"status": "DISABLED", "upstream_status": "", "limit": False, "search": ""}
    listed = exchange.ask(address, "task_list", wanted)
    if not isinstance(listed, dict):
        raise exchange.refused(address, "task_list", "an object", type(listed).__name__)


def check(address: Address) -> None:
    """Connect to a scheduler once.

    Raises:
        ShardmillError: nothing answers there.
    """
    try:
        socket.create_connection(address, timeout=10).close()
    except OSError as error:
        raise ShardmillError(
            f"no Luigi scheduler answers at {address[0]}:{address[1]}",
            found=str(error),
            remedy="start luigid there, or leave --scheduler-host out to work alone",
        ) from error


def wait_for(address: Address, tell: Callable[[str], None]) -> None:
    """Wait for a scheduler that does not answer yet, as long as for one that has gone away.

    A command and ``luigid`` may be started together, by a reboot, in any order. How long is what
    Luigi's settings say: ``rpc_retry_attempts`` times ``rpc_retry_wait`` seconds.

    Args:
        address: of the scheduler.
        tell: called once, before it waits.

    Raises:
        ShardmillError: nothing has answered there in that time.
    """
    _, seconds = settings.luigid_patience()
    deadline, told = time.monotonic() + seconds, False
    while True:
        try:
            return check(address)
        except ShardmillError as error:
            if time.monotonic() > deadline:
                raise
            if not told:
                tell(f"{error.what}: waiting for it ({error.found})")
            told = True
        time.sleep(_PAUSE_S)
