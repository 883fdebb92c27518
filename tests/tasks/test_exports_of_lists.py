"""Exports and class folders of image lists and of folders, by whole commands in this process."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import inprocess
import pyarrow.parquet as pq
import pytest
from drawnlists import ListedSet, draw_list, encoded, lay
from drawnshards import parquet
from exportnames import OF_ALL_SETS
from inprocess import Ran
from support import products, temporary_files

Run = Callable[..., Ran]
EVERY = ("--export", "parquet,croissant,imagefolder")
OF_NAMES = ("--export", "dbcollection,raw256")
NONE = ("--format", "none")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command on a list or folder; its status is 0, unless another is named."""

    def ran(*words: object, status: int = 0) -> Ran:
        name, *rest = map(str, words)
        command = inprocess.verify if name == "verify" else inprocess.shardmill
        found = command(monkeypatch, *(rest if name == "verify" else (name, *rest)))
        assert found.status == status, found.said
        return found

    return ran


@pytest.fixture
def listed(tmp_path: Path) -> ListedSet:
    """A list of images of seven classes, in folders that are not its classes."""
    return draw_list(tmp_path / "drawn", images=9)


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Class folders that are not sorted as their names in capitals are."""
    for number, name in enumerate(("cat", "Dog", "small owl") * 2):
        lay(tmp_path / "pets" / name / f"{number}.jpg", encoded(number))
    return tmp_path / "pets"


def of(listed: ListedSet, out: Path) -> tuple[object, ...]:
    return ("imagelist", listed.path, "--root", listed.root, "--out", out)


def rows(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(path, partitioning=None).to_pylist()
    return found


def class_names(path: Path, column: str) -> list[str]:
    """The names that Hugging Face's `datasets` finds of a column of classes."""
    metadata = pq.read_schema(path).metadata or {}
    features = json.loads(metadata.get(b"huggingface", b"{}")).get("info", {}).get("features", {})
    return list(features.get(column, {"names": []})["names"])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


