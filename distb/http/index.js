import { A as cutAt, B as names, Bt as formatBoth, C as makeKeep, D as control, E as Service$1, Et as IdempotencyStore, G as Current$1, Gt as at$1, Ht as fail, It as atMostOnce, K as cutAfter, L as CorrelationId, Lt as inherent, M as cutBy, Nt as sha256, O as layer$5, Ot as TransactionalStore, Pt as toHex, R as LogLevels, Rt as check, St as didNotHappen, Tt as withServices, Ut as Current, V as PolicyError, Yt as __exportAll, _t as throttled, a as ReceiverError, b as fromDefinition, bt as retryAfter, c as leased, dt as answered$1, f as isUnlimited, ft as fromConnection, gt as rejected, h as standard, ht as make$4, i as WebhookError, j as Alarm, k as nameOf, l as transactional, lt as canonical, mt as keyConflict, n as event, pt as inProgress, q as nowOf, r as verifier, s as once$1, u as Running, vt as unavailable, w as describeIssue, wt as servicesOf, yt as limitOf, zt as format } from "../Webhook-JKhLlG7h.js";
import * as Data from "effect/Data";
import * as Duration from "effect/Duration";
import * as Predicate from "effect/Predicate";
import * as Effect from "effect/Effect";
import * as Random from "effect/Random";
import * as Clock from "effect/Clock";
import * as Context from "effect/Context";
import * as Option from "effect/Option";
import * as Layer from "effect/Layer";
import * as Stream from "effect/Stream";
import * as Exit from "effect/Exit";
import * as Schema from "effect/Schema";
import * as Fiber from "effect/Fiber";
import * as Cause from "effect/Cause";
import * as Metric from "effect/Metric";
import * as Config from "effect/Config";
import * as ConfigProvider from "effect/ConfigProvider";
import * as FiberSet from "effect/FiberSet";
import * as Pull from "effect/Pull";
import * as Result from "effect/Result";
import * as Scope from "effect/Scope";
import * as Redacted from "effect/Redacted";
import * as Digest from "effect/crypto/Digest";
import * as Mac from "effect/crypto/Mac";
import * as SecureRandom from "effect/crypto/SecureRandom";
import * as Base64 from "effect/encoding/Base64";
import * as Hex from "effect/encoding/Hex";
import * as HttpClientRequest from "effect/http/HttpClientRequest";
import * as UrlParams from "effect/http/UrlParams";
import * as HttpApi from "effect/http-api/HttpApi";
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint";
import { post } from "effect/http-api/HttpApiEndpoint";
import * as HttpApiGroup from "effect/http-api/HttpApiGroup";
import * as HttpApiSchema from "effect/http-api/HttpApiSchema";
import * as HttpBody from "effect/http/HttpBody";
import * as HttpClient from "effect/http/HttpClient";
import * as HttpClientResponse from "effect/http/HttpClientResponse";
import * as HttpApiClient from "effect/http-api/HttpApiClient";
import * as SchemaAST from "effect/SchemaAST";
import * as Ndjson from "effect/encoding/Ndjson";
import * as Sse from "effect/encoding/Sse";
import * as ByteSize from "effect/ByteSize";
import * as FetchHttpClient from "effect/http/FetchHttpClient";
import * as Headers from "effect/http/Headers";
import * as HttpClientError from "effect/http/HttpClientError";
import * as SchemaTransformation from "effect/SchemaTransformation";
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage";
import * as HttpRouter from "effect/http/HttpRouter";
import * as HttpServerError$1 from "effect/http/HttpServerError";
import { HttpServerError, RequestParseError } from "effect/http/HttpServerError";
import * as HttpServerResponse from "effect/http/HttpServerResponse";
import * as HttpServerRequest from "effect/http/HttpServerRequest";
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware";
import * as Cookies from "effect/http/Cookies";
import * as ErrorReporter from "effect/ErrorReporter";
import * as HttpServerRespondable from "effect/http/HttpServerRespondable";
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder";
import * as HttpApiError from "effect/http-api/HttpApiError";
import * as Multipart from "effect/http/Multipart";
import * as SchemaGetter from "effect/SchemaGetter";

// dist/http/internal/noCredential.js
/** Why there is no credential. Its message is for everybody, its cause for nobody. */
var NoCredential = class extends Data.TaggedError("NoCredential") {};
/** That a request can't be sent with these credentials at all. */
var NotSignable = class extends Data.TaggedError("NotSignable") {};

// dist/http/internal/renewal.js
const defaultRest = {
	base: 1e3,
	cap: 6e4
};
/**
* A credential that is fetched when it is needed, by one fetch for all who need it. The fetch is a fiber of its own: who
* waits for it may give up without ending it for the others, and it goes on when nobody waits.
*/
var Renewal = class {
	held;
	fetching = void 0;
	failed = void 0;
	forcedAt = -Infinity;
	closed = false;
	options;
	rest;
	constructor(options) {
		this.options = options;
		this.rest = options.rest ?? defaultRest;
		this.held = options.initial === void 0 ? void 0 : {
			value: options.initial,
			gotAt: -Infinity,
			earlyAt: Infinity,
			expiresAt: Infinity
		};
	}
	/** The credential. Waits only if there is none that is still good. */
	read = Effect.withFiber((fiber) => {
		const now = nowOf(fiber);
		const { held } = this;
		if (held === void 0 || now >= held.expiresAt) return this.fresh(fiber, now);
		if ((now >= held.earlyAt || now < held.gotAt) && this.fetching === void 0 && this.resting(now) === void 0) this.start(fiber, now);
		return Effect.succeed(held.value);
	});
	/**
	* Gets another credential after `sent` was refused. False if the refusal has to stand: what is fetched is the same, or
	* one was fetched for a refusal a moment ago, and a provider that refuses all of them would have us fetch for every call.
	*/
	renew = (sent) => Effect.withFiber((fiber) => {
		const now = nowOf(fiber);
		const { held } = this;
		const isHeld = held !== void 0 && this.options.same(held.value, sent);
		if (held !== void 0 && !isHeld && now < held.expiresAt) return Effect.succeed(true);
		if (this.fetching === void 0) {
			if (now >= this.forcedAt && now < this.forcedAt + this.rest.base) return Effect.succeed(false);
			if (this.resting(now) === void 0) this.forcedAt = now;
		}
		if (isHeld && this.options.keepsRefused !== true) this.held = void 0;
		return Effect.map(this.fresh(fiber, now), (value) => !this.options.same(value, sent));
	});
	/** Ends what is being fetched. */
	close = Effect.suspend(() => {
		this.closed = true;
		const fiber = this.fetching?.fiber;
		return fiber === void 0 ? Effect.void : Fiber.interrupt(fiber);
	});
	/** Lets what is being fetched end, and fetches nothing any more. */
	settle = Effect.suspend(() => {
		this.closed = true;
		const fiber = this.fetching?.fiber;
		return fiber === void 0 ? Effect.void : Effect.asVoid(Fiber.await(fiber));
	});
	fresh(fiber, now) {
		const { fetching } = this;
		if (fetching !== void 0) return wait(fetching);
		const resting = this.resting(now);
		return resting === void 0 ? wait(this.start(fiber, now)) : Effect.fail(resting);
	}
	/** The failure that stands until it is worth fetching again. A clock that was set back does not make it longer. */
	resting(now) {
		if (this.closed) return new NoCredential({
			message: "the integration has shut down",
			transient: false
		});
		const { failed } = this;
		if (failed === void 0 || now < failed.at || now >= failed.at + failed.rest) return void 0;
		return withRetryAfter(failed.error, failed.at + failed.rest - now);
	}
	start(fiber, now) {
		const fetching = {
			waiting: /* @__PURE__ */ new Set(),
			fiber: void 0,
			exit: void 0
		};
		this.fetching = fetching;
		const context = fiber.context.pipe(Context.add(Current, void 0), Context.add(Current$1, void 0));
		const run = Effect.runForkWith(context)(this.options.fetch);
		fetching.fiber = run;
		run.addObserver((exit) => this.finish(fetching, exit, now, nowOf(run)));
		return fetching;
	}
	finish(fetching, exit, startedAt, now) {
		this.fetching = void 0;
		if (Exit.isSuccess(exit)) {
			const { lifetime, value } = exit.value;
			const early = Math.min(this.options.early(lifetime), lifetime / 2);
			const expiresAt = startedAt + lifetime;
			this.held = {
				value,
				gotAt: startedAt,
				expiresAt,
				earlyAt: lifetime === Infinity ? Infinity : expiresAt - early
			};
			this.failed = void 0;
			fetching.exit = Exit.succeed(value);
		} else {
			const error = errorOf$1(exit.cause);
			const asked = error.retryAfter === void 0 ? 0 : Duration.toMillis(error.retryAfter);
			const known = this.failed === void 0 ? this.rest.base : Math.min(this.failed.rest * 2, this.rest.cap);
			const rest = Math.max(known, asked);
			this.failed = {
				error,
				at: now,
				rest
			};
			if (error.inDoubt === true && this.held !== void 0) this.held = {
				...this.held,
				earlyAt: Infinity
			};
			fetching.exit = Exit.fail(withRetryAfter(error, rest));
		}
		for (const resume of fetching.waiting) resume(fetching.exit);
	}
};
const wait = (fetching) => Effect.callback((resume) => {
	if (fetching.exit !== void 0) return resume(fetching.exit);
	fetching.waiting.add(resume);
	return Effect.sync(() => fetching.waiting.delete(resume));
});
const withRetryAfter = (error, millis) => new NoCredential({
	message: error.message,
	transient: error.transient,
	retryAfter: Duration.millis(millis),
	inDoubt: error.inDoubt,
	cause: error.cause
});
const errorOf$1 = (cause) => {
	const failure = cause.reasons.find(Cause.isFailReason);
	return failure !== void 0 ? failure.error : new NoCredential({
		message: Cause.hasInterruptsOnly(cause) ? "the integration shut down while a credential was fetched" : "what fetches the credential died",
		transient: true,
		cause: Cause.squash(cause)
	});
};

// dist/http/internal/auth.js
/** The reason of an attempt that got no credential: nothing was sent. */
const reasonOf = (cause) => cause instanceof NotSignable ? make$4("InvalidInput", { message: cause.message }) : cause instanceof NoCredential ? make$4("NotAuthenticated", {
	message: cause.message,
	transient: cause.transient,
	retryAfter: cause.retryAfter,
	cause
}) : make$4("NotAuthenticated", {
	message: "the credentials could not be read",
	cause
});
/** A failure or a defect of whoever keeps the secrets may hold them. */
const unreadable = (cause) => new NoCredential({
	message: "the credentials could not be read",
	transient: true,
	cause
});
/**
* Opens a source. A `Config` is read at once, so that a missing one fails the build, and again when what it gave was
* refused: a secret that was changed in the meantime is found without a restart.
*/
const openSource = (source, same) => Effect.gen(function* () {
	if (Config.isConfig(source)) {
		const config = source;
		const provider = yield* Effect.service(ConfigProvider.ConfigProvider);
		const renewal = new Renewal({
			fetch: Effect.map(Effect.mapError(Effect.provideService(config, ConfigProvider.ConfigProvider, provider), unreadable), (value) => ({
				value,
				lifetime: Infinity
			})),
			same,
			early: () => 0,
			keepsRefused: true,
			initial: yield* config
		});
		yield* Effect.addFinalizer(() => renewal.close);
		return {
			read: renewal.read,
			renew: (sent) => renewal.renew(sent)
		};
	}
	if (Effect.isEffect(source) && !Redacted.isRedacted(source)) {
		const read = source;
		return {
			read,
			renew: (sent) => Effect.map(read, (now) => !same(now, sent))
		};
	}
	return {
		read: Effect.succeed(source),
		renew: void 0
	};
});
const sameSecret = (a, b) => Redacted.value(a) === Redacted.value(b);
/** Whether an answer says that the credential was no good, and the request not carried out. */
const isRefusal = (reason, { refusals }) => reason.status !== void 0 && (refusals === void 0 ? reason.status === 401 : refusals.includes(reason.status)) && reason.outcome === "Refused" && (reason._tag === "Rejected" || reason._tag === "Declared") && !reason.replayed;
/**
* Sends once more if there is another credential. Whatever goes wrong on the way there: it was refused. What can be sent once
* only is not, but the next call has the other credential.
*/
const renewed = (refusal, renew, call, once) => Effect.matchCauseEffect(renew, {
	onFailure: (cause) => {
		if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause);
		const { message, retryAfter, transient } = reasonOf(Cause.squash(cause));
		return Effect.fail({
			...refusal,
			message: `${refusal.message}; ${message}`,
			transient,
			retryAfter
		});
	},
	onSuccess: (another) => {
		if (!another) return Effect.fail(refusal);
		if (once === void 0) return Effect.fail({
			...refusal,
			message: `${refusal.message}; the credential was renewed, and this body can be sent once only`
		});
		call.reauthenticate();
		return Effect.mapError(once(true), (reason) => reason.outcome === "NotSent" ? {
			...reason,
			outcome: "Refused"
		} : reason);
	}
});

// dist/http/internal/sigV4.js
/** S3 signs a path as it is sent, and wants the hash of the body in a header. */
const isS3 = (service) => service === "s3" || service.startsWith("s3-");
const utf8$1 = new TextEncoder();
/** RFC 3986, byte by byte: letters, digits and `-._~` stand for themselves. */
const uriEncode = (text) => encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
const byCodePoint = (a, b) => a < b ? -1 : a > b ? 1 : 0;
/** The query as it is signed, and as it has to be sent. */
const canonicalQuery = (query) => query.map(([name, value]) => [uriEncode(name), uriEncode(value)]).toSorted(([a, x], [b, y]) => byCodePoint(a, b) || byCodePoint(x, y)).map(([name, value]) => `${name}=${value}`).join("&");
/** A path without `.`, `..` and empty segments. */
const normalized = (path) => {
	const kept = [];
	for (const segment of path.split("/")) if (segment === "..") kept.pop();
	else if (segment !== "" && segment !== ".") kept.push(segment);
	const end = kept.length > 0 && /\/\.{0,2}$/.test(path) ? "/" : "";
	return `/${kept.join("/")}${end}`;
};
/** Every service but S3 encodes the path that is sent once more. */
const canonicalPath = (service, path) => isS3(service) ? path : normalized(path).split("/").map(uriEncode).join("/");
/** Header values without white space around them, and with one space where there were several. */
const folded = (value) => value.trim().replace(/\s+/g, " ");
const canonicalRequest = (scope, request, payloadHash) => {
	const headers = Object.entries({
		...request.headers,
		host: request.host
	}).toSorted(([a], [b]) => byCodePoint(a, b));
	const signedHeaders = headers.map(([name]) => name).join(";");
	return {
		signedHeaders,
		text: [
			request.method,
			canonicalPath(scope.service, request.path),
			canonicalQuery(request.query),
			...headers.map(([name, value]) => `${name}:${folded(value)}`),
			"",
			signedHeaders,
			payloadHash
		].join("\n")
	};
};
/** `20150830T123600Z` */
const amzDate = (millis) => new Date(millis).toISOString().replace(/[-:]|\.\d{3}/g, "");
const crypto$1 = Layer.merge(Mac.layerWebCrypto.pipe(Layer.provide(SecureRandom.layerWebCrypto)), Digest.layerWebCrypto);
/** Opens Effect's cryptography. A failure of WebCrypto itself is a defect. */
const openSigner = (scope) => Effect.map(Effect.scoped(Layer.build(crypto$1)), (services) => {
	const mac = Context.get(services, Mac.Mac);
	const digest = Context.get(services, Digest.Digest);
	const hmac = (key, text) => Effect.flatMap(Mac.key(Mac.hmacSha256, key), (key) => mac.sign(key, utf8$1.encode(text)));
	return (request, credentials, millis) => Effect.orDie(Effect.gen(function* () {
		const { payload } = request;
		const hash = typeof payload === "string" ? payload : yield* digest.digestHex(Digest.sha256, payload);
		const date = amzDate(millis);
		const added = { "x-amz-date": date };
		if (isS3(scope.service)) added["x-amz-content-sha256"] = hash;
		if (credentials.sessionToken !== void 0) added["x-amz-security-token"] = Redacted.value(credentials.sessionToken);
		const { signedHeaders, text } = canonicalRequest(scope, {
			...request,
			headers: {
				...request.headers,
				...added
			}
		}, hash);
		const day = date.slice(0, 8);
		const credentialScope = `${day}/${scope.region}/${scope.service}/aws4_request`;
		const stringToSign = [
			"AWS4-HMAC-SHA256",
			date,
			credentialScope,
			yield* digest.digestHex(Digest.sha256, utf8$1.encode(text))
		].join("\n");
		let key = utf8$1.encode(`AWS4${Redacted.value(credentials.secretAccessKey)}`);
		for (const part of [
			day,
			scope.region,
			scope.service,
			"aws4_request"
		]) key = yield* hmac(key, part);
		const signature = Hex.encode(yield* hmac(key, stringToSign));
		return {
			...added,
			authorization: `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${credentialScope}, SignedHeaders=${signedHeaders}, Signature=${signature}`
		};
	}));
});

// dist/http/internal/awsRequest.js
const unsigned = /* @__PURE__ */ new Set([
	"accept-encoding",
	"authorization",
	"b3",
	"cache-control",
	"connection",
	"content-length",
	"expect",
	"from",
	"host",
	"keep-alive",
	"max-forwards",
	"pragma",
	"proxy-authorization",
	"referer",
	"te",
	"traceparent",
	"tracestate",
	"trailer",
	"transfer-encoding",
	"upgrade",
	"user-agent",
	"x-amzn-trace-id"
]);
const sameCredentials = (a, b) => a.accessKeyId === b.accessKeyId && sameSecret(a.secretAccessKey, b.secretAccessKey) && (a.sessionToken === void 0 || b.sessionToken === void 0 ? a.sessionToken === b.sessionToken : sameSecret(a.sessionToken, b.sessionToken));
const utf8 = new TextEncoder();
const payloadOf = (service, { body }) => {
	if (body._tag === "Empty") return /* @__PURE__ */ new Uint8Array();
	if (body._tag === "Uint8Array") return body.body;
	if (body._tag === "Raw" && typeof body.body === "string") return utf8.encode(body.body);
	return isS3(service) ? "UNSIGNED-PAYLOAD" : void 0;
};
/** Why a request can't be signed. */
const notSignable = (service, request) => payloadOf(service, request) === void 0 ? new NotSignable({ message: `a body that is no bytes can't be signed for ${service}` }) : void 0;
/** A segment as it is signed, so that what is sent is the same. */
const encodedOnce = (segment) => uriEncode(Result.getOrElse(Result.try(() => decodeURIComponent(segment)), () => segment));
/** Signs a request, and writes its address as it is signed. One without an address is left for the client to refuse. */
const signRequest = (sign, service, request, credentials) => Option.match(HttpClientRequest.toUrl(request), {
	onNone: () => Effect.succeed(request),
	onSome: (url) => Effect.flatMap(Clock.currentTimeMillis, (now) => {
		const query = Array.from(url.searchParams);
		const path = url.pathname.split("/").map(encodedOnce).join("/");
		const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => !unsigned.has(name)));
		return Effect.map(sign({
			method: request.method,
			host: url.host,
			path,
			query,
			headers,
			payload: payloadOf(service, request) ?? "UNSIGNED-PAYLOAD"
		}, credentials, now), (added) => {
			const search = canonicalQuery(query);
			const address = `${url.origin}${path}${search === "" ? "" : `?${search}`}`;
			return HttpClientRequest.makeWith(request.method, address, UrlParams.empty, Option.none(), request.headers, request.body).pipe(HttpClientRequest.setHeaders(added));
		});
	})
});

// dist/http/internal/kept.js
const anyOf = (schemas) => schemas.length === 0 ? void 0 : schemas.length === 1 ? schemas[0] : Schema.Union(schemas);
/** The input of a client method. */
const inputOf = (endpoint) => {
	const payload = anyOf(Array.from(endpoint.payload.values()).flatMap(({ encoding, schemas }) => encoding._tag === "Multipart" || encoding._tag === "Stream" ? [] : schemas));
	const parts = Object.entries({
		params: endpoint.params,
		query: endpoint.query,
		headers: endpoint.headers,
		payload
	}).filter((part) => part[1] !== void 0);
	return parts.length === 0 ? void 0 : Schema.Struct(Object.fromEntries(parts));
};
/** The success of a call. One with headers is kept without the mark of Effect's, and gets it back when it is read. */
const successOf = (endpoint) => anyOf(Array.from(endpoint.success, (schema) => HttpApiSchema.isWithHeaders(schema) ? Schema.Struct({
	[HttpApiSchema.WithHeadersValueTypeId]: Schema.Literal(HttpApiSchema.WithHeadersValueTypeId),
	body: schema.schema,
	headers: schema.headers
}) : schema));
/** The errors that a contract declares. */
const errorOf = (errors) => anyOf(Array.from(errors.values()).flat());
const Saved = Schema.Struct({
	method: Schema.String,
	url: Schema.String,
	query: Schema.Array(Schema.Tuple([Schema.String, Schema.String])),
	hash: Schema.NullOr(Schema.String),
	headers: Schema.Record(Schema.String, Schema.String),
	body: Schema.NullOr(Schema.Struct({
		type: Schema.String,
		base64: Schema.String
	}))
});
/** A request as JSON. What an encoder made has a body in memory, or none. */
const saveRequest = (request) => {
	const body = request.body;
	return {
		method: request.method,
		url: request.url,
		query: Array.from(request.urlParams, ([name, value]) => [name, Redacted.isRedacted(value) ? Redacted.value(value) : value]),
		hash: Option.getOrNull(request.hash),
		headers: { ...request.headers },
		body: body._tag === "Uint8Array" ? {
			type: body.contentType,
			base64: Base64.encode(body.body)
		} : null
	};
};
/** The same request again. */
const loadRequest = (saved) => Effect.gen(function* () {
	const { body, hash, headers, method, query, url } = yield* Schema.decodeUnknownEffect(Saved)(saved);
	const request = HttpClientRequest.make(method)(url, {
		urlParams: UrlParams.fromInput(query),
		headers,
		...hash === null ? {} : { hash }
	});
	if (body === null) return request;
	const bytes = yield* Result.match(Base64.decode(body.base64), {
		onFailure: Effect.fail,
		onSuccess: Effect.succeed
	});
	return HttpClientRequest.setBody(request, HttpBody.uint8Array(bytes, body.type));
}).pipe(Effect.mapError(() => make$4("InvalidInput", { message: "the stored request can't be read any more" })));

// dist/http/Upload.js
/**
* The body of an upload: a stream of bytes or of elements, and whether it can be made again.
*
* @since 0.1.0
*/
var Upload_exports = /* @__PURE__ */ __exportAll({
	isUpload: () => isUpload,
	kindOf: () => kindOf,
	once: () => once,
	replayable: () => replayable
});
const TypeId$2 = "~breakwater/Upload";
/**
* Returns whether a value is the body of an upload.
*
* @category guards
* @since 0.1.0
*/
const isUpload = (u) => Predicate.hasProperty(u, TypeId$2);
/**
* Whether a body can be made again.
*
* @category destructors
* @since 0.1.0
*/
const kindOf = (self) => self[TypeId$2];
/**
* A body that is made anew for every attempt: a file, an object of a store, rows of a query over a snapshot.
*
* **Details**
*
* `make` promises the same bytes each time. Nobody checks it, but for their number if `contentLength` is given: under
* `Idempotency.keyed` a provider that compares what it gets answers a repeat with other bytes as `KeyConflict`, and one that
* does not compare keeps what came first. What a stream acquires is released at the end of each attempt.
*
* **Example** (A file that is opened for each attempt)
*
* ```ts
* import { Upload } from "breakwater/http"
* import { Stream } from "effect"
*
* const bytes = new TextEncoder().encode("a,b\n1,2\n")
* const body = Upload.replayable(() => Stream.succeed(bytes), { contentLength: bytes.length })
*
* Upload.kindOf(body) // => "replayable"
* ```
*
* @category constructors
* @since 0.1.0
*/
const replayable = (make, options) => ({
	[TypeId$2]: "replayable",
	make,
	contentLength: options?.contentLength
});
/**
* A body that is gone once it was read: the body of a request that is passed on, a pipe, a recording that runs.
*
* **Details**
*
* It belongs to one call. Its first piece is taken before anything is sent, and a second call with the same value fails,
* with nothing sent.
*
* @category constructors
* @since 0.1.0
*/
const once = (stream, options) => ({
	[TypeId$2]: "once",
	make: () => stream,
	contentLength: options?.contentLength
});

