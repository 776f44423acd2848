"""Opens an input with FFmpeg: which demuxer, which options, which protocols; failures as one clear line."""

from __future__ import annotations

import logging
import os
import signal
import ssl
import subprocess
import tempfile
import threading
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import IO, Any
from urllib.parse import urlsplit

import av
import av.error
import av.logging
from av.container import InputContainer

from vqa_agent.capture.datagrams import Address, Receiver
from vqa_agent.capture.feeds import Fetch, Pipe, Reread, Tap
from vqa_agent.capture.guard import NO_PLAYLISTS, ONE_PLAYLIST, WEB, Guard
from vqa_agent.capture.remote import Remote
from vqa_agent.capture.rendition import Rendition, renditions
from vqa_agent.capture.rtsp import RTSP, destination
from vqa_agent.capture.source import Source, path_of
from vqa_agent.capture.transport import Monitor
from vqa_agent.capture.transport.framing import is_transport_stream
from vqa_agent.errors import InputError, one_line

log = logging.getLogger(__name__)

READ_SIZE = 65536
"""Bytes that FFmpeg asks a tap for at a time."""

PEEK = 8192
"""Bytes that show whether a web server sends a transport stream."""

PLAYLIST_SUFFIXES = frozenset([".m3u8", ".m3u"])
PLAYLIST_HEAD = b"#EXTM3U"

OPEN_TIMEOUT = 10.0
READ_TIMEOUT = 5.0
"""Seconds without any byte after which a live input counts as lost."""

_WEB_OPTIONS = {"protocol_whitelist": "http,https,tcp,tls,crypto", "rw_timeout": "10000000", "max_redirects": "0"}

OPTIONS: dict[str, dict[str, str]] = {
    "rtsp": {"rtsp_transport": "tcp", "timeout": "5000000", "protocol_whitelist": "rtsp,rtp,udp,tcp,tls"},
    "rtsps": {"rtsp_transport": "tcp", "timeout": "5000000", "protocol_whitelist": "rtsp,rtp,udp,tcp,tls"},
    "http": _WEB_OPTIONS,
    "https": _WEB_OPTIONS,
    "udp": {"protocol_whitelist": "udp"},
    "rtp": {"protocol_whitelist": "rtp,udp,srtp", "buffer_size": "4194304"},
    "tcp": {"protocol_whitelist": "tcp"},
    "rtmp": {"protocol_whitelist": "rtmp,rtmpt,tcp", "rw_timeout": "10000000"},
    "rtmps": {"protocol_whitelist": "rtmps,rtmp,tcp,tls", "rw_timeout": "10000000"},
    "srt": {"protocol_whitelist": "srt"},
    "file": {"protocol_whitelist": "file,crypto"},
}
"""Options by scheme. The protocols are named so that a session description cannot reach others; redirects are
followed by the guard alone."""

DEVICES = {"v4l2": "v4l2", "alsa": "alsa"}
"""Schemes that are FFmpeg input devices: v4l2:///dev/video0, alsa://hw:0."""

av.logging.set_level(None)


@dataclass
class Opened:
    """An open container, what feeds it where FFmpeg does not, and the program behind that where there is one.

    `reread` is a transport stream on disk, which FFmpeg reads by itself. `pulled` inputs come in bursts when they are
    asked for, and wait until they are.
    """

    container: InputContainer
    tap: Tap | None = None
    reread: Reread | None = None
    program: subprocess.Popen[bytes] | None = None
    complaints: IO[bytes] | None = None
    pulled: bool = False
    remote: Remote | None = None
    texts: tuple[Rendition, ...] = ()

    def close(self) -> None:
        """Close the container and end the program with all that it started."""
        self.end_input()
        with suppress(av.error.FFmpegError):
            self.container.close()
        for feed in (self.tap, self.reread, self.remote):
            if feed is not None:
                feed.close()

    def rest(self, seconds: float) -> None:
        """Take datagrams so many seconds apart, all that have come by then: waking for each costs more than they do."""
        if self.tap is not None and isinstance(self.tap.origin, Receiver):
            self.tap.origin.rest = seconds

    def end_input(self) -> None:
        """Let a read that waits for more return: end the program, or the waiting at the socket."""
        if self.tap is not None:
            self.tap.origin.stop()
        if self.program is not None:
            end_program(self.program)

    def packets(self, tracks: Sequence[Any]) -> Iterator[Any]:
        """The packets of `tracks`, with the text that FFmpeg leaves to us among them."""
        texts = [rendition for rendition in self.texts if rendition.track in tracks]
        for packet in self.container.demux(*tracks):
            yield packet
            for rendition in texts:
                yield from rendition.packets(packet)

    def monitor(self, tracks: Collection[int], totals: Counter[str]) -> Monitor | None:
        """Who looks at the packets of `tracks` (PIDs), where this is a transport stream whose packets can be seen."""
        feed = self.tap or self.reread
        return Monitor(feed, tracks, totals) if feed is not None and is_mpegts(self.container) else None

    def last_words(self) -> str:
        """The last line that the program wrote to its standard error."""
        return _last_line(self.complaints)


