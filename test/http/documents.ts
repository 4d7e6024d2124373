/** Documents with versions, integrations that change them under a condition, and somebody else who changes them too. */
import { type CallFailure, Exhaustion, Idempotency, Integration, Outbox, Policy } from "breakwater"
import { HttpOperation } from "breakwater/http"
import { type FaultInjection, IntegrationTest, Upstream } from "breakwater/testing"
import { Data, Effect, Layer, Option, Result, Schema } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"

/** Every change that was ever made to the document stands in it, in order. */
export const Document = Schema.Struct({ lines: Schema.Array(Schema.String) })
const Line = Schema.Struct({ line: Schema.String })

export class Changed extends Schema.TaggedError<Changed>()("Changed", {}, { httpApiStatus: 412 }) {}
export class Gone extends Schema.TaggedError<Gone>()("Gone", {}, { httpApiStatus: 404 }) {}
export class Conflict extends Schema.TaggedError<Conflict>()("Conflict", {}, { httpApiStatus: 409 }) {}

const params = { id: Schema.String }
const headers = { "if-match": Schema.String }

export class DocsApi extends HttpApi.make("docs").add(
  HttpApiGroup.make("docs").add(
    HttpApiEndpoint.get("get", "/docs/:id", {
      params,
      success: HttpApiSchema.WithHeaders(Document, { etag: Schema.String }),
      error: Gone
    }),
    HttpApiEndpoint.patch("append", "/docs/:id", {
      params,
      headers,
      payload: Line,
      success: Document,
      error: [Changed, Gone]
    }),
    HttpApiEndpoint.post("appendPost", "/docs/:id/lines", { params, headers, payload: Line, success: Document }),
    HttpApiEndpoint.put("create", "/docs/:id", { params, payload: Line, success: Document, error: Changed }),
    HttpApiEndpoint.delete("remove", "/docs/:id", { params, headers, error: [Changed, Gone] }),
    // As GitHub and Kubernetes: the version stands in the request, and the conflict is a 409.
    HttpApiEndpoint.post("appendAt", "/versions/:id", {
      params,
      query: { version: Schema.FiniteFromString },
      payload: Line,
      success: Document,
      error: Conflict
    })
  )
) {}

interface Kept {
  version: number
  readonly lines: Array<string>
}

export interface State {
  readonly docs: Map<string, Kept>
  /** All that was ever done, of documents that are gone too. */
  readonly done: Array<string>
  /** Writes that were looked at. Before those of `others`, by their number from 0, somebody else changes the document. */
  writes: number
  others: ReadonlySet<number>
  /** The same, after them. */
  othersAfter: ReadonlySet<number>
}

const other = (state: State, id: string) => {
  const doc = state.docs.get(id)
  if (doc === undefined) return
  doc.version++
  doc.lines.push("other")
}

/** Looks at a write, with what somebody else does at that time. */
const write = <A, E>(state: State, id: string, change: () => Result.Result<A, E>): Effect.Effect<A, E> =>
  Effect.suspend(() => {
    const number = state.writes++
    if (state.others.has(number)) other(state, id)
    const result = change()
    if (state.othersAfter.has(number)) other(state, id)
    return Effect.fromResult(result)
  })

type Lines = typeof Document.Type

const tagOf = (doc: Kept) => `"v${doc.version}"`

const append = (state: State, id: string, line: string) => {
  const doc = state.docs.get(id)!
  doc.version++
  doc.lines.push(line)
  state.done.push(line)
  return { lines: [...doc.lines] }
}

