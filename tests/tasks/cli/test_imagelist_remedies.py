"""What is said to do about an output of a list, and that it can be done."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest
from commands import shardmill
from drawnlists import (
    current,
    shards,
)
from finishedoutputs import of_list_in_all_formats
from optionwords import by_click
from support import products

from pipeline.images.prepare import ImageOptions
from pipeline.job.options import Job
from tasks.cli.rerun_command import command_line


class TestRemedies:
    def test_damaged_files_are_removed_and_the_printed_command_makes_them_again(
        self, out: Path
    ) -> None:
        shutil.copytree(of_list_in_all_formats()[1], out, symlinks=True)
        finished = products(out)
        damaged = [
            shards(current(out, "recordio"))[0],
            current(out, "recordio") / "images.rec",
            shards(current(out, "webdataset"))[1],
            current(out, "webdataset") / "index.json",
            shards(current(out, "tfrecord"))[2],
        ]
        for path in damaged:
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 4
            path.write_bytes(content)
        run = shardmill("verify", out, "--remove-damaged")
        assert run.returncode == 1
        for path in damaged:
            assert f"removed: {path}\n" in run.stdout
        # It names the folder that the output was made in; here it lies elsewhere.
        program, name, *words = shlex.split(run.stdout.splitlines()[-1])
        assert (program, name) == ("shardmill", "imagelist")
        words[words.index("--out") + 1] = str(out)
        again = shardmill(name, *words)
        assert again.returncode == 0, again.stderr
        assert products(out) == finished

    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"root": "/else where", "name": "train", "formats": ("recordio", "webdataset")},
            {"shards": (("a", 7),), "order": "im2rec", "joined": True, "formats": ("recordio",)},
            {"recursive": True, "extensions": (".png", ".gif")},
            {"recursive": True, "classes": "/else where/train.classes.tsv", "replace": True},
            {"seed": 3, "on_bad_image": "skip"},
            {"image": ImageOptions(resize=8, resize_mode="exact", filter="box", quality=0)},
            {"image": ImageOptions(center_crop=True, never_enlarge=True, color=0)},
            {"image": ImageOptions(encoding=".png", engine="opencv", subsampling="444")},
            {"image": ImageOptions(orientation="bake", transcode=True)},
            {"image": ImageOptions(max_pixels=1 << 30, color=-1)},
        ],
    )
    def test_a_job_is_told_as_the_command_that_asks_for_it(
        self, options: dict[str, object]
    ) -> None:
        given: dict[str, object] = {
            "raw": "",
            "out": "/out",
            "config": "",
            "images": "/lists/a.lst",
            "root": "/lists",
            "steps": ("shards",),
            "boxes": False,
        }
        job = Job(**(given | options))  # type: ignore[arg-type]
        line = command_line(job)
        assert line is not None
        program, name, *words = shlex.split(line.offer)
        assert (program, name) == ("shardmill", "imagelist")
        assert by_click(name, tuple(words)) == job
