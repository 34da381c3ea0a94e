"""Pings a dead man's switch such as healthchecks.io: URL/start, URL, or URL/fail.

The URL is a secret. A ping that fails gives the reason and never raises, as a run goes on without.
"""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from email.message import Message
from threading import Thread
from typing import IO, TypeAlias
from urllib.parse import SplitResult, urlsplit, urlunsplit

from tenacity import retry_if_result, stop_after_attempt

from segpipe import __version__
from segpipe.core.backoff import backoff

Outcome: TypeAlias = tuple[str | None, bool]  # why it failed, and whether another may succeed

_SCHEMES = ("http", "https")
_AGENT = {"User-Agent": f"segpipe/{__version__}"}
_LATER = (408, 425, 429, *range(500, 600))  # statuses after which another attempt may work


def url_problem(url: str) -> str | None:
    """What is wrong with the URL, without showing it; None if it can be used."""
    expected = "expected one such as https://hc-ping.com/UUID"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return f"cannot be read; {expected}."
    if parts.scheme not in _SCHEMES:
        return f"is neither http nor https; {expected}."
    if not parts.hostname or port == 0:
        return f"has no host, or an impossible port; {expected}."
    if parts.username is not None or parts.password is not None:
        return f"contains a user name or a password; {expected}."
    if any(not "!" <= character <= "~" for character in url):
        return f"has a blank or a character that is not ASCII; {expected}, with those as %XX."
    return None


def ping(url: str, event: str, text: str, *, attempts: int = 1, seconds: float = 5.0) -> str | None:
    """Post the text to URL/event, or to the URL itself; None, or the reason why that failed.

    Each attempt takes `seconds` at most, including name look-up, redirects and slow answers.
    """
    attempting = backoff(
        retry=retry_if_result(lambda outcome: outcome[1]),
        stop=stop_after_attempt(attempts),
        first_seconds=1,
        longest_seconds=1,
    )
    outcome: Outcome = attempting(_ping_once, _event_url(url, event), text, seconds)
    return outcome[0]


def _event_url(url: str, event: str) -> str:
    """The URL with the event at the end of its path, before a query such as ?create=1."""
    parts = urlsplit(url)
    path = f"{parts.path.rstrip('/')}/{event}" if event else parts.path
    return urlunsplit(parts._replace(path=path, fragment=""))


def _ping_once(url: str, text: str, seconds: float) -> Outcome:
    """The outcome of one attempt, which takes `seconds` at most."""
    outcome: list[Outcome] = []
    # In a thread, since no timeout covers the look-up of a name or an answer that trickles in.
    posting = Thread(
        target=lambda: outcome.append(_post(url, text, seconds)), name="healthcheck", daemon=True
    )
    posting.start()
    posting.join(seconds)
    return outcome[0] if outcome else (f"no answer within {seconds:g} seconds", True)


def _post(url: str, text: str, seconds: float) -> Outcome:
    body = text.encode("utf-8", "replace")
    headers = {**_AGENT, "Content-Type": "text/plain; charset=utf-8"}
    request = urllib.request.Request(url, body, headers, method="POST")  # noqa: S310 - checked
    try:
        with urllib.request.build_opener(_Redirects).open(request, timeout=seconds):
            return None, False
    except urllib.error.HTTPError as error:
        error.close()
        return f"HTTP status {error.code}", error.code in _LATER
    except (OSError, http.client.HTTPException, ValueError) as error:
        # The text of an error may quote the URL.
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        reason = cause.strerror if isinstance(cause, OSError) else None
        return reason or type(cause).__name__, True


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects by GET, so that only the named host gets the text; never to plain http.

    Any service of this kind takes a GET as a ping.
    """

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Message,
        newurl: str,
    ) -> urllib.request.Request:
        new: SplitResult = urlsplit(newurl)
        is_worse = req.type == "https" and new.scheme != "https"
        if new.scheme not in _SCHEMES or is_worse:
            raise urllib.error.HTTPError(req.full_url, code, msg, headers, fp)
        return urllib.request.Request(newurl, headers=_AGENT, method="GET")  # noqa: S310 - as above
