// Sends a WAV file of 16 bits to a live stream as if it were spoken now, and prints what comes back.
//
// node stream.mjs ws://127.0.0.1:8000 clip.wav      (Node 22, or 20 with --experimental-websocket; a key in $SER_TL_KEY)
import { readFile } from "node:fs/promises";

const [address, path] = process.argv.slice(2);
const file = await readFile(path);
const rate = file.readUInt32LE(24);
const channels = file.readUInt16LE(22);
const samples = new Int16Array(file.buffer.slice(file.byteOffset + 44)).filter((_, index) => index % channels === 0);
const socket = new WebSocket(`${address}/v1/stream?sample_rate=${rate}&encoding=pcm_s16le&notice=true`);

async function send() {
  const step = Math.floor(rate / 10);
  for (let start = 0; start < samples.length; start += step) {
    socket.send(samples.slice(start, start + step));
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  socket.send(JSON.stringify({ type: "close" }));
}

socket.onopen = () => {
  if (process.env.SER_TL_KEY) socket.send(JSON.stringify({ type: "key", key: process.env.SER_TL_KEY }));
};
socket.onmessage = ({ data }) => {
  const update = JSON.parse(data);
  if (update.type === "ready") send();
  if (["partial", "final", "error"].includes(update.type)) {
    console.log(update.type, update.end ?? "", update.label ?? update.error);
  }
};
socket.onclose = ({ code }) => process.exit(code === 1000 ? 0 : 1);
