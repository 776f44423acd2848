from __future__ import annotations

import numpy as np
import pytest

from tests.lipsync.people import face
from vqa_agent.lipsync.tracks import PATIENCE, Tracker


def walk(steps: int, speed: float, noise: float = 0.0, seed: int = 0) -> tuple[Tracker, list[float]]:
    """A face that walks at `speed` pixels a look; the errors of its smoothed points in pixels."""
    rng, tracker, errors = np.random.default_rng(seed), Tracker(), []
    for step in range(steps):
        true = face(100 + speed * step)
        seen = face(100 + speed * step)
        points = seen.points + rng.normal(0, noise / 640, seen.points.shape).astype(np.float32)
        (track,) = tracker.update(step * 0.2, [type(seen)(seen.box, points, seen.score)])
        errors.append(float(np.abs((track.points - true.points)[:, 0]).mean() * 640))
    return tracker, errors


def test_one_face_stays_one_track() -> None:
    tracker, errors = walk(20, 12.0)
    assert [track.number for track in tracker.tracks] == [1]
    assert errors[-1] < 0.5


def test_smoothing_takes_away_from_the_tremble() -> None:
    _, errors = walk(200, 0.0, noise=5.0)
    assert np.mean(errors[10:]) < 0.9 * 5.0 * np.sqrt(2 / np.pi)


def test_points_between_looks_lie_on_a_line() -> None:
    tracker = Tracker()
    tracker.update(0.0, [face(100)])
    (track,) = tracker.update(0.2, [face(110)])
    middle = track.at(0.1)
    assert middle == pytest.approx((track.before[1] + track.points) / 2)
    assert track.at(0.4) is track.points


def test_two_that_pass_each_other_keep_their_names() -> None:
    tracker = Tracker()
    for step in range(21):
        tracker.update(step * 0.2, [face(100 + 20 * step, 120), face(500 - 20 * step, 240)])
    by_number = {track.number: track.points[:, 1].mean() for track in tracker.tracks}
    assert len(by_number) == 2
    assert by_number[1] < by_number[2]


def test_a_face_that_is_missed_is_carried_on_at_its_speed() -> None:
    tracker, _ = walk(10, 20.0)
    for step in range(10, 10 + PATIENCE):
        (track,) = tracker.update(step * 0.2, [])
    assert track.points[:, 0].mean() * 640 == pytest.approx(100 + 20 * (9 + PATIENCE), abs=6)
    (again,) = tracker.update((10 + PATIENCE) * 0.2, [face(100 + 20 * (10 + PATIENCE))])
    assert again.number == 1


def test_a_face_that_stays_away_is_forgotten() -> None:
    tracker, _ = walk(5, 0.0)
    for step in range(PATIENCE + 1):
        tracker.update(2 + step * 0.2, [])
    assert tracker.tracks == []


def test_only_the_largest_faces_are_followed() -> None:
    tracks = Tracker(most=2).update(0.0, [face(100, eyes=20), face(300, eyes=60), face(500, eyes=40)])
    assert [round(track.box[2] * 640) for track in tracks] == [120, 80]
