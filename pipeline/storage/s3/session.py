"""Clients of boto3, made as this program wants them; none of them has sent anything yet."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import boto3.session
import botocore.session
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from pipeline.errors import UsageError
from pipeline.storage.s3 import errors, listpage
from pipeline.storage.s3.body import add_md5, send_blocks, sign_by_md5
from pipeline.storage.s3.settings import Settings, check_endpoint

CONNECT_S: Final = 10.0
READ_S: Final = 60.0
REGION_HEADER: Final = "x-amz-bucket-region"

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_FORBIDDEN: Final = 403
_loaders: list[Any] = []  # boto3's reader of its models, and what it has read: data alone
_Sessions: TypeAlias = tuple[Any, Any]  # one of botocore, and that of boto3 around it
_spare: dict[Settings, tuple[int, _Sessions]] = {}  # with the process that has made them


def create(settings: Settings, region: str | None = None) -> tuple[Any, Any]:
    """Return a client of boto3, which tries each request once, and its credentials.

    Args:
        settings: how the store is reached.
        region: where it is known to be another than the settings or AWS's files say.

    Raises:
        UsageError: boto3 cannot work as it is configured.
    """
    try:
        return _create(settings, region)
    except BotoCoreError as error:
        failure = errors.misconfigured(error)
    raise failure


def keep_one(settings: Settings) -> None:
    """Make a session for each process that is forked from this one: to make one takes 20 ms.

    It has read no file and no key yet, and this process does not use it.

    Raises:
        UsageError: see `create`.
    """
    try:
        _spare[settings] = os.getpid(), _sessions(settings)
    except BotoCoreError as error:
        failure = errors.misconfigured(error)
    else:
        return
    raise failure


def forget() -> None:
    """Forget the sessions that were kept."""
    _spare.clear()


def _sessions(settings: Settings, region: str | None = None) -> _Sessions:
    core = botocore.session.Session(profile=settings.profile)
    if _loaders:
        core.register_component("data_loader", _loaders[0])
    # The first of these variables is read by all but boto3; what else there is boto3 finds.
    region = region or settings.region or os.environ.get("AWS_REGION") or None
    return core, boto3.session.Session(botocore_session=core, region_name=region)


def _inherited(settings: Settings) -> _Sessions | None:
    """Return the session that a process was forked with, once; None: there is none."""
    if settings not in _spare or _spare[settings][0] == os.getpid():
        return None
    return _spare.pop(settings)[1]


def _create(settings: Settings, region: str | None) -> tuple[Any, Any]:
    inherited = None if region else _inherited(settings)
    core, session = inherited or _sessions(settings, region)
    config = _config(settings, core)
    try:
        client = session.client("s3", endpoint_url=settings.endpoint, config=config)
    except ValueError as error:
        if isinstance(error, BotoCoreError):
            raise
        raise UsageError("AWS_ENDPOINT_URL: no address of a store") from None
    if not _loaders:
        _loaders.append(core.get_component("data_loader"))
    check_endpoint(client.meta.endpoint_url, "AWS_ENDPOINT_URL")
    events = client.meta.events
    events.register("before-parse.s3.ListObjectsV2", listpage.before_parse)
    events.register("before-parse.s3.HeadBucket", _not_redirected)
    events.register("before-call.s3.DeleteObjects", add_md5)
    for operation in ("PutObject", "UploadPart"):
        events.register(f"before-sign.s3.{operation}", sign_by_md5)
        events.register(f"before-send.s3.{operation}", send_blocks)
    return client, None if settings.unsigned else session.get_credentials()


def _config(settings: Settings, core: Any) -> Config:
    checksums = settings.checksums
    return Config(
        signature_version=UNSIGNED if settings.unsigned else "s3v4",
        s3={"addressing_style": settings.addressing} if settings.addressing else None,
        # Only when they are said is anything else asked of a store than the protocol needs.
        request_checksum_calculation=checksums or _said(core, "request_checksum_calculation"),
        response_checksum_validation=checksums or _said(core, "response_checksum_validation"),
        retries={"mode": "standard", "total_max_attempts": 1},  # `Retries` tries again
        connect_timeout=CONNECT_S,
        read_timeout=READ_S,
        tcp_keepalive=True,
        max_pool_connections=2,
    )


def _said(core: Any, name: str) -> str:
    """Return what AWS's variables or files say of checksums, else as few as there can be."""
    variable = os.environ.get(f"AWS_{name.upper()}")
    return str(variable or core.get_scoped_config().get(name) or "when_required")


def _not_redirected(*, response_dict: dict[str, Any], **_: object) -> None:
    """Have boto3 not follow where nothing says to which region.

    It asks for the region of a bucket by such a request, and where the answer is one more redirect
    it would ask again without an end: as of a web server that sends everybody to https.
    """
    if response_dict["status_code"] in _REDIRECTS and REGION_HEADER not in response_dict["headers"]:
        response_dict["status_code"] = _FORBIDDEN


def named_region(answer: Mapping[str, Any]) -> str | None:
    """Return the region that an answer says the bucket lies in, if it does."""
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    region = headers.get(REGION_HEADER) or answer.get("Error", {}).get("Region")
    return str(region) if region else None