export const makeDocs = (faults?: FaultInjection.Faults) =>
  Upstream.make(DocsApi, {
    ...(faults === undefined ? {} : { faults }),
    state: (): State => ({
      docs: new Map([["d1", { version: 1, lines: ["first"] }]]),
      done: [],
      writes: 0,
      others: new Set(),
      othersAfter: new Set()
    }),
    handlers: {
      docs: {
        get: ({ params: { id } }, { state }) => {
          const doc = state.docs.get(id)
          return doc === undefined
            ? Effect.fail(new Gone())
            : Effect.succeed({
                body: { lines: [...doc.lines] },
                headers: { etag: tagOf(doc) },
                [HttpApiSchema.WithHeadersValueTypeId]: HttpApiSchema.WithHeadersValueTypeId
              })
        },
        append: ({ headers, params: { id }, payload }, { state }) =>
          write(state, id, (): Result.Result<Lines, Changed | Gone> => {
            const doc = state.docs.get(id)
            if (doc === undefined) return Result.fail(new Gone())
            return headers["if-match"] === tagOf(doc)
              ? Result.succeed(append(state, id, payload.line))
              : Result.fail(new Changed())
          }),
        appendPost: ({ headers, params: { id }, payload }, { state }) =>
          write(state, id, () =>
            headers["if-match"] === tagOf(state.docs.get(id)!)
              ? Result.succeed<Lines | HttpServerResponse.HttpServerResponse>(append(state, id, payload.line))
              : Result.succeed(HttpServerResponse.empty({ status: 412 }))
          ),
        create: ({ params: { id }, payload }, { state, wire }) =>
          write(state, id, (): Result.Result<Lines, Changed> => {
            if (wire.headers["if-none-match"] === "*" && state.docs.has(id)) return Result.fail(new Changed())
            state.docs.set(id, { version: 0, lines: [] })
            return Result.succeed(append(state, id, payload.line))
          }),
        remove: ({ headers, params: { id } }, { state }) =>
          write(state, id, (): Result.Result<void, Changed | Gone> => {
            const doc = state.docs.get(id)
            if (doc === undefined) return Result.fail(new Gone())
            if (headers["if-match"] !== tagOf(doc)) return Result.fail(new Changed())
            state.docs.delete(id)
            state.done.push("removed")
            return Result.void
          }),
        appendAt: ({ params: { id }, payload, query }, { state }) =>
          write(state, id, () =>
            query.version === state.docs.get(id)!.version
              ? Result.succeed(append(state, id, payload.line))
              : Result.fail(new Conflict())
          )
      }
    }
  })

// ---- the application

/** Somebody else was faster, and nothing of this call happened. */
export class DocumentChanged extends Data.TaggedError("DocumentChanged") {}
export class NoDocument extends Data.TaggedError("NoDocument") {}
export class DocsDown extends Data.TaggedError("DocsDown")<{ readonly failure: CallFailure.CallFailure }> {}

const orElse = (failure: CallFailure.CallFailure) => new DocsDown({ failure })
export const policy = Policy.standard({ maxAttempts: 4, totalDeadline: "9 minutes" })

export class DocsReads extends Integration.Service<DocsReads>()(
  "test/DocsReads",
  { policy: Policy.standard(), exhausted: Exhaustion.fail, orElse },
  { get: HttpOperation.endpoint(DocsApi, "docs", "get", { translate: { Gone: () => new NoDocument() } }) }
) {}

type To = { readonly params: { readonly id: string } }
type Tagged = To & { readonly headers: { readonly "if-match": string }; readonly payload: { readonly line: string } }
type Append = To & { readonly payload: { readonly line: string } }

const get = (id: string) => Effect.flatMap(DocsReads, (reads) => reads.get({ params: { id } }))

/** Whether the document ends with this call's line: what somebody else has added since hides it. */
const isLast = ({ params, payload }: Append) =>
  Effect.map(get(params.id), ({ body }) =>
    body.lines.at(-1) === payload.line ? Option.some(body) : Option.none<typeof body>()
  )

/** Whether the document has this call's line at all: no later change takes it away. */
const isThere = ({ params, payload }: Append) =>
  Effect.map(get(params.id), ({ body }) =>
    body.lines.includes(payload.line) ? Option.some(body) : Option.none<typeof body>()
  )

