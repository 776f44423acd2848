"""Where an RTSP server would send us. FFmpeg follows its redirects to any host, and takes the password with it; so the
server is asked first, with the requests that FFmpeg begins with, and the guard looks at what it names. A server that
answers FFmpeg otherwise than us is not caught by this: its worker is held to the one port (service/landlock.py).

Source: RFC 2326, sections 6, 7 and 11.3.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO
from urllib.parse import SplitResult, urljoin, urlsplit

from vqa_agent.capture.guard import MOST_REDIRECTS, ForbiddenError, Guard, limited
from vqa_agent.errors import hide_secrets

RTSP = {"rtsp": 554, "rtsps": 322}
"""Schemes, and the ports where a URL names none."""

METHODS = ("OPTIONS", "DESCRIBE")
"""What FFmpeg asks before anything else: either may be answered with a redirect."""

LONGEST_LINE = 8192
MOST_LINES = 100
LONGEST_BODY = 65536


def destination(url: str, guard: Guard) -> str:
    """The URL behind all redirects. Raises ForbiddenError, or OSError where a server cannot be had."""
    user = urlsplit(url).netloc.rpartition("@")[0]
    for _ in range(MOST_REDIRECTS + 1):
        location = ""
        connection, parts = guard.connect(url, RTSP)
        host = parts.netloc.rpartition("@")[2] if guard.trusts(parts) else _pinned(connection, parts)
        # What breaks off here does so again for FFmpeg, which says why.
        with suppress(ConnectionError), _secured(connection, parts) as secured, limited(secured):
            location = _redirect(secured, parts)
        if not location:
            known = bool(user) and guard.trusts(parts)
            return parts._replace(netloc=f"{user}@{host}" if known else host).geturl()
        url = urljoin(url, location)
    raise ForbiddenError(f"more than {MOST_REDIRECTS} redirects, the last to {hide_secrets(url)}")


def _redirect(connection: socket.socket, parts: SplitResult) -> str:
    """The Location of the first answer that is a redirect; empty where none is."""
    target = parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl()
    with connection.makefile("rb") as answers:
        for number, method in enumerate(METHODS, 1):
            request = f"{method} {target} RTSP/1.0\r\nCSeq: {number}\r\nUser-Agent: vqa-agent\r\n\r\n"
            connection.sendall(request.encode())
            status, fields = _answer(answers)
            if 300 <= status < 400:
                return fields.get("location", "")
            if status != 200 or method == METHODS[-1]:
                break
            length = fields.get("content-length", "")
            answers.read(min(int(length), LONGEST_BODY) if length.isdecimal() else 0)
    return ""


def _answer(answers: BinaryIO) -> tuple[int, dict[str, str]]:
    """Status and header of an answer; 0 where it is not one of RTSP."""
    lines = list(_head(answers))
    version, _, rest = (lines[0] if lines else "").partition(" ")
    status = rest.partition(" ")[0]
    if not version.startswith("RTSP/") or not status.isdecimal():
        return 0, {}
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    return int(status), fields


def _head(answers: BinaryIO) -> Iterator[str]:
    for _ in range(MOST_LINES):
        line = answers.readline(LONGEST_LINE).decode(errors="replace").strip()
        if not line:
            return
        yield line


def _pinned(connection: socket.socket, parts: SplitResult) -> str:
    """Host and port by the address that was looked at: a name may lead elsewhere when FFmpeg asks for it again."""
    address = str(connection.getpeername()[0])
    return f"{f'[{address}]' if ':' in address else address}:{parts.port or RTSP[parts.scheme]}"


def _secured(connection: socket.socket, parts: SplitResult) -> socket.socket:
    """With TLS where that is wanted; unverified, as FFmpeg does it: cameras sign their certificates themselves."""
    if parts.scheme != "rtsps":
        return connection
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(connection, server_hostname=parts.hostname)
