"""Outputs in a bucket have the names and bytes of local ones, and go on on any host."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from drawnlists import THREE, draw_list
from faultproxy import FaultProxy, rule
from nginx import Nginx
from outputs3 import ALL, Host, imagenet, names, remove, stored
from s3bucket import Bucket, use_keys
from s3servers import ADMIN, STRANGER, Keys, S3Server
from support import ROOT, RawSet, products, shardmill

pytest_plugins = ("webservers", "s3stores")

STRANGERS_NAME = "arn:aws:iam::000000000000:user/stranger"
SHARD = r"^PUT .*-of-0"
"""Uploads of shards and their indexes."""
MARK = r"\.shardmill/shards/[0-9a-f]{12}/[0-9]{5}\.json"
"""Marks of finished shards."""


@pytest.fixture(scope="session")
def of_local(sample: RawSet, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is made in a local folder."""
    out = tmp_path_factory.mktemp("local") / "out"
    run = shardmill("imagenet", "--raw", sample.raw, "--config", sample.config, "--out", out, *ALL)
    assert run.returncode == 0, run.stderr
    return products(out)


@pytest.fixture(scope="session")
def s3_proxy(s3_server: S3Server) -> Iterator[FaultProxy]:
    with FaultProxy(s3_server.endpoint) as proxy:
        yield proxy


@pytest.fixture
def host(bucket: Bucket, tmp_path: Path) -> Host:
    """A host that reaches the store without a proxy."""
    return Host(tmp_path / "host", ("--s3-endpoint", bucket.settings.endpoint))


@pytest.fixture
def behind(bucket: Bucket, s3_proxy: FaultProxy, tmp_path: Path) -> Host:
    """A host that reaches the store by the proxy; nothing is spoiled yet."""
    del bucket
    s3_proxy.follow()
    return Host(tmp_path / "behind", ("--s3-endpoint", s3_proxy.url))


@pytest.fixture
def raw_in_s3(bucket: Bucket, sample: RawSet) -> str:
    """The address of the sample's archives, in the bucket of the output."""
    raw = bucket.folder.with_name("raw")
    for path in sorted(sample.raw.iterdir()):
        if path.is_file():
            key = (raw / path.name).key
            bucket.plain.put_object(Bucket=raw.host, Key=key, Body=path.read_bytes())
    return str(raw)


@pytest.mark.parametrize("workers", [1, 4])
def test_from_s3_to_s3(
    raw_in_s3: str,
    bucket: Bucket,
    sample: RawSet,
    of_local: dict[str, str],
    host: Host,
    workers: int,
) -> None:
    words = imagenet(raw_in_s3, sample, bucket, "--workers", workers)
    run = host.run(*words)
    assert run.returncode == 0, run.stderr
    assert stored(bucket) == of_local
    again = host.run(*words)
    assert again.returncode == 0, again.stderr
    assert "already complete" in again.stdout
    assert f"{bucket.folder}/tfrecord/train/current" in again.stdout
    assert not bucket.unfinished()


def test_from_a_disk_and_from_a_web_server_to_s3(
    seaweedfs: Bucket,
    sample: RawSet,
    of_local: dict[str, str],
    host: Host,
    nginx: Nginx,
    served: Path,
) -> None:
    if not (served / "set").exists():
        (served / "set").symlink_to(sample.raw)
    for raw in (sample.raw, f"{nginx.url}/set"):
        run = host.run(*imagenet(raw, sample, seaweedfs, "--workers", 2))
        assert run.returncode == 0, run.stderr
        assert stored(seaweedfs) == of_local
        remove(seaweedfs, *names(seaweedfs))


@pytest.fixture
def seaweedfs(bucket: Bucket) -> Bucket:
    """A bucket of one of the servers, for what is no matter of the store."""
    if bucket.server.name != "seaweedfs":
        pytest.skip("tried with one of the stores")
    return bucket


