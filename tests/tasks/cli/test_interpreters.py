"""Commands in interpreters of their own, as people run them: other tests fork theirs.

The commands over archives are those of the wheel, in `tests/interop/test_wheel_jobs.py`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from drawnlists import ALL_FORMATS, draw_list, lay
from support import RawSet, products

HOSTILE = (
    *("tasks.py", "pipeline/__init__.py", "luigi.py", "numpy.py", "multiprocessing/__init__.py"),
    *("pickle.py", "PIL/__init__.py", "sitecustomize.py"),
)


def hostile_folder(folder: Path) -> Path:
    """A folder of modules that leave a mark when they are imported."""
    for name in HOSTILE:
        code = f"open({str(folder / 'imported')!r}, 'a').write({name!r})\nraise ImportError\n"
        lay(folder / name, code.encode())
    return folder


def run_in(folder: Path, *words: object) -> None:
    """Run the command in a folder, as its console script does: with no folder first on the path."""
    command = [sys.executable, "-P", "-m", "tasks.cli", *map(str, words)]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_a_list_is_prepared_in_all_formats_verified_and_packed(tmp_path: Path) -> None:
    """By several workers; and nothing in the working folder is imported."""
    drawn, work = draw_list(tmp_path / "drawn"), hostile_folder(tmp_path / "work")
    out, where = tmp_path / "out", ("--root", drawn.root)
    run_in(work, "imagelist", drawn.path, *where, "--out", out, *ALL_FORMATS, "--workers", 2)
    run_in(work, "verify", out, "--workers", 2)
    run_in(work, "im2rec", drawn.path, drawn.root, "--num-thread", 2)
    assert drawn.path.with_suffix(".rec").stat().st_size > 0
    assert not (work / "imported").exists()
    forked = drawn.prepare(tmp_path / "forked", *ALL_FORMATS)
    assert forked.returncode == 0, forked.stderr
    assert products(tmp_path / "forked") == products(out)


def test_a_sample_is_drawn(sample: RawSet) -> None:
    """The one that all tests share: its fixture runs the command."""
    assert sample.config.is_file()
    assert len(list(sample.raw.glob("*.tar"))) > 2
