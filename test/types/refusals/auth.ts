// Credentials: a secret is redacted, a refresh token that is replaced is stored, and a choice is one of those there are.
import { Auth, HttpIntegration } from "breakwater/http"
import { Config, Effect, Redacted } from "effect"

const secret = Redacted.make("s")
const client = { tokenUrl: "https://login.example/token", clientId: "shop" }

// A secret that a log would show.
// expect: Argument of type 'string' is not assignable to parameter of type 'Secret'
Auth.bearer("sk_live_1")
// expect: Argument of type 'Config<string>' is not assignable to parameter of type 'Secret'
Auth.bearer(Config.String("KEY"))
// expect: Argument of type 'string' is not assignable to parameter of type 'Secret'
Auth.basic("user", "password")
Auth.clientCredentials({
  ...client,
  // expect: Type 'string' is not assignable to type 'Secret'
  clientSecret: "s3cret"
})
Auth.awsSigV4({
  service: "s3",
  region: "eu-central-1",
  // expect: Type 'string' is not assignable to type 'Redacted<string>'
  credentials: { accessKeyId: "AKIA1", secretAccessKey: "k" }
})

// A client without its secret.
// expect: Property 'clientSecret' is missing in type
Auth.clientCredentials(client)

// A new refresh token would be lost.
// expect: Property 'onRotated' is missing in type
Auth.refreshToken({ ...client, refreshToken: secret })

// A placement that there is none of, and credentials that need a service.
Auth.clientCredentials({
  ...client,
  clientSecret: secret,
  // expect: Type '"query"' is not assignable to type '"basic" | "body" | undefined'
  placement: "query"
})

// What was there before `Auth`.
// expect: Property 'bearer' does not exist on type
HttpIntegration.bearer(Effect.succeed(secret))
