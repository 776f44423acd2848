"""How good towers are on speakers that they never saw: fragments whose sound is moved by a known amount.

The agent's own code looks and judges; only the detector of faces may be replaced by the teacher's labels. Beside the
moved sound each fragment gets the voices of others: about these nobody can tell, and a verdict is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqa_agent.capture import Source, open_source
from vqa_agent.infer import Model
from vqa_agent.lipsync.aggregate import Opinion
from vqa_agent.lipsync.follow import Find
from vqa_agent.lipsync.fragment import Fragment
from vqa_agent.lipsync.voice import STEP, Ear, Rows
from vqa_agent.media import Picture, Sound

SHIFTS = (0, 120, 200, 240, 320, 400, 600)
"""Milliseconds by which the sound is moved, both ways."""

SECONDS, SHORTEST = 4.0, 2.4
"""Length of a fragment, and the least of one at the end of a recording."""

TAKES = 30
"""Takes of one speaker that are used at most."""

OTHERS = 6
"""Voices of other speakers that each fragment is tried with."""

WRONG = 0.1
"""Seconds by which a sure offset may differ from the true one; beyond, it is an error."""

EARLY, LATE = 0.045, 0.125
"""What is in sync by ITU-R BT.1359-1."""


@dataclass(frozen=True, slots=True)
class Recording:
    """The fragments of one file, and its sound."""

    name: str
    speaker: str
    kind: str
    fragments: list[Fragment]
    sounds: list[Sound]


@dataclass(frozen=True, slots=True)
class Trial:
    """One fragment with its sound moved by `shift` seconds; `other` is the speaker whose voice it got instead."""

    file: str
    speaker: str
    kind: str
    start: float
    shift: float
    opinion: Opinion
    other: str = ""
    own: float = 0.0
    """The recording's own offset in seconds."""

    @property
    def true(self) -> float:
        return self.shift + self.own

    @property
    def error(self) -> float:
        return np.nan if self.opinion.offset is None else self.opinion.offset - self.true

    @property
    def right(self) -> bool:
        return not self.other and abs(self.error) <= WRONG


