from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.appliance.box import CACHE, Box, base_system, missing

DIST = Path(__file__).parents[2] / "dist"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Minutes, root and half a gigabyte of disk: only where it is asked for."""
    if "appliance" not in config.option.markexpr:
        for item in items:
            if item.get_closest_marker("appliance"):
                item.add_marker(pytest.mark.skip(reason="boots a whole Debian: make appliance"))


@pytest.fixture(scope="session")
def package() -> Path:
    """The package that `make deb` built."""
    found = sorted(DIST.glob("vqa-agent_*.deb"), key=lambda path: path.stat().st_mtime)
    if not found:
        pytest.skip(f"no package in {DIST}: make deb")
    return found[-1]


@pytest.fixture(scope="session")
def newer(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same package as the next version."""
    folder = tmp_path_factory.mktemp("newer")
    subprocess.run(["dpkg-deb", "-R", str(package), str(folder / "tree")], check=True)
    control = folder / "tree/DEBIAN/control"
    version = next(line for line in control.read_text().splitlines() if line.startswith("Version: "))
    control.write_text(control.read_text().replace(version, f"{version}+next"))
    made = folder / "newer.deb"
    subprocess.run(["dpkg-deb", "-Znone", "--root-owner-group", "-b", str(folder / "tree"), str(made)], check=True)
    shutil.rmtree(folder / "tree")
    return made


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    """A fresh Debian, booted; gone afterwards."""
    if reason := missing():
        pytest.skip(reason)
    try:
        base = base_system()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"debootstrap ended with status {error.returncode}: is there a mirror?")
    folder = Path(tempfile.mkdtemp(dir=CACHE, prefix="box-"))
    subprocess.run(["cp", "-a", "--reflink=auto", f"{base}/.", str(folder)], check=True)
    (folder / "etc/hosts").write_text("127.0.0.1 localhost box\n")
    box = Box(folder)
    try:
        box.boot()
        yield box
    finally:
        box.power_off()
        shutil.rmtree(folder, ignore_errors=True)
