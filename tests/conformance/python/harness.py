"""What every driver shares: the table of capabilities, the server's own view, and the report.

In: the environment that `cargo xtask conformance` sets. Out: one JSON line on stdout for each
capability. Never: a capability left out in silence; a driver passes it, fails it, or says why the
client itself cannot do it.
"""

from __future__ import annotations

import gzip
import inspect
import json
import logging
import os
import time
import traceback
import urllib.request
from collections.abc import Callable
from decimal import Decimal
from typing import Any

# The rows of the table, in the order in which they run. The rate limit comes last: after it the
# server refuses everything for a minute.
CAPABILITIES: tuple[str, ...] = (
    "exchange info",
    "server time",
    "order book",
    "klines",
    "tickers",
    "public trades",
    "book by stream",
    "market streams",
    "wrong signature",
    "old timestamp",
    "limit order",
    "query order",
    "modify order",
    "cancel order",
    "cancel all",
    "batch",
    "order test",
    "post-only refusal",
    "user stream",
    "market order",
    "account values",
    "positions",
    "own trades",
    "fees",
    "income",
    "reduce-only",
    "algo stop triggers",
    "stop orders",
    "order lists",
    "leverage",
    "margin type",
    "hedge mode",
    "listen key",
    "websocket api",
    "rate limit",
)

# A row of the run with another key or without TLS is named after it.
SHORT_CAPABILITIES: tuple[str, ...] = ("connect", "signed call")

# The only row of the run against a recording.
RECORDED_CAPABILITIES: tuple[str, ...] = ("recorded book",)

# The rows of each run; the runs with another key or without TLS look at little.
ROWS: dict[str, tuple[str, ...]] = {
    "full": CAPABILITIES,
    "plain": SHORT_CAPABILITIES,
    "ed25519": SHORT_CAPABILITIES,
    "rsa": SHORT_CAPABILITIES,
    "recording": RECORDED_CAPABILITIES,
}

ALL_CAPABILITIES = (*SHORT_CAPABILITIES, *CAPABILITIES, *RECORDED_CAPABILITIES)

Check = Callable[[], Any]


class ClientLimit(Exception):
    """The client, not the server, cannot do it; the message says why."""


def _no_such_thing() -> None:
    raise ClientLimit("it is a client of spot, which has no such thing")


# The rows that no client of spot can have.
NOT_ON_SPOT: dict[str, Check] = dict.fromkeys(
    (
        "batch",
        "positions",
        "income",
        "reduce-only",
        "algo stop triggers",
        "leverage",
        "margin type",
        "hedge mode",
    ),
    _no_such_thing,
)


class Mismatch(Exception):
    """The client works, and what it says is not what the server says."""


class ModelWarnings(logging.Handler):
    """What a client complained about in its log while a check ran."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []
        logging.getLogger().addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps the text."""
        self.texts.append(record.getMessage())

    def watched(self, check: Check) -> Check:
        """The check, failed by any warning."""

        async def watching() -> None:
            self.texts.clear()
            result = check()
            if inspect.isawaitable(result):
                await result
            if self.texts:
                raise Mismatch("; ".join(dict.fromkeys(self.texts)))

        return watching


class Server:
    """Where the server listens, and what it knows to be true."""

    def __init__(self) -> None:
        self.http = os.environ["CONFORMANCE_HTTP"]
        self.ws = os.environ["CONFORMANCE_WS"]
        self.spot_http = os.environ["CONFORMANCE_SPOT_HTTP"]
        self.spot_ws = os.environ["CONFORMANCE_SPOT_WS"]
        self.sim = os.environ["CONFORMANCE_SIM"]
        self.key = os.environ["CONFORMANCE_API_KEY"]
        with open(os.environ["CONFORMANCE_SECRET_FILE"], encoding="ascii") as file:
            self.secret = file.read().strip()
        self.secret_file = os.environ["CONFORMANCE_SECRET_FILE"]
        self.key_kind = os.environ["CONFORMANCE_KEY_KIND"]

    def _control(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.sim + path, data=data)
        request.add_header("content-type", "application/json")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def account(self, market: str = "usdm") -> Any:
        """Orders, positions, wallet."""
        return self._control(f"/sim/v1/account?market={market}")

    def book(self, symbol: str, market: str = "usdm") -> Any:
        """The book and its version."""
        return self._control(f"/sim/v1/book?market={market}&symbol={symbol}")

    def pause(self, paused: bool) -> None:
        """Stops the market, or lets it go on."""
        self._control("/sim/v1/market", {"paused": paused})

    def step_clock(self, step_ms: int) -> None:
        """Makes the clock jump."""
        self._control("/sim/v1/clock", {"step_ms": step_ms})


