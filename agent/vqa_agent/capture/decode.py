"""Packets of one open container to pictures, sound and facts, on the media clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import islice
from typing import Any

import av
import av.error
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from vqa_agent.capture.captions import CaptionReader
from vqa_agent.capture.clock import MediaClock
from vqa_agent.capture.gate import Gate
from vqa_agent.capture.hardware import Hardware
from vqa_agent.capture.picture import PictureMaker
from vqa_agent.capture.picture_decoder import PictureDecoder, drained
from vqa_agent.capture.sound import SoundAssembler
from vqa_agent.capture.transport import Monitor
from vqa_agent.errors import one_line
from vqa_agent.media import Fact, FactKind, Format, Sample, Value

MAX_PICTURE_DURATION = 10.0
"""Seconds; a picture's own duration beyond this is not believed."""

BURST, BURST_PIXELS = 16, 1920 * 1088
"""Packets that may be decoded ahead, and the size of picture up to which the memory that this takes is little."""


@dataclass(slots=True)
class Statistics:
    """Running totals since the input was first opened."""

    packets: int = 0
    bytes: int = 0
    pictures: int = 0
    decode_errors: int = 0
    corrupt_packets: int = 0
    corrupt_pictures: int = 0
    dropped_packets: int = 0
    late_pictures: int = 0
    """Pictures that were not decoded because this machine was too slow."""
    openings: int = 0
    transport: Counter[str] = field(default_factory=Counter)
    """How often each indicator of TR 101 290 was raised, and what was lost on the way here."""


@dataclass
class Tracks:
    """The tracks of a container that are looked at."""

    video: VideoStream | None
    audio: AudioStream | None
    subtitles: tuple[Any, ...] = ()
    segmented: bool = False
    """Whether they come in segments, of which a playlist may splice others in (HLS)."""

    @property
    def chosen(self) -> list[Any]:
        """The tracks of pictures and sound."""
        return [stream for stream in (self.video, self.audio) if stream is not None]

    @property
    def read(self) -> list[Any]:
        """Every track whose packets are read."""
        return [*self.chosen, *self.subtitles]


def choose_tracks(container: Any) -> Tracks:
    """The best picture track that is not a cover picture, the best sound track, subtitles; those of one programme."""
    videos = [stream for stream in container.streams.video if not is_cover(stream) and stream.codec_context]
    best = container.streams.best("video")
    video = best if best in videos else next(iter(videos), None)
    audio = container.streams.best("audio", related=video) if container.streams.audio else None
    segmented = container.format.name == "hls"
    return Tracks(
        video,
        audio if audio is not None and audio.codec_context else None,
        tuple(_subtitles(container, video, several=len(videos) > 1)),
        segmented,
    )


def _subtitles(container: Any, video: Any, several: bool) -> list[Any]:
    """The subtitle tracks, of several programmes only the best of the right one; forced ones say nothing of speech."""
    tracks = list(container.streams.subtitles)
    if several:
        tracks = [container.streams.best("subtitle", related=video)] if tracks else []
    return [track for track in tracks if track is not None and not track.disposition & av.stream.Disposition.forced]


def is_cover(stream: Any) -> bool:
    """Whether a track is a still that is attached to a sound file."""
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


