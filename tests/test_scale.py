"""What docs/scale.md says of many hosts is what the simulation prints."""

from __future__ import annotations

import pytest
from support import ROOT

from benchmarks.many_hosts import HOSTS, MD5_S, SETS, floors, limits, simulate, times

DOCUMENT = (ROOT / "docs" / "scale.md").read_text().splitlines()
ONE_ARCHIVE = SETS[:2]


@pytest.mark.parametrize("data", ONE_ARCHIVE, ids=lambda data: data.name)
def test_the_tables_are_those_of_the_simulation(data: object) -> None:
    assert data in SETS
    chosen = [each for each in SETS if each == data]
    assert set(times(chosen, HOSTS)) <= set(DOCUMENT)


def test_the_limits_are_those_of_the_simulation() -> None:
    assert set(limits(SETS)) <= set(DOCUMENT)


def test_ten_hosts_gain_nothing_on_one_archive_unless_images_are_resized() -> None:
    data = SETS[0]
    one, ten = (simulate(data, hosts, resized=False, loses_one=False) for hosts in (1, 10))
    assert ten.total_s > 0.98 * one.total_s
    one, three = (simulate(data, hosts, resized=True, loses_one=False) for hosts in (1, 3))
    assert three.total_s < 0.7 * one.total_s


def test_nothing_is_faster_than_its_floors() -> None:
    for data in ONE_ARCHIVE:
        md5, asked = floors(data)
        for hosts in HOSTS:
            found = simulate(data, hosts, resized=False, loses_one=False)
            assert found.verify_s >= md5
            assert found.shards_s > 0.97 * asked
    assert floors(SETS[0])[0] == pytest.approx(234, abs=1)
    assert pytest.approx(1.58, abs=0.01) == MD5_S


def test_a_host_that_is_lost_costs_time_where_hosts_are_what_is_short() -> None:
    data = SETS[0]
    whole, lost = (simulate(data, 3, resized=True, loses_one=each) for each in (False, True))
    assert whole.shards_s < lost.shards_s < 1.5 * whole.shards_s
