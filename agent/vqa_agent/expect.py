"""What a stream is expected to carry, as its owner says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vqa_agent.errors import UsageError, not_known


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


def read_expect(pairs: Iterable[str]) -> Expect:
    """What `NAME=VALUE` pairs, as of a command line, say. Raises UsageError for one that says nothing.

    >>> read_expect(["captions=true", "rate=25"])
    Expect(audio=None, video=None, captions=True, width=None, height=None, rate=25.0, scan=None, video_codec=None, \
audio_codec=None, sample_rate=None, layout=None)
    """
    values = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        if name not in Expect.model_fields:
            raise UsageError(f"reading --expect {pair}: there is no {name!r}; {not_known(name, Expect.model_fields)}")
        values[name] = value
    try:
        return Expect.model_validate(values)
    except ValidationError as error:
        fault = error.errors()[0]
        name = str(fault["loc"][0])
        raise UsageError(f"reading --expect {name}={values[name]}: {fault['msg']}; correct it") from None
