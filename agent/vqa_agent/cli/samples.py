"""`vqa-agent samples`: what networks were unsure about, labelled by a person, for the next training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from vqa_agent.config import DEFAULT_PATH, load
from vqa_agent.console import err, out, print_json
from vqa_agent.errors import AgentError
from vqa_agent.learning import KeptSample, SampleStore
from vqa_agent.learning.export import export_samples

LIST_EXAMPLES = """
Examples:

  vqa-agent samples list

  vqa-agent samples list --directory ./samples --json
"""
LABEL_EXAMPLES = """
Examples:

  vqa-agent samples label 987-01KAV5 clean

  vqa-agent samples label 987-01KAV5 hum,hiss
"""
EXPORT_EXAMPLES = """
Examples:

  vqa-agent samples export labelled.tar

  vqa-agent samples export ./for-training --all
"""

ConfigFile = Annotated[
    Path, typer.Option("--config", "-c", metavar="FILE", help="The daemon's configuration, for the samples' place.")
]
Directory = Annotated[
    Path | None, typer.Option("--directory", metavar="DIR", help="The samples' folder, without a configuration.")
]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="What networks were unsure about: list, label, export for training.",
)


@app.command("list", epilog=LIST_EXAMPLES)
def list_samples(
    config: ConfigFile = DEFAULT_PATH,
    directory: Directory = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as JSON.")] = False,
) -> None:
    """List what was kept, the least sure first."""
    store = _store(config, directory)
    found = store.samples()
    if as_json:
        print_json([sample.model_dump(mode="json") for sample in found], indent=2)
        return
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for heading in ("Sample", "Detector", "Stream", "Seen (UTC)", "Score", "Label", "File"):
        table.add_column(heading, no_wrap=heading == "Sample")
    for each in found:
        table.add_row(
            each.id, each.detector, each.stream, f"{each.time:%Y-%m-%d %H:%M:%S}", f"{each.score:.2f}",
            each.label or "", each.files[0],
        )  # fmt: skip
    out.print(table)
    err.print(f"{len(found)} samples in {store.directory}")


@app.command("label", epilog=LABEL_EXAMPLES)
def label(
    sample: Annotated[str, typer.Argument(metavar="SAMPLE", help="Its id, or how that begins or ends.")],
    text: Annotated[str, typer.Argument(metavar="LABEL", help="What it shows; '' takes a label back.")],
    config: ConfigFile = DEFAULT_PATH,
    directory: Directory = None,
) -> None:
    """Say what a sample shows: clean, the name of a defect or class, or several with commas.

    A labelled sample is no longer dropped to make room.
    """
    store = _store(config, directory)
    found = store.find(sample)
    store.label(found, text.strip())
    out.print(f"{found.id}: {text.strip() or 'no label'}", markup=False)


@app.command("export", epilog=EXPORT_EXAMPLES)
def export(
    to: Annotated[Path, typer.Argument(metavar="OUT", help="A new folder, or a file that ends in .tar.")],
    everything: Annotated[bool, typer.Option("--all", help="Those without a label, too.")] = False,
    config: ConfigFile = DEFAULT_PATH,
    directory: Directory = None,
) -> None:
    """Write the labelled samples to a folder or a tar file, for `python -m quantize.MODEL.train --samples`."""
    store = _store(config, directory)
    found: list[KeptSample] = [each for each in store.samples() if everything or each.label]
    if not found:
        raise AgentError(f"exporting samples from {store.directory}: none has a label; label some, or give --all")
    export_samples(store.directory, found, to)
    err.print(f"{len(found)} samples written to {to}")


def _store(config: Path, directory: Path | None) -> SampleStore:
    """The store for reading and labelling, which needs no size."""
    return SampleStore(directory or load(config).samples_directory, 0)
