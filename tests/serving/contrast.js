// Of everything that is written on a page, and of every mark: its contrast with its ground, and how much it needs (WCAG).
(() => {
  const numbers = (text) => text.match(/[\d.]+/g).map(Number);
  const linear = (part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  const luminance = (colour) => {
    const [red, green, blue] = colour.slice(0, 3).map((one) => linear(one / 255));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const contrast = (first, second) => {
    const [less, more] = [luminance(first), luminance(second)].sort((a, b) => a - b);
    return (more + 0.05) / (less + 0.05);
  };
  const colour = (element, name) => numbers(getComputedStyle(element)[name]);
  const ground = (element) => {
    const found = colour(element, "backgroundColor");
    return (found[3] ?? 1) === 1 ? found : ground(element.parentElement);
  };
  const picture = colour(document.querySelector("canvas"), "backgroundColor");
  const found = {};
  for (const element of document.querySelectorAll("body *")) {
    const texts = [...element.childNodes].filter((one) => one.nodeType === Node.TEXT_NODE && one.data.trim());
    if (element.className === "mark") {
      const own = colour(element, "backgroundColor");
      found[`mark of ${element.parentElement.textContent}`] = [Math.min(contrast(own, ground(document.body)), contrast(own, picture)), 3];
    } else if (texts.length && element.getClientRects().length && !element.disabled && element.tagName !== "OPTION") {
      found[`${element.tagName}: ${texts[0].data.trim().slice(0, 40)}`] = [contrast(colour(element, "color"), ground(element)), 4.5];
    }
  }
  return found;
})();
