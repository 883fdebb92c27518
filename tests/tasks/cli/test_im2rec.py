"""``shardmill im2rec``: the command lines of MXNet's programs, as their documents spell them."""

from __future__ import annotations

import io
import shutil
import struct
from pathlib import Path

import pytest
from click.testing import CliRunner
from commands import prepare, shardmill
from PIL import Image
from support import RawSet

from pipeline import manifest
from pipeline.formats.recordio.shard import read_records
from tasks.cli.im2rec import im2rec

OUTPUTS = {"set.lst", "set.rec", "set.idx", "set.manifest.json"}
TABLE = "set.classes.tsv"


@pytest.fixture(scope="module")
def tree(small: RawSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders of drawn images: ``train/<wnid>/*.JPEG``, 3 of 4 each."""
    out = tmp_path_factory.mktemp("tree")
    run = prepare(small, out, "--split", "train", "--until", "extract")
    assert run.returncode == 0, run.stderr
    return out / "train"


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: object, status: int = 0) -> tuple[str, str]:
    done = shardmill("im2rec", *words)
    assert done.returncode == status, done.stderr
    return done.stdout, done.stderr


def labels(path: Path) -> list[tuple[int, float, int]]:
    """Flag, label and id of each record."""
    return [struct.unpack_from("<IfQ", record.data) for record in read_records(path)]


def sizes(path: Path) -> list[tuple[int, int]]:
    """Width and height of each image without labels behind its header."""
    found = []
    for record in read_records(path):
        with Image.open(io.BytesIO(record.data[24:])) as image:
            found.append(image.size)
    return found


def fields(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text().splitlines()]


def test_a_folder_becomes_a_list_and_the_list_a_recordio_file(work: Path, tree: Path) -> None:
    stdout, stderr = run("--list", "--recursive", "set", tree)
    folders = sorted(path.name for path in tree.iterdir())
    assert stdout == "".join(f"{name} {label}\n" for label, name in enumerate(folders))
    assert "set.lst: 12 images" in stderr
    assert f"3 classes: {', '.join(stdout.split(chr(10))[:3])}: {work / TABLE}" in stderr
    table = (work / TABLE).read_text()
    assert table == "folder\tlabel\n" + stdout.replace(" ", "\t")
    stdout, stderr = run("set", tree, "--resize", 40, "--quality", 90, "--num-thread", 2)
    assert "set.rec: 12 records" in stdout
    assert stderr == ""
    assert {path.name for path in work.iterdir()} == {*OUTPUTS, TABLE}
    rows = fields(work / "set.lst")
    assert labels(work / "set.rec") == [(0, float(label), int(key)) for key, label, _ in rows]
    assert {min(size) for size in sizes(work / "set.rec")} == {40}


def test_clutter_beside_the_folders_is_no_class_and_is_said(work: Path) -> None:
    for name in ("cat/a.jpg", "dog/b.jpg", ".ipynb_checkpoints/a-checkpoint.jpg"):
        (work / "root" / name).parent.mkdir(parents=True)
        (work / "root" / name).touch()
    made = CliRunner().invoke(im2rec, ["--list", "--recursive", "--no-shuffle", "set", "root"])
    assert made.stdout == "cat 0\ndog 1\n"
    assert "passed over: 1 hidden or system name, e.g. .ipynb_checkpoints" in made.stderr
    assert fields(work / "set.lst") == [
        ["0", "0.000000", "cat/a.jpg"],
        ["1", "1.000000", "dog/b.jpg"],
    ]


@pytest.mark.parametrize(
    "words",
    [
        ["--list", "--recursive", "--exts", ".jpeg", ".jpg", "--no-shuffle", "set", "TREE"],
        ["--exts", ".jpg", ".jpeg", "--list", "--recursive", "--no-shuffle", "set", "TREE"],
        ["set", "TREE", "--list", "--no-shuffle", "--recursive", "--exts", ".png", ".jpeg"],
        ["set", "--exts", ".jpeg", "--list", "TREE", "--recursive", "--no-shuffle"],
        ["set", "TREE", "--exts=.jpeg", "--list", "--recursive", "--no-shuffle"],
    ],
)
def test_extensions_follow_their_option_wherever_it_stands(
    work: Path, tree: Path, words: list[str]
) -> None:
    run(*(tree if word == "TREE" else word for word in words))
    assert [row[0] for row in fields(work / "set.lst")] == [str(number) for number in range(12)]


def test_a_table_gives_other_folders_the_same_labels(work: Path, tree: Path) -> None:
    run("--list", "--recursive", "train", tree)
    first, second, third = sorted(path.name for path in tree.iterdir())
    for name in (first, third):
        shutil.copytree(tree / name, work / "images" / name)
    words = ("--list", "--recursive", "--no-shuffle", "val", "images")
    _, stderr = run(*words)
    differs = f"the class {third} has label 1 here, and 2 in {work / 'train.classes.tsv'}"
    assert f"{differs}: for lists that belong together say --classes" in stderr
    _, stderr = run(*words, "--classes", "train.classes.tsv")
    labels_of = {row[2].partition("/")[0]: row[1] for row in fields(work / "val.lst")}
    assert labels_of == {first: "0.000000", third: "2.000000"}
    assert f"classes of the table without an image here: {second}" in stderr
    shutil.copytree(tree / second, work / "images" / "strange")
    _, stderr = run(*words, "--classes", "train.classes.tsv", status=3)
    assert "strange" in stderr
    run("--list", "val", "images", "--classes", "train.classes.tsv", status=2)


def test_words_behind_the_extensions_are_taken_for_extensions_as_argparse_does(
    work: Path, tree: Path
) -> None:
    run("--list", "--exts", ".jpeg", "set", tree, status=2)
    assert list(work.iterdir()) == []


def test_ratios_and_chunks_divide_a_list(work: Path, tree: Path) -> None:
    ratios = ("--train-ratio", 0.5, "--test-ratio", 0.25)
    run("set", tree, "--list", "--recursive", *ratios, "--chunks", 2)
    counts = {path.name: len(fields(path)) for path in work.glob("*.lst")}
    assert counts == {
        f"set_{chunk}_{part}.lst": count
        for chunk in (0, 1)
        for part, count in (("test", 1), ("train", 3), ("val", 2))
    }
    stdout, _ = run("set", tree, "--pass-through")
    assert (stdout.count(" records, "), stdout.count(" record, ")) == (4, 2)
    assert len(list(work.glob("*.rec"))) == 6


def test_the_command_line_of_the_document_of_im2rec_cc(work: Path, tree: Path) -> None:
    names = sorted(path.relative_to(tree) for path in tree.rglob("*.JPEG"))
    rows = (f"{number}\t1\t2\t3\t{number}\t{name}\n" for number, name in enumerate(names))
    (work / "image.lst").write_text("".join(rows))
    _, stderr = run("image.lst", f"{tree}/", "output.rec", "resize=256", "label_width=4")
    assert "only the first label is stored of 12 images" in stderr
    assert labels(work / "output.rec") == [(0, 1.0, number) for number in range(12)]
    assert {min(size) for size in sizes(work / "output.rec")} == {256}
    words = ("resize=256", "label_width=4", "pack_label=1")
    _, stderr = run("image.lst", tree, "output.rec", *words)
    assert stderr == ""
    assert labels(work / "output.rec") == [(4, 1.0, number) for number in range(12)]
    run("--num-thread", 1, "image.lst", tree, "out.bin", "unchanged=1", "label_width=4")
    assert {"out.bin", "out.idx", "out.manifest.json"} <= {path.name for path in work.iterdir()}


def test_labels_that_are_not_stored_are_said_and_noted(work: Path, tree: Path) -> None:
    name = next(tree.rglob("*.JPEG")).relative_to(tree)
    (work / "set.lst").write_text(f"0\t4\t5\t{name}\n1\t6\t{name}\n")
    _, stderr = run("set", tree, "--pass-through")
    assert "only the first label is stored of 1 image that has more" in stderr
    first = (work / "set.rec").read_bytes()
    assert manifest.load(work / "set.manifest.json")["counts"]["labels_not_stored"] == 1
    _, stderr = run("set", tree, "--pass-through", "--pack-label", status=3)
    assert "images have from 1 to 2 labels" in stderr
    (work / "set.lst").write_text(f"0\t4\t5\t{name}\n1\t6\t7\t{name}\n")
    assert run("set", tree, "--pass-through", "--pack-label")[1] == ""
    assert (work / "set.rec").read_bytes() != first


def test_images_left_out_give_status_4_and_too_many_status_3(work: Path, tree: Path) -> None:
    name = next(tree.rglob("*.JPEG")).relative_to(tree)
    (work / "set.lst").write_text(f"0\t0\tgone.jpg\n1\t0\t{name}\n")
    _, stderr = run("set", tree, "--pass-through", status=3)
    assert "gone.jpg: there is no such image" in stderr
    assert "line 1 of" in stderr
    assert {path.name for path in work.iterdir()} == {"set.lst"}
    _, stderr = run("set", tree, "--pass-through", "--error-limit", 1, status=4)
    assert "left out: line 1, gone.jpg: there is no such image" in stderr
    assert {path.name for path in work.iterdir()} == OUTPUTS


def test_notes_of_images_are_said(work: Path, tmp_path: Path) -> None:
    (work / "images").mkdir()
    Image.new("RGB", (9, 9)).save(work / "images" / "0.gif")
    (work / "set.lst").write_text("0\t0\t0.gif\n")
    run("set", "images", "--pass-through", status=3)
    stdout, _ = run("set", "images", "--pass-through", "--transcode")
    assert "gif-transcoded: 1" in stdout


def test_a_line_that_is_no_image_is_refused(work: Path, tree: Path) -> None:
    (work / "set.lst").write_text("0\t0\n")
    _, stderr = run("set", tree, status=3)
    assert "line 1" in stderr


def test_options_without_effect_are_named(work: Path, tree: Path) -> None:
    _, stderr = run("--list", "--recursive", "set", tree, "--resize", 9)
    assert "--resize has no effect here" in stderr
    # GluonCV calls im2rec.py like this.
    words = ("--recursive", "--pass-through", "--pack-label", "--num-thread", 2)
    _, stderr = run("set", tree, *words)
    assert stderr == "--recursive has no effect here\n"
    _, stderr = run("set.lst", tree, "out.rec", "unchanged=1", "color=0")
    assert stderr == "color=0 has no effect here\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["set"], "PREFIX and ROOT are needed"),
        (["absent", "."], "no image list of this name"),
        (["--list", "set", ".", "out.rec"], "not out.rec"),
        (["set.lst", ".", "out.rec", "--resize", 3], "say it as KEY=VALUE"),
        (["set.lst", ".", "out.rec", "colour=3"], "no parameter of im2rec"),
        (["set.lst", ".", "out.rec", "inter_method=10"], "leaves the filter to chance"),
        (["set.lst", ".", "set.lst"], "take the place of the list"),
        (["set", ".", "--color", 2], "--color"),
        (["set", ".", "--resize", -1], "-1 is not in the range x>=0"),
        (["set", ".", "--quality", 0], "quality"),
        (["set", ".", "--error-limit", -1], "--error-limit"),
        (["set", ".", "--no-such-option"], "No such option"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_status_2(
    work: Path, words: list[object], said: str
) -> None:
    (work / "set.lst").write_text("0\t0\ta.jpg\n")
    _, stderr = run(*words, status=2)
    assert said in stderr
    assert {path.name for path in work.iterdir()} == {"set.lst"}


def test_a_list_of_nothing_is_not_made(work: Path) -> None:
    _, stderr = run("--list", "set", work, status=3)
    assert "no image in the folder" in stderr
    assert list(work.iterdir()) == []
