"""The configuration: one TOML file, drop-ins beside it, the environment. Every default is here or in a detector.

Order, later wins: the file, `agent.d/*.toml` beside it in order of name, `VQA__SECTION__KEY` in the environment.
A drop-in's `[[stream]]` with a name already given changes that stream; with a new name it adds one.
"""

from __future__ import annotations

import os
import re
import socket
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from vqa_agent.detect.interface import Profile, Settings, detectors
from vqa_agent.errors import ConfigError, not_known
from vqa_agent.expect import Expect
from vqa_agent.infer.runtimes import Choice

DEFAULT_PATH = Path("/etc/vqa-agent/agent.toml")
DEFAULT_STATE_DIR = Path("/var/lib/vqa-agent")
ENVIRONMENT_PREFIX = "VQA__"
SECRETS = Path("/etc/vqa-agent/secrets")
"""Files that root alone may read; systemd hands their contents to the service (LoadCredential in the unit)."""

SCHEMES = frozenset(
    ["file", "http", "https", "rtsp", "rtsps", "rtmp", "rtmps", "udp", "rtp", "tcp", "v4l2", "alsa", "srt"]
)
"""URL schemes that a stream may use. Everything else comes through `command`."""

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "KI": 2**10, "MI": 2**20, "GI": 2**30}
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def _bytes(value: Any) -> Any:
    """'600M' as a number of bytes."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]?i?)B?", value.strip(), re.IGNORECASE)
    if not match:
        raise ValueError("must be a size such as '600M' or '2G'")
    return int(float(match[1]) * _UNITS[match[2].upper()])


def _seconds(value: Any) -> Any:
    """'72h' as seconds."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd])", value.strip())
    if not match:
        raise ValueError("must be a time such as '30s', '15m' or '72h'")
    return float(match[1]) * _SECONDS[match[2]]


