"""Measure block_corruption on sources and on damage that it was not trained on, and write its card and pictures.

    python -m quantize.block_corruption.evaluate --media DIR [--data DIR] [--fp32 FILE]

Makes the clips that are missing first. `test` are sources kept apart, `held_out` the same with encoders and drawn
styles that were never trained on, `clean_test` long clean clips. Bounds are a 95 % bootstrap over sources.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from sklearn.metrics import f1_score, roc_auc_score
from tqdm import tqdm

from quantize.block_corruption import simulate as simulation
from quantize.block_corruption import transport
from quantize.block_corruption.card import write_card
from quantize.block_corruption.data import NAME, read_split
from quantize.block_corruption.decide import LASTING, Scored, Scores, event_score, open_session, score, votes
from quantize.block_corruption.truth import DAMAGED, DOUBTFUL
from quantize.block_corruption.whole import recordings
from quantize.bounds import by_source
from quantize.cache import FOLDER
from quantize.setup import read_config
from vqa_agent.block_planes import block_planes, network_input
from vqa_agent.capture import open_source
from vqa_agent.detect.block_corruption import BlockCorruption
from vqa_agent.detect.interface import Profile
from vqa_agent.event import State
from vqa_agent.infer import MODELS
from vqa_agent.infer.manifest import model_info
from vqa_agent.infer.runtimes import Backend
from vqa_agent.media import Picture
from vqa_agent.pipeline import Pipeline, build_detectors

AREA_RULE = 0.07
STEP_SECONDS = 0.2
FRACTIONS = ((0.0, 0.02), (0.02, 0.1), (0.1, 0.3), (0.3, 1.01))
"""Shares of damaged blocks, in a clip's worst look, by which recall is told."""

Decision = Callable[[Scored], Scores]


@dataclass(frozen=True)
class Method:
    """A way to decide about a look: a number, and the threshold from which it is bad."""

    name: str
    decide: Decision
    threshold: float


def is_damaged(each: Scored) -> bool:
    """Whether a clip shows damage long enough for any rule: for some 0.6 seconds within one."""
    return event_score(_damaged_looks(each), *LASTING) > 0


def is_flash(each: Scored) -> bool:
    """Whether the damage in a clip is shorter than that."""
    return bool(_damaged_looks(each).any()) and not is_damaged(each)


def _damaged_looks(each: Scored) -> Scores:
    return np.asarray(each.clip.picture[each.clip.damaged_version] == DAMAGED, np.float64)


def found(method: Method, each: Scored, version: bool, rule: tuple[int, int]) -> bool:
    """Whether an event opens in the damaged (or the clean) version of a clip."""
    values = method.decide(each)[each.clip.damaged_version == version]
    return event_score(values, *rule) >= method.threshold


def fitted(name: str, decide: Decision, clean: list[Scored], rule: tuple[int, int]) -> Method:
    """`decide` with the lowest threshold that gives at most one false alarm an hour on `clean`."""
    worst = sorted((event_score(decide(e)[~e.clip.damaged_version], *rule) for e in clean), reverse=True)
    allowed = int(hours(clean))
    return Method(name, decide, float(np.nextafter(worst[allowed], np.inf)))


def hours(scored: list[Scored]) -> float:
    """Hours of clean material."""
    return float(sum((~each.clip.damaged_version).sum() for each in scored)) * STEP_SECONDS / 3600


def recall(method: Method, scored: list[Scored], rule: tuple[int, int]) -> tuple[float, float, float, int]:
    """Share of the damaged clips in which an event opens, its bounds, and how many there are."""
    return share_found(method, [each for each in scored if is_damaged(each)], rule)


def share_found(method: Method, damaged: list[Scored], rule: tuple[int, int]) -> tuple[float, float, float, int]:
    """Share of the clips in which an event opens, its bounds, and how many there are."""
    if not damaged:
        return float("nan"), float("nan"), float("nan"), 0
    hits = np.array([found(method, each, True, rule) for each in damaged], float)
    sources = np.array([each.clip.origin["source"] for each in damaged])
    return float(hits.mean()), *by_source(_mean, sources, hits), len(hits)


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def false_alarms(method: Method, clean: list[Scored], rule: tuple[int, int]) -> dict[str, float]:
    """False events on clean clips: how many, in how many hours, and the upper 95 % bound of an hour's."""
    events = sum(found(method, each, False, rule) for each in clean)
    length = hours(clean)
    bound = {0: 3.0, 1: 4.74, 2: 6.30, 3: 7.75}.get(events, events + 2 * np.sqrt(events) + 2)
    return {"events": events, "hours": round(length, 2), "per_hour": events / length, "at_most": bound / length}


