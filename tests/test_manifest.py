"""Manifests: sealed documents, and what "done" means."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import Mock, call

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from pipeline import manifest, storage
from pipeline.documents import kinds
from pipeline.documents.shards import ShardMark
from pipeline.errors import OutputDamaged, Vanished
from pipeline.manifest import FileEntry

DOCUMENT = {"split": "train", "text": "zürich \x1f", "shards": [{"bytes": 3}], "seed": None}
SEALED = manifest.serialise(DOCUMENT)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    # Halves of surrogate pairs cannot be written as UTF-8.
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("az \x1f"), inner, max_size=3)
    ),
    max_leaves=8,
)


@dataclass(frozen=True)
class Named:
    """A document that says nothing but its files."""

    files: tuple[FileEntry, ...]


def publish(path: Path, entries: list[FileEntry]) -> Path:
    document = {"files": [entry.to_json() for entry in entries]}
    storage.publish_bytes(path, manifest.serialise(document))
    return path


@given(st.dictionaries(st.sampled_from("abc"), JSON))
def test_a_document_is_written_with_a_value_a_line(document: dict[str, object]) -> None:
    content = manifest.serialise(document)
    sealed = json.loads(content)
    text = json.dumps(sealed, indent=1, sort_keys=True, ensure_ascii=False)
    assert content == f"{text}\n".encode()
    assert manifest.parse(content, Path("mark.json")) == sealed


@pytest.fixture
def entries(tmp_path: Path) -> list[FileEntry]:
    """Files in two folders."""
    found = []
    for name in ("a", "idx/a", "b"):
        storage.publish_bytes(tmp_path / name, name.encode())
        found.append(FileEntry(name, len(name), manifest.hash_bytes(name.encode())))
    return found


class TestPublish:
    def test_the_mark_names_the_files_that_were_there_and_then_its_own(
        self, tmp_path: Path, entries: list[FileEntry]
    ) -> None:
        folder = tmp_path / "idx"
        with storage.StagedFile(folder / "two") as one, storage.StagedFile(tmp_path / "c") as two:
            one.write(b"first")
            said = manifest.publish(
                [one, two], tmp_path / "m", tmp_path, {"split": "train"}, listed=entries
            )
        assert manifest.serialise(said) == (tmp_path / "m").read_bytes()
        assert said["split"] == "train"
        named = manifest.read_checked(tmp_path / "m", tmp_path, Named).files
        assert [entry.file for entry in named] == ["a", "idx/a", "b", "idx/two", "c"]
        assert list(named[:3]) == entries
        assert [entry.bytes for entry in named[3:]] == [5, 0]

    def test_a_file_is_named_as_it_is_known(self, tmp_path: Path) -> None:
        place, known_as = tmp_path / "disk" / "real", tmp_path / "out" / "link"
        with storage.StagedFile(place, known_as) as staged:
            manifest.publish([staged], tmp_path / "m", tmp_path / "out", {})
        assert place.read_bytes() == b""
        assert [each.file for each in manifest.read(tmp_path / "m", Named).files] == ["link"]

    def test_a_mark_that_cannot_be_written_leaves_no_file(self, tmp_path: Path) -> None:
        with storage.StagedFile(tmp_path / "a") as staged, pytest.raises(TypeError):
            manifest.publish([staged], tmp_path / "m", tmp_path, {"split": object()})
        assert os.listdir(tmp_path) == []


class TestSeal:
    def test_a_document_comes_back_with_its_hash(self) -> None:
        found = manifest.parse(SEALED, Path("m"))
        assert found.pop("self_xxh3_128")
        assert found == DOCUMENT

    def test_the_bytes_depend_on_the_document_alone(self) -> None:
        assert manifest.serialise(dict(reversed(DOCUMENT.items()))) == SEALED
        assert manifest.serialise(manifest.parse(SEALED, Path("m"))) == SEALED

    def test_the_hash_is_that_of_the_dense_sorted_document(self) -> None:
        dense = json.dumps(DOCUMENT, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        expected = xxhash.xxh3_128_hexdigest(dense.encode())
        assert manifest.parse(SEALED, Path("m"))["self_xxh3_128"] == expected

    @given(st.integers(0, len(SEALED) - 1), st.integers(1, 255))
    def test_any_changed_byte_is_noticed(self, place: int, change: int) -> None:
        damaged = bytearray(SEALED)
        damaged[place] ^= change
        with pytest.raises(OutputDamaged) as refusal:
            manifest.parse(bytes(damaged), Path("m"))
        assert refusal.value.file == "m"

    @pytest.mark.parametrize("length", range(0, len(SEALED), 7))
    def test_a_manifest_that_was_cut_off_is_noticed(self, length: int) -> None:
        with pytest.raises(OutputDamaged):
            manifest.parse(SEALED[:length], Path("m"))

    @pytest.mark.parametrize(
        "content", [b"[]", b"5", b'{"a": NaN}', rb'{"a": "\ud800"}', b"[" * 100_000, b"\xff"]
    )
    def test_what_this_program_never_writes_is_noticed(self, content: bytes) -> None:
        with pytest.raises(OutputDamaged):
            manifest.parse(content, Path("m"))

    @pytest.mark.parametrize(
        "change",
        [{"file": name} for name in ("", ".", "../a", "a/..", "a/./b", "a//b", "a/", "/a", None)]
        + [{"file": name} for name in ("a\0", "a\n", "a\x1b[2J", "a\u2028", "a" * 256, "a/" * 999)]
        + [{"bytes": size} for size in (-1, 10**30, "1", 1.0, None, True)]
        + [{"xxh3_128": value} for value in (1, "", "0" * 31, "0" * 33, "G" * 32, "0" * 32 + "\n")],
    )
    def test_a_file_that_none_can_be_is_noticed(
        self, tmp_path: Path, change: dict[str, object]
    ) -> None:
        path = tmp_path / "m"
        entry = FileEntry("idx/..a", 1, "0" * 32)
        path.write_bytes(manifest.serialise({"files": [entry.to_json()], "more": 1}))
        assert manifest.read(path, Named) == Named((entry,))
        path.write_bytes(manifest.serialise({"files": [entry.to_json() | change]}))
        with pytest.raises(OutputDamaged, match="of another form") as refusal:
            manifest.read(path, Named)
        assert f"$.files[0].{next(iter(change))}" in (refusal.value.place or "")


class TestHashes:
    def test_of_a_file_and_of_its_bytes_are_equal(self, tmp_path: Path) -> None:
        content = bytes(range(256)) * 9000  # more than one buffer
        (tmp_path / "file").write_bytes(content)
        expected = xxhash.xxh3_128_hexdigest(content)
        assert manifest.hash_bytes(memoryview(content)) == expected
        assert manifest.hash_file(tmp_path / "file") == expected


class TestDone:
    def test_is_a_manifest_whose_files_are_all_there(
        self, tmp_path: Path, entries: list[FileEntry]
    ) -> None:
        path = publish(tmp_path / "manifest", entries)
        document = Named(tuple(entries))
        assert manifest.read(path, Named) == document
        assert manifest.read_complete(path, tmp_path, Named) == document
        assert manifest.read_whole(path, Named) == document
        assert manifest.missing_files(entries, tmp_path) == []

    @pytest.mark.parametrize("name", ["a", "idx/a", "b"])
    def test_is_not_when_a_file_is_gone_or_of_another_size(
        self, tmp_path: Path, entries: list[FileEntry], name: str
    ) -> None:
        path = publish(tmp_path / "manifest", entries)
        for damage in (lambda file: file.write_bytes(b"longer than before"), Path.unlink):
            damage(tmp_path / name)
            assert manifest.read_complete(path, tmp_path, Named) is None
            assert manifest.read_whole(path, Named) is None
            assert manifest.missing_files(entries, tmp_path) == [name]

    def test_is_not_when_the_manifest_is_gone_or_damaged(
        self, tmp_path: Path, entries: list[FileEntry]
    ) -> None:
        path = publish(tmp_path / "manifest", entries)
        path.write_bytes(path.read_bytes()[:-1])
        for _ in range(2):
            assert manifest.read_complete(path, tmp_path, Named) is None
            assert manifest.read_whole(path, Named) is None
            path.unlink(missing_ok=True)
        with pytest.raises(Vanished):
            manifest.read(path, Named)

    def test_is_not_a_manifest_that_says_nothing_of_files(self, tmp_path: Path) -> None:
        path = tmp_path / "manifest"
        storage.publish_bytes(path, manifest.serialise({"name": "a"}))
        assert manifest.read_complete(path, tmp_path, Named) is None
        assert manifest.read_whole(path, Named) is None

    def test_asks_for_one_listing_a_folder(
        self, tmp_path: Path, entries: list[FileEntry], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        listing = Mock(wraps=storage.sizes)
        monkeypatch.setattr(storage, "sizes", listing)
        assert manifest.missing_files(entries, tmp_path) == []
        assert listing.mock_calls == [call(tmp_path), call(tmp_path / "idx")]


@pytest.mark.parametrize("kind", kinds.ALL)
def test_a_document_without_end_is_not_read(
    kind: type[manifest.Sealed], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "document.json"
    path.touch()
    os.truncate(path, manifest.most_bytes(kind) + 1)  # of blocks that nobody wrote
    with pytest.raises(OutputDamaged, match="more bytes than this program writes") as found:
        manifest.read(path, kind)
    assert found.value.file == str(path)
    assert manifest.read_undamaged(path, kind) is None


def test_what_lists_images_may_be_long() -> None:
    long = {kind.__name__ for kind in kinds.ALL if manifest.most_bytes(kind) > 1 << 29}
    assert long == {"OutputManifest", "ShardMark", "PackManifest"}
    assert manifest.most_bytes(ShardMark) > 1_700_000 * 400