class TestOfAList:
    def test_each_is_made_once_verified_and_nothing_is_left_to_clean(
        self, run: Run, listed: ListedSet, out: Path
    ) -> None:
        run(*of(listed, out), *EVERY, "--format", "recordio")
        before = products(out)
        assert {"metadata.parquet", "croissant.json", "images/metadata.parquet"} <= before.keys()
        said = run(*of(listed, out), *EVERY, "--format", "recordio").said
        assert said.count("already complete") == 5
        said = run("verify", out, "--against", listed.root).said
        assert "9 compared with their sources" in said
        assert "tree-images: 9 files" in said
        run("status", out)
        run("clean", out, "--yes")
        assert products(out) == before
        assert temporary_files(out) == []

    def test_the_table_has_what_the_list_has(self, run: Run, listed: ListedSet, out: Path) -> None:
        listed.add("900\t2.5\tcats/0.jpg", "901\t4\t-1\t0.5\tcats/3.png")
        run(*of(listed, out), *NONE, "--export", "parquet")
        lines = [line.split("\t") for line in listed.path.read_text().splitlines()]
        found = rows(out / "metadata.parquet")
        assert [row["file_name"] for row in found] == [line[-1] for line in lines]
        assert [row["id"] for row in found] == [int(line[0]) for line in lines]
        assert [row["line"] for row in found] == list(range(1, len(lines) + 1))
        labels = [[float(text) for text in line[1:-1]] for line in lines]
        assert [row["labels"] for row in found] == labels
        assert [row["class_index"] for row in found] == [
            int(each[0]) if len(each) == 1 and each[0].is_integer() else None for each in labels
        ]
        assert {row["class_text"] for row in found} == {None}
        assert class_names(out / "metadata.parquet", "class_index") == []
        for row in found:
            content = (listed.root / row["file_name"]).read_bytes()
            assert row["bytes"] == len(content)

    def test_class_folders_sort_as_their_numbers_do(
        self, run: Run, listed: ListedSet, out: Path
    ) -> None:
        listed.add("70\t12\tcats/0.jpg", "71\t123456\tcats/3.png")
        run(*of(listed, out), "--until", "extract")
        assert not (out / "tfrecord").exists()
        folders = sorted(path.name for path in (out / "images").iterdir())
        assert folders == [*(f"{label:05d}" for label in range(7)), "00012", "123456"]
        for line in listed.path.read_text().splitlines():
            number, label, name = line.split("\t")
            whole = Path(name.replace("/", "_"))
            twice = name in {"cats/0.jpg", "cats/3.png"}
            file = f"{whole.stem}#{number}{whole.suffix}" if twice else str(whole)
            copy = out / "images" / f"{int(float(label)):05d}" / file
            assert copy.read_bytes() == (listed.root / name).read_bytes()

    def test_imagefolder_names_the_files_with_the_labels_of_the_list(
        self, run: Run, listed: ListedSet, out: Path
    ) -> None:
        run(*of(listed, out), *NONE, "--export", "imagefolder")
        tree = out / "images"
        found = rows(tree / "metadata.parquet")
        assert {str(tree / row["file_name"]) for row in found} == set(map(str, tree.glob("*/*")))
        lines = [line.split("\t") for line in listed.path.read_text().splitlines()]
        labels = {number: label for number, label, _ in lines}
        assert [row["label"] for row in found] == [float(labels[str(row["id"])]) for row in found]

    def test_croissant_names_every_file_and_refers_to_no_classes(
        self, run: Run, listed: ListedSet, out: Path
    ) -> None:
        run(*of(listed, out), "--export", "croissant")
        document = json.loads((out / "croissant.json").read_bytes())
        named = {file["contentUrl"]: file["sha256"] for file in document["distribution"]}
        assert "metadata.parquet" in named
        for name, sha256 in named.items():
            assert hashlib.sha256((out / name).read_bytes()).hexdigest() == sha256
        sets = {each["@id"]: each for each in document["recordSet"]}
        assert sets.keys() == {"splits", "images"}
        fields = {field["name"]: field for field in sets["images"]["field"]}
        assert fields["labels"]["isArray"]
        assert "references" not in fields["class_index"]

    def test_one_that_is_lost_or_damaged_is_made_again(
        self, run: Run, listed: ListedSet, out: Path
    ) -> None:
        words = (*of(listed, out), *NONE, *EVERY)
        run(*words)
        before = products(out)
        (out / "croissant.json").unlink()
        next((out / "images").glob("*/*.jpg")).unlink()
        run("status", out, status=1)
        run(*words)
        assert products(out) == before
        for victim in (out / "metadata.parquet", next((out / "images").glob("*/*.png"))):
            flip(victim)
            assert str(victim) in run("verify", out, "--remove-damaged", status=1).said
            assert not victim.exists()
        run(*words)
        assert products(out) == before

    def test_one_of_other_labels_is_replaced_only_if_that_is_said(
        self, run: Run, listed: ListedSet, out: Path
    ) -> None:
        words = (*of(listed, out), *NONE, *EVERY)
        run(*words)
        before = products(out)
        listed.path.write_text(listed.path.read_text().replace("\t0.000000\t", "\t3.000000\t", 1))
        assert "--replace" in run(*words, status=2).said
        assert products(out) == before
        run(*words, "--replace")
        assert not (out / "images" / "00000" / "cats_0.jpg").exists()
        found = rows(out / "images" / "metadata.parquet")
        assert found[0]["file_name"] == "00003/cats_0.jpg"

    def test_what_is_somebody_elses_is_left_alone(
        self, run: Run, listed: ListedSet, out: Path
    ) -> None:
        own = lay(out / "images" / "mine.txt", b"mine")
        assert "does not belong there" in run(*of(listed, out), "--until", "extract", status=2).said
        assert own.read_bytes() == b"mine"
        assert [path.name for path in (out / "images").iterdir()] == ["mine.txt"]

    def test_images_that_would_have_one_name_are_refused(
        self, run: Run, listed: ListedSet, out: Path
    ) -> None:
        lay(listed.root / "cats_0.jpg", encoded(50))
        listed.add("77\t0\tcats_0.jpg")
        said = run(*of(listed, out), "--until", "extract", status=3).said
        assert "two images of one class would have one name" in said
        assert "cats/0.jpg and cats_0.jpg" in said
        assert not (out / "images" / "00000").exists()

    def test_links_are_made_where_they_are_asked_for(
        self, run: Run, listed: ListedSet, out: Path
    ) -> None:
        run(*of(listed, out), "--until", "extract", "--transfer", "symlink")
        links = list((out / "images").glob("*/*"))
        assert len(links) == 9
        assert all(link.is_symlink() for link in links)
        assert {str(link.resolve().relative_to(listed.root)) for link in links} == set(listed.names)

    def test_names_can_be_given_to_class_folders_as_the_refusal_says(
        self, run: Run, listed: ListedSet, tmp_path: Path, out: Path
    ) -> None:
        said = run(*of(listed, out), *NONE, *OF_NAMES, status=2).said
        assert "--extract" in said
        assert "--recursive" in said
        run(*of(listed, out), "--until", "extract")
        for folder in sorted((out / "images").iterdir()):
            folder.rename(folder.with_name(f"class {folder.name}"))
        (out / "images").rename(tmp_path / "named")
        there = ("imagelist", tmp_path / "named", "--recursive", "--out", tmp_path / "other")
        said = run(*there, *NONE, *OF_NAMES, status=3).said
        assert "cannot stand in a file of dbcollection" in said  # Vögel
        for path in (tmp_path / "named").glob("*/V*"):
            path.unlink()
        run(*there[:-1], tmp_path / "again", *NONE, *OF_NAMES)
        with h5py.File(tmp_path / "again/dbcollection/classification.h5") as file:
            assert list(file) == ["named"]


