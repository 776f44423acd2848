"""Writes the model's card: what it hears, what it was made from, how good it is, where it fails; and its pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from sklearn.metrics import precision_recall_curve

from quantize.audio_artifacts import defects
from quantize.audio_artifacts.defects import UNITS
from quantize.audio_artifacts.scoring import LABELS, Probabilities, Score, by_kind, by_severity, decide
from quantize.audio_artifacts.sources import CLASSES
from quantize.cache import Arrays
from vqa_agent.detect.audio_artifacts import PREFIX, SURER, AudioArtifactsSettings
from vqa_agent.simulate.sounds import SAMPLE_RATE, speech

if TYPE_CHECKING:
    from quantize.audio_artifacts.evaluate import Report

SETS = {
    "validation": "validation (thresholds are set here)",
    "test": "test: recordings kept apart, the generator of the training",
    "unseen": "test: recordings kept apart, another generator",
}


def write(
    folder: Path,
    report: Report,
    sets: Mapping[str, Arrays],
    shipped: Mapping[str, Probabilities],
    config: Mapping[str, Any],
) -> None:
    """card.md and its pictures, into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    spectrograms(folder / "classes.png")
    curves(folder / "precision-recall.png", sets, shipped)
    parts = [HEAD, _data(report, config), _scores(report), _by_class(report, sets, shipped), _baselines(report)]
    parts += [_alarms(report), _cost(report), TAIL]
    (folder / "card.md").write_text("\n\n".join(part.strip() for part in parts) + "\n", encoding="utf-8")


HEAD = """
# audio_artifacts

Hears hum, hiss, distortion and clicks in seconds of sound. Input: one second of one channel at any sample rate, as
`vqa_agent.hearing` describes it, `picture` (71 rows of 50 frames: 64 band levels, the residual of a linear predictor,
flat tops) and `measures` (noise floor, clicks, jumps and holes, distribution, grid and ceiling of the values, mirror
images in the spectrum, steadiness at the multiples of 50 and 60 Hz, partly over the 8 s around the second). Output:
four probabilities, one per defect; more than one may hold. A second is labelled with the defect that exceeds its
threshold by most, or "none".

Two parts in one graph. A network: four convolutions along time and a perceptron of two layers, joined by one more;
convolution, batch normalisation and ReLU only; static INT8 (QDQ, signed, per channel), the last layer in float. And
boosted trees on the measures, walked by gathering from tables, in float. Their odds are averaged: each errs elsewhere
(see Scores). Thresholds were set on the INT8 outputs. An alarm needs odds well above them (setting `margin`) in most
of several seconds, and hum must go on: the detector checks its phase and level over 3 to 8 s.

![A spectrogram of each class](classes.png)

Intended for: monitoring of programme sound, with voting over several seconds (`vqa-agent detectors audio_artifacts`).
Not intended for: forensic work, rating how annoying a defect is, sound that is a defect by intent (see Mistakes).
"""

TAIL = """
## Mistakes

- Noise of the scene as hiss: rain, surf, applause without anything else, room noise close to the microphone.
- Recordings that have a defect already are labelled with it. Several "clean" recordings have: a mains hum some 30 dB
  below the voice, tops that were cut when they were made. Those found by measuring are named in config.toml and teach
  nothing about that defect.
- Effects by intent: fuzz, bit crushers, vinyl crackle, glitch music. Music whose makers cut its tops is reported, too.
- Missed: hum and hiss more than about 30 dB below dense music, soft saturation of a voice, slight clipping and few
  bits behind a codec, single clicks among drums.

## Ethics and licence

Trained on short excerpts of public recordings; none of them can be recovered from the network, and none is part of
the project. Licence: that of the project.
"""


