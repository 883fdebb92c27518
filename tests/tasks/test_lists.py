"""Image lists, orders and choices through the DAG."""

from __future__ import annotations

import random
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import pytest
from commands import prepare, shardmill
from finishedoutputs import kept, prepared
from support import RawSet, products

from pipeline.formats.examples.example import parse_example
from pipeline.formats.tfrecord.shard import read_records
from pipeline.resources import shipped
from pipeline.sources.ilsvrc2012 import label_files as labels


def shard_names(out: Path, split: str) -> list[list[str]]:
    """The file names in each shard, in record order."""
    shards = sorted((out / "tfrecord" / split / "current").glob(f"{split}-*"))
    return [[parse_example(r.data).filename for r in read_records(shard)] for shard in shards]


def stored_names(out: Path, split: str) -> list[str]:
    return list(chain.from_iterable(shard_names(out, split)))


def listed(out: Path, split: str) -> list[list[str]]:
    lines = (out / "lists" / f"{split}.lst").read_text().splitlines()
    return [line.split("\t") for line in lines]


def test_every_image_is_listed_in_name_order_with_its_class(raw_set: RawSet) -> None:
    out = kept(raw_set).out
    table = labels.load_table(shipped("config/ilsvrc2012/synsets.tsv"))
    for split in ("train", "validation"):
        rows = listed(out, split)
        assert [row[0] for row in rows] == [str(number) for number in range(len(rows))]
        for _, label, path in rows:
            assert label == f"{table.index[path.split('/')[0]]}.000000"
        names = [path.split("/")[1] for _, _, path in rows]
        assert sorted(names) == sorted(stored_names(out, split))
        keys = [row[2] for row in rows] if split == "train" else names
        assert keys == sorted(keys)
    assert (out / "lists" / "synsets.txt").read_text().split() == list(table.class_ids)
    header, *classes = (out / "lists" / "labels.tsv").read_text().splitlines()
    assert header.split("\t")[0] == "wnid"
    assert len(classes) == 1000


def test_lists_are_a_step_that_makes_no_shard(small: RawSet, out: Path) -> None:
    run = prepare(small, out, "--until", "lists", "--no-boxes")
    assert run.returncode == 0, run.stderr
    assert list(products(out)) == [
        "lists/labels.tsv",
        "lists/synsets.txt",
        "lists/train.lst",
        "lists/validation.lst",
    ]


def test_a_choice_of_classes_is_another_list(small: RawSet, out: Path, tmp_path: Path) -> None:
    prepared(small, out)
    chosen = tmp_path / "classes"
    chosen.write_text((small.raw / "counts.tsv").read_text().split("\t")[0])
    refused = prepare(small, out, "--classes", chosen)
    assert refused.returncode == 2
    assert "lists/train.lst" in refused.stderr
    run = prepare(small, out, "--classes", chosen, "--replace")
    assert run.returncode == 0, run.stderr
    assert len(listed(out, "train")) == 4
    assert prepare(small, out).returncode == 2


def test_other_orders_seeds_and_shards_keep_the_lists(small: RawSet, out: Path) -> None:
    prepared(small, out)
    before = products(out)["lists/train.lst"]
    run = prepare(small, out, "--seed", 7, "--shards", "train=3")
    assert run.returncode == 0, run.stderr
    assert products(out)["lists/train.lst"] == before


def test_status_and_clean_know_the_lists(small: RawSet, out: Path) -> None:
    prepared(small, out)
    run = shardmill("status", out)
    assert run.returncode == 0
    assert "list-train: complete" in run.stdout
    (out / "lists" / "train.lst").unlink()
    run = shardmill("status", out)
    assert run.returncode == 1
    assert "list-train: pending" in run.stdout


class TestInceptionOrder:
    def test_is_that_of_the_old_scripts(self, sample: RawSet, out: Path) -> None:
        options = ("--order", "inception", "--shards", "train=16", "--shards", "validation=8")
        run = prepare(sample, out, *options)
        assert run.returncode == 0, run.stderr
        for split, shards in (("train", 16), ("validation", 8)):
            paths = sorted((row[2] for row in listed(out, split)), key=str.encode)
            assert shard_names(out, split) == _as_the_scripts_do(paths, shards, threads=8)

    def test_takes_another_number_of_threads(self, sample: RawSet, out: Path) -> None:
        options = ("--order", "inception", "--inception-threads", 3, "--shards", "train=9")
        run = prepare(sample, out, *options, "--split", "train")
        assert run.returncode == 0, run.stderr
        paths = sorted((row[2] for row in listed(out, "train")), key=str.encode)
        assert shard_names(out, "train") == _as_the_scripts_do(paths, 9, threads=3)

    @pytest.mark.parametrize(
        ("options", "what"),
        [
            (("--order", "inception", "--seed", "0"), "--seed"),
            (("--inception-threads", "2"), "--inception-threads"),
            (("--order", "inception", "--shards", "train=9"), "--inception-threads"),
        ],
    )
    def test_with_options_that_contradict_it_is_a_usage_error(
        self, small: RawSet, out: Path, options: tuple[str, ...], what: str
    ) -> None:
        run = prepare(small, out, *options)
        assert run.returncode == 2
        assert what in run.stderr
        assert not out.exists()


def _as_the_scripts_do(paths: list[str], shards: int, threads: int) -> list[list[str]]:
    """Shuffle and cut as build_imagenet_data.py does; `paths` are `<wnid>/<name>`, sorted."""
    order = list(range(len(paths)))
    random.seed(12345)
    random.shuffle(order)
    names = [paths[place].split("/")[1] for place in order]
    made = []
    ranges = np.linspace(0, len(names), threads + 1).astype(int)
    for thread in range(threads):
        cuts = np.linspace(ranges[thread], ranges[thread + 1], shards // threads + 1).astype(int)
        made += [names[start:stop] for start, stop in pairwise(cuts)]
    return made


def test_the_test_images_have_no_label(sample: RawSet, out: Path) -> None:
    run = prepare(sample, out, "--with", "test", "--split", "test")
    assert run.returncode == 0, run.stderr
    (shard,) = (out / "tfrecord" / "test" / "current").glob("test-*")
    parsed = [parse_example(record.data) for record in read_records(shard)]
    assert {(each.label, each.class_id, each.class_text) for each in parsed} == {(-1, "", "")}
    assert len(parsed) == 8
    assert listed(out, "test")[0] == ["0", "-1.000000", "ILSVRC2012_test_00000001.JPEG"]
    assert shardmill("verify", out, "--against", sample.raw).returncode == 0


def test_blacklisted_images_are_left_out_when_asked(sample: RawSet, out: Path) -> None:
    blacklist = (sample.raw / "validation_blacklist.txt").read_text().split()
    run = prepare(sample, out, "--skip-blacklisted")
    assert run.returncode == 0, run.stderr
    names = stored_names(out, "validation")
    assert len(names) == 24 - len(blacklist)
    assert not {f"ILSVRC2012_val_{int(number):08d}.JPEG" for number in blacklist} & set(names)
    assert len(stored_names(out, "train")) == 96
