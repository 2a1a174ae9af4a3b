// What an answer is made of over time: below a waveform, the weights of frames or the probabilities of short windows.
import { drawShares, paint } from "/page/drawing.js";

const LEFT = 52; // pixels for the words of the axis
const WAVE = { top: 4, height: 92 };
const COURSE = { top: 104, height: 120 };
const RATE = 16000; // enough for a picture

// The samples of a file, or null where the browser can't decode what the server can.
export async function readSamples(content) {
  try {
    const buffer = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(await content.arrayBuffer());
    return buffer.getChannelData(0);
  } catch {
    return null;
  }
}

// Sentences: what the picture shows, and where its greatest value is.
export function describeCourse({ label, over_time: course }) {
  const attention = course.kind === "attention";
  const values = (attention ? course.weights : course.probabilities[label]) ?? [];
  const most = values.reduce((best, value, index) => ((value ?? 0) > (values[best] ?? 0) ? index : best), 0);
  const [begin, end] = [most * course.step, most * course.step + course.seconds].map((time) => time.toFixed(attention ? 2 : 1));
  const when = `${begin} to ${end} s`;
  if (attention) return `What the model attends to: the weight of each moment in its answer, greatest at ${when}.`;
  const found = values.length ? `: ${label} is likeliest at ${when}, ${percent(values[most])}` : "";
  return (
    `Answers to each ${course.seconds.toFixed(1)} s alone${found}. ` +
    "This model, as it is served, gives no attention weights: these are answers of their own, not parts of the one above."
  );
}

export function drawCourse(canvas, samples, { seconds, over_time: course }) {
  paint(canvas, (context, { width, height }) => {
    const ink = context.fillStyle;
    const across = (time) => LEFT + ((width - LEFT) * time) / seconds;
    if (samples) drawWave(context, samples, LEFT, Math.floor(width - LEFT));
    else context.fillText("no picture of this format here", LEFT, WAVE.top + WAVE.height / 2);
    if (course.kind === "attention") drawWeights(context, course, across);
    else drawWindows(context, course, across, seconds);
    context.fillStyle = ink;
    for (let time = 0, step = nice((70 * seconds) / (width - LEFT)); time <= seconds; time += step) {
      context.fillText(`${Number(time.toFixed(2))} s`, Math.min(across(time), width - 40), height - 6);
    }
  });
}

function drawWave(context, samples, left, columns) {
  const middle = WAVE.top + WAVE.height / 2;
  const peaks = Array.from({ length: columns }, (_, column) => {
    const [begin, end] = [column, column + 1].map((one) => Math.floor((one * samples.length) / columns));
    return samples.subarray(begin, end).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  });
  const loudest = Math.max(...peaks, 1e-4);
  peaks.forEach((peak, column) => {
    const reach = Math.max(0.5, ((WAVE.height / 2) * peak) / loudest);
    context.fillRect(left + column, middle - reach, 1, 2 * reach);
  });
}

// Weights as an area: the greatest is as high as there is room.
function drawWeights(context, course, across) {
  const most = Math.max(...course.weights, 1e-9);
  context.fillText("weight", 0, COURSE.top + 14);
  context.beginPath();
  course.weights.forEach((weight, index) => {
    const [left, right] = [index, index + 1].map((one) => across(one * course.step));
    const height = (COURSE.height * weight) / most;
    context.rect(left, COURSE.top + COURSE.height - height, right - left + 0.5, height);
  });
  context.fill();
}

// Probabilities as stacked shares, each window drawn around its middle.
function drawWindows(context, course, across, seconds) {
  context.fillText("100 %", 0, COURSE.top + 14);
  context.fillText("0 %", 0, COURSE.top + COURSE.height);
  const courses = Object.entries(course.probabilities);
  const count = courses[0]?.[1].length ?? 0;
  for (let index = 0; index < count; index++) {
    const middle = index * course.step + course.seconds / 2;
    const left = across(index ? middle - course.step / 2 : 0);
    const right = across(index < count - 1 ? middle + course.step / 2 : seconds);
    const shares = Object.fromEntries(courses.map(([label, values]) => [label, values[index] ?? 0]));
    drawShares(context, shares, { left, width: right - left, ...COURSE });
  }
}

const percent = (share) => `${(100 * share).toFixed(0)} %`;

// A round number of seconds, at least so many.
function nice(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return power * [1, 2, 5, 10].find((factor) => factor * power >= least);
}
