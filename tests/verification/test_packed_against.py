"""What is read to find out whether what outputs are compared with is packed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import inprocess
import pytest
from drawnlists import draw_list

from pipeline.catalog import plan as plans
from pipeline.verification import outputcheck, packed_against


def test_of_plans_one_column_is_read_once_and_each_output_is_opened_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, out: Path
) -> None:
    listed, read = draw_list(tmp_path), Counter[str]()
    words = ("imagelist", listed.path, "--root", listed.root, "--out", out)
    formats = ("--format", "tfrecord", "--format", "recordio")
    assert inprocess.shardmill(monkeypatch, *words, *formats).status == 0
    for module, name in ((plans, "read"), (plans, "sources"), (outputcheck, "open_output")):
        monkeypatch.setattr(module, name, counted(read, getattr(module, name)))
    monkeypatch.setattr(packed_against, "unpacked", counted(read, packed_against.unpacked))
    assert inprocess.verify(monkeypatch, out, "--against", listed.root).status == 0
    assert read == {"sources": 1, "open_output": 2, "unpacked": 1}


def counted(read: Counter[str], function: Any) -> Any:
    """Return a function that counts its calls."""

    def counts(*given: object) -> Any:
        read[function.__name__] += 1
        return function(*given)

    return counts
