"""Whether archives are copied to this host, by what is known when a command starts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.state.stage_choice import Circumstances, why_not

ROOMY = Circumstances("/scratch/stage", to_copy=100, free=1_000)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"free": 110}, ""),
        ({"free": 109}, "copies need 110 B in /scratch/stage, where 109 B are free"),
        ({"beside": 900}, "copies need 1.01 kB in /scratch/stage, where 1.00 kB are free"),
        ({"to_copy": 0, "free": 0, "beside": 5}, ""),  # they are there already
        ({"alone": False}, "other hosts may work on them, too"),
        ({"in_memory": True}, "/scratch/stage lies in memory"),
        ({"indexed": True}, "they were verified there"),
        ({"folder": ""}, "there is no folder for copies"),
    ],
)
def test_archives_are_copied_where_there_is_room_and_one_host_works(
    changes: dict[str, object], reason: str
) -> None:
    assert why_not(replace(ROOMY, **changes)) == reason  # type: ignore[arg-type]
