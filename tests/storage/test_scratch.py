"""The scratch folder: where it lies, who may look into it, and what dead processes left there."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import EnvironmentRefused, UsageError
from pipeline.storage import Remote, RemoteOptions, StagedFile, scratch, temp_files, use

ALONE = 0o700


@pytest.fixture(autouse=True)
def chosen_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test is a process that has chosen nothing yet."""
    monkeypatch.setattr(scratch, "_ready", set())
    scratch.use("")
    yield
    scratch.use("")


def test_it_is_the_folder_that_was_chosen(tmp_path: Path) -> None:
    use(RemoteOptions(scratch=str(tmp_path / "s")))
    folder = scratch.folder()
    assert folder.parent == tmp_path / "s"
    assert folder.is_dir()
    assert folder.stat().st_mode & 0o777 == ALONE


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"XDG_CACHE_HOME": "/of/xdg", "HOME": "/home/me"}, "/of/xdg/shardmill/scratch"),
        ({"XDG_CACHE_HOME": "not/absolute", "HOME": "/home/me"}, "/home/me/.cache"),
        ({"XDG_CACHE_HOME": "", "HOME": "/home/me"}, "/home/me/.cache/shardmill/scratch"),
        ({}, f"{pwd.getpwuid(os.geteuid()).pw_dir}/.cache/shardmill/scratch"),
    ],
)
def test_else_it_is_below_the_users_cache(
    variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert str(scratch.place()).startswith(expected)


def test_a_user_without_a_home_is_told_the_option(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(number: int) -> pwd.struct_passwd:
        raise KeyError(number)

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    with pytest.raises(UsageError, match="--scratch DIR"):
        scratch.folder()


def test_a_home_that_is_no_folder_is_named_with_the_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/dev/null")
    with pytest.raises(UsageError, match="--scratch DIR") as caught:
        scratch.folder()
    assert caught.value.file == "/dev/null"


def test_an_address_is_refused() -> None:
    with pytest.raises(UsageError, match="--scratch"):
        use(RemoteOptions(scratch="s3://bucket/scratch"))


def test_it_is_closed_to_others(tmp_path: Path) -> None:
    scratch.use(str(tmp_path))
    scratch.place().mkdir(mode=0o777)
    scratch.place().chmod(0o777)
    assert scratch.folder().stat().st_mode & 0o777 == ALONE


def test_it_is_closed_to_others_also_if_it_is_made_again(tmp_path: Path) -> None:
    scratch.use(str(tmp_path))
    scratch.folder().rmdir()
    with StagedFile(Remote("s3", "bucket", "some/key")):
        assert scratch.place().stat().st_mode & 0o777 == ALONE


def test_a_link_in_its_place_is_refused(tmp_path: Path) -> None:
    scratch.use(str(tmp_path))
    (tmp_path / "elsewhere").mkdir()
    scratch.place().symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EnvironmentRefused, match="a link"):
        scratch.folder()


def test_files_of_dead_processes_are_removed_and_those_of_live_ones_stay(tmp_path: Path) -> None:
    scratch.use(str(tmp_path))
    write = f"import os; from pipeline.storage import StagedFile as S; from pathlib import Path; \
S(Path({str(scratch.place())!r}) / 'dead').write(b'x'); os._exit(9)"
    subprocess.run([sys.executable, "-c", write], check=False)
    with StagedFile(scratch.place() / "alive") as alive:
        assert len(temp_files(scratch.place())) > 1
        assert [temp.path for temp in temp_files(scratch.folder())] == [alive.temp]
