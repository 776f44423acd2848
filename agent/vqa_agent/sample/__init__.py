"""What is looked at, how often and how closely: the ladder of levels and the sampler that obeys it."""

from vqa_agent.sample.governor import Governor
from vqa_agent.sample.ladder import LADDER, Level
from vqa_agent.sample.sampler import Sampler

__all__ = ["LADDER", "Governor", "Level", "Sampler"]
