"""ccxt: unified REST calls on the linear swap, and ccxt.pro for the streams.

In: the environment of the harness. Out: its cells. Never: a patched ccxt; base URLs, keys and the
authority are set through its own options.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from decimal import Decimal
from typing import Any

import ccxt
import ccxt.pro

from harness import (
    Mismatch,
    Recording,
    Server,
    checks_of,
    equal,
    holds,
    position_of,
    refused,
    run,
    until,
)

SYMBOL = "BTC/USDT:USDT"
PLAIN = "BTCUSDT"


def options(server: Server, secret: str | None = None) -> dict[str, Any]:
    """What ccxt is told."""
    api: dict[str, Any] = {}
    for version in ("", "V2", "V3"):
        path = f"/fapi/{version.lower() or 'v1'}"
        api[f"fapiPublic{version}"] = server.http + path
        api[f"fapiPrivate{version}"] = server.http + path
    api["public"] = api["private"] = server.spot_http + "/api/v3"
    api["ws"] = {
        "spot": server.spot_ws + "/ws",
        "linear": server.ws + "/ws",
        "ws-api": {
            "spot": server.spot_ws + "/ws-api/v3",
            "linear": server.ws + "/ws-fapi/v1",
        },
    }
    return {
        "apiKey": server.key,
        "secret": secret or server.secret,
        "urls": {"api": api},
        "enableRateLimit": False,
        # The authority of the environment instead of the public ones.
        "requests_trust_env": True,
        "cafile": os.environ.get("SSL_CERT_FILE"),
        "options": {
            "defaultType": "swap",
            "fetchMarkets": {"types": ["linear"]},
            "fetchCurrencies": False,
            "fetchMargins": False,
        },
    }


class Driver:
    """The checks."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.rest = ccxt.binance(options(server))
        self.pro = ccxt.pro.binance(options(server))

    def far_bid(self) -> float:
        """A price that rests."""
        best = self.rest.fetch_order_book(SYMBOL, 5)["bids"][0][0]
        return float(self.rest.price_to_precision(SYMBOL, best * 0.98))

    def rest_order(self) -> Any:
        """A resting bid."""
        return self.rest.create_order(SYMBOL, "limit", "buy", 0.01, self.far_bid())

    def connect(self) -> None:
        self.exchange_info()

    def exchange_info(self) -> None:
        market = self.rest.load_markets()[SYMBOL]
        equal("id", market["id"], PLAIN)
        holds("a swap", market["swap"] and market["linear"] and market["active"])
        holds("tick and step", market["precision"]["price"] and market["precision"]["amount"])
        holds("least notional", market["limits"]["cost"]["min"])

    def signed_call(self) -> None:
        self.rest.load_markets()
        equal("wallet", self.rest.fetch_balance()["USDT"]["total"], self.wallet())

    def wallet(self) -> str:
        return self.server.account()["wallet_usdt"]

    def server_time(self) -> None:
        holds("within 2 s", abs(self.rest.fetch_time() - time.time() * 1000) < 2000)

    def order_book(self) -> None:
        book = self.rest.fetch_order_book(SYMBOL, 100)
        holds("a nonce", book["nonce"])
        holds("two sides", book["bids"] and book["asks"])
        holds("not crossed", book["bids"][0][0] < book["asks"][0][0])

    def klines(self) -> None:
        rows = self.rest.fetch_ohlcv(SYMBOL, "1m", limit=50)
        equal("rows", len(rows), 50)
        equal("a minute apart", rows[-1][0] - rows[-2][0], 60_000)
        holds("high over low", all(row[2] >= row[3] for row in rows))

    def tickers(self) -> None:
        ticker = self.rest.fetch_ticker(SYMBOL)
        holds("last price and volume", ticker["last"] and ticker["baseVolume"])
        holds("all of them", SYMBOL in self.rest.fetch_tickers())
        best = self.rest.fetch_bids_asks([SYMBOL])[SYMBOL]
        holds("bid below ask", best["bid"] < best["ask"])
        holds("mark", self.rest.fetch_funding_rate(SYMBOL)["markPrice"])

    def public_trades(self) -> None:
        trades = self.rest.fetch_trades(SYMBOL, limit=20)
        equal("trades", len(trades), 20)
        holds("in order", trades[0]["timestamp"] <= trades[-1]["timestamp"])

    async def book_by_stream(self) -> None:
        for _ in range(30):
            book = await asyncio.wait_for(self.pro.watch_order_book(SYMBOL), 20)
        self.server.pause(True)
        try:
            deadline = time.monotonic() + 10
            while True:
                truth = self.server.book(PLAIN)
                if book["nonce"] == truth["last_update_id"]:
                    break
                if time.monotonic() > deadline:
                    told = f"{book['nonce']}, the server's {truth['last_update_id']}"
                    raise Mismatch(f"the book stays at {told}")
                # The watcher changes the book that it gave out.
                await asyncio.sleep(0.05)
            for side in ("bids", "asks"):
                seen = [(price, size) for price, size, *_ in book[side][:100]]
                there = [(float(price), float(size)) for price, size in truth[side][:100]]
                equal(side, seen, there)
        finally:
            self.server.pause(False)

    async def recorded_book(self) -> None:
        """The book that ccxt keeps has the best prices that the exchange itself once told."""
        recording = Recording(os.environ["CONFORMANCE_RECORDING"])
        started = time.monotonic()
        compared: dict[int, bool] = {}
        seen = 0
        while seen < recording.last_update:
            book = await asyncio.wait_for(self.pro.watch_order_book(SYMBOL), 60)
            seen = book["nonce"]
            told = recording.tops.get(seen)
            if told is not None:
                rows = (*book["bids"][0][:2], *book["asks"][0][:2])
                compared[seen] = tuple(Decimal(str(one)) for one in rows) == told
        elapsed_s = time.monotonic() - started
        differing = [update for update, same in compared.items() if not same]
        print(
            f"recorded book: {len(compared)} tops compared, {len(differing)} differ, "
            f"{elapsed_s:.1f} s of a recording of {recording.span_s:.1f} s",
            file=sys.stderr,
        )
        equal("differing tops", differing, [])
        holds(f"only {len(compared)} tops compared", len(compared) >= 100)
        holds(f"followed for {elapsed_s:.0f} s", elapsed_s >= 60)

    async def market_streams(self) -> None:
        trades = await asyncio.wait_for(self.pro.watch_trades(SYMBOL), 20)
        holds("trades", trades and trades[-1]["price"])
        ticker = await asyncio.wait_for(self.pro.watch_ticker(SYMBOL), 20)
        holds("ticker", ticker["last"])
        candles = await asyncio.wait_for(self.pro.watch_ohlcv(SYMBOL, "1m"), 20)
        holds("candle", candles[-1][4])
        mark = await asyncio.wait_for(self.pro.watch_mark_price(SYMBOL), 20)
        holds("mark price", mark["markPrice"])

    def wrong_signature(self) -> None:
        other = ccxt.binance(options(self.server, "another secret"))
        refused(-1022, other.fapiPrivateV3GetBalance)

    def old_timestamp(self) -> None:
        late = ccxt.binance(options(self.server))
        late.nonce = lambda: int(time.time() * 1000) - 20_000
        refused(-1021, late.fapiPrivateV3GetBalance)

    def limit_order(self) -> None:
        order = self.rest_order()
        equal("status", order["status"], "open")
        ours = [one["client_order_id"] for one in self.server.account()["open_orders"]]
        holds("the server has it", order["clientOrderId"] in ours)
        self.order = order

    def query_order(self) -> None:
        seen = self.rest.fetch_order(self.order["id"], SYMBOL)
        equal("price", seen["price"], self.order["price"])
        equal("remaining", seen["remaining"], "0.01")
        opened = [one["id"] for one in self.rest.fetch_open_orders(SYMBOL)]
        holds("open", self.order["id"] in opened)
        every = [one["id"] for one in self.rest.fetch_orders(SYMBOL)]
        holds("among all", self.order["id"] in every)

    def modify_order(self) -> None:
        price = float(self.rest.price_to_precision(SYMBOL, self.order["price"] * 0.999))
        changed = self.rest.edit_order(self.order["id"], SYMBOL, "limit", "buy", 0.02, price)
        equal("price", changed["price"], price)
        equal("amount", changed["amount"], "0.02")

    def cancel_order(self) -> None:
        equal("state", self.rest.cancel_order(self.order["id"], SYMBOL)["status"], "canceled")
        refused(-2011, lambda: self.rest.cancel_order(self.order["id"], SYMBOL))

    def cancel_all(self) -> None:
        self.rest_order()
        self.rest_order()
        self.rest.cancel_all_orders(SYMBOL)
        equal("open", self.server.account()["open_orders"], [])

    def batch(self) -> None:
        price = self.far_bid()
        one = {"symbol": SYMBOL, "type": "limit", "side": "buy", "amount": 0.01, "price": price}
        placed = self.rest.create_orders([one, dict(one)])
        equal("placed", len(placed), 2)
        ended = self.rest.cancel_orders([order["id"] for order in placed], SYMBOL)
        equal("cancelled", [order["status"] for order in ended], ["canceled", "canceled"])

    def order_test(self) -> None:
        before = self.server.account()["orders_total"]
        # The unified call knows tests on spot only; for a swap it would place the order.
        answer = self.rest.fapiPrivatePostOrderTest(
            {
                "symbol": PLAIN,
                "side": "BUY",
                "type": "LIMIT",
                "timeInForce": "GTC",
                "quantity": "0.01",
                "price": str(self.far_bid()),
            }
        )
        holds("an answer", isinstance(answer, dict))
        equal("orders", self.server.account()["orders_total"], before)

    def post_only_refusal(self) -> None:
        ask = self.rest.fetch_order_book(SYMBOL, 5)["asks"][0][0]
        price = float(self.rest.price_to_precision(SYMBOL, ask * 1.01))
        call = self.rest.create_order
        refused(-5022, lambda: call(SYMBOL, "limit", "buy", 0.01, price, {"postOnly": True}))

    async def user_stream(self) -> None:
        states: list[str] = []
        watching = asyncio.create_task(self.pro.watch_orders(SYMBOL))
        listeners = lambda: self.server.account() and self.pro.clients  # noqa: E731
        deadline = time.monotonic() + 10
        while not any("listenKey" in url for url in listeners()):
            holds("connected within 10 s", time.monotonic() < deadline)
            await asyncio.sleep(0.05)
        client = next(c for url, c in self.pro.clients.items() if "listenKey" in url)
        await asyncio.wait_for(client.connected, 10)
        order = self.rest_order()
        for expected in ("open", "canceled"):
            told = (await asyncio.wait_for(watching, 10))[-1]
            equal("order", told["id"], order["id"])
            states.append(told["status"])
            watching = asyncio.create_task(self.pro.watch_orders(SYMBOL))
            if expected == "open":
                self.rest.cancel_order(order["id"], SYMBOL)
        equal("states in order", states, ["open", "canceled"])
        fills = asyncio.create_task(self.pro.watch_my_trades(SYMBOL))
        await asyncio.sleep(0)
        self.rest.create_order(SYMBOL, "market", "buy", 0.01)
        fill = (await asyncio.wait_for(fills, 10))[-1]
        equal("amount", fill["amount"], "0.01")
        watching.cancel()

    def market_order(self) -> None:
        before = float(position_of(self.server.account(), PLAIN)["quantity"])
        self.rest.create_order(SYMBOL, "market", "buy", 0.05)
        after = float(position_of(self.server.account(), PLAIN)["quantity"])
        holds(f"{before} + 0.05 = {after}", abs(after - before - 0.05) < 1e-9)

    def account_values(self) -> None:
        self.server.pause(True)
        try:
            balance = self.rest.fetch_balance()
            equal("wallet", balance["info"]["totalWalletBalance"], self.wallet())
            held = position_of(self.server.account(), PLAIN)
            rows = balance["info"]["positions"]
            row = next(one for one in rows if one["symbol"] == PLAIN)
            equal("unrealised", row["unrealizedProfit"], held["unrealized_usdt"])
        finally:
            self.server.pause(False)

    def positions(self) -> None:
        self.server.pause(True)
        try:
            held = position_of(self.server.account(), PLAIN)
            for rows in (self.rest.fetch_positions([SYMBOL]), self.rest.fetch_positions_risk()):
                row = next(one for one in rows if one["symbol"] == SYMBOL)
                equal("contracts", row["contracts"], held["quantity"])
                equal("side", row["side"], "long")
                equal("unrealised", row["unrealizedPnl"], held["unrealized_usdt"])
                holds("entry", abs(row["entryPrice"] - float(held["entry_price"])) < 1e-6)
        finally:
            self.server.pause(False)

    def own_trades(self) -> None:
        trades = self.rest.fetch_my_trades(SYMBOL)
        account = self.server.account()
        equal("fills", len(trades), account["fills"])
        paid = sum(trade["fee"]["cost"] for trade in trades)
        holds("fees", abs(paid - float(account["fees_usdt"])) < 1e-6)

    def fees(self) -> None:
        fee = self.rest.fetch_trading_fee(SYMBOL)
        holds("maker below taker", 0 < fee["maker"] < fee["taker"])
        trade = self.rest.fetch_my_trades(SYMBOL)[-1]
        rate = trade["fee"]["cost"] / trade["cost"]
        holds(f"paid at {rate}", abs(rate - fee["taker"]) < 1e-6)

    def income(self) -> None:
        rows = self.rest.fetch_ledger("USDT")
        paid = sum(row["amount"] for row in rows if row["info"]["incomeType"] == "COMMISSION")
        account = self.server.account()
        holds("commissions", abs(paid - float(account["fees_total_usdt"])) < 1e-6)

    def reduce_only(self) -> None:
        call = self.rest.create_order
        only = {"reduceOnly": True}
        refused(-2022, lambda: call(SYMBOL, "market", "buy", 0.01, None, only))
        before = float(position_of(self.server.account(), PLAIN)["quantity"])
        call(SYMBOL, "market", "sell", 0.01, None, only)
        after = float(position_of(self.server.account(), PLAIN)["quantity"])
        holds(f"{before} - 0.01 = {after}", abs(before - after - 0.01) < 1e-9)

    def algo_stop_triggers(self) -> None:
        before = float(position_of(self.server.account(), PLAIN)["quantity"])
        # A stop is judged by the last trade; it stands still until the order is there.
        self.server.pause(True)
        try:
            # Not `fetch_trades`: ccxt asks for aggregates there, of which the last may still be open.
            trades = self.rest.fapipublic_get_trades({"symbol": "BTCUSDT", "limit": 1})
            last = float(trades[0]["price"])
            stop = float(self.rest.price_to_precision(SYMBOL, last - 0.5))
            extra = {"stopLossPrice": stop, "reduceOnly": True}
            order = self.rest.create_order(SYMBOL, "market", "sell", 0.01, None, extra)
        finally:
            self.server.pause(False)
        holds("an id", order["id"])

        def reduced() -> bool:
            now = float(position_of(self.server.account(), PLAIN)["quantity"])
            return abs(before - now - 0.01) < 1e-9

        until("the stop sells", reduced, 60)

    def leverage(self) -> None:
        equal("leverage", self.rest.set_leverage(7, SYMBOL)["leverage"], 7)
        equal("told again", self.rest.fetch_leverage(SYMBOL)["longLeverage"], 7)
        holds("brackets", self.rest.fetch_leverage_tiers([SYMBOL])[SYMBOL])

    def margin_type(self) -> None:
        other = "ETH/USDT:USDT"
        self.rest.set_margin_mode("isolated", other)
        equal("mode", self.rest.fetch_margin_mode(other)["marginMode"], "isolated")
        self.rest.set_margin_mode("cross", other)

    def hedge_mode(self) -> None:
        self.rest.create_order(
            SYMBOL,
            "market",
            "sell",
            position_of(self.server.account(), PLAIN)["quantity"],
            None,
            {"reduceOnly": True},
        )
        self.rest.set_position_mode(True)
        equal("hedged", self.rest.fetch_position_mode()["hedged"], True)
        self.rest.set_position_mode(False)

    def listen_key(self) -> None:
        key = self.rest.fapiPrivatePostListenKey()["listenKey"]
        equal("renewed", self.rest.fapiPrivatePutListenKey()["listenKey"], key)
        self.rest.fapiPrivateDeleteListenKey()
        refused(-1125, self.rest.fapiPrivatePutListenKey)

    async def websocket_api(self) -> None:
        order = await self.pro.create_order_ws(SYMBOL, "limit", "buy", 0.01, self.far_bid())
        equal("status", order["status"], "open")
        ended = await self.pro.cancel_order_ws(order["id"], SYMBOL)
        equal("status", ended["status"], "canceled")
        balance = await self.pro.fetch_balance_ws()
        equal("wallet", balance["USDT"]["total"], self.wallet())

    def rate_limit(self) -> None:
        for _ in range(400):
            try:
                self.rest.fetch_order_book(SYMBOL, 1000)
            except (ccxt.RateLimitExceeded, ccxt.DDoSProtection) as error:
                holds("the code", "-1003" in str(error))
                holds("Retry-After", "Retry-After" in self.rest.last_response_headers)
                return
        raise Mismatch("400 books of weight 20 and no refusal")


async def main() -> None:
    """Runs all checks."""
    server = Server()
    driver = Driver(server)
    try:
        await run(checks_of(driver), server)
    finally:
        await driver.pro.close()


asyncio.run(main())
