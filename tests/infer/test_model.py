"""A model is found, verified and run; what is wrong with it is one clear line."""

from __future__ import annotations

import hashlib
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.infer.networks import CLASSES, SHAPE, feeds
from vqa_agent.cli.models import AGREEMENT, difference
from vqa_agent.detect.runner import MAX_FAILURES, Suite
from vqa_agent.errors import ModelError
from vqa_agent.infer import MODELS, RUNTIMES, Backend, open_model, read_manifest, uncertainty
from vqa_agent.infer import manifest as manifest_module
from vqa_agent.infer.timing import example
from vqa_agent.media import Picture

BACKENDS = list(RUNTIMES)


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of the models that a test may damage."""
    return Path(shutil.copytree(made, tmp_path / "models"))


def looks(count: int = 4) -> list[list[np.ndarray]]:
    return [list(feed.values()) for feed in feeds(count, seed=5)]


@pytest.mark.parametrize("backend", BACKENDS)
def test_outputs_come_in_the_order_of_the_network(made: Path, backend: Backend) -> None:
    scores, total = open_model("small", backend, made).run(*looks(1)[0])
    assert scores.shape == (SHAPE[0], 2)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(total, scores.sum(axis=1, keepdims=True), atol=1e-5)


def test_both_runtimes_give_the_same_answer(made: Path) -> None:
    one, other = (open_model("small", backend, made) for backend in BACKENDS)
    for look in looks():
        np.testing.assert_allclose(one.run(*look)[0], other.run(*look)[0], atol=0.01)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_batch_gives_what_its_parts_give(made: Path, backend: Backend) -> None:
    model = open_model("small", backend, made)
    tile, context = (np.concatenate(parts) for parts in zip(*looks(3), strict=True))
    together = model.run(tile, context)[0]
    apart = np.concatenate([model.run(tile[n : n + 1], context[n : n + 1])[0] for n in range(len(tile))])
    np.testing.assert_allclose(together, apart, atol=1e-4)


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_answer_is_not_overwritten_by_the_next(made: Path, backend: Backend) -> None:
    model = open_model("small", backend, made)
    first, second = looks(2)
    kept = model.run(*first)[0]
    copy = kept.copy()
    model.run(*second)
    np.testing.assert_array_equal(kept, copy)


def test_other_types_and_strides_are_taken(made: Path) -> None:
    model = open_model("small", "onnxruntime", made)
    tile, context = looks(1)[0]
    turned = np.ascontiguousarray(tile.transpose(0, 1, 3, 2)).transpose(0, 1, 3, 2).astype(np.float64)
    np.testing.assert_allclose(model.run(turned, context)[0], model.run(tile, context)[0], atol=1e-5)


def test_info_is_what_the_workshop_recorded(made: Path) -> None:
    info = open_model("small", "onnxruntime", made).info
    assert info.classes == CLASSES
    assert info.thresholds == {"damaged": 0.5}
    assert info.scores["by_class"]["clean"] == 1.0
    assert [tensor.shape for tensor in info.inputs] == [SHAPE, (SHAPE[0], 1)]


def test_a_model_pickles_as_its_name(made: Path) -> None:
    model = open_model("small", "onnxruntime", made)
    data = pickle.dumps(model)
    assert len(data) < 1000
    look = looks(1)[0]
    np.testing.assert_array_equal(pickle.loads(data).run(*look)[0], model.run(*look)[0])


def test_the_other_runtime_is_not_imported(made: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from vqa_agent.infer import open_model\n"
        "import vqa_agent.pipeline, vqa_agent.service.worker\n"
        "assert not {'onnxruntime', 'openvino'} & set(sys.modules)\n"
        f"open_model('small', 'onnxruntime', Path({str(made)!r}))\n"
        "assert 'onnxruntime' in sys.modules and 'openvino' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env={"PYTHONPATH": str(Path("agent").resolve())})


def test_nothing_is_sent_written_or_started_when_a_runtime_is_opened(made: Path, tmp_path: Path) -> None:
    """Both runtimes have telemetry: files in the home directory, a forked process, a thread that sends."""
    program = (
        "import sys; from pathlib import Path; import vqa_agent.service.worker, vqa_agent.infer as infer\n"
        "def note(event, arguments):\n"
        "    starts = ('socket.', 'http.', 'subprocess.', 'os.fork', 'os.mkdir')\n"
        "    if event.startswith(starts) or event == 'open' and 'w' in str(arguments[1]): print(event, arguments)\n"
        "sys.addaudithook(note)\n"
        f"for backend in {BACKENDS}: infer.open_model('small', backend, Path({str(made)!r}))"
    )
    environment = {"PYTHONPATH": str(Path("agent").resolve()), "HOME": str(tmp_path)}
    command = [sys.executable, "-B", "-c", program]
    ended = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    assert ended.stdout == ""
    assert list(tmp_path.rglob("*")) == []


def test_an_unknown_model_is_named_with_those_that_are_known(made: Path) -> None:
    with pytest.raises(ModelError, match=r"opening model 'no-such'.*known are small$"):
        open_model("no-such", folder=made)


def test_a_folder_without_a_manifest_has_no_models(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) == {}
    with pytest.raises(ModelError, match="it is not in"):
        open_model("small", folder=tmp_path)


@pytest.mark.parametrize("damage", ["[small", "[small]\ninputs = 3\n", "small = 3\n"])
def test_a_damaged_manifest_is_one_line(folder: Path, damage: str) -> None:
    (folder / "manifest.toml").write_text(damage)
    with pytest.raises(ModelError, match=r"reading the list of models .*install the agent again$") as caught:
        open_model("small", folder=folder)
    assert "\n" not in str(caught.value)


def test_one_changed_bit_is_refused(folder: Path) -> None:
    file = folder / "small" / "small.onnx"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(ModelError, match="SHA-256 is not the one"):
        open_model("small", "onnxruntime", folder)


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "small" / "small.onnx").unlink()
    with pytest.raises(ModelError, match=r"small\.onnx: No such file"):
        open_model("small", "onnxruntime", folder)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_file_that_is_no_network_is_refused_by_either_runtime(folder: Path, backend: Backend) -> None:
    path = folder / "small" / "small.onnx"
    path.write_bytes(b"not a network")
    believe(folder, path)
    with pytest.raises(ModelError, match=f"opening model 'small' with {backend}: ") as caught:
        open_model("small", backend, folder)
    assert "\n" not in str(caught.value)


def believe(folder: Path, path: Path) -> None:
    """Enter the present content of a file in the manifest."""
    manifest = folder / "manifest.toml"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest.write_text(re.sub(r'(small\.onnx", sha256 = ")\w+', rf"\g<1>{digest}", manifest.read_text()))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_missing_runtime_is_named_with_the_remedy(
    made: Path, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, backend, None)
    with pytest.raises(ModelError, match=rf"the runtime {backend} is not usable .*pip install {backend}"):
        open_model("small", backend, made)


def test_without_a_dot_product_the_twin_is_taken(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    look = looks(1)[0]
    full = open_model("small", "onnxruntime", made).run(*look)[0]
    monkeypatch.setattr(manifest_module, "has_dot_product", lambda: False)
    model = open_model("small", "onnxruntime", made)
    assert model.info.suited.file == "small.reduced.onnx"
    twin = model.run(*look)[0]
    assert not np.array_equal(twin, full)
    np.testing.assert_allclose(twin, full, atol=0.1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("flags : fpu avx2 avx_vnni\n", True),
        ("flags : fpu avx512_vnni\n", True),
        ("Features : fp asimd asimddp\n", True),
        ("model name : avx_vnni\nflags : fpu avx2\n", False),
        ("Features : fp asimd\n", False),
        ("model name : unknown\n", True),
    ],
)
def test_the_dot_product_is_read_from_the_cpus_flags(
    text: str, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "read_text", lambda self, **_: text)
    assert manifest_module.has_dot_product.__wrapped__() is expected


def test_a_detector_without_its_model_is_put_aside_at_once_and_the_others_go_on(made: Path) -> None:
    def blind(picture: Picture) -> list[object]:
        open_model("no-such", folder=made)
        return []

    seen: list[float] = []
    common = {"reads": "video", "cost": "neural", "least_rate": 0.0, "wants": lambda sample, neural: True}
    detectors = [
        SimpleNamespace(name="blind", look=blind, **common),
        SimpleNamespace(name="well", look=lambda picture: seen.append(picture.time) or (), **common),
    ]
    suite = Suite(detectors)  # type: ignore[arg-type]
    for number in range(5):
        suite.look(Picture(time=number / 25, duration=0.04, luma=np.zeros((8, 8), np.uint8)))
    account = suite.accounts["blind"]
    assert (account.looks, account.failures, account.failures_in_a_row) == (1, 1, MAX_FAILURES)
    assert account.aside
    assert account.last_failure.startswith("opening model 'no-such'")
    assert len(seen) == 5


def test_uncertainty_is_greatest_on_the_threshold() -> None:
    scores = np.linspace(0, 1, 101)
    values = [uncertainty(score, 0.3) for score in scores]
    assert scores[int(np.argmax(values))] == pytest.approx(0.3)
    assert values[0] == values[-1] == 0.0
    assert uncertainty(1.0, 1.0) == 1.0


def test_every_shipped_model_runs_and_agrees_on_both_runtimes() -> None:
    """Of the models in this checkout; the manifest names each folder, and no other is there."""
    infos = read_manifest(MODELS)
    assert {path.name for path in MODELS.iterdir() if path.is_dir()} == set(infos)
    for info in infos.values():
        for file in info.files:
            manifest_module.read_verified(info, file)
        answers = [open_model(info.name, backend).run(*example(info)) for backend in BACKENDS]
        for one, other in zip(*answers, strict=True):
            assert difference(one, other) <= AGREEMENT
