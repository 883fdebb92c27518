"""A process that is forked inherits no connection, and makes its own."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from nginx import Nginx

from pipeline.storage.http.process import transfer
from pipeline.storage.http.request import Request

pytest_plugins = ("webservers",)


def sockets() -> set[str]:
    """Return the sockets that this process holds."""
    found = set()
    for descriptor in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.add(os.readlink(f"/proc/self/fd/{descriptor}"))
    return {each for each in found if each.startswith("socket:")}


def test_a_fork_after_use_and_before(nginx: Nginx, tmp_path: Path) -> None:
    request = Request(f"{nginx.url}/plain/object", "", 5, 10)
    before = sockets()

    def read() -> bool:
        return transfer().get(request).length == 10 and len(sockets() - before) == 1

    assert read()
    for _ in range(2):  # also one whose parent has been forked itself
        child = os.fork()
        if child == 0:
            inherited = sockets() - before
            os._exit(0 if not inherited and read() and transfer() is transfer() else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert read()
