/** The eight slices. */
import { slice as discordBot } from "./discord-bot/index.ts"
import { slice as effectBasics } from "./effect-basics/index.ts"
import { slice as openauthStripe } from "./openauth-stripe/index.ts"
import { slice as packageMetrics } from "./package-metrics/index.ts"
import { slice as resend } from "./resend/index.ts"
import type { Slice } from "./Slice.ts"
import { slice as slack } from "./slack/index.ts"
import { slice as twilio } from "./twilio/index.ts"
import { slice as zenodo } from "./zenodo/index.ts"

export const slices: ReadonlyArray<Slice> = [
  effectBasics,
  discordBot,
  packageMetrics,
  slack,
  zenodo,
  twilio,
  resend,
  openauthStripe
]
