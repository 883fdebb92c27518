"""A sample that is read by the offsets of its members is the one that is walked to."""

from __future__ import annotations

from pathlib import Path

import pytest
from drawnlists import SPLIT, current
from finishedoutputs import of_list_in_all_formats

from pipeline.errors import OutputDamaged
from pipeline.formats.webdataset import quick
from pipeline.formats.webdataset.shard import Sample, read_samples

FACTS = b'{"wnid":"","words":"","width":1,"height":2,"boxes":[[0.0,0.5,1.0,1.0]],"filename":"a"}'


def members(sample: Sample, shard: Path) -> list[memoryview]:
    content = shard.read_bytes()
    return [memoryview(content)[at : at + size] for _, at, size in sample.members]


def test_it_says_what_the_careful_reader_says() -> None:
    folder = current(of_list_in_all_formats()[1], "webdataset", SPLIT)
    for shard in folder.glob("*.tar"):
        for sample in read_samples(shard):
            parsed = quick.parse(*members(sample, shard), file="shard")
            assert parsed == sample.content


def test_labels_and_objects_are_optional() -> None:
    parsed = quick.parse(memoryview(b""), memoryview(b"-1"), memoryview(FACTS), file="shard")
    assert (parsed.label, parsed.labels, parsed.described) == (-1, (), {})
    assert parsed.boxes == ((0.0, 0.5, 1.0, 1.0),)


@pytest.mark.parametrize(
    ("label", "facts"),
    [(b"one", FACTS), (b"", FACTS), (b"1", FACTS[:-2]), (b"1", b"[]"), (b"1", b"\xff")],
)
def test_what_is_no_sample_is_damage(label: bytes, facts: bytes) -> None:
    with pytest.raises(OutputDamaged, match="shard"):
        quick.parse(memoryview(b""), memoryview(label), memoryview(facts), file="shard")
