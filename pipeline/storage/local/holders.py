"""Who holds a lock: what the kernel knows of this host, and what the holder has written down.

A lock file holds one line that its last holder wrote, for those who wait on other hosts. It is
only shown, never trusted.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from pipeline import plaintext
from pipeline.documents.decoding import decoded
from pipeline.documents.values import Text
from pipeline.errors import OutputDamaged
from pipeline.storage.local import owner
from pipeline.storage.local.owner import Owner

_BEGINS = b'{"command": '
_LARGEST = (1 << 31) - 1  # number of a process
_MOST = 2048  # bytes of a record
_LONGEST_COMMAND = 160  # characters of a command
_LOCKS = Path("/proc/locks")
_FLOCK = re.compile(
    r"\d+: FLOCK +\w+ +\w+ +(?P<pid>\d+) (?P<major>[0-9a-f]+):(?P<minor>[0-9a-f]+):(?P<inode>\d+) "
)


@dataclass(frozen=True)
class Holder:
    """A process that holds a lock, or held it last.

    Attributes:
        host: name of its machine.
        pid: its number there.
        command: its command line; "": not known.
    """

    host: Text
    pid: Annotated[int, Meta(ge=1, le=_LARGEST)]
    command: Text

    def __str__(self) -> str:
        command = f" ({plaintext.line(self.command[:_LONGEST_COMMAND])})" if self.command else ""
        return f"process {self.pid} on {plaintext.line(self.host)}{command}"


def note(fd: int) -> None:
    """Write into an open lock file who holds it now; not into a file with other content."""
    with contextlib.suppress(OSError):  # waiting works without it
        if os.pread(fd, len(_BEGINS), 0) not in {b"", _BEGINS}:
            return
        command = _command(os.getpid())[:_LONGEST_COMMAND]
        record = {"command": command, "host": owner.host(), "pid": os.getpid()}
        content = json.dumps(record).encode() + b"\n"
        os.pwrite(fd, content, 0)
        os.ftruncate(fd, len(content))


def holders(fd: int) -> list[Holder]:
    """Return who holds the lock on an open file, as far as that can be known; at most a few."""
    found = [Holder(owner.host(), pid, _command(pid)) for pid in _known_to_kernel(fd)]
    return found or _recorded(fd)


def _known_to_kernel(fd: int) -> list[int]:
    """Return the processes of this host that hold the lock, by what the kernel lists."""
    info, pids = os.fstat(fd), set[int]()
    with contextlib.suppress(OSError, UnicodeDecodeError):
        for line in _LOCKS.read_text().splitlines():
            match = _FLOCK.match(line)
            if match is None or int(match["inode"]) != info.st_ino:
                continue
            device = os.makedev(int(match["major"], 16), int(match["minor"], 16))
            if device == info.st_dev and int(match["pid"]) > 0:
                pids.add(int(match["pid"]))
    return sorted(pids)


def recorded(fd: int) -> Holder | None:
    """Return who has written down last that it holds an open lock file; None: nobody has."""
    try:
        return decoded(os.pread(fd, _MOST, 0), Holder, Path())
    except (OSError, OutputDamaged):
        return None


def _recorded(fd: int) -> list[Holder]:
    """Return the last holder by its own record, unless it has ended since."""
    holder = recorded(fd)
    if holder is None:
        return []
    here = holder.host == owner.host()
    gone = here and not Owner(holder.host, holder.pid, "", "").runs()
    return [] if gone else [holder]


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return os.fsdecode(b" ".join(words)).strip()
    return ""