def _cores(value: Any) -> Any:
    """'60%' as 0.6 of one core."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", value.strip())
    if not match:
        raise ValueError("must be a share of one core such as '60%' or '150%'")
    return float(match[1]) / 100


WRITTEN_AS: dict[Any, str] = {
    _bytes: "size such as 600M",
    _seconds: "time such as 72h",
    _cores: "share of a core such as 60%",
}
"""What a value may be that is not written as a plain number, by what reads it."""

Bytes = Annotated[int, BeforeValidator(_bytes), Field(gt=0)]
Seconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0)]
Cores = Annotated[float, BeforeValidator(_cores), Field(gt=0)]
Decode: TypeAlias = Literal["software", "vaapi", "v4l2m2m"]
"""What decodes pictures."""

LONGEST_NAME = 64
Name = Annotated[str, Field(pattern=rf"^[A-Za-z0-9_-]{{1,{LONGEST_NAME}}}$")]


def _has_nul(value: Any) -> bool:
    if isinstance(value, list | tuple | dict):
        return any(map(_has_nul, [*value, *value.values()] if isinstance(value, dict) else value))
    return isinstance(value, str | Path) and "\0" in str(value)


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*")
    @classmethod
    def _no_nul(cls, value: Any) -> Any:
        """The system can neither open nor start what has one in its name."""
        if _has_nul(value):
            raise ValueError("must not have a NUL character in it")
        return value


class AgentSection(Section):
    id: Name = Field(
        default_factory=lambda: re.sub(r"[^A-Za-z0-9_-]", "-", socket.gethostname())[:64] or "agent",
        description="Name of this agent, part of every topic. Default: the host name.",
    )
    site: Name = Field("site", description="Name of the place, part of every topic.")
    state_dir: Path = Field(DEFAULT_STATE_DIR, description="Where the outbox is kept; must outlive a restart.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")


class BudgetSection(Section):
    cpu: Cores = Field(1.0, description="Share of one core for the whole agent; '150%' is one and a half cores.")
    memory: Bytes = Field(600_000_000, description="Memory for the whole agent.")


class MqttSection(Section):
    url: str = Field("", description="mqtt://HOST[:1883] or mqtts://HOST[:8883]; empty: events stay in the outbox.")
    username: str = Field("", description="User at the broker; empty: none.")
    password_file: Path | None = Field(None, description="A file with the password alone, readable by the agent only.")
    ca_file: Path | None = Field(
        None, description="Certificates that the broker's must descend from; else the system's."
    )
    cert_file: Path | None = Field(None, description="This agent's own certificate, where the broker wants one.")
    key_file: Path | None = Field(None, description="The key of that certificate.")
    encoding: Literal["json", "cbor"] = Field("json", description="Form of the messages; cbor is the smaller one.")
    version: Literal["auto", "5", "3.1.1"] = Field("auto", description="MQTT version; auto tries 5, then 3.1.1.")

    @field_validator("password_file", "cert_file", "key_file", "ca_file")
    @classmethod
    def _handed_over(cls, file: Path | None) -> Path | None:
        directory = os.environ.get("CREDENTIALS_DIRECTORY")
        return Path(directory, f"secret_{file.name}") if directory and file and file.parent == SECRETS else file

    @field_validator("url")
    @classmethod
    def _known_scheme(cls, url: str) -> str:
        if url and not re.fullmatch(r"mqtts?://[^/@:\s]+(:\d{1,5})?/?|mqtts?://\[[0-9a-fA-F:]+\](:\d{1,5})?/?", url):
            raise ValueError("must be mqtt://HOST[:PORT] or mqtts://HOST[:PORT]; user and password have their own keys")
        return url


class OutboxSection(Section):
    max_size: Bytes = Field(64_000_000, description="Most that waits on disk; beyond it, the oldest updates go first.")
    max_age: Seconds = Field(72 * 3600.0, description="Events older than this are given up.")


class InferSection(Section):
    backend: Choice = Field("auto", description="What runs the networks; auto times both here once, keeps the faster.")


class SamplesSection(Section):
    enabled: bool = Field(False, description="Keep pictures and sounds about which a network was unsure, on this box.")
    max_size: Bytes = Field(500_000_000, description="Most that they take on disk; the least interesting go first.")
    directory: Path | None = Field(None, description="Where they are kept; else the folder samples in agent.state_dir.")


def _setting_faults(detector: str, values: Mapping[str, Any]) -> list[InitErrorDetails]:
    """What is wrong with the settings given to one detector, each fault with its key."""
    known = detectors()
    if detector not in known:
        reason = f"there is no such detector; {not_known(detector, known)}"
        return [_fault("unknown_detector", reason, (detector,), values)]
    try:
        known[detector].settings_type.model_validate(values)
    except ValidationError as error:
        return [_fault(each["type"], each["msg"], (detector, *each["loc"]), each["input"]) for each in error.errors()]
    return []


def _fault(kind: str, reason: str, place: tuple[str | int, ...], value: Any) -> InitErrorDetails:
    text = PydanticCustomError(kind, "{reason}", {"reason": reason})
    return InitErrorDetails(type=text, loc=place, input=value)


class StreamSection(Section):
    name: Name = Field(description="Name of the stream, part of its topics.")
    url: str = Field("", description="Where it comes from: rtsp, srt, udp, rtp, http(s), rtmp, v4l2, alsa, or a path.")
    command: list[str] = Field(default_factory=list, description="Program and arguments; writes MPEG-TS or Matroska.")
    profile: Profile = Field(Profile.LIVE, description="How patient the rules are: live wakes people, file lists all.")
    loop: bool = Field(False, description="Begin again at the end of a file.")
    realtime: bool = Field(False, description="Play a file at the speed of its clock, as if it were live.")
    weight: float = Field(1.0, gt=0, description="Share of the budget beside the other streams.")
    decode: Decode = Field("software", description="What decodes pictures; hardware that fails gives way to software.")
    options: dict[str, str] = Field(default_factory=dict, description="Options for FFmpeg's demuxer or protocol.")
    allow_hosts: list[str] = Field(
        default_factory=list, description="Hosts in private networks that its playlist or redirects may name."
    )
    expect: Expect = Field(Expect(), description="What it should carry; anything else is a format_change or a loss.")
    defects: dict[str, dict[str, Any]] = Field(default_factory=dict, description="Settings by detector.")

    @model_validator(mode="after")
    def _one_source(self) -> StreamSection:
        if bool(self.url) == bool(self.command):
            raise ValueError("needs either url or command, and not both")
        scheme = self.url.partition("://")[0].lower() if "://" in self.url else "file"
        if scheme not in SCHEMES:
            raise ValueError(
                f"url scheme {scheme!r} is not allowed; use one of {', '.join(sorted(SCHEMES))}, or command"
            )
        return self

    @property
    def unpaced(self) -> bool:
        """Whether it is a file that is read as fast as possible, and not at the speed of its clock."""
        return bool(self.url) and not self.realtime and ("://" not in self.url or self.url.startswith("file://"))

    @field_validator("defects")
    @classmethod
    def _known_defects(cls, defects: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        if faults := [fault for name, values in defects.items() for fault in _setting_faults(name, values)]:
            raise ValidationError.from_exception_data("defects", faults)
        return defects

    def settings(self, detector: str) -> Settings:
        """The settings of one detector on this stream."""
        return detectors()[detector].settings_type.model_validate(self.defects.get(detector, {}))


class Config(Section):
    agent: AgentSection = Field(default_factory=AgentSection)
    budget: BudgetSection = BudgetSection()
    mqtt: MqttSection = MqttSection()
    outbox: OutboxSection = OutboxSection()
    infer: InferSection = InferSection()
    samples: SamplesSection = SamplesSection()
    stream: list[StreamSection] = Field(default_factory=list)

    @property
    def samples_directory(self) -> Path:
        return self.samples.directory or self.agent.state_dir / "samples"

    @field_validator("stream")
    @classmethod
    def _unique_names(cls, streams: list[StreamSection]) -> list[StreamSection]:
        names = [stream.name for stream in streams]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"stream names must differ; given twice: {', '.join(twice)}")
        return streams


def load(path: Path = DEFAULT_PATH, environment: Mapping[str, str] = os.environ) -> Config:
    """Read the file, its drop-ins and the environment. Raises ConfigError with the file, the key and the remedy."""
    merged: dict[str, Any] = {}
    origin: dict[str, Path] = {}
    for file in [path, *sorted((path.parent / "agent.d").glob("*.toml"))]:
        values = _read(file)
        _merge(merged, values)
        origin.update(dict.fromkeys(_keys(values), file))
    _merge(merged, _from_environment(environment))
    return validate(merged, origin, path)


def validate(values: Mapping[str, Any], origin: Mapping[str, Path] | None = None, path: Path = DEFAULT_PATH) -> Config:
    """`values` as a Config. Raises ConfigError, one line per fault."""
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(fault, values, origin or {}, path) for fault in error.errors())) from None


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"reading the configuration {file}: there is no such file; name one with --config") from None
    except OSError as error:
        raise ConfigError(f"reading the configuration {file}: {error.strerror}; let this user read it") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"reading the configuration {file}: not valid TOML: {error}; correct that line") from None
    except RecursionError:
        raise ConfigError(f"reading the configuration {file}: nested too deeply; correct the brackets") from None


def _merge(into: dict[str, Any], values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        elif key == "stream" and isinstance(value, list) and isinstance(into.get(key), list):
            _merge_streams(into[key], value)
        else:
            into[key] = value


def _merge_streams(into: list[Any], streams: list[Any]) -> None:
    by_name = {str(stream.get("name")): stream for stream in into if isinstance(stream, dict)}
    for stream in streams:
        if isinstance(stream, dict) and (known := by_name.get(str(stream.get("name")))) is not None:
            _merge(known, stream)
        else:
            into.append(stream)


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, text in environment.items():
        section, _, name = key.removeprefix(ENVIRONMENT_PREFIX).lower().partition("__")
        if key.startswith(ENVIRONMENT_PREFIX) and name:
            values.setdefault(section, {})[name] = text
    return values


def _keys(values: Mapping[str, Any], above: str = "") -> list[str]:
    found = []
    for key, value in values.items():
        found.append(above + key)
        if isinstance(value, dict):
            found += _keys(value, f"{above}{key}.")
    return found


REMEDIES = {
    "extra_forbidden": "this key is not known; remove it or correct its name",
    "missing": "this key is missing; add it",
    "string_pattern_mismatch": "must be 1 to 64 letters, digits, - or _",
}
"""What is said instead of the validator's own words, by kind of fault."""


def _explain(fault: Any, values: Mapping[str, Any], origin: Mapping[str, Path], path: Path) -> str:
    """One line: the file, the key, what is wrong and what would be right."""
    place = [str(part) for part in fault["loc"]]
    file = origin.get(".".join(place)) or origin.get(place[0] if place else "") or path
    if len(place) > 1 and place[0] == "stream":
        place[:2] = [f"stream {_stream_name(values, int(place[1]))!r}"]
    reason = " ".join(fault["msg"].removeprefix("Value error, ").split())
    reason = REMEDIES.get(fault["type"], reason)
    return f"{file}: {'.'.join(place) or 'configuration'}: {reason}"


def _stream_name(values: Mapping[str, Any], number: int) -> str:
    name = stream.get("name") if isinstance(stream := values["stream"][number], dict) else None
    return name if isinstance(name, str) and len(name) <= LONGEST_NAME else str(number + 1)
