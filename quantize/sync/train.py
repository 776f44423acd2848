"""Train the towers: python -m quantize.sync.train --media DIR

1. For each fold of speakers, towers that never saw them. They tell the offset of each of the fold's recordings.
2. The same towers go on, on recordings that were moved by these offsets.
3. And on, with mouths that our own detector found among those of the labels; they give the figures on unseen speakers.
4. Towers trained on all speakers, likewise: these are brought to INT8 and shipped.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from quantize import cache
from quantize.setup import read_config, seed_everything
from quantize.sync.evaluate import few_takes, least_confidence, record, scores, take_of, trials
from quantize.sync.network import Towers, loss_of
from quantize.sync.ship import NAME, calibration, ship
from quantize.sync.simulate import (
    MARGIN,
    Clip,
    Floats,
    Sequencer,
    noises,
    prepare,
    sequences,
    talking,
    voice_rows,
)
from vqa_agent.infer import MODELS, Model, open_model
from vqa_agent.lipsync.embed import ROWS_PER_SLOT, stacks_of, windows_of
from vqa_agent.lipsync.faces import FaceFinder
from vqa_agent.lipsync.follow import SLOT
from vqa_agent.lipsync.similarity import SEARCH, Fit, distances, fit
from vqa_agent.lipsync.voice import normalise

CONFIG = Path(__file__).with_name("config.toml")

CHECKPOINTS = cache.FOLDER / "sync"

STAGES = ("first", "second", "third")

KINDS = ("int8", "fp32")

SURE = 0.08
"""Least depth of the minimum with which a recording's own offset is believed."""


def folds_of(clips: Sequence[Clip], config: Mapping[str, Any]) -> list[set[str]]:
    """Speakers that are held out together: of about the same number of slots, real and generated in each."""
    groups: list[set[str]] = [set() for _ in range(config["count"])]
    held = [0] * config["count"]
    for kind in ("real", "generated"):
        slots = {clip.speaker: 0 for clip in clips if clip.kind == kind}
        for clip in clips:
            if clip.kind == kind and clip.faces == "labels":
                slots[clip.speaker] += min(clip.slots, 400)
        for speaker in sorted(slots, key=lambda name: (-slots[name], name)):
            fold = int(np.argmin(held))
            groups[fold].add(speaker)
            held[fold] += min(slots[speaker], config["most"])
    return groups


def train(
    clips: Sequence[Clip], noise: Sequence[Floats], config: Mapping[str, Any], seed: int, start: Towers | None = None
) -> Towers:
    """Towers trained for `steps` steps on `clips`, from `start` where it is given."""
    settings = config["train"]
    seed_everything(seed)
    towers = Towers({**config["draw"], **settings}).to(memory_format=torch.channels_last)
    if start is not None:
        towers.load_state_dict(start.state_dict())
    optimiser = torch.optim.AdamW(towers.parameters(), settings["rate"], weight_decay=settings["weight_decay"])
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings["rate"], settings["steps"], pct_start=0.15)
    batches = sequences(clips, Sequencer(noise, config["draw"], seed), settings["batch"], settings["length"])
    towers.train()
    begun, losses = time.monotonic(), []
    for step in range(1, settings["steps"] + 1):
        stacks, windows = (torch.from_numpy(each) for each in next(batches))
        stacks = stacks.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            loss = loss_of(towers, stacks, windows, settings["length"], settings["neighbour"])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(towers.parameters(), 2.0)
        optimiser.step()
        schedule.step()
        losses.append(float(loss.detach()))
        if step % 50 == 0:
            print(f"step {step}: loss {np.mean(losses[-50:]):.3f}, {time.monotonic() - begun:.0f} s", flush=True)
    return towers.eval()


def table_of(towers: Towers, clip: Clip) -> Floats:
    """`distances` over the whole of a recording."""
    rows, columns = MARGIN
    stacks = np.ascontiguousarray(stacks_of(clip.cuts[:, rows:-rows, columns:-columns]))
    voice = normalise(voice_rows(clip.wave))
    first, count = ROWS_PER_SLOT * (clip.first - SEARCH), clip.slots + 2 * SEARCH
    windows = windows_of(voice, first, count)
    with torch.inference_mode():
        mouths, voices = towers(torch.from_numpy(stacks), torch.from_numpy(windows))
    middles = first + ROWS_PER_SLOT * (np.arange(count) + 0.5)
    heard = (middles >= 0) & (middles < len(voice))
    return distances(mouths.numpy(), np.where(heard[:, None], voices.numpy(), np.nan).astype(np.float32))


def labelled(clips: Sequence[Clip]) -> list[Clip]:
    """Those with the faces of the labels."""
    return [clip for clip in clips if clip.faces == "labels"]


def own_offsets(towers: Towers, clips: Sequence[Clip]) -> dict[str, Fit | None]:
    """The offset of each recording, over the whole of it, or over all takes of a speaker who has many."""
    tables: dict[str, list[Floats]] = {}
    for clip in labelled(clips):
        tables.setdefault(take_of(clip.name, clip.speaker), []).append(table_of(towers, clip))
    fits = {name: fit(np.concatenate(parts)) for name, parts in tables.items()}
    return {clip.name: fits[take_of(clip.name, clip.speaker)] for clip in clips}


