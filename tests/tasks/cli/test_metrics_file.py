"""``--metrics-file``: figures for Prometheus, in a file that is never half written."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import shardmill
from drawnlists import ListedSet, draw_list
from prometheus_client.parser import text_string_to_metric_families

from pipeline import storage
from pipeline.state.metrics import Ends, Metrics
from tasks.cli import metrics_file
from tasks.cli.listening import Heard
from tasks.cli.metrics_file import MetricsFile


@pytest.fixture
def listed(tmp_path: Path) -> ListedSet:
    return draw_list(tmp_path / "data", images=6)


def read(file: Path) -> dict[str, Any]:
    """Return name -> the value, or the values by their labels, as Prometheus' own parser has it."""
    families: Any = text_string_to_metric_families(file.read_text())
    found: dict[str, Any] = {}
    for family in families:
        values = {tuple(each.labels.values()): each.value for each in family.samples}
        found[family.name] = values.get((), values)
    return found


def test_a_command_writes_its_figures(listed: ListedSet, out: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.prom"
    for _ in ("made", "already complete"):
        assert listed.prepare_here(out, "--shards", 2, "--metrics-file", file).returncode == 0
        figures = read(file)
        assert figures["shardmill_running"] == 0
        assert figures["shardmill_last_exit_status"] == 0
        assert figures["shardmill_images"] == {("images", "tfrecord"): 6}
        assert figures["shardmill_shards"] == {("images", "tfrecord"): 2}
        assert figures["shardmill_left_out"] == {("images", "tfrecord"): 0}
        assert figures["shardmill_bytes"][("images", "tfrecord")] > 0
    assert "shardmill_step_seconds" not in figures  # nothing was done
    assert file.read_text().count(str(tmp_path)) == 0
    assert [each.name for each in tmp_path.glob("*.prom")] == [file.name]


def test_failures_are_counted_and_the_last_success_is_kept(
    listed: ListedSet, out: Path, tmp_path: Path
) -> None:
    file = tmp_path / "a.prom"
    assert listed.prepare_here(out, "--metrics-file", file).returncode == 0
    success = read(file)["shardmill_last_success_timestamp_seconds"]
    next(listed.root.rglob("*.jpg")).write_bytes(b"no image")
    assert listed.prepare_here(out, "--metrics-file", file).returncode == 3
    figures = read(file)
    assert figures["shardmill_failures"] == {("BadImage",): 1}
    assert figures["shardmill_last_exit_status"] == 3
    assert figures["shardmill_last_success_timestamp_seconds"] == success
    skipping = listed.prepare_here(out, "--on-bad-image", "skip", "--metrics-file", file)
    assert skipping.returncode == 4
    figures = read(file)
    assert figures["shardmill_left_out"] == {("images", "tfrecord"): 1}
    assert figures["shardmill_last_success_timestamp_seconds"] > success


def test_at_every_moment_of_a_run_the_file_is_whole(
    listed: ListedSet, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each state that is ever there is read, with a worker and its counters behind it."""
    file, states = tmp_path / "a.prom", tmp_path / "states"
    write: Callable[[Path, bytes], None] = storage.write_unsynced

    def noting(path: Path, content: bytes) -> None:
        write(path, content)
        if path == file:
            with states.open("a") as log:
                log.write(f"{read(file)}\n")

    monkeypatch.setattr(storage, "write_unsynced", noting)
    monkeypatch.setattr(metrics_file, "EVERY_S", 0.0)
    ran = listed.prepare(out, "--shards", 6, "--workers", 2, "--metrics-file", file)
    assert ran.returncode == 0, ran.stderr
    first, *between, last = states.read_text().splitlines()
    assert "'shardmill_running': 1," in first
    assert "shardmill_images" not in first
    assert all("'shardmill_running': 1," in state for state in between)
    assert any("'shardmill_shards_planned': {('images', 'tfrecord'): 6}" in s for s in between)
    assert "'shardmill_step_tasks'" in last
    assert "'shardmill_shards': {('images', 'tfrecord'): 6}" in last


def test_the_file_is_renewed_once_a_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    file = MetricsFile.opened(str(tmp_path / "a.prom"), Heard())
    looks: list[float] = []
    for seconds in range(150):
        now[0] = 1000.0 + seconds
        file.look(lambda at: looks.append(at) or [])  # type: ignore[func-returns-value]
    assert looks == [1000.0, 1060.0, 1120.0]


@pytest.mark.parametrize("command", ["imagenet", "imagelist", "openimages"])
def test_a_file_in_a_folder_that_is_not_there_is_refused_before_work(
    command: str, out: Path, tmp_path: Path
) -> None:
    words = {
        "imagenet": ("--raw", tmp_path, "--out", out),
        "imagelist": (tmp_path, "--out", out),
        "openimages": ("--class", "Bear", "--out", out),
    }
    ran = shardmill(command, *words[command], "--metrics-file", tmp_path / "no" / "a.prom")
    assert ran.returncode == 2
    assert "its folder is not there" in ran.stderr
    assert not out.exists()
    assert not (tmp_path / "no").exists()


def test_what_is_not_of_this_option_is_not_overwritten(
    listed: ListedSet, out: Path, tmp_path: Path
) -> None:
    for file, content in ((tmp_path / "notes.txt", "my notes\n"), (listed.path, None)):
        before = content or file.read_text()
        file.write_text(before)
        ran = listed.prepare_here(out, "--metrics-file", file)
        assert (ran.returncode, "something else lies there" in ran.stderr) == (2, True)
        assert file.read_text() == before
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for place in (tmp_path, pipe):
        ran = listed.prepare_here(out, "--metrics-file", place)
        assert (ran.returncode, "something else lies there" in ran.stderr) == (2, True)
    assert pipe.is_fifo()
    assert not out.exists()


def test_a_link_is_followed(listed: ListedSet, out: Path, tmp_path: Path) -> None:
    link, file = tmp_path / "link.prom", tmp_path / "file.prom"
    link.symlink_to(file)
    for _ in ("absent", "there"):
        assert listed.prepare_here(out, "--metrics-file", link).returncode == 0
        assert (link.is_symlink(), read(file)["shardmill_last_exit_status"]) == (True, 0)


def test_a_file_that_cannot_be_written_any_more_decides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    file = MetricsFile.opened(str(folder / "a.prom"), Heard())
    file.begin()
    shutil.rmtree(folder)
    folder.write_text("")
    monkeypatch.setattr(metrics_file, "EVERY_S", 0.0)
    for _ in range(2):
        file.look(lambda _: [])
    file.end(0, is_success=True)
    assert capsys.readouterr().err.count("cannot be written any more") == 1


def test_a_dry_run_and_a_command_that_leaves_the_work_to_another_leave_it_alone(
    listed: ListedSet, out: Path, tmp_path: Path
) -> None:
    file = tmp_path / "a.prom"
    file.write_text(before := Metrics(1.0, True, Ends(1.0)).text())
    assert listed.prepare_here(out, "--dry-run", "--metrics-file", file).returncode == 0
    assert file.read_text() == before
