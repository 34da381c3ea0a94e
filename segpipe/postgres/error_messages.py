"""Errors of PostgreSQL and libpq as plain sentences.

Takes the text of an error and its SQLSTATE; gives what was found and what to do, and whether
trying again can help. Knows nothing of psycopg.
"""

from __future__ import annotations

import re


def sentence(text: str, state: str | None, primary: str | None, where: str | None) -> str:
    """A sentence or two, in one line.

    `primary` is the server's own message; `where` the redacted URL, while a connection is opened.
    """
    reason = (primary or _informative_line(text)).rstrip(".")
    if state:
        for prefix, template in _BY_STATE.items():
            if state.startswith(prefix):
                return template.format(reason=reason)
        return f"PostgreSQL refused: {reason} (SQLSTATE {state})."
    if where is None:
        return f"The connection was lost: {reason}. {_RUN_AGAIN} once the server is back."
    reason = re.split(r"FATAL:| failed: ", reason)[-1].strip()
    for sign, template in _BY_CONNECTION_TEXT.items():
        if sign in text.lower():
            return f"The database {where} {template.format(reason=reason)}."
    return f"The database {where} cannot be reached: {reason}."


def is_passing(text: str, state: str | None, *, is_attempt: bool) -> bool:
    """Whether the cause passes by itself; an open connection that was lost has no SQLSTATE."""
    if state:
        return state.startswith(_PASSING_STATES)
    lower = text.lower()
    if is_attempt or lower.startswith(_ATTEMPTS):
        return any(sign in lower for sign in _PASSING_TEXTS)
    return True


def _informative_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next((line for line in lines if "FATAL:" in line), lines[0] if lines else "no reason")


_PASSING_STATES = ("08", "40001", "40003", "40P01", "53300", "55P03", "57P01", "57P02", "57P03")
_PASSING_TEXTS = (
    "connection refused",
    "failed: no such file or directory",  # a server that is down has no socket
    "timeout",
    "starting up",
    "shutting down",
    "recovery mode",
    "not accepting connections",
    "not yet accepting connections",
    "too many",
    "connection slots",
    "closed the connection",
    "connection reset",
    "temporary failure in name resolution",
)
_ATTEMPTS = ("connection failed", "connection is bad", "failed to resolve")
_RUN_AGAIN = "The last results stay live; run the command again"
_BY_STATE = {  # the start of an SQLSTATE → what was found, what to do
    "42501": "PostgreSQL refused for lack of a privilege: {reason}. Ask the owner of the tables for"
    " a GRANT, or connect as their owner.",
    "42P01": "A table is missing: {reason}. Create the tables with `segpipe db upgrade`.",
    "53100": "The disk of the database is full: {reason}. " + _RUN_AGAIN + " once there is room.",
    "53300": "The server takes no more connections: {reason}. Close some, or try again later.",
    "53": "The server ran out of resources: {reason}. " + _RUN_AGAIN + " once it has room.",
    "25006": "The database is read-only: {reason}. Connect to the primary server, or as a role"
    " whose default_transaction_read_only is off.",
    "55P03": "Another session held a lock for too long: {reason}. " + _RUN_AGAIN + " later.",
    "57014": "The server stopped the statement: {reason}. Raise statement_timeout, or try again.",
    "57P": "The connection was lost: {reason}. " + _RUN_AGAIN + " once the server is back.",
    "08": "The connection was lost: {reason}. " + _RUN_AGAIN + " once the server is back.",
    "40": "Another session was in the way: {reason}. " + _RUN_AGAIN + ".",
    "23505": "The same customer is there twice: {reason}. The run was not published.",
    "23503": "Another table refers to a customer who would go: {reason}."
    " Keep absent customers with --absent keep.",
}
_BY_CONNECTION_TEXT = {  # part of libpq's text about a connection → what was found, what to do
    "does not support ssl": "does not offer TLS, which the URL's sslmode asks for; turn it on there"
    " (ssl = on), or take sslmode out of the URL where the network is trusted",
    "does not match host name": "has a certificate of another host ({reason}); write the host as"
    " in the certificate, or have one made for this host",
    "certificate verify failed": "has a certificate that the CA of sslrootcert has not signed;"
    " name the file of the server's own CA with sslrootcert",
    "root certificate file": "cannot be checked: {reason}; name the file of the server's CA with"
    " sslrootcert, or sslrootcert=system for the CAs of this machine",
    "certificate": "was not reached over TLS: {reason}; correct sslrootcert, sslcert and sslkey",
    "no encryption": "does not let this user in without TLS; add sslmode=verify-full to the URL,"
    " or its pg_hba.conf must allow it",
    "password authentication failed": "refused the user name or the password; correct the URL",
    "no password supplied": "asks for a password; write it into the URL as user:password@",
    "no pg_hba.conf entry": "does not let this user in from here; its pg_hba.conf must allow it",
    "permission denied for database": "does not let this user in ({reason}); its owner can with:"
    " GRANT CONNECT ON DATABASE … TO …;",
    "does not exist": "answered that {reason}; correct the URL, or create it",
    "could not translate host name": "has a host name that is not known; correct the URL",
    "name or service not known": "has a host name that is not known; correct the URL",
    "failed to resolve host": "has a host name that is not known; correct the URL",
    "connection refused": "does not answer: nothing listens at that host and port; start it, or"
    " correct the URL",
    "no such file or directory": "does not answer: its socket is not there; start it, or correct"
    " the URL",
    "timeout": "did not answer in time; correct the host, or let this machine through",
    "starting up": "is still starting up; try again in a moment",
    "not yet accepting connections": "is still starting up; try again in a moment",
    "not accepting connections": "accepts no connections at the moment ({reason}); try again later",
    "shutting down": "is shutting down; try again once it is back",
    "recovery mode": "is recovering from a crash; try again in a moment",
    "too many": "takes no more connections ({reason}); close some, or try again later",
    "connection slots": "takes no more connections ({reason}); close some, or try again later",
}
