"""The bill of materials of the package, in CycloneDX 1.5: every library in its environment, every network in it."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from pathlib import Path
from typing import Any


def bill_of_materials(site: Path) -> dict[str, Any]:
    """Of a folder of Python packages, `vqa_agent` among them."""
    found = {canonical(each.name): each for each in importlib.metadata.distributions(path=[str(site)])}
    agent = found.pop("vqa-agent")
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": library(agent) | {"type": "application"}},
        "components": [*(library(found[name]) for name in sorted(found)), *networks(site / "vqa_agent" / "models")],
        "dependencies": [
            {"ref": reference(each), "dependsOn": [reference(found[name]) for name in needs(each) if name in found]}
            for each in (agent, *found.values())
        ],
    }


def library(package: importlib.metadata.Distribution) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": reference(package),
        "name": canonical(package.name),
        "version": package.version,
        "purl": reference(package),
    }
    known = package.metadata.get("License-Expression") or package.metadata.get("License")
    if known and "\n" not in known:
        component["licenses"] = [{"license": {"name": known}}]
    return component


def networks(models: Path) -> list[dict[str, Any]]:
    """The files of networks, with the checksums that the agent verifies."""
    manifest = tomllib.loads((models / "manifest.toml").read_text(encoding="utf-8"))
    return [
        {
            "type": "machine-learning-model",
            "bom-ref": f"model:{file['file']}",
            "name": file["file"],
            "version": str(model["date"]),
            "hashes": [{"alg": "SHA-256", "content": file["sha256"]}],
        }
        for model in manifest.values()
        for file in model.values()
        if isinstance(file, dict) and "sha256" in file
    ]


def reference(package: importlib.metadata.Distribution) -> str:
    return f"pkg:pypi/{canonical(package.name)}@{package.version}"


def needs(package: importlib.metadata.Distribution) -> list[str]:
    """Canonical names of what a package requires without extras."""
    wanted = [each for each in package.requires or [] if "extra ==" not in each]
    return sorted({canonical(re.split(r"[\s;<>=!~\[(]", each, maxsplit=1)[0]) for each in wanted})


def canonical(name: str) -> str:
    """
    >>> canonical("Typing_Extensions")
    'typing-extensions'
    """
    return re.sub(r"[-_.]+", "-", name).lower()