// dist/http/internal/encoder.js
/**
* A client that sends nothing: it hands the request back. So Effect's own encoder builds the request, and what goes over
* the wire later is what `HttpApiClient` would have sent.
*/
const capture = HttpClient.makeWith((request) => Effect.map(request, (request) => HttpClientResponse.fromWeb(request, new Response())), Effect.succeed);
const encodingOf = SchemaAST.resolveAt("~httpApiEncoding");
const mediaTypeOf$1 = (schema) => {
	const body = HttpApiSchema.isWithHeaders(schema) ? schema.schema : schema;
	return ((encodingOf(schema.ast) ?? encodingOf(body.ast))?.contentType ?? "application/json").split(";", 1)[0].trim().toLowerCase();
};
/** The input with the stream that Effect encodes, made anew whenever it is run. Nothing is read before an attempt. */
const streamed = (input) => {
	const parts = input;
	const payload = parts?.payload;
	return isUpload(payload) ? {
		...parts,
		payload: Stream.suspend(payload.make)
	} : parts;
};
/** A form gets another boundary each time that it is sent. Its bytes are made once, so that all attempts send the same. */
const fixed = (request, form) => Effect.map(Effect.promise(async () => {
	const encoded = new Response(form);
	return HttpBody.uint8Array(new Uint8Array(await encoded.arrayBuffer()), encoded.headers.get("content-type"));
}), (body) => HttpClientRequest.setBody(request, body));
/**
* Errors that a contract declares with a 2xx. Effect's own decoder takes every 2xx that is declared for a success too as a
* success, so these errors get an endpoint of their own.
*/
const decodersOfErrorsIn2xx = (errors, annotations) => {
	const decoders = /* @__PURE__ */ new Map();
	for (const [status, error] of errors) {
		if (status < 200 || status >= 300) continue;
		const success = HttpApiSchema.Empty(status === 204 ? 205 : 204);
		const api = HttpApi.make("errors").add(HttpApiGroup.make("errors").add(HttpApiEndpoint.get("errors", "/", {
			success,
			error
		}).annotateMerge(annotations)));
		decoders.set(status, HttpApiClient.decodeResponse(api, {
			group: "errors",
			endpoint: "errors"
		}));
	}
	return decoders;
};
const reflectEndpoint = (api, groupName, endpointName) => {
	const isIt = (options) => options.group.identifier === groupName && options.endpoint.identifier === endpointName;
	let found;
	HttpApi.reflect(api, {
		predicate: isIt,
		onGroup() {},
		onEndpoint({ endpoint, errors, group, mergedAnnotations, middleware, successes }) {
			const call = Effect.runSync(HttpApiClient.endpoint(api, {
				group: groupName,
				endpoint: endpointName,
				httpClient: capture
			}));
			found = {
				group,
				endpoint,
				method: endpoint.method,
				path: endpoint.path,
				middleware: Array.from(middleware, (tag) => `${tag.key}/Client`),
				schemas: {
					input: inputOf(endpoint),
					success: successOf(endpoint),
					error: errorOf(errors)
				},
				declaredErrors: new Set(errors.keys()),
				declaredSuccesses: new Map(Array.from(successes, ([status, schemas]) => [status, new Set(schemas.map(mediaTypeOf$1))])),
				encode: (input) => Effect.flatMap(call({
					...streamed(input),
					responseMode: "response-only"
				}), ({ request }) => request.body._tag === "FormData" ? fixed(request, request.body.formData) : Effect.succeed(request)),
				decode: HttpApiClient.decodeResponse(api, {
					group: groupName,
					endpoint: endpointName
				}),
				decodeErrorIn2xx: decodersOfErrorsIn2xx(errors, mergedAnnotations)
			};
		}
	});
	if (found === void 0) throw new RangeError(`HttpOperation.endpoint: no endpoint "${endpointName}" in group "${groupName}"`);
	return found;
};

// dist/http/internal/streamBody.js
/** Why the bytes are no elements. `cut` says that something is missing, else what came is wrong. */
var Broken$1 = class {
	message;
	cut;
	constructor(message, cut) {
		this.message = message;
		this.cut = cut;
	}
};
/** A failure that the provider told in the stream, by the error schema of its contract. */
var Told = class {
	cause;
	constructor(cause) {
		this.cause = cause;
	}
};
/** The name of the event by which Effect's servers tell a failure in the middle of a stream. */
const failureEvent = "effect/http-api/stream/failure";
const splitSse = (source, limit, onRetry) => Stream.transformPull(source, (pull) => Effect.sync(() => {
	let events = [];
	let broken;
	let ended = false;
	const parser = Sse.makeParser((event) => {
		if (event._tag === "Retry") onRetry(Duration.toMillis(event.duration));
		else events.push({
			...event.id === void 0 ? {} : { id: event.id },
			event: event.event,
			data: event.data
		});
	}, { maxEventSize: limit });
	const text = new TextDecoder("utf-8", { ignoreBOM: true });
	const more = Effect.suspend(() => {
		if (events.length > 0) {
			const ready = events;
			events = [];
			return Effect.succeed(ready);
		}
		if (broken !== void 0) return Effect.fail(broken);
		if (ended) return Cause.done();
		return Pull.matchEffect(pull, {
			onSuccess: (chunks) => {
				for (const chunk of chunks) {
					if (parser.feed(text.decode(chunk, { stream: true })) === void 0) continue;
					broken = new Broken$1(`an event is larger than ${limit} bytes`, false);
					break;
				}
				return more;
			},
			onFailure: Effect.failCause,
			onDone: () => {
				ended = true;
				parser.feed(`${text.decode()}\n\n`);
				if (events.length > 0) broken = new Broken$1("its last event is not complete", true);
				events = [];
				return more;
			}
		});
	});
	return more;
}));
const splitNdjson = (source, limit) => source.pipe(Stream.pipeThroughChannel(Ndjson.decode({
	ignoreEmptyLines: true,
	maxLineBytes: limit
})), Stream.mapError((error) => !Ndjson.isNdjsonError(error) ? error : error.reason === "LineTooLarge" ? new Broken$1(`a line is larger than ${limit} bytes`, false) : new Broken$1(error.reason === "InvalidUtf8" ? "a line is not UTF-8" : "a line is not JSON", false)));
const decodeSse = (schema) => {
	const decodeEvent = Schema.decodeUnknownEffect(schema.events);
	const decodeFailure = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.toCodecJson(Schema.Cause(schema.error, Schema.Defect()))));
	const decodeError = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.toCodecJson(schema.error)));
	return (raw) => {
		const event = raw;
		if (event.event === failureEvent) return Effect.flatMap(decodeFailure(event.data), (cause) => Effect.fail(new Told(cause)));
		const decoded = Effect.catch(decodeEvent(event), (wrong) => Effect.matchEffect(decodeError(event.data), {
			onFailure: () => Effect.fail(wrong),
			onSuccess: (error) => Effect.fail(new Told(Cause.fail(error)))
		}));
		return schema.sseMode === "data" ? Effect.map(decoded, (whole) => whole.data) : decoded;
	};
};
/** How the elements of a stream are read that a contract describes. */
const bodyOf$2 = (schema) => {
	const mediaTypes = new Set(schema.contentTypes.map((type) => type.split(";", 1)[0].trim().toLowerCase()));
	switch (schema._tag) {
		case "StreamSse": return {
			kind: "sse",
			mediaTypes,
			split: splitSse,
			decode: decodeSse(schema)
		};
		case "StreamNdjson": {
			const most = ByteSize.toNumberUnsafe(schema.maxElementBytes);
			return {
				kind: "ndjson",
				mediaTypes,
				split: (source, limit, onRetry) => splitNdjson(source, Math.min(limit, most), onRetry),
				decode: Schema.decodeUnknownEffect(Schema.toCodecJson(schema.schema))
			};
		}
		case "StreamUint8Array": return {
			kind: "uint8array",
			mediaTypes,
			split: (source) => source,
			decode: void 0
		};
	}
};

// dist/http/internal/streamResume.js
const goesOn = { _tag: "GoesOn" };
const eventsOf = (stream) => stream.position ??= {
	firstId: void 0,
	lastId: void 0,
	own: false,
	reopened: false
};
const byEventId = {
	headers: (stream) => {
		const { lastId } = eventsOf(stream);
		return stream.elements === 0 || lastId === void 0 ? {} : { "last-event-id": lastId };
	},
	opened: (stream, response) => {
		if (stream.elements === 0) return void 0;
		eventsOf(stream).reopened = true;
		return response.status === 204 ? { _tag: "Complete" } : void 0;
	},
	isNew: (stream, raw) => {
		const at = eventsOf(stream);
		if (!at.reopened) return true;
		const { id } = raw;
		at.reopened = false;
		if (id !== void 0 && id === at.lastId) return false;
		if (id !== void 0 && id === at.firstId) return "the provider began again from the start";
		return true;
	},
	delivered: (stream, raw) => {
		const at = eventsOf(stream);
		const { id } = raw;
		at.own = id !== void 0 && id !== "" && id !== at.lastId;
		at.firstId ??= id;
		at.lastId = id;
	},
	can: (stream) => eventsOf(stream).own
};
const placeOf = (stream) => stream.position ??= {
	etag: void 0,
	offset: 0
};
const strongTag = (response) => {
	const { etag } = response.headers;
	const encoding = response.headers["content-encoding"] ?? "identity";
	return etag === void 0 || !etag.startsWith("\"") || encoding !== "identity" ? void 0 : etag;
};
const byRange = {
	headers: (stream) => {
		const { etag, offset } = placeOf(stream);
		const plain = { "accept-encoding": "identity" };
		return offset === 0 ? plain : {
			...plain,
			range: `bytes=${offset}-`,
			"if-range": etag
		};
	},
	opened: (stream, response) => {
		const place = placeOf(stream);
		const { headers, status } = response;
		if (place.offset === 0) {
			place.etag = status === 200 ? strongTag(response) : void 0;
			return;
		}
		const range = headers["content-range"] ?? "";
		if (status === 416) return range === `bytes */${place.offset}` ? { _tag: "Complete" } : {
			_tag: "Lost",
			why: "the provider has no such range"
		};
		if (status === 206) {
			const from = /^bytes (\d+)-\d+\//.exec(range)?.[1];
			if (from === void 0 || Number(from) !== place.offset) return {
				_tag: "Lost",
				why: "the provider went on from another place"
			};
			if (headers.etag !== void 0 && headers.etag !== place.etag) return {
				_tag: "Lost",
				why: "it has changed"
			};
			return goesOn;
		}
		return status >= 200 && status < 300 ? {
			_tag: "Lost",
			why: "it has changed, or the provider knows no ranges"
		} : void 0;
	},
	isNew: () => true,
	delivered: (stream, raw) => {
		placeOf(stream).offset += raw.length;
	},
	can: (stream) => placeOf(stream).etag !== void 0
};

// dist/http/internal/streamDefinition.js
const defaultIdle = "30 seconds";
/** The schema of the stream that an endpoint declares. */
const declared = (api, group, name) => {
	let found;
	HttpApi.reflect(api, {
		predicate: (at) => at.group.identifier === group && at.endpoint.identifier === name,
		onGroup() {},
		onEndpoint({ endpoint }) {
			for (const schema of endpoint.success) if ("mode" in schema && "contentTypes" in schema) found ??= schema;
		}
	});
	return found;
};
const ends = {
	Marker: "complete with the mark of its end",
	LastElement: "complete with its last element",
	Endless: "has no end: however it ends, it was cut"
};
const streamOf$1 = (api, group, name, options) => {
	const schema = options.answer ?? declared(api, group, name);
	if (schema === void 0) throw new RangeError(`HttpOperation.stream: "${group}.${name}" does not answer with a stream`);
	const problems = [];
	const why = [];
	const limitOf = (what, limit) => {
		if (isUnlimited(limit)) {
			if (limit.unlimited.trim() === "") problems.push(`${what}: say why it is unlimited`);
			why.push(`${what} unlimited: ${limit.unlimited}`);
			return Infinity;
		}
		const { millis, problem } = check(what, limit);
		if (problem !== void 0) problems.push(`${problem}: a stream without this limit says why, Streaming.unlimited(reason)`);
		return millis;
	};
	const { limits } = options;
	const firstByte = limits.firstByte === void 0 ? void 0 : limitOf("the limit of the first byte", limits.firstByte);
	const idle = limitOf("the idle limit", limits.idle ?? defaultIdle);
	const total = limitOf("the total limit", limits.total);
	const end = options.end?.end;
	const resumer = options.resume === void 0 ? void 0 : options.resume.resume === "Range" ? byRange : byEventId;
	return {
		problems,
		plan: {
			limits: {
				firstByte,
				idle,
				total
			},
			describe: [
				`ends within ${format(total)}, its consumer's time included; silent for ${format(idle)} at most`,
				...why,
				end === void 0 ? "complete where its protocol says so" : ends[end._tag],
				options.resume === void 0 ? "cut after its first element, it fails as truncated" : `cut, it goes on by ${options.resume.resume}; attempts are counted anew after each element`
			]
		},
		reading: {
			body: bodyOf$2(schema),
			end,
			resumer
		}
	};
};

// dist/http/Answer.js
/**
* The types of the problem documents (RFC 9457) that breakwater's receiver answers with, and that its client recognises.
*
* | type                 | status  | what it says                                           | what a client does                        |
* |----------------------|---------|--------------------------------------------------------|-------------------------------------------|
* | `keyMissing`         | 400     | nothing was done: this request needs a key             | send one; a bug of the client             |
* | `keyInvalid`         | 400     | nothing was done: the key is none, or there are two    | send 1 to 255 visible ASCII characters    |
* | `inProgress`         | 409     | another request with this key is at work               | repeat after `Retry-After`, same key      |
* | `outcomeUnknown`     | 409     | an earlier run may have done it; a person decides      | don't repeat; reconcile                   |
* | `responseNotStored`  | 409,303 | it was done; the answer was not kept                   | read the result (303: at `Location`)      |
* | `requestTooLarge`    | 413     | nothing was done: the request can't be fingerprinted   | send less, or without a key if allowed    |
* | `keyReused`          | 422     | nothing was done: the key stands for another request   | fix the bug; never mint a new key for it  |
* | `notProcessed`       | 503     | nothing was done: the records can't be reached         | repeat after `Retry-After`, same key      |
* | `unavailable`        | 503     | it may have been done; the records can't be reached    | repeat after `Retry-After`, same key      |
*
* @category constants
* @since 0.1.0
*/
const problems$1 = {
	keyMissing: "urn:breakwater:problem:key-missing",
	keyInvalid: "urn:breakwater:problem:key-invalid",
	inProgress: "urn:breakwater:problem:in-progress",
	outcomeUnknown: "urn:breakwater:problem:outcome-unknown",
	responseNotStored: "urn:breakwater:problem:response-not-stored",
	requestTooLarge: "urn:breakwater:problem:request-too-large",
	keyReused: "urn:breakwater:problem:key-reused",
	notProcessed: "urn:breakwater:problem:not-processed",
	unavailable: "urn:breakwater:problem:unavailable"
};
/**
* What a status says before the body is read. `declared` answers are read the same way: the outcome follows the status,
* the reason says what could be read.
*/
const ofStatus = (status, mutation, details) => {
	const answered = (message, more) => ({
		...details,
		status,
		message,
		...more
	});
	if (status >= 200 && status < 300) return make$4("BodyLost", answered(`status ${status}, but its body was lost`, { outcome: afterSuccess(status) }));
	switch (status) {
		case 408: return make$4("Unavailable", answered("status 408: the provider gave up waiting for the request"));
		case 409: return make$4("Rejected", answered("status 409: a conflict", { outcome: "Unknown" }));
		case 412: return make$4("PreconditionFailed", answered("status 412: the precondition failed"));
		case 421:
		case 425: return make$4("NotProcessed", answered(`status ${status}: not processed`));
		case 429: return make$4("Throttled", answered("status 429: too many requests"));
		case 501:
		case 505: return make$4("Rejected", answered(`status ${status}: not supported by the provider`, {
			outcome: "Unknown",
			health: "failure"
		}));
	}
	if (status >= 500) return make$4("Unavailable", answered(`status ${status}`));
	if (status >= 400) return make$4("Rejected", answered(`status ${status}`));
	const redirected = mutation && status === 303 ? "Applied" : status === 307 || status === 308 ? "Refused" : "Unknown";
	return make$4("Rejected", answered(`status ${status}: a redirect that was not followed`, { outcome: redirected }));
};
/** 202 promises to try, so nothing is known to have happened. */
const afterSuccess = (status) => status === 202 ? "Unknown" : "Applied";
/**
* Statuses that say nothing about an earlier attempt with the same key: they are not stored under it. A 412 may be the
* answer to what that attempt did.
*/
const silent = /* @__PURE__ */ new Set([
	401,
	403,
	404,
	408,
	409,
	412,
	421,
	425,
	429
]);
/** Whether a declared error settles what earlier attempts with the same key did. */
const resolves = (status) => status >= 400 && status < 500 && !silent.has(status);
/** The reason that a problem document of breakwater's receiver gives, if it is one. */
const ofProblem = (type, details) => {
	switch (type) {
		case problems$1.inProgress: return make$4("InProgress", details);
		case problems$1.keyReused: return make$4("KeyConflict", details);
		case problems$1.outcomeUnknown: return make$4("OutcomeHeld", details);
		case problems$1.responseNotStored: return make$4("ResponseNotStored", details);
		case problems$1.notProcessed: return make$4("NotProcessed", details);
		case problems$1.unavailable: return make$4("Unavailable", details);
		case problems$1.keyMissing:
		case problems$1.keyInvalid:
		case problems$1.requestTooLarge: return make$4("Rejected", details);
	}
};
/** What a transport error means. */
const ofTransport = (error) => {
	const { reason, ...details } = fromConnection(error);
	return make$4(reason, details);
};

// dist/http/HttpTarget.js
/**
* Where an integration's HTTP operations are sent, and how.
*
* @since 0.1.0
*/
/**
* The settings of one integration's transport. Provided by `HttpIntegration.layer`.
*
* @category services
* @since 0.1.0
*/
var HttpTarget = class extends Context.Service()("breakwater/http/HttpTarget") {};

// dist/http/internal/collect.js
/** What a body is said to be that is larger than it may be. */
const tooLarge$2 = "too large";
const TypeId$1 = "~breakwater/http/Collect";
/** Whether a value is of a client that collects. The symbol is ours, so who has it has the method. */
const isCollect = (u) => Predicate.hasProperty(u, TypeId$1);
const collectorOf = (response) => isCollect(response) ? (limit) => response[TypeId$1](limit) : void 0;

// dist/http/internal/body.js
/** The media type of an answer, without its parameters. */
const mediaTypeOf = (headers) => headers["content-type"]?.split(";", 1)[0]?.trim().toLowerCase() ?? "";
/** Whether a success is the stream that was asked for. Bytes may be of any type, but for an error that is told as JSON. */
const holdsStream = ({ body }, mediaType) => body.mediaTypes.has(mediaType) || body.kind === "uint8array" && !isJson(mediaType);
/** Reads a body to its end, or to the limit. A known length is read in one piece. */
const readBody$1 = (response, limit) => {
	const collect = collectorOf(response);
	if (collect !== void 0) return collect(limit);
	const bodiless = response.request.method === "HEAD" || response.status === 204 || response.status === 304;
	const length = bodiless ? 0 : Number(response.headers["content-length"] ?? NaN);
	if (length > limit) return Effect.andThen(abandon(response), Effect.fail(tooLarge$2));
	if (bodiless || length >= 0 && response.headers["content-encoding"] === void 0) return Effect.map(response.arrayBuffer, (buffer) => new Uint8Array(buffer));
	return Effect.suspend(() => {
		const chunks = [];
		let size = 0;
		return Effect.map(Effect.catch(Stream.runForEach(response.stream, (chunk) => {
			size += chunk.length;
			if (size > limit) return Effect.fail(tooLarge$2);
			chunks.push(chunk);
			return Effect.void;
		}), (error) => HttpClientError.isHttpClientError(error) && error.reason._tag === "EmptyBodyError" ? Effect.void : Effect.fail(error)), () => {
			const body = new Uint8Array(size);
			let offset = 0;
			for (const chunk of chunks) {
				body.set(chunk, offset);
				offset += chunk.length;
			}
			return body;
		});
	});
};
/** Closes the connection of an answer that nobody reads: Effect does so when the reading of its body is interrupted. */
const abandon = (response) => Effect.flatMap(Effect.forkChild(response.arrayBuffer, { startImmediately: true }), Fiber.interrupt);
/** The bytes as a buffer of their own length. */
const toArrayBuffer = (bytes) => bytes.byteLength === bytes.buffer.byteLength ? bytes.buffer : bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
const decodeJson = Schema.decodeUnknownExit(Schema.fromJsonString(Schema.Unknown));
const text$2 = new TextDecoder();
/** AWS names the version of its protocol in the media type. */
const isJson = (mediaType) => /^application\/(?:(?:.+\+)?json|x-amz-json-\d+\.\d+)$/.test(mediaType);
/** A body as `classify` sees it. */
const parse = (mediaType, body) => {
	const decoded = text$2.decode(body);
	if (!isJson(mediaType)) return decoded;
	const exit = decodeJson(decoded);
	return exit._tag === "Success" ? exit.value : decoded;
};

// dist/http/internal/deadlineHeader.js
/** gRPC has a header and a form of its own; all others are milliseconds. */
const deadlineFormat = (header) => header.toLowerCase() === "grpc-timeout" ? "grpc" : "millis";
const units = {
	n: 1e-6,
	u: .001,
	m: 1,
	S: 1e3,
	M: 6e4,
	H: 36e5
};
/** Rounded down: the other side must not think that it has more time than there is. */
const writeTimeout = (format, millis) => {
	const left = Math.max(0, Math.floor(millis));
	if (format === "millis") return String(left);
	if (left < 1e8) return `${left}m`;
	const seconds = Math.floor(left / 1e3);
	return seconds < 1e8 ? `${seconds}S` : "99999999S";
};
const parseTimeout = (format, text) => {
	if (format === "millis") return /^\d{1,12}$/.test(text) ? Number(text) : void 0;
	const [, digits, unit] = /^(\d{1,8})([numSMH])$/.exec(text) ?? [];
	return digits === void 0 ? void 0 : Number(digits) * units[unit];
};