def few_takes(files: Mapping[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """At most `TAKES` files of each speaker, of `files` with their speaker and kind, in order of their names."""
    taken: dict[str, list[str]] = {}
    for file, (speaker, _) in sorted(files.items()):
        taken.setdefault(speaker, []).append(file)
    used = {file for names in taken.values() for file in names[:TAKES]}
    return {file: about for file, about in sorted(files.items()) if file in used}


def record(media: Path, file: str, speaker: str, kind: str, find: Find, seconds: float = SECONDS) -> Recording:
    """Cut `file` into fragments of `seconds`, as the detector does in a file."""
    fragments: list[Fragment] = []
    sounds: list[Sound] = []
    with open_source(Source(name=file, url=str(media / file), live=False)) as capture:
        for sample in capture.samples():
            if isinstance(sample, Sound):
                sounds.append(sample)
            elif isinstance(sample, Picture):
                if not fragments or sample.time >= fragments[-1].end - 1e-3:
                    fragments.append(Fragment(sample.time, sample.time + seconds, find))
                fragments[-1].watch(sample)
    return Recording(
        file, speaker, kind, [each for each in fragments if each.seen_until - each.start >= SHORTEST], sounds
    )


class LateEar(Ear):
    """What `ear` heard, `late` seconds later: a whole number of rows, so that nothing needs to be heard again."""

    def __init__(self, ear: Ear, late: float) -> None:
        super().__init__()
        self._ear, self._by = ear, round(late / STEP)

    def rows(self, first: int, last: int) -> Rows:
        return self._ear.rows(first - self._by, last - self._by)


def listen(sounds: Iterable[Sound]) -> Ear:
    """The voice in `sounds`."""
    ear = Ear()
    for sound in sounds:
        ear.hear(sound)
    return ear


def trials(
    recordings: Sequence[Recording],
    model_of: Callable[[str], Model],
    confidence: float = 0.0,
    shifts: Sequence[int] = SHIFTS,
) -> list[Trial]:
    """Every fragment with every shift, and with the voices of others. `model_of` gives the model for a speaker.

    With the `confidence` that the agent asks for, fragments that are not sure are joined with their neighbours.
    """
    rng = np.random.default_rng(0)
    found: list[Trial] = []
    moves = sorted({sign * shift / 1000 for shift in shifts for sign in (-1, 1)})
    heard = {recording.name: listen(recording.sounds) for recording in recordings}
    for recording in recordings:
        model = model_of(recording.speaker)
        for shift in moves:
            found += _tried(recording, LateEar(heard[recording.name], shift), model, confidence, shift)
        strangers = [each for each in recordings if each.speaker != recording.speaker]
        for _ in range(OTHERS):
            stranger = strangers[int(rng.integers(len(strangers)))]
            found += _tried(recording, heard[stranger.name], model, confidence, 0.0, stranger.speaker)
    return _with_own(found)


def _tried(
    recording: Recording, ear: Ear, model: Model, confidence: float, shift: float, other: str = ""
) -> Iterator[Trial]:
    for fragment, opinion in opinions(recording, ear, model, confidence):
        yield Trial(recording.name, recording.speaker, recording.kind, fragment.start, shift, opinion, other)


def opinions(recording: Recording, ear: Ear, model: Model, confidence: float) -> Iterator[tuple[Fragment, Opinion]]:
    """What is said of each fragment, as the detector says it of a file."""
    fragments = recording.fragments
    for fragment in fragments:
        fragment.hear(ear, model)
    for before, fragment, after in zip([None, *fragments], fragments, [*fragments[1:], None], strict=False):
        yield fragment, fragment.opinion(confidence, before, after)


def _with_own(found: Sequence[Trial]) -> list[Trial]:
    """The same, with each recording's own offset: the median of what its fragments say where nothing was moved."""
    said: dict[str, list[float]] = {}
    for trial in found:
        if not trial.shift and not trial.other and trial.opinion.offset is not None:
            said.setdefault(take_of(trial.file, trial.speaker), []).append(trial.opinion.offset)
    own = {name: float(np.median(offsets)) for name, offsets in said.items()}
    near = {name: offset for name, offset in own.items() if abs(offset) <= 0.3}
    return [replace(trial, own=near.get(take_of(trial.file, trial.speaker), 0.0)) for trial in found]


def take_of(file: str, speaker: str) -> str:
    """What shares one offset: takes of one corpus were recorded by one machine.

    >>> take_of("talking/grid_s1/bbaz7a.mkv", "grid_s1"), take_of("talking/p31.mkv", "p31")
    ('grid_s1', 'talking/p31.mkv')
    """
    return file if file.count("/") <= 1 else speaker


def conclusive(trial: Trial) -> bool:
    return trial.opinion.reason is None


def least_confidence(found: Sequence[Trial], errors: float) -> float:
    """The least confidence with which at most a share `errors` of the verdicts is wrong, with own and other voices."""
    sure = sorted((trial for trial in found if conclusive(trial)), key=lambda trial: -trial.opinion.confidence)
    wrong = np.cumsum([not trial.right for trial in sure]) / np.arange(1, len(sure) + 1)
    good = np.flatnonzero(wrong <= errors)
    return float(sure[int(good[-1])].opinion.confidence) if len(good) else float("inf")


def out_of_sync(offset: float) -> bool:
    return offset > LATE or offset < -EARLY


def scores(found: Sequence[Trial]) -> dict[str, float]:
    """Coverage, error of the offset, and balanced accuracy of in sync against 240 ms and more, over the conclusive."""
    own = [trial for trial in found if not trial.other]
    sure = [trial for trial in own if conclusive(trial)]
    others = [trial for trial in found if trial.other]
    errors: NDArray[np.float64] = np.abs([trial.error for trial in sure]) * 1000
    if not sure:
        return {"fragments": len(own), "coverage": 0.0}
    still = [not out_of_sync(trial.error + trial.shift) for trial in sure if not trial.shift]
    moved = [out_of_sync(trial.error + trial.shift) for trial in sure if abs(trial.shift) >= 0.24]
    return {
        "fragments": len(own),
        "coverage": len(sure) / len(own),
        "median_error_ms": float(np.median(errors)),
        "p90_error_ms": float(np.quantile(errors, 0.9)),
        "balanced_accuracy": float(np.mean(still) + np.mean(moved)) / 2 if still and moved else np.nan,
        "wrong_share": float(np.mean([not trial.right for trial in sure])),
        "stranger_verdicts": float(np.mean([conclusive(trial) for trial in others])) if others else 0.0,
    }


def by(found: Iterable[Trial], key: Callable[[Trial], Any]) -> Mapping[Any, list[Trial]]:
    """Trials in groups, in order of their key."""
    groups: dict[Any, list[Trial]] = {}
    for trial in found:
        groups.setdefault(key(trial), []).append(trial)
    return dict(sorted(groups.items()))
