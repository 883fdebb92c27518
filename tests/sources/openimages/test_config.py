"""The configuration of Open Images, and its table of files."""

import hashlib
from pathlib import Path

import pytest

from pipeline.errors import ConfigError, UsageError
from pipeline.resources import shipped
from pipeline.sources.openimages import config, file_table
from pipeline.sources.openimages.places import SPLITS

TOML = shipped("config/openimages.toml").read_text()
TABLE = shipped("config/openimages/files.tsv").read_text()


def written(folder: Path, toml: str = TOML, table: str = TABLE) -> Path:
    (folder / "openimages").mkdir()
    (folder / "openimages/files.tsv").write_text(table)
    (folder / "own.toml").write_text(toml)
    return folder / "own.toml"


def line_of(text: str, part: str) -> str:
    (number,) = [n for n, line in enumerate(text.splitlines(), 1) if part in line]
    return f"line {number}"


def test_the_shipped_configuration_has_the_files_of_three_splits() -> None:
    found = config.load()
    assert tuple(found.splits) == SPLITS
    assert list(found.versions) == ["v6", "v7"]
    boxes = [(split.boxes.bytes, split.boxes.md5) for split in found.splits.values() if split.boxes]
    assert boxes == [
        (2_258_447_590, "3c3e70cfaba5757ea5c2604b19cac3b2"),
        (25_105_048, "c5e8200df129ea6867e913e8b21fcab9"),
        (77_484_237, "1cc058a7003b4e73d47642276e9b123b"),
    ]
    archives = found.split("train").mask_archives
    assert sum(each.bytes or 0 for each in archives.values()) == 4_472_439_320
    assert archives["b"].name == "train-masks-b.zip"
    assert found.split("train").image_key("0123456789abcdef") == "train/0123456789abcdef.jpg"


def test_addresses_are_looked_up_and_lie_in_three_folders() -> None:
    found = config.load()
    train = found.split("train")
    assert train.boxes is not None
    assert train.masks is not None
    assert train.images is not None
    base = "https://storage.googleapis.com/openimages/"
    assert train.boxes.url == f"{base}v6/oidv6-train-annotations-bbox.csv"
    assert train.masks.url == f"{base}v5/train-annotations-object-segmentation.csv"
    assert train.images.url == f"{base}2018_04/train/train-images-boxable-with-rotation.csv"
    assert len(found.files) == 80


def test_what_a_later_version_does_not_say_is_as_in_the_first() -> None:
    found = config.load()
    first, later = found.version(), found.version("v7")
    assert (first.name, later.name) == ("v6", "v7")
    assert first.classes.md5 == "9846fd22fd2e68b45e3f3810a4c2a32a"
    assert later.classes.bytes == 12_064
    assert later.hierarchy == first.hierarchy
    assert (later.hierarchy.bytes, later.hierarchy.md5) == (None, None)
    assert later.segmentation_classes.md5 == "f53e4734bb4132b256e8eb408f761108"
    with pytest.raises(UsageError, match="v6, v7"):
        found.version("v8")


def test_a_table_is_written_as_it_is_read() -> None:
    found = file_table.read(shipped("config/openimages/files.tsv"))
    assert file_table.rows(found).decode() == TABLE


def test_the_pinned_rows_are_those_of_the_published_files() -> None:
    pinned = TABLE[: TABLE.index("bbox_labels_600_hierarchy.json")].encode()
    assert pinned.count(b"\n") == 79
    digest = hashlib.md5(pinned, usedforsecurity=False).hexdigest()
    assert digest == "44a938f5f4143a267ddaae45572f0550"


def test_a_bucket_may_be_a_folder_beside_the_configuration(tmp_path: Path) -> None:
    own = 'bucket = "images/of mine"'
    path = written(tmp_path, TOML.replace(f'bucket = "{config.load().bucket}"', own))
    assert config.load(path).bucket == str(tmp_path / "images/of mine")


@pytest.mark.parametrize(
    ("before", "after", "what", "place"),
    [
        ('dataset = "openimages"', 'dataset = "o"\nspare = 1', "unknown key 'spare'", "spare"),
        ("test-annotations-bbox.csv", "test-boxes.csv", "boxes is not in the table", "test-boxes"),
        ('"test-masks-{digit}.zip"', '"test-masks.zip"', "which digit", "test-masks.zip"),
        ('"test-masks-{digit}.zip"', '"t-{digit}.zip"', "is not in the table of files", "t-{digit"),
        ('"test/{id}.jpg"', '"test/id.jpg"', "does not say where an image is", "test/id.jpg"),
        ('"test/{id}.jpg"', '"../{id}.jpg"', "does not say where an image is", "../{id}"),
        ("[splits.test]", "[splits.challenge]", "is no split of Open Images", "[splits.challenge"),
        ('mask_archives = "test-masks-{digit}.zip"', "", "both masks and", "test-annotations-obj"),
        ("https://open-images-dataset.s3", "ftp://open", "bucket is no place", "ftp://"),
        ('openimages/files.tsv"', 'files.tsv"', "files names a file that is not", 'files = "'),
        ('hierarchy = "bbox', 'tree = "bbox', "unknown key 'tree'", 'tree = "bbox'),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_line(
    tmp_path: Path, before: str, after: str, what: str, place: str
) -> None:
    assert TOML.count(before) >= 1
    toml = TOML.replace(before, after)
    with pytest.raises(ConfigError, match=what) as caught:
        config.load(written(tmp_path, toml))
    lines = [line for line in toml.splitlines() if place in line and not line.startswith("#")]
    assert caught.value.place == line_of(toml, lines[0])
    assert caught.value.file == str(tmp_path / "own.toml")


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("a.csv\t1\t-", "another number of columns"),
        ("", "another number of columns"),
        ("../a.csv\t1\t-\t-", "the path of a file is none"),
        ("/a.csv\t1\t-\t-", "the path of a file is none"),
        ("a.csv\t-1\t-\t-", "bytes is no size"),
        ("a.csv\t1\tabc\t-", "md5_hex is no MD5"),
        ("a.csv\t1\t-\tfile:///a.csv", "url is no address"),
        ("v5/classes-segmentation.txt\t1\t-\t-", "two files of one name"),
    ],
)
def test_a_line_that_is_none_of_a_table_of_files_is_refused(
    tmp_path: Path, row: str, what: str
) -> None:
    with pytest.raises(ConfigError, match=what) as caught:
        config.load(written(tmp_path, table=f"{TABLE}{row}\n"))
    assert caught.value.place == "line 82"
    assert caught.value.file == str(tmp_path / "openimages/files.tsv")


def test_a_split_without_anything_to_choose_by_is_refused(tmp_path: Path) -> None:
    head = TOML[: TOML.index("[splits.train]")]
    with pytest.raises(ConfigError, match="nothing to choose images by"):
        config.load(written(tmp_path, f'{head}[splits.train]\nkey = "{{id}}.jpg"\n'))


def test_a_configuration_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such configuration file"):
        config.load(tmp_path / "none.toml")
