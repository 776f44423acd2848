"""A whole look at a file: what is found, what is remembered, what is reported."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest

from vqa_agent.analyze import Analysis, finding_record, plain, record, source_of
from vqa_agent.detect import Finding, Profile, Severity
from vqa_agent.errors import AgentError, InputError, UsageError
from vqa_agent.event import State
from vqa_agent.judge import Decision
from vqa_agent.media import FULL, LIMITED, Picture, Sample
from vqa_agent.report import Chapter, open_report, write_report
from vqa_agent.simulate import defects, scenes, sounds
from vqa_agent.simulate.encode import encode
from vqa_agent.thumbnails import Thumbnails, jpeg


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten seconds: blue from 2 to 5, silent from 6 to 9."""
    pictures = defects.color(scenes.pan(10, (320, 180), noise=0.0), 2, 5, (0, 0, 200))
    sound = defects.mute(sounds.tone(10), 6, 9)
    return encode(tmp_path_factory.mktemp("clip") / "ten <seconds>.ts", pictures, sound)


def look(url: str | Path, only: Iterable[str] = (), limit: float | None = None) -> tuple[Analysis, list[Decision]]:
    source, profile = source_of(str(url), limit=limit)
    with Analysis(source, profile, list(only)) as analysis:
        return analysis, list(analysis.closed())


def test_every_defect_of_a_file_is_found_where_it_is(clip: Path) -> None:
    analysis, events = look(clip)
    found = {event.defect: (event.start, event.end) for event in events}
    assert set(found) == {"solid_color", "silence"}
    assert found["solid_color"] == pytest.approx((2, 5), abs=0.15)
    assert found["silence"] == pytest.approx((6, 9), abs=0.4)
    assert analysis.summary.media_seconds == pytest.approx(10, abs=0.2)
    assert analysis.summary.pictures == 250
    assert analysis.summary.coverage["black"] == pytest.approx(1.0, abs=0.01)
    assert analysis.summary.format.width == 320


def test_only_what_is_asked_for_is_looked_at(clip: Path) -> None:
    analysis, events = look(clip, ["silence"])
    assert {event.defect for event in events} == {"silence"}
    assert set(analysis.summary.accounts) == {"silence"}


def test_a_limit_ends_the_look_and_what_is_open_with_it(clip: Path) -> None:
    analysis, events = look(clip, limit=4.5)
    assert [(event.defect, event.state) for event in events] == [("solid_color", State.CLOSED)]
    assert events[0].end == pytest.approx(4.5, abs=0.15)
    assert analysis.summary.media_seconds == pytest.approx(4.5, abs=0.2)


def test_a_look_that_is_stopped_gives_what_was_found_so_far(clip: Path) -> None:
    source, profile = source_of(str(clip))
    with Analysis(source, profile) as analysis:

        def stop_late(sample: Sample | None, findings: object, decisions: object) -> None:
            if sample is not None and sample.time > 4.5:
                analysis.stop()

        analysis.watchers.append(stop_late)
        events = list(analysis.closed())
    assert [event.defect for event in events] == ["solid_color"]
    assert analysis.summary.interrupted


@pytest.mark.parametrize(
    ("url", "profile", "live"),
    [
        ("a/b.mp4", Profile.FILE, False),
        ("file:///a/b.mp4", Profile.FILE, False),
        ("rtsp://host/x", Profile.LIVE, True),
        ("udp://@:5000", Profile.LIVE, True),
    ],
)
def test_the_profile_follows_from_the_input(url: str, profile: Profile, live: bool) -> None:
    source, chosen = source_of(url)
    assert (chosen, source.live) == (profile, live)
    assert source_of(url, Profile.FILE)[0].live is False
    assert source_of("a.mp4", Profile.LIVE) == (source_of("a.mp4")[0], Profile.LIVE)


@pytest.mark.parametrize("url", ["nowhere.ts", "gopher://x", "."])
def test_an_input_that_cannot_be_read_is_told_on_one_line(url: str) -> None:
    with pytest.raises(InputError) as caught:
        look(url)
    assert "\n" not in str(caught.value)
    assert url.rstrip(".") in str(caught.value)


def test_a_live_input_that_sends_nothing_cannot_be_read() -> None:
    with pytest.raises(InputError, match="neither pictures nor sound arrived"):
        look("udp://127.0.0.1:9?timeout=300000", limit=1.0)


def test_an_unknown_detector_is_refused(clip: Path) -> None:
    with pytest.raises(UsageError, match="there is no detector blakc; did you mean black"):
        look(clip, ["blakc"])


def decision(**changes: object) -> Decision:
    values = {
        "id": "x",
        "defect": "black",
        "state": State.CLOSED,
        "severity": Severity.MAJOR,
        "score": 0.98765,
        "start": 1.23456,
        "end": 4.0,
        "duration": 2.76544,
        "region": (0.0, 0.25, 1.0, 0.5),
        "detail": {"luma": np.float32(0.123456)},
    }
    return Decision(**(values | changes))  # type: ignore[arg-type]


