"""The configuration: what is read from where, and what is said of faults."""

from __future__ import annotations

from pathlib import Path

import pytest

from vqa_agent.config import Config, load, validate
from vqa_agent.detect import Profile, Severity, detectors
from vqa_agent.errors import ConfigError

ONE = '[[stream]]\nname = "one"\nurl = "udp://@:5000"\n'


def write(folder: Path, text: str, name: str = "agent.toml") -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def faults(text: str, folder: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(write(folder, text), {})
    assert caught.value.exit_code == 78
    return str(caught.value).splitlines()


def test_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    config = load(write(tmp_path, ""), {})
    assert config.budget.cpu == 1.0
    assert config.outbox.max_age == 72 * 3600
    assert config.mqtt.url == ""
    assert config.stream == []
    assert config.agent.id


@pytest.mark.parametrize(
    ("text", "expected"),
    [("60%", 0.6), ("150%", 1.5), ("12.5 %", 0.125), ("1.5", None), ("-5%", None), ("lots", None)],
)
def test_a_share_of_a_core(text: str, expected: float | None) -> None:
    if expected is not None:
        assert validate({"budget": {"cpu": text}}).budget.cpu == pytest.approx(expected)
    else:
        with pytest.raises(ConfigError, match=r"budget\.cpu: must be a share of one core"):
            validate({"budget": {"cpu": text}})


@pytest.mark.parametrize(
    ("text", "expected"), [("600M", 600_000_000), ("2GiB", 2 * 2**30), ("64 KB", 64_000), ("100", 100)]
)
def test_a_size(text: str, expected: int) -> None:
    assert validate({"budget": {"memory": text}}).budget.memory == expected


@pytest.mark.parametrize(("text", "expected"), [("30s", 30), ("15m", 900), ("72h", 259_200), ("3d", 259_200)])
def test_a_time(text: str, expected: float) -> None:
    assert validate({"outbox": {"max_age": text}}).outbox.max_age == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("[agent]\nid = 'a b'\n", "agent.id: must be 1 to 64 letters, digits, - or _", id="a bad name"),
        pytest.param("[mqtt]\nuser = 'x'\n", "mqtt.user: this key is not known", id="an unknown key"),
        pytest.param('[agent]\nstate_dir = "/x\\u0000"\n', "agent.state_dir: must not have a NUL", id="a NUL"),
        pytest.param(
            '[[stream]]\nname = "a"\ncommand = ["x", "\\u0000"]\n', "stream 'a'.command: must not have a NUL", id="NUL"
        ),
        pytest.param(
            '[[stream]]\nname = ["a"]\nurl = "x"\n', "stream '1'.name: Input should be a valid string", id="no name"
        ),
        pytest.param("x = " + "[" * 5000, "nested too deeply; correct the brackets", id="nested"),
        pytest.param("[mqtts]\n", "mqtts: this key is not known", id="an unknown section"),
        pytest.param("[mqtt]\nurl = 'http://x'\n", "mqtt.url: must be mqtt://HOST", id="a bad broker"),
        pytest.param("[mqtt]\nurl = 'mqtt://u:p@x'\n", "mqtt.url: must be mqtt://HOST", id="a password in the URL"),
        pytest.param("[[stream]]\nurl = 'x'\n", "stream '1'.name: this key is missing; add it", id="a missing key"),
        pytest.param("[[stream]]\nname = 'a'\n", "stream 'a': needs either url or command", id="no source"),
        pytest.param(ONE + "command = ['x']\n", "stream 'one': needs either url or command, and not both", id="two"),
        pytest.param(ONE + ONE, "stream: stream names must differ; given twice: one", id="a name given twice"),
        pytest.param(
            "[[stream]]\nname = 'a'\nurl = 'gopher://x'\n",
            "url scheme 'gopher' is not allowed; use one of",
            id="scheme",
        ),
        pytest.param(
            ONE + "[stream.defects.blakc]\n",
            "defects.blakc: there is no such detector; did you mean black?",
            id="detector",
        ),
        pytest.param(
            ONE + "[stream.defects.black]\nset_tim = 1\n", "defects.black.set_tim: this key is not known", id="setting"
        ),
        pytest.param(
            ONE + "[stream.defects.black]\nset_time = -1\n", "defects.black.set_time: Input should be", id="impossible"
        ),
        pytest.param(ONE + "[stream.expect]\nwidth = 'x'\n", "stream 'one'.expect.width: Input should be", id="expect"),
        pytest.param("[agent\n", "not valid TOML", id="not TOML"),
    ],
)
def test_a_fault_is_told_with_its_file_and_key(text: str, told: str, tmp_path: Path) -> None:
    (line,) = faults(text, tmp_path)
    assert str(tmp_path / "agent.toml") in line
    assert told in line


