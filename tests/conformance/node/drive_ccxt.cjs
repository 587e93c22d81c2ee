// ccxt for Node: unified REST calls on the linear swap, and ccxt.pro for the streams.
//
// In: the environment of the harness. Out: its cells. Never: a patched ccxt; base URLs and keys are
// set through its own options, the authority through Node's.
"use strict";

const ccxt = require("ccxt");
const { Server, equal, holds, refused, run, until, within } = require("./harness.cjs");

const SYMBOL = "BTC/USDT:USDT";
const PLAIN = "BTCUSDT";

// What ccxt is told.
function options(server, secret) {
  const api = {};
  for (const version of ["", "V2", "V3"]) {
    const place = `/fapi/${version.toLowerCase() || "v1"}`;
    api[`fapiPublic${version}`] = api[`fapiPrivate${version}`] = server.http + place;
  }
  api.public = api.private = `${server.spotHttp}/api/v3`;
  api.ws = {
    spot: `${server.spotWs}/ws`,
    future: `${server.ws}/ws`,
    "ws-api": { spot: `${server.spotWs}/ws-api/v3`, future: `${server.ws}/ws-fapi/v1` },
  };
  return {
    apiKey: server.key,
    secret: secret ?? server.secret,
    urls: { api },
    enableRateLimit: false,
    options: {
      defaultType: "swap",
      fetchMarkets: { types: ["linear"] },
      fetchCurrencies: false,
      fetchMargins: false,
    },
  };
}

class Driver {
  constructor(server) {
    this.server = server;
    this.rest = new ccxt.binance(options(server));
    this.pro = new ccxt.pro.binance(options(server));
  }

  async farBid() {
    const book = await this.rest.fetchOrderBook(SYMBOL, 5);
    return Number(this.rest.priceToPrecision(SYMBOL, book.bids[0][0] * 0.98));
  }

  async restOrder() {
    return this.rest.createOrder(SYMBOL, "limit", "buy", 0.01, await this.farBid());
  }

  connect() {
    return this.exchangeInfo();
  }

  async exchangeInfo() {
    const market = (await this.rest.loadMarkets())[SYMBOL];
    equal("id", market.id, PLAIN);
    holds("a swap", market.swap && market.linear && market.active);
    holds("tick and step", market.precision.price && market.precision.amount);
    holds("least notional", market.limits.cost.min);
  }

  async signedCall() {
    await this.rest.loadMarkets();
    const wallet = (await this.server.account()).wallet_usdt;
    equal("wallet", (await this.rest.fetchBalance()).USDT.total, wallet);
  }

  async serverTime() {
    holds("within 2 s", Math.abs((await this.rest.fetchTime()) - Date.now()) < 2000);
  }

  async orderBook() {
    const book = await this.rest.fetchOrderBook(SYMBOL, 100);
    holds("a nonce", book.nonce);
    holds("not crossed", book.bids[0][0] < book.asks[0][0]);
  }

  async klines() {
    const rows = await this.rest.fetchOHLCV(SYMBOL, "1m", undefined, 50);
    equal("rows", rows.length, 50);
    equal("a minute apart", rows[49][0] - rows[48][0], 60_000);
  }

  async tickers() {
    const ticker = await this.rest.fetchTicker(SYMBOL);
    holds("last price and volume", ticker.last && ticker.baseVolume);
    holds("all of them", SYMBOL in (await this.rest.fetchTickers()));
    holds("mark", (await this.rest.fetchFundingRate(SYMBOL)).markPrice);
  }

  async publicTrades() {
    const call = () => this.rest.fetchTrades(SYMBOL, undefined, 20);
    const trades = await until("20 trades", async () => {
      const rows = await call();
      return rows.length === 20 && rows;
    });
    holds("in order", trades[0].timestamp <= trades[19].timestamp);
  }

  async bookByStream() {
    let book;
    for (let count = 0; count < 30; count += 1) {
      book = await within("a book", this.pro.watchOrderBook(SYMBOL));
    }
    await this.server.paused(async () => {
      const truth = await until("the server's version", async () => {
        const there = await this.server.book(PLAIN);
        return there.last_update_id === book.nonce && there;
      });
      for (const side of ["bids", "asks"]) {
        const seen = book[side].slice(0, 100).map(([price, size]) => [price, size]);
        const there = truth[side].slice(0, 100).map((row) => row.slice(0, 2).map(Number));
        equal(side, seen, there);
      }
    });
  }

  async marketStreams() {
    const trades = await within("trades", this.pro.watchTrades(SYMBOL));
    holds("a price", trades.at(-1).price);
    holds("ticker", (await within("a ticker", this.pro.watchTicker(SYMBOL))).last);
    holds("candle", (await within("a candle", this.pro.watchOHLCV(SYMBOL, "1m"))).at(-1)[4]);
    holds("mark", (await within("a mark price", this.pro.watchMarkPrice(SYMBOL))).markPrice);
  }

