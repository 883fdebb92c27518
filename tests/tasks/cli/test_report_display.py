"""How far a report is, by what is published and counted."""

from __future__ import annotations

import shutil
from pathlib import Path

import finishedoutputs
import pytest
import shared
from commands import shardmill
from drawnlists import encoded, lay

from pipeline.report.survey import survey
from pipeline.state import progress
from tasks.cli.bars import Bar, total_of
from tasks.cli.report_display import DRAW, HASH, ReportObserver
from tasks.duplicates import HashImages
from tasks.report import DrawSheets

RUN = "20260101-000000-host-1"


@pytest.fixture(scope="module")
def reported() -> Path:
    """An output of 17 classes with its report: of two groups of sheets."""

    def make(folder: Path) -> None:
        for number in range(17):
            lay(folder / "root" / f"{number:02}" / "a.jpg", encoded(number))
        run = shardmill("imagelist", folder / "root", "--recursive", "--out", folder / "out")
        assert run.returncode == 0, run.stderr
        finishedoutputs.reported(folder / "out", "--duplicates")

    return shared.once("report-of-17-classes", make) / "out"


def bars(out: Path) -> dict[str, Bar]:
    found = ReportObserver(survey(out), RUN, hashes=True).bars(0.0)
    return {bar.name: bar for bar in found}


def test_steps_are_called_as_their_tasks_call_them() -> None:
    assert (DrawSheets.step, HashImages.step) == (DRAW, HASH)


def test_a_finished_report_is_all_done(reported: Path) -> None:
    found = bars(reported)
    assert {name: (bar.done, bar.total) for name, bar in found.items()} == {
        "root sheets": (17, 17),
        "root hashes": (17, 17),
    }


def test_what_tasks_count_is_added_to_what_is_published(reported: Path, out: Path) -> None:
    shutil.copytree(reported, out, symlinks=True)
    (mark,) = (out / ".shardmill/report").glob("*/root.00000.sheets.json")
    mark.unlink()
    for mark in (out / ".shardmill/hashes").glob("*/*.json"):
        mark.unlink()
    assert [bar.done for bar in bars(out).values()] == [1, 0]
    counter = progress.Counter(out, RUN, DRAW, "root 0", 16, "images")
    counter.update(5)
    assert [(bar.done, bar.is_begun) for bar in bars(out).values()] == [(6, True), (0, False)]


def test_before_images_are_chosen_that_is_counted(reported: Path, out: Path) -> None:
    shutil.copytree(reported, out, symlinks=True)
    shutil.rmtree(out / ".shardmill/report")
    counter = progress.Counter(out, RUN, "report: choose images", "root", 17, "images")
    counter.update(9)
    found = bars(out)
    assert found["root choice"].done == 9
    total = total_of([*found.values()])
    assert total is not None
    assert (total.done, total.total) == (17, 17)  # of the hashes: facts are no images
