// What is asked of the server: one request a question, a few at a time, each called off when nobody looks at it any more.

/** A page that was saved has its answers with it. @type {any} */
const saved = window.attributionSaved ?? null;

/** @type {any} */
let about;

/** @typedef {{ key: string, query: string, image: string, state: string, data: any, sentence: string, share: number, stage: string, ahead: number, stop: AbortController|null, isResent?: boolean }} Answer */

const MOST_OPEN = 3;
const MOST_KEPT = 200;
const PATIENCE = 2000;
const NOT_SAVED = "This saved page does not hold that answer: run attribution explore to ask anew.";

/** @type {Map<string, Answer>} */
const answers = new Map();
/** @type {Set<string>} */
let wanted = new Set();
let isAway = false;

/** The question as a query, the same whatever the order of its words. */
const queryOf = (/** @type {Record<string, string|number|null|undefined>} */ words) =>
  Object.keys(words).filter((name) => words[name] !== null && words[name] !== undefined && words[name] !== "").sort()
    .map((name) => `${name}=${encodeURIComponent(words[name])}`).join("&");

/** The answer as far as it is known; asking for it while the page is drawn is what keeps it open. @returns {Answer} */
const answerTo = (/** @type {Record<string, any>} */ words) => {
  const query = queryOf(words);
  wanted.add(query);
  let found = answers.get(query);
  if (!found) {
    found = { key: query, query, image: words.image ?? "", state: "waiting", data: null, sentence: "", share: 0, stage: "", ahead: 0, stop: null };
    if (saved) Object.assign(found, query in saved.answers ? { state: "done", data: saved.answers[query] } : { state: "failed", sentence: NOT_SAVED });
    answers.set(query, found);
  }
  return found;
};

/** What is shown of an answer that is not there yet: the same as long as this is. */
const signOf = (/** @type {Answer} */ answer) => [answer.query, answer.state, answer.share, answer.stage, answer.ahead, answer.sentence].join("|");

const isOpen = (/** @type {Answer} */ answer) => answer.state === "waiting" || answer.state === "working";

/** Calls off what is not looked at, forgets the oldest answers, and asks what is next. */
const settle = () => {
  for (const [query, answer] of answers) {
    if (wanted.has(query)) continue;
    if (answer.stop) answer.stop.abort();
    if (answer.state !== "done") answers.delete(query);
  }
  for (const [query, answer] of answers) {
    if (answers.size <= MOST_KEPT) break;
    if (answer.state === "done" && !wanted.has(query)) answers.delete(query);
  }
  pump();
};

const pump = () => {
  if (saved || isAway) return;
  let room = MOST_OPEN - [...answers.values()].filter((answer) => answer.stop).length;
  for (const query of wanted) {
    const answer = answers.get(query);
    if (room > 0 && answer && !answer.stop && (answer.state === "waiting")) {
      room--;
      ask(answer);
    }
  }
};

/** Reads a stream of events until its last. */
const listen = async (/** @type {Answer} */ answer, /** @type {Response} */ response) => {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    text += part.value;
    const events = text.split("\n\n");
    text = events.pop();
    for (const event of events) {
      const [, name, json] = /^event: (\w+)\ndata: (.*)$/s.exec(event) ?? [];
      if (name) hear(answer, name, JSON.parse(json));
    }
  }
};

const hear = (/** @type {Answer} */ answer, /** @type {string} */ name, /** @type {any} */ data) => {
  if (name === "waiting") answer.ahead = data.ahead;
  if (name === "progress") Object.assign(answer, { state: "working", share: data.share, stage: data.stage ?? "" });
  if (name === "answer") Object.assign(answer, { state: "done", data });
  if (name === "failure") Object.assign(answer, { state: "failed", sentence: data.sentence });
  soon();
};