class TestOfAFolder:
    def test_each_is_made_once_and_verified(self, run: Run, pets: Path, out: Path) -> None:
        words = ("imagelist", pets, "--recursive", "--out", out, *NONE, "--export")
        run(*words, ",".join(OF_ALL_SETS))
        before = products(out)
        run(*words, ",".join(OF_ALL_SETS))
        run("verify", out, "--against", pets)
        assert products(out) == before
        for path in pets.glob("*/*"):
            assert (out / "pets" / path.relative_to(pets)).read_bytes() == path.read_bytes()
            assert (out / "pets256" / path.relative_to(pets)).is_file()

    def test_tables_name_the_classes(self, run: Run, pets: Path, out: Path) -> None:
        run("imagelist", pets, "--recursive", "--out", out, *NONE, *EVERY)
        names = ["Dog", "cat", "small owl"]
        found = rows(out / "metadata.parquet")
        assert class_names(out / "metadata.parquet", "class_index") == names
        assert [row["class_text"] for row in found] == [names[row["class_index"]] for row in found]
        assert [row["file_name"].split("/")[0] for row in found] == [
            row["class_text"] for row in found
        ]
        tree = out / "pets" / "metadata.parquet"
        assert class_names(tree, "label") == names
        assert all(row["file_name"].startswith(f"{names[row['label']]}/") for row in rows(tree))
        document = json.loads((out / "croissant.json").read_bytes())
        sets = {each["@id"]: each for each in document["recordSet"]}
        assert sets["classes"]["key"] == {"@id": "classes/label"}
        fields = {field["name"]: field for field in sets["images"]["field"]}
        assert fields["class_index"]["references"] == {"field": {"@id": "classes/label"}}
        assert "6 images of 3 classes" in document["description"]

    def test_dbcollection_names_the_copies_or_those_of_a_folder(
        self, run: Run, pets: Path, out: Path, tmp_path: Path
    ) -> None:
        words = ("imagelist", pets, "--recursive", *NONE, "--export", "dbcollection", "--out")
        run(*words, out)
        run(*words, tmp_path / "other", "--data-dir", tmp_path)
        assert not (tmp_path / "other" / "pets").exists()
        for folder, parent in ((out, out), (tmp_path / "other", tmp_path)):
            with h5py.File(folder / "dbcollection" / "classification.h5") as file:
                found = [bytes(row).rstrip(b"\0").decode() for row in file["pets/image_filenames"]]
                classes = [bytes(row).rstrip(b"\0").decode() for row in file["pets/classes"]]
            assert classes == ["Dog", "cat", "small owl"]
            assert sorted(found) == sorted(map(str, (parent / "pets").glob("*/*.jpg")))

    def test_splits_share_their_classes(self, run: Run, tmp_path: Path, out: Path) -> None:
        for number, name in enumerate(("train/a", "train/b", "val/b")):
            lay(tmp_path / "set" / name / f"{number}.jpg", encoded(number))
        run("imagelist", tmp_path / "set", "--recursive", "--out", out, *NONE, *EVERY)
        found = rows(out / "metadata.parquet")
        assert [(row["split"], row["class_text"], row["class_index"]) for row in found] == [
            *(("train", "a", 0), ("train", "b", 1), ("val", "b", 1))
        ]
        for split in ("train", "val"):
            assert class_names(out / split / "metadata.parquet", "label") == ["a", "b"]
        assert rows(out / "val" / "metadata.parquet")[0]["label"] == 1


