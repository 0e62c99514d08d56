"use strict";
// Everything that comes from a trace is put on the page as text, never as markup.

const PAGE = 100;
const POLL_MS = 2000;
const FAILED = new Set(["nonzero_exit", "tool_error", "timeout", "killed"]);
const byId = (id) => document.getElementById(id);
const live = document.body.parentElement.querySelector("#live") !== null;

let rows = [];        // one summary an episode
let shown = [];       // those that pass the filters, in order
let page = 0;
let current = null;   // id of the open episode
let searching = 0;

// -- data ---------------------------------------------------------------------------------

async function unpack(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

const fromBase64 = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

async function loadIndex() {
  if (!live) return unpack(fromBase64(byId("index").textContent));
  const answer = await fetch(`index.json?from=${rows.length}`);
  return answer.json();
}

async function loadEpisode(row) {
  if (!live) return unpack(fromBase64(byId(`e-${row.number}`).textContent));
  const answer = await fetch(`episode/${row.number}`);
  return unpack(await answer.arrayBuffer());
}

// -- small helpers --------------------------------------------------------------------------

function el(tag, className = "", ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  for (const child of children) {
    if (child !== null && child !== undefined) made.append(child);
  }
  return made;
}

// What a terminal would obey, and what turns text around, is shown as a symbol.
function visible(text) {
  return String(text).replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (c) => {
      const code = c.codePointAt(0);
      if (code < 0x20) return String.fromCodePoint(0x2400 + code);
      return code === 0x7f ? "\u2421" : `<U+${code.toString(16).toUpperCase().padStart(4, "0")}>`;
    });
}

const seconds = (s) => (s < 0.01 ? "" : s < 10 ? `${s.toFixed(2)} s` : `${s.toFixed(0)} s`);
const plural = (n, noun) => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;

function outcomeOf(row) {
  if (!row.valid) return "invalid";
  return row.success === null ? "unjudged" : row.success ? "success" : "failure";
}

// -- the list ---------------------------------------------------------------------------------

const ORDERS = {
  "in order": (a, b) => a.number - b.number,
  "lowest reward": (a, b) => (a.reward ?? 9) - (b.reward ?? 9),
  "highest reward": (a, b) => (b.reward ?? -1) - (a.reward ?? -1),
  "most user turns": (a, b) => b.turns - a.turns,
  "most calls": (a, b) => b.calls - a.calls,
  "most failed calls": (a, b) => b.failed - a.failed,
  "longest": (a, b) => b.wall_s - a.wall_s,
};

function fillChoices() {
  const choices = {
    outcome: ["any outcome", "success", "failure", "unjudged", "invalid"],
    tier: ["any tier", ...unique(rows.map((r) => r.tier))],
    domain: ["any domain", ...unique(rows.flatMap((r) => r.domains))],
    ending: ["any ending", ...unique(rows.map((r) => r.ending))],
    sort: Object.keys(ORDERS),
  };
  for (const [id, names] of Object.entries(choices)) {
    const select = byId(id);
    const before = select.value;
    select.replaceChildren(...names.map((name) => {
      const option = el("option", "", visible(name));
      option.value = name;
      return option;
    }));
    if (names.includes(before)) select.value = before;
  }
}

const unique = (names) => [...new Set(names.filter(Boolean))].sort();

function passes(row) {
  const [outcome, tier, domain, ending] =
    ["outcome", "tier", "domain", "ending"].map((id) => byId(id).value);
  return (outcome.startsWith("any") || outcomeOf(row) === outcome)
    && (tier.startsWith("any") || row.tier === tier)
    && (domain.startsWith("any") || row.domains.includes(domain))
    && (ending.startsWith("any") || row.ending === ending);
}

async function filter() {
  const wanted = byId("search").value.trim().toLowerCase();
  const token = ++searching;
  const candidates = rows.filter(passes);
  let found = candidates.filter((r) => !wanted || summaryText(r).includes(wanted));
  if (wanted && byId("deep").checked) {
    const hits = new Set(found);
    for (const [done, row] of candidates.entries()) {
      if (hits.has(row)) continue;
      if (transcriptText(await loadEpisode(row)).includes(wanted)) hits.add(row);
      if (token !== searching) return;   // something else was typed in the meantime
      if (done % 50 === 0) byId("count").textContent = `searching, ${done} of ${candidates.length}`;
    }
    found = candidates.filter((r) => hits.has(r));
  }
  shown = found.sort(ORDERS[byId("sort").value]);
  page = Math.min(page, Math.max(0, Math.ceil(shown.length / PAGE) - 1));
  drawList();
}

const summaryText = (r) =>
  [r.id, r.intent, r.utterance, r.persona, r.agent, ...r.kits].join("\n").toLowerCase();

