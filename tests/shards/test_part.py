"""Part I of N: what an option says, or what Slurm, AWS Batch and Kubernetes do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UsageError
from pipeline.shards.part import Part, parse


def slurm(**changed: object) -> dict[str, str]:
    given = {"ID": 3, "MIN": 0, "STEP": 1, "COUNT": 10, **changed}
    return {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in given.items()}


@given(st.integers(0, 50), st.integers(1, 20))
def test_every_shard_is_of_one_part(shards: int, count: int) -> None:
    parts = [Part(index, count).own(shards) for index in range(count)]
    assert sorted(shard for part in parts for shard in part) == list(range(shards))
    assert all(shard % count == index for index, part in enumerate(parts) for shard in part)


@pytest.mark.parametrize("text", ["0/1", "0/4", "3/4", "99/100"])
def test_parts_are_counted_from_0(text: str) -> None:
    assert str(parse(text, {})) == text


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("4/4", "--part 4/4: parts are counted from 0"),
        ("5/4", "--part 5/4: there is no such part"),
        ("0/0", "--part 0/0: there is no such part"),
        ("-1/4", "--part -1/4: no part"),
        ("1", "--part 1: no part"),
        ("1/", "--part 1/: no part"),
        ("a/b", "--part a/b: no part"),
        ("1.5/4", "--part 1.5/4: no part"),
        ("1/4 ", "--part 1/4 : no part"),
        ("1/99999999999", "--part 1/99999999999: no part"),
        ("\u0661/\u0664", "no part"),
        ("", "no part"),
    ],
)
def test_what_is_no_part_is_refused(text: str, what: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse(text, slurm())
    assert what in refused.value.what
    assert refused.value.expected


@pytest.mark.parametrize(
    ("environment", "part"),
    [
        (slurm(), "3/10"),
        (slurm(ID=5, MIN=5), "0/10"),
        (slurm(ID=11, MIN=1, STEP=2, COUNT=6), "5/6"),
        ({"AWS_BATCH_JOB_ARRAY_INDEX": "2", "AWS_BATCH_JOB_ARRAY_SIZE": "5"}, "2/5"),
        ({"JOB_COMPLETION_INDEX": "0", "SHARDMILL_PARTS": "8"}, "0/8"),
        (
            {
                "JOB_COMPLETION_INDEX": "0",
                "AWS_BATCH_JOB_ARRAY_INDEX": "2",
                "AWS_BATCH_JOB_ARRAY_SIZE": "5",
            },
            "2/5",
        ),
    ],
)
def test_an_array_says_the_part(environment: dict[str, str], part: str) -> None:
    assert str(parse("auto", environment)) == part
    assert str(parse("1/3", environment)) == "1/3"


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({}, "no element of an array"),
        ({"SHARDMILL_PARTS": "8"}, "no element of an array"),
        ({"JOB_COMPLETION_INDEX": "0"}, "SHARDMILL_PARTS does not say"),
        ({"JOB_COMPLETION_INDEX": "0", "SHARDMILL_PARTS": ""}, "SHARDMILL_PARTS does not say"),
        ({"JOB_COMPLETION_INDEX": "0", "SHARDMILL_PARTS": "0"}, "there is no such part"),
        ({"JOB_COMPLETION_INDEX": "8", "SHARDMILL_PARTS": "8"}, "counted from 0"),
        ({"AWS_BATCH_JOB_ARRAY_INDEX": "0"}, "AWS_BATCH_JOB_ARRAY_SIZE does not say"),
        ({"SLURM_ARRAY_TASK_ID": "0"}, "SLURM_ARRAY_TASK_MIN does not say"),
        (slurm(COUNT="x"), "SLURM_ARRAY_TASK_COUNT does not say"),
        (slurm(STEP=0), "no even steps"),
        (slurm(ID=4, MIN=1, STEP=2), "no even steps"),
        (slurm(MIN=4), "no even steps"),
        (slurm(ID=7, COUNT=3), "there is no such part"),
    ],
)
def test_an_array_that_does_not_say_it_is_refused(environment: dict[str, str], named: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse("auto", environment)
    assert named in refused.value.what
    assert refused.value.found is not None
