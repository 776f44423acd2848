"""The report of an analysis: one HTML page that needs nothing beside itself."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import IO

from vqa_agent import __version__
from vqa_agent.analyze import Summary, plain
from vqa_agent.detect.runner import Account
from vqa_agent.errors import AgentError
from vqa_agent.judge import Decision
from vqa_agent.media import Format

WIDTH, LANE, MARGIN = 1080, 26, 140
TICKS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)

STYLE = """
:root { color-scheme: light dark; --ink: #1d2430; --soft: #667085; --line: #d9dee7; --ground: #f6f7f9; --card: #fff;
  --minor: #c79200; --major: #d9622b; --critical: #c2253c; --good: #2b8a5f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ebf0; --soft: #98a2b3; --line: #333b49; --ground: #12161d;
  --card: #1b212b; } }
* { box-sizing: border-box } body { margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif } main { max-width: 1180px; margin: 0 auto; padding: 28px 24px 60px }
h1 { font-size: 24px; margin: 0 0 2px } h2 { font-size: 17px; margin: 34px 0 10px; overflow-wrap: anywhere }
.soft { color: var(--soft) } .card { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 16px 18px; overflow-x: auto } .tiles { display: flex; flex-wrap: wrap; gap: 12px; margin: 14px 0 }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 10px 16px;
  min-width: 130px }
.tile b { display: block; font-size: 20px } table { border-collapse: collapse; width: 100% }
th { text-align: left; color: var(--soft); font-weight: 500; font-size: 13px } td, th { padding: 7px 12px 7px 0;
  border-bottom: 1px solid var(--line); vertical-align: top } tr:last-child td { border-bottom: 0 }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
img { width: 200px; border-radius: 6px; display: block } .badge { color: #fff; border-radius: 5px; padding: 1px 8px;
  font-size: 13px } .minor { background: var(--minor) } .major { background: var(--major) }