const transcriptText = (episode) => [...episode.messages, ...episode.subagents.flatMap((s) => s.messages)]
  .map((m) => `${m.content ?? ""} ${JSON.stringify(m.tool_calls ?? "")}`).join("\n").toLowerCase();

function drawList() {
  byId("count").textContent = shown.length === rows.length
    ? plural(rows.length, "episode")
    : `${shown.length.toLocaleString("en")} of ${plural(rows.length, "episode")}`;
  byId("list").replaceChildren(...shown.slice(page * PAGE, (page + 1) * PAGE).map(item));
  const last = Math.max(0, Math.ceil(shown.length / PAGE) - 1);
  const turn = (by, label) => {
    const button = el("button", "", label);
    button.disabled = page + by < 0 || page + by > last;
    button.onclick = () => { page += by; drawList(); };
    return button;
  };
  byId("pages").replaceChildren(...(last ? [turn(-1, "‹"), `${page + 1} / ${last + 1}`, turn(1, "›")] : []));
  drawFigures();
}

function item(row) {
  const link = el("a", outcomeOf(row),
    el("div", "said", visible(row.utterance)),
    el("div", "facts", facts(row)));
  link.href = `#${row.id}`;
  if (row.id === current) link.setAttribute("aria-current", "true");
  return el("li", "", link);
}

function facts(row) {
  const parts = [`#${row.number}`, outcomeOf(row)];
  if (row.reward !== null) parts.push(`reward ${row.reward.toFixed(2)}`);
  parts.push(plural(row.turns, "turn"), plural(row.calls, "call"));
  if (row.failed) parts.push(`${row.failed} failed`);
  return parts.join(" · ");
}

function drawFigures() {
  const judged = rows.filter((r) => r.valid && r.success !== null);
  const good = judged.filter((r) => r.success).length;
  const invalid = rows.filter((r) => !r.valid).length;
  const parts = [plural(rows.length, "episode")];
  if (judged.length) parts.push(`${(100 * good / judged.length).toFixed(1)} % of ${judged.length} judged succeeded`);
  if (invalid) parts.push(`${invalid} invalid`);
  byId("figures").textContent = parts.join(" · ");
}

// -- an episode -------------------------------------------------------------------------------

