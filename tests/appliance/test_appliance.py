"""The life of an agent on a box, from installation to purge, under a real systemd. The tests follow one another."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.appliance.box import Box
from vqa_agent.service import landlock
from vqa_agent.simulate import defects, scenes, sounds
from vqa_agent.simulate.encode import encode

pytestmark = [pytest.mark.appliance, pytest.mark.timeout(900)]

BROKER = "listener 1883 127.0.0.1\npassword_file /etc/mosquitto/passwd\nallow_anonymous false\n"
TLS = """\
listener 8883 127.0.0.1
cafile /etc/mosquitto/tls/ca.crt
certfile /etc/mosquitto/tls/broker.crt
keyfile /etc/mosquitto/tls/broker.key
"""
CONFIG = """\
[agent]
id = "box"
site = "lab"
log_level = "debug"
[budget]
cpu = "80%"
memory = "900M"
[mqtt]
url = "mqtt://127.0.0.1:1883"
username = "box"
password_file = "/etc/vqa-agent/secrets/mqtt-password"
[[stream]]
name = "main"
url = "/srv/main.ts"
loop = true
realtime = true
[stream.defects.black]
set_time = 0.5
"""
OLD, NEW = "open-sesame", "open-barley"
LISTEN = "mosquitto_sub -h 127.0.0.1 -u box -V 5"
CERTIFICATES = Path(__file__).parents[2] / "packaging/central/certificates.sh"


def property_of(box: Box, name: str) -> str:
    return box.says(f"systemctl show -p {name} --value vqa-agent")


def status(box: Box) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(box.run("vqa-agent status --json", check=False).stdout)
    return found


def await_watching(box: Box) -> None:
    """The stream is read, and its state is known."""
    box.until('vqa-agent status --json | grep -q \'"signal":"ok"\'', 60)


def worker(box: Box) -> int:
    return int(status(box)["streams"]["main"]["pid"])


def await_delivery(box: Box, password: str) -> None:
    """The agent is connected, and its next event arrives."""
    box.until_true(lambda: bool(status(box)["delivery"]["connected"]), 60, "the status says connected")
    topic = "vqa/v1/lab/box/event/main/black"
    event = json.loads(box.says(f"{LISTEN} -P {password} -t {topic} -C 1 -W 90", timeout=100))
    assert event["defect"] == "black"


def edit(box: Box, old: str, new: str) -> None:
    """Changes the configuration, and leaves whose it is."""
    path = box.root / "etc/vqa-agent/agent.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def new_authority(box: Box, folder: Path) -> None:
    """Another certificate authority, with the broker's certificate and the agent's, put where both look for them."""
    environment = {"CERTIFICATES": str(folder), "PATH": "/usr/bin:/bin"}
    subprocess.run([CERTIFICATES, "localhost", "box"], check=True, capture_output=True, env=environment)
    for name in ("ca.crt", "broker.crt", "broker.key"):
        box.write(f"/etc/mosquitto/tls/{name}", (folder / name).read_text())
    box.write("/etc/vqa-agent/ca.pem", (folder / "ca.crt").read_text())
    box.write("/etc/vqa-agent/secrets/box.pem", (folder / "box.crt").read_text(), 0o600)
    box.write("/etc/vqa-agent/secrets/box.key", (folder / "box.key").read_text(), 0o600)


def test_installing_needs_no_network_and_starts_nothing_unconfigured(box: Box, package: Path) -> None:
    shutil.copy(package, box.root / "srv/vqa-agent.deb")
    said = box.run("dpkg -i /srv/vqa-agent.deb").stdout
    assert re.search(r"ok\s+configuration: /etc/vqa-agent/agent.toml", said)
    assert "vqa-agent check && systemctl start vqa-agent" in said
    assert property_of(box, "ActiveState") == "inactive"
    assert box.says("systemctl is-enabled vqa-agent") == "enabled"
    assert box.says("stat -c '%a %U %G' /etc/vqa-agent/agent.toml") == "640 root vqa-agent"
    assert box.says("stat -c '%a %U' /etc/vqa-agent/secrets") == "700 root"
    assert box.says("vqa-agent version").startswith("vqa-agent ")
    assert "CycloneDX" in box.says("head -c 100 /usr/share/doc/vqa-agent/sbom.cdx.json")
    assert box.says("cd / && md5sum --quiet -c /var/lib/dpkg/info/vqa-agent.md5sums") == ""


def test_the_unit_is_as_tight_under_its_own_systemd(box: Box) -> None:
    box.run("systemd-analyze security --threshold=25 vqa-agent.service")
    assert box.says("systemd-analyze verify --man=no vqa-agent.service") == ""


def test_it_is_ready_while_there_is_no_broker(box: Box, tmp_path: Path) -> None:
    size = (320, 180)
    clip = encode(
        tmp_path / "main.ts",
        defects.black(scenes.pan(6, size, noise=0.0), 1, 4),
        sounds.silence(6) + sounds.tone(6),
    )
    shutil.copy(clip, box.root / "srv/main.ts")
    box.run("systemctl stop mosquitto")
    box.write("/etc/mosquitto/conf.d/box.conf", BROKER)
    box.run(f"mosquitto_passwd -b -c /etc/mosquitto/passwd box {OLD} && chmod 644 /etc/mosquitto/passwd")
    box.run("cat > /etc/vqa-agent/agent.toml <<'END'\n" + CONFIG + "END")
    box.write("/etc/vqa-agent/secrets/mqtt-password", f"{OLD}\n", 0o600)
    box.run("systemctl start vqa-agent", timeout=120)
    assert property_of(box, "ActiveState") == "active"
    await_watching(box)
    assert box.run("vqa-agent status", check=False).returncode == 1
    assert not status(box)["delivery"]["connected"]


def test_the_backstop_follows_the_configuration(box: Box) -> None:
    assert property_of(box, "CPUQuotaPerSecUSec") == "1.700000s"
    assert property_of(box, "MemoryMax") == "1800000000"


def test_it_has_no_privileges(box: Box) -> None:
    pid = property_of(box, "MainPID")
    assert box.says(f"awk '/^CapEff/ {{ print $2 }}' /proc/{pid}/status").strip("0") == ""
    assert box.says(f"awk '/^NoNewPrivs/ {{ print $2 }}' /proc/{pid}/status") == "1"
    assert box.says(f"ps -o user= -p {pid}").startswith("vqa-agen")


def test_events_arrive_with_a_password_that_only_root_can_read(box: Box) -> None:
    box.run("systemctl start mosquitto")
    await_delivery(box, OLD)
    assert OLD not in box.says("journalctl -b --no-pager -u vqa-agent; cat /run/vqa-agent/status.json")


@pytest.mark.skipif(not landlock.version(), reason="this kernel has no Landlock")
def test_the_worker_is_sealed_under_the_filter_of_the_unit(box: Box) -> None:
    assert "stream main: sealed by version" in box.says("journalctl -b --no-pager -u vqa-agent")


def test_anybody_on_the_box_may_ask_for_the_status(box: Box) -> None:
    said = box.run("runuser -u nobody -- vqa-agent status", check=False).stdout
    assert "connected (MQTT 5)" in said
    assert re.search(r"Last events.*\n *black +main +major", said)


def test_the_journal_has_fields(box: Box) -> None:
    line = box.says("journalctl -b STREAM=main DEFECT=black STATE=closed -n 1 -o json")
    entry = json.loads(line)
    assert entry["SYSLOG_IDENTIFIER"] == "vqa-agent"
    assert entry["_SYSTEMD_UNIT"] == "vqa-agent.service"
    assert len(entry["EVENT_ID"]) == 26


def test_a_killed_worker_comes_back(box: Box) -> None:
    before, service = worker(box), property_of(box, "MainPID")
    box.run(f"kill -9 {before}")
    box.until_true(lambda: status(box)["streams"]["main"]["restarts"] == 1, 30, "the worker is counted as restarted")
    await_watching(box)
    assert worker(box) != before
    assert property_of(box, "MainPID") == service


def test_a_killed_supervisor_comes_back_and_counts_on(box: Box) -> None:
    seq, service = status(box)["delivery"]["seq"], property_of(box, "MainPID")
    box.run(f"kill -9 {service}")
    box.until_true(lambda: property_of(box, "MainPID") not in ("0", service), 30, "another supervisor")
    await_watching(box)
    assert property_of(box, "NRestarts") == "1"
    assert status(box)["delivery"]["seq"] >= seq


def test_a_supervisor_that_hangs_is_ended_by_the_watchdog(box: Box) -> None:
    folder = "/run/systemd/system/vqa-agent.service.d"
    settings = "[Service]\\nWatchdogSec=5\\nTimeoutAbortSec=2\\n"
    box.run(f"mkdir -p {folder} && printf '{settings}' > {folder}/quick.conf")
    box.run("systemctl daemon-reload && systemctl restart vqa-agent", timeout=120)
    service = property_of(box, "MainPID")
    box.run(f"kill -STOP {service}")
    box.until_true(lambda: property_of(box, "MainPID") not in ("0", service), 60, "another supervisor")
    assert "watchdog" in box.says("journalctl -b -u vqa-agent --no-pager").lower()
    box.run(f"rm -r {folder} && systemctl daemon-reload")


def test_a_bad_configuration_is_refused_once_and_not_tried_again(box: Box) -> None:
    box.run("sed -i 's/^set_time = 0.5/set_tme = 0.5/' /etc/vqa-agent/agent.toml")
    box.run("systemctl restart vqa-agent", check=False, timeout=120)
    box.until_true(lambda: property_of(box, "ActiveState") == "failed", 60, "the unit has failed")
    assert property_of(box, "ExecMainStatus") == "78"
    restarts = property_of(box, "NRestarts")
    box.run("sleep 7")
    assert (property_of(box, "ActiveState"), property_of(box, "NRestarts")) == ("failed", restarts)
    assert "set_tme" in box.says("journalctl -b -u vqa-agent --no-pager -n 20")
    box.run("sed -i 's/^set_tme = 0.5/set_time = 0.5/' /etc/vqa-agent/agent.toml && systemctl restart vqa-agent")
    await_watching(box)


def test_a_new_password_takes_effect_with_a_restart(box: Box) -> None:
    box.run(f"mosquitto_passwd -b /etc/mosquitto/passwd box {NEW} && systemctl restart mosquitto")
    box.until_true(lambda: "mqtt.password_file" in status(box)["delivery"]["reason"], 60, "the old one is refused")
    seq = status(box)["delivery"]["seq"]
    box.write("/etc/vqa-agent/secrets/mqtt-password", f"{NEW}\n", 0o600)
    box.run("systemctl restart vqa-agent", timeout=120)
    await_delivery(box, NEW)
    # What waited in the outbox may arrive first.
    box.until_true(lambda: int(status(box)["delivery"]["seq"]) > seq, 30, "the sequence goes on")
    assert NEW not in box.says("journalctl -b --no-pager -u vqa-agent; cat /run/vqa-agent/status.json")


def test_tls_is_taken_up_by_a_reload(box: Box, tmp_path: Path) -> None:
    new_authority(box, tmp_path / "first")
    box.write("/etc/mosquitto/conf.d/box.conf", BROKER + TLS)
    box.run("systemctl restart mosquitto")
    service, watched = property_of(box, "MainPID"), worker(box)
    edit(box, '"mqtt://127.0.0.1:1883"', '"mqtts://localhost:8883"\nca_file = "/etc/vqa-agent/ca.pem"')
    box.run("systemctl reload vqa-agent")
    box.until("grep -q ' 0100007F:22B3 01 ' /proc/net/tcp", 60)
    await_delivery(box, NEW)
    assert (property_of(box, "MainPID"), worker(box)) == (service, watched)


def test_a_new_authority_needs_no_restart(box: Box, tmp_path: Path) -> None:
    service = property_of(box, "MainPID")
    new_authority(box, tmp_path / "second")
    box.run("systemctl restart mosquitto")
    await_delivery(box, NEW)
    assert property_of(box, "MainPID") == service


def test_a_key_that_only_root_can_read_is_shown_to_the_broker(box: Box) -> None:
    box.write("/etc/mosquitto/conf.d/box.conf", BROKER + TLS + "require_certificate true\n")
    box.run("systemctl restart mosquitto")
    box.until_true(lambda: not status(box)["delivery"]["connected"], 30, "an agent without a certificate is refused")
    own = "".join(
        f'{key} = "/etc/vqa-agent/secrets/box.{end}"\n' for key, end in (("cert_file", "pem"), ("key_file", "key"))
    )
    edit(box, "[[stream]]\n", own + "[[stream]]\n")
    box.run("systemctl restart vqa-agent", timeout=120)
    await_delivery(box, NEW)


def test_an_upgrade_keeps_configuration_and_waiting_events_and_restarts(box: Box, newer: Path) -> None:
    box.run("systemctl stop mosquitto")
    box.until_true(lambda: status(box)["delivery"]["pending"] >= 2, 60, "events wait")
    before, service = status(box)["delivery"], property_of(box, "MainPID")
    configuration = box.says("cat /etc/vqa-agent/agent.toml")
    shutil.copy(newer, box.root / "srv/newer.deb")
    box.run("dpkg -i --force-confold /srv/newer.deb")
    await_watching(box)
    after = status(box)["delivery"]
    assert property_of(box, "MainPID") != service
    assert after["seq"] >= before["seq"]
    assert after["pending"] >= before["pending"]
    assert box.says("cat /etc/vqa-agent/agent.toml") == configuration
    box.run("systemctl start mosquitto")
    box.until_true(lambda: status(box)["delivery"]["pending"] <= 1, 90, "they are delivered")


def test_it_is_there_after_a_reboot(box: Box) -> None:
    seq = status(box)["delivery"]["seq"]
    box.power_off()
    box.boot()
    await_watching(box)
    assert status(box)["delivery"]["seq"] >= seq


def test_a_purge_leaves_nothing_but_the_user(box: Box) -> None:
    box.run("ls /var/lib/vqa-agent/outbox.db /var/lib/vqa-agent/outbox.mark")
    box.run("dpkg --purge vqa-agent")
    for place in ("/opt/vqa-agent", "/etc/vqa-agent", "/var/lib/vqa-agent", "/run/vqa-agent", "/usr/bin/vqa-agent"):
        assert box.run(f"test -e {place}", check=False).returncode == 1, place
    assert box.run("systemctl cat vqa-agent", check=False).returncode != 0
    assert box.run("pgrep -u vqa-agent", check=False).returncode == 1
    box.run("getent passwd vqa-agent")
