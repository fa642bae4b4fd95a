"""The options of a run, parsed from a command line and validated."""

import argparse
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from loadgen.schedule import Constant, Profile, Ramp, Steps
from runtime.identity.client_credential import call_metadata

DURATION_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
HIGHEST_RATE = 1_000_000.0
LONGEST_BATCH = 1_000
LONGEST_RECONCILE_SECONDS = 300.0


class OptionError(Exception):
    """An option is invalid; the message names it and what is required."""


class Protocol(StrEnum):
    """How orders are sent."""

    REST = "rest"
    GRPC = "grpc"
    BATCH = "batch"


@dataclass(frozen=True)
class Target:
    """The address of the front proxy, for REST and gRPC."""

    host: str
    port: int
    tls: bool = False
    credential: str | None = field(default=None, repr=False, compare=False)

    @property
    def metadata(self) -> tuple[tuple[str, str], ...] | None:
        """Return the metadata of each gRPC call, None without a credential."""
        return call_metadata(self.credential)

    @property
    def url(self) -> str:
        """Return the URL."""
        return f"{'https' if self.tls else 'http'}://{self.address}"

    @property
    def channel_address(self) -> str:
        """Return the address for gRPC: host:port, https://host:port over TLS."""
        return self.url if self.tls else self.address

    @property
    def address(self) -> str:
        """Return host:port, with brackets around an IPv6 host."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


DEFAULT_PROFILE = Constant(100.0)


@dataclass(frozen=True)
class Options:
    """The load, the target, and the criteria of success."""

    target: Target
    protocol: Protocol = Protocol.REST
    batch_size: int = 1
    profile: Profile = DEFAULT_PROFILE
    duration_seconds: float = 30.0
    customers: int = 5_000
    products: int = 1_000
    seed: int = field(default_factory=lambda: random.SystemRandom().randrange(2**32))
    max_in_flight: int = 512
    timeout_seconds: float = 10.0
    retries: int = 15
    max_error_share: float = 0.01
    reconcile: bool = True
    reconcile_seconds: float = 60.0
    exclusive: bool = True
    output: Path | None = None


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Raise OptionError instead of exiting."""
        raise OptionError(message.removeprefix("argument "))


def parse(
    argv: Sequence[str],
    program: str = "python -m loadgen",
    target: Callable[[], tuple[str, str | None]] | None = None,
    credential: str | None = None,
) -> Options:
    """Parse a command line. Raises OptionError for an invalid option.

    `target` returns the URL of the front proxy and its credential when no URL is given, and may raise. `credential` is
    the one of the settings.
    """
    given = _parser(program).parse_args(argv)
    protocol: Protocol = given.protocol
    if given.batch_size is not None and protocol is not Protocol.BATCH:
        raise OptionError(f"--batch-size: requires --protocol batch, is {protocol}")
    batch_size = (given.batch_size or 100) if protocol is Protocol.BATCH else 1
    profile = given.rate or given.ramp or given.steps or DEFAULT_PROFILE
    if given.target is None:
        if target is None:
            raise OptionError("--target: required, for example http://127.0.0.1:8080")
        url, own = target()
        given.target = _target(url)
        credential = credential or own
    given.target = replace(given.target, credential=given.key or credential)
    settings = {key: value for key, value in vars(given).items() if key in _PLAIN and value is not None}
    return Options(protocol=protocol, batch_size=batch_size, profile=profile, **settings)


_PLAIN = frozenset(Options.__dataclass_fields__) - {"protocol", "batch_size", "profile"}


def _parser(program: str) -> argparse.ArgumentParser:
    parser = _Parser(prog=program, description="Send orders on a schedule, then check that each was counted once.")
    _add_load_options(parser)
    _add_limit_options(parser)
    _add_reconciliation_options(parser)
    return parser


