"""How much memory there is for a process: that of the machine, or less where a cgroup limits it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


def memory_bytes() -> int:
    """Return the bytes of memory that this process can have."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([physical, *cgroup_limits(Path("/"))])


def cgroup_limits(root: Path) -> Iterator[int]:
    """Yield the limits, in bytes, of the cgroups that this process is in, and of those above them.

    Both versions of cgroups are looked at. Within a container the names of the cgroups may be those
    of the host; then there are no such folders, and the topmost one has the limit of the container.

    Args:
        root: folder that `proc` and `sys` lie in.
    """
    with contextlib.suppress(OSError, UnicodeDecodeError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, name = line.split(":", 2)
            if not controllers:
                yield from _limits(root / "sys/fs/cgroup", name, "memory.max")
            elif "memory" in controllers.split(","):
                yield from _limits(root / "sys/fs/cgroup/memory", name, "memory.limit_in_bytes")


def _limits(top: Path, name: str, file: str) -> Iterator[int]:
    """Yield what is said of a cgroup and of all above it; "max", and no file, is no limit."""
    inner = Path(name.lstrip("/"))
    for folder in (inner, *inner.parents):
        with contextlib.suppress(OSError, ValueError):
            yield int((top / folder / file).read_text())
