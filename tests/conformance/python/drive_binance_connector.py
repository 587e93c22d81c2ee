"""binance-connector: every call on spot that has a row in the table.

In: the environment of the harness. Out: its cells. Never: a patched client; its base URLs and its
key are set through its own options.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from binance.error import ClientError
from binance.spot import Spot
from binance.websocket.spot.websocket_api import SpotWebsocketAPIClient
from binance.websocket.spot.websocket_stream import SpotWebsocketStreamClient
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

SYMBOL = "BTCUSDT"


class Heard(list[Any]):
    """What a socket said."""

    def take(self, _: Any, text: str) -> None:
        """Keeps a message."""
        self.append(json.loads(text))


class Driver:
    """The checks."""

    def __init__(self, server: Server) -> None:
        self.server = server
        signs = "api_secret" if server.key_kind == "Hmac" else "private_key"
        self.rest = Spot(server.key, base_url=server.spot_http, **{signs: server.secret})
        self.placed: Any = None

    def far_bid(self) -> str:
        """A price that rests."""
        return f"{float(self.rest.book_ticker(SYMBOL)['bidPrice']) * 0.98:.2f}"

    def resting(self) -> dict[str, Any]:
        """The fields of a resting bid."""
        return {"timeInForce": "GTC", "quantity": "0.01", "price": self.far_bid()}

    def order(self) -> Any:
        """A resting bid."""
        return self.rest.new_order(SYMBOL, "BUY", "LIMIT", **self.resting())

    def connect(self) -> None:
        self.exchange_info()

    def signed_call(self) -> None:
        holds("balances", self.rest.account()["balances"])

    def exchange_info(self) -> None:
        row = self.rest.exchange_info(SYMBOL)["symbols"][0]
        kinds = {one["filterType"] for one in row["filters"]}
        holds("filters", {"PRICE_FILTER", "LOT_SIZE", "NOTIONAL"} <= kinds)
        holds("by a list", self.rest.exchange_info(symbols=[SYMBOL])["symbols"])

    def server_time(self) -> None:
        holds("within 2 s", abs(self.rest.time()["serverTime"] - time.time() * 1000) < 2000)

    def order_book(self) -> None:
        book = self.rest.depth(SYMBOL, limit=100)
        holds("not crossed", float(book["bids"][0][0]) < float(book["asks"][0][0]))

    def klines(self) -> None:
        equal("rows", len(self.rest.klines(SYMBOL, "1m", limit=50)), 50)
        equal("rows", len(self.rest.ui_klines(SYMBOL, "1m", limit=50)), 50)

    def tickers(self) -> None:
        holds("day", float(self.rest.ticker_24hr(SYMBOL)["lastPrice"]) > 0)
        holds("by a list", self.rest.ticker_24hr(symbols=[SYMBOL])[0]["lastPrice"])
        holds("trading day", self.rest.trading_day_ticker(SYMBOL)["lastPrice"])
        holds("price", self.rest.ticker_price(SYMBOL)["price"])
        holds("window", self.rest.rolling_window_ticker(SYMBOL)["lastPrice"])
        holds("mean", self.rest.avg_price(SYMBOL)["price"])

    def public_trades(self) -> None:
        # The market has traded since its start only.
        for call in (self.rest.trades, self.rest.agg_trades, self.rest.historical_trades):
            until("20 trades", lambda call=call: len(call(SYMBOL, limit=20)) == 20)

    def market_streams(self) -> None:
        heard = Heard()
        client = SpotWebsocketStreamClient(self.server.spot_ws, on_message=heard.take)
        try:
            for make, kind in (
                (client.agg_trade, "aggTrade"),
                (client.trade, "trade"),
                (client.ticker, "24hrTicker"),
                (client.mini_ticker, "24hrMiniTicker"),
            ):
                make(symbol=SYMBOL)
                until(kind, lambda kind=kind: any(one.get("e") == kind for one in list(heard)))
        finally:
            client.stop()

    def wrong_signature(self) -> None:
        other = Spot(self.server.key, "another secret", base_url=self.server.spot_http)
        refused(-1022, other.account)

    def old_timestamp(self) -> None:
        # The client signs at the time of the call; the server's clock steps instead.
        self.server.step_clock(60_000)
        try:
            refused(-1021, self.rest.account)
        finally:
            self.server.step_clock(-60_000)

    def limit_order(self) -> None:
        self.placed = self.order()
        equal("status", self.placed["status"], "NEW")
        ours = [one["order_id"] for one in self.server.account("spot")["open_orders"]]
        holds("the server has it", self.placed["orderId"] in ours)

    def query_order(self) -> None:
        number = self.placed["orderId"]
        seen = self.rest.get_order(SYMBOL, orderId=number)
        equal("price", seen["price"], self.placed["price"])
        for call in (self.rest.get_open_orders, self.rest.get_orders):
            holds("listed", number in [one["orderId"] for one in call(SYMBOL)])

    def modify_order(self) -> None:
        number = self.placed["orderId"]
        more = self.resting() | {"quantity": "0.02", "cancelOrderId": number}
        told = self.rest.cancel_and_replace(SYMBOL, "BUY", "LIMIT", "STOP_ON_FAILURE", **more)
        equal("cancelled", told["cancelResult"], "SUCCESS")
        self.placed = told["newOrderResponse"]
        equal("quantity", self.placed["origQty"], "0.02")

    def cancel_order(self) -> None:
        number = self.placed["orderId"]
        equal("status", self.rest.cancel_order(SYMBOL, orderId=number)["status"], "CANCELED")
        refused(-2011, lambda: self.rest.cancel_order(SYMBOL, orderId=number))

    def cancel_all(self) -> None:
        self.order()
        self.order()
        equal("ended", len(self.rest.cancel_open_orders(SYMBOL)), 2)
        equal("open", self.server.account("spot")["open_orders"], [])

    def order_test(self) -> None:
        before = self.server.account("spot")["orders_total"]
        self.rest.new_order_test(SYMBOL, "BUY", "LIMIT", **self.resting())
        equal("orders", self.server.account("spot")["orders_total"], before)

    def around(self, share: float) -> str:
        """A price so far from the best bid."""
        return f"{float(self.rest.book_ticker(SYMBOL)['bidPrice']) * share:.2f}"

    def stop_orders(self) -> None:
        more = {"timeInForce": "GTC", "quantity": "0.01"}
        more |= {"stopPrice": self.around(0.97), "price": self.around(0.96)}
        placed = self.rest.new_order(SYMBOL, "SELL", "STOP_LOSS_LIMIT", **more)
        seen = self.rest.get_order(SYMBOL, orderId=placed["orderId"])
        equal("waits", seen["isWorking"], False)
        equal("type", seen["type"], "STOP_LOSS_LIMIT")
        self.rest.cancel_order(SYMBOL, orderId=placed["orderId"])
        late = {"quantity": "0.01", "stopPrice": self.around(1.03)}
        call = self.rest.new_order
        refused(-2010, lambda: call(SYMBOL, "SELL", "STOP_LOSS", **late))

    def order_lists(self) -> None:
        pair = {"abovePrice": self.around(1.03), "belowStopPrice": self.around(0.97)}
        placed = self.rest.new_oco_order(
            SYMBOL, "SELL", 0.01, "LIMIT_MAKER", "STOP_LOSS", **pair
        )
        number = placed["orderListId"]
        equal("orders", len(placed["orderReports"]), 2)
        equal("queried", self.rest.get_oco_order(orderListId=number)["orders"], placed["orders"])
        equal("open", len(self.rest.get_oco_open_orders()), 1)
        ended = self.rest.cancel_oco_order(SYMBOL, orderListId=number)
        equal("over", ended["listOrderStatus"], "ALL_DONE")
        holds("among all", self.rest.get_oco_orders())

    def post_only_refusal(self) -> None:
        price = f"{float(self.rest.book_ticker(SYMBOL)['askPrice']) * 1.01:.2f}"
        call = self.rest.new_order
        refused(-2010, lambda: call(SYMBOL, "BUY", "LIMIT_MAKER", quantity="0.01", price=price))

    def user_stream(self) -> None:
        raise ClientLimit("has only the listen keys that the exchange ended on spot in 2026")

    def listen_key(self) -> None:
        raise ClientLimit("the exchange ended listen keys on spot in 2026")

    def market_order(self) -> None:
        filled = self.rest.new_order(SYMBOL, "BUY", "MARKET", quantity="0.02")
        equal("status", filled["status"], "FILLED")
        total = sum(float(one["qty"]) for one in filled["fills"])
        holds(f"fills of {total}", abs(total - 0.02) < 1e-9)

    def account_values(self) -> None:
        free = {one["asset"]: one["free"] for one in self.rest.account()["balances"]}
        equal("quote", free["USDT"], self.server.account("spot")["wallet_usdt"])

    def own_trades(self) -> None:
        equal("fills", len(self.rest.my_trades(SYMBOL)), self.server.account("spot")["fills"])

    def fees(self) -> None:
        rates = self.rest.query_commission_rates(SYMBOL)
        holds("taker", float(rates["standardCommission"]["taker"]) > 0)

    def websocket_api(self) -> None:
        heard = Heard()
        client = SpotWebsocketAPIClient(
            self.server.spot_ws + "/ws-api/v3",
            api_key=self.server.key,
            api_secret=self.server.secret,
            on_message=heard.take,
        )
        try:
            client.new_order(SYMBOL, "BUY", "LIMIT", id="placed", **self.resting())
            placed = until("placed", lambda: answer(heard, "placed"))["result"]
            equal("status", placed["status"], "NEW")
            client.cancel_order(SYMBOL, orderId=placed["orderId"], id="ended")
            ended = until("ended", lambda: answer(heard, "ended"))["result"]
            equal("status", ended["status"], "CANCELED")
        finally:
            client.stop()

    def rate_limit(self) -> None:
        for _ in range(400):
            try:
                self.rest.ticker_24hr()
            except ClientError as error:
                equal("status", error.status_code, 429)
                equal("code", error.error_code, -1003)
                holds("Retry-After", int(error.header["Retry-After"]) > 0)
                return
        raise Mismatch("400 tickers of weight 80 and no refusal")


def answer(heard: Heard, request: str) -> Any:
    """The answer to a request of a socket."""
    return next((one for one in list(heard) if one.get("id") == request), None)


asyncio.run(run(NOT_ON_SPOT | checks_of(Driver(server := Server())), server))