async function open(id, at) {
  const row = rows.find((r) => r.id === id);
  if (!row) return;
  current = id;
  document.body.classList.add("reading");
  for (const link of byId("list").querySelectorAll("a")) {
    if (link.hash === `#${id}`) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  const episode = await loadEpisode(row);
  if (current !== id) return;
  const view = byId("episode");
  view.replaceChildren(...head(row, episode), ...transcript(episode), ...ending(episode));
  view.dataset.id = id;
  view.scrollTop = 0;
  window.scrollTo(0, 0);
  if (at) goTo(byId(`m-${at}`));
}

function head(row, episode) {
  const { agent, user } = episode.provenance;
  const player = (p) => p ? `${p.name}${p.scripted ? " (scripted)" : p.model ? ` (${p.model})` : ""}` : "none";
  const persona = episode.intent.persona;
  const kits = episode.intent.tasks.map((t) => `${t.id} ${t.kit ?? t.title}`).join(", ");
  const rowsOf = [
    ["intent", episode.intent.utterance],
    ["person", persona ? `${persona.name}, ${persona.role}, ${persona.industry}; ${persona.communication_style}` : ""],
    ["tasks", kits],
    ["agent", player(agent)],
    ["user", player(user)],
    ["workspace", episode.workspace ? `${episode.workspace.backend}, ${episode.workspace.image}` : ""],
    ["trial, seed", `${episode.trial}, ${episode.seed}`],
    ["took", `${episode.wall_s} s`],
  ];
  const verdict = el("span", `verdict ${outcomeOf(row)}`, outcomeOf(row));
  return [
    el("h2", "", `Episode ${row.number} `, verdict, ` ${row.reward === null ? "" : `reward ${row.reward.toFixed(2)}`}`),
    el("p", "faint", `${episode.episode_id} · ${episode.termination.reason}`
      + (episode.error ? ` · ${visible(episode.error.kind)}: ${visible(episode.error.message)}` : "")),
    table(rowsOf.filter(([, value]) => value)),
  ];
}

function table(cells, names = null) {
  const made = el("table");
  if (names) made.append(el("tr", "", ...names.map((name) => el("th", "", name))));
  for (const cellsOf of cells) {
    made.append(el("tr", "", ...cellsOf.map((cell, i) =>
      cell instanceof Node ? el("td", "", cell) : el(names || i ? "td" : "th", "", visible(cell ?? "")))));
  }
  return made;
}

function transcript(episode) {
  const answers = answersOf(episode.messages);
  const parts = episode.messages.map((m, i) => messageOf(m, i, answers)).filter(Boolean);
  for (const child of episode.subagents) parts.push(subagent(child));
  return [el("h2", "", "Transcript"), ...parts];
}

// The results of each assistant message by call: ids may come again in a later message, and a
// call that has none is answered as call_<its place>.
function answersOf(messages) {
  const answers = new Map();
  let asked = null;
  for (const m of messages) {
    if (m.role === "assistant") answers.set(asked = m, new Map());
    else if (m.role === "tool" && asked) answers.get(asked).set(m.tool_call_id, m);
  }
  return answers;
}

function subagent(child) {
  const answers = answersOf(child.messages);
  const name = `sub-agent ${visible(child.label || child.session_key)}: ${child.status}`;
  const parts = child.messages.map((m, i) => messageOf(m, `${child.session_key}-${i}`, answers));
  return el("details", "call odd", el("summary", "", name), el("div", "", ...parts.filter(Boolean)));
}

function messageOf(message, number, answers) {
  if (message.role === "tool") return null;   // shown with its call
  const note = message.x ?? {};
  const box = el("section", `message ${message.role}`);
  box.id = `m-${number}`;
  const link = el("a", "link", "¶");
  link.href = `#${current}/${number}`;
  link.title = "link to this message";
  if (message.role === "system") {
    box.append(folded("system prompt", textOf(message.content)));
  } else if (message.role === "user") {
    const turn = note.user ?? {};
    const who = [`turn ${note.turn ?? "?"}`, turn.act, turn.subgoal].filter(Boolean).join(" · ");
    box.append(el("div", "who", el("b", "", note.user || note.instruction ? "user " : "announcement "), visible(who), link));
    box.append(el("div", "text", visible(textOf(message.content))));
    if (turn.observed?.length) box.append(el("div", "faint", visible(`looked at: ${turn.observed.join(", ")}`)));
    for (const attempt of turn.attempts ?? []) box.append(attemptOf(attempt));
  } else {
    const reasoning = message.reasoning_content ?? message.reasoning;
    if (reasoning) box.append(folded("reasoning", reasoning, "reasoning"));
    const said = textOf(message.content);
    if (said) box.append(el("div", "who", "agent", link), el("div", "text", visible(said)));
    const results = answers.get(message);
    for (const [place, call] of (message.tool_calls ?? []).entries()) {
      box.append(callOf(call, results?.get(call?.id || `call_${place}`)));
    }
  }
  return box;
}

function textOf(content) {
  if (Array.isArray(content)) return content.map((part) => part.text ?? "").join("");
  return content ?? "";
}

function folded(name, text, className = "") {
  return el("details", className, el("summary", "faint", name), el("pre", "", visible(text)));
}

function attemptOf(attempt) {
  const rules = (attempt.rules ?? []).join(", ");
  const name = `attempt (${attempt.source})${rules ? `: rejected by ${rules}` : ""}`;
  return folded(visible(name), attempt.message ?? JSON.stringify(attempt));
}

function callOf(call, result) {
  const outcome = result?.x?.outcome ?? {};
  const status = outcome.status ?? "no result";
  let kind = "";
  if (FAILED.has(status)) kind = outcome.recovered_by ? "healed" : "bad";
  else if (status !== "ok" && status !== "truncated") kind = "odd";
  const name = call?.function?.name ?? "?";
  const given = call?.function?.arguments ?? "";
  const labels = [status];
  if (outcome.exit_code) labels.push(`exit ${outcome.exit_code}`);
  if (outcome.recovered_by) labels.push("recovered");
  if (seconds(outcome.duration_s ?? 0)) labels.push(seconds(outcome.duration_s));
  const box = el("details", `call ${kind}`,
    el("summary", "",
      el("span", "head", visible(`${name} ${brief(name, given)}`)),
      el("span", "status", labels.join(" · "))),
    el("div", "",
      el("pre", "", visible(pretty(given))),
      el("pre", "", visible(result ? textOf(result.content) : "(no result)"))));
  if (kind === "bad" || kind === "healed") box.classList.add("failed-call");
  return box;
}

function parsed(given) {
  if (typeof given !== "string") return given;
  try { return JSON.parse(given); } catch { return null; }
}

function brief(name, given) {
  const args = parsed(given);
  if (args === null || typeof args !== "object") return String(given);
  const main = args.command ?? args.path ?? args.query ?? args.url ?? args.task ?? args.action;
  return String(main ?? JSON.stringify(args)).split("\n", 1)[0];
}

function pretty(given) {
  const args = parsed(given);
  if (args === null || typeof args !== "object") return String(given);
  return Object.entries(args)
    .map(([key, value]) => `${key}: ${typeof value === "string" ? value : JSON.stringify(value)}`).join("\n");
}

function ending(episode) {
  const parts = [];
  if (episode.checks.length) {
    parts.push(el("h2", "", "Checks"), table(episode.checks.map((c) => [
      el("span", c.verdict.split(" ")[0], c.verdict),
      c.id, c.kind, c.forbidden ? "forbidden" : c.weight ? `weight ${c.weight}` : "guard", c.evidence,
    ]), ["verdict", "check", "kind", "", "evidence"]));
  }
  if (episode.ledger?.subgoals?.length) {
    parts.push(el("h2", "", "What the user believed, and what was true"), table(
      episode.ledger.subgoals.map((g) => [g.id, g.label, g.asked_at ?? "", g.believed, g.true ?? ""]),
      ["sub-goal", "", "asked in turn", "believed", "true"]));
  }
  if (episode.user_verdict) {
    const { satisfied, reason } = episode.user_verdict;
    parts.push(el("p", "", visible(`The user left ${satisfied ? "satisfied" : "not satisfied"}: ${reason}`)));
  }
  const diff = episode.workspace?.diff ?? [];
  if (diff.length) {
    parts.push(el("h2", "", "Files"), table(
      diff.map((f) => [f.change, f.path, `${f.size.toLocaleString("en")} B`, (f.sha256 ?? "").slice(0, 12)]),
      ["", "path", "size", "sha256"]));
  }
  parts.push(el("h2", "", "Record"), folded("provenance, usage, limits", JSON.stringify({
    provenance: episode.provenance, usage: episode.usage, cost_usd: episode.cost_usd,
    reward_parts: episode.reward_parts, limits: episode.workspace?.limits,
  }, null, 2)));
  return parts;
}

// -- moving about -----------------------------------------------------------------------------

function goTo(target) {
  if (!target) return;
  byId("episode").querySelector(".here")?.classList.remove("here");
  target.classList.add("here");
  if (target.tagName === "DETAILS") target.open = true;
  target.scrollIntoView({ block: "center" });
}

function neighbour(selector, by) {
  const all = [...byId("episode").querySelectorAll(selector)];
  const here = all.findIndex((x) => x.classList.contains("here"));
  goTo(all[here < 0 ? (by > 0 ? 0 : all.length - 1) : (here + by + all.length) % all.length]);
}

function step(by) {
  const here = shown.findIndex((r) => r.id === current);
  const next = shown[here < 0 ? 0 : here + by];
  if (!next) return;
  const onPage = Math.floor(shown.indexOf(next) / PAGE);
  if (onPage !== page) { page = onPage; drawList(); }
  location.hash = next.id;
}

function foldAll() {
  const calls = [...byId("episode").querySelectorAll("details.call")];
  const opening = calls.some((c) => !c.open);
  for (const call of calls) call.open = opening;
}

function switchTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.dataset.theme ?? (dark ? "dark" : "light");
  document.documentElement.dataset.theme = now === "dark" ? "light" : "dark";
}

