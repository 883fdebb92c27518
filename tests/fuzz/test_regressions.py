"""Every document that broke a parser, or one changed on purpose: ``regressions/<target>/<name>``.

Most were shrunk by hypothesis or libFuzzer, the others were then written by hand.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from limits import bounded_time, trial
from targets import TARGETS

_FOLDER = Path(__file__).parent / "regressions"
_PATHS = sorted(path for path in _FOLDER.glob("*/*") if path.is_file())
_LARGEST = 5000  # bytes; Python converts numbers of up to 4,300 digits


@pytest.mark.parametrize("path", _PATHS, ids=lambda path: f"{path.parent.name}: {path.name}")
def test_what_once_broke_a_parser_does_so_no_more(path: Path, tmp_path: Path) -> None:
    target, data = TARGETS[path.parent.name], path.read_bytes()
    with bounded_time(target, data):
        trial(target, data, tmp_path)


def test_what_once_broke_a_parser_is_kept_small_and_named_by_a_target() -> None:
    assert {path.parent.name for path in _PATHS} <= TARGETS.keys()
    assert max(path.stat().st_size for path in _PATHS) <= _LARGEST
