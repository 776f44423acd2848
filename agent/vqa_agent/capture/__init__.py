"""Inputs: opens what a stream names, and turns it into pictures, sound and facts on one media clock."""

from vqa_agent.capture.capture import Capture, open_source
from vqa_agent.capture.decode import Statistics
from vqa_agent.capture.source import Source

__all__ = ["Capture", "Source", "Statistics", "open_source"]
