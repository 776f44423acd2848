"""Mouths and voice to embeddings: the two towers of the model `sync`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vqa_agent.infer import Model
from vqa_agent.lipsync import mouth, voice

STACK = 5
"""Pictures that the mouth's tower sees at once."""

ROWS_PER_SLOT = 4
"""Rows of the voice in a slot of 40 ms."""

BATCH = 16
"""Pictures and windows that a tower is given at once: the memory that it takes grows with them."""

BEFORE, AFTER = 8, 12
"""Rows before and after the beginning of a slot that its window of the voice takes in: its middle is the slot's."""

Floats = NDArray[np.float32]


def stacks_of(cuts: NDArray[np.uint8]) -> Floats:
    """(n, STACK, rows, columns) normalised cuts of one face, (n, rows, columns), each with those around it: a view."""
    around = STACK // 2
    padded = np.pad(mouth.normalise(cuts), ((around, around), (0, 0), (0, 0)), mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, STACK, axis=0).transpose(0, 3, 1, 2)


def windows_of(rows: Floats, first: int, count: int) -> Floats:
    """(count, 1, BANDS, BEFORE + AFTER) windows of normalised `rows` for `count` slots, the first at row `first`."""
    places = first + ROWS_PER_SLOT * np.arange(count)[:, None] + np.arange(-BEFORE, AFTER)
    return np.ascontiguousarray(rows[np.clip(places, 0, len(rows) - 1)].transpose(0, 2, 1)[:, None])


def embed(
    model: Model, films: Sequence[NDArray[np.uint8]], rows: Floats, first: int, count: int, near: slice = slice(None)
) -> tuple[list[Floats], Floats]:
    """Embeddings of length 1: (n, d) for each of `films`, the cuts of one face each, and (count, d) of the voice.

    `rows` are as they were heard, those `near` are about the pictures; the window of the first slot begins at row
    `first` of them.
    """
    windows = windows_of(voice.normalise(rows, near), first, count)
    embedded = [_in_batches(model, stacks_of(film), windows[:1]) for film in films[1:]]
    mouths, voices = _in_batches(model, stacks_of(films[0]), windows)
    return [_unit(each) for each in (mouths, *(found for found, _ in embedded))], _unit(voices)


def _in_batches(model: Model, *given: Floats) -> list[Floats]:
    """What each tower makes of its own; the one that has seen all of it is given the first again."""
    found: list[list[Floats]] = [[] for _ in given]
    for start in range(0, max(map(len, given)), BATCH):
        parts = [each[start : start + BATCH] for each in given]
        fed = [np.ascontiguousarray(part if len(part) else each[:1]) for part, each in zip(parts, given, strict=True)]
        for embedded, part, new in zip(found, parts, model.run(*fed), strict=True):
            embedded.append(new[: len(part)])
    return [np.concatenate(embedded) for embedded in found]


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9), np.float32)
