"""A bucket of a real server, as a test uses it: by the product's client, and by boto3 alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from s3servers import Keys, S3Server

from pipeline.storage.location import Remote
from pipeline.storage.s3 import client
from pipeline.storage.s3.settings import Settings

STRANGERS_NAME = "arn:aws:iam::000000000000:user/stranger"


@dataclass(frozen=True)
class Bucket:
    """A fresh bucket of a running server.

    Attributes:
        server: that holds it.
        folder: an address in the bucket, below which a test works.
        settings: by which the product reaches the server.
        plain: a client of boto3 alone, with all rights.
    """

    server: S3Server
    folder: Remote
    settings: Settings
    plain: Any

    @property
    def client(self) -> client.Client:
        """The product's client."""
        return client.connect(self.settings)

    def put(self, *names: str, content: bytes = b"x") -> None:
        """Put small objects below the folder, by boto3 alone."""
        for name in names:
            key = (self.folder / name).key
            self.plain.put_object(Bucket=self.folder.host, Key=key, Body=content)

    def remove(self, *names: str) -> None:
        """Remove objects below the folder, by boto3 alone."""
        for name in names:
            self.plain.delete_object(Bucket=self.folder.host, Key=(self.folder / name).key)

    def content(self, name: str) -> bytes:
        """Return what an object below the folder holds, by boto3 alone."""
        key = (self.folder / name).key
        answer = self.plain.get_object(Bucket=self.folder.host, Key=key)
        content: bytes = answer["Body"].read()
        return content

    def names(self) -> list[str]:
        """Return the names of all objects below the folder, by boto3 alone."""
        pages = self.plain.get_paginator("list_objects_v2").paginate(Bucket=self.folder.host)
        keys = [each["Key"] for page in pages for each in page.get("Contents", ())]
        return [key.removeprefix(f"{self.folder.key}/") for key in keys]

    def allow_all_but_removal(self) -> None:
        """Let the stranger read, list and write here, and remove nothing."""
        statement = {
            "Effect": "Allow",
            "Principal": {"AWS": STRANGERS_NAME},
            "Action": ["s3:GetObject", "s3:ListBucket", "s3:PutObject"],
            "Resource": [f"arn:aws:s3:::{self.folder.host}{end}" for end in ("", "/*")],
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.plain.put_bucket_policy(Bucket=self.folder.host, Policy=policy)

    def unfinished(self) -> list[str]:
        """Return the keys of all unfinished uploads of the bucket, by boto3 alone."""
        try:
            answer = self.plain.list_multipart_uploads(Bucket=self.folder.host)
        except self.plain.exceptions.NoSuchUpload:  # so rclone says that there is none
            return []
        return [each["Key"] for each in answer.get("Uploads", ())]


@contextmanager
def counted(of: client.Client) -> Iterator[list[str]]:
    """Give the list of the requests that are sent while the context lasts."""
    sent: list[str] = []

    def note(event_name: str, **_: object) -> None:
        sent.append(event_name.rpartition(".")[2])

    events = of._boto_for(Remote("s3", "any", "")).meta.events
    events.register("before-send.s3", note)
    yield sent
    events.unregister("before-send.s3", note)


def fresh_bucket(server: S3Server) -> Bucket:
    """Return a new bucket of a running server."""
    folder = Remote("s3", server.bucket(), "out/shards")
    return Bucket(server, folder, Settings(endpoint=server.endpoint), server.client())


def use_keys(monkeypatch: pytest.MonkeyPatch, keys: Keys) -> None:
    """Have boto3 find the keys of an identity in the environment."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys.access)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys.secret)
