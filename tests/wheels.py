"""The built wheel in an environment with what it depends on, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import venv
from importlib.metadata import Distribution, PathDistribution, distribution
from pathlib import Path
from zipfile import Path as ZipPath

from packaging.requirements import Requirement
from support import ROOT

_BESIDE = {"..", "__pycache__"}  # programs and bytecode, by the first part of a file's name


def install(folder: Path) -> Path:
    """Build the wheel in a folder; return an environment there that it is installed in."""
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder)
    (wheel,) = folder.glob("shardmill-*.whl")
    own = _metadata_of(wheel)
    installed = _all_depended_on(own)
    for wanted in _depended_on(own):
        assert wanted.specifier.contains(installed[wanted.name].version, prereleases=True), wanted
    environment = folder / "clean"
    venv.create(environment, symlinks=True)
    pip = (sys.executable, "-m", "pip", "--python", environment / "bin" / "python", "install")
    run(*pip, "--no-compile", "--no-deps", "--no-index", wheel)
    _lend(list(installed.values()), environment)
    return environment


def run(*arguments: object, cwd: Path = ROOT) -> str:
    """Run a command that ends well; return what it printed."""
    done = subprocess.run(
        list(map(str, arguments)), cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _metadata_of(wheel: Path) -> Distribution:
    (folder,) = (each for each in ZipPath(wheel).iterdir() if each.name.endswith(".dist-info"))
    return PathDistribution(folder)


def _depended_on(package: Distribution) -> list[Requirement]:
    """Return what a distribution requires here, without any extra."""
    wanted = map(Requirement, package.requires or ())
    return [each for each in wanted if not each.marker or each.marker.evaluate({"extra": ""})]


def _all_depended_on(package: Distribution) -> dict[str, Distribution]:
    """Return what a distribution requires, and what that requires in turn, as it is installed."""
    found: dict[str, Distribution] = {}
    wanted = _depended_on(package)
    while wanted:
        name = wanted.pop().name
        if name not in found:
            found[name] = distribution(name)
            wanted += _depended_on(found[name])
    return found


def _lend(packages: list[Distribution], environment: Path) -> None:
    """Put installed distributions into another environment, as links."""
    (site,) = environment.glob("lib/python*/site-packages")
    for package in packages:
        names = {file.parts[0] for file in package.files or ()} - _BESIDE
        for name in names:
            if not name.endswith(".pth"):
                (site / name).symlink_to(Path(str(package.locate_file(name))))
