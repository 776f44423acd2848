"""One MQTT connection: how it is made, and the fall-back from MQTT 5 to 3.1.1.

The connection is driven by the thread that owns it, through `turn`: paho starts no thread, so that no callback can
race with the outbox and an exception in one cannot leave a connection that is dead but says that it is connected.
"""

from __future__ import annotations

import logging
import socket
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from vqa_agent.config import MqttSection
from vqa_agent.errors import DeliveryError

log = logging.getLogger(__name__)

KEEP_ALIVE = 30
CONNECT_TIMEOUT = 10.0
ANSWER_TIMEOUT = 4.0
"""Seconds that a broker has to answer CONNECT. Some old ones never answer one of MQTT 5."""

WINDOW = 20
"""Messages in flight at most; a broker may ask for fewer (Receive Maximum)."""

KEPT_WINDOW = 500
"""Messages that a broker may send to a session that is kept before it waits for acknowledgements."""

TAKEN_OVER = 0x8E
UNSUPPORTED_VERSION = 0x84
WILL_DELAY = 5
SESSION_EXPIRY = 60
PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes for a client that vanishes."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Received:
    """A message of a subscription; `mid` is what `Session.acknowledge` wants of a session that is kept."""

    topic: str
    payload: bytes
    mid: int = 0
    qos: int = 0


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The broker's answer to one message; codes from 0x80 on are refusals."""

    mid: int
    code: int
    reason: str


@dataclass
class Inbox:
    """What callbacks have put down since the last turn. Callbacks do nothing else."""

    connected: ReasonCode | None = None
    receive_maximum: int = WINDOW
    most_bytes: int = 2**28
    """Largest packet that the broker takes."""
    disconnected: str = ""
    acknowledged: list[Acknowledgement] = field(default_factory=list)
    messages: list[Received] = field(default_factory=list)
    refused_topics: list[str] = field(default_factory=list)
    """Why the broker refused subscriptions."""


class RefusedError(DeliveryError):
    """The broker was reached and refused."""


class VersionRefusedError(RefusedError):
    """The broker does not speak this version of MQTT."""


class Session:
    """A connection to the broker in one version of MQTT. Raises DeliveryError where it cannot be made.

    With `keep`, the broker keeps the subscriptions and what arrives for them for so many seconds after a loss, and
    forgets a message only once it was given to `acknowledge`: that of a subscriber that stores what it gets.
    """

    def __init__(
        self,
        settings: MqttSection,
        client_id: str,
        version: MQTTProtocolVersion,
        will: Will | None = None,
        keep: int = 0,
    ) -> None:
        self.version = version
        self.inbox = Inbox()
        self._settings = settings
        self._keep = keep
        self._client = _client(client_id, version)
        self._client.manual_ack_set(bool(keep))
        _hook(self._client, self.inbox)
        address = urlsplit(settings.url)
        self._host, self._port = address.hostname or "", address.port or PORTS[address.scheme]
        self._authenticate(secure=address.scheme == "mqtts")
        if will is not None:
            self._client.will_set(
                will.topic, will.payload, 1, True, properties=self._properties(PacketTypes.WILLMESSAGE)
            )

    @property
    def window(self) -> int:
        return max(1, min(WINDOW, self.inbox.receive_maximum))

    @property
    def is_mqtt5(self) -> bool:
        return self.version == MQTTProtocolVersion.MQTTv5

    def connect(self) -> None:
        """Connect, and wait for the broker's answer."""
        self._client.connect_timeout = CONNECT_TIMEOUT
        try:
            if self.is_mqtt5:
                properties = self._properties(PacketTypes.CONNECT)
                self._client.connect(
                    self._host, self._port, KEEP_ALIVE, clean_start=not self._keep, properties=properties
                )
            else:
                self._client.connect(self._host, self._port, KEEP_ALIVE)
        except (OSError, ValueError) as error:
            raise DeliveryError(f"connecting to the broker {self._place}: {explain(error)}") from None
        self._await_answer()

    def turn(self, seconds: float) -> str:
        """Let the network work for at most `seconds`; why the connection ended, or nothing."""
        code = self._client.loop(seconds)
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS or self.inbox.disconnected:
            return self.inbox.disconnected or paho.error_string(code)
        return ""

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, cbor: bool = False, expiry: int | None = None
    ) -> int:
        """Send with QoS 1; the number that its acknowledgement will carry."""
        properties = None
        if self.is_mqtt5:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.ContentType = "application/cbor" if cbor else "application/json"
            properties.PayloadFormatIndicator = 0 if cbor else 1
            if expiry is not None:
                properties.MessageExpiryInterval = expiry
        return self._client.publish(topic, payload, qos=1, retain=retain, properties=properties).mid

    def subscribe(self, topic: str) -> None:
        self._client.subscribe(topic, qos=1)

    def acknowledge(self, message: Received) -> None:
        """The message is safe here: the broker may forget it."""
        self._client.ack(message.mid, message.qos)

    def close(self) -> None:
        """Say goodbye, so that the Last Will is not published."""
        self._client.disconnect()
        self._client.loop(0.1)

    def drop(self) -> None:
        """Let go without goodbye."""
        connection = self._client.socket()
        if connection is not None:
            connection.close()

    @property
    def _place(self) -> str:
        return f"{self._host}:{self._port}"

    def _await_answer(self) -> None:
        connecting = f"connecting to the broker {self._place}"
        until = monotonic() + ANSWER_TIMEOUT
        while self.inbox.connected is None:
            reason = self.turn(0.1)
            if reason and self.inbox.connected is None:
                raise VersionRefusedError(
                    f"connecting to the broker {self._place}: it closed the connection ({reason})"
                )
            if monotonic() > until:
                raise VersionRefusedError(
                    f"connecting to the broker {self._place}: it does not answer as a broker does"
                )
        if self.inbox.connected.is_failure:
            kind = VersionRefusedError if self.inbox.connected.value == UNSUPPORTED_VERSION else RefusedError
            raise kind(f"{connecting}: refused: {self.inbox.connected}; {REMEDY}")

    def _authenticate(self, secure: bool) -> None:
        settings = self._settings
        if settings.username:
            self._client.username_pw_set(settings.username, _password(settings.password_file))
        if secure:
            try:
                context = ssl.create_default_context(cafile=str(settings.ca_file) if settings.ca_file else None)
                if settings.cert_file:
                    context.load_cert_chain(settings.cert_file, settings.key_file)
            except (OSError, ssl.SSLError) as error:
                raise DeliveryError(f"reading the certificates for {self._place}: {explain(error)}") from None
            self._client.tls_set_context(context)

    def _properties(self, packet: int) -> Properties | None:
        if not self.is_mqtt5:
            return None
        properties = Properties(packet)  # type: ignore[no-untyped-call]
        if packet == PacketTypes.CONNECT:
            properties.SessionExpiryInterval = self._keep or SESSION_EXPIRY
            if self._keep:
                properties.ReceiveMaximum = KEPT_WINDOW
        if packet == PacketTypes.WILLMESSAGE:
            properties.WillDelayInterval = WILL_DELAY
            properties.ContentType = "application/json"
        return properties


