// The chat. All that comes from outside is put in as text, never as HTML. What a stream has shown is replaced by its
// last event: a guard may have taken the text back.

const find = (id) => document.getElementById(id);
const log = find("log"), form = find("ask"), question = find("question"), send = find("send"), stop = find("stop");
const OUTCOMES = { abstained: "No answer", refused: "Refused" };
const MARK = /\[(\d{1,3})\]/;
let asking = null;

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!asking && question.value.trim()) ask(question.value.trim());
});
question.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    form.requestSubmit();
  }
});
stop.addEventListener("click", () => asking?.abort());

async function ask(text) {
  const entry = added(text);
  asking = new AbortController();
  busy(true);
  try {
    const reply = await post("chat", { question: text, stream: true }, asking.signal);
    question.value = "";
    await shown(entry, reply);
    say("The answer is there.");
  } catch (error) {
    failed(entry, text, asking.signal.aborted ? new Error("You stopped this answer.") : error);
  } finally {
    entry.setAttribute("aria-busy", "false");
    asking = null;
    busy(false);
  }
}

function busy(is) {
  // Not disabled: the focus would be lost.
  send.setAttribute("aria-disabled", String(is));
  if (!is && document.activeElement === stop) question.focus();
  stop.hidden = !is;
  if (is) say("Looking for an answer…");
}

function say(text) {
  find("status").textContent = text;
}

function added(text) {
  const entry = find("entry").content.firstElementChild.cloneNode(true);
  entry.querySelector("h2").textContent = text;
  log.append(entry);
  entry.scrollIntoView({ block: "nearest" });
  return entry;
}

async function post(path, body, signal) {
  const headers = { "Content-Type": "application/json" };
  const reply = await fetch(path, { method: "POST", headers, body: JSON.stringify(body), signal }).catch((error) => {
    throw signal?.aborted ? error : new Error("The server can't be reached. Check your connection and try again.");
  });
  if (!reply.ok) throw new Error(await reason(reply));
  return reply;
}

async function reason(reply) {
  const body = await reply.json().catch(() => null);
  const said = typeof body?.error?.message === "string" ? body.error.message : `status ${reply.status}`;
  return `The server says: ${said}.`;
}

async function shown(entry, reply) {
  const text = entry.querySelector(".text");
  let whole = null;
  for await (const { name, data } of events(reply)) {
    if (name === "piece") text.append(data.text);
    if (name === "answer") whole = data;
    if (name === "error") throw new Error(`The server says: ${data.error.message}.`);
  }
  if (!whole) throw new Error("The answer was cut. Try again.");
  finished(entry, whole);
}

async function* events(reply) {
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (waiting + value).split("\n\n");
    waiting = parts.pop();
    yield* parts.map(parsed);
  }
}

function parsed(part) {
  const fields = part.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]);
  const { event, data } = Object.fromEntries(fields);
  return { name: event, data: JSON.parse(data) };
}

function finished(entry, answer) {
  const sources = answer.citations.map(source);
  entry.querySelector(".text").replaceChildren(...marked(answer.text, sources));
  if (answer.outcome in OUTCOMES) unhide(entry, ".why").textContent = `${OUTCOMES[answer.outcome]}: ${answer.reason}`;
  if (sources.length) unhide(entry, ".sources").querySelector("ol").append(...sources);
  if (answer.id) rateable(unhide(entry, ".rating"), answer.id);
}

function unhide(entry, name) {
  const found = entry.querySelector(name);
  found.hidden = false;
  return found;
}

function source(citation, place) {
  const item = find("source").content.firstElementChild.cloneNode(true);
  const where = [citation.title || citation.document, citation.heading].filter(Boolean).join(" > ");
  item.querySelector("summary").textContent = `[${place + 1}] ${where}`;
  item.querySelector("blockquote").textContent = citation.quote;
  return item;
}

// Marks become buttons that open their passage.
function marked(text, sources) {
  return text.split(/(\[\d{1,3}\])/).map((part) => {
    const found = sources[Number(MARK.exec(part)?.[1]) - 1];
    if (!found) return part;
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "mark", textContent: part });
    button.setAttribute("aria-label", `Source ${part.slice(1, -1)}`);
    button.addEventListener("click", () => {
      found.querySelector("details").open = true;
      found.querySelector("summary").focus();
    });
    return button;
  });
}

function rateable(section, answer) {
  const comment = section.querySelector("form"), buttons = section.querySelectorAll("[data-rating]");
  const press = (chosen) => buttons.forEach((each) => each.setAttribute("aria-pressed", String(each === chosen)));
  for (const button of buttons) {
    button.addEventListener("click", () => {
      press(button);
      comment.hidden = false;
      rate(section, { answer, rating: button.dataset.rating, comment: "" });
    });
  }
  comment.addEventListener("submit", (event) => {
    event.preventDefault();
    const rating = section.querySelector("[aria-pressed=true]").dataset.rating;
    rate(section, { answer, rating, comment: comment.querySelector("textarea").value });
  });
}

// The same id for each attempt, so that the server counts one.
async function rate(section, rating) {
  const body = { id: identity(), ...rating };
  const said = section.querySelector(".said");
  said.textContent = "Sending…";
  for (const wait of [0, 500, 2000]) {
    await new Promise((resolve) => setTimeout(resolve, wait));
    try {
      await post("feedback", body);
      said.textContent = "Thank you. This is kept.";
      return;
    } catch (error) {
      said.textContent = `Your rating was not kept. ${error.message}`;
    }
  }
}

function identity() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function failed(entry, text, error) {
  const told = unhide(entry, ".why"), again = document.createElement("button");
  told.className = "why error";
  told.setAttribute("role", "alert");
  Object.assign(again, { type: "button", textContent: "Ask again" });
  again.addEventListener("click", () => asking || (entry.remove(), ask(text)));
  told.replaceChildren(`${error.message} `, again);
  entry.querySelector(".text").replaceChildren();
  say("");
}