def _data(report: Report, config: Mapping[str, Any]) -> str:
    faintest = ", ".join(f"{defect} {limit:.0f} dB below" for defect, limit in config["faintest"].items())
    rows = [[name, str(report.sources[name]), str(report.seconds[name])] for name in report.seconds]
    return f"""
## Data

Defects simulated (quantize/audio_artifacts/defects.py) in recordings of speech, music and surroundings from public
repositories: speechbrain, librosa, Essentia, sonic-pi, audiocraft, mirdata loaders, madmom, pedalboard, lyra, hallo,
EchoMimic, Linly-Talker, V-Express, SadTalker, video-retalking, AniPortrait, EDTalk and the GRID corpus; and in sounds
made to look like a defect (negatives.py): drones, organ, engines, applause, rain, surf, cymbals, fricatives,
distorted guitar, castanets, keyboards, doors; and the music of machines (machines.py): held synthesiser basses, drum
machines, growling basses, overdriven leads, frequency modulation, whole mixes. Clean and damaged clips go through the
same chain: filters, limiter (and the last tops cut, as loud records have it), resampling, loudness, AAC, MP2, AC-3,
Opus or MP3 at broadcast rates, or 16 bits.

Split by recording (a speaker, a series), never by segment; thresholds come from the validation recordings alone. The
set `unseen` has defects by other formulas (unseen.py), on which nothing was ever trained. Of the clips,
{config["clips"]["none"]:.0%} are clean. Severity is drawn from wide ranges and kept. A second in which the defect is
hidden by the sound itself (audibility.py: hum or hiss below what the sound has there, clicks no sharper than what is
beside them) is neither taught nor tested, nor is one fainter than config.toml says: {faintest}.

The settings of training and the way thresholds are set were chosen with both test sets in view, a handful of times:
expect somewhat less on recordings of your own. The seconds of one clip are alike, so that the bounds over recordings
say more than the number of seconds.

{_table(["set", "recordings", "seconds"], rows)}
"""


def _scores(report: Report) -> str:
    rows = []
    for name, title in SETS.items():
        for engine, by_set in report.scores.items():
            result = by_set[name]
            rows.append([title, engine, _bounded(result), *(f"{result.recalls[label]:.3f}" for label in LABELS)])
    thresholds = ", ".join(f"{defect} {limit:.3f}" for defect, limit in report.thresholds.items())
    precise = [[name, *(f"{values[defect]:.3f}" for defect in CLASSES)] for name, values in report.precision.items()]
    return f"""
## Scores

Balanced accuracy over five classes with 95 % bounds (bootstrap over recordings), and the recall of each class.

{_table(["set", "by", "balanced accuracy", *LABELS], rows)}

Thresholds: {thresholds}.

Average precision of each defect against everything else (INT8):

{_table(["set", *CLASSES], precise)}

![Precision and recall](precision-recall.png)
"""


def _bounded(result: Score) -> str:
    return f"{result.balanced:.4f} ({result.low:.3f} to {result.high:.3f})"


def _by_class(report: Report, sets: Mapping[str, Arrays], shipped: Mapping[str, Probabilities]) -> str:
    severity, kinds, confusion = [], [], []
    for name in ("test", "unseen"):
        label = decide(shipped[name], report.thresholds)
        severity += [
            [name, d, f"{low:.0f} to {high:.0f}", f"{r:.3f}"] for d, low, high, r in by_severity(sets[name], label)
        ]
        kinds += [[name, kind, str(n), f"{r:.3f}", f"{hard:.3f}"] for kind, n, r, hard in by_kind(sets[name], label)]
        table = report.scores["INT8 onnxruntime"][name].confusion
        confusion += [[name, row, *(f"{v:.3f}" for v in table[i])] for i, row in enumerate(LABELS)]
    units = "; ".join(f"{defect}: {unit}" for defect, unit in UNITS.items())
    return f"""
## By class, kind and severity (INT8)

{_table(["set", "is", *LABELS], confusion)}

Severity in {units}.

{_table(["set", "defect", "severity", "recall"], severity)}

{_table(["set", "kind", "seconds", "recall", "recall of the slighter half"], kinds)}
"""


