"""The curl loop against a server of this process that behaves badly; no test waits."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from loopback import ETAG, Act, Handler, Loopback, answer, cut_after, hang_up, serve

from pipeline.errors import (
    NoRanges,
    ObjectChanged,
    ObjectMissing,
    ObjectRefused,
    RemoteUnavailable,
    ShardmillError,
)
from pipeline.storage.http.request import Request
from pipeline.storage.http.retries import Patience
from pipeline.storage.http.ticket import Ticket
from pipeline.storage.http.transfer import Transfer

CONTENT = random.Random(7).randbytes(400_000)
SLOW_DOWN = b"<Error><Code>SlowDown</Code></Error>"
SECRETS = ("hunter2", "c00kie", "s1gned")


class Clock:
    """Time that passes where something waits, and only there."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def now(self) -> float:
        return sum(self.waits)

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback(CONTENT) as server:
        yield server


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def transfer(clock: Clock) -> Iterator[Transfer]:
    with Transfer(4, clock=clock.now, sleep=clock.sleep, chance=lambda: 1.0) as transfer:
        yield transfer


def part(server: Loopback, offset: int = 1000, length: int = 200_000) -> Request:
    return Request(server.url, "", offset, length, len(CONTENT), ETAG)


def expected(request: Request) -> bytes:
    assert request.length is not None
    return CONTENT[request.offset : request.offset + request.length]


def test_ranges_are_read_in_whatever_order_they_are_waited_for(
    server: Loopback, transfer: Transfer
) -> None:
    requests = [part(server, offset, 5000) for offset in range(0, 100_000, 7_000)]
    tickets = [transfer.submit(request) for request in requests]
    for request, ticket in reversed(list(zip(requests, tickets, strict=True))):
        assert transfer.wait(ticket).body == expected(request)
    assert {seen.headers["if-match"] for seen in server.seen} == {ETAG}
    assert {seen.headers["accept-encoding"] for seen in server.seen} == {"identity"}


def test_a_whole_object_says_what_it_is(server: Loopback, transfer: Transfer) -> None:
    reply = transfer.get(Request(server.url))
    assert (bytes(reply.body), reply.answer.validator) == (CONTENT, ETAG)
    reply = transfer.get(Request(server.url, head=True))
    assert (reply.length, reply.answer.length) == (0, len(CONTENT))
    server.content = b""
    assert transfer.get(Request(server.url)).length == 0


@pytest.mark.parametrize(
    ("fault", "wait"),
    [
        (answer(500), 0.25),
        (answer(503, body=SLOW_DOWN), 0.25),
        (answer(429, {"Retry-After": "9"}), 9.0),
        (hang_up, 0.25),
        (cut_after(0), 0.25),
        (answer(206, {"Content-Range": f"bytes 0-199999/{len(CONTENT)}"}, CONTENT[:200_000]), 0.25),
        (
            answer(206, {"Content-Range": f"bytes 1000-200999/{len(CONTENT)}"}, CONTENT[1000:1009]),
            0.25,
        ),
        (
            answer(
                206,
                {
                    "Content-Range": f"bytes 1000-200999/{len(CONTENT)}",
                    "Content-Length": "200001",
                },
                CONTENT[:200_001],
            ),
            0.25,
        ),
    ],
    ids=["500", "SlowDown", "429", "no answer", "no body", "elsewhere", "short", "long"],
)
def test_what_may_pass_is_tried_again(
    server: Loopback, transfer: Transfer, clock: Clock, fault: Act, wait: float
) -> None:
    request = part(server)
    server.script.append(fault)
    assert transfer.get(request).body == expected(request)
    assert len(server.seen) == 2
    assert clock.now() == pytest.approx(wait)


def test_after_all_tries_the_server_is_given_up(
    server: Loopback, transfer: Transfer, clock: Clock
) -> None:
    server.script.extend([answer(503, body=SLOW_DOWN)] * 20)
    with pytest.raises(RemoteUnavailable, match=r"HTTP 503 SlowDown.*9 times"):
        transfer.get(part(server))
    assert len(server.seen) == Patience().tries
    assert clock.now() == pytest.approx(0.25 + 0.5 + 1 + 2 + 4 + 8 + 16 + 20)


