"""The figures of a command as text, read by Prometheus' own parser."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pipeline.state import metrics
from pipeline.state.metrics import Ends, Metrics, OutputFigures, StepFigures

OUTPUT = OutputFigures("train", "tfrecord", 7, 9, 1, 2, 1234)
STEP = StepFigures("shards", 3, 1.25, 7, 99)


def samples(text: str) -> dict[str, dict[tuple[str, ...], float]]:
    """Return name -> values of labels -> value, as Prometheus reads it."""
    read: dict[str, dict[tuple[str, ...], float]] = {}
    families: Any = text_string_to_metric_families(text)
    for family in families:
        assert family.documentation, family.name
        assert family.type == "gauge"
        for sample in family.samples:
            labels = tuple(sample.labels.values())
            assert labels not in read.setdefault(sample.name, {})
            read[sample.name][labels] = sample.value
    return read


def test_all_figures_are_read_by_prometheus_own_parser() -> None:
    figures = Metrics(
        started=1_700_000_000.5,
        is_running=False,
        ends=Ends(1_700_000_100.25, 1_700_000_200.0, 3),
        outputs=(OUTPUT, OutputFigures("val", "recordio", 4, 4, 1, 1, 5, left_out=2)),
        steps=(STEP,),
        failures={"NoSpace": 2},
    )
    read = samples(figures.text())
    assert read["shardmill_running"] == {(): 0}
    assert read["shardmill_last_success_timestamp_seconds"] == {(): 1_700_000_100.25}
    assert read["shardmill_last_exit_status"] == {(): 3}
    assert read["shardmill_images"] == {("train", "tfrecord"): 7, ("val", "recordio"): 4}
    assert read["shardmill_shards_planned"][("train", "tfrecord")] == 2
    assert read["shardmill_left_out"] == {("val", "recordio"): 2}
    assert read["shardmill_step_seconds"] == {("shards",): 1.25}
    assert read["shardmill_failures"] == {("NoSpace",): 2}


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", "ü", "\udcff", "{}", "a,b=c"])
def test_any_name_of_a_split_is_a_label(name: str) -> None:
    output = OutputFigures(name, "tfrecord", 1, 1, 1, 1, 1)
    text = Metrics(1.0, True, Ends(), (output,)).text()
    ((read, shard_format),) = samples(text)["shardmill_images"]
    assert read == name.encode(errors="backslashreplace").decode()
    assert shard_format == "tfrecord"


def test_what_is_not_known_is_no_figure() -> None:
    read = samples(Metrics(1.0, True, Ends(), (OUTPUT,)).text())
    assert "shardmill_last_success_timestamp_seconds" not in read
    assert "shardmill_left_out" not in read
    assert "shardmill_failures" not in read


@pytest.mark.parametrize("ends", [Ends(), Ends(1.5), Ends(1.5, 2.5, 0), Ends(None, 2.5, 130)])
def test_ends_are_read_back(ends: Ends) -> None:
    assert metrics.ends_in(Metrics(1.0, True, ends, (OUTPUT,)).text()) == ends


def test_the_last_success_is_kept_when_a_command_fails() -> None:
    ends = Ends().then(10.0, 0, is_success=True).then(20.0, 3, is_success=False)
    assert ends == Ends(10.0, 20.0, 3)


@pytest.mark.parametrize("text", ["", "shardmill_last_exit_status x\n", "nonsense\n"])
def test_what_cannot_be_read_says_nothing(text: str) -> None:
    assert metrics.ends_in(text) == Ends()
