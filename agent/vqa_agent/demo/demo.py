"""Runs the demonstration and tells what happens, line by line."""

from __future__ import annotations

import os
import queue
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

from rich.text import Text

from vqa_agent.config import MqttSection, validate
from vqa_agent.console import SEVERITY_STYLES, out
from vqa_agent.demo.broker import EmbeddedBroker
from vqa_agent.demo.programme import PARTS, SETTINGS, Part, build
from vqa_agent.demo.sender import Sender, Sent
from vqa_agent.errors import AgentError
from vqa_agent.event import Event, State
from vqa_agent.publish import Topics
from vqa_agent.publish.session import connect
from vqa_agent.publish.subscriber import subscribe
from vqa_agent.sample_config import toml_value

STREAM = "demo"
START_TIMEOUT = 30.0
"""Seconds that the agent has to come online."""

EARLY, LATE = 1.5, 2.5
"""Seconds by which an event's start may differ from the moment at which its defect was sent: the sound's and the
picture's way through encoder, network and decoder, and the length of a group of pictures."""

Message = tuple[str, Any]


@dataclass(slots=True)
class Expectation:
    """A defect that is sent, and the messages about it that arrived."""

    sent: Sent
    opened: Event | None = None
    closed: Event | None = None

    def take(self, event: Event) -> bool:
        """Whether this message is about the expected defect; it is then noted."""
        off = (event.start - self.sent.start).total_seconds()
        if event.defect != self.sent.part.defect or not -EARLY <= off <= LATE:
            return False
        if event.state is State.CLOSED:
            self.closed = event
        elif event.state is State.OPEN:
            self.opened = event
        return True


