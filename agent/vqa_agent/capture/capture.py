"""An input as an iterator of samples: the file that ends, and the live input that never does."""

from __future__ import annotations

import inspect
import logging
import random
import threading
from collections.abc import Generator, Iterator
from datetime import UTC, datetime, timedelta
from time import monotonic
from types import TracebackType
from typing import Any, Self

import av.error

from vqa_agent.backoff import doubled
from vqa_agent.capture.clock import MediaClock
from vqa_agent.capture.decode import Decoder, Statistics, bursts, choose_tracks
from vqa_agent.capture.gate import Gate
from vqa_agent.capture.hardware import Hardware
from vqa_agent.capture.opening import Opened, Opening, explain, open_container
from vqa_agent.capture.pacing import Pace, PlayOut
from vqa_agent.capture.reading import Arrival, End, PacketReader
from vqa_agent.capture.source import Source
from vqa_agent.capture.watch import SignalWatch
from vqa_agent.errors import InputError
from vqa_agent.media import Fact, FactKind, Format, Picture, Sample, Sound
from vqa_agent.sample.ladder import LADDER

log = logging.getLogger(__name__)

TICK = 0.5
"""Seconds between two statements about the signal."""

START_PATIENCE = 5.0
"""Seconds that the first opening of an input may take before there is no signal."""

LATE, LATE_IN_SEGMENTS, RECOVERED = 2.0, 15.0, 0.5
"""Seconds of latency from which on pictures are dropped, that of inputs which come in bursts, and where it ends."""

REST = 0.1
"""Seconds for which datagrams are left to the system, together, while pictures are looked at for a part of the time."""

FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0
"""Seconds: reconnecting waits a random time up to the first, doubling up to the longest (full jitter)."""


