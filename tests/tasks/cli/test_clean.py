"""``shardmill clean``: stale temporary files and superseded outputs, nothing else."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import forked
import pytest
import shared
from commands import prepare, shardmill
from support import RawSet, command, products, temporary_files

from pipeline import paths, storage
from pipeline.state import lease
from pipeline.state.shard_claims import ShardClaims

SHARDS = ("--split", "train", "--shards", "train=3")
LEAVES_A_TEMP = """
import os, sys
from pathlib import Path
from pipeline.storage import StagedFile
staged = StagedFile(Path(sys.argv[1]))
staged.write(b"half")
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def twice(small: RawSet, out: Path) -> Path:
    """An output folder in which one seed's output has taken the place of another's."""

    def make(folder: Path) -> None:
        for seed in ((), ("--seed", 1)):
            run = prepare(small, folder / "out", *SHARDS, *seed)
            assert run.returncode == 0, run.stderr

    shutil.copytree(shared.once("superseded", make) / "out", out, symlinks=True)
    return out


def outputs(out: Path) -> set[str]:
    return {path.name for path in (out / "tfrecord/train").iterdir() if not path.is_symlink()}


def test_superseded_outputs_go_and_the_current_one_stays_whole(twice: Path) -> None:
    current = os.readlink(twice / "tfrecord/train/current")
    assert len(outputs(twice)) == 2
    run = shardmill("clean", twice, "--yes")
    assert run.returncode == 0, run.stderr
    assert outputs(twice) == {current}
    assert shardmill("verify", twice).returncode == 0
    assert "nothing to remove" in shardmill("clean", twice, "--yes").stdout


def test_it_asks_and_takes_no_for_an_answer(twice: Path) -> None:
    before = products(twice)
    run = shardmill("clean", twice, answer="n\n")
    assert run.returncode == 0
    assert "superseded output" in run.stdout
    assert products(twice) == before


def test_a_temporary_file_of_a_dead_process_goes(twice: Path) -> None:
    target = twice / "tfrecord/train/current/train-00000-of-00003"
    subprocess.run([sys.executable, "-c", LEAVES_A_TEMP, target.resolve()], check=False)
    assert len(temporary_files(twice)) == 1
    assert shardmill("clean", twice, "--yes").returncode == 0
    assert temporary_files(twice) == []


def test_what_another_host_has_left_goes_when_that_is_said(twice: Path) -> None:
    folder = (twice / "tfrecord/train/current").resolve()
    foreign = folder / ".train-00000-of-00003.elsewhere-17-0a1b2c3d-0a1b2c3d-0a1b2c3d.tmp"
    foreign.write_bytes(b"half")
    os.utime(foreign, (time.time() - 7200, time.time() - 7200))
    kept = shardmill("clean", twice, "--yes")
    assert kept.returncode == 0, kept.stderr
    assert f"{foreign} belongs to process 17 on elsewhere, written 2:00:0" in kept.stdout
    assert "--other-hosts" in kept.stdout
    assert foreign.exists()
    gone = shardmill("clean", twice, "--yes", "--other-hosts")
    assert gone.returncode == 0, gone.stderr
    assert not foreign.exists()


