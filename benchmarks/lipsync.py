"""Lip sync on speakers that the towers never saw: python -m benchmarks.lipsync --media DIR --folds DIR

Each fold's towers, as `python -m quantize.sync.train` leaves them, judge the speakers that they were not trained on:
fragments of 4 s whose sound was moved by known amounts, and with the voices of strangers; then takes of 3 s by
themselves. An hour of material in which nobody talks to the camera is judged by the model that is shipped, and every
film is searched for line-up patterns, with every sound there is. Nothing is tuned here: the confidence comes from the
manifest. At the end, what one fragment costs.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from quantize import cache
from quantize.setup import read_config
from quantize.sync.evaluate import (
    SECONDS,
    Recording,
    Trial,
    by,
    conclusive,
    few_takes,
    listen,
    opinions,
    record,
    scores,
    trials,
)
from quantize.sync.simulate import TremblingLabels, read_labels, talking
from quantize.sync.train import CONFIG, KINDS, Workshop
from vqa_agent.capture import Source, open_source
from vqa_agent.detect.av_sync import PATTERN_CERTAIN
from vqa_agent.infer import Model, open_model
from vqa_agent.lipsync.faces import FaceFinder
from vqa_agent.lipsync.follow import Find
from vqa_agent.lipsync.fragment import Fragment, Listener
from vqa_agent.lipsync.similarity import fit
from vqa_agent.media import Picture, Sound

PLOTTED = ("p31", "retalk4", "vasa_5", "restaurant")
"""Speakers whose curves are drawn."""

COSTED = "talking/p31.mkv"
"""A talker at 25 pictures a second, whose cost is taken."""

CORPUS = "grid_s1"
"""A speaker with many short takes, who is a large part of the real fragments: figures are given without him, too."""

TAKE = 3.0
"""Seconds of a short take."""

COLUMNS = ("fragments", "coverage", "median_error_ms", "p90_error_ms", "balanced_accuracy", "stranger_verdicts")


def find_in(media: Path, own: bool) -> Callable[[str], Find]:
    """Our own faces, or the teacher's labels with the errors of our own."""
    if own:
        finder = FaceFinder()
        return lambda file: finder.find
    labels, tremble = read_labels(media / "labels" / "faces_talking.jsonl.gz"), read_config(CONFIG)["tremble"]
    return lambda file: TremblingLabels(labels, file, tremble, 1)


def recordings(media: Path, find: Callable[[str], Find], seconds: float = SECONDS) -> list[Recording]:
    """Every talker, cut into fragments of `seconds`."""
    files = few_takes(talking(media, read_config(CONFIG)["same"]))
    return [record(media, file, speaker, kind, find(file), seconds) for file, (speaker, kind) in files.items()]


def single(recordings: Sequence[Recording]) -> list[Recording]:
    """The same with each fragment by itself, so that none counts together with the one beside it."""
    return [replace(each, fragments=[fragment]) for each in recordings for fragment in each.fragments]


def table_of(title: str, groups: Mapping[Any, Sequence[Trial]]) -> Table:
    table = Table(title=title, title_justify="left")
    for name in ("", *COLUMNS):
        table.add_column(name.replace("_", " "), justify="left" if not name else "right")
    for name, group in groups.items():
        values = scores(group)
        table.add_row(str(name), *(f"{values[column]:.3g}" if column in values else "-" for column in COLUMNS))
    return table


def show(console: Console, title: str, found: Sequence[Trial], confidence: float, details: bool) -> None:
    own = [trial for trial in found if not trial.other]
    groups: dict[Any, Sequence[Trial]] = {"all": found, **by(found, lambda trial: trial.kind)}
    others = [trial for trial in found if trial.speaker != CORPUS]
    groups |= {f"without {CORPUS}": others, **by(others, lambda trial: f"{trial.kind}, without {CORPUS}")}
    console.print(table_of(f"{title}, confidence {confidence:.3f}", groups))
    if not details:
        return
    console.print(table_of("by offset in ms", by(own, lambda trial: round(trial.shift * 1000))))
    console.print(table_of("by speaker", by(found, lambda trial: f"{trial.speaker} ({trial.kind})")))
    unsure = [trial for trial in own if not conclusive(trial)]
    reasons = by(unsure, lambda trial: str(trial.opinion.reason))
    shares = [f"{name} {len(group) / len(own):.1%}" for name, group in reasons.items()]
    console.print(f"inconclusive: {', '.join(shares)}")


