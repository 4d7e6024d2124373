// What a GraphQL document makes of an operation.
import { Idempotency, IdempotencyKey, type Operation } from "breakwater"
import { GraphQL, type HttpIntegration } from "breakwater/http"
import { Data, Schema } from "effect"
import type { HttpClient } from "effect/http"
import { expectType } from "../support.ts"

class Failed extends Data.TaggedError("Failed")<{}> {}
class Refused extends Data.TaggedError("Refused")<{}> {}
type Services = HttpClient.HttpClient | HttpIntegration.HttpTarget

const data = Schema.Struct({ a: Schema.NullOr(Schema.String) })
const id = Schema.Struct({ id: Schema.String })
interface A {
  readonly a: string | null
}
const plain = <In, Out, E, R, M extends Idempotency.Kind, Open extends Operation.Decision>(
  self: Operation.Operation<In, Out, E, R, M, Open>
): Operation.Operation<In, Out, E, R, M, Open> => self

const query = plain(
  GraphQL.query("A", { document: "query A { a }", data, translate: { GraphqlErrors: () => new Failed() } })
)
expectType<Operation.Operation<void, { readonly a: string | null }, Failed, Services, "Safe", Operation.Decision>>()(
  query
)

const accepted = plain(
  GraphQL.query("A", { document: "query A($id: ID!) { a }", variables: id, data, partial: "accept" })
)
expectType<
  Operation.Operation<{ readonly id: string }, GraphQL.Partial<A>, never, Services, "Safe", Operation.Decision>
>()(accepted)

const mutation = plain(
  GraphQL.mutation("A", {
    document: "mutation A($id: ID!) { a }",
    variables: id,
    data,
    errors: GraphQL.userErrors("a"),
    idempotency: Idempotency.keyed(({ id }: { readonly id: string }) => IdempotencyKey.derive("a", id), {
      lifetime: "forever"
    }),
    translate: { GraphqlErrors: () => new Failed(), UserErrors: () => new Refused() }
  })
)
expectType<
  Operation.Operation<
    { readonly id: string },
    { readonly a: string | null },
    Failed | Refused,
    Services,
    "Idempotent",
    Operation.Decision
  >
>()(mutation)