def test_a_claim_of_another_host_goes_when_that_is_said(
    twice: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as that of a part which was killed, when the job has other shards by now."""
    monkeypatch.setenv(storage.HOST_VARIABLE, "elsewhere")
    ShardClaims(twice, "0" * 12).take(3)
    monkeypatch.delenv(storage.HOST_VARIABLE)
    claim = paths.shard_claim(twice, "0" * 12, 3)
    assert shardmill("clean", twice, "--yes").returncode == 0
    assert claim.exists()
    gone = shardmill("clean", twice, "--yes", "--other-hosts")
    assert f"claim of a process that is gone: {claim}" in gone.stdout
    assert not claim.exists()


def test_outputs_stay_while_a_command_of_another_host_says_that_it_is_at_work(
    twice: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(storage.HOST_VARIABLE, "elsewhere")
    with lease.stated(twice):
        monkeypatch.delenv(storage.HOST_VARIABLE)
        run = shardmill("clean", twice, "--yes")
        assert f"process {os.getpid()} on elsewhere" in run.stdout
        assert len(outputs(twice)) == 2
        status = shardmill("status", twice)
        assert "no command is at work on this host\n" in status.stdout
        assert "by its lease, a command is at work elsewhere" in status.stdout
    assert shardmill("clean", twice, "--yes").returncode == 0
    assert len(outputs(twice)) == 1


def test_a_temporary_file_of_another_host_or_a_living_process_stays(twice: Path) -> None:
    folder = (twice / "tfrecord/train/current").resolve()
    foreign = folder / ".train-00000-of-00003.elsewhere-17-0a1b2c3d.tmp"
    foreign.write_bytes(b"half")
    host = os.uname().nodename
    living = folder / f".train-00001-of-00003.{host}-{os.getpid()}-0a1b2c3d.tmp"
    with living.open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        run = shardmill("clean", twice, "--yes")
        assert run.returncode == 0
        assert "elsewhere" in run.stdout
    assert set(temporary_files(twice)) == {foreign, living}


def test_lock_files_of_killed_commands_go_and_a_held_one_stays(twice: Path) -> None:
    left, held = (twice / "raw" / f".{name}.zip.lock" for name in ("a", "b"))
    left.parent.mkdir()
    for lock in (left, held):
        lock.write_text('{"command": "shardmill", "host": "here", "pid": 99}\n')
    with held.open("rb+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        shown = shardmill("clean", twice, "--dry-run").stdout
        assert f"lock file that nobody holds: {left}\n" in shown
        assert str(held) not in shown
        assert left.exists()
        assert shardmill("clean", twice, "--yes").returncode == 0
    assert list(left.parent.iterdir()) == [held]


def test_outputs_are_left_alone_while_a_command_is_at_work(twice: Path) -> None:
    before = products(twice)
    with (twice / ".shardmill/run.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        run = shardmill("clean", twice, "--yes")
    assert "at work" in run.stdout
    assert products(twice) == before


def test_what_somebody_else_put_there_stays(twice: Path) -> None:
    notes = twice / "tfrecord/train/my-notes/a.txt"
    notes.parent.mkdir()
    notes.write_text("precious")
    current = os.readlink(twice / "tfrecord/train/current")
    (old,) = outputs(twice) - {current, "my-notes"}
    kept = twice / "tfrecord/train" / old / "notes.txt"
    kept.write_text("precious too")
    assert shardmill("clean", twice, "--yes").returncode == 0
    assert notes.read_text() == "precious"
    assert [path.name for path in kept.parent.iterdir()] == ["notes.txt"]


def test_an_output_that_is_wanted_again_while_it_asks_stays(small: RawSet, twice: Path) -> None:
    asking = forked.ForkedPopen(
        command("clean", twice),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert asking.stdout is not None
    assert "superseded output" in asking.stdout.readline()
    assert prepare(small, twice, *SHARDS).returncode == 0
    asking.communicate("y\n", timeout=60)
    assert shardmill("verify", twice).returncode == 0
    assert (twice / "tfrecord/train/current/manifest.json").exists()


def test_a_half_done_output_that_is_still_wanted_stays(small: RawSet, twice: Path) -> None:
    assert prepare(small, twice, *SHARDS, "--seed", 2).returncode == 0
    wanted = os.readlink(twice / "tfrecord/train/current")
    os.unlink(twice / "tfrecord/train/current")
    os.symlink(next(iter(outputs(twice) - {wanted})), twice / "tfrecord/train/current")
    (twice / "tfrecord/train" / wanted / "manifest.json").unlink()
    assert shardmill("clean", twice, "--yes").returncode == 0
    assert wanted in outputs(twice)


def test_a_folder_that_is_no_output_is_a_usage_error(tmp_path: Path) -> None:
    assert shardmill("clean", tmp_path).returncode == 2
