"""What a detector is, and the registry that finds every one of them.

A detector does arithmetic only: no clock, no input or output, no threads, no history of alarms. It is given samples in
the order of their presentation time and returns findings; the judge decides what is an alarm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from vqa_agent.media import Sample

Reads: TypeAlias = Literal["video", "audio", "transport", "both", "captions"]
Cost: TypeAlias = Literal["cheap", "moderate", "neural"]
Region: TypeAlias = tuple[float, float, float, float]
"""x, y, width, height in fractions of the picture."""


class Profile(StrEnum):
    """How patient the rules are: `live` wakes people, `file` lists everything."""

    LIVE = "live"
    FILE = "file"


class Severity(StrEnum):
    MINOR = "minor"
    MAJOR = "major"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Rule:
    """When findings become an event, and when the event ends. Times in media seconds.

    - neither `count` nor `share`: the defect is seen without interruption for `set_time`;
    - `count` alone: that many findings of the defect within `set_time`;
    - `count` and `looks`: that many of the last `looks` findings show it (`set_time` is not used);
    - `share`: it is seen in that share of the looks within the last `set_time`.

    `certain_set_time` replaces `set_time` while every finding is `certain`. The event ends when the defect has not
    been seen for `clear_time`.
    """

    set_time: float
    clear_time: float
    certain_set_time: float | None = None
    count: int | None = None
    looks: int | None = None
    share: float | None = None


class Settings(BaseModel):
    """What a person may set for a detector. Rule values that are not set come from the detector's profile."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = Field(True, description="Whether this detector runs.")
    severity: Severity = Field(Severity.MAJOR, description="Severity of its events, before context.")
    set_time: float | None = Field(None, ge=0, description="Seconds of the defect before an event opens.")
    clear_time: float | None = Field(None, ge=0, description="Seconds without the defect before the event closes.")
    count: int | None = Field(None, ge=1, description="Findings within set_time that open an event, where counted.")

    def rule(self, default: Rule) -> Rule:
        """The profile's rule with what was set here in its place; certain findings never wait longer than others."""
        given = {
            name: value for name in ("set_time", "clear_time", "count") if (value := getattr(self, name)) is not None
        }
        if "set_time" in given and default.certain_set_time is not None:
            given["certain_set_time"] = min(default.certain_set_time, given["set_time"])
        return replace(default, **given)


@dataclass(frozen=True, slots=True)
class Finding:
    """A number for one defect and one moment.

    `bad` is the detector's own reading of `score` (0..1, higher is worse). `certain` marks evidence that natural
    material cannot show (bit-identical pictures, digital zero). `start` may lie before the sample that completed it.
    `defect` names another defect than the detector's own where one detector sees several; `severity` overrides the
    setting where the evidence itself says how much it matters. `parts` are there where one look judges several
    defects: the judge weighs them, one for each defect, instead of the finding that sums them up. One that is not
    `conclusive` says that nobody can tell: the judge passes over it. `uncertainty` (0..1) is how unsure a network was;
    a sample with much of it may be kept for a person to label.
    """

    detector: str
    start: float
    end: float
    score: float
    bad: bool
    certain: bool = False
    region: Region | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    defect: str = ""
    severity: Severity | None = None
    conclusive: bool = True
    uncertainty: float | None = None
    parts: tuple[Finding, ...] = ()

    @property
    def names(self) -> str:
        """The defect that this finding is about."""
        return self.defect or self.detector


S = TypeVar("S", bound=Settings)


class Detector(Generic[S]):
    """The base of every detector. `look` is required, the rest has defaults."""

    name: ClassVar[str]
    reads: ClassVar[Reads]
    cost: ClassVar[Cost]
    defects: ClassVar[tuple[str, ...]]
    rules: ClassVar[Mapping[Profile, Rule]]
    settings_type: ClassVar[type[Settings]]
    least_rate: ClassVar[float] = 0.0
    """Pictures a second without which it can see nothing; it is not asked, and counts as blind, where there are fewer.
    Infinite: it needs every picture."""
    skips: ClassVar[Mapping[str, str]] = {}
    """Checks of the contract that cannot be kept, each with its reason."""

    def __init__(self, settings: S, profile: Profile = Profile.LIVE) -> None:
        self.settings = settings
        self.profile = profile
        self.reset()

    def wants(self, sample: Sample, neural: bool) -> bool:
        """Whether `sample` is shown to this detector; `neural` says that the budget has a look for networks now."""
        return neural or self.cost != "neural"

    def look(self, sample: Any, /) -> Iterable[Finding]:
        """Findings that `sample` completes. Samples come in the order of their presentation time."""
        raise NotImplementedError(f"detector {self.name} must implement look()")

    def reset(self) -> None:
        """Forget everything seen so far."""

    def interrupt(self) -> None:
        """The stream was interrupted: forget what may not be compared across the hole. By default everything."""
        self.reset()

    def close(self) -> Iterable[Finding]:
        """Findings that only the end of the stream completes."""
        return ()

    @classmethod
    def manual(cls) -> str:
        """What it sees, its formula, settings, mistakes and source: the class's own documentation."""
        return (cls.__doc__ or "").strip()


D = TypeVar("D", bound=type[Detector[Any]])

_registry: dict[str, type[Detector[Any]]] = {}


def register(name: str, *, reads: Reads, cost: Cost, live: Rule, file: Rule, defects: tuple[str, ...] = ()) -> Any:
    """Class decorator that enters a detector in the registry.

    `defects` names the defects that it reports where they are not the one called `name`. Raises ValueError for a
    name that is already taken, so that two files cannot claim one.
    """

    def enter(detector: D) -> D:
        if name in _registry:
            raise ValueError(
                f"detector {name!r} of {detector.__module__} is already registered by {_registry[name].__module__}"
            )
        detector.name, detector.reads, detector.cost = name, reads, cost
        detector.defects = defects or (name,)
        detector.rules = {Profile.LIVE: live, Profile.FILE: file}
        detector.settings_type = _settings_type(detector)
        _registry[name] = detector
        return detector

    return enter


def _settings_type(detector: type[Detector[Any]]) -> type[Settings]:
    for base in getattr(detector, "__orig_bases__", ()):
        for argument in getattr(base, "__args__", ()):
            if isinstance(argument, type) and issubclass(argument, Settings):
                return argument
    raise TypeError(f"{detector.__name__} must name its settings: class {detector.__name__}(Detector[ItsSettings])")


def detectors() -> dict[str, type[Detector[Any]]]:
    """Every detector there is, by name. Imports each module of `vqa_agent.detect` once."""
    package = import_module("vqa_agent.detect")
    for module in iter_modules(package.__path__):
        import_module(f"{package.__name__}.{module.name}")
    return dict(sorted(_registry.items()))
