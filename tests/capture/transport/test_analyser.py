"""Each indicator of TR 101 290 on a drawn multiplex: raised by its own fault, silent on what only looks like it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.capture.transport import multiplex as mux
from tests.capture.transport.multiplex import AUDIO, NULL, OTHER, PMT_PID, VIDEO, multiplex, pid_of, without
from vqa_agent.capture.transport import Analyser, Indicator, Observation

CLEAN = multiplex()
PACKETS = [bytearray(CLEAN[start : start + 188]) for start in range(0, len(CLEAN), 188)]


def seen(data: bytes, step: int = 65536, tracks: tuple[int, ...] = (VIDEO, AUDIO)) -> list[Observation]:
    analyser = Analyser(tracks)
    for start in range(0, len(data), step):
        analyser.feed(data[start : start + step])
    return sorted(analyser.take(), key=lambda one: (one.offset, one.indicator, one.pid or 0))


def told(data: bytes) -> Counter[tuple[str, int | None]]:
    return Counter((str(one.indicator), one.pid) for one in seen(data))


def nth(pid: int, number: int) -> int:
    """Place of the `number`-th packet of `pid` with payload."""
    return [place for place, made in enumerate(PACKETS) if pid_of(made) == pid][number]


def replaced(places: dict[int, list[bytes | bytearray]]) -> bytes:
    """The clean stream with other packets at these places."""
    return b"".join(b"".join(places.get(place, [made])) for place, made in enumerate(PACKETS))


def changed(made: bytearray, **at: int) -> bytearray:
    """A copy of a packet with bytes changed: b1=0x80 sets bits of byte 1."""
    copy = bytearray(made)
    for name, bits in at.items():
        copy[int(name[1:])] |= bits
    return copy


def flagged(made: bytearray) -> bytearray:
    """The packet with its discontinuity indicator set; an adaptation field takes the place of payload."""
    if made[3] & 0x20 and made[4]:
        return changed(made, b5=0x80)
    return bytearray(made[:3]) + bytearray([made[3] | 0x20, 1, 0x80]) + made[4:186]


def test_a_clean_multiplex_raises_nothing() -> None:
    assert told(CLEAN) == {}


@pytest.mark.parametrize("lost", [1, 3, 12])
def test_lost_packets_break_the_counter_once_each_time(lost: int) -> None:
    gaps = {nth(VIDEO, 200 + 40 * number): [] for number in range(lost)}
    assert told(replaced(gaps)) == {("continuity", VIDEO): lost}
    burst = {place: [] for place in range(3000, 3000 + 7 * lost)}
    assert set(told(replaced(burst))) <= {("continuity", pid) for pid in (VIDEO, AUDIO, 0, PMT_PID)}


def test_packets_that_change_places_break_the_counter() -> None:
    one, other = nth(VIDEO, 300), nth(VIDEO, 301)
    assert told(replaced({one: [PACKETS[other]], other: [PACKETS[one]]}))["continuity", VIDEO] >= 2


TRAPS: dict[str, Callable[[], bytes]] = {
    "sent twice": lambda: replaced({p: [PACKETS[p]] * 2 for p in (nth(VIDEO, 99), nth(0, 5), nth(AUDIO, 50))}),
    "only an adaptation field": lambda: replaced({nth(VIDEO, 99): [PACKETS[nth(VIDEO, 99)], adaptation_only()]}),
    "loss of another programme": lambda: multiplex(change=without(lambda n, _, p: pid_of(p) == OTHER and n % 3)),
    "damage in another programme": lambda: multiplex(change=set_error(OTHER)),
    "null packets without counter": lambda: multiplex(change=without(lambda n, _, p: pid_of(p) == NULL and n % 2)),
    "counter jumps, announced": lambda: replaced({p: [] for p in range(3000, 3009)} | announced(range(3009, 3600))),
    "clock jumps, announced": lambda: jumped(100.0, announce=True),
    "clock wraps": lambda: multiplex(clock=lambda time: time + 2**33 / 90_000 - 2.5),
    "scrambled pictures": lambda: multiplex(change=scramble(VIDEO)),
    "cut at both ends": lambda: CLEAN[100_077:-555],
    "junk before": lambda: np.random.default_rng(0).bytes(10_001) + CLEAN,
    "subtitles that pause": lambda: multiplex(8.0, change=sparse_subtitles),
    "map with a new version": lambda: multiplex(change=new_map({VIDEO: 0x1B, AUDIO: 0x03, 0x200: 0x06})),
    "sound leaves the map": lambda: multiplex(8.0, change=without_sound),
    "no bytes": lambda: b"",
    "three packets": lambda: CLEAN[:564],
}


@pytest.mark.parametrize("name", TRAPS)
def test_what_only_looks_like_an_error_raises_nothing(name: str) -> None:
    assert told(TRAPS[name]()) == {}


def adaptation_only() -> bytes:
    counter = PACKETS[nth(VIDEO, 99)][3] & 15
    return bytes([0x47, VIDEO >> 8, VIDEO & 0xFF, 0x20 | counter, 183, 0]) + b"\xff" * 182


def announced(places: range) -> dict[int, list[bytes | bytearray]]:
    """The first packet of each PID in these places announces that it does not continue those before."""
    first: dict[int, int] = {}
    for place in places:
        first.setdefault(pid_of(PACKETS[place]), place)
    return {place: [flagged(PACKETS[place])] for place in first.values()}


def set_error(pid: int, every: int = 1) -> mux.Change:
    def change(number: int, _: float, made: bytearray) -> None:
        if pid_of(made) == pid and number % every == 0:
            made[1] |= 0x80

    return change


def scramble(pid: int) -> mux.Change:
    def change(_number: int, _time: float, made: bytearray) -> None:
        if pid_of(made) == pid:
            made[3] |= 0xC0

    return change


def jumped(seconds: float, announce: bool = False) -> bytes:
    """The clock is `seconds` further from 2.5 s on."""

    def change(_number: int, time: float, made: bytearray) -> None:
        if announce and 2.5 <= time < 2.54 and pid_of(made) == VIDEO and made[3] & 0x20 and made[4] > 6:
            made[5] |= 0x80

    return multiplex(change=change, clock=lambda time: time + 200.0 + (seconds if time >= 2.5 else 0.0))


def new_map(streams: dict[int, int], after: float = 2.0) -> mux.Change:
    table = mux.pmt(streams, version=1)

    def change(_number: int, time: float, made: bytearray) -> None:
        if time >= after and pid_of(made) == PMT_PID:
            made[4:] = (b"\x00" + table).ljust(184, b"\xff")

    return change


def sparse_subtitles(number: int, time: float, made: bytearray) -> list[bytearray] | None:
    new_map({VIDEO: 0x1B, AUDIO: 0x03, 0x200: 0x06}, 0.0)(number, time, made)
    if number in (500, 15_500):
        return [mux.packet(0x200, number // 15_500, mux.pes(time, 0xBD), start=True), made]
    return None


def without_sound(number: int, time: float, made: bytearray) -> list[bytearray] | None:
    new_map({VIDEO: 0x1B}, 1.0)(number, time, made)
    return [] if time > 1.2 and pid_of(made) == AUDIO else None


def test_a_third_copy_and_an_altered_copy_are_errors() -> None:
    place = nth(VIDEO, 99)
    assert told(replaced({place: [PACKETS[place]] * 3})) == {("continuity", VIDEO): 1}
    altered = bytearray(PACKETS[place])
    altered[100] ^= 1
    assert told(replaced({place: [PACKETS[place], altered]})) == {("continuity", VIDEO): 1}


@pytest.mark.parametrize("every", [499, 47, 13])
def test_damaged_packets_are_counted_once_and_not_as_lost(every: int) -> None:
    marked = sum(pid_of(made) == AUDIO for number, made in enumerate(PACKETS) if number % every == 0)
    assert marked
    assert told(multiplex(change=set_error(AUDIO, every))) == {("transport_error", AUDIO): marked}


@pytest.mark.parametrize("count", [1, 5, 40])
def test_single_wrong_sync_bytes(count: int) -> None:
    places = [nth(NULL, 5 + 3 * number) for number in range(count)]
    data = replaced({place: [b"\x00" + PACKETS[place][1:]] for place in places})
    assert told(data) == {("sync_byte", None): count}


@pytest.mark.parametrize("junk", [1, 100, 5000], ids="{} bytes".format)
def test_bytes_too_many_lose_the_framing_once(junk: int) -> None:
    place = 4000 * 188
    data = CLEAN[:place] + b"\x00" * junk + CLEAN[place:]
    (only,) = seen(data)
    assert (only.indicator, only.offset) == (Indicator.SYNC_LOSS, place)


@pytest.mark.parametrize(("pid", "indicator"), [(0, "pat"), (PMT_PID, "pmt")])
@pytest.mark.parametrize(("seconds", "count"), [(0.3, 0), (0.7, 1), (2.2, 4)])
def test_tables_that_are_late(pid: int, indicator: str, seconds: float, count: int) -> None:
    data = multiplex(change=silent(pid, seconds))
    late = [one for one in seen(data) if one.indicator == indicator]
    assert len(late) == count
    assert all(one.usual == pytest.approx(0.1, abs=0.01) for one in late)
    assert [one.interval for one in late] == [0.5 * (number + 1) for number in range(count)]
    if late:
        assert late[0].offset / 188 / mux.RATE == pytest.approx(1.5 + 0.5, abs=0.15)


def silent(pid: int, seconds: float, start: float = 1.5) -> mux.Change:
    """No packets of `pid` for a while; the counter goes on where it was."""
    held = mux.Counters()

    def change(_number: int, time: float, made: bytearray) -> list[bytearray] | None:
        if pid_of(made) != pid:
            return None
        if start <= time < start + seconds:
            return []
        made[3] = made[3] & 0xF0 | held.next(pid)
        return None

    return change


@pytest.mark.parametrize(("seconds", "count"), [(3.0, 0), (5.5, 1), (7.5, 3)])
def test_sound_that_comes_no_more(seconds: float, count: int) -> None:
    found = told(multiplex(11.0, silent(AUDIO, seconds)))
    assert found["pid", AUDIO] == count
    assert found["pts_interval", AUDIO] == int(seconds / 0.7)


def test_sound_that_never_comes_back_is_told_while_it_is_missing() -> None:
    found = told(multiplex(8.0, silent(AUDIO, 99.0)))
    assert found["pid", AUDIO] == 2


@pytest.mark.parametrize("count", [1, 2, 9])
def test_tables_with_wrong_checksums(count: int) -> None:
    broken = [nth(PMT_PID, 5 + 2 * number) for number in range(count)]
    data = replaced({place: [changed(PACKETS[place], b20=0xFF)] for place in broken})
    assert told(data)["crc", PMT_PID] == count
    assert set(told(data)) == {("crc", PMT_PID)}


def test_another_table_and_scrambling_in_place_of_the_association() -> None:
    other = (b"\x00" + mux.section(0x42, 1, b"12345")).ljust(184, b"\xff")
    places = {nth(0, 7): [PACKETS[nth(0, 7)][:4] + other], nth(0, 9): [changed(PACKETS[nth(0, 9)], b3=0x80)]}
    assert told(replaced(places)) == {("pat", 0): 2}


@pytest.mark.parametrize("seconds", [-100.0, -0.2, 3.0, 100.0])
def test_a_clock_that_jumps(seconds: float) -> None:
    (only,) = seen(jumped(seconds))
    assert (only.indicator, only.pid) == (Indicator.PCR_DISCONTINUITY, VIDEO)
    assert only.seconds == pytest.approx(seconds + mux.PCR_PERIOD, abs=0.01)


@pytest.mark.parametrize(("seconds", "count"), [(0.05, 0), (0.15, 1), (0.9, 9)])
def test_clock_references_that_are_late(seconds: float, count: int) -> None:
    def change(_number: int, time: float, made: bytearray) -> None:
        if 1.5 < time < 1.5 + seconds and made[3] & 0x20 and made[4] > 6:
            made[5] &= ~0x10

    found = told(multiplex(change=change))
    assert found == ({("pcr_interval", VIDEO): count} if count else {})


@pytest.mark.parametrize("size", [192, 204])
def test_longer_packets_are_told_from_plain_ones(size: int) -> None:
    extra = np.random.default_rng(3).integers(0, 256, (len(PACKETS), size - 188), np.uint8)
    long = [bytes(made) + extra[place].tobytes() for place, made in enumerate(PACKETS)]
    assert told(b"\x01\x02\x03\x04" + b"".join(long)) == {}
    del long[nth(VIDEO, 400)]
    assert told(b"".join(long)) == {("continuity", VIDEO): 1}


def test_nothing_is_compared_across_a_hole_of_known_cause() -> None:
    analyser = Analyser([VIDEO])
    analyser.feed(CLEAN[: 3000 * 188])
    analyser.skip()
    analyser.feed(CLEAN[3700 * 188 : 5000 * 188])
    analyser.skip(1316)
    analyser.feed(CLEAN[5007 * 188 : 8000 * 188])
    assert analyser.take() == []
    assert analyser.programme is not None


def test_a_stream_without_tables_or_clock_is_followed_by_its_tracks() -> None:
    bare = multiplex(change=without(lambda number, _, made: pid_of(made) in (0, PMT_PID)))
    assert told(bare) == {}
    damaged = multiplex(change=without(lambda number, _, made: pid_of(made) in (0, PMT_PID) or number in (900, 901)))
    assert {indicator for indicator, _ in told(damaged)} == {"continuity"}


def test_observations_are_handed_out_once_and_in_step() -> None:
    data = replaced({nth(VIDEO, 200): [], nth(VIDEO, 900): []})
    analyser = Analyser([VIDEO])
    analyser.feed(data)
    first, second = (one.offset for one in seen(data))
    assert [one.offset for one in analyser.take(second)] == [first]
    assert [one.offset for one in analyser.take()] == [second]
    assert analyser.take() == []


def everything_broken() -> bytes:
    noise = np.random.default_rng(7)

    def change(number: int, time: float, made: bytearray) -> list[bytearray] | None:
        if number % 211 == 0:
            made[0] = 0
        if number % 307 == 0:
            made[1] |= 0x80
        if number % 401 == 0:
            return [made, bytearray(noise.bytes(number % 300))]
        if number % 97 == 0 or (1.0 < time < 2.3 and pid_of(made) in (0, PMT_PID)):
            return []
        return [made, made] if number % 53 == 0 else None

    return multiplex(3.0, change, clock=lambda time: time + (7.0 if time > 2.0 else 0.0))


BROKEN = everything_broken()
BROKEN_SEEN = seen(BROKEN)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, len(BROKEN)), max_size=40))
def test_how_the_bytes_are_cut_makes_no_difference(cuts: list[int]) -> None:
    analyser = Analyser([VIDEO, AUDIO])
    edges = [0, *sorted(cuts), len(BROKEN)]
    found: list[Observation] = []
    for start, end in pairwise(edges):
        analyser.feed(BROKEN[start:end])
        found += analyser.take() if start % 2 else []
    found += analyser.take()
    assert len(BROKEN_SEEN) > 50
    assert sorted(found, key=lambda one: (one.offset, one.indicator, one.pid or 0)) == BROKEN_SEEN


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=4000), st.integers(0, 20000))
def test_any_bytes_are_taken(junk: bytes, place: int) -> None:
    analyser = Analyser([VIDEO])
    analyser.feed(CLEAN[:place] + junk + CLEAN[place : place + 40_000])
    analyser.take()
