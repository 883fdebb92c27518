"""Rounds of a job under random disturbances: it always ends in the bytes of an undisturbed one.

``SHARDMILL_ROUNDS`` says how many, ``SHARDMILL_SEED`` which ones, ``SHARDMILL_ROUND`` that only
one of them is wanted.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from campaign import Round, Undisturbed
from daemons import Luigid
from disturbances import KINDS
from injection import Fault, failing
from support import RawSet, prepare, products

pytest_plugins = ("campaignfixtures",)

SEED = int(os.environ.get("SHARDMILL_SEED", "0"))
ROUNDS = int(os.environ.get("SHARDMILL_ROUNDS", "12"))
ONLY = os.environ.get("SHARDMILL_ROUND")
NUMBERS = [int(ONLY)] if ONLY else range(ROUNDS)

SHARDS = ("--shards", "train=24", "--shards", "validation=8")
WHOLE = (*SHARDS, "--extract")
FORMATS = ("--format", "recordio", "--format", "webdataset", "--joined", "--resize", "48")
OPTIONS = (
    *[WHOLE] * 3,
    (*SHARDS, *FORMATS),
    (*SHARDS, "--no-boxes", "--order", "name"),
    ("--split", "validation", "--shards", "validation=12"),
    ("--until", "extract"),
    ("--until", "lists"),
)

Reference = Callable[[tuple[str, ...]], Undisturbed]


@pytest.fixture(scope="module")
def reference(sample: RawSet, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """What an undisturbed run with given options makes."""

    @cache
    def made(options: tuple[str, ...]) -> Undisturbed:
        folder, begun = tmp_path_factory.mktemp("reference"), time.monotonic()
        out, counter = folder / "out", folder / "calls"
        with pytest.MonkeyPatch.context() as environment:
            for name, value in failing(
                Fault(str(out), 0, sys.maxsize, False, str(counter))
            ).items():
                environment.setenv(name, value)
            run = prepare(sample, out, *options)
        assert run.returncode == 0, run.stderr
        return Undisturbed(products(out), time.monotonic() - begun, counter.stat().st_size)

    return made


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.usefixtures("hurried")
def test_a_disturbed_job_ends_in_the_bytes_of_an_undisturbed_one(
    number: int, sample: RawSet, reference: Reference, tally: Counter[str], tmp_path: Path
) -> None:
    chance = random.Random(f"{SEED}-{number}")
    options = chance.choice(OPTIONS)
    kinds = chance.choices(list(KINDS), k=chance.randint(1, 3))
    shared = any(KINDS[kind].needs_luigid for kind in kinds)
    luigid = Luigid(tmp_path) if shared or chance.random() < 0.2 else None
    own = sample.copy(tmp_path / "raw")
    once = luigid is None and not any(KINDS[kind].redoes for kind in kinds)
    disturbed = Round(own, tmp_path, options, reference(options), chance, luigid, once)
    try:
        disturbed.play([KINDS[kind].act for kind in kinds])
    except BaseException as error:
        error.add_note("\n".join(disturbed.story))
        error.add_note(f"SHARDMILL_SEED={SEED} SHARDMILL_ROUND={number}: {options}, {kinds}")
        raise
    finally:
        tally.update(disturbed.tally)
        tally["rounds"] += 1
    shutil.rmtree(tmp_path)
