"""Real S3 servers on free ports of this machine: SeaweedFS, and ``rclone serve s3``.

Both are killed and started again on the same ports and folders by tests that need that; what was
stored survives it.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session
from support import ROOT

REGION = "us-east-1"
PATIENCE_S = 60
_LOADERS: list[Any] = []  # what botocore has read of its models: reading it takes long


@dataclass(frozen=True)
class Keys:
    """The credentials of one identity of a server."""

    access: str
    secret: str


ADMIN = Keys("admin-key", "admin-secret-0123456789")
WORKER = Keys("worker-key", "worker-secret-0123456789")
STRANGER = Keys("stranger-key", "stranger-secret-0123456789")


def binary(name: str) -> str:
    """Return the path of a server's program, which `make remote` installs."""
    here = ROOT / ".venv-servers" / "bin" / name
    found = str(here) if os.access(here, os.X_OK) else shutil.which(name)
    assert found, f"{name} is neither in .venv-servers/bin nor in the PATH: see make remote"
    return found


class S3Server(ABC):
    """A server that is started, killed, and started again.

    Attributes:
        folder: where it keeps its data and its log.
        endpoint: the URL that clients are given.
    """

    name: ClassVar[str]
    ports: ClassVar[int]

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ports = free_ports(self.ports)
        self.endpoint = f"http://127.0.0.1:{self._ports[0]}"
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """Return the command line that starts it."""

    def start(self) -> None:
        """Start it, and wait until it has stored and returned an object."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(), cwd=self.folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        deadline = time.monotonic() + PATIENCE_S
        while not self._works():
            assert self._process.poll() is None, f"{self.name} ended: see {self.folder}/log"
            assert time.monotonic() < deadline, f"{self.name} does not answer"
            time.sleep(0.1)

    def kill(self) -> None:
        """Kill it; what it has stored stays."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def client(self, keys: Keys = ADMIN) -> Any:
        """Return a plain client of botocore's, for what a test prepares and looks at."""
        return _client(self.endpoint, keys)

    def bucket(self) -> str:
        """Make a bucket of its own for a test."""
        name = f"test-{secrets.token_hex(6)}"
        self.client().create_bucket(Bucket=name)
        return name

    def _works(self) -> bool:
        """Whether it stores an object and returns it."""
        client = self.client()
        try:
            if not any(each["Name"] == "probe" for each in client.list_buckets()["Buckets"]):
                client.create_bucket(Bucket="probe")
            client.put_object(Bucket="probe", Key="probe", Body=b"probe")
            content: bytes = client.get_object(Bucket="probe", Key="probe")["Body"].read()
        except (BotoCoreError, ClientError):
            return False
        return content == b"probe"


class SeaweedFS(S3Server):
    """``weed server``: signatures, rights and policies, conditional requests, versions."""

    name = "seaweedfs"
    ports = 8

    def command(self) -> list[str]:
        config = self.folder / "s3.json"
        config.write_text(json.dumps({"identities": IDENTITIES}))
        s3, master, volume, filer, *grpc = self._ports
        return [
            *(binary("weed"), "server", f"-dir={self.folder}", "-ip=127.0.0.1"),
            *("-ip.bind=127.0.0.1", "-master.telemetry=false", f"-master.port={master}"),
            *(f"-volume.port={volume}", "-filer", f"-filer.port={filer}", "-s3"),
            *(f"-s3.port={s3}", "-s3.port.iceberg=0", "-s3.port.lance=0"),
            *(f"-master.port.grpc={grpc[0]}", f"-volume.port.grpc={grpc[1]}"),
            *(f"-filer.port.grpc={grpc[2]}", f"-s3.port.grpc={grpc[3]}", f"-s3.config={config}"),
            *(f"-filer.localSocket={self.folder / 'filer.sock'}", "-master.electionTimeout=1s"),
            *("-master.volumeSizeLimitMB=1024", "-volume.max=2000"),
        ]


class Rclone(S3Server):
    """``rclone serve s3``: plain files; no rights, no conditional writes, no copies of parts."""

    name = "rclone"
    ports = 1

    def command(self) -> list[str]:
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        return [
            *(binary("rclone"), "serve", "s3", "--addr", f"127.0.0.1:{self._ports[0]}"),
            *("--auth-key", f"{ADMIN.access},{ADMIN.secret}", "--etag-hash", "MD5"),
            *("--config", os.devnull, str(data)),
        ]


SERVERS = {kind.name: kind for kind in (SeaweedFS, Rclone)}
IDENTITIES = [
    {
        "name": name,
        "credentials": [{"accessKey": keys.access, "secretKey": keys.secret}],
        "actions": actions,
    }
    for name, keys, actions in (
        ("admin", ADMIN, ["Admin", "Read", "Write", "List", "Tagging"]),
        ("worker", WORKER, ["Read:test-*", "List:test-*", "Write:test-*"]),
        ("stranger", STRANGER, ["Read:elsewhere", "List:elsewhere"]),
    )
]


@contextmanager
def running(name: str, folder: Path) -> Iterator[S3Server]:
    """Run a server while the context lasts."""
    server = SERVERS[name](folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()


def free_ports(number: int) -> list[int]:
    """Return ports that nobody listens on, all of them different."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(number)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def _client(endpoint: str, keys: Keys) -> Any:
    session = Session()
    if _LOADERS:
        session.register_component("data_loader", _LOADERS[0])
    else:
        _LOADERS.append(session.get_component("data_loader"))
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        retries={"mode": "standard", "total_max_attempts": 1},
        connect_timeout=5,
        read_timeout=30,
    )
    return session.create_client(
        "s3",
        region_name=REGION,
        endpoint_url=endpoint,
        aws_access_key_id=keys.access,
        aws_secret_access_key=keys.secret,
        config=config,
    )
