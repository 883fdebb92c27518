"""What a process imports before it knows what its job needs, and what becomes of that."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import inprocess
import pytest
from drawnlists import draw_list
from support import ROOT

from tasks.run.startup import importing

RARE = ("PIL", "boto3", "cv2", "h5py", "lxml", "pandas", "requests", "rich", "tasks.run.luigid")
"""What many jobs do without: it is imported where it is used."""

IMPORTED = f"""
import sys
{{code}}
print(*sorted(set({RARE}) & set(sys.modules)))
"""
SYSTEM_MEMORY = """
import pyarrow
assert pyarrow.default_memory_pool().backend_name == "system"
"""
NOTHING_TO_DO = """
from tasks.cli import cli
assert cli.main({words!r}, standalone_mode=False) == 0
"""


def rare_imports(code: str) -> str:
    """Run code in a process of its own; return which modules of `RARE` it has imported."""
    words = [sys.executable, "-c", IMPORTED.format(code=code)]
    run = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()[-1]


def test_a_worker_of_plain_shards_imports_nothing_rare_and_arrow_gives_memory_back() -> None:
    assert rare_imports(f"import tasks.run.worker\n{SYSTEM_MEMORY}") == ""


def test_a_command_with_nothing_to_do_imports_nothing_rare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = draw_list(tmp_path / "drawn", images=8)
    words = ["imagelist", str(drawn.root), "--recursive", "--out", str(tmp_path / "out")]
    assert inprocess.shardmill(monkeypatch, *words).status == 0
    assert rare_imports(NOTHING_TO_DO.format(words=words)) == ""


def test_what_is_imported_is_kept_from_the_collector_which_then_goes_on() -> None:
    frozen = gc.get_freeze_count()
    try:
        with importing():
            kept = [list[int]() for _ in range(100)]
            assert not gc.isenabled()
        assert gc.isenabled()
        assert gc.get_freeze_count() >= frozen + len(kept)
    finally:
        gc.unfreeze()


@pytest.mark.parametrize("command", ["im2rec", "openimages_split"])
def test_a_drop_in_command_starts_without_what_reads_tables_of_a_preparation(command: str) -> None:
    heavy = "{'pipeline.job.options', 'pyarrow.parquet'}"
    code = f"import tasks.cli.{command}, sys; print(*{heavy} & set(sys.modules))"
    words = [sys.executable, "-c", code]
    run = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout == "\n"
