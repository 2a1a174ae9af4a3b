// The page: a file, the microphone, many files. No build step, nothing from elsewhere.
import { Capture, encodeWav } from "/page/capture.js";
import { drawTimeline, showBars } from "/page/drawing.js";
import { describeCourse, drawCourse, readSamples } from "/page/course.js";

const find = (id) => document.getElementById(id);
const state = { rows: [], recording: null, live: null, shown: null };

function headers() {
  const found = { "X-Notice-Given": "true" };
  if (find("key").value) found.Authorization = `Bearer ${find("key").value}`;
  return found;
}

function showError(error) {
  find("error").textContent = error ? String(error.message || error) : "";
}

// Runs an action; what goes wrong is shown as a sentence.
async function attempt(action) {
  showError("");
  try {
    await action();
  } catch (error) {
    const unreachable = error instanceof TypeError && /fetch/i.test(error.message);
    showError(unreachable ? "The server can't be reached." : error);
  }
}

function checkNotice() {
  if (find("notice").checked) return;
  find("notice").focus();
  throw new Error("Please confirm first that everyone who can be heard has been informed.");
}

async function ask(path, options = {}) {
  const response = await fetch(path, { ...options, headers: { ...headers(), ...options.headers } });
  const answer = await response.json().catch(() => ({}));
  if (response.status === 401) find("key-field").hidden = false;
  if (!response.ok) throw new Error(answer.error || `The server answered ${response.status}.`);
  return answer;
}

const predict = (content, { model = find("model").value, overTime = false } = {}) =>
  ask(`/v1/predict?${new URLSearchParams({ model, over_time: overTime })}`, { method: "POST", body: content });

async function loadModels() {
  const { models } = await ask("/v1/models");
  find("model").replaceChildren(...models.map((one) => new Option(one.name, one.name)));
  find("second").replaceChildren(new Option("no other model", ""), ...models.map((one) => new Option(one.name, one.name)));
  find("second-field").hidden = models.length < 2;
}

// One recording, by the model chosen and, beside it, by a second one.
async function showOne(content, name) {
  const shown = (state.shown = { content, name });
  const second = find("second").value;
  find("two").hidden = !second;
  const samples = await readSamples(content);
  await showAnswer(find("one"), shown, find("model").value, samples);
  if (second && state.shown === shown) await showAnswer(find("two"), shown, second, samples);
}

// Shows an answer, unless another recording or model was chosen before it came.
async function showAnswer(panel, shown, model, samples) {
  if (state.shown !== shown) return;
  const { content, name } = shown;
  const part = (kind) => panel.querySelector(kind);
  part(".label").textContent = "…";
  part("figure").hidden = true;
  try {
    const answer = await predict(content, { model, overTime: true });
    if (state.shown !== shown) return;
    part(".label").textContent = answer.speech ? answer.label : "silence";
    showBars(part(".bars"), answer.probabilities);
    part(".facts").textContent = `${name}, ${answer.seconds.toFixed(1)} s, model ${answer.model} ${answer.version}`;
    if (!answer.over_time) return;
    part("figure").hidden = false;
    part("figcaption").textContent = describeCourse(answer);
    part("canvas").setAttribute("aria-label", `Waveform of ${name}. ${describeCourse(answer)}`);
    drawCourse(part("canvas"), samples, answer);
  } catch (error) {
    if (state.shown !== shown) return;
    part(".label").textContent = "";
    part(".bars").replaceChildren();
    part(".facts").textContent = "";
    throw error;
  }
}

// Another model: the recording that is shown is asked about again.
async function showAgain() {
  if (!state.shown) return;
  checkNotice();
  await showOne(state.shown.content, state.shown.name);
}

async function toggleRecording() {
  if (state.recording) {
    const { capture, blocks } = state.recording;
    state.recording = null;
    find("record").textContent = "Record";
    await capture.stop();
    await showOne(encodeWav(blocks, capture.rate), "recording");
    return;
  }
  checkNotice();
  const blocks = [];
  const capture = await Capture.start((block) => blocks.push(block));
  state.recording = { capture, blocks };
  find("record").textContent = "Stop recording";
}

