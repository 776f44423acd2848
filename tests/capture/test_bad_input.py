"""Thirty kinds of bad or odd input. Each is read as far as it goes, or refused with one line that says what to do."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.capture import clips
from tests.capture.clips import kinds
from vqa_agent.capture import Source, open_source
from vqa_agent.errors import InputError
from vqa_agent.media import Picture, Sound
from vqa_agent.simulate import sounds
from vqa_agent.simulate.encode import encode


def empty(folder: Path) -> Path:
    (folder / "x.mp4").touch()
    return folder / "x.mp4"


def text(folder: Path) -> Path:
    (folder / "x.ts").write_text("this is not a stream\n" * 200)
    return folder / "x.ts"


def garbage(folder: Path) -> Path:
    (folder / "x.mkv").write_bytes(random.Random(1).randbytes(200_000))
    return folder / "x.mkv"


def zeros(folder: Path) -> Path:
    (folder / "x.mp4").write_bytes(bytes(100_000))
    return folder / "x.mp4"


def headless_mp4(folder: Path) -> Path:
    whole = clips.clip(folder / "whole.mp4").read_bytes()
    (folder / "x.mp4").write_bytes(whole[: len(whole) // 2])
    return folder / "x.mp4"


def header_only(folder: Path) -> Path:
    whole = clips.clip(folder / "whole.mkv").read_bytes()
    (folder / "x.mkv").write_bytes(whole[:300])
    return folder / "x.mkv"


def forbidden(folder: Path) -> Path:
    file = clips.clip(folder / "x.mp4")
    file.chmod(0)
    return file


def broken_playlist(folder: Path) -> Path:
    (folder / "x.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nmissing.ts\n#EXT-X-ENDLIST\n")
    return folder / "x.m3u8"


def playlist_to_elsewhere(folder: Path) -> Path:
    (folder / "x.m3u8").write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n"
    )
    return folder / "x.m3u8"


def subtitles_only(folder: Path) -> Path:
    (folder / "x.srt").write_text("1\n00:00:00,000 --> 00:00:02,000\nhello\n")
    return folder / "x.srt"


def scrambled(folder: Path) -> Path:
    """The scrambling bits set and the payload replaced, as without the key."""
    data = bytearray(clips.transport_stream(folder / "clear.ts").read_bytes())
    noise = random.Random(2)
    for start in range(0, len(data), 188):
        if int.from_bytes(data[start + 1 : start + 3], "big") & 0x1FFF >= 0x100:
            data[start + 3] |= 0xC0
            data[start + 60 : start + 188] = noise.randbytes(128)
    (folder / "x.ts").write_bytes(data)
    return folder / "x.ts"


REFUSED: dict[str, Callable[[Path], Path | str]] = {
    "empty file": empty,
    "text": text,
    "garbage": garbage,
    "zeros": zeros,
    "mp4 without its index": headless_mp4,
    "header only": header_only,
    "directory": lambda folder: folder,
    "missing file": lambda folder: folder / "nothing.mp4",
    "broken playlist": broken_playlist,
    "playlist that reaches elsewhere": playlist_to_elsewhere,
    "subtitles only": subtitles_only,
    "scheme that is not allowed": lambda _: "gopher://127.0.0.1/x",
    "concat protocol": lambda folder: f"concat:{folder}/a.ts|{folder}/b.ts",
    "data url": lambda _: "data://text/plain,hello",
    "nobody listens": lambda _: "http://127.0.0.1:9/x.ts",
    "no such host": lambda _: "http://no-such-host.invalid/x.m3u8",
}


@pytest.mark.parametrize("name", REFUSED)
def test_is_refused_with_one_line(name: str, tmp_path: Path) -> None:
    url = str(REFUSED[name](tmp_path))
    with pytest.raises(InputError) as refusal, open_source(Source(name="x", url=url, live=False)) as capture:
        list(capture.samples())
    message = str(refusal.value)
    assert "\n" not in message
    assert message.startswith(("opening ", "reading "))
    assert len(message) > len(url) + 20, "it must say why and what to do"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_refused_with_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no permission"):
        open_source(Source(name="x", url=str(forbidden(tmp_path)), live=False))


def wrong_ending(folder: Path) -> Path:
    return clips.clip(folder / "x.mp4").rename(folder / "x.wav")


def truncated(folder: Path) -> Path:
    whole = clips.transport_stream(folder / "whole.ts").read_bytes()
    (folder / "x.ts").write_bytes(whole[: len(whole) // 2 + 77])
    return folder / "x.ts"


def begins_in_the_middle(folder: Path) -> Path:
    whole = clips.transport_stream(folder / "whole.ts").read_bytes()
    (folder / "x.ts").write_bytes(whole[len(whole) // 3 + 50 :])
    return folder / "x.ts"


def flipped_bits(folder: Path) -> Path:
    data = bytearray(clips.transport_stream(folder / "whole.ts").read_bytes())
    chance = random.Random(3)
    for _ in range(len(data) // 2000):
        data[chance.randrange(2000, len(data))] ^= 1 << chance.randrange(8)
    (folder / "x.ts").write_bytes(data)
    return folder / "x.ts"


def audio_only(folder: Path, rate: int = 48000, channels: int = 2, codec: str = "pcm_s16le") -> Path:
    return encode(
        folder / "x.wav", None, sounds.tone(1.0, channels=channels, rate=rate), audio_codec=codec, sample_rate=rate
    )


def rotated(folder: Path) -> Path:
    plain = clips.clip(folder / "plain.mp4").read_bytes()
    identity = bytes.fromhex("00010000 00000000 00000000 00000000 00010000 00000000 00000000 00000000 40000000")
    turned = bytes.fromhex("00000000 00010000 00000000 FFFF0000 00000000 00000000 00000000 00000000 40000000")
    place = plain.index(b"tkhd")
    (folder / "x.mp4").write_bytes(plain[:place] + plain[place:].replace(identity, turned, 1))
    return folder / "x.mp4"


def lossless(folder: Path, size: tuple[int, int], pixel_format: str) -> Path:
    return clips.clip(
        folder / "x.mkv", 0.4, sound=False, size=size, video_codec="ffv1", pixel_format=pixel_format, options={}
    )


READ: dict[str, tuple[Callable[[Path], Path], bool, bool]] = {
    "wrong ending": (wrong_ending, True, True),
    "truncated": (truncated, True, True),
    "begins in the middle": (begins_in_the_middle, True, True),
    "flipped bits": (flipped_bits, True, True),
    "sound only": (audio_only, False, True),
    "pictures only": (lambda folder: clips.clip(folder / "x.mp4", sound=False), True, False),
    "one picture": (lambda folder: clips.clip(folder / "x.mkv", 0.04, sound=False), True, False),
    "2x2": (
        lambda folder: clips.clip(folder / "x.mkv", 0.4, sound=False, size=(2, 2), video_codec="ffv1"),
        True,
        False,
    ),
    "1x1": (lambda folder: lossless(folder, (1, 1), "yuv444p"), True, False),
    "odd size": (lambda folder: lossless(folder, (97, 55), "yuv444p"), True, False),
    "one picture a second": (lambda folder: clips.clip(folder / "x.mp4", 4.0, rate=1, sound=False), True, False),
    "120 pictures a second": (lambda folder: clips.clip(folder / "x.mp4", 0.5, rate=120, sound=False), True, False),
    "8 kHz mono": (lambda folder: audio_only(folder, 8000, 1), False, True),
    "7.1": (lambda folder: audio_only(folder, 48000, 8), False, True),
    "192 kHz": (lambda folder: audio_only(folder, 192000), False, True),
    "8-bit sound": (lambda folder: audio_only(folder, 22050, 1, "pcm_u8"), False, True),
    "mu-law": (lambda folder: audio_only(folder, 8000, 1, "pcm_mulaw"), False, True),
    "rotated": (rotated, True, True),
    "rgb": (lambda folder: lossless(folder, clips.SIZE, "bgr0"), True, False),
    "animated gif": (
        lambda folder: clips.clip(folder / "x.gif", 0.4, sound=False, video_codec="gif", pixel_format="rgb8"),
        True,
        False,
    ),
    "scrambled": (scrambled, False, False),
}


@pytest.mark.parametrize("name", READ)
def test_is_read_as_far_as_it_goes(name: str, tmp_path: Path) -> None:
    make, has_pictures, has_sound = READ[name]
    pictures, sound = read(make(tmp_path))
    assert bool(pictures) >= has_pictures
    assert bool(sound) >= has_sound
    for picture in pictures:
        assert picture.small.size
        assert picture.histogram.sum() == pytest.approx(1.0)
    times = [picture.time for picture in pictures]
    assert times == sorted(times)


def read(file: Path) -> tuple[list[Picture], list[Sound]]:
    """What can be read; nothing where the input is refused."""
    try:
        with open_source(Source(name="x", url=str(file), live=False)) as capture:
            pictures, sound, _ = kinds(list(capture.samples()))
            return pictures, sound
    except InputError:
        return [], []