const ask = async (/** @type {Answer} */ answer) => {
  const stop = new AbortController();
  answer.stop = stop;
  try {
    const response = await fetch(`ask?${answer.query}`, { signal: stop.signal, headers: { "X-Subject": about.subject } });
    if (!response.ok) await refused(answer, response);
    else {
      await listen(answer, response);
      if (isOpen(answer)) throw new Error("The stream ended before its answer.");
    }
  } catch (error) {
    // Called off, or the server is away: then it is asked again when that is back.
    if (!stop.signal.aborted) { answer.state = "waiting"; away(); }
  } finally {
    answer.stop = null;
    soon();
    pump();
  }
};

const ANOTHER = 409;

const refused = async (/** @type {Answer} */ answer, /** @type {Response} */ response) => {
  // What is known here is of another model: the question, which stands in the address, is asked of this one.
  if (response.status === ANOTHER) { location.reload(); return; }
  const said = await response.json().catch(() => ({ sentence: `The explorer answered ${response.status}.` }));
  const bytes = said.unknownImage && !answer.isResent ? await kept(said.unknownImage) : null;
  // The server was started anew: it is given the picture again, once.
  if (bytes && (await send(bytes.name, bytes.file)).key) { answer.isResent = true; return; }
  Object.assign(answer, { state: "failed", sentence: said.sentence });
};

const away = () => {
  if (isAway) return;
  isAway = true;
  const banner = byId("banner");
  banner.textContent = "The explorer does not answer: is attribution explore still running? Trying again…";
  banner.hidden = false;
  const knock = async () => {
    const back = await fetch("state", { signal: AbortSignal.timeout(PATIENCE) }).then((response) => response.ok, () => false);
    if (!back) { setTimeout(knock, PATIENCE); return; }
    isAway = false;
    banner.hidden = true;
    if (question) render();
  };
  setTimeout(knock, PATIENCE / 2);
};

// Pictures that were added ------------------------------------------------------------------------------------------

const MOST_BYTES = 20 << 20;

/** Those of this page, by their keys. @type {Map<string, {label: string}>} */
const added = new Map();

/** The browser's own store, so that a reload, or another start of the server, keeps what was dropped. @returns {Promise<IDBObjectStore>} */
const store = (/** @type {IDBTransactionMode} */ mode) =>
  new Promise((done, fail) => {
    const open = indexedDB.open("attribution", 1);
    open.onupgradeneeded = () => open.result.createObjectStore("pictures");
    open.onsuccess = () => done(open.result.transaction("pictures", mode).objectStore("pictures"));
    open.onerror = () => fail(open.error);
  });

const settled = (/** @type {IDBRequest} */ request) => new Promise((done, fail) => { request.onsuccess = () => done(request.result); request.onerror = () => fail(request.error); });

/** Nothing, where the browser keeps no store, as in a private window. */
const kept = (/** @type {string} */ key) => store("readonly").then((pictures) => settled(pictures.get(key))).catch(() => null);

/** Posts a picture. @returns {Promise<{key?: string, label?: string, sentence?: string}>} */
const send = (/** @type {string} */ name, /** @type {Blob} */ file) =>
  fetch("image", { method: "POST", body: file, headers: { "X-Name": encodeURIComponent(name) } })
    .then((response) => response.json(), () => ({ sentence: "The explorer does not answer." }));

/** Adds pictures that a person chose or dropped, and asks about them. */
const addFiles = async (/** @type {Iterable<File>} */ files) => {
  const said = byId("image-said");
  const keys = [], refused = [];
  for (const file of files) {
    const answer = file.size > MOST_BYTES ? { sentence: `'${file.name}' is larger than 20 MB: make the picture smaller.` } : await send(file.name, file);
    if (!answer.key) { refused.push(answer.sentence); continue; }
    added.set(answer.key, { label: answer.label });
    await store("readwrite").then((pictures) => settled(pictures.put({ name: file.name, file }, answer.key))).catch(() => null);
    keys.push(answer.key);
  }
  said.textContent = refused.join(" ");
  if (keys.length > 0) change({ images: [...new Set(keys)].slice(-MOST_IMAGES) });
};

/** What this browser has of the pictures in the address. */
const recall = async () => {
  for (const key of question.images.filter((key) => key.length === 64)) {
    const found = await kept(key);
    if (found) added.set(key, { label: found.name });
    if (found) await send(found.name, found.file);
  }
};
