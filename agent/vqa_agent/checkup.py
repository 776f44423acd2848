"""Is everything there that the agent needs? One answer per question, with what to do about a bad one."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from enum import Enum
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic

from vqa_agent.capture import Source, open_source
from vqa_agent.capture.hardware import WAYS, refusal
from vqa_agent.config import Config, MqttSection, StreamSection
from vqa_agent.errors import AgentError
from vqa_agent.media import Fact, Format, Picture, Sound
from vqa_agent.publish.session import connect
from vqa_agent.service.limits import confine, hold, needs
from vqa_agent.service.stream import cause_of

READ_SECONDS = 3.0
"""How long each input is read, in media seconds."""

INPUT_PATIENCE = 20.0
"""Seconds that an input has to give the first picture or sound."""

LOOK_PATIENCE = 60.0
"""Seconds after which a look at an input hangs: beyond those that opening and reading may take."""

LONGEST_ANSWER = 4096

TIME_ERROR = 5
"""adjtimex(2) returns this while the clock is not synchronised."""


class Grade(Enum):
    GOOD = "good"
    DOUBTFUL = "doubtful"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found about one subject, in one line."""

    grade: Grade
    subject: str
    text: str


def check_machine(config: Config) -> list[Answer]:
    """The state directory, the clock, the budget, the decoders: nothing that leaves the machine."""
    return [_state_dir(config.agent.state_dir), _clock(), _budget(config), _decoders(config), _streams(config)]


def check_network(config: Config) -> Iterator[Answer]:
    """The broker and every input, all at the same time; answers come as they are known."""
    looks = [_Look(stream, config) for stream in config.stream]
    with ThreadPoolExecutor(max_workers=max(2, len(config.stream) + 1)) as pool:
        questions = [pool.submit(_broker, config)]
        questions += [pool.submit(look.answer) for look in looks]
        for question in as_completed(questions):
            yield question.result()