def open_container(source: Source) -> Opened:
    """Open `source`. Raises InputError with one line that says what, why and what to do."""
    if source.command:
        return _open_command(source)
    try:
        if source.scheme in WEB:
            return _open_web(source)
        if source.scheme in RTSP:
            guard = Guard(source.url, source.options, source.allow_hosts, OPEN_TIMEOUT)
            return _open_url(replace(source, url=destination(source.url, guard)))
        if source.scheme == "file" and _is_playlist(source.url):
            return _open_playlist(source, Guard(str(_readable(source)), {}, (), READ_TIMEOUT))
        tap = _open_tap(source)
        return _open_url(source) if tap is None else _through(tap, source)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise InputError(f"opening {source.describe()}: {explain(error)}") from None


def is_mpegts(container: InputContainer) -> bool:
    return container.format.name == "mpegts"


def _open_url(source: Source) -> Opened:
    """Let FFmpeg read it."""
    scheme = source.scheme
    url, demuxer, rules = source.url, None, NO_PLAYLISTS
    if scheme in DEVICES:
        url, demuxer, rules = source.url.partition("://")[2], DEVICES[scheme], {}
    elif scheme == "file":
        url = str(_readable(source))
    elif scheme in RTSP:
        rules = {}
    container = av.open(
        url, "r", format=demuxer, options={**_options(source), **rules}, timeout=_timeout(source),
        metadata_errors="replace",
    )  # fmt: skip
    opened = Opened(container, pulled=scheme in WEB)
    if scheme == "file" and is_mpegts(container) and path_of(source.url).is_file():
        opened.reread = Reread(path_of(source.url))
    return opened


def _open_playlist(source: Source, guard: Guard) -> Opened:
    """Let FFmpeg read it, and look at each URL that it opens on the way."""
    url = str(_readable(source)) if source.scheme == "file" else source.url
    options = {**_options(source), **ONE_PLAYLIST}
    container = av.open(
        url, "r", options=options, timeout=_timeout(source), metadata_errors="replace", io_open=guard.open
    )
    return Opened(container, pulled=source.scheme in WEB, texts=renditions(guard, url, container))


def _open_web(source: Source) -> Opened:
    """What a web server sends: a transport stream, a playlist, or a file."""
    guard = Guard(source.url, source.options, source.allow_hosts, OPEN_TIMEOUT)
    source = replace(source, url=guard.final())
    if _is_playlist(source.url):
        return _open_playlist(source, guard)
    trusted = guard.trusts(urlsplit(source.url))
    fetch = Fetch(source.url, _options(source), (OPEN_TIMEOUT, READ_TIMEOUT)) if trusted else Remote(guard, source.url)
    tap = Tap(fetch)
    try:
        head = tap.peek(PEEK)
    except BaseException:
        tap.close()
        raise
    if is_transport_stream(head):
        return _through(tap, source)
    tap.close()
    if head.lstrip().startswith(PLAYLIST_HEAD):
        return _open_playlist(source, guard)
    return _open_url(source) if trusted else _open_remote(source, Remote(guard, source.url))


def _open_remote(source: Source, remote: Remote) -> Opened:
    """Let FFmpeg read what is fetched here. Closes it where that fails."""
    return Opened(_read_from(remote, source, None), pulled=True, remote=remote)


def _open_tap(source: Source) -> Tap | None:
    """The bytes of what cannot be opened twice, or holds nothing but transport streams; None for everything else."""
    if source.scheme in ("udp", "rtp"):
        return Tap(Receiver(Address.of(source.url, source.options), OPEN_TIMEOUT))
    if source.scheme in ("tcp", "srt"):
        return Tap(Fetch(source.url, _options(source), (OPEN_TIMEOUT, READ_TIMEOUT)))
    return None


def _is_playlist(url: str) -> bool:
    return PurePath(urlsplit(url).path).suffix.lower() in PLAYLIST_SUFFIXES


def _through(tap: Tap, source: Source) -> Opened:
    """A container that reads from `tap`. Closes it where that fails."""
    container = _read_from(tap, source, _timeout(source))
    if not is_mpegts(container):
        tap.forgo()
    if isinstance(tap.origin, Receiver):
        tap.origin.patience = READ_TIMEOUT
    return Opened(container, tap)


def _read_from(file: Tap | Remote, source: Source, timeout: tuple[float, float] | None) -> InputContainer:
    """A container that FFmpeg reads from `file`, and nothing beside it. Closes the file where that fails."""
    options = {"protocol_whitelist": "crypto", **source.options, **NO_PLAYLISTS}
    try:
        return av.open(file, "r", options=options, timeout=timeout, buffer_size=READ_SIZE, metadata_errors="replace")
    except BaseException:
        file.close()
        raise