def test_imagefolder_of_a_split_is_of_its_own_names(run: Run, tmp_path: Path, out: Path) -> None:
    def shards(split: str, *names: str) -> None:
        rows = [{"image": {"bytes": encoded(0), "path": "0.jpg"}, "label": 0}]
        parquet(tmp_path / f"in/{split}-00000-of-00001.parquet", rows, names)

    words = ("reshard", tmp_path / "in", "--out", out, *NONE, "--export", "imagefolder")
    shards("test", "ant", "bee")
    shards("train", "ant", "bee", "cow")
    run(*words)
    of_test, of_train = (out / split / "metadata.parquet" for split in ("test", "train"))
    assert class_names(of_test, "label") == ["ant", "bee"]
    assert class_names(of_train, "label") == ["ant", "bee", "cow"]
    before = of_test.stat()
    shards("train", "ant", "bee", "cat")  # the first images of both are as they were
    assert "--replace" in run(*words, status=2).said
    run(*words, "--replace")
    assert class_names(of_train, "label") == ["ant", "bee", "cat"]
    assert (of_test.stat().st_ino, of_test.stat().st_mtime_ns) == (
        before.st_ino,
        before.st_mtime_ns,
    )


@pytest.mark.parametrize(
    ("lines", "words", "what"),
    [
        (["0\t1\t2\tcats/0.jpg"], EVERY, "several labels"),
        (["0\t1\tcats/0.jpg", "1\t-1\tcats/3.png"], EVERY, "line 2"),
        (["0\t1.5\tcats/0.jpg"], ("--extract",), "one label an image"),
        (["0\t1\tcats/0.jpg"], OF_NAMES, "a list has numbers"),
        (["0\t1\tcats/0.jpg"], ("--extract", "--name", "lists"), "--name"),
        (["0\t1\tcats/0.jpg"], ("--transfer", "link"), "--extract only"),
        (["0\t1\tcats/0.jpg"], ("--data-dir", "/data"), "--export dbcollection or raw256 only"),
        (["0\t1\tcats/0.jpg"], ("--extract", "--on-bad-image", "skip"), "--until extract"),
        (
            ["0\t1\tcats/0.jpg"],
            ("--export", "imagefolder", "--on-bad-image", "skip"),
            "--export imagefolder needs the class folders",
        ),
        (
            ["0\t1\tcats/0.jpg"],
            ("--export", "raw256", "--data-dir", "/data", "--on-bad-image", "skip"),
            "--export raw256 needs the class folders",
        ),
        (["0\t1.5\tcats/0.jpg"], EVERY, "1 image without that"),
    ],
)
def test_what_a_list_cannot_have_is_refused(
    run: Run, listed: ListedSet, out: Path, lines: list[str], words: tuple[str, ...], what: str
) -> None:
    listed.path.write_text("".join(f"{line}\n" for line in lines))
    assert what in run(*of(listed, out), *words, status=2).said
    assert not out.exists()
    if words in {EVERY, ("--extract",)}:
        run(*of(listed, out), *NONE, "--export", "parquet")  # as the refusal says


