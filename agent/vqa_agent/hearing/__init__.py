"""Measures of sound for the detectors that listen: pure NumPy, one second at a time."""

from vqa_agent.hearing.listening import AFTER, BEFORE, MEASURES, ROWS, Heard, Listener, measures

__all__ = ["AFTER", "BEFORE", "MEASURES", "ROWS", "Heard", "Listener", "measures"]
