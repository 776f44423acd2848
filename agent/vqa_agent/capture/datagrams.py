"""Transport streams in UDP datagrams, plain or in RTP, from a socket of our own.

Our own, because it tells how many datagrams this machine had no room for, and before which datagram (SO_RXQ_OVFL):
FFmpeg keeps that to itself, and a loss of the receiver is then taken for one of the stream. Many datagrams are taken
with one system call, so that the interpreter's lock is waited for once for all of them.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from urllib.parse import parse_qs, urlsplit

import numpy as np
from numpy.typing import NDArray

from vqa_agent.capture.transport import Hole

BATCH = 64
"""Datagrams that one system call takes at most."""

SLOT = 9216
"""Bytes of room for each: a jumbo frame."""

WAKE = 0.25
"""Seconds after which a wait looks whether it should end."""

DEFAULT_BUFFER = 4 * 2**20
"""Bytes that the system is asked to keep for us; it gives no more than net.core.rmem_max to ordinary users."""

MOST_A_SECOND = 9 * 2**20
"""Bytes of the system's room that a stream of 40 Mb/s takes in a second, with what the system adds to each datagram."""

RTP_TRANSPORT_STREAM = 33
"""Payload type of MPEG transport streams (RFC 3551)."""

SO_RCVBUFFORCE, SO_RXQ_OVFL, MSG_WAITFORONE = 33, 40, 0x10000
IP_ADD_SOURCE_MEMBERSHIP, IP_MULTICAST_ALL = 39, 49
_CONTROL_HEADER = ctypes.sizeof(ctypes.c_size_t) + 8
_CONTROL_ROOM = 64

_HEADER = np.dtype(
    [
        ("name", np.uintp),
        ("name_length", np.uint32),
        ("vector", np.uintp),
        ("vector_length", np.uintp),
        ("control", np.uintp),
        ("control_length", np.uintp),
        ("flags", np.int32),
    ],
    align=True,
)
"""struct msghdr of recvmsg(2)."""

_MESSAGE = np.dtype([("header", _HEADER), ("length", np.uint32)], align=True)
"""struct mmsghdr of recvmmsg(2)."""

_VECTOR = np.dtype([("base", np.uintp), ("length", np.uintp)])
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Address:
    """Where datagrams are expected. `interface` is the local address of the network card to use."""

    host: str
    port: int
    interface: str = ""
    sources: tuple[str, ...] = ()
    buffer: int = DEFAULT_BUFFER
    family: socket.AddressFamily = field(default=socket.AF_INET)

    @property
    def is_multicast(self) -> bool:
        return self.host != "" and socket.inet_pton(self.family, self.host)[0] in (
            range(224, 240) if self.family == socket.AF_INET else (0xFF,)
        )

    @classmethod
    def of(cls, url: str, options: Mapping[str, str]) -> Address:
        """`udp://[source]@host:port?localaddr=...&sources=a,b&buffer_size=...`, as FFmpeg and VLC write it.

        Raises ValueError where the port or the address is none.
        """
        parts = urlsplit(url)
        if not parts.port:
            raise ValueError("it names no port; write udp://host:port, or udp://@group:port for multicast")
        given = {**options, **{name: values[-1] for name, values in parse_qs(parts.query).items()}}
        sources = [source for source in (parts.username, *given.get("sources", "").split(",")) if source]
        family, host = _resolve(parts.hostname or "")
        if sources and family != socket.AF_INET:
            raise ValueError("a source of an IPv6 group cannot be chosen here; use a command")
        size = int(given.get("buffer_size", DEFAULT_BUFFER))
        return cls(host, parts.port, given.get("localaddr", ""), tuple(sources), size, family)


def _resolve(host: str) -> tuple[socket.AddressFamily, str]:
    if not host:
        return socket.AF_INET, ""
    try:
        family, _, _, _, place = socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)[0]
    except OSError as error:
        raise ValueError(f"{host}: {error.strerror or error}") from None
    return family, str(place[0])


