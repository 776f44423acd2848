"""The unit, without a systemd that runs it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SYSTEMD = Path(__file__).parents[2] / "systemd"
EXPOSURE = 2.5
"""Most that `systemd-analyze security` may say; services of its kind have 8.5 to 9.6."""


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed (systemd)")
def test_the_unit_is_exposed_no_more_than_it_may_be() -> None:
    command = ["systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE * 10:.0f}"]
    found = subprocess.run([*command, str(SYSTEMD / "vqa-agent.service")], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    assert "Overall exposure level" in found.stdout


def test_a_refused_configuration_is_not_tried_again() -> None:
    unit = (SYSTEMD / "vqa-agent.service").read_text(encoding="utf-8")
    assert "RestartPreventExitStatus=78" in unit.splitlines()
