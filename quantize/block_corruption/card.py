"""The model's card: what it sees, what it was made from, how good it is, and two pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import matplotlib
import numpy as np
from sklearn.metrics import average_precision_score, precision_recall_curve

from quantize.block_corruption.coding import Coding, decode, encode, flip_bits, lose_packets, to_frame
from quantize.block_corruption.decide import Scored
from quantize.block_corruption.simulate import to_planes
from quantize.block_corruption.truth import DAMAGED, DOUBTFUL
from vqa_agent.block_planes import block_planes, network_input
from vqa_agent.infer import open_model
from vqa_agent.media import Picture
from vqa_agent.simulate.scenes import Image, action

matplotlib.use("Agg")
from matplotlib import pyplot as plt

CARD = """# block_corruption

Sees damaged blocks in decoded pictures: lost and badly concealed slices, displaced, flat, green or grey blocks, remains
of other pictures. It does not need an error in the transport: damage that was encoded again is seen as well.

| | |
|---|---|
| input | 48 planes with a value per cell of 8 x 8 pixels (`vqa_agent.block_planes`), any size from 64 x 64 |
| output | a probability per block of 32 x 32 pixels (34 x 60 at 1080p, 7 x 7 at 224 x 224), one for the picture |
| network | residual, 3 x 3 convolutions with ReLU, context by dilation and by the mean; {size:.0f} kB in INT8 |
| decision | probability at least {threshold:.3f} in 3 of 5 looks live, 2 of 5 in a file; sure looks count for more |
| made by | `python -m quantize.block_corruption.train --media DIR`, measured by `quantize.block_corruption.evaluate` |

## Data
Public recordings, photographs and drawings (see "Sources"), cut to clips from 240 to 1080 lines, encoded with H.264
(one slice or many, CABAC or CAVLC, with and without loop filter), HEVC and MPEG-2 from starved to good, some of them
interlaced. Damage: datagrams of seven transport packets lost in bursts, bits flipped, bytes removed or overwritten,
decoded with and without concealment; or drawn (displaced, flat, dead, stale, tinted, shifted and repeated blocks, wrong
coefficients, means that drift, noise, residuals on a wrong prediction; opaque or mixed with the picture). About half of
it was scaled and encoded again. Clean pictures went the same way. Drawn material that looks like damage and is none
(mosaics, LED walls, pixel art, screens, confetti, rain, water, crowds, text), graphics laid over pictures (captions,
banners, running text, pixelated faces, pictures in pictures), a vision mixer's moves between pictures (growing,
pushing, squeezing, walls of pictures, large pixels), subtitles, confetti and stage lights over films are part of the
clean side, and looks at whole recordings as they are. In training, a quarter of the looks knows nothing of the picture
before.

INT8 but for the layer that meets the summaries: rounding what it gives, of either sign, would cost most.

Truth is the difference to the clean decode of the same picture, the least over pictures around it and small
displacements; doubtful blocks are left out.

Split by source, never by segment. Clips to measure with are damaged recordings and photographs, and clean ones of all
kinds, drawings too; drawn damage lasts a second at the least. `test` are sources that were never trained on; `held_out`
are those sources with encoders (MPEG-4 part 2, Motion JPEG) and drawn styles (smeared, striped) that were never trained
on either. The threshold was chosen on INT8 answers to a third set of sources, and to whole recordings of these and of
the trained ones.

## Scores
Bounds: 95 %, bootstrap over sources.

{scores}

False alarms on clean clips of `test` sources ({hours:.2f} hours, hard on purpose: half with boxes and captions in any
colours anywhere, a fifth with cuts or tiles, a fifth drawn, many starved): {alarms}

{recordings}

{transport}

### Against other ways to decide
Events found in damaged clips, rule for files. A clip counts as damaged where three of five successive looks show it.

{baselines}

### By kind of damage (INT8, ONNX Runtime, rule for files)

{breakdown}

![precision and recall of looks](precision_recall.png)

![a drawn scene with lost packets, and the map over it](example.png)

## Cost
CPU milliseconds of one core for a look at 1080p.

{costs}

## Known mistakes
- A clip with damage in a single picture gives one look at most, which opens an event only where it is sure ("shorter
  damage").
- Damage to drawings that are tiles themselves is hardly seen.
- Copies of an older picture in still regions are not seen, by viewers neither.
- Pictures that are tiled on purpose in a way that none of the training's drawings is, and boxes of one colour that lie
  on the coder's grid, may be taken for damage.

## Sources
Frames of public repositories' sample media (films, talking heads, off-air recordings, photographs of BSDS500 and
ImageNet), for research and training only; nothing of them is in this repository. Drawings are made by
`quantize/block_corruption/drawn.py`.
"""

TRANSPORT = """### Lost on the way, not encoded again
Events that the agent finds in transport streams of `test` sources that lost packets. It knows which pictures may be
damaged: those from a loss to the next whole key picture, for which it waives a part of the threshold.

{table}

False events in these streams, which are as hard as the clips above, while they are whole, lost sound alone, or show
nothing of what they lost: {false}, in {hours:.2f} hours."""


def write_card(report: Mapping[str, Any], folder: Path, models: Path) -> None:
    """card.md and its pictures into the model's folder."""
    form = report["forms"]["INT8, ONNX Runtime"]
    alarms = "; ".join(
        f"{profile} rule {kind['events']} events (at most {kind['at_most']:.1f} an hour with 95 % confidence)"
        for profile, kind in form["false alarms"].items()
    )
    text = CARD.format(
        size=report["bytes"] / 1000,
        threshold=report["threshold"],
        scores=_scores(report["forms"]),
        hours=form["false alarms"]["file"]["hours"],
        alarms=alarms,
        recordings=_recordings(report.get("recordings", {})),
        transport=_transport(report["transport"]) if "transport" in report else "",
        baselines=_baselines(report["baselines"]),
        breakdown=_breakdown(report["breakdown"]),
        costs=_costs(report["costs"]),
    )
    (folder / "card.md").write_text(text, encoding="utf-8")
    draw_curve(report["scored"], folder / "precision_recall.png")
    draw_example(folder / "example.png", models)


