/** The clients that the demo compares, in the order in which they run. */
import type { ClientEntry } from "../client.ts"
import { breakwaterClient } from "./breakwater.ts"
import { cockatielClient } from "./cockatiel.ts"
import { effectClient } from "./effect.ts"

export const clients: ReadonlyArray<ClientEntry> = [breakwaterClient, effectClient, cockatielClient]
