"""The official SDK of USD-M futures: REST, streams and WebSocket API with its strict models.

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
from binance_sdk_derivatives_trading_usds_futures import DerivativesTradingUsdsFutures
from binance_sdk_derivatives_trading_usds_futures.rest_api.models import (
    PlaceMultipleOrdersBatchOrdersParameterInner,
)

from harness import (
    Check,
    Mismatch,
    ModelWarnings,
    Server,
    checks_of,
    equal,
    holds,
    position_of,
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

    def connected(self, secret: str) -> DerivativesTradingUsdsFutures:
        """A client with this secret."""
        server = self.server
        keys: dict[str, Any] = {"api_key": server.key}
        keys["api_secret" if server.key_kind == "Hmac" else "private_key"] = secret
        agent = ssl.create_default_context() if server.ws.startswith("wss") else None
        return DerivativesTradingUsdsFutures(
            ConfigurationRestAPI(base_path=server.http, timeout=10_000, **keys),
            ConfigurationWebSocketAPI(
                stream_url=server.ws + "/ws-fapi/v1", https_agent=agent, **keys
            ),
            ConfigurationWebSocketStreams(stream_url=server.ws, https_agent=agent),
        )

    def checks(self) -> dict[str, Check]:
        """The checks, each failed by a warning of the models."""
        return {name: self.warnings.watched(check) for name, check in checks_of(self).items()}

    def far_bid(self) -> float:
        """A price that rests."""
        bids = self.rest.order_book(SYMBOL, limit=5).data().bids
        return round(float(bids[0][0]) * 0.98, 1)

    def order(self, price: float | None = None, lifetime: str = "GTC") -> Any:
        """A resting bid."""
        price = self.far_bid() if price is None else price
        call = self.rest.new_order
        return call(
            SYMBOL, "BUY", "LIMIT", time_in_force=lifetime, quantity=0.01, price=price
        ).data()

    def at_market(self, side: str, quantity: float = 0.01, **more: Any) -> Any:
        """An order that fills."""
        return self.rest.new_order(SYMBOL, side, "MARKET", quantity=quantity, **more).data()

    def held(self) -> float:
        """The server's position."""
        return float(position_of(self.server.account(), SYMBOL)["quantity"])

    def connect(self) -> None:
        self.exchange_info()

    def signed_call(self) -> None:
        self.account_values()

    def exchange_info(self) -> None:
        info = self.rest.exchange_information().data()
        row = next(one for one in info.symbols if one.symbol == SYMBOL)
        holds("filters", {one.filter_type for one in row.filters} >= {"PRICE_FILTER", "LOT_SIZE"})

    def server_time(self) -> None:
        told = self.rest.check_server_time().data().server_time
        holds("within 2 s", abs(told - time.time() * 1000) < 2000)

    def order_book(self) -> None:
        book = self.rest.order_book(SYMBOL, limit=100).data()
        holds("not crossed", float(book.bids[0][0]) < float(book.asks[0][0]))

    def klines(self) -> None:
        rows = self.rest.kline_candlestick_data(SYMBOL, "1m", limit=50).data()
        equal("rows", len(rows), 50)
        self.rest.mark_price_kline_candlestick_data(SYMBOL, "1m", limit=5).data()
        self.rest.index_price_kline_candlestick_data(SYMBOL, "1m", limit=5).data()

    def tickers(self) -> None:
        self.rest.ticker24hr_price_change_statistics(symbol=SYMBOL).data()
        self.rest.ticker24hr_price_change_statistics().data()
        self.rest.symbol_price_ticker(symbol=SYMBOL).data()
        self.rest.symbol_price_ticker_v2(symbol=SYMBOL).data()
        self.rest.symbol_order_book_ticker(symbol=SYMBOL).data()
        self.rest.mark_price(symbol=SYMBOL).data()
        self.rest.get_funding_rate_history(symbol=SYMBOL).data()
        self.rest.get_funding_rate_info().data()
        self.rest.open_interest(SYMBOL).data()

    def public_trades(self) -> None:
        recent = self.rest.recent_trades_list
        until("20 trades", lambda: len(recent(SYMBOL, limit=20).data()) == 20)
        # The market has traded since its start only, and one aggregate holds several trades.
        call = self.rest.compressed_aggregate_trades_list
        until("20 aggregates", lambda: len(call(SYMBOL, limit=20).data()) == 20)
        equal("older", len(self.rest.old_trades_lookup(SYMBOL, limit=20).data()), 20)

    async def market_streams(self) -> None:
        streams = self.client.websocket_streams
        connection = await streams.create_connection()
        try:
            for make in (
                connection.aggregate_trade_streams,
                connection.mark_price_stream,
                connection.individual_symbol_ticker_streams,
                connection.individual_symbol_mini_ticker_stream,
                connection.individual_symbol_book_ticker_streams,
                connection.diff_book_depth_streams,
            ):
                arrived: asyncio.Queue[Any] = asyncio.Queue()
                handle = await make(symbol=SYMBOL.lower())
                handle.on("message", arrived.put_nowait)
                event = await asyncio.wait_for(arrived.get(), 20)
                equal(f"symbol of {make.__name__}", event.s, SYMBOL)
        finally:
            await connection.close_connection(close_session=True)

    def wrong_signature(self) -> None:
        other = self.connected("another secret").rest_api
        refused(-1022, other.futures_account_balance_v3)

    def old_timestamp(self) -> None:
        # The SDK signs at the time of the call; the server's clock steps instead.
        self.server.step_clock(60_000)
        try:
            refused(-1021, self.rest.futures_account_balance_v3)
        finally:
            self.server.step_clock(-60_000)

    def limit_order(self) -> None:
        self.placed = self.order()
        equal("status", self.placed.status, "NEW")
        ours = [one["order_id"] for one in self.server.account()["open_orders"]]
        holds("the server has it", self.placed.order_id in ours)

    def query_order(self) -> None:
        number = self.placed.order_id
        equal("price", self.rest.query_order(SYMBOL, number).data().price, self.placed.price)
        self.rest.query_current_open_order(SYMBOL, number).data()
        for call in (self.rest.current_all_open_orders, self.rest.all_orders):
            listed = [one.order_id for one in call(symbol=SYMBOL).data()]
            holds("listed", number in listed)

    def modify_order(self) -> None:
        price = round(float(self.placed.price) - 10, 1)
        call = self.rest.modify_order
        changed = call(SYMBOL, "BUY", 0.02, price, order_id=self.placed.order_id).data()
        equal("price", changed.price, price)
        equal("quantity", changed.orig_qty, "0.02")

    def cancel_order(self) -> None:
        number = self.placed.order_id
        equal("status", self.rest.cancel_order(SYMBOL, number).data().status, "CANCELED")
        refused(-2011, lambda: self.rest.cancel_order(SYMBOL, number))

    def cancel_all(self) -> None:
        self.order()
        self.order()
        equal("code", self.rest.cancel_all_open_orders(SYMBOL).data().code, 200)
        equal("open", self.server.account()["open_orders"], [])
        self.rest.auto_cancel_all_open_orders(SYMBOL, 0).data()

    def batch(self) -> None:
        one = PlaceMultipleOrdersBatchOrdersParameterInner(
            symbol=SYMBOL,
            side="BUY",
            type="LIMIT",
            time_in_force="GTC",
            quantity=0.01,
            price=self.far_bid(),
        )
        placed = self.rest.place_multiple_orders([one, one]).data()
        equal("placed", [order.status for order in placed], ["NEW", "NEW"])
        numbers = [order.order_id for order in placed]
        self.rest.cancel_multiple_orders(SYMBOL, order_id_list=numbers).data()
        equal("open", self.server.account()["open_orders"], [])

    def order_test(self) -> None:
        before = self.server.account()["orders_total"]
        more = {"time_in_force": "GTC", "quantity": 0.01, "price": self.far_bid()}
        self.rest.test_order(SYMBOL, "BUY", "LIMIT", **more).data()
        equal("orders", self.server.account()["orders_total"], before)

    def post_only_refusal(self) -> None:
        asks = self.rest.order_book(SYMBOL, limit=5).data().asks
        refused(-5022, lambda: self.order(round(float(asks[0][0]) * 1.01, 1), "GTX"))

    async def user_stream(self) -> None:
        key = self.rest.start_user_data_stream().data().listen_key
        connection = await self.client.websocket_streams.create_connection()
        try:
            arrived: asyncio.Queue[Any] = asyncio.Queue()
            handle = await connection.user_data(key)
            handle.on("message", arrived.put_nowait)
            order = self.order()
            self.rest.cancel_order(SYMBOL, order.order_id)
            self.at_market("BUY")
            told: list[Any] = []
            while len(told) < 4:
                event = await asyncio.wait_for(arrived.get(), 10)
                event = getattr(event, "actual_instance", event)
                inner = getattr(event, "o", None)
                if inner is not None and hasattr(inner, "x"):
                    told.append(inner.x)
            equal("events", told, ["NEW", "CANCELED", "NEW", "TRADE"])
        finally:
            await connection.close_connection(close_session=True)

    def market_order(self) -> None:
        before = self.held()
        self.at_market("BUY", 0.05)
        holds("held", abs(self.held() - before - 0.05) < 1e-9)

    def account_values(self) -> None:
        self.server.pause(True)
        try:
            wallet = self.server.account()["wallet_usdt"]
            for call in (self.rest.account_information_v2, self.rest.account_information_v3):
                equal("wallet", call().data().total_wallet_balance, wallet)
            for call in (
                self.rest.futures_account_balance_v2,
                self.rest.futures_account_balance_v3,
            ):
                row = next(one for one in call().data() if one.asset == "USDT")
                equal("balance", row.balance, wallet)
        finally:
            self.server.pause(False)
        self.rest.futures_account_configuration().data()

    def positions(self) -> None:
        self.server.pause(True)
        try:
            held = position_of(self.server.account(), SYMBOL)
            for call in (self.rest.position_information_v2, self.rest.position_information_v3):
                row = call(symbol=SYMBOL).data()[0]
                equal("amount", row.position_amt, held["quantity"])
                equal("unrealised", row.un_realized_profit, held["unrealized_usdt"])
        finally:
            self.server.pause(False)

    def own_trades(self) -> None:
        trades = self.rest.account_trade_list(SYMBOL).data()
        equal("fills", len(trades), self.server.account()["fills"])

    def fees(self) -> None:
        rate = self.rest.user_commission_rate(SYMBOL).data().taker_commission_rate
        trade = self.rest.account_trade_list(SYMBOL).data()[-1]
        paid = float(trade.commission) / float(trade.quote_qty)
        holds(f"paid at {paid}", abs(paid - float(rate)) < 1e-6)

    def income(self) -> None:
        rows = self.rest.get_income_history(income_type="COMMISSION", limit=1000).data()
        paid = -sum(float(row.income) for row in rows)
        holds("fees", abs(paid - float(self.server.account()["fees_total_usdt"])) < 1e-6)

    def reduce_only(self) -> None:
        refused(-2022, lambda: self.at_market("BUY", reduce_only="true"))
        before = self.held()
        self.at_market("SELL", reduce_only="true")
        holds("reduced", abs(before - self.held() - 0.01) < 1e-9)

    def algo_stop_triggers(self) -> None:
        before = self.held()
        # A stop is judged by the last trade; it stands still until the order is there.
        self.server.pause(True)
        try:
            trade = self.rest.recent_trades_list(SYMBOL, limit=1).data()[0]
            placed = self.rest.new_algo_order(
                "CONDITIONAL",
                SYMBOL,
                "SELL",
                "STOP_MARKET",
                quantity=0.01,
                trigger_price=round(float(trade.price) - 0.5, 1),
                reduce_only="true",
            ).data()
        finally:
            self.server.pause(False)
        self.rest.query_algo_order(algo_id=placed.algo_id).data()
        self.rest.current_all_algo_open_orders(symbol=SYMBOL).data()
        until("the stop sells", lambda: abs(before - self.held() - 0.01) < 1e-9, 60)
        self.rest.query_all_algo_orders(SYMBOL).data()

    def leverage(self) -> None:
        equal("leverage", self.rest.change_initial_leverage(SYMBOL, 7).data().leverage, 7)
        self.rest.notional_and_leverage_brackets(symbol=SYMBOL).data()
        self.rest.symbol_configuration(symbol=SYMBOL).data()

    def margin_type(self) -> None:
        self.rest.change_margin_type("ETHUSDT", "ISOLATED").data()
        refused(-4046, lambda: self.rest.change_margin_type("ETHUSDT", "ISOLATED"))
        self.rest.change_margin_type("ETHUSDT", "CROSSED").data()
        self.rest.get_current_multi_assets_mode().data()

    def hedge_mode(self) -> None:
        self.at_market("SELL", round(self.held(), 3))
        self.rest.change_position_mode("true").data()
        equal("dual", self.rest.get_current_position_mode().data().dual_side_position, True)
        self.rest.change_position_mode("false").data()

    def listen_key(self) -> None:
        self.rest.start_user_data_stream().data()
        self.rest.keepalive_user_data_stream().data()
        self.rest.close_user_data_stream()
        refused(-1125, self.rest.keepalive_user_data_stream)

    async def websocket_api(self) -> None:
        connection = await self.client.websocket_api.create_connection()
        try:
            more = {"time_in_force": "GTC", "quantity": 0.01, "price": self.far_bid()}
            placed = await connection.new_order(SYMBOL, "BUY", "LIMIT", **more)
            number = placed.data().result.order_id
            told = await connection.query_order(SYMBOL, order_id=number)
            equal("status", told.data().result.status, "NEW")
            ended = await connection.cancel_order(SYMBOL, order_id=number)
            equal("status", ended.data().result.status, "CANCELED")
            for call in (
                connection.account_information_v2,
                connection.futures_account_balance_v2,
                connection.position_information_v2,
            ):
                (await call()).data()
            (await connection.order_book(SYMBOL, limit=5)).data()
        finally:
            await connection.close_connection(close_session=True)

    def rate_limit(self) -> None:
        for _ in range(400):
            try:
                self.rest.order_book(SYMBOL, limit=1000)
            except TooManyRequestsError as error:
                equal("code", error.status_code, -1003)
                holds("Retry-After", error.retry_after)
                return
        raise Mismatch("400 books of weight 20 and no refusal")


async def main() -> None:
    """Runs all checks."""
    server = Server()
    await run(Driver(server).checks(), server)


asyncio.run(main())
