/**
 * The SDKs, what their providers answer, and how each is reached.
 */
import { Integration, type Policy } from "breakwater"
import { type FaultInjection, IntegrationTest } from "breakwater/testing"
import { ConfigProvider, Context, Effect, Layer } from "effect"
import { StripeSdkLive } from "../../examples/providers/stripe-sdk/client.ts"
import { Payments } from "../../examples/providers/stripe-sdk/integration.ts"
import { GitHub, OctokitSdkLive } from "./octokit.ts"
import { Assistant, OpenAiSdkLive } from "./openai.ts"
import { Slack, SlackSdkLive } from "./slack.ts"
import { Sms, TwilioSdkLive } from "./twilio.ts"

type Calls = Record<"read" | "write", Effect.Effect<unknown, { readonly _tag: string }>>

export interface Sdk {
  readonly name: string
  readonly secret: string
  /** Whether the mutation has a key. */
  readonly keyed: boolean
  /** What the provider answers where nothing goes wrong. */
  readonly respond: (request: FaultInjection.WireRequest) => FaultInjection.Reply
  /** The provider's shape of an error. */
  readonly error: unknown
  /** An answer whose fields were renamed. */
  readonly changed: unknown
  /** The operations with this policy, over the server at this URL. */
  readonly connect: (
    url: string,
    policy: ReturnType<typeof Policy.standard>
  ) => Layer.Layer<IntegrationTest.Recording | Calling>
}

/** The two calls of the SDK that is looked at. */
export class Calling extends Context.Service<Calling, Calls>()("test/Calling") {}

const calling = <R>(
  calls: Effect.Effect<Calls, never, R>,
  live: Layer.Layer<R, unknown>,
  env: Record<string, string>
) =>
  IntegrationTest.record(Layer.effect(Calling, calls).pipe(Layer.provide(live))).pipe(
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env }))),
    Layer.orDie
  )

const json = (body: unknown, status = 200): FaultInjection.Reply => ({ status, body })

const stripe: Sdk = {
  name: "stripe",
  secret: "sk_test_not_a_secret",
  keyed: true,
  respond: () => json({ id: "pi_1", amount: 4200, currency: "eur", status: "succeeded", metadata: { order: "42" } }),
  error: { error: { type: "api_error", message: "a message of Stripe's" } },
  changed: { identifier: "pi_1", object: "payment_intent" },
  connect: (url, policy) =>
    calling(
      Effect.map(Payments, (payments) => ({
        read: payments.find("pi_1"),
        write: payments.pay({ id: "42", amount: 4200, currency: "eur", paymentMethod: "pm_card_visa" })
      })),
      Integration.layer(Payments, { policy: { find: policy, pay: policy } }).pipe(Layer.provide(StripeSdkLive)),
      { STRIPE_KEY: stripe.secret, STRIPE_URL: url }
    )
}

const octokit: Sdk = {
  name: "@octokit/rest",
  secret: "ghp_not_a_token",
  keyed: false,
  respond: ({ method }) => (method === "GET" ? json({ full_name: "octo/cat" }) : json({ number: 7 }, 201)),
  error: { message: "a message of GitHub's", documentation_url: "https://docs.github.com/rest" },
  changed: { fullName: "octo/cat", issue: 7 },
  connect: (url, policy) =>
    calling(
      Effect.map(GitHub, (github) => ({
        read: github.read({ owner: "octo", repo: "cat" }),
        write: github.write({ owner: "octo", repo: "cat", title: "It leaks" })
      })),
      Integration.layer(GitHub, { policy: { read: policy, write: policy } }).pipe(Layer.provide(OctokitSdkLive)),
      { GITHUB_TOKEN: octokit.secret, GITHUB_URL: url }
    )
}

const slack: Sdk = {
  name: "@slack/web-api",
  secret: "xoxb-not-a-token",
  keyed: false,
  // Every method of the SDK is a POST.
  respond: ({ url }) =>
    url.endsWith("conversations.list")
      ? { ...json({ ok: true, channels: [{ id: "C1" }] }), changed: false }
      : json({ ok: true, channel: "C1", ts: "1700000000.000001" }),
  error: { ok: false, error: "fatal_error" },
  changed: { ok: true, items: [], timestamp: 1 },
  connect: (url, policy) =>
    calling(
      Effect.map(Slack, (slack) => ({ read: slack.read(), write: slack.write({ channel: "C1", text: "Hello" }) })),
      Integration.layer(Slack, { policy: { read: policy, write: policy } }).pipe(Layer.provide(SlackSdkLive)),
      { SLACK_BOT_TOKEN: slack.secret, SLACK_URL: `${url}/api/` }
    )
}

const twilio: Sdk = {
  name: "twilio",
  secret: "not-an-auth-token",
  keyed: false,
  respond: ({ method }) => json({ sid: "SM1", status: "queued" }, method === "GET" ? 200 : 201),
  error: { code: 20001, message: "a message of Twilio's", more_info: "https://www.twilio.com/docs", status: 400 },
  changed: { id: "SM1", state: "queued" },
  connect: (url, policy) =>
    calling(
      Effect.map(Sms, (sms) => ({
        read: sms.read("SM1"),
        write: sms.write({ from: "+15005550006", to: "+15005550009", body: "Hello" })
      })),
      Integration.layer(Sms, { policy: { read: policy, write: policy } }).pipe(Layer.provide(TwilioSdkLive)),
      { TWILIO_ACCOUNT_SID: "AC0", TWILIO_AUTH_TOKEN: twilio.secret, TWILIO_URL: url }
    )
}

const openai: Sdk = {
  name: "openai",
  secret: "sk-not-a-key",
  keyed: false,
  respond: ({ method }) =>
    method === "GET"
      ? json({ id: "gpt", owned_by: "openai" })
      : json({ id: "resp_1", status: "completed", output: [] }),
  error: { error: { message: "a message of OpenAI's", type: "server_error", param: null, code: null } },
  changed: { identifier: "gpt", state: "completed", output: [] },
  connect: (url, policy) =>
    calling(
      Effect.map(Assistant, (assistant) => ({
        read: assistant.read("gpt"),
        write: assistant.write({ model: "gpt", input: "Hello" })
      })),
      Integration.layer(Assistant, { policy: { read: policy, write: policy } }).pipe(Layer.provide(OpenAiSdkLive)),
      { OPENAI_API_KEY: openai.secret, OPENAI_URL: `${url}/v1` }
    )
}

export const sdks: ReadonlyArray<Sdk> = [stripe, octokit, slack, twilio, openai]
