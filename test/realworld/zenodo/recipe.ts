/**
 * PREreview/prereview.org: `src/ExternalApis/Zenodo/{CreateDeposition,PublishDeposition}/{index,CreateRequest,
 * HandleResponse}.ts`.
 *
 * Kept: a POST that creates the deposition from its metadata, and a POST without a body to the link that the answer
 * gives; each takes exactly one status (201, 202) and decodes the answer; every error passes through as it is. No limit
 * on time, no retry, no span. Left out: the upload of the file between the two, which is a PUT.
 */
import { Effect, flow } from "effect"
import { HttpClient, HttpClientRequest, HttpClientResponse } from "effect/http"
import {
  baseUrl,
  metadataOf,
  NewDeposition,
  review,
  SubmittedDeposition,
  token,
  UnsubmittedDeposition
} from "./shared.ts"

const createRequest = (metadata: (typeof NewDeposition.Type)["metadata"]) =>
  HttpClientRequest.post(`${baseUrl}/api/deposit/depositions`).pipe(
    HttpClientRequest.acceptJson,
    HttpClientRequest.bearerToken(token),
    HttpClientRequest.schemaBodyJson(NewDeposition)({ metadata })
  )

const createDeposition = flow(
  createRequest,
  Effect.flatMap(HttpClient.execute),
  Effect.flatMap(HttpClientResponse.filterStatus((status) => status === 201)),
  Effect.flatMap(HttpClientResponse.schemaBodyJson(UnsubmittedDeposition))
)

const publishRequest = (deposition: typeof UnsubmittedDeposition.Type) =>
  HttpClientRequest.post(deposition.links.publish).pipe(
    HttpClientRequest.acceptJson,
    HttpClientRequest.bearerToken(token)
  )

const publishDeposition = flow(
  publishRequest,
  HttpClient.execute,
  Effect.flatMap(HttpClientResponse.filterStatus((status) => status === 202)),
  Effect.flatMap(HttpClientResponse.schemaBodyJson(SubmittedDeposition))
)

export const recipe = Effect.flatMap(createDeposition(metadataOf(review)), publishDeposition)
