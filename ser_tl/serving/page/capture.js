// The microphone as blocks of mono float32 samples, and samples as a WAV file.

export class Capture {
  static async start(onBlock) {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new Error("This browser gives no microphone here: open the page as http://localhost or by https.");
    }
    const constraints = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: constraints });
    } catch (error) {
      const reasons = { NotAllowedError: "The microphone isn't permitted for this page.", NotFoundError: "There is no microphone." };
      throw new Error(reasons[error.name] ?? `The microphone can't be used (${error.name}).`);
    }
    const context = new AudioContext();
    await context.audioWorklet.addModule("/page/worklet.js");
    const source = context.createMediaStreamSource(stream);
    const node = new AudioWorkletNode(context, "blocks", { numberOfOutputs: 0 });
    node.port.onmessage = (event) => onBlock(event.data);
    source.connect(node);
    return new Capture(stream, context);
  }

  constructor(stream, context) {
    this.stream = stream;
    this.context = context;
    this.rate = context.sampleRate;
  }

  async stop() {
    for (const track of this.stream.getTracks()) track.stop();
    await this.context.close();
  }
}

export function encodeWav(blocks, rate) {
  const count = blocks.reduce((sum, block) => sum + block.length, 0);
  const view = new DataView(new ArrayBuffer(44 + 2 * count));
  const text = (offset, value) => [...value].forEach((letter, index) => view.setUint8(offset + index, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * count, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, 2 * count, true);
  let offset = 44;
  for (const block of blocks) {
    for (const sample of block) {
      view.setInt16(offset, Math.max(-32768, Math.min(32767, Math.round(32768 * sample))), true);
      offset += 2;
    }
  }
  return new Blob([view], { type: "audio/wav" });
}
