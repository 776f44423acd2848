"""The demonstration: real processes, a broker inside this one, and a verdict that can be bad."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import pytest

from vqa_agent.demo.demo import EARLY, LATE, Expectation, run_demo
from vqa_agent.demo.programme import PARTS, SETTINGS, Part, build
from vqa_agent.demo.sender import Sender, Sent
from vqa_agent.detect import Severity, detectors
from vqa_agent.event import Event, State

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def event(defect: str = "black", state: State = State.OPEN, late: float = 0.0) -> Event:
    start = NOW + timedelta(seconds=late)
    end = start + timedelta(seconds=6) if state is State.CLOSED else None
    return Event(
        v=1, id="01J00000000000000000000000", seq=1, boot="x", stream="demo", defect=defect, state=state,
        severity=Severity.MAJOR, score=1.0, start=start, end=end, pts=0.0, duration=6.0, detail={},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arrived", "taken"),
    [
        pytest.param(event(), True, id="it"),
        pytest.param(event(late=LATE - 0.1), True, id="it, a little late"),
        pytest.param(event(late=LATE + 0.1), False, id="too late to be it"),
        pytest.param(event(late=-EARLY - 0.1), False, id="before it was sent"),
        pytest.param(event("freeze"), False, id="another defect"),
    ],
)
def test_only_the_defect_that_was_sent_then_counts(arrived: Event, taken: bool) -> None:
    expectation = Expectation(Sent(Part(5, "x", "black"), NOW))
    assert expectation.take(arrived) is taken
    assert (expectation.opened is arrived) is taken
    assert expectation.closed is None


def test_the_end_of_a_defect_counts_on_its_own() -> None:
    expectation = Expectation(Sent(Part(5, "x", "black"), NOW))
    expectation.take(event(state=State.CLOSED))
    assert expectation.closed is not None
    assert expectation.opened is None


def test_the_programme_names_defects_and_settings_that_exist_and_lasts_less_than_a_minute() -> None:
    assert {part.defect for part in PARTS} - {""} <= set(detectors())
    for name, settings in SETTINGS.items():
        assert set(settings) <= set(detectors()[name].settings_type.model_fields)
    assert sum(part.seconds for part in PARTS) < 60


def test_the_programme_is_built_without_its_holes(tmp_path: Path) -> None:
    build(tmp_path / "x.ts", (Part(1, "a"), Part(9, "off", sent=False), Part(1, "b")))
    with av.open(str(tmp_path / "x.ts")) as container:
        assert container.duration is not None
        assert container.duration / 1e6 == pytest.approx(2, abs=0.2)


def test_a_hole_moves_what_is_sent_after_it() -> None:
    parts = (Part(5, "a"), Part(6, "b", "black"), Part(4, "off", sent=False), Part(7, "c"))
    assert list(Sender(Path("x"), "udp://x", parts)._stretches()) == [(0, 11, 0), (11, 7, 4)]


def test_what_was_sent_arrives_and_what_was_not_is_missed(capsys: pytest.CaptureFixture[str]) -> None:
    parts = (Part(4, "clean"), Part(5, "black", "black", "gone"), Part(5, "clean, said to be flat", "solid_color"))
    assert run_demo(parts=parts) is False
    told = capsys.readouterr().out
    assert "black open, " in told
    assert "black closed, " in told
    assert "solid_color: it did not arrive" in told
    assert "1 of 2 expected defects arrived over MQTT" in told
