import { Predicate } from "effect"
import type { Slice } from "../Slice.ts"
import { breakwater } from "./breakwater.ts"
import { byHand } from "./byHand.ts"
import { recipe } from "./recipe.ts"
import { baseUrl, ZenodoError } from "./shared.ts"

interface Deposition {
  readonly id: number
  readonly metadata: object
  submitted: boolean
}

const prefix = "/api/deposit/depositions"

const published = ({ id, metadata }: Deposition) => ({
  id,
  metadata: { ...metadata, doi: `10.5281/zenodo.${id}` },
  state: "done",
  submitted: true
})

const draft = ({ id, metadata }: Deposition) => ({
  id,
  links: { publish: `${baseUrl}${prefix}/${id}/actions/publish` },
  metadata,
  state: "unsubmitted",
  submitted: false
})

/** Deposits a review and publishes it. */
export const slice: Slice = {
  name: "zenodo",
  source: "PREreview/prereview.org: src/ExternalApis/Zenodo/{CreateDeposition,PublishDeposition}/",
  steps: ["create", "publish"],
  provider: () => {
    const depositions: Array<Deposition> = []
    return {
      operationOf: ({ method, url }) => (method === "GET" ? "find" : url.endsWith("/publish") ? "publish" : "create"),
      respond: ({ operation, text, url }) => {
        const { pathname, searchParams } = new URL(url)
        if (operation === "find") {
          const phrase = searchParams.get("q")?.replaceAll('"', "") ?? ""
          const found = depositions.filter(({ metadata }) => JSON.stringify(metadata).includes(phrase))
          return { body: found.map((deposition) => (deposition.submitted ? published(deposition) : draft(deposition))) }
        }
        if (operation === "create") {
          const { metadata } = JSON.parse(text) as { readonly metadata: object }
          const deposition = { id: depositions.length + 1, metadata, submitted: false }
          depositions.push(deposition)
          return { status: 201, body: draft(deposition) }
        }
        const deposition = depositions[Number(pathname.slice(prefix.length + 1).split("/")[0]) - 1]
        if (deposition === undefined) return { status: 404, body: { status: 404, message: "PID does not exist." } }
        if (deposition.submitted) return { status: 400, body: { status: 400, message: "It is published already." } }
        deposition.submitted = true
        return { status: 202, body: published(deposition) }
      }
    }
  },
  wire: {
    errorIn200: { status: 400, message: "Validation error." },
    throttled: { status: 429, message: "Too many requests." },
    unavailable: { status: 503, message: "The server is temporarily unable to service your request." },
    changedShape: { id: "1", is_published: false, links: { self_html: `${baseUrl}/uploads/1` } }
  },
  isSuccess: (value) =>
    Predicate.hasProperty(value, "submitted") &&
    value.submitted === true &&
    Predicate.hasProperty(value, "metadata") &&
    Predicate.hasProperty(value.metadata, "doi") &&
    typeof value.metadata.doi === "string",
  claimOf: (error) => (error instanceof ZenodoError ? error : undefined),
  variants: { recipe, byHand, breakwater }
}
