// Which series and month are looked at: what can be chosen, and the address; pure.

/**
 * @typedef {{broker: string, symbol: string, month: string}} Choice month as `2019-02`
 * @typedef {{symbol: string, display: string, brokers: {broker: string,
 *   earliest: number | null, latest: number | null}[]}} Listed of `/api/symbols`
 */

const ARCHIVE = "dukascopy";
const ARCHIVE_BEGINS = 2003;

/** Return what the address asks for; parts that it lacks are empty.
 * @param {string} hash `#dukascopy/EURUSD/2019-02` @returns {Choice} */
export function parseHash(hash) {
  const [broker = "", symbol = "", month = ""] = hash.replace(/^#/, "").split("/");
  return { broker, symbol, month: /^\d{4}-(0[1-9]|1[0-2])$/.test(month) ? month : "" };
}

/** @param {Choice} choice */
export function hashOf({ broker, symbol, month }) {
  return `#${broker}/${symbol}/${month}`;
}

/** Return the brokers of a symbol whose hours can be shown: with data, or the archive.
 * @param {readonly Listed[]} symbols @param {string} symbol
 * @returns {Listed["brokers"]} */
export function brokersOf(symbols, symbol) {
  const found = symbols.find((item) => item.symbol === symbol)?.brokers ?? [];
  return found.filter(({ broker, latest }) => broker === ARCHIVE || latest !== null);
}

/** Return the nearest choice that there is: by default a series of the archive with
 * data, and the last month that has some.
 * @param {readonly Listed[]} symbols @param {Choice} wanted @param {number} now Unix seconds
 * @returns {Choice | null} null if there is no instrument */
export function resolve(symbols, wanted, now) {
  const listed = symbols.filter(({ symbol }) => brokersOf(symbols, symbol).length);
  const imported = listed.find((item) =>
    item.brokers.some(({ broker, latest }) => broker === ARCHIVE && latest !== null));
  const item = listed.find(({ symbol }) => symbol === wanted.symbol) ?? imported ?? listed[0];
  if (!item) return null;
  const brokers = brokersOf(symbols, item.symbol);
  const carrier = brokers.find(({ broker }) => broker === wanted.broker)
    ?? brokers.find(({ broker }) => broker === ARCHIVE) ?? brokers[0];
  const last = monthOf(now);
  const month = wanted.month || monthOf(carrier.latest ?? now);
  return { broker: carrier.broker, symbol: item.symbol, month: month > last ? last : month };
}

/** Return the years of a series that can be chosen, newest first; the archive's may all
 * be imported.
 * @param {readonly Listed[]} symbols @param {Choice} choice @param {number} now Unix seconds */
export function yearsOf(symbols, { broker, symbol, month }, now) {
  const carrier = brokersOf(symbols, symbol).find((item) => item.broker === broker);
  const begins = carrier?.earliest == null ? yearOf(now) : yearOf(carrier.earliest);
  const first = Math.min(Number(month.slice(0, 4)), broker === ARCHIVE ? ARCHIVE_BEGINS : begins);
  const last = Math.max(Number(month.slice(0, 4)), yearOf(now));
  return Array.from({ length: last - first + 1 }, (_, index) => last - index);
}

/** @param {string} month @param {number} step months on or back @returns {string} */
export function stepped(month, step) {
  const [year, number] = month.split("-").map(Number);
  return monthOf(Date.UTC(year, number - 1 + step) / 1000);
}

/** @param {number} time Unix seconds @returns {string} */
export function monthOf(time) {
  return new Date(time * 1000).toISOString().slice(0, 7);
}

/** @param {number} time Unix seconds */
function yearOf(time) {
  return new Date(time * 1000).getUTCFullYear();
}
