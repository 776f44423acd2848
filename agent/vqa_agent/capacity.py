"""What this box can carry: what a stream costs on each rung of the ladder, measured, and what a budget buys of it."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import process_time
from typing import Literal, TypeAlias

from vqa_agent import __version__
from vqa_agent.capture import Source, open_source
from vqa_agent.capture.hardware import WAYS, refusal
from vqa_agent.config import Decode
from vqa_agent.detect.interface import Profile
from vqa_agent.errors import AgentError, UsageError
from vqa_agent.pipeline import Pipeline, build_detectors
from vqa_agent.sample import LADDER, Governor, Sampler
from vqa_agent.sample.governor import BOTTOM
from vqa_agent.sample.prices import Prices
from vqa_agent.simulate import encode, scenes, sounds

FILE_NAME = "bench.json"

CLIP_SECONDS = 4
"""Length of the drawn clip, which is played again and again."""

WARM_UP = 1.0
"""Media seconds before the measurement, in which models are opened."""

MEASURED = 8.0
"""Media seconds that are measured, at least."""


@dataclass(frozen=True, slots=True)
class Form:
    """A kind of stream: H.264 with B pictures and a key picture every two seconds, and AAC."""

    width: int
    height: int
    rate: int
    bits: int


FormName: TypeAlias = Literal["1080p30", "720p25"]
FORMS: dict[FormName, Form] = {
    "1080p30": Form(1920, 1080, 30, 6_000_000),
    "720p25": Form(1280, 720, 25, 3_000_000),
}


@dataclass(frozen=True, slots=True)
class Capacity:
    """Cores that one stream takes on each rung, by form; measured by this version of the agent."""

    version: str
    cores: Mapping[str, list[float]]
    hardware: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Cores on the first rung where hardware decodes, by form and `decode`; empty where this box has none."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a budget buys: how many streams are on each rung, the cores they take, and whether that can be kept."""

    rungs: dict[int, int]
    cores: float
    kept: bool
    most: int
    """Streams that the budget carries on the last rung."""


def measure(tell: Callable[[str], None] = lambda text: None) -> Capacity:
    """Draw a clip of each form and look at it on every rung. Takes half a minute."""
    cores: dict[str, list[float]] = {}
    hardware: dict[str, dict[str, float]] = {}
    usable = [decode for decode in WAYS if not refusal(decode)]
    with tempfile.TemporaryDirectory(prefix="vqa-bench-") as folder:
        for name, form in FORMS.items():
            tell(f"{name}: drawing a clip")
            clip = _drawn(Path(folder) / f"{name}.ts", form)
            cores[name] = []
            for rung, level in enumerate(LADDER):
                tell(f"{name}: {level.name}")
                cores[name].append(round(_cost(clip, rung), 4))
            for decode in usable:
                tell(f"{name}: {LADDER[0].name}, decode = {decode}")
                hardware.setdefault(name, {})[decode] = round(_cost(clip, 0, decode), 4)
    return Capacity(__version__, cores, hardware)


def _drawn(path: Path, form: Form) -> Path:
    pictures = scenes.action(CLIP_SECONDS, (form.width, form.height), rate=form.rate)
    options = {"preset": "veryfast", "b": str(form.bits), "g": str(2 * form.rate)}
    return encode.encode(path, pictures, sounds.speech(CLIP_SECONDS), rate=form.rate, options=options)


def _cost(clip: Path, rung: int, decode: Decode = "software") -> float:
    """CPU seconds a media second, of this process, on all its threads."""
    pipeline = Pipeline(build_detectors(Profile.LIVE), Profile.LIVE, Sampler(rung))
    started: tuple[float, float] | None = None
    whole_turns = max(MEASURED, 2 * LADDER[rung].turn)
    with open_source(Source("bench", str(clip), live=False, loop=True, decode=decode)) as capture:
        capture.level = LADDER[rung]
        for sample in capture.samples():
            pipeline.feed(sample)
            if started is None and sample.time >= WARM_UP:
                started = process_time(), sample.time
            if started is not None and sample.time >= started[1] + whole_turns:
                return (process_time() - started[0]) / (sample.time - started[1])
    raise AgentError(f"measuring with {clip.name}: the drawn clip cannot be read; report this")


def plan(capacity: Capacity, form: FormName, streams: int, budget: float) -> Plan:
    """Where the governor would put `streams` of one form under a budget of `budget` cores."""
    cores = capacity.cores[form]
    shares = [max(cores[rung:]) / max(cores) for rung in range(len(cores))]
    names = [str(number) for number in range(streams)]
    governor = Governor(budget, {name: Prices(list(shares), max(cores)) for name in names})
    governor.follow(dict.fromkeys(names, 1.0))
    levels = [governor.level(name) for name in names]
    used = sum(cores[level] for level in levels)
    rungs = {level: levels.count(level) for level in sorted(set(levels))}
    return Plan(rungs, used, used <= budget, int(budget / cores[BOTTOM]))


def read_capacity(state_dir: Path) -> Capacity:
    """What was measured on this box. Raises UsageError where nothing was."""
    for path in _places(state_dir):
        with suppress(OSError, ValueError, TypeError, KeyError):
            known = Capacity(**json.loads(path.read_text(encoding="utf-8")))
            if all(len(known.cores[form]) == len(LADDER) for form in FORMS):
                return known
    raise UsageError("planning: nothing has been measured on this box yet; run: vqa-agent bench")


def write_capacity(state_dir: Path, capacity: Capacity) -> Path:
    """Keep it in the state directory, or in this user's cache where that may not be written. Raises AgentError."""
    for path in _places(state_dir):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(asdict(capacity), indent=1), encoding="utf-8")
        except OSError:
            continue
        return path
    raise AgentError(f"keeping what was measured in {state_dir}: it cannot be written; name another with --config")


def _places(state_dir: Path) -> tuple[Path, Path]:
    home = os.environ.get("HOME", "/nonexistent")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or f"{home}/.cache") / "vqa-agent"
    return state_dir / FILE_NAME, cache / FILE_NAME
