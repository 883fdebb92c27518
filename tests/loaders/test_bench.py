"""What measures loaders: a line for each that is installed, and what is not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from drawnlists import SPLIT
from finishedoutputs import of_list_in_all_formats

from pipeline.loaders import bench
from pipeline.loaders.measuring import Pair, Task


def three(task: Task) -> Iterator[int]:
    yield from (1, 1, 1)


def test_what_is_installed_is_measured_and_what_is_not_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = (
        bench.PAIRS[0],
        Pair("both", (), three, three, "another"),
        Pair("alone", (), three, three, "another", ("no_such_module",)),
        Pair("none", ("no_such_module",), three, None, ""),
    )
    monkeypatch.setattr(bench, "PAIRS", pairs)
    out = of_list_in_all_formats()[1]
    assert bench.main([str(out), "--split", SPLIT, "--seconds", "0"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("24 images, 2 workers")
    assert re.search(r"numbered, one process, decoded +[\d,]+ +[\d,]+\n", said)
    assert re.search(r"both, encoded [ \d,.]+  of another\n", said)
    assert "another: not measured, no_such_module cannot be imported\n" in said
    assert re.search(r"alone, encoded +[\d,]+ +[\d,]+\n", said)
    assert "none: not measured, no_such_module cannot be imported\n" in said


def test_one_pair_alone_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = (Pair("one", (), three, None, ""), Pair("other", (), three, None, ""))
    monkeypatch.setattr(bench, "PAIRS", pairs)
    out = of_list_in_all_formats()[1]
    words = [str(out), "--split", SPLIT, "--seconds", "0", "--only", "oth"]
    assert bench.main(words) == 0
    said = capsys.readouterr().out
    assert "other, encoded" in said
    assert "one, " not in said


def test_an_output_that_is_not_there_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench.main([str(tmp_path)]) == 1
    assert "no manifest" in capsys.readouterr().err
