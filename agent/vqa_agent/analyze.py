"""Every defect of a file, or of a bounded look at a live input: capture, sample, detect and judge in one process.

with Analysis(source, profile=Profile.FILE) as analysis:
    for decision in analysis.closed():
        print(record(decision))
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter, process_time
from types import TracebackType
from typing import IO, Any, Self

from vqa_agent.capture import Capture, Source, open_source
from vqa_agent.capture.source import scheme_of
from vqa_agent.detect.interface import Finding, Profile
from vqa_agent.detect.runner import Account
from vqa_agent.errors import InputError
from vqa_agent.event import State
from vqa_agent.expect import Expect
from vqa_agent.judge import Decision
from vqa_agent.media import Fact, Format, Picture, Sample, Sound
from vqa_agent.pipeline import Pipeline, build_detectors

FIRST_SIGNAL = 20.0
"""Seconds without any picture or sound after which a live input counts as one that cannot be read."""

Watcher = Callable[[Sample | None, Iterable[Finding], Iterable[Decision]], None]
"""Is shown every sample (None: the end), the findings it completed and the decisions they led to."""


@dataclass(slots=True)
class Summary:
    """What an analysis looked at and what it took. Times in seconds."""

    input: str
    profile: Profile
    media_seconds: float = 0.0
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    pictures: int = 0
    format: Format = field(default_factory=Format)
    accounts: Mapping[str, Account] = field(default_factory=dict)
    coverage: Mapping[str, float | None] = field(default_factory=dict)
    interrupted: bool = False


def source_of(url: str, profile: Profile | None = None, limit: float | None = None) -> tuple[Source, Profile]:
    """The source that a path or URL names, and its profile: `file` for a path, `live` for all else, unless given.

    A URL in the file profile ends where its media end, and is not opened again. Raises InputError for a scheme that
    is not allowed.
    """
    is_path = scheme_of(url) == "file"
    profile = profile or (Profile.FILE if is_path else Profile.LIVE)
    live = profile is Profile.LIVE and not is_path
    return Source(name=Path(url).name or url, url=url, live=live, limit=limit), profile


class Analysis:
    """One look at one input. Iterate `closed()` once; `summary` is complete afterwards."""

    def __init__(
        self,
        source: Source,
        profile: Profile,
        only: Collection[str] = (),
        watchers: Iterable[Watcher] = (),
        expect: Expect | None = None,
    ) -> None:
        expected = expect.model_dump(exclude_none=True) if expect else {}
        self.pipeline = Pipeline(build_detectors(profile, only=only, expect=expected), profile)
        self.capture: Capture = open_source(source)
        self.summary = Summary(source.describe(), profile)
        self.watchers = list(watchers)
        self._stop = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.capture.close()

    def stop(self) -> None:
        """End the look early, with what was found so far. May be called from a signal handler."""
        self._stop.set()

    def closed(self) -> Iterator[Decision]:
        """Every event as it ends, complete. Raises InputError where the input cannot be read at all."""
        started, cpu = perf_counter(), process_time()
        try:
            for sample in self._samples():
                outcome = self.pipeline.feed(sample)
                yield from self._tell(sample, outcome.findings, outcome.decisions)
            outcome = self.pipeline.finish()
            yield from self._tell(None, outcome.findings, outcome.decisions)
        finally:
            self._sum_up(perf_counter() - started, process_time() - cpu)

    def _tell(
        self, sample: Sample | None, findings: Iterable[Finding], decisions: Iterable[Decision]
    ) -> Iterator[Decision]:
        for watch in self.watchers:
            watch(sample, findings, decisions)
        yield from (decision for decision in decisions if decision.state is State.CLOSED)

    def _samples(self) -> Iterator[Sample]:
        blind, reason = self.capture.source.live, ""
        for sample in self.capture.samples():
            if self._stop.is_set():
                self.summary.interrupted = True
                return
            if isinstance(sample, Picture | Sound):
                blind = False
                self.summary.pictures += isinstance(sample, Picture)
            elif blind and isinstance(sample, Fact):
                reason = str(sample.detail.get("reason", reason))
                if sample.end >= FIRST_SIGNAL:
                    break
            yield sample
        if blind:
            raise _unreadable(self.capture.source, reason)

    def _sum_up(self, wall: float, cpu: float) -> None:
        summary, suite = self.summary, self.pipeline.suite
        summary.media_seconds = self.pipeline.media_time
        summary.wall_seconds, summary.cpu_seconds = wall, cpu
        summary.format = self.capture.format
        summary.accounts = suite.accounts
        summary.coverage = {name: suite.coverage(name) for name in suite.accounts}


def _unreadable(source: Source, reason: str) -> InputError:
    because = f" ({reason})" if reason else ""
    return InputError(
        f"reading {source.describe()}: neither pictures nor sound arrived{because}; "
        "check the address, and that the source is sending"
    )


def record(decision: Decision, source: str | None = None) -> dict[str, Any]:
    """A closed event as `analyze --json` prints it. Times in media seconds; `input` only where there are several."""
    values: dict[str, Any] = {"input": source} if source is not None else {}
    values |= {
        "defect": decision.defect,
        "start": round(decision.start, 3),
        "end": None if decision.end is None else round(decision.end, 3),
        "duration": round(decision.duration, 3),
        "score": round(decision.score, 3),
        "severity": str(decision.severity),
    }
    values["region"] = None if decision.region is None else [round(part, 4) for part in decision.region]
    values["detail"] = {key: plain(value) for key, value in decision.detail.items()}
    return values


def finding_record(finding: Finding, source: str | None = None) -> dict[str, Any]:
    """A raw finding as `--findings` writes it: what its detail holds stands beside the fixed keys."""
    values: dict[str, Any] = {key: plain(value) for key, value in finding.detail.items()}
    if source is not None:
        values["input"] = source
    if finding.defect:
        values["defect"] = finding.defect
    if finding.region is not None:
        values["region"] = plain(finding.region)
    fixed = {
        "detector": finding.detector,
        "start": round(finding.start, 3),
        "end": round(finding.end, 3),
        "score": round(float(finding.score), 4),
        "bad": bool(finding.bad),
    }
    return fixed | {key: value for key, value in values.items() if key not in fixed}


def plain(value: Any) -> Any:
    """A detail's value as JSON can hold it: numbers of NumPy become Python's, five significant digits."""
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if value is None or isinstance(value, str | bool | int):
        return value
    number = value.item() if hasattr(value, "item") else float(value)
    if not isinstance(number, float):
        return number
    return float(f"{number:.5g}") if math.isfinite(number) else None


class FindingsFile:
    """A watcher that writes each finding as one line of JSON.

    Findings come once per look, most of them good: at 25 pictures a second and 25 detectors that is some 200 MB an
    hour. They are written as they are, because a threshold is chosen from the good ones as much as from the bad ones;
    `only` and `limit` keep a look small.
    """

    def __init__(self, file: IO[str], source: str | None = None) -> None:
        self._file = file
        self._source = source

    def __call__(self, sample: Sample | None, findings: Iterable[Finding], decisions: Iterable[Decision]) -> None:
        for finding in findings:
            self._file.write(json.dumps(finding_record(finding, self._source), separators=(",", ":")) + "\n")
