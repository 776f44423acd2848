"""What sound goes through on its way to a viewer, the same for clean and for damaged clips."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from vqa_agent.capture.sound import to_float
from vqa_agent.media import Samples

Rng = np.random.Generator

RATES = {48000: 0.45, 44100: 0.35, 32000: 0.07, 24000: 0.04, 22050: 0.03, 16000: 0.04, 8000: 0.02}
"""Sample rates that clips are brought to, and how often."""


@dataclass(frozen=True, slots=True)
class Codec:
    encoder: str
    decoder: str
    rates: tuple[int, ...]
    format: str
    bits: tuple[int, int]
    """Bits a second for one channel that a broadcaster would use, from ... to."""


CODECS = (
    Codec("aac", "aac", (48000, 44100, 32000, 24000), "fltp", (56_000, 128_000)),
    Codec("mp2", "mp2", (48000, 44100, 32000), "s16", (96_000, 192_000)),
    Codec("ac3", "ac3", (48000, 44100, 32000), "fltp", (80_000, 192_000)),
    Codec("libopus", "opus", (48000,), "flt", (48_000, 128_000)),
    Codec("libmp3lame", "mp3", (48000, 44100, 32000), "fltp", (64_000, 128_000)),
)

ALLOWED = {
    "mp2": (96_000, 112_000, 128_000, 160_000, 192_000),
    "ac3": (80_000, 96_000, 112_000, 128_000, 160_000, 192_000),
    "libmp3lame": (64_000, 80_000, 96_000, 112_000, 128_000),
}
"""Rates of the codecs that know only some."""


def shaped(rng: Rng, wave: Samples, rate: int, settings: Mapping[str, Any]) -> tuple[Samples, int]:
    """`wave` (n,) filtered and brought to another sample rate, each with the chance that `settings` give."""
    spectrum = np.fft.rfft(wave)
    hertz = np.maximum(np.fft.rfftfreq(len(wave), 1 / rate), 1.0)
    if rng.random() < settings["filtered"]:
        tilt = rng.normal() * 2 * np.clip(np.log2(hertz / 1000), -4, 4)
        bell = rng.normal() * 5 * np.exp(-0.5 * (np.log2(hertz / rng.uniform(80, 8000)) / 0.7) ** 2)
        spectrum *= 10 ** ((tilt + bell) / 20)
        if rng.random() < 0.4:
            spectrum /= 1 + (rng.uniform(20, 120) / hertz) ** 4
        if rng.random() < 0.2:
            spectrum /= 1 + (hertz / rng.uniform(3500, 16000)) ** 16
    target = rate
    if rng.random() < settings["resampled"]:
        target = int(rng.choice(list(RATES), p=list(RATES.values())))
    return _at(spectrum, len(wave), rate, target), target


def resampled(wave: Samples, rate: int, target: int) -> Samples:
    """`wave` (n,) at another sample rate."""
    return _at(np.fft.rfft(wave), len(wave), rate, target)


def _at(spectrum: NDArray[np.complexfloating], length: int, rate: int, target: int) -> Samples:
    count = round(length * target / rate)
    return np.asarray(np.fft.irfft(spectrum[: count // 2 + 1], count) * count / length, dtype=np.float32)


def limited(wave: Samples, rate: int, above: float) -> Samples:
    """Loud mastering: peaks turned down to a ceiling by a gain that moves over 5 ms, so that no top is cut."""
    ceiling = float(np.abs(wave).max()) * 10 ** (-above / 20) + 1e-9
    size = max(3, rate // 200)
    peaks = maximum_filter1d(np.abs(wave), 2 * size + 1)
    gain = uniform_filter1d(np.minimum(1.0, ceiling / np.maximum(peaks, 1e-9)), 2 * size + 1)
    return (wave * gain).astype(np.float32)


def mastered(rng: Rng, wave: Samples) -> Samples:
    """The last step of a loud record: its very highest tops, one sample in a thousand at most, cut off."""
    limit = np.float32(np.quantile(np.abs(wave), 1 - 10 ** rng.uniform(-4.3, -3.0)))
    return np.clip(wave, -limit, limit)


def rounded(rng: Rng, wave: Samples, dither: bool) -> Samples:
    """`wave` in 16 bits, with or without triangular dither."""
    noise = rng.random(len(wave)) - rng.random(len(wave)) if dither else 0.0
    return (np.clip(np.round(wave * 32768.0 + noise), -32768, 32767) / 32768).astype(np.float32)


def coded(rng: Rng, wave: Samples, rate: int) -> tuple[Samples, str]:
    """`wave` through a real encoder and decoder at a broadcaster's bit rate, and its name ("" where none fits)."""
    fitting = [codec for codec in CODECS if rate in codec.rates]
    if not fitting:
        return wave, ""
    codec = fitting[int(rng.integers(len(fitting)))]
    bits = int(rng.choice(ALLOWED.get(codec.encoder, np.linspace(*codec.bits, 9))))
    return through(codec, np.clip(wave, -1, 1), rate, bits), f"{codec.encoder} {bits // 1000}k"


def through(codec: Codec, wave: Samples, rate: int, bits: int) -> Samples:
    """`wave` (n,) encoded and decoded again; what the codec delays is cut off, so that it may be shorter."""
    encoder: Any = av.CodecContext.create(codec.encoder, "w")
    encoder.sample_rate, encoder.layout, encoder.format = rate, "mono", codec.format
    encoder.bit_rate, encoder.time_base = bits, Fraction(1, rate)
    encoder.thread_count = 1
    packets = [packet for frame in _frames(encoder, wave, rate) for packet in encoder.encode(frame)]
    decoder: Any = av.CodecContext.create(codec.decoder, "r")
    decoder.sample_rate, decoder.layout = rate, "mono"
    if encoder.extradata:
        decoder.extradata = encoder.extradata
    frames = [frame for packet in packets for frame in decoder.decode(packet)]
    sound: NDArray[np.float32] = np.concatenate([to_float(frame)[0] for frame in frames])
    return sound[delay(sound, wave) :]


def delay(sound: Samples, wave: Samples) -> int:
    """Samples by which `sound` lies behind `wave`, from the peak of their correlation."""
    count = min(len(sound), len(wave), 1 << 16)
    size = 2 * count
    spectrum = np.fft.rfft(sound[:count], size) * np.conj(np.fft.rfft(wave[:count], size))
    return int(np.argmax(np.abs(np.fft.irfft(spectrum, size))[:4096]))


def _frames(encoder: Any, wave: Samples, rate: int) -> Iterator[Any]:
    encoder.open()
    size = encoder.frame_size or 1024
    padded = np.concatenate([wave, np.zeros(size + 4096 - len(wave) % size, np.float32)])
    for start in range(0, len(padded) // size * size, size):
        piece = padded[start : start + size]
        samples = np.round(piece * 32767).astype(np.int16) if encoder.format.name == "s16" else piece
        frame = av.AudioFrame.from_ndarray(samples[None], format=encoder.format.name, layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        yield frame
    yield None
