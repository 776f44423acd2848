"""The process of one stream: capture, sample, detect and judge. It ends when its supervisor does.

Two threads share it. The main one takes samples through the pipeline. The other sends a heartbeat every second, with
the age of the last finished sample in it, so that the supervisor can tell a waiting worker from a stuck one; it also
obeys the supervisor, and ends the process at once when the supervisor is gone.
"""

from __future__ import annotations

import logging
import os
import resource
import signal
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from time import monotonic

import psutil

from vqa_agent.capture import Capture, Source, open_source
from vqa_agent.config import Config, StreamSection
from vqa_agent.detect.coverage import CoverageMeter
from vqa_agent.errors import AgentError
from vqa_agent.event import draft
from vqa_agent.infer import prefer
from vqa_agent.judge import Decision
from vqa_agent.learning import Keeper, SampleStore
from vqa_agent.logs import set_up_logging
from vqa_agent.media import Fact, FactKind, Picture, Sample, Sound
from vqa_agent.memory import give_back, settle
from vqa_agent.pipeline import Pipeline, build_detectors
from vqa_agent.sample import LADDER
from vqa_agent.sample.bucket import LONGEST_DELAY, Bucket
from vqa_agent.sample.throttle import Throttle
from vqa_agent.service.channel import Channel, Message
from vqa_agent.service.limits import confine, seal
from vqa_agent.service.messages import Beat, Ended, SetLevel, Signal, Stop

log = logging.getLogger(__name__)

BEAT = 1.0
"""Seconds between heartbeats."""

TIDY = 50
"""Pictures after which what was freed is given back to the system: they and their networks leave holes in the heap."""

LATELY = 10
"""Heartbeats for which pictures that were dropped as too late are told."""

_MISSING = {"all": Signal.LOST, "video": Signal.NO_VIDEO, "audio": Signal.NO_AUDIO}


@dataclass(frozen=True, slots=True)
class Task:
    """What a worker is to watch, on which rung it begins, the configuration and the bucket that all streams share."""

    stream: StreamSection
    level: int = 0
    config: Config = field(default_factory=Config)
    bucket: Bucket | None = None


