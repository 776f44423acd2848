"""`vqa-agent analyze`: every defect of a file, or of a bounded look at a live input."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO, Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from vqa_agent.analyze import Analysis, FindingsFile, Summary, Watcher, plain, record, source_of
from vqa_agent.console import SEVERITY_STYLES, err, out, print_json
from vqa_agent.detect.interface import Finding, Profile, detectors
from vqa_agent.errors import AgentError, InputError, UsageError
from vqa_agent.expect import Expect, read_expect
from vqa_agent.infer import prefer
from vqa_agent.judge import Decision
from vqa_agent.logs import set_up_logging
from vqa_agent.media import Sample
from vqa_agent.memory import settle
from vqa_agent.report import Chapter, clock, is_new, open_report, write_report
from vqa_agent.service.limits import seal_look
from vqa_agent.thumbnails import Thumbnails

EXAMPLES = """
Examples:

  vqa-agent analyze programme.mxf

  vqa-agent analyze --json --only black,silence *.ts

  vqa-agent analyze --report look.html --limit 60 rtsp://camera/stream

  vqa-agent analyze --findings numbers.jsonl clip.mp4

  vqa-agent analyze --expect captions=true --expect scan=interlaced programme.ts
"""


def analyze(
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT...", help="Files, or URLs as in the configuration.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per event instead of a table.")] = False,
    findings: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write every raw finding, good ones too, as a line of JSON; '-' is stdout."),
    ] = None,
    only: Annotated[
        str, typer.Option(metavar="NAMES", help="Only these detectors or defects, separated by commas.")
    ] = "",
    profile: Annotated[
        Profile | None,
        typer.Option(help="How patient the rules are. Default: file for a path, live for a URL."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="HTML", help="Write a page with timeline and pictures.")
    ] = None,
    limit: Annotated[
        float | None, typer.Option(metavar="SECONDS", min=0.1, help="Look at so many media seconds at most.")
    ] = None,
    expect: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help='What the input should carry, as under a stream\'s "expect" in the configuration: captions=true, '
            "scan=progressive, rate=25, layout=5.1 ... May be given more than once.",
        ),
    ] = None,
) -> None:
    """List every defect of files or, for a while, of live inputs.

    Events go to stdout: a table, or with --json one object a line with "defect", "start" and "end" in media seconds,
    "duration", "score", "severity", "region" and "detail" (and "input" where several are given). A live input is
    looked at until --limit or Ctrl-C, and its events are printed as they end.

    A detector that fails is named on stderr, and the others go on.

    Exit status: 0 whether or not there are defects, 2 where an input cannot be read.
    """
    set_up_logging("error")
    prefer("auto", times=False)
    detectors()
    settle()
    names = [name.strip() for name in only.split(",") if name.strip()]
    way = _Way(profile, limit, names, read_expect(expect or ()), report is not None, as_json)
    chapters: list[Chapter] = []
    failed = False
    with ExitStack() as files:
        file = files.enter_context(_findings_file(findings))
        page = files.enter_context(open_report(report)) if report is not None else None
        seal_look(inputs)
        for url in inputs:
            label = url if len(inputs) > 1 else None
            watchers: list[Watcher] = [FindingsFile(file, label)] if file else []
            try:
                chapters.append(_look(url, way, watchers, label))
            except InputError as error:
                failed = True
                err.print(f"vqa-agent: {error}", markup=False)
            else:
                _tell_failures(chapters[-1].summary)
        # A report of an earlier look is worth more than one of nothing.
        reported = page is not None and (bool(chapters) or is_new(page))
        if page is not None and reported:
            write_report(page, chapters)
    if not as_json:
        _print_table(chapters, to_stderr=findings == Path("-"))
    if reported:
        err.print(f"The report is in {report}", markup=False)
    if failed:
        raise typer.Exit(InputError.exit_code)
    if any(chapter.summary.interrupted and not _is_live(chapter.summary) for chapter in chapters):
        raise typer.Exit(130)


def _tell_failures(summary: Summary) -> None:
    """Name the detectors that failed: without them, "no defects" would say more than is known."""
    for name, account in summary.accounts.items():
        if account.failures:
            aside = ", and was put aside" if account.aside else ""
            reason = f"detector {name} failed{aside}: {account.last_failure}"
            err.print(f"vqa-agent: analysing {summary.input}: {reason}", markup=False)


def _is_live(summary: Summary) -> bool:
    return summary.profile is Profile.LIVE


@dataclass(frozen=True, slots=True)
class _Way:
    """How every input is looked at and told of."""

    profile: Profile | None
    limit: float | None
    only: list[str]
    expect: Expect
    illustrated: bool
    as_json: bool


def _look(url: str, way: _Way, watchers: list[Watcher], label: str | None) -> Chapter:
    source, profile = source_of(url, way.profile, way.limit)
    thumbnails = Thumbnails()
    if way.illustrated:
        watchers = [*watchers, thumbnails]
    with ExitStack() as stack:
        analysis = stack.enter_context(Analysis(source, profile, way.only, watchers, way.expect))
        stack.enter_context(_stopped_by_interrupt(analysis))
        total = min(way.limit or float("inf"), analysis.capture.duration or float("inf"))
        analysis.watchers.append(stack.enter_context(_progress(source.name, total)))
        events = []
        for decision in analysis.closed():
            events.append(decision)
            if way.as_json and source.live:
                print_json(record(decision, label))
    events.sort(key=lambda event: (event.start, event.defect))
    if way.as_json and not source.live:
        for event in events:
            print_json(record(event, label))
    return Chapter(analysis.summary, events, thumbnails.by_event)


@contextmanager
def _findings_file(path: Path | None) -> Iterator[IO[str] | None]:
    if path is None:
        yield None
        return
    if path == Path("-"):
        yield sys.stdout
        return
    if path.is_dir():
        raise UsageError(f"writing the findings to {path}: it is a directory; name a file in it")
    try:
        file = path.open("w", encoding="utf-8", buffering=1 << 20)
    except OSError as error:
        raise AgentError(
            f"writing the findings to {path}: {error.strerror}; name a place that can be written"
        ) from None
    with file:
        yield file


@contextmanager
def _stopped_by_interrupt(analysis: Analysis) -> Iterator[None]:
    """The first Ctrl-C ends the look with what was found so far, the second one ends the program."""

    def stop(number: int, frame: FrameType | None) -> None:
        analysis.stop()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _progress(name: str, total: float) -> Iterator[Watcher]:
    """A bar on a terminal's stderr; a watcher that moves it."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[place]}"),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )
    task = bar.add_task(name, total=total if total != float("inf") else None, place="")
    shown = 0.0

    def move(sample: Sample | None, findings: Iterable[Finding], decisions: Iterable[Decision]) -> None:
        nonlocal shown
        if sample is not None and sample.time - shown >= 0.5:
            shown = sample.time
            bar.update(task, completed=shown, place=clock(shown)[:-3])

    with bar:
        yield move


