"""Outputs that lie where a job writes: those of other lists are not lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from packing import list_all, passing, read, tiny_set, write_list

from pipeline.errors import OutputConflict
from pipeline.im2rec import im2rec
from pipeline.im2rec.pack import pack


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tiny_set(tmp_path)


def listed(folder: str, numbers: range) -> Path:
    path = Path(folder, "train.lst").absolute()
    path.parent.mkdir(exist_ok=True)
    return write_list(path, [(number, 0, f"{number}.jpg") for number in numbers])


def test_lists_of_one_name_in_two_folders_do_not_replace_each_other(root: Path) -> None:
    january, february = listed("jan", range(4)), listed("feb", range(4, 8))
    im2rec(january, "out", root=root, num_workers=1)
    with pytest.raises(OutputConflict, match="an output of another list") as refusal:
        im2rec(february, "out", root=root, num_workers=1)
    assert refusal.value.exit_status == 2
    assert [record.id for record in read(Path("out/train.rec"))] == [0, 1, 2, 3]
    im2rec(february, "another", root=root, num_workers=1)  # the remedy
    assert [record.id for record in read(Path("another/train.rec"))] == [4, 5, 6, 7]


def test_a_list_that_was_corrected_is_packed_anew(root: Path) -> None:
    im2rec(listed("jan", range(4)), "out", root=root, num_workers=1)
    im2rec(listed("jan", range(3, 9)), "out", root=root, num_workers=1)
    assert [record.id for record in read(Path("out/train.rec"))] == [3, 4, 5, 6, 7, 8]


def test_two_outputs_do_not_share_an_index(root: Path) -> None:
    listing = list_all(root)
    train, validation = (root.with_name(f"x.v1.{name}") for name in ("train", "val"))
    first = pack(passing(root, listing, output=train)).targets
    before = first.index.read_bytes(), first.manifest.read_bytes()
    with pytest.raises(OutputConflict, match="the manifest of another output"):
        pack(passing(root, listing, output=validation))
    assert (first.index.read_bytes(), first.manifest.read_bytes()) == before
    assert not validation.exists()
    pack(passing(root, listing, output=train))
