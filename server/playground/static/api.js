// The server as the page knows it: paths, bodies, refusals, timings.

const FIELDS = { classify: ["text"], ner: ["text"], pair: ["text", "text_pair"], qa: ["question", "context"] };
const OPTIONS = { classify: { top_k: 5 }, pair: {}, ner: {}, qa: { top_k: 3 } };
export const TASKS = ["classify", "pair", "ner", "qa"];
export const STAGES = ["queue", "tokenise", "infer", "decode"];

/** A refusal in the server's own words (RFC 9457), or null code when it could not be reached. */
export class Refusal extends Error {
  constructor({ status = 0, code = null, title = "", detail = "" }) {
    super(detail);
    Object.assign(this, { status, code, title, detail });
  }
}

async function refusalOf(response) {
  try {
    return new Refusal({ status: response.status, ...(await response.json()) });
  } catch {
    return new Refusal({ status: response.status, title: `HTTP ${response.status}` });
  }
}

/** The answer's JSON with its headers; what is no answer of ours, such as a login page, is one we did not reach. */
async function call(path, init) {
  try {
    const response = await fetch(path, init);
    if (!response.ok) throw await refusalOf(response);
    return { said: await response.json(), headers: response.headers };
  } catch (error) {
    if (error.name === "AbortError" || error instanceof Refusal) throw error;
    throw new Refusal({});
  }
}

const headersFor = (key) => (key ? { Authorization: `Bearer ${key}` } : {});

/** The body that asks `model` about the texts; a task's default model is not spelled out. */
function bodyFor(model, texts) {
  const fields = Object.fromEntries(FIELDS[model.task].map((field, i) => [field, texts[i]]));
  return { ...fields, ...(model.default ? {} : { model: model.name }), ...OPTIONS[model.task] };
}

/** Milliseconds by stage, from a Server-Timing header such as `queue;dur=0.1, infer;dur=0.9`. */
export function timingOf(header) {
  const found = {};
  for (const entry of (header ?? "").split(",")) {
    const [name, ...params] = entry.split(";").map((part) => part.trim());
    const duration = params.find((param) => param.startsWith("dur="));
    if (duration) found[name] = Number(duration.slice(4));
  }
  return found;
}

export async function models(key) {
  return (await call("/v1/models", { headers: headersFor(key) })).said.models;
}

/** One text's result with its timings. JavaScript strings count in UTF-16, so offsets are asked for in it. */
export async function ask(model, texts, key, signal) {
  const spans = model.task === "ner" || model.task === "qa";
  const body = { ...bodyFor(model, texts), ...(spans ? { offset_unit: "utf16" } : {}) };
  const started = performance.now();
  const { said, headers } = await call(`/v1/${model.task}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headersFor(key) },
    body: JSON.stringify(body),
    signal,
  });
  const roundTrip = performance.now() - started;
  return { result: said.results[0], stages: timingOf(headers.get("Server-Timing")), roundTrip };
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** A command for a shell that asks the same. */
export function curlFor(model, texts, keyed) {
  const lines = [`curl -s ${location.origin}/v1/${model.task}`, `-H 'Content-Type: application/json'`];
  if (keyed) lines.push(`-H "Authorization: Bearer $QINGMO_KEY"`);
  lines.push(`-d ${quoted(JSON.stringify(bodyFor(model, texts)))}`);
  return lines.join(" \\\n  ");
}
