"""Captions that cannot be read."""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import Field

from vqa_agent.detect.interface import Detector, Finding, Rule, Settings, register
from vqa_agent.media import Caption, CaptionKind, Fact, FactKind, Sound

WINDOW = 20.0
"""Media seconds of text that are judged together."""

LEAST_LETTERS = 40
LEAST_CAPTIONS = 3
LEAST_ERRORS = 6
REPEATS = 4
REPEATED_LETTERS = 12
LONGEST_WORD = 24.0
"""Mean length of words beyond which text that is written with spaces is none."""

NOTES = re.compile(r"[♪♫#*>\-\s]+|\[[^\]]*\]|\([^)]*\)")
"""What describes sound or marks a speaker: says nothing of damage, and may be repeated."""

MISREAD = re.compile("[ÂÃâ][\u0080-\u00bf€™œ]")
"""UTF-8 read as Latin-1."""

INNER_CAPITAL = re.compile(r"[a-z][A-Z]")
ALPHABETIC = re.compile(r"[A-Za-zÀ-ɏͰ-ӿ]")
DAMAGED = frozenset("█\ufffd")


class CaptionQualitySettings(Settings):
    speed: float = Field(25.0, gt=0, description="Characters a second beyond which text cannot be read.")
    garbage: float = Field(0.05, gt=0, le=1, description="Share of characters that belong to no language.")
    parity: float = Field(0.01, gt=0, le=1, description="Share of CEA-608 bytes with the wrong parity.")


@dataclass(slots=True)
class _Shown:
    """Text that one service showed, and for how long."""

    time: float
    text: str
    kind: CaptionKind
    until: float | None


@register(
    "caption_quality",
    reads="captions",
    cost="cheap",
    live=Rule(set_time=60.0, clear_time=0.0),
    file=Rule(set_time=30.0, clear_time=0.0),
)
class CaptionQuality(Detector[CaptionQualitySettings]):
    """Sees: captions that are too fast to be read, damaged text, a text sent again and again, wrong parity of CEA-608.

    Formula: once a second, over the text of the last 20 s. *fast*: characters divided by the time for which they stood
    on the screen (roll-up: by the 20 s) exceed `speed`, over at least three captions. *garbage*: more than `garbage` of
    the characters are replacement blocks, controls or unassigned, or UTF-8 read as Latin-1; or the text looks like no
    writing: too few letters, capitals inside words, no spaces. *repeats*: four captions on end say the same.
    *parity*: at least six bytes and more than `parity` of all but padding have the wrong parity. Song and sound
    descriptions do not count. What is bad for `set_time` is an event.

    Settings: lower `speed` to 20 to hold prepared captions to a style guide; raise `parity` on a noisy analogue link.

    Mistakes: a chant repeated word for word; codes or addresses read out for minutes. Misses: wrong words, wrong
    language, bitmaps (not read), captions in a wrong place.

    Source: style guides ask for at most 17 to 20 characters a second (Netflix Timed Text) and 160 to 180 words a minute
    (BBC), about 16; 25 is beyond all of them. Parity and its replacement block: ANSI/CTA-608-E.

    >>> detector = CaptionQuality(CaptionQualitySettings())
    >>> facts = []
    >>> for second in range(8):
    ...     caption = Caption(second, "cc1", CaptionKind.POP_ON, f"line {second} of a text nobody can read")
    ...     carried = Fact(FactKind.CAPTIONS, second, 1.0, detail={"service": "608", "readable": True})
    ...     facts += [*detector.look(caption), *detector.look(carried)]
    >>> [(finding.bad, finding.detail["kind"]) for finding in facts][-1]
    (True, 'fast')
    """

    def reset(self) -> None:
        self._shown: dict[str, deque[_Shown]] = {}
        self._parity: deque[tuple[float, int, int]] = deque()

    def look(self, sample: Fact | Sound | Caption) -> Iterable[Finding]:
        if isinstance(sample, Caption):
            self._take(sample)
        elif isinstance(sample, Fact) and sample.kind is FactKind.CAPTIONS:
            yield from self._judge(sample)

    def _take(self, caption: Caption) -> None:
        shown = self._shown.setdefault(caption.service, deque())
        if shown and shown[-1].until is None and caption.kind is not CaptionKind.ROLL_UP:
            shown[-1].until = caption.time
        if not caption.text:
            if caption.shown and shown and caption.until is not None:
                shown[-1].until = caption.until
            return
        if caption.kind is CaptionKind.ROLL_UP and shown and not caption.text.startswith("\n"):
            shown[-1].text += caption.text
        else:
            shown.append(_Shown(caption.time, caption.text.lstrip("\n"), caption.kind, caption.until))

    def _judge(self, fact: Fact) -> Iterable[Finding]:
        """One finding a second, of the worst that is seen; each service that is stated gives the occasion."""
        count, errors = (int(fact.detail.get(key) or 0) for key in ("bytes", "parity_errors"))
        self._parity.append((fact.end, count, errors))
        while self._parity[0][0] < fact.end - WINDOW:
            self._parity.popleft()
        found = [self._parity_errors(), *(self._read(service, fact.end) for service in self._shown)]
        kind, value, score = max(found, key=lambda each: each[2])
        bad = score > 0.5
        yield Finding(
            detector=self.name,
            start=fact.time,
            end=fact.end,
            score=score,
            bad=bad,
            detail={"kind": kind, "value": round(value, 3)} if bad else {"kind": ""},
        )

    def _parity_errors(self) -> tuple[str, float, float]:
        count, errors = (sum(each[part] for each in self._parity) for part in (1, 2))
        share = errors / count if count else 0.0
        return "parity", share, _score(share, self.settings.parity) if errors >= LEAST_ERRORS else 0.0

    def _read(self, service: str, now: float) -> tuple[str, float, float]:
        """Which fault the text of one service has: its name, its value, and a score beyond 0.5 where it is bad."""
        shown = self._shown[service]
        while shown and shown[0].time < now - WINDOW:
            shown.popleft()
        speed, strange = reading_speed(shown), strangeness("\n".join(each.text for each in shown))
        said = [each.text for each in shown]
        repeats = repeated(said[:-1] if shown and shown[-1].kind is CaptionKind.ROLL_UP else said)
        return max(
            ("fast", speed, _score(speed, self.settings.speed)),
            ("garbage", strange, _score(strange, self.settings.garbage)),
            ("repeats", float(repeats), 0.9 if repeats >= REPEATS else 0.0),
            key=lambda each: each[2],
        )


