"""Text of HLS: which segments are read and when, and how their text comes onto the media clock."""

from __future__ import annotations

import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import pytest

from tests.capture.clips import transport_stream
from vqa_agent.capture import Source, open_source
from vqa_agent.capture.guard import File, ForbiddenError, Guard
from vqa_agent.capture.rendition import PATIENCE, Playlist, Rendition
from vqa_agent.capture.webvtt import timed_text
from vqa_agent.media import Caption, CaptionKind, Fact, FactKind, Sample
from vqa_agent.simulate.captions import Cue, add_rendition

SECONDS = 14.0
CUES = [Cue(1.0, 2.5, "Hello there"), Cue(5.0, 13.0, "A text that\nstands for long"), Cue(13.2, 13.9, "The end")]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return transport_stream(tmp_path_factory.mktemp("hls") / "pictures.ts", SECONDS, size=(64, 48))


def hls(pictures: Path, folder: Path, cues: list[Cue] = CUES, begins: float | None = None) -> Path:
    (folder / pictures.name).write_bytes(pictures.read_bytes())
    return add_rendition(folder / pictures.name, folder, cues, seconds=SECONDS, begins=begins)


def first_stamp(file: Path) -> float:
    with av.open(str(file)) as container:
        return (container.start_time or 0) / 1e6


def read(url: str) -> tuple[list[Sample], str]:
    with open_source(Source(name="clip", url=url, live=False)) as capture:
        return list(capture.samples()), capture.format.captions


def texts(samples: list[Sample]) -> list[tuple[float, float | None, str]]:
    return [(s.time, s.until, s.text) for s in samples if isinstance(s, Caption)]


def stated(samples: list[Sample]) -> list[Fact]:
    return [s for s in samples if isinstance(s, Fact) and s.kind is FactKind.CAPTIONS]


def about(cues: list[Cue], shift: float = 0.0) -> list[tuple[object, object, str]]:
    return [(near(cue.start + shift), near(cue.end + shift), cue.text) for cue in cues]


def near(second: float) -> object:
    return pytest.approx(second, abs=0.06)


def test_text_that_names_the_time_of_the_pictures(pictures: Path, tmp_path: Path) -> None:
    master = hls(pictures, tmp_path, begins=first_stamp(pictures) + 2.0)
    samples, services = read(str(master))
    assert services == "webvtt:en"
    assert texts(samples)[:2] == about(CUES[:2], 2.0)
    assert {s.kind for s in samples if isinstance(s, Caption)} == {CaptionKind.TEXT}


def test_text_that_names_no_time_begins_with_the_programme(pictures: Path, tmp_path: Path) -> None:
    assert texts(read(str(hls(pictures, tmp_path)))[0]) == about(CUES)


def test_a_time_that_has_wrapped_is_the_nearest(pictures: Path, tmp_path: Path) -> None:
    local = [Cue(cue.start + 100, cue.end + 100, cue.text) for cue in CUES]
    master = hls(pictures, tmp_path, begins=first_stamp(pictures) - 100)
    for segment in tmp_path.glob("*.vtt"):
        segment.unlink()
    text = "".join(f"\n00:01:{c.start - 60:06.3f} --> 00:01:{c.end - 60:06.3f}\n{c.text}\n" for c in local)
    ticks = round((first_stamp(pictures) - 100) * 90_000) % 2**33
    (tmp_path / "text-0.vtt").write_text(f"WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:{ticks},LOCAL:00:00.000\n{text}")
    assert texts(read(str(master))[0]) == about(CUES)


def test_a_service_is_carried_as_long_as_its_segments_come(pictures: Path, tmp_path: Path) -> None:
    master = hls(pictures, tmp_path)
    facts = stated(read(str(master))[0])
    assert max(fact.end for fact in facts) >= SECONDS - 1.5
    assert all(fact.detail["readable"] for fact in facts[1:])


@pytest.mark.parametrize("line", ['#EXT-X-MAP:URI="head.mp4"', '#EXT-X-KEY:METHOD=AES-128,URI="key"'])
def test_text_that_cannot_be_read_is_carried(line: str, pictures: Path, tmp_path: Path) -> None:
    master = hls(pictures, tmp_path)
    playlist = tmp_path / "text.m3u8"
    playlist.write_text(playlist.read_text().replace("#EXTINF", f"{line}\n#EXTINF", 1))
    samples, _ = read(str(master))
    assert texts(samples) == []
    assert {fact.detail["readable"] for fact in stated(samples)} == {False}


