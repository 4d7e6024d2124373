/**
 * breakwater over HTTP: any Effect `HttpApi` as operations.
 *
 * @since 0.1.0
 */

/** Credentials: secrets, tokens that are renewed, signatures. */
export * as Auth from "./Auth.ts"
/** GraphQL documents as operations. */
export * as GraphQL from "./GraphQL.ts"
/** The switches of running integrations behind a route. */
export * as HttpControl from "./HttpControl.ts"
/** The id of an inbound request, carried through what it causes. */
export * as HttpCorrelation from "./HttpCorrelation.ts"
/** A caller's deadline across HTTP. */
export * as HttpDeadline from "./HttpDeadline.ts"
/** The layer of an integration over HTTP. */
export * as HttpIntegration from "./HttpIntegration.ts"
/** Operations over any Effect `HttpApi`. */
export * as HttpOperation from "./HttpOperation.ts"
/** Routes and endpoints that are carried out once per idempotency key. */
export * as HttpReceiver from "./HttpReceiver.ts"
/** The body of an upload, and whether it can be sent again. */
export * as Upload from "./Upload.ts"
/** Routes that receive webhooks. */
export * as WebhookReceiver from "./WebhookReceiver.ts"
