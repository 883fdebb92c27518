"""What ``shardmill fetch`` makes of its options."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import RawSet

from pipeline.sources.inputs import Archive
from pipeline.state.fetch_plan import FetchPlan, plan_of


def test_all_files_of_headers_for_one_host_are_sent(small: RawSet, tmp_path: Path) -> None:
    for name in ("cookie", "token", "other"):
        (tmp_path / name).write_text(f"X-{name}: {name}\n")
    plan = plan_of(
        {
            "raw": str(tmp_path / "raw"),
            "config": str(small.config),
            "header": (f"@{tmp_path}/cookie", f"@{tmp_path}/token", f"h=@{tmp_path}/other"),
            "out": "",
            "only": (),
            "mirror": (),
            "netrc": False,
            "connections": 4,
            "limit_rate": "",
        }
    )
    assert plan.headers == {
        "": (("X-cookie", "cookie"), ("X-token", "token")),
        "h": (("X-other", "other"),),
    }


def test_a_mirror_in_s3_is_trusted_by_the_certificates_of_awss_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", "/etc/store.pem")
    archive = Archive("train", "x.tar", "https://h.example/x.tar", "0" * 32, None)
    plan = FetchPlan(
        tmp_path,
        (archive,),
        mirrors=("s3://bucket/folder",),
        presign=lambda remote: (f"https://store.example/{remote.key}", ()),
    )
    mirror, own = plan.places(archive)
    assert mirror.request().ca_file == "/etc/store.pem"
    assert own.request().ca_file == ""
