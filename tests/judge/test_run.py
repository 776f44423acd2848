from __future__ import annotations

import pytest

from vqa_agent.detect import Finding, Rule
from vqa_agent.judge.run import MAX_GAP, make_run


def finding(time: float, bad: bool = True, length: float = 0.1, certain: bool = False, **detail) -> Finding:
    return Finding("x", time, time + length, 0.9 if bad else 0.0, bad, certain=certain, detail=detail)


def feed(rule: Rule, findings: list[Finding]):
    run = make_run(rule)
    for each in findings:
        run.feed(each)
    return run


def row(start: float, end: float, bad: bool = True, step: float = 0.1, certain: bool = False) -> list[Finding]:
    return [finding(start + place * step, bad, step, certain) for place in range(round((end - start) / step))]


HELD = Rule(set_time=2.0, clear_time=1.0, certain_set_time=0.5)


class TestHeld:
    def test_is_met_after_the_set_time(self) -> None:
        assert not feed(HELD, row(5.0, 6.9)).met(2.0)
        run = feed(HELD, row(5.0, 7.0))
        assert run.met(run.set_time)
        assert (run.start, run.end) == (5.0, pytest.approx(7.0))

    def test_one_good_look_begins_anew(self) -> None:
        assert not feed(HELD, [*row(0.0, 1.5), finding(1.5, bad=False), *row(1.6, 3.0)]).met(2.0)

    def test_certain_evidence_is_met_sooner(self) -> None:
        assert feed(HELD, row(0.0, 0.6, certain=True)).set_time == 0.5

    def test_one_doubtful_look_makes_all_of_it_doubtful(self) -> None:
        assert feed(HELD, [*row(0.0, 0.6, certain=True), finding(0.6)]).set_time == 2.0

    def test_does_not_count_across_a_hole_in_the_looks(self) -> None:
        later = 1.0 + MAX_GAP + 0.5
        assert feed(HELD, [*row(0.0, 1.0), *row(later, later + 1.0)]).start == pytest.approx(later)

    def test_counts_on_when_only_every_tenth_picture_is_looked_at(self) -> None:
        assert feed(HELD, [finding(0.4 * place, length=0.04) for place in range(7)]).met(2.0)

    def test_a_finding_may_reach_back(self) -> None:
        run = feed(HELD, [Finding("x", 3.0, 5.0, 0.5, True)])
        assert run.start == 3.0


COUNTED = Rule(set_time=10.0, clear_time=10.0, count=3)


class TestCounted:
    @pytest.mark.parametrize(
        ("times", "met"), [([1, 5, 9], True), ([1, 5], False), ([1, 8, 16], False), ([1, 8, 9, 10], True)]
    )
    def test_counts_within_its_window(self, times: list[float], met: bool) -> None:
        assert feed(COUNTED, [finding(time) for time in times]).met(10.0) is met

    def test_a_finding_counts_as_often_as_it_says(self) -> None:
        assert feed(COUNTED, [finding(1.0, count=2), finding(2.0)]).met(10.0)

    def test_starts_with_the_first_in_the_window(self) -> None:
        assert feed(COUNTED, [finding(time) for time in (1, 15, 16, 17)]).start == 15

    def test_keeps_the_strongest_evidence(self) -> None:
        strong = Finding("x", 2.0, 2.1, 1.0, True, detail={"why": "strong"})
        run = feed(COUNTED, [finding(1.0), strong, finding(3.0)])
        assert run.met(10.0)
        assert (run.score, run.detail) == (1.0, {"why": "strong"})


class TestLooks:
    RULE = Rule(set_time=0.0, clear_time=5.0, count=3, looks=5)

    @pytest.mark.parametrize(("looks", "met"), [("bbb", True), ("bgbgb", True), ("bgggbgb", False), ("bbggggb", False)])
    def test_so_many_of_the_last_looks(self, looks: str, met: bool) -> None:
        run = feed(self.RULE, [finding(place, bad=look == "b") for place, look in enumerate(looks)])
        assert run.met(0.0) is met


class TestShare:
    RULE = Rule(set_time=10.0, clear_time=10.0, share=0.5)

    def test_a_share_of_the_time_looked_at(self) -> None:
        half = [finding(place * 0.1, bad=place % 2 == 0) for place in range(101)]
        assert feed(self.RULE, half).met(10.0)
        third = [finding(place * 0.1, bad=place % 3 == 0) for place in range(101)]
        assert not feed(self.RULE, third).met(10.0)

    def test_needs_most_of_its_window_first(self) -> None:
        assert not feed(self.RULE, row(0.0, 5.0)).met(10.0)
