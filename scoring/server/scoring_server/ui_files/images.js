/** Images of 28 x 28 pixels in a request, and what an answer says of them. */
import { isObject, parse } from "./json.js";

export const SIDE = 28;
const PIXELS = SIDE * SIDE;

/** The images in a JSON value: lists of 784 numbers, or of 28 lists of 28, wherever they are, in order. */
export function imagesIn(value) {
  const pixels = pixelsOf(value);
  if (pixels) return [pixels];
  if (Array.isArray(value)) return value.flatMap(imagesIn);
  return isObject(value) ? Object.values(value).flatMap(imagesIn) : [];
}

/** The same value with one image in place of all that it holds; its pixels, 0 to 1, are brought to the others' range. */
export function withImage(value, pixels) {
  const range = Math.max(1, ...imagesIn(value).map((image) => image.reduce((most, ink) => Math.max(most, ink), 0)));
  const levels = Array.from(pixels, (ink) => (range > 1 ? Math.round(ink * 255) : Math.round(ink * 1000) / 1000));
  return replace(value, levels);
}

function replace(value, levels) {
  if (isFlat(value)) return levels;
  if (isSquare(value)) return value.map((_, row) => levels.slice(row * SIDE, (row + 1) * SIDE));
  if (Array.isArray(value)) {
    // A list of images becomes one of this image alone.
    const first = value.find((item) => imagesIn(item).length > 0);
    return first === undefined ? value : [replace(first, levels)];
  }
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, replace(item, levels)]));
}

function pixelsOf(value) {
  if (isFlat(value)) return value;
  return isSquare(value) ? value.flat() : undefined;
}

function isFlat(value) {
  return isListOf(value, PIXELS, Number.isFinite);
}

function isSquare(value) {
  return isListOf(value, SIDE, (row) => isListOf(row, SIDE, Number.isFinite));
}

function isListOf(value, length, test) {
  return Array.isArray(value) && value.length === length && value.every(test);
}

/**
 * The labels that an answer gives to `count` images, or undefined where it does not. An answer may be a list of labels,
 * of class probabilities (the likeliest counts), an object with one such list, or any of these as JSON in a text.
 */
export function labelsIn(answer, count) {
  if (typeof answer === "string") {
    const inner = parse(answer);
    return inner === undefined ? undefined : labelsIn(inner, count);
  }
  if (isObject(answer)) {
    return Object.values(answer)
      .map((item) => labelsIn(item, count))
      .find((labels) => labels !== undefined);
  }
  if (!Array.isArray(answer)) return count === 1 && Number.isFinite(answer) ? [String(answer)] : undefined;
  if (answer.length !== count) return undefined;
  const labels = answer.map(labelOf);
  return labels.includes(undefined) ? undefined : labels;
}

function labelOf(item) {
  if (["number", "string"].includes(typeof item)) return String(item);
  const isDistribution = Array.isArray(item) && item.length > 0 && item.every(Number.isFinite);
  return isDistribution ? String(item.indexOf(Math.max(...item))) : undefined;
}

/** Draw an image on a canvas of 28 x 28, as ink on nothing: the page's style decides on the colours. */
export function draw(canvas, pixels) {
  const context = canvas.getContext("2d");
  const picture = context.createImageData(SIDE, SIDE);
  const least = pixels.reduce((low, ink) => Math.min(low, ink), 0);
  const most = pixels.reduce((high, ink) => Math.max(high, ink), least + Number.EPSILON);
  pixels.forEach((ink, place) => {
    picture.data[4 * place + 3] = Math.round((255 * (ink - least)) / (most - least));
  });
  context.putImageData(picture, 0, 0);
}
