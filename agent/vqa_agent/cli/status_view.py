"""The status for the person on site: what is wrong first, then what is open, the streams, the last events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from vqa_agent.console import SEVERITY_STYLES
from vqa_agent.detect.interface import Severity
from vqa_agent.event import State
from vqa_agent.service.messages import Signal
from vqa_agent.service.status import DeliveryStatus, Health, RecentEvent, Status, StreamStatus, Verdict

STYLES = {Health.HEALTHY: "green", Health.DEGRADED: "yellow", Health.DOWN: "bold red", Health.UNKNOWN: "magenta"}
SIGNAL_STYLES = {Signal.OK: "green", Signal.STARTING: "yellow", Signal.ENDED: "dim"}
"""Every other signal is red."""

FULL = 0.9
"""Share of a budget from which it is shown as tight, and share of coverage below which it is."""


def render(found: Status | None, verdict: Verdict) -> RenderableType:
    """All of it; without a status the verdict alone."""
    parts: list[RenderableType] = [Text(verdict.health.name, STYLES[verdict.health])]
    parts += [Text(f"  {reason}") for reason in verdict.reasons]
    if found is not None:
        parts += [_head(found), "", _open_defects(found), "", _streams(found)]
        if found.recent:
            parts += ["", _last_events(found.recent)]
    return Group(*parts)


def _head(found: Status) -> Table:
    table = Table.grid(padding=(0, 2))
    cpu = Text(f"{found.cpu:.0%} of a core, budget {found.budget:.0%}", _tight(found.cpu, found.budget))
    memory = Text(
        f"{found.rss / 1e6:.0f} MB, budget {found.memory / 1e6:.0f} MB", _tight(float(found.rss), float(found.memory))
    )
    running = f"for {span(_seconds(found.started, found.time))}, since {found.started:%Y-%m-%d %H:%M:%S} UTC"
    for name, value in (
        ("agent", Text(f"{found.agent} at {found.site}, version {found.version}, process {found.pid}")),
        ("running", Text(running)),
        ("CPU", cpu),
        ("memory", memory),
        ("broker", _broker(found.delivery)),
        ("outbox", Text(_outbox(found.delivery))),
    ):  # fmt: skip
        table.add_row(Text(name, "dim"), value)
    return table


def _broker(delivery: DeliveryStatus) -> Text:
    if not delivery.configured:
        return Text("not configured (mqtt.url)", "yellow")
    if delivery.connected:
        return Text(f"connected (MQTT {delivery.protocol})", "green")
    return Text("not connected", "red")


def _outbox(delivery: DeliveryStatus) -> str:
    waiting = f", the oldest for {span(delivery.oldest)}" if delivery.pending else ""
    return f"{delivery.pending} events wait{waiting}; last event number {delivery.seq}"


def _open_defects(found: Status) -> RenderableType:
    defects = [(defect, name) for name, stream in found.streams.items() for defect in stream.open]
    if not defects:
        return Text("No defect is open.", "green")
    table = _table("Open now", "Stream", "Severity", "Since (UTC)", "For")
    for defect, stream in sorted(defects, key=lambda each: each[0].start):
        lasting = span(_seconds(defect.start, found.time))
        table.add_row(defect.defect, stream, _severity(defect.severity), f"{defect.start:%Y-%m-%d %H:%M:%S}", lasting)
    return table


def _streams(found: Status) -> Table:
    table = _table("Stream", "State", "Signal", "Format", "Looks", "CPU", "Latency", "Coverage", "Blind")
    for name, stream in found.streams.items():
        signal = Text(stream.signal, SIGNAL_STYLES.get(stream.signal, "red"))
        table.add_row(
            name, stream.state, signal, _format(stream), stream.level_name, f"{stream.cpu:.0%}",
            f"{stream.latency:.1f} s", _coverage(stream), ", ".join(stream.blind),
        )  # fmt: skip
    return table


def _format(stream: StreamStatus) -> str:
    known = stream.format
    picture = f"{known.get('width')}x{known.get('height')} {known.get('rate', 0):g}" if known.get("width") else ""
    sound = f"{known['audio_codec']} {known.get('layout', '')}" if known.get("audio_codec") else ""
    return ", ".join(part for part in (picture, sound) if part)


def _coverage(stream: StreamStatus) -> Text:
    """The least of all detectors that had something to look at, and which one that is."""
    shares = {name: share for name, share in stream.coverage.items() if share is not None}
    if not shares:
        return Text("")
    least = min(shares, key=lambda name: shares[name])
    if shares[least] >= FULL:
        return Text(f"{shares[least]:.0%}")
    return Text(f"{shares[least]:.0%} ({least})", "yellow")


def _last_events(recent: Iterable[RecentEvent]) -> Table:
    table = _table("Last events", "Stream", "Severity", "Start (UTC)", "Lasted")
    for event in recent:
        lasted = Text("open", "bold") if event.state is not State.CLOSED else Text(span(event.duration))
        table.add_row(event.defect, event.stream, _severity(event.severity), f"{event.start:%Y-%m-%d %H:%M:%S}", lasted)
    return table


def _table(*headings: str) -> Table:
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, no_wrap=heading != "Format")
    return table


def _severity(severity: Severity) -> Text:
    return Text(severity, SEVERITY_STYLES[severity])


def _tight(used: float, budget: float) -> str:
    if used > budget > 0:
        return "red"
    return "yellow" if used > FULL * budget > 0 else ""


def _seconds(start: datetime, end: datetime) -> float:
    return (end.astimezone(UTC) - start.astimezone(UTC)).total_seconds()


def span(seconds: float) -> str:
    """A length of time as a person says it, in its two largest units.

    >>> [span(seconds) for seconds in (0.44, 7.25, 65, 3700, 200_000)]
    ['0.4 s', '7.2 s', '1 min 5 s', '1 h 1 min', '2 d 7 h']
    """
    if seconds < 60:
        return f"{max(0.0, seconds):.1f} s"
    return " ".join(_units(int(seconds)))


def _units(seconds: int) -> Iterator[str]:
    lengths = {"d": 86400, "h": 3600, "min": 60, "s": 1}
    first = next(index for index, length in enumerate(lengths.values()) if seconds >= length)
    for name, length in list(lengths.items())[first : first + 2]:
        if count := seconds // length:
            yield f"{count} {name}"
        seconds %= length
