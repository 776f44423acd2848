"""How well the network finds faces of people whom it has never seen: python -m quantize.face.evaluate --media DIR

Truth is the teacher's opinion, looked through by eye. Recall and precision are taken at fixed heights of the face in
the 320 x 192 input, over pictures that show it so; false faces over crops of pictures without people.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from quantize.bounds import by_source
from quantize.cache import FOLDER
from quantize.face.simulate import crop, hull, inside, moved, network_inputs, prescaled
from quantize.face.sources import Labelled, Pixels, Shapes, read_sources
from quantize.manifest import record
from quantize.setup import read_config
from vqa_agent.infer import MODELS, RUNTIMES
from vqa_agent.infer.timing import measure_apart
from vqa_agent.lipsync.faces import HEIGHT, WIDTH, decode, merge, overlaps

HERE = Path(__file__).parent

Network = Callable[[NDArray[np.float32]], list[NDArray[np.float32]]]

DATA = (
    "talking heads, stills, scenes and broadcasts of public repositories and the ORL faces, labelled by MediaPipe and "
    "looked through; pasted, panned and made worse"
)


@dataclass(frozen=True, slots=True)
class View:
    """What the network is shown, and what is in it: faces (k, 7, 2), doubtful boxes (k, 2, 2)."""

    source: str
    pixels: Pixels
    faces: list[Shapes] = field(default_factory=list)
    doubtful: list[Shapes] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Count:
    """Of one view: faces that are there, those found, found where none is, and how far off the points are."""

    source: str
    there: int
    found: int
    false: int
    point_errors: list[float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--media", type=Path, required=True, help="folder of the recordings")
    parser.add_argument("--out", type=Path, default=MODELS, help="folder of the models")
    parser.add_argument("--fp32", type=Path, default=FOLDER / "face.fp32.onnx")
    given = parser.parse_args()
    score_and_record(given.media, read_config(HERE / "config.toml"), given.fp32, given.out)


def score_and_record(media: Path, config: Mapping[str, Any], fp32: Path, out: Path) -> None:
    """Score the float and the INT8 network on the sources that are held out; enter them in the manifest."""
    held_out = read_sources(media, config, held_out=True)
    settings = config["evaluate"]
    files = {"fp32": fp32, "int8": out / "face" / "face.onnx"}
    scores: dict[str, Any] = {
        name: score(open_onnx(path), held_out, settings, config["seed"]) for name, path in files.items()
    }
    enter = partial(
        record,
        "face",
        inputs={"picture": (1, 3, HEIGHT, WIDTH)},
        outputs=["logits", "shapes"],
        thresholds={"score": settings["threshold"]},
        data=DATA,
        folder=out,
    )
    enter()  # because only what is in the manifest can be timed
    scores["ms"] = {name: measure_apart("face", name, out, runs=60).least_ms for name in RUNTIMES}
    enter(scores=scores)
    print(json.dumps(scores, indent=1))


def open_onnx(path: Path) -> Network:
    """A network as a function, on one thread of ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda inputs: list(session.run(None, {"picture": inputs}))