def test_others_go_on_while_one_waits_for_its_next_try(
    server: Loopback, transfer: Transfer, clock: Clock
) -> None:
    server.script.append(answer(503, {"Retry-After": "60"}))
    late = transfer.submit(part(server, 0, 10))
    while late.outcome is None:
        transfer.step()
    assert transfer.get(part(server, 10, 10)).length == 10
    assert (clock.waits, late.is_done) == ([], False)
    assert transfer.wait(late).body == CONTENT[:10]


def test_a_cut_range_is_continued_where_it_was_cut(server: Loopback, transfer: Transfer) -> None:
    request = part(server)
    # Each try brings something, so that there are more of them than otherwise.
    server.script.extend([cut_after(70_000), cut_after(70_000)] + [cut_after(0)] * 7)
    pieces: list[tuple[int, bytes]] = []
    ticket = transfer.submit(request, sink=lambda at, piece: pieces.append((at, bytes(piece))))
    assert transfer.wait(ticket).length == request.length
    assert b"".join(piece for _, piece in pieces) == expected(request)
    assert [at for at, _ in pieces] == sorted(at for at, _ in pieces)
    ranges = [seen.range for seen in server.seen]
    assert ranges[:3] == ["bytes=1000-200999", "bytes=71000-200999", "bytes=141000-200999"]


def test_a_part_of_a_range_is_continued_without_a_wait_for_ever(
    server: Loopback, transfer: Transfer
) -> None:
    content_range = {"Content-Range": f"bytes 1000-100999/{len(CONTENT)}", "ETag": ETAG}
    server.script.append(answer(206, content_range, CONTENT[1000:101_000]))
    assert transfer.get(part(server)).body == expected(part(server))
    assert server.seen[1].range == "bytes=101000-200999"


def test_where_nothing_tells_versions_apart_a_cut_range_begins_anew(
    server: Loopback, transfer: Transfer
) -> None:
    server.etag = ""
    server.script.append(cut_after(70_000))
    request = replace(part(server), validator="")
    assert transfer.get(request).body == expected(request)
    assert [seen.range for seen in server.seen] == ["bytes=1000-200999"] * 2


def test_a_whole_object_is_continued_and_begun_anew_where_there_are_no_ranges(
    server: Loopback, transfer: Transfer
) -> None:
    whole = answer(200, {"ETag": ETAG}, CONTENT)
    server.script.extend([cut_after(70_000), whole, whole])
    assert transfer.get(Request(server.url)).body == CONTENT
    assert [seen.range for seen in server.seen] == ["", "bytes=70000-", ""]


def test_a_whole_object_whose_end_alone_was_cut_off_is_complete(
    server: Loopback, transfer: Transfer
) -> None:
    def without_the_end(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.send_header("ETag", ETAG)
        handler.end_headers()
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(CONTENT), CONTENT))
        handler.close_connection = True

    server.script.append(without_the_end)
    assert transfer.get(Request(server.url)).body == CONTENT
    assert [seen.range for seen in server.seen] == ["", f"bytes={len(CONTENT)}-"]


def test_a_server_that_always_sends_more_than_it_announces_is_given_up(
    server: Loopback, transfer: Transfer
) -> None:
    def too_much(handler: Handler) -> None:
        handler.send_response(206)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.send_header("Content-Range", f"bytes 0-99999/{len(CONTENT)}")
        handler.send_header("ETag", ETAG)
        handler.end_headers()
        handler.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (100_001, CONTENT[:100_001]))

    server.script.extend([too_much] * 20)
    with pytest.raises(RemoteUnavailable, match="more bytes than it announced"):
        transfer.get(Request(server.url, length=100_000))
    assert len(server.seen) == Patience().tries


def test_a_server_that_begins_anew_and_breaks_off_each_time_is_given_up(
    server: Loopback, transfer: Transfer
) -> None:
    def without_ranges(handler: Handler) -> None:
        cut = -1 if handler.headers.get("Range") else 70_000
        handler.send(200, {"ETag": ETAG}, CONTENT, cut)

    server.script.extend([without_ranges] * 40)
    with pytest.raises(RemoteUnavailable, match="broken off"):
        transfer.get(Request(server.url))
    assert len(server.seen) <= Patience().tries + 1


