"""Rounds of a job from S3 to S3 by three hosts, which are killed, cut off and stopped.

Each ends with the bytes of an undisturbed local run. ``SHARDMILL_ROUNDS`` says how many rounds,
``SHARDMILL_SEED`` which ones, ``SHARDMILL_ROUND`` that only one of them is wanted.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hostrounds import KINDS, HostRound, cut_host
from hostservers import HostedLuigid, HostedSeaweedFS
from machines import MISSING, are_permitted, hosts
from remotecampaign import uploaded
from s3bucket import fresh_bucket
from support import RawSet

if TYPE_CHECKING:
    from campaignfixtures import UndisturbedRuns  # which pytest imports itself, as a plugin

pytest_plugins = ("s3stores", "campaignfixtures")

SEED = int(os.environ.get("SHARDMILL_SEED", "0"))
ROUNDS = int(os.environ.get("SHARDMILL_ROUNDS", "4"))
ONLY = os.environ.get("SHARDMILL_ROUND")
NUMBERS = [int(ONLY)] if ONLY else range(ROUNDS)

SHARDS = ("--shards", "train=12", "--shards", "validation=4")
OPTIONS = (
    SHARDS,
    (*SHARDS, "--format", "recordio,webdataset"),
    (*SHARDS, "--format", "tfrecord", "--resize", "48", "--order", "name"),
)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.usefixtures("hurried", "aws")
def test_a_disturbed_job_of_three_hosts_ends_in_the_bytes_of_a_local_one(
    number: int,
    sample: RawSet,
    undisturbed_runs: UndisturbedRuns,
    tally: Counter[str],
    tmp_path: Path,
) -> None:
    chance = random.Random(f"{SEED}-{number}")
    options = chance.choice(OPTIONS)
    expected, seconds = undisturbed_runs(options)
    kinds = list(KINDS)
    if not are_permitted():
        print(MISSING)  # noqa: T201 - what this campaign does not show
        kinds.remove(cut_host)
    # The first rounds have each kind once; later ones have any.
    chosen = [kinds[number % len(kinds)], *chance.choices(kinds, k=chance.randint(0, 2))]
    with hosts(tmp_path / "hosts", "one", "two", "three") as (first, second, third):
        luigid = HostedLuigid(tmp_path / "luigid", first)
        store = HostedSeaweedFS(tmp_path / "store", second)
        try:
            luigid.start()
            store.start()
            bucket = fresh_bucket(store)
            uploaded(bucket, sample)
            disturbed = HostRound(
                [first, second, third],
                *(luigid, store, bucket, sample.config, options, expected, seconds, chance),
            )
            try:
                disturbed.play(chosen)
            except BaseException as error:
                error.add_note("\n".join(disturbed.story))
                error.add_note(f"SHARDMILL_SEED={SEED} SHARDMILL_ROUND={number}: {options}")
                raise
            finally:
                tally.update(disturbed.tally)
                tally["rounds"] += 1
        finally:
            store.kill()
            luigid.kill()
