"""A luigid and a store, each on a host of its own, that are killed and started again."""

from __future__ import annotations

import contextlib
import signal
import socket
import sys
import time
from pathlib import Path

import psutil
from machines import Host
from s3servers import SeaweedFS, free_ports

_LUIGID = "import sys; from luigi.cmdline import luigid; luigid(sys.argv[1:])"
_PATIENCE_S = 60.0


class HostedSeaweedFS(SeaweedFS):
    """SeaweedFS on a host."""

    def __init__(self, folder: Path, host: Host) -> None:
        super().__init__(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.host = host
        self.endpoint = self.endpoint.replace("127.0.0.1", host.address)

    def command(self) -> list[str]:
        words = (word.replace("127.0.0.1", self.host.address) for word in super().command())
        return [*self.host.enter(), *words]

    def kill(self) -> None:
        if self._process is not None:
            kill_below(self._process.pid)
        super().kill()


class HostedLuigid:
    """A luigid on a host, which keeps its state when it ends in good order."""

    def __init__(self, folder: Path, host: Host) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.host, self._folder = host, folder
        (self._port,) = free_ports(1)
        self._process: psutil.Popen | None = None

    @property
    def address(self) -> str:
        """HOST:PORT."""
        return f"{self.host.address}:{self._port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        words = ("--address", self.host.address, "--port", str(self._port))
        state = ("--state-path", str(self._folder / "state.pickle"))
        command = (sys.executable, "-c", _LUIGID, *words, *state)
        self._process = self.host.start(command, self._folder / "log")
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                socket.create_connection((self.host.address, self._port), timeout=5).close()
            except OSError:
                assert self._process.poll() is None, f"luigid ended: see {self._folder}/log"
                assert time.monotonic() < deadline, "luigid does not answer"
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        """Kill it: its state is lost."""
        if self._process is not None:
            kill_below(self._process.pid)
            self._process.kill()
            self._process.wait()
            self._process = None
        (self._folder / "state.pickle").unlink(missing_ok=True)

    def stop(self) -> None:
        """End it in good order: its state is kept."""
        assert self._process is not None
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in self._process.children() or [self._process]:
                process.send_signal(signal.SIGTERM)
        self._process.wait(_PATIENCE_S)
        self._process = None


def kill_below(pid: int) -> None:
    """Kill the processes that one process has started, in whichever namespace."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in psutil.Process(pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
