// How prices, spreads and ages are written; pure.

/** Return a price with the instrument's decimals; an en dash for none.
 * @param {number | null | undefined} price @param {number} decimals */
export function formatPrice(price, decimals) {
  return price == null ? "–" : price.toFixed(decimals);
}

/** Return the spread in units of the instrument's last decimal ("1.2" pips of a pair
 * with five decimals): forex counts in tenths of its last digit, others in prices.
 * @param {number | null | undefined} bid @param {number | null | undefined} ask
 * @param {number} decimals @param {string} type the instrument's */
export function formatSpread(bid, ask, decimals, type) {
  if (bid == null || ask == null) return "–";
  if (type !== "forex") return (ask - bid).toFixed(decimals);
  return ((ask - bid) * 10 ** (decimals - 1)).toFixed(1);
}

/** Return how long ago something was: "0.4 s", "12 s", "3 min", "5 h", "2 d".
 * @param {number | null} ageMs */
export function formatAge(ageMs) {
  if (ageMs == null) return "–";
  const seconds = Math.max(0, ageMs) / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 119.5) return `${Math.round(seconds)} s`;
  if (seconds < 7170) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

/** Return a written price in three parts, of which the second is the one that dealers
 * read, a pair's pips: ["1.08", "50", "6"]; of what is no pair all of it is the first.
 * @param {string} text @param {string} type the instrument's
 * @returns {[string, string, string]} */
export function splitPrice(text, type) {
  if (type !== "forex" || !/\.\d{3,}$/.test(text)) return [text, "", ""];
  return [text.slice(0, -3), text.slice(-3, -1), text.slice(-1)];
}

/** Return where a price went: "up", "down" or "" (unchanged, or one is not there).
 * @param {number | null | undefined} before @param {number | null | undefined} now */
export function direction(before, now) {
  if (before == null || now == null || before === now) return "";
  return now > before ? "up" : "down";
}
