"""A few seconds of pictures and sound, and what they say about lip sync."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vqa_agent.infer import Model
from vqa_agent.lipsync import voice
from vqa_agent.lipsync.aggregate import Opinion, Reason, Talker, decide
from vqa_agent.lipsync.embed import ROWS_PER_SLOT, embed
from vqa_agent.lipsync.events import BeepWatch, FlashWatch, PatternOffset, pattern_offset
from vqa_agent.lipsync.follow import SLOT, Find, Mouth, MouthFollower
from vqa_agent.lipsync.mouth import movement
from vqa_agent.lipsync.similarity import SEARCH, distances
from vqa_agent.media import Picture, Sound

LEAST_SLOTS = 25
"""Slots in which a face must be seen to count: 1 s."""

LEAST_RATE = 0.8
"""Least share of a fragment's slots that must have a picture: with fewer, the movement of the lips is lost."""

LARGEST = 3
"""Faces of a fragment that are looked at, those that are seen longest and largest first."""

NEAR = 25
"""Slots before and after the pictures whose sound tells how loud the voice is, and of what colour: 1 s."""

AROUND = SEARCH * SLOT
"""Seconds of sound before and after the pictures that are listened to."""

LEAST_CLAPS = 3
"""Claps that must lie at one offset from cuts or flashes before it is told: fewer do so by chance."""


class Listener:
    """All that is kept of the sound: rows of the voice, and beeps, for a few seconds."""

    def __init__(self) -> None:
        self.ear = voice.Ear()
        self.beeps = BeepWatch()
        self.end = 0.0

    def hear(self, sound: Sound) -> None:
        """Take in the next block."""
        self.ear.hear(sound)
        self.beeps.hear(sound)
        self.end = sound.end

    def forget(self, before: float) -> None:
        """Let go of what lies before media second `before`."""
        self.ear.forget(int(before / voice.STEP))
        self.beeps.forget(before)


class Fragment:
    """The pictures from `start` to `end` (media seconds): mouths and flashes, not the pictures themselves."""

    def __init__(self, start: float, end: float, find: Find) -> None:
        self.start, self.end = start, end
        self.seen_until = start
        self.said: list[Talker] = []
        self.follower = MouthFollower(find)
        self.flashes = FlashWatch()

    def watch(self, picture: Picture) -> None:
        """Take in the next picture."""
        self.follower.watch(picture)
        self.flashes.watch(picture)
        self.seen_until = picture.end

    def pattern(self, listener: Listener) -> PatternOffset | None:
        """What a line-up pattern in it says."""
        return pattern_offset(self.flashes.flashes, self._near(listener.beeps.beeps))

    def claps(self, listener: Listener) -> PatternOffset | None:
        """What claps say together with cuts and flashes; None with fewer than `LEAST_CLAPS` of them."""
        seen = sorted([*self.flashes.flashes, *self.follower.cuts])
        found = pattern_offset(seen, self._near(listener.beeps.claps))
        return found if found is not None and found.pairs >= LEAST_CLAPS else None

    def _near(self, moments: list[float]) -> list[float]:
        return [moment for moment in moments if self.start - AROUND <= moment <= self.end + AROUND]

    def mouths(self) -> list[Mouth]:
        """The mouths that were seen long enough."""
        self.follower.settle()
        seen = [mouth for mouth in self.follower.mouths.values() if len(mouth.slots) >= LEAST_SLOTS]
        return sorted(seen, key=lambda mouth: -len(mouth.slots) * mouth.height)[:LARGEST]

    def hear(self, ear: voice.Ear, model: Model) -> None:
        """Hold the mouths against the voice: what comes of it is `said`."""
        enough = self.follower.slots_seen >= LEAST_RATE * (self.seen_until - self.start) / SLOT
        mouths = self.mouths()
        self.said = self.talkers(mouths, ear, model) if mouths and enough else []

    def opinion(self, confidence: float, before: Fragment | None = None, after: Fragment | None = None) -> Opinion:
        """What the lips say, once they were heard; `before` and `after` are the fragments that touch this one."""
        if not self.mouths():
            return Opinion(None, 0.0, Reason.NO_FACE)
        if not self.said:
            return Opinion(None, 0.0, Reason.TOO_FEW_PICTURES)
        return decide(
            self.said,
            confidence,
            before.said if before is not None else (),
            after.said if after is not None else (),
        )

    def talkers(self, mouths: list[Mouth], ear: voice.Ear, model: Model) -> list[Talker]:
        """What each of `mouths` offers together with what was heard."""
        films = [mouth.film() for mouth in mouths]
        first = min(start for start, _ in films) - SEARCH
        count = max(start + len(film) for start, film in films) + SEARCH - first
        ahead = 2 * ROWS_PER_SLOT
        rows = ear.rows(ROWS_PER_SLOT * first - ahead, ROWS_PER_SLOT * (first + count + 3))
        beyond = ROWS_PER_SLOT * (SEARCH - NEAR)
        near = slice(beyond, len(rows) - beyond)
        embedded, voices = embed(model, [film for _, film in films], rows, ahead, count, near)
        speech = _by_slot(voice.active(rows, near)[ahead:], count)
        heard = _by_slot((rows[ahead:] > np.log(voice.FLOOR) + 1e-3).any(axis=1), count)
        voices[~heard] = np.nan
        talkers = []
        for mouth, (start, film), vectors in zip(mouths, films, embedded, strict=True):
            place, length = start - first, len(film)
            table = distances(vectors, voices[place - SEARCH : place + length + SEARCH])
            late = float(np.mean(mouth.late))
            talkers.append(Talker(table, movement(film), speech[place : place + length], late))
        return talkers


def _by_slot(rows: NDArray[np.bool_], count: int) -> NDArray[np.bool_]:
    """(count,) whether it holds for any row of a slot."""
    return np.asarray(rows[: count * ROWS_PER_SLOT].reshape(count, ROWS_PER_SLOT).any(axis=1))