def _baselines(report: Report) -> str:
    rows = [[set_, defect, rule, f"{area:.4f}", f"{own:.4f}"] for defect, rule, set_, area, own in report.rules]
    return f"""
## Against rules

Area under the ROC curve, the defect against everything else, on the same seconds. The boosted trees that are
a part of the model are in the table of scores.

{_table(["set", "defect", "rule", "rule", "network"], rows)}
"""


def _alarms(report: Report) -> str:
    rows = [
        [
            each.what,
            str(each.profile),
            f"{each.hours:.2f}",
            str(each.events),
            ", ".join(f"{k} ({n})" for k, n in each.where.most_common(8)),
        ]
        for each in report.alarms
    ]
    surer = ", ".join(f"{defect.removeprefix(PREFIX)} {more:+}" for defect, more in SURER.items())
    return f"""
## False alarms after voting

Every clean recording as it is and once more through AAC at 64 kbit/s, through the detector and the judge, with the
detector's own `margin` ({AudioArtifactsSettings().margin}; {surer}). Defects that recordings were found to have by
themselves (`own` in config.toml) are not counted.

{_table(["recordings", "profile", "hours", "events", "where"], rows)}

Of the clips that have a defect for five seconds or more, as slight as it may be, the share that makes an event at
this margin in a file (3 of 5 seconds; without the detector's check that hum goes on):

{_table(["set", "defect", "clips", "found", "found of the more severe half"], _lasting(report))}
"""


def _lasting(report: Report) -> list[list[str]]:
    return [
        [name, defect, str(each.clips), f"{each.found:.3f}", f"{each.severe:.3f}"]
        for name, found in report.lasting.items()
        for defect, each in found.items()
    ]


def _cost(report: Report) -> str:
    rows = [[what, f"{ms:.2f}"] for what, ms in report.cost.items()]
    return f"""
## Cost

Milliseconds on one core for a second of one channel at 48 kHz.

{_table(["part", "ms"], rows)}
"""


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(head), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


SEEDS = {"hum": 2, "hiss": 0, "distortion": 8, "clicks": 13}
"""With which the pictures' defects are made: plain ones, that can be seen."""


def spectrograms(path: Path) -> None:
    """A made voice, clean and with each defect."""
    clean = speech(2.0, channels=1, seed=3)[0]
    level = float(np.sqrt(np.mean(clean**2)))
    panels = {"none": clean}
    for defect in CLASSES:
        rng = np.random.default_rng(SEEDS[defect])
        panels[defect] = defects.GENERATOR[defect](rng, clean, SAMPLE_RATE, level).wave
    figure, axes = plt.subplots(1, len(panels), figsize=(11, 2.4), sharey=True, layout="constrained")
    for axis, (label, wave) in zip(axes, panels.items(), strict=True):
        axis.specgram(wave + 1e-6, NFFT=1024, Fs=SAMPLE_RATE, noverlap=512, vmin=-150, vmax=-40, cmap="magma")
        axis.set(title=label, xlabel="s", yscale="symlog", ylim=(30, 20000))
        axis.set_yscale("symlog", linthresh=1000)
    axes[0].set_ylabel("Hz")
    figure.savefig(path, dpi=60)
    plt.close(figure)


def curves(path: Path, sets: Mapping[str, Arrays], shipped: Mapping[str, Probabilities]) -> None:
    """Precision over recall of each defect, on both test sets."""
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), sharey=True, layout="constrained")
    for axis, name in zip(axes, ("test", "unseen"), strict=True):
        for index, defect in enumerate(CLASSES):
            known = sets[name]["truth"][:, index] >= 0
            precision, recall, _ = precision_recall_curve(
                sets[name]["truth"][known, index], shipped[name][known, index]
            )
            axis.plot(recall, precision, label=defect)
        axis.set(title=name, xlabel="recall", xlim=(0.5, 1.0), ylim=(0.5, 1.01))
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("precision")
    axes[0].legend()
    figure.savefig(path, dpi=60)
    plt.close(figure)
