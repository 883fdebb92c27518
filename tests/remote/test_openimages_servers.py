"""Images and files of Open Images come from real servers: a public bucket, and nginx with TLS."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from nginx import Nginx, is_installed
from s3servers import ADMIN, S3Server, running
from support import interpreted

from pipeline import storage
from pipeline.job.selection_options import SelectionOptions
from pipeline.sample import openimages as sample
from pipeline.sample.openimages_plan import plan
from pipeline.sources.openimages import config, published, requests, tables
from pipeline.sources.openimages.file_table import PublishedFile
from pipeline.sources.openimages.images import image_files, image_rows
from pipeline.sources.openimages.images.image_files import Asking, ImageGroup
from pipeline.sources.openimages.masks import masks
from pipeline.sources.openimages.selecting.selecting import select
from pipeline.sources.openimages.selecting.selection import CsvFile
from pipeline.storage import RemoteOptions
from pipeline.storage.http import process

BUCKET = "test-open-images"
SPLIT = "train"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, openimages: Path) -> Iterator[S3Server]:
    """A store with a bucket that anybody may read objects of, and not list."""
    with running("seaweedfs", tmp_path_factory.mktemp("seaweedfs")) as store:
        plain = store.client()
        plain.create_bucket(Bucket=BUCKET)
        for path in (openimages / "bucket").rglob("*.jpg"):
            key = str(path.relative_to(openimages / "bucket"))
            plain.put_object(Bucket=BUCKET, Key=key, Body=path.read_bytes())
        allowed = {
            "Effect": "Allow",
            "Principal": "*",
            "Action": ["s3:GetObject"],
            "Resource": [f"arn:aws:s3:::{BUCKET}/*"],
        }
        policy = {"Version": "2012-10-17", "Statement": [allowed]}
        plain.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(policy))
        yield store


@pytest.fixture(scope="module")
def web_server(tmp_path_factory: pytest.TempPathFactory, openimages: Path) -> Iterator[Nginx]:
    """A web server with TLS, and a certificate of its own, before the files of the set."""
    assert is_installed(), "make remote installs nginx-light and libnginx-mod-http-lua"
    files = tmp_path_factory.mktemp("files")
    (files / "bucket").symlink_to(openimages / "bucket")
    (files / "raw").symlink_to(openimages / "raw")
    with Nginx(tmp_path_factory.mktemp("nginx"), files, tls=True) as nginx:
        yield nginx


@pytest.fixture
def secured(web_server: Nginx, monkeypatch: pytest.MonkeyPatch) -> Nginx:
    """The server, which is trusted: handles that this process has made before would not."""
    monkeypatch.setenv("CURL_CA_BUNDLE", str(web_server.certificate))
    monkeypatch.setattr(process, "_transfers", {})
    monkeypatch.setattr(process, "_patient", {})
    return web_server


@pytest.fixture(autouse=True)
def options_of_this_process() -> Iterator[None]:
    yield
    storage.use(RemoteOptions())


@pytest.fixture
def group(openimages: Path, tmp_path: Path) -> ImageGroup:
    """The only group of a selection of the training images."""
    found = config.load(openimages / "openimages.toml")

    def locate(file: PublishedFile) -> CsvFile:
        there = published.fetch(file, openimages / "raw")
        return CsvFile(there.path, there.md5)

    wanted = SelectionOptions(classes=("Bear", "Waffle", "Car", "Airplane"), masks=True)
    selection = requests.selections(wanted, 0, (SPLIT,), found, locate)[SPLIT]
    mark = select(tmp_path / "out", selection)
    assert tables.group_count(mark.images) == 1
    return ImageGroup(tmp_path / "out", SPLIT, mark.digest, 0)


def asking_at(bucket: str) -> Asking:
    return Asking(storage.parse(bucket, "--bucket", whole_bucket=True), "train/{id}.jpg")


def check_all_there(group: ImageGroup, openimages: Path) -> Counter[str]:
    """Check that each image has the bytes of the bucket; return what came of those without."""
    rows = list(image_rows.read_rows(group.table))
    outcomes = Counter[str]()
    states = {image.image_id: image.state for image in plan() if image.split == SPLIT}
    for row in rows:
        state = states[row.image_id]
        is_there = state in {"usual", "turned"}
        assert (row.outcome == "fetched") == is_there
        here = group.out / "images" / SPLIT / f"{row.image_id}.jpg"
        assert here.exists() == is_there
        if is_there:
            assert here.read_bytes() == (openimages / "bucket" / SPLIT / here.name).read_bytes()
        outcomes[row.outcome] += not is_there
    return outcomes


def test_a_public_bucket_is_read_without_a_signature_whatever_keys_lie_about(
    server: S3Server, group: ImageGroup, openimages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "wrong")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong, too")
    storage.use(RemoteOptions(s3_endpoint=server.endpoint, s3_unsigned=True))
    asking = Asking(
        storage.parse(f"s3://{BUCKET}", "--bucket", whole_bucket=True), "train/{id}.jpg"
    )
    image_files.collect(group, asking)
    assert +check_all_there(group, openimages) in (
        {"bad": 2, "absent": 1},
        {"bad": 2, "forbidden": 1},  # as S3 answers whoever may not list
    )
    assert image_files.is_collected(group, asking)


def test_a_bucket_is_read_with_a_signature_where_that_is_asked_for(
    server: S3Server, group: ImageGroup, openimages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ADMIN.access)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", ADMIN.secret)
    storage.use(RemoteOptions(s3_endpoint=server.endpoint))
    asking = Asking(
        storage.parse(f"s3://{BUCKET}", "--bucket", whole_bucket=True), "train/{id}.jpg"
    )
    image_files.collect(group, asking)
    assert +check_all_there(group, openimages) == {"bad": 2, "absent": 1}


@pytest.mark.parametrize("behaviour", ["plain", "noranges"])
def test_images_come_from_a_web_server_with_tls(
    secured: Nginx,
    group: ImageGroup,
    openimages: Path,
    behaviour: str,
) -> None:
    address = f"{secured.url}/{behaviour}/bucket"
    asking = asking_at(address)
    image_files.collect(group, asking)
    assert +check_all_there(group, openimages) == {"bad": 2, "absent": 1}


@pytest.mark.parametrize("behaviour", ["plain", "noranges", "flaky"])
def test_files_and_masks_come_from_a_web_server_with_tls(
    secured: Nginx,
    group: ImageGroup,
    openimages: Path,
    tmp_path: Path,
    behaviour: str,
) -> None:
    found = config.load(openimages / "openimages.toml")
    raw = tmp_path / "raw"
    names = [file.name for file in found.files.values() if file.name.endswith(".csv")]
    for name in names[:6]:
        file = at(secured, behaviour, found.files[name])
        assert published.fetch(file, raw).path.read_bytes() == real(openimages, name)
    archive = at(secured, behaviour, found.split(SPLIT).mask_archives["3"])
    mark = masks.collect(group.out, SPLIT, group.selection, "3", archive, raw=raw)
    assert mark.outcomes["kept"] == mark.masks > 0


def test_the_command_collects_and_prepares_from_a_web_server_with_tls(
    secured: Nginx, openimages: Path, tmp_path: Path
) -> None:
    out, base = tmp_path / "out", f"{secured.url}/plain"
    raw = {path.name: path.read_bytes() for path in sorted((openimages / "raw").iterdir())}
    (tmp_path / "openimages").mkdir()
    (tmp_path / sample.TABLE).write_bytes(sample.table(raw, f"{base}/raw"))
    own = f'bucket = "{base}/bucket"'
    text = (openimages / sample.CONFIG).read_text().replace('bucket = "bucket"', own)
    (tmp_path / sample.CONFIG).write_text(text)
    words = ("openimages", "--config", tmp_path / sample.CONFIG, "--out", out)
    first = interpreted(*words, "--class", "Bear", "--class", "Car", "--masks")
    assert first.returncode == 4, first.stderr  # for images that are absent or bad
    asked = len(secured.requests)
    assert interpreted(*words, "--class", "Bear", "--class", "Car", "--masks").returncode == 4
    assert len(secured.requests) == asked
    for path in (out / "images").rglob("*.jpg"):
        real_one = openimages / "bucket" / path.relative_to(out / "images")
        assert path.read_bytes() == real_one.read_bytes()
    assert len(list((out / "masks").rglob("*.png"))) > 10
    assert interpreted("verify", out).returncode == 0


def at(server: Nginx, behaviour: str, file: PublishedFile) -> PublishedFile:
    address = f"{server.url}/{behaviour}/raw/{file.name}"
    return PublishedFile(file.path, file.bytes, file.md5, address)


def real(drawn: Path, name: str) -> bytes:
    return (drawn / "raw" / name).read_bytes()
