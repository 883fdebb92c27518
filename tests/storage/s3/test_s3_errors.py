"""What a store answers, as errors of this program: which one, its status, and no secrets."""

from __future__ import annotations

import traceback
from collections.abc import Iterator

import pytest
from botocore.stub import Stubber

from pipeline.errors import (
    CredentialsRefused,
    EnvironmentRefused,
    NoPermission,
    NoSpace,
    NoSuchBucket,
    ObjectMissing,
    ObjectRefused,
    RemoteUnavailable,
    ShardmillError,
    TransientError,
    UsageError,
    WrongRegion,
)
from pipeline.storage.location import Remote
from pipeline.storage.s3.client import Client
from pipeline.storage.s3.settings import Settings

PLACE = Remote("s3", "bucket", "raw/archive.tar")
KEY, SECRET, TOKEN = (
    "AKIAIOSFODNN7EXAMPLE",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "t0ken" * 9,
)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A client of a store that is not there; a test says what it would answer."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    made = Client(Settings(endpoint="http://127.0.0.1:1", region="us-east-1"))
    yield made
    made.close()


def refused(
    client: Client, operation: str, code: str, status: int, **more: object
) -> ShardmillError:
    """Return what is raised where a store answers an operation with an error."""
    answers = Stubber(client._boto_for(PLACE))
    fields = {"Key": PLACE.key, **more}
    with answers:
        answers.add_client_error(
            {"PutObject": "put_object", "HeadObject": "head_object"}.get(operation, "get_object"),
            service_error_code=code,
            service_message=f"{KEY} {SECRET} X-Amz-Signature=abc&AWSAccessKeyId={KEY} {TOKEN}",
            http_status_code=status,
            service_error_meta={"AWSAccessKeyId": KEY, "StringToSign": SECRET},
        )
        with pytest.raises(ShardmillError) as caught:
            client.request(operation, PLACE, **fields)
    return caught.value


@pytest.mark.parametrize(
    ("operation", "code", "status", "error", "exit_status"),
    [
        ("GetObject", "NoSuchBucket", 404, NoSuchBucket, 2),
        ("PutObject", "NoSuchBucket", 404, NoSuchBucket, 2),
        ("GetObject", "PermanentRedirect", 301, WrongRegion, 2),
        ("GetObject", "AuthorizationHeaderMalformed", 400, WrongRegion, 2),
        ("GetObject", "InvalidAccessKeyId", 403, CredentialsRefused, 2),
        ("GetObject", "SignatureDoesNotMatch", 403, CredentialsRefused, 2),
        ("PutObject", "InvalidToken", 400, CredentialsRefused, 2),
        ("GetObject", "NoSuchKey", 404, ObjectMissing, 3),
        ("GetObject", "AccessDenied", 403, ObjectRefused, 3),
        ("HeadObject", "403", 403, ObjectRefused, 3),
        ("GetObject", "InvalidObjectState", 403, ObjectRefused, 3),
        ("PutObject", "AccessDenied", 403, NoPermission, 1),
        ("PutObject", "QuotaExceeded", 403, NoSpace, 1),
        ("PutObject", "507", 507, NoSpace, 1),
        ("PutObject", "RequestTimeTooSkewed", 403, EnvironmentRefused, 1),
        ("GetObject", "SlowDown", 503, RemoteUnavailable, 1),
        ("GetObject", "429", 429, RemoteUnavailable, 1),
        ("PutObject", "BadDigest", 400, RemoteUnavailable, 1),
        ("PutObject", "NoSuchUpload", 404, TransientError, 1),
        ("PutObject", "UnsupportedAlgorithm", 400, UsageError, 2),
    ],
)
def test_an_answer_has_its_error_and_exit_status(
    client: Client,
    operation: str,
    code: str,
    status: int,
    error: type[ShardmillError],
    exit_status: int,
) -> None:
    more = {"Body": b""} if operation == "PutObject" else {}
    raised = refused(client, operation, code, status, **more)
    assert type(raised) is error
    assert raised.exit_status == exit_status
    assert str(raised).startswith("s3://bucket")
    shown = "".join(traceback.format_exception(raised)) + repr(raised.to_record())
    assert not any(secret in shown for secret in (KEY, SECRET, TOKEN, "abc&", "StringToSign"))
    assert raised.__context__ is None


def test_keys_that_expired_are_read_anew_once(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewed = list[str]()
    answers = Stubber(client._boto_for(PLACE))
    for _ in range(2):
        answers.add_client_error("get_object", "ExpiredToken", http_status_code=400)
    monkeypatch.setattr(client, "renew", lambda: renewed.append("renewed"))
    with answers, pytest.raises(CredentialsRefused, match="have expired"):
        client.request("GetObject", PLACE, Key=PLACE.key)
    assert renewed == ["renewed"]
    answers.assert_no_pending_responses()


def test_nothing_secret_is_shown_of_a_client_or_a_signed_address(client: Client) -> None:
    signed = client.sign(PLACE)
    assert "X-Amz-Signature=" in signed.url
    shown = f"{client!r} {signed!r} {vars(signed.__class__)}"
    assert not any(secret in shown for secret in (KEY, SECRET, TOKEN, "X-Amz-Signature="))
