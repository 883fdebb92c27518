"""Images and masks that nothing asks for any more go when a person says so, and no others."""

from __future__ import annotations

import shutil
from pathlib import Path

import inprocess
import pytest
from finishedoutputs import of_openimages

from pipeline.errors import OutputDamaged
from pipeline.sources import registry
from pipeline.storage import Location

FORMS = ("images", "masks")
SELECTIONS = ".shardmill/openimages/selections"


@pytest.fixture
def out(openimages: Path, tmp_path: Path) -> Path:
    made = tmp_path / "out"
    shutil.copytree(of_openimages(openimages), made, symlinks=True)
    return made


def prepare(
    monkeypatch: pytest.MonkeyPatch, openimages: Path, out: Path, *words: str
) -> inprocess.Ran:
    where = ("--raw", openimages / "raw", "--config", openimages / "openimages.toml", "--out", out)
    return inprocess.shardmill(monkeypatch, "openimages", *where, *words)


def kept(out: Path) -> dict[Path, bytes]:
    every = (path for name in FORMS for path in (out / name).rglob("*"))
    return {path: path.read_bytes() for path in every if path.is_file()}


def test_what_an_earlier_command_has_collected_goes_when_nothing_asks_for_it(
    out: Path, openimages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = kept(out)
    assert prepare(
        monkeypatch, openimages, out, "--class", "Bear", "--masks", "--replace"
    ).status in {0, 4}
    alone = tmp_path / "alone"
    assert prepare(
        monkeypatch, openimages, alone, "--class", "Bear", "--masks", "--replace"
    ).status in {0, 4}
    needed = {path.relative_to(alone): content for path, content in kept(alone).items()}
    assert kept(out) == before  # clean alone spares them
    assert inprocess.shardmill(monkeypatch, "clean", out, "--yes").status == 0
    assert kept(out) == before
    ran = inprocess.shardmill(monkeypatch, "clean", out, "--unselected", "--dry-run")
    assert (ran.status, "nothing asks for it: train, Bear" in ran.said) == (0, True), ran.said
    assert kept(out) == before
    assert inprocess.shardmill(monkeypatch, "clean", out, "--unselected", "--yes").status == 0
    left = {path.relative_to(out): content for path, content in kept(out).items()}
    assert left == needed
    assert 0 < len(left) < len(before)
    assert inprocess.verify(monkeypatch, out).status == 0
    ran = inprocess.shardmill(monkeypatch, "clean", out, "--unselected", "--yes")
    assert "nothing to remove" in ran.said
    ran = prepare(monkeypatch, openimages, out, "--class", "Bear", "--masks", "--replace")
    assert "already complete" in ran.said


def test_what_a_finished_output_was_made_of_stays(
    out: Path, openimages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = kept(out)
    words = ("--class", "Bear", "--masks", "--format", "webdataset", "--replace")
    assert prepare(monkeypatch, openimages, out, *words).status in {0, 4}
    assert inprocess.shardmill(monkeypatch, "clean", out, "--unselected", "--yes").status == 0
    assert kept(out) == before


def test_nothing_goes_where_it_is_not_known_what_is_asked_for(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = kept(out)
    min((out / ".shardmill" / "openimages" / "images").rglob("*.json")).unlink()
    ran = inprocess.shardmill(monkeypatch, "clean", out, "--unselected", "--yes")
    assert (ran.status, "images and masks are left alone" in ran.said) == (0, True)
    assert kept(out) == before


def files_of(out: Path, selections: frozenset[str] = frozenset()) -> list[Location]:
    return [path for each in registry.unneeded(out, selections) for path in each.files]


def test_what_several_selections_have_goes_once(
    out: Path, openimages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("--class", "Bear", "--masks", "--until", "masks")
    assert prepare(monkeypatch, openimages, out, *words).status in {0, 4}
    files = files_of(out)
    assert len(files) == len(set(files))
    assert set(kept(out)) <= set(files)
    marks = [path.parent.name for path in (out / SELECTIONS).glob("*/selection.json")]
    for name in marks:
        of_one = files_of(out, frozenset({name.rpartition("-")[2]}))
        assert len(of_one) == len(set(of_one)) < len(files)


def test_nothing_goes_where_the_mark_of_a_selection_that_is_needed_is_damaged(out: Path) -> None:
    mark = min((out / SELECTIONS).glob("train-*/selection.json"))
    digest = mark.parent.name.rpartition("-")[2]
    assert (
        not set(kept(out))
        & set(files_of(out, frozenset({digest})))
        & {*(out / "images" / "train").iterdir()}
    )
    mark.write_bytes(mark.read_bytes()[:-9])
    with pytest.raises(OutputDamaged, match="not known") as caught:
        files_of(out, frozenset({digest}))
    assert caught.value.file == str(mark)
