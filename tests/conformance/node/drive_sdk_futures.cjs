// The official Node SDK of USD-M futures: REST, streams, WebSocket API.
//
// In: the environment of the harness. Out: its cells. Never: a patched client.
"use strict";

const { DerivativesTradingUsdsFutures } = require("@binance/derivatives-trading-usds-futures");
const { Server, equal, holds, refused, run, until, within } = require("./harness.cjs");

const symbol = "BTCUSDT";

class Driver {
  constructor(server) {
    this.server = server;
    this.client = this.connected(server.secret);
    this.rest = this.client.restAPI;
  }

  // A client with this secret.
  connected(secret) {
    const { http, ws, key, keyKind } = this.server;
    const keys = { apiKey: key, [keyKind === "Hmac" ? "apiSecret" : "privateKey"]: secret };
    return new DerivativesTradingUsdsFutures({
      configurationRestAPI: { basePath: http, timeout: 10_000, ...keys },
      configurationWebsocketAPI: { wsURL: `${ws}/ws-fapi/v1`, ...keys },
      configurationWebsocketStreams: { wsURL: ws },
    });
  }

  // The data of an answer.
  async call(name, parameters) {
    return (await this.rest[name](parameters)).data();
  }

  async farBid() {
    const book = await this.call("orderBook", { symbol, limit: 5 });
    return Number((Number(book.bids[0][0]) * 0.98).toFixed(1));
  }

  async resting(more = {}) {
    const price = more.price ?? (await this.farBid());
    return { symbol, side: "BUY", type: "LIMIT", timeInForce: "GTC", quantity: 0.01, price, ...more };
  }

  async order(more) {
    return this.call("newOrder", await this.resting(more));
  }

  atMarket(side, quantity, more) {
    return this.call("newOrder", { symbol, side, type: "MARKET", quantity, ...more });
  }

  async position() {
    return (await this.server.account()).positions.find((one) => one.symbol === symbol);
  }

  connect() {
    return this.exchangeInfo();
  }

  signedCall() {
    return this.accountValues();
  }

  async exchangeInfo() {
    const row = (await this.call("exchangeInformation")).symbols.find((one) => one.symbol === symbol);
    const kinds = row.filters.map((one) => one.filterType);
    holds("filters", kinds.includes("PRICE_FILTER") && kinds.includes("LOT_SIZE"));
    equal("lifetimes", row.timeInForce, ["GTC", "IOC", "FOK", "GTX", "GTD"]);
  }

  async serverTime() {
    const { serverTime } = await this.call("checkServerTime");
    holds("within 2 s", Math.abs(Number(serverTime) - Date.now()) < 2000);
  }

  async orderBook() {
    const book = await this.call("orderBook", { symbol, limit: 100 });
    holds("not crossed", Number(book.bids[0][0]) < Number(book.asks[0][0]));
  }

  async klines() {
    const rows = await this.call("klineCandlestickData", { symbol, interval: "1m", limit: 50 });
    equal("rows", rows.length, 50);
    equal("fields", rows[0].length, 12);
  }

  async tickers() {
    const day = await this.call("ticker24hrPriceChangeStatistics", { symbol });
    holds("last price", Number(day.lastPrice) > 0);
    holds("price", Number((await this.call("symbolPriceTickerV2", { symbol })).price) > 0);
    holds("mark price", Number((await this.call("markPrice", { symbol })).markPrice) > 0);
    holds("open interest", (await this.call("openInterest", { symbol })).openInterest);
  }

  async publicTrades() {
    for (const name of ["recentTradesList", "compressedAggregateTradesList"]) {
      await until(name, async () => (await this.call(name, { symbol, limit: 20 })).length === 20);
    }
  }

