"""Edge agent that watches live pictures and sound and publishes defect events over MQTT."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("vqa-agent")
except PackageNotFoundError:
    __version__ = "0+unknown"
