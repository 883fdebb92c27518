"""The one `Transfer` of this process: made when it is first needed, and by nobody else.

A `Transfer` is never used across a fork. Before one its idle connections are closed, so that no
child inherits a socket; the child makes one of its own.
"""

from __future__ import annotations

import os

from pipeline.storage.http.transfer import IN_FLIGHT, Transfer

_transfers: dict[int, Transfer] = {}  # by process: a forked one makes its own


def transfer(in_flight: int = IN_FLIGHT) -> Transfer:
    """Return the transfer of this process.

    Args:
        in_flight: how many requests are under way at a time from now on.
    """
    own = _transfers.get(os.getpid())
    if own is None:
        own = _transfers[os.getpid()] = Transfer(in_flight)
    own.in_flight = in_flight
    return own


def _rest() -> None:
    own = _transfers.get(os.getpid())
    if own is not None:
        own.rest()


os.register_at_fork(before=_rest)
