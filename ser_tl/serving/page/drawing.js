// Probabilities as bars, and over time.

const COLOURS = ["#d1495b", "#00798c", "#edae49", "#5f6caf", "#4f9d69", "#8d6a9f", "#b56a3a", "#3b8ea5"];

export function showBars(place, probabilities) {
  const rows = Object.entries(probabilities).sort((a, b) => b[1] - a[1]);
  place.replaceChildren(
    ...rows.flatMap(([label, share]) => {
      const name = document.createElement("span");
      name.textContent = label;
      const meter = document.createElement("meter");
      meter.value = share;
      meter.setAttribute("aria-label", label);
      const figure = document.createElement("span");
      figure.textContent = `${(100 * share).toFixed(0)} %`;
      return [name, meter, figure];
    }),
  );
}

// Stacked shares, the newest at the right; a gap where there is silence.
export function drawTimeline(canvas, points, labels) {
  const context = canvas.getContext("2d");
  const { width, height } = canvas;
  const plot = height - 36; // the legend is below
  context.clearRect(0, 0, width, height);
  const end = points.at(-1).time;
  points.forEach((point, index) => {
    const before = points[index - 1]?.time ?? point.time - 0.2;
    const left = width * (1 - (end - before) / 30);
    let top = 0;
    labels.forEach((label, number) => {
      const share = plot * (point.probabilities[label] ?? 0);
      context.fillStyle = COLOURS[number % COLOURS.length];
      context.fillRect(left, top, (width * (point.time - before)) / 30 + 1, share);
      top += share;
    });
  });
  const style = getComputedStyle(canvas);
  context.font = "22px system-ui";
  let x = 8;
  labels.forEach((label, number) => {
    context.fillStyle = COLOURS[number % COLOURS.length];
    context.fillRect(x, height - 26, 18, 18);
    context.fillStyle = style.color;
    context.fillText(label, x + 24, height - 9);
    x += 44 + context.measureText(label).width;
  });
}
