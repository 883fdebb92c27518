"""nginx with TLS whose answers begin 50 ms late, and which counts all that it sends."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import remote_servers

DELAY_S: Final = 0.05
_MODULES: Final = Path("/usr/lib/nginx/modules")
_PATIENCE_S: Final = 30.0
_TEMPORARY: Final = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
_CONFIG: Final = """
load_module {modules}/ndk_http_module.so;
load_module {modules}/ngx_http_lua_module.so;
daemon off; master_process off; pid {here}/pid; error_log {here}/error.log;
events {{ worker_connections 1024; }}
http {{
  {temporary}
  log_format counted '$body_bytes_sent'; access_log {here}/access.log counted;
  sendfile on; keepalive_requests 1000000;
  types {{ }} default_type application/octet-stream;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {here}/certificate.pem; ssl_certificate_key {here}/key.pem;
    root {files};
    location / {{ access_by_lua_block {{ ngx.sleep({delay}) }} }}
  }}
}}
"""


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        url: of the folder that it serves, without a slash.
        certificate: that clients have to trust.
        log: a line for each request: the bytes of the answer's body.
    """

    url: str
    certificate: Path
    log: Path

    def sent(self) -> tuple[int, int]:
        """Return how many requests were answered so far, and with how many bytes."""
        counts = [int(line) for line in self.log.read_text().split()]
        return len(counts), sum(counts)


def is_installed() -> bool:
    """Whether nginx is there, with its Lua module."""
    has_lua = (_MODULES / "ngx_http_lua_module.so").exists()
    return remote_servers.find("nginx") is not None and has_lua


@contextlib.contextmanager
def serving(folder: Path, files: Path) -> Iterator[Server]:
    """Serve a folder while the context lasts.

    Args:
        folder: of the server's own files.
        files: what is served.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    _make_certificate(folder)
    temporary = " ".join(f"{name}_temp_path {folder}/{name};" for name in _TEMPORARY)
    text = _CONFIG.format(
        modules=_MODULES, here=folder, temporary=temporary, port=port, files=files, delay=DELAY_S
    )
    (folder / "nginx.conf").write_text(text)
    program = remote_servers.find("nginx") or "nginx"
    process = subprocess.Popen([program, "-p", f"{folder}/", "-c", "nginx.conf", "-e", "error.log"])
    try:
        deadline = time.monotonic() + _PATIENCE_S
        while not _listens(port):
            assert process.poll() is None, f"nginx ended: see {folder}/error.log"
            assert time.monotonic() < deadline, "nginx does not answer"
            time.sleep(0.05)
        url = f"https://127.0.0.1:{port}"
        yield Server(url, folder / "certificate.pem", folder / "access.log")
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _make_certificate(folder: Path) -> None:
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")]
    subprocess.run(command, check=True, capture_output=True)
