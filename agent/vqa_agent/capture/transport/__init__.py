"""MPEG transport streams seen from their packets: the indicators of ETSI TR 101 290, without decoding anything.

framing -> packets -> tables, continuity, timing -> analyser; the monitor turns what it saw into facts.
"""

from vqa_agent.capture.transport.analyser import Analyser, Indicator, Observation
from vqa_agent.capture.transport.monitor import Hole, Monitor

__all__ = ["Analyser", "Hole", "Indicator", "Monitor", "Observation"]
