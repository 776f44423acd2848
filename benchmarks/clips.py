"""Clips that the benchmarks share, drawn once and kept in `.cache/benchmarks`."""

from __future__ import annotations

from pathlib import Path

from vqa_agent.simulate import encode, scenes, sounds

CACHE = Path(".cache/benchmarks")


def clip_1080p30(seconds: int = 20) -> Path:
    """1080p30 H.264 at about 8 Mb/s with AAC: fast objects over a panning, grainy ground."""
    path = CACHE / f"1080p30-{seconds}s.mp4"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part.mp4")
        pictures = scenes.action(seconds, (1920, 1080), rate=30)
        options = {"preset": "fast", "b": "8000000", "maxrate": "10000000", "bufsize": "16000000"}
        encode.encode(unfinished, pictures, sounds.speech(seconds), rate=30, options=options)
        unfinished.rename(path)
    return path
