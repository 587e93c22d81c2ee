// The official Node SDK of spot: REST, streams, WebSocket API with its user stream.
//
// In: the environment of the harness. Out: its cells. Never: a patched client.
"use strict";

const { Spot } = require("@binance/spot");
const { Server, equal, holds, refused, run, until, within } = require("./harness.cjs");

const symbol = "BTCUSDT";
const NOT_ON_SPOT = "it is a client of spot, which has no such thing";

class Driver {
  constructor(server) {
    this.server = server;
    this.client = this.connected(server.secret);
    this.rest = this.client.restAPI;
  }

  // A client with this secret.
  connected(secret) {
    const { spotHttp, spotWs, key, keyKind } = this.server;
    const keys = { apiKey: key, [keyKind === "Hmac" ? "apiSecret" : "privateKey"]: secret };
    return new Spot({
      configurationRestAPI: { basePath: spotHttp, timeout: 10_000, ...keys },
      configurationWebsocketAPI: { wsURL: `${spotWs}/ws-api/v3`, ...keys },
      configurationWebsocketStreams: { wsURL: spotWs },
    });
  }

  // The data of an answer.
  async call(name, parameters) {
    return (await this.rest[name](parameters)).data();
  }

  async resting() {
    const book = await this.call("depth", { symbol, limit: 5 });
    const price = Number((Number(book.bids[0][0]) * 0.98).toFixed(2));
    return { symbol, side: "BUY", type: "LIMIT", timeInForce: "GTC", quantity: 0.01, price };
  }

  async order() {
    return this.call("newOrder", await this.resting());
  }

  atMarket(side, quantity) {
    return this.call("newOrder", { symbol, side, type: "MARKET", quantity });
  }

  connect() {
    return this.exchangeInfo();
  }

  async signedCall() {
    holds("balances", (await this.call("getAccount")).balances.length);
  }

  async exchangeInfo() {
    const row = (await this.call("exchangeInfo", { symbol })).symbols[0];
    equal("symbol", row.symbol, symbol);
    holds("filters", row.filters.length);
    await this.call("exchangeInfo");
  }

  async serverTime() {
    const { serverTime } = await this.call("time");
    holds("within 2 s", Math.abs(Number(serverTime) - Date.now()) < 2000);
  }

  async orderBook() {
    const book = await this.call("depth", { symbol, limit: 100 });
    holds("not crossed", Number(book.bids[0][0]) < Number(book.asks[0][0]));
  }

  async klines() {
    for (const name of ["klines", "uiKlines"]) {
      equal("rows", (await this.call(name, { symbol, interval: "1m", limit: 50 })).length, 50);
    }
  }

  async tickers() {
    holds("last price", Number((await this.call("ticker24hr", { symbol })).lastPrice) > 0);
    holds("price", Number((await this.call("tickerPrice", { symbol })).price) > 0);
    holds("best", Number((await this.call("tickerBookTicker", { symbol })).bidPrice) > 0);
    holds("window", Number((await this.call("ticker", { symbol })).lastPrice) > 0);
    holds("mean", Number((await this.call("avgPrice", { symbol })).price) > 0);
  }

  async publicTrades() {
    for (const name of ["getTrades", "aggTrades", "historicalTrades"]) {
      await until(name, async () => (await this.call(name, { symbol, limit: 20 })).length === 20);
    }
  }

  async marketStreams() {
    const connection = await within("connected", this.client.websocketStreams.connect());
    try {
      const names = ["aggTrade", "trade", "miniTicker", "ticker", "bookTicker", "diffBookDepth"];
      for (const name of names) {
        const stream = connection[name]({ symbol: symbol.toLowerCase() });
        const event = await within(name, new Promise((take) => stream.on("message", take)));
        equal(`symbol of ${name}`, event.s, symbol);
      }
    } finally {
      await connection.disconnect();
    }
  }

  wrongSignature() {
    const other = this.connected("another secret").restAPI;
    return refused(-1022, () => other.getAccount());
  }

  oldTimestamp() {
    // The SDK signs at the time of the call; the server's clock steps instead.
    return this.server.ahead(60_000, () => refused(-1021, () => this.rest.getAccount()));
  }

  async limitOrder() {
    this.placed = await this.order();
    equal("status", this.placed.status, "NEW");
    const ours = (await this.server.account("spot")).open_orders.map((one) => one.order_id);
    holds("the server has it", ours.includes(Number(this.placed.orderId)));
  }

  async queryOrder() {
    const { orderId, price } = this.placed;
    equal("price", (await this.call("getOrder", { symbol, orderId })).price, price);
    for (const name of ["getOpenOrders", "allOrders"]) {
      const rows = await this.call(name, { symbol });
      holds(name, rows.some((one) => String(one.orderId) === String(orderId)));
    }
  }

