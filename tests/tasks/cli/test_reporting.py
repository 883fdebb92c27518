"""Who is told how a command ends: programs of the user, a health check, and nobody too much."""

from __future__ import annotations

import contextlib
import fcntl
import http.server
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import shardmill
from drawnlists import ListedSet, draw_list

from tasks.cli import hooks


@pytest.fixture
def listed(tmp_path: Path) -> ListedSet:
    return draw_list(tmp_path / "data", images=4)


def damage(listed: ListedSet) -> None:
    next(listed.root.rglob("*.jpg")).write_bytes(b"no image")


HOOKS = (
    *("--on-success", "echo good $SHARDMILL_STATUS $SHARDMILL_COMMAND >> told"),
    *(
        "--on-failure",
        'echo "bad $SHARDMILL_STATUS $SHARDMILL_FAILURES $SHARDMILL_OUT $SHARDMILL_REASON" >> told',
    ),
)


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that `HOOKS` write, in the working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "told"


def test_one_program_is_run_once_at_the_end(listed: ListedSet, out: Path, told: Path) -> None:
    assert listed.prepare_here(out, *HOOKS).returncode == 0
    assert told.read_text() == "good 0 imagelist\n"
    damage(listed)
    told.unlink()
    assert listed.prepare_here(out, *HOOKS).returncode == 3
    assert told.read_text().startswith(f"bad 3 1 {out} ")
    assert "1 of the images of shard" in told.read_text()
    told.unlink()
    assert listed.prepare_here(out, "--on-bad-image", "skip", *HOOKS).returncode == 4
    assert told.read_text() == "good 4 imagelist\n"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--resize", "1", "--split", "nosuch"), "--split"),
        (("--metrics-file", "no/a.prom"), "its folder is not there"),
        (("--log-file", "no/a.log"), "its folder is not there"),
        (("--quiet", "--json"), "contradict each other"),
        (("--health-url", "nonsense"), "--health-url"),
        (("--health-url", ""), "--health-url"),
        (("--metrics-file", ""), "a path is empty"),
        (("--scheduler-host", ":1"), "no host"),
    ],
)
def test_refusals_before_work_are_told_like_all_others(
    words: tuple[str, ...], reason: str, listed: ListedSet, out: Path, told: Path
) -> None:
    assert listed.prepare_here(out, *words, *HOOKS).returncode == 2
    assert told.read_text().startswith("bad 2 1 ")
    assert told.read_text().count("bad 2") == 1
    assert reason in told.read_text()
    assert not out.exists()


@pytest.mark.parametrize("option", ["--on-success", "--on-failure"])
def test_an_empty_command_is_refused(option: str, listed: ListedSet, out: Path) -> None:
    ran = listed.prepare_here(out, option, "")
    assert (ran.returncode, f"{option}: a command is empty" in ran.stderr) == (2, True)
    assert not out.exists()


