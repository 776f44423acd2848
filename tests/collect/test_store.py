"""What the collector keeps, in SQLite and in PostgreSQL alike."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

import pytest

from tests.publish.events import event
from vqa_agent.collect.store import Arrival, Gap, Loss, Reject, Sign, Store
from vqa_agent.errors import DeliveryError

BOX = ("venue", "box-1")


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = Store(url)
    yield opened
    opened.close()


def arrivals(numbers: Iterable[int], boot: str = "aaaaaa", replayed: bool = False) -> list[Arrival]:
    return [Arrival(*BOX, event(number).numbered(number, boot), replayed) for number in numbers]


def gaps(store: Store) -> list[tuple[int, int]]:
    return [(gap.first, gap.last) for gap in store.gaps()]


def test_an_event_that_comes_twice_is_kept_once(store: Store) -> None:
    first = arrivals([1, 2])
    assert store.save(first) == first
    assert [each.event.seq for each in store.save([*first, *arrivals([3])])] == [3]
    assert store.totals() == (1, 3, 0)
    assert gaps(store) == []


def test_gaps_are_found_wherever_they_are_and_close(store: Store) -> None:
    store.save(arrivals([3, 4, 7]))
    assert gaps(store) == [(1, 2), (5, 6)]
    store.save(arrivals([5, 1, 2], replayed=True))
    assert gaps(store) == [(6, 6)]
    store.save(arrivals([6], replayed=True))
    assert gaps(store) == []


def test_a_gap_at_the_end_is_told_by_what_the_agent_says(store: Store) -> None:
    store.save([*arrivals([1, 2]), Sign(*BOX, "online", 2)])
    assert gaps(store) == []
    store.save([Sign(*BOX, "online", 5), Sign(*BOX, "offline")])
    assert gaps(store) == [(3, 5)]


def test_what_is_gone_is_lost_and_no_longer_asked_for(store: Store) -> None:
    store.save(arrivals([4, 5, 8]))
    store.save([Loss(*BOX, 1, 7)])
    assert gaps(store) == []
    assert store.totals() == (1, 3, 5)
    store.save(arrivals([9]))
    assert gaps(store) == []


def test_numbers_go_on_over_restarts(store: Store) -> None:
    store.save([*arrivals([1, 2], "aaaaaa"), *arrivals([4], "bbbbbb")])
    assert gaps(store) == [(3, 3)]
    store.save(arrivals([3], "aaaaaa", replayed=True))
    assert gaps(store) == []


def test_an_agent_that_lost_its_state_begins_another_series(store: Store) -> None:
    store.save(arrivals(range(1, 6), "aaaaaa"))
    store.save([Sign(*BOX, "online", 5)])
    assert len(store.save(arrivals([1, 2, 4], "bbbbbb"))) == 3
    assert store.gaps() == [Gap(*BOX, 1, 3, 3)]
    assert [each.event.seq for each in store.save(arrivals([2, 3], "bbbbbb", replayed=True))] == [3]
    assert gaps(store) == []
    assert store.totals() == (1, 9, 0)


def test_agents_do_not_mix(store: Store) -> None:
    store.save([*arrivals([1]), Arrival("other", "box-1", event().numbered(2, "aaaaaa"))])
    assert store.gaps() == [Gap("other", "box-1", 0, 1, 1)]


def test_all_or_nothing(store: Store) -> None:
    class Broken:
        pass

    bad = Reject("t", Broken(), b"")  # type: ignore[arg-type]
    with pytest.raises((DeliveryError, AttributeError)):
        store.save([*arrivals([1]), bad])
    assert store.totals() == (0, 0, 0)


def test_any_order_with_repeats_ends_complete(store: Store) -> None:
    rng = random.Random(4)
    numbers = [*range(1, 200), *rng.choices(range(1, 200), k=100)]
    rng.shuffle(numbers)
    for start in range(0, len(numbers), 37):
        store.save(arrivals(numbers[start : start + 37]))
        store.gaps()
    assert gaps(store) == []
    assert store.totals() == (1, 199, 0)


def test_a_store_that_cannot_be_opened_says_so_without_its_password() -> None:
    pytest.importorskip("psycopg", reason="the extra [postgres] is not installed")
    with pytest.raises(DeliveryError, match="opening the store") as refusal:
        Store("postgresql://vqa:canary@127.0.0.1:9/vqa")
    assert "canary" not in str(refusal.value)
    assert "\n" not in str(refusal.value)
