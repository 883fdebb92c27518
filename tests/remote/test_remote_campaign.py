"""Rounds of a job from S3 to S3 under random disturbances: it ends in the bytes of a local run.

Commands, their processes and the server are killed, on two hosts, with a proxy between that spoils
answers. ``SHARDMILL_ROUNDS`` says how many rounds, ``SHARDMILL_SEED`` which ones,
``SHARDMILL_ROUND`` that only one of them is wanted.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from faultproxy import FaultProxy
from remotecampaign import KINDS, Host, RemoteRound, uploaded
from s3bucket import fresh_bucket
from s3servers import SERVERS, S3Server, running
from support import RawSet

if TYPE_CHECKING:
    from campaignfixtures import UndisturbedRuns  # which pytest imports itself, as a plugin

pytest_plugins = ("s3stores", "campaignfixtures")

SEED = int(os.environ.get("SHARDMILL_SEED", "0"))
ROUNDS = int(os.environ.get("SHARDMILL_ROUNDS", "20"))
ONLY = os.environ.get("SHARDMILL_ROUND")
NUMBERS = [int(ONLY)] if ONLY else range((ROUNDS + 1) // 2)  # each on two servers

SHARDS = ("--shards", "train=6", "--shards", "validation=3")
OPTIONS = (
    SHARDS,
    (*SHARDS, "--format", "recordio,webdataset"),
    (*SHARDS, "--format", "tfrecord", "--resize", "48", "--order", "name"),
    (*SHARDS, "--no-boxes", "--export", "parquet"),
)


@pytest.fixture(scope="module", params=sorted(SERVERS))
def own_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[S3Server]:
    """A server that only these rounds use: they kill it."""
    with running(request.param, tmp_path_factory.mktemp(request.param)) as server:
        yield server


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.usefixtures("hurried", "aws")
def test_a_disturbed_job_in_a_store_ends_in_the_bytes_of_a_local_one(
    number: int,
    own_server: S3Server,
    sample: RawSet,
    undisturbed_runs: UndisturbedRuns,
    tmp_path: Path,
) -> None:
    chance = random.Random(f"{SEED}-{number}-{own_server.name}")
    options = chance.choice(OPTIONS)
    expected, seconds = undisturbed_runs(options)
    bucket = fresh_bucket(own_server)
    uploaded(bucket, sample)
    hosts = [Host(tmp_path / name) for name in ("one", "two")]
    kinds = chance.choices(KINDS, k=chance.randint(1, 3))
    with FaultProxy(own_server.endpoint) as proxy:
        disturbed = RemoteRound(
            bucket, proxy, sample.config, options, expected, seconds, chance, hosts
        )
        try:
            disturbed.play(list(kinds))
        except BaseException as error:
            error.add_note("\n".join(disturbed.story))
            error.add_note(f"SHARDMILL_SEED={SEED} SHARDMILL_ROUND={number}: {options}")
            raise