// dist/http/internal/placement.js
const fromJson$1 = Schema.decodeUnknownExit(Schema.fromJsonString(Schema.Unknown));
const text$1 = new TextDecoder();
/** Puts a key where the provider reads it, or says why it can't. */
const placeKey = (request, placement, key) => {
	if (placement._tag === "Header") return HttpClientRequest.setHeader(request, placement.name, placement.quoted ? `"${key.replace(/["\\]/g, "\\$&")}"` : key);
	const path = placement._tag === "BodyField" ? placement.path : ["variables", placement.variable];
	const where = path.join(".");
	const body = request.body;
	if (body._tag !== "Uint8Array") return `the key belongs into the body's ${where}, but there is no JSON body`;
	const parsed = fromJson$1(text$1.decode(body.body));
	if (Exit.isFailure(parsed) || !isObject$1(parsed.value)) return `the key belongs into the body's ${where}, but the body is no JSON object`;
	let at = parsed.value;
	for (const name of path.slice(0, -1)) {
		const next = at[name] ?? (at[name] = {});
		if (!isObject$1(next)) return `the key belongs into the body's ${where}, but ${name} is no object`;
		at = next;
	}
	at[path.at(-1)] = key;
	return HttpClientRequest.setBody(request, HttpBody.text(JSON.stringify(parsed.value), body.contentType));
};
/** Puts the condition of a change into its header, or says why what should stand there is none. */
const placeCondition = (request, sends, input) => {
	if (sends.header === void 0) return request;
	if (sends.header === "if-none-match") return HttpClientRequest.setHeader(request, sends.header, "*");
	const etag = sends.etag(input);
	return tagProblem(etag, sends.weak) ?? HttpClientRequest.setHeader(request, sends.header, String(etag));
};
/** What is wrong with an entity tag under `If-Match` (RFC 9110, 8.8.3). It never quotes the tag: no message has a header. */
const tagProblem = (etag, weak) => {
	if (typeof etag !== "string" || etag === "") return "the entity tag is empty: was the ETag read?";
	if (etag === "*") return "the entity tag is *, which every version matches: a repeat would be a second change";
	const isWeak = etag.startsWith("W/");
	const opaque = isWeak ? etag.slice(2) : etag;
	if (/^"[\x21\x23-\x7e\x80-\xff]*"$/.test(opaque)) return isWeak && !weak ? "the entity tag is weak (W/\"…\"), and under If-Match a weak one never matches (RFC 9110, 13.1.1): if the provider is known to compare it, say weak: \"send\"" : void 0;
	return /^"[^"]*"\s*,/.test(opaque) ? "there are several entity tags: a change is made to one version" : "the entity tag is not in double quotes, or has other characters than a tag may have: give the ETag as it was read, \"abc\" and not abc";
};
const isObject$1 = (u) => typeof u === "object" && u !== null && !Array.isArray(u);

// dist/http/internal/source.js
/** What clients are told of a body that failed. Why it did is the caller's, and goes past them. */
var Broken = class extends Error {
	name = "SourceFailed";
};
/** The bodies that can be sent once only and were asked for. */
const taken = /* @__PURE__ */ new WeakSet();
const lengthProblem = (length, bytes, ended) => bytes > length ? `the body has more than the ${length} bytes that it was said to have` : ended && bytes < length ? `the body has ${bytes} of the ${length} bytes that it was said to have` : void 0;
/** One body being read. */
var Source = class {
	/** Why it failed by itself, if it did. */
	failed;
	length;
	read;
	bytes = 0;
	handed = false;
	opened = false;
	stopped = false;
	reading;
	constructor(read, length) {
		this.read = read;
		this.length = length;
	}
	fail(message, cause) {
		this.failed ??= make$4("SourceFailed", {
			message,
			cause,
			outcome: this.handed ? "Unknown" : "NotSent"
		});
		return Effect.fail(new Broken("the body could not be made"));
	}
	/**
	* The next pieces. They are read by a fiber of their own, so that the end of the attempt ends it, whoever of the client's
	* fibers asked for them.
	*/
	next = Effect.suspend(() => {
		if (this.stopped) return Effect.interrupt;
		return Effect.flatMap(Effect.forkDetach(this.read, { startImmediately: true }), (reading) => {
			this.reading = reading;
			return Effect.flatMap(Effect.onInterrupt(Fiber.await(reading), () => Fiber.interrupt(reading)), (exit) => Exit.isSuccess(exit) ? this.taken(exit.value) : this.ended(exit.cause));
		});
	});
	taken(pieces) {
		for (const piece of pieces) this.bytes += piece.length;
		const problem = this.length === void 0 ? void 0 : lengthProblem(this.length, this.bytes, false);
		return problem === void 0 ? Effect.succeed(pieces) : this.fail(problem);
	}
	ended(cause) {
		if (this.stopped) return Effect.interrupt;
		if (Pull.isDoneCause(cause)) {
			const problem = this.length === void 0 ? void 0 : lengthProblem(this.length, this.bytes, true);
			return problem === void 0 ? Cause.done() : this.fail(problem);
		}
		const error = Cause.squash(cause);
		return this.fail(Schema.isSchemaError(error) ? `an element of the body can't be encoded: ${describeIssue(error)}` : "the body could not be made: its stream failed", error);
	}
	/** The body for the client, with the pieces that were read before it was asked. */
	stream(first) {
		this.handed = true;
		return Stream.fromPull(Effect.suspend(() => {
			if (this.opened) return this.fail("the client asked for the body a second time");
			this.opened = true;
			let head = first;
			return Effect.succeed(Effect.suspend(() => {
				if (head === void 0) return first === void 0 ? Cause.done() : this.next;
				const pieces = head;
				head = void 0;
				return Effect.succeed(pieces);
			}));
		}));
	}
	get stop() {
		return Effect.suspend(() => {
			this.stopped = true;
			return this.reading === void 0 ? Effect.void : Fiber.interrupt(this.reading);
		});
	}
};
/**
* Makes one attempt with a body of its own. Its first piece is taken before anything is sent: if there is none to be had, it
* certainly did not happen. However the attempt ends, the stream has ended, and what it acquired is released.
*/
const withSource = (request, upload, context, attempt) => Effect.suspend(() => {
	const { body } = request;
	if (body._tag !== "Stream") return attempt(request);
	if (kindOf(upload) === "once") {
		if (taken.has(upload)) return Effect.fail(make$4("SourceFailed", { message: "this body can be sent once only, and was sent before" }));
		taken.add(upload);
	}
	const scope = Scope.makeUnsafe();
	let source;
	const exchange = Effect.flatMap(Effect.provideService(Stream.toPull(body.stream), Scope.Scope, scope), (read) => {
		const opened = new Source(Effect.provideContext(read, context), upload.contentLength);
		source = opened;
		return Effect.matchCauseEffect(Effect.flatMap(Pull.catchDone(opened.next, () => Effect.succeed(void 0)), (first) => attempt(HttpClientRequest.setBody(request, HttpBody.stream(opened.stream(first), body.contentType, upload.contentLength)))), {
			onSuccess: (value) => opened.failed === void 0 ? Effect.succeed(value) : Effect.fail(opened.failed),
			onFailure: (cause) => Effect.failCause(Cause.map(cause, (error) => error instanceof Broken || opened.failed !== void 0 && !isAnswer(error) ? opened.failed : error))
		});
	});
	return Effect.onExit(exchange, (exit) => Effect.andThen(Effect.suspend(() => source?.stop ?? Effect.void), Scope.close(scope, exit)));
});
const isAnswer = ({ status }) => status !== void 0 && (status < 200 || status >= 300);

// dist/http/internal/streamRead.js
/** That the mark of the end was read. */
const finished = new Broken$1("finished", false);
/** Why a stream that is cut now failed. Before its first element it is a lost body like any other. */
const cutNow = (call, resumer, details, why, more) => {
	const stream = call.stream;
	const after = why === void 0 ? "" : `: ${why}`;
	return stream.elements === 0 ? make$4("BodyLost", {
		...details,
		message: `status ${details.status}, but its stream was cut before its first element${after}`,
		outcome: "Unknown",
		...more
	}) : make$4("Truncated", {
		...details,
		message: `${cutAt(stream)}${after}`,
		transient: resumer?.can(stream) === true,
		...more
	});
};
/** The bytes, counted and timed. Their end is an end only if the protocol says that it is. */
const timed = (response, stream, alarm, fiber) => {
	const { headers } = response;
	const length = headers["content-encoding"] === void 0 ? Number(headers["content-length"] ?? NaN) : NaN;
	const untold = headers["content-length"] === void 0 && headers["transfer-encoding"] === void 0 && headers.connection?.toLowerCase() === "close";
	let received = 0;
	const read = (chunks) => {
		const now = nowOf(fiber);
		for (const chunk of chunks) received += chunk.length;
		stream.bytes += chunks.reduce((sum, chunk) => sum + chunk.length, 0);
		stream.firstByteAt ??= now;
		stream.answers(now);
		return chunks;
	};
	return Stream.transformPull(response.stream, (pull) => {
		const next = Pull.matchEffect(pull, {
			onSuccess: (chunks) => Effect.succeed(read(chunks)),
			onFailure: (cause) => {
				const error = Cause.findErrorOption(cause);
				return error._tag === "Some" && HttpClientError.isHttpClientError(error.value) && error.value.reason._tag === "EmptyBodyError" ? Cause.done() : Effect.failCause(cause);
			},
			onDone: () => received < length ? Effect.fail(new Broken$1(`${received} of ${length} bytes came`, true)) : untold ? Effect.fail(new Broken$1("the connection was closed, and nothing says that it was complete", true)) : Cause.done()
		});
		return Effect.succeed(Effect.suspend(() => {
			const now = nowOf(fiber);
			if (stream.answeredAt !== void 0) alarm.set(now + stream.idle, now);
			return Effect.onExit(next, () => {
				alarm.set(Infinity, nowOf(fiber));
				return Effect.void;
			});
		}));
	});
};
/** Reads an answer to its end, handing over each element when it was asked for. */
const read$2 = ({ body, end, resumer }, response, call, details, limit) => Effect.withFiber((fiber) => {
	const stream = call.stream;
	const alarm = new Alarm();
	let retry;
	const lost = (why, more) => {
		stream.stall(nowOf(fiber));
		return cutNow(call, resumer, details, why, {
			...retry === void 0 || stream.elements === 0 ? {} : { retryAfter: Duration.millis(retry) },
			...more
		});
	};
	const pend = () => {
		call.pending = cutNow(call, resumer, details, void 0);
	};
	pend();
	if (stream.boundToStatus) stream.answers(nowOf(fiber));
	const wrong = (error) => {
		const number = stream.elements + 1;
		if (error instanceof Told) {
			const declared = Cause.findErrorOption(error.cause);
			return declared._tag === "None" ? lost("the provider says that it died", { transient: false }) : make$4("Declared", {
				...details,
				message: `element ${number} is a declared error`,
				error: declared.value,
				outcome: "Unknown"
			});
		}
		return make$4("InvalidResponse", {
			...details,
			message: `element ${number}: ${Schema.isSchemaError(error) ? describeIssue(error) : "it could not be decoded"}`,
			outcome: "Unknown"
		});
	};
	/** The elements among some pieces, and what ends the stream after them. */
	const take = (raws) => Effect.gen(function* () {
		const elements = [];
		const taken = [];
		let stop;
		for (const raw of raws) {
			const isNew = resumer === void 0 ? true : resumer.isNew(stream, raw);
			if (isNew === false) continue;
			if (isNew !== true) {
				stop = () => lost(isNew, { transient: false });
				break;
			}
			if (end?._tag === "Marker" && end.test(raw)) {
				stop = finished;
				break;
			}
			let element = raw;
			if (body.decode !== void 0) {
				const exit = yield* Effect.exit(body.decode(raw));
				if (Exit.isFailure(exit)) {
					const error = Cause.findErrorOption(exit.cause);
					if (error._tag === "None") return yield* Effect.failCause(exit.cause);
					stop = () => wrong(error.value);
					break;
				}
				element = exit.value;
			}
			elements.push(element);
			taken.push(raw);
			if (end?._tag === "LastElement" && end.test(element)) {
				stop = finished;
				break;
			}
		}
		yield* hand(elements, taken);
		if (stop !== void 0) return yield* Effect.fail(typeof stop === "function" ? stop() : stop);
		if (elements.length > 0) yield* stream.handoff.demand;
	});
	const hand = (elements, taken) => elements.length === 0 ? Effect.void : Effect.map(stream.handoff.demand, () => {
		if (resumer !== void 0) for (const raw of taken) resumer.delivered(stream, raw);
		stream.offer(elements, nowOf(fiber));
		pend();
	});
	const ended = () => end === void 0 ? Effect.void : Effect.fail(lost(end._tag === "Endless" ? "the provider ended it" : "it ended without the mark of its end"));
	const pieces = body.split(timed(response, stream, alarm, fiber), limit, (millis) => {
		retry = millis;
	});
	const reading = Effect.matchCauseEffect(Stream.runForEachArray(pieces, take), {
		onSuccess: ended,
		onFailure: (cause) => {
			const error = Cause.findErrorOption(cause);
			if (error._tag === "None") return Effect.failCause(cause);
			if (error.value === finished) return Effect.void;
			if (error.value instanceof Broken$1) return Effect.fail(error.value.cut ? lost(error.value.message) : make$4("InvalidResponse", {
				...details,
				message: `element ${stream.elements + 1}: ${error.value.message}`,
				outcome: "Unknown"
			}));
			return HttpClientError.isHttpClientError(error.value) ? Effect.fail(lost("the connection was lost", { cause: error.value })) : Effect.fail(error.value);
		}
	});
	return cutBy(reading, alarm, nowOf(fiber), () => Effect.fail(lost(`nothing came for ${format(stream.idle)}`)));
});
/** What was asked for is no more to be had. */
const notResumed = (call, details, why) => cutNow(call, void 0, details, why);

// dist/http/internal/transport.js
/** Opens the way to a provider over HTTP. */
const openHttp = (site, reflected, idempotency, options) => Effect.gen(function* () {
	const client = yield* HttpClient.HttpClient;
	const target = yield* HttpTarget;
	const built = yield* Effect.context();
	const services = servicesOf(built);
	const mutation = idempotency.repeat !== "Safe";
	const limit = options.maxBodySize ?? target.maxBodySize;
	const levels = [
		options,
		site,
		target,
		{
			classify: options.classifyLast,
			classifyErrors: void 0
		}
	];
	const ofAny = levels.map(({ classify }) => classify).filter((classify) => classify !== void 0);
	const ofErrors = levels.flatMap(({ classify, classifyErrors }) => [classifyErrors, classify]).filter((classify) => classify !== void 0);
	const { reading } = options;
	const looksAtBody = ofAny.length > 0 || reflected.decodeErrorIn2xx.size > 0;
	const disabled = HttpClient.TracerDisabledWhen;
	const contextOf = (fiber) => {
		const context = Context.add(withServices(fiber.context, services), disabled, () => true);
		const init = Context.getOrUndefined(context, FetchHttpClient.RequestInit);
		return Context.add(context, FetchHttpClient.RequestInit, {
			...init,
			redirect: "manual"
		});
	};
	const execute = (request) => {
		const header = unsendable(request);
		return header === void 0 ? client.execute(request) : Effect.fail(new Unsendable(header));
	};
	const middleware = reflected.middleware.map((key) => built.mapUnsafe.get(key)).filter((found) => found !== void 0);
	const through = (last) => middleware.reduce((next, own) => (request) => own({
		endpoint: reflected.endpoint,
		group: reflected.group,
		request,
		next
	}), last);
	const throughMiddleware = through(execute);
	const exchange = ({ request, sign }) => sign === void 0 ? throughMiddleware(request) : through((request) => Effect.flatMap(sign(request), execute))(request);
	const send = (request, upload) => (call) => Effect.withFiber((fiber) => {
		const context = contextOf(fiber);
		const resends = upload === void 0 || kindOf(upload) === "replayable";
		const located = HttpClientRequest.prependUrl(request, target.baseUrl);
		const mayRenew = !call.everReauthenticated;
		const once = (again) => Effect.flatMap(Effect.mapError(target.authorize(decorate(located, call, fiber)), reasonOf), (authorized) => {
			const sent = (request) => Effect.suspend(() => {
				if (again) call.sentAgain(nowOf(fiber));
				else call.sent(nowOf(fiber));
				return Effect.matchCauseEffect(exchange({
					...authorized,
					request
				}), {
					onFailure: (cause) => Effect.failCause(Cause.map(cause, (error) => ofError(error, call))),
					onSuccess: (response) => receive(response, call, fiber)
				});
			});
			const answered = upload === void 0 ? sent(authorized.request) : withSource(authorized.request, upload, context, sent);
			return again || !mayRenew || authorized.renew === void 0 ? answered : Effect.catch(answered, (reason) => isRefusal(reason, authorized) ? renewed(reason, authorized.renew, call, resends ? once : void 0) : Effect.fail(reason));
		});
		return Effect.provideContext(once(false), context);
	});
	const decorate = (request, call, fiber) => {
		if (target.headers !== void 0) request = HttpClientRequest.setHeaders(request, Headers.merge(target.headers, request.headers));
		if (target.correlationHeader !== void 0) request = HttpClientRequest.setHeader(request, target.correlationHeader, call.correlationId);
		if (target.deadlineHeader !== void 0 && call.attemptEndsBy !== Infinity) {
			const left = writeTimeout(deadlineFormat(target.deadlineHeader), call.attemptEndsBy - nowOf(fiber));
			request = HttpClientRequest.setHeader(request, target.deadlineHeader, left);
		}
		if (reading !== void 0) request = streaming(request, reading, call);
		const span = fiber.cache.span;
		if (target.propagate === "w3c" && span !== void 0 && span.traceId !== "noop") request = HttpClientRequest.setHeader(request, "traceparent", `00-${span.traceId}-${span.spanId}-${span.sampled ? "01" : "00"}`);
		return request;
	};
	/** What a request for a stream asks for, beside what it says. */
	const streaming = (request, { body, resumer }, call) => {
		const asked = body.kind === "uint8array" || request.headers["accept"] !== void 0 ? request : HttpClientRequest.setHeader(request, "accept", [...body.mediaTypes].join(", "));
		return resumer === void 0 ? asked : HttpClientRequest.setHeaders(asked, resumer.headers(call.stream));
	};
	/** Errors before an answer: the network's, or those that client middleware declares. */
	const ofError = (error, call) => {
		if (error instanceof Unsendable) return make$4("InvalidInput", { message: `the header ${error.header} has characters that no header can carry` });
		if (!HttpClientError.isHttpClientError(error)) return make$4("Failed", {
			message: "client middleware failed",
			error,
			cause: error
		});
		switch (error.reason._tag) {
			case "TransportError": return ofTransport(error.reason.cause);
			case "EncodeError":
			case "InvalidUrlError": return make$4("InvalidInput", { message: `the request can't be sent: ${error.reason._tag}` });
		}
		return call.pending ?? make$4("Failed", { message: "the answer could not be read" });
	};
	const receive = (response, call, fiber) => {
		const { headers, status } = response;
		const requestId = target.requestIdHeaders.map((name) => headers[name]).find((value) => value !== void 0);
		const replayed = headers[target.replayHeader]?.toLowerCase() === "true";
		const pending = ofStatus(status, mutation, {
			retryAfter: retryAfter(headers["retry-after"], nowOf(fiber)),
			requestId,
			replayed
		});
		call.phase = "answered";
		call.status = status;
		call.requestId = requestId;
		if (call.learns) call.limit = limitOf(headers, nowOf(fiber));
		call.pending = (looksAtBody || reading !== void 0) && status >= 200 && status < 300 ? {
			...pending,
			outcome: "Unknown"
		} : pending;
		if (reading !== void 0) {
			const streamed = receiveStream(reading, response, call, {
				status,
				requestId,
				replayed: pending.replayed,
				retryAfter: pending.retryAfter
			});
			if (streamed !== void 0) return streamed;
		}
		return Effect.matchCauseEffect(readBody$1(response, limit), {
			onFailure: (cause) => Cause.hasInterruptsOnly(cause) ? Effect.failCause(cause) : Effect.fail(lost(call.pending, cause)),
			onSuccess: (body) => judge(response, body, call)
		});
	};
	/** Reads an answer that is a stream. `undefined` for any other: an error, or a success that says something else. */
	const receiveStream = (reading, response, call, details) => {
		const opened = reading.resumer?.opened(call.stream, response);
		switch (opened?._tag) {
			case "Complete": return Effect.asVoid(abandon(response));
			case "Lost": return Effect.andThen(abandon(response), Effect.suspend(() => Effect.fail(notResumed(call, details, opened.why))));
		}
		const { headers, status } = response;
		if (status < 200 || status >= 300 || !holdsStream(reading, mediaTypeOf(headers))) return void 0;
		return read$2(reading, response, call, details, limit);
	};
	const lost = (pending, cause) => {
		const error = Cause.squash(cause);
		const why = error === "too large" ? `larger than ${limit} bytes` : "cut";
		return pending._tag === "BodyLost" ? {
			...pending,
			message: `status ${pending.status}, but its body was ${why}`,
			cause: error === "too large" ? void 0 : error
		} : {
			...pending,
			message: `${pending.message} (its body was ${why})`
		};
	};
	/** Status first; then what `classify` or a problem document says; then the body against its schema. */
	const judge = (response, body, call) => {
		const pending = call.pending;
		const { headers, status } = response;
		const success = status >= 200 && status < 300;
		const details = {
			status,
			retryAfter: pending.retryAfter,
			requestId: pending.requestId,
			replayed: pending.replayed
		};
		const answered = success ? `status ${status}` : pending.message;
		const mediaType = mediaTypeOf(headers);
		const classifiers = success ? ofAny : ofErrors;
		if (classifiers.length > 0) {
			const parsed = parse(mediaType, body);
			let told;
			for (const classify of classifiers) {
				const verdict = classify(status, headers, parsed);
				if (verdict === void 0) continue;
				if (verdict.limit !== void 0) {
					told = {
						...verdict.limit,
						...told
					};
					call.tell(told);
				}
				if (verdict.reason === "Answered") continue;
				return Effect.fail(make$4(verdict.reason, {
					message: `${answered}, classified`,
					...details,
					...verdict
				}));
			}
		}
		if (!success && mediaType === "application/problem+json") {
			const parsed = parse(mediaType, body);
			const type = typeof parsed === "object" && parsed !== null && "type" in parsed ? parsed.type : void 0;
			const known = ofProblem(type, details);
			if (known !== void 0) return Effect.fail(known);
		}
		const buffered = {
			status,
			headers,
			request: response.request,
			arrayBuffer: Effect.succeed(toArrayBuffer(body))
		};
		const declared = (error) => make$4("Declared", {
			...details,
			message: `${answered}: the declared ${tagOf(error)}`,
			error,
			...success ? {} : {
				outcome: pending.outcome,
				transient: pending.transient,
				health: pending.health
			},
			resolves: resolves(status)
		});
		const decoded = Effect.suspend(() => reflected.decode(buffered));
		if (!success) return reflected.declaredErrors.has(status) ? Effect.catch(decoded, (error) => Effect.fail(isOfDecoder(error) ? {
			...pending,
			message: `${answered}, and its body does not match the declared error`
		} : declared(error))) : Effect.fail({
			...pending,
			message: `${answered}, not declared`
		});
		const succeeded = reading !== void 0 ? Effect.fail(make$4("InvalidResponse", {
			...details,
			message: `status ${status} is no stream: ${mediaType === "" ? "it has no media type" : mediaType}`,
			outcome: "Unknown",
			health: "failure"
		})) : reflected.declaredSuccesses.has(status) ? Effect.catch(decoded, (error) => Effect.fail(undecodable(error, status, mediaType, details))) : Effect.fail(make$4("InvalidResponse", {
			...details,
			message: `status ${status} is not declared`,
			outcome: looksAtBody ? "Unknown" : afterSuccess(status)
		}));
		const decodeError = reflected.decodeErrorIn2xx.get(status);
		return decodeError === void 0 ? succeeded : Effect.catch(decodeError(buffered), (error) => isOfDecoder(error) ? succeeded : Effect.fail(declared(error)));
	};
	const undecodable = (error, status, mediaType, details) => {
		const expected = reflected.declaredSuccesses.get(status);
		const wrongMedia = HttpClientError.isHttpClientError(error) || mediaType !== "" && expected?.has(mediaType) !== true && !(isJson(mediaType) && expected?.has("application/json") === true);
		return make$4("InvalidResponse", {
			...details,
			message: wrongMedia ? `status ${status} with an unexpected media type: ${mediaType === "" ? "none" : mediaType}` : Schema.isSchemaError(error) ? `status ${status}: ${describeIssue(error)}` : `status ${status}: the body could not be decoded`,
			outcome: wrongMedia || looksAtBody ? "Unknown" : afterSuccess(status),
			health: wrongMedia ? "failure" : "success"
		});
	};
	const preparedOf = (request, upload) => {
		let final = request;
		return {
			request: () => saveRequest(request),
			place: (key) => {
				if (idempotency.strategy._tag !== "Keyed") return void 0;
				const placed = placeKey(final, idempotency.strategy.placement, key);
				if (typeof placed === "string") return make$4("InvalidInput", { message: placed });
				final = placed;
			},
			send: (call) => send(final, upload)(call)
		};
	};
	const url = new URL(target.baseUrl);
	return {
		keep: makeKeep({
			...reflected.schemas,
			services,
			restore: (request) => Effect.map(loadRequest(request), (request) => preparedOf(request))
		}),
		server: {
			address: url.hostname,
			port: url.port === "" ? url.protocol === "https:" ? 443 : 80 : Number(url.port)
		},
		prepare: (input) => Effect.withFiber((fiber) => {
			const upload = options.upload === void 0 ? void 0 : uploadOf(input, options.upload);
			if (typeof upload === "string") return Effect.fail(make$4("InvalidInput", { message: upload }));
			return Effect.flatMap(Effect.mapError(Effect.provideContext(reflected.encode(input), withServices(fiber.context, services)), (error) => make$4("InvalidInput", {
				message: Schema.isSchemaError(error) ? describeIssue(error) : "the input can't be encoded",
				cause: error
			})), (request) => {
				const { strategy } = idempotency;
				if (strategy._tag !== "Conditional") return Effect.succeed(preparedOf(request, upload));
				const placed = placeCondition(request, strategy.sends, input);
				return typeof placed === "string" ? Effect.fail(make$4("InvalidInput", { message: placed })) : Effect.succeed(preparedOf(placed, upload));
			});
		})
	};
});
const unsendable = ({ headers }) => {
	for (const name in headers) if (/[^\t\x20-\x7e\x80-\xff]/.test(headers[name])) return name;
};
var Unsendable = class {
	header;
	constructor(header) {
		this.header = header;
	}
};
/** The body of an upload, or why there is none. The types ask for it; not everybody compiles. */
const uploadOf = (input, kind) => {
	const payload = input?.payload;
	if (!isUpload(payload) || kindOf(payload) !== kind) return `the payload must be made by ${kind === "once" ? "Upload.once(stream)" : "Upload.replayable(() => stream)"}`;
	const length = payload.contentLength;
	return length === void 0 || Number.isSafeInteger(length) && length >= 0 ? payload : "the contentLength of a body is a number of bytes, 0 or more";
};
/** Whether an error says that a body could not be decoded, rather than what it said. */
const isOfDecoder = (error) => HttpClientError.isHttpClientError(error) || Schema.isSchemaError(error);
const tagOf = (error) => typeof error === "object" && error !== null && "_tag" in error ? String(error._tag) : "error";

