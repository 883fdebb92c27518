"""A process that dies at any step of an extraction: a class folder is whole, no image is lost."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import pytest
from classtrees import IMAGES, flat, listing_of, tree_of, unpacked
from extracting import die, extract
from support import RawSet, swept, write_catalog

from pipeline import storage
from pipeline.job.resolve import resolve
from pipeline.state import cleaning

KILLS = 10


class TestKills:
    def test_a_class_folder_is_complete_or_absent(
        self, small: RawSet, tmp_path: Path, chance: random.Random
    ) -> None:
        expected, rows, _ = unpacked(small, tmp_path / "tar")
        whole = {
            name.removeprefix("train/"): data
            for name, data in expected.items()
            if name.startswith("train/")
        }
        steps = tmp_path / "steps"
        assert die(0, steps, tmp_path / "usual", rows, small.raw) == 0
        for fatal in chance.sample(range(1, int(steps.read_text())), k=KILLS):
            job = small.job(tmp_path / str(fatal), steps=("extract",))
            root = tmp_path / str(fatal) / "train"
            assert die(fatal, steps, root, rows, small.raw) == -signal.SIGKILL
            seen = {name: data for name, data in tree_of(root).items() if name[0] != "."}
            classes = {name.partition("/")[0] for name in seen}
            assert seen == {
                name: whole[name] for name in whole if name.partition("/")[0] in classes
            }
            write_catalog(Path(job.out), whole)
            cleaning.sweep(resolve(job))
            assert not root.exists() or tree_of(root) == seen
            extract(root, rows, small.raw)
            assert tree_of(root) == whole

    @pytest.mark.parametrize("in_place", [False, True])
    def test_moving_loses_nothing(
        self, tmp_path: Path, chance: random.Random, in_place: bool
    ) -> None:
        steps = tmp_path / "steps"
        rows = flat(tmp_path / "usual")
        assert die(0, steps, tmp_path / "usual/val", rows, tmp_path / "usual", "move") == 0
        for fatal in chance.sample(range(1, int(steps.read_text())), k=KILLS):
            tree = tmp_path / str(fatal)
            rows = flat(tree)
            root = tree / ("val" if in_place else "out/val")
            arguments = (root, rows, tree, "move")
            assert die(fatal, steps, *arguments) == -signal.SIGKILL
            assert set(tree_of(tree).values()) >= set(IMAGES.values())
            for temp in storage.temp_files(root):
                assert temp.owner_gone
                swept(temp)
            assert set(tree_of(tree).values()) >= set(IMAGES.values())
            listing = extract(*arguments)
            assert listing.to_pylist() == listing_of(IMAGES)
            assert tree_of(root) == IMAGES
            assert in_place or tree_of(tree / "val") == {}
