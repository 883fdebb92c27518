"""What makes a page: whatever of it changes, the page is made anew."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.duplicates import perceptual_hash
from pipeline.finished import stored
from pipeline.report import makers, survey

PACKAGE = Path(survey.__file__).parent
OTHERS = [Path(perceptual_hash.__file__).parent, Path(stored.__file__).parent]


def test_the_hash_is_of_what_is_shipped(tmp_path: Path) -> None:
    copies = [tmp_path / package.name for package in (PACKAGE, *OTHERS)]
    for package, copy in zip((PACKAGE, *OTHERS), copies, strict=True):
        shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__"))
    assert makers.of_this_page() == makers.hash_of(*copies)


@pytest.mark.parametrize(
    "name", ["thumbnails.py", "templates/parts.html", "assets/style.css", "assets/report.js"]
)
def test_whatever_is_changed_changes_the_hash(name: str, tmp_path: Path) -> None:
    copy = tmp_path / PACKAGE.name
    shutil.copytree(PACKAGE, copy)
    with (copy / name).open("a") as file:
        file.write(" ")
    assert makers.hash_of(copy, *OTHERS) != makers.of_this_page()


def test_a_page_of_other_makers_has_another_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = survey.Survey(tmp_path, (), (), ())
    now = found.digest
    monkeypatch.setattr(makers, "of_this_page", lambda: "other")
    assert survey.Survey(tmp_path, (), (), ()).digest != now
