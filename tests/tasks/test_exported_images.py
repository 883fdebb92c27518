"""What lists and tables say of images agrees with what the shards hold."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import inprocess
import pyarrow.parquet as pq
import pytest
import xxhash
from PIL import Image
from support import RawSet

from pipeline import manifest, paths


@pytest.mark.parametrize("resize", [(), ("--resize", 24)])
def test_all_columns_are_of_the_image_that_the_shards_hold(
    monkeypatch: pytest.MonkeyPatch, sample: RawSet, out: Path, resize: tuple[object, ...]
) -> None:
    words = ("--raw", sample.raw, "--config", sample.config, "--out", out, "--no-boxes")
    shards = ("--format", "webdataset", "--split", "train", "--export", "parquet", *resize)
    run = inprocess.shardmill(monkeypatch, "imagenet", *words, *shards)
    assert run.status == 0, run.said
    rows = pq.read_table(out / "metadata.parquet").to_pylist()
    named = {(row["webdataset_shard"], row["webdataset_record"]): row for row in rows}
    assert {row["source_mode"] for row in rows} >= {"RGB", "CMYK"}
    for shard in sorted((out / "webdataset/train/current").glob("*.tar")):
        number = int(shard.name.split("-")[1])
        with tarfile.open(shard) as tar:
            members = [each for each in tar if each.name.endswith(".jpg")]
            for record, member in enumerate(members):
                file = tar.extractfile(member)
                assert file is not None
                content, row = file.read(), named.pop((number, record))
                with Image.open(io.BytesIO(content)) as image:
                    seen = (*image.size, image.mode)
                assert seen == (row["width"], row["height"], row["mode"])
                stored = (len(content), xxhash.xxh3_128_hexdigest(content))
                assert stored == (row["bytes"], row["xxh3_128"])
    assert named == {}


class TestLeftOut:
    """An image that is in no shard is in no list."""

    @pytest.fixture
    def tree(self, monkeypatch: pytest.MonkeyPatch, small: RawSet, tmp_path: Path) -> Path:
        """An unpacked set in which one training image is none."""
        out = tmp_path / "tree"
        words = ("--raw", small.raw, "--config", small.config, "--out", out, "--no-boxes")
        assert (
            inprocess.shardmill(monkeypatch, "imagenet", *words, "--until", "extract").status == 0
        )
        return out

    def prepare(
        self, monkeypatch: pytest.MonkeyPatch, small: RawSet, tree: Path, out: Path, *words: str
    ) -> inprocess.Ran:
        where = ("--tree", tree, "--config", small.config, "--out", out, "--no-boxes")
        shards = ("--split", "train", "--shards", "train=2")
        return inprocess.shardmill(monkeypatch, "imagenet", *where, *shards, *words)

    def listed(self, out: Path) -> list[str]:
        lines = paths.image_list(out, "train").read_text().splitlines()
        assert [line.split("\t")[0] for line in lines] == [str(n) for n in range(len(lines))]
        return [line.rpartition("\t")[2] for line in lines]

    @pytest.mark.parametrize("listed_before", [False, True])
    def test_lists_name_the_images_of_the_shards(
        self,
        monkeypatch: pytest.MonkeyPatch,
        small: RawSet,
        tree: Path,
        out: Path,
        listed_before: bool,
    ) -> None:
        victim = sorted((tree / "train").glob("*/*.JPEG"))[3]
        victim.write_bytes(b"no image".ljust(victim.stat().st_size, b"."))
        if listed_before:
            assert self.prepare(monkeypatch, small, tree, out).status == 3
            assert self.prepare(monkeypatch, small, tree, out, "--until", "lists").status == 0
            assert f"{victim.parent.name}/{victim.name}" in self.listed(out)
        run = self.prepare(monkeypatch, small, tree, out, "--on-bad-image", "skip")
        assert run.status == 4, run.said
        assert "1 image is left out of the list as well" in run.said
        every = sorted(f"{path.parent.name}/{path.name}" for path in (tree / "train").glob("*/*"))
        every.remove(f"{victim.parent.name}/{victim.name}")
        assert self.listed(out) == every
        document = manifest.load(out / "tfrecord/train/current/manifest.json")
        assert document["counts"]["records"] == len(every)
        # Whatever is said of bad images now: the output is the same, and so is its list.
        for words in ((), ("--on-bad-image", "skip")):
            run = self.prepare(monkeypatch, small, tree, out, *words)
            assert (run.status, "already complete" in run.said) == (4, True), run.said
            assert self.listed(out) == every

    def test_a_tree_would_hold_them_and_is_refused(
        self, monkeypatch: pytest.MonkeyPatch, small: RawSet, tree: Path, out: Path
    ) -> None:
        skip = ("--on-bad-image", "skip")
        run = self.prepare(monkeypatch, small, tree, out, *skip, "--extract")
        assert (run.status, "--until extract" in run.said) == (2, True)
        assert not out.exists()
        # The remedy: a tree of what is there, and the shards without what is bad.
        assert self.prepare(monkeypatch, small, tree, out, "--until", "extract").status == 0
        run = self.prepare(monkeypatch, small, tree, out, *skip)
        assert run.status == 0, run.said
