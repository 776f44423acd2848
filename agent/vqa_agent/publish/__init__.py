"""Events to the world: the outbox on disk, MQTT, standard output."""

from vqa_agent.publish.delivery import Health, StateMessage
from vqa_agent.publish.mqtt import Publisher
from vqa_agent.publish.outbox import Outbox
from vqa_agent.publish.session import Will
from vqa_agent.publish.topics import Topics

__all__ = ["Health", "Outbox", "Publisher", "StateMessage", "Topics", "Will"]
