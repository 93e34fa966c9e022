// The API's documentation, drawn from its own OpenAPI document.

const METHODS = ["get", "post", "put", "delete", "head"];

const make = (tag, kind, ...content) => {
  const element = document.createElement(tag);
  if (kind) element.className = kind;
  element.append(...content);
  return element;
};

function typeOf(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").at(-1);
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.oneOf) return schema.oneOf.map(typeOf).join(" | ");
  if (schema.type === "array") return `${typeOf(schema.items)}[]`;
  return [schema.type, schema.format && `(${schema.format})`].filter(Boolean).join(" ");
}

function operation(method, path, said) {
  const head = make("h2", "", make("span", "method", method.toUpperCase()), make("code", "", path));
  const section = make("section", "", head, make("p", "", said.description || said.summary || ""));
  // What every answer is described by where nothing is said of it says nothing.
  const told = (answer) => (/^(Request fulfilled|Document created|Request accepted)/.test(answer.description || "") ? "" : answer.description || "");
  const rows = (said.parameters || []).map((one) =>
    make("tr", "", make("td", "", make("code", "", one.name)), make("td", "quiet", one.in), make("td", "", typeOf(one.schema)), make("td", "quiet", one.description || "")),
  );
  const body = said.requestBody && Object.values(said.requestBody.content)[0];
  if (body) rows.push(make("tr", "", make("td", "", "body"), make("td", ""), make("td", "", typeOf(body.schema)), make("td", "")));
  for (const [status, answer] of Object.entries(said.responses || {})) {
    const content = answer.content && Object.values(answer.content)[0];
    rows.push(make("tr", "", make("td", "", status), make("td", ""), make("td", "", typeOf(content?.schema)), make("td", "quiet", told(answer))));
  }
  section.append(make("table", "", make("tbody", "", ...rows)));
  return section;
}

const said = await (await fetch("/openapi.json")).json();
const page = document.getElementById("docs");
page.append(make("h1", "", `${said.info.title}, version ${said.info.version}`));
for (const [path, methods] of Object.entries(said.paths)) {
  for (const method of METHODS) if (methods[method]) page.append(operation(method, path, methods[method]));
}