def test_an_object_that_is_replaced_between_two_tries_is_noticed(
    server: Loopback, transfer: Transfer
) -> None:
    def replace_it(handler: Handler) -> None:
        server.etag = '"v2"'
        serve(handler, 70_000)

    server.script.append(replace_it)
    with pytest.raises(ObjectChanged):
        transfer.get(Request(server.url, validator=ETAG))
    server.etag = ETAG
    server.script.extend([cut_after(70_000), replace_it])
    with pytest.raises(ObjectChanged):  # by the version that the first answer named
        transfer.get(Request(server.url))


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (answer(404), ObjectMissing),
        (answer(401), ObjectRefused),
        (answer(403), ObjectRefused),
        (answer(412), ObjectChanged),
        (answer(206, {"Content-Range": "bytes 1000-200999/500000"}, CONTENT), ObjectChanged),
        (answer(416, {"Content-Range": "bytes */100"}), ObjectChanged),
        (answer(200, {"Content-Encoding": "gzip"}, b"\x1f\x8b"), ObjectRefused),
        (answer(501), ObjectRefused),
        (answer(200, {"Content-Type": "text/html"}, b"<html>Log in"), ObjectRefused),
        (serve, ObjectChanged),
        (answer(200, {}, CONTENT), NoRanges),
    ],
)
def test_a_refusal_is_not_tried_again(
    server: Loopback, transfer: Transfer, given: Act, error: type[ShardmillError]
) -> None:
    if given is serve:
        server.etag = '"v2"'
    server.script.append(given)
    with pytest.raises(error):
        transfer.get(part(server))
    assert len(server.seen) == 1


def test_a_signature_is_renewed_once(server: Loopback, transfer: Transfer) -> None:
    def renew(request: Request) -> Request:
        return replace(request, url=f"{server.url}?again")

    expired = answer(403, body=b"<Error><Code>ExpiredToken</Code></Error>")
    for refused in (expired, answer(403), answer(400), answer(301)):
        server.script.append(refused)
        assert transfer.get(part(server), renew=renew).length == 200_000
        assert [seen.path for seen in server.seen] == ["/object", "/object?again"]
        server.seen.clear()
    server.script.extend([expired] * 2)
    with pytest.raises(ObjectRefused, match="expired"):
        transfer.get(part(server), renew=renew)
    assert len(server.seen) == 2


def test_headers_of_the_user_go_to_no_other_host(transfer: Transfer, server: Loopback) -> None:
    headers = (("Authorization", "hunter2"), ("Cookie", "c00kie"), ("X-Key", "s1gned"))
    request = replace(part(server), headers=headers)
    server.script.append(answer(302, {"Location": "/there"}))
    transfer.get(request)
    assert [seen.headers.get("x-key") for seen in server.seen] == ["s1gned", "s1gned"]
    with Loopback(CONTENT) as other:
        server.script.append(answer(307, {"Location": other.url}))
        reply = transfer.get(request)
    assert (bytes(reply.body), reply.url) == (expected(request), other.url)
    assert not {"authorization", "cookie", "x-key"} & other.seen[0].headers.keys()
    assert other.seen[0].range == "bytes=1000-200999"


@pytest.mark.parametrize(
    "location",
    ["file:///etc/passwd", "http://[", "http://h:x/", "ftp://h/", "gopher:x"],
)
def test_a_redirect_to_nowhere_is_said(server: Loopback, transfer: Transfer, location: str) -> None:
    server.script.append(answer(302, {"Location": location}))
    with pytest.raises(ObjectRefused):
        transfer.get(part(server))
    assert len(server.seen) == 1


def test_names_and_versions_need_not_be_ascii(server: Loopback, transfer: Transfer) -> None:
    server.etag = '"v\xe9"'
    server.script.append(answer(302, {"Location": "/\xe9 b?c=%2F"}))
    server.script.append(cut_after(70_000))
    assert transfer.get(Request(server.url)).body == CONTENT
    assert [seen.path for seen in server.seen] == ["/object", "/%E9%20b?c=%2F", "/%E9%20b?c=%2F"]
    assert server.seen[-1].headers["if-match"] == server.etag


