import assert from "node:assert/strict";
import test from "node:test";

import {
  candleId, candleRequest, chartBrokers, isCandleOf, leaveCandles, tickRequests, watchRows,
} from "../../../static/page/subscriptions.js";

const BROKERS = [
  { broker: "binance", enabled: true, simulated: false },
  { broker: "dukascopy", enabled: false, simulated: false },
  { broker: "simulated", enabled: true, simulated: true },
];
const carrier = (broker, latest = null) => ({ broker, symbol: "x", earliest: latest, latest });
const SYMBOLS = [
  { symbol: "EURUSD", display: "EUR/USD", type: "forex", decimals: 5, brokers: [carrier("dukascopy", 9), carrier("simulated")] },
  { symbol: "BTCUSDT", display: "BTC/USDT", type: "crypto", decimals: 2, brokers: [carrier("binance"), carrier("simulated")] },
  { symbol: "AUDCAD", display: "AUD/CAD", type: "forex", decimals: 5, brokers: [carrier("dukascopy")] },
];
const CHOICE = { symbol: "EURUSD", broker: "simulated", timeframe: "5m", price: "bid" };

test("the watch list has what enabled brokers carry, simulated ones last", () => {
  const rows = watchRows(SYMBOLS, BROKERS);

  assert.deepEqual(
    rows.map(({ broker, symbol, isSimulated }) => [broker, symbol, isSimulated]),
    [["binance", "BTCUSDT", false], ["simulated", "EURUSD", true], ["simulated", "BTCUSDT", true]],
  );
});

test("a chart is offered of each broker with data or a feed, told apart", () => {
  assert.deepEqual(chartBrokers(SYMBOLS, BROKERS, "EURUSD"), [
    { broker: "dukascopy", isLive: false, isSimulated: false, begins: 9 },
    { broker: "simulated", isLive: true, isSimulated: true, begins: null },
  ]);
  assert.deepEqual(chartBrokers(SYMBOLS, BROKERS, "AUDCAD"), []);
});

test("rows are broker by broker, simulated ones last", () => {
  const both = [{ ...SYMBOLS[0], brokers: [carrier("simulated"), carrier("kraken"), carrier("binance")] }, SYMBOLS[1]];
  const brokers = [...BROKERS, { broker: "kraken", enabled: true, simulated: false }];

  assert.deepEqual(
    watchRows(both, brokers).map(({ broker, symbol }) => `${broker} ${symbol}`),
    ["binance EURUSD", "binance BTCUSDT", "kraken EURUSD", "simulated EURUSD", "simulated BTCUSDT"],
  );
});

test("ticks are asked for with one request per broker", () => {
  const requests = tickRequests(watchRows(SYMBOLS, BROKERS));

  assert.deepEqual(
    requests.map(({ broker, symbols, delivery }) => [broker, symbols, delivery]),
    [["binance", ["BTCUSDT"], "conflate"], ["simulated", ["EURUSD", "BTCUSDT"], "conflate"]],
  );
});

test("candles resume from a time in milliseconds, and then want no snapshot", () => {
  const topic = { broker: "simulated", symbols: ["EURUSD"], types: ["candle"], interval: "5m", price: "bid" };

  assert.deepEqual(candleRequest(CHOICE, null), { action: "subscribe", id: candleId(CHOICE), ...topic });
  const again = candleRequest(CHOICE, 600);
  assert.deepEqual([again.since, again.snapshot], [600_000, false]);
  assert.deepEqual({ ...leaveCandles(CHOICE), id: 0 }, { action: "unsubscribe", id: 0, ...topic });
});

test("late candles of the series before are told apart", () => {
  const frame = (period, price, symbol = "EUR/USD") => ({
    type: "data", broker: "simulated", symbol, data: { type: "candle", timestamp: 0, data: { period, price } },
  });

  assert.equal(isCandleOf(frame("5m", "bid"), CHOICE, "EUR/USD"), true);
  assert.equal(isCandleOf(frame("1m", "bid"), CHOICE, "EUR/USD"), false);
  assert.equal(isCandleOf(frame("5m", "mid"), CHOICE, "EUR/USD"), false);
  assert.equal(isCandleOf(frame("5m", "bid", "BTC/USDT"), CHOICE, "EUR/USD"), false);
});
