"""A client takes what AWS's variables and files say, and is one for a process."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from urllib.parse import parse_qs, unquote, urlsplit

import boto3.session
import pytest
from botocore.awsrequest import AWSResponse

from pipeline.errors import CredentialsRefused, UsageError
from pipeline.storage.location import Remote
from pipeline.storage.s3 import client as clients
from pipeline.storage.s3 import kept, session
from pipeline.storage.s3.client import Client
from pipeline.storage.s3.listing import ObjectInfo
from pipeline.storage.s3.objects import S3Objects
from pipeline.storage.s3.settings import Settings

PLACE = Remote("s3", "bucket", "raw/a b+ä.tar")
STORE = "http://127.0.0.1:1"
PROCESS = """#!{python}
import json, pathlib
lives = pathlib.Path({lives!r})
left = lives.read_text().split()
lives.write_text(" ".join(left[1:]))
print(json.dumps({{"Version": 1, "AccessKeyId": "key-of-" + left[0], "SecretAccessKey": "s",
                   "SessionToken": "t", "Expiration": left[0]}}))
"""


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """An environment without AWS's variables; return a config file that boto3 reads."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    yield tmp_path / "config"
    clients.forget()


def use_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "some-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "some-secret")


def query(client: Client) -> dict[str, str]:
    """Return the parameters of a signed address."""
    parts = parse_qs(urlsplit(client.sign(PLACE).url).query)
    return {name: values[0] for name, values in parts.items()}


@pytest.mark.parametrize(
    ("settings", "variables", "region"),
    [
        (Settings(STORE, region="here"), {"AWS_REGION": "there"}, "here"),
        (Settings(STORE), {"AWS_REGION": "there", "AWS_DEFAULT_REGION": "else"}, "there"),
        (Settings(STORE), {"AWS_DEFAULT_REGION": "else"}, "else"),
        (Settings(STORE), {}, "of-file"),
        (Settings(STORE, profile="other"), {}, "of-other"),
        (Settings(STORE), {"AWS_PROFILE": "other"}, "of-other"),
    ],
)
def test_the_region_is_that_of_the_option_else_of_aws(
    aws: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
    variables: dict[str, str],
    region: str,
) -> None:
    aws.write_text(
        "[default]\nregion = of-file\n[profile other]\nregion = of-other\n"
        "aws_access_key_id = k\naws_secret_access_key = s\n"
    )
    if settings.profile is None:
        use_keys(monkeypatch)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert query(Client(settings))["X-Amz-Credential"].split("/")[2] == region


