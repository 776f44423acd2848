from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra [quantize] is not installed")

from quantize.setup import read_config  # noqa: E402
from quantize.sync import evaluate  # noqa: E402
from quantize.sync.network import Towers, loss_of  # noqa: E402
from quantize.sync.ship import ship  # noqa: E402
from quantize.sync.simulate import RATE, Clip, Sequencer, sequences, speaker_of  # noqa: E402
from quantize.sync.train import CONFIG, folds_of, shifted, table_of  # noqa: E402
from vqa_agent.infer import open_model  # noqa: E402
from vqa_agent.lipsync.aggregate import Opinion, Reason  # noqa: E402
from vqa_agent.lipsync.similarity import SEARCH, Fit  # noqa: E402

CONFIGURATION = read_config(CONFIG)
PLAIN = {**CONFIGURATION["draw"], **dict.fromkeys(("small", "coded", "reverb", "noise", "narrow", "speed"), 0.0)}


def clip(speaker: str = "somebody", offset: float = 0.0, slots: int = 100, kind: str = "real") -> Clip:
    """A mouth that lights up in every tenth slot, and a voice with a burst in the middle of each of these."""
    cuts = np.full((slots, 72, 96), 80, np.uint8)
    cuts[::10] = 160
    cuts[:, ::7] += 20
    moments = np.arange(round(slots * 0.04 * RATE)) / RATE
    bursts = np.exp(-((((moments - 0.02 - offset + 0.2) % 0.4) - 0.2) ** 2) / 0.01**2)
    wave = np.random.default_rng(0).normal(0, 0.2, len(moments)) * bursts + 1e-4
    return Clip(f"talking/{speaker}.mkv", speaker, kind, 0, cuts, wave.astype(np.float32), offset)


@pytest.mark.parametrize("offset", [-0.12, 0.0, 0.2])
@pytest.mark.parametrize("speed", [0.0, 0.05])
def test_a_sequence_keeps_mouth_and_voice_together(offset: float, speed: float) -> None:
    sequencer = Sequencer([], {**PLAIN, "speed": speed}, 3)
    for _ in range(5):
        stacks, windows = sequencer.draw(clip(offset=offset), 40)
        assert stacks.shape == (40, 5, 48, 64)
        assert windows.shape == (40, 1, 40, 20)
        lit = stacks[:, 2].mean(axis=(1, 2))
        loud = windows[:, 0, :, 8:12].mean(axis=(1, 2))
        shifts = {by: np.corrcoef(lit[4:-4], np.roll(loud, -by)[4:-4])[0, 1] for by in range(-3, 4)}
        assert max(shifts, key=lambda by: shifts[by]) == 0


def test_every_sequence_of_a_batch_is_of_another_speaker() -> None:
    clips = [clip(name) for name in "abcdef"]
    stacks, windows = next(sequences(clips, Sequencer([np.ones(RATE, np.float32)], PLAIN, 0), 4, 16))
    assert len(stacks) == len(windows) == 64


def test_one_person_under_two_names_is_one_speaker() -> None:
    assert speaker_of("talking/tys.mkv", CONFIGURATION["same"]) == speaker_of("talking/vasa_13.mkv", {})


def test_folds_share_no_speaker_and_have_all() -> None:
    clips = [clip(f"r{number}") for number in range(5)] + [clip(f"g{number}", kind="generated") for number in range(7)]
    folds = folds_of(clips, CONFIGURATION["folds"])
    assert sum(len(fold) for fold in folds) == len(set().union(*folds)) == 12
    assert all(any(name.startswith(kind) for name in fold) for fold in folds for kind in "rg")


def test_only_sure_offsets_move_a_recording() -> None:
    curve = np.zeros(51, np.float32)
    sure, unsure = Fit(-2.5, 0.5, 0.5, curve), Fit(3.0, 0.001, 0.0, curve)
    offsets = {"talking/a.mkv": sure, "talking/b.mkv": unsure, "talking/c.mkv": None}
    moved = shifted([clip("a"), clip("b"), clip("c")], offsets)
    assert [round(each.offset, 3) for each in moved] == [-0.1, 0.0, 0.0]


def test_the_loss_is_least_where_pairs_belong_together() -> None:
    class Fixed(torch.nn.Module):
        scale = torch.tensor(3.0)

        def forward(self, one: torch.Tensor, other: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return one, other

    points = torch.nn.functional.normalize(torch.randn(24, 8, generator=torch.Generator().manual_seed(0)))
    together = loss_of(Fixed(), points, points, 8, 0.1)  # type: ignore[arg-type]
    apart = loss_of(Fixed(), points, points.roll(3, 0), 8, 0.1)  # type: ignore[arg-type]
    assert together < apart


def test_towers_ship_as_one_file_with_two_free_lengths(tmp_path: Path) -> None:
    towers = Towers({**CONFIGURATION["draw"], **CONFIGURATION["train"]}).eval()
    rng = np.random.default_rng(0)
    feeds = [
        {"mouths": rng.normal(size=(8, 5, 48, 64)).astype("f"), "voices": rng.normal(size=(8, 1, 40, 20)).astype("f")}
    ]
    ship(towers, tmp_path, feeds, "minmax", thresholds={"confidence": 0.1})
    mouths, voices = rng.normal(size=(7, 5, 48, 64)).astype("f"), rng.normal(size=(11, 1, 40, 20)).astype("f")
    found = open_model("sync", "onnxruntime", tmp_path).run(mouths, voices)
    with torch.inference_mode():
        expected = [towers.mouth(torch.from_numpy(mouths)).numpy(), towers.voice(torch.from_numpy(voices)).numpy()]
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        cosine = (one * other).sum(axis=1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
        assert cosine.min() > 0.9


def test_a_table_covers_the_search() -> None:
    towers = Towers({**CONFIGURATION["draw"], **CONFIGURATION["train"]}).eval()
    table = table_of(towers, clip(slots=60))
    assert table.shape == (60, 2 * SEARCH + 1)
    assert np.isnan(table[0, :SEARCH]).all()
    assert np.isfinite(table[:, SEARCH]).all()


def trial(
    offset: float | None, confidence: float, shift: float = 0.0, other: str = "", sure: bool = True
) -> evaluate.Trial:
    reason = None if sure else Reason.LOW_CONFIDENCE
    return evaluate.Trial("f", "s", "real", 0.0, shift, Opinion(offset, confidence, reason), other)


def test_the_confidence_keeps_errors_rare() -> None:
    found = [trial(0.0, 0.5 + 0.001 * number) for number in range(100)]
    found += [trial(0.4, 0.3), trial(0.1, 0.4, other="x"), trial(0.2, 0.2)]
    assert evaluate.least_confidence(found, 0.0) == pytest.approx(0.5)
    assert evaluate.least_confidence(found, 0.5) == pytest.approx(0.2)


def test_scores_count_what_is_right() -> None:
    found = [trial(0.01, 0.5), trial(0.25, 0.5, 0.24), trial(-0.3, 0.5, -0.32), trial(None, 0.0, sure=False)]
    found += [trial(0.3, 0.1, sure=False), trial(0.2, 0.4, other="x"), trial(None, 0.0, other="x", sure=False)]
    values = evaluate.scores(found)
    assert values["coverage"] == pytest.approx(3 / 5)
    assert values["balanced_accuracy"] == 1.0
    assert values["median_error_ms"] == pytest.approx(10, abs=0.1)
    assert values["stranger_verdicts"] == 0.5
