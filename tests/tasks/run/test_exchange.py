"""An answer that no luigid gives is refused, and one that does not come is given up in time."""

from __future__ import annotations

import socket

import pytest
from fakeluigid import Reply, endless, page, response, serving

from pipeline.errors import EnvironmentRefused, TransientError
from tasks.run import exchange
from tasks.run.exchange import Limits

_LIMITS = Limits(silence_s=0.3, answer_s=0.6, answer_bytes=100_000)
_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
_LONG = b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n"


def ask(reply: Reply) -> object:
    with serving(reply) as address:
        return exchange.ask(address, "get_work", {"worker": "me"}, _LIMITS)


@pytest.mark.parametrize("value", [{"task_id": None}, None, [], 0])
def test_an_answer_is_what_the_method_returned(value: object) -> None:
    assert ask(response(value)) == value


@pytest.mark.parametrize(
    "reply",
    [
        page(b"<html>It works!</html>"),
        page(b"{}"),
        page(b"[1]"),
        page(b'"response"'),
        page(b"\xff\xfe"),
        page(b"[" * 90_000),
        page(b'{"response": ' + b"9" * 90_000 + b"}"),
        page(b"", "204 No Content"),
        page(b"", "404 Not Found"),
        page(b"x" * 200_000),
        endless(_LONG, b" " * 5000),
        endless(_CHUNKED, b"1000\r\n" + b" " * 4096 + b"\r\n"),
        endless(_CHUNKED + b"-1\r\n", b" " * (1 << 16)),
        lambda connection: connection.sendall(_CHUNKED + b"-5\r\nabc\r\n"),
        lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
        lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 500),
        lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\na: " + b"b" * 90_000),
    ],
    ids=(
        *("html", "no response", "list", "text", "no UTF-8", "deep", "long number", "no content"),
        *("not found", "long", "endless", "endless chunks"),
        *("endless negative chunk", "negative chunk", "no HTTP", "headers", "header"),
    ),
)
def test_what_is_no_answer_of_a_luigid_is_refused(reply: Reply) -> None:
    with pytest.raises(EnvironmentRefused, match="not a luigid") as refusal:
        ask(reply)
    assert len(str(refusal.value)) < 2000
    assert refusal.value.exit_status == 1


def test_what_is_shown_of_an_answer_is_text() -> None:
    with pytest.raises(EnvironmentRefused) as refusal:
        ask(page(b"\x1b[2Jall is well\n\xe2\x80\xae"))
    assert str(refusal.value.found).isprintable()


def test_a_redirect_is_not_followed() -> None:
    elsewhere = list[socket.socket]()
    with serving(elsewhere.append) as (host, port):
        to = f"Location: http://{host}:{port}/"
        for status in ("301 Moved", "302 Found", "307 Temporary", "308 Permanent"):
            with pytest.raises(EnvironmentRefused, match="redirect"):
                ask(page(b"", status, to))
    assert elsewhere == []


@pytest.mark.parametrize(
    "reply",
    [
        lambda _: None,
        page(b"", "500 Internal Server Error"),
        page(b"", "503 Service Unavailable"),
        endless(b"", b"", 0.05),
        endless(b"HTTP/1.1 200 OK\r\n", b"", 0.05),
        endless(b"HTTP/1.1 200 OK\r\na: ", b"b", 0.05),
        endless(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", 0.05),
        endless(_LONG, b" ", 0.05),
        lambda connection: connection.sendall(_LONG + b'{"response": 1}'),
        lambda connection: connection.sendall(_CHUNKED + b"ffff\r\n{"),
    ],
    ids=(
        *("closed", "an error", "unavailable", "silent", "silent in its head", "slow head"),
        *("endless continue", "slow body", "cut short", "chunk cut short"),
    ),
)
def test_an_answer_that_does_not_come_is_worth_another_try(reply: Reply) -> None:
    with pytest.raises(TransientError, match="does not answer"):
        ask(reply)


def test_where_nobody_listens_there_is_no_answer() -> None:
    with serving(lambda _: None) as address:
        pass
    with pytest.raises(TransientError, match="does not answer"):
        exchange.ask(address, "ping", {}, _LIMITS)
