"""Made speech and captions for it, as samples: what the caption detectors are shown in these tests."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from tests.detect import samples
from vqa_agent.capture import Source, open_source
from vqa_agent.media import Caption, CaptionKind, Fact, FactKind, Sample, Samples, Sound
from vqa_agent.simulate.captions import Cue
from vqa_agent.simulate.talk import RATE, Phrase, talk

SAID = "we went down to the harbour and there was nobody there so he told me that it would rain again"
WORDS = SAID.split()
MEDIA = Path(__file__).parents[3] / "shared" / "media"


@cache
def talked(seconds: float, seed: int = 0) -> tuple[Samples, list[Phrase]]:
    """Made speech. Not to be written to."""
    return talk(seconds, seed=seed)


def speech(seconds: float, seed: int = 0, start: float = 0.0) -> Iterator[Sound]:
    return samples.sound_blocks(talked(seconds, seed)[0], RATE, ("FL", "FR"), start)


def made(make: Callable[..., Samples], seconds: float = 120.0, *options: float) -> Iterator[Sound]:
    """Other sound than speech, made at the same rate."""
    return samples.sound_blocks(make(seconds, *options, rate=RATE), RATE)


def wording(seconds: float, rng: np.random.Generator, speed: float = 14.0) -> str:
    """Words that take about `seconds` to be said at `speed` characters a second."""
    text = str(rng.choice(WORDS))
    while len(text) < seconds * speed - 4:
        text += " " + str(rng.choice(WORDS))
    return text


def cues(phrases: Iterable[Phrase], seed: int = 0, jitter: float = 0.25) -> list[Cue]:
    """One cue for each phrase, by a hand that is not exact and leaves the text standing a little longer."""
    rng = np.random.default_rng(seed)
    return [
        Cue(
            max(0.0, phrase.start + float(rng.normal(0, jitter))),
            phrase.end + float(rng.uniform(0, 0.3)),
            wording(phrase.end - phrase.start, rng),
        )
        for phrase in phrases
    ]


def popped(shown: Sequence[Cue], service: str = "cc1") -> Iterator[Caption]:
    """Pop-on captions: each is shown at once and cleared at its end, unless the next has come."""
    for number, cue in enumerate(shown):
        yield Caption(cue.start, service, CaptionKind.POP_ON, cue.text)
        if number + 1 == len(shown) or shown[number + 1].start > cue.end:
            yield Caption(cue.end, service, CaptionKind.POP_ON, shown=False)


def typed(shown: Iterable[Cue], service: str = "cc1") -> Iterator[Caption]:
    """Roll-up captions: each cue a row that is typed word by word."""
    for cue in shown:
        words = cue.text.split(" ")
        for number, word in enumerate(words):
            time = cue.start + (cue.end - cue.start) * number / len(words)
            yield Caption(time, service, CaptionKind.ROLL_UP, " " + word if number else "\n" + word)


def carried(start: float, end: float, service: str = "608", readable: bool = True, **detail: int) -> Iterator[Fact]:
    """A service that is carried, stated once a second."""
    known = {"service": service, "readable": readable, "bytes": 60, "parity_errors": 0, **detail}
    for second in np.arange(start, end):
        yield Fact(FactKind.CAPTIONS, float(second), 1.0, detail=known)


def before(material: Iterable[Sample], end: float, start: float = 0.0) -> Iterator[Sample]:
    """What of the samples lies between two seconds."""
    return (sample for sample in material if start <= sample.time < end)


def recordings(folder: str, seconds: float, each: float = 12.0) -> Iterator[Sound]:
    """Real sound, recordings one after the other, the first channel at its own rate."""
    time = 0.0
    for file in sorted((MEDIA / "sound" / folder).glob("*.flac")):
        with open_source(Source(name=file.stem, url=str(file), live=False)) as capture:
            blocks = [sample for sample in capture.samples() if isinstance(sample, Sound)]
        for block in blocks[: round(each * 10)]:
            if block.samples.shape[1] * 10 >= block.rate - 10:
                yield Sound(time=time, rate=block.rate, samples=np.ascontiguousarray(block.samples[:1]))
                time += 0.1
        if time >= seconds:
            return


def phrases_of(blocks: Sequence[Sound]) -> list[Phrase]:
    """The phrases of a recording, told by its level alone: parted by 0.4 s of quiet, or after 4.5 s."""
    levels = np.array([float(block.level[0]) for block in blocks])
    loud = np.flatnonzero(levels > np.percentile(levels, 95) - 25)
    phrases, first = [], loud[0]
    for one, after in itertools.pairwise([*loud, loud[-1] + 10]):
        if after - one > 4 or after - first > 45:
            phrases.append(Phrase(float(first) / 10, float(one + 1) / 10))
            first = after
    return [phrase for phrase in phrases if phrase.end - phrase.start > 0.4]
