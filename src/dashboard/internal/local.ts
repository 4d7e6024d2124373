import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Option from "effect/Option"

/** What a proxy adds. One on this machine hides who asks. */
const forwarding = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"]

const isLoopback = (address: string): boolean => /^(?:::1|(?:::ffff:)?127(?:\.\d{1,3}){3})$/i.test(address)

/** The name of the host that is asked for, without its port. */
const nameOf = (host: string): string => host.replace(/:\d+$/, "").toLowerCase()

/**
 * Whether a request comes from this machine: by its address, by the name that it asks for, and with nobody in between. The
 * name is what a page of another site gives away that lets a name of its own point to this machine.
 */
export const isLocal = (request: HttpServerRequest.HttpServerRequest): boolean => {
  const addresses = [request.peerAddress, request.remoteAddress]
  const name = nameOf(request.headers["host"] ?? "")
  return (
    addresses.every((address) => Option.isSome(address) && isLoopback(address.value)) &&
    (name === "localhost" || name.endsWith(".localhost") || name === "[::1]" || isLoopback(name)) &&
    forwarding.every((header) => request.headers[header] === undefined)
  )
}
