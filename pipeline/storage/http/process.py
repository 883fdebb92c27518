"""The one `Transfer` of this process: made when it is first needed, and by nobody else.

Many small objects have one of their own, see `patient`. A `Transfer` is never used across a fork.
Before one its idle connections are closed, so that no child inherits a socket; the child makes one
of its own.
"""

from __future__ import annotations

import os

from pipeline.storage.http.retries import Patience
from pipeline.storage.http.transfer import IN_FLIGHT, Transfer

_transfers: dict[int, Transfer] = {}  # by process: a forked one makes its own
_patient: dict[tuple[int, int, int], Transfer] = {}  # by process, requests at a time and tries


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


def patient(in_flight: int, tries: int) -> Transfer:
    """Return the transfer of this process for many small objects.

    Each is asked for so many times, after waits that are wholly random; and fewer are under way
    while the server asks for fewer.

    Args:
        in_flight: how many requests are under way at a time, at most.
        tries: of each request.
    """
    key = os.getpid(), in_flight, tries
    own = _patient.get(key)
    if own is None:
        patience = Patience(tries, few=min(tries, Patience.few), least=0.0)
        own = _patient[key] = Transfer(in_flight, patience=patience, yielding=True)
    return own


def _rest() -> None:
    for own in (*_transfers.values(), *_patient.values()):
        if own.process == os.getpid():
            own.rest()


os.register_at_fork(before=_rest)
