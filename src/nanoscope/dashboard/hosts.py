"""Where the page is served, and by which names it is called there.

A page on this machine alone (loopback) answers to 127.0.0.1 and localhost. Bound elsewhere it answers to the address that was
given as well; bound to every address, to all numbers, and to this machine's name. Other names are refused: a site whose
name points here (DNS rebinding) would read the page as its own.
"""

import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

LOOPBACK = "127.0.0.1"
OWN = (LOOPBACK, "localhost", "::1")


@dataclass(frozen=True)
class Where:
    """An address to bind to."""

    host: str = LOOPBACK

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        number = _number(self.host)
        return self.host == "localhost" or (number is not None and number.is_loopback)

    @property
    def is_everywhere(self) -> bool:
        """Whether it is every address of this machine."""
        number = _number(self.host)
        return number is not None and number.is_unspecified

    @property
    def shown(self) -> str:
        """What the printed address calls it."""
        name = socket.gethostname() if self.is_everywhere else self.host
        return f"[{name}]" if ":" in name else name

    def answers_to(self, header: str) -> bool:
        """Whether a request's Host header names it."""
        name = named_in(header)
        if name in OWN or name == self.host.lower():
            return bool(name)
        return self.is_everywhere and (_number(name) is not None or name == socket.gethostname().lower())


def named_in(header: str) -> str:
    """The name in a Host header, without the port; empty for none."""
    try:
        return (urlsplit(f"//{header}").hostname or "").lower()
    except ValueError:
        return ""


def _number(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
