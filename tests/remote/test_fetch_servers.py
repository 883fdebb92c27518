"""``shardmill fetch`` and a real nginx: cut at random places, killed, raced, and what it costs."""

from __future__ import annotations

import hashlib
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from nginx import CUTS, Nginx
from support import ROOT, command

from pipeline.errors import RemoteUnavailable
from pipeline.sources.inputs import Archive
from pipeline.state import fetching
from pipeline.state.fetch_plan import FetchPlan
from pipeline.storage.http.fetch.partial import Partial
from pipeline.storage.http.fetch.parts import PART
from pipeline.storage.http.fetch.session import Session
from pipeline.storage.http.retries import Patience
from pipeline.storage.http.transfer import Transfer

pytest_plugins = ("webservers",)

NAME = "archive.tar.gz"
SIZE = 2 * PART + 6_000_000
# A server that breaks off loses what was under way to a busy client: a try may bring nothing.
HURRIED = Patience(tries=CUTS + 1, first=0.01, longest=0.05)
WITHOUT_LOCKS = "import fcntl; fcntl.flock = lambda *_: None; from tasks.cli import main; main()"


class Cut(Exception):
    """What stands for whatever ends a download."""


@pytest.fixture(scope="module")
def content() -> bytes:
    return b"\x1f\x8b" + random.Random(3).randbytes(SIZE - 2)


@pytest.fixture
def md5(served: Path, content: bytes) -> str:
    if not (served / NAME).exists() or (served / NAME).read_bytes() != content:
        (served / NAME).write_bytes(content)
    return _md5(content)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return tmp_path / "raw"


@pytest.fixture
def fetch(nginx: Nginx, raw: Path, md5: str) -> Callable[..., list[str]]:
    """A function that fetches the archive from a location of nginx; returns what was said."""

    def run(location: str, **how: Any) -> list[str]:
        archive = Archive("train", NAME, f"{nginx.url}/{location}/{NAME}", md5, None)
        said = list[str]()
        with Transfer(4, patience=HURRIED) as transfer:
            session = Session(transfer, say=said.append, **how)
            fetching.fetch(FetchPlan(raw, (archive,)), archive, session)
        return said

    return run


@pytest.fixture
def cut_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int | None], None]:
    """A function that says after how many bytes more a download is cut; None: it is not."""
    left = [0]
    write_at = Partial.write_at

    def write(self: Partial, offset: int, data: memoryview) -> None:
        left[0] -= len(data)
        if left[0] < 0:
            raise Cut
        write_at(self, offset, data)

    monkeypatch.setattr(Partial, "write_at", write)

    def set_to(count: int | None) -> None:
        left[0] = 1 << 60 if count is None else count

    return set_to


def sent(nginx: Nginx, first: int) -> int:
    """Return the bytes of the archive that the server has sent, from a request on, by its log."""
    time.sleep(0.2)  # what was broken off is logged a moment later
    return sum(int(line.split()[3]) for line in nginx.requests[first:] if NAME in line)


def asked(nginx: Nginx, first: int) -> int:
    """Return how often the server was asked for the archive, from a request on, by its log."""
    time.sleep(0.2)
    return sum(NAME in line for line in nginx.requests[first:])


def config(folder: Path, url: str, md5: str) -> Path:
    """Write a configuration whose archive of boxes is the one that is served."""
    text = (ROOT / "config" / "ilsvrc2012.toml").read_text()
    text = text.replace('"ilsvrc2012/', f'"{ROOT}/config/ilsvrc2012/')
    section = f'[archives.boxes]\nfile = "{NAME}"\nurl = "{url}"\nmd5 = "{md5}"\n'
    path = folder / "config.toml"
    path.write_text(re.sub(r"\[archives\.boxes\][^[#]*", section, text))
    return path