@dataclass
class Decoder:
    """Decodes the chosen tracks of one container. A `monitor` says what their transport packets say themselves."""

    tracks: Tracks
    clock: MediaClock
    statistics: Statistics = field(default_factory=Statistics)
    format: Format = field(default_factory=Format)
    gate: Gate = field(default_factory=Gate)
    monitor: Monitor | None = None
    hardware: Hardware = field(default_factory=Hardware)

    def __post_init__(self) -> None:
        self._pictures = PictureMaker()
        self._sounds = SoundAssembler()
        self._captions = CaptionReader(self.clock, self.tracks.subtitles, self.tracks.segmented)
        self._joined: set[str] = set()
        """Tracks that have been decoded; what cannot be before that is a stream joined in the middle."""
        self._marks: dict[str, tuple[Any, ...]] = {}
        """By which the last format of pictures and of sound is known again."""
        self._shown: tuple[float | None, float] | None = None
        """The last picture's time stamp and media second."""
        self._follows = True
        """Whether every picture since the last one was decoded."""
        self.passed_over: float | None = None
        """Media second up to which coded pictures were left out just now."""
        self._ahead: dict[Any, list[Any] | av.error.FFmpegError] = {}
        """What has been decoded of packets that were not yet asked for."""

    def open(self, threads: int = 1) -> None:
        """Prepare the codecs for `threads` threads each."""
        for stream in self.tracks.chosen:
            stream.codec_context.thread_count = threads
            stream.codec_context.thread_type = "AUTO" if threads > 1 else "SLICE"
        if self.tracks.video is not None:
            self._coded = PictureDecoder(self.tracks.video, self.gate, self.hardware)

    @property
    def burst(self) -> int:
        """Packets that are worth decoding at once."""
        video = self.tracks.video
        small = video is None or video.width * video.height <= BURST_PIXELS
        return BURST if small else 1

    def ahead(self, packets: Sequence[Any]) -> None:
        """Decode `packets` now, for `decode`, which must be given them next, with nothing left out.

        A decoder that runs for several pictures, and then detectors that do, find their code in the processor's caches:
        that saves a twentieth of an analysis' CPU.
        """
        self._ahead = {packet: self._frames(packet) for packet in packets if packet.stream.type != "subtitle"}

    def _frames(self, packet: Any) -> list[Any] | av.error.FFmpegError:
        """What the decoder makes of `packet`, or why it cannot."""
        try:
            return list(self._coded.decode(packet) if packet.stream.type == "video" else packet.decode())
        except av.error.FFmpegError as error:
            return error

    def decode(self, packet: Any) -> Iterator[Sample]:
        """What `packet` completes. A packet that cannot be decoded gives a fact instead."""
        stream = packet.stream
        self.statistics.packets += 1
        self.statistics.bytes += packet.size
        if self.monitor is not None and packet.pos is not None:
            yield from self.monitor.facts(self.clock.now, packet.pos)
        if packet.is_corrupt:
            self.statistics.corrupt_packets += 1
            self._doubt(packet)
            if self.monitor is None and not self.tracks.segmented:
                yield self._fact(FactKind.CONTINUITY, stream)
        if stream.type == "subtitle":
            self._captions.subtitle(packet)
            return
        if stream.type == "video":
            self._captions.coded_picture(packet)
            let_in = self.gate.lets_in(packet, self.clock.now)
            if not let_in or self.gate.sparse:
                yield from self._pass_over(packet)
            if not let_in:
                for frame in self._coded.let_go():
                    yield from self._present(stream, frame)
                return
        frames = self._ahead.pop(packet) if packet in self._ahead else self._frames(packet)
        if isinstance(frames, av.error.FFmpegError):
            self.statistics.decode_errors += 1
            self._doubt(packet)
            if stream.type in self._joined:
                yield self._fact(FactKind.DECODE_ERROR, stream, reason=one_line(frames.strerror or frames)[:80])
            return
        for frame in frames:
            yield from self._present(stream, frame)

    def _pass_over(self, packet: Any) -> Iterator[Fact]:
        """Move the clock on over a picture that may not be decoded: its absence must not look like a jump."""
        self._follows = False
        if packet.dts is None or not packet.time_base or self.clock.locate(0.0) is None:
            return
        duration = float((packet.duration or 0) * packet.time_base)
        stamp = self.clock.stamp("coded pictures", float(packet.dts * packet.time_base), duration)
        if stamp.jump:
            yield from self._jump("video", stamp.time, stamp.jump)
        self.passed_over = stamp.time + duration

    def _doubt(self, packet: Any) -> None:
        """What is predicted from the picture in `packet` may be damaged."""
        stamp = packet.dts if packet.pts is None else packet.pts
        if packet.stream is self.tracks.video and stamp is not None and packet.time_base:
            self._pictures.doubt.begin(float(stamp * packet.time_base))

    def idle(self) -> Iterator[Fact]:
        """What is known of the transport while there is nothing to decode."""
        if self.monitor is not None:
            yield from self.monitor.facts(self.clock.now)

    def flush(self) -> Iterator[Sample]:
        """What the decoders still hold, at the end of the input."""
        for stream in self.tracks.chosen:
            with suppress(av.error.FFmpegError):
                held = self._coded.drain() if stream.type == "video" else drained(stream.codec_context, stream)
                for frame in held:
                    yield from self._present(stream, frame)
        yield from self._sounds.flush()
        yield from self.idle()

    def _present(self, stream: Any, frame: Any) -> Iterator[Sample]:
        if stream is self.tracks.video:
            yield from self._present_picture(stream, frame)
        else:
            yield from self._present_sound(stream, frame)

    def _present_picture(self, stream: Any, frame: av.VideoFrame) -> Iterator[Sample]:
        if not self.gate.is_whole(frame):
            self._follows = False
            return
        duration = picture_duration(stream, frame)
        stamp = self.clock.stamp("video", _seconds(frame), duration)
        if stamp.jump:
            yield from self._jump("video", stamp.time, stamp.jump)
            self._captions.forget()
        yield from self._formats(stream, frame, stamp.time)
        picture = self._pictures.make(frame, stamp.time, duration, self._follows)
        self._follows = not self.gate.sparse
        if picture.key or not picture.corrupt:
            self._joined.add("video")
        if picture.corrupt and "video" in self._joined:
            self.statistics.corrupt_pictures += 1
            yield self._fact(FactKind.CORRUPT_PICTURE, stream, time=stamp.time)
        self.statistics.pictures += 1
        yield picture
        if not self.gate.sparse:
            yield from self._captions.presented(_seconds(frame), stamp.time)
        elif self._shown is not None:
            # Pictures that are shown before this one, with their captions, may be coded after it.
            yield from self._captions.presented(self._shown[0], self._shown[1])
        self._shown = (_seconds(frame), stamp.time)

    def _present_sound(self, stream: Any, frame: av.AudioFrame) -> Iterator[Sample]:
        if not frame.samples or not frame.sample_rate:
            return
        self._joined.add("audio")
        stamp = self.clock.stamp("audio", _seconds(frame), frame.samples / frame.sample_rate)
        if stamp.jump:
            yield from self._jump("audio", stamp.time, stamp.jump)
        yield from self._formats(stream, frame, stamp.time)
        yield from self._sounds.add(frame, stamp.time)
        yield from self._captions.due()

    def _formats(self, stream: Any, frame: Any, time: float) -> Iterator[Fact]:
        """The format, where `frame` or the captions show another than before. Most frames are told by their marks."""
        video = stream.type == "video"
        marks = (_picture_marks if video else _sound_marks)(frame), self._captions.services
        if self._marks.get(stream.type) == marks:
            return
        self._marks[stream.type] = marks
        seen = self._video_format(stream, frame) if video else self._audio_format(stream, frame)
        if seen != self.format:
            self.format = seen
            yield Fact(FactKind.FORMAT, time, detail=seen.detail())

    def _video_format(self, stream: Any, frame: av.VideoFrame) -> Format:
        return replace(
            self.format,
            video_codec=stream.codec_context.name,
            width=frame.width,
            height=frame.height,
            rate=round(float(nominal_rate(stream)), 3),
            scan="interlaced" if frame.interlaced_frame else (self.format.scan or "progressive"),
            pixel_format=frame.format.name,
            captions=self._captions.services,
        )

    def _audio_format(self, stream: Any, frame: av.AudioFrame) -> Format:
        return replace(
            self.format,
            audio_codec=stream.codec_context.name,
            sample_rate=frame.sample_rate,
            layout=frame.layout.name,
            captions=self._captions.services,
        )

    def _jump(self, track: str, time: float, jump: float) -> Iterator[Fact]:
        """A playlist may splice: what begins anew with a segment is no error, and its packets are counted anew too."""
        self._pictures.forget()
        if not self.tracks.segmented:
            yield Fact(FactKind.PTS_JUMP, time, detail={"track": track, "seconds": round(jump, 3)})

    def _fact(self, kind: FactKind, stream: Any, time: float | None = None, **detail: Value) -> Fact:
        moment = self.clock.now if time is None else time
        return Fact(kind, moment, detail={"track": stream.type, "pid": stream.id, **detail})


