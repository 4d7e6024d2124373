/** The recipe with the five protections, added with Effect's operators. */
import { Array, Context, Data, Duration, Effect, flow, Layer, Metric, Option, Schedule, Schema } from "effect"
import { HttpClient, HttpClientRequest, HttpClientResponse } from "effect/http"
import type { Variant } from "../Slice.ts"
import { baseUrl, intent, isSame, type NewTodo, Todo, TodosUnavailable } from "./shared.ts"

/** What one attempt came to. */
class AttemptFailed extends Data.TaggedError("AttemptFailed")<{
  readonly outcome: "Refused" | "Unknown"
  readonly transient: boolean
  readonly retryAfter?: Duration.Duration
}> {}

const inDoubt = new AttemptFailed({ outcome: "Unknown", transient: true })

const failureOf = ({ headers, status }: HttpClientResponse.HttpClientResponse): AttemptFailed => {
  if (status >= 500) return inDoubt
  if (status !== 429) return new AttemptFailed({ outcome: "Refused", transient: false })
  const retryAfter = Duration.seconds(Number(headers["retry-after"] ?? 1))
  return new AttemptFailed({ outcome: "Refused", transient: true, retryAfter })
}

const duration = Metric.timer("todos_call_duration")
const failures = Metric.counter("todos_call_failures")

class Todos extends Context.Service<Todos>()("app/Todos", {
  make: Effect.gen(function* () {
    const client = (yield* HttpClient.HttpClient).pipe(
      HttpClient.mapRequest(flow(HttpClientRequest.prependUrl(baseUrl), HttpClientRequest.acceptJson))
    )

    const call = <A>(
      operation: string,
      options: { readonly success: Schema.ConstraintDecoder<A>; readonly safe: boolean },
      request: HttpClientRequest.HttpClientRequest
    ) =>
      client.execute(request).pipe(
        Effect.filterOrFail(({ status }) => status >= 200 && status < 300, failureOf),
        Effect.flatMap(HttpClientResponse.schemaBodyJson(options.success)),
        Effect.timeout("10 seconds"),
        Effect.mapError((error) => {
          if (error._tag === "AttemptFailed") return error
          return error._tag === "SchemaError" ? new AttemptFailed({ outcome: "Unknown", transient: false }) : inDoubt
        }),
        Effect.tapError(({ retryAfter }) => (retryAfter === undefined ? Effect.void : Effect.sleep(retryAfter))),
        Effect.retry({
          schedule: Schedule.exponential("50 millis").pipe(Schedule.jittered),
          times: 2,
          while: ({ outcome, transient }) => transient && (options.safe || outcome === "Refused")
        }),
        Effect.timeoutOrElse({ duration: "30 seconds", orElse: () => Effect.fail(inDoubt) }),
        Effect.mapError(({ outcome }) => new TodosUnavailable({ operation, outcome })),
        Effect.tapError((error) =>
          Effect.andThen(
            Metric.update(Metric.withAttributes(failures, { operation, outcome: error.outcome }), 1),
            Effect.logWarning("a call failed", error)
          )
        ),
        Effect.trackDuration(Metric.withAttributes(duration, { operation })),
        Effect.withSpan(`Todos.${operation}`)
      )

    const allTodos = call("allTodos", { success: Schema.Array(Todo), safe: true }, HttpClientRequest.get("/todos"))

    const getTodo = (id: number) =>
      call(
        "getTodo",
        { success: Todo, safe: true },
        HttpClientRequest.get(`/todos/${id}`, { urlParams: { format: "json" } })
      )

    const createTodo = (todo: NewTodo) =>
      call(
        "createTodo",
        { success: Todo, safe: false },
        HttpClientRequest.post("/todos", { urlParams: { format: "json" } }).pipe(HttpClientRequest.bodyJsonUnsafe(todo))
      ).pipe(
        Effect.catchIf(
          ({ outcome }) => outcome === "Unknown",
          (error) =>
            allTodos.pipe(
              Effect.delay("1 second"),
              Effect.flatMap((todos) => Effect.fromOption(Array.findFirst(todos, isSame(todo)))),
              Effect.mapError(() => error)
            )
        )
      )

    return { allTodos, getTodo, createTodo } as const
  })
}) {
  static readonly layer = Layer.effect(this, this.make)
}

export const byHand: Variant = Effect.gen(function* () {
  const { allTodos, createTodo, getTodo } = yield* Todos
  const existing = Array.findFirst(yield* allTodos, isSame(intent))
  const todo = Option.isSome(existing) ? existing.value : yield* createTodo(intent)
  return yield* getTodo(todo.id)
}).pipe(Effect.provide(Todos.layer))
