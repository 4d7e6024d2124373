/** A small contract, as the generator would give it, to change in one place. */
import type { Generated, GeneratedOperation } from "../../src/cli/internal/openapi/contract.ts"

const operation = (
  own: Partial<GeneratedOperation> & Pick<GeneratedOperation, "group" | "name">
): GeneratedOperation => ({
  id: `${own.group}.${own.name}`,
  operationId: `${own.group}/${own.name}`,
  method: "GET",
  path: `/${own.group}`,
  tags: [own.group],
  summary: undefined,
  deprecated: false,
  needsIdempotency: own.method === "POST" || own.method === "PATCH",
  keyHeaders: [],
  inputs: [],
  errors: [],
  validated: true,
  schemas: [],
  problems: [],
  signature: { parameters: {}, body: undefined, answers: { "200": { "application/json": { $ref: "#/Issue" } } } },
  ...own
})

const text = { type: "string" }

export const list = operation({
  group: "issues",
  name: "list",
  path: "/repos/{owner}/issues",
  summary: "List issues",
  inputs: ["params", "query"],
  errors: [{ tag: "NotFound", statuses: [404], description: "Resource not found" }],
  signature: {
    parameters: {
      "path:owner": { required: true, schema: text },
      "query:state": { required: false, schema: { type: "string", enum: ["open", "closed"] } }
    },
    body: undefined,
    answers: {
      "200": { "application/json": { type: "array", items: { $ref: "#/Issue" } } },
      "404": { "application/json": { $ref: "#/Told" } }
    }
  }
})

export const create = operation({
  group: "issues",
  name: "create",
  method: "POST",
  path: "/repos/{owner}/issues",
  summary: "Create an issue",
  inputs: ["params", "payload"],
  errors: [
    { tag: "NotFound", statuses: [404], description: "Resource not found" },
    { tag: "ValidationFailed", statuses: [422], description: undefined }
  ],
  signature: {
    parameters: { "path:owner": { required: true, schema: text } },
    body: { required: true, content: { "application/json": { $ref: "#/NewIssue" } } },
    answers: {
      "201": { "application/json": { $ref: "#/Issue" } },
      "404": { "application/json": { $ref: "#/Told" } },
      "422": { "application/json": { $ref: "#/Told" } }
    }
  }
})

export const ping = operation({ group: "meta", name: "ping", path: "/ping" })

export const sample: Generated = {
  title: "GitHub's API",
  version: "1.0.0",
  apiName: "GitHubApi",
  operations: [list, create, ping],
  notes: [],
  source: 'import { HttpApi } from "effect/http-api"\n\nexport class GitHubApi extends HttpApi.make("github") {}\n',
  servers: ["https://api.github.com"],
  security: [],
  signatures: {
    Issue: {
      type: "object",
      required: ["number", "title", "user"],
      properties: {
        number: { type: "integer" },
        title: { type: "string", maxLength: 256 },
        state: { type: "string", enum: ["open", "closed"] },
        user: { $ref: "#/User" }
      }
    },
    NewIssue: { type: "object", required: ["title"], properties: { title: text, body: text } },
    Told: { type: "object", required: ["message"], properties: { message: text } },
    User: { type: "object", required: ["login"], properties: { login: text, parent: { $ref: "#/User" } } }
  }
}
