// Probabilities as bars, and over time.

// Each 3.5 to 1 against the ground of a picture, in the light and in the dark; a line of ground is between neighbours.
const COLOURS = ["#e24267", "#008ba1", "#a27800", "#3c7ddf", "#2f9047", "#c64eba", "#7b7f86", "#ca611a"];
const seen = [];

// The colour of an emotion: the same everywhere on the page, whatever model names it.
export function findColour(label) {
  if (!seen.includes(label)) seen.push(label);
  return COLOURS[seen.indexOf(label) % COLOURS.length];
}

// Bars, the likeliest emotion first; the marks before their names are the legend of the pictures.
export function showBars(place, probabilities) {
  const rows = Object.entries(probabilities).sort((a, b) => b[1] - a[1]);
  place.replaceChildren(
    ...rows.flatMap(([label, share]) => {
      const name = document.createElement("span");
      const mark = document.createElement("span");
      mark.className = "mark";
      mark.style.background = findColour(label);
      name.append(mark, label);
      const meter = document.createElement("meter");
      meter.value = share;
      meter.setAttribute("aria-label", label);
      const figure = document.createElement("span");
      figure.textContent = `${(100 * share).toFixed(0)} %`;
      return [name, meter, figure];
    }),
  );
}

// Draws on a canvas in the pixels that it has on this screen, and again when the window gets another size.
export function paint(canvas, draw) {
  canvas.paint = () => {
    const { clientWidth: width, clientHeight: height } = canvas;
    canvas.width = Math.round(width * devicePixelRatio);
    canvas.height = Math.round(height * devicePixelRatio);
    const context = canvas.getContext("2d");
    context.scale(devicePixelRatio, devicePixelRatio);
    context.font = "14px system-ui";
    context.fillStyle = getComputedStyle(canvas).color;
    draw(context, { width, height });
  };
  canvas.paint();
}

addEventListener("resize", () => {
  for (const canvas of document.querySelectorAll("canvas")) canvas.paint?.();
});

// Stacked shares by emotion in a box; what they don't fill stays empty.
export function drawShares(context, shares, { left, width, top, height }) {
  let edge = top;
  for (const [label, share] of Object.entries(shares)) {
    context.fillStyle = findColour(label);
    context.fillRect(left, edge, width + 0.5, Math.max(0, height * share - 1));
    edge += height * share;
  }
}

// The last 30 seconds of a stream, the newest at the right; a gap where there is silence.
export function drawTimeline(canvas, points) {
  paint(canvas, (context, { width, height }) => {
    const end = points.at(-1).time;
    points.forEach((point, index) => {
      const before = points[index - 1]?.time ?? point.time - 0.2;
      const left = width * (1 - (end - before) / 30);
      drawShares(context, point.probabilities, { left, width: (width * (point.time - before)) / 30, top: 0, height });
    });
  });
}
