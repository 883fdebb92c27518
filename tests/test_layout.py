"""Where tests lie: a folder of tests mirrors one of the program, or is of a kind of its own."""

from __future__ import annotations

from typing import Final

from support import ROOT

TESTS: Final = ROOT / "tests"
OF_THEIR_OWN: Final = {
    "faults",  # whole jobs that are killed, stopped and damaged
    "fuzz",  # hostile input for every parser
    "interop",  # the real readers
    "openimages",  # what tests of Open Images stand on: the server, and the real mini set
    "remote",  # real servers on loopback
}
"""Folders of tests that are of the whole program."""


def test_a_folder_of_tests_mirrors_one_of_the_program() -> None:
    folders = {path.parent.relative_to(TESTS) for path in TESTS.rglob("test_*.py")}
    others = {
        str(folder)
        for folder in folders
        if not ((ROOT / "pipeline" / folder).is_dir() or (ROOT / folder).is_dir())
    }
    assert others == OF_THEIR_OWN