def test_an_endpoint_and_its_form_are_read_from_aws_files(
    aws: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_keys(monkeypatch)
    aws.write_text(
        "[default]\nregion = r\nendpoint_url = http://store.test\ns3 =\n"
        "  addressing_style = virtual\n"
    )
    url = "http://bucket.store.test/raw/a%20b%2B%C3%A4.tar"
    assert Client(Settings()).sign(PLACE).url.partition("?")[0] == url
    url = "http://store.test/bucket/raw/a%20b%2B%C3%A4.tar"
    assert Client(Settings(addressing="path")).sign(PLACE).url.partition("?")[0] == url


def test_a_forked_process_takes_the_session_that_was_made_before_and_its_parent_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use_keys(monkeypatch)
    settings = Settings(STORE, "r")
    clients.preload(settings)
    made, actual = list[object](), boto3.session.Session

    def making(**given: object) -> object:
        made.append(given)
        return actual(**given)

    monkeypatch.setattr(boto3.session, "Session", making)
    Client(settings).sign(PLACE)
    assert len(made) == 1
    child = os.fork()
    if not child:
        Client(settings).sign(PLACE)
        inherited = len(made) == 1
        Client(settings).sign(PLACE)
        os._exit(0 if inherited and len(made) == 2 else 1)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize(
    "url", ["http://user:secret@host", "user:secret@store.test:9000", "store.test:9000"]
)
def test_an_endpoint_of_the_environment_holds_no_secret(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    use_keys(monkeypatch)
    monkeypatch.setenv("AWS_REGION", "r")
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    with pytest.raises(UsageError) as caught:
        Client(Settings()).sign(PLACE)
    assert "secret" not in str(caught.value)
    with pytest.raises(UsageError):
        clients.preload(Settings())


@pytest.mark.parametrize(
    ("settings", "variable", "file", "asked"),
    [
        (Settings(STORE, "r"), None, "", "when_required"),
        (Settings(STORE, "r", checksums="when_supported"), "when_required", "", "when_supported"),
        (Settings(STORE, "r"), "when_supported", "", "when_supported"),
        (Settings(STORE, "r"), None, "when_supported", "when_supported"),
    ],
)
def test_few_checksums_are_asked_for_unless_somebody_says_so(
    aws: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
    variable: str | None,
    file: str,
    asked: str,
) -> None:
    use_keys(monkeypatch)
    if variable:
        monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", variable)
    aws.write_text(f"[default]\nrequest_checksum_calculation = {file}\n" if file else "")
    assert Client(settings)._boto_for(PLACE).meta.config.request_checksum_calculation == asked


ODD = ("plain", "a b+c", "ä€", "100%25", "#?&=", "~*()", "'", "x//y", "a:b@c")


@pytest.mark.parametrize("token", [None, "a/b+c=="])
@pytest.mark.parametrize("addressing", ["path", "virtual"])
def test_addresses_after_the_first_are_what_boto3_would_sign(
    monkeypatch: pytest.MonkeyPatch, addressing: str, token: str | None
) -> None:
    use_keys(monkeypatch)
    if token:
        monkeypatch.setenv("AWS_SESSION_TOKEN", token)
    client = Client(Settings("http://store.test:1", "r", addressing=addressing))
    places = [Remote("s3", "bucket", f"raw/{key}") for key in ODD]
    for _ in range(20):  # until all are signed in one second, and are to expire in another
        client._patterns.clear()
        client.sign(PLACE)
        assert client._patterns["bucket"].pattern is not None
        quick = [client.sign(place).url for place in places]
        slow = [client._signed(place).url for place in places]
        if slow == quick:
            break
    assert slow == quick


def test_addresses_are_signed_anew_when_keys_change_or_time_has_passed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tmp_path / "credentials"
    keys.write_text("[default]\naws_access_key_id = first\naws_secret_access_key = s\n")
    client = Client(Settings(STORE, "r"))
    client.sign(PLACE)
    assert client._by_pattern(PLACE) is not None
    monkeypatch.setattr(client._credentials, "access_key", "second")
    assert client._by_pattern(PLACE) is None
    assert query(client)["X-Amz-Credential"].startswith("second/")
    assert client._by_pattern(PLACE) is not None
    monkeypatch.setattr(clients, "PATTERN_S", -1.0)
    assert client._by_pattern(PLACE) is None


@pytest.mark.parametrize("is_asked_for", [False, True])
def test_what_is_put_is_signed_by_its_md5_and_read_once(
    aws: Path, monkeypatch: pytest.MonkeyPatch, is_asked_for: bool
) -> None:
    use_keys(monkeypatch)
    said = "s3 =\n  payload_signing_enabled = true\n" if is_asked_for else ""
    aws.write_text(f"[default]\n{said}")
    client, sent = session.create(Settings(STORE, region="here"))[0], list[Any]()

    def answer(*, request: Any, **_: object) -> AWSResponse:
        sent.append(request.headers)
        return AWSResponse(request.url, 200, {"ETag": '"e"'}, Mock(stream=lambda: iter(())))

    client.meta.events.register("before-send.s3", answer)
    content, md5 = b"bytes", base64.b64encode(hashlib.md5(b"bytes").digest()).decode()
    client.put_object(Bucket="bucket", Key="key", Body=content, ContentMD5=md5)
    client.put_object(Bucket="bucket", Key="key", Body=content)
    client.head_object(Bucket="bucket", Key="key")
    whole = hashlib.sha256(content).hexdigest()
    hashes = [headers["X-Amz-Content-SHA256"].decode() for headers in sent]
    assert hashes[:2] == [whole if is_asked_for else "UNSIGNED-PAYLOAD", whole]
    assert hashes[2] == hashlib.sha256().hexdigest()
    assert b"content-md5;" in sent[0]["Authorization"]


def test_an_address_of_a_public_bucket_has_no_signature() -> None:
    signed = Client(Settings(STORE, "r", unsigned=True)).sign(PLACE)
    assert signed.url == f"{STORE}/bucket/raw/a%20b%2B%C3%A4.tar"
    assert signed.expires == float("inf")


def test_without_keys_nothing_is_signed() -> None:
    with pytest.raises(CredentialsRefused, match="--s3-unsigned"):
        Client(Settings(STORE, "r")).sign(PLACE)


def test_an_object_of_a_bucket_with_versions_is_read_without_a_right_to_versions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use_keys(monkeypatch)
    settings = Settings(STORE, "r")
    info = ObjectInfo(9, "etag", "v1")
    monkeypatch.setattr(kept.Listings, "stat", lambda *_: info)
    found = S3Objects(PLACE.parent, settings).find(PLACE.name)
    assert found is not None
    assert "versionId" not in found.url
    assert (found.validator, found.stamp) == ('"etag"', "etag v1")


def lives(folder: Path, *minutes: int) -> tuple[Path, list[str]]:
    """Write a program that gives out credentials, each for so many minutes; name it in a file."""
    now = datetime.now(UTC)
    ends = [(now + timedelta(minutes=each)).strftime("%Y-%m-%dT%H:%M:%SZ") for each in minutes]
    (folder / "lives").write_text(" ".join(ends))
    program = folder / "program"
    program.write_text(PROCESS.format(python=sys.executable, lives=str(folder / "lives")))
    program.chmod(stat.S_IRWXU)
    return program, ends


def test_an_address_expires_with_the_keys_that_signed_it(aws: Path, tmp_path: Path) -> None:
    program, ends = lives(tmp_path, 30, 60)
    aws.write_text(f"[default]\nregion = r\ncredential_process = {program}\n")
    signed = Client(Settings(STORE)).sign(PLACE)
    assert f"key-of-{ends[0]}" in unquote(signed.url)
    assert abs(signed.expires - (time.time() + 30 * 60)) < 60


def test_keys_that_soon_expire_are_renewed_before_they_sign(aws: Path, tmp_path: Path) -> None:
    program, ends = lives(tmp_path, 5, 600)
    aws.write_text(f"[default]\nregion = r\ncredential_process = {program}\n")
    signed = Client(Settings(STORE)).sign(PLACE)
    assert f"key-of-{ends[1]}" in unquote(signed.url)
    assert abs(signed.expires - (time.time() + clients.SIGNED_S)) < 60


def test_keys_are_read_anew_from_a_file_that_another_program_has_renewed(tmp_path: Path) -> None:
    keys = tmp_path / "credentials"
    keys.write_text("[default]\naws_access_key_id = first\naws_secret_access_key = s\n")
    client = Client(Settings(STORE, "r"))
    assert query(client)["X-Amz-Credential"].startswith("first/")
    keys.write_text("[default]\naws_access_key_id = second\naws_secret_access_key = s\n")
    assert query(client)["X-Amz-Credential"].startswith("first/")
    client.renew()
    assert query(client)["X-Amz-Credential"].startswith("second/")


def test_one_client_serves_a_process_and_a_forked_one_has_its_own() -> None:
    settings = Settings(STORE, "r")
    mine = clients.connect(settings)
    assert clients.connect(Settings(STORE, "r")) is mine
    assert clients.connect(Settings(STORE, "other")) is not mine
    child = os.fork()
    if not child:
        os._exit(clients.connect(settings) is mine)
    assert os.waitpid(child, 0)[1] == 0
    assert clients.connect(settings) is mine


def test_reading_ahead_what_a_client_needs_opens_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    use_keys(monkeypatch)
    clients.preload(Settings(STORE, "r"))  # which imports what is imported late
    before = sorted(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))
    clients.preload(Settings(STORE, "r"))
    assert (sorted(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))) == before
