// What a browser makes of the pages in the frames of this document, as JSON in #found.

const WHITE = {r: 255, g: 255, b: 255, a: 1};

function shade(text) {
  const [r, g, b, a] = text.match(/[\d.]+/g).map(Number);
  return {r, g, b, a: a ?? 1};
}

function luminance(colour) {
  const linear = (value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * linear(colour.r) + 0.7152 * linear(colour.g) + 0.0722 * linear(colour.b);
}

function behind(element, view) {
  for (let around = element; around; around = around.parentElement) {
    const colour = shade(view.getComputedStyle(around).backgroundColor);
    if (colour.a === 1) return colour;
  }
  return WHITE;
}

function contrast(element, view) {
  const style = view.getComputedStyle(element);
  const isDrawn = element.namespaceURI.endsWith("svg");
  const shades = [shade(isDrawn ? style.fill : style.color), behind(element, view)];
  const [low, high] = shades.map(luminance).sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

function isCut(text) {
  const box = text.getBBox();
  const drawing = text.ownerSVGElement.viewBox.baseVal;
  const isWithin = box.x >= -1 && box.y >= -1;
  return !(isWithin && box.x + box.width <= drawing.width + 1 && box.y + box.height <= drawing.height + 1);
}

function hasText(element) {
  const isHidden = ["title", "desc"].includes(element.tagName.toLowerCase());
  return !isHidden && [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
}

function told(elements) {
  return elements.map((element) => element.outerHTML.slice(0, 160));
}

function look(frame) {
  const view = frame.contentWindow;
  const root = view.document.documentElement;
  const all = [...view.document.querySelectorAll("body *")];
  const texts = all.filter(hasText);
  const isWide = (element) => element.getBoundingClientRect().right > root.clientWidth + 1;
  const isSmall = (element) => {
    const scale = element.ownerSVGElement ? element.getScreenCTM().a : 1;
    return parseFloat(view.getComputedStyle(element).fontSize) * scale < 10;
  };
  return {
    width: root.clientWidth,
    needed: root.scrollWidth,
    isDark: view.matchMedia("(prefers-color-scheme: dark)").matches,
    fetched: view.performance.getEntriesByType("resource").map((entry) => entry.name),
    texts: texts.length,
    faint: told(texts.filter((element) => contrast(element, view) < 4.5)),
    cut: told(texts.filter((element) => element.ownerSVGElement && isCut(element))),
    small: told(texts.filter(isSmall)),
    wide: told(all.filter((element) => !element.closest(".scroll") && isWide(element))),
  };
}

addEventListener("load", () => {
  const found = [...document.querySelectorAll("iframe")].map(look);
  document.getElementById("found").textContent = JSON.stringify(found);
});