def test_a_defect_is_told(
    listed: ListedSet, out: Path, told: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr("tasks.cli.first_pass.prepare_listed", fail)
    for words in ((), ("--quiet",)):
        with contextlib.suppress(ZeroDivisionError):
            listed.prepare_here(out, *words, *HOOKS)
        assert told.read_text() == f"bad 1 0 {out} a defect: ZeroDivisionError\n"
        told.unlink()


def test_of_the_paths_only_what_was_given_is_told(
    listed: ListedSet, tmp_path: Path, told: Path
) -> None:
    listed.add("no line of a list")
    words = ("imagelist", "data/images.lst", "--root", "data/root", "--out", "out", *HOOKS)
    assert shardmill(*words).returncode == 3
    assert "bad 3 1 out data/images.lst: " in told.read_text()
    assert str(tmp_path) not in told.read_text()


@pytest.mark.parametrize("words", [("--dry-run",), ("--no-overlap",)])
def test_where_nothing_is_done_nobody_is_told(
    words: tuple[str, ...], listed: ListedSet, out: Path, told: Path, tmp_path: Path
) -> None:
    lock = out / ".shardmill" / "run.lock"
    lock.parent.mkdir(parents=True)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        with checked() as (url, asked):
            metrics = ("--metrics-file", tmp_path / "a.prom", "--health-url", url)
            ran = listed.prepare_here(out, *words, *HOOKS, *metrics)
    assert ran.returncode == (10 if words == ("--no-overlap",) else 0)
    assert asked == []
    assert not told.exists()
    assert not (tmp_path / "a.prom").exists()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("echo why; exit 7", "--on-success: it failed with status 7: why"),
        ("kill -9 $$", "--on-success: it failed with SIGKILL"),
        ("kill -40 $$", "--on-success: it failed with signal 40"),
        ("no-such-program", "--on-success: it failed with status 127"),
        ("sleep 60", "--on-success: ended after 0 s"),
    ],
)
def test_a_program_that_fails_is_said_and_changes_nothing(
    command: str, said: str, listed: ListedSet, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if command.startswith("sleep"):
        monkeypatch.setattr(hooks, "PROGRAM_S", 0.01)
    ran = listed.prepare_here(out, "--quiet", "--on-success", command)
    assert (ran.returncode, ran.stdout) == (0, "")
    assert ran.stderr.startswith(said)
    assert len(ran.stderr.splitlines()) == 1


def test_what_a_program_prints_is_no_answer_of_the_command(listed: ListedSet, out: Path) -> None:
    ran = listed.prepare_here(out, "--json", "--on-success", "echo no JSON; echo nor this >&2")
    assert ran.returncode == 0
    assert "no JSON" not in ran.stdout + ran.stderr
    assert all(line.startswith("{") for line in ran.stdout.splitlines())


class _Checked(http.server.BaseHTTPRequestHandler):
    asked: list[tuple[str, str]]
    status = 200

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.asked.append((self.path, body))
        self.send_response(self.status)
        self.send_header("Location", "http://127.0.0.1:9/elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@contextlib.contextmanager
def checked(status: int = 200) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Serve a health check; give its address and what is asked for, as path and text."""
    asked: list[tuple[str, str]] = []
    handler = type("Handler", (_Checked,), {"asked": asked, "status": status})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/secret", asked
        server.shutdown()
        thread.join()


def test_a_health_check_is_told_of_the_beginning_and_the_end(listed: ListedSet, out: Path) -> None:
    with checked() as (url, asked):
        for words in ((), (), ("--metrics-file", "no/a.prom")):
            listed.prepare_here(out, "--health-url", url, *words)
        damage(listed)
        ran = listed.prepare_here(out, "--health-url", f"{url}/?rid=1")
    assert asked == [
        ("/secret/start", ""),
        ("/secret", "status 0"),
        ("/secret", "status 0"),  # nothing was to be done
        ("/secret/fail", "status 2: UsageError"),
        ("/secret/start?rid=1", ""),
        ("/secret/fail?rid=1", "status 3: BadImage"),
    ]
    assert "secret" not in ran.stdout + ran.stderr


def said_of(ran: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in ran.stderr.splitlines() if "health check" in line]


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_health_check_that_fails_is_said_and_named_by_its_host(
    status: int, listed: ListedSet, out: Path
) -> None:
    with checked(status) as (url, asked):
        ran = listed.prepare_here(out, "--quiet", "--health-url", url.replace("//", "//me:word@"))
    assert ran.returncode == 0
    assert [path for path, _ in asked] == ["/secret/start", "/secret"]
    said = "the health check at 127.0.0.1 was not told: another answer than success"
    assert said_of(ran) == [f"{said}; found HTTP status {status}"] * 2
    assert "secret" not in ran.stderr
    assert "word" not in ran.stderr


def test_a_health_check_that_does_not_answer_holds_nothing_up(
    listed: ListedSet, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "HEALTH_S", 0.05)
    with contextlib.closing(silent_server()) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/secret"
        ran = listed.prepare_here(out, "--health-url", url)
    assert ran.returncode == 0
    assert len(said_of(ran)) == 2
    assert "secret" not in ran.stdout + ran.stderr


def silent_server() -> socket.socket:
    """Return a socket that takes connections and says nothing."""
    return socket.create_server(("127.0.0.1", 0))


@pytest.mark.parametrize(
    "url",
    ["ftp://host/word", "host/word", "http:///word", "http://ho st/word", "http://[/word", "-"],
)
def test_what_is_no_address_of_a_health_check_is_not_said_again(
    url: str, listed: ListedSet, out: Path
) -> None:
    ran = listed.prepare_here(out, "--health-url", url)
    assert (ran.returncode, "--health-url: not an address" in ran.stderr) == (2, True)
    assert "word" not in ran.stderr
    assert not out.exists()


def test_an_interrupted_command_is_told_as_a_failure(
    listed: ListedSet, out: Path, told: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tasks.cli.first_pass.prepare_listed", interrupted)
    assert listed.prepare_here(out, *HOOKS).returncode == 130
    assert told.read_text() == f"bad 130 0 {out} interrupted\n"


def test_an_interrupt_while_others_are_told_changes_no_status(
    listed: ListedSet, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(hooks, "run", interrupted)
    ran = listed.prepare_here(out, "--quiet", "--on-success", "true")
    assert (ran.returncode, ran.stderr) == (
        0,
        "interrupted: not everybody was told how the command ended\n",
    )


def test_a_part_tells_how_it_ends(listed: ListedSet, out: Path, told: Path, tmp_path: Path) -> None:
    assert listed.prepare_here(out, "--shards", 2, "--until", "plan").returncode == 0
    file = tmp_path / "part.prom"
    words = ("--shards", 2, "--part", "0/1", "--workers", 1, "--metrics-file", file, *HOOKS)
    assert listed.prepare_here(out, *words).returncode == 0
    assert told.read_text() == "good 0 imagelist\n"
    assert "shardmill_last_exit_status 0" in file.read_text()
    assert 'shardmill_step_tasks{step="' in file.read_text()
    refused = listed.prepare_here(out, "--shards", 3, "--part", "0/1", *HOOKS)
    assert refused.returncode == 2
    assert "are not planned yet" in told.read_text()
