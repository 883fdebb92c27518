"""A folder of class tars is read as the outer tar that they were unpacked from."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from dataclasses import replace
from pathlib import Path

import inprocess
import pytest
from drawnlists import encoded
from support import RawSet, products

TRAIN = "ILSVRC2012_img_train.tar"
OPTIONS = ("--split", "train", "--no-boxes", "--shards", "train=2")


@pytest.fixture
def unpacked(small: RawSet, tmp_path: Path) -> RawSet:
    """The sample, with the outer archive of the training images unpacked into a folder."""
    own = small.copy(tmp_path / "raw")
    folder = own.raw / "classes"
    folder.mkdir()
    with tarfile.open(own.raw / TRAIN) as archive:
        archive.extractall(folder, filter="data")
    (own.raw / TRAIN).unlink()
    lines = own.config.read_text().splitlines()
    start = lines.index(f'file = "{TRAIN}"')
    stop = next(number for number in range(start, len(lines)) if not lines[number])
    own.config.write_text(
        "\n".join([*lines[:start], 'file = "classes.tars"', 'url = "-"', *lines[stop:]])
    )
    return own


def run(monkeypatch: pytest.MonkeyPatch, raw_set: RawSet, out: Path, *more: str) -> inprocess.Ran:
    where = ("--raw", raw_set.raw, "--config", raw_set.config, "--out", out)
    return inprocess.shardmill(monkeypatch, "imagenet", *where, *OPTIONS, *more)


def shards(out: Path) -> dict[str, str]:
    return {Path(name).name: found for name, found in products(out).items() if "-of-" in name}


def test_it_gives_the_same_records_and_is_verified_against_its_tars(
    small: RawSet, unpacked: RawSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(monkeypatch, small, tmp_path / "outer").status == 0
    ended = run(monkeypatch, unpacked, tmp_path / "folder")
    assert ended.status == 0, ended.said
    assert shards(tmp_path / "folder") == shards(tmp_path / "outer")
    against = ("--against", unpacked.raw)
    assert inprocess.verify(monkeypatch, tmp_path / "folder", *against).status == 0
    (tar, *_) = (unpacked.raw / "classes").iterdir()
    content = bytearray(tar.read_bytes())
    content[content.index(b"\xff\xd8\xff") + 700] ^= 1
    tar.write_bytes(content)
    assert inprocess.verify(monkeypatch, tmp_path / "folder", *against).status == 1


def test_its_md5_is_that_of_the_tar_and_one_flipped_bit_is_refused(
    unpacked: RawSet, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = inprocess.shardmill(
        monkeypatch, "describe", unpacked.raw, "--out", out.parent / "d"
    )
    assert "classes.tars: 12 images in 3 classes" in described.said, described.said
    pinned = replace(unpacked, config=out.parent / "d")
    assert 'file = "classes.tars"' in pinned.config.read_text()
    split = ("--split", "classes")
    where = ("--raw", pinned.raw, "--config", pinned.config, "--out", out, *split)
    assert inprocess.shardmill(monkeypatch, "imagenet", *where, "--until", "verify").status == 0
    (tar, *_) = (unpacked.raw / "classes").iterdir()
    content = bytearray(tar.read_bytes())
    content[content.index(b"\xff\xd8\xff") + 700] ^= 1
    tar.write_bytes(content)
    refused = inprocess.shardmill(monkeypatch, "imagenet", *where)
    assert refused.status == 3
    assert "the archive does not have the published MD5" in refused.said
    assert "a tar of that folder is not what it was" in refused.said


def test_a_tar_that_changes_meanwhile_has_all_verified_again(
    unpacked: RawSet, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(monkeypatch, unpacked, out, "--until", "lists").status == 0
    for tar in (unpacked.raw / "classes").iterdir():
        os.utime(tar, ns=(1, 1))
    ended = run(monkeypatch, unpacked, out)
    assert "verify: 1 task" in ended.said
    assert ended.status == 0


def test_class_tars_that_lie_in_raw_itself_are_described(
    unpacked: RawSet, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, config = unpacked.raw / "classes", out.parent / "set.toml"
    described = inprocess.shardmill(monkeypatch, "describe", raw, "--out", config)
    assert "all.tars: 12 images in 3 classes" in described.said, described.said
    where = ("--raw", raw, "--config", config, "--out", out)
    assert inprocess.shardmill(monkeypatch, "imagenet", *where, "--until", "lists").status == 0


def test_other_archives_beside_class_tars_in_raw_are_no_classes(
    small: RawSet, unpacked: RawSet, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, config = unpacked.raw / "classes", out.parent / "set.toml"
    content = (small.raw / TRAIN).read_bytes()
    (raw / "other.tar").write_bytes(content)
    (raw / "packed.tar.gz").write_bytes(gzip.compress(content))
    described = inprocess.shardmill(monkeypatch, "describe", raw, "--out", config)
    assert "all.tars: 12 images in 3 classes" in described.said, described.said
    where = ("--raw", raw, "--config", config, "--out", out)
    for split in ("packed", "all"):  # the first leaves a plain tar while its job is not complete
        ended = inprocess.shardmill(
            monkeypatch, "imagenet", *where, "--split", split, "--until", "lists"
        )
        assert ended.status == 0, ended.said
    labels = (out / "lists/labels.tsv").read_text().splitlines()
    assert len(labels) == 4
    assert (raw / "packed.tar").exists()


def test_a_folder_of_tars_of_another_size_is_not_to_be_got_again(
    unpacked: RawSet, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, config = unpacked.raw / "classes", out.parent / "set.toml"
    assert inprocess.shardmill(monkeypatch, "describe", raw, "--out", config).status == 0
    (tar, *_) = raw.iterdir()
    tar.write_bytes(tar.read_bytes() + bytes(20480))
    where = ("--raw", raw, "--config", config, "--out", out)
    refused = inprocess.shardmill(monkeypatch, "imagenet", *where)
    assert refused.status == 3
    assert "get it again" not in refused.said
    assert "describe it as it is now" in refused.said


def test_where_class_tars_lie_and_not_their_archive_it_says_how_they_are_read(
    small: RawSet, unpacked: RawSet, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = ("--raw", unpacked.raw / "classes", "--config", small.config, "--out", out)
    refused = inprocess.shardmill(monkeypatch, "imagenet", *where, *OPTIONS)
    assert refused.status == 3
    assert "3 tars of classes" in refused.said
    assert 'file = "all.tars"' in refused.said


def test_a_folder_that_is_not_there_is_said(
    unpacked: RawSet, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (unpacked.raw / "classes").rename(unpacked.raw / "elsewhere")
    refused = run(monkeypatch, unpacked, out)
    assert refused.status == 3
    assert "a folder with tars, *.tar, which it is made of" in refused.said


def test_a_set_of_21841_classes_is_described_and_prepared_by_configuration_alone(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wnids = [f"n{number * 7 + 1:08d}" for number in range(21_841)]
    raw, config = tmp_path / "raw", tmp_path / "set.toml"
    raw.mkdir()
    (raw / "fall11_whole.tar").write_bytes(_outer_tar(wnids))
    (raw / "words.txt").write_text("".join(f"{wnid}\tthing {wnid}\n" for wnid in wnids))
    said = inprocess.shardmill(monkeypatch, "describe", raw, "--out", config).said
    assert "fall11_whole.tar: 14,560 images in 21,841 classes" in said, said
    assert "7,281 classes without an image" in said
    assert "the words of 21,841 classes" in said
    where = ("--raw", raw, "--config", config, "--out", out, "--shards", "fall11_whole=2")
    ended = inprocess.shardmill(monkeypatch, "imagenet", *where)
    assert ended.status == 0, ended.said
    assert "14,560 records in 2 shards" in ended.said
    assert len((out / "lists/labels.tsv").read_text().splitlines()) == 21_842
    assert len((out / "lists/fall11_whole.lst").read_text().splitlines()) == 14_560
    assert inprocess.verify(monkeypatch, out).status == 0


def _outer_tar(wnids: list[str]) -> bytes:
    """Return a tar of class tars, of one image most, the others without a byte or a member."""
    image = encoded(1)
    made = io.BytesIO()
    for number, wnid in enumerate(wnids):
        content = b"" if number % 2 else bytes(10240)
        if number % 3:
            content = _member(f"{wnid}_{number}.JPEG", image + number.to_bytes(4)) + bytes(1024)
        made.write(_member(f"{wnid}.tar", content))
    made.write(bytes(1024))
    return made.getvalue()


def _member(name: str, content: bytes) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    return info.tobuf(tarfile.USTAR_FORMAT) + content + bytes(-len(content) % 512)
