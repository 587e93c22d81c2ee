"""The official SDK of spot: REST, streams, WebSocket API with its user stream and sessions.

In: the environment of the harness. Out: its cells. Never: a patched client. The SDK only warns
when an answer does not fit its model; here that warning fails the cell.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import Any

from binance_common.configuration import (
    ConfigurationRestAPI,
    ConfigurationWebSocketAPI,
    ConfigurationWebSocketStreams,
)
from binance_common.errors import TooManyRequestsError
from binance_sdk_spot import Spot

from harness import (
    NOT_ON_SPOT,
    Check,
    Mismatch,
    ModelWarnings,
    Server,
    checks_of,
    equal,
    holds,
    refused,
    run,
    until,
)

SYMBOL = "BTCUSDT"


class Driver:
    """The checks."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.warnings = ModelWarnings()
        self.client = self.connected(server.secret)
        self.rest = self.client.rest_api

    def connected(self, secret: str) -> Spot:
        """A client with this secret."""
        server = self.server
        keys: dict[str, Any] = {"api_key": server.key}
        keys["api_secret" if server.key_kind == "Hmac" else "private_key"] = secret
        agent = ssl.create_default_context() if server.ws.startswith("wss") else None
        return Spot(
            ConfigurationRestAPI(base_path=server.spot_http, timeout=10_000, **keys),
            ConfigurationWebSocketAPI(
                stream_url=server.spot_ws + "/ws-api/v3", https_agent=agent, **keys
            ),
            ConfigurationWebSocketStreams(stream_url=server.spot_ws, https_agent=agent),
        )

    def checks(self) -> dict[str, Check]:
        """The checks, each failed by a warning of the models."""
        watched = {name: self.warnings.watched(check) for name, check in checks_of(self).items()}
        return NOT_ON_SPOT | watched

    def far_bid(self) -> float:
        """A price that rests."""
        bids = self.rest.depth(SYMBOL, limit=5).data().bids
        return round(float(bids[0][0]) * 0.98, 2)

    def order(self) -> Any:
        """A resting bid."""
        call = self.rest.new_order
        more = {"time_in_force": "GTC", "quantity": 0.01, "price": self.far_bid()}
        return call(SYMBOL, "BUY", "LIMIT", **more).data()

    def connect(self) -> None:
        self.exchange_info()

    def exchange_info(self) -> None:
        info = self.rest.exchange_info(symbol=SYMBOL).data()
        equal("symbol", info.symbols[0].symbol, SYMBOL)
        holds("filters", info.symbols[0].filters)
        self.rest.exchange_info().data()

    def server_time(self) -> None:
        told = self.rest.time().data().server_time
        holds("within 2 s", abs(told - time.time() * 1000) < 2000)

    async def signed_call(self) -> None:
        """Over REST, and over a session where the key allows one."""
        holds("balances", self.rest.get_account().data().balances)
        if self.server.key_kind != "Ed25519":
            return
        connection = await self.client.websocket_api.create_connection()
        try:
            told = (await connection.session_logon()).data().result
            equal("key", told.api_key, self.server.key)
            told = (await connection.session_status()).data().result
            holds("since", told.authorized_since)
            (await connection.account_status()).data()
            (await connection.session_logout()).data()
        finally:
            await connection.close_connection(close_session=True)

    def order_book(self) -> None:
        book = self.rest.depth(SYMBOL, limit=100).data()
        holds("not crossed", float(book.bids[0][0]) < float(book.asks[0][0]))

    def klines(self) -> None:
        equal("rows", len(self.rest.klines(SYMBOL, "1m", limit=50).data()), 50)
        equal("rows", len(self.rest.ui_klines(SYMBOL, "1m", limit=50).data()), 50)

    def tickers(self) -> None:
        self.rest.ticker24hr(symbol=SYMBOL).data()
        self.rest.ticker24hr().data()
        self.rest.ticker(symbol=SYMBOL).data()
        self.rest.ticker_price(symbol=SYMBOL).data()
        self.rest.ticker_price().data()
        self.rest.ticker_book_ticker(symbol=SYMBOL).data()
        self.rest.ticker_trading_day(symbol=SYMBOL).data()
        self.rest.avg_price(SYMBOL).data()

    def public_trades(self) -> None:
        for call in (self.rest.get_trades, self.rest.agg_trades, self.rest.historical_trades):
            until("20 trades", lambda call=call: len(call(SYMBOL, limit=20).data()) == 20)

    async def market_streams(self) -> None:
        connection = await self.client.websocket_streams.create_connection()
        try:
            for make in (
                connection.agg_trade,
                connection.trade,
                connection.mini_ticker,
                connection.ticker,
                connection.book_ticker,
                connection.diff_book_depth,
                connection.avg_price,
            ):
                arrived: asyncio.Queue[Any] = asyncio.Queue()
                handle = await make(symbol=SYMBOL.lower())
                handle.on("message", arrived.put_nowait)
                event = await asyncio.wait_for(arrived.get(), 20)
                equal(f"symbol of {make.__name__}", event.s, SYMBOL)
        finally:
            await connection.close_connection(close_session=True)

    def wrong_signature(self) -> None:
        refused(-1022, self.connected("another secret").rest_api.get_account)

    def old_timestamp(self) -> None:
        # The SDK signs at the time of the call; the server's clock steps instead.
        self.server.step_clock(60_000)
        try:
            refused(-1021, self.rest.get_account)
        finally:
            self.server.step_clock(-60_000)

    def limit_order(self) -> None:
        self.placed = self.order()
        equal("status", self.placed.status, "NEW")
        ours = [one["order_id"] for one in self.server.account("spot")["open_orders"]]
        holds("the server has it", self.placed.order_id in ours)

    def query_order(self) -> None:
        number = self.placed.order_id
        seen = self.rest.get_order(SYMBOL, order_id=number).data()
        equal("price", seen.price, self.placed.price)
        for call in (self.rest.get_open_orders, self.rest.all_orders):
            holds("listed", number in [one.order_id for one in call(symbol=SYMBOL).data()])

    def modify_order(self) -> None:
        number = self.placed.order_id
        more = {"time_in_force": "GTC", "quantity": 0.02, "price": self.far_bid()}
        call = self.rest.order_cancel_replace
        mode = "STOP_ON_FAILURE"
        told = call(SYMBOL, "BUY", "LIMIT", mode, cancel_order_id=number, **more).data()
        equal("cancelled", told.cancel_result, "SUCCESS")
        self.placed = told.new_order_response
        # The same order with less, at its place in the queue.
        number = self.placed.order_id
        kept = self.rest.order_amend_keep_priority(SYMBOL, 0.01, order_id=number).data()
        equal("quantity", kept.amended_order.qty, "0.01")

    def cancel_order(self) -> None:
        number = self.placed.order_id
        ended = self.rest.delete_order(SYMBOL, order_id=number).data()
        equal("status", ended.status, "CANCELED")
        refused(-2011, lambda: self.rest.delete_order(SYMBOL, order_id=number))

    def cancel_all(self) -> None:
        self.order()
        self.order()
        equal("ended", len(self.rest.delete_open_orders(SYMBOL).data()), 2)
        equal("open", self.server.account("spot")["open_orders"], [])

    def order_test(self) -> None:
        before = self.server.account("spot")["orders_total"]
        more = {"time_in_force": "GTC", "quantity": 0.01, "price": self.far_bid()}
        self.rest.order_test(SYMBOL, "BUY", "LIMIT", **more).data()
        more["compute_commission_rates"] = True
        rates = self.rest.order_test(SYMBOL, "BUY", "LIMIT", **more).data()
        holds("rates", rates.standard_commission_for_order)
        equal("orders", self.server.account("spot")["orders_total"], before)

    def around(self, share: float) -> float:
        """A price so far from the best bid."""
        bids = self.rest.depth(SYMBOL, limit=5).data().bids
        return round(float(bids[0][0]) * share, 2)

    def stop_orders(self) -> None:
        more = {"time_in_force": "GTC", "quantity": 0.01}
        more |= {"stop_price": self.around(0.97), "price": self.around(0.96)}
        number = self.rest.new_order(SYMBOL, "SELL", "STOP_LOSS_LIMIT", **more).data().order_id
        seen = self.rest.get_order(SYMBOL, order_id=number).data()
        equal("waits", seen.is_working, False)
        equal("stop", seen.stop_price, more["stop_price"])
        self.rest.delete_order(SYMBOL, order_id=number).data()
        trailing = {"quantity": 0.01, "trailing_delta": 100}
        number = self.rest.new_order(SYMBOL, "SELL", "TAKE_PROFIT", **trailing).data().order_id
        self.rest.delete_order(SYMBOL, order_id=number).data()
        late = {"quantity": 0.01, "stop_price": self.around(1.03)}
        call = self.rest.new_order
        refused(-2010, lambda: call(SYMBOL, "SELL", "STOP_LOSS", **late))

    def order_lists(self) -> None:
        above, below = self.around(1.03), self.around(0.97)
        pair = {"above_price": above, "below_stop_price": below}
        call = self.rest.order_list_oco
        placed = call(SYMBOL, "SELL", 0.01, "LIMIT_MAKER", "STOP_LOSS", **pair).data()
        number = placed.order_list_id
        equal("orders", len(placed.order_reports), 2)
        seen = self.rest.get_order_list(order_list_id=number).data()
        equal("client id", seen.list_client_order_id, placed.list_client_order_id)
        equal("open", len(self.rest.open_order_list().data()), 1)
        ended = self.rest.delete_order_list(SYMBOL, order_list_id=number).data()
        equal("over", ended.list_order_status, "ALL_DONE")
        working = ("LIMIT", "BUY", below, 0.01)
        placed = self.rest.order_list_oto(
            SYMBOL,
            *working,
            "LIMIT_MAKER",
            "SELL",
            0.01,
            working_time_in_force="GTC",
            pending_price=above,
        ).data()
        equal("follows", placed.order_reports[1].status, "PENDING_NEW")
        self.rest.delete_order_list(SYMBOL, order_list_id=placed.order_list_id).data()
        placed = self.rest.order_list_otoco(
            SYMBOL,
            *working,
            "SELL",
            0.01,
            "LIMIT_MAKER",
            working_time_in_force="GTC",
            pending_above_price=above,
            pending_below_type="STOP_LOSS",
            pending_below_stop_price=self.around(0.9),
        ).data()
        equal("orders", len(placed.orders), 3)
        self.rest.delete_order(SYMBOL, order_id=placed.orders[0].order_id).data()
        equal("none open", self.rest.open_order_list().data(), [])
        holds("all of them", len(self.rest.all_order_list().data()) == 3)

    def post_only_refusal(self) -> None:
        ask = float(self.rest.depth(SYMBOL, limit=5).data().asks[0][0])
        price = round(ask * 1.01, 2)
        call = self.rest.new_order
        refused(-2010, lambda: call(SYMBOL, "BUY", "LIMIT_MAKER", quantity=0.01, price=price))

    async def user_stream(self) -> None:
        connection = await self.client.websocket_api.create_connection()
        try:
            arrived: asyncio.Queue[Any] = asyncio.Queue()
            told = await connection.user_data_stream_subscribe_signature()
            told.stream.on("message", arrived.put_nowait)
            order = self.order()
            self.rest.delete_order(SYMBOL, order_id=order.order_id)
            self.rest.new_order(SYMBOL, "BUY", "MARKET", quantity=0.01)
            seen: list[Any] = []
            while len(seen) < 4:
                event = await asyncio.wait_for(arrived.get(), 10)
                event = getattr(event, "actual_instance", event)
                if getattr(event, "x", None) in {"NEW", "CANCELED", "TRADE"}:
                    seen.append(event.x)
            equal("events", seen, ["NEW", "CANCELED", "NEW", "TRADE"])
        finally:
            await connection.close_connection(close_session=True)

    def market_order(self) -> None:
        filled = self.rest.new_order(SYMBOL, "BUY", "MARKET", quantity=0.02).data()
        equal("status", filled.status, "FILLED")
        total = sum(float(one.qty) for one in filled.fills)
        holds(f"fills of {total}", abs(total - 0.02) < 1e-9)

    def account_values(self) -> None:
        balances = {one.asset: one for one in self.rest.get_account().data().balances}
        equal("quote", balances["USDT"].free, self.server.account("spot")["wallet_usdt"])

    def own_trades(self) -> None:
        trades = self.rest.my_trades(SYMBOL).data()
        equal("fills", len(trades), self.server.account("spot")["fills"])

    def fees(self) -> None:
        rates = self.rest.account_commission(SYMBOL).data()
        holds("taker", float(rates.standard_commission.taker) > 0)

    async def websocket_api(self) -> None:
        connection = await self.client.websocket_api.create_connection()
        try:
            more = {"time_in_force": "GTC", "quantity": 0.01, "price": self.far_bid()}
            placed = (await connection.order_place(SYMBOL, "BUY", "LIMIT", **more)).data()
            number = placed.result.order_id
            told = (await connection.order_status(SYMBOL, order_id=number)).data()
            equal("status", told.result.status, "NEW")
            ended = (await connection.order_cancel(SYMBOL, order_id=number)).data()
            equal("status", ended.result.status, "CANCELED")
            for call in (connection.account_status, connection.time, connection.session_status):
                (await call()).data()
            for call in (connection.depth, connection.trades_recent, connection.my_trades):
                (await call(SYMBOL)).data()
        finally:
            await connection.close_connection(close_session=True)

    def rate_limit(self) -> None:
        for _ in range(400):
            try:
                self.rest.ticker24hr()
            except TooManyRequestsError as error:
                equal("code", error.status_code, -1003)
                holds("Retry-After", error.retry_after)
                return
        raise Mismatch("400 tickers of weight 80 and no refusal")


async def main() -> None:
    """Runs all checks."""
    server = Server()
    await run(Driver(server).checks(), server)


asyncio.run(main())