  async wrongSignature() {
    const other = new ccxt.binance(options(this.server, "another secret"));
    await refused(-1022, () => other.fapiPrivateV3GetBalance());
  }

  async oldTimestamp() {
    const late = new ccxt.binance(options(this.server));
    late.nonce = () => Date.now() - 20_000;
    await refused(-1021, () => late.fapiPrivateV3GetBalance());
  }

  async limitOrder() {
    this.order = await this.restOrder();
    equal("status", this.order.status, "open");
    const ours = (await this.server.account()).open_orders.map((one) => one.client_order_id);
    holds("the server has it", ours.includes(this.order.clientOrderId));
  }

  async queryOrder() {
    const seen = await this.rest.fetchOrder(this.order.id, SYMBOL);
    equal("price", seen.price, this.order.price);
    equal("remaining", seen.remaining, 0.01);
    for (const rows of [
      await this.rest.fetchOpenOrders(SYMBOL),
      await this.rest.fetchOrders(SYMBOL),
    ]) {
      holds("listed", rows.some((one) => one.id === this.order.id));
    }
  }

  async modifyOrder() {
    const price = Number(this.rest.priceToPrecision(SYMBOL, this.order.price * 0.999));
    const id = this.order.id;
    const changed = await this.rest.editOrder(id, SYMBOL, "limit", "buy", 0.02, price);
    equal("price", changed.price, price);
    equal("amount", changed.amount, 0.02);
  }

  async cancelOrder() {
    const cancel = () => this.rest.cancelOrder(this.order.id, SYMBOL);
    equal("state", (await cancel()).status, "canceled");
    await refused(-2011, cancel);
  }

  async cancelAll() {
    await this.restOrder();
    await this.restOrder();
    await this.rest.cancelAllOrders(SYMBOL);
    equal("open", (await this.server.account()).open_orders, []);
  }

  async batch() {
    const price = await this.farBid();
    const one = { symbol: SYMBOL, type: "limit", side: "buy", amount: 0.01, price };
    const placed = await this.rest.createOrders([one, { ...one }]);
    equal("states", placed.map((order) => order.status), ["open", "open"]);
    const ended = await this.rest.cancelOrders(placed.map((order) => order.id), SYMBOL);
    equal("cancelled", ended.map((order) => order.status), ["canceled", "canceled"]);
  }

  async orderTest() {
    const before = (await this.server.account()).orders_total;
    // The unified call knows tests on spot only; for a swap it would place the order.
    await this.rest.fapiPrivatePostOrderTest({
      symbol: PLAIN,
      side: "BUY",
      type: "LIMIT",
      timeInForce: "GTC",
      quantity: "0.01",
      price: String(await this.farBid()),
    });
    equal("orders", (await this.server.account()).orders_total, before);
  }

  async postOnlyRefusal() {
    const ask = (await this.rest.fetchOrderBook(SYMBOL, 5)).asks[0][0];
    const price = Number(this.rest.priceToPrecision(SYMBOL, ask * 1.01));
    const only = { postOnly: true };
    await refused(-5022, () => this.rest.createOrder(SYMBOL, "limit", "buy", 0.01, price, only));
  }

  async userStream() {
    const told = [];
    const watch = async () => {
      while (told.length < 2) told.push((await this.pro.watchOrders(SYMBOL)).at(-1).status);
    };
    const watching = within("two orders", watch());
    const client = await until("connected", () =>
      Object.entries(this.pro.clients).find(([url]) => url.includes("listenKey"))?.[1],
    );
    await within("open", client.connected);
    const order = await this.restOrder();
    await until("the first event", () => told.length === 1);
    await this.rest.cancelOrder(order.id, SYMBOL);
    await watching;
    equal("states in order", told, ["open", "canceled"]);
    const fills = within("a fill", this.pro.watchMyTrades(SYMBOL));
    await this.rest.createOrder(SYMBOL, "market", "buy", 0.01);
    equal("amount", (await fills).at(-1).amount, 0.01);
  }

  async marketOrder() {
    const before = await this.server.held(PLAIN);
    await this.rest.createOrder(SYMBOL, "market", "buy", 0.05);
    equal("held", await this.server.held(PLAIN), before + 0.05);
  }

  accountValues() {
    return this.server.paused(async () => {
      const { info } = await this.rest.fetchBalance();
      const truth = await this.server.account();
      equal("wallet", info.totalWalletBalance, truth.wallet_usdt);
      const row = info.positions.find((one) => one.symbol === PLAIN);
      const held = truth.positions.find((one) => one.symbol === PLAIN);
      equal("unrealised", row.unrealizedProfit, held.unrealized_usdt);
    });
  }

