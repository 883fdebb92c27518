"""Luigi's own command: its words mean what those of shardmill mean, and which status is true."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import click
import forked
import inprocess
import pytest
from commands import shardmill
from daemons import Luigid
from drawnlists import draw_list, lay
from filetimes import age
from luigi.cmdline_parser import CmdlineParser
from support import RawSet, temporary_files

from pipeline import paths, storage
from pipeline.documents import fingerprint_tables
from pipeline.errors import NoPermission, UsageError
from pipeline.formats.registry import FACTS
from pipeline.images.prepare import ImageOptions
from pipeline.job.resolve import resolve
from pipeline.job.table.images import IMAGE_OPTIONS
from pipeline.storage.local import owner
from tasks import arguments
from tasks.cli.grouping import ListOf
from tasks.cli.imagelist import imagelist
from tasks.cli.imagenet import imagenet
from tasks.prepare import Prepare
from tasks.roots import PrepareImageList, PrepareImageNet


@pytest.fixture
def lists(tmp_path: Path) -> dict[str, str]:
    """What a root needs that prepares a list."""
    listed = draw_list(tmp_path / "data", images=4)
    return {"images": str(listed.path), "root": str(listed.root), "out": str(tmp_path / "out")}


@pytest.mark.parametrize("root", [PrepareImageNet, PrepareImageList])
def test_no_shards_is_a_format_of_every_root(
    root: Any, lists: dict[str, str], small: RawSet
) -> None:
    of_set = {"raw": str(small.raw), "config": str(small.config), "out": lists["out"]}
    given = of_set if root is PrepareImageNet else lists
    job = root(**given, format="none").job
    assert job.formats == (FACTS,)
    resolve(job)


@pytest.mark.parametrize("root", [PrepareImageNet, PrepareImageList])
@pytest.mark.parametrize("word", ["zip", FACTS, "recordio,zip"])
def test_an_unknown_format_is_refused_with_those_that_the_command_knows(
    root: Any, word: str, lists: dict[str, str]
) -> None:
    given = {"out": lists["out"]} if root is PrepareImageNet else lists
    with pytest.raises(UsageError, match="--format") as refusal:
        _ = root(**given, format=word).job
    command = imagenet if root is PrepareImageNet else imagelist
    (option,) = (each for each in command.params if each.name == "format")
    assert isinstance(option.type, ListOf)
    assert isinstance(option.type.each, click.Choice)
    assert refusal.value.expected == ", ".join(option.type.each.choices)


def test_a_list_of_no_format_is_refused_with_words_that_can_be_given(
    lists: dict[str, str],
) -> None:
    root: Any = PrepareImageList
    with pytest.raises(UsageError, match="no format is asked for") as refusal:
        resolve(root(**lists, format="").job)
    error = refusal.value
    assert FACTS not in str(error.expected)
    assert "none" in str(error.expected)
    assert error.found != "none"  # which is a word that --format takes
    assert "--format" in str(error.remedy)


@pytest.mark.parametrize(
    "image",
    [
        *({"resize": 0}, {"resize": "256"}, {"resize": True}, {"resize": 2.5}, {"quality": -1}),
        *({"resize_mode": "longest"}, {"center_crop": 1}, {"filter": "lanczos3"}, {"color": 2}),
        *({"encoding": "jpg"}, {"engine": "pil"}, {"orientation": "baked"}, {"transcode": "yes"}),
        *({"subsampling": "4:2:0"}, {"never_enlarge": None}, {"max_pixels": 0}, {"color": True}),
    ],
)
def test_an_image_option_is_refused_that_the_command_would_refuse(
    image: dict[str, object],
) -> None:
    (name,) = image
    with pytest.raises(UsageError, match=name):
        arguments.image_options(json.dumps(image))


def test_every_image_option_is_checked() -> None:
    plain = vars(ImageOptions())
    assert set(plain) == {option.field for option in IMAGE_OPTIONS}
    assert arguments.image_options(json.dumps(plain)) == plain


def test_images_that_were_left_out_are_said(
    lists: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    lay(Path(lists["root"]) / "bad.jpg", b"\xff\xd8 nothing")
    with Path(lists["images"]).open("a") as file:
        file.write("99\t0\tbad.jpg\n")
    options = ("--root", lists["root"], "--out", lists["out"], "--on-bad-image", "skip")
    run = shardmill("imagelist", lists["images"], *options, "--format", "recordio")
    assert run.returncode == 4, run.stderr
    root_of_lists: Any = PrepareImageList
    job = root_of_lists(**lists, on_bad_image="skip", format="recordio").job
    root = Prepare(out=job.out, digest=resolve(job).digest, job=job)
    with caplog.at_level(logging.WARNING, "luigi-interface"):
        root.run()
    assert "1 image was left out" in caplog.text


def test_whether_a_shared_run_is_complete_is_what_status_says(
    small: RawSet, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with Luigid(tmp_path) as luigid:
        host, port = luigid.address.split(":")
        where = ["--raw", str(small.raw), "--config", str(small.config), "--out", str(out)]
        where += ["--split", "validation"]
        # --no-lock: as if on two hosts.
        how = ("--scheduler-host", host, "--scheduler-port", port, "--no-lock")
        words = ("-m", "luigi", "--module", "tasks", "PrepareImageNet", *where, *how)
        commands = [
            forked.ForkedPopen([sys.executable, *words], stderr=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        for started in commands:
            _, stderr = started.communicate(timeout=300)
            assert started.returncode in {0, 10, 25}, stderr
    assert shardmill("status", out).returncode == 0
    assert temporary_files(out) == []
    next(out.glob("tfrecord/validation/*/validation-00000-*")).unlink()
    assert shardmill("status", out).returncode == 1


def test_a_root_removes_what_killed_processes_have_left(
    lists: dict[str, str], tmp_path: Path
) -> None:
    root_of_lists: Any = PrepareImageList
    for _ in range(2):  # the second time all is complete
        left = half_written(paths.state(tmp_path / "out") / "job.json")
        forked.forget_caches()
        root = root_of_lists(**lists)
        inprocess.build([root])
        assert root.complete()
        assert not left.exists()


def test_a_root_that_is_complete_is_so_where_nothing_can_be_written(
    lists: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root_of_lists: Any = PrepareImageList
    age(Path(lists["root"]))
    inprocess.build([root_of_lists(**lists)])
    for path in Path(lists["root"]).rglob("*.jpg"):
        path.touch()  # each is read again
    forked.forget_caches()
    refused = Mock(side_effect=NoPermission("read-only"))
    monkeypatch.setattr(fingerprint_tables, "publish", refused)
    assert root_of_lists(**lists).complete()
    assert refused.called


def test_a_root_of_open_images_removes_what_killed_processes_have_left(
    openimages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    where = {"raw": openimages / "raw", "config": openimages / "openimages.toml", "out": out}
    places = {name: str(path) for name, path in where.items()}
    words = [word for name, path in places.items() for word in (f"--{name}", path)]
    for _ in range(2):  # the second time all is complete, but for a list
        left = [
            half_written(out / ".shardmill/openimages/archives/test-masks-a.zip.json"),
            half_written(out / "images/validation/0123456789abcdef.jpg"),
            half_written(out / "csv/test/m01dws_boxes.csv"),
            half_written(out / "downloader_IDs_for_m01dws_test.txt"),
            half_written(out / "failures/test.csv"),
        ]
        forked.forget_caches()
        asked = [*words, "--class", "Car", "--split", "validation"]
        root = CmdlineParser(["OpenImagesFiles", *asked]).get_task_obj()  # type: ignore[no-untyped-call]
        inprocess.build([root])
        assert root.complete()
        assert [path for path in left if path.exists()] == []
        assert (out / "failures/validation.txt").read_text()
        (out / "failures/validation.txt").unlink()
    monkeypatch.setattr(storage, "StagedFile", Mock(side_effect=NoPermission("read-only")))
    assert root.complete()  # it is, also where nothing can be written


def half_written(target: Path) -> Path:
    """Return a temporary file of a process of this host that is gone."""
    target.parent.mkdir(parents=True, exist_ok=True)
    path = target.with_name(f".{target.name}.{owner.host()}-4194304-01234567.tmp")
    path.write_bytes(b"half")
    return path
