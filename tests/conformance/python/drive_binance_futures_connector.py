"""binance-futures-connector: every call on the USD-M futures that has a row in the table.

In: the environment of the harness. Out: its cells. Never: a patched client; its base URLs and its
key are set through its own options.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

from binance.error import ClientError
from binance.um_futures import UMFutures
from binance.websocket.um_futures.websocket_client import UMFuturesWebsocketClient
from harness import ClientLimit, Mismatch, Server, equal, holds, position_of, refused, run, until

SYMBOL = "BTCUSDT"


class Listener:
    """One stream connection that keeps what it hears."""

    def __init__(self, url: str) -> None:
        self.heard: list[Any] = []
        self.client = UMFuturesWebsocketClient(stream_url=url, on_message=self.take)

    def take(self, _: Any, text: str) -> None:
        """Keeps a message."""
        self.heard.append(json.loads(text))

    def events(self, kind: str) -> list[Any]:
        """Events of one kind."""
        return [one for one in self.heard if one.get("e") == kind]


class Driver:
    """The checks."""

    def __init__(self, server: Server) -> None:
        self.server = server
        signs = "secret" if server.key_kind == "Hmac" else "private_key"
        self.rest = UMFutures(server.key, base_url=server.http, **{signs: server.secret})
        self.order: Any = None

    def checks(self) -> dict[str, Callable[[], Any]]:
        """Capability to check."""
        return {
            "connect": self.exchange_info,
            "signed call": self.signed_call,
            "exchange info": self.exchange_info,
            "server time": self.server_time,
            "order book": self.order_book,
            "klines": self.klines,
            "tickers": self.tickers,
            "public trades": self.public_trades,
            "book by stream": self.book_by_stream,
            "market streams": self.market_streams,
            "wrong signature": self.wrong_signature,
            "old timestamp": self.old_timestamp,
            "limit order": self.limit_order,
            "query order": self.query_order,
            "modify order": self.modify_order,
            "cancel order": self.cancel_order,
            "cancel all": self.cancel_all,
            "batch": self.batch,
            "order test": self.order_test,
            "post-only refusal": self.post_only,
            "user stream": self.user_stream,
            "market order": self.market_order,
            "account values": self.account_values,
            "positions": self.positions,
            "own trades": self.own_trades,
            "fees": self.fees,
            "income": self.income,
            "reduce-only": self.reduce_only,
            "leverage": self.leverage,
            "margin type": self.margin_type,
            "hedge mode": self.hedge_mode,
            "listen key": self.listen_key,
            "rate limit": self.rate_limit,
        }

    def best(self) -> tuple[float, float]:
        """Best bid and ask."""
        row = self.rest.book_ticker(symbol=SYMBOL)
        return float(row["bidPrice"]), float(row["askPrice"])

    def held(self) -> float:
        """What the server says is held."""
        return float(position_of(self.server.account(), SYMBOL)["quantity"])

    def place(self, side: str, kind: str, quantity: float, **more: Any) -> Any:
        """Places an order."""
        return self.rest.new_order(symbol=SYMBOL, side=side, type=kind, quantity=quantity, **more)

    def rest_order(self) -> Any:
        """A resting bid."""
        price = f"{self.best()[0] * 0.98:.1f}"
        return self.place("BUY", "LIMIT", 0.01, price=price, timeInForce="GTC")

    def exchange_info(self) -> None:
        symbols = {one["symbol"]: one for one in self.rest.exchange_info()["symbols"]}
        filters = {one["filterType"] for one in symbols[SYMBOL]["filters"]}
        holds("filters", {"PRICE_FILTER", "LOT_SIZE", "MIN_NOTIONAL"} <= filters)

    def signed_call(self) -> None:
        if self.server.key_kind == "Ed25519":
            raise ClientLimit(
                "signs with RSA alone: its rsa_signature() says `RSA.import_key(private_key)`"
            )
        wallet = self.server.account()["wallet_usdt"]
        equal("wallet", self.rest.account()["totalWalletBalance"], wallet)

    def server_time(self) -> None:
        holds("within 2 s", abs(self.rest.time()["serverTime"] - time.time() * 1000) < 2000)

    def order_book(self) -> None:
        book = self.rest.depth(SYMBOL, limit=100)
        holds("not crossed", float(book["bids"][0][0]) < float(book["asks"][0][0]))

    def klines(self) -> None:
        rows = self.rest.klines(SYMBOL, "1m", limit=50)
        equal("rows", len(rows), 50)
        holds("mark price", self.rest.mark_price_klines(SYMBOL, "1m", limit=5))
        holds("index price", self.rest.index_price_klines(SYMBOL, "1m", limit=5))
        holds("continuous", self.rest.continuous_klines(SYMBOL, "PERPETUAL", "1m", limit=5))

    def tickers(self) -> None:
        holds("day", self.rest.ticker_24hr_price_change(SYMBOL)["lastPrice"])
        holds("price", self.rest.ticker_price(SYMBOL)["price"])
        holds("mark", self.rest.mark_price(SYMBOL)["markPrice"])
        holds("open interest", self.rest.open_interest(SYMBOL)["openInterest"])

    def public_trades(self) -> None:
        until("20 trades", lambda: len(self.rest.trades(SYMBOL, limit=20)) == 20)
        holds("older", self.rest.historical_trades(SYMBOL, limit=5))
        holds("aggregates", self.rest.agg_trades(SYMBOL, limit=5))

    def book_by_stream(self) -> None:
        listener = Listener(self.server.ws + "/public")
        listener.client.diff_book_depth(symbol=SYMBOL, speed=100)
        until("first events", lambda: len(listener.events("depthUpdate")) >= 2)
        snapshot = self.rest.depth(SYMBOL, limit=1000)
        self.server.pause(True)
        try:
            truth = self.server.book(SYMBOL)
            wanted = truth["last_update_id"]
            until(
                "the last event",
                lambda: listener.heard and listener.events("depthUpdate")[-1]["u"] == wanted,
            )
            book = fold(snapshot, listener.events("depthUpdate"))
            for side, best in (("bids", max), ("asks", min)):
                levels = sorted(book[side].items(), reverse=best is max)[:50]
                there = [(float(price), float(size)) for price, size in truth[side][:50]]
                equal(side, levels, there)
        finally:
            self.server.pause(False)
            listener.client.stop()

    def market_streams(self) -> None:
        listener = Listener(self.server.ws + "/market")
        listener.client.agg_trade(symbol=SYMBOL)
        listener.client.mark_price(symbol=SYMBOL, speed=1)
        listener.client.kline(symbol=SYMBOL, interval="1m")
        listener.client.ticker(symbol=SYMBOL)
        for kind in ("aggTrade", "markPriceUpdate", "kline", "24hrTicker"):
            until(kind, lambda kind=kind: listener.events(kind))
        listener.client.stop()

    def wrong_signature(self) -> None:
        other = UMFutures(self.server.key, "another secret", base_url=self.server.http)
        refused(-1022, other.account)
        stranger = UMFutures("nobody", self.server.secret, base_url=self.server.http)
        refused(-2015, stranger.account)

    def old_timestamp(self) -> None:
        for step_ms in (20_000, -20_000):
            # It writes the time itself, so the server's clock jumps instead, there and back.
            self.server.step_clock(step_ms)
            if step_ms > 0:
                refused(-1021, self.rest.account)
        holds("accepted again", self.rest.account()["assets"])

    def limit_order(self) -> None:
        self.order = self.rest_order()
        equal("status", self.order["status"], "NEW")
        ours = [one["order_id"] for one in self.server.account()["open_orders"]]
        holds("the server has it", self.order["orderId"] in ours)

    def query_order(self) -> None:
        number = self.order["orderId"]
        equal("price", self.rest.query_order(SYMBOL, orderId=number)["price"], self.order["price"])
        equal("open", self.rest.get_open_orders(SYMBOL, orderId=number)["orderId"], number)
        holds("listed", number in [one["orderId"] for one in self.rest.get_orders(symbol=SYMBOL)])
        every = [one["orderId"] for one in self.rest.get_all_orders(SYMBOL)]
        holds("among all", number in every)

    def modify_order(self) -> None:
        price = f"{float(self.order['price']) * 0.999:.1f}"
        number = self.order["orderId"]
        changed = self.rest.modify_order(SYMBOL, "BUY", 0.02, price, orderId=number)
        equal("price", changed["price"], price)
        equal("quantity", changed["origQty"], "0.02")

    def cancel_order(self) -> None:
        number = self.order["orderId"]
        equal("status", self.rest.cancel_order(SYMBOL, orderId=number)["status"], "CANCELED")
        refused(-2011, lambda: self.rest.cancel_order(SYMBOL, orderId=number))

    def cancel_all(self) -> None:
        self.rest_order()
        self.rest_order()
        self.rest.cancel_open_orders(SYMBOL)
        equal("open", self.server.account()["open_orders"], [])

    def batch(self) -> None:
        price = f"{self.best()[0] * 0.98:.1f}"
        one = {
            "symbol": SYMBOL,
            "side": "BUY",
            "type": "LIMIT",
            "quantity": "0.010",
            "price": price,
            "timeInForce": "GTC",
        }
        placed = self.rest.new_batch_order([one, dict(one, side="SELL", reduceOnly="true")])
        equal("first", placed[0]["status"], "NEW")
        equal("second", placed[1]["code"], -2022)
        self.rest.cancel_open_orders(SYMBOL)

    def order_test(self) -> None:
        before = self.server.account()["orders_total"]
        self.rest.new_order_test(symbol=SYMBOL, side="BUY", type="MARKET", quantity=0.01)
        equal("orders", self.server.account()["orders_total"], before)

    def post_only(self) -> None:
        price = f"{self.best()[1] * 1.01:.1f}"
        refused(-5022, lambda: self.place("BUY", "LIMIT", 0.01, price=price, timeInForce="GTX"))

    def user_stream(self) -> None:
        listener = Listener(self.server.ws + "/private")
        listener.client.user_data(listen_key=self.rest.new_listen_key()["listenKey"], id=1)
        until("the acknowledgement", lambda: any(one.get("id") == 1 for one in listener.heard))
        self.place("BUY", "MARKET", 0.01)
        wanted = ["TRADE_LITE", "ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE", "ORDER_TRADE_UPDATE"]
        heard = lambda: [one["e"] for one in listener.heard if "e" in one]  # noqa: E731
        until("four events", lambda: len(heard()) >= 4)
        equal("order of events", heard()[:4], wanted)
        steps = [one["o"]["x"] for one in listener.events("ORDER_TRADE_UPDATE")]
        equal("steps", steps[:2], ["NEW", "TRADE"])
        listener.client.stop()

    def market_order(self) -> None:
        before = self.held()
        told = self.place("BUY", "MARKET", 0.05, newOrderRespType="RESULT")
        equal("status", told["status"], "FILLED")
        holds("held", abs(self.held() - before - 0.05) < 1e-9)

    def account_values(self) -> None:
        self.server.pause(True)
        try:
            account = self.server.account()
            told = self.rest.account()
            equal("wallet", told["totalWalletBalance"], account["wallet_usdt"])
            row = next(one for one in told["positions"] if one["symbol"] == SYMBOL)
            held = position_of(account, SYMBOL)
            equal("unrealised", row["unrealizedProfit"], held["unrealized_usdt"])
            usdt = next(one for one in self.rest.balance() if one["asset"] == "USDT")
            equal("balance", usdt["balance"], account["wallet_usdt"])
        finally:
            self.server.pause(False)

    def positions(self) -> None:
        row = next(one for one in self.rest.get_position_risk(symbol=SYMBOL))
        equal("held", row["positionAmt"], self.held())

    def own_trades(self) -> None:
        trades = self.rest.get_account_trades(symbol=SYMBOL)
        account = self.server.account()
        equal("fills", len(trades), account["fills"])
        paid = sum(float(one["commission"]) for one in trades)
        holds("fees", abs(paid - float(account["fees_usdt"])) < 1e-6)

    def fees(self) -> None:
        rates = self.rest.commission_rate(SYMBOL)
        holds("rates", float(rates["makerCommissionRate"]) < float(rates["takerCommissionRate"]))

    def income(self) -> None:
        kinds = {one["incomeType"] for one in self.rest.get_income_history()}
        holds(f"commissions among {kinds}", "COMMISSION" in kinds)

    def reduce_only(self) -> None:
        refused(-2022, lambda: self.place("BUY", "MARKET", 0.01, reduceOnly="true"))
        before = self.held()
        self.place("SELL", "MARKET", 0.01, reduceOnly="true")
        holds("reduced", abs(before - self.held() - 0.01) < 1e-9)

    def leverage(self) -> None:
        equal("leverage", self.rest.change_leverage(SYMBOL, 7)["leverage"], 7)
        holds("brackets", self.rest.leverage_brackets(symbol=SYMBOL))

    def margin_type(self) -> None:
        self.rest.change_margin_type("ETHUSDT", "ISOLATED")
        refused(-4046, lambda: self.rest.change_margin_type("ETHUSDT", "ISOLATED"))
        self.rest.change_margin_type("ETHUSDT", "CROSSED")

    def hedge_mode(self) -> None:
        self.place("SELL", "MARKET", round(self.held(), 3), reduceOnly="true")
        self.rest.change_position_mode(dualSidePosition="true")
        equal("hedged", self.rest.get_position_mode()["dualSidePosition"], True)
        self.rest.change_position_mode(dualSidePosition="false")

    def listen_key(self) -> None:
        key = self.rest.new_listen_key()["listenKey"]
        self.rest.renew_listen_key(key)
        self.rest.close_listen_key(key)
        refused(-1125, lambda: self.rest.renew_listen_key(key))

    def rate_limit(self) -> None:
        for _ in range(200):
            try:
                self.rest.depth(SYMBOL, limit=1000)
            except ClientError as error:
                equal("status and code", (error.status_code, error.error_code), (429, -1003))
                holds("Retry-After", error.header.get("Retry-After"))
                return
        raise Mismatch("200 books of weight 20 and no refusal")


def fold(snapshot: Any, events: list[Any]) -> dict[str, dict[float, float]]:
    """A book by the documented rules: what is older than the snapshot is dropped."""
    book = {side: {float(p): float(q) for p, q in snapshot[side]} for side in ("bids", "asks")}
    last = None
    for event in events:
        if event["u"] < snapshot["lastUpdateId"]:
            continue
        if last is not None:
            equal("chain", event["pu"], last)
        last = event["u"]
        for side, name in (("bids", "b"), ("asks", "a")):
            for price, size in event[name]:
                if float(size) == 0:
                    book[side].pop(float(price), None)
                else:
                    book[side][float(price)] = float(size)
    return book


async def main() -> None:
    """Runs all checks."""
    server = Server()
    await run(Driver(server).checks(), server)


asyncio.run(main())
