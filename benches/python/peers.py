"""Peers that live in Python: ccxt.pro and NautilusTrader, over the same bytes as everybody.

In: a file of frames, then requests by line on stdin. Out: one JSON object a line on stdout.
Never: a network connection; a contender whose package is missing is named as skipped.

Requests: `hello`, `sums NAME` (lots of the top five after each message), `run NAME`
(nanoseconds a message).
"""

import json
import sys
import time

TOP_LEVELS = 5


class Ccxt:
    """ccxt.pro's own handler of Binance's differences, its book, orjson for the bytes."""

    def __init__(self, data):
        import ccxt.pro
        import orjson
        from ccxt.async_support.base.ws.order_book import OrderBook

        self.name = f"ccxt.pro {ccxt.pro.__version__}"
        self.loads = orjson.loads
        self.exchange = ccxt.pro.binanceusdm()
        self.book_type = OrderBook
        self.data = data

    def reset(self):
        floats = lambda side: [[float(p), float(q)] for p, q in self.data["bids" if side else "asks"]]
        self.book = self.book_type({"bids": floats(True), "asks": floats(False)})

    def message(self, frame):
        self.exchange.handle_order_book_message(None, self.loads(frame), self.book)
        bids, asks = self.book["bids"], self.book["asks"]
        return (
            sum(level[1] for level in bids[:TOP_LEVELS]),
            sum(level[1] for level in asks[:TOP_LEVELS]),
        )

    def lots(self, sums):
        return [round(total / self.data["lot"]) for total in sums]


class Nautilus:
    """NautilusTrader's own schema of Binance's differences, its deltas, its book.

    The timed path asks for the best prices only: `bids()` and `asks()` build every level of the
    book and would take ten times as long. The sums are for the comparison.
    """

    def __init__(self, data):
        import msgspec
        import nautilus_trader
        from nautilus_trader.adapters.binance.common.schemas.market import BinanceOrderBookData
        from nautilus_trader.model.book import OrderBook
        from nautilus_trader.model.enums import BookType
        from nautilus_trader.model.identifiers import InstrumentId

        self.name = f"NautilusTrader {nautilus_trader.__version__}, best prices only"
        self.decoder = msgspec.json.Decoder(BinanceOrderBookData)
        self.id = InstrumentId.from_str(f"{data['symbol']}-PERP.BINANCE")
        self.make = lambda: OrderBook(self.id, BookType.L2_MBP)
        self.data = data

    def reset(self):
        self.book = self.make()
        start = {
            "e": "depthUpdate",
            "E": 1,
            "s": self.data["symbol"],
            "U": 1,
            "u": self.data["last_update_id"],
            "b": self.data["bids"],
            "a": self.data["asks"],
        }
        self._apply(json.dumps(start).encode())

    def _apply(self, frame):
        deltas = self.decoder.decode(frame).parse_to_order_book_deltas(self.id, 0)
        self.book.apply_deltas(deltas)

    def message(self, frame):
        self._apply(frame)
        return self.book.best_bid_price(), self.book.best_ask_price()

    def lots(self, _):
        side = lambda levels: round(
            sum(float(level.size()) for level in levels[:TOP_LEVELS]) / self.data["lot"]
        )
        return [side(self.book.bids()), side(self.book.asks())]


def sums(contender, frames):
    contender.reset()
    return [contender.lots(contender.message(frame)) for frame in frames]


def run(contender, frames):
    contender.reset()
    begun = time.thread_time_ns()
    for frame in frames:
        contender.message(frame)
    return (time.thread_time_ns() - begun) / len(frames)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        data = json.load(file)
    frames = [frame.encode() for frame in data["frames"]]
    contenders, skipped = {}, []
    for kind in (Ccxt, Nautilus):
        try:
            contender = kind(data)
            contenders[contender.name] = contender
        except ImportError as error:
            skipped.append(f"skipped: {kind.__name__} from Python: {error}")
    for line in sys.stdin:
        verb, _, name = line.strip().partition(" ")
        try:
            if verb == "hello":
                answer = {"names": list(contenders), "skipped": skipped}
            elif verb == "sums":
                answer = {"sums": sums(contenders[name], frames)}
            else:
                answer = {"ns": run(contenders[name], frames)}
        except Exception as error:  # The other side tells it to the person at the terminal.
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
