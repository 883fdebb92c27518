"""Which folder of this host belongs to an output."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.storage import Remote, host_state, parse

OUT = Remote("s3", "bucket", "some/shards")
NAME = "abf8e1cdb1a1-shards"


def test_of_a_local_folder_it_lies_in_that() -> None:
    assert host_state(Path("/data/out")) == Path("/data/out/.shardmill")


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"XDG_STATE_HOME": "/state", "HOME": "/home/me"}, "/state/shardmill"),
        ({"XDG_STATE_HOME": "", "HOME": "/home/me"}, "/home/me/.local/state/shardmill"),
    ],
)
def test_of_an_address_it_lies_in_the_users(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert host_state(OUT).parent == Path(expected)


def test_every_way_to_write_an_address_leads_to_one_folder() -> None:
    assert host_state(parse("s3://bucket/some/shards/")) == host_state(OUT)
    assert host_state(OUT).name.endswith("-shards")


def test_two_addresses_never_share_one() -> None:
    others = [Remote("s3", "bucket", "other/shards"), Remote("s3", "b", "some/shards")]
    assert len({host_state(each) for each in (OUT, *others)}) == 3


@pytest.mark.parametrize("name", ["line\nbreak", "ä", "..x", "a" * 900, "\x1b[31m"])
def test_its_name_is_plain_and_short(name: str) -> None:
    folder = host_state(Remote("s3", "bucket", name))
    assert folder.name.isascii()
    assert folder.name.isprintable()
    assert len(folder.name) < 100


@pytest.mark.parametrize("below", ["", "home", ".local", ".local/state"])
def test_what_is_no_folder_is_no_place_for_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, below: str
) -> None:
    """As of users of services, whose home is /dev/null."""
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    file = tmp_path / below if below else Path("/dev/null")
    if below:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"")
    monkeypatch.setenv("HOME", str(file if below in {"", "home"} else tmp_path))
    with pytest.raises(UsageError) as caught:
        host_state(OUT)
    assert "XDG_STATE_HOME" in str(caught.value.remedy)
    assert caught.value.file == str(file)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert host_state(OUT).parent == tmp_path / "state" / "shardmill"