def test_text_from_elsewhere_is_not_fetched(pictures: Path, tmp_path: Path) -> None:
    master = hls(pictures, tmp_path)
    outside = tmp_path.parent / "outside.vtt"
    outside.write_text("WEBVTT\n\n00:01.000 --> 00:02.000\nsecret\n")
    playlist = tmp_path / "text.m3u8"
    playlist.write_text(playlist.read_text().replace("text-0.vtt", "../outside.vtt"))
    assert "secret" not in [text for *_, text in texts(read(str(master))[0])]


@pytest.mark.parametrize("text", ["", "WEBVTT", "WEBVTT\n\n99:99 --> \n\n00:05.000 --> 00:01.000\nback", "\x00" * 99])
def test_damaged_text_is_no_text(text: str, pictures: Path, tmp_path: Path) -> None:
    master = hls(pictures, tmp_path)
    (tmp_path / "text-0.vtt").write_text(text)
    (tmp_path / "text-1.vtt").unlink()
    assert texts(read(str(master))[0]) == about(CUES[1:])


class Site(Guard):
    """What a server has at each address."""

    def __init__(self, **files: str) -> None:
        super().__init__("http://host/master.m3u8", {}, (), PATIENCE)
        self.files, self.asked = files, list[str]()

    def open(self, url: str, *_: object) -> File:
        name = url.rpartition("/")[2]
        self.asked.append(name)
        if name not in self.files:
            raise ForbiddenError("there is none")
        return io.BytesIO(self.files[name].encode())


def live(first: int, count: int) -> str:
    head = f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:{first}\n"
    return head + "".join(f"#EXTINF:4,\n{number}\n" for number in range(first, first + count))


def vtt(second: int) -> str:
    head = "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00.000,MPEGTS:0\n\n"
    return f"{head}00:{second:02}.000 --> 00:{second + 1:02}.000\ntext\n"


def passing(seconds: int, beginning: int = 0) -> Iterator[SimpleNamespace]:
    """Packets of pictures, one a second."""
    for second in range(beginning, beginning + seconds):
        yield SimpleNamespace(dts=second, time_base=Fraction(1), stream=SimpleNamespace(index=0))


@pytest.fixture
def track() -> Iterator[av.stream.Stream]:
    with av.open(io.BytesIO(vtt(1).encode()), format="webvtt") as container:
        yield container.streams.subtitles[0]


def test_a_live_playlist_is_asked_again_and_read_once(track: object) -> None:
    site = Site(**{"text.m3u8": live(100, 20), **{str(number): vtt(number - 100) for number in range(100, 130)}})
    rendition = Rendition(site, "http://host/text.m3u8", track, 0.0)
    found = [packet for beside in passing(4) for packet in rendition.packets(beside)]
    assert [packet.dts / 90_000 for packet in found if packet.size] == [14, 15, 16, 17, 18, 19]
    assert [packet.duration / 90_000 for packet in found if not packet.size] == [4.0] * 6
    site.files["text.m3u8"] = live(102, 20)
    found = [packet for beside in passing(4, 4) for packet in rendition.packets(beside)]
    assert [packet.dts / 90_000 for packet in found if packet.size] == [20, 21]
    assert site.asked.count("text.m3u8") <= 5


def test_a_playlist_that_cannot_be_had_is_tried_again_later(track: object) -> None:
    site = Site()
    rendition = Rendition(site, "http://host/text.m3u8", track, 0.0)
    assert [packet for beside in passing(70) for packet in rendition.packets(beside)] == []
    assert site.asked == ["text.m3u8"] * 3


def test_a_jump_of_the_time_stamps_is_no_time_that_passed(track: object) -> None:
    listed = live(0, 3) + "#EXT-X-ENDLIST\n"
    site = Site(**{"text.m3u8": listed, **{str(number): vtt(number) for number in range(3)}})
    rendition = Rendition(site, "http://host/text.m3u8", track, 0.0)
    for beside in [*passing(2), *passing(2, 5000)]:
        list(rendition.packets(beside))
    assert site.asked == ["text.m3u8", "0"]


def test_a_playlist_without_sense_is_none() -> None:
    for text in ("", "<html>", "#EXTM3U\n#EXTINF:abc,\nx"):
        with pytest.raises(ValueError, match=r"playlist|float"):
            Playlist.parse(text, "http://host/x")


def test_cues_with_settings_names_and_hours() -> None:
    head = "WEBVTT - a title\r\n\r\nSTYLE\r\n::cue {}\r\n\r\n"
    text = f"{head}1\r\n100:00:01.000 --> 100:00:02.000 align:left\r\n<i>A</i>\r\n"
    (cue,) = timed_text(b"\xef\xbb\xbf" + text.encode(), 10.0)
    assert (cue.start, cue.end, cue.text) == (360_011.0, 360_012.0, "<i>A</i>")
