"""``shardmill fetch`` as a user meets it: statuses, messages, secrets, what the next one finds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import inprocess
import pytest
import xxhash
from support import RawSet

from pipeline.errors import AlreadyAtWork
from pipeline.state import at_work
from pipeline.state.at_work import AtWork
from pipeline.storage.http.fetch.partial import Partial
from pipeline.storage.http.fetch.parts import Piece
from pipeline.storage.http.fetch.sidecar import Origin, Sidecar
from pipeline.storage.local.owner import Owner

SECRET = "c00kie"  # noqa: S105 - of nobody
BOXES = "ILSVRC2012_bbox_train_v2.tar.gz"


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder, without ranges, to those who send the cookie, if there is one."""

    cookie: str | None = SECRET

    def send_head(self) -> Any:
        if self.cookie and self.headers.get("Cookie") != self.cookie:
            self.send_error(403)
            return None
        return super().send_head()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def served(small: RawSet, tmp_path: Path) -> Iterator[Path]:
    """A configuration whose archives a server has, and gives to those who have an account."""

    def handler(*given: Any) -> Handler:
        return Handler(*given, directory=str(small.raw))

    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    copy = small.copy(tmp_path / "config")
    address = f"http://127.0.0.1:{server.server_address[1]}"
    text = re.sub(
        r'file = "(.*)"\nurl = ".*"',
        rf'file = "\1"\nurl = "{address}/\1 (needs an account)"',
        copy.config.read_text(),
    )
    copy.config.write_text(text)
    yield copy.config
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def cookie(tmp_path: Path) -> str:
    (tmp_path / "cookie.txt").write_text(f"Cookie: {SECRET}\n")
    return f"@{tmp_path / 'cookie.txt'}"


def assert_without_secrets(folder: Path, said: str) -> None:
    assert SECRET not in said
    for path in folder.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes()


def test_the_next_command_reads_no_archive_again(
    monkeypatch: pytest.MonkeyPatch, served: Path, cookie: str, tmp_path: Path, out: Path
) -> None:
    raw = tmp_path / "raw"
    where = ("--config", served, "--raw", raw)
    run = inprocess.shardmill(monkeypatch, "fetch", *where, "--out", out, "--header", cookie)
    assert run.status == 0, run.said
    assert run.said.count("MD5") == 3
    assert_without_secrets(raw, run.said)
    assert_without_secrets(out, run.said)

    def again(*_: object, **__: object) -> None:
        raise AssertionError("an archive is read again")

    with monkeypatch.context() as patch:
        patch.setattr("pipeline.archives.index.read_once", again)
        run = inprocess.shardmill(patch, "imagenet", *where, "--out", out)
        assert run.status == 0, run.said
        run = inprocess.shardmill(patch, "fetch", *where, "--out", out)
        assert (run.status, run.said.count("there already")) == (0, 3)


def test_others_see_that_it_is_at_work_on_the_output(
    monkeypatch: pytest.MonkeyPatch, served: Path, cookie: str, tmp_path: Path, out: Path
) -> None:
    seen, send = list[list[AtWork]](), Handler.send_head

    def look(handler: Handler) -> Any:
        seen.append(at_work.at_work(out))
        return send(handler)

    monkeypatch.setattr(Handler, "send_head", look)
    where = ("--config", served, "--raw", tmp_path / "raw", "--out", out, "--header", cookie)
    assert inprocess.shardmill(monkeypatch, "fetch", *where).status == 0
    assert seen
    assert all(seen)
    assert at_work.at_work(out) == []


def test_where_a_server_has_no_ranges_the_remedy_works(
    monkeypatch: pytest.MonkeyPatch, served: Path, tmp_path: Path, out: Path
) -> None:
    monkeypatch.setattr(Handler, "cookie", None)
    match = re.search(r'url = "(http:.*)/', served.read_text())
    assert match is not None
    how = ("--config", served, "--out", out)
    by_ranges = ("--raw", match[1], "--stage", "none")
    run = inprocess.shardmill(monkeypatch, "imagenet", *by_ranges, *how)
    assert run.status == 2, run.said
    assert "sends whole files only" in run.said
    command = re.search(r"shardmill (fetch --raw FOLDER --mirror \S+), then", run.said)
    assert command is not None, run.said
    raw = str(tmp_path / "raw")
    words = command[1].replace("FOLDER", raw).split()
    run = inprocess.shardmill(monkeypatch, *words, "--config", served)
    assert run.status == 0, run.said
    run = inprocess.shardmill(monkeypatch, "imagenet", "--raw", raw, *how)
    assert run.status == 0, run.said


