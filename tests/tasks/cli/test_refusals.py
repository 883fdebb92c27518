"""Commands that are refused leave nothing behind, and those that are interrupted end with 130."""

from __future__ import annotations

import signal
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import inprocess
import pytest
from commands import prepare, shardmill
from drawnlists import encoded, lay
from support import RawSet

from pipeline.errors import ArchiveMissing, OutputConflict
from pipeline.processes.interrupts import interrupting


@pytest.mark.parametrize("option", ["--no-overlap", "--dry-run", "--no-boxes"])
def test_a_refused_command_makes_no_folder(
    small: RawSet, tmp_path: Path, out: Path, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("imagenet", "--raw", tmp_path, "--config", small.config, "--out", out, option)
    assert inprocess.shardmill(monkeypatch, *words).status == ArchiveMissing.exit_status
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["--no-overlap", "--dry-run"])
def test_a_link_to_nothing_as_output_is_named(
    small: RawSet, out: Path, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    out.symlink_to("gone")
    where = ("--raw", small.raw, "--config", small.config, "--out", out)
    ran = inprocess.shardmill(monkeypatch, "imagenet", *where, option)
    assert ran.status == OutputConflict.exit_status
    assert "a link leads nowhere" in ran.said
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("imagelist {folder} --out {loop}", 2),
        ("imagelist {folder} --out {loop}/below --dry-run", 2),
        ("im2rec --list {loop}/p {folder}", 2),
        ("status {loop}", 1),
        ("imagelist {loop} --out {folder}/out", 1),
        ("im2rec {loop} {folder} {folder}/a.rec", 1),
    ],
)
def test_a_link_to_itself_is_said_to_be_one(
    tmp_path: Path, words: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, folder = tmp_path / "loop", tmp_path / "folder"
    loop.symlink_to("loop")
    folder.mkdir()
    lay(folder / "0.jpg", encoded(0))
    given = words.format(loop=loop, folder=folder).split()
    ran = inprocess.shardmill(monkeypatch, *given)
    assert "a link leads back to itself" in ran.said
    assert "remove the link, or have it lead to what is meant" in ran.said
    assert ran.status == status


def test_who_ignores_hangups_is_not_interrupted_by_one() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        assert signal.SIGHUP not in interrupting()
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        assert signal.SIGHUP in interrupting()
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("content", [b"[core\nlog_level = INFO\n", b"\xff\xfe[\0c\0"])
def test_settings_of_luigi_that_cannot_be_read_are_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "luigi.cfg").write_bytes(content)
    words = [sys.executable, "-P", "-m", "tasks.cli", "imagelist", "x", "--out", "y"]
    run = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 2, run.stderr
    assert "the settings of Luigi cannot be read" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("imagnet",), "No such command 'imagnet'. Did you mean 'imagenet'?"),
        (("imagenet", "--raww", "x"), "Did you mean '--raw'?"),
        (("imagenet", "--format", "tfrecrd"), "Did you mean 'tfrecord'?"),
        (("imagenet", "--export", "parquet,crossant"), "Did you mean 'croissant'?"),
        (("imagenet", "--until", "extrat"), "Did you mean 'extract'?"),
        (("imagenet", "--format", "xyz"), "'none'.\n"),
        (("completion", "bsh"), "Did you mean 'bash'?"),
        (("openimages", "--out", "o", "--class", "Bear", "--split", "trian"), "say train"),
        (("openimages", "--out", "o", "--class", "Bear", "--version", "v66"), "Did you mean 'v6'?"),
        (("a\x1b[2Jb",), r"a\x1b[2Jb"),
    ],
)
def test_an_unknown_word_is_answered_with_the_nearest_right_one(
    words: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = shardmill(*words)
    assert (run.returncode, run.stdout) == (2, "")
    assert said in run.stderr
    assert "\x1b" not in run.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--split", "trian"), "say train"),
        (("--with", "tset"), "say test"),
        (("--shards", "trian=3"), "say train"),
    ],
)
def test_so_is_an_unknown_split_or_archive_of_a_configuration(
    small: RawSet, out: Path, options: tuple[str, ...], said: str
) -> None:
    run = prepare(small, out, *options)
    assert run.returncode == 2
    assert said in run.stderr


def test_every_missing_archive_is_named_with_its_address_and_weight(
    small: RawSet, tmp_path: Path, out: Path
) -> None:
    run = prepare(replace(small, raw=tmp_path), out)
    assert run.returncode == 3
    archives = tomllib.loads(small.config.read_text())["archives"].values()
    assert len(archives) >= 3
    for archive in archives:
        assert f"{tmp_path / archive['file']}\n" in run.stderr
        assert f"from {archive['url']}\n" in run.stderr
        if "bytes" in archive:
            assert f"{archive['bytes']:,} bytes (" in run.stderr
    assert any("bytes" in archive for archive in archives)


@pytest.mark.parametrize("word", ["tench", "n01440763"])
def test_a_class_by_its_words_or_misspelt_is_answered_with_its_id(
    word: str, tmp_path: Path
) -> None:
    chosen = lay(tmp_path / "chosen", word.encode())
    words = ("--raw", tmp_path, "--out", tmp_path / "out", "--classes", chosen)
    run = shardmill("imagenet", *words)
    assert run.returncode == 2
    assert "say n01440764" in run.stderr
    assert "shardmill classes" in run.stderr


@pytest.mark.parametrize(("right", "wrong"), [("layout =", "layuot ="), ("boxes =", "boxs =")])
def test_a_misspelt_key_of_a_configuration_is_answered_with_the_right_one(
    small: RawSet, tmp_path: Path, out: Path, right: str, wrong: str
) -> None:
    own = small.copy(tmp_path / "own")
    own.config.write_text(own.config.read_text().replace(right, wrong, 1))
    run = prepare(own, out)
    assert run.returncode == 2
    assert f"did you mean {right.split(maxsplit=1)[0]!r}?" in run.stderr
