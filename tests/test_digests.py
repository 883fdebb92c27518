"""Digests: equal values, equal names."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.digests import canonical, digest

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=8,
)


def test_canonical_json_is_sorted_dense_and_utf8() -> None:
    assert (
        canonical({"b": [1, None, True], "a": "zürich"})
        == '{"a":"zürich","b":[1,null,true]}'.encode()
    )


def test_a_digest_is_the_start_of_the_sha256_of_canonical_json() -> None:
    assert (
        digest({"seed": 7, "order": "hash"})
        == (hashlib.sha256(b'{"order":"hash","seed":7}').hexdigest()[:12])
    )
    assert digest({}) == "44136fa355b3"


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), JSON, min_size=2))
def test_the_order_of_keys_does_not_matter(value: dict[str, object]) -> None:
    assert digest(dict(reversed(value.items()))) == digest(value)


def test_different_values_have_different_digests() -> None:
    assert len({digest({"seed": seed}) for seed in (0, 1, "0", None, False)}) == 5


def test_what_json_cannot_say_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical({"rate": float("nan")})
