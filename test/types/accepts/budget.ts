// A retry budget, alone, in a standard policy, and among the shared layers.
import { Policy } from "breakwater"
import type { Layer } from "effect"
import { expectType } from "../support.ts"

expectType<Policy.Policy<never, "any">>()(Policy.budget())
expectType<Policy.Policy<never, "any">>()(Policy.budget({ capacity: 100, name: "small" }))
expectType<Policy.Policy<never, "any">>()(Policy.budget({ across: "acme" }))
expectType<Policy.Policy<never, "any">>()(Policy.budgetRatio({ ratio: 0.1, floor: "30 per minute", ttl: "5 seconds" }))
expectType<Policy.Policy<Policy.Provides, "any">>()(Policy.standard({ budget: false }))
expectType<Policy.Policy<Policy.Provides, "any">>()(Policy.standard({ budget: { refund: 2 } }))
expectType<Policy.Policy<Policy.Provides, "any">>()(Policy.standard({ budget: { across: "acme" } }))
expectType<Policy.Policy<Policy.Provides, "any">>()(Policy.standard({ budget: Policy.budgetRatio() }))
expectType<Policy.Policy<never, "any">>()(Policy.shared({ budget: { across: "acme" } }))
expectType<Policy.Policy<never, "any">>()(Policy.shared({ budget: Policy.budgetRatio() }))
expectType<Layer.Layer<never, Policy.PolicyError>>()(Policy.layerBudget("acme"))
expectType<Layer.Layer<never, Policy.PolicyError>>()(Policy.layerBudget("acme", { ratio: 0.1 }))
