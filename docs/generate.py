"""Writes the pages that follow from the code: `make docs`. A test fails when one of them is out of date.

docs/agent.toml          the sample configuration
docs/event.schema.json   the JSON Schema of an event
packaging/asyncapi.yaml  every channel and message, as AsyncAPI 3
docs/commands.md         every command and option
docs/defects.md          every defect: what it looks like, when it is reported, its settings
docs/detectors/*.md      each detector's whole manual
docs/pictures/*.jpg      the defects of the picture, drawn
README.md                the table of detectors, between its marks
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import typer
import yaml

from vqa_agent.cli import app
from vqa_agent.cli.detectors import rule_text, sees
from vqa_agent.detect import Detector, Profile, Settings, detectors
from vqa_agent.event import schema
from vqa_agent.publish.asyncapi import document
from vqa_agent.sample_config import sample, settings_of
from vqa_agent.simulate.cases import CASES
from vqa_agent.simulate.gallery import gallery

ROOT = Path(__file__).parent.parent
PICTURES = Path("docs/pictures")
BEGIN, END = "<!-- detectors: written by make docs -->", "<!-- end of detectors -->"


def pages() -> dict[Path, str]:
    """The text of every generated page, by its path in the repository."""
    made = {
        Path("docs/agent.toml"): sample(),
        Path("docs/event.schema.json"): json.dumps(schema(), indent=2) + "\n",
        Path("packaging/asyncapi.yaml"): yaml.safe_dump(document(), sort_keys=False, allow_unicode=True, width=110),
        Path("docs/commands.md"): commands(),
        Path("docs/defects.md"): defects(),
    }
    for name, detector in detectors().items():
        made[Path(f"docs/detectors/{name}.md")] = manual(detector)
    made[Path("README.md")] = with_table((ROOT / "README.md").read_text(encoding="utf-8"))
    return made


def table() -> str:
    """All detectors with a link to each one's page, as seen from the repository's root."""
    rows = ["| defect | reads | live: set, clear | file | what it sees |", "|---|---|---|---|---|"]
    for name, detector in detectors().items():
        live, file = (rule_text(detector.rules[profile]) for profile in (Profile.LIVE, Profile.FILE))
        rows.append(
            f"| [{name}](docs/detectors/{name}.md) | {detector.reads} | {live} | {file} | {_cell(sees(detector))} |"
        )
    return "\n".join(rows)


def defects() -> str:
    """What there is to find, with a picture of each defect that can be seen."""
    shown = {case.defect for case in CASES if case.video is not None}
    parts = [
        "# Defects\n\nWhat the agent reports, drawn by its own simulation: on the left the picture before, then two "
        "moments of the defect. Each name leads to the detector's whole manual.\n"
    ]
    for name, detector in detectors().items():
        live, file = (rule_text(detector.rules[profile]) for profile in (Profile.LIVE, Profile.FILE))
        parts.append(f"\n## [{name}](detectors/{name}.md)\n\nSees {sees(detector)}\n")
        if name in shown:
            parts.append(f"\n![{name}](pictures/{name}.jpg)\n")
        parts.append(f"\nLive: {live}. File: {file}.\n\n{settings_table(detector, own=True)}\n")
    return "".join(parts)


def settings_table(detector: type[Detector[Any]], own: bool = False) -> str:
    """The settings of a detector; only its `own`, or also those that all have."""
    rows = ["| setting | default | values | meaning |", "|---|---|---|---|"]
    for each in settings_of(detector):
        if own and each.name in Settings.model_fields:
            continue
        default = "from the rule" if each.default is None else f"`{each.default}`"
        rows.append(f"| `{each.name}` | {default} | {_cell(each.type)} | {_cell(each.description)} |")
    return "\n".join(rows) if len(rows) > 2 else "No settings but those that all have."


def with_table(readme: str) -> str:
    """The README with the present table between its marks."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def manual(detector: type[Detector[Any]]) -> str:
    """One detector's page."""
    text, _, _ = inspect.cleandoc(detector.manual()).partition(">>>")
    rules = "\n".join(f"- {profile}: {rule_text(rule)}" for profile, rule in detector.rules.items())
    reports = f"Reports: {', '.join(detector.defects)}.\n\n" if detector.defects != (detector.name,) else ""
    return (
        f"# {detector.name}\n\nReads {detector.reads}; {detector.cost}.\n\n{reports}{rules}\n\n{text.strip()}\n\n"
        f"## Settings: `[stream.defects.{detector.name}]`\n\n{settings_table(detector)}\n"
    )


def commands() -> str:
    """Every command with its options and examples."""
    parts = [
        "# Commands\n\nErrors are one line on stderr; a command that needs no more than it was given ends with 0.\n"
    ]
    for name, command in known_commands():
        parts.append(f"\n## vqa-agent {name}\n\n{inspect.cleandoc(command.help)}\n\n")
        rows = list(_parameters(command))
        if rows:
            parts.append("\n".join(["| | |", "|---|---|", *rows]) + "\n")
        examples = [line.strip() for line in (command.epilog or "").splitlines() if line.startswith("  ")]
        if examples:
            parts.append("\n" + "\n".join(f"    {example}" for example in examples) + "\n")
    return "".join(parts)


def known_commands(group: Any = None, above: str = "") -> Iterator[tuple[str, Any]]:
    """Every command with its whole name, such as "models list"."""
    for name, command in (group or typer.main.get_command(app)).commands.items():
        if hasattr(command, "commands"):
            yield from known_commands(command, f"{above}{name} ")
        else:
            yield above + name, command


def _parameters(command: Any) -> Iterator[str]:
    for parameter in command.params:
        if "--help" in parameter.opts:
            continue
        is_option = parameter.param_type_name == "option"
        name = ", ".join(f"`{option}`" for option in parameter.opts) if is_option else f"`{parameter.metavar}`"
        if is_option and parameter.metavar:
            name += f" {parameter.metavar}"
        yield f"| {name} | {_cell(parameter.help or '')} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> None:
    for path, text in pages().items():
        (ROOT / path).parent.mkdir(exist_ok=True)
        (ROOT / path).write_text(text, encoding="utf-8")
    (ROOT / PICTURES).mkdir(exist_ok=True)
    for name, image in gallery().items():
        written = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 75])[1]
        (ROOT / PICTURES / f"{name}.jpg").write_bytes(written.tobytes())
    known = {f"{name}.md" for name in detectors()}
    for stale in (ROOT / "docs/detectors").glob("*.md"):
        if stale.name not in known:
            stale.unlink()


if __name__ == "__main__":
    main()