def _share(value: tuple[float, ...]) -> str:
    return f"{value[0]:.3f} ({value[1]:.3f}-{value[2]:.3f})" + (f", {value[3]} clips" if len(value) > 3 else "")


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _scores(forms: Mapping[str, Any]) -> str:
    rows = []
    for split in ("test", "held_out"):
        for name in next(iter(forms.values()))[split]:
            values = [form[split][name] for form in forms.values()]
            rows.append([f"{split}: {name}", *(f"{v:.3f}" if isinstance(v, float) else _share(v) for v in values)])
    return _table(["", *forms], rows)


def _baselines(baselines: Mapping[str, Any]) -> str:
    rows = [
        [name, _share(found["test"]), _share(found["held_out"]), f"{found['false alarms']['per_hour']:.1f}"]
        for name, found in baselines.items()
    ]
    return _table(["decision", "test", "held_out", "false alarms an hour"], rows)


def _recordings(recordings: Mapping[str, Any]) -> str:
    """A sentence per split on the recordings as they are."""
    return "\n".join(
        f"- the agent on whole recordings of {split} sources: {len(found['events'])} false events in "
        f"{found['hours']:.2f} hours" + (f" ({', '.join(found['events'])})" if found["events"] else "")
        for split, found in recordings.items()
    )


def _transport(found: Mapping[str, Any]) -> str:
    """What the agent finds in streams that lost packets, and what it takes for damage beside it."""
    rows = [
        [profile, *(_share(found[f"{profile}, {knows}"]) for knows in ("with", "without"))]
        for profile in ("live", "file")
    ]
    return TRANSPORT.format(table=_table(["rule", "knowing", "not knowing"], rows), **found)


def _breakdown(breakdown: Mapping[str, Any]) -> str:
    names = sorted({name for found in breakdown.values() for name in found})
    rows = [[name, *(_share(found[name]) if name in found else "" for found in breakdown.values())] for name in names]
    return _table(["", *breakdown], rows)


def _costs(costs: Mapping[str, Mapping[str, float]]) -> str:
    rows = [
        [name, f"{cost['planes_ms']:.1f}", f"{cost['network_ms']:.1f}", f"{cost['planes_ms'] + cost['network_ms']:.1f}"]
        for name, cost in costs.items()
    ]
    return _table(["", "planes", "network", "together"], rows)


def draw_curve(scored: Mapping[str, list[Scored]], path: Path) -> None:
    """Precision and recall of single looks, by the learned decision and by the damaged area."""
    figure, axes = plt.subplots(figsize=(6, 4.2))
    for split in ("test", "held_out"):
        for name in ("learned decision", "damaged area"):
            truth, values = [], []
            for each in scored[split]:
                sure = each.clip.picture != DOUBTFUL
                truth.append(each.clip.picture[sure] == DAMAGED)
                values.append((each.picture if name == "learned decision" else each.area)[sure])
            one, other = np.concatenate(truth), np.concatenate(values)
            precision, recall, _ = precision_recall_curve(one, other)
            label = f"{split}, {name} (AP {average_precision_score(one, other):.3f})"
            axes.plot(recall, precision, "-" if name == "learned decision" else ":", label=label)
    axes.set_xlabel("recall of damaged looks")
    axes.set_ylabel("precision")
    axes.legend(loc="lower left", fontsize=8)
    axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    plt.close(figure)


def draw_example(path: Path, models: Path) -> None:
    """A drawn scene whose H.264 lost packets, beside the same with the map over it."""
    rng = np.random.default_rng(4)
    images = list(action(1.4, (960, 544)))
    coding = Coding(
        "h264", "libx264", {"preset": "veryfast", "crf": "24", "x264-params": "slices=4:keyint=50:threads=1"}
    )
    coded = encode((to_frame(image) for image in images), coding)
    frames = decode(flip_bits(lose_packets(coded, rng), rng))
    model = open_model("block_corruption", "onnxruntime", models)
    best: tuple[float, Image, Image] | None = None
    for number in sorted(frames)[1:]:
        before, now = (
            to_planes(frames[number - 1] if number - 1 in frames else frames[number]),
            to_planes(frames[number]),
        )
        earlier = Picture(time=0, duration=0.04, luma=before.luma, chroma=before.chroma)
        picture = Picture(time=0.04, duration=0.04, luma=now.luma, chroma=now.chroma, previous=earlier)
        blocks, _ = model.run(network_input(block_planes(picture)[None]))
        image = np.asarray(frames[number].to_ndarray(format="bgr24"), np.uint8)
        area = float((blocks > 0.5).mean())
        if best is None or (best[0] < area < 0.5):
            best = (area, image, _overlay(image, blocks[0, 0]))
    assert best is not None
    cv2.imwrite(str(path), np.hstack([cv2.resize(part, (640, 362)) for part in best[1:]]))


def _overlay(image: Image, blocks: Any) -> Image:
    """The picture darkened, with red where blocks are probably damaged."""
    size = (blocks.shape[1] * 32, blocks.shape[0] * 32)
    heat = cv2.resize(blocks, size, interpolation=cv2.INTER_NEAREST)[: image.shape[0], : image.shape[1], None]
    out = image * (0.75 - 0.35 * heat)
    out[..., 2:] += 150 * heat
    return np.asarray(np.clip(out, 0, 255), np.uint8)
