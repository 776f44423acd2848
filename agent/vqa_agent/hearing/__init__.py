"""Measures of sound for the detectors that listen: pure NumPy, one second at a time."""

from vqa_agent.hearing.listening import AFTER, BEFORE, MEASURES, ROWS, Heard, Listener, hum_level, measures
from vqa_agent.hearing.segments import Segments
from vqa_agent.hearing.spectrum import FRAMES

__all__ = ["AFTER", "BEFORE", "FRAMES", "MEASURES", "ROWS", "Heard", "Listener", "Segments", "hum_level", "measures"]
