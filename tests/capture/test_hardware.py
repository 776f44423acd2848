"""Decoding by hardware: what is done where there is none, where it fails, and when software takes over.

There is no such hardware here. Its place is taken by a second decoder of FFmpeg's, opened in the same way, which a test
has fail, stay silent, or give what a device gives: the same samples as NV12.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av.error
import numpy as np
import pytest
from av.codec.hwaccel import hwdevices_available

from tests.capture import clips
from tests.capture.clips import kinds, of_kind
from vqa_agent.capture import Source, hardware, open_source, picture_decoder
from vqa_agent.capture.hardware import Hardware, HardwareError, Way
from vqa_agent.config import Config, StreamSection
from vqa_agent.media import FactKind, Picture, Sample
from vqa_agent.sample import LADDER, Level
from vqa_agent.service import limits

GOP = {"preset": "ultrafast", "g": "25", "keyint_min": "25", "sc_threshold": "0", "bf": "2"}
KEYS = replace(LADDER[0], skip_frame="NONKEY", picture_rate=2.0)


class Device:
    """FFmpeg's own decoder in the place of a device. `spoil` may change or refuse what it gives for each packet."""

    def __init__(self, context: Any, spoil: Callable[[int, list[Any]], list[Any]]) -> None:
        self._context, self._spoil = context, spoil
        self.packets = 0

    def decode(self, packet: Any) -> list[Any]:
        self.packets += packet is not None
        return self._spoil(self.packets, self._context.decode(packet))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def __setattr__(self, name: str, value: Any) -> None:
        own = name in ("_context", "_spoil", "packets")
        object.__setattr__(self, name, value) if own else setattr(self._context, name, value)


def nv12(number: int, frames: list[Any]) -> list[Any]:
    """As they come from most devices: chroma interleaved."""
    made = []
    for frame in frames:
        made.append(frame.reformat(format="nv12"))
        made[-1].pts = frame.pts
        if frame.time_base:
            made[-1].time_base = frame.time_base
    return made


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Device]]:
    """Has `decode = "v4l2m2m"` open FFmpeg's own decoders, and lists them."""

    def install(spoil: Callable[[int, list[Any]], list[Any]] = lambda number, frames: frames) -> list[Device]:
        opened: list[Device] = []
        create = hardware._create

        def created(way: Way, codec: str) -> Device:
            opened.append(Device(create(way, codec), spoil))
            return opened[-1]

        monkeypatch.setitem(hardware.WAYS, "v4l2m2m", Way("null"))
        monkeypatch.setattr(hardware, "_create", created)
        return opened

    return install


def look(file: Path, decode: Any, levels: dict[float, Level] | None = None) -> list[Sample]:
    """All samples, with `levels` set at their media seconds."""
    seen: list[Sample] = []
    with open_source(Source("clip", str(file), live=False, decode=decode)) as capture:
        for sample in capture.samples():
            seen.append(sample)
            now = max(each.time for each in seen)
            for begin, level in (levels or {}).items():
                capture.level = level if now >= begin else capture.level
    return seen


def pictures(samples: list[Sample]) -> list[Picture]:
    return kinds(samples)[0]


def assert_same(one: list[Picture], other: list[Picture]) -> None:
    assert [round(picture.time, 3) for picture in one] == [round(picture.time, 3) for picture in other]
    for mine, theirs in zip(one, other, strict=True):
        assert np.array_equal(mine.luma, theirs.luma)
        assert mine.levels == theirs.levels
        assert mine.chroma is not None
        assert theirs.chroma is not None
        assert all(np.array_equal(*planes) for planes in zip(mine.chroma, theirs.chroma, strict=True))


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "decoding in software" in record.getMessage()]