def nobody_talks(media: Path, find: Find, model: Model, confidence: float, hours: float) -> dict[str, Any]:
    """Scenes, broadcasts and stills with voices, music and noises: how many fragments end with which verdict."""
    films = films_of(silent_films(media), media, find)
    files = [file for kind in ("speech", "music") for file in sorted(media.glob(f"sound/{kind}/*.flac"))[:12]]
    heard = [listen(_repeated(_sounds(file), 30.0)) for file in files]
    said = (opinion for ear in heard for film in films for _, opinion in opinions(film, ear, model, confidence))
    verdicts: dict[str, int] = {}
    for opinion in islice(said, round(hours * 3600 / SECONDS)):
        verdict = str(opinion.reason) if opinion.reason else "verdict"
        verdicts[verdict] = verdicts.get(verdict, 0) + 1
    return {"seconds": SECONDS * sum(verdicts.values()), **verdicts}


def films_of(files: Iterable[Path], media: Path, find: Find) -> list[Recording]:
    return [record(media, str(file.relative_to(media)), file.stem, "other", find) for file in files]


def patterns(media: Path) -> dict[str, int]:
    """Every film with every sound: in how many fragments a line-up pattern is found, which none of them has."""
    films = films_of([*silent_films(media), *sorted(media.glob("talking/*.mkv"))], media, lambda picture: [])
    found = looked = 0
    for file in sorted(media.glob("sound/*/*.flac")):
        listener = Listener()
        for sound in _sounds(file):
            listener.hear(sound)
        for fragment in (fragment for film in films for fragment in film.fragments):
            pattern = fragment.pattern(listener)
            found += (pattern is not None and pattern.pairs >= PATTERN_CERTAIN) or fragment.claps(listener) is not None
            looked += 1
    return {"fragments": looked, "patterns": found}


