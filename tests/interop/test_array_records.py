"""Grain and TensorFlow read ArrayRecord shards: every image once, by any workers, as documented."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import documentation
import grain
import pytest
from array_record.python.array_record_data_source import ArrayRecordDataSource
from drawnlists import stored
from finishedoutputs import kept
from support import RawSet

from pipeline.errors import OutputDamaged, UsageError
from pipeline.formats.examples.example import parse_example
from pipeline.loaders import grain as loader

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
TWO_WORKERS = grain.MultiprocessingOptions(num_workers=2)


@pytest.fixture(scope="module")
def output(sample: RawSet) -> Path:
    """A finished output of two formats, of seven shards."""
    formats = ("--format", "tfrecord", "--format", "arrayrecord")
    return kept(sample, *formats, "--shards", "train=7").out


@pytest.fixture(autouse=True, scope="module")
def flags() -> None:
    """What Grain's worker processes ask of absl, whose flags a program's main parses."""
    from absl import flags as absl  # noqa: PLC0415

    if not absl.FLAGS.is_parsed():
        absl.FLAGS(sys.argv[:1])


def paths(output: Path) -> list[str]:
    return sorted(map(str, (output / "arrayrecord/train/current").glob("*.array_record")))


def opened(out: Path, **given: Any) -> Any:
    return loader.dataset(out, "train", **{"decode": False, "shard_format": "arrayrecord", **given})


def names(examples: Any) -> list[str]:
    return [example["filename"] for example in examples]


def test_grains_own_source_has_every_record_in_two_epochs_of_two_workers(output: Path) -> None:
    written = [said["filename"] for said, _ in stored(output, "arrayrecord", "train")]
    source = grain.sources.ArrayRecordDataSource(paths(output))
    records = grain.MapDataset.source(source).shuffle(seed=1).repeat(2)
    read = list(records.to_iter_dataset().mp_prefetch(TWO_WORKERS))
    found = [parse_example(record).filename for record in read]
    assert len(written) == 96
    assert sorted(found[:96]) == sorted(found[96:]) == sorted(map(str, written))
    assert found[:96] != found[96:]


def test_the_librarys_source_has_the_same_images_labels_and_boxes(output: Path) -> None:
    with ArrayRecordDataSource(paths(output)) as source:
        found = [parse_example(source[number]) for number in range(len(source))]
    by_number = list(stored(output, "arrayrecord", "train"))
    as_tfrecord = list(stored(output, "tfrecord", "train"))
    for record, (said, image), (other, same) in zip(found, by_number, as_tfrecord, strict=True):
        assert (record.fields(), bytes(record.encoded)) == (said, image)
        assert image == same
        assert {**other, "label": said["label"]} == said
        assert other["label"] == said["label"] + 1  # type: ignore[operator]
    assert any(record.boxes for record in found)


def test_tensorflow_parses_the_records(output: Path) -> None:
    tf = pytest.importorskip("tensorflow")
    with ArrayRecordDataSource(paths(output)) as source:
        record = tf.train.Example.FromString(source[5])
    said, image = list(stored(output, "arrayrecord", "train"))[5]
    features = record.features.feature
    assert features["image/class/label"].int64_list.value == [said["label"]]
    assert features["image/encoded"].bytes_list.value == [image]


def test_the_loader_has_every_image_in_two_epochs_of_two_workers(output: Path) -> None:
    every = names(opened(output))
    data = opened(output, shuffle=True, seed=1)
    read = names(data.repeat(2).to_iter_dataset().mp_prefetch(TWO_WORKERS))
    assert len(data) == len(every) == 96
    assert sorted(read[:96]) == sorted(read[96:]) == sorted(every)
    assert read[:96] != read[96:]


def test_the_loader_gives_what_it_gives_of_tfrecord_with_labels_from_0(output: Path) -> None:
    pairs = zip(opened(output), opened(output, shard_format="tfrecord"), strict=True)
    for number, (own, other) in enumerate(pairs):
        assert own["encoded"] == other["encoded"], number
        assert own["label"] == other["label"] - 1
        assert (own["bbox"] == other["bbox"]).all()
        assert list(own["bbox_label"]) == [own["label"]] * len(own["bbox"])
    assert opened(output, decode=True)[0]["image"].ndim == 3


def test_hosts_divide_the_images_and_a_state_is_gone_on_from(output: Path) -> None:
    parts = [opened(output, world=(rank, 5)) for rank in range(5)]
    assert {len(part) for part in parts} == {19, 20}
    assert [name for part in parts for name in names(part)] == names(opened(output))
    begun = iter(opened(output, shuffle=True, seed=3).to_iter_dataset())
    taken = names(next(begun) for _ in range(50))
    resumed = iter(opened(output, shuffle=True, seed=3).to_iter_dataset())
    resumed.set_state(begun.get_state())
    assert sorted(taken + names(resumed)) == sorted(names(opened(output)))


def test_damage_and_another_format_are_said_in_the_words_of_the_house(
    output: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="not read one by one"):
        opened(output, shard_format="recordio")
    copied = tmp_path / "out"
    shutil.copytree(output, copied, symlinks=True)
    shard = Path(paths(copied)[0])
    content = bytearray(shard.read_bytes())
    content[3000] ^= 1
    shard.write_bytes(content)
    with pytest.raises(OutputDamaged, match="cannot be read"):
        names(opened(copied))


def test_grain_reads_array_records_as_documented(
    output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "OUT").symlink_to(output)
    monkeypatch.chdir(tmp_path)
    found: dict[str, Any] = {}
    exec(documentation.snippet("import glob"), found)  # noqa: S102
    read = [parse_example(record).filename for record in found["records"]]
    assert sorted(read) == sorted(names(opened(output)))