.critical { background: var(--critical) } .good { color: var(--good) } code { font-size: 13px; overflow-wrap: anywhere }
svg text { fill: var(--soft); font: 12px system-ui, sans-serif } svg .lane { stroke: var(--line) }
svg .bar-minor { fill: var(--minor) } svg .bar-major { fill: var(--major) } svg .bar-critical { fill: var(--critical) }
"""


@dataclass(slots=True)
class Chapter:
    """One input of the report: its summary, its closed events, and a JPEG by event id."""

    summary: Summary
    events: Sequence[Decision]
    pictures: Mapping[str, bytes] = field(default_factory=dict)


def open_report(path: Path) -> IO[str]:
    """The file of the report, before the look: nothing can be opened afterwards (service/limits.py).

    What is in it stays until the page is whole. Raises AgentError where it cannot be written.
    """
    try:
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644), "w", encoding="utf-8")
    except OSError as error:
        raise _unwritable(path, error) from None


def is_new(file: IO[str]) -> bool:
    """Whether there is nothing in it yet."""
    return not os.fstat(file.fileno()).st_size


def write_report(file: IO[str], chapters: Iterable[Chapter]) -> None:
    """Write the page over what is in `file`. Raises AgentError where that fails."""
    page = render(list(chapters))
    try:
        if file.seekable():
            file.truncate(0)
        file.write(page)
        file.flush()
    except OSError as error:
        raise _unwritable(file.name, error) from None


def _unwritable(path: Path | str, error: OSError) -> AgentError:
    return AgentError(f"writing the report {path}: {error.strerror}; name a place that can be written")


def render(chapters: Sequence[Chapter]) -> str:
    """The page as text."""
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    body = "".join(_chapter(chapter) for chapter in chapters) or "<p>No input could be read.</p>"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width"><title>Defects found by vqa-agent</title><style>{STYLE}</style></head>'
        f'<body><main><h1>Defects found</h1><div class="soft">vqa-agent {escape(__version__)}, {made}</div>'
        f"{body}</main></body></html>\n"
    )


def clock(seconds: float) -> str:
    """Media seconds for a person.

    >>> clock(3723.42)
    '1:02:03.42'
    """
    hundredths = round(seconds * 100)
    minutes, rest = divmod(hundredths, 6000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest // 100:02}.{rest % 100:02}"


def _chapter(chapter: Chapter) -> str:
    summary, events = chapter.summary, sorted(chapter.events, key=lambda event: event.start)
    return (
        f"<h2>{escape(summary.input)}</h2>{_tiles(summary, events)}"
        f'<div class="card">{_timeline(events, summary.media_seconds)}</div>'
        f'<h2>Events</h2><div class="card">{_events(events, chapter.pictures)}</div>'
        f'<h2>Format</h2><div class="card">{_format(summary.format)}</div>'
        f'<h2>Detectors</h2><div class="card">{_detectors(summary)}</div>'
    )


def _tiles(summary: Summary, events: Sequence[Decision]) -> str:
    worst = max((event.duration for event in events), default=0.0)
    speed = summary.media_seconds / summary.wall_seconds if summary.wall_seconds else 0.0
    facts = {
        "looked at": clock(summary.media_seconds) + (" (ended early)" if summary.interrupted else ""),
        "events": str(len(events)),
        "kinds of defect": str(len({event.defect for event in events})),
        "longest": f"{worst:.2f} s",
        "profile": str(summary.profile),
        "speed": f"{speed:.1f} x real time",
        "CPU": f"{summary.cpu_seconds:.1f} s",
    }
    tiles = "".join(f'<div class="tile"><b>{escape(value)}</b><span class="soft">{name}</span></div>'
                    for name, value in facts.items())  # fmt: skip
    return f'<div class="tiles">{tiles}</div>'


def _timeline(events: Sequence[Decision], seconds: float) -> str:
    """A lane per defect, a bar per event, as SVG. A bar is never narrower than can be seen."""
    if not events:
        return '<span class="good">No defect was found.</span>'
    span = max(seconds, *(event.end or event.start for event in events), 0.1)
    scale = (WIDTH - MARGIN - 10) / span
    lanes = list(dict.fromkeys(event.defect for event in events))
    parts = []
    for number, defect in enumerate(lanes):
        y = number * LANE
        parts.append(f'<text x="0" y="{y + 17}">{escape(defect)}</text>')
        parts.append(f'<line class="lane" x1="{MARGIN}" x2="{WIDTH}" y1="{y + LANE}" y2="{y + LANE}"/>')
    for event in events:
        x, y = MARGIN + event.start * scale, lanes.index(event.defect) * LANE
        width = max(3.0, ((event.end or event.start) - event.start) * scale)
        title = f"{event.defect} {clock(event.start)}, {event.duration:.2f} s, {event.severity}"
        parts.append(
            f'<rect class="bar-{event.severity}" x="{x:.1f}" y="{y + 5}" width="{width:.1f}" height="{LANE - 10}" '
            f'rx="3"><title>{escape(title)}</title></rect>'
        )
    height = len(lanes) * LANE
    step = next((tick for tick in TICKS if span / tick <= 10), TICKS[-1])
    for tick in range(int(span // step) + 1):
        x = MARGIN + tick * step * scale
        parts.append(f'<line class="lane" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height}"/>')
        parts.append(f'<text x="{x:.1f}" y="{height + 16}" text-anchor="middle">{clock(tick * step)[:-3]}</text>')
    return f'<svg viewBox="0 0 {WIDTH} {height + 22}" width="100%" role="img">{"".join(parts)}</svg>'


def _events(events: Sequence[Decision], pictures: Mapping[str, bytes]) -> str:
    if not events:
        return '<span class="soft">None.</span>'
    rows = "".join(_event(event, pictures.get(event.id)) for event in events)
    heads = (
        "<th></th><th>Defect</th><th>Severity</th><th class=n>Start</th><th class=n>End</th><th class=n>Seconds</th>"
    )
    return f"<table><tr>{heads}<th class=n>Score</th><th>Measured</th></tr>{rows}</table>"


def _event(event: Decision, picture: bytes | None) -> str:
    image = f'<img alt="" src="data:image/jpeg;base64,{b64encode(picture).decode()}">' if picture else ""
    measured = ", ".join(f"{key} {plain(value)}" for key, value in event.detail.items())
    if event.region is not None:
        measured += f"; region {', '.join(f'{part:.2f}' for part in event.region)}"
    end = "" if event.end is None else clock(event.end)
    return (
        f"<tr><td>{image}</td><td>{escape(event.defect)}</td>"
        f'<td><span class="badge {event.severity}">{event.severity}</span></td>'
        f"<td class=n>{clock(event.start)}</td><td class=n>{end}</td><td class=n>{event.duration:.2f}</td>"
        f"<td class=n>{event.score:.2f}</td><td><code>{escape(measured)}</code></td></tr>"
    )


def _format(known: Format) -> str:
    rows = "".join(
        f"<tr><th>{escape(name.replace('_', ' '))}</th><td>{escape(str(value))}</td></tr>"
        for name, value in known.detail().items()
        if value
    )
    return f"<table>{rows}</table>" if rows else '<span class="soft">Not known.</span>'


def _detectors(summary: Summary) -> str:
    rows = "".join(
        _detector(name, account, summary.coverage.get(name)) for name, account in sorted(summary.accounts.items())
    )
    heads = (
        "<th>Detector</th><th class=n>Looks</th><th class=n>Coverage</th><th class=n>CPU s</th><th class=n>ms a look"
    )
    return f"<table><tr>{heads}</th><th>Faults</th></tr>{rows}</table>"


def _detector(name: str, account: Account, coverage: float | None) -> str:
    share = "nothing to look at" if coverage is None else f"{coverage:.1%}"
    each = f"{1000 * account.cpu_seconds / account.looks:.3f}" if account.looks else ""
    faults = f"{account.failures}: {escape(account.last_failure)}" if account.failures else ""
    return (
        f"<tr><td>{escape(name)}</td><td class=n>{account.looks}</td><td class=n>{share}</td>"
        f"<td class=n>{account.cpu_seconds:.2f}</td><td class=n>{each}</td><td>{faults}</td></tr>"
    )
