"""The reference collector: events of many agents into a database, each once, with proof of what is missing."""

from vqa_agent.collect.collector import Collector, Progress
from vqa_agent.collect.store import Store

__all__ = ["Collector", "Progress", "Store"]
