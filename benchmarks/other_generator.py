"""A second generator of defects, for testing only: made apart from `vqa_agent.simulate`, as a stranger would make them.

Its misses have been used to find and mend faults of the detectors, so its recall is no estimate for unseen generators.
Each variant takes clean pictures, or sound, and gives them back
with the defect between two seconds.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import av
import cv2
import numpy as np

from benchmarks.patterns import arib_bars, ebu_bars, pm5544, smpte_bars
from vqa_agent.media import Samples
from vqa_agent.simulate.scenes import RATE, Image
from vqa_agent.simulate.sounds import SAMPLE_RATE

Pictures: TypeAlias = Iterable[Image]
VideoChange: TypeAlias = Callable[[Pictures, float, float], Iterator[Any]]
AudioChange: TypeAlias = Callable[[Samples, float, float], Samples]


@dataclass(frozen=True)
class Variant:
    """One way in which a defect comes about."""

    defect: str
    name: str
    video: VideoChange | None = None
    audio: AudioChange | None = None
    hold: float = 5.0
    faithful: bool = False
    """Written (nearly) without loss: an encoder would hide the defect."""


def each(change: Callable[[Image], Image]) -> VideoChange:
    """Change every picture of the interval by itself."""

    def run(pictures: Pictures, start: float, end: float) -> Iterator[Image]:
        for number, image in enumerate(pictures):
            yield change(image) if start <= number / RATE < end else image

    return run


def indexed(change: Callable[[list[Image], int], Image]) -> VideoChange:
    """Change every picture of the interval, given all pictures and its number."""

    def run(pictures: Pictures, start: float, end: float) -> Iterator[Image]:
        images = list(pictures)
        for number in range(len(images)):
            yield change(images, number) if start <= number / RATE < end else images[number]

    return run


def chosen(choose: Callable[[int, np.random.Generator], int]) -> VideoChange:
    """Show other pictures in the interval: `choose` gives the number of the one to show."""

    def run(pictures: Pictures, start: float, end: float) -> Iterator[Image]:
        images, rng = list(pictures), np.random.default_rng(101)
        first, shown = round(start * RATE), round(start * RATE)
        for number in range(len(images)):
            inside = start <= number / RATE < end
            shown = min(len(images) - 1, choose(number - first, rng) + first) if inside else number
            yield images[shown]

    return run


def clipped(image: Any) -> Image:
    return np.asarray(np.clip(image, 0, 255), np.uint8)


def frozen(noise: float) -> VideoChange:
    def run(pictures: Pictures, start: float, end: float) -> Iterator[Image]:
        rng, images = np.random.default_rng(77), list(pictures)
        held = images[round(start * RATE)]
        for number, image in enumerate(images):
            inside = start <= number / RATE < end
            yield clipped(held + rng.uniform(-noise, noise, (*held.shape[:2], 1))) if inside else image

    return run


def randomly_repeated(share: float) -> VideoChange:
    """A picture is shown again instead of the next one with probability `share`: pictures are lost."""
    state = {"last": 0}

    def choose(number: int, rng: np.random.Generator) -> int:
        state["last"] = state["last"] if number and rng.random() < share else number
        return state["last"]

    return chosen(choose)


def bursts_held(length: int, period: int) -> VideoChange:
    """Every `period` pictures or so, one stands for `length` pictures, then the movement jumps on."""

    def choose(number: int, rng: np.random.Generator) -> int:
        within = number % period
        return number - within if within < length else number

    return chosen(choose)


def torn(lines: int, speed: float, share: float) -> VideoChange:
    """Stripes of this picture and the one before, their borders moving down the screen by `speed` of it a picture."""
    rng = np.random.default_rng(55)

    def change(images: list[Image], number: int) -> Image:
        if rng.random() >= share:
            return images[number]
        height = images[number].shape[0]
        cuts = sorted(((part / lines + 0.31 + speed * number) % 1.0) * height for part in range(lines))
        out, old = images[number].copy(), images[number - 1]
        edges = [round(cut) for cut in cuts] + [height]
        for top, bottom in list(itertools.pairwise(edges))[::2]:
            out[top:bottom] = old[top:bottom]
        return out

    return indexed(change)


def woven(images: list[Image], number: int) -> Image:
    """Two fields: the even rows of this picture, the odd rows of the next."""
    out = images[number].copy()
    out[1::2] = images[min(number + 1, len(images) - 1)][1::2]
    return out


def woven_scaled(images: list[Image], number: int) -> Image:
    """The same where only every second picture is made of two moments (telecine shown as it is)."""
    return woven(images, number) if number % 5 in (2, 3) else images[number]


def starved(codec: str, options: dict[str, str]) -> VideoChange:
    """The interval through an encoder that has far too few bits, and back."""

    def run(pictures: Pictures, start: float, end: float) -> Iterator[Image]:
        images = list(pictures)
        first, last = round(start * RATE), round(end * RATE)
        yield from images[:first]
        yield from recoded(images[first:last], codec, options)
        yield from images[last:]

    return run


def recoded(images: list[Image], codec: str, options: dict[str, str]) -> Iterator[Image]:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as container:
        stream: Any = container.add_stream(codec, rate=RATE, options=options)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt, stream.codec_context.thread_count = "yuv420p", 1
        for number, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    buffer.seek(0)
    with av.open(buffer, "r") as coded:
        for frame in coded.decode(video=0):
            yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


def jpeg(image: Image) -> Image:
    written = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 5])[1]
    return np.asarray(cv2.imdecode(written, cv2.IMREAD_COLOR), np.uint8)


def grey(image: Image) -> Image:
    return np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2).astype(np.uint8)


def defocused(radius: int) -> Callable[[Image], Image]:
    """A lens out of focus: every point becomes a disc."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2).astype(np.float32)
    return lambda image: np.asarray(cv2.filter2D(image, -1, disc / disc.sum()), np.uint8)