def score(network: Network, pictures: Sequence[Labelled], settings: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Recall, precision and their bounds at each height; the same of the pictures as they are; false faces."""
    threshold = settings["threshold"]
    people = [each for each in pictures if each.has_faces]
    table = {}
    for height in settings["heights"]:
        rng = np.random.default_rng(seed)
        shown = [at_height(each, height, pictures, rng) for each in people for _ in range(settings["views"])]
        table[f"{height}px"] = summary([compare(network, view, threshold) for view in shown])
    table["as_is"] = summary([compare(network, as_is(each), threshold) for each in people])
    rng = np.random.default_rng(seed)
    empty = [each for each in pictures if each.is_empty]
    views = [View(each.source, crop(each.pixels, rng)) for each in spread(empty, settings["empty"], rng)]
    false = sum(compare(network, view, threshold).false for view in views)
    return {**table, "false_per_1000": round(1000 * false / len(views), 1)}


def spread(pictures: Sequence[Labelled], count: int, rng: np.random.Generator) -> list[Labelled]:
    """`count` pictures, every source as often."""
    groups: dict[str, list[Labelled]] = {}
    for each in pictures:
        groups.setdefault(each.source, []).append(each)
    sources = list(groups.values())
    return [group[rng.integers(len(group))] for group in (sources[n % len(sources)] for n in range(count))]


def at_height(picture: Labelled, height: float, others: Sequence[Labelled], rng: np.random.Generator) -> View:
    """The picture scaled until its first face is `height` pixels tall, anywhere, over a picture without people."""
    face = picture.faces[0]
    scale = height / float(face[1, 1] - face[0, 1])
    place = rng.uniform((0.25, 0.3), (0.75, 0.7)) * (WIDTH, HEIGHT)
    empty = [each for each in others if each.is_empty]
    below = crop(empty[rng.integers(len(empty))].pixels, rng)
    return shown(picture, scale, place - scale * face[:2].mean(axis=0), below)


def as_is(picture: Labelled) -> View:
    """The whole picture, as the agent's letterbox shows it."""
    height, width = picture.pixels.shape[:2]
    grey = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    return shown(picture, min(WIDTH / width, HEIGHT / height), np.zeros(2), grey)


def shown(picture: Labelled, scale: float, origin: Any, below: Pixels) -> View:
    matrix = np.hstack([np.eye(2) * scale, np.reshape(origin, (2, 1))])
    pixels, matrix_in = prescaled(picture.pixels, matrix, scale)
    canvas = np.asarray(
        cv2.warpAffine(pixels, matrix_in, (WIDTH, HEIGHT), below.copy(), borderMode=cv2.BORDER_TRANSPARENT)
    )
    seen = np.ones((HEIGHT, WIDTH), np.float32)
    faces = [moved(face, matrix, mirror=False) for face in picture.faces]
    doubtful = [hull(box, matrix) for box in picture.doubtful]
    whole = [face for face in faces if inside(face[:2], seen) > 0.9]
    partly = [face[:2] for face in faces if inside(face[:2], seen) <= 0.9]
    return View(picture.source, canvas.astype(np.uint8), whole, doubtful + partly)


def detections(network: Network, pixels: Pixels, threshold: float) -> tuple[Any, Any, Any]:
    """Scores, boxes and points, in pixels, of BGR pixels (192, 320, 3)."""
    planes = cv2.cvtColor(pixels, cv2.COLOR_BGR2YCrCb)[..., [0, 2, 1]]
    inputs = network_inputs(np.asarray(planes[None], np.uint8))
    logits, shapes = network(inputs)
    return merge(*decode(logits[0], shapes[0], threshold))


def compare(network: Network, view: View, threshold: float) -> Count:
    """Match what was found with what is there, the surest first, where boxes overlap by half."""
    _, boxes, points = detections(network, view.pixels, threshold)
    there = [np.concatenate([face[0], face[1] - face[0]]) for face in view.faces]
    left, found, false, errors = list(range(len(there))), 0, 0, []
    for box, point in zip(boxes, points, strict=True):
        match = max(left, key=lambda number: float(overlaps(there[number], box[None])[0]), default=None)
        if match is not None and overlaps(there[match], box[None])[0] >= 0.5:
            left.remove(match)
            found += 1
            apart = np.linalg.norm(point - view.faces[match][2:], axis=1).mean()
            errors.append(float(apart / np.sqrt(there[match][2:].prod())))
        elif not any(covers(each, box) for each in view.doubtful):
            false += 1
    return Count(view.source, len(there), found, false, errors)


def covers(corners: Shapes, box: Any) -> bool:
    """Whether a doubtful box and a found one are the same place."""
    low, high = np.maximum(corners[0], box[:2]), np.minimum(corners[1], box[:2] + box[2:])
    return bool(np.maximum(high - low, 0).prod() > 0.3 * min(box[2:].prod(), np.ptp(corners, axis=0).prod()))


def summary(counts: Sequence[Count]) -> dict[str, Any]:
    """Over all views, with 95 % bounds over whole sources; the points' error in sizes of the face."""
    sources = np.array([each.source for each in counts])
    there, found, false = (np.array([getattr(each, name) for each in counts]) for name in ("there", "found", "false"))

    def recall(found: Any, there: Any) -> float:
        return float(found.sum() / max(1, there.sum()))

    errors = [error for each in counts for error in each.point_errors]
    return {
        "faces": int(there.sum()),
        "people": len(set(sources)),
        "recall": round(recall(found, there), 4),
        "recall_bounds": [round(each, 3) for each in by_source(recall, sources, found, there, rounds=300)],
        "precision": round(recall(found, found + false), 4),
        "point_error": round(float(np.mean(errors)), 4) if errors else float("nan"),
    }


if __name__ == "__main__":
    main()