  async marketStreams() {
    const connection = await within("connected", this.client.websocketStreams.connect());
    try {
      for (const name of [
        "aggregateTradeStreams",
        "markPriceStream",
        "individualSymbolTickerStreams",
        "individualSymbolMiniTickerStream",
        "individualSymbolBookTickerStreams",
        "diffBookDepthStreams",
      ]) {
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
    return refused(-1022, () => other.futuresAccountBalanceV3());
  }

  oldTimestamp() {
    // The SDK signs at the time of the call; the server's clock steps instead.
    return this.server.ahead(60_000, () =>
      refused(-1021, () => this.rest.futuresAccountBalanceV3()),
    );
  }

  async limitOrder() {
    this.placed = await this.order();
    equal("status", this.placed.status, "NEW");
    const ours = (await this.server.account()).open_orders.map((one) => one.order_id);
    holds("the server has it", ours.includes(Number(this.placed.orderId)));
  }

  async queryOrder() {
    const { orderId, price } = this.placed;
    equal("price", (await this.call("queryOrder", { symbol, orderId })).price, price);
    for (const name of ["currentAllOpenOrders", "allOrders"]) {
      const rows = await this.call(name, { symbol });
      holds(name, rows.some((one) => String(one.orderId) === String(orderId)));
    }
  }

  async modifyOrder() {
    const { orderId } = this.placed;
    const price = Number((Number(this.placed.price) - 10).toFixed(1));
    const wanted = { symbol, side: "BUY", orderId, quantity: 0.02, price };
    const changed = await this.call("modifyOrder", wanted);
    equal("price", changed.price, price);
    equal("quantity", changed.origQty, 0.02);
  }

  async cancelOrder() {
    const { orderId } = this.placed;
    equal("status", (await this.call("cancelOrder", { symbol, orderId })).status, "CANCELED");
    await refused(-2011, () => this.call("cancelOrder", { symbol, orderId }));
  }

  async cancelAll() {
    await this.order();
    await this.order();
    await this.call("cancelAllOpenOrders", { symbol });
    equal("open", (await this.server.account()).open_orders, []);
  }

  async batch() {
    const one = await this.resting();
    const placed = await this.call("placeMultipleOrders", { batchOrders: [one, { ...one }] });
    equal("states", placed.map((order) => order.status), ["NEW", "NEW"]);
    const orderIdList = placed.map((order) => order.orderId);
    await this.call("cancelMultipleOrders", { symbol, orderIdList });
    equal("open", (await this.server.account()).open_orders, []);
  }

  async orderTest() {
    const before = (await this.server.account()).orders_total;
    await this.call("testOrder", await this.resting());
    equal("orders", (await this.server.account()).orders_total, before);
  }

  async postOnlyRefusal() {
    const book = await this.call("orderBook", { symbol, limit: 5 });
    const price = Number((Number(book.asks[0][0]) * 1.01).toFixed(1));
    await refused(-5022, () => this.order({ price, timeInForce: "GTX" }));
  }

  async userStream() {
    const { listenKey } = await this.call("startUserDataStream");
    const connection = await within("connected", this.client.websocketStreams.connect());
    try {
      const told = [];
      connection.userData(listenKey).on("message", (event) => {
        if (event.e === "ORDER_TRADE_UPDATE") told.push(event.o.x);
      });
      // The subscription goes out without an answer that could be waited for; a first order is
      // placed and cancelled until it is heard of.
      await until("the first event", async () => {
        const { orderId } = await this.order();
        await this.call("cancelOrder", { symbol, orderId });
        return told.length > 0;
      });
      await until("the last cancel", () => told.at(-1) === "CANCELED");
      told.length = 0;
      const { orderId } = await this.order();
      await this.call("cancelOrder", { symbol, orderId });
      await this.atMarket("BUY", 0.01);
      await until("four events", () => told.length >= 4);
      equal("events", told.slice(0, 4), ["NEW", "CANCELED", "NEW", "TRADE"]);
    } finally {
      await connection.disconnect();
    }
  }

  async marketOrder() {
    const before = await this.server.held(symbol);
    await this.atMarket("BUY", 0.05);
    equal("held", await this.server.held(symbol), before + 0.05);
  }

  accountValues() {
    return this.server.paused(async () => {
      const wallet = (await this.server.account()).wallet_usdt;
      equal("wallet", (await this.call("accountInformationV3")).totalWalletBalance, wallet);
      const rows = await this.call("futuresAccountBalanceV3");
      equal("balance", rows.find((one) => one.asset === "USDT").balance, wallet);
    });
  }

  positions() {
    return this.server.paused(async () => {
      const row = (await this.call("positionInformationV3", { symbol }))[0];
      const held = await this.position();
      equal("amount", row.positionAmt, held.quantity);
      equal("unrealised", row.unRealizedProfit, held.unrealized_usdt);
      equal("entry", row.entryPrice, held.entry_price);
    });
  }

  async ownTrades() {
    const trades = await this.call("accountTradeList", { symbol });
    const account = await this.server.account();
    equal("fills", trades.length, account.fills);
    const paid = trades.reduce((sum, trade) => sum + Number(trade.commission), 0);
    holds("fees", Math.abs(paid - Number(account.fees_usdt)) < 1e-6);
  }

  async fees() {
    const { takerCommissionRate } = await this.call("userCommissionRate", { symbol });
    const trade = (await this.call("accountTradeList", { symbol })).at(-1);
    const paid = Number(trade.commission) / Number(trade.quoteQty);
    holds("paid at it", Math.abs(paid - Number(takerCommissionRate)) < 1e-6);
  }

  async income() {
    const rows = await this.call("getIncomeHistory", { incomeType: "COMMISSION", limit: 1000 });
    const paid = -rows.reduce((sum, row) => sum + Number(row.income), 0);
    const account = await this.server.account();
    holds("fees", Math.abs(paid - Number(account.fees_total_usdt)) < 1e-6);
  }

  async reduceOnly() {
    const reduceOnly = "true";
    await refused(-2022, () => this.atMarket("BUY", 0.01, { reduceOnly }));
    const before = await this.server.held(symbol);
    await this.atMarket("SELL", 0.01, { reduceOnly });
    equal("held", await this.server.held(symbol), before - 0.01);
  }

  async algoStopTriggers() {
    const before = await this.server.held(symbol);
    // A stop is judged by the last trade; it stands still until the order is there.
    const order = await this.server.paused(async () => {
      const last = (await this.call("recentTradesList", { symbol, limit: 1 }))[0].price;
      const triggerPrice = Number((Number(last) - 0.5).toFixed(1));
      const stop = { algoType: "CONDITIONAL", symbol, side: "SELL", type: "STOP_MARKET" };
      const more = { quantity: 0.01, triggerPrice, reduceOnly: "true" };
      return this.call("newAlgoOrder", { ...stop, ...more });
    });
    holds("an id", order.algoId);
    const sold = async () => Math.abs((await this.server.held(symbol)) - before + 0.01) < 1e-9;
    await until("the stop sells", sold, 60_000);
  }

  async leverage() {
    equal("leverage", (await this.call("changeInitialLeverage", { symbol, leverage: 7 })).leverage, 7);
    holds("brackets", (await this.call("notionalAndLeverageBrackets", { symbol })).length);
  }

  async marginType() {
    const other = (marginType) => this.call("changeMarginType", { symbol: "ETHUSDT", marginType });
    await other("ISOLATED");
    await refused(-4046, () => other("ISOLATED"));
    await other("CROSSED");
  }

  async hedgeMode() {
    await this.atMarket("SELL", await this.server.held(symbol), { reduceOnly: "true" });
    await this.call("changePositionMode", { dualSidePosition: "true" });
    equal("dual", (await this.call("getCurrentPositionMode")).dualSidePosition, true);
    await this.call("changePositionMode", { dualSidePosition: "false" });
  }

  async listenKey() {
    const { listenKey } = await this.call("startUserDataStream");
    equal("renewed", (await this.call("keepaliveUserDataStream")).listenKey, listenKey);
    await this.call("closeUserDataStream");
    await refused(-1125, () => this.call("keepaliveUserDataStream"));
  }

  async websocketApi() {
    const connection = await within("connected", this.client.websocketAPI.connect());
    try {
      const { data: result } = await connection.newOrder(await this.resting());
      equal("status", result.status, "NEW");
      const ended = await connection.cancelOrder({ symbol, orderId: result.orderId });
      equal("ended", ended.data.status, "CANCELED");
      const status = (await connection.accountInformationV2()).data;
      equal("wallet", status.totalWalletBalance, (await this.server.account()).wallet_usdt);
    } finally {
      await connection.disconnect();
    }
  }

  async rateLimit() {
    for (let count = 0; count < 400; count += 1) {
      try {
        await this.call("orderBook", { symbol, limit: 1000 });
      } catch (error) {
        equal("kind", error.name, "TooManyRequestsError");
        return;
      }
    }
    throw new Error("400 books of weight 20 and no refusal");
  }
}

run(new Driver(new Server()), {
  "book by stream": "it keeps no book of its own",
});