def test_without_an_account_each_archive_is_refused_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, served: Path, tmp_path: Path
) -> None:
    words = ("--config", served, "--raw", tmp_path / "raw", "--only", "boxes,train")
    run = inprocess.shardmill(monkeypatch, "fetch", *words)
    assert run.status == 3
    assert run.said.count("--header @FILE") == 2


def test_a_header_in_clear_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, served: Path, tmp_path: Path
) -> None:
    words = ("--config", served, "--raw", tmp_path / "raw", "--header", f"Cookie: a, {SECRET}")
    run = inprocess.shardmill(monkeypatch, "fetch", *words)
    assert run.status == 2
    assert "in clear" in run.said
    assert SECRET not in run.said
    assert not (tmp_path / "raw").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--only", "trian"), "say train"),
        (("--limit-rate", "fast"), "such as 500k"),
        (("--limit-rate", "15k"), "at least 16,000"),
        (("--mirror", "/folder"), "not an address"),
        (("--mirror", "https://h/a,https://h/b"), "repeat the option"),
        (("--mirror", "s3://bucket"), "names a bucket and nothing in it"),
    ],
)
def test_a_word_that_means_nothing_is_refused_before_anything_is_made(
    monkeypatch: pytest.MonkeyPatch, served: Path, tmp_path: Path, words: tuple[str, str], said: str
) -> None:
    where = ("--config", served, "--raw", tmp_path / "raw")
    run = inprocess.shardmill(monkeypatch, "fetch", *where, *words)
    assert run.status == 2
    assert said in run.said
    assert not (tmp_path / "raw").exists()


def test_an_archive_without_an_address_is_said_with_where_to_get_it(
    monkeypatch: pytest.MonkeyPatch, small: RawSet, tmp_path: Path
) -> None:
    words = ("--config", small.config, "--raw", tmp_path / "raw", "--only", "boxes")
    run = inprocess.shardmill(monkeypatch, "fetch", *words)
    assert run.status == 3
    assert "drawn by shardmill sample" in run.said
    assert "--mirror" in run.said


def test_headers_for_a_host_that_nothing_is_fetched_from_are_refused(
    monkeypatch: pytest.MonkeyPatch, served: Path, cookie: str, tmp_path: Path
) -> None:
    words = ("--config", served, "--raw", tmp_path / "raw", "--header", f"example.org={cookie}")
    run = inprocess.shardmill(monkeypatch, "fetch", *words)
    assert run.status == 2
    assert "nothing is fetched from this host" in run.said


def test_clean_leaves_a_download_that_was_cut_alone_and_says_so(
    monkeypatch: pytest.MonkeyPatch, served: Path, cookie: str, small: RawSet, out: Path
) -> None:
    """Also where the archives lie in the output folder, and the process is gone."""
    (out / ".shardmill").mkdir(parents=True)
    partial = Partial.create(out / BOXES)
    content = (small.raw / BOXES).read_bytes()[:100]
    partial.write_at(0, content)
    pieces = {0: Piece(100, xxhash.xxh3_128_hexdigest(content), 0)}
    partial.save(Sidecar((small.raw / BOXES).stat().st_size, (Origin("x", "y"),), pieces))
    partial.close()
    with monkeypatch.context() as patch:
        patch.setattr(Owner, "runs", lambda _: False)
        run = inprocess.shardmill(patch, "clean", out, "--yes")
    assert run.status == 0
    assert f"left alone: {partial.temp}" in run.said
    assert partial.temp.exists()
    words = ("--config", served, "--raw", out, "--only", "boxes", "--header", cookie)
    run = inprocess.shardmill(monkeypatch, "fetch", *words)
    assert run.status == 0, run.said
    assert not partial.temp.exists()


def test_a_second_one_ends_with_10(
    monkeypatch: pytest.MonkeyPatch, served: Path, tmp_path: Path
) -> None:
    def busy(*_: object) -> None:
        raise AlreadyAtWork("another command is making this")

    monkeypatch.setattr("pipeline.state.fetching.alone", busy)
    words = ("--config", served, "--raw", tmp_path / "raw", "--only", "boxes")
    run = inprocess.shardmill(monkeypatch, "fetch", *words)
    assert run.status == 10
    assert "another command" in run.said


def test_luigi_fetches_what_is_not_there(served: Path, cookie: str, tmp_path: Path) -> None:
    from tasks import fetch  # noqa: PLC0415

    archives: Any = fetch.FetchArchives
    raw = tmp_path / "raw"
    given: dict[str, Any] = {"raw": str(raw), "config": str(served), "only": "boxes"}
    root = archives(header=cookie, **given)
    assert not root.complete()
    inprocess.build([root])
    assert root.complete()
    assert (raw / BOXES).exists()
    assert SECRET not in str(root.to_str_params()) + str(root.requires())
