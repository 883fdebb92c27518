"""NVIDIA DALI reads the shards through their indexes."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path

from support import ROOT, RawSet, prepare

from pipeline.formats.examples.example import parse_example
from pipeline.formats.tfrecord.shard import read_records

READER = Path(__file__).with_name("readers") / "dali_tfrecord.py"
PYTHON = os.environ.get("SHARDMILL_DALI_PYTHON", str(ROOT / ".venv-dali/bin/python"))


def test_dali_reads_every_record_in_order_through_the_indexes(raw_set: RawSet, out: Path) -> None:
    assert prepare(raw_set, out).returncode == 0
    folder = out / "tfrecord/train/current"
    shards = sorted(folder.glob("train-*"))
    indexes = [folder / "idx" / shard.name for shard in shards]
    run = subprocess.run(
        [PYTHON, READER, *shards, "--", *indexes], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    expected = [
        [hashlib.sha256(parsed.encoded).hexdigest(), parsed.label, [parsed.height, parsed.width, 3]]
        for shard in shards
        for parsed in (parse_example(record.data) for record in read_records(shard))
    ]
    assert json.loads(run.stdout) == expected
