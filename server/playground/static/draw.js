// Draws answers as DOM nodes. User text only ever becomes text nodes.

import { STAGES } from "/playground/api.js";
import { t } from "/playground/words.js";

/** A node with a class and children; strings become text. */
export function node(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

const chinese = (made) => {
  made.lang = "zh-CN";
  return made;
};

/** A share of 1 as a percentage that never rounds to a false 0 or 100. */
export function percent(score) {
  const value = score * 100;
  if (value > 0 && value < 0.1) return "<0.1%";
  if (value < 100 && value > 99.9) return ">99.9%";
  return `${value.toFixed(1)}%`;
}

const duration = (ms) => t("ms")(ms < 10 ? ms.toFixed(2) : ms.toFixed(1));

function bar(score) {
  const made = node("span", "bar");
  made.setAttribute("aria-hidden", "true");
  made.style.setProperty("--score", score);
  return made;
}

function bars(labels) {
  const rows = labels.map(({ name, score }) =>
    node("li", "", chinese(node("span", "name", name)), node("span", "score", percent(score)), bar(score)),
  );
  return node("ol", "bars", ...rows);
}

const headline = (words) => chinese(node("p", "headline", words));

function drawLabels({ labels, shortened }) {
  const best = labels[0];
  if (!best) return { nodes: [node("p", "faint", t("noLabels"))], said: t("noLabels") };
  const nodes = [headline(best.name), bars(labels)];
  if (shortened) nodes.push(node("p", "note", t("shortened")));
  return { nodes, said: `${best.name} ${percent(best.score)}` };
}

/** `text` with `spans` (sorted, apart, in UTF-16 units) replaced by what `mark` makes of each. */
function marked(text, spans, mark) {
  const pieces = [];
  let at = 0;
  for (const span of spans) {
    pieces.push(text.slice(at, span.start), mark(span, text.slice(span.start, span.end)));
    at = span.end;
  }
  pieces.push(text.slice(at));
  return chinese(node("p", "passage", ...pieces));
}

/** Each type's place in the palette: the order in which the model names its types, then that of the text. */
function palette(model, entities) {
  const types = new Map(model.labels.map((item, i) => [item.label, { name: item.name, hue: i % 10 }]));
  for (const { type, name } of entities) {
    if (!types.has(type)) types.set(type, { name, hue: types.size % 10 });
  }
  return types;
}

function legend(types, entities) {
  const list = node("dl", "legend");
  for (const [type, { name, hue }] of types) {
    const mine = entities.filter((entity) => entity.type === type);
    if (!mine.length) continue;
    const found = mine.map((e) => node("span", "found", e.text, " ", node("span", "score", percent(e.score))));
    list.append(node("dt", `hue${hue}`, name), node("dd", "", ...found));
  }
  return chinese(list);
}

function drawEntities({ entities }, model, [text]) {
  const types = palette(model, entities);
  const mark = ({ type, name }, words) =>
    node("mark", `entity hue${types.get(type).hue}`, node("span", "words", words), node("span", "type", name));
  const said = entities.length ? t("entityCount")(entities.length) : t("noEntities");
  const nodes = [marked(text, entities, mark), node("p", "count faint", said)];
  if (entities.length) nodes.push(legend(types, entities));
  const absent = [...types].filter(([type]) => !entities.some((entity) => entity.type === type));
  if (absent.length) {
    const names = absent.map(([, { name, hue }]) => chinese(node("span", `swatch hue${hue}`, name)));
    nodes.push(node("p", "absent faint", t("otherTypes"), ...names));
  }
  return { nodes, said };
}

function drawAnswers({ answers, no_answer_score: none, shortened }, model, [, context]) {
  const absent = !answers.length || (none !== null && none > answers[0].score);
  const ranked = answers.map((answer, i) => ({ ...answer, rank: i + 1 }));
  const inOrder = [...ranked].sort((a, b) => a.start - b.start);
  const mark = ({ rank }, words) => {
    const place = node("span", "rank", String(rank));
    place.setAttribute("aria-hidden", "true");
    return node("mark", rank === 1 && !absent ? "answer best" : "answer", node("span", "words", words), place);
  };
  const rows = ranked.map(({ text, score }) => ({ name: text, score }));
  if (none !== null) rows.push({ name: t("noAnswer"), score: none });
  const nodes = [headline(absent ? t("noAnswer") : answers[0].text), marked(context, inOrder, mark), bars(rows)];
  if (shortened) nodes.push(node("p", "note", t("shortenedQuestion")));
  return {
    nodes,
    said: absent ? t("noAnswer") : `${answers[0].text} ${percent(answers[0].score)}`,
  };
}

const DRAWERS = { classify: drawLabels, pair: drawLabels, ner: drawEntities, qa: drawAnswers };

/** The nodes that show `result`, and a sentence for those who listen. */
export const draw = (model, texts, result) => DRAWERS[model.task](result, model, texts);

const total = (word, ms) => node("span", "", t(word), " ", node("strong", "", duration(ms)));

const piece = (stage, ms) => {
  const made = node("span", `stage-${stage}`);
  made.style.setProperty("--ms", ms);
  return made;
};

/** The server's time as one bar, cut by stage (what is left is HTTP), and the round trip beside it. */
export function drawTiming({ stages, roundTrip }) {
  const known = STAGES.filter((stage) => stage in stages);
  if (!known.length) return [node("p", "total", total("roundTrip", roundTrip))];
  const inside = known.reduce((sum, stage) => sum + stages[stage], 0);
  const server = Math.max(stages.total ?? 0, inside);
  const strip = node("div", "strip", ...known.map((stage) => piece(stage, stages[stage])), piece("rest", server - inside));
  strip.setAttribute("aria-hidden", "true");
  const rows = known.map((stage) =>
    node("div", `stage-${stage}`, node("dt", "", t(stage)), node("dd", "", duration(stages[stage]))),
  );
  const totals = node("p", "total", total("server", server), total("roundTrip", roundTrip));
  return [totals, strip, node("dl", "stages", ...rows)];
}

const measured = (value) => (Math.abs(value) <= 1 ? percent(value) : String(value));

function quality(item) {
  const said = [t("metric")(item, measured(item.value))];
  if (item.baseline != null) said.push(t("baseline")(measured(item.baseline), item.baseline_name));
  return node("dd", "", said.join(" · "));
}

/** What the server says of a model, as rows of a definition list. */
export function drawAbout({ name, version, parameters, quality: scores, terms }) {
  const short = node("code", "", version.slice(0, 12));
  short.title = version;
  const row = (word, ...values) => node("div", "", node("dt", "", t(word)), ...values);
  const rows = [row("name", node("dd", "", node("code", "", name))), row("version", node("dd", "", short))];
  rows.push(row("parameters", node("dd", "", t("count")(parameters))));
  if (scores.length) rows.push(row("quality", ...scores.map(quality)));
  const use = t("commercial")[String(terms.commercial_use)];
  return [...rows, row("terms", node("dd", "", terms.name, " · ", use))];
}

/** A refusal: what it is in the page's language, then the server's own sentence. */
export function drawProblem({ code, title, detail }) {
  const said = code === null && !title ? t("unreachable") : (t("refused")[code] ?? (title || t("failed")));
  const nodes = [node("strong", "", said)];
  if (detail) {
    const words = node("p", "detail", detail);
    words.lang = "en";
    nodes.push(words);
  }
  return nodes;
}