def block_scores(scored: list[Scored]) -> dict[str, tuple[float, float, float]]:
    """AUC and F1 of the blocks and AUC of the pictures with their bounds, doubtful ones left out."""
    truth, values, sources, looks = [], [], [], []
    for each in scored:
        known = each.clip.blocks != DOUBTFUL
        truth.append(each.clip.blocks[known] == DAMAGED)
        values.append(each.blocks[known])
        sources.append(np.full(int(known.sum()), each.clip.origin["source"]))
        sure = each.clip.picture != DOUBTFUL
        looks.append((each.clip.picture[sure] == DAMAGED, each.picture[sure]))
    names = np.array([each.clip.origin["source"] for each in scored])
    every = np.arange(len(scored))

    def over(statistic: Callable[..., float], parts: list[tuple[Any, Any]]) -> tuple[float, float, float]:
        def of(chosen: NDArray[np.intp]) -> float:
            one = np.concatenate([parts[number][0] for number in chosen])
            return statistic(one, np.concatenate([parts[number][1] for number in chosen])) if one.any() else np.nan

        return of(every), *by_source(of, names, every, rounds=100)

    blocks = list(zip(truth, values, strict=True))
    return {
        "block AUC": over(roc_auc_score, blocks),
        "block F1": over(lambda one, other: float(f1_score(one, other > 0.5)), blocks),
        "picture AUC": over(roc_auc_score, looks),
    }


def breakdown(
    method: Method, scored: list[Scored], rule: tuple[int, int]
) -> dict[str, tuple[float, float, float, int]]:
    """Recall of events by kind of damage, codec, whether baked in, and share of damaged blocks in the worst look."""
    rows: dict[str, list[Scored]] = {}
    for each in scored:
        origin = each.clip.origin
        worst = float(each.clip.share.max())
        part = next(
            f"{low:.0%} to {min(1.0, high):.0%} of the blocks" for low, high in FRACTIONS if low <= worst < high
        )
        drawn = origin["kind"] == "drawn"
        keys = [f"damage: {origin['kind']}", "baked in" if origin["baked"] else "not baked in", part]
        for key in [*keys, *([] if drawn else [f"codec: {origin['codec']}"])]:
            rows.setdefault(key, []).append(each)
    found = {key: recall(method, rows[key], rule) for key in sorted(rows) if any(map(is_damaged, rows[key]))}
    return found | {"shorter damage": share_found(method, [each for each in scored if is_flash(each)], rule)}


def cost(model: Path, backend: Backend, rounds: int = 30) -> dict[str, float]:
    """Least milliseconds of CPU per 1080p look: planes, and network."""
    rng = np.random.default_rng(0)
    luma = rng.integers(16, 236, (1080, 1920), dtype=np.uint8)
    chroma = rng.integers(16, 240, (540, 960), dtype=np.uint8)
    session = open_session(model, backend)
    planes_ms, network_ms = [], []
    for number in range(rounds):
        before = Picture(time=0.0, duration=0.04, luma=np.roll(luma, number, 1), chroma=(chroma, chroma))
        picture = Picture(time=0.04, duration=0.04, luma=luma, chroma=(chroma, chroma), previous=before)
        started = time.process_time()
        planes = network_input(block_planes(picture)[None])
        between = time.process_time()
        session.run([planes])
        planes_ms.append(1000 * (between - started))
        network_ms.append(1000 * (time.process_time() - between))
    return {"planes_ms": round(min(planes_ms), 2), "network_ms": round(min(network_ms), 2)}


