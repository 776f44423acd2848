"""What the detection benchmark found: one line of JSON an analysis, and the tables made of them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.material import FLAWS
from vqa_agent.detect import Profile, Severity

SLACK = 1.0
"""Seconds by which an event may miss the defect's interval and still be its own."""

KINDS = {"ours": "the project's own simulation", "other": "the second generator", "clean": "clean material"}


@dataclass(frozen=True)
class Event:
    """An event as the benchmark keeps it. Times in media seconds."""

    defect: str
    start: float
    end: float
    severity: str
    detail: str = ""


@dataclass(frozen=True)
class Result:
    """One analysis. `name` is the severity, the variant, or the kind of clean material; `defect` is empty if clean."""

    kind: str
    profile: str
    defect: str
    name: str
    material: str
    seconds: float
    start: float = 0.0
    end: float = 0.0
    events: list[Event] = field(default_factory=list)

    @property
    def key(self) -> tuple[str, ...]:
        return self.kind, self.profile, self.defect, self.name, self.material

    @property
    def own(self) -> list[Event]:
        """The events of the defect that was put in, at its time."""
        return [
            event
            for event in self.events
            if event.defect == self.defect and event.start < self.end + SLACK and event.end > self.start - SLACK
        ]


class Results:
    """The lines of one file. Analyses that are there are not made again, so that a run may be cut into parts."""

    def __init__(self, file: Path) -> None:
        self._file = file
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        self.all = [_read(line) for line in lines]
        self._known = {result.key for result in self.all}

    def knows(self, *key: str) -> bool:
        return key in self._known

    def add(self, result: Result) -> None:
        self.all.append(result)
        self._known.add(result.key)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(result)) + "\n")


def _read(line: str) -> Result:
    values = json.loads(line)
    return Result(**{**values, "events": [Event(**event) for event in values["events"]]})


def report(results: Iterable[Result]) -> str:
    """All tables as Markdown."""
    everything = list(results)
    parts = ["# Detection\n\nWritten by `python -m benchmarks.detection --media DIR --markdown docs/detection.md`.\n"]
    for profile in Profile:
        mine = [result for result in everything if result.profile == profile]
        for kind in ("ours", "other"):
            if chosen := [result for result in mine if result.kind == kind]:
                parts.append(f"\n## Found, {profile} profile: {KINDS[kind]}\n\n{recall_table(chosen)}\n")
        if clean := [result for result in mine if result.kind == "clean"]:
            parts.append(f"\n## False alarms, {profile} profile\n\n{clean_table(clean)}\n")
    return "".join(parts)


def recall_table(results: list[Result]) -> str:
    """Recall and start error by defect, with a column for each severity, or a row for each variant."""
    rows: dict[tuple[str, str], list[Result]] = defaultdict(list)
    for result in results:
        rows[result.defect, result.name].append(result)
    lines = ["| defect | how | tried | recall | start error, median (s) | worst (s) |", "|---|---|---|---|---|---|"]
    for (defect, name), tried in rows.items():
        errors = sorted(min(abs(event.start - result.start) for event in result.own) for result in tried if result.own)
        spread = f"{median(errors):.2f} | {errors[-1]:.2f}" if errors else "- | -"
        lines.append(f"| {defect} | {name} | {len(tried)} | {len(errors) / len(tried):.2f} | {spread} |")
    found = sum(bool(result.own) for result in results)
    return "\n".join([*lines, f"| **all** | | {len(results)} | {found / len(results):.3f} | | |"])


def clean_table(results: list[Result]) -> str:
    """Alarms an hour by detector, and where they were. Minor reports (a slide, say) are counted apart.

    What recordings came with (`FLAWS`) is listed below, and is no false alarm.
    """
    hours = sum(result.seconds for result in results) / 3600
    alarms: dict[str, list[str]] = defaultdict(list)
    minor: dict[str, int] = defaultdict(int)
    flaws: dict[tuple[str, str], None] = {}
    for result in results:
        for event in result.events:
            if (flaw := (result.material, event.defect)) in FLAWS:
                flaws[flaw] = None
                continue
            alarms[event.defect].append(f"{result.material} ({event.start:.1f} s)")
            minor[event.defect] += event.severity == Severity.MINOR
    lines = [f"{hours * 60:.0f} minutes of clean material.", "", "| defect | alarms | an hour | of these minor | in |"]
    lines.append("|---|---|---|---|---|")
    for defect, places in sorted(alarms.items()):
        where = ", ".join(places[:6]) + (" ..." if len(places) > 6 else "")
        lines.append(f"| {defect} | {len(places)} | {len(places) / hours:.1f} | {minor[defect]} | {where} |")
    total = sum(map(len, alarms.values()))
    lines.append(f"| **all** | {total} | {total / hours:.1f} | {sum(minor.values())} | |")
    if flaws:
        lines += ["", "Not counted, because the recordings came with it:", ""]
        lines += [f"- {defect} in {material}: {FLAWS[material, defect]}" for material, defect in sorted(flaws)]
    return "\n".join(lines)


def misses(results: Iterable[Result]) -> Iterator[str]:
    """What was not found, and what was found beside it, for whoever mends a detector."""
    for result in results:
        label = f"{result.profile} {result.defect} {result.name} in {result.material}"
        if result.kind != "clean" and not result.own:
            yield f"missed: {label}"
        for event in result.events:
            if event.defect != result.defect:
                times = f"{event.start:.2f}-{event.end:.2f}"
                yield f"beside: {label}: {event.defect} {times} {event.severity} {event.detail}"
