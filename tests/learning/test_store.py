"""Kept samples: private, bounded, the least interesting out first, and no reason for a stream to fail."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
from collections import namedtuple
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from vqa_agent.errors import UsageError
from vqa_agent.learning import KeptSample, SampleStore
from vqa_agent.learning import store as store_module

SIZE = 100_000


def known(uncertainty: float, **more: Any) -> dict[str, Any]:
    return {
        "kind": "picture",
        "stream": "main",
        "detector": "block_corruption",
        "time": datetime(2026, 11, 24, tzinfo=UTC),
        "start": 1.0,
        "end": 1.04,
        "uncertainty": uncertainty,
        "score": 0.5,
        **more,
    }


def add(store: SampleStore, uncertainty: float, size: int = 20_000) -> KeptSample | None:
    return store.add({"png": bytes(size)}, **known(uncertainty))


@pytest.fixture
def store(tmp_path: Path) -> SampleStore:
    return SampleStore(tmp_path / "samples", SIZE)


def uncertainties(store: SampleStore) -> list[float]:
    return [sample.uncertainty for sample in store.samples()]


def size_of(store: SampleStore) -> int:
    return sum(path.stat().st_size for path in store.directory.iterdir())


def test_a_sample_comes_back_as_it_was(store: SampleStore) -> None:
    kept = store.add({"png": b"now", "previous.png": b"before"}, **known(0.9))
    assert kept is not None
    assert store.samples() == [kept]
    assert [(store.directory / name).read_bytes() for name in kept.files] == [b"now", b"before"]


def test_nobody_else_may_read_them(store: SampleStore) -> None:
    before = os.umask(0)
    try:
        kept = add(store, 0.9)
        assert kept is not None
        store.label(kept, "clean")
    finally:
        os.umask(before)
    assert stat.S_IMODE(store.directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in store.directory.iterdir()} == {0o600}


def test_the_least_interesting_go_first(store: SampleStore) -> None:
    for uncertainty in (0.6, 0.9, 0.7, 0.8, 0.95, 0.85):
        add(store, uncertainty)
    assert uncertainties(store) == [0.95, 0.9, 0.85, 0.8]
    assert size_of(store) <= SIZE


def test_what_is_less_interesting_than_all_others_is_not_kept(store: SampleStore) -> None:
    for _ in range(4):
        add(store, 0.9)
    assert add(store, 0.6) is None
    assert uncertainties(store) == [0.9] * 4


def test_what_a_person_labelled_stays(store: SampleStore) -> None:
    first = add(store, 0.6)
    assert first is not None
    store.label(first, "clean")
    for _ in range(6):
        add(store, 0.9)
    assert [(sample.uncertainty, sample.label) for sample in store.samples()][-1] == (0.6, "clean")
    assert size_of(store) <= SIZE


def test_nothing_is_dropped_in_vain(store: SampleStore) -> None:
    for uncertainty in (0.5, 0.9, 0.9, 0.9):
        add(store, uncertainty)
    assert add(store, 0.7, size=int(SIZE * store_module.LARGEST_SHARE)) is None
    assert uncertainties(store) == [0.9, 0.9, 0.9, 0.5]


def test_two_workers_share_the_folder(store: SampleStore) -> None:
    other = SampleStore(store.directory, SIZE)
    for number in range(12):
        add((store, other)[number % 2], 0.5 + number / 30)
    assert uncertainties(other) == uncertainties(store)
    assert len(uncertainties(store)) == 4


def test_a_full_disk_leaves_nothing_half_written(store: SampleStore, monkeypatch: pytest.MonkeyPatch) -> None:
    add(store, 0.9)
    write = SampleStore._write

    def fails_at_the_second(self: SampleStore, name: str, content: bytes) -> None:
        if name.endswith(".json"):
            (self.directory / name).write_bytes(content[:10])
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, name, content)

    monkeypatch.setattr(SampleStore, "_write", fails_at_the_second)
    with pytest.raises(OSError, match="No space left"):
        add(store, 0.95)
    assert len(list(store.directory.iterdir())) == 2
    assert uncertainties(store) == [0.9]


def test_the_last_of_the_disk_is_left_to_others(store: SampleStore, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**12, 10**12, store_module.RESERVE))
    assert add(store, 0.99) is None


def test_what_is_damaged_is_left_out(store: SampleStore) -> None:
    add(store, 0.9)
    (store.directory / "999-x.json").write_text("{")
    (store.directory / "998-y.json").write_text(json.dumps({"id": "998-y"}))
    assert uncertainties(store) == [0.9]


def test_a_label_can_be_changed_and_taken_back(store: SampleStore) -> None:
    kept = add(store, 0.9)
    assert kept is not None
    for label in ("hum", "hum,hiss", ""):
        store.label(kept, label)
        assert store.samples()[0].label == (label or None)


def test_a_sample_is_found_by_either_end_of_its_id(store: SampleStore) -> None:
    kept, _ = add(store, 0.9), add(store, 0.8)
    assert kept is not None
    assert store.find(kept.id[:5]) == kept
    assert store.find(kept.id[-8:]) == kept
    with pytest.raises(UsageError, match="no samples"):
        store.find("none-such")
    with pytest.raises(UsageError, match="2 samples"):
        store.find("")