def _score(value: float, limit: float) -> float:
    """0.5 at the limit, towards 1 beyond."""
    return value / (value + limit) if value > 0 else 0.0


def reading_speed(shown: Iterable[_Shown]) -> float:
    """Characters a second of screen time; 0 where there is too little text to tell."""
    ended = [each for each in shown if each.until is not None or each.kind is CaptionKind.ROLL_UP]
    letters = sum(len(" ".join(each.text.split())) for each in ended)
    if len(ended) < LEAST_CAPTIONS or letters < LEAST_LETTERS:
        return 0.0
    if ended[-1].kind is CaptionKind.ROLL_UP:
        return letters / WINDOW
    return letters / max(0.1, sum((each.until or each.time) - each.time for each in ended))


def strangeness(text: str) -> float:
    """Share of `text` that belongs to no language; 1.0 where it does not look like writing at all.

    >>> strangeness("A plain sentence, written in 2026 by someone.")
    0.0
    >>> strangeness("tH#9 xQ~z%kW@@ vB^n&& pL$rT9 qZ{x}JkmR")
    1.0
    """
    text = NOTES.sub(" ", text)
    written = [letter for letter in text if not letter.isspace()]
    if len(written) < LEAST_LETTERS * 3 // 4:
        return 0.0
    wrong = sum(letter in DAMAGED or unicodedata.category(letter) in ("Cc", "Cn", "Co", "Cs") for letter in written)
    wrong += 2 * len(MISREAD.findall(text))
    letters = sum(unicodedata.category(letter)[0] in "LM" for letter in written)
    words = text.split()
    alphabetic = len(ALPHABETIC.findall(text)) > len(written) / 2
    shapeless = (
        letters < 0.65 * len(written) - sum(letter.isdigit() for letter in written)
        or (alphabetic and len(written) / max(1, len(words)) > LONGEST_WORD)
        or len(INNER_CAPITAL.findall(text)) > 0.08 * len(written)
    )
    return 1.0 if shapeless else wrong / len(written)


def repeated(texts: list[str]) -> int:
    """How many of the last captions say the same; descriptions of sound and single words may."""
    if not texts or len(NOTES.sub("", texts[-1])) < REPEATED_LETTERS:
        return 0
    return next((number for number, text in enumerate(reversed(texts)) if text != texts[-1]), len(texts))
