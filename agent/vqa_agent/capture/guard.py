"""What an input may reach beside itself: each URL that a playlist or a redirect names is looked at before it is opened.

FFmpeg's own list of protocols does not keep a playlist on the internet from naming a machine in this network, nor does
it see where a redirect leads. So playlists are read through `Guard.open`, and redirects are followed here.

- A web playlist may name http and https alone; a playlist on disk, files in its own folder.
- The host of the configured URL is trusted, as are those in `allow_hosts`. Any other must have a public address, and
  the connection goes to the very address that was looked at: a name may lead elsewhere when it is asked for again.
"""

from __future__ import annotations

import http.client
import ipaddress
import os
import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from copy import copy
from pathlib import Path
from typing import Protocol
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

import av

from vqa_agent.capture.feeds import Fetch, Tap
from vqa_agent.errors import hide_secrets

WEB = {"http": 80, "https": 443}
REDIRECTS = frozenset([301, 302, 303, 307, 308])
MOST_REDIRECTS = 5
ENCRYPTED = ("crypto+", "crypto:")
"""How FFmpeg names a segment that it wants decrypted."""

PIECE = 256 * 1024
LARGEST_SEGMENT = 256 * 2**20
"""Bytes that are fetched at a time, and that an encrypted segment, which is held in memory, may have."""

PLAYLISTS = frozenset(["hls", "concat", "sdp", "rtsp", "rtp"])
"""Formats of FFmpeg that open what they name by themselves."""

NO_PLAYLISTS = {"format_whitelist": ",".join(sorted(av.formats_available - PLAYLISTS))}
"""Options for what is opened without a guard: it cannot turn out to be a playlist."""

ONE_PLAYLIST = {
    "format_whitelist": ",".join(sorted(av.formats_available - PLAYLISTS | {"hls"})),
    "http_persistent": "0",
    "http_multiple": "0",
}
"""Options for what is opened through a guard: every segment is a file of its own to FFmpeg."""


class ForbiddenError(ValueError):
    """A URL that must not be opened, or that cannot be had."""


class File(Protocol):
    def read(self, size: int) -> bytes: ...

    def close(self) -> None: ...


class Guard:
    """Opens what belongs to the input at `url`, and nothing else."""

    def __init__(self, url: str, options: Mapping[str, str], allow_hosts: Collection[str], timeout: float) -> None:
        self._url = url
        self._options = options
        self._timeout = timeout
        self._trusted = {(urlsplit(url).hostname or "").lower(), *(host.lower() for host in allow_hosts)}
        self._folder = None if urlsplit(url).scheme in WEB else Path(url).resolve().parent

    def within(self, timeout: float) -> Guard:
        """The same guard with another time limit."""
        other = copy(self)
        other._timeout = timeout
        return other

    def open(self, url: str, flags: int, options: Mapping[str, str]) -> File:
        """What FFmpeg calls for each URL. Raises ForbiddenError, or OSError where it cannot be had."""
        inner = url
        for prefix in ENCRYPTED:
            inner = inner.removeprefix(prefix)
        if inner != url:
            return self._decrypted(inner, options)
        if self._folder is not None:
            return self._path(inner).open("rb")
        return self._response(inner, options)

    def ask(self, url: str, offset: int = 0) -> Answer:
        """What a web server has at `url`, from byte `offset` on. Raises as `open` does."""
        return self._response(url, {"offset": str(offset)})

    def final(self) -> str:
        """The URL behind all redirects of the input's own."""
        answer, url = self._follow(self._url, {})
        answer.close()
        return url

    def _response(self, url: str, options: Mapping[str, str]) -> Answer:
        answer, url = self._follow(url, options)
        answer.complain(hide_secrets(url))
        return answer

    def _follow(self, url: str, options: Mapping[str, str]) -> tuple[Answer, str]:
        """The first answer that is no redirect, and its URL."""
        verified = self._options.get("tls_verify", "1") != "0"
        for _ in range(MOST_REDIRECTS + 1):
            connection, parts = self.connect(url)
            answer = Answer(connection, parts, self._headers(parts, options), verified)
            if answer.status not in REDIRECTS:
                return answer, url
            answer.close()
            url = urljoin(url, answer.location)
        raise ForbiddenError(f"more than {MOST_REDIRECTS} redirects, the last to {hide_secrets(url)}")

    def _decrypted(self, url: str, options: Mapping[str, str]) -> File:
        """FFmpeg decrypts what was fetched here, from a file in memory: by itself it would ask for the name again."""
        keys = {name: options[name] for name in ("key", "iv") if name in options}
        descriptor = os.memfd_create("segment")
        with os.fdopen(descriptor, "wb") as whole:
            with closing(self.open(url, 0, options)) as locked:
                whole.writelines(_pieces(locked))
            whole.flush()
            place, rules = f"crypto:/proc/self/fd/{descriptor}", {"protocol_whitelist": "crypto,file"}
            tap = Tap(Fetch(place, {**keys, **rules}, (self._timeout, self._timeout)))
        tap.forgo()
        return tap

    def _path(self, url: str) -> Path:
        """A file in the playlist's own folder."""
        assert self._folder is not None
        if "://" in url and not url.startswith("file://"):
            raise ForbiddenError(f"the playlist names {hide_secrets(url)}: one on disk may name files beside it only")
        path = Path(unquote(url.removeprefix("file://").removeprefix("file:"))).resolve()
        if not path.is_relative_to(self._folder):
            raise ForbiddenError(f"the playlist names {path}: only files in its own folder may be opened")
        return path

    def _checked(self, url: str, ports: Mapping[str, int] = WEB) -> SplitResult:
        parts = urlsplit(url)
        if parts.scheme not in ports or not parts.hostname:
            allowed = " and ".join(ports)
            raise ForbiddenError(f"the playlist or a redirect names {hide_secrets(url)}: only {allowed} may be")
        return parts

    def trusts(self, parts: SplitResult) -> bool:
        """Whether the host is the input's own, or one that the operator has named."""
        return (parts.hostname or "").lower() in self._trusted

    def _reachable(self, parts: SplitResult, ports: Mapping[str, int] = WEB) -> list[tuple[str, int]]:
        """The addresses of a host that may be spoken to."""
        host = (parts.hostname or "").lower()
        found = socket.getaddrinfo(host, parts.port or ports[parts.scheme], type=socket.SOCK_STREAM)
        addresses = [(str(address[0]), int(address[1])) for *_, address in found]
        if not self.trusts(parts) and not all(is_public(address) for address, _ in addresses):
            raise ForbiddenError(
                f"the playlist or a redirect names {host}, which is not in a public network; "
                "name it in allow_hosts of the stream if that is right"
            )
        return addresses

    def connect(self, url: str, ports: Mapping[str, int] = WEB) -> tuple[socket.socket, SplitResult]:
        """A connection to the host that `url` names, with a scheme of `ports`, which has the usual port of each.

        Raises ForbiddenError, or OSError where there is none to be had.
        """
        parts = self._checked(url, ports)
        error: OSError = ConnectionRefusedError()
        for address in self._reachable(parts, ports):
            try:
                return socket.create_connection(address, self._timeout), parts
            except OSError as failure:
                error = failure
        raise error

    def _headers(self, parts: SplitResult, options: Mapping[str, str]) -> dict[str, str]:
        """Of the request. What is secret goes to the trusted hosts alone."""
        headers = {"User-Agent": self._options.get("user_agent", "vqa-agent"), "Accept": "*/*", "Connection": "close"}
        if self.trusts(parts):
            given = (line.partition(":") for line in self._options.get("headers", "").splitlines() if ":" in line)
            headers |= {name.strip(): value.strip() for name, _, value in given}
            if parts.username is not None:
                user = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
                headers["Authorization"] = "Basic " + b64encode(user).decode()
        if (offset := options.get("offset", "0")) != "0" or "end_offset" in options:
            end = str(int(options["end_offset"]) - 1) if "end_offset" in options else ""
            headers["Range"] = f"bytes={offset}-{end}"
        return headers