def plot(talkers: Sequence[Recording], model_of: Callable[[str], Model], names: Sequence[str], out: Path) -> None:
    """The distance of mouth and voice against the offset, for the first fragments of a few unseen talkers."""
    from matplotlib.figure import Figure

    figure = Figure((7, 4.5), layout="constrained")
    axes = figure.subplots()
    chosen = [each for name in names for each in talkers if each.speaker == name][: len(names)]
    pairs = [(each, each, each.speaker) for each in chosen]
    pairs.append((chosen[0], chosen[1], f"{chosen[0].speaker} with the voice of {chosen[1].speaker}"))
    for seen, heard, label in pairs:
        fragment, model = seen.fragments[0], model_of(seen.speaker)
        talker = fragment.talkers(fragment.mouths(), listen(heard.sounds), model)[0]
        found = fit(talker.distances)
        if found is not None:
            style = "--" if seen is not heard else "-"
            axes.plot(40 * (np.arange(len(found.curve)) - len(found.curve) // 2), found.curve, style, label=label)
    axes.set(xlabel="offset in ms (positive: the sound is late)", ylabel="mean cosine distance")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(out)


def cost(media: Path, model: Model, confidence: float) -> float:
    """Seconds of a core that 4 s of one talker at 1080p25 take: reduction, faces, mouths, voice and verdict.

    Decoding, and enlarging to 1080p, come before and do not count.
    """
    with open_source(Source(name=COSTED, url=str(media / COSTED), live=False)) as capture:
        samples = [sample for sample in capture.samples() if sample.time < SECONDS]
    pictures = [_enlarged(sample) for sample in samples if isinstance(sample, Picture)]
    finder, listener = FaceFinder(), Listener()
    finder.find(pictures[0])
    started = time.process_time()
    fragment = Fragment(0.0, SECONDS, finder.find)
    for sample in samples:
        if isinstance(sample, Sound):
            listener.hear(sample)
    for picture in pictures[1:]:
        fragment.watch(picture)
    fragment.hear(listener.ear, model)
    opinion = fragment.opinion(confidence)
    assert opinion.reason is None, f"{COSTED}: {opinion.reason}, so that this is not the whole cost"
    return time.process_time() - started


def _enlarged(picture: Picture) -> Picture:
    """The same in 1920 x 1080."""
    planes = [(picture.luma, (1920, 1080)), *((plane, (960, 540)) for plane in picture.chroma or ())]
    luma, *chroma = [np.asarray(cv2.resize(plane, size), np.uint8) for plane, size in planes]
    return Picture(
        time=picture.time,
        duration=picture.duration,
        luma=luma,
        chroma=(chroma[0], chroma[1]) if chroma else None,
        depth=picture.depth,
        levels=picture.levels,
        index=picture.index,
    )


def silent_films(media: Path) -> Iterable[Path]:
    return [*sorted(media.glob("scenes/*")), *sorted(media.glob("broadcast/*"))]


def _sounds(file: Path) -> list[Sound]:
    with open_source(Source(name=file.name, url=str(file), live=False)) as capture:
        return [sample for sample in capture.samples() if isinstance(sample, Sound)]


def _repeated(sounds: Sequence[Sound], seconds: float) -> list[Sound]:
    """The same sound again and again, for `seconds`."""
    length = sounds[-1].end
    return [
        Sound(time=sound.time + turn * length, rate=sound.rate, samples=sound.samples, names=sound.names)
        for turn in range(int(seconds / length) + 1)
        for sound in sounds
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--media", type=Path, required=True, help="folder of the recordings")
    parser.add_argument("--folds", type=Path, default=cache.FOLDER / "sync", help="checkpoints of the training")
    parser.add_argument("--labels", action="store_true", help="faces from the teacher's labels instead of our own")
    parser.add_argument("--plot", type=Path, help="write distance against offset for a few talkers to this picture")
    parser.add_argument("--results", type=Path, help="write every trial to this file, one JSON object a line")
    arguments = parser.parse_args()
    console = Console(width=120)
    config = read_config(CONFIG)
    confidence = open_model("sync").info.thresholds["confidence"]
    talkers = recordings(arguments.media, find_in(arguments.media, not arguments.labels))
    workshop = Workshop(arguments.media, arguments.folds, config)
    for kind in KINDS:
        found = trials(talkers, workshop.chooser(kind), confidence)
        show(console, f"unseen speakers, {kind}", found, confidence, kind == "int8")
        if arguments.results and kind == "int8":
            arguments.results.write_text("".join(json.dumps(_plain(trial)) + "\n" for trial in found), encoding="utf-8")
    short = single(recordings(arguments.media, find_in(arguments.media, not arguments.labels), TAKE))
    show(console, f"takes of {TAKE:.0f} s", trials(short, workshop.chooser("int8"), confidence), confidence, False)
    if arguments.plot:
        plot(talkers, workshop.chooser("int8"), PLOTTED, arguments.plot)
    started = time.process_time()
    quiet = nobody_talks(arguments.media, FaceFinder().find, open_model("sync"), confidence, 1.0)
    console.print(f"nobody talks: {quiet} ({time.process_time() - started:.0f} s of a core)")
    console.print(f"films with sounds that are not theirs: {patterns(arguments.media)}")
    spent = min(cost(arguments.media, open_model("sync"), confidence) for _ in range(3))
    console.print(f"4 s of one face at 1080p25: {spent:.2f} s of a core, decoding apart")


def _plain(trial: Trial) -> dict[str, Any]:
    return {
        "file": trial.file,
        "start": trial.start,
        "shift": trial.shift,
        "own": trial.own,
        "other": trial.other,
        "offset": trial.opinion.offset,
        "confidence": trial.opinion.confidence,
        "reason": trial.opinion.reason,
    }


if __name__ == "__main__":
    main()
