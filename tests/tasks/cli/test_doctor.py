"""``shardmill doctor``: what is there, what is missing, and what installs it."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import shardmill

from pipeline.environment import packages
from pipeline.errors import NoPermission
from pipeline.images import codec
from pipeline.storage import DiskKind
from pipeline.storage.local import disks, flocks
from pipeline.storage.local.mounts import Mount


class Server(http.server.BaseHTTPRequestHandler):
    """Answers each question with the same bytes."""

    answer = b""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002 - its own name


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """HOST:PORT of a server; what it answers is `Server.answer`."""
    with http.server.HTTPServer(("127.0.0.1", 0), Server) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


def test_everything_that_is_needed_is_there_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = shardmill("doctor")
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.endswith("all that is needed is there\n")
    for said in ("shardmill 0.1.0", "Python 3.", "luigi 3.", "pyarrow ", codec.identity(), "free"):
        assert said in run.stdout
    assert f"Output: {tmp_path}" in run.stdout
    assert "locks on files exclude other processes" in run.stdout
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_named_with_what_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = packages.version
    monkeypatch.setattr(packages, "version", lambda name: None if name == "lxml" else real(name))
    run = shardmill("doctor", "--out", tmp_path)
    assert run.returncode == 1
    assert "missing: lxml: not installed; for annotations in XML" in run.stdout
    assert packages.install_command(["lxml>=5"]) in run.stdout
    assert run.stdout.endswith("1 thing missing\n")


def test_a_command_that_cannot_be_loaded_names_every_package_that_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, absent = packages.version, {"pyarrow", "numpy"}
    monkeypatch.setattr(packages, "version", lambda name: None if name in absent else real(name))

    def load(name: str) -> None:
        raise ModuleNotFoundError("No module named 'pyarrow'", name=name)

    monkeypatch.setattr("tasks.cli._module", load)
    run = shardmill("status", ".")
    assert (run.returncode, run.stdout) == (1, "")
    assert "numpy>=1.26, pyarrow>=16" in run.stderr
    assert "install 'numpy>=1.26' 'pyarrow>=16'" in run.stderr


def test_an_output_that_cannot_be_written_is_missing_where_it_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    run = shardmill("doctor", "--out", tmp_path / "file" / "below")
    assert run.returncode == 1
    assert "1 thing missing" in run.stdout
    monkeypatch.setattr(disks, "_refusal", lambda _folder: refusal())
    monkeypatch.chdir(tmp_path)
    run = shardmill("doctor")
    assert run.returncode == 0
    assert "note:    nobody may write here" in run.stdout


def refusal() -> NoPermission:
    return NoPermission("nobody may write here", remedy="choose another folder")


def test_locks_that_exclude_nobody_and_memory_are_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flocks, "take", lambda _fd: flocks.Lock.FREE)
    monkeypatch.setattr(disks, "mount_of", lambda _: Mount("0:1", "/", "tmpfs", "tmpfs"))
    run = shardmill("doctor", "--out", tmp_path)
    assert run.returncode == 0
    assert "locks on files exclude nobody here" in run.stdout
    assert f"tmpfs on {DiskKind.MEMORY}" in run.stdout


def test_a_folder_of_archives_is_looked_at(tmp_path: Path) -> None:
    assert shardmill("doctor", "--raw", tmp_path, "--out", tmp_path).returncode == 0
    run = shardmill("doctor", "--raw", tmp_path / "a\x1b[31mb", "--out", tmp_path)
    assert run.returncode == 1
    assert r"Input: " in run.stdout
    assert r"a\x1b[31mb" in run.stdout
    assert "\x1b" not in run.stdout


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        (b'{"response": {}}', 0, "ok:      a luigid answers"),
        (b'{"response": [1]}', 1, "is not a luigid"),
        (b"<html>\x1b[2J", 1, "is not a luigid"),
    ],
)
def test_a_scheduler_is_asked_whether_it_is_luigis(
    server: str, tmp_path: Path, answer: bytes, status: int, said: str
) -> None:
    Server.answer = answer
    run = shardmill("doctor", "--out", tmp_path, "--scheduler-host", server)
    assert run.returncode == status
    assert said in run.stdout
    assert "\x1b" not in run.stdout


def test_a_scheduler_that_does_not_answer_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ConnectionRefusedError("refused")

    monkeypatch.setattr("socket.create_connection", refuse)
    run = shardmill("doctor", "--out", tmp_path, "--scheduler-host", "somewhere")
    assert run.returncode == 1
    assert "no Luigi scheduler answers at somewhere:8082" in run.stdout
    run = shardmill("doctor", "--out", tmp_path, "--scheduler-host", "host:port")
    assert "HOST or HOST:PORT" in run.stdout + run.stderr
    assert run.returncode == 2
