"""One configured stream and the worker process that watches it: started, heard, killed when it hangs, restarted."""

from __future__ import annotations

import logging
import multiprocessing
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from signal import Signals
from typing import Any

from vqa_agent.backoff import doubled
from vqa_agent.config import Config, StreamSection
from vqa_agent.event import EventDraft
from vqa_agent.sample.bucket import Bucket
from vqa_agent.service.channel import Channel
from vqa_agent.service.messages import Beat, Ended, SetLevel, Signal, Stop

log = logging.getLogger(__name__)

SLOWEST, FASTEST = 0.5, 1.5
"""Bounds of the pace that is told of a stream: beyond them its clock was set anew, or nothing came."""

HANG = 10.0
"""Seconds without a heartbeat after which a worker is killed."""

STALL = 30.0
"""Seconds without a finished sample, heartbeats or not, after which it is. Every input states its signal twice a
second, but opening one may take FFmpeg 10 s."""

FIRST_DELAY, LONGEST_DELAY = 1.0, 60.0
"""Seconds before a failed worker is started again: doubling with each failure in a row."""

MOST_AT_ONCE = 1000
"""Messages that are read of one worker before the others have their turn; more than its socket holds."""

SOUND_RUN = 60.0
"""Seconds after which a worker that still runs is no longer counted as failing in a row."""

# A worker must not inherit the supervisor's threads and sockets, so it is not forked from it. The fork server is a
# process without either that has imported what a worker needs: a worker starts in milliseconds and shares its memory.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["vqa_agent.service.worker", __name__])


class State(StrEnum):
    STARTING = "starting"
    RUNNING = "running"
    RESTARTING = "restarting"
    ENDED = "ended"


@dataclass(slots=True)
class _Run:
    """A worker that was started."""

    process: Any
    pipe: Channel
    since: float
    heard: float