// dist/http/internal/httpDefinition.js
const safe$1 = /* @__PURE__ */ new Set([
	"GET",
	"HEAD",
	"OPTIONS",
	"QUERY",
	"TRACE"
]);
const idempotent = /* @__PURE__ */ new Set(["PUT", "DELETE"]);
/** The same for an endpoint that answers with a stream. */
const defineStream = (api, group, name, options) => {
	const { plan, problems, reading } = streamOf$1(api, group, name, options);
	const definition = define(api, group, name, options, reading);
	return {
		...definition,
		stream: plan,
		problems: [...definition.problems, ...problems]
	};
};
/** What an endpoint and its options say, as data. */
const define = (api, group, name, options, reading, upload) => {
	const reflected = reflectEndpoint(api, group, name);
	const { method, path } = reflected;
	const idempotency = (upload === "once" ? onceOf(options.idempotency) : options.idempotency) ?? (safe$1.has(method) ? {
		repeat: "Safe",
		strategy: {
			_tag: "Safe",
			reason: `${method} (RFC 9110)`
		}
	} : idempotent.has(method) ? {
		repeat: "Idempotent",
		strategy: {
			_tag: "Inherent",
			reason: `${method} (RFC 9110)`
		}
	} : {
		repeat: "AtMostOnce",
		strategy: {
			_tag: "AtMostOnce",
			reason: "nobody has said how a repeat is made safe"
		}
	});
	return {
		name: `${group}.${name}`,
		repeat: idempotency.repeat,
		strategy: idempotency.strategy,
		policy: options.policy,
		exhausted: options.exhausted,
		orElse: options.orElse,
		translate: options.translate,
		about: {
			transport: "http",
			attemptName: `${method} ${path}`,
			http: {
				method,
				template: path
			}
		},
		problems: [
			...options.idempotency === void 0 && upload !== "once" && !safe$1.has(method) && !idempotent.has(method) ? [`a ${method} must say how a repeat is made safe: give idempotency`] : [],
			...options.maxBodySize !== void 0 && !(Number.isInteger(options.maxBodySize) && options.maxBodySize > 0) ? [`maxBodySize must be a positive integer of bytes, got ${options.maxBodySize}`] : [],
			...placementProblems(idempotency.strategy, method),
			...upload !== void 0 && idempotency.strategy._tag === "Keyed" && idempotency.strategy.placement._tag !== "Header" ? ["a streamed body can't carry the key: place it in a header"] : []
		],
		upload,
		open: (site) => openHttp(site, reflected, idempotency, {
			classify: options.classify,
			classifyErrors: options.classifyErrors,
			maxBodySize: options.maxBodySize,
			reading,
			upload
		})
	};
};
/** A body that can be sent once only: what makes a repeat safe is still sent along, for the provider. */
const onceOf = (given) => ({
	repeat: "AtMostOnce",
	strategy: given?.strategy ?? {
		_tag: "AtMostOnce",
		reason: "its body can be sent once only"
	}
});
const placementProblems = (strategy, method) => strategy._tag === "Keyed" && strategy.placement._tag !== "Header" && (safe$1.has(method) || method === "DELETE") ? [`a ${method} has no body that could carry the key: place it in a header`] : [];

// dist/http/HttpOperation.js
var HttpOperation_exports = /* @__PURE__ */ __exportAll({
	endpoint: () => endpoint,
	stream: () => stream,
	upload: () => upload
});
/**
* An endpoint of an `HttpApi` as an operation.
*
* **Details**
*
* The input is what the endpoint declares, the success what it answers, and `translate` covers the errors it declares:
* leaving one out does not compile, nor does a POST or PATCH without `idempotency`. A case gets the error and the call's
* input, so that the application's error can name what it is about. The request is encoded once, before the first
* attempt; client middleware and credentials are applied per attempt. The status is looked at before the body. Redirects
* are not followed.
*
* An error that the contract declares with a 2xx (`httpApiStatus: 200`, as with Slack and GraphQL) is looked for before the
* success of that status, and says that the call was refused. What else such an answer may mean is for `classify`, which
* goes first. A 2xx of that endpoint that can't be read is `Unknown`: it may have been an error.
*
* @category constructors
* @since 0.1.0
*/
const endpoint = (api, group, name, options = {}) => fromDefinition(define(api, group, name, options));
/**
* An endpoint that answers with a stream, as an operation: SSE, NDJSON or bytes. Its client method returns a `Stream`.
*
* **When to use**
*
* Use for completions, subscriptions, exports and downloads.
*
* **Details**
*
* Every run of the stream is one call, with one span and one `CallObserved`, from its first pull to its end: finished,
* failed, cut, or left by its consumer. So long it holds its permit. Before its first element it is retried like any call.
* Then it is not: a cut is a failure with the reason `Truncated`, through `orElse`, unless it can be resumed.
*
* It ends where its protocol says that it is complete, or with the mark given as `end`. Elements are read as fast as they
* are taken, and one that does not match its schema fails in its place.
*
* **Example** (A completion, token by token)
*
* ```ts
* import { Exhaustion, Idempotency, Integration, Policy, Streaming } from "breakwater"
* import { HttpIntegration, HttpOperation } from "breakwater/http"
* import { Data, Effect, Layer, Schema, Stream } from "effect"
* import { HttpClient, HttpClientResponse } from "effect/http"
* import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
*
* class OpenAiApi extends HttpApi.make("openai").add(
*   HttpApiGroup.make("chat").add(
*     HttpApiEndpoint.post("completions", "/v1/chat/completions", {
*       payload: Schema.Struct({ prompt: Schema.String }),
*       success: HttpApiSchema.StreamSse({ data: Schema.Struct({ text: Schema.String }) })
*     })
*   )
* ) {}
*
* class NoAnswer extends Data.TaggedError("NoAnswer")<{ readonly why: string }> {}
*
* class OpenAi extends Integration.Service<OpenAi>()(
*   "shop/OpenAi",
*   { policy: Policy.standard(), exhausted: Exhaustion.fail, orElse: ({ reason }) => new NoAnswer({ why: reason.message }) },
*   {
*     complete: HttpOperation.stream(OpenAiApi, "chat", "completions", {
*       idempotency: Idempotency.atMostOnce("a completion is paid for each time"),
*       limits: { firstByte: "20 seconds", idle: "15 seconds", total: "5 minutes" },
*       end: Streaming.marker(({ data }) => data === "[DONE]")
*     })
*   }
* ) {}
*
* const answer = 'data: {"text":"Hel"}\n\ndata: {"text":"lo"}\n\ndata: [DONE]\n\n'
* const provider = HttpClient.make((request) =>
*   Effect.succeed(
*     HttpClientResponse.fromWeb(request, new Response(answer, { headers: { "content-type": "text/event-stream" } }))
*   )
* )
* const OpenAiLive = HttpIntegration.layer(OpenAi, { baseUrl: "https://api.openai.com" }).pipe(
*   Layer.provide(Layer.succeed(HttpClient.HttpClient, provider))
* )
* const program = Effect.gen(function* () {
*   const openai = yield* OpenAi
*   return yield* openai.complete({ payload: { prompt: "Hi" } }).pipe(Stream.map(({ text }) => text), Stream.mkString)
* })
*
* await Effect.runPromise(Effect.provide(program, OpenAiLive)) // => "Hello"
* ```
*
* @category constructors
* @since 0.1.0
*/
const stream = (api, group, endpoint, options) => fromDefinition(defineStream(api, group, endpoint, options));
/**
* An endpoint whose payload is a stream, as an operation: an upload that says whether its body can be sent again.
*
* **When to use**
*
* Use for files, exports and recordings that should not stand in memory. What fits into memory is retried more simply as a
* `Uint8Array` or a form, by `endpoint`.
*
* **Details**
*
* `body: "replayable"` takes `Upload.replayable(() => stream)`: every attempt makes its own, as far as `idempotency` allows
* another. `body: "once"` takes `Upload.once(stream)`: it is sent once, whatever the method is. Such an operation is
* `AtMostOnce`, and a policy that retries does not compile.
*
* The first piece is taken before anything is sent. The attempt timeout covers the whole upload, and `maxBodySize` the answer
* only. A stream that fails by itself is `SourceFailed`, and none of the provider's failures.
*
* **Example** (A file, by a request that replaces)
*
* ```ts
* import { Exhaustion, Integration, Policy } from "breakwater"
* import { HttpIntegration, HttpOperation, Upload } from "breakwater/http"
* import { Data, Effect, Layer, Schema, Stream } from "effect"
* import { HttpClient, HttpClientResponse } from "effect/http"
* import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
*
* class StoreApi extends HttpApi.make("store").add(
*   HttpApiGroup.make("files").add(
*     HttpApiEndpoint.put("put", "/files/:name", {
*       params: { name: Schema.String },
*       payload: HttpApiSchema.StreamUint8Array(),
*       success: Schema.Struct({ size: Schema.Int })
*     })
*   )
* ) {}
*
* class NotUploaded extends Data.TaggedError("NotUploaded")<{ readonly why: string }> {}
*
* class Store extends Integration.Service<Store>()(
*   "shop/Store",
*   {
*     policy: Policy.standard({ attemptTimeout: "1 minute", totalDeadline: "5 minutes" }),
*     exhausted: Exhaustion.fail,
*     orElse: ({ reason }) => new NotUploaded({ why: reason.message })
*   },
*   {
*     put: HttpOperation.upload(StoreApi, "files", "put", { body: "replayable" }),
*     pass: HttpOperation.upload(StoreApi, "files", "put", {
*       body: "once",
*       policy: Policy.stack(Policy.standard(), Policy.retryNever("what comes in is passed on, and gone"))
*     })
*   }
* ) {}
*
* let requests = 0
* const provider = HttpClient.make((request) =>
*   Effect.map(
*     request.body._tag === "Stream" ? Stream.runFold(request.body.stream, () => 0, (sum, piece) => sum + piece.length) : Effect.succeed(0),
*     (size) => HttpClientResponse.fromWeb(request, Response.json({ size }, { status: ++requests === 1 ? 503 : 200 }))
*   ).pipe(Effect.orDie)
* )
* const StoreLive = HttpIntegration.layer(Store, { baseUrl: "https://store.example" }).pipe(
*   Layer.provide(Layer.succeed(HttpClient.HttpClient, provider))
* )
* const program = Effect.gen(function* () {
*   const store = yield* Store
*   const payload = Upload.replayable(() => Stream.succeed(new TextEncoder().encode("hello")))
*   return yield* store.put({ params: { name: "a.txt" }, payload })
* })
*
* await Effect.runPromise(Effect.provide(program, StoreLive)) // => { size: 5 }
* ```
*
* @category constructors
* @since 0.1.0
*/
const upload = (api, group, endpoint, options) => {
	const { body, ...rest } = options;
	return fromDefinition(define(api, group, endpoint, rest, void 0, body));
};

// dist/http/internal/tokenEndpoint.js
const Secret = Schema.RedactedFromValue(Schema.NonEmptyString);
const Answer = Schema.Struct({
	access_token: Secret,
	token_type: Schema.optionalKey(Schema.String.check(Schema.isPattern(/^bearer(token)?$/i))),
	expires_in: Schema.optionalKey(Schema.NullOr(Schema.Union([Schema.Number, Schema.NumberFromString]))),
	refresh_token: Schema.optionalKey(Schema.NullOr(Secret))
});
/** What RFC 6749 lets a token endpoint say, and RFC 6750 and 8628 add. Anything else might be anything. */
const codes$1 = /* @__PURE__ */ new Set([
	"invalid_request",
	"invalid_client",
	"invalid_grant",
	"unauthorized_client",
	"unsupported_grant_type",
	"invalid_scope",
	"invalid_target",
	"server_error",
	"temporarily_unavailable",
	"slow_down"
]);
const classifyErrors = (status, _headers, body) => {
	const code = typeof body === "object" && body !== null && "error" in body ? body.error : void 0;
	if (!codes$1.has(code)) return void 0;
	const message = `status ${status}, ${String(code)}`;
	switch (code) {
		case "server_error":
		case "temporarily_unavailable": return unavailable({ message });
		case "slow_down": return throttled({ message });
	}
	return status < 500 ? rejected({ message }) : void 0;
};
var NoToken = class extends Data.TaggedError("NoToken") {};
/** The default policy of a token request: it must fit into an attempt of those who wait for it. */
const defaultPolicy = standard({
	attemptTimeout: "5 seconds",
	totalDeadline: "15 seconds"
});
/** RFC 6749 2.3.1: the id and the secret are encoded as in a form before they are joined. */
const formEncoded = (text) => new URLSearchParams([["", text]]).toString().slice(1);
const basic$1 = ({ id, secret }) => `Basic ${Base64.encode(new TextEncoder().encode(`${formEncoded(id)}:${formEncoded(secret === void 0 ? "" : Redacted.value(secret))}`))}`;
/**
* Builds the integration of one token endpoint. It appears on the dashboard beside the one that it serves.
*/
const openTokenEndpoint = (options) => Effect.gen(function* () {
	const id = `${options.integration}/token`;
	const { url } = options;
	const Api = HttpApi.make("oauth").add(HttpApiGroup.make("oauth").add(HttpApiEndpoint.post("token", `/${url.pathname.slice(1).replaceAll(/[:*]/g, "_")}`, {
		headers: {
			authorization: Schema.optionalKey(Secret),
			accept: Schema.String
		},
		payload: Schema.Record(Schema.String, Schema.String).pipe(HttpApiSchema.asFormUrlEncoded()),
		success: Answer
	})));
	const Endpoint = Service$1()(id, {
		policy: options.policy ?? defaultPolicy,
		exhausted: fail,
		orElse: (failure) => new NoToken({ failure })
	}, { token: endpoint(Api, "oauth", "token", {
		idempotency: options.repeats === void 0 ? atMostOnce("a refresh token that was used may have been replaced by another (RFC 9700 4.14)") : inherent(options.repeats),
		classifyErrors
	}) });
	const target = HttpTarget.of({
		baseUrl: url.origin,
		authorize: (request) => Effect.succeed({ request: HttpClientRequest.setUrl(request, url.href) }),
		classify: void 0,
		classifyErrors: void 0,
		headers: void 0,
		correlationHeader: void 0,
		propagate: "none",
		requestIdHeaders: ["request-id", "x-request-id"],
		maxBodySize: 65536,
		replayHeader: "idempotent-replayed",
		deadlineHeader: void 0
	});
	const built = yield* Layer.build(Layer.provide(layer$5(Endpoint), Layer.succeed(HttpTarget, target)));
	const endpoint$1 = Context.get(built, Endpoint);
	const ask = (client, parameters) => {
		const inBody = client.placement === "body" || client.secret === void 0;
		const payload = {};
		for (const [name, value] of Object.entries(parameters)) payload[name] = Redacted.isRedacted(value) ? Redacted.value(value) : value;
		if (inBody) {
			payload["client_id"] = client.id;
			if (client.secret !== void 0) payload["client_secret"] = Redacted.value(client.secret);
		}
		return Effect.mapBoth(endpoint$1.token({
			headers: {
				accept: "application/json",
				...inBody ? {} : { authorization: Redacted.make(basic$1(client)) }
			},
			payload
		}), {
			onSuccess: ({ access_token, expires_in, refresh_token }) => ({
				access: access_token,
				refresh: refresh_token ?? void 0,
				lifetime: expires_in === void 0 || expires_in === null ? Infinity : Math.max(0, expires_in * 1e3)
			}),
			onFailure: ({ failure }) => new NoCredential({
				message: `no access token from ${url.host}: ${failure.reason.message}`,
				transient: failure.reason.transient,
				retryAfter: failure.retryAfter,
				inDoubt: options.repeats === void 0 && !didNotHappen(failure.outcome),
				cause: failure
			})
		});
	};
	return ask;
});

// dist/http/internal/grant.js
/** How long the application has to store a new refresh token, in milliseconds. */
const storingLimit = 1e4;
/** A tenth of the lifetime, five minutes at most: time for a few tries while the old token still serves. */
const shareOf = (lifetime) => Math.min(lifetime / 10, 3e5);
const openGrant = (grant) => ({ integration }) => Effect.gen(function* () {
	const provider = yield* Effect.service(ConfigProvider.ConfigProvider);
	const given = Config.isConfig(grant.tokenUrl) ? yield* grant.tokenUrl : grant.tokenUrl;
	const early = grant.early === void 0 ? void 0 : check("early", grant.early, { zero: true });
	const problems = [...problemsOf(String(given)), ...early?.problem === void 0 ? [] : [early.problem]];
	if (problems.length > 0) return yield* new PolicyError({
		integration,
		operation: "(auth)",
		problems
	});
	/** What a source gives at the moment. A `Config` that is missing or wrong fails the build. */
	const reader = (source) => {
		if (Config.isConfig(source)) {
			const config = source;
			const again = Effect.provideService(config, ConfigProvider.ConfigProvider, provider);
			return Effect.as(config, Effect.mapError(again, unreadable));
		}
		return Effect.succeed(Effect.isEffect(source) && !Redacted.isRedacted(source) ? Effect.mapError(source, unreadable) : Effect.succeed(source));
	};
	const readId = yield* reader(grant.clientId);
	const readSecret = grant.clientSecret === void 0 ? Effect.undefined : yield* reader(grant.clientSecret);
	const { refresh } = grant;
	const ask = yield* openTokenEndpoint({
		integration,
		url: new URL(String(given)),
		policy: grant.policy,
		repeats: refresh === void 0 ? "one access token more changes nothing" : void 0
	});
	const client = Effect.map(Effect.all([readId, readSecret]), ([id, secret]) => ({
		id,
		secret,
		placement: grant.placement
	}));
	const byCredentials = Effect.flatMap(client, (client) => Effect.map(ask(client, {
		...grant.parameters,
		grant_type: "client_credentials"
	}), ({ access, lifetime }) => ({
		value: access,
		lifetime
	})));
	const renewal = new Renewal({
		fetch: refresh === void 0 ? byCredentials : byRefresh(refresh, yield* reader(refresh.token)),
		same: sameSecret,
		early: early === void 0 ? shareOf : () => early.millis
	});
	yield* Effect.addFinalizer(() => refresh === void 0 ? renewal.close : renewal.settle);
	return (request) => Effect.map(renewal.read, (token) => ({
		request: HttpClientRequest.bearerToken(request, token),
		renew: renewal.renew(token)
	}));
	function byRefresh({ onRotated, token: source }, read) {
		const isRead = Effect.isEffect(source) && !Config.isConfig(source) && !Redacted.isRedacted(source);
		let latest;
		let unstored;
		const store = Effect.suspend(() => {
			if (unstored === void 0) return Effect.void;
			const token = unstored;
			const failed = (cause) => new NoCredential({
				message: "the new refresh token could not be stored",
				transient: true,
				cause
			});
			return Effect.map(cutAfter(Effect.mapError(Effect.catchDefect(Effect.suspend(() => onRotated(token)), (defect) => Effect.fail(defect)), failed), storingLimit, () => Effect.fail(failed("no end in time"))), () => {
				unstored = void 0;
			});
		});
		return Effect.gen(function* () {
			yield* store;
			const token = !isRead && latest !== void 0 ? latest : yield* read;
			const answer = yield* ask(yield* client, {
				...grant.parameters,
				grant_type: "refresh_token",
				refresh_token: token
			});
			if (answer.refresh !== void 0 && !sameSecret(answer.refresh, token)) {
				latest = unstored = answer.refresh;
				yield* store;
			}
			return {
				value: answer.access,
				lifetime: answer.lifetime
			};
		});
	}
});
const problemsOf = (text) => {
	const url = URL.canParse(text) ? new URL(text) : void 0;
	return url === void 0 || !/^https?:$/.test(url.protocol) ? ["tokenUrl is not an http or https URL"] : url.username !== "" || url.password !== "" ? ["tokenUrl holds credentials: give them as clientId and clientSecret"] : url.hash !== "" ? ["tokenUrl must have no fragment"] : [];
};

