/**
 * Follows Effect-TS/effect, `ai-docs/src/50_http-client/10_basics.ts` ("Getting started with HttpClient").
 *
 * Kept: a client with base URL, Accept header, `filterStatusOk` and `retryTransient` (100 ms, doubling, 3 times) for every
 * request, its three calls with their query parameters, answers that are decoded, one error that carries the cause, a
 * span per call. Ours: the program that lists, creates and reads back.
 */
import { Context, Effect, flow, Layer, Schedule, Schema } from "effect"
import { HttpClient, HttpClientRequest, HttpClientResponse } from "effect/http"
import type { Variant } from "../Slice.ts"
import { baseUrl, intent, type NewTodo, Todo } from "./shared.ts"

class TodosError extends Schema.TaggedError<TodosError>()("TodosError", { cause: Schema.Defect() }) {}

class Todos extends Context.Service<Todos>()("app/Todos", {
  make: Effect.gen(function* () {
    const client = (yield* HttpClient.HttpClient).pipe(
      HttpClient.mapRequest(flow(HttpClientRequest.prependUrl(baseUrl), HttpClientRequest.acceptJson)),
      HttpClient.filterStatusOk,
      HttpClient.retryTransient({ schedule: Schedule.exponential(100), times: 3 })
    )

    const call = <A>(
      operation: string,
      success: Schema.ConstraintDecoder<A>,
      request: HttpClientRequest.HttpClientRequest
    ) =>
      client.execute(request).pipe(
        Effect.flatMap(HttpClientResponse.schemaBodyJson(success)),
        Effect.mapError((cause) => new TodosError({ cause })),
        Effect.withSpan(`Todos.${operation}`)
      )

    const allTodos = call("allTodos", Schema.Array(Todo), HttpClientRequest.get("/todos"))

    const getTodo = (id: number) =>
      call("getTodo", Todo, HttpClientRequest.get(`/todos/${id}`, { urlParams: { format: "json" } }))

    const createTodo = (todo: NewTodo) =>
      call(
        "createTodo",
        Todo,
        HttpClientRequest.post("/todos", { urlParams: { format: "json" } }).pipe(HttpClientRequest.bodyJsonUnsafe(todo))
      )

    return { allTodos, getTodo, createTodo } as const
  })
}) {
  static readonly layer = Layer.effect(this, this.make)
}

export const recipe: Variant = Effect.gen(function* () {
  const { allTodos, createTodo, getTodo } = yield* Todos
  yield* allTodos
  const created = yield* createTodo(intent)
  return yield* getTodo(created.id)
}).pipe(Effect.provide(Todos.layer))
