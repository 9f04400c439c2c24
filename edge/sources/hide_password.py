"""Cameras' addresses carry passwords: what may be told of an address, and how it is written so that it works."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

_SCHEME = re.compile(r"\s*[A-Za-z][\w+.-]*:/*")
# ?user=admin&pwd=secret, /user=admin&password=secret, /user=admin_password=secret_channel=1, ?token=secret
_PARAMETER = re.compile(r"((?:pas|psw|pwd|pw|secret|token|auth|key|cred|sig)[\w.-]*(?:=|%3d))[^&]*", re.IGNORECASE)


def hide_password(source: str) -> str:
    """A camera's address, or what was meant as one, as messages, logs, events and pages may show it.

    Rather too much is hidden than too little: what stands between the first colon and the last @ is a password,
    whatever characters are in it, and so is the value of each parameter, of path or query, whose name speaks of one.

    Args:
        source: one source alone, as it was given; any text.

    Returns:
        The same with *** for every password.
    """
    start, user, password, rest = _split(source)
    hidden = rest if password is None else f"{user}:***@{rest}"
    return start + _PARAMETER.sub(r"\1***", hidden)


def escape_password(url: str) -> str:
    """A URL whose user and password hold # / ? or [ as they are, with these escaped; any other is given back itself."""
    try:
        _ = urlsplit(url).port
        return url
    except ValueError:
        start, user, password, rest = _split(url)
        # A % that is there may well begin an escape.
        return url if password is None else f"{start}{quote(user, '%')}:{quote(password, '%')}@{rest}"


def _split(source: str) -> tuple[str, str, str | None, str]:
    """Scheme with its slashes, user, password, and what follows the @; without a password all of it is in the last."""
    found = _SCHEME.match(source)
    start = found.group() if found else ""
    head, at, rest = source[len(start) :].rpartition("@")
    if at and ":" not in head and not start.endswith("//"):
        # No scheme but the user's name.
        start, (head, at, rest) = "", source.rpartition("@")
    user, colon, password = head.partition(":")
    if not (at and colon):
        return start, "", None, source[len(start) :]
    return start, user, password, rest