def _print_table(chapters: list[Chapter], to_stderr: bool) -> None:
    console = err if to_stderr else out
    for chapter in chapters:
        summary = chapter.summary
        ended = ", ended early" if summary.interrupted else ""
        looked = f"{summary.input}: {clock(summary.media_seconds)} looked at{ended}"
        if not chapter.events:
            console.print(f"{looked}, no defects", markup=False)
            continue
        table = Table(title=looked, title_justify="left", title_style="bold")
        for heading in ("Start", "End", "Seconds"):
            table.add_column(heading, justify="right", no_wrap=True)
        for heading in ("Defect", "Severity"):
            table.add_column(heading, no_wrap=True)
        table.add_column("Score", justify="right")
        table.add_column("Measured", overflow="fold")
        for event in chapter.events:
            table.add_row(*_row(event))
        console.print(table)


def _row(event: Decision) -> list[Text]:
    measured = ", ".join(f"{key} {plain(value)}" for key, value in event.detail.items())
    end = "" if event.end is None else clock(event.end)
    cells = [clock(event.start), end, f"{event.duration:.2f}", event.defect]
    severity = Text(event.severity, SEVERITY_STYLES[event.severity])
    return [*map(Text, cells), severity, Text(f"{event.score:.2f}"), Text(measured)]
