/** JSON for people: nested, but with a list of plain values on one line, so that an image is a line and not 784. */
export function tidy(value, indent = "") {
  if (!Array.isArray(value) && !isObject(value)) return JSON.stringify(value);
  const entries = Array.isArray(value)
    ? value.map((item) => ["", item])
    : Object.entries(value).map(([name, item]) => [`${JSON.stringify(name)}: `, item]);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const deeper = `${indent}  `;
  if (Array.isArray(value) && !value.some((item) => typeof item === "object" && item !== null)) {
    return `[${value.map((item) => JSON.stringify(item)).join(", ")}]`;
  }
  if (entries.length === 0) return open + close;
  const lines = entries.map(([name, item]) => `${deeper}${name}${tidy(item, deeper)}`);
  return `${open}\n${lines.join(",\n")}\n${indent}${close}`;
}

/** The value that a text holds, or undefined where it is no JSON. */
export function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
