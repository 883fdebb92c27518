"""Hosts on one machine: each with its own network, host name and process table.

Where namespaces are not permitted a host is a working folder, and a name in ``SHARDMILL_HOST``: it
can be killed and stopped, and not cut from the network. ``SHARDMILL_HOSTS=folders`` has it so
everywhere.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final

import psutil

from pipeline.storage import HOST_VARIABLE

_NEW_NETWORK: Final = 0x40000000  # CLONE_NEWNET
_BRIDGE: Final = "shardmill0"
_ALIVE: Final = "hostname $1; echo up; while :; do sleep 1000 & wait; done"
_PATIENCE_S: Final = 20.0
_NONE: Final[Mapping[str, str]] = {}
_FOLDERS: Final = os.environ.get("SHARDMILL_HOSTS") == "folders"
MISSING: Final = (
    "no namespaces here (root, unshare, nsenter and ip are needed, and SHARDMILL_HOSTS is not"
    " folders): three working folders with"
    f" {HOST_VARIABLE} stand for hosts, and nothing is cut from a network"
)
"""What is said where hosts are folders."""


@dataclass
class Host(ABC):
    """A host, as far as a command can tell.

    Attributes:
        name: of the host.
        address: at which the others reach it.
        folder: of what it keeps to itself: state, caches, scratch files.
        started: what the test has started there.
    """

    name: str
    address: str
    folder: Path
    started: list[psutil.Popen] = field(default_factory=list, repr=False, kw_only=True)
    can_be_cut: ClassVar[bool]

    @abstractmethod
    def boot(self) -> None:
        """Have it run."""

    @abstractmethod
    def enter(self) -> list[str]:
        """Return the words before a command line that is to run there."""

    @abstractmethod
    def processes(self) -> list[psutil.Process]:
        """Return all its processes but the first one."""

    @abstractmethod
    def cut(self) -> None:
        """Cut it from the network."""

    @abstractmethod
    def join(self) -> None:
        """Join it to the network again."""

    def kill(self) -> None:
        """Kill it whole, at once."""
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.kill()

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        """Return the variables of its processes."""
        own = {
            "XDG_STATE_HOME": str(self.folder / "state"),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
        }
        return {**os.environ, **own, **more}

    def start(
        self,
        words: Sequence[str],
        log: Path | None = None,
        variables: Mapping[str, str] = _NONE,
    ) -> psutil.Popen:
        """Start a command there; what it says goes into a file, or is read by the test."""
        output = log.open("ab") if log else subprocess.PIPE
        try:
            process = psutil.Popen(
                [*self.enter(), *words],
                env=self.environment(variables),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL if log is None else output,
                stderr=output,
            )
            self.started.append(process)
            return process
        finally:
            if log is not None:
                output.close()  # type: ignore[union-attr]

    def run(
        self,
        words: Sequence[str],
        timeout: float = 240,
        variables: Mapping[str, str] = _NONE,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command there to its end."""
        return subprocess.run(
            [*self.enter(), *words],
            env=self.environment(variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )

    def send(self, number: signal.Signals, but: Sequence[str] = ()) -> None:
        """Send a signal to its processes, but to those whose command lines have some word."""
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                line = " ".join(process.cmdline())
                if not any(word in line for word in but):
                    process.send_signal(number)
        if number == signal.SIGCONT:
            self._continue_entrances()

    def _continue_entrances(self) -> None:
        """Have those go on who wait outside for a process of the host, and stopped with it."""
        for process in self.started:
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGCONT)


