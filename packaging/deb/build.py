"""Builds vqa-agent_VERSION_ARCH.deb: `make deb`.

The package brings its own virtual environment in /opt/vqa-agent with every library in it, so that installing it needs
no network and touches no Python package of the system. It uses the system's interpreter, and its libraries are of the
Python that runs this script: build with Python 3.11 for Debian 12, 3.13 for Debian 13, on the architecture it is for.
"""

from __future__ import annotations

import argparse
import compileall
import hashlib
import importlib.metadata
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from py_compile import PycInvalidationMode

import reference
from sbom import bill_of_materials

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
HOME = Path("opt/vqa-agent")
DOC = Path("usr/share/doc/vqa-agent")
UNUSED = ("bin", "openvino/libs/*_gpu_plugin*", "openvino/libs/*_npu_plugin*", "openvino/libs/cache.json")
"""Of the libraries: their own programs, and what drives hardware that the boxes do not have."""
UNITS = {
    "vqa-agent.service": "usr/lib/systemd/system/vqa-agent.service",
    "sysusers.conf": "usr/lib/sysusers.d/vqa-agent.conf",
    "tmpfiles.conf": "usr/lib/tmpfiles.d/vqa-agent.conf",
    "sysctl.conf": "usr/lib/sysctl.d/60-vqa-agent.conf",
}

CONTROL = """\
Package: vqa-agent
Version: {version}
Architecture: {architecture}
Maintainer: vqa-agent maintainers <vqa-agent@localhost>
Installed-Size: {kilobytes}
Depends: {python}, systemd (>= 250), init-system-helpers, ca-certificates
Recommends: chrony | systemd-timesyncd | ntpsec
Section: video
Priority: optional
Description: watches live pictures and sound, publishes defects over MQTT
 An agent for small computers beside capture hardware or in a venue. It samples
 streams under a CPU budget, finds black and frozen pictures, lost sound,
 damaged blocks and more, and publishes compact events over MQTT. An event is
 kept on disk until the broker has acknowledged it.
"""
PROGRAM = f"""\
#!/{HOME}/bin/python
import sys

from vqa_agent.cli import main

sys.exit(main())
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="Where the package is put (default: dist).")
    parser.add_argument("--version", help="Another version than the project's, to try an upgrade.")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.out, prefix=".deb-") as folder:
        tree = Path(folder) / "tree"
        site = install_libraries(tree, Path(folder))
        version = f"{options.version or version_of(site)}+{PYTHON.replace('thon', '')}"
        install_files(tree, site)
        write_control(tree, version)
        print(pack(tree, options.out, version))


def install_libraries(tree: Path, folder: Path) -> Path:
    """The virtual environment: the agent, what it needs, and nothing else. Its folder of libraries."""
    site = tree / HOME / "lib" / PYTHON / "site-packages"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    run(*pip, "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
    (wheel,) = folder.glob("vqa_agent-*.whl")
    run(*pip, "install", "--only-binary=:all:", "--no-compile", "--target", str(site), str(wheel))
    for path in [path for pattern in UNUSED for path in site.glob(pattern)]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    # Never compared with the sources: /opt is read-only for the agent, and dpkg sets other times.
    mode = PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(site, quiet=2, stripdir=str(tree), prependdir="/", invalidation_mode=mode)
    return site


def version_of(site: Path) -> str:
    (found,) = importlib.metadata.distributions(name="vqa-agent", path=[str(site)])
    return found.version


def install_files(tree: Path, site: Path) -> None:
    """Everything beside the libraries."""
    binaries = tree / HOME / "bin"
    binaries.mkdir()
    (binaries / "python").symlink_to(f"/usr/bin/{PYTHON}")
    write(tree / HOME / "pyvenv.cfg", f"home = /usr/bin\ninclude-system-site-packages = false\n# made for {PYTHON}\n")
    write(binaries / "vqa-agent", PROGRAM, 0o755)
    (tree / "usr/bin").mkdir(parents=True)
    (tree / "usr/bin/vqa-agent").symlink_to(f"/{HOME}/bin/vqa-agent")
    for name, place in UNITS.items():
        write(tree / place, (ROOT / "systemd" / name).read_text(encoding="utf-8"))
    write(tree / "etc/vqa-agent/agent.toml", reference.sample(), 0o640)
    write(tree / "usr/share/man/man1/vqa-agent.1", reference.manual_page())
    write(tree / "usr/share/bash-completion/completions/vqa-agent", reference.completion())
    write(tree / DOC / "sbom.cdx.json", json.dumps(bill_of_materials(site), indent=1) + "\n")
    write(tree / DOC / "copyright", (ROOT / "LICENSE").read_text(encoding="utf-8"))
    write(tree / DOC / "asyncapi.yaml", (ROOT / "packaging/asyncapi.yaml").read_text(encoding="utf-8"))


def write_control(tree: Path, version: str) -> None:
    files = sorted(path for path in tree.rglob("*") if path.is_file() and not path.is_symlink())
    sums = (f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(tree)}\n" for path in files)
    control = CONTROL.format(
        version=version,
        architecture=architecture(),
        kilobytes=sum(path.stat().st_size for path in files) // 1024,
        python=PYTHON,
    )
    write(tree / "DEBIAN/md5sums", "".join(sums))
    write(tree / "DEBIAN/control", control)
    write(tree / "DEBIAN/conffiles", "/etc/vqa-agent/agent.toml\n")
    for script in ("postinst", "prerm", "postrm"):
        write(tree / "DEBIAN" / script, (HERE / script).read_text(encoding="utf-8"), 0o755)


def pack(tree: Path, out: Path, version: str) -> Path:
    tree.chmod(0o755)
    package = out / f"vqa-agent_{version}_{architecture()}.deb"
    run("dpkg-deb", "--root-owner-group", "-Zzstd", "-z9", "--build", str(tree), str(package))
    return package


def architecture() -> str:
    return subprocess.run(["dpkg", "--print-architecture"], check=True, capture_output=True, text=True).stdout.strip()


def write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def run(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
