/** Swagger UI, loaded when it is first wanted: it is many times the rest of the page. */

let loaded;

/** Show an OpenAPI document in `place`; `key()` gives the key that trials send. */
export async function show(place, document_, key) {
  loaded ??= Promise.all([load("link", "ui/swagger-ui.css"), load("script", "ui/swagger-ui-bundle.js")]);
  try {
    await loaded;
  } catch (error) {
    loaded = undefined;
    throw error;
  }
  place.replaceChildren();
  window.SwaggerUIBundle({
    domNode: place,
    spec: withoutKeys(document_),
    layout: "BaseLayout",
    docExpansion: "list",
    defaultModelsExpandDepth: -1,
    displayRequestDuration: true,
    validatorUrl: null, // else it asks a server of its maker's
    syntaxHighlight: { activated: false }, // an image's 784 numbers would take seconds
    requestInterceptor: (request) => {
      if (key()) request.headers.Authorization = `Bearer ${key()}`;
      return request;
    },
  });
}

/** The page has a field for the key: Swagger UI's own would be a second one. */
function withoutKeys(document_) {
  const copy = structuredClone(document_);
  delete copy.components?.securitySchemes;
  for (const path of Object.values(copy.paths ?? {})) {
    for (const operation of Object.values(path)) delete operation?.security;
  }
  return copy;
}

function load(kind, url) {
  return new Promise((resolve, reject) => {
    const element = document.createElement(kind);
    if (kind === "link") Object.assign(element, { rel: "stylesheet", href: url });
    else element.src = url;
    element.addEventListener("load", resolve);
    element.addEventListener("error", () => reject(new Error(`${url} could not be loaded.`)));
    document.head.append(element);
  });
}