  async modifyOrder() {
    const wanted = await this.resting();
    const cancelOrderId = this.placed.orderId;
    const replace = { ...wanted, cancelReplaceMode: "STOP_ON_FAILURE", cancelOrderId };
    const told = await this.call("orderCancelReplace", { ...replace, quantity: 0.02 });
    equal("both", [told.cancelResult, told.newOrderResult], ["SUCCESS", "SUCCESS"]);
    this.placed = told.newOrderResponse;
    // The same order with less, at its place in the queue.
    const { orderId } = this.placed;
    const kept = await this.call("orderAmendKeepPriority", { symbol, orderId, newQty: 0.01 });
    equal("quantity", kept.amendedOrder.qty, 0.01);
  }

  async cancelOrder() {
    const { orderId } = this.placed;
    equal("status", (await this.call("deleteOrder", { symbol, orderId })).status, "CANCELED");
    await refused(-2011, () => this.call("deleteOrder", { symbol, orderId }));
  }

  async cancelAll() {
    await this.order();
    await this.order();
    equal("ended", (await this.call("deleteOpenOrders", { symbol })).length, 2);
    equal("open", (await this.server.account("spot")).open_orders, []);
  }

  async orderTest() {
    const before = (await this.server.account("spot")).orders_total;
    await this.call("orderTest", await this.resting());
    equal("orders", (await this.server.account("spot")).orders_total, before);
  }

  async postOnlyRefusal() {
    const book = await this.call("depth", { symbol, limit: 5 });
    const price = Number((Number(book.asks[0][0]) * 1.01).toFixed(2));
    const order = { symbol, side: "BUY", type: "LIMIT_MAKER", quantity: 0.01, price };
    await refused(-2010, () => this.call("newOrder", order));
  }

  async userStream() {
    const connection = await within("connected", this.client.websocketAPI.connect());
    try {
      const seen = [];
      const { stream } = await connection.userDataStreamSubscribeSignature();
      stream.on("message", (event) => {
        if (event.e === "executionReport") seen.push(event.x);
      });
      const { orderId } = await this.order();
      await this.call("deleteOrder", { symbol, orderId });
      await this.atMarket("BUY", 0.01);
      await until("four events", () => seen.length >= 4);
      equal("events", seen.slice(0, 4), ["NEW", "CANCELED", "NEW", "TRADE"]);
    } finally {
      await connection.disconnect();
    }
  }

  async marketOrder() {
    const filled = await this.atMarket("BUY", 0.02);
    equal("status", filled.status, "FILLED");
    equal("fills", filled.fills.reduce((sum, one) => sum + Number(one.qty), 0), 0.02);
  }

  async accountValues() {
    const rows = (await this.call("getAccount")).balances;
    const free = rows.find((one) => one.asset === "USDT").free;
    equal("quote", free, (await this.server.account("spot")).wallet_usdt);
  }

  async ownTrades() {
    const trades = await this.call("myTrades", { symbol });
    equal("fills", trades.length, (await this.server.account("spot")).fills);
  }

  async fees() {
    const rates = await this.call("accountCommission", { symbol });
    holds("taker", Number(rates.standardCommission.taker) > 0);
  }

  async websocketApi() {
    const connection = await within("connected", this.client.websocketAPI.connect());
    try {
      const placed = (await connection.orderPlace(await this.resting())).data;
      const { orderId } = placed;
      const told = await connection.orderStatus({ symbol, orderId });
      equal("status", told.data.status, "NEW");
      const ended = await connection.orderCancel({ symbol, orderId });
      equal("ended", ended.data.status, "CANCELED");
      holds("balances", (await connection.accountStatus()).data.balances.length);
    } finally {
      await connection.disconnect();
    }
  }

  async rateLimit() {
    for (let count = 0; count < 400; count += 1) {
      try {
        await this.call("ticker24hr");
      } catch (error) {
        equal("kind", error.name, "TooManyRequestsError");
        return;
      }
    }
    throw new Error("400 tickers of weight 80 and no refusal");
  }
}

run(new Driver(new Server()), {
  "book by stream": "it keeps no book of its own",
  positions: NOT_ON_SPOT,
  income: NOT_ON_SPOT,
  "reduce-only": NOT_ON_SPOT,
  "algo stop triggers": NOT_ON_SPOT,
  leverage: NOT_ON_SPOT,
  "margin type": NOT_ON_SPOT,
  "hedge mode": NOT_ON_SPOT,
  batch: NOT_ON_SPOT,
  "listen key": "it follows the exchange, which ended listen keys on spot in 2026",
});
