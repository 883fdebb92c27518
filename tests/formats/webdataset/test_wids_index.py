"""How samples are found: their names, and the indexes of DALI and wids."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.formats.webdataset.index import (
    Member,
    ShardFacts,
    index_content,
    index_line,
    is_shortened,
    sample_key,
    sample_name,
    wids_index,
)

# Text of any kind, and text in which all that has a meaning for names is frequent.
KEYS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.text(st.sampled_from(list("ab._/%~ \n\té2E"))),
    st.lists(st.sampled_from(["a", ".", "/", "__", ".JPEG", ".jpg", "%2E"])).map("".join),
)
ODD = ["", ".", "..", "a", "a.", "a.JPEG", "a.jpg", "a.jpg.JPEG", ".JPEG", "a%2EJPEG", "a/.JPEG"]


def webdataset_parts(path: str) -> tuple[str, str] | None:
    """Part a member's name as webdataset does (tariterators.py, base_plus_ext)."""
    match = re.match(r"^((?:.*/|)[^.]+)[.]([^/]*)$", path)
    return (match.group(1), match.group(2)) if match else None


class TestName:
    @pytest.mark.parametrize(
        ("key", "name"),
        [
            ("n01440764/n01440764_18.JPEG", "n01440764/n01440764_18"),
            ("ILSVRC2012_val_00000001.JPEG", "ILSVRC2012_val_00000001"),
            ("a.b/c.JPEG", "a%2Eb/c"),
            ("a/b.c.JPEG", "a/b%2Ec%2EJPEG"),
            ("a/b.jpg", "a/b%2Ejpg"),
            ("a/b", "a/b%2E"),
            ("a/b.", "a/b%2E%2E"),
            (".JPEG", "%2EJPEG"),
            ("../../etc/passwd", "%2E%2E/%2E%2E/etc/passwd%2E"),
            ("/a/b.JPEG", "%2Fa/b"),
            ("__a__/b.JPEG", "%5F_a__/b"),
            ("_a/__b__.JPEG", "_a/__b__"),
            ("ü 1\n.JPEG", "%C3%BC%201%0A"),
            ("100%.JPEG", "100%25"),
            ("", "%2E"),
        ],
    )
    def test_is_the_key_without_suffix_percent_encoded(self, key: str, name: str) -> None:
        assert sample_name(key) == name
        assert sample_key(name) == key

    def test_leaves_out_the_suffix_that_the_data_set_has(self) -> None:
        assert sample_name("cat/1.jpg", ".jpg") == "cat/1"
        assert sample_key("cat/1", ".jpg") == "cat/1.jpg"
        assert sample_name("cat/1.JPEG", ".jpg") == "cat/1%2EJPEG"

    @pytest.mark.parametrize(
        "key",
        [
            "c/" + "猫" * 80 + "0.jpg",
            "猫" * 85 + "/0.jpg",
            "c/" + "x" * 251,
            "/".join(["ü" * 120] * 16) + "/0.jpg",
            "猫" * 85 + "/" + "x" * 255,
        ],
    )
    def test_is_short_enough_for_every_file_system(self, key: str) -> None:
        name = sample_name(key, ".jpg")
        assert is_shortened(name)
        assert max(len(part) for part in f"{name}.json".split("/")) <= 255
        assert len(name) <= 3072
        assert sample_name(key, ".jpg") == name
        twins = {sample_name(twin, ".jpg") for twin in (f"{key[:-6]}1{key[-5:]}", f"1{key}", key)}
        assert len(twins) == 3

    @pytest.mark.parametrize("key", ["x" * 246 + ".jpg", "a/" + "猫" * 27 + "abcdefg.jpg", "%~a"])
    def test_is_whole_where_it_fits(self, key: str) -> None:
        name = sample_name(key, ".jpg")
        assert not is_shortened(name)
        assert len(name) <= 250 + 2
        assert sample_key(name, ".jpg") == key

    @given(key=KEYS, suffix=st.sampled_from([".JPEG", ".jpg", ".a"]))
    def test_gives_the_key_back(self, key: str, suffix: str) -> None:
        name = sample_name(key, suffix)
        assert is_shortened(name) or sample_key(name, suffix) == key

    @given(keys=st.lists(st.one_of(KEYS, st.sampled_from(ODD)), unique=True))
    @example(keys=ODD)
    def test_differs_where_keys_do(self, keys: list[str]) -> None:
        assert len({sample_name(key) for key in keys}) == len(keys)

    @given(key=KEYS, extension=st.sampled_from(["jpg", "png", "cls", "json"]))
    def test_is_parted_from_its_extension_by_webdataset(self, key: str, extension: str) -> None:
        name = sample_name(key)
        assert webdataset_parts(f"{name}.{extension}") == (name, extension)

    @given(key=KEYS)
    def test_is_never_one_that_webdataset_leaves_out(self, key: str) -> None:
        assert not re.match(r"__[^/]*__($|/)", f"{sample_name(key)}.jpg")

    @given(key=KEYS)
    def test_is_one_field_of_an_index_and_climbs_nowhere(self, key: str) -> None:
        name = sample_name(key)
        assert name.isascii()
        assert name.split() == [name]
        assert "." not in name
        assert not name.startswith("/")


class TestDaliIndex:
    def test_says_where_each_member_of_a_sample_is(self) -> None:
        members = [Member("a/b.jpg", 512, 700), Member("a/b.cls", 2048, 3)]
        line = index_line(members)
        assert line == b"jpg 512 700 a/b.jpg cls 2048 3 a/b.cls\n"
        assert index_content([line, line]) == b"v1.2 2\n" + line + line

    @pytest.mark.parametrize(
        ("size", "end"), [(0, 512), (1, 1024), (511, 1024), (512, 1024), (513, 1536)]
    )
    def test_a_member_ends_where_its_last_block_does(self, size: int, end: int) -> None:
        assert Member("a.jpg", 512, size).end == end


class TestWidsIndex:
    def test_has_an_entry_per_shard_in_their_order(self) -> None:
        shards = [ShardFacts("b.tar", 3, 10240, "0" * 32), ShardFacts("a.tar", 2, 5120)]
        assert json.loads(wids_index(shards, name="imagenet-train")) == {
            "__kind__": "wids-shard-index-v1",
            "wids_version": 1,
            "shardlist": [
                {"url": "b.tar", "md5sum": "0" * 32, "nsamples": 3, "filesize": 10240},
                {"url": "a.tar", "nsamples": 2, "filesize": 5120},
            ],
            "name": "imagenet-train",
        }

    def test_is_the_same_bytes_for_the_same_facts(self) -> None:
        content = wids_index([ShardFacts("a.tar", 2, 5120)], name="sätze")
        assert content == (
            b'{\n  "__kind__": "wids-shard-index-v1",\n  "wids_version": 1,\n'
            b'  "shardlist": [\n    {\n      "url": "a.tar",\n      "nsamples": 2,\n'
            b'      "filesize": 5120\n    }\n  ],\n  "name": "s\xc3\xa4tze"\n}\n'
        )
