"""What the documentation says is held to the code."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest

from vqa_agent.config import Config, load, validate
from vqa_agent.detect import detectors
from vqa_agent.event import Event
from vqa_agent.publish.messages import AgentStatus, Metrics, StreamState
from vqa_agent.publish.topics import Topics
from vqa_agent.sample_config import HEAD, sample
from vqa_agent.service.ledger import WORKER_FAILED
from vqa_agent.simulate.gallery import gallery

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PAGES += sorted((ROOT / "docs").rglob("*.md"))


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATED: dict[Path, str] = generator().pages()
COMMANDS: dict[str, Any] = dict(generator().known_commands())
"""Every command by its whole name, such as "models list"."""


GROUPS = "|".join({f"{name.split()[0]} " for name in COMMANDS if " " in name})


@pytest.mark.parametrize("path", GENERATED, ids=str)
def test_a_generated_page_is_up_to_date(path: Path) -> None:
    assert (ROOT / path).is_file(), "run `make docs`"
    assert (ROOT / path).read_text(encoding="utf-8") == GENERATED[path], "run `make docs`"


def test_there_is_no_page_for_a_detector_that_is_gone() -> None:
    pages = {page.stem for page in (ROOT / "docs" / "detectors").glob("*.md")}
    assert pages == set(detectors())


def test_every_defect_that_can_be_seen_is_shown_as_the_simulation_draws_it() -> None:
    files = {file.stem: file for file in (ROOT / "docs" / "pictures").glob("*.jpg")}
    drawn = gallery()
    assert set(files) == set(drawn), "run `make docs`"
    for name, image in drawn.items():
        shown = cv2.cvtColor(cv2.imread(str(files[name])), cv2.COLOR_BGR2RGB)
        coarse = [cv2.resize(each, (240, 45), interpolation=cv2.INTER_AREA).astype(int) for each in (shown, image)]
        assert np.abs(coarse[0] - coarse[1]).mean() < 4, f"{name}: run `make docs`"
    assert sum(file.stat().st_size for file in files.values()) < 1.5e6


def test_the_sample_configuration_loads_as_it_is() -> None:
    config = load(ROOT / "docs" / "agent.toml", {})
    assert [stream.name for stream in config.stream] == ["main-hall"]


def uncommented() -> dict[str, Any]:
    """The sample with every key switched on, but `command`, which excludes `url`."""
    lines = sample().removeprefix(HEAD).splitlines()
    active = [re.sub(r"^# (?=\[stream\.|\w+ = )", "", line) for line in lines]
    return tomllib.loads("\n".join(line for line in active if not line.startswith("command =")))


def test_every_key_of_the_sample_is_right_when_it_is_switched_on() -> None:
    config = validate(uncommented())
    assert set(config.stream[0].defects) == set(detectors())


def test_the_sample_shows_the_defaults() -> None:
    shown, default = validate(uncommented()), Config()
    assert shown.budget == default.budget
    assert shown.outbox == default.outbox
    assert shown.agent.state_dir == default.agent.state_dir
    for name, detector in detectors().items():
        own = shown.stream[0].settings(name).model_dump(exclude={"set_time", "clear_time", "count", "expect"})
        assert own == detector.settings_type().model_dump(exclude={"set_time", "clear_time", "count", "expect"})


def test_every_key_of_the_configuration_is_in_the_sample() -> None:
    values = uncommented()
    for section, info in Config.model_fields.items():
        if section != "stream":
            assert set(values[section]) == set(info.annotation.model_fields)  # type: ignore[union-attr]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_documented_with_its_options(command: str) -> None:
    page = GENERATED[Path("docs/commands.md")]
    section = page.partition(f"## vqa-agent {command}\n")[2].partition("\n## ")[0]
    assert section
    for parameter in COMMANDS[command].params:
        for option in parameter.opts:
            if option.startswith("--") and option != "--help":
                assert f"`{option}`" in section
                assert parameter.help


@pytest.mark.parametrize("command", ["run", "status", "analyze", "check", "detectors", "watch", "config"])
def test_the_readme_shows_the_commands_that_a_person_needs(command: str) -> None:
    assert f"vqa-agent {command}" in README


def test_every_command_line_in_the_documentation_names_commands_and_options_that_exist() -> None:
    for page in PAGES:
        for line in page.read_text(encoding="utf-8").splitlines():
            for command, rest in re.findall(rf"(?:^    |`)vqa-agent ((?:{GROUPS})?\w+)([^`#\n]*)", line):
                assert command in COMMANDS, f"{page.name}: {line}"
                known = {option for parameter in COMMANDS[command].params for option in parameter.opts}
                assert set(re.findall(r"(?<=\s)--[a-z-]+", rest)) <= known, f"{page.name}: {line}"


def test_every_topic_is_documented() -> None:
    topics = Topics("<site>", "<agent>")
    for topic in (topics.event("<stream>", "<defect>"), topics.stream("<stream>"), topics.status, topics.metrics):
        assert f"`{topic}`" in README


@pytest.mark.parametrize("message", [Event, AgentStatus, StreamState, Metrics], ids=lambda message: message.__name__)
def test_every_key_of_a_message_is_documented(message: Any) -> None:
    page = (ROOT / "docs" / "mqtt.md").read_text(encoding="utf-8")
    unexplained = {"v", "agent", "site", "time", "stream"}
    assert {key for key in message.model_fields if f"`{key}`" not in page} <= unexplained


def test_the_readmes_configuration_loads(tmp_path: Path) -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    (tmp_path / "agent.toml").write_text(block)
    assert len(load(tmp_path / "agent.toml", {}).stream) == 2


def test_the_readmes_event_is_one() -> None:
    (block,) = re.findall(r"```json\n(.*?)```", README, re.DOTALL)
    assert Event.from_bytes(block.encode()).defect == "black"


def test_the_agents_own_defects_are_documented() -> None:
    for name in (WORKER_FAILED, "agent_outbox"):
        assert f"`{name}`" in README


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert "://" in target or (page.parent / target).exists(), target


def test_the_commands_of_the_input_recipes_are_valid_toml() -> None:
    for line in (ROOT / "docs" / "inputs.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("    command ="):
            command = tomllib.loads(line.strip())["command"]
            assert all(isinstance(part, str) for part in command)


@pytest.mark.parametrize("target", ["demo", "test", "lint", "format", "docs"])
def test_the_makefile_has_what_the_documentation_names(target: str) -> None:
    assert re.search(rf"^{target}:.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
