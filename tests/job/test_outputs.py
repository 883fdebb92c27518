"""What follows from a job for each format: its digest, its folder, the form of its records."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.documents.decoding import fitted
from pipeline.documents.outputs import Parameters
from pipeline.errors import UsageError
from pipeline.formats.base import RecordOptions
from pipeline.formats.registry import FORMATS
from pipeline.images.prepare import PLAIN, ImageOptions, preparation
from pipeline.job import outputs
from pipeline.job.options import Job
from pipeline.shards.output import Output, RecordForm
from pipeline.sources.source import Defaults

JOB = Job(raw="/raw", out="/out", config="/c.toml", formats=tuple(FORMATS))
PLAN = "0123456789ab"
OTHERS = set(FORMATS) - {"tfrecord"}
"""Those that count classes from 0."""
AS_THEY_ARE = OTHERS - {"arrayrecord"}
"""Those that take images as they are."""


def derived(
    job: Job = JOB, plan: str = PLAN, *, boxes: bool = False, **others: Any
) -> dict[str, Output]:
    defaults = replace(Defaults(suffix=".JPEG", offsets=True, repairs=True), **others)
    found = outputs.derive(job, "train", plan, defaults, boxes=boxes)
    return {each.format: each for each in found}


def changed(first: dict[str, Output], second: dict[str, Output]) -> set[str]:
    return {name for name in FORMATS if first[name].digest != second[name].digest}


@pytest.mark.parametrize(
    "form",
    [
        RecordForm("tfrecord", RecordOptions(1), PLAIN, None, True),
        RecordForm("recordio", RecordOptions(0, multi_hot=601), PLAIN, None, True),
        RecordForm("mds", RecordOptions(0, boxes=True, vectors=True), PLAIN, None, True),
        RecordForm("mds", RecordOptions(0, class_names=("a", "b c")), PLAIN, None, True),
        RecordForm("hf-parquet", RecordOptions(0, boxes=True, object_names=()), PLAIN, None, True),
        RecordForm(
            "recordio",
            RecordOptions(0, "detection", ".jpg"),
            ImageOptions(resize=256, filter="lanczos"),
            "pillow / libjpeg",
            False,
        ),
    ],
)
def test_a_form_is_rebuilt_from_the_parameters_of_a_manifest(form: RecordForm) -> None:
    parameters = json.loads(json.dumps(form.to_json()))
    recorded = fitted(parameters, Parameters, Path())
    assert RecordForm.recorded(form.format, recorded) == form
    assert form.shard_format is FORMATS[form.format]


def test_every_format_has_an_output_of_its_own_in_the_order_asked_for() -> None:
    asked = replace(JOB, formats=("webdataset", "tfrecord", "webdataset"))
    found = outputs.derive(asked, "train", PLAN, Defaults(suffix="", offsets=True, repairs=True))
    assert [each.format for each in found] == ["webdataset", "tfrecord"]
    for each in found:
        assert each.folder == Path("/out") / each.format / "train" / each.digest


def test_formats_do_not_touch_each_others_digests() -> None:
    together = derived()
    assert len({each.digest for each in together.values()}) == len(FORMATS)
    for name in FORMATS:
        assert derived(replace(JOB, formats=(name,)))[name] == together[name]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"joined": True}, set()),
        ({"labels": "detection"}, {"recordio"}),
        ({"label_offset": 5}, set(FORMATS)),
        ({"label_offset": 1}, OTHERS),
        ({"image": ImageOptions(resize=9)}, set(FORMATS)),
        ({"on_bad_image": "skip"}, set()),
        ({"out": "/elsewhere"}, set()),
        ({"raw": "/elsewhere"}, set()),
    ],
)
def test_an_option_changes_the_outputs_that_it_is_about(
    options: dict[str, object], expected: set[str]
) -> None:
    other = derived(replace(JOB, **options))  # type: ignore[arg-type]
    assert changed(derived(), other) == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"suffix": ".jpg"}, set(FORMATS)),
        ({"offsets": False}, {"tfrecord"}),
        ({"repairs": False}, AS_THEY_ARE),
        ({"multi_hot": 3}, {"recordio"}),
        ({"plan": "ba9876543210"}, set(FORMATS)),
    ],
)
def test_so_does_what_the_source_says(options: dict[str, object], expected: set[str]) -> None:
    assert changed(derived(), derived(**options)) == expected  # type: ignore[arg-type]


def test_labels_of_objects_are_no_vectors_of_classes() -> None:
    asked = replace(JOB, labels="detection")
    assert derived(asked, multi_hot=3) == derived(asked)


def test_another_codec_makes_another_output_where_images_are_encoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    preparation.cache_clear()
    before = {each: derived(replace(JOB, image=each)) for each in (PLAIN, *ENCODING)}
    preparation.cache_clear()
    monkeypatch.setattr("pipeline.images.repair.codec", lambda: "another / libjpeg")
    try:
        after = {each: derived(replace(JOB, image=each)) for each in before}
    finally:
        preparation.cache_clear()
    assert changed(before[PLAIN], after[PLAIN]) == set()
    for each in ENCODING:
        assert changed(before[each], after[each]) == set(FORMATS)


ENCODING = (
    ImageOptions(resize=9),
    ImageOptions(orientation="bake"),
    ImageOptions(transcode=True),
)


def test_how_many_pixels_are_allowed_is_recorded_and_decides_no_byte() -> None:
    for image in (PLAIN, *ENCODING):
        more = replace(image, max_pixels=1 << 30)
        assert changed(derived(replace(JOB, image=image)), derived(replace(JOB, image=more))) == (
            set()
        )
        for each in derived(replace(JOB, image=more)).values():
            assert each.form.to_json()["picture"]["max_pixels"] == 1 << 30


def test_offsets_labels_and_joining_are_of_the_formats_that_know_them() -> None:
    found = derived(replace(JOB, joined=True, labels="detection"))
    assert [each.label_offset for each in found.values()] == [1, *[0] * len(OTHERS)]
    assert [name for name, each in found.items() if each.joined] == ["recordio"]
    labels = {name: each.form.options.labels for name, each in found.items()}
    assert labels == {**dict.fromkeys(FORMATS, "class"), "recordio": "detection"}
    repaired = {name: each.form.repairs for name, each in derived(repairs=False).items()}
    assert repaired == {name: name not in AS_THEY_ARE for name in FORMATS}


def test_columns_are_decided_by_what_the_source_says() -> None:
    with_columns = {name for name, made in FORMATS.items() if made.has_columns}
    assert with_columns == {"hf-parquet", "mds"}
    for said in ({"class_names": ("a", "b")}, {"reads_boxes": True}, {"boxes": True}):
        assert changed(derived(), derived(**said)) == with_columns


def test_names_of_objects_decide_bytes_where_a_column_says_them() -> None:
    def differing(own: tuple[str, ...], job: Job = JOB, *, boxes: bool = True) -> set[str]:
        before = derived(job, class_names=("a", "b"), boxes=boxes)
        return changed(before, derived(job, class_names=("a", "b"), boxes=boxes, object_names=own))

    assert differing(("ant", "bee")) == differing(()) == {"hf-parquet"}
    assert not differing(("a", "b"))
    assert not differing(("ant", "bee"), boxes=False)
    assert not differing(("ant", "bee"), replace(JOB, label_offset=1))


def test_options_for_images_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(UsageError):
        derived(replace(JOB, image=ImageOptions(filter="box")))


@pytest.mark.parametrize(("boxes", "orientation"), [(True, "keep"), (False, None)])
def test_images_with_boxes_are_not_turned(boxes: bool, orientation: str | None) -> None:
    job = replace(JOB, image=ImageOptions(resize=32))
    for each in derived(job, boxes=boxes).values():
        assert each.form.image.orientation == orientation
