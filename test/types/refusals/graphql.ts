// A document is what its operation says it is, and a mutation says how a repeat is made safe.
import { Idempotency } from "breakwater"
import { GraphQL } from "breakwater/http"
import { Data, Schema } from "effect"

class Failed extends Data.TaggedError("Failed")<{}> {}
const data = Schema.Struct({ a: Schema.String })
const idempotency = Idempotency.atMostOnce("there is no key")
const translate = { GraphqlErrors: () => new Failed() }

// expect: this document is a mutation: give it to GraphQL.mutation, and say how a repeat is made safe
GraphQL.query("A", { document: "mutation A { a }", data, translate })
// expect: this document is a query: give it to GraphQL.query, which needs no idempotency
GraphQL.mutation("A", { document: "\n  query A { a }", data, translate, idempotency })
// expect: this document is a query: give it to GraphQL.query, which needs no idempotency
GraphQL.mutation("A", { document: "{ a }", data, translate, idempotency })
// expect: a subscription has no end that a deadline could wait for: it can't be an operation
GraphQL.query("A", { document: "subscription A { a }", data, translate })
// expect: Property 'idempotency' is missing
GraphQL.mutation("A", { document: "mutation A { a }", data, translate })
// Fields that fail are an error of the contract, unless partial data is taken.
// expect: Property 'translate' is missing
GraphQL.query("A", { document: "query A { a }", data })
GraphQL.query("A", { document: "query A { a }", data, partial: "accept" })
// expect: Property 'UserErrors' is missing
GraphQL.mutation("A", { document: "mutation A { a }", data, errors: GraphQL.userErrors("a"), translate, idempotency })
