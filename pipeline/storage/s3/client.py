"""The one client of a store in this process: made when it is first needed, and by nobody else.

A client is never used across a fork. Before one its idle connections are closed, so that no child
inherits a socket; the child makes a client of its own, which takes little: what boto3 has read of
its models stays in memory.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeAlias

import boto3.session
import botocore.session
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from pipeline.storage.location import Remote
from pipeline.storage.s3 import errors, listpage
from pipeline.storage.s3.body import add_md5
from pipeline.storage.s3.retries import TRIES, Retries
from pipeline.storage.s3.settings import Settings, check_endpoint

Answer: TypeAlias = Mapping[str, Any]
"""What boto3 returns for a request."""

CONNECT_S: Final = 10.0
READ_S: Final = 60.0
SIGNED_S: Final = 6 * 3600
"""How long a signed address is good for, unless the keys that signed it expire before."""

_clients: dict[tuple[int, Settings], Client] = {}  # by process: a forked one makes its own
_answered: set[Settings] = set()  # the stores that have answered this process, or one before it
_loaders: list[Any] = []  # boto3's reader of its models, and what it has read: data alone


@dataclass(frozen=True)
class SignedUrl:
    """An address that whoever holds it may read: it is shown without its signature.

    Attributes:
        url: with the signature.
        expires: seconds since the epoch after which it is refused.
    """

    url: str = field(repr=False)
    expires: float


class Client:
    """Sends requests to one store, each a few times; use `connect`.

    Attributes:
        settings: how the store is reached.
        etags_are_md5: false once the store was seen to hold the right bytes under an ETag that is
            not their MD5, though it looks like one.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.etags_are_md5 = True
        self._boto: Any = None
        self._credentials: Any = None
        self._retries = Retries(lambda: settings in _answered, lambda: _answered.add(settings))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.settings!r})"

    def request(self, operation: str, place: Remote, **parameters: object) -> Answer:
        """Send a request and return its answer.

        Args:
            operation: of S3, such as ``HeadObject``.
            place: the address that it is about, for messages; its bucket is sent.
            parameters: what else the operation takes, in boto3's words.

        Raises:
            ShardmillError: the store refuses it, or does not answer any of several tries; see
                `pipeline.storage.s3.errors`.
        """
        answer = self.request_unless(frozenset(), operation, place, **parameters)
        if isinstance(answer, str):
            raise TypeError(f"{answer} was not awaited")
        return answer

    def request_unless(
        self, awaited: frozenset[str], operation: str, place: Remote, **parameters: object
    ) -> Answer | str:
        """Do as `request` does, but return the code of an error that the caller awaits.

        Args:
            awaited: codes of S3, such as ``NoSuchUpload``; of an answer without a body, as to HEAD,
                the status of HTTP.
            operation: see `request`.
            place: see `request`.
            parameters: see `request`.
        """
        try:
            return self._attempt(operation, place, parameters)
        except ClientError as error:
            code = errors.code_of(error.response)
            if code in awaited:
                return code
            failure = errors.translated(error, operation, place)
        except BotoCoreError as error:
            failure = errors.translated(error, operation, place)
        raise failure  # outside of the handler: what botocore raised holds the whole answer

    def _attempt(self, operation: str, place: Remote, parameters: Mapping[str, object]) -> Answer:
        """Send a request; read keys that have expired anew, once, and send it again.

        Another program may have renewed the file that holds them.
        """
        try:
            return self._send(operation, place, parameters)
        except ClientError as error:
            if errors.code_of(error.response) not in errors.EXPIRED:
                raise
            self.renew()
        return self._send(operation, place, parameters)

    def sign(self, place: Remote, version: str | None = None) -> SignedUrl:
        """Return an address by which an object may be read, without any request.

        It is signed by credentials that boto3 renews before they expire; it expires with them.
        Where the requests of this client are unsigned it never does.

        Args:
            place: of the object.
            version: of a bucket that keeps versions: which; by default the newest.

        Raises:
            ShardmillError: there are no credentials.
        """
        parameters = {"Bucket": place.host, "Key": place.key}
        if version is not None:
            parameters["VersionId"] = version
        try:
            expires = self._good_until()
            seconds = max(1, int(expires - time.time())) if expires < float("inf") else SIGNED_S
            url = self._made().generate_presigned_url("get_object", parameters, seconds)
        except (BotoCoreError, ClientError) as error:
            failure = errors.translated(error, "GetObject", place)
        else:
            return SignedUrl(str(url), expires)
        raise failure

    def renew(self) -> None:
        """Read the credentials anew, from where they were found at first."""
        self.close()
        self._boto = self._credentials = None

    @contextlib.contextmanager
    def trying_once(self) -> Iterator[None]:
        """Send each request once only while the context lasts: it is no loss if one fails."""
        self._retries.most = 1
        try:
            yield
        finally:
            self._retries.most = TRIES

    def close(self) -> None:
        """Close the idle connections; the next request opens another."""
        if self._boto is not None:
            self._boto.close()

    def _send(self, operation: str, place: Remote, parameters: Mapping[str, object]) -> Answer:
        answer: Answer = _method(self._made(), operation)(Bucket=place.host, **parameters)
        return answer

    def _good_until(self) -> float:
        """Return when an address that is signed now is refused, in seconds since the epoch."""
        if self.settings.unsigned:
            return float("inf")
        self._made()
        until = time.time() + SIGNED_S
        if self._credentials is not None:
            self._credentials.get_frozen_credentials()  # which renews them if they soon expire
            # botocore has no other way to tell when: only whether it will be within some seconds.
            expiry = getattr(self._credentials, "_expiry_time", None)
            if isinstance(expiry, datetime):
                until = min(until, expiry.timestamp())
        return until

    def _made(self) -> Any:
        if self._boto is None:
            self._boto, self._credentials = _create(self.settings)
            self._boto.meta.events.register("needs-retry.s3", self._retries.needs_retry)
        return self._boto


