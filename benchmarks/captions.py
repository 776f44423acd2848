"""How surely caption_sync finds a lag, and how often it finds one that is not there; on made speech.

    python -m benchmarks.captions [--voices 7] [--seconds 150]

Each voice is captioned by a hand that errs by 0.4 s (one standard deviation), in time and four seconds late; and with
the text of every other voice, which has nothing to do with it: there, every answer beyond the limits is a false alarm.
"""

from __future__ import annotations

import argparse
import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from vqa_agent.detect import Finding, Profile
from vqa_agent.detect.caption_sync import CaptionSync, CaptionSyncSettings
from vqa_agent.media import Caption, CaptionKind, Sound
from vqa_agent.simulate.captions import Cue, delayed
from vqa_agent.simulate.talk import RATE, Phrase, talk

JITTER = 0.4
LETTERS_PER_SECOND = 14


@dataclass
class Result:
    """What became of the programmes of one kind."""

    programmes: int = 0
    answered: int = 0
    alarmed: int = 0
    errors: list[float] = field(default_factory=list)


def cues_of(phrases: Iterable[Phrase], seed: int) -> list[Cue]:
    """A cue for each phrase, as long as it takes to be said."""
    rng = np.random.default_rng(seed)
    return [
        Cue(
            max(0.0, phrase.start + float(rng.normal(0, JITTER))),
            phrase.end + float(rng.uniform(0, 0.3)),
            "x" * round((phrase.end - phrase.start) * LETTERS_PER_SECOND),
        )
        for phrase in phrases
    ]


def pop_on(cues: Iterable[Cue]) -> Iterator[Caption]:
    """Each cue at once."""
    return (Caption(cue.start, "cc1", CaptionKind.POP_ON, cue.text, until=cue.end) for cue in cues)


def roll_up(cues: Iterable[Cue]) -> Iterator[Caption]:
    """Each cue five letters at a time."""
    for cue in cues:
        for at in range(0, len(cue.text), 5):
            time = cue.start + (cue.end - cue.start) * at / len(cue.text)
            yield Caption(time, "cc1", CaptionKind.ROLL_UP, cue.text[at : at + 5])


def blocks(wave: np.ndarray) -> Iterator[Sound]:
    size = RATE // 10
    for at in range(0, wave.shape[1], size):
        yield Sound(time=at / RATE, rate=RATE, samples=wave[:, at : at + size])


def findings(sound: list[Sound], captions: Iterable[Caption]) -> list[Finding]:
    detector = CaptionSync(CaptionSyncSettings(), Profile.FILE)
    streams: list[Iterable[Sound | Caption]] = [sound, captions]
    samples = heapq.merge(*streams, key=lambda sample: sample.time)
    return [finding for sample in samples for finding in detector.look(sample)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voices", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=150.0)
    options = parser.parse_args()
    voices = [talk(options.seconds, channels=1, seed=seed) for seed in range(options.voices)]
    sounds = [list(blocks(wave)) for wave, _ in voices]
    appear: dict[str, Callable[[Iterable[Cue]], Iterator[Caption]]] = {"pop-on": pop_on, "roll-up": roll_up}
    results: dict[str, Result] = {}
    for name, show in appear.items():
        for number, sound in enumerate(sounds):
            for other, (_, phrases) in enumerate(voices):
                for lag in (0.0, 4.0):
                    kind = f"{name}, {lag:.0f} s late" if other == number else f"{name}, another's text"
                    result = results.setdefault(kind, Result())
                    found = findings(sound, show(delayed(cues_of(phrases, other), lag)))
                    result.programmes += 1
                    result.answered += bool(found)
                    result.alarmed += any(finding.bad for finding in found)
                    if other == number:
                        result.errors += [abs(finding.detail["lag_ms"] / 1000 - lag) for finding in found]
    print("| captions | programmes | answered | beyond the limits | greatest error (s) |\n|---|---|---|---|---|")
    for kind, result in results.items():
        worst = f"{max(result.errors):.1f}" if result.errors else ""
        print(f"| {kind} | {result.programmes} | {result.answered} | {result.alarmed} | {worst} |")


if __name__ == "__main__":
    main()