@pytest.mark.parametrize("location", ["plain", "cut", "flaky", "elsewhere"])
def test_cut_at_twenty_random_places_it_ends_with_the_right_file(
    fetch: Callable[..., list[str]],
    cut_after: Callable[[int | None], None],
    nginx: Nginx,
    raw: Path,
    content: bytes,
    chance: random.Random,
    location: str,
) -> None:
    first, cuts = len(nginx.requests), 0
    for _ in range(CUTS):
        cut_after(chance.randrange(1, SIZE // CUTS))
        with pytest.raises(Cut):
            fetch(location)
        cuts += 1
        assert not (raw / NAME).exists()
    cut_after(None)
    fetch(location)
    assert (raw / NAME).read_bytes() == content
    assert [path.name for path in raw.iterdir() if path.name != NAME] == [f".{NAME}.fetched"]
    more = sent(nginx, first) - SIZE
    print(f"{location}: {more / cuts:,.0f} bytes a cut more than the file")  # noqa: T201
    assert more <= cuts * 2 * PART, f"{more / cuts:,.0f} bytes a cut"


def test_twenty_cuts_of_the_server_at_random_places_are_survived(
    fetch: Callable[..., list[str]], nginx: Nginx, raw: Path, content: bytes
) -> None:
    """Answers are cut, and not this process: one command goes on with all of them."""
    first = len(nginx.requests)
    fetch("ragged")
    assert (raw / NAME).read_bytes() == content
    assert sent(nginx, first) - SIZE <= CUTS * 2 * PART
    assert asked(nginx, first) <= 1 + -(-SIZE // PART) + CUTS


def test_twenty_cuts_of_a_server_without_ranges_are_survived(
    fetch: Callable[..., list[str]], nginx: Nginx, raw: Path, content: bytes
) -> None:
    first = len(nginx.requests)
    said = fetch("raggedwhole")
    assert (raw / NAME).read_bytes() == content
    assert "whole files only" in said[0]
    looks = 2  # by a range, and then without one; both of them are cut, too
    assert sum("begun again" in line for line in said) == CUTS - looks
    assert asked(nginx, first) == CUTS + 1  # each cut costs one request


def test_without_ranges_each_cut_begins_it_again(
    fetch: Callable[..., list[str]],
    cut_after: Callable[[int | None], None],
    raw: Path,
    content: bytes,
    chance: random.Random,
) -> None:
    for _ in range(CUTS):
        cut_after(chance.randrange(SIZE))
        with pytest.raises(Cut):
            fetch("noranges")
        assert [*raw.glob(".*.tmp")] == []
    cut_after(None)
    said = fetch("noranges")
    assert "whole files only" in said[0]
    assert (raw / NAME).read_bytes() == content


def test_a_server_that_goes_away_and_comes_back_is_gone_on_with(
    fetch: Callable[..., list[str]], nginx: Nginx, raw: Path, content: bytes
) -> None:
    def stop(done: int, _total: int | None) -> None:
        if done > PART // 8:
            nginx.stop()

    try:
        with pytest.raises(RemoteUnavailable):
            fetch("slow", tell=stop)
    finally:
        nginx.start()
    first = len(nginx.requests)
    assert "going on with" in fetch("slow")[0]
    assert (raw / NAME).read_bytes() == content
    assert sent(nginx, first) < SIZE


def test_a_file_that_changed_between_two_runs_is_begun_anew(
    fetch: Callable[..., list[str]],
    cut_after: Callable[[int | None], None],
    served: Path,
    raw: Path,
    content: bytes,
) -> None:
    other = b"\x1f\x8b" + bytes(SIZE - 2)
    (served / NAME).write_bytes(other)
    os.utime(served / NAME, (1, 1))
    cut_after(PART + 5)
    with pytest.raises(Cut):
        fetch("plain")
    (served / NAME).write_bytes(content)
    cut_after(None)
    assert "begun anew" in fetch("plain")[0]
    assert (raw / NAME).read_bytes() == content


def started(words: list[str]) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True, cwd=ROOT)


@pytest.fixture
def words(nginx: Nginx, raw: Path, md5: str, tmp_path: Path) -> list[str]:
    """The words of a command that fetches it from a slow server."""
    path = config(tmp_path, f"{nginx.url}/slow/{NAME}", md5)
    return ["fetch", "--raw", str(raw), "--config", str(path), "--only", "boxes"]


def arrived(raw: Path) -> int:
    """Return the bytes that the hidden file of a download has on the disk."""
    files = list(raw.glob(".*.tmp")) if raw.exists() else []
    return sum(path.stat().st_blocks * 512 for path in files)


def test_a_command_that_is_ended_in_the_middle_of_a_body_goes_on(
    nginx: Nginx, raw: Path, words: list[str], content: bytes
) -> None:
    first = len(nginx.requests)
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGINT):
        before = arrived(raw)
        with started(command(*words)) as process:
            while arrived(raw) < before + 3_000_000:
                time.sleep(0.02)
                assert process.poll() is None, process.communicate()
            process.send_signal(number)
            said = "".join(process.communicate())
        assert process.returncode == (-9 if number == signal.SIGKILL else 130), said
        assert number == signal.SIGKILL or "are kept" in said
        assert not (raw / NAME).exists()
    with started(command(*words, "--connections", "6")) as process:
        said = "".join(process.communicate())
    assert process.returncode == 0, said
    assert (raw / NAME).read_bytes() == content
    assert sent(nginx, first) <= SIZE + 3 * 2 * PART


@pytest.mark.parametrize(
    "python", [["-m", "tasks.cli"], ["-c", WITHOUT_LOCKS]], ids=["locks", "no locks"]
)
def test_of_two_at_once_one_works_or_both_have_the_right_file(
    served: Path, raw: Path, words: list[str], python: list[str]
) -> None:
    content = b"\x1f\x8b" + random.Random(4).randbytes(5_000_000)
    (served / NAME).write_bytes(content)
    path = Path(words[words.index("--config") + 1])
    path.write_text(re.sub(r'(?<=md5 = ")\w+(?="\n)', _md5(content), path.read_text()))
    both = [started([sys.executable, *python, *words]) for _ in range(2)]
    said = ["".join(process.communicate()) for process in both]
    statuses = sorted(process.returncode for process in both)
    assert statuses in ([0, 0], [0, 10]), said
    assert (raw / NAME).read_bytes() == content
    assert [path.name for path in raw.iterdir() if path.name != NAME] == [f".{NAME}.fetched"]


def _md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()