class WatchedStream:
    """A stream, kept watched. All moments are monotonic seconds, given from outside."""

    def __init__(self, section: StreamSection, config: Config | None = None, bucket: Bucket | None = None) -> None:
        self.section = section
        self.bucket = bucket
        self.beat: Beat | None = None
        self.pace = 1.0
        """Media seconds that it got through in a second, lately."""
        self.state = State.STARTING
        self.reason = ""
        self.restarts = 0
        self._config = config or Config()
        self._times: deque[tuple[float, float]] = deque(maxlen=3)
        """Media second of the last beats, and when they came: some inputs move on by half a second at a time."""
        self._level = 0
        self._cores: float | None = None
        self._run: _Run | None = None
        self._failures = 0
        self._due = float("-inf")
        self._ended: Ended | None = None

    @property
    def name(self) -> str:
        return self.section.name

    @property
    def pid(self) -> int | None:
        return self._run.process.pid if self._run else None

    @property
    def level(self) -> int:
        return self._level

    @property
    def waits_on(self) -> list[Any]:
        """What becomes ready when there is something to `take` or to `check`."""
        return [self._run.pipe, self._run.process.sentinel] if self._run else []

    def start(self, now: float) -> None:
        """Start the worker, if it is due."""
        if not self.is_due(now):
            return
        ours, theirs = Channel.pair()
        given = (self.section, self._level, self._config, self.bucket, theirs)
        process = CONTEXT.Process(target=_work, args=given, name=f"vqa {self.name}", daemon=True)
        process.start()
        theirs.close()
        self._run = _Run(process, ours, now, now)
        self._ended = None
        if self._cores is not None:
            self._send(SetLevel(self._level, self._cores))

    def take(self, now: float) -> list[EventDraft]:
        """Read what the worker has said; its events."""
        drafts: list[EventDraft] = []
        if self._run is None:
            return drafts
        try:
            for _ in range(MOST_AT_ONCE):
                if not self._run.pipe.poll():
                    break
                self._run.heard = now
                match self._run.pipe.receive():
                    case EventDraft() as draft if draft.stream == self.name:
                        drafts.append(draft)
                    case Beat() as beat:
                        self._note(beat, now)
                    case Ended() as ended:
                        self._ended = ended
        except ValueError as error:
            log.debug("stream %s: its worker said: %s", self.name, error)
            self._ended = Ended("it said what is no message")
        except (EOFError, OSError):
            pass  # Its end is found by `check`.
        return drafts

    def check(self, now: float) -> str:
        """Why the worker has failed, if it has; it is then gone, and due again after a while. Empty: all is well."""
        if self._run is None:
            return ""
        if self._ended is not None and not self._ended.error:
            self._let_go()
            self.state, self.reason = State.ENDED, "the file is over"
            return ""
        failure = self._failure(now)
        if failure:
            self._let_go()
            self._failures += 1
            self.restarts += 1
            delay = doubled(FIRST_DELAY, self._failures, LONGEST_DELAY)
            self._due, self.state, self.reason = now + delay, State.RESTARTING, failure
            log.error("stream %s: its worker failed: %s; started again in %.0f s", self.name, failure, delay)
        elif now - self._run.since >= SOUND_RUN:
            self._failures = 0
        return failure

    def is_well(self, now: float) -> bool:
        """Whether the worker makes progress, or none is meant to run."""
        return self._run is None or not self._failure(now)

    def set_level(self, index: int) -> None:
        """Look as closely as this rung of the ladder, now and after a restart."""
        self._level = index
        self._send(SetLevel(index, self._cores))

    def allow(self, cores: float) -> None:
        """Use at most so many cores: for a file that has no speed of its own."""
        cores = round(cores, 2)
        if cores != self._cores:
            self._cores = cores
            self._send(SetLevel(self._level, cores))

    def is_due(self, now: float) -> bool:
        """Whether its worker is to be started."""
        return self._run is None and self.state is not State.ENDED and now >= self._due

    def give_up(self, reason: str) -> None:
        """Its worker counts as failed, for `reason`, at the next `check`, and is started again."""
        self._ended = Ended(reason)

    def ask_to_stop(self) -> None:
        self._send(Stop())

    def has_stopped(self) -> bool:
        return self._run is None or not self._run.process.is_alive()

    def kill(self) -> None:
        """End the worker, whatever it does."""
        self._let_go()

    def _note(self, beat: Beat, now: float) -> None:
        self._times.append((beat.media_time, now))
        media, clock = (last - first for first, last in zip(self._times[0], self._times[-1], strict=True))
        if clock > 0:
            self.pace = min(FASTEST, max(SLOWEST, media / clock))
        self.beat = beat
        if beat.signal is not Signal.STARTING:
            self.state, self.reason = State.RUNNING, ""

    def _failure(self, now: float) -> str:
        assert self._run is not None
        if self._ended is not None:
            return self._ended.error
        if not self._run.process.is_alive():
            return cause_of(self._run.process.exitcode)
        if now - self._run.heard > HANG:
            return f"it hung: no heartbeat for {HANG:.0f} s"
        if self.beat is not None and self.beat.stalled > STALL:
            return f"it hung: no sample finished for {STALL:.0f} s"
        return ""

    def _let_go(self) -> None:
        if self._run is None:
            return
        run, self._run, self.beat, self.pace = self._run, None, None, 1.0
        self._times.clear()
        run.process.kill()
        run.process.join(1.0)
        run.pipe.close()

    def _send(self, order: SetLevel | Stop) -> None:
        if self._run is not None:
            with suppress(OSError):
                self._run.pipe.send(order, waits=False)


def _work(section: StreamSection, level: int, config: Config, bucket: Bucket | None, pipe: Channel) -> None:
    """The worker's process. What decodes and looks is imported there alone: the supervisor is the smaller for it."""
    from vqa_agent.service.worker import Task, work

    work(Task(section, level, config, bucket), pipe)


def cause_of(exit_code: int | None) -> str:
    """Why a process that decodes is gone, in words."""
    if exit_code is not None and exit_code < 0:
        return f"killed by {Signals(-exit_code).name}"
    return f"it ended with status {exit_code}"
