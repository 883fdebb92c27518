"""What a process knows of a store, and how many questions that takes: no server is asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from pipeline.storage.location import Remote
from pipeline.storage.s3 import kept
from pipeline.storage.s3.kept import Listings, by_folder, is_withdrawn
from pipeline.storage.s3.listing import Listing, ObjectInfo
from pipeline.storage.s3.settings import Settings

OUT = Remote("s3", "bucket", "out")
X = ObjectInfo(1, "x")
EMPTY = ObjectInfo(0, "empty")


@dataclass
class Store:
    """Objects below `OUT` by their names, and which questions were asked."""

    objects: dict[str, ObjectInfo] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def walk(self, _: object, folder: Remote) -> Iterator[tuple[str, ObjectInfo]]:
        self.asked.append("walk")
        assert folder == OUT
        yield from sorted(self.objects.items())

    def read_folder(self, _: object, folder: Remote) -> Listing:
        self.asked.append(folder.name)
        return by_folder(OUT, self.objects.items()).get(folder, Listing())

    def find(self, _: object, place: Remote) -> ObjectInfo | None:
        self.asked.append(place.name)
        return self.objects.get(place.relative_to(OUT))


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    store = Store()
    for name in ("walk", "read_folder", "find"):
        monkeypatch.setattr(kept, name, getattr(store, name))
    monkeypatch.setattr(kept, "stat", store.find)
    return store


@pytest.fixture
def known(store: Store) -> Listings:
    known = Listings(Settings(endpoint="http://127.0.0.1:1"))
    known.watch(OUT)
    return known


def test_objects_are_put_into_their_folders() -> None:
    listings = by_folder(OUT, [("a", X), ("b/c", X), ("b/d/e/f", X)])
    assert listings == {
        OUT: Listing({"a": X}, {"b"}),
        OUT / "b": Listing({"c": X}, {"d"}),
        OUT / "b/d": Listing({}, {"e"}),
        OUT / "b/d/e": Listing({"f": X}),
    }
    assert by_folder(OUT, []) == {OUT: Listing()}


@pytest.mark.parametrize(
    ("name", "withdrawn"),
    [
        *((name, True) for name in ("00001.json", "facts.arrow", "facts.parquet", "current")),
        *((name, False) for name in ("a.tar", "a.idx", "a.lst", "a.csv", "a.txt", "a.tsv")),
    ],
)
def test_only_what_is_never_empty_can_be_withdrawn(name: str, withdrawn: bool) -> None:
    assert is_withdrawn(name, 0) == withdrawn
    assert not is_withdrawn(name, 1)


def test_one_walk_answers_for_everything_below(store: Store, known: Listings) -> None:
    store.objects = {"a/1.json": X, "a/2.json": EMPTY, "b/c/d": X}
    for _ in range(2):
        assert known.stat(OUT / "a/1.json") == X
        assert known.stat(OUT / "a/2.json") is None  # withdrawn
        assert known.stat(OUT / "none/of/it") is None
        assert known.of(OUT / "b") == Listing({}, {"c"})
    assert store.asked == ["walk"]
    known.renew()
    assert known.of(OUT / "none") == Listing()
    assert store.asked == ["walk", "walk"]


def test_of_too_many_objects_folders_are_listed_and_the_walk_is_not_repeated(
    store: Store, known: Listings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "AT_ONCE", 2)
    store.objects = {"a/1": X, "a/2": X, "b/3": X}
    for _ in range(2):
        assert known.stat(OUT / "a/1") == X
        assert known.stat(OUT / "b/1") is None
        known.renew()
    assert store.asked == ["walk", "a", "b", "a", "b"]


def test_what_was_written_is_known_in_new_folders_too(store: Store, known: Listings) -> None:
    assert known.of(OUT) == Listing()
    known.wrote(OUT / "a/b/c.json", X)
    assert known.of(OUT).folders == {"a"}
    assert known.of(OUT / "a").folders == {"b"}
    assert known.stat(OUT / "a/b/c.json") == X
    known.removed(OUT / "a/b/c.json")
    assert known.stat(OUT / "a/b/c.json") is None
    assert store.asked == ["walk"]


def test_one_object_is_renewed_by_one_question(store: Store, known: Listings) -> None:
    known.renew_one(OUT / "a/1")
    assert store.asked == []  # nothing is known that could be old
    assert known.of(OUT) == Listing()
    store.objects = {"a/1": X, "a/2": X}
    known.renew_one(OUT / "a/1")
    assert known.of(OUT / "a") == Listing({"1": X})
    assert known.of(OUT).folders == {"a"}
    store.objects = {"a/2": X}
    known.renew_one(OUT / "a/1")
    assert known.of(OUT / "a") == Listing()
    assert store.asked == ["walk", "1", "1"]


def test_what_nobody_watches_is_asked_for_each_time(store: Store, known: Listings) -> None:
    elsewhere = Listings(Settings(endpoint="http://127.0.0.1:1"))
    store.objects = {"a/1.json": EMPTY, "a/2.tar": X}
    for _ in range(2):
        assert elsewhere.stat(OUT / "a/1.json") is None
        assert elsewhere.stat(OUT / "a/2.tar") == X
    assert store.asked == ["1.json", "2.tar"] * 2


def test_what_is_put_while_the_store_is_asked_is_not_forgotten(
    store: Store, known: Listings
) -> None:
    asked, putting, put = threading.Event(), threading.Event(), OUT / "mark.json"

    def write() -> None:
        asked.wait()
        putting.set()
        known.wrote(put, X)

    def walk(client: object, folder: Remote) -> Iterator[tuple[str, ObjectInfo]]:
        yield from Store.walk(store, client, folder)  # without what is put
        asked.set()
        putting.wait()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept, "walk", walk)
        thread = threading.Thread(target=write)
        thread.start()
        known.of(OUT)
        thread.join()
    assert known.stat(put) == X
