"""What a stream is expected to carry, as its owner says."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Expect(BaseModel):
    """What the stream is expected to carry. A key that is absent expects nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    audio: bool | None = None
    video: bool | None = None
    captions: bool | None = None
    width: int | None = Field(None, gt=0)
    height: int | None = Field(None, gt=0)
    rate: float | None = Field(None, gt=0)
    scan: Literal["progressive", "interlaced"] | None = None
    video_codec: str | None = None
    audio_codec: str | None = None
    sample_rate: int | None = Field(None, gt=0)
    layout: str | None = None
