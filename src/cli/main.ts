#!/usr/bin/env node
// `npx breakwater`: the tools for what is stored in a database, and a look at a dashboard.
import * as Effect from "effect/Effect"
import { createRequire } from "node:module"
import { run } from "./internal/command.ts"
import { run as runMain, services } from "./internal/node.ts"

const { version } = createRequire(import.meta.url)("../../package.json") as { readonly version: string }

runMain(Effect.provide(run(version), services))