@pytest.mark.parametrize("decode", list(hardware.WAYS))
def test_a_box_without_it_decodes_in_software_and_says_so_once(
    decode: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(hardware.WAYS, decode, replace(hardware.WAYS[decode], nodes="no-such-node*"))
    file = clips.clip(tmp_path / "x.ts", 2.0)
    seen = []
    with open_source(Source("hall", str(file), live=False, loop=True, limit=5.0, decode=decode)) as capture:
        seen = pictures(list(capture.samples()))
    assert len(seen) == pytest.approx(125, abs=3)
    assert_same(seen[:50], pictures(look(file, "software")))
    assert complaints(caplog) == [
        f"stream hall: decode = {decode}: this box has no /dev/no-such-node*; decoding in software"
    ]


@pytest.mark.parametrize(
    ("way", "reason"),
    [
        (Way("null", device="no-such-device"), "this build of FFmpeg does not know no-such-device"),
        (Way("null", suffix="_no_such_chip"), "this build of FFmpeg has no h264_no_such_chip"),
        (Way("null", suffix="_v4l2m2m"), "h264_v4l2m2m cannot be opened: "),
    ],
)
def test_why_it_cannot_be_had(way: Way, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if way.suffix == "_v4l2m2m" and hardware.WAYS["v4l2m2m"].present():
        pytest.skip("this box may have such a decoder")
    monkeypatch.setitem(hardware.WAYS, "v4l2m2m", way)
    assert hardware.refusal("v4l2m2m").startswith(reason)


@pytest.mark.parametrize(
    ("way", "reason"),
    [
        (Way("null", device="cuda"), "/dev/null cannot be used: "),
        (Way("null", device="qsv", suffix="_qsv"), "FFmpeg does not decode h264 with qsv here"),
    ],
)
def test_a_device_that_ffmpeg_knows_without_its_driver(way: Way, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As VAAPI is where it is built in and its driver is missing."""
    if way.device not in hwdevices_available():
        pytest.skip("this build of FFmpeg does not know it")
    monkeypatch.setitem(hardware.WAYS, "vaapi", way)
    refusal = hardware.refusal("vaapi")
    if not refusal:
        pytest.skip("this box has one")
    assert refusal.startswith(reason)


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [("x.ts", "libx264", GOP), ("x.mp4", "libx264", GOP), ("x.mkv", "mpeg2video", {"g": "12", "bf": "2"}),
     ("x.mp4", "libx265", {"x265-params": "log-level=none:keyint=25:bframes=2"})],
)  # fmt: skip
@pytest.mark.parametrize("spoil", [lambda number, frames: frames, nv12], ids=["planar", "NV12"])
def test_a_decoder_of_its_own_gives_the_same_pictures(
    name: str, codec: str, options: dict[str, str], spoil: Any, devices: Any, tmp_path: Path
) -> None:
    file = clips.clip(tmp_path / name, 2.0, video_codec=codec, options=options)
    opened = devices(spoil)
    seen = look(file, "v4l2m2m")
    assert_same(pictures(seen), pictures(look(file, "software")))
    assert len(opened) == 1
    assert opened[0].packets == 50
    assert of_kind(kinds(seen)[2], FactKind.PTS_JUMP) == []


def test_key_pictures_alone_are_decoded_in_software_and_hardware_comes_back(devices: Any, tmp_path: Path) -> None:
    file = clips.clip(tmp_path / "x.ts", 8.0, options=GOP)
    opened = devices(nv12)
    levels = {0.0: LADDER[0], 2.0: KEYS, 5.0: LADDER[0]}
    seen = look(file, "v4l2m2m", levels)
    assert_same(pictures(seen), pictures(look(file, "software", levels)))
    forms = [(picture.time, picture.frame.format.name) for picture in pictures(seen)]
    assert {form for time, form in forms if time < 2.0} == {"nv12"}
    assert {form for time, form in forms if 2.5 < time < 5.0} == {"yuv420p"}
    assert {form for time, form in forms if time > 6.1} == {"nv12"}
    assert len(opened) == 2


def test_pictures_that_stand_alone_change_hands_without_a_gap(devices: Any, tmp_path: Path) -> None:
    options = {"video_codec": "mjpeg", "audio_codec": "pcm_s16le", "pixel_format": "yuvj420p"}
    file = clips.clip(tmp_path / "x.mov", 4.0, **options)
    opened = devices()
    levels = {0.0: LADDER[0], 1.0: KEYS, 3.0: LADDER[0]}
    assert_same(pictures(look(file, "v4l2m2m", levels)), pictures(look(file, "software", levels)))
    assert len(opened) == 2


def fails_at(packet: int) -> Callable[[int, list[Any]], list[Any]]:
    def spoil(number: int, frames: list[Any]) -> list[Any]:
        if number >= packet:
            raise av.error.ExternalError(5, "the device is gone")
        return frames

    return spoil


def test_hardware_that_fails_gives_way_to_software_at_the_next_key_picture(
    devices: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = clips.clip(tmp_path / "x.ts", 6.0, options=GOP)
    opened = devices(fails_at(40))
    found = look(file, "v4l2m2m")
    seen, _, facts = kinds(found)
    whole = {round(picture.time, 3): picture for picture in pictures(look(file, "software"))}
    assert_same(seen, [whole[round(picture.time, 3)] for picture in seen])
    missing = sorted(set(whole) - {round(picture.time, 3) for picture in seen})
    assert missing
    assert max(missing) - min(missing) < 1.0
    assert [fact for fact in facts if fact.kind in (FactKind.DECODE_ERROR, FactKind.PTS_JUMP)] == []
    assert complaints(caplog) == ["stream clip: decode = v4l2m2m: the device is gone; decoding in software"]
    assert len(opened) == 1


def test_a_damaged_picture_is_the_streams_fault_and_not_the_hardwares(
    devices: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def spoil(number: int, frames: list[Any]) -> list[Any]:
        if number == 30:
            raise av.error.InvalidDataError(1, "damaged")
        return frames

    devices(spoil)
    _, _, facts = kinds(look(clips.clip(tmp_path / "x.ts", 2.0, options=GOP), "v4l2m2m"))
    assert len(of_kind(facts, FactKind.DECODE_ERROR)) == 1
    assert complaints(caplog) == []


def test_hardware_that_gives_nothing_is_given_up(
    devices: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(picture_decoder, "MUTE", 30)
    devices(lambda number, frames: [])
    seen = pictures(look(clips.clip(tmp_path / "x.ts", 4.0, options=GOP), "v4l2m2m"))
    assert seen[0].time == pytest.approx(2.0, abs=0.1)
    assert len(seen) == pytest.approx(50, abs=3)
    assert "it takes pictures and gives none" in complaints(caplog)[0]


def test_a_form_that_the_device_lacks_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """FFmpeg decodes by itself then; the context's own pixel format tells it apart."""

    class Context:
        name = "h264"
        pix_fmt = "vaapi"

    chosen = Hardware("hall", "vaapi")
    chosen.prove(Context)
    assert chosen.wanted
    Context.pix_fmt = "yuv422p10le"
    chosen.prove(Context)
    chosen.prove(Context)
    assert not chosen.wanted
    assert len(complaints(caplog)) == 1


def test_what_is_restarted_asks_for_hardware_no_more_where_it_was_refused(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(way: Way, track: Any) -> None:
        raise HardwareError("busy")

    monkeypatch.setattr(hardware, "_for_track", refuse)
    chosen = Hardware("hall", "v4l2m2m")
    assert [chosen.open(None), chosen.open(None)] == [None, None]
    assert complaints(caplog) == ["stream hall: decode = v4l2m2m: busy; decoding in software"]


def test_a_sealed_worker_may_open_what_its_stream_decodes_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = tmp_path / "renderD128"
    node.touch()
    monkeypatch.setattr(Way, "present", lambda self: [node])
    needed = {
        decode: limits.needs(StreamSection(name="a", url="udp://@:5000", decode=decode), Config()).devices
        for decode in ("software", "vaapi", "v4l2m2m")
    }
    assert needed["software"] == (Path("/dev/null"),)
    assert needed["vaapi"] == needed["v4l2m2m"] == (Path("/dev/null"), node)