@pytest.mark.parametrize(
    ("more", "words", "what"),
    [
        ("", (), "--recursive"),
        ("top.jpg", ("--recursive",), "in the folder itself"),
        ("cat/inner/1.jpg", ("--recursive",), "cat_inner"),
        ("", ("--recursive", "--out", "{pets}/out"), "another --out"),
        ("", ("--recursive", "--out", "{pets}/.."), "another --out"),
    ],
)
def test_what_a_folder_cannot_have_is_refused(
    run: Run, pets: Path, out: Path, more: str, words: tuple[str, ...], what: str
) -> None:
    lay(pets / more, encoded(40)) if more else None
    if not words:
        lay(pets / "top.jpg", encoded(40))
    before = products(pets)
    given = [word.format(pets=pets) for word in words]
    command = ("imagelist", pets, *([] if "--out" in words else ["--out", out]))
    assert what in run(*command, *given, "--export", "imagefolder", status=2).said
    assert products(pets) == before
    assert not out.exists()


@pytest.mark.parametrize(
    ("class_name", "words", "status", "what"),
    [
        ("V\N{LATIN SMALL LETTER O WITH DIAERESIS}gel", ("dbcollection",), 3, "V\\xf6gel"),
        ("\N{CJK UNIFIED IDEOGRAPH-732B}", ("raw256",), 3, "the name of a class cannot stand in"),
        ("metadata.parquet", ("imagefolder",), 2, "one of these has that name"),
        ("metadata.parquet", ("imagefolder", "--extract"), 2, "rename that folder"),
    ],
)
def test_a_class_name_that_an_export_cannot_have_is_refused_before_anything_is_made(
    run: Run,
    pets: Path,
    out: Path,
    class_name: str,
    words: tuple[str, ...],
    status: int,
    what: str,
) -> None:
    lay(pets / class_name / "9.jpg", encoded(9))
    command = ("imagelist", pets, "--recursive", "--out", out)
    assert what in run(*command, "--export", *words, status=status).said
    assert not out.exists()
    run(*command, *NONE, "--extract")  # without the export it is a class like others
    (pets / class_name).rename(pets / "renamed")
    run(*command[:-1], out.with_name("renamed"), *NONE, "--export", *words)


def test_class_folders_that_look_alike_are_told_apart(run: Run, pets: Path, out: Path) -> None:
    for name in ("\N{LATIN SMALL LETTER E WITH ACUTE}", "e\N{COMBINING ACUTE ACCENT}"):
        lay(pets / name / "0.jpg", encoded(0))
    said = run("imagelist", pets, "--recursive", "--out", out, *NONE, "--extract", status=3).said
    assert ", which differ in Unicode normalisation only" in said
    assert {r"'\xe9/0.jpg'", r"'e\u0301/0.jpg'"} <= set(said.replace(",", " ").split())


def test_findings_stand_in_lines_and_no_boxes_are_counted_where_there_are_none(
    run: Run, pets: Path, out: Path
) -> None:
    said = run("imagelist", pets, "--recursive", "--out", out).said
    assert "6 records in" in said
    assert "boxes" not in said
    lay(pets / "cat" / "0.jpg", encoded(17))
    said = run("verify", out, "--against", pets, status=1).said
    assert "\n  place:" in said
    assert "\\n" not in said