// dist/http/Auth.js
var Auth_exports = /* @__PURE__ */ __exportAll({
	apiKey: () => apiKey,
	awsSigV4: () => awsSigV4,
	basic: () => basic,
	bearer: () => bearer,
	clientCredentials: () => clientCredentials,
	custom: () => custom,
	isAuth: () => isAuth,
	queryKey: () => queryKey,
	refreshToken: () => refreshToken
});
const TypeId = "~breakwater/http/Auth";
/**
* Returns whether a value is an `Auth`.
*
* @category guards
* @since 0.1.0
*/
const isAuth = (u) => Predicate.hasProperty(u, TypeId);
const make$3 = (describe, open) => ({
	[TypeId]: TypeId,
	describe,
	open
});
const withSecret = (describe, secret, apply) => make$3(describe, () => Effect.map(openSource(secret, sameSecret), ({ read, renew }) => (request) => Effect.map(read, (value) => ({
	request: apply(request, value),
	renew: renew?.(value)
}))));
/**
* `Authorization: Bearer …`.
*
* **Example** (A key from the configuration)
*
* ```ts
* import { Auth } from "breakwater/http"
* import { Config } from "effect"
*
* Auth.bearer(Config.Redacted("STRIPE_KEY")).describe // => "bearer token"
* ```
*
* @category secrets
* @since 0.1.0
*/
const bearer = (token) => withSecret("bearer token", token, HttpClientRequest.bearerToken);
/**
* `Authorization: Basic …`.
*
* @category secrets
* @since 0.1.0
*/
const basic = (user, password) => withSecret("basic", password, (request, secret) => HttpClientRequest.basicAuth(request, user, secret));
/**
* A key in a header of its own, such as `X-API-Key`.
*
* @category secrets
* @since 0.1.0
*/
const apiKey = (header, key) => withSecret(`header ${header.toLowerCase()}`, key, (request, secret) => HttpClientRequest.setHeader(request, header, Redacted.value(secret)));
/**
* A key in the query. No span or log line of breakwater shows a query, but a provider's own logs do: prefer a header.
*
* @category secrets
* @since 0.1.0
*/
const queryKey = (name, key) => withSecret(`query ${name}`, key, (request, secret) => HttpClientRequest.setUrlParam(request, name, Redacted.value(secret)));
/**
* Anything else. `sign` runs for every attempt, after all headers are set and before the client middleware of the
* endpoint.
*
* **Details**
*
* What `sign` fails with is `NotAuthenticated`: nothing was sent, and another try is made. Its error and its message are
* shown nowhere. `renew` runs after a 401: it says whether `sign` would now do something else, so that the request is worth
* sending once more.
*
* @category constructors
* @since 0.1.0
*/
const custom = (describe, sign, options) => make$3(describe, () => Effect.succeed((request) => Effect.map(sign(request), (request) => ({
	request,
	renew: options?.renew
}))));
const grantOf = ({ audience, clientId, early, parameters, placement, policy, scopes, tokenUrl }) => ({
	tokenUrl,
	clientId,
	placement: placement ?? "basic",
	parameters: {
		...parameters,
		...scopes === void 0 || scopes.length === 0 ? {} : { scope: scopes.join(" ") },
		...audience === void 0 ? {} : { audience }
	},
	early,
	policy
});
/**
* Access tokens by client credentials (RFC 6749 4.4): a service that acts for itself.
*
* **Details**
*
* A token is fetched by the first call that needs it and shared by all calls of the layer. However many need one at once,
* one request is sent. It is an operation of its own, `<integration>/token`, with limits, retries, spans and a place on the
* dashboard; it is nobody's part, so who waits for it may give up without ending it for the others.
*
* If it fails, each call that waited fails as `NotAuthenticated` and `NotSent`, with `retryAfter`. Nothing is fetched before
* that time: 1 second after the first failure, doubling to 1 minute, or what the endpoint asked for.
*
* After a 401 the token that was sent is thrown away, one other is fetched, and the request is sent once more. If that is
* refused too, the second answer counts, and no token is fetched for a refusal within the next second.
*
* **Example** (Orders of a shop, as the shop itself)
*
* ```ts
* import { Auth } from "breakwater/http"
* import { Config } from "effect"
*
* export const auth = Auth.clientCredentials({
*   tokenUrl: "https://login.example/oauth/token",
*   clientId: Config.String("SHOP_CLIENT_ID"),
*   clientSecret: Config.Redacted("SHOP_CLIENT_SECRET"),
*   scopes: ["orders:read"]
* })
* ```
*
* @category tokens
* @since 0.1.0
*/
const clientCredentials = (options) => make$3("client credentials", openGrant({
	...grantOf(options),
	clientSecret: options.clientSecret,
	refresh: void 0
}));
/**
* Access tokens by a refresh token (RFC 6749 6): a service that acts for somebody who has agreed once.
*
* **Details**
*
* As `clientCredentials`, and besides: a provider that answers with another refresh token has taken the old one back. The
* new one is given to `onRotated`, and the access token is not used before that has succeeded; it has 10 seconds. If it
* fails, the calls fail as `NotAuthenticated`, and it is tried again before anything else is sent. What was answered is
* stored even when the layer closes.
*
* A refresh token that is used twice may make the provider take back all of its successors (RFC 9700 4.14). So a request of
* which nobody knows what became of it is not repeated: not at all while the access token still serves, and with a new
* request only when it does not.
*
* Processes that share a refresh token must not refresh at the same time: give it to one of them, or let the effect take a
* lock.
*
* **Example** (A refresh token in a database)
*
* ```ts
* import { Auth } from "breakwater/http"
* import { Config, Effect, Redacted } from "effect"
*
* let row = Redacted.make("the one that the consent gave")
*
* export const auth = Auth.refreshToken({
*   tokenUrl: "https://login.example/oauth/token",
*   clientId: "shop",
*   clientSecret: Config.Redacted("SHOP_CLIENT_SECRET"),
*   refreshToken: Effect.sync(() => row),
*   onRotated: (next) => Effect.sync(() => (row = next))
* })
* ```
*
* @category tokens
* @since 0.1.0
*/
const refreshToken = (options) => make$3("refresh token", openGrant({
	...grantOf(options),
	clientSecret: options.clientSecret,
	refresh: {
		token: options.refreshToken,
		onRotated: options.onRotated
	}
}));
/**
* AWS Signature Version 4, for AWS and for what speaks its protocol (MinIO, R2, …).
*
* **Details**
*
* Every attempt is signed afresh, with the time of Effect's clock and the hash of the bytes that are sent. It is signed
* last, after the endpoint's client middleware: whatever changes the request afterwards breaks the signature. All headers
* are signed but those that proxies and clients change (`User-Agent`, `Content-Length`, `traceparent`, …). The query is
* sent sorted and encoded as it is signed.
*
* `credentials` as an effect runs for every attempt: cache what a metadata service or STS gives. A `Config` is read again
* after a 401 or 403, at most once a second, and the request is sent once more if they have changed.
*
* A body that is no bytes (a stream, a form of the browser's) can't be signed; S3 takes it as `UNSIGNED-PAYLOAD`, other
* services not: there the call fails as `InvalidInput`.
*
* **Example** (A bucket)
*
* ```ts
* import { Auth } from "breakwater/http"
* import { Config } from "effect"
*
* export const auth = Auth.awsSigV4({
*   service: "s3",
*   region: "eu-central-1",
*   credentials: Config.all({
*     accessKeyId: Config.String("AWS_ACCESS_KEY_ID"),
*     secretAccessKey: Config.Redacted("AWS_SECRET_ACCESS_KEY")
*   })
* })
* ```
*
* @category signatures
* @since 0.1.0
*/
const awsSigV4 = (options) => make$3("AWS Signature Version 4", () => Effect.gen(function* () {
	const signer = yield* openSigner(options);
	const { read, renew } = yield* openSource(options.credentials, sameCredentials);
	return (request) => {
		const problem = notSignable(options.service, request);
		return problem !== void 0 ? Effect.fail(problem) : Effect.map(read, (credentials) => ({
			request,
			sign: (request) => signRequest(signer, options.service, request, credentials),
			renew: renew?.(credentials),
			refusals: [401, 403]
		}));
	};
}));

// dist/http/internal/graphql.js
/**
* Errors of an answer: their codes, and where in the data they belong. No messages: those may hold what was asked for.
*
* @category errors
* @since 0.1.0
*/
var Errors = class extends Schema.TaggedError()("GraphqlErrors", { errors: Schema.Array(Schema.Struct({
	code: Schema.UndefinedOr(Schema.String),
	path: Schema.UndefinedOr(Schema.String)
})) }) {};
/** The specification's steps before the execution in Apollo Server's words, which most others have too. */
const everybodys = {
	refused: [
		"GRAPHQL_PARSE_FAILED",
		"GRAPHQL_VALIDATION_FAILED",
		"OPERATION_RESOLUTION_FAILURE",
		"PERSISTED_QUERY_NOT_FOUND",
		"PERSISTED_QUERY_NOT_SUPPORTED",
		"MAX_COST_EXCEEDED"
	],
	throttled: [
		"THROTTLED",
		"RATE_LIMITED",
		"RATE_LIMIT"
	],
	unavailable: [
		"INTERNAL_SERVER_ERROR",
		"INTERNAL_ERROR",
		"SERVICE_UNAVAILABLE",
		"TIMEOUT"
	]
};
const isObject = (u) => typeof u === "object" && u !== null && !Array.isArray(u);
const at = (u, name) => isObject(u) ? u[name] : void 0;
const numberAt = (u, name) => {
	const found = at(u, name);
	return typeof found === "number" && Number.isFinite(found) && found >= 0 ? found : void 0;
};
/** A code is a word. What is none may be a message. */
const word = (u) => typeof u === "number" ? String(u) : typeof u === "string" && /^[\w.:-]{1,64}$/.test(u) ? u : void 0;
/** Apollo, Shopify and most others give `extensions.code`; GitHub gives `type`. */
const codeOf = (error) => word(at(at(error, "extensions"), "code")) ?? word(at(error, "type")) ?? word(at(error, "code"));
/** Names of fields and numbers in lists: what the document asked for, never what was given to it. */
const pathOf = (error) => {
	const path = at(error, "path");
	return Array.isArray(path) && path.length > 0 ? path.map((part) => word(part) ?? "?") : void 0;
};
const fromJson = Schema.decodeUnknownExit(Schema.fromJsonString(Schema.Unknown));
/** Some servers give JSON no media type, or a wrong one. */
const bodyOf$1 = (body) => {
	if (typeof body !== "string") return body;
	const parsed = fromJson(body);
	return Exit.isSuccess(parsed) ? parsed.value : body;
};
/** What stands under `errors`. Whatever it is: unless it is nothing, it is an error. */
const foundIn = (errors) => Array.isArray(errors) ? errors : errors === void 0 || errors === null ? [] : [errors];
/** Shopify's bucket of points, or the cost that GitHub's `rateLimit` field tells where a query asks for it. */
const costOf = (body) => {
	const cost = at(at(body, "extensions"), "cost");
	const status = at(cost, "throttleStatus");
	const requested = numberAt(cost, "requestedQueryCost");
	const available = numberAt(status, "currentlyAvailable");
	const rate = numberAt(status, "restoreRate");
	const most = numberAt(status, "maximumAvailable");
	const after = (points) => rate === void 0 || rate === 0 ? void 0 : Duration.millis(Math.ceil(Math.max(0, points) / rate * 1e3));
	const missing = requested === void 0 || available === void 0 ? void 0 : requested - available;
	const spent = numberAt(cost, "actualQueryCost");
	return {
		/** What asks for more than the bucket can hold is never answered. */
		tooLarge: requested !== void 0 && most !== void 0 && requested > most,
		retryAfter: missing === void 0 ? void 0 : after(missing),
		limitOf: (throttled) => {
			if (available === void 0) {
				const told = spent ?? numberAt(at(at(body, "data"), "rateLimit"), "cost");
				return told === void 0 ? void 0 : { cost: told };
			}
			const points = missing !== void 0 && missing > 0 ? missing : requested ?? spent;
			return {
				cost: spent ?? (throttled ? 0 : requested),
				remaining: available,
				limit: most,
				resetAfter: points === void 0 ? void 0 : after(points)
			};
		}
	};
};
/**
* What the data of an answer with errors proves. `"none"`: there is no entry, which the specification keeps for what went
* wrong before the execution. `"untouched"`: its fields are null, and each has an error of its own. All else may have run.
*/
const dataOf = (body, errors) => {
	if (body.data === void 0) return "none";
	if (!isObject(body.data)) return "null";
	const fields = Object.entries(body.data);
	const failed = new Set(errors.map(({ path }) => path?.[0]));
	return errors.every(({ path }) => path === void 0 || path.length === 1) && fields.every(([name, value]) => value === null && (failed.has(name) || fields.length === 1 && failed.has(void 0))) ? "untouched" : "touched";
};
const read$1 = (given) => {
	const body = bodyOf$1(given);
	if (!isObject(body)) return void 0;
	const errors = foundIn(body.errors).map((error) => ({
		code: codeOf(error),
		path: pathOf(error)
	}));
	const cost = costOf(body);
	const joined = errors.map(({ code, path }) => ({
		code,
		path: path?.join(".")
	}));
	const codes = [...new Set(joined.map(({ code }) => code ?? "an error without a code"))];
	const paths = [...new Set(joined.map(({ path }) => path).filter((path) => path !== void 0))];
	const some = (list) => list.slice(0, 5).join(", ");
	const details = (throttled = false) => ({
		message: some(codes) + (paths.length === 0 ? "" : ` at ${some(paths)}`),
		cause: new Errors({ errors: joined }),
		limit: cost.limitOf(throttled)
	});
	return {
		errors,
		data: dataOf(body, errors),
		cost,
		details
	};
};
const byCodes = ({ cost, data, details, errors }, { inProgress: inProgress$1, keyConflict: keyConflict$1, refused, throttled: throttled$1, unavailable: unavailable$1 }, safe) => {
	const isOf = (codes) => (error) => error.code !== void 0 && codes?.includes(error.code) === true;
	if (errors.length === 0) return void 0;
	if (errors.some(isOf(keyConflict$1))) return keyConflict(details());
	if (errors.some(isOf(inProgress$1))) return inProgress(details());
	if (data === "none" || data === "untouched" || safe && data === "null") {
		if (errors.every(isOf(refused))) return rejected(details());
		if (errors.every(isOf([...throttled$1 ?? [], ...refused ?? []]))) return cost.tooLarge ? rejected(details(true)) : throttled({
			...details(true),
			retryAfter: cost.retryAfter
		});
	}
	return (data === "none" || data === "null") && errors.some(isOf(unavailable$1)) ? unavailable(details()) : void 0;
};
/** What the codes of a provider mean, for a `classify`. */
const classifyCodes = (codes) => (_status, _headers, body) => {
	const found = read$1(body);
	return found === void 0 ? void 0 : byCodes(found, codes, false);
};
/** What an answer to a document means: after all that its integration said of it. */
const judge$1 = (kind, partial) => (status, _headers, body) => {
	const found = read$1(body);
	if (found === void 0) return void 0;
	const { cost, data, details, errors } = found;
	const success = status >= 200 && status < 300;
	const ordinary = () => {
		const limit = cost.limitOf(false);
		return success && limit !== void 0 ? answered$1({ limit }) : void 0;
	};
	if (errors.length === 0) return ordinary();
	const known = byCodes(found, everybodys, kind === "query");
	const isPassing = errors.some(({ code }) => code !== void 0 && everybodys.unavailable.includes(code));
	if (!success) {
		if (status < 400 || status >= 500) return void 0;
		if (kind === "mutation" && (data === "touched" || data === "null")) return rejected({
			...details(),
			outcome: "Unknown"
		});
		return status === 400 || status === 422 ? known ?? rejected(details()) : void 0;
	}
	if (known !== void 0) return known;
	if (data === "none" || data === "null") return rejected({
		...details(),
		outcome: "Unknown"
	});
	if (partial === "accept") return ordinary();
	const { cause: error, ...rest } = details();
	return {
		...rest,
		error,
		reason: "Declared",
		outcome: "Unknown",
		transient: isPassing
	};
};

