// Shows /openapi.json: routes with an example for the command line, what they answer, schemas.

const make = (name, text, ...children) => {
  const element = document.createElement(name);
  if (text) element.textContent = text;
  element.append(...children);
  return element;
};
const typeOf = (schema) => {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").at(-1);
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" or ");
  if (schema.type === "array") return `list of ${typeOf(schema.items)}`;
  if (schema.additionalProperties) return `object of ${typeOf(schema.additionalProperties)}`;
  return schema.type ?? "anything";
};

function table(titles, rows) {
  const head = make("tr", "", ...titles.map((title) => make("th", title)));
  const body = rows.map((row) => make("tr", "", ...row.map((cell) => make("td", cell))));
  const place = make("div", "", make("table", "", make("thead", "", head), make("tbody", "", ...body)));
  place.className = "scroll";
  place.tabIndex = 0; // the keyboard scrolls it, too
  place.setAttribute("role", "group");
  place.setAttribute("aria-label", titles.join(", "));
  return place;
}

function showRoute(method, path, operation) {
  const example = operation.requestBody ? ` --data-binary @clip.wav` : "";
  const answers = Object.entries(operation.responses).map(([status, one]) => [
    status,
    one.description,
    typeOf(one.content?.["application/json"]?.schema),
  ]);
  const parts = [make("h2", `${method.toUpperCase()} ${path}`), make("p", operation.description ?? operation.summary)];
  parts.push(make("pre", `curl${example} ${location.origin}${path}`));
  if (operation.parameters) {
    parts.push(table(["Parameter", "In", "Meaning"], operation.parameters.map((one) => [one.name, one.in, one.description ?? ""])));
  }
  if (operation.requestBody) {
    parts.push(make("p", `Body: ${Object.keys(operation.requestBody.content).join(", ")}`));
  }
  parts.push(table(["Status", "Meaning", "Answer"], answers));
  return make("section", "", ...parts);
}

const description = await (await fetch("/openapi.json")).json();
document.getElementById("about").textContent = description.info.description;
document.getElementById("routes").append(
  ...Object.entries(description.paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => showRoute(method, path, operation)),
  ),
);
document.getElementById("schemas").append(
  ...Object.entries(description.components.schemas).map(([name, schema]) => {
    const rows = Object.entries(schema.properties ?? {}).map(([field, one]) => [field, typeOf(one), one.description ?? ""]);
    return make("details", "", make("summary", name), make("p", schema.description ?? ""), table(["Field", "Type", "Meaning"], rows));
  }),
);
