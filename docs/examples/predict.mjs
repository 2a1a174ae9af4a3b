// Predicts the emotion in a recording with an exported model: node predict.mjs FOLDER clip.wav (16-bit mono WAV, 16 kHz)
// npm install onnxruntime-web; the same code runs in a browser, with fetch() in the place of readFile.
import { readFile } from "node:fs/promises";
import * as ort from "onnxruntime-web";

const [folder, file] = process.argv.slice(2);
const manifest = JSON.parse(await readFile(`${folder}/ser_tl_export.json`, "utf8"));
if (manifest.format !== 1) throw new Error(`format ${manifest.format}: this program reads 1`);

const wav = await readFile(file);
let at = 12; // behind "RIFF", the size and "WAVE" come chunks: four letters, a size, content
while (wav.toString("latin1", at, at + 4) !== "data") at += 8 + wav.readUInt32LE(at + 4);
const count = wav.readUInt32LE(at + 4) / 2;
if (wav.readUInt32LE(24) !== manifest.sample_rate || wav.readUInt16LE(22) !== 1) throw new Error("not mono at 16 kHz");
const samples = Float32Array.from({ length: count }, (_, index) => wav.readInt16LE(at + 8 + 2 * index) / 32768);

// Equal windows that cover the recording: as few as it takes, overlapping where the lengths don't divide.
const longest = Math.round(manifest.audio.max_seconds * manifest.sample_rate);
const windows = Math.max(1, Math.ceil(count / longest));
const step = windows > 1 ? (count - longest) / (windows - 1) : 0;

ort.env.wasm.numThreads = 1;
const session = await ort.InferenceSession.create(await readFile(`${folder}/${manifest.graph}`));
const mean = new Array(manifest.labels.length).fill(0);
for (let number = 0; number < windows; number++) {
  const start = Math.round(number * step);
  const clip = samples.subarray(start, start + longest);
  const padded = new Float32Array(Math.max(manifest.shortest, Math.ceil(clip.length / manifest.hop) * manifest.hop));
  padded.set(clip); // zeros behind
  const waveform = new ort.Tensor("float32", padded, [1, padded.length]);
  const lengths = new ort.Tensor("int64", BigInt64Array.from([BigInt(clip.length)]), [1]);
  const { probabilities } = await session.run({ waveform, lengths }, ["probabilities"]);
  probabilities.data.forEach((value, index) => { mean[index] += value / windows; });
}
console.log(JSON.stringify(Object.fromEntries(manifest.labels.map((label, index) => [label, mean[index]]))));
