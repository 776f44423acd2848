"""What a process that decodes may take of the machine, whatever its input makes the decoder do."""

from __future__ import annotations

import logging
import os
import resource
import tempfile
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from vqa_agent.capture.hardware import writable
from vqa_agent.capture.opening import DEVICES
from vqa_agent.capture.rtsp import RTSP
from vqa_agent.capture.source import scheme_of
from vqa_agent.config import Config, StreamSection
from vqa_agent.errors import InputError
from vqa_agent.service.landlock import Allowed, restrict

log = logging.getLogger(__name__)

MEMORY_FLOOR = 4 * 2**30
"""Least limit of address space: networks map far more than they ever touch."""

MEMORY_FACTOR = 6
"""Address space in multiples of the agent's memory budget, where that is more."""

LARGEST_FILE = 2**30
OPEN_FILES = 512

TCP_PORTS = {**RTSP, "rtmp": 1935, "rtmps": 443, "tcp": 0}
"""Schemes that use one port of TCP, and which where the URL names none."""

NO_TCP = frozenset(["file", "udp", "rtp", "srt"])
DNS = 53


LOOK_FLOOR = 8 * 2**30
"""Least limit of address space for a look by hand, which uses all cores and may be at pictures of any size."""


def confine(memory: int) -> None:
    """Bound this process and what it starts: a hostile stream ends its worker, not the machine.

    `memory` is the agent's budget in bytes.
    """
    _bound(resource.RLIMIT_AS, max(MEMORY_FLOOR, MEMORY_FACTOR * memory))
    _bound(resource.RLIMIT_FSIZE, LARGEST_FILE)
    _bound(resource.RLIMIT_NOFILE, OPEN_FILES)
    _bound(resource.RLIMIT_CORE, 0)


def _bound(kind: int, limit: int) -> None:
    """A limit that is already lower stays."""
    known = [each for each in (limit, *resource.getrlimit(kind)) if each != resource.RLIM_INFINITY]
    resource.setrlimit(kind, (min(known), min(known)))


def seal(stream: StreamSection, config: Config) -> None:
    """Have the kernel hold this process to what this stream needs, where it can (Landlock). It cannot be taken back."""
    if config.samples.enabled:
        with suppress(OSError):
            config.samples_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    hold(f"stream {stream.name}", needs(stream, config))


def seal_look(urls: Collection[str]) -> None:
    """Leave to this process what it has open, and what these inputs need. It cannot be taken back.

    Threads that libraries have begun by now are not held.
    """
    _bound(resource.RLIMIT_AS, max(LOOK_FLOOR, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")))
    needed: list[set[int] | None] = []
    devices = Path("/dev/null")
    for url in urls:
        with suppress(InputError):  # It is told when the input is opened.
            needed.append(_ports(url))
            devices = Path("/dev") if scheme_of(url) in DEVICES else devices
    ports = None if None in needed else {port for some in needed for port in some or ()}
    hold("this look", Allowed(devices=[devices], ports=ports))


def hold(what: str, allowed: Allowed) -> None:
    """Have the kernel leave what is allowed, and tell how far it does."""
    try:
        version = restrict(allowed)
    except OSError as error:
        log.warning("%s: this kernel's Landlock refuses its rules: %s; going on without", what, error)
        return
    if version:
        log.debug("%s: sealed by version %d of Landlock", what, version)
    else:
        log.debug("%s: no Landlock here; whoever takes over a decoder has all rights of this user", what)


def needs(stream: StreamSection, config: Config) -> Allowed:
    """Where a worker has to write, and what it has to execute and connect to.

    The program of a command may write where the service as a whole may: into its state and temporary files.
    """
    samples = [config.samples_directory] if config.samples.enabled else []
    if stream.command:
        shared = [config.agent.state_dir, Path(tempfile.gettempdir()), Path("/dev/shm")]
        return Allowed([*samples, *shared], [Path("/dev")], execute=True)
    if scheme_of(stream.url) in DEVICES:
        return Allowed(samples, [Path("/dev")])
    return Allowed(samples, (Path("/dev/null"), *writable(stream.decode)), _ports(stream.url))


def _ports(url: str) -> set[int] | None:
    """Those of TCP that an input uses; None where a playlist may name any, which capture/guard.py looks at."""
    scheme = scheme_of(url)
    if scheme in NO_TCP:
        return {DNS}
    if scheme not in TCP_PORTS:
        return None
    with suppress(ValueError):  # FFmpeg says what is wrong with such a URL.
        return {DNS, urlsplit(url).port or TCP_PORTS[scheme]}
    return {DNS}
