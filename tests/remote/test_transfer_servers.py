"""The curl loop with a real nginx, and with a proxy between that spoils its answers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from faultproxy import EXPIRED, SLOW_DOWN, FaultProxy, Rule, rule
from nginx import Nginx

from pipeline.errors import (
    EnvironmentRefused,
    NoRanges,
    ObjectRefused,
    RemoteUnavailable,
    ShardmillError,
)
from pipeline.storage.http.request import Request
from pipeline.storage.http.retries import Patience
from pipeline.storage.http.transfer import Transfer
from pipeline.storage.http.trust import VARIABLES

pytest_plugins = ("webservers",)

PART = 500_000


@pytest.fixture
def transfer() -> Iterator[Transfer]:
    with Transfer(8, patience=Patience(first=0.01)) as transfer:
        yield transfer


def parts(url: str, size: int, validator: str = "") -> list[Request]:
    return [
        Request(url, "", offset, min(PART, size - offset), size, validator)
        for offset in range(0, size, PART)
    ]


def read_all(transfer: Transfer, url: str, validator: str = "", size: int = 8_000_000) -> bytes:
    tickets = [transfer.submit(request) for request in parts(url, size, validator)]
    return b"".join(bytes(transfer.wait(ticket).body) for ticket in tickets)


@pytest.mark.parametrize("location", ["plain", "flaky", "cut", "elsewhere"])
def test_ranges_are_read_whatever_a_server_is_like(
    transfer: Transfer, nginx: Nginx, served: Path, location: str
) -> None:
    assert read_all(transfer, f"{nginx.url}/{location}/object") == (served / "object").read_bytes()


def test_a_body_that_is_always_cut_is_continued_to_its_end(
    transfer: Transfer, nginx: Nginx, served: Path
) -> None:
    digest = hashlib.sha256()
    before = len(nginx.requests)
    ticket = transfer.submit(
        Request(f"{nginx.url}/cut/object"), sink=lambda _at, piece: digest.update(piece)
    )
    transfer.wait(ticket)
    assert digest.hexdigest() == hashlib.sha256((served / "object").read_bytes()).hexdigest()
    assert len(nginx.requests) - before == 3


def test_a_server_without_ranges_is_said_at_once(transfer: Transfer, nginx: Nginx) -> None:
    with pytest.raises(NoRanges):
        read_all(transfer, f"{nginx.url}/noranges/object")


@pytest.mark.parametrize(
    "fault",
    [
        rule("cut", after=123_456, every=2),
        rule("answer", status=503, body=SLOW_DOWN, every=3),
        rule("answer", status=429, headers={"Retry-After": "0"}, every=3),
        rule("answer", status=500, every=3),
        rule("reset", every=3),
        rule("elsewhere", by=1, every=5, times=2),
        rule("length", by=1, every=4),
        rule("length", by=-1, every=4),
    ],
    ids=lambda fault: f"{fault['fault']} {fault.get('status', fault.get('by', ''))}",
)
def test_faults_on_the_way_are_survived(
    transfer: Transfer, web_proxy: FaultProxy, served: Path, fault: Rule
) -> None:
    web_proxy.follow(fault)
    content = read_all(transfer, f"{web_proxy.url}/plain/object")
    assert content == (served / "object").read_bytes()
    assert any(each.fault for each in web_proxy.passed())


def test_as_many_requests_as_allowed_wait_for_a_slow_server_together(
    transfer: Transfer, web_proxy: FaultProxy, served: Path
) -> None:
    web_proxy.follow(rule("delay", seconds=0.1))
    assert read_all(transfer, f"{web_proxy.url}/plain/object") == (served / "object").read_bytes()
    assert web_proxy.most_under_way() == transfer.in_flight


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (rule("whole"), NoRanges),
        (rule("gzip"), ObjectRefused),
        (rule("answer", status=403, body=EXPIRED), ObjectRefused),
        (rule("elsewhere", by=1), RemoteUnavailable),
    ],
)
def test_lasting_faults_are_said(
    transfer: Transfer, web_proxy: FaultProxy, fault: Rule, error: type[ShardmillError]
) -> None:
    web_proxy.follow(fault)
    with pytest.raises(error):
        transfer.get(Request(f"{web_proxy.url}/plain/object", "", 5, 10, 8_000_000))
    assert len(web_proxy.passed()) == (3 if error is RemoteUnavailable else 1)


def test_a_certificate_is_verified(
    transfer: Transfer, tmp_path: Path, served: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    with Nginx(tmp_path / "tls", served, tls=True) as secure:
        request = Request(f"{secure.url}/plain/object", "", 5, 10)
        with pytest.raises(EnvironmentRefused, match="SSL_CERT_FILE"):
            transfer.get(request)
        monkeypatch.setenv("SSL_CERT_FILE", str(secure.certificate))
        with Transfer() as trusting:
            assert trusting.get(request).length == 10
        monkeypatch.delenv("SSL_CERT_FILE")
        named = Request(request.url, "", 5, 10, ca_file=str(secure.certificate))
        assert transfer.get(named).length == 10
