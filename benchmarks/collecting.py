"""How many events a second does a collector store?

    python -m benchmarks.collecting [--events 20000] [--batch 100] [--store FILE|URL]

Events of 50 agents, in batches as they come from a broker, each batch one transaction that is on disk when it ends.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

from ulid import ULID

from vqa_agent.collect.store import Arrival, Store
from vqa_agent.event import Event

AGENTS = 50


def arrivals(count: int) -> Iterator[Arrival]:
    now, name = datetime.now(UTC), str(ULID())
    for number in range(count):
        event = Event.model_validate(
            {
                "v": 1, "id": name, "seq": number // AGENTS + 1, "boot": "aaaaaa", "stream": "cam-1", "defect": "black",
                "state": "open", "severity": "major", "score": 0.99, "start": now, "end": None, "pts": 1.0,
                "duration": 0.0, "detail": {"luma": 0.012, "share": 0.99},
            }
        )  # fmt: skip
        yield Arrival("bench", f"box-{number % AGENTS}", event)


def measure(url: str, count: int, batch: int) -> float:
    """Events a second."""
    store, events = Store(url), list(arrivals(count))
    began = perf_counter()
    for start in range(0, count, batch):
        store.save(events[start : start + batch])
    lasted = perf_counter() - began
    store.close()
    return count / lasted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--store", help="default: an SQLite file that is removed again")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rate = measure(arguments.store or str(Path(folder) / "events.db"), arguments.events, arguments.batch)
    print(f"{rate:.0f} events/s")


if __name__ == "__main__":
    main()
