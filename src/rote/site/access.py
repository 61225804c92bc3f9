"""Admit readers of the live site only if they have opened the address from the terminal.

A machine may have many accounts, and each can connect to a local port. As with Jupyter, the printed
address holds a token; opening it once sets a cookie.
"""

import hmac
import re
import secrets
from email.message import Message
from urllib.parse import parse_qs, quote, unquote

PARAMETER = "token"
REFUSAL = (
    "Only for whoever started it: open the address with ?token= that `rote serve` printed in its "
    "terminal."
)


class Access:
    """The token of one server, and the checks for it."""

    def __init__(self) -> None:
        self._token = secrets.token_urlsafe()

    def address(self, origin: str) -> str:
        """Return the address that admits a reader."""
        return f"{origin}?{PARAMETER}={self._token}"

    def is_shown_by(self, query: str) -> bool:
        """Return whether the query of an address holds the token."""
        return any(map(self._is_token, parse_qs(query).get(PARAMETER, [])))

    def is_admitted(self, headers: Message) -> bool:
        """Return whether one of the cookies is ours, or a program shows the token in a header.

        Other servers at this address set cookies too, in any form: one that breaks a strict parser
        must not hide ours.
        """
        scheme, _, word = headers.get("Authorization", "").partition(" ")
        if scheme == "Bearer" and self._is_token(word):
            return True
        pairs = (each.strip().partition("=") for each in headers.get("Cookie", "").split(";"))
        name = _cookie_name(headers)
        return any(key == name and self._is_token(value) for key, _, value in pairs)

    def entry(self, path: str, headers: Message) -> tuple[bytes, dict[str, str]]:
        """Return a page and headers that set the cookie and lead on to ``path`` without the token.

        This is no HTTP redirect: if another page led here, a browser attributes what follows a
        redirect to that page and withholds a strict cookie.
        """
        onward = "/" + quote(unquote(path).lstrip("/\\"))  # else // names another site
        cookie = f"{_cookie_name(headers)}={self._token}; HttpOnly; SameSite=Strict; Path=/"
        body = (
            '<!doctype html><title>rote</title><link rel="icon" href="data:,">'
            f'<a href="{onward}">Go on</a>'
        )
        return body.encode(), {
            "Set-Cookie": cookie, "Refresh": f"0; url={onward}", "Cache-Control": "no-store",
        }  # fmt: skip

    def _is_token(self, word: str) -> bool:
        return hmac.compare_digest(word.encode(errors="replace"), self._token.encode())


def _cookie_name(headers: Message) -> str:
    """Return a name with the port that the browser sees (a tunnel may change it).

    Cookies ignore ports, so servers at two ports would otherwise overwrite each other's.
    """
    port = re.search(r":(\d+)$", headers.get("Host", ""))
    return f"rote-{port[1] if port else 80}"
