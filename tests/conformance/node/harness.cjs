// What every Node driver shares: the server's own view, and the report. The table of capabilities
// is the one of the Python harness, read from there.
//
// In: the environment that `cargo xtask conformance` sets. Out: one JSON line on stdout for each
// capability. Never: a capability left out in silence; a driver passes it, fails it, or says why
// the client itself cannot do it.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const timers = require("node:timers/promises");

const environment = process.env;

// The client, not the server, cannot do it; the message says why.
class ClientLimit extends Error {}

// The rows of this run, in the order in which they run.
function rows() {
  const short = ["connect", "signed call"];
  if (environment.CONFORMANCE_RUN !== "full") return short;
  const text = fs.readFileSync(path.join(__dirname, "../python/harness.py"), "utf8");
  const list = text.match(/^CAPABILITIES[^(]*\(\n([^)]*)\)/m)[1];
  return [...list.matchAll(/"([^"]+)"/g)].map((found) => found[1]);
}

class Server {
  constructor() {
    this.http = environment.CONFORMANCE_HTTP;
    this.ws = environment.CONFORMANCE_WS;
    this.spotHttp = environment.CONFORMANCE_SPOT_HTTP;
    this.spotWs = environment.CONFORMANCE_SPOT_WS;
    this.key = environment.CONFORMANCE_API_KEY;
    this.secret = fs.readFileSync(environment.CONFORMANCE_SECRET_FILE, "ascii").trim();
    this.keyKind = environment.CONFORMANCE_KEY_KIND;
  }

  async control(place, body) {
    const options = body && {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    };
    const answer = await fetch(environment.CONFORMANCE_SIM + place, options);
    if (!answer.ok) throw new Error(`${place}: ${answer.status}`);
    return answer.json();
  }

  // Orders, positions, wallet.
  account(market = "usdm") {
    return this.control(`/sim/v1/account?market=${market}`);
  }

  // The book and its version.
  book(symbol, market = "usdm") {
    return this.control(`/sim/v1/book?market=${market}&symbol=${symbol}`);
  }

  // Stops the market while the check runs.
  async paused(check) {
    await this.control("/sim/v1/market", { paused: true });
    try {
      return await check();
    } finally {
      await this.control("/sim/v1/market", { paused: false });
    }
  }

  // Lets the server's clock be ahead while the check runs.
  async ahead(step_ms, check) {
    await this.control("/sim/v1/clock", { step_ms });
    try {
      return await check();
    } finally {
      await this.control("/sim/v1/clock", { step_ms: -step_ms });
    }
  }

  async held(symbol) {
    const account = await this.account();
    return Number(account.positions.find((one) => one.symbol === symbol).quantity);
  }
}

function holds(what, condition) {
  if (!condition) throw new Error(`does not hold: ${what}`);
}

// Compares as numbers where both are some, else as JSON.
function equal(what, seen, expected) {
  const number = (value) => (value === "" || typeof value === "object" ? NaN : Number(value));
  const numeric = !Number.isNaN(number(seen)) && !Number.isNaN(number(expected));
  const same = numeric
    ? Math.abs(number(seen) - number(expected)) < 1e-9
    : JSON.stringify(seen) === JSON.stringify(expected);
  if (!same) throw new Error(`${what}: ${JSON.stringify(seen)}, expected ${JSON.stringify(expected)}`);
}

// The call must fail with this code of Binance in what the client says.
async function refused(code, call) {
  let answer;
  try {
    answer = await call();
  } catch (error) {
    const told = `${error} ${error.code ?? ""} ${error.errorCode ?? ""}`;
    if (!told.includes(String(code))) throw new Error(`refused with ${told}, expected ${code}`);
    return error;
  }
  throw new Error(`answered ${JSON.stringify(answer)}, expected a refusal with ${code}`);
}

// Waits for a condition with a deadline.
async function until(what, condition, patience_ms = 20_000) {
  const deadline = Date.now() + patience_ms;
  for (;;) {
    const found = await condition();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`${what}: not within ${patience_ms} ms`);
    await timers.setTimeout(50);
  }
}

// A promise that fails when nothing came in time.
function within(what, promise, patience_ms = 20_000) {
  const stop = new AbortController();
  const late = timers.setTimeout(patience_ms, null, { signal: stop.signal }).then(() => {
    throw new Error(`${what}: not within ${patience_ms} ms`);
  });
  return Promise.race([promise, late]).finally(() => stop.abort());
}

// Runs the driver's methods that are named after a capability, in the table's order. A client may
// print on stdout; only these lines are cells.
async function run(driver, limits = {}) {
  for (const capability of rows()) {
    const cell = { capability, outcome: "pass", reason: "" };
    const check = driver[capability.replaceAll(/[ -](.)/g, (_, letter) => letter.toUpperCase())];
    try {
      if (!check) throw new ClientLimit(limits[capability] ?? "not offered by this client");
      await check.call(driver);
    } catch (error) {
      cell.outcome = error instanceof ClientLimit ? "limit" : "fail";
      cell.reason = cell.outcome === "limit" ? error.message : `${error}`.slice(0, 600);
      if (cell.outcome === "fail") console.error(error);
    }
    process.stdout.write(`${JSON.stringify(cell)}\n`);
  }
  // Clients keep connections and timers of their own alive.
  process.exit(0);
}

module.exports = { ClientLimit, Server, equal, holds, refused, run, until, within };
