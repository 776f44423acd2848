"""Landlock: the kernel holds this process, and what it starts, to a few places to write and a few ports to connect to.

A hostile stream that takes over a decoder has the rights of its worker, and these are few: reading is as before, but
nothing may be created, changed, removed or executed that is not named here, and no process outside be signalled. It
cannot be taken back. Kernels since 5.13 have it, those since 6.7 for ports, those since 6.12 for signals; each is held
to what it knows. Source: the kernel's Documentation/userspace-api/landlock.rst; linux/landlock.h.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from enum import IntFlag
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""Numbers of the calls, the same on every architecture but alpha."""

_ASK_VERSION = 1
_RULE_PATH, _RULE_PORT = 1, 2
_CONNECT_TCP = 1 << 1
_SCOPE_SIGNAL = 1 << 1
_PORTS_SINCE, _SIGNALS_SINCE = 4, 6
_PR_SET_NO_NEW_PRIVS = 38


class Right(IntFlag):
    """What can be done to files; named as in linux/landlock.h."""

    EXECUTE = 1 << 0
    WRITE_FILE = 1 << 1
    REMOVE_DIR = 1 << 4
    REMOVE_FILE = 1 << 5
    MAKE_CHAR = 1 << 6
    MAKE_DIR = 1 << 7
    MAKE_REG = 1 << 8
    MAKE_SOCK = 1 << 9
    MAKE_FIFO = 1 << 10
    MAKE_BLOCK = 1 << 11
    MAKE_SYM = 1 << 12
    REFER = 1 << 13
    TRUNCATE = 1 << 14


_SINCE = {Right.REFER: 2, Right.TRUNCATE: 3}
"""Versions of the interface that brought a right; the others are in the first."""

_IN_FOLDERS = Right.WRITE_FILE | Right.TRUNCATE | Right.REMOVE_FILE | Right.REMOVE_DIR | Right.MAKE_REG
_IN_FOLDERS |= Right.MAKE_DIR | Right.MAKE_SOCK | Right.MAKE_FIFO | Right.MAKE_SYM | Right.REFER


@dataclass(frozen=True)
class Allowed:
    """What is left to a process. Paths that do not exist are left out."""

    folders: Collection[Path] = ()
    """Anything may be written, made and removed in these."""
    devices: Collection[Path] = (Path("/dev/null"),)
    """These files, or those in these folders, may be opened for writing."""
    ports: Collection[int] | None = None
    """TCP may be connected to these; None: to any."""
    execute: bool = False


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathRule(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


class _PortRule(ctypes.Structure):
    _fields_ = (("allowed", ctypes.c_uint64), ("port", ctypes.c_uint64))


def version() -> int:
    """Of the kernel's interface; 0 where it has none, or this process may not ask."""
    if sys.platform != "linux" or platform.machine() == "alpha":
        return 0
    with suppress(OSError):
        return _call(_CREATE_RULESET, None, 0, _ASK_VERSION)
    return 0


def restrict(allowed: Allowed) -> int:
    """Leave to this thread, and to those that it begins, what is `allowed`. The version that holds them to it, or 0.

    Raises OSError where the kernel does not take it.
    """
    known = version()
    if not known:
        return 0
    handled = Right(sum(right for right in Right if _SINCE.get(right, 1) <= known))
    if allowed.execute:
        handled &= ~Right.EXECUTE
    ports = _CONNECT_TCP if allowed.ports is not None and known >= _PORTS_SINCE else 0
    ruleset = _Ruleset(handled, ports, _SCOPE_SIGNAL if known >= _SIGNALS_SINCE else 0)
    rules = _call(_CREATE_RULESET, ctypes.byref(ruleset), ctypes.sizeof(ruleset), 0)
    try:
        for folder in allowed.folders:
            _allow(rules, folder, _IN_FOLDERS & handled)
        for device in allowed.devices:
            _allow(rules, device, Right.WRITE_FILE)
        for port in allowed.ports or () if ports else ():
            rule = _PortRule(_CONNECT_TCP, port)
            _call(_ADD_RULE, rules, _RULE_PORT, ctypes.byref(rule), 0)
        _give_up_privileges()
        _call(_RESTRICT_SELF, rules, 0)
    finally:
        os.close(rules)
    return known


def _allow(rules: int, path: Path, rights: Right) -> None:
    try:
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        rule = _PathRule(rights, parent)
        _call(_ADD_RULE, rules, _RULE_PATH, ctypes.byref(rule), 0)
    finally:
        os.close(parent)


def _give_up_privileges() -> None:
    """No program that this one starts has more rights than it: without that the kernel takes no rules."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(_PR_SET_NO_NEW_PRIVS, *(ctypes.c_ulong(value) for value in (1, 0, 0, 0))):
        raise _failure()


def _call(number: int, *arguments: object) -> int:
    """A system call that the C library has no name for. Raises OSError."""
    system_call = ctypes.CDLL(None, use_errno=True).syscall
    system_call.restype = ctypes.c_long
    given = (ctypes.c_long(each) if isinstance(each, int) else each for each in arguments)
    result = int(system_call(ctypes.c_long(number), *given))
    if result < 0:
        raise _failure()
    return result


def _failure() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