class Capture:
    """One input, open. `samples()` gives pictures, sound and facts in the order in which they are decoded.

    `level` may be changed at any time; it says what the decoder leaves out.
    `close()` may be called from another thread.
    """

    def __init__(self, source: Source, opened: Opened | None) -> None:
        self.source = source
        self.statistics = Statistics()
        self.level = LADDER[0]
        self.latency = 0.0
        """Seconds from the arrival of the last packet to its decoding; of a file played live, what it is behind."""
        self.arrived = monotonic()
        """Moment (monotonic seconds) at which the last packet arrived, or was due."""
        self.pulled = False
        """Whether the input comes when it is asked for: then it waits for us, and is never seen to be late."""
        self.duration = _duration(opened) if opened is not None else None
        """Media seconds of a file; None where it is not known or the input is live."""
        self._opened = opened
        self._decoder: Decoder | None = None
        self._format = Format()
        self._stop = threading.Event()
        self._stream: Generator[Sample, None, None] | None = None
        self._gate = Gate()
        self._hardware = Hardware(source.name, source.decode)
        self._clock = MediaClock(gaps_are_real=source.scheme == "file" and not source.live)
        self._anchor = (0.0, datetime.now(UTC))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def format(self) -> Format:
        """What the input carries, as far as it is known by now."""
        return self._decoder.format if self._decoder else self._format

    @property
    def now(self) -> float:
        """Media second at which the clock stands."""
        return self._clock.now

    def wall(self, media_time: float) -> datetime:
        """The wall-clock time (UTC) at which media second `media_time` arrived."""
        media, wall = self._anchor
        return wall + timedelta(seconds=media_time - media)

    def samples(self) -> Iterator[Sample]:
        """Everything that the input carries. Ends with the file, at `source.limit`, or on `close()`."""
        self._stream = self._samples()
        return self._stream

    @property
    def behind(self) -> bool:
        """Whether this machine is about to be too slow for the input, or is."""
        return self.latency > self._tolerated / 2

    def close(self) -> None:
        """End `samples()` and let go of the input. From another thread: at the next sample, or within a second."""
        self._stop.set()
        if self._stream is None:
            self._release()
        elif inspect.getgeneratorstate(self._stream) != inspect.GEN_RUNNING:
            self._stream.close()

    def _samples(self) -> Generator[Sample, None, None]:
        try:
            for sample in self._live() if self.source.live else self._file():
                if self._stop.is_set() or (self.source.limit is not None and sample.time >= self.source.limit):
                    return
                yield sample
        finally:
            self._release()

    def _release(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    def _decode(self, opened: Opened) -> Decoder:
        tracks = choose_tracks(opened.container)
        if not tracks.chosen:
            raise InputError(f"reading {self.source.describe()}: it has neither pictures nor sound; check what is sent")
        monitor = opened.monitor([stream.id for stream in tracks.chosen], self.statistics.transport)
        self._gate.begin()
        decoder = Decoder(tracks, self._clock, self.statistics, self.format, self._gate, monitor, self._hardware)
        decoder.open(self.source.threads)
        self._decoder = decoder
        self._tolerated = LATE_IN_SEGMENTS if tracks.segmented else LATE
        return decoder

    def _file(self) -> Iterator[Sample]:
        """A file once, or again and again, as fast as possible or at the speed of its clock."""
        assert self._opened is not None
        self._pace = Pace() if self.source.realtime else None
        watch = SignalWatch()
        while True:
            decoder = self._decode(self._opened)
            any_sample = False
            for sample in self._read_file(self._opened, decoder, watch):
                any_sample = any_sample or isinstance(sample, Picture | Sound)
                if isinstance(sample, Picture | Sound):
                    self._keep_pace(sample.time)
                yield from watch.note(sample)
                yield sample
            if not any_sample:
                raise InputError(
                    f"reading {self.source.describe()}: nothing in it can be decoded; "
                    "it is damaged, empty, or encrypted"
                )
            yield from watch.finish(self._clock.now)
            if not self.source.loop or self._stop.is_set():
                return
            self._opened.close()
            self._opened = open_container(self.source)
            self._clock.restart()

    def _read_file(self, opened: Opened, decoder: Decoder, watch: SignalWatch) -> Iterator[Sample]:
        try:
            for burst in bursts(opened.packets(decoder.tracks.read), decoder.burst):
                if self._pace is None and not self.level.sparse:
                    decoder.ahead(burst)
                for packet in burst:
                    if self._stop.is_set():
                        return
                    yield from self._thinned(decoder, packet, watch)
        except (av.error.FFmpegError, ValueError) as error:
            yield Fact(
                FactKind.DECODE_ERROR, self._clock.now, detail={"track": "container", "reason": explain(error)[:80]}
            )
        yield from decoder.flush()

    def _live(self) -> Iterator[Sample]:
        """A live input for ever: read, and when it is lost open it again."""
        watch = SignalWatch()
        failures = 0
        while not self._stop.is_set():
            opened, reason = yield from self._open(watch, first=not self.statistics.openings)
            if opened is not None:
                self.statistics.openings += 1
                if self.statistics.openings > 1:
                    yield Fact(FactKind.RECONNECT, self._clock.now, detail={"opening": self.statistics.openings})
                before = self.statistics.packets
                reason = yield from self._receive(opened, watch)
                failures = 0 if self.statistics.packets > before else failures
            failures += 1
            if reason and (failures == 1 or failures % 20 == 0):
                log.warning("stream %s: no signal: %s", self.source.name, reason)
            yield from self._wait(failures, watch, reason)

    def _open(self, watch: SignalWatch, first: bool) -> Generator[Sample, None, tuple[Opened | None, str]]:
        """Open the input in the background; what is open, or why nothing is."""
        opening = Opening(self.source)
        patience = monotonic() + (START_PATIENCE if first else 0.0)
        try:
            while not self._stop.is_set():
                if (opened := opening.result(TICK)) is not None:
                    return opened, ""
                if monotonic() > patience:
                    yield from watch.idle(self._lost_time(), "no answer yet")
        except InputError as error:
            return None, str(error)
        except GeneratorExit:
            opening.abandon()
            raise
        opening.abandon()
        return None, ""

    def _receive(self, opened: Opened, watch: SignalWatch) -> Generator[Sample, None, str]:
        """Samples until the input ends; the generator's value is why it did."""
        try:
            decoder = self._decode(opened)
        except InputError as error:
            opened.close()
            return str(error)
        self._clock.restart(self._lost_time())
        reader = PacketReader(opened, decoder.tracks.read, patient=opened.pulled)
        self.pulled = opened.pulled
        play_out = PlayOut() if opened.pulled else None
        try:
            for arrival in reader.arrivals(TICK):
                if self._stop.is_set():
                    return ""
                opened.rest(REST if self.level.duty < 1.0 else 0.0)
                if isinstance(arrival, End):
                    yield from decoder.flush()
                    return arrival.reason or "the input ended"
                if arrival is None:
                    yield from decoder.idle()
                    yield from watch.idle(self._lost_time(), "no data arrives")
                    continue
                if dropped := reader.take_dropped():
                    self.statistics.dropped_packets += dropped
                    yield Fact(FactKind.RECEIVER_DROP, self._clock.now, count=dropped, detail={"where": "queue"})
                yield from self._decoded(decoder, arrival, watch, play_out)
        finally:
            reader.stop()
        return ""

    def _decoded(
        self, decoder: Decoder, arrival: Arrival, watch: SignalWatch, play_out: PlayOut | None
    ) -> Iterator[Sample]:
        self.latency = monotonic() - arrival.moment if play_out is None else play_out.lateness
        self.arrived = monotonic() - self.latency
        for sample in self._thinned(decoder, arrival.packet, watch):
            if isinstance(sample, Picture | Sound):
                if play_out is not None:
                    play_out.wait(sample.time, self._stop)
                    self.latency = play_out.lateness
                    self.arrived = monotonic() - self.latency
                self._mark(sample.time, self.latency)
            yield from watch.note(sample)
            yield sample
        yield from watch.undecoded(self._lost_time())

    def _thinned(self, decoder: Decoder, packet: Any, watch: SignalWatch) -> Iterator[Sample]:
        """Decode as much of the packet as the level asks for and the lateness allows."""
        gate = self._gate
        gate.level = self.level
        gate.late = self.latency > (RECOVERED if gate.late else self._tolerated)
        yield from decoder.decode(packet)
        self.statistics.late_pictures += gate.dropped
        gate.dropped = 0
        if decoder.passed_over is not None:
            self._keep_pace(decoder.passed_over)
            yield from watch.passed_over(decoder.passed_over)
            decoder.passed_over = None

    def _keep_pace(self, media_time: float) -> None:
        """Wait until `media_time` is due, where a file is played as if it were live."""
        if self._pace is not None:
            self._anchor = (media_time, self._pace.wait(media_time, self._stop))
            self.latency = self._pace.late
            self.arrived = monotonic() - self.latency

    def _mark(self, media_time: float, latency: float) -> None:
        self._anchor = (media_time, datetime.now(UTC) - timedelta(seconds=latency))
        self._marked = (media_time, monotonic())

    _marked: tuple[float, float] | None = None
    _tolerated = LATE
    _pace: Pace | None = None

    def _lost_time(self) -> float:
        """The media clock, carried on by the machine's own while nothing arrives."""
        if self._marked is None:
            self._marked = (self._clock.now, monotonic())
        media, moment = self._marked
        return max(self._clock.now, media + monotonic() - moment)

    def _wait(self, attempt: int, watch: SignalWatch, reason: str) -> Iterator[Sample]:
        """Wait before the next attempt, telling all the while that there is no signal."""
        longest = doubled(FIRST_WAIT, attempt, LONGEST_WAIT)
        until = monotonic() + random.uniform(0.1, longest)
        while monotonic() < until and not self._stop.wait(min(TICK, max(0.01, until - monotonic()))):
            yield from watch.idle(self._lost_time(), reason)


def open_source(source: Source) -> Capture:
    """Open an input. What cannot be opened raises InputError; a live input is tried again for ever instead."""
    return Capture(source, None if source.live else open_container(source))


def _duration(opened: Opened) -> float | None:
    microseconds = opened.container.duration
    return microseconds / 1_000_000 if microseconds else None
