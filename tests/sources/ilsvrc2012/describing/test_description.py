"""What a folder of archives is described as, and what of it is left out, with the reason."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from pathlib import Path

import pytest
from ownarchives import CLASSES, class_folders, class_tars, images, lay, tar_of
from support import RawSet

from pipeline.errors import ArchiveRefused, UsageError
from pipeline.sources.ilsvrc2012 import dataset as configuration
from pipeline.sources.ilsvrc2012 import label_files
from pipeline.sources.ilsvrc2012.dataset import DatasetConfig
from pipeline.sources.ilsvrc2012.describing import description
from pipeline.sources.ilsvrc2012.describing.description import Description
from pipeline.sources.ilsvrc2012.expectation import expectation

XML = b"<annotation><filename>a</filename></annotation>"


def described(folder: Path, files: Mapping[str, bytes], name: str = "") -> Description:
    return description.describe(lay(folder / "pets", files), name, ())


def loaded(found: Description, folder: Path) -> DatasetConfig:
    """Write a description, and read it as every command does."""
    (folder / "own.toml").write_text(found.text)
    lay(folder, found.companions)
    return configuration.load(folder / "own.toml")


def expected(config: DatasetConfig, split: str) -> Mapping[str, int]:
    table = label_files.load_table(config.label_table)
    return expectation(config.splits[split], table, None).counts


@pytest.mark.parametrize("train", [class_tars(), class_folders()], ids=["tars", "folders"])
def test_classes_of_any_names_are_counted(train: bytes, tmp_path: Path) -> None:
    found = described(tmp_path, {"pets_train.tar": train, "pets.test.tar": class_tars({"zz_9": 1})})
    config = loaded(found, tmp_path)
    assert (config.dataset, {*config.splits}) == ("pets", {"train", "test"})
    assert expected(config, "train") == CLASSES
    assert expected(config, "test") == {"zz_9": 1}
    assert found.found[1] == "train: pets_train.tar: 9 images in 3 classes"
    assert (found.remarks, found.left_out) == ((), ())


def test_words_of_known_classes_are_those_of_ilsvrc2012(tmp_path: Path) -> None:
    train = class_tars({"n01440764": 1, "n99999999": 1})
    config = loaded(described(tmp_path, {"a.tar": train}), tmp_path)
    table = label_files.load_table(config.label_table)
    assert table.words == ("tench, Tinca tinca", "n99999999")


def test_numbered_images_without_labels(tmp_path: Path) -> None:
    files = {"photos.tar": tar_of(images(3, "all/IMG_{:04}.jpg"))}
    config = loaded(described(tmp_path, files), tmp_path)
    split = config.splits["photos"]
    assert (split.layout, split.member, split.images) == ("flat", r"IMG_(\d{4})\.jpg", 3)
    assert split.labels is None


def test_numbered_images_with_a_list_of_labels_beside_them(tmp_path: Path) -> None:
    files = {"val.tar": tar_of(images(3)), "val.txt": b"zz_9\nbee keepers\nzz_9\n"}
    config = loaded(described(tmp_path, {**files, "train.tar": class_tars()}), tmp_path)
    split = config.splits["validation"]
    assert (split.folder, split.images) == ("val", 3)
    assert expected(config, "validation") == {"zz_9": 2, "bee keepers": 1}


def test_numbers_with_gaps_are_counted_by_class(tmp_path: Path) -> None:
    files = {"val.tar": tar_of(images(2, first=2)), "val.txt": b"a\nb\nb\nc\n"}
    config = loaded(described(tmp_path, files), tmp_path)
    assert config.splits["validation"].images is None
    assert expected(config, "validation") == {"b": 2}


def test_a_lone_folder_is_a_class_where_others_have_it(tmp_path: Path) -> None:
    lone = class_folders({"zz_9": 2}, above="")
    config = loaded(described(tmp_path, {"train.tar": class_tars(), "val.tar": lone}), tmp_path)
    assert expected(config, "validation") == {"zz_9": 2}


def test_boxes_go_to_the_split_that_is_called_alike(tmp_path: Path) -> None:
    boxes = tar_of({"zz_9/zz_9 1.xml": XML})
    files = {"train.tar": class_tars(), "test.tar": class_tars(), "boxes_train.tar": boxes}
    packed = {"boxes_test.tgz": gzip.compress(boxes), "boxes_x.tgz": gzip.compress(boxes)}
    found = described(tmp_path, {**files, **packed})
    config = loaded(found, tmp_path)
    named = {name: config.named(split.boxes or "").file for name, split in config.splits.items()}
    assert named == {"train": "boxes_train.tar", "test": "boxes_test.tgz"}
    assert found.left_out == ("boxes_x.tgz: annotations of boxes that no split has by its name",)


def test_a_devkit_labels_the_validation_images_and_no_others(mini: RawSet, tmp_path: Path) -> None:
    kit = {"kit.tgz": (mini.raw / "ILSVRC2012_devkit_t12.tar.gz").read_bytes()}
    numbered = tar_of(images(1))
    config = loaded(described(tmp_path / "a", {**kit, "val.tar": numbered}), tmp_path / "a")
    assert expected(config, "validation") == {"n01751748": 1}
    assert config.optional["devkit"].file == "kit.tgz"
    found = described(tmp_path / "b", {**kit, "val.tar": numbered, "devkit.tar": class_tars()})
    assert {*loaded(found, tmp_path / "b").splits} == {"devkit", "validation"}
    assert "kit.tgz: a devkit, of which nothing is taken" in found.remarks


def test_archives_of_one_word_are_splits_of_their_file_names(tmp_path: Path) -> None:
    files = {f"train_{part}.tar": class_tars({part: 1}) for part in ("a", "b")}
    found = described(tmp_path, files)
    assert {*loaded(found, tmp_path).splits} == {"train_a", "train_b"}


LEFT_OUT = {
    "cut.tar": (class_tars()[:9000], "the tar archive ends too early: "),
    "nothing.tar": (tar_of({}), "there is no file in it"),
    "empty.tar": (b"", "an empty file"),
    "noise.tar": (b"noise" * 200, "no tar archive by its first bytes"),
    "a.zip": (b"PK\x03\x04" + bytes(600), "a zip archive, and no tar archive: unpack it, `unzip a"),
    "page.tar": (b"<html>", "a web page, and no tar archive: a web page was saved in its place"),
    "packed.tgz": (gzip.compress(class_tars())[:-9], "the gzip stream is damaged or ends too"),
    "text.tar.gz": (gzip.compress(tar_of({"a": b"a"})), "neither images nor annotations: a"),
    "cut.tgz": (gzip.compress(tar_of({"a": b"a"}))[:40], "the gzip stream is damaged or ends too"),
    "broken.tar": (
        tar_of({"a.tar": b"\x1f\x8b" + bytes(600)}),
        "1 tar in it cannot be read: a.tar",
    ),
    "stray.tar": (
        tar_of({"README": b"a", "b/1.jpg": b"", "c/1.jpg": b""}),
        "a member that does not",
    ),
    "twice.tar": (tar_of({f"{a}/b/1.jpg": b"" for a in "xy"}), "a member appears twice: b/1.jpg"),
    "splits.tar": (
        tar_of({f"{a}/{b}/1.jpg": b"" for a in ("train", "val") for b in "xy"}),
        "the folders of several splits in one archive, train, validation: pack each",
    ),
    "flat.tar": (tar_of({"cat.jpg": b""}), "neither class tars nor class folders, and there is no"),
    "gaps.tar": (tar_of(images(1, first=2)), "1 image with numbers up to 2: with gaps"),
    "hidden.tar": (tar_of({"a/_/1.jpg": b"", "x/../1.jpg": b""}), "names that can be no class: "),
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_cannot_be_described_is_left_out_with_the_reason(name: str, tmp_path: Path) -> None:
    content, why = LEFT_OUT[name]
    found = described(tmp_path, {name: content, "good.tar": class_tars()})
    assert [line.startswith(f"{name}: {why}") for line in found.left_out] == [True], found.left_out
    assert {*loaded(found, tmp_path).splits} == {"good"}
    assert f"# - left out: {name}: " in found.text


def test_two_places_of_a_class_and_other_kinds_of_data_are_said(tmp_path: Path) -> None:
    (jpeg,) = images(1).values()
    content = {
        "a/cat/1.jpg": jpeg,
        "b/cat/2.gif": b"GIF89a",
        "b/dog/3.jpg": b"text",
        "b/dog/4": b"x",
    }
    found = described(tmp_path, {"a.tar": tar_of(content)})
    assert expected(loaded(found, tmp_path), "a") == {"cat": 2, "dog": 2}
    assert found.remarks == (
        "a.tar: 1 class in more than one place, taken as one: cat (a/cat, b/cat)",
        "a.tar: counted as images, but no JPEG or PNG: 1 file of another kind, GIF image:"
        " b/cat/2.gif",
        "a.tar: counted as images, but no JPEG or PNG: 2 files of another kind, other data:"
        " b/dog/3.jpg, b/dog/4",
    )
    assert found.left_out == ()


def test_nothing_that_can_be_described_is_refused_with_all_reasons(tmp_path: Path) -> None:
    with pytest.raises(ArchiveRefused) as refusal:
        described(tmp_path, {"a.tar": b"noise", "b.md": b"words"})
    assert refusal.value.found == "a.tar: no tar archive by its first bytes\nno archives: b.md"


@pytest.mark.parametrize("name", ["a b", "../x"])
def test_a_name_that_no_file_can_have_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a name for shards"):
        described(tmp_path, {"a.tar": class_tars()}, name)


def test_hostile_names_reach_the_configuration_as_text_alone(tmp_path: Path) -> None:
    name = "a\"\\b'c#.tar"
    config = loaded(
        described(tmp_path, {name: class_tars({"x\u2060y": 1}), "\x1b.tar": b""}), tmp_path
    )
    assert [archive.file for archive in config.archives.values()] == [name]
    assert b"\x1b" not in (tmp_path / "own.toml").read_bytes()


def tree(folder: Path, *names: str) -> Path:
    (jpeg,) = images(1).values()
    for name in names:
        lay((folder / name).parent, {Path(name).name: jpeg})
    return folder


def test_an_unpacked_tree_is_described_for_tree(tmp_path: Path) -> None:
    raw = tree(
        tmp_path / "pets", "train/cat/a.jpg", "train/cat/b.jpg", "train/dog/c.jpg", "val/2.jpg"
    )
    tree(raw, "val/1.jpg", "val/._1.jpg", "plain/1.jpg", "a b/x/1.jpg", "empty/x/._1.jpg")
    (raw / "val_labels.txt").write_text("dog\ncat\n")
    found = description.describe(raw, "", ())
    config = loaded(found, tmp_path)
    assert found.option == "--tree"
    assert found.found == (
        "train: train/: 3 images in 2 classes",
        r"validation: val/: 2 images by number, (\d+)\.jpg, labels of 2 classes",
    )
    assert expected(config, "train") == {"cat": 2, "dog": 1}
    assert expected(config, "validation") == {"cat": 1, "dog": 1}
    assert (config.splits["validation"].folder, config.splits["validation"].member) == (
        "val",
        r"(\d+)\.jpg",
    )
    assert found.left_out == (
        "a b: a split's folder is called by letters, digits, _ and -",
        "empty: there is no image in it",
        "plain: a folder of images without the folder of a split around it",
    )


def test_class_folders_without_the_folder_of_a_split_are_for_imagelist(tmp_path: Path) -> None:
    with pytest.raises(ArchiveRefused, match=r"shardmill imagelist .* --recursive --out OUT"):
        description.describe(tree(tmp_path / "pets", "cat/1.jpg", "dog/1.jpg"), "", ())