def test_a_record_has_the_documented_keys_in_media_seconds() -> None:
    assert record(decision()) == {
        "defect": "black",
        "start": 1.235,
        "end": 4.0,
        "duration": 2.765,
        "score": 0.988,
        "severity": "major",
        "region": [0.0, 0.25, 1.0, 0.5],
        "detail": {"luma": 0.12346},
    }
    assert record(decision(region=None), "a.ts")["input"] == "a.ts"
    assert record(decision(region=None))["region"] is None


def test_a_findings_detail_stands_beside_its_fixed_keys_and_never_over_them() -> None:
    finding = Finding("silence", 1.0, 1.1, 0.5, True, detail={"dbfs": -70.04, "start": "x", "scores": {"hum": 0.5}})
    assert finding_record(finding) == {
        "detector": "silence",
        "start": 1.0,
        "end": 1.1,
        "score": 0.5,
        "bad": True,
        "dbfs": -70.04,
        "scores": {"hum": 0.5},
    }
    assert finding_record(Finding("a", 0, 1, 0, False, defect="b"), "x.ts")["defect"] == "b"


@pytest.mark.parametrize(
    ("value", "expected"),
    [(np.int64(3), 3), (np.float32(0.5), 0.5), (float("nan"), None), (True, True), ((1, 2.0), [1, 2.0]), ("x", "x")],
)
def test_values_become_plain(value: object, expected: object) -> None:
    assert plain(value) == expected
    assert type(plain(value)) is type(expected)


def picture(time: float, value: int) -> Picture:
    return Picture(time=time, duration=0.04, luma=np.full((180, 320), value, np.uint8), levels=FULL)


def test_the_thumbnail_is_of_the_picture_at_which_the_event_began() -> None:
    thumbnails = Thumbnails()
    for number in range(250):
        opened = [decision(id=f"e{number}", state=State.OPEN, start=4.0)] if number in (110, 249) else []
        thumbnails(picture(number * 0.04, number), [], opened)
    assert thumbnails.times["e110"] == pytest.approx(4.0)
    assert thumbnails.times["e249"] == pytest.approx(4.0, abs=0.5)
    image = cv2.imdecode(np.frombuffer(thumbnails.by_event["e110"], np.uint8), cv2.IMREAD_GRAYSCALE)
    assert image.shape == (180, 320)
    assert image.mean() == pytest.approx(100, abs=2)


def test_a_thumbnail_has_the_colours_of_the_picture() -> None:
    luma, blue, red = 81, 90, 240
    chroma = (np.full((90, 160), blue, np.uint8), np.full((90, 160), red, np.uint8))
    shown = Picture(time=0, duration=0.04, luma=np.full((180, 320), luma, np.uint8), chroma=chroma, levels=LIMITED)
    image = cv2.imdecode(np.frombuffer(jpeg(shown), np.uint8), cv2.IMREAD_COLOR)
    b, g, r = image.reshape(-1, 3).mean(axis=0)
    assert r > 220
    assert max(b, g) < 60


def test_the_report_shows_every_event_with_its_picture_and_needs_no_other_file(clip: Path, tmp_path: Path) -> None:
    source, profile = source_of(str(clip))
    thumbnails = Thumbnails()
    with Analysis(source, profile, watchers=[thumbnails]) as analysis:
        events = list(analysis.closed())
    path = tmp_path / "report.html"
    with open_report(path) as file:
        write_report(file, [Chapter(analysis.summary, events, thumbnails.by_event)])
    page = path.read_text()
    assert page.count("<rect class=") == page.count('src="data:image/jpeg;base64,') == len(events) == 2
    for event in events:
        assert event.defect in page
    assert "ten &lt;seconds&gt;.ts" in page
    assert not re.search(r'(?:src|href)="(?!data:)', page)
    data = re.findall(r"base64,([^\"]+)", page)
    assert all(base64.b64decode(part)[:2] == b"\xff\xd8" for part in data)
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_a_report_without_events_says_so(tmp_path: Path) -> None:
    clean = encode(tmp_path / "clean.ts", scenes.pan(2, (320, 180)), None)
    analysis, events = look(clean)
    with open_report(tmp_path / "report.html") as file:
        write_report(file, [Chapter(analysis.summary, events)])
    assert "No defect was found" in (tmp_path / "report.html").read_text()


def test_a_report_that_cannot_be_written_is_told_on_one_line(tmp_path: Path) -> None:
    with pytest.raises(AgentError, match=r"writing the report .*none.*: No such file or directory"):
        open_report(tmp_path / "none" / "report.html")


def test_a_report_of_nothing_says_so_and_an_old_one_is_gone(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("old" * 10_000)
    with open_report(tmp_path / "report.html") as file:
        write_report(file, [])
    page = (tmp_path / "report.html").read_text()
    assert "No input could be read" in page
    assert "old" not in page
