"""Detectors: pictures, sound and transport facts in, findings out. One file per detector."""

from vqa_agent.detect.interface import (
    Detector,
    Finding,
    Profile,
    Region,
    Rule,
    Settings,
    Severity,
    detectors,
    register,
)

__all__ = [
    "Detector",
    "Finding",
    "Profile",
    "Region",
    "Rule",
    "Settings",
    "Severity",
    "detectors",
    "register",
]
