"""What the soak calls a leak."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.soak import ROOM, Point, growth, leaks

LEVEL = Point(supervisor_mb=100.0, supervisor_files=26, threads=5, worker_mb=200.0, worker_files=67, wal_mb=0.2)


def test_what_is_level_or_jumps_for_a_moment_is_no_leak() -> None:
    points = [LEVEL] * 60
    points[50] = replace(LEVEL, supervisor_mb=500.0)
    assert leaks(growth(points)) == []


def test_the_start_does_not_count() -> None:
    points = [replace(LEVEL, supervisor_mb=float(number)) for number in range(12)] + [LEVEL] * 48
    assert leaks(growth(points)) == []


def test_every_figure_that_rises_is_named() -> None:
    points = [Point(**{name: 3.0 * room * number / 60 for name, room in ROOM.items()}) for number in range(60)]
    assert leaks(growth(points)) == list(ROOM)


def test_a_single_thread_more_is_not_yet_one() -> None:
    assert leaks(growth([LEVEL] * 30 + [replace(LEVEL, threads=6)] * 30)) == []
