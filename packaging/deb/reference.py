"""The manual page, the completion of bash and the sample configuration: all generated from the program."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import typer

from vqa_agent import __version__
from vqa_agent.cli import app
from vqa_agent.sample_config import sample

__all__ = ["completion", "manual_page", "sample"]

FILES = {
    "/etc/vqa-agent/agent.toml": "The configuration. /etc/vqa-agent/agent.d/*.toml change it.",
    "/etc/vqa-agent/secrets/": "Passwords and keys, for root alone; systemd hands them to the service when it starts.",
    "/var/lib/vqa-agent/": "Events that wait for the broker, and what must outlive a restart.",
    "/run/vqa-agent/status.json": "How the agent is, renewed every second.",
}


def commands(group: Any = None, above: str = "") -> Iterator[tuple[str, Any]]:
    """Every command with its whole name, such as "models list"."""
    for name, command in (group or typer.main.get_command(app)).commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{above}{name} ")
        else:
            yield above + name, command


def manual_page() -> str:
    """vqa-agent(1) in roff."""
    root = typer.main.get_command(app)
    parts = [
        f'.TH VQA\\-AGENT 1 "" "vqa\\-agent {__version__}"\n.SH NAME\nvqa\\-agent \\- {_roff(_uncapital(root.help))}\n'
        ".SH SYNOPSIS\n.B vqa\\-agent\n.I COMMAND\n[options]\n.SH COMMANDS\n"
    ]
    for name, command in commands():
        parts.append(f".SS {_roff(name)}\n{_roff(inspect.cleandoc(command.help))}\n")
        parts += [f".TP\n.B {_roff(head)}\n{_roff(meaning)}\n" for head, meaning in _parameters(command)]
        examples = [line.strip() for line in (command.epilog or "").splitlines() if line.startswith("  ")]
        if examples:
            parts.append(".PP\n.nf\n" + "".join(f".RS\n{_roff(example)}\n.RE\n" for example in examples) + ".fi\n")
    parts.append(".SH FILES\n" + "".join(f".TP\n.I {_roff(path)}\n{_roff(what)}\n" for path, what in FILES.items()))
    return "".join(parts)


def completion() -> str:
    """Completes commands, sub-commands and options without starting Python, which takes a second."""
    options = {name: " ".join(_options(command)) for name, command in commands()}
    words: dict[str, list[str]] = {"": []}
    for name in options:
        above, _, last = name.rpartition(" ")
        words.setdefault(above, []).append(last)
        if above and above not in words[""]:
            words[""].append(above)
    cases = [f'        "{above}") words="{" ".join(names)}" ;;\n' for above, names in words.items()]
    cases += [f'        "{name}") words="{known}" ;;\n' for name, known in options.items()]
    groups = " | ".join(f'"{above}"' for above in words)
    return COMPLETION.replace("@CASES@", "".join(cases).rstrip()).replace("@GROUPS@", groups)


COMPLETION = """\
# Written from the program itself.
_vqa_agent() {
    local word path="" words="" current="${COMP_WORDS[COMP_CWORD]}"
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        [[ $word == -* ]] && break
        [[ $path == *" "* ]] && break
        case "$path" in @GROUPS@) path="${path:+$path }$word" ;; esac
    done
    case "$path" in
@CASES@
    esac
    COMPREPLY=($(compgen -W "$words --help" -- "$current"))
    [[ $current == -* || ${#COMPREPLY[@]} -gt 0 ]] || COMPREPLY=($(compgen -f -- "$current"))
}
complete -o filenames -F _vqa_agent vqa-agent
"""


def _parameters(command: Any) -> Iterator[tuple[str, str]]:
    for parameter in command.params:
        if "--help" not in parameter.opts:
            names = ", ".join(parameter.opts) if parameter.param_type_name == "option" else ""
            yield " ".join(filter(None, (names, parameter.metavar))), parameter.help or ""


def _options(command: Any) -> Iterator[str]:
    for parameter in command.params:
        if parameter.param_type_name == "option":
            yield from (option for option in parameter.opts if option.startswith("--") and option != "--help")


def _uncapital(text: str) -> str:
    return text[:1].lower() + text[1:].rstrip(".")


def _roff(text: str) -> str:
    r"""
    >>> _roff("-x\n.y")
    '\\-x\n\\&.y'
    """
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"\n\n+", "\n.PP\n", re.sub(r"^([.'])", r"\\&\1", escaped, flags=re.MULTILINE))
