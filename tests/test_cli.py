"""The command line as a person uses it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.publish.broker import Mosquitto, free_port
from tests.service.harness import lines
from vqa_agent import checkup
from vqa_agent.cli import app
from vqa_agent.config import validate
from vqa_agent.detect import detectors
from vqa_agent.detect.interface import Severity
from vqa_agent.event import State, schema
from vqa_agent.publish.session import connect
from vqa_agent.service.messages import Signal
from vqa_agent.service.status import OpenDefect, RecentEvent, Status, StreamStatus, read, write
from vqa_agent.simulate import defects, scenes, sounds
from vqa_agent.simulate.encode import encode


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds that are black from 1 to 4."""
    pictures = defects.black(scenes.pan(6, (320, 180), noise=0.0), 1, 4)
    return encode(tmp_path_factory.mktemp("clip") / "black.ts", pictures, sounds.tone(6))


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with Mosquitto(tmp_path_factory.mktemp("broker")) as broker:
        yield broker.url


class TestAnalyze:
    def test_json_has_one_event_a_line(self, clip: Path) -> None:
        result = invoke("analyze", "--json", clip)
        assert result.exit_code == 0
        (event,) = lines(result.stdout)
        assert event["defect"] == "black"
        assert (event["start"], event["end"]) == pytest.approx((1, 4), abs=0.15)
        assert set(event) == {"defect", "start", "end", "duration", "score", "severity", "region", "detail"}

    def test_a_person_sees_a_table(self, clip: Path) -> None:
        result = invoke("analyze", clip)
        assert result.exit_code == 0
        assert "0:00:06" in result.stdout
        assert "black" in result.stdout
        assert result.stderr == ""

    def test_several_inputs_are_told_apart_and_one_that_cannot_be_read_does_not_stop_the_others(
        self, clip: Path
    ) -> None:
        result = invoke("analyze", "--json", "/nowhere.ts", clip)
        assert result.exit_code == 2
        assert [event["input"] for event in lines(result.stdout)] == [str(clip)]
        assert result.stderr == "vqa-agent: opening /nowhere.ts: there is no such file; check the path\n"

    def test_findings_and_report_are_written_beside(self, clip: Path, tmp_path: Path) -> None:
        result = invoke(
            "analyze", clip, "--only", "black", "--findings", tmp_path / "f.jsonl", "--report", tmp_path / "r.html"
        )
        assert result.exit_code == 0
        findings = lines((tmp_path / "f.jsonl").read_text())
        assert {finding["detector"] for finding in findings} == {"black"}
        assert {finding["bad"] for finding in findings} == {True, False}
        assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")

    def test_a_report_is_not_lost_to_an_input_that_cannot_be_read(self, tmp_path: Path) -> None:
        garbage, report = tmp_path / "g.mp4", tmp_path / "r.html"
        garbage.write_bytes(b"no media at all")
        report.write_text("what an earlier look has found")
        result = invoke("analyze", garbage, "--report", report)
        assert result.exit_code == 2
        assert report.read_text() == "what an earlier look has found"

    def test_sealed_it_finds_and_writes_the_same(self, clip: Path, tmp_path: Path) -> None:
        open_now = invoke("analyze", "--json", clip).stdout
        report, found = tmp_path / "r.html", tmp_path / "f.jsonl"
        report.write_text("old" * 100_000)
        arguments = ["analyze", "--json", "--findings", found, "--report", report, clip, "gopher://x"]
        command = [sys.executable, "-m", "vqa_agent", *map(str, arguments)]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
        assert done.returncode == 2  # of the second input
        told = [{key: value for key, value in event.items() if key != "input"} for event in lines(done.stdout)]
        assert told == lines(open_now)
        assert "the scheme 'gopher' is not allowed" in done.stderr
        assert report.read_text().endswith("</html>\n")
        assert "oldold" not in report.read_text()
        assert found.stat().st_size > 0

    def test_what_is_owed_may_be_said(self, clip: Path) -> None:
        result = invoke("analyze", "--json", clip, "--expect", "scan=interlaced", "--expect", "height=1080")
        told = [event["detail"] for event in lines(result.stdout) if event["defect"] == "format_change"]
        assert told
        assert "interlaced" in str(told)
        assert "1080" in str(told)

    def test_findings_may_go_to_stdout(self, clip: Path) -> None:
        result = invoke("analyze", clip, "--only", "black", "--findings", "-", "--limit", "0.5")
        assert {finding["detector"] for finding in lines(result.stdout)} == {"black"}

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["--only", "blakc"], "there is no detector blakc"),
            (["--findings", "/nowhere/f"], "writing the findings to /nowhere/f: No such file"),
            (["--findings", "/tmp"], "it is a directory"),
            (["--report", "/nowhere/r.html"], "writing the report /nowhere/r.html: No such file"),
            (["--expect", "caption=true"], "did you mean captions?"),
            (["--expect", "rate=fast"], "reading --expect rate=fast: Input should be a valid number"),
        ],
    )
    def test_a_mistake_is_told_on_one_line(self, clip: Path, arguments: list[str], told: str) -> None:
        result = invoke("analyze", clip, *arguments)
        assert result.exit_code in (1, 2)
        assert told in result.stderr
        assert result.stderr.count("\n") == 1

    def test_ctrl_c_ends_a_look_with_what_was_found_so_far(self, clip: Path, tmp_path: Path) -> None:
        looped = tmp_path / "long.ts"
        looped.write_bytes(clip.read_bytes() * 400)
        command = [sys.executable, "-m", "vqa_agent", "analyze", "--json", "--only", "black", str(looped)]
        for patience in (2.5, 8.0, 20.0):  # a busy machine may need as long to begin
            look = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            time.sleep(patience)
            look.send_signal(signal.SIGINT)
            stdout, stderr = look.communicate(timeout=10)
            if stdout:
                break
        assert look.returncode == 130
        assert lines(stdout)[0]["defect"] == "black"
        assert "Traceback" not in stderr


