// A receiver asks for its mode and its principal, and for an authorisation that stands outside of it.
import { Receiver } from "breakwater"
import { Context, type Layer } from "effect"
import * as HttpReceiver from "../../../src/http/HttpReceiver.ts"

class Tenant extends Context.Service<Tenant, string>()("test/Tenant") {}
const mode = Receiver.leased({ onLostLease: "hold" })

// expect: Property 'mode' is missing in type
HttpReceiver.middleware({ name: "shop", principal: "shared" })
// expect: Property 'principal' is missing in type
HttpReceiver.middleware({ name: "shop", mode })
// expect: is not assignable to type '"shared" | Effect<string, never,
HttpReceiver.middleware({ name: "shop", mode, principal: "everybody" })

// Nobody has said who the tenant is: the layer is Effect's sentence "Need to .combine(middleware) that satisfy …".
const byTenant = HttpReceiver.middleware({ name: "shop", mode, principal: Tenant })
// expect: Type 'string' is not assignable to type 'Layer<
export const unauthorised: Layer.Layer<never> = byTenant.layer

// The contract does not say that the principal comes from there.
class Idempotent extends HttpReceiver.Service<Idempotent>()("shop/Idempotent") {}
// expect: Type 'Tenant' is not assignable to type 'Provided'
HttpReceiver.layer(Idempotent, { mode, principal: Tenant })
