"""The errors that outcomes become. None of them shows a header, a query, a user or a body."""

from __future__ import annotations

from typing import Final

from pipeline.errors import (
    EnvironmentRefused,
    NoRanges,
    ObjectChanged,
    ObjectMissing,
    ObjectRefused,
    RemoteUnavailable,
    ShardmillError,
)
from pipeline.storage.http.answers import Answer, Outcome
from pipeline.storage.http.request import Request
from pipeline.storage.location import Remote, shown

# Codes of libcurl. The texts that it gives beside them may hold what is secret.
RESOLVE: Final = frozenset({5, 6})
"""No address is known for the name of the host, or of the proxy."""
TRUST: Final = frozenset({51, 53, 58, 60, 77, 83, 90, 91})
"""The certificate of the server, or the file of those that are trusted, is no good."""
ADDRESS: Final = frozenset({3})
"""The address cannot be used at all."""
_TEXTS: Final = {
    7: "no connection",
    28: "too slow, or no answer in time",
    47: "too many redirects",
    1: "an answer that is not HTTP",
    **dict.fromkeys((18, 52, 55, 56, 92), "the connection was broken off"),
    **dict.fromkeys(RESOLVE, "the name of the host is not known"),
    **dict.fromkeys(TRUST, "the certificate of the server is not trusted"),
    **dict.fromkeys(ADDRESS, "the address cannot be used"),
    35: "no encrypted connection",
}
_ACCOUNT: Final = (
    "give what the server asks for: shardmill fetch takes --header @FILE with an Authorization or"
    " a Cookie line, or --netrc (no other command does: fetch archives first); of S3, credentials"
    " that may read it"
)
_REMEDIES: Final = {
    Outcome.UNAUTHORIZED: _ACCOUNT,
    Outcome.FORBIDDEN: _ACCOUNT,
    Outcome.PAGE: f"if it is one that asks for an account: {_ACCOUNT}",
    Outcome.EXPIRED: "renew the credentials, then run the same command again",
    Outcome.COMPRESSED: "ask whoever runs the server to send the file as it is, or get it with"
    " another program and give its folder",
}
MOST_REDIRECTS: Final = 5


def failure(outcome: Outcome, answer: Answer, code: int) -> str:
    """Return what went wrong, for people: the answer, or why there was none."""
    if answer.status == 0 or outcome is Outcome.BROKEN:
        return _TEXTS.get(code, f"libcurl's error {code}")
    return f"{answer}: {outcome.value}"


def refusal(
    outcome: Outcome, request: Request, answer: Answer, code: int, url: str
) -> ShardmillError:
    """Return the error of an answer that no other try would change.

    Args:
        outcome: what the answer is.
        request: what was asked for.
        answer: the answer; of status 0 if there was none.
        code: libcurl's; 0: the connection was in order.
        url: where it was asked for in the end.
    """
    name, found = request.shown, failure(outcome, answer, code)
    place = shown(url) if shown(url) != name else None
    if outcome is Outcome.MISSING:
        return ObjectMissing("there is no such file or object", file=name, found=found, place=place)
    if outcome in {Outcome.CHANGED, Outcome.OTHER_SIZE, Outcome.UNSATISFIABLE}:
        return changed(request, found)
    if outcome is Outcome.NO_RANGES:
        return NoRanges(
            "the web server sends whole files only, and a part of one is needed",
            file=name,
            found=found,
            remedy=fetch_first(name),
        )
    if code in TRUST:
        return EnvironmentRefused(
            "the server cannot be trusted",
            file=name,
            place=place,
            found=found,
            remedy="name the file of the certificates that you trust by SSL_CERT_FILE or"
            " CURL_CA_BUNDLE (of S3: AWS_CA_BUNDLE)",
        )
    what = {
        Outcome.UNAUTHORIZED: "the server asks who you are",
        Outcome.FORBIDDEN: "the server does not give it to you",
        Outcome.EXPIRED: "the credentials have expired",
        Outcome.PAGE: "the server sends a web page instead of the file",
        Outcome.MOVED: "the server sends it elsewhere, where it is not looked for",
    }.get(outcome, "the server does not send what was asked for")
    return ObjectRefused(what, file=name, place=place, found=found, remedy=_REMEDIES.get(outcome))


def fetch_first(name: str) -> str:
    """Return what to do where a server does not send what its files are read by.

    Args:
        name: the address of a file, without anything secret.
    """
    folder = name.partition("?")[0].rpartition("/")[0]
    return (
        "fetch whole files first, and read them from this machine: shardmill fetch --raw FOLDER"
        f" --mirror {folder}, then the same command with --raw FOLDER"
    )


def missing(place: Remote) -> ObjectMissing:
    """Return the error that there is nothing at an address."""
    return ObjectMissing(
        "there is no such file or object",
        file=str(place),
        remedy="put it there, or correct the address",
    )


def changed(request: Request, found: str) -> ObjectChanged:
    """Return the error that an object is another than when it was looked at."""
    expected = [] if request.size is None else [f"{request.size:,} bytes"]
    expected += [f"version {request.validator}"] if request.validator else []
    return ObjectChanged(
        "the object has changed since it was looked at",
        file=request.shown,
        expected=", ".join(expected) or None,
        found=found,
        remedy="leave it alone, then run the same command again: it is looked at anew",
    )


def exhausted(
    outcome: Outcome, request: Request, answer: Answer, code: int, failures: int
) -> RemoteUnavailable:
    """Return the error of a server that failed at every try."""
    return RemoteUnavailable(
        "the server does not answer as it should",
        file=request.shown,
        found=f"{failure(outcome, answer, code)}, {failures} times in a row",
        remedy="see whether the server and the network are well, then run the same command again",
    )
