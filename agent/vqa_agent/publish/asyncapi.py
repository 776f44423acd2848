"""What the agent publishes, as an AsyncAPI 3 document: made from the same models that make the messages."""

from __future__ import annotations

from typing import Any

from vqa_agent import __version__
from vqa_agent.event import schema
from vqa_agent.publish.messages import schemas
from vqa_agent.publish.topics import Topics

CHANNELS: dict[str, tuple[str, str, bool, str]] = {
    "status": (
        Topics("{site}", "{agent}").status,
        "AgentStatus",
        True,
        "Birth when the agent connects; the Last Will (with a delay of 5 s on MQTT 5) when it vanishes.",
    ),
    "stream": (
        Topics("{site}", "{agent}").stream("{stream}"),
        "StreamState",
        True,
        "What is true of a stream now; said again whenever it changes, every 30 s, and after each connection.",
    ),
    "event": (
        Topics("{site}", "{agent}").event("{stream}", "{defect}"),
        "Event",
        False,
        "One message when an event opens, when its severity changes, and when it closes.",
    ),
    "metrics": (
        Topics("{site}", "{agent}").metrics,
        "Metrics",
        False,
        "What the agent costs and how its delivery stands, every 30 s.",
    ),
    "replay_request": (
        Topics("{site}", "{agent}").replay_request,
        "ReplayRequest",
        False,
        "To the agent: send events again. A collector that misses numbers asks here.",
    ),
    "replay": (
        Topics("{site}", "{agent}").replay,
        "Replay",
        False,
        "The answer: events again, as they were, and which are gone. Live events go first.",
    ),
}
"""Address, message, whether it is retained, and what it says; by the channel's name."""

RECEIVED = frozenset(["replay_request"])
"""Channels on which the agent listens; on the others it publishes."""

PARAMETERS = {
    "site": "Site of the agent, from the configuration.",
    "agent": "Id of the agent, from the configuration.",
    "stream": "Name of a stream; `agent` for events about the agent itself.",
    "defect": "Name of a defect, as `vqa-agent detectors` lists them.",
}


def document() -> dict[str, Any]:
    """The whole document as plain values."""
    messages = {"Event": schema(), **schemas()}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "vqa-agent",
            "version": __version__,
            "description": "Defect events and states of an edge agent, over MQTT 5 (or 3.1.1) with QoS 1. "
            "Payloads are JSON, or CBOR with the same keys where mqtt.encoding says so; the Last Will is always JSON.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {name: _channel(name) for name in CHANNELS},
        "operations": {f"{_verb(name)}_{name}": _operation(name) for name in CHANNELS},
        "components": {
            "messages": {name: _message(name) for name in messages},
            "schemas": {name: _flattened(body) for name, body in messages.items()},
        },
    }


def _channel(name: str) -> dict[str, Any]:
    address, message, _, description = CHANNELS[name]
    parameters = {key: {"description": text} for key, text in PARAMETERS.items() if f"{{{key}}}" in address}
    reference = {message: {"$ref": f"#/components/messages/{message}"}}
    return {"address": address, "description": description, "parameters": parameters, "messages": reference}


def _operation(name: str) -> dict[str, Any]:
    _, _, retained, description = CHANNELS[name]
    return {
        "action": "receive" if name in RECEIVED else "send",
        "channel": {"$ref": f"#/channels/{name}"},
        "summary": description,
        "bindings": {"mqtt": {"qos": 1, "retain": retained, "bindingVersion": "0.2.0"}},
    }


def _verb(name: str) -> str:
    return "receive" if name in RECEIVED else "publish"


def _message(name: str) -> dict[str, Any]:
    return {"name": name, "payload": {"$ref": f"#/components/schemas/{name}"}}


def _flattened(body: dict[str, Any]) -> dict[str, Any]:
    """A schema whose inner definitions stand in their place: references in it would point into the whole document."""
    definitions = body.get("$defs", {})

    def expand(value: Any) -> Any:
        if isinstance(value, dict):
            if reference := value.get("$ref"):
                inner = expand(definitions[reference.rpartition("/")[2]])
                return {**inner, **{key: item for key, item in value.items() if key != "$ref"}}
            return {key: expand(item) for key, item in value.items() if key != "$defs"}
        return [expand(item) for item in value] if isinstance(value, list) else value

    flattened: dict[str, Any] = expand(body)
    return flattened
