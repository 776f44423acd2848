"""What can go wrong in a way that a person can act on.

    AgentError
      + ConfigError      the configuration is refused (exit 78, EX_CONFIG)
      + InputError       an input cannot be read (exit 2 in `analyze`)
      + DeliveryError    the broker or the outbox refuses
      + ModelError       a network cannot be loaded or run
      + UsageError       the command line asks for something that is not there

Every message is one line that says what was being done, on what, why it failed, and what to do.
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches

EXIT_CONFIG = 78

_CREDENTIALS = re.compile(r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*://)[^/@\s]+@")
_QUERY_SECRET = re.compile(r"(?i)([?&](?:passphrase|password|passwd|token|key|secret|auth|sig)=)[^&\s]+")


class AgentError(Exception):
    """Root of every error that is shown as one line instead of a traceback."""

    exit_code = 1


class ConfigError(AgentError):
    """The configuration is refused."""

    exit_code = EXIT_CONFIG


class InputError(AgentError):
    """An input cannot be opened, read or decoded."""

    exit_code = 2


class DeliveryError(AgentError):
    """Events cannot be stored or sent."""


class ModelError(AgentError):
    """A network cannot be loaded: unknown, missing, damaged, or without its runtime."""


class UsageError(AgentError):
    """The command line names something that does not exist."""

    exit_code = 2


def hide_secrets(text: str) -> str:
    """Mask credentials in URLs, so that text may be logged or published.

    >>> hide_secrets("rtsp://user:hunter2@cam/1?token=abc&x=1")
    'rtsp://***@cam/1?token=***&x=1'
    """
    return _QUERY_SECRET.sub(r"\1***", _CREDENTIALS.sub(r"\g<scheme>***@", text))


def one_line(text: object) -> str:
    """`text` on one line, without credentials, for messages that come from libraries."""
    return hide_secrets(" ".join(str(text).split()))


def not_known(name: str, known: Iterable[str]) -> str:
    """What to do about a name that is not one of `known`.

    >>> not_known("blakc", ["black", "freeze"])
    'did you mean black? Known are black, freeze'
    """
    names = list(known)
    guess = "".join(f"did you mean {each}? " for each in get_close_matches(name, names, n=1))
    listing = f"known are {', '.join(names)}"
    return guess + (listing.capitalize() if guess else listing)
