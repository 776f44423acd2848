"""Recall, start error and false alarms of every detector, on real material with simulated defects.

    python -m benchmarks.detection --media DIR [--parts ours,other,clean] [--profiles file,live] [--only black,freeze]
                                   [--materials 3] [--live-materials 1] [--severities 0,1,2] [--stills 1] [--lane 1/2]
                                   [--results FILE] [--markdown docs/detection.md]

ours    every case of `vqa_agent.simulate.cases` at every severity in every material
other   every variant of `benchmarks.other_generator`, in other materials
clean   everything clean: the recordings as they are, photographs under a moving camera, and `benchmarks.traps`

Defects are encoded with H.264, MPEG-2 or HEVC in turn, written to a file and analysed as any file is, with all
detectors. A defect counts as found when an event of its name overlaps it. Each analysis is one line of `--results`;
those that are there are not made again, so a run may be cut short, or shared among processes with `--lane`.

The whole takes about 40 minutes of one core. Live rules are patient, so that defects last four times as long there:
fewer materials are tried, and the middle severity only. Clean material is decoded once for both profiles; of the
photographs, one in `--stills` is looked at.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.material import Hearing, Material, moving, panned, sounding
from benchmarks.other_generator import VARIANTS
from benchmarks.results import Event, Result, Results, misses, report
from benchmarks.traps import SIZE, TRAPS, Trap
from vqa_agent.capture import Source, open_source
from vqa_agent.detect import Detector, Profile
from vqa_agent.errors import InputError
from vqa_agent.event import State
from vqa_agent.judge import Decision
from vqa_agent.pipeline import Pipeline, build_detectors
from vqa_agent.simulate import scenes, sounds
from vqa_agent.simulate.cases import CASES, SEVERITIES
from vqa_agent.simulate.encode import FAST, encode

CODECS = (("libx264", "mp4", "aac"), ("mpeg2video", "ts", "mp2"), ("libx265", "mkv", "flac"))
FAITHFUL = {"preset": "ultrafast", "crf": "8"}
"""For defects that an encoder makes itself: another one after it would hide them."""
LEAD = 4.0
"""Clean seconds before a defect."""
TAIL = 2.5
STILL_SECONDS = 8.0
LIVE_SEVERITIES = (1,)
ONE_RECORDING = 10
"""Of the talkers of one recording session only so many are listened to: they are all alike."""


@dataclass(frozen=True)
class Job:
    """A defect to put in: its change, where it goes, and how it is written down."""

    kind: str
    defect: str
    name: str
    video: Any
    audio: Any
    hold: float
    faithful: bool = False

    def make(self, material: Material | Hearing, codec: tuple[str, str, str], folder: Path) -> Path:
        """Encode `material` with the defect from LEAD to LEAD + hold."""
        video_codec, ending, audio_codec = codec
        seconds = LEAD + self.hold + TAIL
        if self.faithful:
            video_codec, ending, audio_codec = "libx264", "mkv", "flac"
        if isinstance(material, Hearing):
            sound = self.audio(material.listen(seconds), LEAD, LEAD + self.hold)
            return encode(folder / f"{self.defect}.{ending}", None, sound, audio_codec=audio_codec)
        pictures = self.video(material.pictures(seconds), LEAD, LEAD + self.hold)
        options = FAITHFUL if self.faithful else None
        return encode(folder / f"{self.defect}.{ending}", pictures, video_codec=video_codec, options=options)


def analyse(file: Path, profiles: Sequence[Profile]) -> tuple[list[list[Event]], float]:
    """The closed events of a file in each profile, from one decoding, and how long it is in media seconds."""
    pipelines = [Pipeline(_fresh(profile), profile) for profile in profiles]
    decisions: list[list[Decision]] = [[] for _ in pipelines]
    with open_source(Source(name=file.stem, url=str(file), live=False)) as capture:
        for sample in capture.samples():
            for pipeline, mine in zip(pipelines, decisions, strict=True):
                mine += pipeline.feed(sample).decisions
    for pipeline, mine in zip(pipelines, decisions, strict=True):
        mine += pipeline.finish().decisions
    return [_closed(mine) for mine in decisions], pipelines[0].media_time


def _fresh(profile: Profile) -> list[Detector[Any]]:
    """All detectors, new again: to load the networks anew takes as long as to look at some seconds of pictures."""
    built = _built(profile)
    for detector in built:
        detector.reset()
    return built


@cache
def _built(profile: Profile) -> list[Detector[Any]]:
    return build_detectors(profile)


def _closed(decisions: list[Decision]) -> list[Event]:
    return [
        Event(each.defect, round(each.start, 3), round(each.end or 0.0, 3), each.severity, str(dict(each.detail)))
        for each in decisions
        if each.state is State.CLOSED
    ]


def jobs(options: argparse.Namespace, profile: Profile) -> Iterator[Job]:
    """Every defect that is asked for."""
    wanted = [case for case in CASES if not options.only or case.defect in options.only]
    severities = options.severities if profile is Profile.FILE else LIVE_SEVERITIES
    for case, severity in itertools.product(wanted if "ours" in options.parts else [], severities):
        hold = case.hold if profile is Profile.FILE else case.live_hold
        video, audio = (change and _at(change, severity) for change in (case.video, case.audio))
        yield Job("ours", case.defect, SEVERITIES[severity], video, audio, hold, case.faithful)
    for variant in VARIANTS if "other" in options.parts else ():
        if not options.only or variant.defect in options.only:
            hold = variant.hold if profile is Profile.FILE else 3 * variant.hold
            yield Job("other", variant.defect, variant.name, variant.video, variant.audio, hold, variant.faithful)


def _at(change: Any, severity: int) -> Any:
    return lambda material, start, end: change(material, start, end, severity)


def run_defects(options: argparse.Namespace, profile: Profile, results: Results) -> None:
    """Every defect in every material: the other generator's in materials of their own."""
    count = options.materials if profile is Profile.FILE else options.live_materials
    everything = list(jobs(options, profile))
    for kind, first in (("ours", 0), ("other", options.materials)):
        for sight in (True, False):
            mine = [job for job in everything if job.kind == kind and bool(job.video) is sight]
            load: Any = moving if sight else sounding
            for number, material in enumerate(
                load(options.media, first, count if sight else 2 * count) if mine else ()
            ):
                for place, job in enumerate(mine):
                    codec = CODECS[(number + place) % len(CODECS)]
                    if _is_ours(options, number + place):
                        run_defect(job, material, codec, profile, results)


