"""What is to be opened: a URL or a command, and how it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vqa_agent.config import SCHEMES, Decode, StreamSection
from vqa_agent.detect.interface import Profile
from vqa_agent.errors import InputError, hide_secrets


@dataclass(frozen=True)
class Source:
    """An input. `live` inputs never end by themselves: they are opened again after a loss."""

    name: str
    url: str = ""
    command: tuple[str, ...] = ()
    live: bool = True
    loop: bool = False
    realtime: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    allow_hosts: tuple[str, ...] = ()
    limit: float | None = None
    """Media seconds to read at most."""
    threads: int = 1
    """Threads of the decoder."""
    decode: Decode = "software"

    @classmethod
    def from_config(cls, stream: StreamSection) -> Source:
        """The source of a configured stream."""
        is_file = bool(stream.url) and scheme_of(stream.url) == "file"
        return cls(
            name=stream.name,
            url=stream.url,
            command=tuple(stream.command),
            live=stream.profile == Profile.LIVE and not is_file,
            loop=stream.loop,
            realtime=stream.realtime,
            options=stream.options,
            allow_hosts=tuple(stream.allow_hosts),
            decode=stream.decode,
        )

    @property
    def scheme(self) -> str:
        """The URL's scheme; "file" for a path, "command" for a program."""
        return "command" if self.command else scheme_of(self.url)

    def describe(self) -> str:
        """The input without its credentials, for messages."""
        return hide_secrets(self.command[0] if self.command else self.url)


def scheme_of(url: str) -> str:
    """'rtsp' for 'rtsp://host/x', 'file' for a path. Raises InputError for a scheme that is not allowed."""
    scheme, separator, _ = url.partition("://")
    if not separator:
        return "file"
    scheme = scheme.lower()
    if scheme not in SCHEMES:
        raise InputError(
            f"opening {hide_secrets(url)}: the scheme {scheme!r} is not allowed; use one of {', '.join(SCHEMES)}, "
            "or a command that writes MPEG-TS"
        )
    return scheme


def path_of(url: str) -> Path:
    """The path that a file URL or a bare path names."""
    return Path(url.removeprefix("file://"))
