"""The built wheel with what it depends on, and nothing else, run from ``/``."""

from __future__ import annotations

import subprocess
import sys
import venv
from importlib.metadata import Distribution, PathDistribution, distribution
from pathlib import Path
from zipfile import Path as ZipPath

from packaging.requirements import Requirement
from support import ROOT

DRAW = """
import sys
from pathlib import Path
from pipeline.resources import shipped
from pipeline.sample.draw import draw_sample

draw_sample(Path(sys.argv[1]), train_classes=2, images_per_class=3, validation_images=3)
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


def test_the_wheel_holds_configuration_and_runs_anywhere(tmp_path: Path) -> None:
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path)
    (wheel,) = tmp_path.glob("shardmill-*.whl")
    own = metadata_of(wheel)
    installed = all_depended_on(own)
    for wanted in depended_on(own):
        assert wanted.specifier.contains(installed[wanted.name].version, prereleases=True), wanted
    environment = tmp_path / "clean"
    venv.create(environment, symlinks=True)
    python, shardmill = environment / "bin" / "python", environment / "bin" / "shardmill"
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--no-compile")
    run(*pip, "--no-deps", "--no-index", wheel)
    lend(list(installed.values()), environment)
    root, raw, out = Path("/"), tmp_path / "raw", tmp_path / "out"
    assert str(environment) in run(python, "-c", DRAW, raw, cwd=root)
    prepare = ("--raw", raw, "--config", raw / "sample.toml", "--out", out)
    assert "complete" in run(shardmill, "imagenet", *prepare, cwd=root)
    assert "as it was written" in run(shardmill, "verify", out, cwd=root)
    luigi = ("--module", "tasks", "PrepareImageNet", "--local-scheduler", *prepare)
    run(python, "-m", "luigi", *luigi, cwd=root)
