"""The servers that are measured with, on loopback: nginx, SeaweedFS, and a luigid."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from benchmarks.corpus import ROOT

KEYS: Final = ("benchmark-key", "benchmark-secret-0123456789")
LIMIT: Final = 40
"""Megabytes a second that nginx sends to each connection below ``/limited/``."""
_PATIENCE_S: Final = 60.0
_TEMPORARY: Final = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
_NGINX: Final = """
daemon off; master_process off; pid {here}/pid; error_log {here}/error.log;
events {{ worker_connections 512; }}
http {{
  {temporary}
  access_log off; sendfile on; keepalive_requests 100000;
  types {{ }} default_type application/octet-stream;
  server {{ listen 127.0.0.1:{port}; root {files};
    location /limited/ {{ alias {files}/; limit_rate {limit}m; }}
  }}
}}
"""


def find(name: str) -> str | None:
    """Return the program of a server: that which `make remote` installs, or one in the PATH."""
    folders = [str(ROOT / ".venv-servers" / "bin"), os.environ.get("PATH", ""), "/usr/sbin"]
    return shutil.which(name, path=os.pathsep.join(folders))


@contextlib.contextmanager
def nginx(program: str, folder: Path, files: Path) -> Iterator[str]:
    """Serve a folder while the context lasts; give the address of it, without a slash."""
    (port,) = _free_ports(1)
    temporary = " ".join(f"{name}_temp_path {folder}/{name};" for name in _TEMPORARY)
    text = _NGINX.format(here=folder, temporary=temporary, port=port, files=files, limit=LIMIT)
    (folder / "nginx.conf").write_text(text)
    command = [program, "-p", f"{folder}/", "-c", "nginx.conf", "-e", "error.log"]
    with _running(command, folder, lambda: _listens(port)):
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def seaweedfs(program: str, folder: Path) -> Iterator[str]:
    """Run a store while the context lasts; give its endpoint. Its keys are `KEYS`."""
    access, secret = KEYS
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    identity = {"name": "benchmark", "credentials": [{"accessKey": access, "secretKey": secret}]}
    (folder / "s3.json").write_text(json.dumps({"identities": [identity | {"actions": actions}]}))
    s3, master, volume, filer, *grpc = _free_ports(8)
    command = [
        *(program, "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer"),
        *("-master.telemetry=false", f"-master.port={master}", f"-volume.port={volume}", "-s3"),
        *(f"-filer.port={filer}", f"-s3.port={s3}", "-s3.port.iceberg=0", "-s3.port.lance=0"),
        *(f"-master.port.grpc={grpc[0]}", f"-volume.port.grpc={grpc[1]}"),
        *(f"-filer.port.grpc={grpc[2]}", f"-s3.port.grpc={grpc[3]}"),
        *(f"-filer.localSocket={folder / 'filer.sock'}", f"-s3.config={folder / 's3.json'}"),
        *("-master.electionTimeout=1s", "-master.volumeSizeLimitMB=1024", "-volume.max=100"),
    ]
    with _running(command, folder, lambda: _listens(s3)):
        yield f"http://127.0.0.1:{s3}"


@contextlib.contextmanager
def luigid(folder: Path) -> Iterator[str]:
    """Run Luigi's scheduler, with the shipped settings, while the context lasts; give HOST:PORT."""
    (port,) = _free_ports(1)
    where = ("--address", "127.0.0.1", "--port", str(port), "--state-path", f"{folder}/state")
    settings = f"LUIGI_CONFIG_PATH={ROOT / 'luigi.cfg'}"
    program = "import sys; from luigi.cmdline import luigid; luigid(sys.argv[1:])"
    command = ["env", settings, sys.executable, "-c", program, *where]
    with _running(command, folder, lambda: _listens(port)):
        yield f"127.0.0.1:{port}"


@contextlib.contextmanager
def _running(command: Sequence[str], folder: Path, works: Callable[[], bool]) -> Iterator[None]:
    """Run a server while the context lasts, and kill it at its end: its data is of no use then."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + _PATIENCE_S
        while not works():
            assert process.poll() is None, f"{command[0]} ended: see {folder}/log"
            assert time.monotonic() < deadline, f"{command[0]} does not answer"
            time.sleep(0.1)
        yield
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_ports(number: int) -> list[int]:
    """Return ports that nobody listens on, all of them different."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(number)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