def test_every_fault_has_its_own_line(tmp_path: Path) -> None:
    text = (
        "[agent]\nlog_level = 'loud'\n[budget]\ncpu = 'x'\n"
        + ONE
        + "[stream.defects.black]\nset_time = -1\n[stream.defects.freeze]\nwhat = 1\n"
    )
    assert [line.split(": ")[1] for line in faults(text, tmp_path)] == [
        "agent.log_level",
        "budget.cpu",
        "stream 'one'.defects.black.set_time",
        "stream 'one'.defects.freeze.what",
    ]


@pytest.mark.parametrize(
    ("make", "told"),
    [
        pytest.param(lambda path: None, "there is no such file; name one with --config", id="missing"),
        pytest.param(lambda path: path.mkdir(), "Is a directory", id="a directory"),
        pytest.param(lambda path: path.write_bytes(b"\xff\xfe"), "not valid TOML", id="not text"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_on_one_line(make: object, told: str, tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    make(path)  # type: ignore[operator]
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_drop_ins_change_and_add_streams_in_order_of_name(tmp_path: Path) -> None:
    path = write(tmp_path, "[budget]\ncpu = '50%'\n" + ONE)
    write(tmp_path, "[budget]\ncpu = '70%'\n[[stream]]\nname = 'two'\nurl = 'udp://@:5001'\n", "agent.d/10-more.toml")
    write(tmp_path, "[[stream]]\nname = 'one'\nweight = 2.0\n", "agent.d/20-weight.toml")
    config = load(path, {})
    assert config.budget.cpu == 0.7
    assert [(stream.name, stream.weight) for stream in config.stream] == [("one", 2.0), ("two", 1.0)]


def test_a_fault_in_a_drop_in_is_told_with_its_own_name(tmp_path: Path) -> None:
    path = write(tmp_path, "")
    write(tmp_path, "[mqtt]\nurl = 'x'\n", "agent.d/broker.toml")
    with pytest.raises(ConfigError, match=r"agent\.d/broker\.toml: mqtt\.url"):
        load(path, {})


def test_the_environment_comes_last(tmp_path: Path) -> None:
    path = write(tmp_path, "[mqtt]\nurl = 'mqtt://file'\n")
    environment = {"VQA__MQTT__URL": "mqtt://environment", "VQA__BUDGET__CPU": "30%", "OTHER": "x"}
    config = load(path, environment)
    assert (config.mqtt.url, config.budget.cpu) == ("mqtt://environment", 0.3)


def test_a_secret_of_root_is_read_from_where_systemd_put_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = 'password_file = "/etc/vqa-agent/secrets/mqtt-password"\nca_file = "/etc/ssl/ca.pem"\n'
    path = write(tmp_path, f"[mqtt]\n{keys}")
    assert load(path, {}).mqtt.password_file == Path("/etc/vqa-agent/secrets/mqtt-password")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/vqa-agent.service")
    mqtt = load(path, {}).mqtt
    assert mqtt.password_file == Path("/run/credentials/vqa-agent.service/secret_mqtt-password")
    assert mqtt.ca_file == Path("/etc/ssl/ca.pem")


def test_settings_of_a_detector_reach_it_with_its_own_defaults() -> None:
    config: Config = validate(
        {"stream": [{"name": "a", "url": "x.ts", "defects": {"black": {"set_time": 7, "severity": "minor"}}}]}
    )
    black = config.stream[0].settings("black")
    assert (black.set_time, black.severity, black.enabled) == (7, Severity.MINOR, True)
    rule = black.rule(detectors()["black"].rules[Profile.LIVE])
    assert rule.set_time == 7
    assert rule.clear_time == detectors()["black"].rules[Profile.LIVE].clear_time