def run_demo(url: str = "", parts: tuple[Part, ...] = PARTS) -> bool:
    """The whole demonstration; whether every defect that was sent arrived, opened and closed, over MQTT."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vqa-demo-")))
        _say("set-up", "drawing and encoding a programme with defects in it")
        build(folder / "programme.ts", parts)
        version = "auto"
        if not url:
            version = "3.1.1"
            url = stack.enter_context(EmbeddedBroker()).url
            _say("set-up", f"an MQTT broker runs inside this process, at {url}")
        settings = validate({"mqtt": {"url": url, "version": version}}, path=Path("--mqtt")).mqtt
        topics = Topics("demo", f"demo-{secrets.token_hex(3)}")
        messages = stack.enter_context(_subscriber(settings, topics))
        stack.callback(_tidy, settings, topics)
        port = _free_port()
        _write_config(folder / "agent.toml", folder / "state", topics, settings, port)
        agent = stack.enter_context(_agent(folder))
        _await_agent(messages, agent, folder)
        sender = Sender(folder / "programme.ts", f"udp://127.0.0.1:{port}", parts)
        plan = sender.start()
        stack.callback(sender.stop)
        return _follow(messages, plan, lambda: _check(agent, folder))


def _follow(messages: queue.SimpleQueue[Message | AgentError], plan: list[Sent], check: Callable[[], None]) -> bool:
    """Tell what is sent and what arrives, until all of it has arrived or the programme is over."""
    expected = [Expectation(sent) for sent in plan if sent.part.defect]
    coming = list(plan)
    last = plan[-1]
    while (now := datetime.now(UTC)) < last.start or (now - last.start).total_seconds() < last.part.seconds:
        check()
        while coming and now >= coming[0].start:
            _say("sent", coming.pop(0).part.text)
        for event in _events(messages):
            _tell(event, expected)
        if all(each.closed for each in expected):
            break
    return _sum_up(expected)


def _events(messages: queue.SimpleQueue[Message | AgentError]) -> Iterator[Event]:
    """The events that arrive within a moment."""
    try:
        message = messages.get(timeout=0.2)
    except queue.Empty:
        return
    if isinstance(message, AgentError):
        raise message
    topic, payload = message
    if "/event/" in topic:
        yield Event.model_validate(payload)


def _tell(event: Event, expected: list[Expectation]) -> None:
    hit = next((each for each in expected if each.take(event)), None)
    meaning = hit.sent.part.meaning if hit else "not one of the defects that were sent on purpose"
    line = Text(f"{event.defect} ", "bold")
    line.append(f"{event.state}, {event.severity}", SEVERITY_STYLES[event.severity])
    if event.state is State.OPEN:
        delay = (datetime.now(UTC) - event.start).total_seconds()
        line.append(f", {delay:.1f} s after it began: {meaning}")
    else:
        line.append(f", lasted {event.duration:.1f} s")
    line.append(f"  seq {event.seq}", "dim")
    _say("MQTT", line)


def _sum_up(expected: list[Expectation]) -> bool:
    complete = [each for each in expected if each.opened and each.closed]
    for each in expected:
        if each not in complete:
            missing = "its end" if each.opened else "it"
            _say("missing", f"{each.sent.part.defect}: {missing} did not arrive")
    style = "bold green" if len(complete) == len(expected) else "bold red"
    out.print(f"{len(complete)} of {len(expected)} expected defects arrived over MQTT", style=style)
    return len(complete) == len(expected)


_BEGAN = monotonic()
_STYLES = {"sent": "cyan", "MQTT": "magenta", "missing": "bold red"}


def _say(who: str, what: str | Text) -> None:
    line = Text(f"{monotonic() - _BEGAN:5.1f} s  ", "dim")
    line.append(f"{who:<8}", _STYLES.get(who, "dim"))
    line.append(what)
    out.print(line, soft_wrap=True)


@contextmanager
def _subscriber(settings: MqttSection, topics: Topics) -> Iterator[queue.SimpleQueue[Message | AgentError]]:
    """Everything that the agent publishes, as it arrives; an AgentError where the broker cannot be reached."""
    messages: queue.SimpleQueue[Message | AgentError] = queue.SimpleQueue()
    stop = threading.Event()

    def listen() -> None:
        try:
            for message in subscribe(settings, f"{topics.base}/#", stop):
                messages.put(message)
        except AgentError as error:
            messages.put(error)

    thread = threading.Thread(target=listen, name="subscriber", daemon=True)
    thread.start()
    try:
        yield messages
    finally:
        stop.set()
        thread.join(2.0)


@contextmanager
def _agent(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The real agent, as a process of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VQA__")}
    command = [sys.executable, "-m", "vqa_agent", "run", "--config", str(folder / "agent.toml")]
    with (folder / "agent.log").open("wb") as log:
        agent = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        try:
            yield agent
        finally:
            agent.send_signal(signal.SIGTERM)
            try:
                agent.wait(10.0)
            except subprocess.TimeoutExpired:
                agent.kill()
                agent.wait()


def _await_agent(messages: queue.SimpleQueue[Message | AgentError], agent: Any, folder: Path) -> None:
    until = monotonic() + START_TIMEOUT
    while monotonic() < until:
        _check(agent, folder)
        try:
            message = messages.get(timeout=0.2)
        except queue.Empty:
            continue
        if isinstance(message, AgentError):
            raise message
        topic, payload = message
        if topic.endswith("/status") and payload.get("state") == "online":
            _say("MQTT", f"the agent is online: {topic}")
            return
    raise AgentError(f"starting the agent: it did not come online within {START_TIMEOUT:.0f} s: {_last_words(folder)}")


def _check(agent: subprocess.Popen[bytes], folder: Path) -> None:
    """Raises AgentError where the agent has ended."""
    if agent.poll() is not None:
        raise AgentError(f"running the agent: it ended with status {agent.returncode}: {_last_words(folder)}")


def _last_words(folder: Path) -> str:
    lines = (folder / "agent.log").read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def _write_config(path: Path, state_dir: Path, topics: Topics, mqtt: MqttSection, port: int) -> None:
    lines = [
        "[agent]",
        f"id = {toml_value(topics.agent)}",
        f"site = {toml_value(topics.site)}",
        f"state_dir = {toml_value(str(state_dir))}",
        f"[mqtt]\nurl = {toml_value(mqtt.url)}\nversion = {toml_value(mqtt.version)}",
        f'[[stream]]\nname = "{STREAM}"\nurl = "udp://127.0.0.1:{port}"',
    ]
    for defect, settings in SETTINGS.items():
        lines.append(f"[stream.defects.{defect}]")
        lines += [f"{name} = {value}" for name, value in settings.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _tidy(settings: MqttSection, topics: Topics) -> None:
    """Take the demonstration's retained messages from the broker."""
    session = connect(settings, f"{topics.agent}-tidy")
    for topic in (topics.status, topics.stream(STREAM)):
        session.publish(topic, b"", retain=True)
    until = monotonic() + 1.0
    while len(session.inbox.acknowledged) < 2 and monotonic() < until and not session.turn(0.1):
        pass
    session.close()


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
