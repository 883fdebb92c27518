"""``shardmill describe`` and ``config copy``: what they write runs as it is, and only once."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from commands import prepare, shardmill
from drawnlists import encoded
from ownarchives import CLASSES, class_tars, images, lay, tar_of
from support import RawSet, products

from pipeline.job.resolve import resolve
from pipeline.resources import shipped
from pipeline.sources import own_data

LABELS = [*CLASSES, "zz_9"]


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A folder of archives: class tars, and a flat tar with its labels."""
    files = {"train.tar": class_tars(), "val.tar": tar_of(images(4, "v{:03}.jpg"))}
    labels = "".join(f"{name}\n" for name in LABELS)
    return lay(tmp_path / "raw", {**files, "val_labels.txt": labels.encode()})


def by_hand(raw: Path, folder: Path) -> RawSet:
    """Describe the same archives as a person would."""
    rows = [f"{name}\t{name}\t{count}" for name, count in sorted(CLASSES.items())]
    lay(folder, {"table.tsv": "\n".join(["wnid\twords\tn", *rows]).encode()})
    lay(folder, {"labels.txt": "".join(f"{name}\n" for name in LABELS).encode()})
    md5 = {
        name: hashlib.md5((raw / name).read_bytes()).hexdigest()
        for name in ("train.tar", "val.tar")
    }
    (folder / "hand.toml").write_text(
        f"""dataset = "by hand"
[labels]
table = "table.tsv"
[archives.a]
file = "train.tar"
url = ""
md5 = "{md5["train.tar"]}"
[archives.b]
file = "val.tar"
url = ""
md5 = "{md5["val.tar"]}"
[splits.train]
archive = "a"
layout = "class-tars"
counts = "labels:n"
shards = 1
[splits.validation]
archive = "b"
folder = "val"
layout = "flat"
member = 'v(\\d{{3}})\\.jpg'
labels = "labels.txt"
images = 4
shards = 1
"""
    )
    return RawSet(raw, folder / "hand.toml")


def test_what_is_described_runs_and_gives_what_a_hand_made_one_gives(
    raw: Path, tmp_path: Path
) -> None:
    run = shardmill("describe", raw, "--out", tmp_path / "own.toml")
    assert run.returncode == 0, run.stderr
    own, hand = RawSet(raw, tmp_path / "own.toml"), by_hand(raw, tmp_path / "hand")
    made = []
    for number, raw_set in enumerate((own, hand)):
        run = prepare(raw_set, tmp_path / f"out{number}")
        assert run.returncode == 0, run.stderr
        found = products(tmp_path / f"out{number}")
        # A manifest says what files of the configuration are called; its folder is the digest.
        made.append({name: "manifest.json" in name or content for name, content in found.items()})
    assert made[0] == made[1]
    assert sum("manifest.json" in name for name in made[0]) == 2


def test_a_tree_is_described_and_prepared(tmp_path: Path) -> None:
    for number, name in enumerate(("train/ant/1.jpg", "train/bee/2.jpg", "val/ant/1.jpg")):
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(encoded(number))
    config = tmp_path / "own.toml"
    run = shardmill("describe", tmp_path / "tree", "--out", config)
    assert run.returncode == 0, run.stderr
    words = ("imagenet", "--tree", tmp_path / "tree", "--config", config, "--out")
    assert f"now: shardmill imagenet --tree {tmp_path / 'tree'} --config {config}" in run.stderr
    run = shardmill(*words, tmp_path / "out")
    assert run.returncode == 0, run.stderr
    assert "train: complete, 2 records" in run.stdout
    assert "validation: complete, 1 record" in run.stdout


def test_the_real_set_gives_the_digests_of_the_hand_made_one(mini: RawSet, tmp_path: Path) -> None:
    run = shardmill("describe", mini.raw, "--out", tmp_path / "own.toml")
    assert run.returncode == 0, run.stderr
    shards = (("train", 8), ("validation", 4))

    def outputs(raw_set: RawSet, *extras: str) -> dict[str, list[str]]:
        resolved = resolve(raw_set.job(tmp_path / "out", extras=extras, shards=shards))
        return {
            name: [output.digest for output in split.outputs]
            for name, split in resolved.splits.items()
        }

    own = outputs(RawSet(mini.raw, tmp_path / "own.toml"), "devkit")
    assert own == outputs(mini, "devkit", "validation-boxes")