def whole_recordings(media: Path, config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """False events of the agent itself, decoding whole recordings that are clean, by split; rule for files."""
    found: dict[str, dict[str, Any]] = {
        split: {"events": [], "hours": 0.0} for split in ("train", "validation", "test")
    }
    for split, source in tqdm(list(recordings(media, config["sources"])), desc="recordings", mininterval=10):
        pipeline = Pipeline(build_detectors(Profile.FILE, only=[NAME]), Profile.FILE)
        with open_source(source) as capture:
            pictures = (sample for sample in capture.samples() if isinstance(sample, Picture))
            decisions = [decision for picture in pictures for decision in pipeline.feed(picture).decisions]
        decisions += pipeline.finish().decisions
        entry = found[split]
        entry["hours"] += pipeline.media_time / 3600
        entry["events"] += [f"{source.name} at {d.start:.1f} s" for d in decisions if d.state is State.CLOSED]
    return found


def measure(media: Path, data: Path, fp32: Path, models: Path) -> dict[str, Any]:
    """Everything that the card tells."""
    rules = {profile: _rule(profile) for profile in Profile}
    int8 = models / NAME / f"{NAME}.onnx"
    threshold = model_info(NAME, models).thresholds["picture"]
    report: dict[str, Any] = {"threshold": threshold, "forms": {}, "costs": {}, "bytes": int8.stat().st_size}
    splits = {split: read_split(data, split) for split in ("test", "held_out", "clean_test")}
    forms: list[tuple[str, Path, Backend]] = [
        ("fp32, ONNX Runtime", fp32, "onnxruntime"),
        ("INT8, ONNX Runtime", int8, "onnxruntime"),
        ("INT8, OpenVINO", int8, "openvino"),
    ]
    for label, path, backend in forms:
        scored = {split: score(path, clips, backend) for split, clips in splits.items()}
        report["forms"][label] = _form(scored, threshold, rules)
        report["costs"][label] = cost(path, backend)
        if label == "INT8, ONNX Runtime":
            report["scored"] = scored
            report["baselines"] = _baselines(scored, rules[Profile.FILE])
            report["breakdown"] = {
                split: breakdown(Method("decision", _decision, threshold), scored[split], rules[Profile.FILE])
                for split in ("test", "held_out")
            }
        print(label, report["forms"][label], report["costs"][label], flush=True)
    if models == MODELS:
        config = read_config(simulation.CONFIG)
        report |= {"recordings": whole_recordings(media, config), "transport": transport.measure(media, config)}
        print(report["recordings"], report["transport"], flush=True)
    return report


def _rule(profile: Profile) -> tuple[int, int]:
    rule = BlockCorruption.rules[profile]
    assert rule.count is not None
    assert rule.looks is not None
    return rule.count, rule.looks


def _decision(each: Scored) -> Scores:
    return votes(each.picture)


def _form(
    scored: Mapping[str, list[Scored]], threshold: float, rules: Mapping[Profile, tuple[int, int]]
) -> dict[str, Any]:
    """The scores of one form of the network."""
    clean = [*scored["test"], *scored["clean_test"]]
    method = Method("decision", _decision, threshold)
    form: dict[str, Any] = {}
    for split in ("test", "held_out"):
        at_one = fitted("decision", _decision, clean, rules[Profile.FILE])
        looks = np.concatenate([each.picture[each.clip.picture == DAMAGED] for each in scored[split]])
        form[split] = {
            **block_scores(scored[split]),
            **{f"events, {profile}": recall(method, scored[split], rule) for profile, rule in rules.items()},
            "damaged looks at one false alarm an hour": float((looks >= at_one.threshold).mean()),
        }
    form["false alarms"] = {profile: false_alarms(method, clean, rule) for profile, rule in rules.items()}
    return form


def _baselines(scored: Mapping[str, list[Scored]], rule: tuple[int, int]) -> dict[str, Any]:
    """Recall of events by other decisions, each at one false alarm an hour where it has a threshold to choose."""
    clean = [*scored["test"], *scored["clean_test"]]
    decisions: dict[str, Decision] = {
        "learned decision": _decision,
        "damaged area": lambda each: each.area,
        "FFmpeg blockdetect": lambda each: each.clip.blockdetect.astype(float),
    }
    methods = [fitted(f"{name}, at one false alarm an hour", decide, clean, rule) for name, decide in decisions.items()]
    methods.append(Method(f"damaged area > {AREA_RULE}", lambda each: each.area, AREA_RULE))
    methods.append(Method("decoder's own error flags", lambda each: each.clip.corrupt.astype(float), 0.5))
    return {
        method.name: {
            "test": recall(method, scored["test"], rule),
            "held_out": recall(method, scored["held_out"], rule),
            "false alarms": false_alarms(method, clean, rule),
        }
        for method in methods
    }


def make(
    media: Annotated[Path, typer.Option(help="The folder of media.")],
    data: Annotated[Path, typer.Option(help="The simulated clips.")] = FOLDER / NAME,
    fp32: Annotated[Path | None, typer.Option(help="The network in float; in DATA by default.")] = None,
    models: Annotated[Path, typer.Option(help="Where the models are.")] = MODELS,
    simulate: Annotated[bool, typer.Option(help="Make missing clips first.")] = True,
) -> None:
    """Measure, print, and write the card."""
    if simulate:
        for split in ("test", "held_out", "clean_test"):
            simulation.make(media, data, split)
    report = measure(media, data, fp32 or data / f"{NAME}.onnx", models)
    write_card(report, models / NAME, models)


if __name__ == "__main__":
    typer.run(make)
