"""An output folder in a real store, by the functions that have one on a disk, too."""

from __future__ import annotations

import hashlib
import random
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest
from botocore.exceptions import ClientError
from faultproxy import SLOW_DOWN, rule
from outputbucket import Output

from pipeline import manifest, storage
from pipeline.errors import OutputDamaged, RemoteUnavailable, TransientError, Vanished
from pipeline.storage import StagedFile
from pipeline.storage.s3 import kept

pytest_plugins = ["outputstores"]
MIB = 1 << 20


@dataclass(frozen=True)
class Mark:
    """A mark that says nothing but its files."""

    files: tuple[manifest.FileEntry, ...] = ()


def drawn(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def publish(output: Output, *names: str, content: bytes = b"content") -> None:
    """Publish files below the output folder, the last of them as the mark."""
    with ExitStack() as stack:
        staged = [stack.enter_context(StagedFile(output.place / name)) for name in names]
        for file in staged:
            file.write(content)
        storage.publish(*staged)


def test_files_get_their_names_before_their_mark_does(output: Output) -> None:
    publish(output, "set/a.tar", "set/a.idx", "state/a.json")
    assert output.requests() == ["PUT"] * 3
    asked = [each.request.partition("?")[0].rpartition("/")[2] for each in output.proxy.passed()]
    assert asked == ["a.tar", "a.idx", "a.json"]
    assert output.bucket.content("set/a.tar") == b"content"
    assert output.temporary_files() == []


def test_what_is_staged_is_nowhere_in_the_store(output: Output) -> None:
    with StagedFile(output.place / "set/a.tar") as staged:
        staged.write(b"content")
        assert len(output.temporary_files()) == 1
    assert output.bucket.names() == []
    assert output.temporary_files() == []
    assert output.requests() == []


def test_all_ways_to_write_give_the_bytes_and_hashes_of_a_local_file(
    output: Output, tmp_path: Path
) -> None:
    for place in (output.place / "set/a.bin", tmp_path / "a.bin"):
        with StagedFile(place) as staged:
            staged.write(drawn(MIB), drawn(10))
            with staged.stream() as stream:
                stream.write(drawn(3 * MIB))
            if staged.size:
                staged.write_at(5, b"over")
            content_hash = staged.content_hash
            storage.publish(staged)
    assert output.bucket.content("set/a.bin") == (tmp_path / "a.bin").read_bytes()
    assert content_hash == manifest.hash_file(tmp_path / "a.bin")
    assert content_hash == manifest.hash_file(output.place / "set/a.bin")


def test_own_writes_are_known_without_a_question(output: Output) -> None:
    assert storage.sizes(output.place / "set") == {}
    output.proxy.follow()
    publish(output, "set/a.tar", "state/a.json")
    assert storage.sizes(output.place / "set") == {"a.tar": 7}
    assert storage.documents(output.place / "state") == [output.place / "state/a.json"]
    assert storage.folders(output.place) == ["set", "state"]
    assert storage.kind(output.place / "set") == "folder"
    assert storage.kind(output.place / "set/a.tar") == "file"
    assert storage.kind(output.place / "set/b.tar") is None
    assert not storage.is_empty(output.place)
    info = storage.stat(output.place / "set/a.tar")
    assert info == storage.FileInfo(7, hashlib.md5(b"content").hexdigest())
    assert output.requests() == ["PUT", "PUT"]


def test_all_folders_are_known_by_one_walk(output: Output) -> None:
    output.bucket.put("a/1.json", "a/2.json", "b/c/3", ".shardmill/jobs/4.json")
    assert storage.folders(output.place) == [".shardmill", "a", "b"]
    assert storage.folders(output.place / "b") == ["c"]
    assert storage.sizes(output.place / "b/c") == {"3": 1}
    assert storage.sizes(output.place / "none") == {}
    assert storage.stat(output.place / "a/3.json") is None
    assert [entry.kind for entry in storage.entries(output.place / "b")] == ["folder"]
    assert output.requests() == ["LIST"]


def test_objects_that_no_address_has_are_passed_over(output: Output) -> None:
    """Other programs put such objects there; SeaweedFS and rclone take some of them."""
    output.bucket.put("a.json")
    for name in ("b//c.json", "d/./e.json", "f/", "/g"):
        with suppress(ClientError):
            key = f"{output.place.key}/{name}"
            output.bucket.plain.put_object(Bucket=output.place.host, Key=key, Body=b"")
    assert storage.documents(output.place) == [output.place / "a.json"]
    for folder in storage.folders(output.place):
        for entry in storage.entries(output.place / folder):
            assert storage.kind(output.place / folder / entry.name) == entry.kind


def test_what_is_too_much_for_a_walk_is_listed_by_folders(
    output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "AT_ONCE", 3)
    output.bucket.put("a/1.json", "a/2.json", "b/c/3", "d")
    for _ in range(2):
        assert storage.sizes(output.place / "a") == {"1.json": 1, "2.json": 1}
        assert storage.folders(output.place) == ["a", "b"]
    assert output.requests() == ["LIST"] * 3
    storage.renew()
    assert storage.sizes(output.place / "b") == {}
    assert output.requests() == ["LIST"] * 4


def test_writes_of_others_are_seen_when_asked_for_anew(output: Output) -> None:
    storage.renew()
    assert storage.is_empty(output.place)
    output.bucket.put("a/1.json", "a/2.json")
    assert storage.is_empty(output.place)
    storage.renew(after_s=3600)
    assert storage.is_empty(output.place)
    storage.renew()
    assert storage.sizes(output.place / "a") == {"1.json": 1, "2.json": 1}
    assert output.requests() == ["LIST"] * 2


def test_a_pointer_is_an_object_that_holds_a_name(output: Output) -> None:
    link = output.place / "tfrecord/train/current"
    assert storage.pointed(link) is None
    storage.point(link, "0123456789ab")
    assert output.bucket.content("tfrecord/train/current") == b"0123456789ab\n"
    assert storage.pointed(link) == "0123456789ab"
    storage.point(link, "ba9876543210")
    assert storage.pointed(link) == "ba9876543210"
    storage.remove(output.place, link)
    assert storage.pointed(link) is None


def test_what_a_run_takes_away_counts_as_absent_without_a_right_to_delete(output: Output) -> None:
    publish(output, "set/a.tar", "state/a.json")
    mark = output.place / "state/a.json"
    storage.remove(output.place, mark)
    storage.remove(output.place, output.place / "state/none.json")
    for _ in range(2):
        assert storage.stat(mark) is None
        assert storage.kind(mark) is None
        assert storage.documents(mark.parent) == []
        assert storage.entries(mark.parent) == []
        assert storage.read_many([mark]) == {}
        storage.renew()
    assert "DELETE" not in output.requests()
    assert "POST" not in output.requests()
    assert output.bucket.content("state/a.json") == b""
    publish(output, "state/a.json")
    assert storage.stat(mark) is not None


def test_a_mark_that_is_superseded_never_stands_beside_other_files(output: Output) -> None:
    """A kill between the two leaves no mark, though nothing may be deleted."""
    publish(output, "a.tar", "a.json")
    with StagedFile(output.place / "a.tar") as file, StagedFile(output.place / "a.json") as mark:
        file.write(b"CONTENT")
        mark.write(b"CONTENT")
        output.proxy.follow(rule("answer", "PUT .*a.tar", status=403))
        with pytest.raises(Exception, match=r"a\.tar"):
            storage.publish(file, mark, superseding=True)
    storage.renew()
    assert storage.stat(output.place / "a.json") is None
    assert output.bucket.content("a.tar") == b"content"


def test_small_files_are_read_at_once_and_each_once(output: Output) -> None:
    names = [f"{number:05d}.json" for number in range(40)]
    for name in names:
        output.bucket.put(f"marks/{name}", content=name.encode())
    output.proxy.follow(rule("delay", "^GET /[^?]*/marks/", seconds=0.3))
    marks = storage.documents(output.place / "marks")
    contents = storage.read_many(marks)
    assert [contents[mark] for mark in marks] == [name.encode() for name in names]
    assert output.proxy.most_under_way() > 10
    for mark in marks:
        assert storage.read_bytes(mark) == mark.name.encode()
    assert output.requests() == ["LIST", *["GET"] * 40]
    output.bucket.put("marks/00007.json", content=b"another")
    storage.renew()
    output.proxy.follow()
    assert storage.read_many(marks)[marks[7]] == b"another"
    assert output.requests() == ["LIST", "GET"]


def test_what_was_replaced_since_it_was_listed_is_read_as_it_is_now(output: Output) -> None:
    place = output.place / "current"
    output.bucket.put("current", content=b"old\n")
    assert storage.sizes(output.place) == {"current": 4}
    output.bucket.put("current", content=b"newer\n")
    assert storage.read_bytes(place) == b"newer\n"
    output.bucket.plain.delete_object(Bucket=place.host, Key=place.key)
    with pytest.raises(Vanished, match="current"):
        storage.read_bytes(place)


def test_a_document_of_too_many_bytes_is_not_read(output: Output) -> None:
    output.bucket.put("a.json", content=b"x" * 100)
    with pytest.raises(OutputDamaged, match="at most 99 bytes"):
        storage.read_bytes(output.place / "a.json", most=99)
    assert storage.read_bytes(output.place / "a.json", most=100) == b"x" * 100
    with pytest.raises(Vanished, match=r"none\.json"):
        storage.read_bytes(output.place / "none.json")


def test_a_table_is_fetched_once_and_read_as_a_local_file(output: Output) -> None:
    table = pa.table({"a": range(1000)})
    place = output.place / "plans/train.arrow"
    with StagedFile(place) as staged:
        with staged.stream() as stream, pa.ipc.new_file(stream, table.schema) as writer:
            writer.write_table(table)
        storage.publish(staged)
    output.proxy.follow()
    for _ in range(2):
        with storage.open_arrow(place) as file:
            assert pa.ipc.open_file(file).read_all() == table
    copy = storage.local_copy(place)
    assert copy.stat().st_size == staged.size
    assert copy.is_relative_to(output.scratch)
    assert output.requests() == ["LIST", "GET"] or output.requests() == ["GET"]
    assert output.temporary_files() == []


def test_a_copy_of_an_object_that_was_replaced_is_another_file(output: Output) -> None:
    output.bucket.put("plan.arrow", content=b"old")
    first = storage.local_copy(output.place / "plan.arrow")
    output.bucket.put("plan.arrow", content=b"new")
    second = storage.local_copy(output.place / "plan.arrow")  # what was listed is told by its bytes
    assert (first.read_bytes(), second.read_bytes()) == (b"old", b"old")
    storage.renew()
    third = storage.local_copy(output.place / "plan.arrow")
    assert (second.read_bytes(), third.read_bytes()) == (b"old", b"new")
    with pytest.raises(Vanished, match=r"none\.arrow"):
        storage.local_copy(output.place / "none.arrow")


@pytest.mark.parametrize(
    "fault",
    [
        rule("reset", "^PUT", times=2),
        rule("lose", "^PUT", times=2),
        rule("answer", "^PUT", status=503, body=SLOW_DOWN, times=2),
    ],
    ids=lambda fault: str(fault["fault"]),
)
def test_what_passes_is_survived(output: Output, fault: dict[str, object]) -> None:
    output.proxy.follow(fault)
    publish(output, "a.tar", "a.json")
    assert output.requests() == ["PUT"] * 4
    assert output.bucket.content("a.tar") == output.bucket.content("a.json") == b"content"


def test_bytes_that_changed_on_the_disk_of_this_host_are_never_published(output: Output) -> None:
    with StagedFile(output.place / "a.tar") as file, StagedFile(output.place / "a.json") as mark:
        file.write(drawn(MIB))
        mark.write(b"{}")
        with file.temp.open("r+b") as spoiled:
            spoiled.seek(1000)
            spoiled.write(b"spoiled")
        with pytest.raises(TransientError, match=r"(?s)a\.tar.*BadDigest"):
            storage.publish(file, mark)
    assert output.bucket.names() == []


def test_without_its_files_there_is_no_mark(output: Output) -> None:
    output.proxy.follow(rule("answer", "PUT .*b.idx", status=503, body=SLOW_DOWN))
    with pytest.raises(RemoteUnavailable, match=r"b\.idx"):
        publish(output, "a.tar", "b.idx", "c.json")
    assert output.bucket.names() == ["a.tar"]
    assert output.temporary_files() == []


def test_a_removal_takes_what_is_owned_and_what_was_withdrawn_and_nothing_else(
    output: Output,
) -> None:
    output.bucket.put("set/a.tar", "set/deep/b.tar", "set/mine.txt", "set/yours/c.tar")
    publish(output, "set/a.json")
    storage.remove(output.place, output.place / "set/a.json")
    storage.renew()
    plan = storage.plan_folder(
        output.place, output.place / "set", lambda place: place.name not in {"mine.txt", "yours"}
    )
    names = [storage.relative(item.path, output.place) for item in plan.items]
    assert names == ["set/a.json", "set/a.tar", "set/deep/b.tar"]
    assert [str(place) for place in plan.strangers] == [
        f"{output.place}/set/mine.txt",
        f"{output.place}/set/yours",
    ]
    output.bucket.put("set/a.tar", content=b"replaced since")
    outcome = storage.carry_out(plan)
    assert [item.path.name for item in outcome.kept] == ["a.tar"]
    assert [item.path.name for item in outcome.removed] == ["a.json", "b.tar"]
    assert sorted(output.bucket.names()) == ["set/a.tar", "set/mine.txt", "set/yours/c.tar"]
    again = storage.plan_files(output.place, [output.place / "set/a.tar", output.place / "none"])
    assert (again.files, again.bytes) == (1, 1)  # as it was listed
    storage.renew()
    again = storage.plan_files(output.place, [output.place / "set/a.tar", output.place / "none"])
    assert (again.files, again.bytes) == (1, 14)
    storage.carry_out(again)
    assert storage.stat(output.place / "set/a.tar") is None


def test_a_copy_that_was_damaged_here_is_fetched_again(output: Output) -> None:
    """The object is sound: it must not be taken for damaged again and again."""
    table = pa.table({"a": range(1000)})
    place = output.place / "plan.arrow"
    with StagedFile(place) as staged:
        with staged.stream() as stream, pa.ipc.new_file(stream, table.schema) as writer:
            writer.write_table(table)
        manifest.publish([staged], output.place / "plan.json", output.place, {})
    copy = storage.local_copy(place)
    copy.write_bytes(b"\0" * staged.size)
    with pytest.raises(OutputDamaged, match=str(place)), storage.open_arrow(place) as file:
        pa.ipc.open_file(file)
    with storage.open_arrow(place) as file:
        assert pa.ipc.open_file(file).read_all() == table
    copy.write_bytes(b"\0" * staged.size)
    manifest.read_checked(output.place / "plan.json", output.place, Mark)
    assert manifest.hash_file(copy) == staged.content_hash


def test_many_tables_are_fetched_at_once(output: Output) -> None:
    for number in range(20):
        output.bucket.put(f"facts/{number}.arrow", content=bytes([number]) * 100)
    places = [output.place / f"facts/{number}.arrow" for number in range(20)]
    output.proxy.follow(rule("delay", "^GET /[^?]*/facts/", seconds=0.3))
    for _ in range(2):
        copies = storage.local_copies(places)
        assert [path.read_bytes() for path in copies] == [bytes([n]) * 100 for n in range(20)]
    assert output.requests() == ["LIST", *["GET"] * 20]
    assert output.proxy.most_under_way() > 5
    with pytest.raises(Vanished):
        storage.local_copies([*places, output.place / "facts/20.arrow"])