def test_luigis_own_command_writes_to_a_store(
    seaweedfs: Bucket, sample: RawSet, of_local: dict[str, str], host: Host
) -> None:
    _, *words = imagenet(sample.raw, sample, seaweedfs)
    luigi = (sys.executable, "-m", "luigi", "--module", "tasks", "PrepareImageNet")
    run = subprocess.run(
        [*luigi, *map(str, (*words, *host.words)), "--local-scheduler", "--workers", "2"],
        env=host.environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert stored(seaweedfs) == of_local


@pytest.mark.parametrize("killed", ["command", "worker"])
def test_a_killed_run_goes_on_on_another_host(
    killed: str,
    bucket: Bucket,
    sample: RawSet,
    of_local: dict[str, str],
    behind: Host,
    s3_proxy: FaultProxy,
    tmp_path: Path,
) -> None:
    s3_proxy.follow(rule("delay", SHARD, seconds=0.2))
    words = imagenet(sample.raw, sample, bucket, "--workers", 2)
    with behind.start(*words) as run:
        while not any("-of-0" in name for name in names(bucket)):
            assert run.poll() is None
            time.sleep(0.05)
        if killed == "command":
            os.killpg(run.pid, signal.SIGKILL)
        else:
            for child in children(run.pid):
                os.kill(child, signal.SIGKILL)
            s3_proxy.follow()
            assert run.wait(120) == 0
    s3_proxy.follow()
    whole = {name for name in of_local if name.endswith("current") or "-of-0" in name}
    now = stored(bucket)
    assert {name: now[name] for name in whole & now.keys()} == {
        name: of_local[name] for name in whole & now.keys()
    }
    other = Host(tmp_path / "other", behind.words)
    again = other.run(*words)
    assert again.returncode == 0, again.stderr
    assert stored(bucket) == of_local
    assert not bucket.unfinished()


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def test_two_commands_at_once_on_two_hosts(
    seaweedfs: Bucket, sample: RawSet, of_local: dict[str, str], host: Host, tmp_path: Path
) -> None:
    words = imagenet(sample.raw, sample, seaweedfs, "--workers", 2)
    hosts = (host, Host(tmp_path / "other", host.words))
    runs = [each.start(*words) for each in hosts]
    for run in runs:
        _, said = run.communicate(timeout=300)
        assert run.returncode == 0, said.decode()
    assert stored(seaweedfs) == of_local


def test_what_fails_for_a_while_changes_no_byte(
    bucket: Bucket, sample: RawSet, of_local: dict[str, str], behind: Host, s3_proxy: FaultProxy
) -> None:
    s3_proxy.follow(
        rule("answer", "^PUT", status=503, every=9),
        rule("lose", "^PUT", every=13),
        rule("reset", "^GET", every=17),
    )
    run = behind.run(*imagenet(sample.raw, sample, bucket))
    assert run.returncode == 0, run.stderr
    assert stored(bucket) == of_local


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--extract",), "--extract"),
        (("--export", "imagefolder"), "--export imagefolder"),
        (("--export", "dbcollection"), "--export dbcollection"),
        (("--export", "raw256"), "--export raw256"),
    ],
    ids=lambda each: each[-1] if isinstance(each, tuple) else "",
)
def test_what_cannot_lie_in_a_store_is_refused(
    words: tuple[str, ...], reason: str, seaweedfs: Bucket, sample: RawSet, host: Host
) -> None:
    run = host.run(*imagenet(sample.raw, sample, seaweedfs, *words))
    assert run.returncode == 2, run.stderr
    assert reason in run.stderr
    assert "Traceback" not in run.stderr
    assert not names(seaweedfs)


def read_only(bucket: Bucket, aws: pytest.MonkeyPatch) -> None:
    """Let the keys of the environment list and read a bucket, and nothing else."""
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": STRANGERS_NAME},
                "Action": ["s3:ListBucket", "s3:GetObject"],
                "Resource": [f"arn:aws:s3:::{bucket.folder.host}{end}" for end in ("", "/*")],
            }
        ],
    }
    bucket.plain.put_bucket_policy(Bucket=bucket.folder.host, Policy=json.dumps(policy))
    use_keys(aws, STRANGER)


