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
from datetime import datetime
from typing import Any, Final, TypeAlias

import botocore
from botocore.exceptions import BotoCoreError, ClientError

from pipeline.storage.location import Remote
from pipeline.storage.s3 import errors, session
from pipeline.storage.s3.body import Part
from pipeline.storage.s3.retries import TRIES, Retries
from pipeline.storage.s3.settings import Settings
from pipeline.storage.s3.signing import Kept, Pattern, SignedUrl

Answer: TypeAlias = Mapping[str, Any]
"""What boto3 returns for a request."""

SIGNED_S: Final = 6 * 3600
"""How long a signed address is good for, unless the keys that signed it expire before."""

PATTERN_S: Final = 300.0
"""How long addresses are made after one that boto3 has signed: they all expire with it."""

_REFUSED_HEAD: Final = frozenset({"301", "307", "400", "401", "403", "404"})
_clients: dict[tuple[int, Settings], Client] = {}  # by process: a forked one makes its own
_answered: set[Settings] = set()  # the stores that have answered this process, or one before it
_regions: dict[tuple[Settings, str], str] = {}  # of buckets, where it is another than was said


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
        self._botos: dict[str | None, Any] = {}  # clients of boto3, by region
        self._credentials: Any = None
        self._located = set[str]()  # buckets whose region is known not to be another
        self._patterns: dict[str, Kept] = {}  # by bucket
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
        if isinstance(body := parameters.get("Body"), Part):
            body.seek(0)
        return self._send(operation, place, parameters)

    def sign(self, place: Remote, *, anew: bool = False) -> SignedUrl:
        """Return an address by which an object may be read.

        It is signed by credentials that boto3 renews before they expire; it expires with them.
        Where the requests of this client are unsigned it never does.

        Args:
            place: of the object.
            anew: whether an address signed before was refused: the credentials are read anew, and
                one request finds out which region signs for the bucket.

        Raises:
            ShardmillError: there are no credentials, or that request fails.
        """
        if anew:
            self.renew()
        if place.host not in self._located and (anew or self._is_of_aws(place)):
            # An answer may say that the bucket lies in another region; no signature does.
            self.request_unless(_REFUSED_HEAD, "HeadObject", place, Key=place.key)
            self._located.add(place.host)
        return self._by_pattern(place) or self._signed(place)

    def _signed(self, place: Remote) -> SignedUrl:
        """Return an address that boto3 signs."""
        parameters = {"Bucket": place.host, "Key": place.key}
        boto = self._boto_for(place)
        try:
            expires = self._good_until()
            seconds = max(1, int(expires - time.time())) if expires < float("inf") else SIGNED_S
            url = str(boto.generate_presigned_url("get_object", parameters, seconds))
            keys = self._credentials and self._credentials.get_frozen_credentials()
        except (BotoCoreError, ClientError) as error:
            failure = errors.translated(error, "GetObject", place)
        else:
            if keys:
                pattern = Pattern.of(url, place.key, keys.secret_key)
                self._patterns[place.host] = Kept(pattern, keys, time.monotonic(), expires)
            return SignedUrl(url, expires)
        raise failure

    def _by_pattern(self, place: Remote) -> SignedUrl | None:
        """Return an address made after one that was signed a moment ago, if there is one."""
        kept = self._patterns.get(place.host)
        if kept is None or kept.pattern is None or time.monotonic() > kept.begun + PATTERN_S:
            return None
        try:
            if self._credentials.get_frozen_credentials() != kept.keys:
                return None
        except (BotoCoreError, ClientError) as error:
            failure = errors.translated(error, "GetObject", place)
        else:
            return SignedUrl(kept.pattern.url(place.key), kept.expires)
        raise failure

    def _is_of_aws(self, place: Remote) -> bool:
        return ".amazonaws.com" in str(self._boto_for(place).meta.endpoint_url)

    def renew(self) -> None:
        """Read the credentials anew, from where they were found at first."""
        self.close()
        self._botos.clear()
        self._patterns.clear()
        self._credentials = None
        self._located.clear()

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
        for boto in self._botos.values():
            boto.close()

    def _send(self, operation: str, place: Remote, parameters: Mapping[str, object]) -> Answer:
        function = getattr(self._boto_for(place), botocore.xform_name(operation))
        answer: Answer = function(Bucket=place.host, **parameters)
        return answer

    def _good_until(self) -> float:
        """Return when an address that is signed now is refused, in seconds since the epoch."""
        if self.settings.unsigned:
            return float("inf")
        until = time.time() + SIGNED_S
        if self._credentials is not None:
            self._credentials.get_frozen_credentials()  # which renews them if they soon expire
            # botocore has no other way to tell when: only whether it will be within some seconds.
            expiry = getattr(self._credentials, "_expiry_time", None)
            if isinstance(expiry, datetime):
                until = min(until, expiry.timestamp())
        return until

    def _boto_for(self, place: Remote) -> Any:
        """Return the client of boto3 that signs for the region of a bucket."""
        region = _regions.get((self.settings, place.host))
        if region not in self._botos:
            boto, self._credentials = session.create(self.settings, region)
            boto.meta.events.register("needs-retry.s3", self._retries.needs_retry)
            boto.meta.events.register("needs-retry.s3", self._note_region)
            self._botos[region] = boto
        return self._botos[region]

    def _note_region(
        self,
        *,
        response: tuple[Any, Answer] | None,
        request_dict: Mapping[str, Any],
        **_: object,
    ) -> None:
        """Take in where a bucket lies, if an answer says so; botocore calls this after each."""
        region = response and session.named_region(response[1])
        signed = request_dict["context"].get("client_region")
        bucket = request_dict["context"].get("s3_redirect", {}).get("bucket")
        if region and bucket and region != signed:
            _regions[self.settings, bucket] = region
            self._patterns.pop(bucket, None)


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
    session.forget()


def preload(settings: Settings) -> None:
    """Read what boto3 needs for any client, so that processes forked from now on need not.

    No socket is made, no request is sent and no thread is started.

    Raises:
        ShardmillError: boto3 cannot work as it is configured.
    """
    session.create(settings)
    session.keep_one(settings)


def _before_fork() -> None:
    for client in _clients.values():
        client.close()


def _in_child() -> None:
    _clients.clear()


os.register_at_fork(before=_before_fork, after_in_child=_in_child)
