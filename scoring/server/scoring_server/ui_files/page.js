/** The page: what is typed or drawn goes to the service, what it answers is shown. */
import { describe, isHealthy, sampleOf, score } from "./api.js";
import { draw, imagesIn, labelsIn, withImage } from "./images.js";
import { parse, tidy } from "./json.js";
import { Pad } from "./pad.js";
import { show } from "./reference.js";

const MOST_PICTURES = 60;
const HEALTH_MS = 5000;
const by = (id) => document.getElementById(id);
const keysRequired = document.documentElement.dataset.keys === "required";

let key = "";
let description;
let sample;
let running;

// The key and the service's description

async function learn() {
  description = await describe(key);
  sample = sampleOf(description);
  by("sample").hidden = sample === undefined;
  if (sample === undefined) {
    note("Put a sample_input.json beside the entry script, and this box is filled with it.");
  } else {
    fill(sample);
  }
  if (by("reference").open) await showReference();
}

by("access").addEventListener("submit", async (event) => {
  event.preventDefault();
  key = by("key").value.trim();
  try {
    await learn();
    by("access-note").value = "Accepted";
    by("access-note").dataset.kind = "good";
  } catch (error) {
    by("access-note").value = error.message;
    by("access-note").dataset.kind = "bad";
  }
});

async function checkHealth() {
  const healthy = await isHealthy();
  by("health").textContent = healthy ? "Healthy" : "Not ready";
  by("health").dataset.kind = healthy ? "good" : "bad";
}

setInterval(() => {
  if (!document.hidden) checkHealth();
}, HEALTH_MS);

// The request

function fill(value) {
  by("input").value = tidy(value);
  inputChanged();
}

function note(text, kind = "") {
  by("input-note").textContent = text;
  by("input-note").dataset.kind = kind;
}

function inputChanged() {
  const text = by("input").value;
  const value = parse(text);
  const size = new TextEncoder().encode(text).length.toLocaleString();
  note(value === undefined ? `${size} bytes, not JSON` : `${size} bytes of JSON`, value === undefined ? "bad" : "");
  by("tidy").disabled = value === undefined;
  const images = imagesIn(value);
  showDigits(images);
  if (images.length > 0) by("drawing").hidden = false;
}

function showDigits(images, labels = []) {
  const pictures = images.slice(0, MOST_PICTURES).map((pixels, place) => {
    const figure = document.createElement("figure");
    const canvas = Object.assign(document.createElement("canvas"), { width: 28, height: 28 });
    const caption = document.createElement("figcaption");
    draw(canvas, pixels);
    canvas.setAttribute("aria-hidden", "true");
    caption.textContent = labels[place] ?? "·";
    figure.setAttribute("role", "listitem");
    figure.setAttribute("aria-label", `Digit ${place + 1}${labels[place] ? `, predicted ${labels[place]}` : ""}`);
    figure.append(canvas, caption);
    return figure;
  });
  if (images.length > MOST_PICTURES) pictures.push(`and ${images.length - MOST_PICTURES} more`);
  by("digits").replaceChildren(...pictures);
  by("digits").hidden = images.length === 0;
}

by("input").addEventListener("input", inputChanged);
by("tidy").addEventListener("click", () => fill(parse(by("input").value)));
by("sample").addEventListener("click", () => fill(sample));
by("scoring").addEventListener("submit", (event) => {
  event.preventDefault();
  if (running) running.abort();
  else send();
});
by("input").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    if (!running) send();
  }
});

// The answer

async function send() {
  const body = by("input").value;
  const images = imagesIn(parse(body));
  running = new AbortController();
  by("send").textContent = "Cancel";
  by("answer").setAttribute("aria-busy", "true");
  let labels;
  try {
    const answer = await score(body, key, running.signal);
    labels = answer.ok ? labelsIn(answer.value, images.length) : undefined;
    showAnswer(answer);
  } catch (error) {
    showFailure(error.name === "AbortError" ? "Cancelled" : `No answer: ${error.message}`);
  } finally {
    running = undefined;
    by("send").textContent = "Send";
    by("answer").removeAttribute("aria-busy");
  }
  if (by("input").value === body) showDigits(images, labels);
  return labels;
}

function showAnswer(answer) {
  by("status").textContent = answer.status;
  by("status").dataset.kind = answer.ok ? "good" : "bad";
  by("facts").hidden = false;
  by("round-trip").textContent = `${answer.milliseconds.toFixed(1)} ms`;
  by("run-time").textContent = answer.runMilliseconds === null ? "–" : `${answer.runMilliseconds} ms`;
  by("request-id").textContent = answer.requestId ?? "–";
  by("body").hidden = false;
  by("body").textContent = answer.value === undefined ? answer.text : tidy(answer.value);
}

function showFailure(text) {
  by("status").textContent = text;
  by("status").dataset.kind = "bad";
  by("facts").hidden = by("body").hidden = true;
  checkHealth();
}

// The pad

const pad = new Pad(by("pad"), () => {
  by("predict").disabled = by("clear").disabled = pad.isEmpty;
  by("label").value = "–";
  draw(by("scaled"), pad.isEmpty ? new Array(784).fill(0) : pad.pixels());
});

by("clear").addEventListener("click", () => pad.clear());
by("predict").addEventListener("click", async () => {
  if (running) return;
  const current = parse(by("input").value);
  const form = imagesIn(current).length > 0 ? current : sample;
  fill(withImage(form, pad.pixels()));
  const labels = await send();
  by("label").value = labels?.[0] ?? "?";
});

// The reference

const dark = matchMedia("(prefers-color-scheme: dark)");
const colour = () => document.documentElement.classList.toggle("dark-mode", dark.matches); // Swagger UI's name for it
dark.addEventListener("change", colour);

async function showReference() {
  try {
    description ??= await describe(key);
    await show(by("swagger"), description, () => key);
  } catch (error) {
    by("swagger").textContent = error.message;
  }
}

by("reference").addEventListener("toggle", () => {
  if (by("reference").open) showReference();
});

colour();
by("path").textContent = new URL("score", document.baseURI).pathname;
checkHealth();
if (keysRequired) {
  by("access").hidden = false;
  by("key").focus();
  inputChanged();
} else {
  learn().catch((error) => note(`The service's description could not be read: ${error.message}`, "bad"));
}
