"""Names in an output folder that no folder of a split may have."""

from __future__ import annotations

from pipeline.job import exports


def test_no_split_may_have_the_folder_of_a_list_a_format_or_an_export() -> None:
    assert {"lists", "tfrecord", "dbcollection"} <= exports.taken_names()
