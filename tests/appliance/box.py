"""A Debian of its own, booted by its own systemd in a container without a network: the box in the rack."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil

RELEASE = "bookworm"
MIRROR = "http://deb.debian.org/debian"
PACKAGES = ("systemd-sysv", "dbus", "python3", "mosquitto", "mosquitto-clients", "ca-certificates", "procps")
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "vqa-agent"
TOOLS = ("debootstrap", "systemd-nspawn", "nsenter", "script")


def missing() -> str:
    """Why no box can be booted here; empty where it can."""
    if os.geteuid() != 0:
        return "booting a Debian needs root"
    absent = [tool for tool in TOOLS if shutil.which(tool) is None]
    return f"not installed: {', '.join(absent)} (apt-get install debootstrap systemd-container)" if absent else ""


def base_system() -> Path:
    """A fresh Debian, made once and kept. Raises CalledProcessError where there is no mirror."""
    root = CACHE / f"appliance-{RELEASE}"
    if not (root / "complete").exists():
        shutil.rmtree(root, ignore_errors=True)
        root.parent.mkdir(parents=True, exist_ok=True)
        options = ["--variant=minbase", f"--include={','.join(PACKAGES)}"]
        subprocess.run(["debootstrap", *options, RELEASE, str(root), MIRROR], check=True, stdout=subprocess.DEVNULL)
        (root / "complete").touch()
    return root


class Box:
    """A container in `root`. Processes in it see no network but the loopback interface."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._container: subprocess.Popen[bytes] | None = None

    def boot(self) -> None:
        command = ["systemd-nspawn", "-D", str(self.root), "--boot", "--register=no", "--keep-unit"]
        command += ["--system-call-filter=landlock_create_ruleset landlock_add_rule landlock_restrict_self"]
        command += ["--private-network", f"--machine=vqa-{os.getpid()}", "--hostname=box"]
        # Without a terminal of its own the container's console would be this test's.
        console = ["script", "--quiet", "--return", "--flush", "--command", shlex.join(command), "/dev/null"]
        self._container = subprocess.Popen(console, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.until("systemctl is-system-running | grep -qE 'running|degraded'", 90)

    def power_off(self) -> None:
        if self._container is None:
            return
        if (first := self._first_process()) is not None:
            # systemd takes this for "power off" (systemd(1), SIGRTMIN+4).
            os.kill(first, signal.SIGRTMIN + 4)
        try:
            self._container.wait(40)
        except subprocess.TimeoutExpired:
            for process in psutil.Process(self._container.pid).children(recursive=True):
                process.kill()
        self._container = None

    def run(self, command: str, check: bool = True, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """A shell command as root in the box."""
        first = self._first_process()
        if first is None:
            return subprocess.CompletedProcess(command, 255, "", "the box is not up")
        enter = ["nsenter", "--target", str(first), "--mount", "--uts", "--ipc", "--net", "--pid"]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root"}
        inside = [*enter, "/bin/sh", "-c", command]
        done = subprocess.run(inside, check=False, capture_output=True, text=True, timeout=timeout, env=environment)
        if check and done.returncode:
            raise AssertionError(f"{command}: status {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def says(self, command: str, timeout: float = 60) -> str:
        return self.run(command, timeout=timeout).stdout.strip()

    def until(self, command: str, seconds: float) -> None:
        """Waits until the command succeeds in the box."""
        self.until_true(lambda: self.run(command, check=False).returncode == 0, seconds, command)

    def until_true(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                log = self.run("journalctl -b -n 40 --no-pager", check=False).stdout
                raise AssertionError(f"after {seconds:.0f} s not true: {what}\n{log}")
            time.sleep(0.5)

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """A file of root in the box."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(mode)

    def _first_process(self) -> int | None:
        """The container's systemd, by its number outside."""
        if self._container is None or self._container.poll() is not None:
            return None
        for process in psutil.Process(self._container.pid).children(recursive=True):
            if process.name() == "systemd":
                return process.pid
        return None
