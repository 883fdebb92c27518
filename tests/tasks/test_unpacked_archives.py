"""Archives that are packed as a whole: unpacked once beside them, verified, and removed again."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
from collections.abc import Callable
from pathlib import Path

import inprocess
import pytest
from support import RawSet, products

from pipeline import storage
from pipeline.errors import NoPermission
from pipeline.job.resolve import resolve
from pipeline.state import plain_tars_in_use

TRAIN = "ILSVRC2012_img_train.tar"
OPTIONS = ("--split", "train", "--no-boxes", "--shards", "train=2")
PACK: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}
Pack = Callable[[str], RawSet]


@pytest.fixture
def pack(small: RawSet, tmp_path: Path) -> Pack:
    """Give the sample with the archive of its training images packed."""

    def packed(suffix: str) -> RawSet:
        own = small.copy(tmp_path / "raw")
        content = (own.raw / TRAIN).read_bytes()
        (own.raw / TRAIN).unlink()
        (own.raw / f"{TRAIN}{suffix}").write_bytes(PACK[suffix](content))
        own.config.write_text(own.config.read_text().replace(TRAIN, f"{TRAIN}{suffix}"))
        own.repin(f"{TRAIN}{suffix}")
        return own

    return packed


def run(monkeypatch: pytest.MonkeyPatch, own: RawSet, out: Path, *more: str) -> inprocess.Ran:
    where = ("--raw", own.raw, "--config", own.config, "--out", out)
    return inprocess.shardmill(monkeypatch, "imagenet", *where, *OPTIONS, *more)


def shards(out: Path) -> dict[str, str]:
    return {Path(name).name: found for name, found in products(out).items() if "-of-" in name}


def beside(own: RawSet) -> set[str]:
    """Return the files of the training images."""
    return {path.name for path in own.raw.iterdir() if TRAIN in path.name}


@pytest.mark.parametrize("suffix", PACK)
def test_it_gives_the_same_records_and_leaves_no_tar(
    small: RawSet, pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    own = pack(suffix)
    assert run(monkeypatch, small, tmp_path / "plain").status == 0
    ended = run(monkeypatch, own, tmp_path / "packed")
    assert ended.status == 0, ended.said
    assert shards(tmp_path / "packed") == shards(tmp_path / "plain")
    assert f"removed, no command needs it: {own.raw / TRAIN}" in ended.said
    assert beside(own) == {f"{TRAIN}{suffix}"}
    again = run(monkeypatch, own, tmp_path / "packed")
    assert "already complete" in again.said
    assert again.status == 0
    assert inprocess.verify(monkeypatch, tmp_path / "packed").status == 0


def test_it_is_unpacked_once_for_several_commands(
    pack: Pack, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = pack(".gz")
    assert run(monkeypatch, own, out, "--until", "lists").status == 0
    assert TRAIN in beside(own)
    ended = run(monkeypatch, own, out)
    assert ended.status == 0
    assert "verify:" not in ended.said
    assert TRAIN not in beside(own)
    other = run(monkeypatch, own, out, "--format", "recordio")
    assert other.status == 0
    assert "verify: 1 task" in other.said


def test_what_is_unpacked_is_read_for_another_output_and_compared(
    pack: Pack, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = pack(".gz")
    assert run(monkeypatch, own, out, "--until", "lists").status == 0
    before = (own.raw / TRAIN).stat()
    assert run(monkeypatch, own, out.with_name("second"), "--until", "lists").status == 0
    assert (own.raw / TRAIN).stat().st_ino == before.st_ino
    content = bytearray((own.raw / TRAIN).read_bytes())
    content[-20_000] ^= 1
    (own.raw / TRAIN).write_bytes(content)
    os.utime(own.raw / TRAIN, ns=(before.st_atime_ns, before.st_mtime_ns))
    storage.renew()
    third, until = out.with_name("third"), ("--until", "lists")
    damaged = run(monkeypatch, own, third, *until)
    assert "a tar that was unpacked is not what it was" in damaged.said
    assert run(monkeypatch, own, third, *until).status == 0
    assert (own.raw / TRAIN).read_bytes() != content


@pytest.mark.parametrize("damage", ["cut", "flipped", "another"])
def test_a_damaged_archive_is_refused_by_its_name_and_leaves_nothing(
    pack: Pack, out: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    own = pack(".gz")
    path = own.raw / f"{TRAIN}.gz"
    content = bytearray(path.read_bytes())
    if damage == "cut":
        del content[-5000:]
    elif damage == "flipped":
        content[len(content) // 2] ^= 8
    else:
        content = bytearray(gzip.compress(gzip.decompress(content), 1))
    own.config.write_text(
        "\n".join(line for line in own.config.read_text().split("\n") if "bytes = " not in line)
    )
    path.write_bytes(content)
    refused = run(monkeypatch, own, out)
    assert refused.status == 3
    assert str(path) in refused.said
    if damage == "another":
        assert "the archive does not have the published MD5" in refused.said
    else:
        assert "gzip stream is damaged or ends too early" in refused.said
        assert "compare its MD5" in refused.said
    assert beside(own) == {path.name}


def test_without_an_md5_it_is_unpacked_in_the_first_pass(
    pack: Pack, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = pack(".gz")
    text = own.config.read_text().split("\n\n")
    section = next(each for each in text if f'"{TRAIN}.gz"' in each)
    left = "\n".join(line for line in section.split("\n") if not line.startswith(("md5", "bytes")))
    own.config.write_text(own.config.read_text().replace(section, left))
    ended = run(monkeypatch, own, out)
    assert ended.status == 0, ended.said
    assert ended.said.count("verify: 1 task") == 1
    assert beside(own) == {f"{TRAIN}.gz"}


def test_a_file_of_somebody_else_is_neither_taken_nor_written_over(
    pack: Pack, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = pack(".gz")
    (own.raw / TRAIN).write_bytes(b"mine")
    refused = run(monkeypatch, own, out)
    assert refused.status == 2
    assert "a file lies where a packed archive is unpacked to" in refused.said
    assert (own.raw / TRAIN).read_bytes() == b"mine"


def test_a_file_put_in_place_of_the_plain_tar_is_neither_written_over_nor_removed(
    pack: Pack, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = pack(".gz")
    assert run(monkeypatch, own, out, "--until", "lists").status == 0
    (own.raw / TRAIN).write_bytes(b"mine")
    refused = run(monkeypatch, own, out)
    assert refused.status == 2
    assert "a file lies where a packed archive is unpacked to" in refused.said
    job = own.job(out, splits=("train",), boxes=False)
    assert plain_tars_in_use.remove_unneeded(resolve(job)) == []
    assert (own.raw / TRAIN).read_bytes() == b"mine"
    (own.raw / TRAIN).unlink()
    assert "verify: 1 task" in run(monkeypatch, own, out).said  # it was unpacked again


def test_what_is_verified_is_compared_with_the_hashes_and_the_plain_tar(
    pack: Pack, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = pack(".gz")
    assert run(monkeypatch, own, out).status == 0
    verified = inprocess.verify(monkeypatch, out)
    assert verified.status == 0
    assert "not compared" not in verified.said
    compared = inprocess.verify(monkeypatch, out, "--against", own.raw)
    assert compared.status == 0, compared.said
    assert "12 compared with their sources" in compared.said
    assert beside(own) == {f"{TRAIN}.gz"}  # it was unpacked for as long as that took
    path = own.raw / f"{TRAIN}.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), 1))
    refused = inprocess.verify(monkeypatch, out, "--against", own.raw)
    assert refused.status == 3
    assert "the archive does not have the published MD5" in refused.said
    assert beside(own) == {f"{TRAIN}.gz"}
    path.unlink()
    gone = inprocess.verify(monkeypatch, out, "--against", own.raw)
    assert "what to compare with is not there" in gone.said


def test_a_folder_that_cannot_be_written_is_said_before(
    pack: Pack, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, probe = pack(".gz"), storage.probe_writable

    def refuse(folder: Path) -> None:
        if folder == own.raw:
            raise NoPermission("not permitted", file=str(folder))
        probe(folder)

    planned = run(monkeypatch, own, out, "--dry-run")
    assert f"would be unpacked beside it: {own.raw / TRAIN}.gz" in planned.said
    monkeypatch.setattr(storage, "probe_writable", refuse)
    refused = run(monkeypatch, own, out)
    assert refused.status != 0
    assert "a packed archive is unpacked beside it" in refused.said
    assert "name that with --raw" in refused.said


def test_an_archive_that_was_replaced_is_unpacked_again(
    pack: Pack, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = pack(".gz")
    assert run(monkeypatch, own, out, "--until", "lists").status == 0
    path = own.raw / f"{TRAIN}.gz"
    path.write_bytes(path.read_bytes() + bytes(3))
    own.repin(path.name)
    ended = run(monkeypatch, own, out, "--update")
    assert ended.status == 0, ended.said
    assert "verify: 1 task" in ended.said


def test_there_must_be_room_beside_it(
    pack: Pack, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = pack(".gz")
    monkeypatch.setattr(storage, "free_bytes", lambda folder: 5 if folder == own.raw else 1 << 40)
    refused = run(monkeypatch, own, out)
    assert "too little space for the plain tars of packed archives" in refused.said
    assert refused.status == 1


def test_it_stays_while_another_command_reads_it(
    pack: Pack, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = pack(".gz")
    job = own.job(out, splits=("train",), boxes=False)
    with plain_tars_in_use.in_use(resolve(job)):
        assert run(monkeypatch, own, out).status == 0
        assert TRAIN in beside(own)
    assert "removed, no command needs it" in run(monkeypatch, own, out).said


def test_it_is_described(pack: Pack, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, config = pack(".gz"), out.parent / "set.toml"
    said = inprocess.shardmill(monkeypatch, "describe", own.raw, "--out", config).said
    assert f"train: {TRAIN}.gz: 12 images in 3 classes" in said, said
    where = ("--raw", own.raw, "--config", config, "--out", out, *OPTIONS)
    assert inprocess.shardmill(monkeypatch, "imagenet", *where).status == 0


def test_at_an_address_it_is_to_be_fetched_first(
    pack: Pack, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = pack(".gz")
    where = ("--raw", "http://127.0.0.1:9/raw", "--config", own.config, "--out", out)
    refused = inprocess.shardmill(monkeypatch, "imagenet", *where, *OPTIONS)
    assert refused.status == 2
    assert "shardmill fetch" in refused.said