class Recording:
    """What the exchange itself said of the best prices, by update id."""

    def __init__(self, path: str) -> None:
        self.tops: dict[int, tuple[Decimal, ...]] = {}
        self.last_update = 0
        self.span_s = 0.0
        first = 0
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                stamp, _, text = line.partition(" ")
                if not text.startswith("{"):
                    continue
                told = json.loads(text)
                event = told.get("data", told)
                first = first or int(stamp)
                self.span_s = (int(stamp) - first) / 1e6
                if event.get("e") == "bookTicker":
                    self.tops[event["u"]] = tuple(Decimal(event[name]) for name in "bBaA")
                elif event.get("e") == "depthUpdate":
                    self.last_update = event["u"]


def tell(capability: str, outcome: str, reason: str = "") -> None:
    """Prints one cell."""
    line = {"capability": capability, "outcome": outcome, "reason": reason}
    print(json.dumps(line), flush=True)


async def run(checks: dict[str, Check], server: Server) -> None:
    """Runs the checks in the table's order and tells each outcome."""
    for capability in ROWS[os.environ["CONFORMANCE_RUN"]]:
        check = checks.get(capability)
        if check is None:
            tell(capability, "limit", "not offered by this client")
            continue
        try:
            result = check()
            if inspect.isawaitable(result):
                await result
        except ClientLimit as limit:
            tell(capability, "limit", str(limit))
        except Exception as error:  # noqa: BLE001 - whatever a client raises is the cell's reason
            traceback.print_exc()
            tell(capability, "fail", f"{type(error).__name__}: {error}"[:600])
        else:
            tell(capability, "pass")


def checks_of(driver: Any) -> dict[str, Check]:
    """The driver's methods that are named after a capability."""
    named = {row: row.replace(" ", "_").replace("-", "_") for row in ALL_CAPABILITIES}
    return {row: getattr(driver, name) for row, name in named.items() if hasattr(driver, name)}


def equal(what: str, seen: Any, expected: Any) -> None:
    """Compares as decimals where both are numbers."""
    try:
        same = Decimal(str(seen)) == Decimal(str(expected))
    except ArithmeticError:
        same = seen == expected
    if not same:
        raise Mismatch(f"{what}: {seen!r}, expected {expected!r}")


def holds(what: str, condition: Any) -> None:
    """What must be true."""
    if not condition:
        raise Mismatch(what)


def refused(code: int, call: Callable[[], Any]) -> None:
    """The call must fail with this code of Binance in what the client says."""
    try:
        answer = call()
    except Exception as error:  # noqa: BLE001 - each client has its own class
        told = f"{error} {getattr(error, 'code', '')} {getattr(error, 'error_code', '')}"
        if str(code) not in told:
            raise Mismatch(f"refused with {told!r}, expected {code}") from error
    else:
        raise Mismatch(f"answered {answer!r}, expected a refusal with {code}")


def until(what: str, condition: Callable[[], Any], patience_s: float = 20.0) -> Any:
    """Waits for a condition with a deadline."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise Mismatch(f"{what}: not within {patience_s:g} s")


def position_of(account: Any, symbol: str) -> Any:
    """The server's own view of a position."""
    return next(one for one in account["positions"] if one["symbol"] == symbol)
