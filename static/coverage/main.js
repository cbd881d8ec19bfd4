// Puts the coverage page together: a choice, months of hours from REST, staff's imports.

import { Rest, RestError } from "../page/rest.js";
import { brokersOf, hashOf, monthOf, parseHash, resolve, stepped, yearsOf } from "./choice.js";
import { HourTable } from "./hour-table.js";
import {
  countStates, countWanted, dayOf, describeGap, describeMonth, feedGaps, monthNamed, monthsOf, pastOf, STATES,
  withCommas, withHolidays,
} from "./hours.js";
import { ImportPanel } from "./import-panel.js";
import { MonthStrip } from "./month-strip.js";

/** @typedef {import("./choice.js").Choice} Choice */
/** @typedef {import("./hours.js").Coverage} Coverage */

const KEY = "api-key"; // of sessionStorage, as on the page of prices
const MAX_GAPS = 100;
const REFRESH_MS = 2_000; // while an import goes on

const byId = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(id));
const nowS = () => Math.floor(Date.now() / 1000);

/** @type {any[]} */
let symbols = [];
/** @type {Choice} */
let choice = { broker: "", symbol: "", month: "" };
/** @type {Map<string, Coverage>} */
let known = new Map(); // of the series that is shown, by month
let loading = new AbortController();
/** @type {Set<string>} */
const stale = new Set();
let refreshing = 0;

const rest = new Rest();
rest.key = sessionStorage.getItem(KEY);
const table = new HourTable(byId("map"), byId("tip"), step);
const strip = new MonthStrip(byId("months"), (month) => choose({ ...choice, month }));
const panel = new ImportPanel(onProgress);

/** @param {number} months on or back */
function step(months) {
  choose({ ...choice, month: stepped(choice.month, months) });
}

/** @param {Choice} wanted */
function choose(wanted) {
  const found = resolve(symbols, wanted, nowS());
  if (!found) {
    byId("note").textContent = "There are no instruments.";
    return;
  }
  const before = choice;
  choice = found;
  const isOther = found.broker !== before.broker || found.symbol !== before.symbol;
  history.replaceState(null, "", hashOf(choice));
  byId("to-prices").hash = `${choice.broker}/${choice.symbol}`;
  if (byId("sign-in")) byId("sign-in").search = new URLSearchParams({ next: `/coverage${hashOf(choice)}` });
  fillChoices();
  if (isOther) known = new Map();
  if (isOther || found.month.slice(0, 4) !== before.month.slice(0, 4)) openYear();
  strip.select(choice.month);
  showMonth();
  panel.watch(choice.symbol);
}

function fillChoices() {
  const names = symbols.filter(({ symbol }) => brokersOf(symbols, symbol).length);
  fill(byId("symbol"), names.map(({ symbol, display }) => [symbol, display]), choice.symbol);
  const brokers = brokersOf(symbols, choice.symbol).map(({ broker, latest }) =>
    [broker, latest === null ? `${broker} (nothing stored)` : broker]);
  fill(byId("broker"), brokers, choice.broker);
  const years = yearsOf(symbols, choice, nowS()).map(String);
  fill(byId("year"), years.map((year) => [year, year]), choice.month.slice(0, 4));
}

/** @param {HTMLSelectElement} list @param {string[][]} options @param {string} value */
function fill(list, options, value) {
  const key = JSON.stringify(options);
  if (list.dataset.options !== key) {
    list.dataset.options = key;
    list.replaceChildren(...options.map(([name, text]) => new Option(text, name)));
  }
  list.value = value;
}

/** Draw the twelve months, the chosen one first. */
function openYear() {
  loading.abort();
  loading = new AbortController();
  const months = monthsOf(Number(choice.month.slice(0, 4)));
  strip.show(months);
  for (const { name } of months) if (known.has(name)) strip.fill(name, known.get(name) ?? null);
  const { signal } = loading;
  const names = chosenFirst(months.map(({ name }) => name).filter((name) => !known.has(name)));
  byId("note").textContent = "";
  load(names, signal).catch((error) => signal.aborted || onError(error));
}

/** @param {string[]} names @param {AbortSignal} signal */
async function load(names, signal) {
  for (const name of names) {
    const past = pastOf(monthNamed(name), nowS());
    if (past) {
      const { broker, symbol } = choice;
      const query = new URLSearchParams({ symbol, broker, from: String(past.from), to: String(past.to) });
      const coverage = await rest.readPatiently(`/api/coverage?${query}`, signal);
      known.set(name, withHolidays(coverage, symbols.find((item) => item.symbol === symbol)?.type));
    }
    strip.fill(name, known.get(name) ?? null);
    if (name === choice.month) showMonth();
  }
}

