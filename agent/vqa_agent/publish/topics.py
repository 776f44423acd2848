"""The topics under which an agent publishes."""

from __future__ import annotations

from dataclasses import dataclass

ROOT = "vqa/v1"


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one agent at one site. Names are [A-Za-z0-9_-], so none can hold a wildcard or a level."""

    site: str
    agent: str

    @property
    def base(self) -> str:
        return f"{ROOT}/{self.site}/{self.agent}"

    @property
    def status(self) -> str:
        """Retained: birth, and the Last Will."""
        return f"{self.base}/status"

    @property
    def metrics(self) -> str:
        """What the agent costs and covers, every 30 s."""
        return f"{self.base}/metrics"

    @property
    def replay_request(self) -> str:
        """Where a collector asks for events that it misses."""
        return f"{self.base}/request/replay"

    @property
    def replay(self) -> str:
        """The answers to that."""
        return f"{self.base}/response/replay"

    def stream(self, stream: str) -> str:
        """Retained: the state of one stream."""
        return f"{self.base}/stream/{stream}"

    def event(self, stream: str, defect: str) -> str:
        """The events of one defect of one stream."""
        return f"{self.base}/event/{stream}/{defect}"
