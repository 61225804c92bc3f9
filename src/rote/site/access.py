"""Who may read the live site: whoever opened the address that the terminal shows.

A machine may have many accounts, and any of them can connect to a local port. As Jupyter's, the
printed address holds a token; opened once, it leaves a cookie.
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
    """One server's token."""

    def __init__(self) -> None:
        self._token = secrets.token_urlsafe()

    def address(self, origin: str) -> str:
        """What to open: it lets in."""
        return f"{origin}?{PARAMETER}={self._token}"

    def is_shown_by(self, query: str) -> bool:
        """Whether what stands behind the ? of an address holds the token."""
        return any(map(self._is_token, parse_qs(query).get(PARAMETER, [])))

    def is_admitted(self, headers: Message) -> bool:
        """Whether one of the cookies is ours.

        Other servers of this address leave cookies too, in any form: one that a strict reader
        stumbles over must not hide ours.
        """
        pairs = (each.strip().partition("=") for each in headers.get("Cookie", "").split(";"))
        name = _cookie_name(headers)
        return any(key == name and self._is_token(value) for key, _, value in pairs)

    def entry(self, path: str, headers: Message) -> tuple[bytes, dict[str, str]]:
        """A page, with its headers, that leaves the cookie and goes on to ``path``, no token in it.

        Not a redirect of HTTP: where another page led here, a browser counts what follows a
        redirect as asked for by that page, and keeps a strict cookie back.
        """
        onward = "/" + quote(unquote(path).lstrip("/\\"))  # two of them begin another site's name
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
    """By the port that the browser sees, another one through a tunnel: cookies know no ports, and
    servers at two of them would otherwise overwrite each other's."""
    port = re.search(r":(\d+)$", headers.get("Host", ""))
    return f"rote-{port[1] if port else 80}"
