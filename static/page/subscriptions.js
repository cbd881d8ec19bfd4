// What is asked of the server, first and after a loss; pure.

/**
 * A series of the watch list: one broker's prices of one instrument.
 * @typedef {{broker: string, symbol: string, display: string, type: string,
 *   decimals: number, isSimulated: boolean}} Row
 * @typedef {{symbol: string, broker: string, timeframe: string, price: string}} Choice
 * @typedef {{broker: string, isLive: boolean, isSimulated: boolean, begins: number | null}} Carrier
 *   `begins`: the time of its first record, in Unix seconds
 */

export const CONFLATE_MS = 200; // as fast as an eye follows
const MAX_SYMBOLS = 500; // of one request

/** Return the rows of the watch list, broker by broker: what enabled ones carry,
 * simulated ones last.
 * @param {any[]} symbols answer of `/api/symbols` @param {any[]} brokers of `/api/brokers`
 * @returns {Row[]} */
export function watchRows(symbols, brokers) {
  const enabled = new Map(brokers.filter((item) => item.enabled).map((item) => [item.broker, item]));
  const rows = symbols.flatMap((item) =>
    item.brokers
      .filter((/** @type {any} */ carrier) => enabled.has(carrier.broker))
      .map((/** @type {any} */ carrier) => ({
        broker: carrier.broker,
        symbol: item.symbol,
        display: item.display,
        type: item.type,
        decimals: item.decimals,
        isSimulated: enabled.get(carrier.broker).simulated,
      })),
  );
  const names = [...enabled.keys()];
  const place = (/** @type {Row} */ row) => Number(row.isSimulated) * names.length + names.indexOf(row.broker);
  return rows.sort((a, b) => place(a) - place(b));
}

/** Return the brokers of a symbol that can be charted: enabled, or with stored data.
 * @param {any[]} symbols @param {any[]} brokers @param {string} symbol
 * @returns {Carrier[]} */
export function chartBrokers(symbols, brokers, symbol) {
  const known = new Map(brokers.map((item) => [item.broker, item]));
  const carriers = symbols.find((item) => item.symbol === symbol)?.brokers ?? [];
  return carriers
    .map((/** @type {any} */ carrier) => ({
      broker: carrier.broker,
      isLive: Boolean(known.get(carrier.broker)?.enabled),
      isSimulated: Boolean(known.get(carrier.broker)?.simulated),
      begins: carrier.earliest ?? null,
      hasData: carrier.latest != null,
    }))
    .filter((/** @type {any} */ item) => item.isLive || item.hasData)
    .map((/** @type {any} */ { hasData: _, ...item }) => item);
}

/** Return the requests for the watch list's ticks, one per broker.
 * @param {readonly Row[]} rows */
export function tickRequests(rows) {
  /** @type {Map<string, string[]>} */
  const byBroker = new Map();
  for (const { broker, symbol } of rows) {
    byBroker.set(broker, [...(byBroker.get(broker) ?? []), symbol]);
  }
  return [...byBroker].map(([broker, symbols]) => ({
    action: "subscribe",
    id: `ticks ${broker}`,
    broker,
    symbols: symbols.slice(0, MAX_SYMBOLS),
    types: ["tick"],
    delivery: "conflate",
    conflate_ms: CONFLATE_MS,
  }));
}

/** Return the request for a chart's live candles; `sinceS` (Unix seconds) resumes.
 * @param {Choice} choice @param {number | null} sinceS */
export function candleRequest(choice, sinceS) {
  const request = { action: "subscribe", id: candleId(choice), ...candleTopic(choice) };
  return sinceS == null ? request : { ...request, since: sinceS * 1000, snapshot: false };
}

/** @param {Choice} choice */
export function leaveCandles(choice) {
  return { action: "unsubscribe", id: `leave ${candleId(choice)}`, ...candleTopic(choice) };
}

/** Return what names a chart's topic, in requests and in their replies' `id`.
 * @param {Choice} choice */
export function candleId(choice) {
  return ["candles", choice.broker, choice.symbol, choice.timeframe, choice.price].join(" ");
}

/** @param {Choice} choice */
function candleTopic({ broker, symbol, timeframe, price }) {
  return { broker, symbols: [symbol], types: ["candle"], interval: timeframe, price };
}

/** Tell whether a data frame is a candle of the choice.
 * @param {any} frame @param {Choice} choice @param {string} display */
export function isCandleOf(frame, choice, display) {
  const { type, data } = frame.data;
  return (
    type === "candle" && frame.broker === choice.broker && frame.symbol === display &&
    data.period === choice.timeframe && (data.price ?? "mid") === choice.price
  );
}
