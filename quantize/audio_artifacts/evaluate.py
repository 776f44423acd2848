"""Sets the thresholds of the trained network on validation recordings and measures it on those kept for testing.

python -m quantize.audio_artifacts.evaluate --media DIR

Prints what it finds and writes it to models/audio_artifacts/card.md and models/manifest.toml.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from quantize.audio_artifacts import card, quiet
from quantize.audio_artifacts.baselines import RULES
from quantize.audio_artifacts.scoring import (
    Lasting,
    Probabilities,
    Score,
    decide,
    fit_thresholds,
    lasting_found,
    odds,
    score,
)
from quantize.audio_artifacts.simulate import CONFIG, SETS, clip_of, dataset
from quantize.audio_artifacts.sources import CLASSES, Recording, recordings
from quantize.cache import FOLDER, Arrays
from quantize.manifest import record
from quantize.setup import read_config
from vqa_agent.detect.audio_artifacts import PREFIX, SURER, AudioArtifactsSettings
from vqa_agent.hearing import FRAMES, MEASURES, ROWS, Listener, measures
from vqa_agent.infer import MODELS, RUNTIMES, Backend
from vqa_agent.infer.manifest import Tensor
from vqa_agent.simulate.sounds import SAMPLE_RATE, music

NAME = "audio_artifacts"
FLOAT, NETWORK_ALONE, FOREST_ALONE = (FOLDER / f"{NAME}.{part}.onnx" for part in ("fp32", "network", "forest"))
"""The float form of what is shipped, and of each of its two parts: kept for comparison, not shipped."""

INPUTS = {"picture": (1, ROWS, 1, FRAMES), "measures": (1, MEASURES)}
TESTED = ("test", "unseen")
RULE_CLIPS = 40
"""Clips of each set on which the rules are tried: they need the sound itself, which is made anew."""


@dataclass(slots=True)
class Report:
    """All that was measured. `engines` are named as "INT8 openvino"; scores by engine and set."""

    thresholds: dict[str, float] = field(default_factory=dict)
    scores: dict[str, dict[str, Score]] = field(default_factory=dict)
    precision: dict[str, dict[str, float]] = field(default_factory=dict)
    lasting: dict[str, dict[str, Lasting]] = field(default_factory=dict)
    rules: list[tuple[str, str, str, float, float]] = field(default_factory=list)
    alarms: list[quiet.Alarms] = field(default_factory=list)
    cost: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, int] = field(default_factory=dict)
    sources: dict[str, int] = field(default_factory=dict)


def run(media: Path, every: Sequence[Recording], config: Mapping[str, Any]) -> Report:
    """Thresholds, scores, card and manifest of the model as it lies in `models`."""
    sets = {name: dataset(name, every, config) for name in SETS}
    report = Report(seconds={name: len(data["truth"]) for name, data in sets.items()})
    report.sources = {name: len(np.unique(data["source"])) for name, data in sets.items()}
    found = {engine: {n: predict(engine, sets[n]) for n in ("validation", *TESTED)} for engine in engines()}
    fit = partial(
        fit_thresholds,
        truth=sets["validation"]["truth"],
        usual=config["decision"]["usual"],
        doubt=config["decision"]["doubt"],
    )
    report.thresholds = fit(found["INT8 onnxruntime"]["validation"])
    for engine, by_set in found.items():
        limits = report.thresholds
        if not engine.startswith("INT8"):
            limits = fit(by_set["validation"])
        report.scores[engine] = {n: score(sets[n], decide(by_set[n], limits)) for n in ("validation", *TESTED)}
        for name, result in report.scores[engine].items():
            print(f"{engine:18} {name:10} {result}", flush=True)
    shipped = found["INT8 onnxruntime"]
    report.precision = {name: average_precision(sets[name], shipped[name]) for name in TESTED}
    limits = alarm_odds(report.thresholds)
    report.lasting = {name: lasting_found(sets[name], shipped[name], limits) for name in TESTED}
    report.rules = rules(every, config, sets, shipped)
    _record(report)
    report.alarms = quiet.listen(media, config)
    report.cost = cost()
    for line in (*map(str, report.alarms), *(f"{what}: {ms:.2f} ms" for what, ms in report.cost.items())):
        print(line)
    _record(report)
    card.write(MODELS / NAME, report, sets, shipped, config)
    return report


def alarm_odds(thresholds: Mapping[str, float]) -> dict[str, float]:
    """Odds from which on the detector counts a second towards an event."""
    margin = AudioArtifactsSettings().margin
    surer = {defect: SURER.get(PREFIX + defect, 0.0) for defect in CLASSES}
    return {defect: float(odds(np.array(thresholds[defect]))) + margin + surer[defect] for defect in CLASSES}


def engines() -> dict[str, tuple[Path, Backend]]:
    """Name, file and runtime of everything that is compared."""
    shipped: dict[str, tuple[Path, Backend]] = {
        f"INT8 {backend}": (MODELS / NAME / f"{NAME}.onnx", backend) for backend in RUNTIMES
    }
    alone: dict[str, tuple[Path, Backend]] = {
        "float onnxruntime": (FLOAT, "onnxruntime"),
        "network alone": (NETWORK_ALONE, "onnxruntime"),
        "boosted trees alone": (FOREST_ALONE, "onnxruntime"),
    }
    return shipped | alone


def predict(engine: str, data: Arrays) -> Probabilities:
    """(seconds, classes) by one of the `engines`, second by second as the detector asks."""
    path, backend = engines()[engine]
    tensors = [Tensor(name=name, shape=shape) for name, shape in INPUTS.items()]
    session = RUNTIMES[backend](path.read_bytes(), tensors)
    found = []
    for row in range(len(data["truth"])):
        picture = data["picture"][[row]].astype(np.float32)[:, :, None]
        found.append(session.run([picture, data["measures"][[row]]])[0].copy())
    return np.concatenate(found)


def average_precision(data: Arrays, probabilities: Probabilities) -> dict[str, float]:
    """Of each defect against everything else."""
    result = {}
    for index, defect in enumerate(CLASSES):
        known = data["truth"][:, index] >= 0
        result[defect] = float(average_precision_score(data["truth"][known, index], probabilities[known, index]))
    return result


def rules(
    every: Sequence[Recording],
    config: Mapping[str, Any],
    sets: Mapping[str, Arrays],
    shipped: Mapping[str, Probabilities],
) -> list[tuple[str, str, str, float, float]]:
    """Defect, rule and set, with the area under the ROC curve of the rule and of the network on the same seconds."""
    rows = []
    for name in TESTED:
        pool = [recording for recording in every if recording.split == SETS[name]]
        scored = _rule_scores(name, pool, config, min(RULE_CLIPS, int(config["clips"][SETS[name]])))
        data = sets[name]
        where = {
            (int(clip), int(second)): row
            for row, (clip, second) in enumerate(zip(data["clip"], data["second"], strict=True))
        }
        chosen = np.array([where[place] for place in scored["place"] if place in where])
        heard = np.array([place in where for place in scored["place"]])
        for rule, (defect, _) in RULES.items():
            index = CLASSES.index(defect)
            truth = data["truth"][chosen, index]
            values = np.nan_to_num(scored[rule][heard])
            known = truth >= 0
            if len(np.unique(truth[known])) < 2:
                continue
            pair = [roc_auc_score(truth[known], each[known]) for each in (values, shipped[name][chosen, index])]
            rows.append((defect, rule, name, float(pair[0]), float(pair[1])))
            print(f"{defect:10} {rule:32} {name:7} AUC {pair[0]:.4f}, network {pair[1]:.4f}", flush=True)
    return rows


def _rule_scores(name: str, pool: list[Recording], config: Mapping[str, Any], clips: int) -> dict[str, Any]:
    scores: dict[str, Any] = {rule: [] for rule in RULES} | {"place": []}
    for number in range(clips):
        clip = clip_of(name, number, pool, config)
        count = len(clip.truth)
        if count:
            wave = clip.wave[: count * clip.rate]
            for rule, (_, measure) in RULES.items():
                scores[rule].append(measure(wave, clip.rate))
            scores["place"] += [(number, second) for second in range(count)]
    return {key: value if key == "place" else np.concatenate(value) for key, value in scores.items()}


def cost(rounds: int = 40) -> dict[str, float]:
    """Least milliseconds on one core for a second of one channel at 48 kHz: what was needed undisturbed."""
    wave = music(1.0, channels=1)[0]
    listener = Listener(SAMPLE_RATE)
    heard = [listener.listen(wave)] * 8
    first = heard[5]
    assert first is not None
    inputs = [first.picture[None, :, None], measures(heard, 5)[None]]
    tensors = [Tensor(name=name, shape=shape) for name, shape in INPUTS.items()]
    times = {"features": _least(lambda: (listener.listen(wave), measures(heard, 5)), rounds)}
    for kind, path in (("float", FLOAT), ("INT8", MODELS / NAME / f"{NAME}.onnx")):
        for backend in RUNTIMES:
            session = RUNTIMES[backend](path.read_bytes(), tensors)
            times[f"network, {kind} {backend}"] = _least(lambda session=session: session.run(inputs), rounds)
    return times


def _least(work: Any, rounds: int) -> float:
    times = []
    for _ in range(rounds):
        start = perf_counter()
        work()
        times.append(perf_counter() - start)
    return 1000 * min(times)


def _record(report: Report) -> None:
    scores: dict[str, Any] = {
        f"{name}_{engine.split()[0].lower()}": round(result.balanced, 4)
        for engine in ("INT8 onnxruntime", "float onnxruntime")
        for name, result in report.scores[engine].items()
    }
    record(
        NAME,
        inputs=INPUTS,
        outputs=["probabilities"],
        classes=CLASSES,
        thresholds=report.thresholds,
        data="simulated defects in recordings of speech, music and surroundings; sources in card.md",
        scores=scores,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--media", type=Path, required=True, help="folder with sound/, talking/ and scenes/")
    arguments = parser.parse_args()
    config = read_config(CONFIG)
    run(arguments.media, list(recordings(arguments.media, config)), config)


if __name__ == "__main__":
    main()
