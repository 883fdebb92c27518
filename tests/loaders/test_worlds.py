"""Which ranks and parts there can be; how records are divided is told by the order of an epoch."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from pipeline.errors import UsageError
from pipeline.loaders.division import check_part, check_world

NONE_AT_ALL = [(0, 0), (2, 2), (-1, 2), (0, -1), (0.5, 2), (0, 1, 2), (0,), 3, None, "ab"]


@pytest.mark.parametrize("given", NONE_AT_ALL, ids=repr)
def test_what_is_no_rank_of_a_world_is_refused(given: Any) -> None:
    with pytest.raises(UsageError, match="world: no rank") as refusal:
        check_world(given)
    assert refusal.value.found == repr(given)
    with pytest.raises(UsageError, match="part: no part"):
        check_part(given)


def test_numbers_of_numpy_become_those_that_a_state_can_be_saved_with() -> None:
    assert json.dumps(check_world((np.int64(1), np.int32(2)))) == "[1, 2]"  # type: ignore[arg-type]
