"""What ``shardmill fetch`` makes of its options."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from support import RawSet

from pipeline.errors import ConfigError, UsageError
from pipeline.job.table.fetch import FETCH_OPTIONS
from pipeline.state.fetch_plan import plan_of
from pipeline.storage import Remote, RemoteOptions


def values(small: RawSet, folder: Path, **given: Any) -> dict[str, Any]:
    """Return the values of all options: what is given, else their defaults."""
    defaults = {option.name: option.default for option in FETCH_OPTIONS}
    return defaults | {"raw": str(folder / "raw"), "config": str(small.config)} | given


def test_all_files_of_headers_for_one_host_are_sent(small: RawSet, tmp_path: Path) -> None:
    for name in ("cookie", "token", "other"):
        (tmp_path / name).write_text(f"X-{name}: {name}\n")
    headers = (f"@{tmp_path}/cookie", f"@{tmp_path}/token", f"h=@{tmp_path}/other")
    plan = plan_of(values(small, tmp_path, header=headers))
    assert plan.headers == {
        "": (("X-cookie", "cookie"), ("X-token", "token")),
        "h": (("X-other", "other"),),
    }


def test_a_store_is_reached_as_the_options_say(small: RawSet, tmp_path: Path) -> None:
    plan = plan_of(
        values(small, tmp_path, s3_endpoint="http://127.0.0.1:9", s3_region="r", s3_unsigned=True)
    )
    assert plan.remote == RemoteOptions("http://127.0.0.1:9", "r", s3_unsigned=True)


def test_an_endpoint_that_is_none_is_refused_before_anything_is_fetched(
    small: RawSet, tmp_path: Path
) -> None:
    plan = plan_of(values(small, tmp_path, s3_endpoint="ftp://h"))
    with pytest.raises(UsageError, match="--s3-endpoint"):
        plan.check()


def test_the_output_may_lie_in_a_store_and_on_no_web_server(small: RawSet, tmp_path: Path) -> None:
    plan = plan_of(values(small, tmp_path, out="s3://bucket/shards"))
    assert plan.out == Remote("s3", "bucket", "shards")
    with pytest.raises(UsageError, match="--out: a web server"):
        plan_of(values(small, tmp_path, out="https://host/shards"))


def test_an_archive_whose_md5_nobody_has_said_is_not_fetched(small: RawSet, tmp_path: Path) -> None:
    own = small.copy(tmp_path / "own")
    text = re.sub('md5 = "[0-9a-f]+"\n', "", own.config.read_text(), count=1)
    own.config.write_text(text)
    with pytest.raises(ConfigError, match="the archive train has no md5"):
        plan_of(values(own, tmp_path))
    assert plan_of(values(own, tmp_path, only=("validation",))).archives
