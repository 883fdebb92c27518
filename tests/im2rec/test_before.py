"""Outputs that lie where a job writes: those of other lists are not lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from packing import list_all, passing, read, saved, tiny_set, write_list

from pipeline.errors import OutputConflict
from pipeline.im2rec import im2rec
from pipeline.im2rec.pack import pack
from tasks.cli.im2rec import im2rec as command


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


def two_months(tmp_path: Path) -> tuple[Path, Path]:
    """Folders with other images of the same names, and a list of the same name in each."""
    months = tmp_path / "jan", tmp_path / "feb"
    for number, month in enumerate(months):
        month.mkdir()
        (month / "0.jpg").write_bytes(saved("JPEG", comment=b"%d" % number))
        write_list(month / "train.lst", [(0, number, "0.jpg")])
    return months


def by_function(month: Path) -> object:
    return im2rec(month / "train.lst", "out", root=month, num_workers=1)


def by_three_words(month: Path) -> object:
    words = [f"{month}/train.lst", f"{month}", "out/train.rec", "unchanged=1", "--num-thread", "1"]
    return command.main(words, standalone_mode=False)


def by_prefix(month: Path) -> object:
    """One list, of the names that the folders have in common."""
    write_list(Path("out/train.lst"), [(0, 0, "0.jpg")])
    words = ["out/train", str(month), "--pass-through", "--num-thread", "1"]
    return command.main(words, standalone_mode=False)


@pytest.mark.parametrize("call", [by_function, by_three_words, by_prefix])
def test_images_of_one_name_below_two_roots_do_not_replace_each_other(
    root: Path, tmp_path: Path, call: Callable[[Path], object]
) -> None:
    (january, february), out = two_months(tmp_path), tmp_path / "out"
    out.mkdir()
    call(january)
    before = (out / "train.rec").read_bytes(), (out / "train.manifest.json").read_bytes()
    with pytest.raises(OutputConflict, match="images below another root") as refusal:
        call(february)
    assert refusal.value.found == f"images below {january}"
    assert ((out / "train.rec").read_bytes(), (out / "train.manifest.json").read_bytes()) == before
    call(january)
    (tmp_path / "january").symlink_to("jan")
    call(tmp_path / "january")  # the same folder by another name
    (out / "train.rec").rename(out / "january.rec")  # the remedy
    call(february)
    assert (out / "train.rec").read_bytes() != before[0]


def test_images_and_output_may_be_moved_together(tmp_path: Path) -> None:
    (before := tmp_path / "before").mkdir()
    two_months(before)
    for project in (before, tmp_path / "elsewhere"):
        if project != before:
            before.rename(project)
        january = project / "jan"
        im2rec(january / "train.lst", project / "out", root=january, num_workers=1)


def test_an_output_folder_that_is_reached_by_a_link_is_the_same(root: Path, tmp_path: Path) -> None:
    (january, february), far = two_months(tmp_path), tmp_path / "far" / "off"
    (far / "out").mkdir(parents=True)
    february.rename(far / "jan")  # from the folder, what the first is from the link
    (tmp_path / "out").symlink_to(far / "out")

    def pack(out: Path, images: Path) -> object:
        return im2rec(images / "train.lst", out, root=images, num_workers=1)

    pack(tmp_path / "out", january)
    pack(far / "out", january)
    for out in (tmp_path / "out", far / "out"):
        with pytest.raises(OutputConflict, match="images below another root") as refusal:
            pack(out, far / "jan")
        assert refusal.value.found == f"images below {january}"


def test_absolute_paths_are_the_same_images_below_every_root(root: Path, tmp_path: Path) -> None:
    listing = write_list(tmp_path / "train.lst", [(0, 0, root / "0.jpg")])
    for folder in (root, tmp_path):
        im2rec(listing, "out", root=folder, num_workers=1)
