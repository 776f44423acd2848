"""Active learning: pictures and sounds about which a network was not sure, kept for a person to label."""

from vqa_agent.learning.keeper import Keeper
from vqa_agent.learning.store import KeptSample, SampleStore

__all__ = ["Keeper", "KeptSample", "SampleStore"]