class Receiver:
    """Receives the datagrams of one address. `read` gives their contents in order, and the holes between them."""

    def __init__(self, address: Address, patience: float) -> None:
        self.patience = patience
        """Seconds without a datagram after which `read` raises TimeoutError."""
        self._socket = _bound(address)
        self._messages, self._keep = _messages()
        self._memory, self._control = self._keep[0], self._keep[1]
        self._ready: deque[bytes | Hole] = deque()
        self._unpack: Rtp | None = None
        self._started = False
        self._lost = 0
        self._stopped = threading.Event()
        self.rest = 0.0
        """Seconds that it sleeps before it takes what has come by then, unless more waits than it takes at once, or
        the system has no room for so long."""
        self._longest_rest = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) / MOST_A_SECOND
        self._more = False

    @property
    def is_rtp(self) -> bool:
        return self._unpack is not None

    def read(self, size: int) -> bytes | Hole:
        """The contents of some datagrams (`size` is not kept to), or what is missing before them; empty: the end."""
        until = monotonic() + self.patience
        while not self._ready and not self._stopped.is_set():
            count = self._receive()
            if count:
                self._arrange(count)
            elif monotonic() > until:
                raise TimeoutError(errno.ETIMEDOUT, f"no datagram for {self.patience:.0f} s")
        return self._ready.popleft() if self._ready else b""

    def stop(self) -> None:
        self._stopped.set()

    def close(self) -> None:
        self._stopped.set()
        self._socket.close()

    def _receive(self) -> int:
        """Wait for a datagram, and take all that are there; how many."""
        if self.rest and not self._more:
            self._stopped.wait(min(self.rest, self._longest_rest))
        self._messages["header"]["control_length"] = _CONTROL_ROOM
        count = int(
            _libc.recvmmsg(
                self._socket.fileno(), ctypes.c_void_p(self._messages.ctypes.data), BATCH, MSG_WAITFORONE, None
            )
        )
        self._more = count == BATCH
        if count >= 0:
            return count
        number = ctypes.get_errno()
        if number in (errno.EAGAIN, errno.EINTR, errno.ECONNREFUSED):
            return 0
        raise OSError(number, os.strerror(number))

    def _arrange(self, count: int) -> None:
        """Put the datagrams of one call into the queue, cut where something is missing."""
        lengths = self._messages["length"][:count]
        if not self._started:
            self._started = True
            self._unpack = Rtp() if Rtp.begins(self._memory[0]) else None
        missing = self._missing(count)
        start = 0
        for place in np.flatnonzero(missing).tolist():
            self._queue(start, place, lengths)
            if self._unpack is not None:
                self._unpack.expect_loss(int(missing[place]))
            self._ready.append(Hole(receiver=int(missing[place])))
            start = place
        self._queue(start, count, lengths)

    def _missing(self, count: int) -> NDArray[np.int64]:
        """(count,) datagrams that the socket had no room for just before each of these."""
        counters = self._control[:count, _CONTROL_HEADER : _CONTROL_HEADER + 4].copy().view(np.uint32).ravel()
        told = self._messages["header"]["control_length"][:count] >= _CONTROL_HEADER + 4
        totals = np.maximum.accumulate(np.where(told, counters, self._lost).astype(np.int64))
        missing = np.diff(totals, prepend=self._lost)
        self._lost = int(totals[-1])
        return missing

    def _queue(self, start: int, end: int, lengths: NDArray[np.uint32]) -> None:
        if start == end:
            return
        if self._unpack is not None:
            datagrams = [self._memory[place, : lengths[place]].tobytes() for place in range(start, end)]
            self._ready.extend(self._unpack.unpack(datagrams))
        elif (lengths[start:end] == lengths[start]).all():
            self._ready.append(self._memory[start:end, : lengths[start]].tobytes())
        else:
            self._ready.append(b"".join(self._memory[place, : lengths[place]].tobytes() for place in range(start, end)))


