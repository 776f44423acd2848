"""Findings to events: the only place that decides what is an alarm."""

from vqa_agent.judge.judge import Decision, Judge

__all__ = ["Decision", "Judge"]
