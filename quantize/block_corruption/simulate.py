"""Make the clips that block_corruption is trained and measured on: clean material, damage to it, and the truth.

    python -m quantize.block_corruption.simulate --media DIR --data DIR [--split S] [--from N --to N] [--pictures DIR]

One .npz file a clip, named by split and number; clips that are there are left alone, so that it may be stopped and
started again, or run twice at once on different numbers. A clip follows from the seed and its number alone. Decoders
can crash on damaged data, and take the run with them: start it again, and the clip that did it is left out.
--pictures draws what was made (shown, clean, truth): look at it before you train.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any
from zlib import crc32

import av
import cv2
import numpy as np
import typer
from numpy.typing import NDArray
from tqdm import tqdm

from quantize.block_corruption.baselines import blockdetect
from quantize.block_corruption.coding import DAMAGES, DECODERS, decode, draw_coding, encode, to_frame
from quantize.block_corruption.material import RATE, Library, draw
from quantize.block_corruption.styles import STYLES, draw_damage, weave
from quantize.block_corruption.truth import DAMAGED, DOUBTFUL, Planes, Truth, clean_truth, find_damage
from quantize.setup import read_config
from vqa_agent.block_planes import block_planes
from vqa_agent.media import Picture

CONFIG = Path(__file__).with_name("config.toml")
SPLITS = {
    "train": ("train", "train"),
    "clean_train": ("train", "clean_train"),
    "clean_show": ("train", "clean_show"),
    "validation": ("validation", "damaged"),
    "test": ("test", "damaged"),
    "held_out": ("test", "damaged"),
    "clean_validation": ("validation", "clean"),
    "clean_test": ("test", "clean"),
}
"""The sets of clips: the sources that each takes, and its mix of material. Those that begin with clean are clean."""
TRAINING = ("train", "clean_train", "clean_show")
GAPS = (1, 1, 1, 1, 1, 1, 1, 2, 4, None)
"""Pictures back to the predecessor: skipped frames make it more, a beginning makes it none."""


@dataclass(frozen=True)
class Shot:
    """A clip as it is shown, beside what it should show. `frames` lacks what was lost on the way."""

    frames: dict[int, av.VideoFrame]
    clean: list[av.VideoFrame]
    origin: dict[str, Any]


@dataclass(frozen=True)
class Look:
    """One picture as the network gets it, with the truth."""

    planes: NDArray[np.uint8]
    truth: Truth
    number: int
    damaged_version: bool
    corrupt: bool
    """Whether the decoder said so."""
    blockdetect: float = 0.0


def make_shot(rng: np.random.Generator, library: Library, split: str, config: Mapping[str, Any]) -> Shot | None:
    """Encode, damage and decode one clip, perhaps encode it again; None where too little came through."""
    clip = library.clip(rng, config["material"]["pictures"][split])
    damage = config["damage"]
    interlaced = rng.random() < damage["interlaced"]
    images = weave(clip.images) if interlaced else clip.images
    held_out = split == "held_out"
    kind = "none" if split.startswith("clean") else draw(rng, damage["kinds"])
    codec = draw(rng, (config["held_out"] if held_out and kind != "drawn" else damage)["codecs"])
    coded = encode((to_frame(image) for image in images), draw_coding(codec, rng))
    clean = decode(coded)
    if len(clean) < len(images):
        return None
    whole = [clean[number] for number in range(len(images))]
    if kind == "none":
        shown: dict[int, av.VideoFrame] = {}
    elif kind == "drawn":
        shown, whole = _drawn(whole, rng, config, split)
    else:
        shown = decode(DAMAGES[kind](coded, rng), DECODERS[int(rng.integers(len(DECODERS)))])
    shown = {number: frame for number, frame in shown.items() if number < len(whole)}
    if len(shown) < 4 and kind != "none":
        return None
    origin = {"source": clip.source, "kind": kind, "codec": codec, "interlaced": interlaced, "baked": False}
    shot = Shot(shown, whole, origin)
    return _bake(shot, rng) if rng.random() < damage["baked"] else shot


def _drawn(
    frames: list[av.VideoFrame], rng: np.random.Generator, config: Mapping[str, Any], split: str
) -> tuple[dict[int, av.VideoFrame], list[av.VideoFrame]]:
    """Drawn damage over decoded pictures; the clean ones go the same way through RGB."""
    apart = config["held_out"]["styles"]
    styles = apart if split == "held_out" else [name for name in STYLES if name not in apart]
    shortest = config["damage"]["shortest"]["train" if split in TRAINING else "measured"]
    images = [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in frames]
    shown = {number: to_frame(image) for number, image in enumerate(draw_damage(images, styles, rng, shortest))}
    return shown, [to_frame(image) for image in images]


def _bake(shot: Shot, rng: np.random.Generator) -> Shot | None:
    """Encode both versions again, perhaps at another size: what was lost stays, the errors of the transport do not."""
    filled = _held(shot)
    scale = float(rng.choice([1.0, 1.0, 0.5, 2 / 3, 0.75, 4 / 3, 1.5, 2.0]))
    height = int(np.clip(shot.clean[0].height * scale, 240, 1080)) // 8 * 8
    width = round(shot.clean[0].width * height / shot.clean[0].height / 8) * 8
    coding = draw_coding(str(rng.choice(["h264", "mpeg2", "hevc"], p=[0.6, 0.2, 0.2])), rng, (0.2, 1.0))
    versions = []
    for frames in (shot.clean, filled) if filled else (shot.clean,):
        sized = (frame.reformat(width, height, "yuv420p", interpolation="BICUBIC") for frame in frames)
        decoded = decode(encode(sized, coding))
        if len(decoded) < len(frames):
            return None
        versions.append(decoded)
    origin = shot.origin | {"baked": True, "scale": round(height / shot.clean[0].height, 3)}
    whole = [versions[0][number] for number in range(len(shot.clean))]
    return Shot(versions[1] if filled else {}, whole, origin)


def _held(shot: Shot) -> list[av.VideoFrame]:
    """What is shown at each moment: the picture before where one is missing."""
    held: list[av.VideoFrame] = []
    for number in range(len(shot.clean) if shot.frames else 0):
        last = (
            number if number in shot.frames else max((n for n in shot.frames if n < number), default=min(shot.frames))
        )
        held.append(shot.frames[last])
    return held


def to_planes(frame: av.VideoFrame) -> Planes:
    height, width = frame.height, frame.width
    both = np.asarray(frame.to_ndarray(format="yuv420p"), np.uint8)
    blue, red = both[height:].reshape(2, height // 2, width // 2)
    return Planes(both[:height], (blue, red))


def looks_for_training(shot: Shot, rng: np.random.Generator, config: Mapping[str, Any]) -> Iterator[Look]:
    """Pictures in which something differs, and some clean ones of the same clip."""
    clean = [to_planes(frame) for frame in shot.clean]
    shown = {number: to_planes(frame) for number, frame in shot.frames.items()}
    different = [number for number in shown if number and _differs(shown[number], clean[number])]
    chosen = rng.permutation(different)[: config["data"]["damaged_looks"]]
    for number in sorted(int(n) for n in chosen):
        truth = find_damage(shown[number], clean, number, config["labels"])
        yield _look(shown, number, _gap(rng), truth, True, shot)
    originals = dict(enumerate(clean))
    beside = config["data"]["clean_looks"]["damaged" if shot.frames else "clean"]
    for number in sorted(int(n) for n in rng.permutation(len(clean) - 1)[:beside] + 1):
        yield _look(originals, number, _gap(rng), None, False, shot)


def looks_in_order(shot: Shot, step: int, config: Mapping[str, Any]) -> Iterator[Look]:
    """Looks at the rate at which the agent looks: at the clip as it is shown, then at the clean one."""
    clean = [to_planes(frame) for frame in shot.clean]
    shown = {number: to_planes(frame) for number, frame in shot.frames.items()}
    for number in range(1, len(clean), step):
        if number in shown:
            truth = find_damage(shown[number], clean, number, config["labels"])
            look = _look(shown, number, 1, truth, True, shot)
            yield replace(look, blockdetect=blockdetect(shot.frames[number]))
    for number in range(1, len(clean), step):
        look = _look(dict(enumerate(clean)), number, 1, None, False, shot)
        yield replace(look, blockdetect=blockdetect(shot.clean[number]))


def _differs(one: Planes, other: Planes) -> bool:
    difference = cv2.resize(cv2.absdiff(one.luma, other.luma), None, fx=1 / 16, fy=1 / 16, interpolation=cv2.INTER_AREA)
    return int((difference > 10).sum()) >= 2


def _gap(rng: np.random.Generator) -> int | None:
    return GAPS[int(rng.integers(len(GAPS)))]


def _look(
    version: Mapping[int, Planes], number: int, gap: int | None, truth: Truth | None, damaged: bool, shot: Shot
) -> Look:
    """The look at picture `number`, whose predecessor is the last one at least `gap` before it."""
    earlier = [] if gap is None else [other for other in version if other <= number - gap]
    before = _picture(version[max(earlier)], None) if earlier else None
    planes = block_planes(_picture(version[number], before))
    corrupt = damaged and not shot.origin["baked"] and bool(shot.frames[number].is_corrupt)
    return Look(planes, truth or clean_truth((planes.shape[1], planes.shape[2])), number, damaged, corrupt)


def _picture(planes: Planes, previous: Picture | None) -> Picture:
    return Picture(time=0.0, duration=1 / RATE, luma=planes.luma, chroma=planes.chroma, previous=previous)


def save(path: Path, looks: list[Look], origin: Mapping[str, Any]) -> None:
    """Write beside, then rename: a stopped run leaves no half clips."""
    beside = path.with_suffix(".part.npz")
    np.savez(
        beside,
        planes=np.stack([look.planes for look in looks]),
        blocks=np.stack([look.truth.blocks for look in looks]),
        picture=np.array([look.truth.picture for look in looks], np.uint8),
        number=np.array([look.number for look in looks]),
        damaged_version=np.array([look.damaged_version for look in looks]),
        corrupt=np.array([look.corrupt for look in looks]),
        blockdetect=np.array([look.blockdetect for look in looks], np.float32),
        origin=np.array(json.dumps(dict(origin))),
    )
    beside.rename(path)


def draw_looks(path: Path, looks: list[Look], shot: Shot) -> None:
    """Shown, clean and truth of the worst looks side by side (red: damaged, yellow: doubtful)."""
    rows = []
    worst = sorted((look for look in looks if look.damaged_version), key=lambda look: -look.truth.share)
    for look in worst[:4]:
        shown, clean = (
            frame.to_ndarray(format="bgr24") for frame in (shot.frames[look.number], shot.clean[look.number])
        )
        colours = np.zeros((*look.truth.blocks.shape, 3), np.uint8)
        colours[look.truth.blocks == DAMAGED] = (0, 0, 255)
        colours[look.truth.blocks == DOUBTFUL] = (0, 220, 220)
        marks = cv2.resize(colours, shown.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        parts = (shown, clean, cv2.addWeighted(shown, 0.6, marks, 0.4, 0))
        rows.append(np.hstack([cv2.resize(part, (480, 270)) for part in parts]))
    if rows:
        cv2.imwrite(str(path), np.vstack(rows))


def make(
    media: Annotated[Path, typer.Option(help="The folder of media.")],
    data: Annotated[Path, typer.Option(help="Where the clips go.")],
    split: Annotated[str, typer.Option(help=", ".join(SPLITS))] = "train",
    first: Annotated[int, typer.Option("--from", help="Number of the first clip.")] = 0,
    last: Annotated[int | None, typer.Option("--to", help="Number after the last clip.")] = None,
    pictures: Annotated[Path | None, typer.Option(help="Folder for drawings of what was made.")] = None,
) -> None:
    """Make the clips of one split."""
    cv2.setNumThreads(1)
    config = read_config(CONFIG)
    sources, mix = SPLITS[split]
    library = Library(media, config, sources, mix)
    data.mkdir(parents=True, exist_ok=True)
    for number in tqdm(range(first, config["data"][split] if last is None else last), desc=split, mininterval=5):
        path = data / f"{split}-{number:05d}.npz"
        trying = path.with_suffix(".trying")
        if path.exists() or trying.exists():
            continue
        trying.touch()
        rng = np.random.default_rng([config["seed"], crc32(split.encode()), number])
        shot = make_shot(rng, library, split, config)
        trying.unlink()
        if shot is None:
            continue
        if split in TRAINING:
            looks = list(looks_for_training(shot, rng, config))
        else:
            looks = list(looks_in_order(shot, config["data"]["step"], config))
        save(path, looks, shot.origin)
        if pictures is not None:
            pictures.mkdir(parents=True, exist_ok=True)
            draw_looks(pictures / f"{split}-{number:05d}.png", looks, shot)


if __name__ == "__main__":
    typer.run(make)
