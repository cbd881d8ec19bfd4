// What staff ask of the server: with the session's cookie, and the page's token.

import { RestError } from "../page/rest.js";

const token = () =>
  /** @type {HTMLMetaElement | null} */ (document.querySelector("meta[name=csrf-token]"))?.content ?? "";

/** Return the answer's JSON. Raises RestError, with what is wrong in words.
 * @param {string} path @param {Record<string, string>} [form] makes it a POST */
export async function ask(path, form) {
  const response = await fetch(path, {
    method: form ? "POST" : "GET",
    headers: { Accept: "application/json", "X-CSRFToken": token() },
    body: form && new URLSearchParams(form),
    credentials: "same-origin",
    redirect: "error",
  });
  const body = await response.json().catch(() => ({}));
  if (response.ok) return body;
  const texts = (body.details ?? []).map((/** @type {any} */ item) => item.message);
  throw new RestError(response.status, body.code ?? "", texts.join(" ") || refusal(response, body));
}

/** @param {Response} response @param {any} body */
function refusal(response, body) {
  if (response.status === 403) return "Not allowed: your session may have ended, sign in again.";
  return body.error ?? response.statusText;
}