def _picture_marks(frame: av.VideoFrame) -> tuple[Any, ...]:
    return frame.width, frame.height, frame.interlaced_frame, frame.format.name


def _sound_marks(frame: av.AudioFrame) -> tuple[Any, ...]:
    return frame.sample_rate, frame.layout.name


def bursts(packets: Iterator[Any], size: int) -> Iterator[list[Any]]:
    """`packets` by `size`, without those that only mark the end; what raises does so after what came before it."""
    while True:
        burst: list[Any] = []
        try:
            burst.extend(islice((packet for packet in packets if packet.size or packet.dts is not None), size))
        except (av.error.FFmpegError, ValueError):
            yield burst
            raise
        yield burst
        if len(burst) < size:
            return


def nominal_rate(stream: Any) -> Fraction:
    """Pictures a second, as the container guesses; 25 where it cannot."""
    rate = stream.average_rate or stream.guessed_rate or stream.base_rate
    return rate if rate and 0 < rate <= 1000 else Fraction(25)


def picture_duration(stream: Any, frame: av.VideoFrame) -> float:
    """Seconds for which a picture is shown: its own duration, or the nominal step; pulled-up fields counted."""
    if frame.duration and frame.time_base:
        seconds = float(frame.duration * frame.time_base)
        if 0 < seconds <= MAX_PICTURE_DURATION:
            return seconds
    return 1 / float(nominal_rate(stream))


def _seconds(frame: Any) -> float | None:
    """Presentation time in the source's own seconds. A time of 0 may be one without any unit."""
    moment: float | None = frame.time
    return moment if moment or (moment is not None and frame.time_base) else None
