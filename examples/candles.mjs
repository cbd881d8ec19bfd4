// Reads the last days of candles that there are: the metadata first, then page by page.
// Node 22 or newer, or a browser:  node candles.mjs http://127.0.0.1:8080 EURUSD 1h 7

const DAY_S = 86_400, WEEK_S = 604_800;

// Yields candles, the oldest first; throws for what is not there.
export async function* recentCandles(server, symbol, timeframe = "1h", days = 7) {
  const { body: metadata } = await get(server, "/api/metadata", { symbol });
  const to = metadata.latest; // history ends here, which may be long before now
  // Candles bear the time of their start, up to a week before their first tick.
  const from = Math.max(to - days * DAY_S, metadata.earliest - WEEK_S);
  // With the version in it an address never means anything else: it is cached well.
  const query = { symbol, timeframe, from, to, limit: 5000, v: metadata.version };
  for (;;) {
    const { body, headers } = await get(server, "/api/candles", query);
    yield* body;
    query.cursor = headers.get("X-Next-Cursor");
    if (!query.cursor) return;
  }
}

async function get(server, path, query) {
  const answer = await fetch(new URL(`${path}?${new URLSearchParams(query)}`, server));
  const body = await answer.json();
  if (!answer.ok) throw new Error(`${body.code}: ${body.error}`); // of every error
  return { body, headers: answer.headers };
}

if (globalThis.process?.argv[1]?.endsWith("candles.mjs")) {
  const [server, symbol, timeframe, days] = process.argv.slice(2);
  for await (const candle of recentCandles(server, symbol, timeframe, Number(days)))
    console.log(JSON.stringify(candle));
}
