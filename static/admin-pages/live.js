// Says when the figures that are shown are old: nothing answers, or the session has ended.

/** Tell whether a request by htmx is for the figures, not another of the admin's.
 * @param {any} detail */
function isOurs({ target }) {
  return target.id === "live";
}

/** @param {any} detail */
function hasFigures({ xhr }) {
  return xhr.responseText.includes("data-live");
}

/** @param {string} text */
function say(text) {
  const note = document.getElementById("live-note");
  if (note && note.textContent !== text) note.textContent = text;
}

document.addEventListener("htmx:beforeSwap", (event) => {
  const { detail } = /** @type {CustomEvent} */ (event);
  // A page to log in has none: what is shown stays.
  if (isOurs(detail) && !hasFigures(detail)) detail.shouldSwap = false;
});

document.addEventListener("htmx:afterRequest", (event) => {
  const { detail } = /** @type {CustomEvent} */ (event);
  if (!isOurs(detail)) return;
  if (!detail.successful) say("The server does not answer: these figures are old.");
  else say(hasFigures(detail) ? "" : "Your session has ended: load the page again to log in.");
});