async function toggleLive() {
  if (state.live) return stopLive();
  checkNotice();
  if (!find("model").value) await loadModels();
  const live = (state.live = { points: [], labels: [], socket: null, capture: null });
  find("live").textContent = "Stop the microphone";
  try {
    live.capture = await Capture.start((block) => {
      if (live.socket?.readyState === WebSocket.OPEN && live.labels.length) live.socket.send(block);
    });
  } catch (error) {
    state.live = null;
    find("live").textContent = "Start the microphone";
    throw error;
  }
  const query = new URLSearchParams({ sample_rate: live.capture.rate, encoding: "pcm_f32le", notice: "true", model: find("model").value });
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  live.socket = new WebSocket(`${scheme}//${location.host}/v1/stream?${query}`);
  live.socket.onopen = () => {
    if (find("key").value) live.socket.send(JSON.stringify({ type: "key", key: find("key").value }));
  };
  live.socket.onmessage = (event) => showUpdate(live, JSON.parse(event.data));
  live.socket.onclose = (event) => {
    if (state.live === live) attempt(stopLive);
    if (event.code === 1001) showError("The server is ending; start again in a moment.");
    if (event.code === 1006) showError("The connection broke.");
  };
}

async function stopLive() {
  const live = state.live;
  state.live = null;
  find("live").textContent = "Start the microphone";
  await live.capture.stop();
  if (live.socket?.readyState === WebSocket.OPEN) live.socket.send(JSON.stringify({ type: "close" }));
}

function showUpdate(live, update) {
  if (update.type === "ready") live.labels = update.labels;
  if (update.type === "error") showError(update.error);
  if (update.type === "partial") {
    find("live-label").textContent = update.speech ? update.label || "…" : "silence";
    if (update.label) showBars(find("live-bars"), update.probabilities);
    live.points.push(update);
    while (live.points[0].time < update.time - 30) live.points.shift();
    drawTimeline(find("timeline"), live.points);
    find("live-facts").textContent = `${update.time.toFixed(1)} s${update.dropped ? `, ${update.dropped} answers skipped` : ""}`;
  }
  if (update.type === "final") {
    const row = find("turns").insertRow(0);
    for (const text of [`${update.start.toFixed(1)} s`, `${update.end.toFixed(1)} s`, update.label || "too short"]) row.insertCell().textContent = text;
    while (find("turns").rows.length > 10) find("turns").deleteRow(-1);
  }
}

async function predictMany(files) {
  checkNotice();
  state.rows = [];
  find("rows").replaceChildren();
  find("save").disabled = true;
  for (const [index, file] of [...files].entries()) {
    find("batch-facts").textContent = `${index + 1} of ${files.length}`;
    let row = { file: file.name };
    try {
      row = { ...(await predict(file)), file: file.name };
    } catch (error) {
      row.error = error.message;
    }
    state.rows.push(row);
    const shown = find("rows").insertRow();
    const share = row.label ? `${(100 * row.probabilities[row.label]).toFixed(0)} %` : "";
    const said = row.error ?? (row.label || "silence");
    for (const text of [file.name, said, share, row.seconds?.toFixed(1) ?? ""]) shown.insertCell().textContent = text;
    if (row.error) shown.cells[1].className = "error";
  }
  find("batch-facts").textContent = `${files.length} done`;
  find("save").disabled = !state.rows.length;
}

// A table as CSV; a cell that a spreadsheet would take for a formula is kept text.
function makeCsv(rows) {
  const labels = [...new Set(rows.flatMap((row) => Object.keys(row.probabilities ?? {})))];
  const quote = (cell) => `"${String(cell ?? "").replace(/^[=+\-@\t\r]/, "'$&").replaceAll('"', '""')}"`;
  const lines = rows.map((row) => [row.file, row.label, row.seconds, ...labels.map((one) => row.probabilities?.[one]), row.error]);
  return [["file", "label", "seconds", ...labels, "error"], ...lines].map((line) => line.map(quote).join(",")).join("\r\n") + "\r\n";
}

function saveCsv() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([makeCsv(state.rows)], { type: "text/csv" }));
  link.download = "emotions.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

find("file").addEventListener("change", (event) => attempt(async () => {
  const [file] = event.target.files;
  if (!file) return;
  try {
    checkNotice();
    await showOne(file, file.name);
  } finally {
    event.target.value = "";
  }
}));
find("files").addEventListener("change", (event) => attempt(async () => {
  const files = [...event.target.files];
  try {
    if (files.length) await predictMany(files);
  } finally {
    event.target.value = "";
  }
}));
for (const id of ["model", "second"]) find(id).addEventListener("change", () => attempt(showAgain));
find("record").addEventListener("click", () => attempt(toggleRecording));
find("live").addEventListener("click", () => attempt(toggleLive));
find("save").addEventListener("click", saveCsv);
find("key").addEventListener("change", () => attempt(loadModels));
attempt(loadModels);