def _state_dir(directory: Path) -> Answer:
    """Whether the directory, or the first of its parents that exists, can be written."""
    existing = next(parent for parent in (directory, *directory.parents) if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            free = os.statvfs(existing).f_bavail * os.statvfs(existing).f_frsize
    except OSError as error:
        return Answer(Grade.BAD, "state_dir", f"{existing}: {error.strerror}; let the agent's user write there")
    if free < 200_000_000:
        return Answer(Grade.DOUBTFUL, "state_dir", f"{directory}: only {free / 1e6:.0f} MB are free; make room")
    return Answer(Grade.GOOD, "state_dir", f"{directory}: can be written, {free / 1e9:.1f} GB are free")


def _clock() -> Answer:
    """Whether the kernel says that the clock follows a reference: events carry wall-clock times."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "adjtimex"):
        return Answer(Grade.DOUBTFUL, "clock", "this system does not say whether its clock is synchronised")
    timex = ctypes.create_string_buffer(512)
    state = libc.adjtimex(timex)
    if state == TIME_ERROR:
        return Answer(Grade.DOUBTFUL, "clock", "not synchronised: events will carry wrong times; set up NTP (chrony)")
    if state < 0:
        return Answer(Grade.DOUBTFUL, "clock", "this user may not ask whether the clock is synchronised")
    return Answer(Grade.GOOD, "clock", "synchronised")


def _budget(config: Config) -> Answer:
    cores, cpu = os.cpu_count() or 1, config.budget.cpu
    if cpu > cores:
        return Answer(Grade.BAD, "budget", f"budget.cpu is {cpu:.0%}, but there are {cores} cores; at most {cores:.0%}")
    return Answer(Grade.GOOD, "budget", f"{cpu:.0%} of a core of {cores}, {config.budget.memory / 1e6:.0f} MB")


def _decoders(config: Config) -> Answer:
    """Whether the hardware that streams are to be decoded by is there, and what else is."""
    refusals = {decode: refusal(decode) for decode in WAYS}
    wanted = {stream.decode: stream.name for stream in config.stream if refusals.get(stream.decode)}
    if wanted:
        texts = (f"stream {name}: decode = {decode}: {refusals[decode]}" for decode, name in wanted.items())
        return Answer(Grade.DOUBTFUL, "decoders", f"{'; '.join(texts)}; software will decode")
    found = ", ".join(decode for decode, reason in refusals.items() if not reason)
    return Answer(Grade.GOOD, "decoders", f"software, {found or 'no hardware that FFmpeg can use here'}")


def _streams(config: Config) -> Answer:
    if not config.stream:
        return Answer(Grade.DOUBTFUL, "streams", "none is configured; add a [[stream]] with name and url")
    return Answer(Grade.GOOD, "streams", ", ".join(stream.name for stream in config.stream))


def _broker(config: Config) -> Answer:
    settings: MqttSection = config.mqtt
    if not settings.url:
        return Answer(Grade.DOUBTFUL, "broker", "mqtt.url is not set: events stay in the outbox until they are too old")
    try:
        session = connect(settings, f"{config.agent.site}-{config.agent.id}-check")
    except AgentError as error:
        return Answer(Grade.BAD, "broker", str(error))
    version = "MQTT 5" if session.is_mqtt5 else "MQTT 3.1.1 only, so the Last Will comes without a delay"
    session.close()
    secure = "" if settings.url.startswith("mqtts") else "; not encrypted: use mqtts:// on a network that is not yours"
    return Answer(Grade.GOOD, "broker", f"{settings.url}: {version}{secure}")


class _Look:
    """A look at one input, in a process of its own that is sealed like a worker: what is checked is not yet trusted.

    It is forked, so begin all before there are threads.
    """

    def __init__(self, stream: StreamSection, config: Config) -> None:
        self._subject = f"stream {stream.name}"
        context = multiprocessing.get_context("fork")
        self._pipe, theirs = context.Pipe(duplex=False)
        self._process = context.Process(target=_look, args=(stream, config, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def answer(self) -> Answer:
        """Waits for it. The process says it as text: what it says is not trusted either."""
        try:
            if not self._pipe.poll(LOOK_PATIENCE):
                return Answer(Grade.BAD, self._subject, f"reading it hung for {LOOK_PATIENCE:.0f} s; is it a stream?")
            grade, _, text = self._pipe.recv_bytes(LONGEST_ANSWER).decode(errors="replace").partition(" ")
            return Answer(Grade(grade), self._subject, text)
        except (EOFError, OSError, ValueError):
            self._process.join(1.0)
            reason = cause_of(self._process.exitcode)
            return Answer(
                Grade.BAD, self._subject, f"the decoder failed on it: {reason}; let somebody look at the stream"
            )
        finally:
            self._process.kill()


def _look(stream: StreamSection, config: Config, pipe: Connection) -> None:
    confine(config.budget.memory)
    hold(f"stream {stream.name}", needs(stream, config))
    answer = _input(stream)
    pipe.send_bytes(f"{answer.grade.value} {answer.text}".encode(errors="replace")[:LONGEST_ANSWER])


def _input(stream: StreamSection) -> Answer:
    subject = f"stream {stream.name}"
    source = replace(Source.from_config(stream), loop=False, realtime=False)
    try:
        found, counts = _read(source)
    except AgentError as error:
        return Answer(Grade.BAD, subject, str(error))
    if not sum(counts.values()):
        reason = "; ".join(sorted(found.reasons)) or "no answer"
        return Answer(Grade.BAD, subject, f"{source.describe()}: neither pictures nor sound arrive: {reason}")
    missing = [track for track, count in counts.items() if not count]
    text = f"{source.describe()}: {describe(found.format)}"
    if missing:
        return Answer(Grade.DOUBTFUL, subject, f"{text}; no {missing[0]} in it: say so under expect if it should be")
    return Answer(Grade.GOOD, subject, text)


@dataclass(slots=True)
class _Found:
    format: Format
    reasons: set[str]


def _read(source: Source) -> tuple[_Found, dict[str, int]]:
    """Read for `READ_SECONDS` from the first picture or sound on, or give up after `INPUT_PATIENCE`."""
    counts = {"pictures": 0, "sound": 0}
    reasons: set[str] = set()
    began = monotonic()
    with open_source(source) as capture:
        first: float | None = None
        for sample in capture.samples():
            if isinstance(sample, Picture | Sound):
                counts["pictures" if isinstance(sample, Picture) else "sound"] += 1
                first = sample.time if first is None else first
            elif isinstance(sample, Fact) and (reason := sample.detail.get("reason")):
                reasons.add(str(reason))
            if (first is not None and sample.time >= first + READ_SECONDS) or (
                first is None and monotonic() - began > INPUT_PATIENCE
            ):
                break
        return _Found(capture.format, reasons), counts


def describe(known: Format) -> str:
    """A format in words.

    >>> describe(Format(video_codec="h264", width=1920, height=1080, rate=25.0, scan="progressive"))
    'h264 1920x1080 25 progressive'
    """
    picture = f"{known.video_codec} {known.width}x{known.height} {known.rate:g} {known.scan}" if known.width else ""
    sound = f"{known.audio_codec} {known.sample_rate} Hz {known.layout}" if known.audio_codec else ""
    return ", ".join(part.strip() for part in (picture, sound) if part)
