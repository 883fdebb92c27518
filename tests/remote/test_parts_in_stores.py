"""Parts of one output in a store, on several hosts: what comes of them is one command's."""

from __future__ import annotations

from pathlib import Path

from drawnlists import draw_list
from outputs3 import Host, names, stored
from s3bucket import Bucket
from support import products, shardmill

pytest_plugins = ("s3stores",)

FORMATS = ("--format", "recordio,tfrecord", "--shards", 5)


def test_parts_on_two_hosts_make_what_one_command_makes(bucket: Bucket, tmp_path: Path) -> None:
    listed, out = draw_list(tmp_path / "drawn", images=12), tmp_path / "out"
    words = ("imagelist", listed.path, "--root", listed.root, *FORMATS, "--workers", 1)
    endpoint = ("--s3-endpoint", bucket.settings.endpoint)
    hosts = [Host(tmp_path / name, endpoint) for name in ("one", "two")]
    remote = (*words, "--out", bucket.folder)
    early = hosts[1].run(*remote, "--part", "1/2")
    assert early.returncode == 2
    assert "--until plan" in early.stderr
    planned = hosts[0].run(*remote, "--until", "plan")
    assert planned.returncode == 0, planned.stderr
    started = [host.start(*remote, "--part", f"{n}/2") for n, host in enumerate(hosts)]
    said = [process.communicate(timeout=120)[1].decode() for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    whole = hosts[1].run(*remote)
    assert whole.returncode == 0, whole.stderr
    assert shardmill(*words, "--out", out).returncode == 0
    assert stored(bucket) == products(out)
    claims = [name for name in names(bucket) if name.startswith(".shardmill/claims/")]
    assert [name for name in claims if bucket.content(name)] == []
