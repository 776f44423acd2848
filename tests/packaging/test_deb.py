"""What the package has beside the program: each generated from it."""

from __future__ import annotations

import importlib
import importlib.metadata
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

DEB = Path(__file__).parents[2] / "packaging" / "deb"


@pytest.fixture
def reference(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(DEB))
    return importlib.import_module("reference")


@pytest.fixture
def sbom(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(DEB))
    return importlib.import_module("sbom")


def test_the_manual_page_has_every_command_and_is_sound(reference: ModuleType, tmp_path: Path) -> None:
    page = reference.manual_page()
    for name, _ in reference.commands():
        assert f"\n.SS {name}\n" in page
    if shutil.which("groff"):
        done = subprocess.run(["groff", "-man", "-ww", "-z"], input=page, capture_output=True, text=True, check=True)
        assert done.stderr == ""


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("vqa-agent sta", {"status"}),
        ("vqa-agent models ", {"list", "verify", "bench", "--help"}),
        ("vqa-agent models list --j", {"--json"}),
        ("vqa-agent status --w", {"--watch"}),
    ],
)
def test_bash_completes(reference: ModuleType, tmp_path: Path, typed: str, offered: set[str]) -> None:
    file = tmp_path / "completion"
    file.write_text(reference.completion())
    script = f"""
        source {file}
        read -ra COMP_WORDS <<< "{typed}"
        [[ "{typed}" == *" " ]] && COMP_WORDS+=("")
        COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        _vqa_agent
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    found = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert set(found.stdout.split()) == offered


@pytest.mark.parametrize("script", ["postinst", "prerm", "postrm"])
def test_the_maintainer_scripts_are_sound(script: str) -> None:
    assert (DEB / script).read_text().startswith("#!/bin/sh\nset -e\n")
    subprocess.run(["sh", "-n", str(DEB / script)], check=True)


def test_the_bill_of_materials_names_libraries_and_what_they_need(sbom: ModuleType) -> None:
    package = importlib.metadata.distribution("pydantic")
    assert sbom.library(package)["purl"] == f"pkg:pypi/pydantic@{package.version}"
    assert {"annotated-types", "pydantic-core", "typing-extensions"} <= set(sbom.needs(package))
    assert "email-validator" not in sbom.needs(package)


def test_the_bill_of_materials_has_the_networks_with_their_checksums(sbom: ModuleType) -> None:
    networks = {each["name"]: each for each in sbom.networks(DEB.parents[1] / "models")}
    files = {path.name for path in (DEB.parents[1] / "models").glob("*/*.onnx")}
    assert set(networks) == files
    assert all(len(each["hashes"][0]["content"]) == 64 for each in networks.values())
