"""Recall, start error and false alarms of every detector, on real material with simulated defects.

    python -m benchmarks.detection --media DIR [--profile file|live] [--only black,freeze] [--materials 6]
                                   [--severities 0,1,2] [--clean-only | --no-clean] [--markdown docs/detection.md]

Each case is put into each of `--materials` recordings, encoded with MPEG-2, H.264 or HEVC in turn, written to a file
and analysed as any file is. A defect counts as found when an event of its name overlaps it. False alarms are counted
on all clean material of the folder, as it is and once more after a low-rate encoding.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.cases import CASES, SEVERITIES, Case
from benchmarks.material import Material, clean_material
from vqa_agent.capture import Source, open_source
from vqa_agent.detect import Profile
from vqa_agent.errors import InputError
from vqa_agent.event import State
from vqa_agent.judge import Decision
from vqa_agent.pipeline import Pipeline, build_detectors
from vqa_agent.simulate.encode import encode

CODECS = (("libx264", "mp4", "aac"), ("mpeg2video", "ts", "mp2"), ("libx265", "mkv", "aac"))
LEAD = 4.0
"""Clean seconds before a defect."""
TAIL = 2.5
SLACK = 1.0
"""Seconds by which an event may miss the defect's interval and still be its own."""


@dataclass
class Score:
    """What became of one defect at one severity."""

    tried: int = 0
    found: int = 0
    start_errors: list[float] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    @property
    def recall(self) -> float:
        return self.found / self.tried if self.tried else 0.0

    @property
    def start_error(self) -> float:
        ordered = sorted(self.start_errors)
        return ordered[len(ordered) // 2] if ordered else float("nan")


def analyse(file: Path, profile: Profile) -> tuple[list[Decision], float]:
    """The closed events of a file, in media seconds, and how long it is."""
    pipeline = Pipeline(build_detectors(profile), profile)
    decisions: list[Decision] = []
    with open_source(Source(name=file.stem, url=str(file), live=False)) as capture:
        for sample in capture.samples():
            decisions += pipeline.feed(sample).decisions
    decisions += pipeline.finish().decisions
    return [decision for decision in decisions if decision.state == State.CLOSED], pipeline.media_time


def make(case: Case, material: Material, severity: int, hold: float, codec: tuple[str, str, str], folder: Path) -> Path:
    """Encode `material` with the defect of `case` from LEAD to LEAD + hold."""
    video_codec, ending, audio_codec = codec
    seconds = LEAD + hold + TAIL
    pictures, sound = material.pictures(seconds), material.listen(seconds)
    if case.video:
        pictures = case.video(pictures, LEAD, LEAD + hold, severity)
    if case.audio:
        sound = case.audio(sound, LEAD, LEAD + hold, severity)
    file = folder / f"{case.defect}-{severity}-{material.name}.{ending}"
    return encode(file, pictures, sound, video_codec=video_codec, audio_codec=audio_codec)


def judge_case(score: Score, case: Case, events: list[Decision], hold: float, label: str) -> None:
    """Enter in `score` what the events say of the defect that was put in."""
    score.tried += 1
    own = [event for event in events if event.defect == case.defect and _overlaps(event, LEAD, LEAD + hold)]
    if own:
        score.found += 1
        score.start_errors.append(min(abs(event.start - LEAD) for event in own))
    else:
        score.missed.append(label)
    score.others += [f"{event.defect} in {label}" for event in events if event.defect != case.defect]


def _overlaps(event: Decision, start: float, end: float) -> bool:
    return event.start < end + SLACK and (event.end or event.start) > start - SLACK


def run_cases(options: argparse.Namespace, profile: Profile) -> dict[tuple[str, int], Score]:
    """Every case at every severity in every material."""
    materials = clean_material(options.media, options.materials)
    cases = [case for case in CASES if not options.only or case.defect in options.only]
    scores: dict[tuple[str, int], Score] = defaultdict(Score)
    codecs = itertools.cycle(CODECS)
    with tempfile.TemporaryDirectory(prefix="detection-") as folder:
        for case, severity, material in itertools.product(cases, options.severities, materials):
            hold = case.hold if profile == Profile.FILE else case.live_hold
            file = make(case, material, severity, hold, codec := next(codecs), Path(folder))
            events, _ = analyse(file, profile)
            file.unlink()
            label = f"{material.name} ({codec[0]})"
            judge_case(scores[case.defect, severity], case, events, hold, label)
            print(f"\r{case.defect:16} {SEVERITIES[severity]:7} {label:40}", end="", file=sys.stderr)
    print(file=sys.stderr)
    return scores


def run_clean(options: argparse.Namespace, profile: Profile) -> tuple[list[str], float]:
    """Every event on clean material, and the hours listened to."""
    alarms: list[str] = []
    seconds = 0.0
    files = [*(options.media / "scenes").glob("*"), *(options.media / "talking").rglob("*.mkv")]
    files += (options.media / "sound").rglob("*.flac")
    for file in sorted(files):
        try:
            events, length = analyse(file, profile)
        except InputError as error:
            print(error, file=sys.stderr)
            continue
        seconds += length
        alarms += [
            f"{event.defect} {event.start:.1f}-{event.end:.1f} s in {file.name} {dict(event.detail)}"
            for event in events
        ]
    return alarms, seconds / 3600


def report_cases(scores: dict[tuple[str, int], Score]) -> str:
    lines = ["| defect | severity | tried | recall | start error (median, s) |", "|---|---|---|---|---|"]
    for (defect, severity), score in scores.items():
        lines.append(
            f"| {defect} | {SEVERITIES[severity]} | {score.tried} | {score.recall:.2f} | {score.start_error:.2f} |"
        )
    return "\n".join(lines)


def report_clean(alarms: list[str], hours: float, profile: Profile) -> str:
    lines = [f"Clean material, {profile} profile: {len(alarms)} alarms in {hours * 60:.1f} minutes."]
    return "\n".join([*lines, *(f"- {alarm}" for alarm in alarms)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--media", type=Path, required=True)
    parser.add_argument("--profile", type=Profile, default=Profile.FILE)
    parser.add_argument("--only", type=lambda text: text.split(","), default=[])
    parser.add_argument("--materials", type=int, default=6)
    parser.add_argument("--severities", type=lambda text: [int(part) for part in text.split(",")], default=[0, 1, 2])
    parser.add_argument("--clean-only", action="store_true")
    parser.add_argument("--no-clean", action="store_true")
    parser.add_argument("--markdown", type=Path, help="write the tables to this file too")
    options = parser.parse_args()
    text = ""
    if not options.clean_only:
        scores = run_cases(options, options.profile)
        text += report_cases(scores) + "\n"
        for (defect, severity), score in scores.items():
            for line in score.missed:
                print(f"missed: {defect} {SEVERITIES[severity]} in {line}", file=sys.stderr)
            for line in sorted(set(score.others)):
                print(f"beside {defect} {SEVERITIES[severity]}: {line}", file=sys.stderr)
    if not options.no_clean:
        text += "\n" + report_clean(*run_clean(options, options.profile), options.profile) + "\n"
    print(text)
    if options.markdown:
        options.markdown.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
