"""Small objects that are read as a whole, many at a time and each once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from loopback import ETAG, Loopback, answer

from pipeline.storage.fileinfo import FileInfo
from pipeline.storage.http import contents
from pipeline.storage.http.contents import Contents
from pipeline.storage.http.objects import RemoteObject
from pipeline.storage.http.retries import Patience
from pipeline.storage.http.transfer import Transfer
from pipeline.storage.location import Remote

CONTENT = b"content"
PLACES = [Remote("s3", "bucket", f"marks/{number}.json") for number in range(5)]
INFO = FileInfo(len(CONTENT), ETAG)


@dataclass
class Known:
    """Says of each name that it is the one object of a server, but of those that are gone."""

    server: Loopback
    gone: set[str] = field(default_factory=set)
    looked_again: list[str] = field(default_factory=list)

    def location(self, source: str) -> Remote:
        return PLACES[0].parent / source

    def find(self, source: str, *, again: bool = False) -> RemoteObject | None:
        if again:
            self.looked_again.append(source)
            if source in self.gone:
                return None
        return RemoteObject(source, self.server.url, len(CONTENT), ETAG)

    def renew(self, _source: str, stale: RemoteObject, /) -> RemoteObject:
        return stale


@pytest.fixture
def known() -> Iterator[Known]:
    with Loopback(CONTENT) as server:
        yield Known(server)


@pytest.fixture
def transfer() -> Iterator[Transfer]:
    with Transfer(patience=Patience(first=0.0)) as transfer:
        yield transfer


def read(of: Contents, known: Known, transfer: Transfer, info: FileInfo = INFO) -> list[Remote]:
    read = of.read(dict.fromkeys(PLACES, info), lambda _: known, transfer)
    assert set(read.values()) <= {CONTENT}
    return list(read)


def test_each_is_fetched_once_for_as_long_as_it_is_the_same(
    known: Known, transfer: Transfer
) -> None:
    of = Contents()
    for _ in range(2):
        assert sorted(read(of, known, transfer)) == PLACES
    assert len(known.server.seen) == len(PLACES)
    assert sorted(read(of, known, transfer, FileInfo(7, "another"))) == PLACES
    assert len(known.server.seen) == 2 * len(PLACES)


def test_what_is_replaced_or_gone_since_it_was_listed_is_looked_at_again(known: Known) -> None:
    known.server.script.extend([answer(412), answer(404)])
    known.gone.add(PLACES[1].name)
    with Transfer(1) as one_at_a_time:  # so that the answers fall on the first two
        contents_read = read(Contents(), known, one_at_a_time)
    assert sorted(contents_read) == [PLACES[0], *PLACES[2:]]
    assert sorted(known.looked_again) == ["0.json", "1.json"]


def test_what_is_replaced_again_and_again_is_given_up(known: Known, transfer: Transfer) -> None:
    known.server.script.extend([answer(412)] * 100)
    assert read(Contents(), known, transfer) == []
    assert len(known.server.seen) == 4 * len(PLACES)


def test_an_empty_object_takes_no_request(known: Known, transfer: Transfer) -> None:
    of = Contents().read({PLACES[0]: FileInfo(0, "e")}, lambda _: known, transfer)
    assert of == {PLACES[0]: b""}
    assert known.server.seen == []


def test_no_more_is_kept_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "MOST_KEPT", 100)
    monkeypatch.setattr(contents, "_LARGEST_KEPT", 50)
    of = Contents()
    for place in PLACES:
        of.keep(place, INFO, b"x" * 40)
    of.keep(PLACES[4], INFO, b"y" * 40)
    of.keep(PLACES[0], INFO, b"x" * 51)
    assert [of.kept(place, INFO) is not None for place in PLACES] == [False] * 3 + [True] * 2