@pytest.mark.parametrize(
    ("what", "status", "said"),
    [
        ("no bucket", 2, "there-is-no-such-bucket"),
        ("wrong secret", 2, "secret"),
        ("no rights", 3, "s3:ListBucket"),
        ("read-only", 1, "s3:PutObject"),
    ],
)
def test_a_store_that_takes_nothing_is_said_before_anything_is_read(
    what: str,
    status: int,
    said: str,
    bucket: Bucket,
    sample: RawSet,
    host: Host,
    aws: pytest.MonkeyPatch,
) -> None:
    words = list(imagenet(sample.raw, sample, bucket))
    if what == "no bucket":
        words[words.index(bucket.folder)] = "s3://there-is-no-such-bucket/out"
    elif bucket.server.name == "rclone":
        pytest.skip("rclone has no rights")
    elif what == "wrong secret":
        use_keys(aws, Keys(ADMIN.access, STRANGER.secret))
    elif what == "no rights":
        use_keys(aws, STRANGER)
    else:
        read_only(bucket, aws)
    run = host.run(*words)
    assert run.returncode == status, run.stderr
    assert said in run.stderr
    assert "Traceback" not in run.stderr
    assert not names(bucket)
    assert not list((host.folder / "state").rglob("*.log"))  # no worker was started


def test_a_web_server_is_no_place_for_an_output(sample: RawSet) -> None:
    words = ("--raw", sample.raw, "--config", sample.config, "--out", "https://host/out")
    run = shardmill("imagenet", *words)
    assert run.returncode == 2
    assert "no shards can be written" in run.stderr


def kinds(proxy: FaultProxy) -> dict[str, int]:
    """Return how many requests of each kind a store was asked: listings, GET, HEAD, PUT, …."""
    found: dict[str, int] = {}
    for each in proxy.passed():
        method, path, *_ = each.request.split()
        kind = "LIST" if "list-type=2" in path else method
        found[kind] = found.get(kind, 0) + 1
    return found


def test_a_store_is_asked_little(
    seaweedfs: Bucket, sample: RawSet, behind: Host, s3_proxy: FaultProxy, tmp_path: Path
) -> None:
    shards, formats = 24, 2
    words = (
        *("imagenet", "--raw", sample.raw, "--config", sample.config, "--out", seaweedfs.folder),
        *("--split", "train", "--shards", f"train={shards}", "--format", "tfrecord,webdataset"),
        *("--no-boxes", "--workers", 2),
    )
    assert behind.run(*words, "--dry-run").returncode == 0
    assert not names(seaweedfs)
    s3_proxy.follow()
    run = behind.run(*words)
    assert run.returncode == 0, run.stderr
    whole = kinds(s3_proxy)
    assert whole["PUT"] <= 4 * shards * formats + 40
    assert whole["GET"] + whole["LIST"] + whole.get("HEAD", 0) <= 5 * shards * formats
    assert "DELETE" not in whole
    s3_proxy.follow()
    again = behind.run(*words)
    assert "already complete" in again.stdout
    assert sum(kinds(s3_proxy).values()) <= 40
    # Half of the marks go, as if the run had been killed before it had written them.
    marks = sorted(name for name in names(seaweedfs) if re.fullmatch(MARK, name))
    manifests = [name for name in names(seaweedfs) if name.endswith("/manifest.json")]
    assert len(marks) == shards * formats
    last = [name for name in marks if int(Path(name).stem) >= shards // 2]
    remove(seaweedfs, *last, *manifests)
    s3_proxy.follow()
    other = Host(tmp_path / "other", behind.words)
    assert other.run(*words).returncode == 0
    requests = [each.request for each in s3_proxy.passed()]
    first = next(at for at, request in enumerate(requests) if re.match(SHARD, request))
    before = requests[:first]
    assert len([each for each in before if "list-type=2" in each]) <= 20
    of_marks = [each for each in before if re.search(MARK, each)]
    assert 0 < len(of_marks) <= len(marks) - len(last)


def test_a_list_is_prepared_and_an_image_that_is_replaced_is_noticed(
    seaweedfs: Bucket, host: Host, tmp_path: Path
) -> None:
    listed, out = draw_list(tmp_path / "drawn"), tmp_path / "out"
    words = ("imagelist", listed.path, "--root", listed.root, *THREE, "--on-bad-image", "skip")

    def both() -> str:
        local = shardmill(*words, "--out", out)
        run = host.run(*words, "--out", seaweedfs.folder)
        assert run.returncode == local.returncode, run.stderr
        assert stored(seaweedfs) == products(out)
        return run.stdout

    both()
    assert "already complete" in both()
    image, other = listed.root / listed.names[0], tmp_path / "other.jpg"
    content = bytearray(image.read_bytes())
    content[-20] ^= 1  # another image of the same size
    other.write_bytes(content)
    other.replace(image)
    assert "replaced since shards were made" in both()
    assert "already complete" in both()
