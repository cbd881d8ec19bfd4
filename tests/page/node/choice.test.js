import assert from "node:assert/strict";
import { test } from "node:test";

import { brokersOf, hashOf, parseHash, resolve, stepped, yearsOf } from "../../../static/coverage/choice.js";

const NOW = Date.UTC(2026, 10, 21) / 1000;
const IN_2019 = Date.UTC(2019, 1, 4) / 1000;
const SYMBOLS = [
  {
    symbol: "AUDUSD", display: "AUD/USD",
    brokers: [{ broker: "dukascopy", earliest: null, latest: null }],
  },
  {
    symbol: "EURUSD", display: "EUR/USD",
    brokers: [
      { broker: "dukascopy", earliest: IN_2019, latest: IN_2019 },
      { broker: "kraken", earliest: null, latest: null },
      { broker: "oanda", earliest: NOW - 86400, latest: NOW },
    ],
  },
  { symbol: "XBTUSD", display: "XBT/USD", brokers: [] },
];
const NOTHING = { broker: "", symbol: "", month: "" };

test("the address keeps the choice", () => {
  const choice = { broker: "oanda", symbol: "EURUSD", month: "2026-11" };

  assert.deepEqual(parseHash(hashOf(choice)), choice);
  assert.deepEqual(parseHash("#oanda/EURUSD/2026-13"), { ...choice, month: "" });
  assert.deepEqual(parseHash(""), NOTHING);
});

test("brokers are those with data, and the archive", () => {
  assert.deepEqual(brokersOf(SYMBOLS, "EURUSD").map(({ broker }) => broker), ["dukascopy", "oanda"]);
  assert.deepEqual(brokersOf(SYMBOLS, "AUDUSD").map(({ broker }) => broker), ["dukascopy"]);
});

test("at first it is what was imported, in its last month", () => {
  assert.deepEqual(resolve(SYMBOLS, NOTHING, NOW), { broker: "dukascopy", symbol: "EURUSD", month: "2019-02" });
  assert.equal(resolve([], NOTHING, NOW), null);
});

test("what is wanted and not there is the nearest that is", () => {
  const wanted = { broker: "oanda", symbol: "AUDUSD", month: "2027-01" };

  assert.deepEqual(resolve(SYMBOLS, wanted, NOW), { broker: "dukascopy", symbol: "AUDUSD", month: "2026-11" });
});

test("years go from the first with data to now, of the archive from 2003", () => {
  const choice = { broker: "oanda", symbol: "EURUSD", month: "2026-11" };

  assert.deepEqual(yearsOf(SYMBOLS, choice, NOW), [2026]);
  assert.deepEqual(yearsOf(SYMBOLS, { ...choice, month: "2024-02" }, NOW), [2026, 2025, 2024]);
  assert.equal(yearsOf(SYMBOLS, { ...choice, broker: "dukascopy" }, NOW).at(-1), 2003);
});

test("months are stepped over the turn of the year", () => {
  assert.deepEqual([stepped("2019-12", 1), stepped("2019-01", -1)], ["2020-01", "2018-12"]);
});
