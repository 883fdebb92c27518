"""One mail of a command that has failed, by Luigi's settings, however many tasks have failed."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import inprocess
import pytest
from drawnlists import ListedSet, draw_list
from luigi.configuration.cfg_parser import LuigiConfigParser
from mailserver import taking_mails, text_of

from pipeline.errors import TransientError
from tasks.cli import mail
from tasks.run import settings
from tasks.run.supervisor import Outcome


@pytest.fixture
def mails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[EmailMessage]]:
    """What arrives at a server that the file names which `LUIGI_CONFIG_PATH` does.

    What Luigi knew before the test, it knows again after it.
    """
    parser: Any = LuigiConfigParser.instance()  # type: ignore[no-untyped-call]
    before = {name: dict(parser.items(name, raw=True)) for name in parser.sections()}
    path = tmp_path / "mail.cfg"
    monkeypatch.setenv("LUIGI_CONFIG_PATH", str(path))
    settings.apply_users_settings.cache_clear()
    with taking_mails(path) as kept:
        yield kept
    parser.clear()
    parser.read_dict(before)
    settings.apply_users_settings.cache_clear()


@pytest.fixture
def listed(tmp_path: Path) -> ListedSet:
    return draw_list(tmp_path / "data", images=2)


def test_a_command_that_fails_in_forty_tasks_sends_one_mail(
    mails: list[EmailMessage], listed: ListedSet, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = tuple(TransientError(f"task {number} failed") for number in range(40))
    outcome = Outcome(complete=False, interrupted=False, failures=failures)
    monkeypatch.setattr(inprocess._InProcess, "run", lambda *_: outcome)
    assert listed.prepare_here(out).returncode == 1
    (arrived,) = mails
    text = text_of(arrived)
    assert [text.count(f"task {number} failed") for number in range(40)] == [1] * 40
    assert f"out: {out}\nexit status: 1\n" in text
    assert arrived["Subject"].startswith("[night] shardmill imagelist on ")
    assert arrived["Subject"].endswith(" ended with status 1")
    assert arrived["To"] == "someone@example.org"


def test_luigis_own_mails_are_not_sent(mails: list[EmailMessage]) -> None:
    settings.apply_shipped_settings()
    assert mail.send("one", "text") == ""
    assert len(mails) == 1
    settings.send_no_mails()  # as each worker does
    assert mail.send("another", "text") == ""
    assert len(mails) == 1


def test_a_refusal_before_work_is_mailed(
    mails: list[EmailMessage], listed: ListedSet, out: Path
) -> None:
    assert listed.prepare_here(out, "--resize", "1", "--split", "nosuch").returncode == 2
    (arrived,) = mails
    assert "--split" in text_of(arrived)


def test_of_what_is_no_failure_no_mail_is_sent(
    mails: list[EmailMessage], listed: ListedSet, out: Path
) -> None:
    assert listed.prepare_here(out).returncode == 0
    next(listed.root.rglob("*.jpg")).write_bytes(b"no image")
    assert listed.prepare_here(out, "--on-bad-image", "skip").returncode == 4
    assert listed.prepare_here(out, "--dry-run", "--split", "nosuch").returncode == 2
    assert mails == []


def test_a_mail_that_cannot_be_sent_is_said_and_changes_nothing(
    mails: list[EmailMessage], listed: ListedSet, out: Path, tmp_path: Path
) -> None:
    port = closed_port()
    (tmp_path / "mail.cfg").write_text(
        "[email]\nreceiver = someone@example.org\nforce_send = true\n"
        f"[smtp]\nhost = 127.0.0.1\nport = {port}\npassword = word\nusername = me\n"
    )
    ran = listed.prepare_here(out, "--quiet", "--split", "nosuch")
    assert ran.returncode == 2
    assert "the mail of this failure was not sent: Not able to connect" in ran.stderr
    assert "word" not in ran.stderr
    assert mails == []


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def test_settings_of_the_working_folder_send_no_mail(
    mails: list[EmailMessage],
    listed: ListedSet,
    out: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "mail.cfg").rename(tmp_path / "luigi.cfg")
    monkeypatch.delenv("LUIGI_CONFIG_PATH")
    monkeypatch.chdir(tmp_path)
    assert listed.prepare_here(out, "--split", "nosuch").returncode == 2
    assert mails == []


def test_a_mail_has_a_hundred_failures_at_most() -> None:
    text = mail.text_of(["head"], [f"failure {number}" for number in range(150)])
    assert text.startswith("head\n\nfailure 0\n")
    assert text.count("failure") == 100
    assert text.endswith("and 50 more: the log has them\n")
