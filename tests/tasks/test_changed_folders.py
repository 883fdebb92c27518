"""A list, folder or tree whose images have changed: what was made of it at fixed paths follows."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import inprocess
import pytest
from drawnlists import draw_list, encoded, lay
from drawntrees import draw_tree
from filetimes import age
from support import products

from pipeline import manifest, paths, storage
from pipeline.documents.records import JobRecord
from pipeline.job.options import Job
from pipeline.job.resolve import resolve
from pipeline.state import updates

EXPORTS = ("--export", "parquet,imagefolder,croissant")


@dataclass(frozen=True)
class Case:
    """A command over images of one's own, and one of these."""

    words: tuple[object, ...]
    image: Path

    def run(self, patch: pytest.MonkeyPatch, out: Path, *more: object) -> inprocess.Ran:
        return inprocess.shardmill(patch, *self.words, "--out", out, *EXPORTS, *more)


def folder(tmp_path: Path) -> Case:
    root = tmp_path / "images"
    for name in ("a", "b"):
        for number in range(3):
            lay(root / name / f"{name}{number}.jpg", encoded(number))
    words = ("imagelist", root, "--recursive", "--format", "recordio", "--shards", 2)
    return Case(words, root / "a" / "a1.jpg")


def tree(tmp_path: Path) -> Case:
    drawn = draw_tree(tmp_path / "drawn")
    age(drawn.tree)
    words = ("imagenet", "--tree", drawn.tree, "--config", drawn.config, "--split", "train")
    return Case((*words, "--no-boxes", "--format", "recordio"), drawn.image(1))


def image_list(tmp_path: Path) -> Case:
    drawn = draw_list(tmp_path / "drawn", images=6)
    words = ("imagelist", drawn.path, "--root", drawn.root, "--format", "recordio", "--shards", 2)
    return Case((*words, "--extract"), drawn.root / drawn.names[1])


@pytest.mark.parametrize("make", [folder, tree, image_list])
def test_an_image_of_another_size_needs_no_word(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, out: Path, make: Callable[[Path], Case]
) -> None:
    case = make(tmp_path)
    assert case.run(monkeypatch, out).status == 0
    before = (out / "metadata.parquet").read_bytes()
    lay(case.image, encoded(77))
    run = case.run(monkeypatch, out)
    assert run.status == 0, run.said
    assert (out / "metadata.parquet").read_bytes() != before
    assert inprocess.verify(monkeypatch, out).status == 0


@pytest.mark.parametrize("make", [folder, image_list])
def test_nor_does_one_that_is_replaced_twice_and_brought_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, out: Path, make: Callable[[Path], Case]
) -> None:
    case = make(tmp_path)
    assert case.run(monkeypatch, out).status == 0
    first = case.image.read_bytes()
    for content in (encoded(77), encoded(78), first):
        lay(case.image, content)
        without = inprocess.shardmill(monkeypatch, *case.words, "--out", out)
        assert without.status == 0, without.said
        run = case.run(monkeypatch, out)
        assert run.status == 0, run.said
        assert inprocess.verify(monkeypatch, out).status == 0


@pytest.mark.parametrize("replaced", [False, True])
def test_a_list_with_another_label_needs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, out: Path, replaced: bool
) -> None:
    case = image_list(tmp_path)
    assert case.run(monkeypatch, out).status == 0
    path = Path(str(case.words[1]))
    path.write_text("".join(relabelled(line) for line in path.read_text().splitlines()))
    if replaced:
        lay(case.image, encoded(77))
    run = case.run(monkeypatch, out)
    assert (run.status, "--replace" in run.said) == (2, True)


def relabelled(line: str) -> str:
    number, *_, name = line.split("\t")
    return f"{number}\t0\t{name}\n"


def test_nor_does_one_that_a_folder_gained(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, out: Path
) -> None:
    case = folder(tmp_path)
    assert case.run(monkeypatch, out).status == 0
    new = case.image.with_name("a9.jpg")
    lay(new, encoded(42))
    run = case.run(monkeypatch, out)
    assert run.status == 0, run.said
    assert (out / "images" / "a" / new.name).read_bytes() == new.read_bytes()
    assert inprocess.verify(monkeypatch, out).status == 0


def test_another_class_numbers_the_others_anew_and_needs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, out: Path
) -> None:
    case = folder(tmp_path)
    assert case.run(monkeypatch, out).status == 0
    lay(case.image.parent.with_name("aa") / "aa0.jpg", encoded(42))
    run = case.run(monkeypatch, out)
    assert (run.status, "--replace" in run.said) == (2, True)
    assert "class folders: 3, " in run.said
    assert case.run(monkeypatch, out, "--replace").status == 0


@pytest.mark.parametrize("words", [("--until", "extract"), ("--extract", *EXPORTS)])
def test_another_folder_of_the_same_name_is_no_newer_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, out: Path, words: tuple[str, ...]
) -> None:
    def run_of(case: Case) -> inprocess.Ran:
        return inprocess.shardmill(monkeypatch, *case.words, "--out", out, *words)

    case, other = folder(tmp_path / "mine"), folder(tmp_path / "theirs")
    lay(other.image, encoded(77))
    assert run_of(case).status == 0
    before = products(out)
    run = run_of(other)
    assert run.status == 2, run.said
    assert "--replace" in run.said
    assert products(out) == before
    lay(case.image, encoded(78))
    assert run_of(case).status == 0


def test_an_image_and_a_class_that_are_gone_go_from_the_tree(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, out: Path
) -> None:
    case = folder(tmp_path)
    for number in range(2):
        lay(case.image.parent.with_name("c") / f"c{number}.jpg", encoded(40 + number))
    assert case.run(monkeypatch, out, "--extract").status == 0
    case.image.unlink()
    shutil.rmtree(case.image.parent.with_name("c"))
    run = inprocess.shardmill(monkeypatch, *case.words, "--out", out, "--extract")
    assert (run.status, "say --update" in run.said) == (2, True)
    run = case.run(monkeypatch, out, "--extract", "--update")
    assert run.status == 0, run.said
    left = {path.name for path in (out / "images").rglob("*") if path.parent != out / "images"}
    assert left == {"a0.jpg", "a2.jpg", "b0.jpg", "b1.jpg", "b2.jpg"}
    assert not (out / "images" / "c").exists()
    assert inprocess.verify(monkeypatch, out).status == 0


def test_what_is_not_as_it_was_made_stays_and_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, out: Path
) -> None:
    case = folder(tmp_path)
    assert case.run(monkeypatch, out, "--extract").status == 0
    own = out / "images" / "a" / case.image.name
    case.image.unlink()
    own.write_bytes(b"my own")
    run = case.run(monkeypatch, out, "--extract", "--update")
    assert (run.status, str(own) in run.said) == (2, True)
    assert own.read_bytes() == b"my own"


def test_images_do_not_go_of_a_tree_that_images_were_moved_into(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, out: Path
) -> None:
    assert folder(tmp_path).run(monkeypatch, out, "--extract").status == 0
    (path,) = storage.documents(paths.jobs(out))
    record = manifest.read(path, JobRecord)
    job = Job.from_json(record.job, path)
    tree = resolve(job).product("tree-images")
    assert updates.images_may_go(out, tree, job)
    moved = {**json.loads(path.read_text()), "job": replace(job, transfer="move").to_json()}
    manifest.publish_alone(path.with_name("0123456789ab.json"), moved)
    assert not updates.images_may_go(out, tree, job)