class TestStatus:
    @pytest.fixture
    def config(self, tmp_path: Path) -> Path:
        path = tmp_path / "agent.toml"
        path.write_text(f'[agent]\nstate_dir = "{tmp_path}"\n')
        return path

    @staticmethod
    def say(folder: Path, **changes: object) -> None:
        fine = {
            "pid": os.getpid(),
            "time": datetime.now(UTC),
            "started": datetime.now(UTC),
            "agent": "box",
            "streams": {"main": StreamStatus(state="running", signal=Signal.OK, format={"width": 320, "height": 180})},
        }
        write(folder / "status.json", Status(**(fine | changes)))  # type: ignore[arg-type]

    def test_healthy(self, config: Path, tmp_path: Path) -> None:
        self.say(tmp_path)
        result = invoke("status", "--config", config)
        assert result.exit_code == 0
        assert "HEALTHY" in result.stdout
        assert "320x180" in result.stdout

    def test_degraded_down_and_unknown_have_their_own_exit_status(self, config: Path, tmp_path: Path) -> None:
        assert invoke("status", "--config", config).exit_code == 3
        self.say(tmp_path, config_error="x")
        assert invoke("status", "--config", config).exit_code == 1
        self.say(tmp_path, state="stopped")
        assert invoke("status", "--config", config).exit_code == 2
        (tmp_path / "status.json").write_text("{")
        assert invoke("status", "--config", config).exit_code == 3

    def test_json_holds_the_verdict_and_everything_else(self, config: Path, tmp_path: Path) -> None:
        self.say(tmp_path)
        values = json.loads(invoke("status", "--json", "--config", config).stdout)
        assert values["verdict"]["health"] == "healthy"
        assert values["schema_version"] == 1
        assert values["streams"]["main"]["signal"] == "ok"

    def test_what_is_open_and_the_last_events_are_shown(self, config: Path, tmp_path: Path) -> None:
        start = datetime.now(UTC) - timedelta(seconds=75)
        opened = OpenDefect(id="1", defect="black", severity=Severity.MAJOR, start=start)
        streams = {"main": StreamStatus(state="running", signal=Signal.OK, open=[opened], coverage={"freeze": 0.4})}
        closed = RecentEvent(
            id="2",
            stream="main",
            defect="silence",
            state=State.CLOSED,
            severity=Severity.MINOR,
            start=start,
            duration=12,
        )
        self.say(tmp_path, streams=streams, recent=[closed])
        said = invoke("status", "--config", config).stdout
        assert re.search(r"black +main +major .* 1 min 1[5-9] s", said)
        assert re.search(r"silence +main +minor .* 12.0 s", said)
        assert "40% (freeze)" in said

    def test_a_file_that_is_closed_to_this_user_does_not_hide_one_that_is_not(
        self, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.say(tmp_path)
        closed = tmp_path / "closed" / "status.json"

        def read_but(path: Path) -> Status:
            if path == closed:
                raise PermissionError
            return read(path)

        monkeypatch.setattr("vqa_agent.cli.status.read", read_but)
        monkeypatch.setattr("vqa_agent.cli.status.status_paths", lambda _: [closed, tmp_path / "status.json"])
        assert invoke("status", "--config", config).exit_code == 0
        monkeypatch.setattr("vqa_agent.cli.status.status_paths", lambda _: [closed])
        assert "no permission" in invoke("status", "--config", config).stdout

    def test_watching_goes_on_until_ctrl_c(self, config: Path, tmp_path: Path) -> None:
        self.say(tmp_path)
        command = [sys.executable, "-m", "vqa_agent", "status", "--watch", "--json", "--config", str(config)]
        watch = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert watch.stdout is not None
        assert [json.loads(watch.stdout.readline())["agent"] for _ in range(2)] == ["box", "box"]
        watch.send_signal(signal.SIGINT)
        assert "Traceback" not in watch.communicate(timeout=5)[1]
        assert watch.returncode == 130


class TestCheck:
    @staticmethod
    def config(folder: Path, text: str) -> Path:
        path = folder / "agent.toml"
        path.write_text(f'[agent]\nstate_dir = "{folder}/state"\n' + text)
        return path

    def test_all_is_well(self, tmp_path: Path, clip: Path, broker: str) -> None:
        config = self.config(tmp_path, f'[mqtt]\nurl = "{broker}"\n[[stream]]\nname = "a"\nurl = "{clip}"\n')
        result = invoke("check", "--config", config)
        assert result.exit_code == 0
        assert "MQTT 5" in result.stdout
        assert "h264 320x180 25 progressive, aac 48000 Hz stereo" in result.stdout
        assert "BAD" not in result.stdout

    def test_what_does_not_work_is_named_with_what_to_do(self, tmp_path: Path) -> None:
        port = free_port()
        config = self.config(
            tmp_path, f'[mqtt]\nurl = "mqtt://127.0.0.1:{port}"\n[[stream]]\nname = "a"\nurl = "/nowhere.ts"\n'
        )
        result = invoke("check", "--config", config)
        assert result.exit_code == 1
        assert "nothing listens there; check mqtt.url" in result.stdout
        assert "stream a: opening /nowhere.ts: there is no such file" in result.stdout

    def test_a_decoder_that_crashes_or_hangs_is_an_answer(
        self, tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config = self.config(tmp_path, f'[[stream]]\nname = "a"\nurl = "{clip}"\n')
        monkeypatch.setattr(checkup, "LOOK_PATIENCE", 0.5)
        ends = (lambda: os.kill(os.getpid(), signal.SIGKILL), "failed on it: killed by SIGKILL")
        hangs = (lambda: time.sleep(20), "reading it hung")
        for does, told in (ends, hangs):
            monkeypatch.setattr(checkup, "_read", lambda source, does=does: does())
            result = invoke("check", "--config", config)
            assert result.exit_code == 1
            assert f"stream a: the decoder {told}" in result.stdout or f"stream a: {told}" in result.stdout

    def test_offline_asks_nobody(self, tmp_path: Path) -> None:
        config = self.config(tmp_path, '[mqtt]\nurl = "mqtt://192.0.2.1"\n[[stream]]\nname = "a"\nurl = "udp://x"\n')
        began = time.monotonic()
        assert invoke("check", "--offline", "--config", config).exit_code == 0
        assert time.monotonic() - began < 2

    def test_decoders_that_are_here_are_named_and_those_that_a_stream_lacks(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(checkup, "refusal", {"vaapi": "this box has no /dev/dri/renderD*", "v4l2m2m": ""}.get)
        stream = '[[stream]]\nname = "{0}"\nurl = "udp://x"\ndecode = "{1}"\n'
        config = self.config(tmp_path, stream.format("a", "software") + stream.format("b", "v4l2m2m"))
        assert "ok    decoders: software, v4l2m2m" in invoke("check", "--offline", "--config", config).stdout
        config = self.config(tmp_path, stream.format("a", "v4l2m2m") + stream.format("b", "vaapi"))
        result = invoke("check", "--offline", "--config", config)
        told = "decoders: stream b: decode = vaapi: this box has no /dev/dri/renderD*; software will decode"
        assert f"note  {told}" in result.stdout
        assert result.exit_code == 0

    def test_a_bad_configuration_ends_with_78(self, tmp_path: Path) -> None:
        result = invoke("check", "--config", self.config(tmp_path, "[budget]\ncpu = 'x'\nmemory = 'y'\n"))
        assert result.exit_code == 78
        assert result.stdout.count("BAD") == 2


def test_a_status_that_cannot_be_found_for_a_bad_configuration_says_so(tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_text("[budgets]\n")
    result = invoke("status", "--config", tmp_path / "agent.toml")
    assert result.exit_code == 3
    assert "budgets: this key is not known" in " ".join(result.stdout.split())


class TestRun:
    def test_a_bad_configuration_ends_with_78_and_one_line_for_each_fault(self, tmp_path: Path) -> None:
        path = tmp_path / "agent.toml"
        path.write_text("[budget]\ncpu = 'x'\nmemory = 'y'\n")
        result = invoke("run", "--config", path)
        assert result.exit_code == 78
        assert [line.split(": ")[2] for line in result.stderr.splitlines()] == ["budget.cpu", "budget.memory"]

    def test_a_state_directory_that_cannot_be_made_is_told_on_one_line(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        path = tmp_path / "agent.toml"
        path.write_text(f'[agent]\nstate_dir = "{tmp_path}/file/state"\n')
        result = invoke("run", "--config", path)
        assert result.exit_code == 1
        assert result.stderr.count("\n") == 1
        assert "agent.state_dir" in result.stderr


class TestDetectors:
    def test_every_detector_is_listed(self) -> None:
        result = invoke("detectors")
        assert result.exit_code == 0
        for name in detectors():
            assert name in result.stdout

    @pytest.mark.parametrize("name", list(detectors()))
    def test_each_has_a_manual_and_settings(self, name: str) -> None:
        result = invoke("detectors", name)
        assert result.exit_code == 0
        assert "Source:" in result.stdout
        assert ">>>" not in result.stdout
        assert "severity" in result.stdout
        described = json.loads(invoke("detectors", name, "--json").stdout)
        assert set(described["rules"]) == {"live", "file"}
        assert all(setting["description"] for setting in described["settings"])

    def test_an_unknown_name_is_refused_with_those_there_are(self) -> None:
        result = invoke("detectors", "blakc")
        assert result.exit_code == 2
        assert "did you mean black?" in result.stderr


class TestWatch:
    def test_a_line_for_each_event_elsewhere_than_on_a_terminal(self, broker: str) -> None:
        command = [sys.executable, "-m", "vqa_agent", "watch", "--mqtt", broker]
        watch = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        session = connect(validate({"mqtt": {"url": broker}}).mqtt, "sender")
        event = {
            "v": 1, "id": "01J00000000000000000000000", "seq": 1, "boot": "x", "stream": "hall", "defect": "black",
            "state": "open", "severity": "major", "score": 1.0, "start": "2026-11-24T01:51:35.120Z", "end": None,
            "pts": 1.0, "duration": 5.0, "detail": {"luma": 0.01},
        }  # fmt: skip
        assert watch.stdout is not None
        session.publish("vqa/v1/lab/box/event/hall/black", json.dumps(event).encode(), retain=True)
        while not session.inbox.acknowledged:
            session.turn(0.1)
        line = watch.stdout.readline()
        watch.send_signal(signal.SIGINT)
        assert "Traceback" not in watch.communicate(timeout=5)[1]
        assert watch.returncode == 130
        assert all(part in line for part in ("01:51:35", "open", "major", "hall", "black", "luma 0.01"))

    def test_a_broker_that_is_not_there_is_told_on_one_line(self) -> None:
        result = invoke("watch", "--mqtt", f"mqtt://127.0.0.1:{free_port()}")
        assert result.exit_code == 1
        assert result.stderr.count("\n") == 1
        assert "nothing listens there" in result.stderr


class TestReference:
    def test_the_schema_is_that_of_the_events(self) -> None:
        assert json.loads(invoke("schema").stdout) == schema()

    def test_the_version(self) -> None:
        assert invoke("version").stdout.startswith("vqa-agent ")

    @pytest.mark.parametrize("command", sorted(each.callback.__name__ for each in app.registered_commands))  # type: ignore[union-attr]
    def test_every_command_explains_itself(self, command: str) -> None:
        result = invoke(command.removeprefix("show_"), "--help")
        assert result.exit_code == 0
        assert "Usage:" in result.stdout


def test_a_closed_pipe_is_no_traceback() -> None:
    command = f"{sys.executable} -m vqa_agent config | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=20, check=False)
    assert "Traceback" not in done.stderr
    assert done.stdout.startswith("#")