def _options(source: Source) -> dict[str, str]:
    return {**OPTIONS.get(source.scheme, {}), **source.options}


class Opening:
    """Opens a source in a thread, so that one who waits can tell meanwhile that there is no signal."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._abandoned = False
        self._opened: Opened | None = None
        self._error: InputError | None = None
        threading.Thread(target=self._run, name="open", daemon=True).start()

    def result(self, timeout: float) -> Opened | None:
        """What is open; None when it is not yet. Raises InputError where it cannot be opened."""
        self._done.wait(timeout)
        if self._error is not None:
            raise self._error
        return self._opened

    def abandon(self) -> None:
        """Nobody waits any more: close it as soon as it is open."""
        with self._lock:
            self._abandoned = True
            if self._opened is not None:
                self._opened.close()

    def _run(self) -> None:
        try:
            opened = open_container(self._source)
        except InputError as error:
            self._error = error
        else:
            with self._lock:
                self._opened = opened
                if self._abandoned:
                    opened.close()
        self._done.set()


def explain(error: BaseException) -> str:
    """Why FFmpeg refused, and what to do about it."""
    if isinstance(error, av.error.FFmpegError):
        reason = error.strerror or type(error).__name__
        detail = error.log[1][2].strip() if error.log and error.log[1] else ""
    else:
        reason, detail = getattr(error, "strerror", None) or str(error) or type(error).__name__, ""
    for kind, advice in ADVICE.items():
        if isinstance(error, kind):
            reason = f"{reason}; {advice}"
            break
    return one_line(f"{reason} ({detail})" if detail and detail not in reason else reason)


ADVICE: dict[type[BaseException], str] = {
    av.error.HTTPNotFoundError: "the server does not have it: check the address",
    av.error.HTTPUnauthorizedError: "the server wants a user and a password: put them in the URL",
    av.error.HTTPForbiddenError: "the server does not allow it: check the user's rights",
    av.error.InvalidDataError: "it is not a media file or stream that FFmpeg knows, or it is damaged from its start",
    av.error.ProtocolNotFoundError: "this build of FFmpeg cannot read this kind of URL: use a command that can",
    av.error.DemuxerNotFoundError: "this build of FFmpeg cannot read this device or container",
    av.error.ExitError: "no answer in time: check the address, the network and that the source is sending",
    ConnectionRefusedError: "nothing listens there: check the host and the port",
    TimeoutError: "no answer in time: check the address, the network and that the source is sending",
    ssl.SSLCertVerificationError: "its certificate is not accepted: correct it, or set tls_verify = '0' in options",
    PermissionError: "let this user read it",
    EOFError: "it ends before any picture or sound",
}


def end_program(program: subprocess.Popen[bytes]) -> None:
    """End a program and its children: politely, then not."""
    for number, patience in ((signal.SIGTERM, 0.5), (signal.SIGKILL, 2.0)):
        with suppress(ProcessLookupError):
            os.killpg(program.pid, number)
        with suppress(subprocess.TimeoutExpired):
            program.wait(patience)
            break


def _readable(source: Source) -> Any:
    path = path_of(source.url)
    if not path.exists():
        raise InputError(f"opening {source.describe()}: there is no such file; check the path")
    if path.is_dir():
        raise InputError(f"opening {source.describe()}: it is a directory; name a file in it")
    if not os.access(path, os.R_OK):
        raise InputError(f"opening {source.describe()}: no permission to read it; let this user read it")
    if path.is_file() and not path.stat().st_size:
        raise InputError(f"opening {source.describe()}: the file is empty; check how it was written")
    return path


def _timeout(source: Source) -> tuple[float, float] | None:
    return (OPEN_TIMEOUT, READ_TIMEOUT) if source.scheme != "file" else None


def _open_command(source: Source) -> Opened:
    complaints: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as the program
    try:
        program = subprocess.Popen(
            list(source.command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            start_new_session=True,
        )
    except OSError as error:
        raise InputError(
            f"starting the command {source.describe()} of stream {source.name}: {error.strerror}; "
            "check that the program is installed and may be run"
        ) from None
    try:
        assert program.stdout is not None
        opened = _through(Tap(Pipe(program.stdout.fileno())), source)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        end_program(program)
        words = _last_line(complaints)
        reason = f"it wrote no MPEG-TS or Matroska: {words}" if words else explain(error)
        raise InputError(
            f"reading the command {source.describe()} of stream {source.name}: {one_line(reason)}"
        ) from None
    opened.program, opened.complaints = program, complaints
    return opened


def _last_line(complaints: IO[bytes] | None) -> str:
    if complaints is None:
        return ""
    complaints.seek(0, os.SEEK_END)
    complaints.seek(max(0, complaints.tell() - 4096))
    lines = [line for line in complaints.read().decode(errors="replace").splitlines() if line.strip()]
    return one_line(lines[-1]) if lines else ""
