"""The sample configuration: every key, its default and what it does, generated from the models that read it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo

from vqa_agent.config import (
    WRITTEN_AS,
    AgentSection,
    BudgetSection,
    InferSection,
    MqttSection,
    OutboxSection,
    SamplesSection,
    Section,
    StreamSection,
)
from vqa_agent.detect import Detector, Profile, Settings, detectors
from vqa_agent.expect import Expect

HEAD = """\
# The configuration of vqa-agent, with every key. Keys that are commented out show their default, or an example where
# there is none. Read it at /etc/vqa-agent/agent.toml, or name it with --config.
#
# Beside it, agent.d/*.toml may add to it or change it, in order of name; a [[stream]] there with a name given here
# changes that stream. VQA__SECTION__KEY in the environment comes last, such as VQA__MQTT__URL=mqtt://broker.
# `vqa-agent check` explains what is wrong; `systemctl reload vqa-agent` makes it take effect.
"""

WRITTEN = {
    ("budget", "cpu"): '"100%"',
    ("budget", "memory"): '"600M"',
    ("outbox", "max_size"): '"64M"',
    ("outbox", "max_age"): '"72h"',
    ("samples", "max_size"): '"500M"',
}
"""Defaults as a person writes them."""

EXAMPLES = {
    ("agent", "id"): '"venue-1"',
    ("mqtt", "url"): '"mqtts://broker.example:8883"',
    ("mqtt", "username"): '"venue-1"',
    ("mqtt", "password_file"): '"/etc/vqa-agent/secrets/mqtt-password"',
    ("mqtt", "ca_file"): '"/etc/vqa-agent/ca.pem"',
    ("mqtt", "cert_file"): '"/etc/vqa-agent/agent.pem"',
    ("mqtt", "key_file"): '"/etc/vqa-agent/secrets/agent.key"',
    ("samples", "directory"): '"/srv/vqa-agent/samples"',
    ("stream", "name"): '"main-hall"',
    ("stream", "url"): '"rtsp://192.0.2.10/main"',
    ("stream", "command"): '["ffmpeg", "-i", "srt://192.0.2.20:9000", "-c", "copy", "-f", "mpegts", "-"]',
    ("stream", "options"): '{ rtsp_transport = "udp" }',
    ("stream", "allow_hosts"): '["segments.venue.example"]',
    ("stream", "expect"): "{ audio = true, width = 1920, height = 1080, rate = 50 }",
}
"""Values for keys that have no default, or for which an example tells more."""

SECTIONS: tuple[tuple[str, type[Section]], ...] = (
    ("agent", AgentSection),
    ("budget", BudgetSection),
    ("mqtt", MqttSection),
    ("outbox", OutboxSection),
    ("infer", InferSection),
    ("samples", SamplesSection),
)


@dataclass(frozen=True, slots=True)
class Setting:
    """One key: its name, default (None: there is none), admitted values in words, and meaning."""

    name: str
    default: Any
    type: str
    description: str


def settings_of(detector: type[Detector[Any]]) -> list[Setting]:
    """The settings of a detector, its own before those that all have. What the stream expects has its own section."""
    fields = detector.settings_type.model_fields
    own = [name for name in fields if name not in Settings.model_fields and fields[name].annotation is not Expect]
    return [_setting(name, fields[name]) for name in (*own, *Settings.model_fields)]


def section_settings(section: type[BaseModel]) -> list[Setting]:
    """The keys of one section of the configuration."""
    return [_setting(name, info) for name, info in section.model_fields.items()]


def sample() -> str:
    """The whole sample as TOML."""
    parts = [HEAD]
    for name, section in SECTIONS:
        parts.append(f"\n[{name}]\n" + "".join(_lines(name, section_settings(section))))
    parts.append("\n# One section for each stream.\n[[stream]]\n")
    parts += _lines("stream", [each for each in section_settings(StreamSection) if each.name != "defects"])
    expect = ", ".join(each.name for each in section_settings(Expect))
    parts.append(f"#   Keys of expect: {expect}.\n")
    parts += (_detector(detector) for detector in detectors().values())
    return "".join(parts)


def _lines(section: str, settings: list[Setting]) -> Iterator[str]:
    for each in settings:
        key = (section, each.name)
        value = EXAMPLES.get(key) or WRITTEN.get(key) or toml_value(each.default)
        given = key in (("stream", "name"), ("stream", "url"))
        yield f"# {each.description} [{each.type}]\n{'' if given else '# '}{each.name} = {value}\n"


def _detector(detector: type[Detector[Any]]) -> str:
    lines = [f"\n# [stream.defects.{detector.name}]\n"]
    live, file = (detector.rules[profile] for profile in (Profile.LIVE, Profile.FILE))
    for each in settings_of(detector):
        value, meaning = each.default, each.description
        if value is None and (value := getattr(live, each.name, None)) is not None:
            meaning += f" In the file profile: {getattr(file, each.name)}."
        if value is not None:
            lines.append(f"# {each.name} = {toml_value(value)}  # {meaning} [{each.type}]\n")
    return "".join(lines)


def toml_value(value: Any) -> str:
    """A default in TOML.

    >>> toml_value(("a", 1.0))
    '["a", 1.0]'
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, BaseModel):
        return "{}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml_value(part) for part in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml_value(part)}" for key, part in value.items()) + "}"
    if isinstance(value, int | float):
        return str(value)
    return '"' + str("" if value is None else value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _setting(name: str, info: FieldInfo) -> Setting:
    default = None if info.is_required() or info.default_factory is not None else info.default
    return Setting(name, default, _type(info), " ".join((info.description or "").split()))


def _type(info: FieldInfo) -> str:
    """The admitted values in words: the type, and the bounds."""
    for part in info.metadata:
        if isinstance(part, BeforeValidator) and part.func in WRITTEN_AS:
            return WRITTEN_AS[part.func]
    words = _type_words(info.annotation)
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    bounds = [
        f"{sign} {getattr(bound, name):g}"
        for bound in info.metadata
        for name, sign in signs.items()
        if hasattr(bound, name)
    ]
    return ", ".join([words, *bounds])


def _type_words(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return " | ".join(str(part) for part in get_args(annotation))
    if parts := [part for part in get_args(annotation) if part is not type(None)]:
        origin = get_origin(annotation)
        if origin in (list, tuple):
            return f"list of {_type_words(parts[0])}"
        if origin is dict:
            return "table"
        return " or ".join(_type_words(part) for part in parts)
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return " | ".join(annotation)
    names = {bool: "true or false", int: "whole number", float: "number", str: "text", Path: "path", Expect: "table"}
    return names.get(annotation, getattr(annotation, "__name__", str(annotation)))
