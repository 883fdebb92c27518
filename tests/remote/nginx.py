"""A real nginx on free ports of this machine, whose locations behave well or badly.

``/plain/`` serves files with ranges and ETags, ``/noranges/`` without ranges, ``/slow/`` 2 MB a
second to each connection; ``/cut/`` promises all and breaks off after `CUT_AFTER` bytes;
``/ragged/`` breaks off the first `CUTS` long answers, each at a random place, and ``/raggedwhole/``
does so without ranges;
``/flaky/`` answers 503 two times of three; ``/elsewhere/`` redirects to ``/plain/`` under another
name of this host. Each is followed by the path of a file below the folder that is served.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Final, Self

MODULES: Final = Path("/usr/lib/nginx/modules")
CUT_AFTER: Final = 3_000_000
CUTS: Final = 20
_FOLDERS: Final = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
_PROBE: Final = ".probe"

_MAIN: Final = """
load_module {modules}/ndk_http_module.so;
load_module {modules}/ngx_http_lua_module.so;
daemon off; master_process off; pid {here}/pid; error_log {here}/error.log;
events {{ worker_connections 512; }}
http {{
  {temps}
  log_format counted '$request_method $uri $status $body_bytes_sent $http_range';
  access_log {here}/access.log counted;
  keepalive_requests 100000;
  types {{ }} default_type application/octet-stream;
  lua_shared_dict counts 1m;
  init_by_lua_block {{
    function cut_at(folder, length)
      if length < 65536 or ngx.shared.counts:incr(folder, 1, 0) > {cuts} then return length end
      return math.random(length) - 1
    end
    function send(folder, has_ranges, most)
      local file = io.open("{files}/" .. ngx.var.uri:sub(#folder + 1), "rb")
      if not file then ngx.exit(404) end
      local size = file:seek("end")
      local first, last = (ngx.var.http_range or ""):match("bytes=(%d+)%-(%d*)")
      if not has_ranges then first, last = nil, nil end
      local begin, stop = tonumber(first or 0), tonumber(last or "") or size - 1
      stop = math.min(stop, size - 1)
      if first then
        ngx.status = 206
        ngx.header["Content-Range"] = "bytes " .. begin .. "-" .. stop .. "/" .. size
      end
      ngx.header["ETag"] = '"' .. size .. '"'
      if has_ranges then ngx.header["Accept-Ranges"] = "bytes" end
      ngx.header["Content-Length"] = stop - begin + 1
      if ngx.req.get_method() == "HEAD" then return end
      file:seek("set", begin)
      local length = stop - begin + 1
      local left = math.min(length, most or cut_at(folder, length))
      local is_cut = left < length
      while left > 0 do
        local data = file:read(math.min(left, 65536))
        if not data then break end
        ngx.print(data); ngx.flush(true); left = left - #data
      end
      file:close()
      if is_cut then ngx.exit(444) end
    end
  }}
  server {{ {listen} root {files};
    location /plain/ {{ alias {files}/; }}
    location /noranges/ {{ alias {files}/; max_ranges 0; }}
    location /slow/ {{ alias {files}/; limit_rate 2m; }}
    location /elsewhere/ {{
      rewrite ^/elsewhere/(.*)$ {scheme}://localhost:{port}/plain/$1 redirect; }}
    location /flaky/ {{ alias {files}/;
      access_by_lua_block {{
        if ngx.shared.counts:incr("flaky", 1, 0) % 3 ~= 0 then ngx.exit(503) end
      }} }}
    location /cut/ {{ content_by_lua_block {{ send("/cut/", true, {cut_after}) }} }}
    location /ragged/ {{ content_by_lua_block {{ send("/ragged/", true) }} }}
    location /raggedwhole/ {{ content_by_lua_block {{ send("/raggedwhole/", false) }} }}
  }}
}}
"""


def free_port() -> int:
    """Return a port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_installed() -> bool:
    """Whether nginx with its Lua module is on this machine."""
    return shutil.which("nginx") is not None and (MODULES / "ngx_http_lua_module.so").exists()


class Nginx:
    """Starts nginx, stops it, starts it again on the same port.

    Args:
        folder: of its own.
        files: what it serves.
        tls: whether it talks HTTPS, with a certificate of its own, `certificate`.
    """

    def __init__(self, folder: Path, files: Path, *, tls: bool = False) -> None:
        self._folder = folder
        self._port = free_port()
        self._scheme = "https" if tls else "http"
        self.certificate = folder / "certificate.pem"
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        (files / _PROBE).write_bytes(b"")
        if tls:
            self._make_certificate()
        self._configure(files, tls=tls)

    @property
    def url(self) -> str:
        """Scheme, host and port; without a slash at the end."""
        return f"{self._scheme}://127.0.0.1:{self._port}"

    @property
    def requests(self) -> list[str]:
        """Method, path, status, bytes of body and range of each request, as they ended."""
        log = self._folder / "access.log"
        lines = log.read_text().splitlines() if log.exists() else []
        return [line for line in lines if _PROBE not in line]

    def start(self) -> None:
        """Start it, and wait until it serves a file."""
        self._process = subprocess.Popen(
            ["nginx", "-p", f"{self._folder}/", "-c", "nginx.conf", "-e", "error.log"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=dict(os.environ),
        )
        for _ in range(200):
            if self._answers():
                return
            assert self._process.poll() is None, (self._folder / "error.log").read_text()
            time.sleep(0.05)
        raise AssertionError("nginx does not answer")

    def stop(self) -> None:
        """End it, in the middle of whatever it sends."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        if self._scheme == "https":  # the port is enough: it serves when it listens
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self._port)) == 0
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"{self.url}/plain/{_PROBE}", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _configure(self, files: Path, *, tls: bool) -> None:
        here = self._folder
        temps = " ".join(f"{name}_temp_path {here}/{name};" for name in _FOLDERS)
        key = f"ssl_certificate {self.certificate}; ssl_certificate_key {here}/key.pem;"
        listen = f"listen 127.0.0.1:{self._port}" + (f" ssl; {key}" if tls else ";")
        text = _MAIN.format(
            modules=MODULES,
            here=here,
            temps=temps,
            listen=listen,
            files=files,
            scheme=self._scheme,
            port=self._port,
            cut_after=CUT_AFTER,
            cuts=CUTS,
        )
        (here / "nginx.conf").write_text(text)

    def _make_certificate(self) -> None:
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        command += [
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=IP:127.0.0.1,DNS:localhost",
        ]
        command += ["-keyout", str(self._folder / "key.pem"), "-out", str(self.certificate)]
        subprocess.run(command, check=True, capture_output=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
