"""Replays customers through the running service, and compares with what the run published.

The result has every difference, to the last digit.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import quote, urlsplit

from segpipe.core.errors import InputError, ServiceError
from segpipe.parity.documents import Document

_FIGURES = ("segment_memberships", "membership_strengths", "metrics")
_AT_A_TIME = 50  # customers in a request
_WAIT_SECONDS = 60.0
_REFUSED = (413, 422)  # too long, or not valid by the schema


@dataclass(frozen=True)
class Difference:
    """One figure on which batch and service do not agree."""

    customer_id: str
    figure: str  # such as segment_memberships.purchase_value
    batch: Any
    service: Any


@dataclass(frozen=True)
class Unsent:
    """A customer that the service refused, such as one with more orders than a request may have."""

    customer_id: str
    reason: str


@dataclass(frozen=True)
class Parity:
    """The result of a replay."""

    run_id: int
    n_customers: int
    n_unpublished: int  # such as those who asked to be forgotten
    n_figures: int
    differences: tuple[Difference, ...]
    unsent: tuple[Unsent, ...]


class Service:
    """A connection to a running service, kept between requests."""

    def __init__(self, url: str, key: str) -> None:
        """Raise InputError unless the URL is of http or https."""
        parts = urlsplit(url)
        kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
        if parts.scheme not in kinds or not parts.hostname:
            msg = f"The service's URL is {url!r}; expected one such as http://127.0.0.1:5001."
            raise InputError(msg)
        self.url = url
        self._path = parts.path.rstrip("/")
        self._headers = {"X-API-Key": key, "Content-Type": "application/json"}
        self._connection = kinds[parts.scheme](parts.hostname, parts.port, timeout=_WAIT_SECONDS)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def request(self, method: str, path: str, body: object = None) -> str:
        """The answer's text; waits if the key's rate is used up.

        Raises ServiceError, with the service's message, for any status but 2xx.
        """
        _, text = self.answer(method, path, body)
        return text

    def answer(
        self, method: str, path: str, body: object = None, expected: Collection[int] = ()
    ) -> tuple[int, str]:
        """Status and text in the same way; the status may also be one of the expected."""
        sent = None if body is None else json.dumps(body)
        while True:
            status, pause, text = self._answer(method, self._path + path, sent)
            if status != http.client.TOO_MANY_REQUESTS:
                break
            time.sleep(pause)
        if not (http.client.OK <= status < http.client.MULTIPLE_CHOICES or status in expected):
            raise ServiceError(f"{method} {path} was answered {status}: {text[:500]}")
        return status, text

    def _answer(self, method: str, path: str, sent: str | None) -> tuple[int, float, str]:
        """Status, Retry-After in seconds and text."""
        try:
            self._connection.request(method, path, sent, self._headers)
            answer = self._connection.getresponse()
            text = answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            reason = getattr(error, "strerror", None) or type(error).__name__
            msg = f"The service at {self.url} does not answer ({reason});"
            raise ServiceError(f"{msg} start it with: segpipe serve") from error
        pause = answer.headers.get("Retry-After", "")
        return answer.status, float(pause) if pause.isdigit() else 1.0, text


def current_run_of(service: Service) -> dict[str, Any]:
    """The run that the service answers by: run_id, as_of and more."""
    found: dict[str, Any] = json.loads(service.request("GET", "/ready"))
    return found


def replay(
    service: Service,
    documents: Iterable[Document],
    progress: Callable[[int], None] = lambda _: None,
) -> Parity:
    """Assign each customer by the service, and compare the answer with the published profile.

    Raises ServiceError if another run is published meanwhile.
    """
    run_id = current_run_of(service)["run_id"]
    differences: list[Difference] = []
    unsent: list[Unsent] = []
    n_customers = n_figures = n_unpublished = 0
    remaining = iter(documents)
    while some := list(islice(remaining, _AT_A_TIME)):
        for answer in _assigned(service, some, unsent):
            path = f"/segments/customer/{quote(answer['customer_id'], safe='')}"
            status, text = service.answer("GET", path, expected={http.client.NOT_FOUND})
            if status == http.client.NOT_FOUND:
                n_unpublished += 1
                continue
            profile = json.loads(text)
            if not answer["run"]["run_id"] == profile["run"]["run_id"] == run_id:
                raise ServiceError("Another run was published meanwhile; start again.")
            n_figures += sum(len(profile[kind]) for kind in _FIGURES)
            differences += _differences(answer["customer_id"], profile, answer)
            n_customers += 1
        progress(n_customers)
    return Parity(run_id, n_customers, n_unpublished, n_figures, tuple(differences), tuple(unsent))


def _assigned(
    service: Service, customers: Sequence[Document], unsent: list[Unsent]
) -> Iterator[dict[str, Any]]:
    """Answers for the customers; one that the service refuses even alone goes to `unsent`."""
    body = {"customers": customers}
    status, text = service.answer("POST", "/segments/assign/batch", body, _REFUSED)
    if status not in _REFUSED:
        yield from map(json.loads, text.splitlines())
    elif len(customers) > 1:
        for one in customers:
            yield from _assigned(service, [one], unsent)
    else:
        unsent.append(Unsent(customers[0]["customer_id"], _reason(json.loads(text)["detail"])))


def _reason(detail: str | list[dict[str, Any]]) -> str:
    """The message, or the first field that is wrong."""
    if isinstance(detail, str):
        return detail
    return f"{'.'.join(map(str, detail[0]['loc'][3:]))}: {detail[0]['msg']}"


def _differences(
    customer_id: str, profile: dict[str, Any], answer: dict[str, Any]
) -> Iterator[Difference]:
    for kind in _FIGURES:
        for name in dict.fromkeys((*profile[kind], *answer[kind])):
            batch, service = profile[kind].get(name), answer[kind].get(name)
            if batch != service:
                yield Difference(customer_id, f"{kind}.{name}", batch, service)
