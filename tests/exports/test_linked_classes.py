"""Class folders of images that may show several classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from describedset import TABLE, Described, Shown, Thing, made, without_details

from pipeline.documents import small_files
from pipeline.errors import OutputDamaged, TreeRefused
from pipeline.exports.linked_classes import LinkedClasses, folder_name
from pipeline.storage import StagedFolder

BEAR, WAFFLE = Thing(0, (0.1, 0.1, 0.2, 0.2)), Thing(1, (0.3, 0.4, 0.5, 0.6))
IMAGES = {
    "000a": Shown((10, 10), (BEAR, WAFFLE, BEAR)),
    "000b": Shown((10, 10), (BEAR,), is_there=False),
    "000c": Shown((10, 10), is_negative=True),
    "000d": Shown((10, 10), (WAFFLE,)),
}


@pytest.fixture
def drawn(tmp_path: Path) -> Described:
    """A set whose images lie in its folder, each of 100 bytes."""
    folder = tmp_path / "images/train"
    folder.mkdir(parents=True)
    for name, shown in IMAGES.items():
        if shown.is_there:
            (folder / f"{name}.jpg").write_bytes(name.encode() * 25)
    return Described(tmp_path, IMAGES)


def files(out: Path) -> list[str]:
    folder = out / "class_folders/train"
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.jpg"))


def test_an_image_is_in_the_folder_of_each_of_its_classes(drawn: Described) -> None:
    (said,) = made(LinkedClasses(), drawn.view())
    assert files(drawn.out) == ["bear_m01/000a.jpg", "waffle_m02/000a.jpg", "waffle_m02/000d.jpg"]
    assert said["closing"] == [
        "class folders, train: 3 files of 2 images in 2 class folders.",
        "1 image is left out, as in the shards.",
        "1 image of none of the classes is in no class folder.",
    ]
    (listed,) = small_files.read(small_files.listing(drawn.out, "classtree-train"))
    assert listed["bytes"].to_pylist() == [100, 100, 100]


def test_it_is_one_more_name_of_the_image(drawn: Described) -> None:
    made(LinkedClasses(), drawn.view())
    image = drawn.out / "images/train/000a.jpg"
    assert image.stat().st_nlink == 3
    assert image.samefile(drawn.out / "class_folders/train/bear_m01/000a.jpg")


def test_it_is_a_copy_where_the_file_system_has_no_hard_links(
    drawn: Described, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StagedFolder, "hard_link", lambda *_: False)
    made(LinkedClasses(), drawn.view())
    image = drawn.out / "images/train/000a.jpg"
    copies = [drawn.out / f"class_folders/train/{name}/000a.jpg" for name in ("bear_m01",)]
    assert [each.read_bytes() for each in copies] == [image.read_bytes()]
    assert image.stat().st_nlink == 1


def test_again_it_is_the_same_and_what_is_no_image_any_more_goes(drawn: Described) -> None:
    made(LinkedClasses(), drawn.view())
    made(LinkedClasses(), drawn.view())
    assert (drawn.out / "images/train/000a.jpg").stat().st_nlink == 3
    fewer = {"000d": Shown((10, 10), (WAFFLE,))}
    made(LinkedClasses(), replace(drawn, images=fewer).view())
    assert files(drawn.out) == ["waffle_m02/000d.jpg"]
    assert not (drawn.out / "class_folders/train/bear_m01").exists()


def test_many_classes_are_made_some_at_a_time(
    drawn: Described, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.exports.linked_classes._CLASSES", 1)
    (said,) = made(LinkedClasses(), drawn.view())
    assert files(drawn.out) == ["bear_m01/000a.jpg", "waffle_m02/000a.jpg", "waffle_m02/000d.jpg"]
    assert said["closing"][0] == "class folders, train: 3 files of 2 images in 2 class folders."


def test_an_image_that_the_shards_lack_is_left_out(drawn: Described) -> None:
    made(LinkedClasses(), drawn.view(), left_out=["000a.jpg"])
    assert files(drawn.out) == ["waffle_m02/000d.jpg"]


def test_an_image_that_is_not_what_was_collected_is_refused(drawn: Described) -> None:
    class Known:
        def at(self, sources: Sequence[str], _: Sequence[int]) -> list[bytes | None]:
            return [bytes(16) for _ in sources]

    data = drawn.view()
    split = replace(data.splits["train"], known_contents=Known)
    with pytest.raises(TreeRefused, match="not what it was when it was collected"):
        made(LinkedClasses(), replace(data, splits={"train": split}))
    assert files(drawn.out) == []


def test_a_source_that_speaks_of_other_images_is_refused(drawn: Described) -> None:
    with pytest.raises(OutputDamaged, match="other images"):
        made(LinkedClasses(), replace(drawn, in_catalog=dict(list(IMAGES.items())[1:])).view())


def test_another_name_of_a_class_is_another_tree(drawn: Described) -> None:
    data = drawn.view()
    renamed = replace(data, table=replace(TABLE, words=("Brown bear", "Waffle")))
    (one,), (other,) = LinkedClasses().plan(data), LinkedClasses().plan(renamed)
    assert one.digest != other.digest


def test_images_of_one_class_each_have_other_class_folders(drawn: Described) -> None:
    assert list(LinkedClasses().refusals(drawn.view())) == []
    (said,) = LinkedClasses().refusals(without_details(drawn.view()))
    assert "--extract" in said


@pytest.mark.parametrize(
    ("text", "class_id", "folder"),
    [
        ("Handgun", "/m/0gxl3", "handgun_m0gxl3"),
        ("Kitchen & dining room table", "/m/0h8n5zk", "kitchen_dining_room_table_m0h8n5zk"),
        ("Crème brûlée", "/m/01_x", "creme_brulee_m01_x"),
        ("../熊", "/m/../etc", "metc"),
        ("", "/m/01", "m01"),
    ],
)
def test_a_folder_is_called_by_words_and_id(text: str, class_id: str, folder: str) -> None:
    assert folder_name(text, class_id) == folder