  positions() {
    return this.server.paused(async () => {
      const truth = await this.server.account();
      const held = truth.positions.find((one) => one.symbol === PLAIN);
      for (const rows of [
        await this.rest.fetchPositions([SYMBOL]),
        await this.rest.fetchPositionsRisk(),
      ]) {
        const row = rows.find((one) => one.symbol === SYMBOL);
        equal("contracts", row.contracts, held.quantity);
        equal("side", row.side, "long");
        equal("unrealised", row.unrealizedPnl, held.unrealized_usdt);
        holds("entry", Math.abs(row.entryPrice - Number(held.entry_price)) < 1e-6);
      }
    });
  }

  async ownTrades() {
    const trades = await this.rest.fetchMyTrades(SYMBOL);
    const account = await this.server.account();
    equal("fills", trades.length, account.fills);
    const paid = trades.reduce((sum, trade) => sum + trade.fee.cost, 0);
    holds("fees", Math.abs(paid - Number(account.fees_usdt)) < 1e-6);
  }

  async fees() {
    const fee = await this.rest.fetchTradingFee(SYMBOL);
    holds("maker below taker", fee.maker > 0 && fee.maker < fee.taker);
    const trade = (await this.rest.fetchMyTrades(SYMBOL)).at(-1);
    holds("paid at it", Math.abs(trade.fee.cost / trade.cost - fee.taker) < 1e-6);
  }

  async income() {
    const rows = await this.rest.fetchLedger("USDT");
    const paid = rows.filter((row) => row.info.incomeType === "COMMISSION");
    const total = paid.reduce((sum, row) => sum + Math.abs(row.amount), 0);
    const account = await this.server.account();
    holds("commissions", Math.abs(total - Number(account.fees_total_usdt)) < 1e-6);
  }

  async reduceOnly() {
    const call = (side) =>
      this.rest.createOrder(SYMBOL, "market", side, 0.01, undefined, { reduceOnly: true });
    await refused(-2022, () => call("buy"));
    const before = await this.server.held(PLAIN);
    await call("sell");
    equal("held", await this.server.held(PLAIN), before - 0.01);
  }

  async algoStopTriggers() {
    const before = await this.server.held(PLAIN);
    // A stop is judged by the last trade; it stands still until the order is there.
    const order = await this.server.paused(async () => {
      // Not `fetchTrades`: ccxt asks for aggregates there, of which the last may still be open.
      const [{ price }] = await this.rest.fapiPublicGetTrades({ symbol: "BTCUSDT", limit: 1 });
      const last = Number(price);
      const stopLossPrice = Number(this.rest.priceToPrecision(SYMBOL, last - 0.5));
      const more = { stopLossPrice, reduceOnly: true };
      return this.rest.createOrder(SYMBOL, "market", "sell", 0.01, undefined, more);
    });
    holds("an id", order.id);
    const sold = async () => Math.abs((await this.server.held(PLAIN)) - before + 0.01) < 1e-9;
    await until("the stop sells", sold, 60_000);
  }

  async leverage() {
    equal("leverage", (await this.rest.setLeverage(7, SYMBOL)).leverage, 7);
    equal("told again", (await this.rest.fetchLeverage(SYMBOL)).longLeverage, 7);
    holds("brackets", (await this.rest.fetchLeverageTiers([SYMBOL]))[SYMBOL]);
  }

  async marginType() {
    const other = "ETH/USDT:USDT";
    await this.rest.setMarginMode("isolated", other);
    equal("mode", (await this.rest.fetchMarginMode(other)).marginMode, "isolated");
    await this.rest.setMarginMode("cross", other);
  }

  async hedgeMode() {
    const held = await this.server.held(PLAIN);
    const only = { reduceOnly: true };
    await this.rest.createOrder(SYMBOL, "market", "sell", held, undefined, only);
    await this.rest.setPositionMode(true);
    equal("hedged", (await this.rest.fetchPositionMode()).hedged, true);
    await this.rest.setPositionMode(false);
  }

  async listenKey() {
    const { listenKey } = await this.rest.fapiPrivatePostListenKey();
    equal("renewed", (await this.rest.fapiPrivatePutListenKey()).listenKey, listenKey);
    await this.rest.fapiPrivateDeleteListenKey();
    await refused(-1125, () => this.rest.fapiPrivatePutListenKey());
  }

  async websocketApi() {
    const price = await this.farBid();
    const order = await this.pro.createOrderWs(SYMBOL, "limit", "buy", 0.01, price);
    equal("status", order.status, "open");
    equal("ended", (await this.pro.cancelOrderWs(order.id, SYMBOL)).status, "canceled");
    const wallet = (await this.server.account()).wallet_usdt;
    equal("wallet", (await this.pro.fetchBalanceWs()).USDT.total, wallet);
  }

  async rateLimit() {
    for (let count = 0; count < 400; count += 1) {
      try {
        await this.rest.fetchOrderBook(SYMBOL, 1000);
      } catch (error) {
        holds(`the code in ${error}`, String(error).includes("-1003"));
        holds("Retry-After", "Retry-After" in this.rest.last_response_headers);
        return;
      }
    }
    throw new Error("400 books of weight 20 and no refusal");
  }
}

run(new Driver(new Server()));
