// Puts the page together: lists from REST, one WebSocket, watch list and chart.

import { ChartPanel } from "./chart-panel.js";
import { Rest, RestError } from "./rest.js";
import { Socket } from "./socket.js";
import { chartBrokers, tickRequests, watchRows } from "./subscriptions.js";
import { WatchList } from "./watch-list.js";

/** @typedef {import("./subscriptions.js").Row} Row */

const MAX_ROWS = 500;
const KEPT_SUBSCRIPTIONS = 2; // the chart's, and its next one while the old one ends
const CLOCK_EVERY_MS = 60_000;
const KEY = "api-key"; // of sessionStorage: gone with the tab

const byId = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(id));

/** @type {any[]} */
let symbols = [];
/** @type {any[]} */
let brokers = [];
/** @type {Row[]} */
let rows = [];
let maxRows = 48; // until the welcome says how many subscriptions there may be

const rest = new Rest();
rest.key = sessionStorage.getItem(KEY);
// `/ws` speaks the unified dialect whoever lives at `/`.
const socket = new Socket(`${location.origin.replace(/^http/, "ws")}/ws`, requests);
// For tests and the benchmark, as the panel.
export const watch = new WatchList(byId("watch"), byId("filter"), byId("watch-note"), pick);
// For tests: what is drawn must be what REST says.
export const panel = new ChartPanel(rest, (request) => socket.send(request), onChoice);

/** What is asked for after each connection. */
function requests() {
  // Who may not even ask for the list is told so at once, and asked for a key.
  const access = rest.key ? { action: "auth", token: rest.key } : { action: "list", id: "access" };
  return [access, { action: "ping", id: "clock" }, ...tickRequests(rows), ...panel.requests()];
}

/** @param {Row} row */
function pick(row) {
  const { symbol, display, decimals, broker } = row;
  panel.show({ symbol, display, decimals, carriers: chartBrokers(symbols, brokers, symbol) }, broker);
}

/** @param {import("./subscriptions.js").Choice} choice */
function onChoice(choice) {
  watch.select(choice);
  history.replaceState(null, "", `#${choice.broker}/${choice.symbol}`);
  byId("to-coverage").hash = location.hash;
}

/** @param {any} frame of data */
function onData(frame) {
  if (frame.data.type === "tick") watch.receive(frame);
  else panel.receive(frame);
}

/** @param {any} frame that is no data */
function onFrame(frame) {
  if (frame.limits) maxRows = Math.min(MAX_ROWS, frame.limits.subscriptions - KEPT_SUBSCRIPTIONS);
  if (frame.type === "pong" || frame.type === "heartbeat") watch.setClock(frame.timestamp);
  if (frame.code === "FEED_DOWN" || frame.code === "FEED_UP") watch.setFeed(frame);
  if (frame.code === "AUTH_REQUIRED" || frame.code === "INVALID_AUTH") askForKey();
  panel.receive(frame);
}

/** @param {import("./connection.js").State} state */
function onState({ phase, waitMs, reason, code }) {
  const texts = {
    connecting: "connecting…",
    open: "live",
    waiting: `connection lost, again in ${((waitMs ?? 0) / 1000).toFixed(1)} s`,
    refused: `refused: ${reason || code}`,
  };
  const element = byId("connection");
  element.dataset.phase = phase;
  element.textContent = texts[phase];
  byId("reconnect").hidden = phase === "open" || phase === "connecting";
}

function askForKey() {
  if (rest.key) byId("key-note").textContent = "The server does not accept this key. Try another one.";
  byId("access").hidden = false;
}

/** @param {SubmitEvent} event */
function onKey(event) {
  event.preventDefault();
  rest.key = byId("key").value.trim() || null;
  sessionStorage.setItem(KEY, rest.key ?? "");
  location.reload();
}

/** The key of searching, wherever nothing is being written.
 * @param {KeyboardEvent} event */
function onSlash(event) {
  if (event.key !== "/" || event.target instanceof HTMLInputElement) return;
  byId("filter").focus();
  event.preventDefault();
}

async function start() {
  byId("access").addEventListener("submit", onKey);
  byId("reconnect").addEventListener("click", () => socket.dispatch({ type: "retry" }));
  document.addEventListener("keydown", onSlash);
  socket.addEventListener("state", (event) => onState(/** @type {CustomEvent} */ (event).detail));
  socket.addEventListener("frame", (event) => onFrame(/** @type {CustomEvent} */ (event).detail));
  setInterval(() => socket.send({ action: "ping", id: "clock" }), CLOCK_EVERY_MS);
  socket.onData = onData;
  const welcomed = new Promise((done) => socket.addEventListener("frame", done, { once: true }));
  socket.dispatch({ type: "start" });
  [symbols, brokers] = await Promise.all([
    rest.readPatiently("/api/symbols"),
    rest.readPatiently("/api/brokers"),
    panel.start(),
  ]);
  await welcomed;
  showRows();
}

function showRows() {
  const all = watchRows(symbols, brokers);
  rows = all.slice(0, maxRows);
  watch.show(rows);
  const note = all.length
    ? all.length > rows.length ? `The first ${rows.length} of ${all.length}: your plan allows no more.` : ""
    : "No enabled broker carries an instrument.";
  byId("watch-note").textContent = note;
  for (const request of tickRequests(rows)) socket.send(request);
  const [broker, symbol] = location.hash.slice(1).split("/");
  const wanted = rows.find((row) => row.broker === broker && row.symbol === symbol) ?? rows[0];
  if (wanted) pick(wanted);
}

start().catch((error) => {
  if (error instanceof RestError && error.status === 401) askForKey();
  byId("watch-note").textContent = `Symbols could not be read: ${error.message}`;
});
