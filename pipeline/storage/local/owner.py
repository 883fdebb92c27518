"""Which process a temporary file belongs to, and whether that process still runs."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import socket
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

HOST_VARIABLE: Final = "SHARDMILL_HOST"
"""Names this host where it is set, in place of the name that the machine has."""

_LONGEST_HOST = 63  # characters: so the names of temporary files fit
_START_TIME = 19  # fields behind the name of a program in /proc/PID/stat
_ENDED = {b"Z", b"X"}  # states of a process that is only waited for
_UNKNOWN = ""


@dataclass(frozen=True)
class Owner:
    """A process, so named that no other one on any machine has the same name.

    Attributes:
        host: name of its machine, without dots.
        pid: its number.
        place: hash of machine and PID namespace, 8 hexadecimal digits: only in the same place do
            two numbers mean the same process. "": not known.
        birth: hash of the boot of the machine and of the time when it started, 8 hexadecimal
            digits: numbers are used again. "": not known.
    """

    host: str
    pid: int
    place: str
    birth: str

    @property
    def is_comparable(self) -> bool:
        """Whether this process can see whether that one runs."""
        return self.host == host() and self.place in {_UNKNOWN, _place()}

    def runs(self) -> bool:
        """Whether the process, which must be comparable, still runs."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:  # somebody else's
            pass
        status = _status(self.pid)
        if status is None:
            return True
        state, started = status
        return state not in _ENDED and self.birth in {_UNKNOWN, _birth(started)}


def current() -> Owner:
    """Return this process."""
    return Owner(host(), os.getpid(), _place(), _own_birth())


def host() -> str:
    """Return the name of this host, without what a file name gives another meaning.

    ``SHARDMILL_HOST`` says another one than the machine has: of containers that share one.
    """
    name = os.environ.get(HOST_VARIABLE) or socket.gethostname()
    return re.sub(r"[^\w-]", "_", name, flags=re.ASCII)[:_LONGEST_HOST] or "localhost"


def _status(pid: int) -> tuple[bytes, bytes] | None:
    """Return state and start time of a process; None where the system does not say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return fields[0], fields[_START_TIME]
    except (OSError, IndexError):
        return None


@lru_cache(maxsize=1)
def _own_birth() -> str:
    status = _status(os.getpid())
    return _birth(status[1] if status else b"")


# A forked process is another one.
os.register_at_fork(after_in_child=_own_birth.cache_clear)


def _birth(started: bytes) -> str:
    return _hashed(_boot(), started)


@lru_cache(maxsize=1)
def _boot() -> bytes:
    return _read("/proc/sys/kernel/random/boot_id")


@lru_cache(maxsize=1)
def _place() -> str:
    namespace = ""
    with contextlib.suppress(OSError):
        namespace = os.readlink("/proc/self/ns/pid")
    return _hashed(_read("/etc/machine-id"), os.fsencode(namespace))


def _read(path: str) -> bytes:
    with contextlib.suppress(OSError):
        return Path(path).read_bytes()
    return b""


def _hashed(*parts: bytes) -> str:
    return hashlib.blake2s(b"\0".join(parts), digest_size=4).hexdigest()
