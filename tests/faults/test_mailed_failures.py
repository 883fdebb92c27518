"""A command that has failed in many tasks sends one mail, and its workers send none."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest
from drawnlists import draw_list
from mailserver import taking_mails, text_of

from pipeline.catalog import order
from pipeline.errors import TransientError
from tasks.run import supervisor
from tasks.shards import WriteShards


def test_forty_failed_tasks_are_one_mail(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(task: WriteShards) -> NoReturn:
        raise TransientError("a test has it fail", file=task.task_id)

    monkeypatch.setattr(WriteShards, "make", fail)  # the worker and its tasks are forks of this
    monkeypatch.setattr(order, "shards_at_once", lambda *_: 1)
    monkeypatch.setattr(supervisor, "_IDLE_LAUNCHES", 1)
    settings = tmp_path / "mail.cfg"
    monkeypatch.setenv("LUIGI_CONFIG_PATH", str(settings))
    listed = draw_list(tmp_path / "data", images=40)
    with taking_mails(settings) as mails:
        with settings.open("a") as file:
            file.write("[scheduler]\nretry_count = 1\n[worker]\nkeep_alive = false\n")
        ran = listed.prepare(out, "--shards", 40, "--workers", 2)
    assert (ran.returncode, ran.stderr.count("a test has it fail")) == (1, 40)
    (arrived,) = mails
    assert text_of(arrived).count("a test has it fail") == 40
