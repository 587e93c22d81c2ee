"""ccxt on spot: unified REST calls and ccxt.pro, stop orders and order lists among them.

In: the environment of the harness. Out: its cells. Never: a patched ccxt; base URLs, keys and the
authority are set through its own options.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from typing import Any

import ccxt
import ccxt.pro

from harness import (
    NOT_ON_SPOT,
    ClientLimit,
    Mismatch,
    Server,
    checks_of,
    equal,
    holds,
    refused,
    run,
    until,
)

SYMBOL = "BTC/USDT"
PLAIN = "BTCUSDT"


def options(server: Server, secret: str | None = None) -> dict[str, Any]:
    """What ccxt is told."""
    api: dict[str, Any] = {
        "public": server.spot_http + "/api/v3",
        "private": server.spot_http + "/api/v3",
        "ws": {
            "spot": server.spot_ws + "/stream/ws",
            "ws-api": {"spot": server.spot_ws + "/ws-api/v3"},
        },
    }
    return {
        "apiKey": server.key,
        "secret": secret or server.secret,
        "urls": {"api": api},
        "enableRateLimit": False,
        "requests_trust_env": True,
        "cafile": os.environ.get("SSL_CERT_FILE"),
        "options": {
            "defaultType": "spot",
            "fetchMarkets": {"types": ["spot"]},
            "fetchCurrencies": False,
            "fetchMargins": False,
        },
    }


def raises(wanted: type[Exception], call: Callable[[], Any]) -> None:
    """The call must fail as ccxt itself names it: the message has no code in it."""
    try:
        answer = call()
    except wanted:
        return
    raise Mismatch(f"answered {answer!r}, expected {wanted.__name__}")


class Driver:
    """The checks."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.rest = ccxt.binance(options(server))
        self.pro = ccxt.pro.binance(options(server))
        self.order: Any = None

    def around(self, share: float) -> float:
        """A price so far from the best bid."""
        best = self.rest.fetch_order_book(SYMBOL, 5)["bids"][0][0]
        return float(self.rest.price_to_precision(SYMBOL, best * share))

    def resting(self) -> Any:
        """A resting bid."""
        return self.rest.create_order(SYMBOL, "limit", "buy", 0.01, self.around(0.98))

    def connect(self) -> None:
        self.exchange_info()

    def exchange_info(self) -> None:
        market = self.rest.load_markets()[SYMBOL]
        equal("id", market["id"], PLAIN)
        holds("spot", market["spot"] and market["active"])
        holds("tick and step", market["precision"]["price"] and market["precision"]["amount"])
        holds("least notional", market["limits"]["cost"]["min"])

    def signed_call(self) -> None:
        self.rest.load_markets()
        equal("quote", self.rest.fetch_balance()["USDT"]["total"], self.wallet())

    def wallet(self) -> str:
        return self.server.account("spot")["wallet_usdt"]

    def server_time(self) -> None:
        holds("within 2 s", abs(self.rest.fetch_time() - time.time() * 1000) < 2000)

    def order_book(self) -> None:
        for limit in (5, 100, 1000):
            book = self.rest.fetch_order_book(SYMBOL, limit)
            holds("a nonce", book["nonce"])
            holds("not crossed", book["bids"][0][0] < book["asks"][0][0])

    def klines(self) -> None:
        rows = self.rest.fetch_ohlcv(SYMBOL, "1m", limit=50)
        equal("rows", len(rows), 50)
        equal("a minute apart", rows[-1][0] - rows[-2][0], 60_000)
        since = rows[10][0]
        equal("since", self.rest.fetch_ohlcv(SYMBOL, "1m", since, 5)[0][0], since)

    def tickers(self) -> None:
        ticker = self.rest.fetch_ticker(SYMBOL)
        holds("last price and volume", ticker["last"] and ticker["baseVolume"])
        holds("all of them", SYMBOL in self.rest.fetch_tickers())
        holds("one of them", SYMBOL in self.rest.fetch_tickers([SYMBOL]))
        best = self.rest.fetch_bids_asks([SYMBOL])[SYMBOL]
        holds("bid below ask", best["bid"] < best["ask"])
        holds("last prices", self.rest.fetch_last_prices([SYMBOL])[SYMBOL]["price"])

    def public_trades(self) -> None:
        until("20 trades", lambda: len(self.rest.fetch_trades(SYMBOL, limit=20)) == 20)
        trades = self.rest.fetch_trades(SYMBOL, limit=20)
        holds("in order", trades[0]["timestamp"] <= trades[-1]["timestamp"])

    async def book_by_stream(self) -> None:
        for _ in range(10):
            book = await asyncio.wait_for(self.pro.watch_order_book(SYMBOL), 20)
        self.server.pause(True)
        try:
            deadline = time.monotonic() + 10
            while True:
                truth = self.server.book(PLAIN, "spot")
                if book["nonce"] == truth["last_update_id"]:
                    break
                if time.monotonic() > deadline:
                    told = f"{book['nonce']}, the server's {truth['last_update_id']}"
                    raise Mismatch(f"the book stays at {told}")
                # The watcher changes the book that it gave out.
                await asyncio.sleep(0.05)
            for side in ("bids", "asks"):
                seen = [(price, size) for price, size, *_ in book[side][:50]]
                there = [(float(price), float(size)) for price, size in truth[side][:50]]
                equal(side, seen, there)
        finally:
            self.server.pause(False)

    async def market_streams(self) -> None:
        for watch in (self.pro.watch_trades, self.pro.watch_ticker, self.pro.watch_ohlcv):
            holds(watch.__name__, await asyncio.wait_for(watch(SYMBOL), 20))
        holds("best", await asyncio.wait_for(self.pro.watch_bids_asks([SYMBOL]), 20))

    def wrong_signature(self) -> None:
        other = ccxt.binance(options(self.server, "another secret"))
        refused(-1022, other.fetch_balance)

    def old_timestamp(self) -> None:
        other = ccxt.binance(options(self.server))
        other.nonce = lambda: int(time.time() * 1000) - 60_000
        refused(-1021, other.fetch_balance)

    def limit_order(self) -> None:
        self.order = self.resting()
        equal("status", self.order["status"], "open")
        ours = [str(one["order_id"]) for one in self.server.account("spot")["open_orders"]]
        holds("the server has it", self.order["id"] in ours)

    def query_order(self) -> None:
        number = self.order["id"]
        equal("price", self.rest.fetch_order(number, SYMBOL)["price"], self.order["price"])
        for call in (self.rest.fetch_open_orders, self.rest.fetch_orders):
            holds("listed", number in [one["id"] for one in call(SYMBOL)])

    def modify_order(self) -> None:
        call = self.rest.edit_order
        changed = call(self.order["id"], SYMBOL, "limit", "buy", 0.02, self.around(0.97))
        equal("amount", changed["amount"], "0.02")
        self.order = changed

    def cancel_order(self) -> None:
        equal("state", self.rest.cancel_order(self.order["id"], SYMBOL)["status"], "canceled")
        refused(-2011, lambda: self.rest.cancel_order(self.order["id"], SYMBOL))
        ended = self.rest.fetch_canceled_orders(SYMBOL)
        holds("among the cancelled", self.order["id"] in [one["id"] for one in ended])

    def cancel_all(self) -> None:
        self.resting()
        self.resting()
        equal("ended", len(self.rest.cancel_all_orders(SYMBOL)), 2)
        equal("open", self.server.account("spot")["open_orders"], [])

    def order_test(self) -> None:
        before = self.server.account("spot")["orders_total"]
        extra = {"test": True}
        self.rest.create_order(SYMBOL, "limit", "buy", 0.01, self.around(0.98), extra)
        equal("orders", self.server.account("spot")["orders_total"], before)

    def post_only_refusal(self) -> None:
        price = self.around(1.01)
        call = self.rest.create_order
        wanted = ccxt.OrderImmediatelyFillable
        raises(wanted, lambda: call(SYMBOL, "limit", "buy", 0.01, price, {"postOnly": True}))

    async def user_stream(self) -> None:
        watching = asyncio.create_task(self.pro.watch_orders(SYMBOL))
        # The subscription is there once its answer is; a balance comes of any order.
        deadline = time.monotonic() + 10
        while not any("ws-api" in url for url in self.pro.clients):
            holds("connected within 10 s", time.monotonic() < deadline)
            await asyncio.sleep(0.05)
        client = next(one for url, one in self.pro.clients.items() if "ws-api" in url)
        await asyncio.wait_for(client.connected, 10)
        await asyncio.sleep(0.5)
        order = self.resting()
        for expected in ("open", "canceled"):
            told = (await asyncio.wait_for(watching, 10))[-1]
            equal("order", told["id"], order["id"])
            equal("state", told["status"], expected)
            watching = asyncio.create_task(self.pro.watch_orders(SYMBOL))
            if expected == "open":
                self.rest.cancel_order(order["id"], SYMBOL)
        watching.cancel()

    def market_order(self) -> None:
        filled = self.rest.create_order(SYMBOL, "market", "buy", 0.02)
        equal("status", filled["status"], "closed")
        by_cost = self.rest.create_market_buy_order_with_cost(SYMBOL, 500)
        holds("spent", 490 < by_cost["cost"] <= 500)
        holds("closed", self.rest.fetch_closed_orders(SYMBOL))

    def account_values(self) -> None:
        equal("quote", self.rest.fetch_balance()["USDT"]["total"], self.wallet())

    def own_trades(self) -> None:
        trades = self.rest.fetch_my_trades(SYMBOL)
        equal("fills", len(trades), self.server.account("spot")["fills"])
        number = trades[-1]["order"]
        holds("of an order", self.rest.fetch_order_trades(number, SYMBOL))

    def fees(self) -> None:
        fee = self.rest.privateGetAccountCommission({"symbol": PLAIN})
        rate = float(fee["standardCommission"]["taker"])
        trade = self.rest.fetch_my_trades(SYMBOL)[0]
        equal("of what was bought", trade["fee"]["currency"], "BTC")
        holds("paid", abs(trade["fee"]["cost"] / trade["amount"] - rate) < 1e-6)

    def stop_orders(self) -> None:
        call = self.rest.create_order
        stop = {"stopLossPrice": self.around(0.97)}
        trailing = {"trailingPercent": 1, "stopLossOrTakeProfit": "stopLoss"}
        waiting = [
            call(SYMBOL, "limit", "sell", 0.01, self.around(0.96), stop),
            call(SYMBOL, "market", "sell", 0.01, None, stop),
            call(SYMBOL, "market", "sell", 0.01, None, {"takeProfitPrice": self.around(1.03)}),
            call(SYMBOL, "market", "sell", 0.01, None, trailing),
        ]
        for order in waiting:
            seen = self.rest.fetch_order(order["id"], SYMBOL)
            equal("state", seen["status"], "open")
        seen = self.rest.fetch_order(waiting[0]["id"], SYMBOL)
        equal("stop", seen["triggerPrice"], stop["stopLossPrice"])
        equal("ended", len(self.rest.cancel_all_orders(SYMBOL)), 4)
        late = {"stopLossPrice": self.around(1.03)}
        wanted = ccxt.OrderImmediatelyFillable
        raises(wanted, lambda: call(SYMBOL, "market", "sell", 0.01, None, late))
        before = self.server.account("spot")["fills"]
        # A stop is judged by the last trade; it stands still until the order is there.
        self.server.pause(True)
        try:
            last = self.rest.fetch_trades(SYMBOL, limit=1)[0]["price"]
            near = float(self.rest.price_to_precision(SYMBOL, last - 0.05))
            call(SYMBOL, "market", "sell", 0.01, None, {"stopLossPrice": near})
        finally:
            self.server.pause(False)
        until("the stop sells", lambda: self.server.account("spot")["fills"] > before, 60)

    def order_lists(self) -> None:
        pair = {
            "symbol": PLAIN,
            "side": "SELL",
            "quantity": "0.01",
            "aboveType": "LIMIT_MAKER",
            "abovePrice": str(self.around(1.03)),
            "belowType": "STOP_LOSS_LIMIT",
            "belowStopPrice": str(self.around(0.97)),
            "belowPrice": str(self.around(0.96)),
            "belowTimeInForce": "GTC",
        }
        placed = self.rest.private_post_orderlist_oco(pair)
        number = placed["orderListId"]
        queried = self.rest.private_get_orderlist({"orderListId": number})
        equal("queried", queried["orders"], placed["orders"])
        equal("open", len(self.rest.private_get_openorderlist()), 1)
        holds("among the open orders", len(self.rest.fetch_open_orders(SYMBOL)) == 2)
        self.rest.private_delete_orderlist({"symbol": PLAIN, "orderListId": number})
        equal("open", self.rest.fetch_open_orders(SYMBOL), [])
        holds("among all", self.rest.private_get_allorderlist())

    def listen_key(self) -> None:
        raise ClientLimit("the exchange ended listen keys on spot in 2026")

    async def websocket_api(self) -> None:
        price = self.around(0.98)
        order = await self.pro.create_order_ws(SYMBOL, "limit", "buy", 0.01, price)
        equal("status", order["status"], "open")
        ended = await self.pro.cancel_order_ws(order["id"], SYMBOL)
        equal("status", ended["status"], "canceled")
        # The unified form of it knows futures only.
        told = await self.pro.fetch_balance_ws()
        free = {one["asset"]: one["free"] for one in told["info"]["balances"]}
        equal("quote", free["USDT"], self.wallet())

    def rate_limit(self) -> None:
        for _ in range(400):
            try:
                self.rest.fetch_order_book(SYMBOL, 5000)
            except (ccxt.RateLimitExceeded, ccxt.DDoSProtection) as error:
                holds("the code", "-1003" in str(error))
                return
        raise Mismatch("400 books of weight 250 and no refusal")


async def main() -> None:
    """Runs all checks."""
    server = Server()
    driver = Driver(server)
    try:
        await run(NOT_ON_SPOT | checks_of(driver), server)
    finally:
        await driver.pro.close()


asyncio.run(main())
