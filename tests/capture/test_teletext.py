"""Subtitle pages of teletext; the same pages were read alike by libzvbi."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.capture.clips import transport_stream
from vqa_agent.capture import Source, open_source
from vqa_agent.capture.subtitles import TELETEXT_GRACE, SubtitleTrack
from vqa_agent.capture.teletext import Teletext, is_teletext
from vqa_agent.media import Caption, CaptionKind, Fact, FactKind
from vqa_agent.simulate.captions import Cue
from vqa_agent.simulate.teletext import add_teletext, header, packet, row

PAGE = 0x888
FILLING = header(0x8FF, subtitle=False)


def shown(*screens: tuple[str, ...], teletext: Teletext | None = None, national: int = 0) -> list[Caption]:
    """What a page says that is sent once a second, each time with other rows."""
    teletext = teletext or Teletext()
    found = []
    for second, rows in enumerate(screens):
        lines = [row(PAGE, 20 + 2 * at, text, national) for at, text in enumerate(rows)]
        found += teletext.feed(packet([header(PAGE, national=national), *lines, FILLING]), float(second))
    return found


def test_a_page_is_shown_at_the_time_of_its_header_and_cleared_by_an_empty_one() -> None:
    assert shown(("Hello", "there"), (), ("Again",)) == [
        Caption(0.0, "teletext-888", CaptionKind.TEXT, "Hello\nthere"),
        Caption(1.0, "teletext-888", CaptionKind.TEXT, shown=False),
        Caption(2.0, "teletext-888", CaptionKind.TEXT, "Again"),
    ]


def test_a_page_that_is_sent_again_changes_nothing() -> None:
    assert len(shown(("Hello",), ("Hello",), ("Hello",), (), ())) == 2


def test_rows_that_roll_up_are_typed() -> None:
    found = shown(("We went down",), ("We went down", "to the harbour"), ("to the harbour", "and there"))
    assert [(caption.kind, caption.text) for caption in found] == [
        (CaptionKind.TEXT, "We went down"),
        (CaptionKind.ROLL_UP, "\nto the harbour"),
        (CaptionKind.ROLL_UP, "\nand there"),
    ]


@pytest.mark.parametrize(("national", "text"), [(4, "Grüße aus Köln"), (1, "très été à"), (2, "Åår ä ö"), (3, "ůčťžě")])
def test_letters_of_the_language_that_the_header_names(national: int, text: str) -> None:
    (caption,) = shown((text,), national=national)
    assert caption.text == text


def test_rows_without_a_further_header_are_shown_after_a_while() -> None:
    teletext = Teletext()
    assert list(teletext.feed(packet([header(PAGE), row(PAGE, 20, "Hello")]), 1.0)) == []
    (caption,) = teletext.feed(packet([]), 1.6)
    assert (caption.time, caption.text) == (1.0, "Hello")


def test_other_writing_is_shown_but_not_read() -> None:
    (caption,) = shown(("privet",), teletext=Teletext("rus"))
    assert (caption.kind, caption.text, caption.shown) == (CaptionKind.BITMAP, "", True)


def test_pages_that_are_no_subtitles_are_passed_over() -> None:
    teletext = Teletext()
    page = packet([header(0x100, subtitle=False), row(0x100, 5, "News at ten"), header(0x101, subtitle=False)])
    assert list(teletext.feed(page, 0.0)) == []
    assert not teletext.seen


def test_a_wrong_bit_of_an_address_is_mended_and_wrong_letters_are_marked() -> None:
    data = bytearray(packet([header(PAGE), row(PAGE, 20, "Hello"), FILLING]))
    data[1 + 46 + 4] ^= 0x10
    data[1 + 46 + 4 + 2 + 2] ^= 0x10
    (caption,) = Teletext().feed(bytes(data), 0.0)
    assert caption.text == "\ufffdello"


def test_damage_is_survived() -> None:
    rng = np.random.default_rng(0)
    teletext = Teletext()
    for _ in range(300):
        data = bytearray(packet([header(PAGE), row(PAGE, 20, "Hello"), FILLING]))
        for place in rng.integers(0, len(data), 40):
            data[place] = rng.integers(0, 256)
        list(teletext.feed(bytes(data[: rng.integers(0, len(data))]), 0.0))
    assert not is_teletext(b"")
    assert not is_teletext(b"\x20\x00" * 50)


@pytest.mark.parametrize(("subtitle", "until"), [(False, 60.0 + TELETEXT_GRACE), (True, 100.0 + TELETEXT_GRACE)])
def test_teletext_without_subtitle_pages_carries_no_captions_for_long(subtitle: bool, until: float) -> None:
    track = SubtitleTrack(SimpleNamespace(language="deu", codec_context=None), segmented=False)
    data = packet([header(PAGE, subtitle=subtitle), FILLING])
    for second in (60.0, 100.0):
        given = FakePacket(data)
        list(track.captions(given, second, second))
    assert (track.name, track.readable, track.until) == ("teletext:deu", subtitle, until)


class FakePacket(bytes):
    """A packet of a track that FFmpeg cannot decode."""

    stream = SimpleNamespace(codec_context=None)

    @property
    def size(self) -> int:
        return len(self)


def test_teletext_in_a_transport_stream(tmp_path: Path) -> None:
    cues = [Cue(1.0, 2.5, "Guten Abend\nKöln"), Cue(3.0, 5.0, "Auf Wiedersehen")]
    plain = transport_stream(tmp_path / "plain.ts", 6.0, size=(64, 48))
    file = add_teletext(plain, tmp_path / "clip.ts", cues, 6.0, language="deu", national=4)
    with open_source(Source(name="clip", url=str(file), live=False)) as capture:
        samples = list(capture.samples())
        assert capture.format.captions == "teletext:deu"
    found = [sample for sample in samples if isinstance(sample, Caption)]
    assert [(caption.time, caption.text) for caption in found] == [
        (pytest.approx(1.0, abs=0.1), cues[0].text),
        (pytest.approx(2.5, abs=0.1), ""),
        (pytest.approx(3.0, abs=0.1), cues[1].text),
        (pytest.approx(5.0, abs=0.1), ""),
    ]
    facts = [sample for sample in samples if isinstance(sample, Fact) and sample.kind is FactKind.CAPTIONS]
    assert len(facts) >= 4
    assert facts[-1].detail["readable"] is True
