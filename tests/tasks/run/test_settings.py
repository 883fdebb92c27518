"""Of a ``luigi.cfg`` in the working folder only harmless numbers are taken; the rest is said."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from drawnlists import draw_list
from luigi.configuration import LuigiConfigParser
from support import ROOT

from tasks.run import settings

_SETTINGS = """
[core]
logging_conf_file = {work}/logging.conf
default_scheduler_url = http://elsewhere:8082/
rpc-retry-attempts = 7
rpc_retry_wait = 1
[worker]
task_process_context = postersmodule.Context
keep_alive = true
ping_interval = 2.5
[scheduler]
metrics_collector = custom
metrics_custom_import = postersmodule.Metrics
record_task_history = true
batch_emails = true
[email]
receiver = somebody@elsewhere
force_send = true
[resources]
io = 4
[retcode]
not_run = 25
"""
_TAKEN = {
    ("core", "rpc_retry_attempts"): "7",
    ("core", "rpc_retry_wait"): "1",
    ("worker", "keep_alive"): "true",
    ("worker", "ping_interval"): "2.5",
}
_LOGGING = """
[loggers]
keys = root
[handlers]
keys = marking
[formatters]
keys =
[logger_root]
handlers = marking
[handler_marking]
class = StreamHandler
args = (open({mark!r}, "w"),)
"""


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder; what Luigi knew before the test, it knows again after it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LUIGI_CONFIG_PATH", raising=False)
    parser: Any = LuigiConfigParser.instance()  # type: ignore[no-untyped-call]
    before = {name: dict(parser.items(name, raw=True)) for name in parser.sections()}
    settings.apply_users_settings.cache_clear()
    yield tmp_path
    parser.clear()
    parser.read_dict(before)
    settings.apply_users_settings.cache_clear()


def read(folder: Path) -> Any:
    """Have Luigi read the working folder, as it does when it is imported."""
    parser = LuigiConfigParser.instance()  # type: ignore[no-untyped-call]
    parser.read(folder / "luigi.cfg")
    return parser


def options(parser: Any) -> dict[tuple[str, str], str]:
    return {
        (section, option): value
        for section in parser.sections()
        for option, value in parser.items(section, raw=True)
    }


def test_harmless_numbers_are_taken_and_the_rest_is_named(work: Path) -> None:
    (work / "luigi.cfg").write_text(_SETTINGS)
    parser = read(work)
    left_out = settings.apply_users_settings()
    assert options(parser) == _TAKEN
    expected = {line.partition(" =")[0] for line in _SETTINGS.splitlines() if " = " in line}
    expected -= {option for _, option in _TAKEN} | {"rpc-retry-attempts", "io", "not_run"}
    assert {each.partition("] ")[2] for each in left_out} == expected
    settings.apply_shipped_settings()
    assert parser.get("core", "rpc_retry_attempts") == "7"
    assert not parser.has_option("core", "logging_conf_file")


@pytest.mark.parametrize(
    ("section", "option", "value"),
    [
        *(("core", "rpc_retry_attempts", value) for value in ("1e9", "10001", "-1", "2.5", "")),
        *(("worker", "ping_interval", value) for value in ("0", "nan", "inf", "-3", "${HOME}")),
        *(("worker", "keep_alive", value) for value in ("perhaps", "", "%(here)s")),
        ("scheduler", "retry_count", "999999999"),
        ("DEFAULT", "task_process_context", "postersmodule.Context"),
        ("Prepare", "out", "/elsewhere"),
    ],
)
def test_what_is_out_of_range_or_unknown_is_left_out(
    work: Path, section: str, option: str, value: str
) -> None:
    (work / "luigi.cfg").write_text(f"[{section}]\n{option} = {value}\n")
    parser = read(work)
    assert settings.apply_users_settings() == (f"[{section}] {option}",)
    assert not parser.has_option(section, option)
    assert dict(parser.defaults()) == {}


@pytest.mark.parametrize("name", ["luigi.cfg", "other.cfg"])
def test_the_file_that_the_variable_names_is_taken_whole(
    work: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (work / "luigi.cfg").write_text("[email]\nreceiver = me\n[core]\nrpc_retry_wait = 3\n")
    if name != "luigi.cfg":
        (work / name).write_text("[email]\nreceiver = you\n[core]\nrpc_retry_wait = 4\n")
    monkeypatch.setenv("LUIGI_CONFIG_PATH", name)
    parser = read(work)
    left_out = settings.apply_users_settings()
    whole = name == "luigi.cfg"
    assert left_out == (() if whole else ("[email] receiver",))
    assert parser.get("email", "receiver") == ("me" if whole else "you")
    assert parser.get("core", "rpc_retry_wait") == ("3" if whole else "4")


def test_of_the_shipped_settings_nothing_is_left_out(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del work
    monkeypatch.chdir(ROOT)
    read(ROOT)
    assert settings.apply_users_settings() == ()


def test_a_command_runs_nothing_that_a_working_folder_names(tmp_path: Path, out: Path) -> None:
    work, mark = tmp_path / "work", tmp_path / "mark"
    work.mkdir()
    (work / "luigi.cfg").write_text(_SETTINGS.format(work=work))
    (work / "logging.conf").write_text(_LOGGING.format(mark=str(mark)))
    listed = draw_list(tmp_path / "data", images=2)
    where = ("--root", listed.root, "--out", out, "--format", "recordio")
    words = [sys.executable, "-m", "tasks.cli", "imagelist", listed.path, *where]
    run = subprocess.run([*map(str, words)], cwd=work, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert not mark.exists()
    (line,) = (line for line in run.stderr.splitlines() if "luigi.cfg" in line)
    assert "logging_conf_file" in line
    assert "LUIGI_CONFIG_PATH" in line