class Worker:
    """One stream being watched. `run()` returns when the stream or the supervisor ends."""

    def __init__(self, task: Task, pipe: Channel) -> None:
        stream = task.stream
        expect = stream.expect.model_dump(exclude_none=True)
        chosen = build_detectors(stream.profile, stream.defects, expect=expect)
        self._pipeline = Pipeline(chosen, stream.profile)
        self._pipeline.sampler.index = task.level
        self._keeper = _keeper(task)
        self._pipe = pipe
        self._sending = threading.Lock()
        self._capture: Capture | None = None
        self._source = Source.from_config(stream)
        self._stopping = threading.Event()
        self._signal, self._reason = Signal.STARTING, ""
        self._progress = monotonic()
        self._throttle, self._bucket = Throttle(), task.bucket
        self._latency = 0.0
        self._late: deque[int] = deque([0], maxlen=LATELY + 1)
        self._coverage = CoverageMeter(self._pipeline.suite)
        self._pictures = self._sound_blocks = 0

    def run(self) -> None:
        """Watch until the input ends or the supervisor says stop."""
        threading.Thread(target=self._attend, name="attend", daemon=True).start()
        try:
            with open_source(self._source) as capture:
                self._capture = capture
                capture.level = self._pipeline.sampler.level
                self._watch(capture)
            error = ""
        except AgentError as failure:
            error = str(failure)
        if not self._stopping.is_set():
            self._send(Ended(error))

    def _watch(self, capture: Capture) -> None:
        for sample in capture.samples():
            self._note(sample)
            outcome = self._pipeline.feed(sample)
            if self._keeper is not None:
                self._keeper.see(sample, outcome.findings)
            self._report(capture, outcome.decisions)
            self._progress = monotonic()
            if isinstance(sample, Picture) and self._pictures == 1:
                log.info("stream %s: first look at a picture", self._source.name)
            if isinstance(sample, Picture | Sound) and (self._source.live or self._source.realtime):
                self._latency = max(self._latency, self._progress - capture.arrived)
            self._throttle.pause(self._stopping)
            if self._bucket is not None:
                self._bucket.pause(LONGEST_DELAY if capture.pulled else capture.latency, self._stopping)
            if self._stopping.is_set():
                break
        if self._stopping.is_set():
            return
        self._signal = Signal.ENDED
        self._report(capture, self._pipeline.finish().decisions)

    def _note(self, sample: Sample) -> None:
        if isinstance(sample, Picture):
            self._pictures += 1
        elif isinstance(sample, Sound):
            self._sound_blocks += 1
        elif isinstance(sample, Fact):
            self._note_fact(sample)

    def _note_fact(self, fact: Fact) -> None:
        if fact.kind is FactKind.SIGNAL:
            self._signal, self._reason = Signal.OK, ""
        elif fact.kind is FactKind.NO_SIGNAL:
            self._signal = _MISSING[str(fact.detail.get("missing", "all"))]
            self._reason = str(fact.detail.get("reason", ""))

    def _report(self, capture: Capture, decisions: Iterable[Decision]) -> None:
        for decision in decisions:
            self._send(draft(self._source.name, decision, capture.wall))

    def _send(self, message: Message) -> None:
        with self._sending:
            try:
                self._pipe.send(message)
            except OSError:
                os._exit(1)

    def _attend(self) -> None:
        """Beat and obey. Without a supervisor there is nobody to report to: end at once, whatever FFmpeg is at."""
        due = monotonic()
        tidied = 0
        while True:
            try:
                if self._pipe.poll(max(0.0, due - monotonic())):
                    self._obey(self._pipe.receive())
            except (EOFError, OSError):
                os._exit(1)
            if monotonic() >= due:
                due = monotonic() + BEAT
                self._send(self._beat())
                if self._pictures - tidied >= TIDY:
                    tidied = self._pictures
                    give_back()

    def _obey(self, order: Message) -> None:
        if isinstance(order, Stop):
            self._stopping.set()
            if self._capture is not None:
                self._capture.close()
        elif isinstance(order, SetLevel):
            self._set_level(order)

    def _set_level(self, order: SetLevel) -> None:
        self._throttle.cores = order.cores
        self._pipeline.sampler.index = order.index
        if self._capture is not None:
            self._capture.level = LADDER[order.index]

    def _beat(self) -> Beat:
        process, suite, capture = psutil.Process(), self._pipeline.suite, self._capture
        used = resource.getrusage(resource.RUSAGE_SELF)
        accounts = suite.accounts
        self._late.append(capture.statistics.late_pictures if capture else 0)
        latency, self._latency = self._latency, 0.0
        return Beat(
            media_time=round(self._pipeline.media_time, 3),
            stalled=monotonic() - self._progress,
            latency=round(latency, 3),
            level=self._pipeline.sampler.index,
            signal=self._signal,
            reason=self._reason,
            cpu_seconds=used.ru_utime + used.ru_stime,
            rss=process.memory_info().rss,
            pictures=self._pictures,
            sound_blocks=self._sound_blocks,
            format=capture.format.detail() if capture else {},
            behind=capture.behind if capture else False,
            late=self._late[-1] - self._late[0],
            late_pictures=self._late[-1],
            coverage=self._coverage.measure(),
            faults={name: account.last_failure for name, account in accounts.items() if account.aside},
            transport=dict(capture.statistics.transport) if capture else {},
        )


def _keeper(task: Task) -> Keeper | None:
    config = task.config
    if not config.samples.enabled:
        return None
    return Keeper(task.stream.name, SampleStore(config.samples_directory, config.samples.max_size))


def work(task: Task, pipe: Channel) -> None:
    """Entry point of the process."""
    # Ctrl-C and systemd may signal every process of the service; the supervisor alone decides, through the pipe.
    # A handler that does nothing, unlike SIG_IGN, is not inherited by the programs that a stream's command starts.
    signal.signal(signal.SIGINT, lambda number, frame: None)
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    signal.signal(signal.SIGHUP, lambda number, frame: None)
    set_up_logging(task.config.agent.log_level)
    confine(task.config.budget.memory)
    seal(task.stream, task.config)
    prefer(task.config.infer.backend, task.config.agent.state_dir, times=False)
    worker = Worker(task, pipe)
    settle()
    worker.run()