def scaled_up(factor: int) -> Callable[[Image], Image]:
    """Sent at a fraction of the size and scaled up again."""

    def change(image: Image) -> Image:
        height, width = image.shape[:2]
        small = cv2.resize(image, (width // factor, height // factor), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)

    return change


def noisy(kind: str, amount: float) -> VideoChange:
    rng = np.random.default_rng(31)

    def change(image: Image) -> Image:
        if kind == "salt":
            out, dice = image.copy(), rng.random(image.shape[:2])
            out[dice < amount / 2], out[dice > 1 - amount / 2] = 0, 255
            return out
        if kind == "uniform":
            return clipped(image + rng.uniform(-amount, amount, image.shape[:2])[..., None])
        return clipped(image + rng.normal(0, amount, image.shape))

    return each(change)


def posterised(bits: int) -> Callable[[Image], Image]:
    step = 2 ** (8 - bits)
    return lambda image: np.asarray(image // step * step, np.uint8)


def flashing(hertz: float, on: tuple[int, int, int], off: tuple[int, int, int] | None) -> VideoChange:
    """Pictures replaced by `on` and `off` (None: the picture itself) in turn."""

    def run(pictures: Pictures, start: float, end: float) -> Iterator[Image]:
        for number, image in enumerate(pictures):
            lit = (number / RATE * hertz) % 1.0 < 0.5
            tone = on if lit else off
            yield np.full_like(image, tone) if start <= number / RATE < end and tone is not None else image

    return run


def pattern(draw: Callable[[int, int], Image]) -> VideoChange:
    return each(lambda image: draw(image.shape[1], image.shape[0]))


def hue(degrees: int) -> Callable[[Image], Image]:
    def change(image: Image) -> Image:
        parts = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
        parts[..., 0] = (parts[..., 0].astype(int) + degrees // 2) % 180
        return np.asarray(cv2.cvtColor(parts, cv2.COLOR_HSV2RGB), np.uint8)

    return change


def lut(curve: Callable[[Any], Any]) -> Callable[[Image], Image]:
    table = clipped(curve(np.arange(256.0)))
    return lambda image: table[image]


def ungraded(scale: float, offset: float) -> VideoChange:
    """Luma of the full range in a file that says limited range, of programme that has deep blacks and whites."""

    def run(pictures: Pictures, start: float, end: float) -> Iterator[Any]:
        ends: list[float] = []
        for number, image in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
            planes = frame.to_ndarray()
            luma = planes[: image.shape[0]].astype(np.float32)
            ends = ends or [float(level) for level in np.percentile(luma, (3, 97))]
            luma = np.clip((luma - ends[0]) / max(1.0, ends[1] - ends[0]), 0, 1) * 219 + 16
            if start <= number / RATE < end:
                luma = np.clip((luma - 16) * scale + offset, 0, 255)
            planes[: image.shape[0]] = luma
            yield av.VideoFrame.from_ndarray(planes, format="yuv420p")

    return run


def boxed(rows: float, columns: float) -> Callable[[Image], Image]:
    def change(image: Image) -> Image:
        out, (height, width) = image.copy(), image.shape[:2]
        top, left = round(rows * height), round(columns * width)
        out[:top] = out[height - top :] = 0
        out[:, :left] = out[:, width - left :] = 0
        return out

    return change


def part(change: Callable[[Samples], Samples]) -> AudioChange:
    """Change the samples of the interval."""

    def run(sound: Samples, start: float, end: float) -> Samples:
        out = sound.copy()
        first, last = round(start * SAMPLE_RATE), round(end * SAMPLE_RATE)
        out[:, first:last] = change(out[:, first:last])
        return out

    return run


def hiss(dbfs: float) -> Callable[[Samples], Samples]:
    """Nothing but noise at `dbfs`."""
    return lambda sound: np.asarray(np.random.default_rng(9).normal(0, 10 ** (dbfs / 20), sound.shape), np.float32)


def one_channel(change: Callable[[Samples], Samples], channel: int) -> Callable[[Samples], Samples]:
    def run(sound: Samples) -> Samples:
        sound[channel] = change(sound[channel : channel + 1])[0]
        return sound

    return run


def hard_clipped(level: float, after: float) -> Callable[[Samples], Samples]:
    """Amplified until the loudest tenth of a percent is 4 times `level`, cut there, then multiplied by `after`."""

    def run(sound: Samples) -> Samples:
        top = float(np.quantile(np.abs(sound), 0.999)) or 1.0
        return np.asarray(np.clip(sound * (4 * level / top), -level, level) * after, np.float32)

    return run


def gaps(seconds: float, count: int, ramp: float = 0.0) -> Callable[[Samples], Samples]:
    """`count` holes of `seconds`, with ramps of `ramp` seconds at both edges."""

    def run(sound: Samples) -> Samples:
        length, edge = round(seconds * SAMPLE_RATE), round(ramp * SAMPLE_RATE)
        gain = np.zeros(length)
        if edge:
            gain[:edge], gain[-edge:] = np.linspace(1, 0, edge), np.linspace(0, 1, edge)
        rng = np.random.default_rng(21)
        slot = sound.shape[1] // count
        for number in range(count):
            at = number * slot + int(rng.uniform(0.1, 0.9) * max(1, slot - length))
            sound[:, at : at + length] *= gain[: sound.shape[1] - at]
        return sound

    return run


COARSEST = {"b": "80000", "qmin": "31", "qmax": "31"}
RATE_250 = {"b": "250000", "maxrate": "250000", "bufsize": "200000"}
UNFILTERED = {"crf": "44", "preset": "fast", "x264-params": "no-deblock=1"}
BLACK, WHITE, RED, BLUE = (0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 0, 180)

VARIANTS: tuple[Variant, ...] = (
    Variant("black", "zero", each(lambda image: image * 0)),
    Variant("black", "grey 8 with noise", each(lambda image: clipped(np.random.normal(8, 2, image.shape)))),
    Variant("solid_color", "blue", each(lambda image: np.full_like(image, BLUE))),
    Variant("solid_color", "white", each(lambda image: np.full_like(image, 250))),
    Variant("freeze", "exact", frozen(0.0)),
    Variant("freeze", "noise of 2", frozen(2.0)),
    Variant("stutter", "15 % repeated", randomly_repeated(0.15)),
    Variant("stutter", "30 % repeated", randomly_repeated(0.3)),
    Variant("stutter", "4 of 20 held", bursts_held(4, 20)),
    Variant("tearing", "one line that moves, each", torn(1, 0.037, 1.0)),
    Variant("tearing", "one line that moves, half", torn(1, 0.037, 0.5)),
    Variant("tearing", "two lines", torn(2, 0.023, 0.6)),
    Variant("tearing", "one fixed line, half", torn(1, 0.0, 0.5)),
    Variant("combing", "fields", indexed(woven)),
    Variant("combing", "telecine", indexed(woven_scaled)),
    Variant("blockiness", "MPEG-2, coarsest", starved("mpeg2video", COARSEST), faithful=True),
    Variant("blockiness", "MPEG-2, 250 kb/s", starved("mpeg2video", RATE_250), faithful=True),
    Variant("blockiness", "MPEG-4, coarsest", starved("mpeg4", COARSEST), faithful=True),
    Variant("blockiness", "H.264 unfiltered", starved("libx264", UNFILTERED), faithful=True),
    Variant("blockiness", "JPEG quality 5", each(jpeg), faithful=True),
    Variant("blur", "Gauss 3", each(lambda image: np.asarray(cv2.GaussianBlur(image, (0, 0), 3), np.uint8))),
    Variant("blur", "box 9", each(lambda image: np.asarray(cv2.blur(image, (9, 9)), np.uint8))),
    Variant("blur", "disc 5", each(defocused(5))),
    Variant("blur", "a quarter of the size", each(scaled_up(4))),
    Variant("noise", "Gauss 15", noisy("gauss", 15)),
    Variant("noise", "uniform 25", noisy("uniform", 25)),
    Variant("noise", "salt and pepper 3 %", noisy("salt", 0.03)),
    Variant("banding", "3 bits", each(posterised(3))),
    Variant("banding", "4 bits", each(posterised(4))),
    Variant("banding", "5 bits", each(posterised(5))),
    Variant("flash", "4 Hz, black and white", flashing(4, WHITE, BLACK)),
    Variant("flash", "6 Hz, white and picture", flashing(6, WHITE, None)),
    Variant("flash", "10 Hz, black and picture", flashing(10, BLACK, None)),
    Variant("flash", "12.5 Hz, black and white", flashing(12.5, WHITE, BLACK)),
    Variant("flash", "5 Hz, red", flashing(5, RED, BLACK)),
    Variant("test_pattern", "SMPTE 75 %", pattern(lambda w, h: smpte_bars(w, h, 0.75))),
    Variant("test_pattern", "SMPTE 100 %", pattern(lambda w, h: smpte_bars(w, h, 1.0))),
    Variant("test_pattern", "EBU 75 %", pattern(lambda w, h: ebu_bars(w, h, 0.75))),
    Variant("test_pattern", "EBU 100 %", pattern(lambda w, h: ebu_bars(w, h, 1.0))),
    Variant("test_pattern", "ARIB HD", pattern(arib_bars)),
    Variant("test_pattern", "PM5544", pattern(pm5544)),
    Variant("chroma_loss", "grey", each(grey)),
    Variant("color_shift", "hue by 60 degrees", each(hue(60))),
    Variant("color_shift", "red and blue swapped", each(lambda image: np.ascontiguousarray(image[..., ::-1]))),
    Variant("color_shift", "gains", each(lambda image: clipped(image * (1.3, 1.0, 0.6)))),
    Variant("exposure", "gain 2", each(lut(lambda code: code * 2))),
    Variant("exposure", "80 darker", each(lut(lambda code: code - 80))),
    Variant("exposure", "contrast 2.5", each(lut(lambda code: (code - 128) * 2.5 + 128))),
    Variant("range", "full in limited", ungraded(255 / 219, 0)),
    Variant("letterbox", "12 %", each(boxed(0.12, 0))),
    Variant("letterbox", "pillars of 12.5 %", each(boxed(0, 0.125))),
    Variant("silence", "zero", audio=part(lambda sound: sound * 0)),
    Variant("silence", "noise at -70 dBFS", audio=part(hiss(-70))),
    Variant("channel_missing", "left zero", audio=part(one_channel(lambda sound: sound * 0, 0))),
    Variant("channel_missing", "right noise at -70 dBFS", audio=part(one_channel(hiss(-70), 1))),
    Variant("phase_inversion", "left", audio=part(one_channel(lambda sound: -sound, 0))),
    Variant("clipping", "at full scale", audio=part(hard_clipped(1.0, 1.0)), faithful=True),
    Variant("clipping", "at half", audio=part(hard_clipped(0.5, 1.0)), faithful=True),
    Variant("clipping", "at full scale, then -20 dB", audio=part(hard_clipped(1.0, 0.1)), faithful=True),
    Variant("clipping", "at full scale, lossy", audio=part(hard_clipped(1.0, 1.0))),
    Variant("dropout", "10 of 5 ms", audio=part(gaps(0.006, 10))),
    Variant("dropout", "6 of 50 ms", audio=part(gaps(0.05, 6))),
    Variant("dropout", "6 of 100 ms, ramps of 2 ms", audio=part(gaps(0.1, 6, 0.002))),
    Variant("dropout", "4 of 400 ms", audio=part(gaps(0.4, 4))),
)
