/**
 * What the three variants of the Zenodo slice share: the contract of the deposit API, the application's error, and the
 * review that is to be deposited and published.
 */
import { Redacted, Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"

// ---- the provider's contract

const RelatedIdentifier = Schema.Struct({
  identifier: Schema.String,
  relation: Schema.String,
  resource_type: Schema.String,
  scheme: Schema.String
})

const Metadata = {
  creators: Schema.NonEmptyArray(Schema.Struct({ name: Schema.String, orcid: Schema.optionalKey(Schema.String) })),
  description: Schema.NonEmptyString,
  title: Schema.NonEmptyString,
  upload_type: Schema.Literal("publication"),
  publication_type: Schema.Literal("peerreview"),
  related_identifiers: Schema.Array(RelatedIdentifier)
}

export const NewDeposition = Schema.Struct({ metadata: Schema.Struct(Metadata) })

export const UnsubmittedDeposition = Schema.Struct({
  id: Schema.Int,
  links: Schema.Struct({ publish: Schema.String }),
  metadata: Schema.Struct(Metadata),
  state: Schema.Literal("unsubmitted"),
  submitted: Schema.Literal(false)
})

export const SubmittedDeposition = Schema.Struct({
  id: Schema.Int,
  metadata: Schema.Struct({ ...Metadata, doi: Schema.String }),
  state: Schema.Literal("done"),
  submitted: Schema.Literal(true)
})

/** The account's depositions, of whatever kind they are. */
export const Depositions = Schema.Array(
  Schema.Struct({
    id: Schema.Int,
    submitted: Schema.Boolean,
    metadata: Schema.Struct({
      doi: Schema.optionalKey(Schema.String),
      related_identifiers: Schema.optionalKey(
        Schema.Array(Schema.Struct({ identifier: Schema.String, relation: Schema.String }))
      )
    })
  })
)

/** How Zenodo says that a request is not acceptable. */
export const Refusal = Schema.Struct({
  status: Schema.Int.check(Schema.isBetween({ minimum: 400, maximum: 499 })),
  message: Schema.String
})

export const isRefusal = Schema.is(Refusal)

export class ZenodoApi extends HttpApi.make("zenodo").add(
  HttpApiGroup.make("depositions").add(
    HttpApiEndpoint.get("list", "/api/deposit/depositions", {
      query: { q: Schema.String, size: Schema.FiniteFromString },
      success: Depositions
    }),
    HttpApiEndpoint.post("create", "/api/deposit/depositions", {
      payload: NewDeposition,
      success: UnsubmittedDeposition.pipe(HttpApiSchema.status(201))
    }),
    HttpApiEndpoint.post("publish", "/api/deposit/depositions/:id/actions/publish", {
      params: { id: Schema.FiniteFromString },
      success: SubmittedDeposition.pipe(HttpApiSchema.status(202))
    })
  )
) {}

export const baseUrl = "https://zenodo.org"
export const token = Redacted.make("not-a-token")

// ---- the application

/** `step` is what was asked of Zenodo: `find`, `create` or `publish`. */
export class ZenodoError extends Schema.TaggedError<ZenodoError>()("ZenodoError", {
  step: Schema.String,
  outcome: Schema.Literals(["NotSent", "Refused", "Unknown", "Applied"]),
  message: Schema.String
}) {}

export interface Review {
  readonly url: string
  readonly reviewed: string
  readonly author: string
  readonly title: string
  readonly text: string
}

export const review: Review = {
  url: "https://prereview.org/reviews/17",
  reviewed: "10.5061/dryad.wstqjq2n3",
  author: "Josiah Carberry",
  title: "Structured PREreview of a dataset",
  text: "<p>The dataset is fit for its purpose.</p>"
}

export const metadataOf = ({
  author,
  reviewed,
  text,
  title,
  url
}: Review): (typeof NewDeposition.Type)["metadata"] => ({
  creators: [{ name: author }],
  description: text,
  title,
  upload_type: "publication",
  publication_type: "peerreview",
  related_identifiers: [
    { identifier: reviewed, relation: "reviews", resource_type: "dataset", scheme: "doi" },
    { identifier: url, relation: "isIdenticalTo", resource_type: "publication-peerreview", scheme: "url" }
  ]
})

/** Where to look for it: its own metadata holds the address of the review. */
export const queryOf = ({ url }: Review) => ({ q: `"${url}"`, size: 25 })

export const depositionOf = (depositions: typeof Depositions.Type, { url }: Review) =>
  depositions.find(({ metadata }) =>
    metadata.related_identifiers?.some((other) => other.identifier === url && other.relation === "isIdenticalTo")
  )
