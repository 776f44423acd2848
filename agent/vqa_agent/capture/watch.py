"""Says twice a second whether pictures and sound arrive, and which of them is missing."""

from __future__ import annotations

from collections.abc import Iterator

from vqa_agent.media import Caption, Fact, FactKind, Picture, Sample, Value

INTERVAL = 0.5
"""Media seconds between two statements."""

PATIENCE = 1.0
"""Seconds without a picture (or without sound) while the other arrives before it counts as missing."""


class SignalWatch:
    """Watches the samples of one input and states SIGNAL or NO_SIGNAL for each interval of its media clock."""

    def __init__(self) -> None:
        self._stated = 0.0
        self._last: dict[str, float] = {}

    def note(self, sample: Sample) -> Iterator[Fact]:
        """Take in a decoded sample; the statement for the interval that it completes."""
        if isinstance(sample, Fact | Caption):
            return
        track = "video" if isinstance(sample, Picture) else "audio"
        self._last[track] = max(sample.end, self._last.get(track, 0.0))
        if sample.end - self._stated >= INTERVAL:
            yield self._state(sample.end)

    def passed_over(self, until: float) -> Iterator[Fact]:
        """Coded pictures came up to `until` and were left out on purpose: they are not missing."""
        self._last["video"] = max(until, self._last.get("video", 0.0))
        if until - self._stated >= INTERVAL:
            yield self._state(until)

    def undecoded(self, now: float) -> Iterator[Fact]:
        """Packets arrive; state what is missing once nothing has been decoded for a while."""
        if now - self._stated >= INTERVAL + PATIENCE:
            yield Fact(FactKind.NO_SIGNAL, self._stated, now - self._stated, detail=self._missing_all("not decodable"))
            self._stated = now

    def idle(self, now: float, reason: str) -> Iterator[Fact]:
        """Nothing arrived until `now`."""
        if now > self._stated:
            yield Fact(FactKind.NO_SIGNAL, self._stated, now - self._stated, detail=self._missing_all(reason))
            self._stated = now

    def finish(self, now: float) -> Iterator[Fact]:
        """The file has ended: the statement for what is left."""
        if now - self._stated > 1e-3:
            yield self._state(now)

    def _state(self, now: float) -> Fact:
        start, self._stated = self._stated, now
        duration = max(0.0, now - start)
        missing = [track for track, last in self._last.items() if now - last > PATIENCE]
        if len(missing) == 1 and len(self._last) == 2:
            return Fact(
                FactKind.NO_SIGNAL, start, duration, detail={"missing": missing[0], "reason": "no more of it arrives"}
            )
        return Fact(
            FactKind.SIGNAL, start, duration, detail={"video": "video" in self._last, "audio": "audio" in self._last}
        )

    def _missing_all(self, reason: str) -> dict[str, Value]:
        return {"missing": "all", "reason": reason[:80]}
