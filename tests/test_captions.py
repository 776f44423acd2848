"""Captions the whole way: encoded, read from a file, judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.capture.clips import images
from tests.detect.caption_clips import cues, talked
from vqa_agent.analyze import Analysis, source_of
from vqa_agent.expect import Expect
from vqa_agent.judge import Decision
from vqa_agent.simulate.captions import Cue, add_rendition, add_track, caption_writer, delayed, pop_on, roll_up
from vqa_agent.simulate.dvb_subtitles import add_dvb_subtitles
from vqa_agent.simulate.encode import encode
from vqa_agent.simulate.talk import RATE
from vqa_agent.simulate.teletext import add_teletext

SECONDS = 100.0
LONG = 140.0
"""Seconds that it takes to be sure of a lag."""

DETECTORS = ("caption_missing", "caption_empty", "caption_sync", "caption_quality")

Pairs = Sequence[tuple[int, int] | None]


def spoken(seconds: float = SECONDS) -> list[Cue]:
    """A cue for each phrase, in capitals and two rows, as CEA-608 has room for."""
    return [Cue(cue.start, cue.end, in_rows(cue.text.upper())) for cue in cues(talked(seconds)[1])]


def in_rows(text: str, width: int = 32) -> str:
    rows = [text[:width], text[width : 2 * width].strip()]
    return "\n".join(row for row in rows if row)


def recording(path: Path, pairs: Pairs | None = None, codec: str = "libx264", **options: float) -> Path:
    change = caption_writer(pairs, codec, **options) if pairs is not None else None
    seconds = len(pairs) / 25 if pairs is not None else LONG
    pictures = images(seconds, size=(64, 48))
    sound = talked(seconds)[0]
    wave = np.ascontiguousarray(np.repeat(sound, 3, axis=1))
    return encode(path, pictures, wave, video_codec=codec, audio_codec="mp2", sample_rate=3 * RATE, change=change)


def found(file: Path, expect: Expect | None = None) -> list[Decision]:
    source, profile = source_of(str(file))
    with Analysis(source, profile, only=DETECTORS, expect=expect) as analysis:
        return list(analysis.closed())


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
@pytest.mark.parametrize("write", [pop_on, roll_up])
def test_good_captions_are_no_event(codec: str, write: Callable[..., Pairs], tmp_path: Path) -> None:
    assert found(recording(tmp_path / "clip.ts", write(spoken(), SECONDS), codec)) == []


FAULTS: dict[str, tuple[str, Callable[[], Pairs]]] = {
    "vanish": ("caption_missing", lambda: [*pop_on(spoken(), SECONDS)[:1000], *[None] * 1500]),
    "empty": ("caption_empty", lambda: [(0, 0)] * 2500),
    "stop": ("caption_empty", lambda: pop_on([cue for cue in spoken() if cue.end < 40], SECONDS)),
    "late": ("caption_sync", lambda: pop_on(delayed(spoken(LONG), 5.0), LONG)),
    "late, typed": ("caption_sync", lambda: roll_up(delayed(spoken(LONG), 8.0), LONG)),
    "scrambled": (
        "caption_quality",
        lambda: pop_on(
            [Cue(c.start, c.end, c.text.translate(str.maketrans("AEINRT", "#@%&=+"))) for c in spoken()], SECONDS
        ),
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_finds_captions_that_are(name: str, tmp_path: Path) -> None:
    defect, pairs = FAULTS[name]
    assert [event.defect for event in found(recording(tmp_path / "clip.ts", pairs()))] == [defect]


def test_finds_parity_errors(tmp_path: Path) -> None:
    (event,) = found(recording(tmp_path / "clip.ts", pop_on(spoken(), SECONDS), parity_errors=0.05))
    assert (event.defect, event.detail["kind"]) == ("caption_quality", "parity")


@pytest.mark.parametrize(("lag", "expected"), [(0.0, []), (-4.0, ["caption_sync"])])
def test_a_track_of_text(lag: float, expected: list[str], tmp_path: Path) -> None:
    plain = recording(tmp_path / "plain.mkv")
    shown = [cue for cue in delayed(spoken(LONG), lag) if cue.start > 0]
    assert [event.defect for event in found(add_track(plain, tmp_path / "clip.mkv", shown, "subrip"))] == expected


@pytest.fixture(scope="module")
def transport_stream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recording(tmp_path_factory.mktemp("hls") / "clip.ts")


SCRAMBLED = str.maketrans("AEINRT", "#@%&=+")
RENDITIONS: dict[str, tuple[list[str], Callable[[], list[Cue]]]] = {
    "good": ([], lambda: spoken(LONG)),
    "late": (["caption_sync"], lambda: delayed(spoken(LONG), 3.0)),
    "drifting": (["caption_sync"], lambda: delayed(spoken(LONG), 1.0, drift=1 / 60)),
    "empty": (["caption_empty"], lambda: []),
    "stopping": (["caption_empty"], lambda: [cue for cue in spoken(LONG) if cue.end < 40]),
    "scrambled": (
        ["caption_quality"],
        lambda: [Cue(c.start, c.end, c.text.translate(SCRAMBLED)) for c in spoken(LONG)],
    ),
}


@pytest.mark.parametrize("begins", [None, 0.0])
@pytest.mark.parametrize("name", RENDITIONS)
def test_text_in_segments_of_hls(name: str, begins: float | None, transport_stream: Path) -> None:
    expected, shown = RENDITIONS[name]
    master = add_rendition(transport_stream, transport_stream.parent, shown(), seconds=LONG, begins=begins)
    assert [event.defect for event in found(master, Expect(captions=True))] == expected


PAGES = {name: RENDITIONS[name] for name in ("good", "late", "stopping", "scrambled")}


@pytest.mark.parametrize("name", PAGES)
def test_pages_of_teletext(name: str, transport_stream: Path, tmp_path: Path) -> None:
    expected, shown = PAGES[name]
    file = add_teletext(transport_stream, tmp_path / "clip.ts", shown(), LONG, language="eng")
    assert [event.defect for event in found(file, Expect(captions=True))] == expected


BITMAPS = {name: RENDITIONS[name] for name in ("good", "late", "empty", "stopping")}


@pytest.mark.parametrize("name", BITMAPS)
def test_bitmaps_of_dvb(name: str, transport_stream: Path, tmp_path: Path) -> None:
    expected, shown = BITMAPS[name]
    file = add_dvb_subtitles(transport_stream, tmp_path / "clip.ts", shown(), "eng")
    assert [event.defect for event in found(file, Expect(captions=True))] == expected


def test_a_rendition_that_ends_is_missed(transport_stream: Path) -> None:
    master = add_rendition(transport_stream, transport_stream.parent, spoken(LONG), seconds=LONG, begins=None)
    for segment in transport_stream.parent.glob("text-*.vtt"):
        if int(segment.stem.removeprefix("text-")) > 8:
            segment.unlink()
    assert [event.defect for event in found(master, Expect(captions=True))] == ["caption_missing"]