const isGone = ({ params }: To) =>
  get(params.id).pipe(
    Effect.as(Option.none<void>()),
    Effect.catchTag("NoDocument", () => Effect.succeed(Option.some<void>(undefined)))
  )

const etag = ({ headers }: Tagged) => headers["if-match"]
const translate = { Changed: () => new DocumentChanged(), Gone: () => new NoDocument() }

export class Docs extends Integration.Service<Docs>()(
  "test/Docs",
  { policy, exhausted: Exhaustion.fail, orElse },
  {
    append: HttpOperation.endpoint(DocsApi, "docs", "append", {
      idempotency: Idempotency.conditional(etag),
      translate
    }),
    appendLooking: HttpOperation.endpoint(DocsApi, "docs", "append", {
      idempotency: Idempotency.conditional(etag, { applied: isLast }),
      translate
    }),
    appendProving: HttpOperation.endpoint(DocsApi, "docs", "append", {
      idempotency: Idempotency.conditional(etag, { applied: isThere, conclusive: true }),
      translate
    }),
    appendAgain: HttpOperation.endpoint(DocsApi, "docs", "append", {
      idempotency: Idempotency.conditional(etag, { applied: isThere, conclusive: true, mayHaveBeenSent: true }),
      translate
    }),
    appendWeak: HttpOperation.endpoint(DocsApi, "docs", "append", {
      idempotency: Idempotency.conditional(etag, { weak: "send" }),
      translate
    }),
    appendPost: HttpOperation.endpoint(DocsApi, "docs", "appendPost", { idempotency: Idempotency.conditional(etag) }),
    create: HttpOperation.endpoint(DocsApi, "docs", "create", {
      idempotency: Idempotency.createOnly(),
      translate: { Changed: () => new DocumentChanged() }
    }),
    createLooking: HttpOperation.endpoint(DocsApi, "docs", "create", {
      idempotency: Idempotency.createOnly({ applied: isThere }),
      translate: { Changed: () => new DocumentChanged() }
    }),
    remove: HttpOperation.endpoint(DocsApi, "docs", "remove", {
      idempotency: Idempotency.conditional(({ headers }) => headers["if-match"]),
      translate
    }),
    removeLooking: HttpOperation.endpoint(DocsApi, "docs", "remove", {
      idempotency: Idempotency.conditional(({ headers }) => headers["if-match"], { applied: isGone }),
      translate
    }),
    appendAt: HttpOperation.endpoint(DocsApi, "docs", "appendAt", {
      idempotency: Idempotency.versioned("the query's version", { conflict: 409 }),
      translate: { Conflict: () => new DocumentChanged() }
    }),
    appendAtLooking: HttpOperation.endpoint(DocsApi, "docs", "appendAt", {
      idempotency: Idempotency.versioned("the query's version", { conflict: 409, applied: isThere, conclusive: true }),
      translate: { Conflict: () => new DocumentChanged() }
    }),
    parked: HttpOperation.endpoint(DocsApi, "docs", "append", {
      idempotency: Idempotency.conditional(etag),
      exhausted: Exhaustion.park,
      translate
    }),
    parkedLooking: Outbox.writeAhead(
      HttpOperation.endpoint(DocsApi, "docs", "append", {
        idempotency: Idempotency.conditional(etag, { applied: isLast }),
        translate
      })
    )
  }
) {}

/** Both integrations over one provider. */
export const docsOver = (
  upstream: ReturnType<typeof makeDocs>,
  policies: { readonly [K in keyof Docs["Service"]]?: Policy.Complete } = {}
) =>
  IntegrationTest.layer(Docs, upstream, { policy: policies }).pipe(
    Layer.provideMerge(IntegrationTest.layer(DocsReads, upstream)),
    Layer.orDie
  )

export const appendMine = (tag = '"v1"') => ({
  params: { id: "d1" },
  headers: { "if-match": tag },
  payload: { line: "mine" }
})
