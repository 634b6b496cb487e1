/** The service's routes, relative to the page: whatever prefix the service or a proxy gives them. */
import { isObject, parse } from "./json.js";

export const ROUTES = { health: "./", score: "score", description: "swagger.json?version=3" };

function withKey(key, headers = {}) {
  return key ? { ...headers, Authorization: `Bearer ${key}` } : headers;
}

/** Whether the service is ready. */
export async function isHealthy() {
  try {
    return (await fetch(ROUTES.health, { cache: "no-store" })).ok;
  } catch {
    return false;
  }
}

/** The service's OpenAPI document; throws an Error that says why there is none. */
export async function describe(key) {
  const response = await fetch(ROUTES.description, { headers: withKey(key), cache: "no-store" });
  const text = await response.text();
  const document = parse(text);
  if (response.status === 401) throw new Error("The service does not accept this key.");
  if (!response.ok) throw new Error(document?.message ?? `${response.status} ${response.statusText}`);
  return document;
}

/** Send a body; the answer, its headers and the milliseconds until it was here whole. */
export async function score(body, key, signal) {
  const headers = withKey(key, { "Content-Type": "application/json" });
  const began = performance.now();
  const response = await fetch(ROUTES.score, { method: "POST", body, headers, signal, cache: "no-store" });
  const text = await response.text();
  return {
    ok: response.ok,
    status: `${response.status} ${response.statusText}`.trim(),
    milliseconds: performance.now() - began,
    runMilliseconds: response.headers.get("x-ms-run-fn-exec-ms"),
    requestId: response.headers.get("x-request-id"),
    text,
    value: parse(text),
  };
}

/** The example input in an OpenAPI document, or undefined. */
export function sampleOf(document) {
  const path = Object.keys(document.paths ?? {}).find((name) => name.endsWith("/score"));
  const media = resolve(document, document.paths?.[path]?.post?.requestBody)?.content?.["application/json"];
  const example = media?.example ?? exampleOf(document, media?.schema);
  return isObject(example) && Object.keys(example).length === 0 ? undefined : example;
}

function exampleOf(document, reference, depth = 0) {
  const schema = resolve(document, reference);
  if (schema === undefined || depth > 8) return undefined;
  if (schema.example !== undefined) return schema.example;
  if (schema.default !== undefined) return schema.default;
  if (schema.properties === undefined) return undefined;
  const entries = Object.entries(schema.properties).map(([name, property]) => [
    name,
    exampleOf(document, property, depth + 1),
  ]);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}

function resolve(document, node) {
  if (typeof node?.$ref !== "string" || !node.$ref.startsWith("#/")) return node;
  return node.$ref
    .slice(2)
    .split("/")
    .reduce((found, name) => found?.[name.replaceAll("~1", "/").replaceAll("~0", "~")], document);
}
