/** Pieces of TypeScript text. Whatever comes from a document goes through here before it stands in a file. */

/** A string literal. `</script>` and line separators can do no harm in a module; the quotes are JSON's. */
export const quote = (value: string): string =>
  JSON.stringify(value).replace(/[\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16)}`)

/** A key of an object literal. `__proto__` as a plain key would set the prototype. */
export const key = (name: string): string =>
  name === "__proto__" ? `["__proto__"]` : /^[A-Za-z_$][\w$]*$/.test(name) ? name : quote(name)

/** A key of an interface, where `__proto__` is a name like any other. */
export const typeKey = (name: string): string => (name === "__proto__" ? quote(name) : key(name))

const longest = 220

/** The beginning of a description as a doc comment of one or two lines, or nothing. */
export const doc = (description: string | undefined, indent = ""): string => {
  if (description === undefined) return ""
  const paragraph = description.trim().split(/\n\s*\n/, 1)[0]!
  const line = paragraph
    .replace(/<\/?[a-z][^>]*>/gi, " ")
    .replace(/[\s\p{Cc}\u2028\u2029]+/gu, " ")
    .replace(/\*\//g, "*\\/")
    .replace(/(^|\s)@(?=\w)/g, "$1")
    .trim()
  if (line === "") return ""
  const cut = line.length <= longest ? line : `${line.slice(0, line.lastIndexOf(" ", longest) + 1 || longest).trim()} …`
  if (cut.length <= 100) return `${indent}/** ${cut} */\n`
  const middle = cut.lastIndexOf(" ", 105)
  return middle < 1
    ? `${indent}/** ${cut} */\n`
    : `${indent}/**\n${indent} * ${cut.slice(0, middle)}\n${indent} * ${cut.slice(middle + 1)}\n${indent} */\n`
}

const words = (text: string): ReadonlyArray<string> =>
  text
    .normalize("NFC")
    .replace(/['’]/g, "")
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== "")

const upper = (word: string): string => word.slice(0, 1).toUpperCase() + word.slice(1)

/** `simple-user` as `SimpleUser`: the name of a schema or a class. */
export const pascal = (text: string): string => {
  const name = words(text).map(upper).join("")
  return name === "" ? "Unnamed" : /^\p{N}/u.test(name) ? `N${name}` : name
}

/** `list-for-repo` as `listForRepo`: the name of a group or an operation. */
export const camel = (text: string): string => {
  const name = pascal(text)
  // A leading acronym goes down as one: `IDList` is `idList`.
  return name.replace(/^\p{Lu}+(?=\p{Lu}\p{Ll}|$)|^\p{Lu}/u, (start) => start.toLowerCase())
}

/** Names of a file, each given once. */
export interface Names {
  /** The name, or the first of `name2`, `name3`, … that is free. */
  readonly claim: (...wishes: ReadonlyArray<string>) => string
}

export const makeNames = (reserved: Iterable<string>): Names => {
  const taken = new Set(reserved)
  return {
    claim: (...wishes) => {
      const last = wishes.at(-1)!
      const free = wishes.find((name) => !taken.has(name))
      let name = free ?? last
      for (let n = 2; taken.has(name); n++) name = `${last}${n}`
      taken.add(name)
      return name
    }
  }
}

/** What the generated file imports or what TypeScript keeps for itself. */
export const reservedNames: ReadonlyArray<string> =
  `Schema SchemaTransformation HttpApi HttpApiEndpoint HttpApiGroup HttpApiSchema Multipart Array
   Boolean Date Error Function Map Number Object Promise Proxy Record RegExp Set String Symbol
   ReadonlyArray Readonly Partial Uint8Array JSON Infinity NaN BigInt`.split(/\s+/)

const statusNames: Readonly<Record<number, string>> = {
  300: "MultipleChoices",
  301: "MovedPermanently",
  302: "Found",
  303: "SeeOther",
  304: "NotModified",
  305: "UseProxy",
  307: "TemporaryRedirect",
  308: "PermanentRedirect",
  400: "BadRequest",
  401: "Unauthorized",
  402: "PaymentRequired",
  403: "Forbidden",
  404: "NotFound",
  405: "MethodNotAllowed",
  406: "NotAcceptable",
  407: "ProxyAuthenticationRequired",
  408: "RequestTimeout",
  409: "Conflict",
  410: "Gone",
  411: "LengthRequired",
  412: "PreconditionFailed",
  413: "ContentTooLarge",
  414: "UriTooLong",
  415: "UnsupportedMediaType",
  416: "RangeNotSatisfiable",
  417: "ExpectationFailed",
  418: "ImATeapot",
  421: "MisdirectedRequest",
  422: "UnprocessableContent",
  423: "Locked",
  424: "FailedDependency",
  425: "TooEarly",
  426: "UpgradeRequired",
  428: "PreconditionRequired",
  429: "TooManyRequests",
  431: "RequestHeaderFieldsTooLarge",
  451: "UnavailableForLegalReasons",
  500: "InternalServerError",
  501: "NotImplemented",
  502: "BadGateway",
  503: "ServiceUnavailable",
  504: "GatewayTimeout",
  507: "InsufficientStorage",
  508: "LoopDetected"
}

/** The name of an error by its status as the document writes it: `404`, `4XX`, `default`. */
export const statusName = (status: string): string =>
  status === "default"
    ? "OtherAnswer"
    : /^3XX$/i.test(status)
      ? "Redirection"
      : /^4XX$/i.test(status)
        ? "ClientError"
        : /^5XX$/i.test(status)
          ? "ServerError"
          : (statusNames[Number(status)] ?? `Status${status}`)