def test_redirects_have_an_end(server: Loopback, transfer: Transfer) -> None:
    server.script.extend([answer(302, {"Location": "/again"})] * 20)
    with pytest.raises(ObjectRefused):
        transfer.get(part(server))
    assert len(server.seen) == 6


@pytest.mark.parametrize("fault", [answer(403), answer(404), answer(412), answer(500), hang_up])
def test_no_error_shows_a_secret(server: Loopback, transfer: Transfer, fault: Act) -> None:
    url = server.url.replace("//", "//me:hunter2@") + "?Signature=s1gned"
    request = Request(url, headers=(("Cookie", "c00kie"),))
    server.script.extend([fault] * 9)
    ticket = transfer.submit(request)
    with pytest.raises(ShardmillError) as raised:
        transfer.wait(ticket)
    texts = (str(raised.value), repr(raised.value), repr(request), repr(ticket))
    assert not [secret for secret in SECRETS for text in texts if secret in text]


def test_no_more_requests_are_under_way_than_allowed(server: Loopback, transfer: Transfer) -> None:
    barrier = threading.Barrier(4)

    def together(handler: Handler) -> None:
        barrier.wait(30)  # no less than four; the fifth would wait here for ever
        serve(handler)

    server.script.extend([together] * 4)
    tickets = [transfer.submit(part(server, each, 10)) for each in range(6)]
    assert [transfer.wait(ticket).length for ticket in tickets] == [10] * 6


def test_what_a_sink_raises_ends_the_request(server: Loopback, transfer: Transfer) -> None:
    def full(_at: int, _piece: memoryview) -> None:
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        transfer.wait(transfer.submit(part(server), sink=full))


def test_an_interrupt_is_not_lost_where_libcurl_calls(
    server: Loopback, transfer: Transfer, capfd: pytest.CaptureFixture[str]
) -> None:
    def interrupt(_at: int, _piece: memoryview) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        transfer.wait(transfer.submit(part(server), sink=interrupt))
    assert capfd.readouterr().err == ""
    assert transfer.get(part(server)).length == 200_000


def test_what_is_given_up_leaves_room_for_others(server: Loopback, transfer: Transfer) -> None:
    ended = threading.Event()

    def wait(handler: Handler) -> None:
        ended.wait(30)
        hang_up(handler)

    server.script.extend([wait] * 4)
    tickets = [transfer.submit(part(server)) for _ in range(9)]
    while len(server.seen) < 4:
        transfer.step(0.01)
    for ticket in tickets:
        transfer.cancel(ticket)
    ended.set()
    assert transfer.get(part(server)).length == 200_000
    with pytest.raises(RuntimeError, match="given up"):
        transfer.wait(tickets[-1])


def test_a_netrc_is_read_only_on_request(
    server: Loopback, transfer: Transfer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login me password hunter2\n")
    netrc.chmod(0o600)
    for asked in (False, True, False):
        transfer.get(replace(part(server), netrc=asked))
        assert ("authorization" in server.seen[-1].headers) == asked


def test_a_proxy_is_taken_from_the_usual_variable(
    server: Loopback, transfer: Transfer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    assert transfer.get(Request("http://nowhere.invalid/a", "", 5, 10)).body == CONTENT[5:15]
    assert server.seen[0].path == "http://nowhere.invalid/a"


def test_a_process_that_is_forked_later_is_refused(transfer: Transfer) -> None:
    child = os.fork()
    if child == 0:
        try:
            transfer.submit(Request("http://127.0.0.1:1/"))
        except RuntimeError:
            os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


@pytest.mark.parametrize(
    ("asked", "now", "used"),
    [
        ("https://h/x", "https://other/x", True),
        ("https://h/x", "http://h/x", False),
        ("http://h/x", "http://other/x", True),
        ("http://h/x", "https://h/x", True),
    ],
)
def test_a_password_is_not_looked_up_for_http_where_https_was_asked_for(
    asked: str, now: str, used: bool
) -> None:
    ticket = Ticket(Request(asked, asked, netrc=True))
    ticket.url = now
    assert ticket.netrc is used
    assert not Ticket(Request(asked, asked)).netrc
