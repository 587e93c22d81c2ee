"""python-binance: its asynchronous client on futures, its depth cache on spot.

In: the environment of the harness. Out: its cells. Never: a patched client; addresses are the
class attributes that it offers for this.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import Any

from binance import AsyncClient, BinanceSocketManager, DepthCacheManager
from binance.exceptions import BinanceAPIException

from harness import Mismatch, Server, checks_of, equal, holds, position_of, run

SYMBOL = "BTCUSDT"


def point_at(server: Server) -> None:
    """Sets the addresses."""
    AsyncClient.API_URL = server.spot_http + "/api"
    AsyncClient.FUTURES_URL = server.http + "/fapi"
    AsyncClient.WS_API_URL = server.spot_ws + "/ws-api/v3"
    AsyncClient.WS_FUTURES_URL = server.ws + "/ws-fapi/v1"
    BinanceSocketManager.STREAM_URL = server.spot_ws + "/"
    BinanceSocketManager.FSTREAM_URL = server.ws + "/"


async def refused(code: int, call: Awaitable[Any]) -> BinanceAPIException:
    """The call must fail with this code."""
    try:
        answer = await call
    except BinanceAPIException as error:
        equal("code", error.code, code)
        return error
    raise Mismatch(f"answered {answer!r}, expected a refusal with {code}")


class Driver:
    """The checks."""

    def __init__(self, server: Server) -> None:
        self.server = server
        if server.key_kind == "Hmac":
            self.client = AsyncClient(server.key, server.secret)
        else:
            self.client = AsyncClient(server.key, private_key=server.secret)
        self.sockets = BinanceSocketManager(self.client)

    async def far_bid(self) -> str:
        """A price that rests."""
        book = await self.client.futures_order_book(symbol=SYMBOL, limit=5)
        return f"{float(book['bids'][0][0]) * 0.98:.1f}"

    async def order(self, **more: Any) -> Any:
        """A resting bid unless told otherwise."""
        fields: dict[str, Any] = {"symbol": SYMBOL, "side": "BUY", "quantity": "0.010"}
        if more.get("type", "LIMIT") == "LIMIT":
            price = more.pop("price", None) or await self.far_bid()
            fields |= {"type": "LIMIT", "timeInForce": "GTC", "price": price}
        return await self.client.futures_create_order(**(fields | more))

    def held(self) -> float:
        """The server's position."""
        return float(position_of(self.server.account(), SYMBOL)["quantity"])

    async def connect(self) -> None:
        await self.exchange_info()

    async def signed_call(self) -> None:
        await self.account_values()

    async def exchange_info(self) -> None:
        info = await self.client.futures_exchange_info()
        row = next(one for one in info["symbols"] if one["symbol"] == SYMBOL)
        kinds = {one["filterType"] for one in row["filters"]}
        wanted = {"PRICE_FILTER", "LOT_SIZE", "MARKET_LOT_SIZE", "MIN_NOTIONAL"}
        holds(f"filters {kinds}", wanted <= kinds)
        spot = await self.client.get_symbol_info(SYMBOL)
        equal("spot", spot["baseAsset"], "BTC")

    async def server_time(self) -> None:
        told = (await self.client.futures_time())["serverTime"]
        holds("within 2 s", abs(told - time.time() * 1000) < 2000)

    async def order_book(self) -> None:
        book = await self.client.futures_order_book(symbol=SYMBOL, limit=100)
        holds("not crossed", float(book["bids"][0][0]) < float(book["asks"][0][0]))

    async def klines(self) -> None:
        rows = await self.client.futures_klines(symbol=SYMBOL, interval="1m", limit=50)
        equal("rows", len(rows), 50)
        equal("fields", len(rows[0]), 12)
        spot = await self.client.get_klines(symbol=SYMBOL, interval="1m", limit=50)
        equal("rows on spot", len(spot), 50)

    async def tickers(self) -> None:
        day = await self.client.futures_ticker(symbol=SYMBOL)
        holds("last price", float(day["lastPrice"]) > 0)
        best = await self.client.futures_orderbook_ticker(symbol=SYMBOL)
        holds("not crossed", float(best["bidPrice"]) < float(best["askPrice"]))
        mark = await self.client.futures_mark_price(symbol=SYMBOL)
        holds("mark price", float(mark["markPrice"]) > 0)
        holds("spot", float((await self.client.get_ticker(symbol=SYMBOL))["lastPrice"]) > 0)

    async def public_trades(self) -> None:
        equal("trades", len(await self.client.futures_recent_trades(symbol=SYMBOL, limit=20)), 20)
        # The market has traded since its start only, and one aggregate holds several trades.
        call = self.client.futures_aggregate_trades
        deadline = time.monotonic() + 20
        while len(rows := await call(symbol=SYMBOL, limit=20)) < 20:
            holds("20 aggregates within 20 s", time.monotonic() < deadline)
            await asyncio.sleep(0.05)
        equal("aggregates", len(rows), 20)

    async def book_by_stream(self) -> None:
        manager = DepthCacheManager(self.client, SYMBOL, limit=1000, ws_interval=100)
        async with manager as socket:
            for _ in range(30):
                await asyncio.wait_for(socket.recv(), 20)
            self.server.pause(True)
            truth = self.server.book(SYMBOL, "spot")
            there = {
                side: [[float(price), float(size)] for price, size in truth[side][:100]]
                for side in ("bids", "asks")
            }
            try:
                deadline = time.monotonic() + 10
                while True:
                    cache = manager.get_depth_cache()
                    seen = {"bids": cache.get_bids()[:100], "asks": cache.get_asks()[:100]}
                    if seen == there:
                        return
                    if time.monotonic() > deadline:
                        raise Mismatch(f"best {cache.get_bids()[:2]}, {there['bids'][:2]}")
                    try:
                        await asyncio.wait_for(socket.recv(), 0.5)
                    except TimeoutError:
                        continue
            finally:
                self.server.pause(False)

    async def market_streams(self) -> None:
        for socket, kind in (
            (self.sockets.aggtrade_futures_socket(SYMBOL), "aggTrade"),
            (self.sockets.symbol_mark_price_socket(SYMBOL), "markPriceUpdate"),
            (self.sockets.symbol_ticker_futures_socket(SYMBOL), "bookTicker"),
            (self.sockets.kline_futures_socket(SYMBOL), "continuous_kline"),
        ):
            async with socket as stream:
                told = await asyncio.wait_for(stream.recv(), 20)
                equal("event", told.get("data", told)["e"], kind)

    async def wrong_signature(self) -> None:
        other = AsyncClient(self.server.key, "another secret")
        try:
            await refused(-1022, other.futures_account_balance())
        finally:
            await other.close_connection()

    async def old_timestamp(self) -> None:
        self.client.timestamp_offset = -20_000
        try:
            await refused(-1021, self.client.futures_account_balance())
        finally:
            self.client.timestamp_offset = 0

    async def limit_order(self) -> None:
        self.placed = await self.order()
        equal("status", self.placed["status"], "NEW")
        ours = [one["order_id"] for one in self.server.account()["open_orders"]]
        holds("the server has it", self.placed["orderId"] in ours)

    async def query_order(self) -> None:
        number = self.placed["orderId"]
        seen = await self.client.futures_get_order(symbol=SYMBOL, orderId=number)
        equal("price", seen["price"], self.placed["price"])
        for call in (self.client.futures_get_open_orders, self.client.futures_get_all_orders):
            rows = await call(symbol=SYMBOL)
            holds("listed", number in [one["orderId"] for one in rows])

    async def modify_order(self) -> None:
        price = f"{float(self.placed['price']) - 10:.1f}"
        changed = await self.client.futures_modify_order(
            symbol=SYMBOL,
            side="BUY",
            orderId=self.placed["orderId"],
            quantity="0.020",
            price=price,
        )
        equal("price", changed["price"], price)
        equal("quantity", changed["origQty"], "0.02")

    async def cancel_order(self) -> None:
        number = self.placed["orderId"]
        ended = await self.client.futures_cancel_order(symbol=SYMBOL, orderId=number)
        equal("status", ended["status"], "CANCELED")
        await refused(-2011, self.client.futures_cancel_order(symbol=SYMBOL, orderId=number))

    async def cancel_all(self) -> None:
        await self.order()
        await self.order()
        await self.client.futures_cancel_all_open_orders(symbol=SYMBOL)
        equal("open", self.server.account()["open_orders"], [])

    async def batch(self) -> None:
        one = {
            "symbol": SYMBOL,
            "side": "BUY",
            "type": "LIMIT",
            "timeInForce": "GTC",
            "quantity": "0.010",
            "price": await self.far_bid(),
        }
        placed = await self.client.futures_place_batch_order(batchOrders=[one, dict(one)])
        equal("states", [order.get("status") for order in placed], ["NEW", "NEW"])
        numbers = [order["orderId"] for order in placed]
        # The client encodes, and so signs, the list only under this spelling of its name.
        await self.client.futures_cancel_orders(symbol=SYMBOL, orderidlist=numbers)
        equal("open", self.server.account()["open_orders"], [])

    async def order_test(self) -> None:
        before = self.server.account()["orders_total"]
        await self.client.futures_create_test_order(
            symbol=SYMBOL,
            side="BUY",
            type="LIMIT",
            timeInForce="GTC",
            quantity="0.010",
            price=await self.far_bid(),
        )
        equal("orders", self.server.account()["orders_total"], before)

    async def post_only_refusal(self) -> None:
        book = await self.client.futures_order_book(symbol=SYMBOL, limit=5)
        price = f"{float(book['asks'][0][0]) * 1.01:.1f}"
        await refused(-5022, self.order(price=price, timeInForce="GTX"))

    async def user_stream(self) -> None:
        async with self.sockets.futures_user_socket() as stream:
            order = await self.order()
            await self.client.futures_cancel_order(symbol=SYMBOL, orderId=order["orderId"])
            await self.order(type="MARKET")
            told = []
            while len(told) < 4:
                event = await asyncio.wait_for(stream.recv(), 10)
                event = event.get("data", event)
                if event["e"] == "ORDER_TRADE_UPDATE":
                    told.append((event["o"]["x"], event["o"]["X"]))
            equal("the first", told[:2], [("NEW", "NEW"), ("CANCELED", "CANCELED")])
            equal("then", [told[2][0], told[3][0]], ["NEW", "TRADE"])

    async def market_order(self) -> None:
        before = self.held()
        await self.order(type="MARKET", quantity="0.050")
        after = self.held()
        holds(f"{before} + 0.05 = {after}", abs(after - before - 0.05) < 1e-9)

    async def account_values(self) -> None:
        self.server.pause(True)
        try:
            account = await self.client.futures_account()
            truth = self.server.account()
            equal("wallet", account["totalWalletBalance"], truth["wallet_usdt"])
            balance = await self.client.futures_account_balance()
            row = next(one for one in balance if one["asset"] == "USDT")
            equal("balance", row["balance"], truth["wallet_usdt"])
        finally:
            self.server.pause(False)

    async def positions(self) -> None:
        self.server.pause(True)
        try:
            rows = await self.client.futures_position_information(symbol=SYMBOL)
            held = position_of(self.server.account(), SYMBOL)
            equal("amount", rows[0]["positionAmt"], held["quantity"])
            equal("unrealised", rows[0]["unRealizedProfit"], held["unrealized_usdt"])
            equal("entry", rows[0]["entryPrice"], held["entry_price"])
        finally:
            self.server.pause(False)

    async def own_trades(self) -> None:
        trades = await self.client.futures_account_trades(symbol=SYMBOL)
        account = self.server.account()
        equal("fills", len(trades), account["fills"])
        paid = sum(float(trade["commission"]) for trade in trades)
        holds("fees", abs(paid - float(account["fees_usdt"])) < 1e-6)

    async def fees(self) -> None:
        rates = await self.client.futures_commission_rate(symbol=SYMBOL)
        trade = (await self.client.futures_account_trades(symbol=SYMBOL))[-1]
        paid = float(trade["commission"]) / float(trade["quoteQty"])
        holds(f"paid at {paid}", abs(paid - float(rates["takerCommissionRate"])) < 1e-6)

    async def income(self) -> None:
        rows = await self.client.futures_income_history(incomeType="COMMISSION", limit=1000)
        paid = -sum(float(row["income"]) for row in rows)
        holds("fees", abs(paid - float(self.server.account()["fees_total_usdt"])) < 1e-6)

    async def reduce_only(self) -> None:
        await refused(-2022, self.order(type="MARKET", reduceOnly="true"))
        before = self.held()
        await self.order(type="MARKET", side="SELL", reduceOnly="true")
        holds("reduced", abs(before - self.held() - 0.01) < 1e-9)

    async def algo_stop_triggers(self) -> None:
        before = self.held()
        # A stop is judged by the last trade; it stands still until the order is there.
        self.server.pause(True)
        try:
            trade = (await self.client.futures_recent_trades(symbol=SYMBOL, limit=1))[0]
            stop = f"{float(trade['price']) - 0.5:.1f}"
            order = await self.order(
                type="STOP_MARKET", side="SELL", stopPrice=stop, reduceOnly="true"
            )
        finally:
            self.server.pause(False)
        holds("an algo order", order["algoId"])
        deadline = time.monotonic() + 60
        while abs(before - self.held() - 0.01) > 1e-9:
            holds("triggered within 60 s", time.monotonic() < deadline)
            await asyncio.sleep(0.05)

    async def leverage(self) -> None:
        told = await self.client.futures_change_leverage(symbol=SYMBOL, leverage=7)
        equal("leverage", told["leverage"], 7)
        holds("brackets", await self.client.futures_leverage_bracket(symbol=SYMBOL))

    async def margin_type(self) -> None:
        change = self.client.futures_change_margin_type
        await change(symbol="ETHUSDT", marginType="ISOLATED")
        await refused(-4046, change(symbol="ETHUSDT", marginType="ISOLATED"))
        await change(symbol="ETHUSDT", marginType="CROSSED")

    async def hedge_mode(self) -> None:
        await self.order(type="MARKET", side="SELL", quantity=f"{self.held():.3f}")
        await self.client.futures_change_position_mode(dualSidePosition="true")
        equal("dual", (await self.client.futures_get_position_mode())["dualSidePosition"], True)
        await self.client.futures_change_position_mode(dualSidePosition="false")

    async def listen_key(self) -> None:
        key = await self.client.futures_stream_get_listen_key()
        await self.client.futures_stream_keepalive(key)
        await self.client.futures_stream_close(key)
        await refused(-1125, self.client.futures_stream_keepalive(key))

    async def websocket_api(self) -> None:
        order = await self.client.ws_futures_create_order(
            symbol=SYMBOL,
            side="BUY",
            type="LIMIT",
            timeInForce="GTC",
            quantity="0.010",
            price=await self.far_bid(),
        )
        equal("status", order["status"], "NEW")
        ended = await self.client.ws_futures_cancel_order(symbol=SYMBOL, orderId=order["orderId"])
        equal("status", ended["status"], "CANCELED")
        spot = await self.client.ws_get_account()
        holds("balances", spot["balances"])

    async def rate_limit(self) -> None:
        for _ in range(400):
            try:
                await self.client.futures_order_book(symbol=SYMBOL, limit=1000)
            except BinanceAPIException as error:
                equal("code", error.code, -1003)
                equal("status", error.status_code, 429)
                holds("Retry-After", int(error.response.headers["Retry-After"]) > 0)
                return
        raise Mismatch("400 books of weight 20 and no refusal")


async def main() -> None:
    """Runs all checks."""
    server = Server()
    point_at(server)
    driver = Driver(server)
    try:
        await run(checks_of(driver), server)
    finally:
        await driver.client.close_connection()


asyncio.run(main())