@dataclass
class NamespaceHost(Host):
    """A host in namespaces of its own, on a bridge in the network of the test."""

    can_be_cut = True
    _first: subprocess.Popen[str] | None = field(default=None, repr=False)
    _init: int = 0

    @property
    def _link(self) -> str:
        return f"to-{self.name}"

    def boot(self) -> None:
        words = ("unshare", "--net", "--uts", "--pid", "--fork", "--mount-proc")
        self._first = subprocess.Popen(
            [*words, "sh", "-c", _ALIVE, "sh", self.name],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._first.stdout is not None
        assert self._first.stdout.readline() == "up\n"
        (init,) = psutil.Process(self._first.pid).children()
        self._init = init.pid
        ip("link", "add", self._link, "type", "veth", "peer", "name", "eth0", "netns", init.pid)
        ip("link", "set", self._link, "master", _BRIDGE, "up")
        for command in (
            ("ip", "link", "set", "lo", "up"),
            ("ip", "address", "add", f"{self.address}/24", "dev", "eth0"),
            ("ip", "link", "set", "eth0", "up"),
        ):
            subprocess.run([*self.enter(), *command], check=True)

    def enter(self) -> list[str]:
        return ["nsenter", "-t", str(self._init), "-n", "-u", "-p", "-m", "--"]

    def processes(self) -> list[psutil.Process]:
        own = f"/proc/{self._init}/ns/pid"
        found = []
        with contextlib.suppress(FileNotFoundError):
            place = os.readlink(own)
            for process in psutil.process_iter():
                with contextlib.suppress(OSError):
                    is_its = os.readlink(f"/proc/{process.pid}/ns/pid") == place
                    if is_its and process.pid != self._init:
                        found.append(process)
        return found

    def kill(self) -> None:
        if self._first is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._init, signal.SIGKILL)  # and with it all that its namespace holds
        self._first.wait(_PATIENCE_S)
        assert self._first.stdout is not None
        self._first.stdout.close()
        self._first = None
        gone = time.monotonic() + _PATIENCE_S
        while (Path("/sys/class/net") / self._link).exists() and time.monotonic() < gone:
            subprocess.run(["ip", "link", "delete", self._link], check=False, capture_output=True)
            time.sleep(0.05)

    def cut(self) -> None:
        ip("link", "set", self._link, "down")

    def join(self) -> None:
        ip("link", "set", self._link, "up")


@dataclass
class FolderHost(Host):
    """A host that is a name and a folder."""

    can_be_cut = False

    def boot(self) -> None:
        pass

    def enter(self) -> list[str]:
        return ["env", f"{HOST_VARIABLE}={self.name}"]

    def processes(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                variables = process.environ()
                if variables.get(HOST_VARIABLE) == self.name and str(self.folder) in variables.get(
                    "XDG_STATE_HOME", ""
                ):
                    found.append(process)
        return found

    def cut(self) -> None:
        raise RuntimeError(MISSING)

    def join(self) -> None:
        raise RuntimeError(MISSING)


def ip(*words: object) -> None:
    """Change something of the network of this process."""
    subprocess.run(["ip", *map(str, words)], check=True, capture_output=True)


@contextlib.contextmanager
def hosts(folder: Path, *names: str) -> Iterator[list[Host]]:
    """Give hosts that run; they are of one network, which this process has joined meanwhile."""
    made: list[Host]
    with contextlib.ExitStack() as stack:
        if stack.enter_context(_own_network()):
            made = [
                NamespaceHost(name, f"10.77.0.{number}", folder / name)
                for number, name in enumerate(names, 1)
            ]
        else:
            made = [FolderHost(name, "127.0.0.1", folder / name) for name in names]
        for host in made:
            host.folder.mkdir(parents=True)
            stack.callback(host.kill)
            host.boot()
        yield made


def are_permitted() -> bool:
    """Whether hosts can have namespaces here."""
    if _FOLDERS or not all(map(shutil.which, ("unshare", "nsenter", "ip"))):
        return False
    network = "ip link add bridge type bridge && ip link add one type veth peer name two"
    namespaces = ("unshare", "--net", "--uts", "--pid", "--fork", "--mount-proc")
    words = (*namespaces, "sh", "-c", network)
    return subprocess.run(words, check=False, capture_output=True).returncode == 0


@contextlib.contextmanager
def _own_network() -> Iterator[bool]:
    """Have this process in a network that only it and its hosts see; false: that is forbidden."""
    if not are_permitted():
        yield False
        return
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        assert libc.unshare(_NEW_NETWORK) == 0, os.strerror(ctypes.get_errno())
        try:
            ip("link", "set", "lo", "up")
            ip("link", "add", _BRIDGE, "type", "bridge")
            ip("address", "add", "10.77.0.254/24", "dev", _BRIDGE)
            ip("link", "set", _BRIDGE, "up")
            yield True
        finally:
            libc.setns(before, _NEW_NETWORK)
    finally:
        os.close(before)
