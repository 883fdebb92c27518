"""What makes a page: whatever of it changes, the page is made anew."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import pytest
from drawnlists import lay

from pipeline.duplicates import perceptual_hash
from pipeline.finished import stored
from pipeline.images import reduced
from pipeline.report import makers, survey

PACKAGE = Path(survey.__file__).parent
IMAGES = Path(reduced.__file__).parent
READING = [Path(stored.__file__).parent, *(IMAGES / name for name in makers.IMAGES)]
OTHERS = [Path(perceptual_hash.__file__).parent, *READING]


def test_the_hash_is_of_what_is_shipped(tmp_path: Path) -> None:
    copies = [tmp_path / package.name for package in (PACKAGE, *OTHERS[:2])]
    for package, copy in zip((PACKAGE, *OTHERS[:2]), copies, strict=True):
        shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__"))
    copies += [lay(tmp_path / "images" / each.name, each.read_bytes()) for each in OTHERS[2:]]
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


def test_the_makers_of_sheets_are_all_that_draw_them_and_no_others() -> None:
    pending, used = ["images.py", "sheets.py"], set[str]()
    while pending:
        name = pending.pop()
        used.add(name)
        for node in ast.walk(ast.parse((PACKAGE / name).read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
                "pipeline.report"
            ):
                within = (node.module or "").removeprefix("pipeline.report").strip(".")
                modules = [within] if within else [each.name for each in node.names]
                pending += [f"{each}.py" for each in modules if f"{each}.py" not in used]
    assert used == {*makers.SHEETS}


def test_the_modules_of_images_that_draw_sheets_are_among_their_makers() -> None:
    used = {"reduced.py"}  # which `thumbnails` asks
    for name in makers.SHEETS:
        for node in ast.walk(ast.parse((PACKAGE / name).read_text())):
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                head, _, within = node.module.partition("pipeline.images")
                if not head and node.module.startswith("pipeline.images"):
                    modules = [within[1:]] if within else [each.name for each in node.names]
                    used.update(f"{each}.py" for each in modules)
    assert used == {*makers.IMAGES}


def test_what_draws_sheets_changes_their_hash_and_a_template_does_not(tmp_path: Path) -> None:
    copy = tmp_path / PACKAGE.name
    shutil.copytree(PACKAGE, copy)

    def of_copy() -> str:
        return makers.hash_of(*(copy / name for name in makers.SHEETS), *READING)

    assert of_copy() == makers.of_sheets()
    (copy / "templates/class.html").write_text("other")
    assert of_copy() == makers.of_sheets()
    (copy / "thumbnails.py").write_text("other")
    assert of_copy() != makers.of_sheets()