// dist/http/internal/graphqlDocument.js
const token = /"""(?:\\"""|[\s\S])*?"""|"(?:\\.|[^"\\\n])*"|#[^\n\r]*|\.\.\.|[$@]\s*\w+|\w+|[^\s,\ufeff]/g;
const isName = (text) => text !== void 0 && /^[A-Za-z_]\w*$/.test(text);
const depthOf = {
	"(": 1,
	"{": 1,
	"[": 1,
	")": -1,
	"}": -1,
	"]": -1
};
/** Its operations and fragments: what stands before the braces of each, and what stands in them. */
const partsOf$2 = (document) => {
	const tokens = (document.match(token) ?? []).filter((text) => !text.startsWith("#")).map((text) => text.startsWith("\"") ? "\"" : text.replace(/\s/g, ""));
	const parts = [];
	let start = 0;
	let open;
	let depth = 0;
	for (const [index, text] of tokens.entries()) {
		if (text === "{" && depth === 0) open = index;
		depth += depthOf[text] ?? 0;
		if (text !== "}" || depth !== 0 || open === void 0) continue;
		const [kind = "query", name] = tokens.slice(start, open);
		parts.push({
			kind,
			name: isName(name) ? name : void 0,
			head: tokens.slice(start, open),
			body: tokens.slice(open + 1, index)
		});
		start = index + 1;
		open = void 0;
	}
	return parts;
};
/** How many fields an operation has; `undefined` where fragments hide it. */
const fieldsOf = ({ body }) => {
	let depth = 0;
	let fields = 0;
	for (const [index, text] of body.entries()) {
		if (depth === 0 && text === "...") return void 0;
		if (depth === 0 && isName(text) && body[index + 1] !== ":") fields++;
		depth += depthOf[text] ?? 0;
	}
	return fields;
};
/** Whether a directive has this variable for an argument. `@include` and `@skip` read no keys. */
const isGiven = (tokens, variable) => tokens.some((text, index) => {
	if (!text.startsWith("@") || text === "@include" || text === "@skip" || tokens[index + 1] !== "(") return false;
	const end = tokens.indexOf(")", index);
	return tokens.slice(index, end).includes(variable);
});
/** What is wrong with a document. */
const documentProblems = ({ document, kind, name, refusals }, strategy) => {
	const parts = partsOf$2(document);
	const own = parts.find((part) => part.kind !== "fragment" && part.name === name);
	if (own === void 0) return [`the document has no ${kind} that is named ${name}`];
	if (own.kind !== kind) return [`${name} is a ${own.kind} in its document: it can't be given to GraphQL.${kind}`];
	const problems = [];
	const fields = fieldsOf(own);
	if (kind === "mutation" && refusals && fields !== 1) problems.push(`its errors say that nothing happened, and ${name} has ${fields === void 0 ? "fields in fragments" : `${fields} fields`}, of which others may have: give each its own mutation`);
	if (strategy._tag !== "Keyed" || strategy.placement._tag !== "GraphqlDirective") return problems;
	const variable = `$${strategy.placement.variable}`;
	if (!own.head.some((text, index) => text === variable && own.head[index + 1] === ":")) problems.push(`the key is written to ${variable}, which ${name} does not declare`);
	if (!parts.some((part) => (part === own || part.kind === "fragment") && isGiven(part.body, variable)) && !isGiven(own.head, variable)) problems.push(`the key is written to ${variable}, which no directive is given, such as @idempotent(key: ${variable})`);
	return problems;
};

// dist/http/internal/graphqlDefinition.js
const Error$1 = Schema.Struct({
	message: Schema.String,
	path: Schema.optionalKey(Schema.NullOr(Schema.Array(Schema.Union([Schema.String, Schema.Int])))),
	extensions: Schema.optionalKey(Schema.NullOr(Schema.Record(Schema.String, Schema.Json)))
});
/** A caller gives the variables, and the wire has the document too. */
const requestOf = (name, document, variables) => variables === void 0 ? Schema.Struct({
	operationName: Schema.Literal(name),
	query: Schema.String,
	variables: Schema.Struct({})
}).pipe(Schema.decodeTo(Schema.Void, SchemaTransformation.transform({
	decode: () => void 0,
	encode: () => ({
		operationName: name,
		query: document,
		variables: {}
	})
}))) : Schema.Struct({
	operationName: Schema.Literal(name),
	query: Schema.String,
	variables
}).pipe(Schema.decodeTo(Schema.toType(variables), SchemaTransformation.transform({
	decode: (request) => request.variables,
	encode: (variables) => ({
		operationName: name,
		query: document,
		variables
	})
})));
/** A caller gets what stands under `data`. Errors beside it are no answer, whatever else has looked at them. */
const wholeOf = (data) => Schema.Struct({
	data,
	errors: Schema.optionalKey(Schema.NullOr(Schema.Array(Schema.Never)))
}).pipe(Schema.decodeTo(Schema.toType(data), SchemaTransformation.transform({
	decode: (answer) => answer.data,
	encode: (data) => ({ data })
})));
const partsOf$1 = (data) => Schema.Struct({
	data,
	errors: Schema.optionalKey(Schema.NullOr(Schema.Array(Error$1)))
}).pipe(Schema.decodeTo(Schema.Struct({
	data: Schema.toType(data),
	errors: Schema.Array(Schema.toType(Error$1))
}), SchemaTransformation.transform({
	decode: ({ data, errors }) => ({
		data,
		errors: errors ?? []
	}),
	encode: ({ data, errors }) => errors.length === 0 ? { data } : {
		data,
		errors
	}
})));
/** A server that knows GraphQL's own media type then answers with statuses that say more than 200. */
const accept = "application/graphql-response+json, application/json;q=0.9";
const defineGraphql = (kind, name, options) => {
	const { document, errors, partial = "fail", variables } = options;
	const payload = requestOf(name, document, variables);
	const endpoint = post(name, options.path ?? "/graphql", {
		payload,
		success: (partial === "accept" ? partsOf$1 : wholeOf)(options.data),
		...errors === void 0 ? {} : { error: errors }
	});
	const api = HttpApi.make("graphql").add(HttpApiGroup.make("graphql").add(endpoint));
	const plain = reflectEndpoint(api, "graphql", name);
	const { schemas } = plain;
	const reflected = {
		...plain,
		encode: (input) => Effect.map(plain.encode({ payload: input }), HttpClientRequest.setHeader("accept", accept)),
		schemas: {
			input: variables,
			success: schemas.success,
			error: schemas.error === void 0 ? Errors : Schema.Union([schemas.error, Errors])
		}
	};
	const idempotency = kind === "query" ? {
		repeat: "Safe",
		strategy: {
			_tag: "Safe",
			reason: "a GraphQL query"
		}
	} : options.idempotency ?? {
		repeat: "AtMostOnce",
		strategy: {
			_tag: "AtMostOnce",
			reason: "nobody has said how a repeat is made safe"
		}
	};
	return {
		endpoint,
		definition: {
			name: `graphql.${name}`,
			repeat: idempotency.repeat,
			strategy: idempotency.strategy,
			policy: options.policy,
			exhausted: options.exhausted,
			orElse: options.orElse,
			translate: options.translate,
			about: {
				transport: "http",
				attemptName: `POST ${plain.path}`,
				http: {
					method: "POST",
					template: plain.path
				},
				attributes: {
					"graphql.operation.name": name,
					"graphql.operation.type": kind
				}
			},
			problems: [
				...kind === "mutation" && options.idempotency === void 0 ? ["a mutation must say how a repeat is made safe: give idempotency"] : [],
				...options.maxBodySize !== void 0 && !(Number.isInteger(options.maxBodySize) && options.maxBodySize > 0) ? [`maxBodySize must be a positive integer of bytes, got ${options.maxBodySize}`] : [],
				...documentProblems({
					document,
					kind,
					name,
					refusals: errors !== void 0
				}, idempotency.strategy)
			],
			open: (site) => openHttp(site, reflected, idempotency, {
				classify: options.classify,
				classifyErrors: void 0,
				classifyLast: judge$1(kind, partial),
				maxBodySize: options.maxBodySize
			})
		}
	};
};

// dist/http/GraphQL.js
var GraphQL_exports = /* @__PURE__ */ __exportAll({
	Errors: () => Errors,
	UserError: () => UserError,
	UserErrors: () => UserErrors,
	codes: () => codes,
	errorsOf: () => errorsOf,
	mutation: () => mutation,
	query: () => query,
	userErrors: () => userErrors
});
const make$2 = (kind, name, options) => {
	const { definition, endpoint } = defineGraphql(kind, name, options);
	return Object.assign(fromDefinition(definition), { endpoint });
};
/**
* A query: safe, though it is a POST, so it needs no idempotency.
*
* **Details**
*
* Its name is that of the operation in the document, and is sent as `operationName`. A document that is a mutation does not
* compile; one whose type does not show it, or that has no query of this name, is a `PolicyError` when the layer is built.
*
* An answer is read by what it says, not by its status alone. Without `errors` it is a success. With errors and no data,
* codes of throttling make it `Throttled`, until the provider's bucket holds what the query asks for; codes of parsing and
* validation, and status 400, `Rejected`; `INTERNAL_SERVER_ERROR` and its like `Unavailable`; all others are final. Codes of
* the provider's own are for `GraphQL.codes`. Errors beside data are what `partial` says.
*
* What an answer tells of cost (`extensions.cost`, as with Shopify; `data.rateLimit.cost`, as with GitHub) goes to
* `Policy.rateLimit`. Messages of the provider, documents and variables are in no span and no log.
*
* **Example** (Who is asking)
*
* ```ts
* import { Exhaustion, Integration, Policy } from "breakwater"
* import { GraphQL } from "breakwater/http"
* import { Data, Schema } from "effect"
*
* class GitHubFailed extends Data.TaggedError("GitHubFailed")<{ readonly why: string }> {}
*
* export class GitHub extends Integration.Service<GitHub>()(
*   "app/GitHub",
*   {
*     policy: Policy.standard(),
*     exhausted: Exhaustion.fail,
*     orElse: ({ reason }) => new GitHubFailed({ why: reason.message })
*   },
*   {
*     whoAmI: GraphQL.query("Viewer", {
*       document: `query Viewer { viewer { login } }`,
*       data: Schema.Struct({ viewer: Schema.Struct({ login: Schema.String }) }),
*       translate: {
*         GraphqlErrors: ({ errors }) => new GitHubFailed({ why: errors.map(({ code, path }) => `${code} at ${path}`).join() })
*       }
*     })
*   }
* ) {}
* ```
*
* @category constructors
* @since 0.1.0
*/
const query = (name, options) => make$2("query", name, options);
/**
* A mutation: it must say how a repeat is made safe.
*
* **Details**
*
* A key may stand in a header, or be the argument of a directive (`Idempotency.graphqlDirective`): then the document must
* declare the variable and give it to a directive. One that does not is a `PolicyError` when the layer is built, and not an
* error at the provider.
*
* That a mutation was refused is proven by a code of which it is known, in an answer without data or with one field of
* `null`; by status 400 without data; and by the errors of its payload. After any other error it may have happened: it is
* `Unknown`, `GraphqlErrors` included. Everything else is as with `query`.
*
* **Example** (A refund whose key is a directive's argument)
*
* ```ts
* import { Idempotency, IdempotencyKey } from "breakwater"
* import { GraphQL } from "breakwater/http"
* import { Data, Schema } from "effect"
*
* class RefundRefused extends Data.TaggedError("RefundRefused")<{ readonly why: string }> {}
* class RefundInDoubt extends Data.TaggedError("RefundInDoubt")<{}> {}
*
* export const refund = GraphQL.mutation("Refund", {
*   document: `mutation Refund($order: ID!, $idempotencyKey: String!) {
*     refundCreate(order: $order) @idempotent(key: $idempotencyKey) { refund { id } userErrors { field message } }
*   }`,
*   variables: Schema.Struct({ order: Schema.String }),
*   data: Schema.Struct({ refundCreate: Schema.Struct({ refund: Schema.Struct({ id: Schema.String }) }) }),
*   errors: GraphQL.userErrors("refundCreate"),
*   idempotency: Idempotency.keyed(({ order }: { readonly order: string }) => IdempotencyKey.derive("refund", order), {
*     lifetime: "24 hours",
*     placement: Idempotency.graphqlDirective()
*   }),
*   translate: {
*     UserErrors: ({ userErrors: [first] }) => new RefundRefused({ why: first.message }),
*     GraphqlErrors: () => new RefundInDoubt()
*   }
* })
* ```
*
* @category constructors
* @since 0.1.0
*/
const mutation = (name, options) => make$2("mutation", name, options);
/**
* What the error codes of a provider mean, as a `classify` for an operation, an integration or a layer.
*
* **Details**
*
* A code stands in `extensions.code` of an error, or in its `type` (GitHub). `refused` and `throttled` count where all errors
* have such codes and the data shows that nothing ran: there is none, or the fields with the errors are all there are.
* Otherwise something else in the document may have been executed.
*
* **Example** (Codes of Shopify's)
*
* ```ts
* import { GraphQL } from "breakwater/http"
*
* const classify = GraphQL.codes({ refused: ["ACCESS_DENIED", "SHOP_INACTIVE"] })
* const answer = { errors: [{ message: "…", extensions: { code: "ACCESS_DENIED" } }], data: { refundCreate: null } }
*
* classify(200, {}, answer)?.reason // => "Rejected"
* classify(200, {}, { ...answer, data: { refundCreate: { refund: null } } })?.reason // => undefined
* ```
*
* @category verdicts
* @since 0.1.0
*/
const codes = (codes) => classifyCodes(codes);
/**
* The codes and paths of the errors that a call failed with, for `orElse`; `undefined` if it failed for another reason.
*
* @category destructors
* @since 0.1.0
*/
const errorsOf = ({ reason }) => reason.error instanceof Errors ? reason.error.errors : reason.cause instanceof Errors ? reason.cause.errors : void 0;
/**
* A refusal in the payload of a mutation, as Shopify and many others give it. Not all give a code.
*
* @category schemas
* @since 0.1.0
*/
const UserError = Schema.Struct({
	code: Schema.optionalKey(Schema.NullOr(Schema.String)),
	field: Schema.optionalKey(Schema.NullOr(Schema.Array(Schema.String))),
	message: Schema.String
});
/**
* The refusals in the payload of a mutation: nothing happened. Its messages are for people; no span has them.
*
* @category errors
* @since 0.1.0
*/
var UserErrors = class extends Schema.TaggedError()("UserErrors", { userErrors: Schema.NonEmptyArray(UserError) }) {};
/**
* The declared error that a payload with refusals is, such as `{ data: { refundCreate: { userErrors: [{ message }] } } }`.
* `translate` then has a case for `UserErrors`.
*
* @category schemas
* @since 0.1.0
*/
const userErrors = (field, options) => {
	const list = options?.list ?? "userErrors";
	const payload = Schema.Struct({ [list]: Schema.NonEmptyArray(UserError) });
	return Schema.Struct({ data: Schema.Struct({ [field]: payload }) }).pipe(Schema.decodeTo(Schema.toType(UserErrors), SchemaTransformation.transform({
		decode: ({ data }) => new UserErrors({ userErrors: data[field][list] }),
		encode: ({ userErrors }) => ({ data: { [field]: { [list]: userErrors } } })
	}))).annotate({ httpApiStatus: 200 });
};

// dist/http/HttpControl.js
/**
* The switches of running integrations behind a route, for the people on call.
*
* @since 0.1.0
*/
var HttpControl_exports = /* @__PURE__ */ __exportAll({
	Change: () => Change,
	layer: () => layer$4,
	problems: () => problems
});
/**
* The types of the problem documents (RFC 9457) that the route answers with.
*
* | type              | status | what it says                                                       |
* |-------------------|--------|--------------------------------------------------------------------|
* | `unauthenticated` | 401    | `authorize` does not know who asks                                 |
* | `forbidden`       | 403    | who asks may not do it                                             |
* | `invalidChange`   | 400    | the body is no change; nothing was changed                         |
* | `noIntegration`   | 404    | no integration of this name is mounted here                        |
* | `tooLarge`        | 413    | the body has more than 16 KiB                                      |
* | `notJson`         | 415    | the body is not `application/json`                                 |
* | `notChanged`      | 422    | there is no such layer, operation or breaker, or it can't observe  |
*
* @category constants
* @since 0.1.0
*/
const problems = {
	unauthenticated: "urn:breakwater:problem:control-unauthenticated",
	forbidden: "urn:breakwater:problem:control-forbidden",
	invalidChange: "urn:breakwater:problem:control-invalid-change",
	noIntegration: "urn:breakwater:problem:control-no-integration",
	tooLarge: "urn:breakwater:problem:control-too-large",
	notJson: "urn:breakwater:problem:control-not-json",
	notChanged: "urn:breakwater:problem:control-not-changed"
};
const text = Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(500));
const base = {
	/** The name under which the integration is mounted: its id, unless it was given another. */
	integration: Schema.String,
	/** Why, for the log line. */
	reason: Schema.optionalKey(text)
};
const forced = {
	...base,
	breaker: Schema.optionalKey(Schema.String),
	key: Schema.optionalKey(Schema.String)
};
/**
* The body of a POST: one change of one integration. A property that is not listed is refused, so that a misspelt
* `operation` does not change all of them.
*
* @category schemas
* @since 0.1.0
*/
const Change = Schema.Union([
	Schema.Struct({
		...base,
		change: Schema.Literal("setMode"),
		policy: Schema.String,
		operation: Schema.optionalKey(Schema.String),
		mode: Schema.Literals([
			"enforce",
			"observe",
			"off"
		])
	}),
	Schema.Struct({
		...base,
		change: Schema.Literals(["resume", "shadow"])
	}),
	Schema.Struct({
		...forced,
		change: Schema.Literals(["forceOpen", "forceClosed"])
	})
]);
const problem = (status, type, title, detail, headers = {}) => HttpServerResponse.jsonUnsafe({
	type: problems[type],
	status,
	title,
	...detail === void 0 ? {} : { detail }
}, {
	status,
	contentType: "application/problem+json",
	headers: {
		"cache-control": "no-store",
		...headers
	}
});
const data = (value) => HttpServerResponse.jsonUnsafe(value, { headers: { "cache-control": "no-store" } });
const largest = ByteSize.fromInputUnsafe(16384);
const decode$1 = Schema.decodeUnknownEffect(Schema.fromJsonString(Change));
const isTooLarge = (error) => HttpServerError$1.isHttpServerError(error) && error.reason._tag === "RequestParseError" && error.reason.reason === "BodyTooLarge";
const invalid$1 = (detail) => problem(400, "invalidChange", "The body is no change", detail);
const read = (request) => {
	if (!/^application\/json\s*(;|$)/i.test(request.headers["content-type"] ?? "")) return Effect.fail(problem(415, "notJson", "The body must be application/json", void 0));
	return request.text.pipe(Effect.provideService(HttpIncomingMessage.MaxBodySize, largest), Effect.mapError((error) => isTooLarge(error) ? problem(413, "tooLarge", "The body is too large", "A change has at most 16 KiB.") : invalid$1("The body could not be read.")), Effect.flatMap((body) => Effect.mapError(decode$1(body, { onExcessProperty: "error" }), (error) => invalid$1(error.message.slice(0, 1e3)))));
};
const carryOut = (control, change, by) => {
	const because = {
		reason: change.reason,
		by
	};
	switch (change.change) {
		case "setMode": return control.setMode({
			...because,
			policy: change.policy,
			operation: change.operation,
			mode: change.mode
		});
		case "shadow": return control.shadow(because);
		case "resume": return control.resume(because);
		default: return control[change.change]({
			...because,
			breaker: change.breaker,
			key: change.key
		});
	}
};
const isIntegration = (mounted) => "~breakwater/Integration" in mounted;
const open$1 = (mounted) => isIntegration(mounted) ? {
	name: nameOf(mounted),
	control: control(mounted)
} : mounted;
/**
* Mounts a route on the `HttpRouter`, as `HttpApiSwagger.layer` does: GET shows what the integrations are at the moment, and
* POST makes one change.
*
* **When to use**
*
* Use on a port or behind a proxy that only operators reach. Several processes have a route each: a change holds for the
* one that it was sent to. What should hold for all of them belongs into the configuration.
*
* **Details**
*
* GET answers `{ "integrations": [{ "name", "integration", "switchedOff", "modes", "circuits", "forced", "plan" }] }`. POST
* takes a `Change` and answers with the integration as it is then. Everything else is a problem document of `problems`. The
* answers hold no secret, input or answer of a provider; keys of circuits are what the application made them of. Two
* integrations of one name are shown as `name` and `name#2`; give one of them a name with `{ name, control }`.
*
* **Example** (A route for operators)
*
* ```ts
* import { Exhaustion, Integration, Operation, Policy } from "breakwater"
* import { HttpControl } from "breakwater/http"
* import { Data, Effect, Layer, Schema } from "effect"
* import { HttpRouter } from "effect/http"
*
* class Down extends Data.TaggedError("Down")<{}> {}
*
* class Rates extends Integration.Service<Rates>()(
*   "shop/Rates",
*   { policy: Policy.standard(), exhausted: Exhaustion.fail, orElse: () => new Down() },
*   { today: Operation.query("today", { success: Schema.Number, send: () => Effect.succeed(1.25) }) }
* ) {}
*
* const Admin = HttpControl.layer({
*   path: "/admin/integrations",
*   integrations: [Rates],
*   authorize: ({ headers }) =>
*     headers["authorization"] === "Bearer ops" ? Effect.succeed("ops") : Effect.fail("unauthenticated")
* }).pipe(Layer.provide(Integration.layer(Rates)))
*
* const { dispose, handler } = HttpRouter.toWebHandler(Admin, { disableLogger: true })
* const send = (authorization: string, change: HttpControl.Change) =>
*   handler(
*     new Request("http://shop.test/admin/integrations", {
*       method: "POST",
*       headers: { authorization, "content-type": "application/json" },
*       body: JSON.stringify(change)
*     })
*   )
*
* const done = await send("Bearer ops", { integration: "shop/Rates", change: "forceOpen", reason: "wrong rates" })
* done.status // => 200
* const refused = await send("Bearer guess", { integration: "shop/Rates", change: "resume" })
* refused.status // => 401
* await dispose()
* ```
*
* @category layers
* @since 0.1.0
*/
const layer$4 = (options) => Layer.effectDiscard(Effect.gen(function* () {
	const router = yield* HttpRouter.HttpRouter;
	const context = yield* Effect.context();
	const controls = /* @__PURE__ */ new Map();
	for (const { control, name } of options.integrations.map(open$1)) {
		let unique = name;
		for (let n = 2; controls.has(unique); n++) unique = `${name}#${n}`;
		controls.set(unique, yield* control);
	}
	const show = (name, control) => Effect.map(control.snapshot, (snapshot) => ({
		name,
		...snapshot
	}));
	const authorised = (handler) => {
		return (request) => Effect.matchEffect(Effect.provideContext(options.authorize(request), context), {
			onSuccess: (by) => handler(request, by ?? void 0),
			onFailure: (refusal) => Effect.succeed(refusal === "forbidden" ? problem(403, "forbidden", "You may not do this", void 0) : problem(401, "unauthenticated", "Say who you are", void 0, { "www-authenticate": options.challenge ?? "Bearer" }))
		});
	};
	yield* router.add("GET", options.path, authorised(() => Effect.map(Effect.forEach(controls, ([name, control]) => show(name, control)), (integrations) => data({ integrations }))));
	yield* router.add("POST", options.path, authorised((request, by) => Effect.catch(Effect.flatMap(read(request), (change) => {
		const control = controls.get(change.integration);
		if (control === void 0) {
			const detail = `There is no ${change.integration}; there is ${[...controls.keys()].join(", ")}.`;
			return Effect.fail(problem(404, "noIntegration", "No such integration is mounted here", detail));
		}
		return Effect.flatMap(Effect.mapError(carryOut(control, change, by), (error) => problem(422, "notChanged", "Nothing was changed", error.message)), () => Effect.map(show(change.integration, control), data));
	}), Effect.succeed)));
}));

// dist/http/HttpCorrelation.js
/**
* The id of an inbound request, carried through every call, log line and span that it causes.
*
* @since 0.1.0
*/
var HttpCorrelation_exports = /* @__PURE__ */ __exportAll({
	headers: () => headers,
	layer: () => layer$3
});
/**
* The headers that are read unless others are named, the first that is there counts. The first of them is echoed.
*
* @category constants
* @since 0.1.0
*/
const headers = ["x-request-id", "x-correlation-id"];
/** As a trace's id is written. */
const idOf = (random) => Array.from({ length: 4 }, () => (random.nextIntUnsafe() >>> 0).toString(16).padStart(8, "0")).join("");
/** An id goes into log lines and headers: no space, no control character, nothing endless. */
const isId = (text) => text !== void 0 && /^[\x21-\x7e]{1,128}$/.test(text);
/**
* Middleware that takes the correlation id of a request and gives it to everything that its handler does: the events, spans
* and log lines of its integrations' calls, the handler's own log lines (`correlation_id`), and the answer's header.
*
* **When to use**
*
* Use it in every server that calls others, so that one id leads from a customer's complaint to the provider's request.
* `correlationHeader` of `HttpIntegration.layer` hands it on, to your own services only: it tells a third party nothing.
*
* **Details**
*
* Without a usable header the id is that of the request's trace, or a random one where nothing is traced. One that has spaces, other than visible ASCII or more than
* 128 characters is not used: it comes from anybody. `headers` are the names to read, `echo` the one of the answer (default:
* the first; `false` for none).
*
* @category middleware
* @since 0.1.0
*/
const layer$3 = (options) => {
	const read = (options?.headers ?? headers).map((name) => name.toLowerCase());
	const echo = options?.echo === false ? void 0 : options?.echo ?? read[0];
	return HttpRouter.middleware((handler) => Effect.withFiber((fiber) => {
		const request = fiber.getRef(HttpServerRequest.HttpServerRequest);
		const span = fiber.cache.span;
		const trace = span === void 0 || span.traceId === "noop" ? void 0 : span.traceId;
		const id = read.map((name) => request.headers[name]).find(isId) ?? trace ?? idOf(fiber.getRef(Random.Random));
		if (span?._tag === "Span") span.attribute(names.correlationId, id);
		const correlated = Effect.annotateLogs(Effect.provideService(handler, CorrelationId, id), { correlation_id: id });
		return echo === void 0 ? correlated : Effect.map(correlated, (response) => HttpServerResponse.setHeader(response, echo, id));
	}), { global: true });
};

// dist/http/HttpDeadline.js
/**
* A caller's deadline across HTTP: written by an integration, read by a server.
*
* @since 0.1.0
*/
var HttpDeadline_exports = /* @__PURE__ */ __exportAll({
	fromHeader: () => fromHeader,
	header: () => header,
	layer: () => layer$2,
	toHeader: () => toHeader
});
/**
* The header that is read and written unless another is named: how many milliseconds the caller will wait. It is Envoy's.
*
* @category constants
* @since 0.1.0
*/
const header = "x-envoy-expected-rq-timeout-ms";
/**
* The value of a header for an amount of time: milliseconds, or gRPC's form for `grpc-timeout`. Always rounded down: the
* other side must not think that it has more time than there is.
*
* **Example** (Two forms)
*
* ```ts
* import { HttpDeadline } from "breakwater/http"
*
* HttpDeadline.toHeader("1500 millis") // => "1500"
* HttpDeadline.toHeader("1500 millis", { header: "grpc-timeout" }) // => "1500m"
* ```
*
* @category headers
* @since 0.1.0
*/
const toHeader = (left, options) => writeTimeout(deadlineFormat(options?.header ?? "x-envoy-expected-rq-timeout-ms"), Duration.toMillis(Duration.fromInputUnsafe(left)));
/**
* The time that a header gives; `undefined` for a text that is no such time.
*
* @category headers
* @since 0.1.0
*/
const fromHeader = (value, options) => {
	const millis = parseTimeout(deadlineFormat(options?.header ?? "x-envoy-expected-rq-timeout-ms"), value);
	return millis === void 0 ? void 0 : Duration.millis(millis);
};
/**
* Middleware that gives each handler the deadline that its caller sent: every call of an integration that the handler
* makes ends by then.
*
* **When to use**
*
* Use it in a service that others call and that calls others: time that the caller no longer waits is not spent on
* providers. A header can only shorten what a handler has, so it may come from anybody; one that is missing or can't be
* read gives no deadline.
*
* **Details**
*
* `header` is the header's name (default `x-envoy-expected-rq-timeout-ms`, milliseconds; `grpc-timeout` is read in gRPC's
* form). `reserve` (default 0) is taken off for what comes after the last call: writing the answer and the network's way.
* `max` bounds what a handler gets, also when no header was sent. The handler itself is not interrupted.
*
* @category middleware
* @since 0.1.0
*/
const layer$2 = (options) => {
	const name = (options?.header ?? "x-envoy-expected-rq-timeout-ms").toLowerCase();
	const format = deadlineFormat(name);
	const reserve = Duration.toMillis(Duration.fromInputUnsafe(options?.reserve ?? 0));
	const max = options?.max === void 0 ? Infinity : Duration.toMillis(Duration.fromInputUnsafe(options.max));
	return HttpRouter.middleware((handler) => Effect.withFiber((fiber) => {
		const text = fiber.getRef(HttpServerRequest.HttpServerRequest).headers[name];
		const told = text === void 0 ? void 0 : parseTimeout(format, text);
		const limit = Math.min(max, told === void 0 ? Infinity : Math.max(0, told - reserve));
		return limit === Infinity ? handler : at$1(handler, fiber.getRef(Clock.Clock).currentTimeMillisUnsafe() + limit);
	}), { global: true });
};

// dist/http/HttpIntegration.js
/**
* The layer of an integration over HTTP.
*
* @since 0.1.0
*/
var HttpIntegration_exports = /* @__PURE__ */ __exportAll({
	HttpTarget: () => HttpTarget,
	layer: () => layer$1,
	problems: () => problems$1
});
/**
* Builds an integration whose operations are HTTP endpoints. Call it once and keep it: two calls share nothing.
*
* **Details**
*
* It needs an `HttpClient`: `NodeHttpClient.layerUndici` of `@effect/platform-node`, or `FetchHttpClient.layer`. Don't
* give that client retries or timeouts of its own: they would multiply, out of sight of the deadline and the history.
* Options of `fetch` (`FetchHttpClient.RequestInit`) count where they are provided to this layer too: a redirect is not
* followed, and what only the client's layer has would be lost.
*
* @category layers
* @since 0.1.0
*/
const layer$1 = (self, options) => Layer.provide(layer$5(self, options), Layer.effect(HttpTarget, target(nameOf(self), options)));
/** A URL without what may be a secret in it. */
const publicly = (text) => text.replace(/^(\w+:\/\/)?.*@/s, "$1…@").replace(/([?#]).*$/s, "$1…");
const baseUrlProblems = (text) => {
	const url = URL.canParse(text) ? new URL(text) : void 0;
	if (url === void 0 || !/^https?:$/.test(url.protocol)) return [`baseUrl is not an http or https URL: ${publicly(text)}`];
	if (url.username !== "" || url.password !== "") return ["baseUrl holds credentials: give them as auth"];
	if (/[?#]/.test(text)) return [`baseUrl must have no query and no fragment: ${publicly(text)}`];
	return [];
};
const target = (integration, options) => Effect.gen(function* () {
	const { baseUrl } = options;
	const given = Config.isConfig(baseUrl) ? yield* baseUrl : baseUrl;
	const url = String(given);
	const limit = options.maxBodySize ?? 5242880;
	const problems = [...baseUrlProblems(url), ...Number.isInteger(limit) && limit > 0 ? [] : [`maxBodySize must be a positive integer of bytes, got ${limit}`]];
	if (problems.length > 0) return yield* new PolicyError({
		integration,
		operation: "(layer)",
		problems
	});
	return HttpTarget.of({
		baseUrl: url.replace(/\/$/, ""),
		authorize: options.auth === void 0 ? (request) => Effect.succeed({ request }) : yield* options.auth.open({ integration }),
		classify: options.classify,
		classifyErrors: options.classifyErrors,
		headers: options.headers === void 0 ? void 0 : Headers.fromInput(options.headers),
		correlationHeader: options.correlationHeader?.toLowerCase(),
		propagate: options.traceparent ?? "none",
		requestIdHeaders: (options.requestIdHeaders ?? [
			"request-id",
			"x-request-id",
			"x-amzn-requestid"
		]).map((name) => name.toLowerCase()),
		maxBodySize: limit,
		deadlineHeader: options.deadlineHeader?.toLowerCase(),
		replayHeader: (options.replayHeader ?? "idempotent-replayed").toLowerCase()
	});
});

// dist/http/internal/receiverAnswer.js
/** Headers that belong to the answer itself. Cookies, dates, limits and traces belong to the exchange. */
const told = [
	"content-type",
	"content-language",
	"location",
	"content-location",
	"etag",
	"last-modified",
	"link"
];
/** Statuses that say that nothing was done, or that say nothing about this key. */
const released = /* @__PURE__ */ new Set([
	401,
	403,
	408,
	421,
	425,
	429
]);
/** Whether an answer goes with an effect: what a transaction commits. The others roll it back. */
const isSuccess = (response) => response.status < 400;
const judge = (response, rules) => {
	const { status } = response;
	if (status < 400) return {
		_tag: "Keep",
		result: encode(response, rules)
	};
	if (rules.releases(response)) return { _tag: "Nothing" };
	if (status >= 500) return { _tag: "InDoubt" };
	return released.has(status) || status === 409 && isInProgress(response.body) ? { _tag: "Nothing" } : {
		_tag: "Keep",
		result: encode(response, rules)
	};
};
const decoder$1 = new TextDecoder("utf-8", {
	fatal: true,
	ignoreBOM: true
});
const textOf$1 = (bytes) => Result.getOrUndefined(Result.try({
	try: () => decoder$1.decode(bytes),
	catch: () => void 0
}));
/** An answer of our kind, from a receiver behind this one. */
const isInProgress = (body) => body._tag === "Uint8Array" && textOf$1(body.body)?.includes(problems$1.inProgress) === true;
const headersToTell = (more) => new Set([...told, ...more.map((name) => name.toLowerCase())].filter((name) => name !== "set-cookie"));
const Stored = Schema.Struct({
	v: Schema.Literal(1),
	status: Schema.Int,
	headers: Schema.Record(Schema.String, Schema.String),
	/** `undefined` for an answer without a body. One that was not kept has none either, and says so. */
	text: Schema.optionalKey(Schema.String),
	base64: Schema.optionalKey(Schema.String),
	dropped: Schema.optionalKey(Schema.Literal(true))
});
const codec = Schema.fromJsonString(Stored);
const write = Schema.encodeSync(codec);
const readStored = Schema.decodeUnknownExit(codec);
const textEncoder = new TextEncoder();
const bytesOf = (body) => {
	if (body._tag === "Uint8Array") return body.body;
	if (body._tag !== "Raw") return void 0;
	if (typeof body.body === "string") return textEncoder.encode(body.body);
	return body.body instanceof Uint8Array ? body.body : void 0;
};
/** An answer as text. A body that is streamed or too large is not kept; where it stands is, if it says so. */
const encode = (response, rules) => {
	const { body, status } = response;
	const headers = Object.fromEntries(Object.entries(response.headers).filter(([name]) => rules.headers.has(name)));
	if (body._tag === "Empty") return write({
		v: 1,
		status,
		headers
	});
	const bytes = bytesOf(body);
	if (bytes === void 0 || bytes.byteLength > rules.maxStored) {
		const { location } = headers;
		return write({
			v: 1,
			status,
			headers: location === void 0 ? {} : { location },
			dropped: true
		});
	}
	const text = textOf$1(bytes);
	return write({
		v: 1,
		status,
		headers,
		...text === void 0 ? { base64: Base64.encode(bytes) } : { text }
	});
};
const dropped = {
	_tag: "Dropped",
	location: void 0
};
const decode = (result) => {
	const exit = readStored(result);
	if (Exit.isFailure(exit)) return dropped;
	const stored = exit.value;
	if (stored.dropped === true) return {
		_tag: "Dropped",
		location: stored.headers["location"]
	};
	const headers = Headers.fromInput({
		...stored.headers,
		"idempotent-replayed": "true"
	});
	const options = {
		status: stored.status,
		headers,
		cookies: Cookies.empty
	};
	const contentType = stored.headers["content-type"];
	const whole = (bytes) => ({
		_tag: "Told",
		response: HttpServerResponse.uint8Array(bytes, contentType === void 0 ? options : {
			...options,
			contentType
		})
	});
	if (stored.text !== void 0) return whole(textEncoder.encode(stored.text));
	if (stored.base64 === void 0) return {
		_tag: "Told",
		response: HttpServerResponse.empty(options)
	};
	return Result.match(Base64.decode(stored.base64), {
		onFailure: () => dropped,
		onSuccess: whole
	});
};

// dist/http/internal/receiverErrors.js
const refused = { _tag: "Refused" };
const broken = { _tag: "Broken" };
const answer = (response) => ({
	_tag: "Answer",
	response
});
/** What a handler failed with, where it failed in one way. Interruptions and several failures at once say nothing. */
const single = (cause) => cause.reasons.length === 1 ? cause.reasons[0] : void 0;
/** The request did not match its schema. An answer that does not match its own failed after the handler. */
const isOfRequest = (error) => HttpApiError.HttpApiSchemaError.is(error) && error.kind !== "Body" && error.kind !== "ResponseHeaders";
/** `isTagged` knows no more than the tag: that of Effect's error, which has a reason. */
const isUnreadable = (error) => Predicate.isTagged(error, "HttpServerError") && error.reason._tag === "RequestParseError";
/** Around a route: a failure becomes a response outside of it, as Effect's server does it. */
const ofRoute = (cause) => {
	const reason = single(cause);
	if (reason === void 0 || reason._tag === "Interrupt") return Effect.succeed(broken);
	const error = reason._tag === "Fail" ? reason.error : reason.defect;
	if (HttpServerResponse.isHttpServerResponse(error)) return Effect.succeed(answer(error));
	if (isOfRequest(error)) return Effect.succeed(refused);
	if (reason._tag === "Fail" && (Schema.isSchemaError(error) || isUnreadable(error))) return Effect.succeed(refused);
	return HttpServerRespondable.isRespondable(error) ? Effect.matchCauseEffect(HttpServerRespondable.toResponse(error), {
		onFailure: () => Effect.succeed(broken),
		onSuccess: (response) => Effect.as(ErrorReporter.report(cause), answer(response))
	}) : Effect.succeed(broken);
};
/** The error that an endpoint failed with, on its way to the encoder. */
var Failure = class extends Context.Service()("breakwater/HttpReceiver/Failure") {};
/**
* Around an endpoint: an error that it declares is encoded outside of its middleware, too late for a record. So it is
* encoded here, by Effect's own encoder of an endpoint that declares the same errors.
*/
const ofEndpoint = (endpoint, group) => {
	let declared = [];
	HttpApi.reflect(HttpApi.make("errors").add(HttpApiGroup.make("errors").add(endpoint)), {
		onGroup() {},
		onEndpoint({ errors }) {
			declared = [...errors.values()].flat();
		}
	});
	const encoder = HttpApiEndpoint.get("encode", "/", {
		disableCodecs: true,
		error: declared
	}).annotateMerge(Context.merge(group.annotations, endpoint.annotations));
	const errors = HttpApi.make("errors").add(HttpApiGroup.make("errors").add(encoder));
	const encode = Effect.runSync(HttpApiBuilder.endpoint(errors, "errors", "encode", () => Effect.flatMap(Failure, (error) => Effect.fail(error))));
	return (cause) => {
		const reason = single(cause);
		if (reason === void 0 || reason._tag === "Interrupt") return Effect.succeed(broken);
		if (reason._tag === "Die") return Effect.succeed(HttpServerResponse.isHttpServerResponse(reason.defect) ? answer(reason.defect) : broken);
		const { error } = reason;
		if (isOfRequest(error) || isUnreadable(error)) return Effect.succeed(refused);
		if (HttpApiError.HttpApiSchemaError.is(error)) return Effect.succeed(broken);
		return Effect.matchCause(Effect.provideService(encode, Failure, error), {
			onFailure: () => broken,
			onSuccess: answer
		});
	};
};

// dist/http/ReceiverProblem.js
/**
* The problem documents of `HttpReceiver`, as errors that an `HttpApi` declares: they show in OpenAPI, and Effect's own
* client fails with them. breakwater's client reads them by their type and needs no translation for them.
*
* @since 0.1.0
*/
/**
* 400: a request that changes something came without a key.
*
* @category errors
* @since 0.1.0
*/
var KeyMissing = class extends HttpApiError.Problem()("IdempotencyKeyMissing", {
	type: problems$1.keyMissing,
	status: 400,
	title: "An idempotency key is required"
}) {};
/**
* 400: the key is none, or there is more than one.
*
* @category errors
* @since 0.1.0
*/
var KeyInvalid = class extends HttpApiError.Problem()("IdempotencyKeyInvalid", {
	type: problems$1.keyInvalid,
	status: 400,
	title: "The idempotency key is invalid"
}) {};
/**
* 409: another request with this key is at work. Has `Retry-After`.
*
* @category errors
* @since 0.1.0
*/
var InProgress = class extends HttpApiError.Problem()("IdempotencyInProgress", {
	type: problems$1.inProgress,
	status: 409,
	title: "A request with this idempotency key is in progress"
}) {};
/**
* 409: an earlier request with this key may have been carried out. It is held until somebody has found out.
*
* @category errors
* @since 0.1.0
*/
var OutcomeUnknown = class extends HttpApiError.Problem()("IdempotencyOutcomeUnknown", {
	type: problems$1.outcomeUnknown,
	status: 409,
	title: "It is not known whether the request with this idempotency key was carried out"
}) {};
/**
* 409, or 303 with a `Location`: it was carried out, and its answer was not kept.
*
* @category errors
* @since 0.1.0
*/
var ResponseNotStored = class extends HttpApiError.Problem()("IdempotencyResponseNotStored", {
	type: problems$1.responseNotStored,
	status: 409,
	title: "The request with this idempotency key was carried out; its response was not stored"
}) {};
/**
* 413: the request is too large to be told from another with the same key.
*
* @category errors
* @since 0.1.0
*/
var RequestTooLarge = class extends HttpApiError.Problem()("IdempotencyRequestTooLarge", {
	type: problems$1.requestTooLarge,
	status: 413,
	title: "The request is too large for an idempotency key"
}) {};
/**
* 422: the key was used before with another request.
*
* @category errors
* @since 0.1.0
*/
var KeyReused = class extends HttpApiError.Problem()("IdempotencyKeyReused", {
	type: problems$1.keyReused,
	status: 422,
	title: "This idempotency key was used with another request"
}) {};
/**
* 503: the records of keys can't be reached, so nothing was done. Has `Retry-After`.
*
* @category errors
* @since 0.1.0
*/
var NotProcessed = class extends HttpApiError.Problem()("IdempotencyNotProcessed", {
	type: problems$1.notProcessed,
	status: 503,
	title: "The request was not processed"
}) {};
/**
* 503: the request was cut, or the records of keys failed after the fact: it may have been carried out. Has
* `Retry-After`; a repeat with the same key is safe.
*
* @category errors
* @since 0.1.0
*/
var Unavailable = class extends HttpApiError.Problem()("IdempotencyUnavailable", {
	type: problems$1.unavailable,
	status: 503,
	title: "The request may have been carried out"
}) {};
/**
* All of them: what an endpoint behind `HttpReceiver.Service` declares.
*
* @category constants
* @since 0.1.0
*/
const all = [
	KeyMissing,
	KeyInvalid,
	InProgress,
	OutcomeUnknown,
	ResponseNotStored,
	RequestTooLarge,
	KeyReused,
	NotProcessed,
	Unavailable
];

// dist/http/internal/receiverRequest.js
/** Methods that change nothing (RFC 9110): they need no key, and one that they have means nothing. */
const safe = /* @__PURE__ */ new Set([
	"GET",
	"HEAD",
	"OPTIONS",
	"QUERY",
	"TRACE"
]);
const invalid = (why) => ({
	_tag: "Invalid",
	why
});
const visible = /^[\x21-\x7e]{1,255}$/;
/**
* Reads the key. A bare token and a quoted string (RFC 9651) are the same key. Servers join repeated headers with a comma
* and a space, which no key may contain: so two keys are an invalid one.
*/
const keyOf = (headers, name) => {
	const text = headers[name]?.trim();
	if (text === void 0) return { _tag: "Missing" };
	if (text === "") return invalid(`${name} is empty`);
	if (!text.startsWith("\"")) return visible.test(text) ? {
		_tag: "Key",
		key: text
	} : invalid(`${name} must be one key of 1 to 255 visible ASCII characters, bare or as a quoted string, and stand there once`);
	const quoted = /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/.exec(text)?.[1];
	if (quoted === void 0) return invalid(`${name} is not one quoted string (RFC 9651)`);
	const key = quoted.replace(/\\(["\\])/g, "$1");
	return visible.test(key) ? {
		_tag: "Key",
		key
	} : invalid(`${name} must hold 1 to 255 visible ASCII characters between its quotes`);
};
const tooLarge$1 = (error) => error.reason._tag === "RequestParseError" && error.reason.reason === "BodyTooLarge";
/** Reads the body to its end, or says that it is larger than it may be. A body that breaks off is the request's failure. */
const readBody = (request, max) => {
	if (Number(request.headers["content-length"] ?? 0) > max) return Effect.succeed("TooLarge");
	return Effect.withFiber((fiber) => {
		const limit = fiber.getRef(HttpIncomingMessage.MaxBodySize);
		const lowest = limit === void 0 || Number(limit) > max ? ByteSize.bytes(max) : limit;
		return Effect.matchEffect(Effect.provideService(request.arrayBuffer, HttpIncomingMessage.MaxBodySize, lowest), {
			onFailure: (error) => tooLarge$1(error) ? Effect.succeed("TooLarge") : Effect.fail(error),
			onSuccess: (buffer) => Effect.succeed(buffer.byteLength > max ? "TooLarge" : new Uint8Array(buffer))
		});
	});
};
const parseJson = (text) => Result.try({
	try: () => JSON.parse(text),
	catch: (error) => error
});
const decoder = new TextDecoder();
const encoder = new TextEncoder();
/**
* The request with the body that was read: every way to read it works, as often as it likes. What a server offers besides
* (`source`, `response`, …) is the original's.
*/
const withBody = (request, body) => {
	const broken = (cause) => new HttpServerError({ reason: new RequestParseError({
		request,
		reason: "Parse",
		cause
	}) });
	const text = Effect.sync(() => decoder.decode(body));
	const parts = partsOf(request, body);
	return Effect.map(Effect.cached(Multipart.toPersisted(parts)), (multipart) => {
		const readers = {
			stream: { value: streamOf(body) },
			arrayBuffer: { value: Effect.sync(() => body.slice().buffer) },
			text: { value: text },
			json: { value: Effect.flatMap(text, (json) => json === "" ? Effect.succeed(null) : Effect.mapError(Effect.fromResult(parseJson(json)), broken)) },
			urlParamsBody: { value: Effect.map(text, (form) => UrlParams.fromInput(new URLSearchParams(form.replace(/^\?/, "%3F")))) },
			multipartStream: { value: parts },
			multipart: { value: multipart }
		};
		const over = (inner) => Object.create(inner, {
			...readers,
			modify: { value: (options) => over(inner.modify(options)) }
		});
		return over(request);
	});
};
const streamOf = (body) => body.byteLength === 0 ? Stream.empty : Stream.succeed(body);
const partsOf = (request, body) => Stream.pipeThroughChannel(streamOf(body), Multipart.makeChannel(request.headers));
/**
* What a request is, before any schema reads it: a default that a deploy adds does not make it another request. JSON counts
* as a value, a form of parts by its parts, anything else byte by byte.
*/
const fingerprintOf = (request, matched, body) => {
	const mediaType = request.headers["content-type"]?.split(";", 1)[0]?.trim().toLowerCase() ?? "";
	const asBytes = Effect.map(digest(body), (bytes) => ({
		type: mediaType,
		bytes
	}));
	const content = body.byteLength === 0 ? Effect.succeed({}) : /^application\/(?:.*\+)?json$/.test(mediaType) ? Result.match(parseJson(decoder.decode(body)), {
		onFailure: () => asBytes,
		onSuccess: (json) => Effect.succeed({ json })
	}) : mediaType === "multipart/form-data" ? Effect.matchEffect(Stream.runCollect(Stream.mapEffect(partsOf(request, body), hashed)), {
		onFailure: () => asBytes,
		onSuccess: (parts) => Effect.succeed({ parts })
	}) : asBytes;
	const whole = Effect.flatMap(content, (content) => Result.match(textOf({
		...matched,
		...content
	}), {
		onFailure: () => Effect.map(asBytes, (bytes) => canonical({
			...matched,
			...bytes
		})),
		onSuccess: (text) => Effect.succeed(text)
	}));
	return Effect.map(Effect.flatMap(whole, (text) => digest(encoder.encode(text))), (hex) => `h1:${hex}`);
};
const textOf = (value) => Result.try({
	try: () => canonical(value),
	catch: (error) => error
});
const hashed = (part) => part._tag === "Field" ? Effect.succeed({
	key: part.key,
	type: part.contentType,
	value: part.value
}) : Effect.map(Effect.flatMap(part.contentEffect, (content) => digest(content.slice())), (file) => ({
	key: part.key,
	type: part.contentType,
	name: part.name,
	file
}));
/** SHA-256. Of much it is left to the platform, which does it elsewhere: other requests need not wait for it. */
const digest = (bytes) => bytes.byteLength <= 16384 ? Effect.sync(() => toHex(sha256(bytes))) : Effect.map(Effect.promise(() => crypto.subtle.digest("SHA-256", bytes)), (buffer) => toHex(new Uint8Array(buffer)));

// dist/http/internal/receiverRun.js
/** Carries an answer that is a failure through the engine, so that a transaction rolls back what came with it. */
var Answered = class {
	response;
	constructor(response) {
		this.response = response;
	}
};
/** Carries a failure through the engine, of which it is known that nothing happened. */
var Refused = class {
	cause;
	constructor(cause) {
		this.cause = cause;
	}
};
const fine = /* @__PURE__ */ new Set([
	"executed",
	"released",
	"replayed",
	"in_progress"
]);
const make$1 = (settings) => Effect.gen(function* () {
	const { mode, name, rules } = settings;
	const engine = yield* openEngine(settings);
	const running = yield* FiberSet.make();
	yield* Effect.addFinalizer(() => Effect.ignore(Effect.timeoutOption(FiberSet.awaitEmpty(running), settings.drain)));
	const observe = observer(name);
	const retryAfter = String(Math.max(1, Math.ceil(Duration.toSeconds(settings.retryAfter))));
	const problem = (went, error, headers) => Effect.map(HttpServerRespondable.toResponse(error), (response) => ({
		went,
		exit: Exit.succeed(headers === void 0 ? response : HttpServerResponse.setHeaders(response, headers))
	}));
	const later = { "retry-after": retryAfter };
	const reply = (ended, verdict) => {
		switch (ended._tag) {
			case "Ran": {
				const exit = unwrap(ended.exit);
				if (Exit.isFailure(exit) && !ended.recorded && Cause.hasInterruptsOnly(exit.cause)) return cut;
				if (ended.recorded) {
					const went = verdict?._tag === "Keep" ? "executed" : verdict?._tag === "Nothing" ? "released" : "failed";
					return Effect.succeed({
						went,
						exit
					});
				}
				return Effect.succeed({
					went: "unrecorded",
					exit: Exit.map(exit, HttpServerResponse.setHeader("idempotency-status", "unrecorded"))
				});
			}
			case "Replay": {
				const told = decode(ended.result);
				if (told._tag === "Told") return Effect.succeed({
					went: "replayed",
					exit: Exit.succeed(told.response)
				});
				const marked = { "idempotent-replayed": "true" };
				const gone = problem("response_not_stored", new ResponseNotStored({ detail: "Read the result instead of repeating the request." }), told.location === void 0 ? marked : {
					...marked,
					location: told.location
				});
				return told.location === void 0 ? gone : Effect.map(gone, seeOther);
			}
			case "InFlight": return problem("in_progress", new InProgress({ detail: "Repeat it with the same key after the time in Retry-After." }), later);
			case "Mismatch": return problem("key_reused", new KeyReused({ detail: "A key stands for one request. Nothing was done for this one." }));
			case "Held": return problem("outcome_unknown", new OutcomeUnknown({ detail: "Don't repeat it. Find out what happened, or ask the operator." }));
			case "StoreFailed": return mode._tag === "Leased" || ended.error.tookEffect === "no" ? problem("not_processed", new NotProcessed({ detail: "Nothing was done. Repeat it after the time in Retry-After." }), later) : cut;
		}
	};
	const cut = problem("unavailable", new Unavailable({ detail: "Repeat it with the same key after the time in Retry-After." }), later);
	return (handler, failed) => Effect.gen(function* () {
		const request = yield* HttpServerRequest.HttpServerRequest;
		if (safe.has(request.method)) return yield* handler;
		const { params, route } = yield* HttpRouter.RouteContext;
		const query = yield* HttpServerRequest.ParsedSearchParams;
		const principal = settings.principal === "shared" ? void 0 : yield* settings.principal;
		if (principal === "") return yield* Effect.die(/* @__PURE__ */ new Error(`${name}: the principal of a request is empty, so that tenants would share their keys`));
		const scope = scopeOf(name, principal, request.method, route.path);
		const refuse = (found, key) => Effect.flatMap(Effect.tap(found, ({ exit, went }) => observe(went, scope, key, exit)), ({ exit }) => exit);
		const found = keyOf(request.headers, settings.header);
		if (found._tag === "Missing") {
			if (!settings.required) return yield* Effect.provideServiceEffect(handler, Running, unkeyed(scope));
			return yield* refuse(problem("key_missing", new KeyMissing({ detail: `Send a key in the header ${settings.header}.` })));
		}
		if (found._tag === "Invalid") return yield* refuse(problem("key_invalid", new KeyInvalid({ detail: found.why })));
		const { key } = found;
		const body = yield* readBody(request, settings.maxRequest);
		if (body === "TooLarge") {
			const detail = `A request with a key may have a body of at most ${settings.maxRequest} bytes.`;
			return yield* refuse(problem("request_too_large", new RequestTooLarge({ detail })), key);
		}
		const matched = {
			method: request.method,
			route: route.path,
			params,
			query
		};
		const fingerprint = yield* fingerprintOf(request, matched, body);
		const incoming = yield* withBody(request, body);
		const requestScope = yield* Effect.scope;
		const handlerScope = Scope.makeUnsafe();
		let clientIsThere = true;
		let handlerIsDone = false;
		yield* Scope.addFinalizerExit(requestScope, (exit) => {
			clientIsThere = false;
			return handlerIsDone ? Scope.close(handlerScope, exit) : Effect.void;
		});
		const answering = Effect.matchCauseEffect(Effect.provideService(Effect.provideService(handler, HttpServerRequest.HttpServerRequest, incoming), Scope.Scope, handlerScope), {
			onSuccess: answered,
			onFailure: (cause) => Effect.flatMap(failed(cause), (what) => {
				if (what._tag === "Answer") return answered(what.response);
				return what._tag === "Refused" ? Effect.fail(new Refused(cause)) : Effect.failCause(cause);
			})
		});
		let verdict;
		const judge$2 = (exit) => Effect.sync(() => verdict = Exit.isSuccess(exit) ? judge(exit.value, rules) : judgeFailure(exit.cause));
		const judgeFailure = (cause) => {
			const error = cause.reasons.length === 1 ? cause.reasons.find(Cause.isFailReason)?.error : void 0;
			if (error instanceof Answered) return judge(error.response, rules);
			return error instanceof Refused ? { _tag: "Nothing" } : { _tag: "InDoubt" };
		};
		const whole = engine({
			address: {
				scope,
				key
			},
			fingerprint,
			handler: answering,
			judge: judge$2
		}).pipe(Effect.flatMap((ended) => reply(ended, verdict)), Effect.tap(({ exit, went }) => observe(went, scope, key, exit)), Effect.flatMap(({ exit }) => exit), Effect.onExit((exit) => {
			handlerIsDone = true;
			const streams = Exit.isSuccess(exit) && exit.value.body._tag === "Stream";
			const close = clientIsThere && streams ? Effect.void : Scope.close(handlerScope, exit);
			return clientIsThere || Exit.isSuccess(exit) ? close : Effect.andThen(close, ErrorReporter.report(exit.cause));
		}));
		const exit = yield* Effect.flatMap(FiberSet.run(running, whole), Fiber.await);
		if (Exit.isSuccess(exit) || !Cause.hasInterruptsOnly(exit.cause)) return yield* exit;
		return yield* refuse(cut, key);
	});
});
const answered = (response) => isSuccess(response) ? Effect.succeed(response) : Effect.fail(new Answered(response));
const unwrap = (exit) => {
	if (Exit.isSuccess(exit)) return exit;
	const error = exit.cause.reasons.find(Cause.isFailReason)?.error;
	if (error instanceof Answered) return Exit.succeed(error.response);
	return error instanceof Refused ? Exit.failCause(error.cause) : exit;
};
const seeOther = (reply) => ({
	...reply,
	exit: Exit.map(reply.exit, (response) => HttpServerResponse.setStatus(response, 303))
});
const openEngine = (settings) => Effect.gen(function* () {
	const { mode, timeToLive, wait } = settings;
	if (mode._tag === "Leased") {
		const store = yield* IdempotencyStore;
		const engine = (work) => leased(store, {
			...mode,
			timeToLive,
			wait
		}, work);
		return engine;
	}
	const store = yield* TransactionalStore;
	const engine = (work) => transactional(store, {
		...mode,
		timeToLive,
		wait
	}, work);
	return engine;
});
/** No name, principal and route together look like others. */
const scopeOf = (name, principal, method, route) => [
	escaped(name),
	principal === void 0 ? "*" : escaped(principal),
	`${method} ${route}`
].join("|");
const escaped = (part) => part.replace(/[%|*]/g, (char) => `%${char.charCodeAt(0).toString(16)}`);
/** A request without a key is an intent of its own: what it derives keys from is never met again. */
const unkeyed = (scope) => Effect.map(Effect.all([Random.next, Random.next]), ([a, b]) => {
	return {
		address: {
			scope,
			key: `unkeyed ${a} ${b}`
		},
		steps: /* @__PURE__ */ new Map(),
		save: () => Effect.void
	};
});
const observer = (name) => {
	const counters = /* @__PURE__ */ new Map();
	const counterOf = (went) => {
		let counter = counters.get(went);
		if (counter === void 0) {
			counter = Metric.counter(names.receiverRequests, {
				description: "Requests that a receiver answered, by how they went",
				incremental: true,
				attributes: {
					[names.receiver]: name,
					[names.outcome]: went,
					unit: "{request}"
				}
			});
			counters.set(went, counter);
		}
		return counter;
	};
	return (went, scope, key, exit) => Effect.withFiber((fiber) => {
		counterOf(went).updateUnsafe(1, fiber.context);
		const levels = fiber.getRef(LogLevels);
		const level = fine.has(went) ? levels.ok : levels.failed;
		if (level === void 0) return Effect.void;
		const line = Effect.annotateLogs(Effect.logWithLevel(level)(`${scope} ${went}`), {
			receiver: name,
			outcome: went,
			...key === void 0 ? {} : { idempotency_key: key },
			...Exit.isSuccess(exit) ? { status: exit.value.status } : {}
		});
		return Effect.catchCause(line, () => Effect.void);
	});
};

// dist/http/HttpReceiver.js
/**
* The receiving side over HTTP: a route or an endpoint that is carried out once per idempotency key.
*
* @since 0.1.0
*/
var HttpReceiver_exports = /* @__PURE__ */ __exportAll({
	InProgress: () => InProgress,
	KeyInvalid: () => KeyInvalid,
	KeyMissing: () => KeyMissing,
	KeyReused: () => KeyReused,
	NotProcessed: () => NotProcessed,
	OutcomeUnknown: () => OutcomeUnknown,
	RequestTooLarge: () => RequestTooLarge,
	ResponseNotStored: () => ResponseNotStored,
	Service: () => Service,
	Unavailable: () => Unavailable,
	all: () => all,
	layer: () => layer,
	middleware: () => middleware,
	problems: () => problems$1
});
/**
* Carries out the routes that it is provided to once per idempotency key.
*
* **When to use**
*
* Use for routes of `HttpRouter`. For the endpoints of an `HttpApi` use `Service` and `layer`, which also declare the
* problems in the contract.
*
* **Details**
*
* The first request with a key is carried out and its answer stored; every later one gets that answer, byte for byte, with
* `Idempotent-Replayed: true`. While the first is at work, others wait or get 409. The key with another request gets 422.
* GET, HEAD, OPTIONS, QUERY and TRACE pass through.
*
* - *Order.* Whoever may not do it must not get to the records: authorise outside, `Idempotent.combine(Auth)`. With a
*   principal that authorisation provides, another order does not compile.
* - *Same request.* Method, route, parameters, query and body, before any schema reads them: JSON as a value, a form of
*   parts by its parts, anything else byte by byte.
* - *Stored.* 2xx, 3xx and 4xx. Not 401, 403, 408, 421, 425, 429, nor a request that does not match its schema (a
*   `SchemaError` that a handler fails with counts as one): they free the key. A 5xx and a defect follow the mode: a
*   transaction is rolled back; under a lease the next request runs again, or it is held.
* - *Told again.* Status, body, and the headers that describe them: `Content-Type`, `Content-Language`, `Location`,
*   `Content-Location`, `ETag`, `Last-Modified`, `Link`. An answer that is streamed or too large is not kept: its repeat is
*   told so, or is sent to its `Location` with 303.
* - *A client that leaves* interrupts nothing: handler and record go on in the scope of the layer.
* - *The store.* One that can't be reached fails the request with 503 before anything runs. One that fails after the
*   handler does not turn a success into an error: the answer has `Idempotency-Status: unrecorded`.
* - *Other clients.* A problem says what it is by its status and type. The official `stripe` package looks at neither: it
*   repeats a 409 and a 503 as often as it may, and then takes them, and a 422 at once, for a success, as any JSON without
*   a field `error`. For such a client put a middleware outside that says problems in its words.
* - *Transactions.* With `Receiver.transactional` a 4xx is recorded, and what its handler wrote is rolled back. Handlers
*   must not call other services; the types can't see that here.
*
* A handler may use `Receiver.childKey` and `Receiver.step`. Every request with a key writes one log line with the
* annotation `idempotency_key`, as its sender does, and counts in `breakwater.receiver.requests`.
*
* **Example** (A lost answer, and its repeat)
*
* ```ts
* import { IdempotencyStoreMemory, Receiver } from "breakwater"
* import { HttpReceiver } from "breakwater/http"
* import { Effect, Layer } from "effect"
* import { HttpRouter, HttpServerResponse } from "effect/http"
*
* let charges = 0
* const Idempotent = HttpReceiver.middleware({
*   name: "shop",
*   mode: Receiver.leased({ onLostLease: "hold" }),
*   principal: "shared"
* })
*
* const Charges = HttpRouter.add(
*   "POST",
*   "/charges",
*   Effect.sync(() => HttpServerResponse.jsonUnsafe({ id: `ch_${++charges}` }, { status: 201 }))
* ).pipe(Layer.provide(Idempotent.layer), Layer.provide(IdempotencyStoreMemory.layer))
*
* const { dispose, handler } = HttpRouter.toWebHandler(Charges, { disableLogger: true })
* const send = (amount: number) =>
*   handler(
*     new Request("http://shop.test/charges", {
*       method: "POST",
*       headers: { "idempotency-key": "order-42", "content-type": "application/json" },
*       body: JSON.stringify({ amount })
*     })
*   )
*
* await (await send(5)).json() // => { id: "ch_1" }
* const again = await send(5)
* await again.json() // => { id: "ch_1" }
* again.headers.get("idempotent-replayed") // => "true"
* const other = await send(6)
* other.status // => 422
* await dispose()
* ```
*
* @category constructors
* @since 0.1.0
*/
const middleware = (options) => HttpRouter.middleware()(Effect.map(open(options.name, options), (guard) => (handler) => guard(handler, ofRoute)));
const open = (name, options) => make$1({
	name,
	mode: options.mode,
	principal: options.principal,
	required: options.required ?? true,
	header: (options.header ?? "idempotency-key").toLowerCase(),
	wait: Duration.fromInputUnsafe(options.wait ?? 0),
	retryAfter: Duration.fromInputUnsafe(options.retryAfter ?? "1 second"),
	timeToLive: Duration.fromInputUnsafe(options.timeToLive ?? "24 hours"),
	maxRequest: options.maxRequestSize ?? 1048576,
	rules: {
		maxStored: options.maxStoredSize ?? 262144,
		headers: headersToTell(options.replayHeaders ?? []),
		releases: options.releases ?? (() => false)
	},
	drain: Duration.fromInputUnsafe(options.drain ?? "10 seconds")
});
/**
* The receiver as a part of an `HttpApi` contract: its problems show in OpenAPI, and in the errors of Effect's client.
*
* **Details**
*
* Say with `requires` which service of a request its principal comes from. Middleware that is added later runs outside:
* add the authorisation last.
*
* OpenAPI does not show the request header of the key by itself: a middleware of Effect declares errors and security, and
* no headers. Declare it on the endpoint, with `headers: Schema.Struct({ "idempotency-key": Schema.String })`, or with
* `Schema.optionalKey` where a key is not required. The receiver reads it first, so a request without a key gets the
* receiver's problem, and not that of the schema.
*
* **Example** (A contract whose endpoint is carried out once per key)
*
* ```ts
* import { HttpReceiver } from "breakwater/http"
* import { Context, Schema } from "effect"
* import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiMiddleware, OpenApi } from "effect/http-api"
*
* class CurrentUser extends Context.Service<CurrentUser, { readonly tenant: string }>()("shop/CurrentUser") {}
* class Auth extends HttpApiMiddleware.Service<Auth, { provides: CurrentUser }>()("shop/Auth") {}
* class Idempotent extends HttpReceiver.Service<Idempotent, { requires: CurrentUser }>()("shop/Idempotent") {}
*
* const Shop = HttpApi.make("shop").add(
*   HttpApiGroup.make("charges").add(
*     HttpApiEndpoint.post("create", "/charges", { payload: Schema.Struct({ amount: Schema.Int }) })
*       .middleware(Idempotent)
*       .middleware(Auth)
*   )
* )
*
* Object.keys(OpenApi.fromApi(Shop).paths["/charges"]!.post!.responses) // => ["204", "400", "409", "413", "422", "503"]
* ```
*
* @category constructors
* @since 0.1.0
*/
const Service = () => (id) => HttpApiMiddleware.Service()(id, { error: all });
/**
* Carries out the endpoints of a `Service` once per key: see `middleware` for what that means.
*
* **Details**
*
* The id of the service is the first part of every record's scope. An error that an endpoint declares is encoded here, so
* that its bytes can be stored; middleware outside sees an answer. A request that does not match its schema passes on as
* the failure that it is.
*
* **Example** (The server of such a contract)
*
* ```ts
* import { IdempotencyStoreMemory, Receiver } from "breakwater"
* import { HttpReceiver } from "breakwater/http"
* import { Context, Effect, Layer } from "effect"
*
* class CurrentUser extends Context.Service<CurrentUser, { readonly tenant: string }>()("shop/CurrentUser") {}
* class Idempotent extends HttpReceiver.Service<Idempotent, { requires: CurrentUser }>()("shop/Idempotent") {}
*
* export const IdempotentLive = HttpReceiver.layer(Idempotent, {
*   mode: Receiver.leased({ onLostLease: "rerun" }),
*   principal: Effect.map(CurrentUser, (user) => user.tenant)
* }).pipe(Layer.provide(IdempotencyStoreMemory.layer))
* ```
*
* @category layers
* @since 0.1.0
*/
const layer = (service, options) => Layer.effect(service, Effect.map(open(service.key, options), (guard) => (handler, { endpoint, group }) => guard(handler, ofEndpoint(endpoint, group))));

// dist/http/WebhookReceiver.js
/**
* Routes that receive webhooks: verified, and handled once per event.
*
* @since 0.1.0
*/
var WebhookReceiver_exports = /* @__PURE__ */ __exportAll({
	make: () => make,
	post: () => post$1
});
/** A provider has no use for a reason, and a stranger who guesses signatures gets none. */
const bare = (status, retryAfter) => HttpServerResponse.empty({
	status,
	...retryAfter === void 0 ? {} : { headers: { "retry-after": String(Math.max(1, Math.ceil(Duration.toSeconds(retryAfter)))) } }
});
const refusals = {
	TooLarge: 413,
	MissingHeader: 400,
	Malformed: 400,
	Stale: 401,
	BadSignature: 401,
	InvalidEvent: 422,
	SecretsUnavailable: 503,
	Misconfigured: 500
};
const refusalOf = (error) => bare(refusals[error.reason], error.reason === "SecretsUnavailable" ? Duration.seconds(30) : void 0);
const responseOf = (error) => {
	switch (error.reason) {
		case "ResponseNotStored": return bare(200);
		case "KeyReused": return bare(422);
		case "InvalidKey": return bare(400);
		case "InvalidInput": return bare(500);
		case "InProgress":
		case "LeaseLost":
		case "StoreUnavailable": return bare(503, error.retryAfter ?? Duration.seconds(1));
		case "OutcomeUnknown": return bare(503, Duration.hours(1));
	}
};
/** What a receiver compares of an arrival: the digest of its body where its id could have been made up. */
const arrivedCodec = () => Schema.String.pipe(Schema.decodeTo(Schema.declare((u) => typeof u === "object" && u !== null && "verified" in u), new SchemaTransformation.Transformation(SchemaGetter.forbidden(() => "an arrival is not read back"), SchemaGetter.transform(({ verified }) => verified.fingerprint))));
/** Keeps a failure of the handler apart from one of the receiver around it. */
var HandlerFailure = class {
	error;
	constructor(error) {
		this.error = error;
	}
};
const horizonProblem = (webhook, timeToLive) => {
	const { millis, problem } = check("`timeToLive`", timeToLive);
	if (problem !== void 0) return problem;
	const horizon = Duration.toMillis(webhook.retryHorizon);
	if (millis >= horizon) return void 0;
	const [kept, repeats] = formatBoth(millis, horizon);
	return `\`timeToLive\` (${kept}) is shorter than the provider repeats (${repeats}): the last repeats would run again`;
};
const tooLarge = (webhook, size) => new WebhookError({
	reason: "TooLarge",
	provider: webhook.provider,
	detail: `the body has ${size} bytes, ${webhook.maxBytes} are allowed`
});
/** The raw bytes, never more than allowed: a declared length is believed, one that is not declared is counted. */
const bodyOf = (webhook, request) => {
	const declared = Number(request.headers["content-length"]);
	if (declared > webhook.maxBytes) return Effect.fail(tooLarge(webhook, String(declared)));
	return request.arrayBuffer.pipe(Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.fromInputUnsafe(webhook.maxBytes)), Effect.map((buffer) => new Uint8Array(buffer)), Effect.mapError((error) => HttpServerError$1.isHttpServerError(error) && error.reason._tag === "RequestParseError" && error.reason.reason === "BodyTooLarge" ? tooLarge(webhook, `more than ${webhook.maxBytes}`) : new WebhookError({
		reason: "Malformed",
		provider: webhook.provider,
		detail: "the body ended early or could not be read"
	})));
};
/**
* The address that was called, before a router took a prefix away, in the spelling of the caller: a provider that signs
* the address signs what it has written. `xForwardedHeaders` of Effect's `HttpMiddleware` sets protocol and host.
*/
const urlOf = ({ headers, originalUrl, protocol }) => originalUrl.startsWith("/") ? `${protocol ?? "http"}://${headers["host"] ?? "localhost"}${originalUrl}` : originalUrl;
/**
* Makes the handler of a route, for a router that is not Effect's `HttpRouter` layer. `post` does the rest.
*
* @category constructors
* @since 0.1.0
*/
const make = (webhook, options, handler) => Effect.gen(function* () {
	const timeToLive = options.timeToLive ?? webhook.timeToLive;
	const problem = horizonProblem(webhook, timeToLive);
	if (problem !== void 0) return yield* new WebhookError({
		reason: "Misconfigured",
		provider: webhook.provider,
		detail: problem
	});
	const verify = yield* verifier(webhook);
	const decode = event(options.event);
	const scope = yield* Effect.scope;
	const { answer, nothingHappened, onRejected = (error) => Effect.logWarning(error.message) } = options;
	const receive = once$1({
		name: options.name,
		mode: options.mode,
		key: ({ verified }) => verified.id,
		scope: options.scope === void 0 ? void 0 : ({ event, verified }) => options.scope(event, verified),
		input: arrivedCodec(),
		success: answer?.success ?? Schema.Void,
		nothingHappened: nothingHappened === void 0 ? void 0 : (error) => error instanceof HandlerFailure && nothingHappened(error.error),
		timeToLive,
		wait: options.wait
	})(({ event, verified }) => Effect.scoped(Effect.mapError(answer === void 0 ? Effect.asVoid(handler(event, verified)) : handler(event, verified), (error) => new HandlerFailure(error))));
	const arrive = Effect.gen(function* () {
		const request = yield* HttpServerRequest.HttpServerRequest;
		const receivedAt = yield* Clock.currentTimeMillis;
		const body = yield* bodyOf(webhook, request);
		const verified = yield* verify({
			headers: request.headers,
			body,
			url: urlOf(request),
			receivedAt
		});
		return {
			verified,
			event: verified.handshake === void 0 ? yield* decode(verified) : void 0
		};
	});
	const run = (arrived) => Effect.matchCauseEffect(Effect.flatMap(Effect.forkIn(receive(arrived), scope, { startImmediately: true }), Fiber.join), {
		onSuccess: (value) => Effect.succeed(answer === void 0 ? bare(200) : answer.respond(value)),
		onFailure: (cause) => {
			const error = cause.reasons.find(Cause.isFailReason)?.error;
			if (error instanceof ReceiverError) {
				const rejected = error.reason === "InProgress" ? Effect.void : onRejected(error);
				return error.reason === "ResponseNotStored" ? Effect.succeed(responseOf(error)) : Effect.as(rejected, responseOf(error));
			}
			const own = cause.reasons.map((reason) => Cause.isFailReason(reason) ? Cause.makeFailReason(reason.error.error) : reason);
			const response = Cause.hasInterruptsOnly(cause) ? bare(503, Duration.seconds(1)) : bare(500);
			return Effect.failCause(Cause.fromReasons([...own, Cause.makeDieReason(response)]));
		}
	});
	return Effect.matchEffect(arrive, {
		onFailure: (error) => Effect.as(onRejected(error), refusalOf(error)),
		onSuccess: ({ event, verified }) => verified.handshake === void 0 ? run({
			event,
			verified
		}) : Effect.succeed(HttpServerResponse.text(verified.handshake))
	});
});
/**
* A route that receives a provider's webhooks: the raw body is read up to `maxBytes`, the signature is checked, and the
* handler runs once per event, however often it is delivered.
*
* **Details**
*
* | what happened                                      | answer                               |
* |----------------------------------------------------|--------------------------------------|
* | handled now, or before                             | 200, or what `answer` says           |
* | the handler failed or died                         | 500; the next delivery runs it again |
* | another delivery of it is at work                  | 503 with `Retry-After`               |
* | the store, or what reads the secrets, failed       | 503 with `Retry-After`               |
* | it may have been handled (`onLostLease: "hold"`)   | 503 with `Retry-After` of an hour    |
* | header or body can't be read                       | 400                                  |
* | bad signature, or signed at another time           | 401                                  |
* | too large                                          | 413                                  |
* | does not match the schema, or its id was used with another body | 422                     |
*
* There is no 2xx before the handler has succeeded. Providers wait for seconds (GitHub 10, Shopify 5, Slack 3): a handler
* that takes longer writes the event to a queue or an outbox in a transaction, and that is what is acknowledged. One that
* takes longer all the same runs on when the provider hangs up, and the next delivery finds what it did.
*
* Answers have no body but what `answer` gives. What the handler failed with is the failure of the route: loggers and
* tracers of the router see it, the provider does not.
*
* **Example** (Stripe's events, each handled once)
*
* ```ts
* import { IdempotencyStoreMemory, Receiver, Webhook } from "breakwater"
* import { WebhookReceiver } from "breakwater/http"
* import { Effect, Layer, Redacted, Schema } from "effect"
* import { HttpRouter } from "effect/http"
*
* const StripeEvents = Webhook.stripe({ secrets: Redacted.make("whsec_example") })
* const StripeEvent = Schema.Struct({ type: Schema.String, data: Schema.Struct({ object: Schema.Unknown }) })
*
* let handled = 0
* const route = WebhookReceiver.post(
*   "/webhooks/stripe",
*   StripeEvents,
*   { event: StripeEvent, mode: Receiver.leased({ onLostLease: "rerun" }) },
*   (event) => Effect.sync(() => { if (event.type === "invoice.paid") handled++ })
* )
*
* const app = route.pipe(HttpRouter.provideRequest(IdempotencyStoreMemory.layer))
* const { handler } = HttpRouter.toWebHandler(app, { disableLogger: true })
*
* const body = JSON.stringify({ id: "evt_1", type: "invoice.paid", data: { object: {} } })
* const deliver = Effect.gen(function* () {
*   const headers = yield* Webhook.sign(StripeEvents, { id: "evt_1", body })
*   const request = new Request("http://localhost/webhooks/stripe", { method: "POST", headers, body })
*   return (yield* Effect.promise(() => handler(request))).status
* })
*
* const statuses = await Effect.runPromise(Effect.all([deliver, deliver])) // => [200, 200]
* const runs = handled // => 1
* ```
*
* @category routes
* @since 0.1.0
*/
const post$1 = (path, webhook, options, handler) => HttpRouter.use((router) => Effect.flatMap(make(webhook, {
	...options,
	name: options.name ?? `POST ${path}`
}, handler), (handle) => router.add("POST", path, handle)));

export { Auth_exports as Auth, GraphQL_exports as GraphQL, HttpControl_exports as HttpControl, HttpCorrelation_exports as HttpCorrelation, HttpDeadline_exports as HttpDeadline, HttpIntegration_exports as HttpIntegration, HttpOperation_exports as HttpOperation, HttpReceiver_exports as HttpReceiver, Upload_exports as Upload, WebhookReceiver_exports as WebhookReceiver };