REMEDY = "check mqtt.username, mqtt.password_file and the broker's access rules"


def connect(settings: MqttSection, client_id: str, will: Will | None = None) -> Session:
    """A connection in the configured version; `auto` tries 5 first and falls back to 3.1.1.

    Raises DeliveryError with one line that says what to do.
    """
    if settings.version != "auto":
        session = Session(settings, client_id, VERSIONS[settings.version], will)
        session.connect()
        return session
    try:
        session = Session(settings, client_id, MQTTProtocolVersion.MQTTv5, will)
        session.connect()
    except VersionRefusedError as refusal:
        session = Session(settings, client_id, MQTTProtocolVersion.MQTTv311, will)
        session.connect()
        log.warning("the broker has no MQTT 5 (%s): connected with 3.1.1", refusal)
    return session


VERSIONS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}


def explain(error: BaseException) -> str:
    """Why a connection failed, and what to do about it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}; check mqtt.ca_file and mqtt.url"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or error}; check that the port speaks TLS, and mqtt.cert_file"
    if isinstance(error, socket.gaierror):
        return f"the host is not known ({error.strerror}); check mqtt.url"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there; check mqtt.url and that the broker runs"
    if isinstance(error, TimeoutError):
        return "no answer in time; check the network and the firewall"
    return f"{getattr(error, 'strerror', None) or error}; check the [mqtt] section"


def _client(client_id: str, version: MQTTProtocolVersion) -> paho.Client:
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=version, reconnect_on_failure=False)
    client.max_inflight_messages_set(WINDOW)
    client.suppress_exceptions = True
    return client


def _hook(client: paho.Client, inbox: Inbox) -> None:
    def connected(_: object, __: object, ___: object, code: ReasonCode, properties: Properties | None) -> None:
        inbox.receive_maximum = getattr(properties, "ReceiveMaximum", inbox.receive_maximum)
        inbox.most_bytes = getattr(properties, "MaximumPacketSize", inbox.most_bytes)
        inbox.connected = code

    def disconnected(_: object, __: object, ___: object, code: ReasonCode, ____: Properties | None) -> None:
        taken = "another client has connected with the same id: give each agent its own agent.id"
        inbox.disconnected = taken if code.value == TAKEN_OVER else str(code)

    def published(_: object, __: object, mid: int, code: ReasonCode, ___: Properties | None) -> None:
        inbox.acknowledged.append(Acknowledgement(mid, code.value, str(code)))

    def received(_: object, __: object, message: paho.MQTTMessage) -> None:
        inbox.messages.append(Received(message.topic, bytes(message.payload), message.mid, message.qos))

    def subscribed(_: object, __: object, ___: int, codes: list[ReasonCode], ____: Properties | None) -> None:
        inbox.refused_topics += [str(code) for code in codes if code.is_failure]

    client.on_subscribe = subscribed
    client.on_connect, client.on_disconnect = connected, disconnected
    client.on_publish, client.on_message = published, received


def _password(file: Path | None) -> str | None:
    """The password alone, without the line's end. Read anew for each connection, so that it can be changed."""
    if file is None:
        return None
    try:
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise DeliveryError(f"reading mqtt.password_file {file}: {reason}; make it readable for this user") from None