def test_two_runs_write_the_same_files_also_into_the_folder_itself(raw: Path) -> None:
    first = shardmill("describe", raw, "--out", raw / "own.toml")
    before = {path: path.read_bytes() for path in raw.iterdir()}
    second = shardmill("describe", raw, "--out", raw / "own.toml")
    assert (first.returncode, second.returncode) == (0, 0), second.stderr
    assert {path: path.read_bytes() for path in raw.iterdir()} == before


def test_a_command_that_was_killed_goes_on_behind_what_it_has_read(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = list[str]()

    def tell(name: str, _done: int, _of: int) -> None:
        read.append(name)
        if len({*read}) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        own_data.describe(raw, "", (), tell)
    assert {*read} == {"train.tar", "val.tar"}
    again = list[str]()
    own_data.describe(raw, "", (), lambda name, _done, _of: again.append(name))
    assert {*again} == {"val.tar"}


def test_an_archive_that_was_replaced_is_read_again(raw: Path) -> None:
    first = own_data.describe(raw, "", (), lambda *_: None)
    (raw / "train.tar").write_bytes(class_tars({**CLASSES, "zz_9": 5}))
    assert own_data.describe(raw, "", (), lambda *_: None).text != first.text


def test_standard_output_has_the_configuration_and_nothing_else(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conf").mkdir()
    with (tmp_path / "conf/own.toml").open("w") as file:
        monkeypatch.setattr("tasks.cli.describe._descriptor", file.fileno)
        run = shardmill("describe", raw)
    assert run.returncode == 0, run.stderr
    beside = {path.name for path in (tmp_path / "conf").iterdir()}
    assert beside == {"own.toml", "raw.classes.tsv", "raw.validation.labels.txt"}
    own = shardmill("describe", raw, "--out", tmp_path / "own.toml")
    assert own.stdout == f"written: {tmp_path / 'own.toml'}\n"
    assert (tmp_path / "own.toml").read_text() == run.stdout


def test_beside_a_pipe_the_other_files_go_into_the_current_folder(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(lay(tmp_path / "here", {}))
    run = shardmill("describe", raw)
    assert run.stdout.startswith("# Written by `shardmill describe`")
    assert {path.name for path in Path().iterdir()} == {
        "raw.classes.tsv",
        "raw.validation.labels.txt",
    }


def test_words_that_somebody_has_written_are_kept(raw: Path, tmp_path: Path) -> None:
    words = ("describe", raw, "--out", tmp_path / "own.toml")
    assert shardmill(*words).returncode == 0
    table = tmp_path / "raw.classes.tsv"
    table.write_text(table.read_text().replace("zz_9\tzz_9", "zz_9\tsleepers"))
    run = shardmill(*words)
    assert run.returncode == 2
    assert f"{table}: a file of other contents is there" in run.stderr
    assert "sleepers" in table.read_text()
    assert shardmill(*words, "--replace").returncode == 0
    assert "sleepers" not in table.read_text()


def test_archives_that_are_left_out_show_in_the_status(raw: Path, tmp_path: Path) -> None:
    (raw / "cut.tar").write_bytes(class_tars()[:5000])
    run = shardmill("describe", raw, "--out", tmp_path / "own.toml")
    assert run.returncode == 4
    assert "left out: cut.tar: the tar archive ends too early" in run.stderr


def test_the_shipped_configuration_is_copied_once_and_overwrites_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    for _ in range(2):
        assert shardmill("config", "copy", folder).returncode == 0
    copied = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.*")}
    assert {str(path) for path in copied} == {
        "ilsvrc2012.toml",
        *(
            f"ilsvrc2012/{name}"
            for name in ("synsets.tsv", "validation_synsets.txt", "validation_blacklist.txt")
        ),
    }
    assert all(
        shipped(f"config/{path}").read_bytes() == content for path, content in copied.items()
    )
    (folder / "ilsvrc2012.toml").write_text("another")
    (folder / "ilsvrc2012/synsets.tsv").unlink()
    run = shardmill("config", "copy", folder)
    assert run.returncode == 2
    assert "ilsvrc2012.toml: a file of other contents is there" in run.stderr
    assert not (folder / "ilsvrc2012/synsets.tsv").exists()