/** @param {Error} error */
function onError(error) {
  if (error instanceof RestError && error.status === 401) byId("access").hidden = false;
  byId("note").textContent = `The hours could not be read: ${error.message}`;
}

function showMonth() {
  const month = monthNamed(choice.month);
  const past = pastOf(month, nowS());
  const coverage = known.get(choice.month) ?? null;
  const counts = countStates(month, coverage);
  const title = new Date(month.from * 1000).toLocaleDateString("en", { month: "long", year: "numeric", timeZone: "UTC" });
  byId("month-title").textContent = title;
  byId("month-note").textContent = coverage ? describeMonth(counts) : past ? "loading…" : "to come";
  byId("after").disabled = month.to > nowS();
  table.show(month, coverage);
  byId("legend").replaceChildren(...STATES.map((item) => legendRow(item, counts.get(item.state) ?? 0)));
  showGaps(coverage);
  panel.offer(dayOf(month.from), dayOf((past ?? month).to - 1), countWanted(counts), choice.broker);
}

/** @param {typeof STATES[number]} item @param {number} count */
function legendRow({ state, word, meaning }, count) {
  const row = document.createElement("tr");
  const [swatch, name, figure] = [row.insertCell(), document.createElement("th"), document.createElement("td")];
  swatch.className = "swatch";
  swatch.dataset.state = state;
  swatch.toggleAttribute("data-gap", state === "gap");
  swatch.dataset.level = state === "stored" ? "4" : "0";
  name.scope = "row";
  name.textContent = word;
  const text = document.createElement("span");
  text.className = "soft";
  text.textContent = meaning;
  name.append(text);
  figure.className = "number";
  figure.textContent = withCommas(count);
  row.append(name, figure);
  return row;
}

/** @param {Coverage | null} coverage */
function showGaps(coverage) {
  const gaps = feedGaps(coverage);
  byId("gaps").hidden = !gaps.length;
  byId("gaps-title").textContent = `Gaps of the feed (${gaps.length})`;
  const items = gaps.slice(-MAX_GAPS).reverse().map((gap) => {
    const item = document.createElement("li");
    item.textContent = `${dayOf(gap.from)}: ${describeGap(gap)}`;
    return item;
  });
  byId("gaps").querySelector("ul").replaceChildren(...items);
}

/** Read months again into which jobs have imported, not too often.
 * @param {import("./jobs.js").Change[]} changes */
function onProgress(changes) {
  for (const { from, to } of changes) {
    for (let name = monthOf(from); name <= monthOf(to - 1); name = stepped(name, 1)) stale.add(name);
  }
  if (changes.some(({ isOver }) => isOver)) readSymbols().then(fillChoices, onError);
  refreshing ||= setTimeout(() => {
    refreshing = 0;
    const isShown = (/** @type {string} */ name) => name.startsWith(choice.month.slice(0, 4));
    for (const name of stale) if (!isShown(name)) known.delete(name);
    const { signal } = loading;
    load(chosenFirst([...stale].filter(isShown)), signal).catch((error) => signal.aborted || onError(error));
    stale.clear();
  }, changes.some(({ isOver }) => isOver) ? 0 : REFRESH_MS);
}

/** @param {string[]} names of months @returns {string[]} */
function chosenFirst(names) {
  return names.sort((a, b) => Number(b === choice.month) - Number(a === choice.month));
}

async function readSymbols() {
  symbols = await rest.readPatiently("/api/symbols");
}

async function start() {
  byId("symbol").addEventListener("change", () => choose({ ...choice, symbol: byId("symbol").value, month: "" }));
  byId("broker").addEventListener("change", () => choose({ ...choice, broker: byId("broker").value, month: "" }));
  byId("year").addEventListener("change", () => choose({ ...choice, month: byId("year").value + choice.month.slice(4) }));
  byId("before").addEventListener("click", () => step(-1));
  byId("after").addEventListener("click", () => step(1));
  addEventListener("hashchange", () => choose(parseHash(location.hash)));
  byId("access").addEventListener("submit", (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    sessionStorage.setItem(KEY, byId("key").value.trim());
    location.reload();
  });
  await readSymbols();
  choose(parseHash(location.hash));
}

start().catch((error) => {
  onError(error);
  byId("note").textContent = `Symbols could not be read: ${error.message}`;
});
