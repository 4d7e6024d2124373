// The cryptography of webhooks, all of it Effect's: keys of the active secrets, the check of a delivery, and signing.
import * as Context from "effect/Context"
import * as Digest from "effect/crypto/Digest"
import * as Mac from "effect/crypto/Mac"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Signature from "effect/crypto/Signature"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type { WebhookError } from "../WebhookError.ts"
import { type Claimed, failing, ofBase64, type Scheme, type Sealing, utf8 } from "./webhookScheme.ts"

type Secret = Redacted.Redacted

/** What a secret gives: a key of a MAC, or a key pair of which the private half may be missing. */
export type Key =
  | { readonly _tag: "Hmac"; readonly key: Mac.Key }
  | {
      readonly _tag: "Ed25519"
      readonly publicKey: Signature.PublicKey
      readonly privateKey: Signature.PrivateKey | undefined
    }

export interface Crypto {
  /** The keys of the secrets, or why one of them is none. */
  readonly keys: (scheme: Scheme, secrets: ReadonlyArray<Secret>) => Effect.Effect<ReadonlyArray<Key>, WebhookError>
  /** Whether any of the keys made any of the signatures. All are compared, in constant time. */
  readonly verify: (keys: ReadonlyArray<Key>, claimed: Claimed) => Effect.Effect<boolean>
  readonly seal: (keys: ReadonlyArray<Key>) => Sealing
  readonly sha256: (bytes: Uint8Array) => Effect.Effect<string>
}

const layer = Layer.mergeAll(Mac.layerWebCrypto, Signature.layerWebCrypto, Digest.layerWebCrypto).pipe(
  Layer.provide(SecureRandom.layerWebCrypto)
)

/** What a secret must be that `ed25519` takes: 32 bytes. */
const ed25519Length = 32

/**
 * Needs nothing from its environment but the `WebCrypto` reference of Effect. A failure of WebCrypto itself says nothing
 * about a delivery, so it is a defect.
 */
export const open: Effect.Effect<Crypto> = Effect.map(Effect.scoped(Layer.build(layer)), (services): Crypto => {
  const mac = Context.get(services, Mac.Mac)
  const signature = Context.get(services, Signature.Signature)
  const digest = Context.get(services, Digest.Digest)

  const hmac = (scheme: Scheme, bytes: Uint8Array): Effect.Effect<Key> =>
    Effect.map(Effect.orDie(Mac.key(scheme.hash === "sha1" ? Mac.hmacSha1 : Mac.hmacSha256, bytes)), (key): Key => ({
      _tag: "Hmac",
      key
    }))

  const keyOf = (scheme: Scheme, secret: Secret, at: number): Effect.Effect<Key, WebhookError> => {
    const fail = failing(scheme.provider)
    const bad = (what: string) => fail("Misconfigured", `secret ${at} ${what}`)
    const text = Redacted.value(secret)
    // An empty key would accept what anybody signs.
    if (text === "") return bad("is empty")
    if (text.trim() !== text) return bad("has white space around it")
    if (scheme.secret === "utf8") return hmac(scheme, utf8(text))
    const [, kind = "whsec_", encoded = ""] = /^(whsec_|whpk_|whsk_)?(.*)$/s.exec(text)!
    const bytes = ofBase64(encoded)
    if (bytes === undefined) return bad("is no Base64 (whsec_…, whpk_… or whsk_…)")
    if (kind === "whsec_") return hmac(scheme, bytes)
    if (bytes.length !== ed25519Length) return bad(`is no ed25519 key: it has ${bytes.length} bytes, not 32`)
    return Effect.orDie(
      kind === "whpk_"
        ? Effect.map(Signature.publicKey(Signature.ed25519, bytes), (publicKey): Key => ({
            _tag: "Ed25519",
            publicKey,
            privateKey: undefined
          }))
        : Effect.flatMap(Signature.privateKey(Signature.ed25519, bytes), (privateKey) =>
            Effect.map(signature.publicKeyOf(privateKey), (publicKey): Key => ({
              _tag: "Ed25519",
              publicKey,
              privateKey
            }))
          )
    )
  }

  const sha256 = (bytes: Uint8Array) => digest.digest(Digest.sha256, bytes)

  return {
    keys: (scheme, secrets) =>
      secrets.length === 0
        ? failing(scheme.provider)("Misconfigured", "there is no secret")
        : Effect.forEach(secrets, (secret, index) => keyOf(scheme, secret, index + 1)),
    verify: (keys, claimed) =>
      Effect.orDie(
        Effect.gen(function* () {
          let matched = false
          // No early end: how long it takes must not tell which secret or which signature came close.
          for (const key of keys) {
            for (const content of claimed.contents) {
              if (key._tag === "Hmac") {
                const tag = yield* mac.sign(key.key, content)
                for (const claim of claimed.hmacs) matched = Mac.timingSafeEqual(tag, claim) || matched
              } else {
                for (const claim of claimed.ed25519s) {
                  matched = (yield* signature.verify(key.publicKey, claim, content)) || matched
                }
              }
            }
          }
          if (claimed.bodySha256 === undefined) return matched
          return Mac.timingSafeEqual(yield* sha256(claimed.body), claimed.bodySha256) && matched
        })
      ),
    seal: (keys) => (content) =>
      Effect.orDie(
        Effect.gen(function* () {
          const seals: Array<{ readonly _tag: Key["_tag"]; readonly bytes: Uint8Array }> = []
          for (const key of keys) {
            if (key._tag === "Hmac") seals.push({ _tag: "Hmac", bytes: yield* mac.sign(key.key, content) })
            else if (key.privateKey !== undefined) {
              seals.push({ _tag: "Ed25519", bytes: yield* signature.sign(key.privateKey, content) })
            }
          }
          return seals
        })
      ),
    sha256: (bytes) => digest.digestHex(Digest.sha256, bytes)
  }
})
