"""`vqa-agent detectors`: what is built in, and each one's manual."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from vqa_agent.console import out, print_json
from vqa_agent.detect import Detector, Profile, Rule, detectors
from vqa_agent.errors import UsageError, not_known
from vqa_agent.sample_config import Setting, settings_of

EXAMPLES = """
Examples:

  vqa-agent detectors

  vqa-agent detectors freeze
"""


def show_detectors(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="Show this one's manual and settings.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="The same as JSON.")] = False,
) -> None:
    """List what is built in: what each detector reads, what it costs, and when it alarms."""
    known = detectors()
    if name and name not in known:
        raise UsageError(f"there is no detector {name!r}; {not_known(name, known)}")
    chosen = [known[name]] if name else list(known.values())
    if as_json:
        described = [describe(detector) for detector in chosen]
        print_json(described[0] if name else described, indent=2)
    elif name:
        _print_manual(known[name])
    else:
        _print_list(chosen)


def describe(detector: type[Detector[Any]]) -> dict[str, Any]:
    """One detector as plain values."""
    return {
        "name": detector.name,
        "defects": list(detector.defects),
        "reads": detector.reads,
        "cost": detector.cost,
        "rules": {profile.value: rule_text(rule) for profile, rule in detector.rules.items()},
        "sees": sees(detector),
        "settings": [
            {"name": each.name, "type": each.type, "default": each.default, "description": each.description}
            for each in settings_of(detector)
        ],
        "manual": inspect.cleandoc(detector.manual()),
    }


def sees(detector: type[Detector[Any]]) -> str:
    """The first paragraph of the manual: what the detector sees."""
    paragraph = inspect.cleandoc(detector.manual()).partition("\n\n")[0]
    return " ".join(paragraph.removeprefix("Sees:").split())


def rule_text(rule: Rule) -> str:
    """A rule in words.

    >>> rule_text(Rule(set_time=10.0, clear_time=10.0, count=3))
    '3 in 10 s, clear after 10 s'
    """
    clear = f"clear after {rule.clear_time:g} s"
    if rule.share is not None:
        return f"{rule.share:.0%} of {rule.set_time:g} s, {clear}"
    if rule.looks is not None:
        return f"{rule.count} of {rule.looks} looks, {clear}"
    if rule.count is not None and rule.set_time:
        return f"{rule.count} in {rule.set_time:g} s, {clear}"
    held = f"after {rule.set_time:g} s" if rule.set_time else "at once"
    if rule.certain_set_time is not None and rule.certain_set_time != rule.set_time:
        held += f" (certain: {rule.certain_set_time:g} s)"
    return f"{held}, {clear}"


def _print_list(chosen: list[type[Detector[Any]]]) -> None:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for heading in ("Detector", "Reads", "Cost", "Live", "File"):
        table.add_column(heading, no_wrap=heading == "Detector")
    table.add_column("Sees", ratio=1)
    for each in chosen:
        live, file = (rule_text(each.rules[profile]) for profile in (Profile.LIVE, Profile.FILE))
        table.add_row(each.name, each.reads, each.cost, live, file, Text(sees(each)))
    out.print(table)


def _print_manual(detector: type[Detector[Any]]) -> None:
    out.print(Text(detector.name, "bold"), Text(f"reads {detector.reads}, {detector.cost}"))
    for profile, rule in detector.rules.items():
        out.print(Text(f"{profile}: {rule_text(rule)}"))
    if detector.defects != (detector.name,):
        out.print(Text(f"reports: {', '.join(detector.defects)}"))
    manual, _, _ = inspect.cleandoc(detector.manual()).partition(">>>")
    out.print(Text(f"\n{manual.strip()}\n"))
    table = Table(header_style="bold", box=None, padding=(0, 2, 0, 0))
    for heading in ("Setting", "Default", "Values", "Meaning"):
        table.add_column(heading)
    for each in settings_of(detector):
        table.add_row(each.name, _default(each), each.type, Text(each.description))
    out.print(table)


def _default(setting: Setting) -> str:
    return "from the rule" if setting.default is None else str(setting.default)
