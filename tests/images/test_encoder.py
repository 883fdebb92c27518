from __future__ import annotations

import pytest
from drawn_images import drawn

from pipeline.errors import UsageError
from pipeline.images.encoder import ImageEncoder
from pipeline.images.engine import engine
from pipeline.images.passthrough import PassedThrough
from pipeline.images.spec import EncodeSpec, Processed

ANEW = EncodeSpec(quality=90)


def test_an_image_is_passed_through_or_encoded_anew() -> None:
    data = drawn().encoded
    passed = ImageEncoder(ANEW, "pillow", passes=True).encode(data)
    assert isinstance(passed, PassedThrough)
    assert passed.encoded is data
    made = ImageEncoder(ANEW, "pillow", passes=False).encode(data)
    assert isinstance(made, Processed)
    assert made.encoded == engine("pillow").process(data, ANEW).encoded


@pytest.mark.parametrize(
    ("spec", "passes", "encodes"),
    [
        (EncodeSpec(orientation="keep"), True, False),
        (EncodeSpec(orientation="refuse"), True, False),
        (EncodeSpec(orientation="bake"), True, True),
        (EncodeSpec(orientation="keep", transcode=True), True, True),
        (EncodeSpec(orientation="keep"), False, True),
    ],
)
def test_a_codec_is_named_where_an_image_may_be_encoded_anew(
    spec: EncodeSpec, passes: bool, encodes: bool
) -> None:
    codec = ImageEncoder(spec, "pillow", passes=passes).codec(".jpg")
    assert codec == (engine("pillow").codec(".jpg") if encodes else None)


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(UsageError, match="no such image engine"):
        ImageEncoder(ANEW, "magick", passes=True)
