"""Processes that are killed while they publish into a real store, and several at once."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from functools import partial

import pytest
from faultproxy import rule
from outputbucket import Output

from pipeline import storage
from pipeline.errors import RemoteUnavailable
from pipeline.storage import Remote, StagedFile, scratch
from pipeline.storage.s3 import retries

pytest_plugins = ["outputstores"]
FILES = ("a.tar", "a.idx", "a.json")  # the last is the mark


def forked(work: Callable[[], object]) -> int:
    """Run something in a process of its own; return its number."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return child


def status_of(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def publish(folder: Remote, content: bytes) -> None:
    files = [StagedFile(folder / name) for name in FILES]
    for file in files:
        file.write(content)
    storage.publish(*files)


def content_of(number: int) -> bytes:
    return random.Random(number).randbytes(50_000)


def test_a_mark_is_there_only_with_its_files_whenever_the_process_is_killed(
    output: Output,
) -> None:
    def work(start: int) -> None:
        for number in range(start, start + 100):
            publish(output.place / f"{number:04d}", content_of(number))

    publish(output.place / "0999", content_of(999))  # boto3 reads its models once
    chance = random.Random(15)
    for start in range(0, 600, 100):
        child = forked(partial(work, start))
        time.sleep(chance.uniform(0.1, 0.5))
        os.kill(child, signal.SIGKILL)
        assert status_of(child) == -signal.SIGKILL
    names = set(output.bucket.names())
    marks = [name for name in names if name.endswith("a.json")]
    assert len(marks) >= 6
    for name in names:
        folder = name.partition("/")[0]
        assert output.bucket.content(name) == content_of(int(folder))
        assert not name.endswith("a.json") or names >= {f"{folder}/{each}" for each in FILES}


def test_what_a_killed_process_has_staged_is_swept_by_the_next(output: Output) -> None:
    def work() -> None:
        staged = StagedFile(output.place / "a.tar")
        staged.write(b"content")
        os.kill(os.getpid(), signal.SIGKILL)

    assert status_of(forked(work)) == -signal.SIGKILL
    assert len(output.temporary_files()) == 1
    scratch._ready.clear()  # as in a new process
    publish(output.place, b"content")
    assert [name for name in output.temporary_files() if f"-{os.getpid()}-" not in name] == []


def test_several_writers_of_one_set_leave_it_whole(output: Output) -> None:
    children = [forked(lambda: publish(output.place, b"content" * 10_000)) for _ in range(4)]
    assert [status_of(child) for child in children] == [0] * 4
    assert sorted(output.bucket.names()) == sorted(FILES)
    assert {output.bucket.content(name) for name in FILES} == {b"content" * 10_000}


def test_several_processes_fetch_one_table_at_once(output: Output) -> None:
    content = content_of(1) * 40
    output.bucket.put("plan.arrow", content=content)
    place = output.place / "plan.arrow"
    storage.sizes(output.place)

    def work() -> None:
        assert storage.local_copy(place).read_bytes() == content

    output.proxy.follow(rule("delay", "GET .*plan.arrow", seconds=0.3))
    children = [forked(work) for _ in range(4)]
    assert [status_of(child) for child in children] == [0] * 4
    assert len(list((output.scratch).rglob("*plan.arrow"))) == 1
    assert output.temporary_files() == []
    asked = len(output.requests())
    work()
    assert len(output.requests()) == asked


def test_a_copy_that_was_cut_is_no_copy(output: Output) -> None:
    content = content_of(2)
    output.bucket.put("plan.arrow", content=content)
    place = output.place / "plan.arrow"
    output.proxy.follow(rule("cut", "GET .*plan.arrow", after=10_000, times=2))
    assert storage.local_copy(place).read_bytes() == content

    def work() -> None:
        storage.local_copy(place)

    output.bucket.put("plan.arrow", content=content_of(3))
    storage.renew()
    storage.sizes(output.place)
    output.proxy.follow(rule("delay", "GET .*plan.arrow", seconds=30))
    child = forked(work)
    time.sleep(0.5)
    os.kill(child, signal.SIGKILL)
    status_of(child)
    output.proxy.follow()
    assert storage.local_copy(place).read_bytes() == content_of(3)


@pytest.mark.parametrize("name", ["a.tar", "a.json"])
def test_a_put_whose_answers_are_all_lost_is_asked_about(
    output: Output, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(retries, "TRIES", 2)
    monkeypatch.setattr(retries, "FIRST_TRIES", 2)
    output.proxy.follow(rule("lose", f"PUT .*{name}"))
    publish(output.place, b"content")
    assert sorted(output.bucket.names()) == sorted(FILES)
    assert output.requests().count("LIST") == 1
    output.proxy.follow(rule("reset", f"PUT .*{name}"))
    with pytest.raises(RemoteUnavailable, match=name):
        publish(output.place, b"CONTENT")
    assert output.bucket.content("a.json") == b"content"