function back() {
  document.body.classList.remove("reading");
  // Else the same episode, chosen again from the list alone, would be no change of the address.
  if (location.hash && matchMedia("(max-width: 50rem)").matches) history.pushState(null, "", location.pathname + location.search);
  byId("search").blur();
}

const KEYS = {
  j: () => step(1), k: () => step(-1),
  n: () => neighbour(".failed-call", 1), p: () => neighbour(".failed-call", -1),
  u: () => neighbour(".message.user", 1),
  o: foldAll, t: switchTheme,
  "/": () => { back(); byId("search").focus(); },
  "?": () => byId("keys").showModal(),
  Escape: back,
};

document.addEventListener("keydown", (event) => {
  const typing = /INPUT|SELECT|TEXTAREA/.test(document.activeElement.tagName);
  if (event.ctrlKey || event.metaKey || event.altKey || (typing && event.key !== "Escape")) return;
  const act = KEYS[event.key];
  if (!act || byId("keys").open) return;
  event.preventDefault();
  act();
});

function followHash() {
  let address = location.hash.slice(1);
  try { address = decodeURIComponent(address); } catch { /* no address of ours */ }
  const [id, at] = address.split("/");
  if (id) open(id, at);
  else document.body.classList.remove("reading");   // the browser's own way back
}

async function start() {
  rows = await loadIndex();
  fillChoices();
  await filter();
  followHash();
  document.body.dataset.ready = "true";
  if (live) setInterval(follow, POLL_MS);
}

async function follow() {
  let fresh = [];
  try { fresh = await loadIndex(); } catch { return; }   // the server was stopped
  if (!fresh.length) return;
  rows.push(...fresh);
  fillChoices();
  await filter();
}

for (const id of ["search", "deep", "outcome", "tier", "domain", "ending", "sort"]) {
  byId(id).addEventListener("input", () => { page = 0; filter(); });
}
byId("back").onclick = back;
byId("theme").onclick = switchTheme;
byId("help").onclick = () => byId("keys").showModal();
byId("close").onclick = () => byId("keys").close();
window.addEventListener("hashchange", followHash);
start();
