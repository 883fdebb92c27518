"""Whether a ``luigid`` answers."""

from __future__ import annotations

import socket

from pipeline.errors import ShardmillError

Address = tuple[str, int]


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