class Answer:
    """The answer to one request, over a connection that was made before."""

    def __init__(
        self, connection: socket.socket, parts: SplitResult, headers: Mapping[str, str], verified: bool
    ) -> None:
        host = parts.hostname or ""
        client = http.client.HTTPConnection(host, parts.port or WEB[parts.scheme])
        try:
            if parts.scheme == "https":
                connection = _context(verified).wrap_socket(connection, server_hostname=host)
            client.sock = connection
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            with limited(connection):
                client.request("GET", path, headers=dict(headers))
                self._response = client.getresponse()
        except (OSError, http.client.HTTPException, ValueError) as error:
            connection.close()
            if isinstance(error, OSError):
                raise
            raise ForbiddenError(f"asking {host}: not an answer of HTTP: {error}") from None
        self._client = client

    @property
    def status(self) -> int:
        return self._response.status

    @property
    def location(self) -> str:
        return self._response.getheader("Location", "")

    @property
    def size(self) -> int | None:
        """Bytes of the whole, where the server can give it from any byte on."""
        length = self._response.getheader("Content-Length", "")
        in_parts = self._response.getheader("Accept-Ranges", "").strip().lower() == "bytes"
        return int(length) if in_parts and length.isdecimal() else None

    def complain(self, url: str) -> None:
        """Raises ForbiddenError where the server did not give it."""
        if self.status >= 400:
            self.close()
            raise ForbiddenError(f"the server has refused {url}: {self.status} {self._response.reason}")

    def read(self, size: int) -> bytes:
        try:
            return self._response.read1(size)
        except http.client.HTTPException as error:
            raise ForbiddenError(f"the answer breaks off: {error!r}") from None

    def close(self) -> None:
        self._response.close()
        self._client.close()


def _pieces(segment: File) -> Iterator[bytes]:
    """All of a segment. Raises ForbiddenError where that is more than one may have."""
    size = 0
    while data := segment.read(PIECE):
        size += len(data)
        if size > LARGEST_SEGMENT:
            raise ForbiddenError(f"an encrypted segment of the playlist has more than {LARGEST_SEGMENT >> 20} MB")
        yield data


@contextmanager
def limited(connection: socket.socket) -> Iterator[None]:
    """Ends the connection after its timeout, however slowly a server goes on. Raises TimeoutError then."""
    ended = threading.Event()

    def end() -> None:
        ended.set()
        with suppress(OSError):
            socket.socket.shutdown(connection, socket.SHUT_RDWR)

    timer = threading.Timer(connection.gettimeout() or 0.0, end)
    timer.start()
    try:
        yield
    except (OSError, http.client.HTTPException):
        if not ended.is_set():
            raise
    finally:
        timer.cancel()
    if ended.is_set():
        raise TimeoutError


def _context(verified: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not verified:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def is_public(address: str) -> bool:
    """Whether an IP address is one of the internet's, not of this machine or network.

    >>> [is_public(address) for address in ("8.8.8.8", "10.1.2.3", "169.254.169.254", "::ffff:127.0.0.1")]
    [True, False, False, False]
    """
    parsed = ipaddress.ip_address(address.partition("%")[0])
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return (mapped or parsed).is_global and not parsed.is_multicast
