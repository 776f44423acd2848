from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.publish.broker import Mosquitto
from tests.service.harness import Agent, Subscriber
from vqa_agent.simulate import defects, scenes, sounds
from vqa_agent.simulate.encode import encode

SIZE = (320, 180)


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds that are black from 1 to 4."""
    pictures = defects.black(scenes.pan(6, SIZE, noise=0.0), 1, 4)
    return encode(tmp_path_factory.mktemp("clip") / "black.ts", pictures, sounds.silence(6) + sounds.tone(6))


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[str]:
    with Mosquitto(tmp_path) as broker:
        yield broker.url


@pytest.fixture
def subscriber(broker: str) -> Iterator[Subscriber]:
    subscriber = Subscriber(broker)
    yield subscriber
    subscriber.close()


@pytest.fixture
def agent(tmp_path: Path, broker: str) -> Iterator[Callable[[str], Agent]]:
    """Starts an agent with the given streams."""
    agents = []

    def start(streams: str) -> Agent:
        agents.append(Agent(tmp_path, broker, streams))
        agents[-1].start()
        return agents[-1]

    yield start
    for each in agents:
        each.stop()
