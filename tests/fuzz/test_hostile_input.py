"""Documents that were valid once, and what every parser makes of them.

``SHARDMILL_CASES`` is the number of documents for each parser, many in `make fuzz`;
``SHARDMILL_SEED`` draws others. What once broke a parser is tried by `test_regressions.py`.
"""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from limits import bounded_time, trial
from mutations import hostile
from targets import TARGETS

_CASES = int(os.environ.get("SHARDMILL_CASES", "6"))
_SEED = os.environ.get("SHARDMILL_SEED")
_SETTINGS = settings(
    max_examples=_CASES,
    derandomize=_SEED is None,
    database=None,
    deadline=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("name", TARGETS)
def test_a_valid_document_is_accepted(name: str, tmp_path: Path) -> None:
    target = TARGETS[name]
    for seed in target.seeds():
        target.parse(target.seal(seed), tmp_path)


@pytest.mark.parametrize("name", TARGETS)
def test_a_hostile_document_is_refused_or_read_within_bounds(name: str, tmp_path: Path) -> None:
    target = TARGETS[name]

    @_SETTINGS
    @given(hostile(target))
    def hold(data: bytes) -> None:
        with bounded_time(target, data):
            trial(target, data, tmp_path)

    with_seed = hypothesis.seed(int(_SEED)) if _SEED else None
    (with_seed(hold) if with_seed else hold)()
