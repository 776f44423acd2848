"""What a worker may take of the machine, whatever its stream makes the decoder do."""

from __future__ import annotations

import logging
import resource
import tempfile
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from vqa_agent.capture.opening import DEVICES
from vqa_agent.capture.rtsp import RTSP
from vqa_agent.capture.source import scheme_of
from vqa_agent.config import Config, StreamSection
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


def confine(memory: int) -> None:
    """Bound this process and what it starts: a hostile stream ends its worker, not the machine.

    `memory` is the agent's budget in bytes. A limit that is already lower stays.
    """
    for kind, limit in (
        (resource.RLIMIT_AS, max(MEMORY_FLOOR, MEMORY_FACTOR * memory)),
        (resource.RLIMIT_FSIZE, LARGEST_FILE),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        soft, hard = resource.getrlimit(kind)
        known = [each for each in (limit, soft, hard) if each != resource.RLIM_INFINITY]
        resource.setrlimit(kind, (min(known), min(known)))


def seal(stream: StreamSection, config: Config) -> None:
    """Have the kernel hold this process to what this stream needs, where it can (Landlock). It cannot be taken back."""
    if config.samples.enabled:
        with suppress(OSError):
            config.samples_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        version = restrict(needs(stream, config))
    except OSError as error:
        log.warning("stream %s: this kernel's Landlock refuses its rules: %s; going on without", stream.name, error)
        return
    if version:
        log.debug("stream %s: sealed by version %d of Landlock", stream.name, version)
    else:
        log.debug("stream %s: no Landlock here; its worker has all rights of this user", stream.name)


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
    return Allowed(samples, ports=_ports(stream.url))


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