def connect(settings: Settings) -> Client:
    """Return the client of this process for a store.

    It makes no connection before its first request.
    """
    key = (os.getpid(), settings)
    client = _clients.get(key)
    if client is None:
        client = _clients[key] = Client(settings)
    return client


def forget() -> None:
    """Close and forget all clients: others are made of what AWS's variables and files then say."""
    for client in _clients.values():
        client.close()
    _clients.clear()


def preload(settings: Settings) -> None:
    """Read what boto3 needs for any client, so that processes forked from now on need not.

    No socket is made, no request is sent and no thread is started.

    Raises:
        ShardmillError: boto3 cannot work as it is configured.
    """
    try:
        _create(settings)
    except BotoCoreError as error:
        failure = errors.translated(error, "", Remote("s3", "", ""))
    else:
        return
    raise failure


def _create(settings: Settings) -> tuple[Any, Any]:
    """Return a client of boto3, which tries each request once, and its credentials."""
    core = botocore.session.Session(profile=settings.profile)
    if _loaders:
        core.register_component("data_loader", _loaders[0])
    session = boto3.session.Session(botocore_session=core, region_name=_region(settings))
    client = session.client("s3", endpoint_url=settings.endpoint, config=_config(settings, core))
    if not _loaders:
        _loaders.append(core.get_component("data_loader"))
    check_endpoint(client.meta.endpoint_url, "AWS_ENDPOINT_URL")
    client.meta.events.register("before-parse.s3.ListObjectsV2", listpage.before_parse)
    client.meta.events.register("before-call.s3.DeleteObjects", add_md5)
    return client, None if settings.unsigned else session.get_credentials()


def _region(settings: Settings) -> str | None:
    """Return the region that is given, here or as all but boto3 take it; None: boto3 looks."""
    return settings.region or os.environ.get("AWS_REGION") or None


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


def _method(client: Any, operation: str) -> Any:
    """Return boto3's function for an operation of S3."""
    return getattr(client, botocore.xform_name(operation))


def _before_fork() -> None:
    for client in _clients.values():
        client.close()


def _in_child() -> None:
    _clients.clear()


os.register_at_fork(before=_before_fork, after_in_child=_in_child)
