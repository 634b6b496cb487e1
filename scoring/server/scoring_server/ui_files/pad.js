/**
 * A pad to draw a digit on. What is drawn is brought to the form of the MNIST digits: it fills a box of 20 x 20 pixels,
 * its centre of mass is the centre of 28 x 28, and its strokes are as thick however large it was drawn.
 */
import { SIDE } from "./images.js";

const BOX = 20;
const INK = 2.4; // width of a stroke, in pixels of the 28 x 28
const FINE = 8; // drawn this much larger, then averaged
const PEN = 20; // width on the pad, of 280
const LARGEST_SCALE = 0.6; // a dot stays one

export class Pad {
  #canvas;
  #strokes = [];
  #pointer = null;
  #changed;

  /** `changed` is called after each stroke and when the pad is cleared. */
  constructor(canvas, changed) {
    this.#canvas = canvas;
    this.#changed = changed;
    canvas.addEventListener("pointerdown", (event) => this.#begin(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => this.#end(event));
  }

  get isEmpty() {
    return this.#strokes.length === 0;
  }

  clear() {
    this.#strokes = [];
    this.#pointer = null;
    this.#show();
    this.#changed();
  }

  /** The drawing's pixels, 784 numbers from 0 to 1. */
  pixels() {
    const points = this.#strokes.flat();
    const [left, right] = extent(points.map(([x]) => x));
    const [top, bottom] = extent(points.map(([, y]) => y));
    const scale = Math.min((BOX - INK) / Math.max(right - left, bottom - top), LARGEST_SCALE);
    const middle = SIDE / 2;
    const boxed = render(this.#strokes, scale, middle - ((left + right) / 2) * scale, middle - ((top + bottom) / 2) * scale);
    const [x, y] = centreOfMass(boxed);
    return render(
      this.#strokes,
      scale,
      middle - ((left + right) / 2) * scale + middle - x,
      middle - ((top + bottom) / 2) * scale + middle - y,
    );
  }

  #begin(event) {
    if (this.#pointer !== null || event.button !== 0) return;
    event.preventDefault();
    this.#pointer = event.pointerId;
    this.#canvas.setPointerCapture(event.pointerId);
    this.#strokes.push([this.#place(event)]);
    this.#show();
  }

  #move(event) {
    if (event.pointerId !== this.#pointer) return;
    const passed = event.getCoalescedEvents?.() ?? [];
    for (const each of passed.length ? passed : [event]) this.#strokes.at(-1).push(this.#place(each));
    this.#show();
  }

  #end(event) {
    if (event.pointerId !== this.#pointer) return;
    this.#pointer = null;
    this.#changed();
  }

  #place(event) {
    const { left, top, width, height } = this.#canvas.getBoundingClientRect();
    return [
      ((event.clientX - left) * this.#canvas.width) / width,
      ((event.clientY - top) * this.#canvas.height) / height,
    ];
  }

  #show() {
    const context = this.#canvas.getContext("2d");
    context.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    trace(context, this.#strokes, PEN);
  }
}

function extent(numbers) {
  return [Math.min(...numbers), Math.max(...numbers)];
}

function trace(context, strokes, width) {
  context.lineWidth = width;
  context.lineCap = context.lineJoin = "round";
  for (const [first, ...rest] of strokes) {
    context.beginPath();
    context.moveTo(...first);
    for (const point of rest.length ? rest : [first]) context.lineTo(...point);
    context.stroke();
  }
}

/** The strokes, scaled and then moved, as 784 numbers. */
function render(strokes, scale, right, down) {
  const side = SIDE * FINE;
  const canvas = new OffscreenCanvas(side, side);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.setTransform(scale * FINE, 0, 0, scale * FINE, right * FINE, down * FINE);
  trace(context, strokes, INK / scale);
  const { data } = context.getImageData(0, 0, side, side);
  const sums = new Array(SIDE * SIDE).fill(0);
  for (let place = 0; place < side * side; place++) {
    const row = Math.floor(place / side / FINE);
    sums[row * SIDE + Math.floor((place % side) / FINE)] += data[4 * place + 3];
  }
  return sums.map((sum) => sum / (255 * FINE * FINE));
}

function centreOfMass(pixels) {
  let mass = 0;
  let x = 0;
  let y = 0;
  pixels.forEach((ink, place) => {
    mass += ink;
    x += ink * ((place % SIDE) + 0.5);
    y += ink * (Math.floor(place / SIDE) + 0.5);
  });
  return [x / mass, y / mass];
}
