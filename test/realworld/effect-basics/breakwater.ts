/** The slice in breakwater. */
import { type CallFailure, Exhaustion, Idempotency, Integration, Policy, Reason } from "breakwater"
import { HttpIntegration, HttpOperation } from "breakwater/http"
import { Array, Effect, Layer, Predicate, Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import type { Variant } from "../Slice.ts"
import { baseUrl, intent, isSame, NewTodo, Todo, TodosUnavailable } from "./shared.ts"

const query = { format: Schema.Literal("json") }

class Api extends HttpApi.make("json-placeholder").add(
  HttpApiGroup.make("todos").add(
    HttpApiEndpoint.get("all", "/todos", { success: Schema.Array(Todo) }),
    HttpApiEndpoint.get("get", "/todos/:id", { params: { id: Schema.Int }, query, success: Todo }),
    HttpApiEndpoint.post("create", "/todos", {
      query,
      payload: NewTodo,
      success: Todo.pipe(HttpApiSchema.status(201))
    })
  )
) {}

const defaults = {
  policy: Policy.standard(),
  exhausted: Exhaustion.fail,
  classify: (_status: number, _headers: unknown, body: unknown) =>
    Predicate.hasProperty(body, "error") ? Reason.unavailable() : undefined,
  orElse: ({ operation, outcome }: CallFailure.CallFailure) => new TodosUnavailable({ operation, outcome })
}

class Todos extends Integration.Service<Todos>()("app/Todos", defaults, {
  allTodos: HttpOperation.endpoint(Api, "todos", "all"),
  getTodo: HttpOperation.endpoint(Api, "todos", "get")
}) {}

class NewTodos extends Integration.Service<NewTodos>()("app/NewTodos", defaults, {
  createTodo: HttpOperation.endpoint(Api, "todos", "create", {
    idempotency: Idempotency.reconcilable(
      ({ payload }) =>
        Effect.flatMap(Todos, ({ allTodos }) => Effect.map(allTodos(), Array.findFirst(isSame(payload)))),
      { settle: "1 second", lookFirst: true }
    )
  })
}) {}

const layer = HttpIntegration.layer(NewTodos, { baseUrl }).pipe(
  Layer.provideMerge(HttpIntegration.layer(Todos, { baseUrl }))
)

export const breakwater: Variant = Effect.gen(function* () {
  const { getTodo } = yield* Todos
  const { createTodo } = yield* NewTodos
  const format = { format: "json" } as const
  const { id } = yield* createTodo({ query: format, payload: intent })
  return yield* getTodo({ params: { id }, query: format })
}).pipe(Effect.provide(layer))
