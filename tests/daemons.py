"""A real ``luigid`` on a free port of this machine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import forked
from support import ROOT


class Luigid:
    """Starts the scheduler, kills it, starts it again on the same port."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._state = folder / "state.pickle"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """HOST:PORT."""
        return f"127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = ["--port", str(self._port), "--address", "127.0.0.1"]
        environment = {"LUIGI_CONFIG_PATH": str(ROOT / "luigi.cfg")} | os.environ
        self._process = forked.ForkedPopen(
            [sys.executable, "-m", "luigi.cmdline", *options, "--state-path", str(self._state)],
            cwd=self._folder,
            env=environment,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(1500):
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=5).close()
            except OSError:
                assert self._process.poll() is None, "luigid did not start"
                time.sleep(0.02)
            else:
                return
        raise AssertionError("luigid does not answer")

    def kill(self) -> None:
        """Kill it: its state is lost."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End it in good order: its state is kept."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait()

    def forget(self) -> None:
        """Remove what it has kept of its state; it must not run."""
        self._state.unlink(missing_ok=True)

    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self.stop()
