"""Memory does not grow while a stream is watched. The long form is benchmarks/memory.py."""

from __future__ import annotations

from pathlib import Path

from benchmarks.memory import looped_clip, measure


def test_a_clip_that_is_looped_at_speed_does_not_grow(tmp_path: Path) -> None:
    found = measure(looped_clip(tmp_path), 12.0)
    assert found.media_seconds > 30
    assert found.growth < 6.0
