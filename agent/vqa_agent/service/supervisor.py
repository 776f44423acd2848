"""The daemon's first process: keeps a worker per stream, stores and sends what they find, says how things are."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from multiprocessing.connection import wait
from pathlib import Path
from time import monotonic, sleep
from types import FrameType

from vqa_agent import __version__
from vqa_agent.config import Config, load
from vqa_agent.errors import AgentError, ConfigError
from vqa_agent.event import Event
from vqa_agent.infer import find_out
from vqa_agent.logs import fields
from vqa_agent.publish import Outbox
from vqa_agent.sample.bucket import SharedUse
from vqa_agent.service import status as status_file
from vqa_agent.service.clock import ClockWatch, step_notice
from vqa_agent.service.herald import METRICS_INTERVAL, Herald
from vqa_agent.service.ledger import Ledger
from vqa_agent.service.notify import Notifier
from vqa_agent.service.report import Recent, delivery_status, stream_status
from vqa_agent.service.steward import Steward
from vqa_agent.service.stream import State, WatchedStream

log = logging.getLogger(__name__)

TICK = 1.0
"""Seconds between two looks at the workers, the budget and the status file."""

STAGGER = 0.3
"""Seconds between the starts of two workers."""

PATIENCE = 2.0
"""Seconds that workers have to end by themselves before they are killed."""

SETTLED = 60.0
"""Seconds after the start at which the runtimes of the networks are timed, where nobody has yet."""

TIMING_SHARE = 0.1
"""Share of the budget that this may take."""

GOODBYE = 1.5
"""Seconds for the last events to be delivered."""


FRUGAL = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OPENCV_FOR_THREADS_NUM": "1",
    "MALLOC_ARENA_MAX": "2",
}
"""For the workers, which inherit the environment: threads of libraries would escape the budget, and glibc's arenas, one
for each thread, keep what was freed."""


class Supervisor:
    """Runs until SIGTERM or SIGINT; SIGHUP reads the configuration again. Raises ConfigError at once for a bad one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.config = load(path)
        self._status_path = _status_path(self.config)
        self._outbox = _open_outbox(self.config)
        self._clock = ClockWatch()
        self._ledger = Ledger(self._outbox, lambda: self._clock.doubt)
        self._steward = Steward(self.config)
        self._shared_use = SharedUse(self.config.budget.cpu)
        self._next_start = float("-inf")
        self._notifier = Notifier()
        self._streams: dict[str, WatchedStream] = {}
        self._recent = Recent()
        self._config_error = ""
        self._started = datetime.now(UTC)
        self._stop = self._reload = self._status_failed = False
        self._metrics_due = 0.0

    def run(self) -> None:
        """Watch all streams until told to stop."""
        os.environ.update(FRUGAL)
        wake = self._listen_to_signals()
        self._close_what_a_killed_run_left()
        self._herald = Herald(self.config, self._outbox)
        self._adopt(self.config)
        self._write_status("running")
        self._notifier.tell(READY=1, STATUS=f"watching {len(self._streams)} streams")
        self._settle()
        log.info("vqa-agent %s watches %d streams", __version__, len(self._streams))
        due = monotonic()
        while not self._stop:
            self._wait(wake, max(0.0, due - monotonic()))
            self._take_in()
            if self._reload:
                self._reload = False
                self._load_again()
            if monotonic() >= due:
                due = monotonic() + TICK
                self._tick()
        self._shut_down()

    def _settle(self) -> None:
        """Once the streams are watched, find out which runtime suits each network: for the next start of a worker."""
        share = min(1.0, TIMING_SHARE * self.config.budget.cpu)
        settings = (self.config.infer.backend, self.config.agent.state_dir, share)
        timer = threading.Timer(SETTLED, find_out, settings)
        timer.daemon = True
        timer.start()

    # ---- what goes on all the time

    def _wait(self, wake: socket.socket, seconds: float) -> None:
        waits_on = [each for stream in self._streams.values() for each in stream.waits_on]
        if any(stream.is_due(monotonic()) for stream in self._streams.values()):
            seconds = min(seconds, STAGGER)
        if wake in wait([wake, *waits_on], timeout=seconds):
            wake.recv(64)

    def _take_in(self) -> None:
        """What the workers have said since the last time, stored in one transaction."""
        now, moment = datetime.now(UTC), monotonic()
        for stream in self._streams.values():
            self._ledger.enter(stream.take(moment))
            media_time = stream.beat.media_time if stream.beat else 0.0
            if failure := stream.check(moment):
                self._ledger.fail(stream.name, failure, media_time, now)
            elif stream.state is State.RUNNING:
                self._ledger.recover(stream.name, now)
            elif stream.state is State.ENDED:
                self._ledger.close(stream.name, "the file is over", now)
        self._start_one(moment)
        for event in self._ledger.commit():
            self._note(event)
            if event.stream in self._streams:
                self._tell_stream(self._streams[event.stream], now)

    def _start_one(self, moment: float) -> None:
        """Start a worker that is due, one after the other: each start costs most of a second of CPU."""
        due = [stream for stream in self._streams.values() if stream.is_due(moment)]
        if due and moment >= self._next_start:
            self._next_start = moment + STAGGER
            due[0].start(moment)

    def _note(self, event: Event) -> None:
        """For the person on site: in the status and in the journal."""
        self._recent.note(event)
        named = fields(STREAM=event.stream, DEFECT=event.defect, STATE=event.state, EVENT_ID=event.id)
        log.info("stream %s: %s %s (%s)", event.stream, event.defect, event.state, event.severity, extra=named)

    def _tick(self) -> None:
        now, moment = datetime.now(UTC), monotonic()
        self._steward.step(moment, self._streams)
        self._shared_use.tell()
        if (large := self._steward.too_large(moment)) is not None:
            self._streams[large.stream].give_up(large.reason)
        if step := self._clock.step():
            log.warning("the clock of this machine was moved by %.3f s", step)
            self._ledger.enter([step_notice(step, self._clock.trust)])
        metrics_due = moment >= self._metrics_due
        for stream in self._streams.values():
            self._tell_stream(stream, now, again=metrics_due)
        if metrics_due:
            self._metrics_due = moment + METRICS_INTERVAL
            self._herald.tell_metrics(self._steward.use, list(self._streams.values()), now)
        self._write_status("running")
        self._feed_watchdog(moment)

    def _tell_stream(self, stream: WatchedStream, now: datetime, again: bool = False) -> None:
        self._herald.tell_stream(stream, self._ledger.open_defects(stream.name), now, again, self._steward.exhausted)

    def _feed_watchdog(self, moment: float) -> None:
        """systemd is told that all is well only while every worker makes progress or is due, and delivery lives."""
        if self._herald.publisher.is_well and all(stream.is_well(moment) for stream in self._streams.values()):
            self._notifier.tell(WATCHDOG=1, STATUS=self._summary())

    def _summary(self) -> str:
        running = sum(stream.state is State.RUNNING for stream in self._streams.values())
        return f"{running} of {len(self._streams)} streams watched, {self._outbox.depth} events wait for the broker"

    def _write_status(self, state: str) -> None:
        try:
            status_file.write(self._status_path, self._status(state))
        except OSError as error:
            if not self._status_failed:
                log.error(
                    "writing the status file %s: %s; make room, or correct its permissions", self._status_path, error
                )
            self._status_failed = True
        else:
            self._status_failed = False

    def _status(self, state: str) -> status_file.Status:
        agent, budget = self.config.agent, self.config.budget
        return status_file.Status(
            version=__version__,
            agent=agent.id,
            site=agent.site,
            boot=self._outbox.boot,
            pid=os.getpid(),
            state=state,
            time=datetime.now(UTC),
            started=self._started,
            cpu=round(self._steward.cores, 3),
            budget=budget.cpu,
            over_budget=self._steward.exhausted,
            rss=self._steward.use.rss,
            memory=budget.memory,
            config=str(self._path),
            clock=self._clock.trust,
            config_error=self._config_error,
            delivery=delivery_status(self.config, self._outbox, self._herald.publisher.health),
            streams={
                name: stream_status(
                    stream,
                    self._ledger.open_defects(name),
                    self._steward.use.by_stream.get(name, 0.0),
                    self._steward.exhausted,
                )
                for name, stream in self._streams.items()
            },
            recent=self._recent.latest(),
        )

    # ---- the configuration, at start and again

    def _adopt(self, config: Config) -> None:
        """Watch the streams of `config`: those that did not change go on untouched."""
        wanted = {section.name: section for section in config.stream}
        now = datetime.now(UTC)
        self._steward.adopt(config)
        self._shared_use.allow(config.budget.cpu)
        for name, stream in list(self._streams.items()):
            if wanted.get(name) != stream.section:
                self._drop(stream, "the configuration changed" if name in wanted else "the stream was removed", now)
                if name not in wanted:
                    self._herald.forget_stream(name)
        for name, section in wanted.items():
            if name not in self._streams:
                self._streams[name] = WatchedStream(section, config, self._shared_use.bucket())
                self._streams[name].set_level(self._steward.level(name))
        self._ledger.commit()

    def _drop(self, stream: WatchedStream, reason: str, now: datetime) -> None:
        self._ledger.enter(stream.take(monotonic()))
        stream.kill()
        self._shared_use.give_back(stream.bucket)
        self._ledger.close(stream.name, reason, now)
        del self._streams[stream.name]

    def _load_again(self) -> None:
        try:
            config = load(self._path)
        except ConfigError as error:
            self._config_error = str(error).splitlines()[0]
            for line in str(error).splitlines():
                log.error("the configuration was not reloaded, the old one stays: %s", line)
            return
        before, self.config, self._config_error = self.config, config, ""
        logging.getLogger().setLevel(config.agent.log_level.upper())
        if before.agent.state_dir != config.agent.state_dir or before.outbox != config.outbox:
            log.warning("agent.state_dir and [outbox] take effect when the agent is started again")
        if (before.mqtt, before.agent) != (config.mqtt, config.agent):
            self._herald.say_goodbye(GOODBYE)
            self._herald = Herald(config, self._outbox)
        self._adopt(config)
        self._metrics_due = 0.0
        log.info("the configuration was reloaded: %d streams", len(self._streams))

    # ---- begin and end

    def _close_what_a_killed_run_left(self) -> None:
        try:
            before = status_file.read(self._status_path)
        except (OSError, ValueError):
            before = None
        self._recent.remember(before.recent if before else [])
        self._ledger.close_left_open(before.time if before else None)
        for event in self._ledger.commit():
            self._note(event)

    def _listen_to_signals(self) -> socket.socket:
        """Signals only set a flag; the socket that becomes readable ends the wait."""
        wake, wake_end = socket.socketpair()
        wake.setblocking(False)
        wake_end.setblocking(False)
        signal.set_wakeup_fd(wake_end.detach(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._note_signal)
        return wake

    def _note_signal(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self._reload = True
        else:
            self._stop = True

    def _shut_down(self) -> None:
        """End the workers, close what is open, deliver what can be delivered: within five seconds."""
        self._notifier.tell(STOPPING=1, STATUS="stopping")
        for stream in self._streams.values():
            stream.ask_to_stop()
        _until(monotonic() + PATIENCE, self._streams.values())
        for stream in self._streams.values():
            self._ledger.enter(stream.take(monotonic()))
            stream.kill()
        self._ledger.close_all("agent stopped", datetime.now(UTC))
        for event in self._ledger.commit():
            self._note(event)
        for stream in self._streams.values():
            self._tell_stream(stream, datetime.now(UTC), again=True)
        self._herald.say_goodbye(GOODBYE)
        self._steward.close()
        self._write_status("stopped")
        self._outbox.close()
        log.info("stopped")


def _until(deadline: float, streams: Iterable[WatchedStream]) -> None:
    waiting = list(streams)
    while monotonic() < deadline and not all(stream.has_stopped() for stream in waiting):
        sleep(0.02)


def _status_path(config: Config) -> Path:
    directory = Path(os.environ.get("RUNTIME_DIRECTORY") or config.agent.state_dir)
    return directory / status_file.FILE_NAME


def _open_outbox(config: Config) -> Outbox:
    """Raises AgentError where the state directory cannot be used."""
    directory = config.agent.state_dir
    try:
        directory.mkdir(parents=True, exist_ok=True)
        return Outbox(directory / "outbox.db", config.outbox.max_size, config.outbox.max_age)
    except OSError as error:
        raise AgentError(
            f"opening the outbox in agent.state_dir {directory}: {error.strerror}; name one that the agent may write"
        ) from None
