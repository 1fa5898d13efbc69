"use strict";

const byId = (id) => document.getElementById(id);

function show(id, text) {
  byId(id).textContent = text;
  byId(id).hidden = !text;
}

async function post(path, content) {
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(path, { method: "POST", headers, body: JSON.stringify(content) });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.detail || `the service answered ${response.status}`);
  return answer;
}

function minutes(n) {
  if (n === null) return "…";
  return n % 60 || n === 0 ? `${n} min` : `${n / 60} h`;
}

// Offsets count code points, as Python does; JavaScript's strings count UTF-16 units.
function highlight(text, evidence) {
  const points = Array.from(text);
  const marks = [...evidence].sort((a, b) => a.start - b.start);
  const parts = [];
  let at = 0;
  for (const mark of marks) {
    if (mark.start < at) continue;
    parts.push(points.slice(at, mark.start).join(""));
    const node = document.createElement("mark");
    node.textContent = points.slice(mark.start, mark.end).join("");
    node.title = `speaks for ${mark.label} (${mark.weight})`;
    parts.push(node);
    at = mark.end;
  }
  parts.push(points.slice(at).join(""));
  byId("evidence").replaceChildren(...parts);
}

function contact(level) {
  const row = document.createElement("tr");
  const when = `${minutes(level.after_minutes)} – ${minutes(level.until_minutes)}`;
  const who = level.role ? `${level.name}, ${level.role}` : level.name;
  for (const cell of [level.level, when, who, level.email ?? "", level.phone ?? ""]) {
    row.insertCell().textContent = cell;
  }
  return row;
}

function render(text, answer, severities) {
  const rank = severities.indexOf(answer.severity);
  byId("severity").dataset.rank = rank;
  show("severity", answer.severity);
  show("owner", answer.owner);
  show("queue", answer.queue);
  show("review", answer.needs_review ? `A person must look: ${answer.review_reasons.join(", ")}` : "");
  show("explanation", answer.explanation);
  const at = (instant) => new Date(instant).toLocaleString();
  show("deadlines", `Respond by ${at(answer.targets.respond_by)}, resolve by ${at(answer.targets.resolve_by)}.`);
  highlight(text, answer.evidence);
  byId("escalation").replaceChildren(...answer.escalation.map(contact));
  const sure = answer.confidence.severity === null ? "" : `, ${Math.round(answer.confidence.severity * 100)} % sure of the severity`;
  show("decided", `Decided by ${answer.rule ? `rule ${answer.rule}` : answer.decided_by}${sure}. Routing ${answer.id}.`);
  offerCorrection(answer);
  byId("answer").hidden = false;
}

const LABELS = ["severity", "owner", "queue", "issue_type"];
let shown; // the answer that the form corrects

function offerCorrection(answer) {
  const form = byId("correct");
  shown = answer;
  for (const label of LABELS) form.elements[label].value = answer[label];
  form.elements.note.value = "";
  byId("wrong").open = false;
  show("refused", "");
  show("recorded", "");
}

async function correct(event) {
  event.preventDefault();
  show("refused", "");
  show("recorded", "");
  const form = byId("correct");
  const wrong = shown;
  // Only what was changed is this person's word; the rest follows from it by the matrix.
  const said = { routing_id: wrong.id };
  for (const name of [...LABELS, "who", "note"]) {
    const value = form.elements[name].value;
    if (value.trim() && value !== wrong[name]) said[name] = value;
  }
  const tell = (id, words) => { if (wrong === shown) show(id, words); };
  event.submitter.disabled = true;
  try {
    const kept = await post("/api/v1/corrections", said);
    const labels = LABELS.map((label) => kept[label]).join(", ");
    tell("recorded", `Recorded: ${labels}. The same text gets these labels from now on.`);
  } catch (error) {
    tell("refused", error.message);
  } finally {
    event.submitter.disabled = false;
  }
}

async function ask(event) {
  event.preventDefault();
  show("problem", "");
  byId("answer").hidden = true;
  const text = byId("text").value;
  try {
    const [answer, matrix] = await Promise.all([
      post("/api/v1/route", { text, region: byId("region").value }),
      fetch("/api/v1/matrix").then((r) => r.json()),
    ]);
    render(text, answer, matrix.severities.map((s) => s.id));
  } catch (error) {
    show("problem", error.message);
  }
}

byId("ask").addEventListener("submit", ask);
byId("correct").addEventListener("submit", correct);
