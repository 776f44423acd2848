"""The faster runtime is found by timing, remembered, and never a reason to fail."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from time import monotonic

import psutil
import pytest

from vqa_agent.errors import ModelError
from vqa_agent.infer import Backend, choice, find_out, open_model, prefer, read_manifest
from vqa_agent.infer.timing import Timing, measure_apart


class Clock:
    """Stands in for the timing: milliseconds by runtime, or an error."""

    def __init__(self, **times: float | None) -> None:
        self.times = times
        self.calls: list[str] = []
        self.shares: set[float] = set()

    def __call__(self, name: str, backend: Backend, folder: Path, share: float) -> Timing:
        self.calls.append(backend)
        self.shares.add(share)
        ms = self.times[backend]
        if ms is None:
            raise ModelError(f"timing model {name!r} with {backend}: can't protect")
        return Timing(ms, ms, 20.0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(onnxruntime=3.0, openvino=0.8)
    monkeypatch.setattr(choice, "measure_apart", clock)
    return clock


def test_the_faster_one_is_taken_and_timed_once(made: Path, state_dir: Path, clock: Clock) -> None:
    assert [open_model("small", folder=made).backend for _ in range(3)] == ["openvino"] * 3
    assert sorted(clock.calls) == ["onnxruntime", "openvino"]


def test_openvino_must_be_clearly_faster_to_be_worth_its_memory(made: Path, state_dir: Path, clock: Clock) -> None:
    clock.times["openvino"] = 2.0
    assert open_model("small", folder=made).backend == "onnxruntime"


def test_the_choice_outlives_the_process(
    made: Path, state_dir: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_model("small", folder=made)
    monkeypatch.setattr(choice, "_known", {})
    clock.calls.clear()
    assert open_model("small", folder=made).backend == "openvino"
    assert clock.calls == []
    assert list(json.loads((state_dir / choice.CACHE).read_text()).values()) == ["openvino"]
    assert [path.name for path in state_dir.iterdir()] == [choice.CACHE]


def test_another_version_of_a_runtime_is_timed_anew(
    made: Path, state_dir: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_model("small", folder=made)
    monkeypatch.setattr(choice, "version", lambda name: "99")
    open_model("small", folder=made)
    assert len(clock.calls) == 4


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"a": 1}'])
def test_a_damaged_cache_only_costs_the_timing(made: Path, state_dir: Path, clock: Clock, damage: str) -> None:
    state_dir.mkdir()
    (state_dir / choice.CACHE).write_text(damage)
    assert open_model("small", folder=made).backend == "openvino"
    assert len(clock.calls) == 2


def test_a_cache_that_cannot_be_written_harms_nobody(made: Path, state_dir: Path, clock: Clock) -> None:
    state_dir.write_text("a file where the directory should be")
    assert open_model("small", folder=made).backend == "openvino"


def test_a_runtime_that_cannot_live_here_is_left_out(
    made: Path, state_dir: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    clock.times["openvino"] = None
    assert open_model("small", folder=made).backend == "onnxruntime"
    assert "can't protect; it is left out" in caplog.text


def test_the_only_runtime_is_not_timed(
    made: Path, state_dir: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "installed", lambda: ["openvino"])
    assert open_model("small", folder=made).backend == "openvino"
    assert clock.calls == []


def test_no_runtime_at_all_is_one_clear_line(made: Path, state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "installed", list)
    with pytest.raises(ModelError, match="neither ONNX Runtime nor OpenVINO is installed; pip install onnxruntime"):
        open_model("small", folder=made)


def test_what_the_configuration_says_is_not_questioned(made: Path, state_dir: Path, clock: Clock) -> None:
    prefer("onnxruntime", state_dir)
    assert open_model("small", folder=made).backend == "onnxruntime"
    assert clock.calls == []


def test_a_service_times_with_a_share_of_a_core(state_dir: Path, clock: Clock) -> None:
    find_out("auto", state_dir, 0.05)
    assert len(clock.calls) == 2 * len(read_manifest())
    assert clock.shares == {0.05}


def test_a_process_is_held_to_its_share(made: Path) -> None:
    begun = psutil.Process().cpu_times()
    started = monotonic()
    measure_apart("small", "onnxruntime", made, runs=3, share=0.2)
    used = psutil.Process().cpu_times()
    spent = used.children_user + used.children_system - begun.children_user - begun.children_system
    # What comes before it can hold itself (the interpreter, NumPy) is not held.
    assert monotonic() - started > (spent - 0.5) / 0.2


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_timing_in_a_process_apart(made: Path, backend: Backend) -> None:
    timing = measure_apart("small", backend, made, runs=3)
    assert 0 < timing.least_ms <= timing.ms < 1000
    assert timing.megabytes > 1


def test_timing_says_why_it_failed(made: Path) -> None:
    with pytest.raises(ModelError, match="timing model 'no-such' with onnxruntime: opening model 'no-such'"):
        measure_apart("no-such", "onnxruntime", made, runs=3)


def test_a_sandbox_that_forbids_compiling_at_run_time_gets_onnx_runtime(made: Path, tmp_path: Path) -> None:
    """systemd's MemoryDenyWriteExecute, which this process's children inherit; it cannot be taken back."""
    program = (
        "import ctypes, sys; from pathlib import Path; from vqa_agent.infer import open_model, prefer\n"
        "PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 1\n"
        "if ctypes.CDLL(None).prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0): sys.exit(77)\n"
        f"prefer('auto', Path({str(tmp_path)!r}))\n"
        f"print(open_model('small', folder=Path({str(made)!r})).backend)"
    )
    environment = {"PYTHONPATH": str(Path("agent").resolve())}
    ended = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, env=environment
    )
    if ended.returncode == 77:
        pytest.skip("this kernel has no such sandbox")
    assert (ended.returncode, ended.stdout) == (0, "onnxruntime\n")
    assert "timing model 'small' with openvino" in ended.stderr