def shifted(clips: Sequence[Clip], offsets: Mapping[str, Fit | None]) -> list[Clip]:
    """The recordings with the offsets that are sure and near zero; others as they are."""
    moved = []
    for clip in clips:
        found = offsets.get(clip.name)
        sure = found is not None and found.depth >= SURE and abs(found.offset) <= 8
        moved.append(replace(clip, offset=found.offset * SLOT) if found is not None and sure else clip)
    return moved


class Workshop:
    """The recordings, and the towers of each stage: trained, or read from `out` where they were trained before."""

    def __init__(self, media: Path, out: Path, config: Mapping[str, Any]) -> None:
        self.out, self.config = out, config
        self.clips, self.noise = prepare(media, config), noises(media)
        self.folds = folds_of(self.clips, config["folds"])
        out.mkdir(parents=True, exist_ok=True)

    def held_out(self, fold: int) -> list[Clip]:
        return [clip for clip in self.clips if clip.speaker in self.folds[fold]]

    def first(self, fold: int | None) -> Towers:
        """Towers that take every recording as in sync; `fold` is held out."""
        return self._stage("first", fold, labelled(self.clips), None)

    def second(self, fold: int | None) -> Towers:
        """The same, trained further on recordings that were brought in sync."""
        return self._stage("second", fold, labelled(self._moved), self.first(fold))

    def third(self, fold: int | None) -> Towers:
        """The same, trained further on mouths as our own detector finds them."""
        return self._stage("third", fold, self._moved, self.second(fold))

    @cached_property
    def _moved(self) -> list[Clip]:
        return shifted(self.clips, self.offsets())

    def offsets(self) -> dict[str, Fit | None]:
        """Each recording's own offset, by the towers that never saw its speaker."""
        found: dict[str, Fit | None] = {}
        for fold in range(len(self.folds)):
            found |= own_offsets(self.first(fold), self.held_out(fold))
        return found

    def fold_of(self, speaker: str) -> int:
        """The fold that holds `speaker` out."""
        return next(number for number, held in enumerate(self.folds) if speaker in held)

    def chooser(self, kind: str) -> Callable[[str], Model]:
        """For each speaker the model, as the agent runs it, that never saw him."""
        models = []
        for fold in range(len(self.folds)):
            folder = self.out / "models" / f"{fold}-{kind}"
            if not (folder / "manifest.toml").exists():
                self.ship(self.third(fold), folder, self.folds[fold], kind)
            models.append(open_model(NAME, "onnxruntime", folder))
        return lambda speaker: models[self.fold_of(speaker)]

    def ship(self, towers: Towers, folder: Path, held: Collection[str], kind: str, **about: Any) -> None:
        """Enter `towers` in the manifest of `folder`, calibrated on all but the speakers in `held`."""
        clips = [clip for clip in self.clips if clip.speaker not in held]
        feeds = list(calibration(clips, self.noise, self.config)) if kind == "int8" else []
        ship(towers, folder, feeds, self.config["int8"]["method"] if feeds else "", **about)

    def _stage(self, name: str, fold: int | None, clips: Sequence[Clip], start: Towers | None) -> Towers:
        config = {**self.config, "train": {**self.config["train"], **self.config[name]}}
        path = self.out / f"{name}-{'all' if fold is None else fold}.pt"
        if path.exists():
            return load(path)
        held = self.folds[fold] if fold is not None else set()
        print(f"{path.stem}: holds out {', '.join(sorted(held)) or 'nobody'}", flush=True)
        seed = config["seed"] + (fold or 0) + 100 * STAGES.index(name)
        towers = train([clip for clip in clips if clip.speaker not in held], self.noise, config, seed, start)
        torch.save({"config": config, "state": towers.state_dict()}, path)
        return towers


def load(path: Path) -> Towers:
    """Towers from a checkpoint, ready to be used."""
    stored = torch.load(path, weights_only=True)
    towers = Towers({**stored["config"]["draw"], **stored["config"]["train"]})
    towers.load_state_dict(stored["state"])
    return towers.eval()


def finish(workshop: Workshop, media: Path, folder: Path) -> None:
    """Measure the folds, fit the confidence on their INT8 form, and ship the towers that were trained on everybody."""
    finder = FaceFinder()
    files = few_takes(talking(media, workshop.config["same"]))
    talkers = [record(media, file, speaker, kind, finder.find) for file, (speaker, kind) in files.items()]
    alone = trials(talkers, workshop.chooser("int8"))
    confidence = least_confidence(alone, workshop.config["int8"]["errors"])
    figures = {kind: scores(trials(talkers, workshop.chooser(kind), confidence)) for kind in KINDS}
    print(f"confidence {confidence:.4f}: {figures}", flush=True)
    rounded = {kind: {name: round(value, 4) for name, value in each.items()} for kind, each in figures.items()}
    thresholds = {"confidence": round(confidence, 4)}
    workshop.ship(workshop.third(None), folder, (), "int8", scores=rounded, thresholds=thresholds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--media", type=Path, required=True, help="folder of the recordings")
    parser.add_argument("--out", type=Path, default=CHECKPOINTS, help="folder of the checkpoints")
    parser.add_argument("--models", type=Path, default=MODELS, help="folder of the models that are shipped")
    arguments = parser.parse_args()
    workshop = Workshop(arguments.media, arguments.out, read_config(CONFIG))
    for name, found in workshop.offsets().items():
        if found is not None and name.count("/") == 1:
            print(f"{name}: {found.milliseconds:+.0f} ms, depth {found.depth:.3f}", flush=True)
    finish(workshop, arguments.media, arguments.models)


if __name__ == "__main__":
    main()