class Rtp:
    """Takes transport packets out of RTP (RFC 3550, RFC 2250), in the order of their sequence numbers."""

    def __init__(self) -> None:
        self._next: int | None = None
        self._source = b""
        self._own = 0

    @staticmethod
    def begins(datagram: NDArray[np.uint8]) -> bool:
        """Whether a stream that begins so is a transport stream in RTP."""
        return bool(datagram[0] >> 6 == 2 and datagram[1] & 0x7F == RTP_TRANSPORT_STREAM)

    def expect_loss(self, count: int) -> None:
        """The receiver lost `count` datagrams here: so many missing numbers are its own doing."""
        self._own += count

    def unpack(self, datagrams: list[bytes]) -> list[bytes | Hole]:
        """The contents, with a hole where numbers are missing. Late and repeated datagrams are left out."""
        found: list[bytes | Hole] = []
        together: list[bytes] = []
        for datagram in self._in_order([datagram for datagram in datagrams if len(datagram) > 12]):
            number, source = int.from_bytes(datagram[2:4], "big"), datagram[8:12]
            ahead = 0 if self._next is None or source != self._source else (number - self._next) & 0xFFFF
            if ahead >= 0x8000:
                continue
            if ahead:
                network = max(0, ahead - self._own)
                found += [b"".join(together), Hole(network=network)] if network else []
                together = [] if network else together
            self._next, self._source, self._own = (number + 1) & 0xFFFF, source, 0
            together.append(_content(datagram))
        found.append(b"".join(together))
        return [piece for piece in found if piece]

    def _in_order(self, datagrams: list[bytes]) -> list[bytes]:
        """What arrived together, by sequence number: a network may let neighbours change places."""
        if not datagrams:
            return []
        first = int.from_bytes(datagrams[0][2:4], "big") if self._next is None else self._next
        return sorted(datagrams, key=lambda datagram: (int.from_bytes(datagram[2:4], "big") - first + 0x8000) & 0xFFFF)


def _content(datagram: bytes) -> bytes:
    """Without the header of RTP, its contributing sources, its extension and its padding."""
    start = 12 + 4 * (datagram[0] & 0x0F)
    if datagram[0] & 0x10:
        start += 4 + 4 * int.from_bytes(datagram[start + 2 : start + 4], "big")
    return datagram[start : len(datagram) - datagram[-1]] if datagram[0] & 0x20 else datagram[start:]


def _messages() -> tuple[NDArray[np.void], tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.void]]]:
    """The headers of a batch, and the memory that they point to, which must live as long."""
    memory = np.zeros((BATCH, SLOT), np.uint8)
    control = np.zeros((BATCH, _CONTROL_ROOM), np.uint8)
    vectors = np.zeros(BATCH, _VECTOR)
    vectors["base"] = memory.ctypes.data + SLOT * np.arange(BATCH)
    vectors["length"] = SLOT
    messages = np.zeros(BATCH, _MESSAGE)
    headers = messages["header"]
    headers["vector"] = vectors.ctypes.data + _VECTOR.itemsize * np.arange(BATCH)
    headers["vector_length"] = 1
    headers["control"] = control.ctypes.data + _CONTROL_ROOM * np.arange(BATCH)
    return messages, (memory, control, vectors)


def _bound(address: Address) -> socket.socket:
    sock = socket.socket(address.family, socket.SOCK_DGRAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, int(WAKE * 1e6)))
        sock.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)
        _enlarge(sock, address.buffer)
        if address.is_multicast:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((address.host, address.port))
            _join(sock, address)
        else:
            _bind(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


def _bind(sock: socket.socket, address: Address) -> None:
    """Listen at the named address where it is one of this machine's, else, as FFmpeg does, at all of them."""
    for host in (address.interface or address.host, ""):
        try:
            sock.bind((host, address.port))
            return
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL or not host:
                raise


def _join(sock: socket.socket, address: Address) -> None:
    group = socket.inet_pton(address.family, address.host)
    if address.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group + struct.pack("@I", 0))
        return
    interface = socket.inet_aton(address.interface or "0.0.0.0")
    sock.setsockopt(socket.IPPROTO_IP, IP_MULTICAST_ALL, 0)
    for source in address.sources:
        sock.setsockopt(socket.IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, group + interface + socket.inet_aton(source))
    if not address.sources:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group + interface)


def _enlarge(sock: socket.socket, size: int) -> None:
    """Ask for `size` bytes of room, beyond the system's limit where this process may."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
    with suppress(PermissionError):
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, size)