def _add_load_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--target", type=_target, metavar="URL", help="front proxy (ordermesh load: default is the running stack)")
    add("--key", metavar="KEY", help="operator's key or token; others see it, so prefer ORDERMESH_API_KEY(_FILE)")
    add("--protocol", type=_protocol, default=Protocol.REST, help="rest, grpc or batch (default rest)")
    add("--batch-size", type=_whole(1, LONGEST_BATCH), metavar="N", help="orders per batch (default 100)")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--rate", type=_constant, metavar="R", help="orders per second, constant (default 100)")
    shape.add_argument("--ramp", type=_ramp, metavar="A:B", help="orders per second, linear from A to B")
    shape.add_argument(
        "--steps", type=_steps, metavar="A,B,…", help="orders per second, each for an equal part of the duration"
    )
    add("--duration", dest="duration_seconds", type=_duration, metavar="D", help="30s, 5m, 1h (default 30s)")
    add("--customers", type=_whole(1, 10_000_000), metavar="N", help="customers cust-1 to cust-N (default 5000)")
    add("--products", type=_whole(1, 1_000), metavar="N", help="products p1 to pN, Zipf-distributed (default 1000)")
    add("--seed", type=_whole(0, 2**63 - 1), metavar="N", help="seed of the orders (default random, printed)")


def _add_limit_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--max-in-flight", type=_whole(1, 100_000), metavar="N", help="maximum of concurrent calls (default 512)")
    add("--timeout", dest="timeout_seconds", type=_duration, metavar="D", help="timeout of an attempt (default 10s)")
    add(
        "--retries",
        type=_whole(0, 100),
        metavar="N",
        help="after a lost connection or UNAVAILABLE (default 15)",
    )
    add("--max-error-share", type=_share, metavar="S", help="maximum share of failed orders (default 0.01)")


def _add_reconciliation_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    flag = argparse.BooleanOptionalAction
    add("--reconcile", action=flag, help="compare orders and metrics after the run (default yes)")
    add(
        "--reconcile-wait",
        dest="reconcile_seconds",
        type=_reconcile_wait,
        metavar="D",
        help="timeout of the reconciliation (default 60s)",
    )
    add("--exclusive", action=flag, help="wait for an idle pipeline before the run and compare totals (default yes)")
    add("--output", type=_output, metavar="FILE", help="write the result as JSON")


def _wrong(expected: str, text: str) -> argparse.ArgumentTypeError:
    return argparse.ArgumentTypeError(f"must be {expected}, is {text!r}")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _whole(lowest: int, highest: int) -> "argparse._ActionType":
    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not lowest <= int(text) <= highest:
            raise _wrong(f"a whole number from {lowest} to {highest}", text)
        return int(text)

    return read


def _rate(text: str, whole_text: str, expected: str) -> float:
    rate = _number(text)
    if not 0 < rate <= HIGHEST_RATE:
        raise _wrong(f"{expected}, above 0 and at most {HIGHEST_RATE:.0f} orders per second", whole_text)
    return rate


def _constant(text: str) -> Constant:
    return Constant(_rate(text, text, "a number"))


def _ramp(text: str) -> Ramp:
    start, _, end = text.partition(":")
    expected = "two numbers such as 100:2000"
    return Ramp(_rate(start, text, expected), _rate(end, text, expected))


def _steps(text: str) -> Steps:
    return Steps(tuple(_rate(part, text, "numbers such as 500,1000,2000") for part in text.split(",")))


def _duration(text: str) -> float:
    unit = next((name for name in DURATION_UNITS if text.endswith(name)), "")
    seconds = _number(text.removesuffix(unit)) * DURATION_UNITS.get(unit, float("nan"))
    if not 0 < seconds <= 7 * 24 * 3600:
        raise _wrong("a time with its unit such as 500ms, 30s, 5m or 1h, above 0 and at most a week", text)
    return seconds


def _reconcile_wait(text: str) -> float:
    seconds = _duration(text)
    if not 1 <= seconds <= LONGEST_RECONCILE_SECONDS:
        raise _wrong("from 1s to 5m", text)
    return seconds


def _share(text: str) -> float:
    share = _number(text)
    if not 0 <= share <= 1:
        raise _wrong("a number from 0 to 1", text)
    return share


def _protocol(text: str) -> Protocol:
    if text not in set(Protocol):
        raise _wrong("rest, grpc or batch", text)
    return Protocol(text)


def _target(text: str) -> Target:
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise _wrong("an address such as http://127.0.0.1:8080", text) from None
    if url.scheme not in {"http", "https"} or not url.hostname or url.path.strip("/") or url.query or url.username:
        raise _wrong("an address such as http://127.0.0.1:8080 (http or https, no path)", text)
    tls = url.scheme == "https"
    return Target(url.hostname, port or (443 if tls else 80), tls)


def _output(text: str) -> Path:
    path = Path(text)
    if path.is_dir() or not path.parent.is_dir():
        raise _wrong("a file in a folder that exists", text)
    return path
