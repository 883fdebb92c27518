"""The function of MXNet's document about it, called as that document calls it."""

from __future__ import annotations

import io
import multiprocessing
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from packing import draw_set, list_all, names, read, write_list
from PIL import Image
from support import ROOT

from pipeline.errors import BadImage, UsageError
from pipeline.im2rec import Compose, Resize, im2rec
from pipeline.images.raster import Pixels
from pipeline.images.transforms import Transform


class ToTensor:
    """A float tensor of channels, rows, columns: what PyTorch and MXNet train on."""

    def __call__(self, pixels: Pixels) -> Pixels:
        return pixels.transpose(2, 0, 1).astype(np.float32) / 255  # type: ignore[return-value]


class Normalize:
    def __init__(self, mean: float, deviation: float) -> None:
        self.mean, self.deviation = mean, deviation

    def __call__(self, pixels: Pixels) -> Pixels:
        return (pixels - self.mean) / self.deviation  # type: ignore[return-value]


SCRIPT = """
from pipeline.im2rec import Resize, im2rec
packed = im2rec("a.lst", "out", transformations=Resize(30), num_workers=2, root="images")
print(packed.records)
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return draw_set(tmp_path)


@pytest.mark.parametrize("transformations", [[Resize(300)], Compose([Resize(300)])])
def test_the_documented_call_works(
    root: Path, tmp_path: Path, transformations: Transform | Sequence[Transform]
) -> None:
    write_list(tmp_path / "images.lst", [(3, 1, 2, "images/1.jpg"), (1, 7, 8, "images/0.jpg")])
    packed = im2rec(
        "images.lst",
        "out_dir",
        transformations=transformations,
        num_workers=4,
        batch_size=4096,
        pack_labels=True,
        color=1,
        encoding=".jpg",
        quality=95,
        pass_through=False,
        error_limit=0,
    )
    found = read(tmp_path / "out_dir" / "images.rec")
    assert [(r.id, r.flag, r.label, r.labels) for r in found] == [
        (3, 2, 0.0, (1.0, 2.0)),
        (1, 2, 0.0, (7.0, 8.0)),
    ]
    for record in found:
        with Image.open(io.BytesIO(record.image)) as image:
            assert min(image.size) == 300
    assert names(tmp_path / "out_dir") == {
        f"images{end}" for end in (".rec", ".idx", ".lst", ".manifest.json")
    }
    assert packed.records == 2
    assert multiprocessing.active_children() == []


def test_a_transform_of_ones_own_that_makes_a_tensor_is_refused_with_a_reason(
    root: Path, tmp_path: Path
) -> None:
    transformations = Compose([Resize(300), ToTensor(), Normalize(0, 1)])
    with pytest.raises(UsageError, match="ToTensor returned what no JPEG") as refusal:
        im2rec(list_all(root), "out", transformations, num_workers=2, root=root)
    assert "leave ToTensor and Normalize to the program that reads" in str(refusal.value)
    assert not (tmp_path / "out").exists()


def test_a_script_without_a_main_guard_works(root: Path, tmp_path: Path) -> None:
    list_all(root)
    (tmp_path / "script.py").write_text(SCRIPT)
    run = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.stdout, run.stderr) == ("12\n", "")


def test_the_list_of_what_was_packed_never_replaces_the_list(root: Path, tmp_path: Path) -> None:
    listing = list_all(root)
    before = listing.read_bytes()
    packed = im2rec(listing, tmp_path, num_workers=0, root=root, pass_through=True)
    assert listing.read_bytes() == before
    assert packed.targets.listing == tmp_path / "a-copy.lst"
    assert packed.targets.records == tmp_path / "a.rec"


def test_images_left_out_and_labels_not_stored_are_warned_of(root: Path, tmp_path: Path) -> None:
    listing = write_list(tmp_path / "a.lst", [(0, 1, 2, "0.jpg"), (1, 1, 1, "missing.jpg")])
    with pytest.raises(BadImage):
        im2rec(listing, "out", root=root)
    with pytest.warns(UserWarning, match="the first in line 2: missing.jpg"):
        im2rec(listing, "out", root=root, error_limit=1)
    write_list(listing, [(0, 1, 2, "0.jpg")])
    with pytest.warns(UserWarning, match="1 image has more labels") as warned:
        im2rec(listing, "out", root=root, pack_labels=False)
    assert warned[0].filename == __file__


def test_transforms_of_what_is_passed_through_are_refused(root: Path) -> None:
    with pytest.raises(UsageError, match="passed through"):
        im2rec(list_all(root), "out", Resize(3), root=root, pass_through=True)
    with pytest.raises(UsageError, match="too few workers"):
        im2rec(list_all(root), "out", root=root, num_workers=-1)
