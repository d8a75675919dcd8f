// The page's state and its wiring: what is asked, when, and which answer is shown.

import { TASKS, Refusal, ask, curlFor, models } from "/playground/api.js";
import { draw, drawAbout, drawProblem, drawTiming, node } from "/playground/draw.js";
import { examplesFor } from "/playground/examples.js";
import { other, speak, t } from "/playground/words.js";

const PAUSE_MS = 120;
const SAY_AFTER_MS = 900;
const LABELS = { classify: ["text"], ner: ["text"], pair: ["one", "two"], qa: ["question", "context"] };

const $ = (id) => document.getElementById(id);
const fields = [$("first"), $("second")];
const counts = [$("first-count"), $("second-count")];

let served = [];
let model = null;
let shown = null; // what the reply shows: { model, texts, answer } or { problem }, null while there is nothing
let running = null; // AbortController of the question under way
let own = false; // whether the text is the visitor's own, no example
let closed = null; // why the page could not open
const kept = new Map(); // the visitor's own texts of each task
let pause = 0;
let sayLater = 0;

const used = () => LABELS[model.task].length;
const texts = () => fields.slice(0, used()).map((field) => field.value);
const blank = () => texts().some((text) => !text.trim());
const ofTask = (task) => served.filter((item) => item.task === task);

function say(sentence) {
  clearTimeout(sayLater);
  sayLater = setTimeout(() => ($("said").textContent = sentence), SAY_AFTER_MS);
}

function showProblem(place, problem) {
  place.replaceChildren(...drawProblem(problem));
  $("key-form").hidden &&= problem.status !== 401;
}

function showAnswer({ model: asked, texts: about, answer }) {
  const { nodes, said } = draw(asked, about, answer.result);
  $("answer").replaceChildren(...nodes);
  $("timing").replaceChildren(...drawTiming(answer));
  say(said);
}

function showReply() {
  $("problem").hidden = !shown?.problem;
  $("timing").hidden = !shown?.answer;
  if (shown?.answer) showAnswer(shown);
  else $("answer").replaceChildren(...(shown ? [] : [node("p", "faint", t("empty"))]));
  if (shown?.problem) showProblem($("problem"), shown.problem);
}

function showAsk() {
  LABELS[model.task].forEach((word, i) => ($(["first-label", "second-label"][i]).textContent = t(word)));
  fields.forEach((field, i) => (counts[i].textContent = field.value ? t("characters")([...field.value].length) : ""));
  $("call").textContent = curlFor(model, texts(), Boolean($("key").value));
}

/** Asks the server now; an older question is dropped, whatever it would have answered. */
async function run() {
  clearTimeout(pause);
  running?.abort();
  const mine = (running = new AbortController());
  const question = { model, texts: texts() };
  $("answer").setAttribute("aria-busy", "true");
  try {
    const answer = await ask(model, question.texts, $("key").value, mine.signal);
    if (mine === running) shown = { ...question, answer };
  } catch (problem) {
    if (problem.name === "AbortError") return;
    if (!(problem instanceof Refusal)) throw problem;
    if (mine === running) shown = { problem };
  }
  if (mine !== running) return;
  $("answer").setAttribute("aria-busy", "false");
  showReply();
}

function forget() {
  clearTimeout(pause);
  running?.abort();
  running = null;
  shown = null;
  $("answer").setAttribute("aria-busy", "false");
  showReply();
}

/** While one writes: a blank field is no question, and a half-composed word is no text. */
function written(event) {
  own = true;
  showAsk();
  clearTimeout(pause);
  if (event.isComposing) return;
  if (blank()) return forget();
  pause = setTimeout(run, PAUSE_MS);
}

function take([, ...words]) {
  own = false;
  fields.forEach((field, i) => (field.value = words[i] ?? ""));
  showAsk();
  run();
}

function chooseModel(name) {
  model = served.find((item) => item.name === name);
  const buttons = examplesFor(model).map((example) => {
    const button = node("button", "chip", example[0]);
    button.type = "button";
    button.addEventListener("click", () => take(example));
    return button;
  });
  $("examples").replaceChildren(...buttons);
  $("second-field").hidden = used() < 2;
  $("about").replaceChildren(...drawAbout(model));
  forget();
  if (!own || blank()) return take(examplesFor(model)[0]);
  showAsk();
  run();
}

function chooseTask(task) {
  const choices = ofTask(task).map((item) => new Option(item.title || item.name, item.name, item.default, item.default));
  $("model").replaceChildren(...choices);
  $("model-row").hidden = choices.length < 2;
  history.replaceState(null, "", `#${task}`);
  if (model) kept.set(model.task, own ? fields.map((field) => field.value) : null);
  const mine = kept.get(task);
  own = Boolean(mine);
  mine?.forEach((words, i) => (fields[i].value = words));
  chooseModel($("model").value);
}

function taskButton(task, chosen) {
  const radio = node("input");
  Object.assign(radio, { type: "radio", name: "task", value: task, checked: task === chosen });
  radio.addEventListener("change", () => chooseTask(task));
  const words = node("span", "", t(task));
  words.dataset.t = task;
  return node("label", "task", radio, words);
}

function open() {
  const tasks = TASKS.filter((task) => ofTask(task).length);
  const wished = location.hash.slice(1);
  const chosen = tasks.includes(wished) ? wished : tasks[0];
  const old = $("tasks").querySelectorAll("label");
  old.forEach((label) => label.remove());
  $("tasks").append(...tasks.map((task) => taskButton(task, chosen)));
  $("tasks").hidden = tasks.length < 2;
  $("form").hidden = false;
  chooseTask(chosen);
}

/** Learns what is served and opens the page on it, or says why it cannot. */
async function load() {
  closed = null;
  try {
    served = (await models($("key").value)).filter((item) => TASKS.includes(item.task));
    if (!served.length) closed = new Refusal({ title: t("noModels") });
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    closed = refusal;
  }
  $("closed").hidden = !closed;
  if (!closed) return open();
  showProblem($("closed-problem"), closed);
}

function translate(wanted) {
  speak(wanted);
  $("language").textContent = t("other");
  $("language").lang = other() === "en" ? "en" : "zh-CN";
  if (closed) showProblem($("closed-problem"), closed);
  if (!model) return;
  showAsk();
  showReply();
  $("about").replaceChildren(...drawAbout(model));
}

async function copy() {
  const range = document.createRange();
  range.selectNodeContents($("call"));
  getSelection().removeAllRanges();
  getSelection().addRange(range);
  // Outside https and localhost there is no clipboard API; the selection is copied the old way.
  if (navigator.clipboard) await navigator.clipboard.writeText($("call").textContent);
  else document.execCommand("copy");
  $("copy").textContent = t("copied");
  say(t("copied"));
  setTimeout(() => ($("copy").textContent = t("copy")), 1500);
}

/** The language chosen last time; private windows may forbid remembering. */
function remembered(wanted) {
  try {
    if (wanted) localStorage.setItem("language", wanted);
    return localStorage.getItem("language") === "en" ? "en" : "zh";
  } catch {
    return wanted ?? "zh";
  }
}

for (const field of fields) {
  field.addEventListener("input", written);
  field.addEventListener("compositionend", written);
}
$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  run();
});
$("form").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  run();
});
$("model").addEventListener("change", () => chooseModel($("model").value));
$("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!model) return load();
  showAsk();
  run();
});
$("again").addEventListener("click", load);
$("skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address goes on naming the task
  fields[0].focus();
});
$("copy").addEventListener("click", copy);
$("language").addEventListener("click", () => translate(remembered(other())));

translate(remembered());
load();