def run_defect(
    job: Job, material: Material | Hearing, codec: tuple[str, str, str], profile: Profile, results: Results
) -> None:
    coding = codec[2] if isinstance(material, Hearing) else codec[0]
    label = f"{material.name} ({'faithful' if job.faithful else coding})"
    if results.knows(job.kind, profile, job.defect, job.name, label):
        return
    print(f"{profile} {job.defect}, {job.name}: {label}", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="detection-") as folder:
        (events,), seconds = analyse(job.make(material, codec, Path(folder)), [profile])
    times = LEAD, LEAD + job.hold
    results.add(Result(job.kind, profile, job.defect, job.name, label, seconds, *times, events))


def run_clean(options: argparse.Namespace, results: Results) -> None:
    """Everything that is clean, in all profiles."""
    media: Path = options.media
    files = sorted([*(media / "scenes").glob("*"), *(media / "talking").glob("*"), *(media / "sound").rglob("*.flac")])
    files += sorted((media / "talking" / "grid_s1").glob("*"))[:ONE_RECORDING]
    stills = sorted((media / "stills").glob("*.jpg"))[:: options.stills]
    with tempfile.TemporaryDirectory(prefix="clean-") as folder:
        clean: list[tuple[str, Any]] = [
            *((file.relative_to(media).as_posix(), file) for file in files if file.is_file()),
            *((f"trap: {trap.name}", trap) for trap in TRAPS),
            *((f"stills/{file.name}", (number, file)) for number, file in enumerate(stills)),
        ]
        for place, (name, what) in enumerate(clean):
            left = [profile for profile in options.profiles if not results.knows("clean", profile, "", "", name)]
            if not left or not _is_ours(options, place):
                continue
            print(name, file=sys.stderr)
            try:
                events, seconds = analyse(_written(what, Path(folder)), left)
            except InputError as error:
                print(error, file=sys.stderr)
                continue
            for profile, mine in zip(left, events, strict=True):
                results.add(Result("clean", profile, "", "", name, seconds, events=mine))


def _written(what: Path | Trap | tuple[int, Path], folder: Path) -> Path:
    """The file itself, or one that is made of a trap or of a still."""
    if isinstance(what, Path):
        return what
    video_codec, ending, audio_codec = CODECS[len(str(what)) % 2]
    if isinstance(what, Trap):
        options = {**FAST["libx264"], "x264-params": "tff=1"} if what.interlaced else None
        pictures = what.pictures() if what.pictures else scenes.studio(12.0, SIZE)
        sound = what.sound() if what.sound else sounds.speech(12.0)
        codec = "libx264" if what.interlaced else video_codec
        file = folder / f"trap.{ending}"
        return encode(
            file, pictures, sound, rate=what.rate, video_codec=codec, audio_codec=audio_codec, options=options
        )
    number, still = what
    return encode(folder / f"still.{ending}", panned(still, STILL_SECONDS, number), video_codec=video_codec)


def _is_ours(options: argparse.Namespace, place: int) -> bool:
    lane, lanes = options.lane
    return bool(place % lanes == lane - 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--media", type=Path, required=True)
    parser.add_argument("--parts", type=lambda text: text.split(","), default=["ours", "other", "clean"])
    parser.add_argument(
        "--profiles",
        type=lambda text: [Profile(part) for part in text.split(",")],
        default=[Profile.FILE, Profile.LIVE],
    )
    parser.add_argument("--only", type=lambda text: text.split(","), default=[])
    parser.add_argument("--materials", type=int, default=3)
    parser.add_argument("--live-materials", type=int, default=1)
    parser.add_argument("--stills", type=int, default=1, help="one photograph in so many")
    parser.add_argument("--severities", type=lambda text: [int(part) for part in text.split(",")], default=[0, 1, 2])
    parser.add_argument("--lane", type=lambda text: [int(part) for part in text.split("/")], default=[1, 1])
    parser.add_argument("--results", type=Path, default=Path(".cache/benchmarks/detection.jsonl"))
    parser.add_argument("--markdown", type=Path, help="write the tables to this file too")
    options = parser.parse_args()
    results = Results(options.results)
    if "clean" in options.parts:
        run_clean(options, results)
    for profile in options.profiles:
        run_defects(options, profile, results)
    for line in misses(results.all):
        print(line, file=sys.stderr)
    text = report(results.all)
    print(text)
    if options.markdown:
        options.markdown.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
