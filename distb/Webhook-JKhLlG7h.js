import * as Data from "effect/Data";
import * as Duration from "effect/Duration";
import { NodeInspectSymbol } from "effect/Inspectable";
import * as Predicate from "effect/Predicate";
import * as Effect from "effect/Effect";
import * as Random from "effect/Random";
import * as Clock from "effect/Clock";
import * as Context from "effect/Context";
import { dual, identity } from "effect/Function";
import * as Option from "effect/Option";
import * as Layer from "effect/Layer";
import * as Stream from "effect/Stream";
import * as Exit from "effect/Exit";
import * as Schema from "effect/Schema";
import * as DateTime from "effect/DateTime";
import { pipeArguments } from "effect/Pipeable";
import * as Fiber from "effect/Fiber";
import * as Cause from "effect/Cause";
import * as Tracer from "effect/Tracer";
import * as Formatter from "effect/Formatter";
import * as Logger from "effect/Logger";
import * as Metric from "effect/Metric";
import * as References from "effect/References";
import * as Channel from "effect/Channel";
import * as Config from "effect/Config";
import * as ConfigProvider from "effect/ConfigProvider";
import * as Schedule from "effect/Schedule";
import * as Pull from "effect/Pull";
import * as Result from "effect/Result";
import * as Scope from "effect/Scope";
import * as RateLimiter from "effect/persistence/RateLimiter";
import * as Redacted from "effect/Redacted";
import * as SchemaIssue from "effect/SchemaIssue";
import * as Digest from "effect/crypto/Digest";
import * as Mac from "effect/crypto/Mac";
import * as SecureRandom from "effect/crypto/SecureRandom";
import * as Signature from "effect/crypto/Signature";
import * as Base64 from "effect/encoding/Base64";
import * as Hex from "effect/encoding/Hex";

// \0rolldown/runtime.js
var __defProp = Object.defineProperty;
var __exportAll = (all, no_symbols) => {
	let target = {};
	for (var name in all) {
		__defProp(target, name, {
			get: all[name],
			enumerable: true
		});
	}
	if (!no_symbols) {
		__defProp(target, Symbol.toStringTag, { value: "Module" });
	}
	return target;
};

// dist/CallFailure.js
/**
* The one failure inside the toolkit. A call site never sees it: `translate` and `orElse` turn it into errors of the
* application's own, and read from it whether the effect happened.
*
* @since 0.1.0
*/
var CallFailure_exports = /* @__PURE__ */ __exportAll({
	CallFailure: () => CallFailure,
	isCallFailure: () => isCallFailure,
	nextStep: () => nextStep
});
const TypeId$5 = "~breakwater/CallFailure";
/**
* A call failed. Printed, it says what happened, attempt by attempt, whether it took effect, and what to do next.
*
* @category errors
* @since 0.1.0
*/
var CallFailure = class extends Data.TaggedError("CallFailure") {
	[TypeId$5] = TypeId$5;
	get message() {
		return format$1(this);
	}
	/** What `console.log` shows: the message and the call site, never a cause that may hold a request or an answer. */
	[NodeInspectSymbol]() {
		return this.stack ?? this.message;
	}
	toJSON() {
		return {
			_tag: this._tag,
			integration: this.integration,
			operation: this.operation,
			reason: this.reason._tag,
			message: this.reason.message,
			outcome: this.outcome,
			stopped: this.stopped,
			attempts: this.attempts,
			elapsedMs: Duration.toMillis(this.elapsed),
			retryAfterMs: this.retryAfter === void 0 ? void 0 : Duration.toMillis(this.retryAfter),
			correlationId: this.correlationId,
			key: this.key,
			parkFailed: this.parkFailed,
			next: nextStep(this)
		};
	}
};
/**
* Returns whether a value is a `CallFailure`.
*
* @category guards
* @since 0.1.0
*/
const isCallFailure = (u) => Predicate.hasProperty(u, TypeId$5);
/**
* What the reader of a failure should do, in one sentence.
*
* @category destructors
* @since 0.1.0
*/
const nextStep = (self) => {
	switch (self.reason._tag) {
		case "InvalidInput": return "correct the input; nothing was sent";
		case "KeyConflict": return "find the two callers that share this key; never mint a new key to get past it";
		case "OutcomeHeld": return "resolve the held outcome at the receiver; do not repeat";
		case "Draining": return "nothing was sent; repeat it at another instance";
	}
	if (self.repeat === "Safe") return "nothing changed at the provider; repeat whenever it suits";
	if (self.reason._tag === "PreconditionFailed") switch (self.outcome) {
		case "Unknown": return "it may have happened; read what is there, and look whether it is this call's work, before you write again";
		case "Applied": return "it happened; do not repeat; read the result at the provider";
		default: return "it did not happen; read what is there, and write with its version";
	}
	switch (self.outcome) {
		case "NotSent": return "it did not happen; it is safe to repeat";
		case "Refused": return self.reason.transient ? "it did not happen; it is safe to repeat later" : "it did not happen; correct the request before repeating";
		case "Applied": return self.reason._tag === "InvalidResponse" ? "it happened; do not repeat; read the result at the provider and correct the success schema" : "it happened; do not repeat; read the result at the provider";
		case "Unknown": return self.key !== void 0 ? "it may have happened; repeat only with the same key while the provider remembers it, else look it up there" : self.repeat === "Idempotent" ? "it may have happened; repeating it has the same effect" : "it may have happened; look it up at the provider before repeating";
	}
};
const millis = (n) => n < 1e4 ? `${Math.round(n)} ms` : `${(n / 1e3).toFixed(1)} s`;
/** One line for an attempt. */
const formatAttempt = (attempt) => {
	const waited = attempt.waited > 0 ? `, after waiting ${millis(attempt.waited)}` : "";
	const queued = attempt.queued > 0 ? `, ${millis(attempt.queued)} of it for a permit` : "";
	const again = attempt.reauthenticated === true ? ", sent twice, the second time with another credential" : "";
	const id = attempt.requestId === void 0 ? "" : `, provider's id ${attempt.requestId}`;
	return `  attempt ${attempt.number} at +${millis(attempt.startedAfter)}: ${attempt.reason}: ${attempt.message} (${attempt.outcome}, took ${millis(attempt.elapsed)}${queued}${waited}${again}${id})`;
};
const happened = {
	NotSent: "NotSent: it did not happen, nothing reached the provider",
	Refused: "Refused: it did not happen, the provider said so",
	Unknown: "Unknown: it may have happened",
	Applied: "Applied: it happened, the answer could not be used"
};
const format$1 = (self) => {
	const lines = [`${self.integration} ${self.operation} failed: ${self.reason._tag}: ${self.reason.message}`];
	for (const attempt of self.attempts) lines.push(formatAttempt(attempt));
	if (self.attempts.length === 0) lines.push("  no attempt was made");
	lines.push(`  outcome        ${happened[self.outcome]}`);
	lines.push(`  not repeated   ${self.stopped}${self.retryAfter === void 0 ? "" : ` (asked to wait ${millis(Duration.toMillis(self.retryAfter))})`}`);
	if (self.parkFailed !== void 0) lines.push(`  not parked     ${self.parkFailed}`);
	if (self.key !== void 0) lines.push(`  key            ${self.key}`);
	lines.push(`  correlation id ${self.correlationId}`);
	lines.push(`  next           ${nextStep(self)}`);
	return lines.join("\n");
};

// dist/Deadline.js
/**
* A deadline that travels with a program: every call inside it ends by then.
*
* @since 0.1.0
*/
var Deadline_exports = /* @__PURE__ */ __exportAll({
	Current: () => Current$1,
	at: () => at,
	forget: () => forget,
	remaining: () => remaining,
	within: () => within$1
});
/**
* When the calls of the running program must have ended, in epoch milliseconds of Effect's clock; `undefined` while no
* deadline applies.
*
* @category references
* @since 0.1.0
*/
const Current$1 = Context.Reference("breakwater/Deadline/Current", { defaultValue: () => void 0 });
/**
* Gives a program a deadline: every call that it makes, however deep, clamps its total deadline, attempt timeouts, waits
* for a permit, backoff and `Retry-After` to the time that is left.
*
* **When to use**
*
* Use it at the edge, where it is known how long somebody will wait: around a request's handler, a job, a page. A wait
* that can't fit fails at once, with the provider's last failure, instead of using up time that nobody waits for.
*
* **When not to use**
*
* It bounds calls, not computations: code between two calls is not interrupted. Add `Effect.timeout` where it should be.
* What the outbox has stored is not bound by it: a stored call goes on in its worker.
*
* **Details**
*
* A deadline inside another can only shorten it. Time is Effect's clock, so that `TestClock` drives it. A call that
* starts when no time is left fails as `DeadlineExceeded` and `NotSent`.
*
* **Example** (Two calls that share two seconds)
*
* ```ts
* import { Effect } from "effect"
* import { Deadline } from "breakwater"
*
* const program = Effect.gen(function* () {
*   const left = yield* Deadline.remaining
*   return left === undefined ? "no deadline" : "at most two seconds"
* })
*
* Effect.runSync(program.pipe(Deadline.within("2 seconds"))) // => "at most two seconds"
* ```
*
* @category combinators
* @since 0.1.0
*/
const within$1 = dual(2, (self, limit) => Effect.flatMap(Clock.currentTimeMillis, (now) => at(self, now + Duration.toMillis(Duration.fromInputUnsafe(limit)))));
/**
* Gives a program a deadline at a point of time, in epoch milliseconds: for one that another system handed on. A deadline
* inside another can only shorten it.
*
* @category combinators
* @since 0.1.0
*/
const at = dual(2, (self, time) => Effect.updateService(self, Current$1, (outer) => outer === void 0 ? time : Math.min(outer, time)));
/**
* Takes a program out of the deadline around it: for what must go on when nobody waits any more, such as an audit entry.
*
* @category combinators
* @since 0.1.0
*/
const forget = (self) => Effect.provideService(self, Current$1, void 0);
/**
* How much time is left, never below zero; `undefined` while no deadline applies.
*
* @category getters
* @since 0.1.0
*/
const remaining = Effect.withFiber((fiber) => {
	const time = fiber.getRef(Current$1);
	return Effect.succeed(time === void 0 ? void 0 : Duration.millis(Math.max(0, time - fiber.getRef(Clock.Clock).currentTimeMillisUnsafe())));
});

// dist/Exhaustion.js
var Exhaustion_exports = /* @__PURE__ */ __exportAll({
	describe: () => describe$1,
	fail: () => fail,
	fallback: () => fallback,
	fallbackUnlessItHappened: () => fallbackUnlessItHappened,
	park: () => park$1,
	parkWith: () => parkWith
});
const make$5 = (decision) => ({ decision });
/**
* Fail loudly: the call fails with the application's own error, which says whether it happened.
*
* @category constructors
* @since 0.1.0
*/
const fail = make$5({ _tag: "Fail" });
/**
* Answer with something else: a cached price, an empty list, another provider. For operations that are safe.
*
* **Details**
*
* It runs only for failures that the policy would have retried, never for declared errors, rejections, invalid input or
* defects. It can't fail, and it has 1 second, past which the call's own failure stands. Telemetry counts it as
* `fallback`, never as `ok`.
*
* @category constructors
* @since 0.1.0
*/
const fallback = (reason, f) => make$5({
	_tag: "Fallback",
	reason,
	unlessItHappened: false,
	f
});
/**
* Answer with something else while the call certainly did not happen, for operations that change something. After
* `Unknown` or `Applied` the failure stands: another provider would do it a second time.
*
* @category constructors
* @since 0.1.0
*/
const fallbackUnlessItHappened = (reason, f) => make$5({
	_tag: "Fallback",
	reason,
	unlessItHappened: true,
	f
});
/**
* Store the call, so that an `OutboxWorker` makes it later: the call succeeds with `Parked`, which is not its result.
*
* **When to use**
*
* Use where the caller can go on without the answer, and losing the call in a crash of this process is bearable. Where it
* must happen, use `Outbox.writeAhead`: that stores it before it is first sent.
*
* **Details**
*
* Parked is what was turned away here, did not reach the provider, was throttled, timed out, was cut off, or is in flight.
* Invalid input, declared and rejected answers, key conflicts, held outcomes and answers that do not match their schema
* fail as they would. A caller that gives up after the first byte was sent parks the call too. The stored call keeps its
* key and its bytes. Storing has 1 second and is no part of the caller's transaction; if it fails, the call fails with its
* own failure, whose `parkFailed` says so. Telemetry counts it as `parked`.
*
* It does not compile where a repeat is not safe, nor for an operation without a key: use `parkWith` there.
*
* **Example** (A mail for which nobody has to wait)
*
* ```ts
* import { Exhaustion, Idempotency, IdempotencyKey, Integration, Operation, Policy, Reason } from "breakwater"
* import { Outbox, OutboxStoreMemory } from "breakwater"
* import { Data, Effect, Layer, Schema } from "effect"
*
* class MailDown extends Data.TaggedError("MailDown") {}
* class Mail extends Integration.Service<Mail>()(
*   "shop/Mail",
*   { policy: Policy.standard(), exhausted: Exhaustion.park, orElse: () => new MailDown() },
*   {
*     welcome: Operation.mutation("welcome", {
*       input: Schema.String,
*       success: Schema.Struct({ id: Schema.String }),
*       idempotency: Idempotency.keyed((to: string) => IdempotencyKey.derive("welcome", to), { lifetime: "1 day" }),
*       send: () => Effect.fail("nobody listens"),
*       classify: () => Reason.unreachable()
*     })
*   }
* ) {}
*
* const MailLive = Integration.layer(Mail).pipe(Layer.provide(OutboxStoreMemory.layer))
* const program = Effect.gen(function* () {
*   const sent = yield* (yield* Mail).welcome("ada@example.com")
*   return Outbox.isParked(sent) ? `it will be sent: ${sent.outcome} so far` : sent.id
* })
*
* await Effect.runPromise(Effect.provide(program, MailLive)) // => "it will be sent: NotSent so far"
* ```
*
* @category constructors
* @since 0.1.0
*/
const park$1 = make$5({
	_tag: "Park",
	bounds: {}
});
/**
* `park`, in a lane or for a limited time.
*
* **Details**
*
* A lane costs one read of the store per call, before it is first sent. If that read fails the call fails, unsent: what is
* newer must not go before what is older.
*
* @category constructors
* @since 0.1.0
*/
const parkWith = (bounds) => make$5({
	_tag: "Park",
	bounds
});
/**
* One sentence for plans.
*
* @category destructors
* @since 0.1.0
*/
const describe$1 = (self) => self.decision._tag === "Fail" ? "fail loudly" : self.decision._tag === "Park" ? "park it in the outbox" : `fall back${self.decision.unlessItHappened ? ", unless it may have happened" : ""}: ${self.decision.reason}`;

// dist/internal/duration.js
/** Milliseconds of an input, or a sentence about what is wrong with it. */
const check = (what, input, options) => {
	const duration = Number.isNaN(input) ? void 0 : Option.getOrUndefined(Duration.fromInput(input));
	if (duration === void 0) return {
		millis: 0,
		problem: `${what} is not a duration: ${String(input)}`
	};
	const millis = Duration.toMillis(duration);
	if (!Number.isFinite(millis)) return {
		millis,
		problem: `${what} must be finite, got infinity`
	};
	if (!(millis > 0) && !(millis === 0 && options?.zero === true)) return {
		millis,
		problem: `${what} must be longer than zero, got ${format(millis)}`
	};
	return { millis };
};
const format = (millis) => {
	if (!Number.isFinite(millis)) return "for ever";
	if (millis < 1e3) return `${Math.round(millis)} ms`;
	if (millis < 6e4) return `${trim(millis / 1e3)} s`;
	if (millis < 36e5) return `${trim(millis / 6e4)} min`;
	return `${trim(millis / 36e5)} h`;
};
/** Two durations for a sentence that compares them: in milliseconds, where they differ and rounding would hide it. */
const formatBoth = (first, second) => {
	const [one, other] = [format(first), format(second)];
	return one === other && first !== second ? [`${first} ms`, `${second} ms`] : [one, other];
};
const trim = (n) => String(Math.round(n * 10) / 10);

// dist/Idempotency.js
var Idempotency_exports = /* @__PURE__ */ __exportAll({
	atMostOnce: () => atMostOnce,
	bodyField: () => bodyField,
	conditional: () => conditional,
	createOnly: () => createOnly,
	describe: () => describe,
	graphqlDirective: () => graphqlDirective,
	header: () => header,
	inherent: () => inherent,
	keyed: () => keyed,
	readOnly: () => readOnly,
	reconcilable: () => reconcilable,
	versioned: () => versioned
});
const make$4 = (repeat, strategy) => ({
	repeat,
	strategy
});
/**
* A header that carries the key. `Idempotency-Key`, raw, 255 characters, unless told otherwise.
*
* **Details**
*
* The IETF draft (draft-ietf-httpapi-idempotency-key-header) wants a quoted structured-field string: `quoted: true`.
* Stripe, Adyen and most others read the raw text. Length and characters are checked when the key is derived.
*
* @category placements
* @since 0.1.0
*/
const header = (options) => ({
	_tag: "Header",
	name: (options?.name ?? "idempotency-key").toLowerCase(),
	quoted: options?.quoted ?? false,
	format: options?.format ?? "hex",
	maxLength: options?.maxLength ?? 255
});
/**
* A field of a JSON body that carries the key, such as `idempotency_key` (Square) or `ClientToken` (AWS).
*
* @category placements
* @since 0.1.0
*/
const bodyField = (path, options) => ({
	_tag: "BodyField",
	path: typeof path === "string" ? [path] : path,
	format: options?.format ?? "hex",
	maxLength: options?.maxLength ?? 64
});
/**
* The argument of a GraphQL directive that carries the key, such as Shopify's `@idempotent(key: $idempotencyKey)`. The
* key is written to the named entry of the body's `variables`.
*
* @category placements
* @since 0.1.0
*/
const graphqlDirective = (options) => ({
	_tag: "GraphqlDirective",
	variable: options?.variable ?? "idempotencyKey",
	format: options?.format ?? "uuid",
	maxLength: options?.maxLength ?? 255
});
/**
* The provider deduplicates on a key.
*
* **Details**
*
* `lifetime` is how long the provider remembers a key after its first use (Stripe: 24 hours), or `"forever"`. No attempt
* starts unless it ends before that: a repeat after the provider forgot the key is a second charge. `issuedAt` gives the
* time of an earlier first use in epoch milliseconds, for intents that outlive a process.
*
* @category constructors
* @since 0.1.0
*/
const keyed = (derive, options) => make$4("Idempotent", {
	_tag: "Keyed",
	derive,
	lifetime: options.lifetime,
	placement: options.placement ?? header(),
	issuedAt: options.issuedAt
});
/**
* A repeat has the same effect as the first time by the operation's nature: PUT and DELETE, or an endpoint that says so.
*
* @category constructors
* @since 0.1.0
*/
const inherent = (reason) => make$4("Idempotent", {
	_tag: "Inherent",
	reason
});
/**
* The provider can be asked whether it happened: a repeat is sent only after `find` found nothing.
*
* **Details**
*
* `settle` is how long after an attempt of unknown outcome the provider may still apply it or show it; `find` starts no
* earlier. What it finds becomes the call's success. If `find` fails, the call is not repeated.
*
* `lookFirst` looks before the first attempt too: for an intent that a process before this one may have carried out, such
* as a job that runs again after a crash. It costs a look per call, and can't see what an earlier process sent less than
* `settle` ago: start again later than that. If that look fails, nothing is sent, and the outcome is `Unknown`.
*
* @category constructors
* @since 0.1.0
*/
const reconcilable = (find, options) => make$4("Idempotent", {
	_tag: "Reconcilable",
	find,
	settle: options.settle,
	lookFirst: options.lookFirst ?? false
});
const preconditionOf = (sends, options) => ({
	_tag: "Conditional",
	sends,
	conflicts: new Set([options?.conflict ?? 412].flat()),
	applied: options?.applied,
	conclusive: options?.conclusive ?? false,
	mayHaveBeenSent: options?.mayHaveBeenSent ?? false
});
/**
* The provider makes the change only to the version that an entity tag names (`If-Match`, RFC 9110, 13.1.1): the second
* of two equal requests is answered 412. So a PUT, a PATCH, even a POST may be repeated, and sent late it never
* overwrites what is newer.
*
* **When to use**
*
* Where a read gives an `ETag` and the write takes it back. `Conditional.update` reads again when somebody was faster.
*
* **Details**
*
* `etag` gives the text of the `ETag` as it was read, quotes included. Not sent, and `InvalidInput`, are a text without
* quotes, a weak tag (`W/"…"` matches nothing under `If-Match`; `weak: "send"` for a provider that is known to compare
* them), and `*`, which any version matches: a repeat would be a second change.
*
* A 412 on a first attempt is `Refused`: somebody else changed it. After an attempt that may have been applied the same
* 412 may be the answer to one's own work, so the call is never reported as refused then, not even by a declared error's
* case of `translate`: it ends in `orElse`, as `PreconditionFailed` with outcome `Unknown`, unless `applied` can look.
*
* **Gotchas**
*
* A provider whose tags are hashes of the content gives an old tag back once the old content is back: a repeat would then
* undo whoever put it back. Where that matters, ask for versions that never return.
*
* **Example** (A document that is renamed)
*
* ```ts
* import { Idempotency } from "breakwater"
* import { HttpOperation } from "breakwater/http"
* import { Schema } from "effect"
* import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
*
* const Docs = HttpApi.make("docs").add(
*   HttpApiGroup.make("docs").add(
*     HttpApiEndpoint.patch("rename", "/docs/:id", {
*       params: { id: Schema.String },
*       headers: { "if-match": Schema.String },
*       payload: Schema.Struct({ title: Schema.String }),
*       success: Schema.Struct({ title: Schema.String })
*     })
*   )
* )
*
* export const rename = HttpOperation.endpoint(Docs, "docs", "rename", {
*   idempotency: Idempotency.conditional(({ headers }) => headers["if-match"])
* })
* ```
*
* @category constructors
* @since 0.1.0
*/
const conditional = (etag, options) => make$4("Idempotent", preconditionOf({
	header: "if-match",
	etag,
	weak: options?.weak === "send"
}, options));
/**
* The provider makes it only if there is none yet (`If-None-Match: *`, RFC 9110, 13.1.2): the second of two equal requests
* is answered 412.
*
* **Details**
*
* A 412 is `Refused` on a first attempt, for it exists already; after one that may have been applied it may be one's own,
* as with `conditional`. Late it may bring back what was deleted since, so an outbox asks for a lane or `expiresAfter`.
*
* @category constructors
* @since 0.1.0
*/
const createOnly = (options) => make$4("Idempotent", preconditionOf({ header: "if-none-match" }, options));
/**
* The request itself names the version that it changes, in its query or its body, or as an argument of an SDK, and the
* provider makes the change to no other: GitHub's `sha`, Kubernetes' `resourceVersion`, a `?version=3`.
*
* **Details**
*
* `reason` says which part it is. `conflict` gives the status of a provider that does not answer 412: GitHub and
* Kubernetes say 409. Where no status tells it, `classify` says `Reason.preconditionFailed()`. Everything else is as with
* `conditional`.
*
* **Example** (GitHub's contents: the second of two equal requests is a conflict)
*
* ```ts
* import { Idempotency } from "breakwater"
*
* const idempotency = Idempotency.versioned("the blob's sha", { conflict: 409 })
*
* Idempotency.describe(idempotency) // => "conditional on a version in the request: the blob's sha"
* ```
*
* @category constructors
* @since 0.1.0
*/
const versioned = (reason, options) => make$4("Idempotent", preconditionOf({
	header: void 0,
	reason
}, options));
/**
* A POST that only reads, such as a search with a body.
*
* @category constructors
* @since 0.1.0
*/
const readOnly = (reason) => make$4("Safe", {
	_tag: "Safe",
	reason
});
/**
* Nothing makes a repeat safe: it is sent again only while it certainly did not happen.
*
* @category constructors
* @since 0.1.0
*/
const atMostOnce = (reason) => make$4("AtMostOnce", {
	_tag: "AtMostOnce",
	reason
});
const lengthOf = (input) => format(check("", input).millis);
/**
* One sentence about where the key comes from, for plans.
*
* @category destructors
* @since 0.1.0
*/
const describe = (self) => {
	const strategy = self.strategy;
	switch (strategy._tag) {
		case "Safe": return `safe: ${strategy.reason}`;
		case "Inherent": return `idempotent by nature: ${strategy.reason}`;
		case "Keyed": {
			const at = strategy.placement;
			return `key from the input, in ${at._tag === "Header" ? `header ${at.name}${at.quoted ? " (quoted)" : ""}` : at._tag === "BodyField" ? `body field ${at.path.join(".")}` : `GraphQL variable ${at.variable}`}, kept ${strategy.lifetime === "forever" ? "for ever" : `for ${lengthOf(strategy.lifetime)}`}`;
		}
		case "Reconcilable": return `looks ${strategy.lookFirst ? "before it sends, and " : ""}before it repeats, ${lengthOf(strategy.settle)} after an unknown outcome`;
		case "Conditional": {
			const { applied, sends } = strategy;
			return `conditional on ${sends.header === "if-match" ? "an entity tag (If-Match)" : sends.header === "if-none-match" ? "there being none yet (If-None-Match)" : `a version in the request: ${sends.reason}`}${applied === void 0 ? "" : ", looks after a conflict in doubt"}`;
		}
		case "AtMostOnce": return `at most once: ${strategy.reason}`;
	}
};

// dist/internal/sha256.js
const K = /* @__PURE__ */ new Uint32Array([
	1116352408,
	1899447441,
	3049323471,
	3921009573,
	961987163,
	1508970993,
	2453635748,
	2870763221,
	3624381080,
	310598401,
	607225278,
	1426881987,
	1925078388,
	2162078206,
	2614888103,
	3248222580,
	3835390401,
	4022224774,
	264347078,
	604807628,
	770255983,
	1249150122,
	1555081692,
	1996064986,
	2554220882,
	2821834349,
	2952996808,
	3210313671,
	3336571891,
	3584528711,
	113926993,
	338241895,
	666307205,
	773529912,
	1294757372,
	1396182291,
	1695183700,
	1986661051,
	2177026350,
	2456956037,
	2730485921,
	2820302411,
	3259730800,
	3345764771,
	3516065817,
	3600352804,
	4094571909,
	275423344,
	430227734,
	506948616,
	659060556,
	883997877,
	958139571,
	1322822218,
	1537002063,
	1747873779,
	1955562222,
	2024104815,
	2227730452,
	2361852424,
	2428436474,
	2756734187,
	3204031479,
	3329325298
]);
const rotate = (x, n) => x >>> n | x << 32 - n;
/** The 32-byte SHA-256 digest of `message`. */
const sha256 = (message) => {
	const length = message.length;
	const padded = new Uint8Array((length + 8 >> 6) + 1 << 6);
	padded.set(message);
	padded[length] = 128;
	const view = new DataView(padded.buffer);
	view.setUint32(padded.length - 8, Math.floor(length / 536870912));
	view.setUint32(padded.length - 4, length << 3 >>> 0);
	const h = new Uint32Array([
		1779033703,
		3144134277,
		1013904242,
		2773480762,
		1359893119,
		2600822924,
		528734635,
		1541459225
	]);
	const w = /* @__PURE__ */ new Uint32Array(64);
	for (let offset = 0; offset < padded.length; offset += 64) {
		for (let i = 0; i < 16; i++) w[i] = view.getUint32(offset + i * 4);
		for (let i = 16; i < 64; i++) {
			const a = w[i - 15];
			const b = w[i - 2];
			const s0 = rotate(a, 7) ^ rotate(a, 18) ^ a >>> 3;
			const s1 = rotate(b, 17) ^ rotate(b, 19) ^ b >>> 10;
			w[i] = w[i - 16] + s0 + w[i - 7] + s1 | 0;
		}
		let [a, b, c, d, e, f, g, last] = h;
		for (let i = 0; i < 64; i++) {
			const s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
			const t1 = last + s1 + (e & f ^ ~e & g) + K[i] + w[i] | 0;
			const t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + (a & b ^ a & c ^ b & c) | 0;
			last = g;
			g = f;
			f = e;
			e = d + t1 | 0;
			d = c;
			c = b;
			b = a;
			a = t1 + t2 | 0;
		}
		h[0] += a;
		h[1] += b;
		h[2] += c;
		h[3] += d;
		h[4] += e;
		h[5] += f;
		h[6] += g;
		h[7] += last;
	}
	const out = /* @__PURE__ */ new Uint8Array(32);
	const outView = new DataView(out.buffer);
	for (let i = 0; i < 8; i++) outView.setUint32(i * 4, h[i]);
	return out;
};
const hex$1 = Array.from({ length: 256 }, (_, n) => n.toString(16).padStart(2, "0"));
/** Lower-case hexadecimal text of `bytes`. */
const toHex = (bytes) => {
	let out = "";
	for (const byte of bytes) out += hex$1[byte];
	return out;
};

// dist/IdempotencyKey.js
/**
* The name of one intent, sent to a provider so that repeats of it are carried out once.
*
* A key is derived from what the caller means ("charge order 42"), never from the request body, a credential or an
* attempt number: those change when nothing new was meant, and a changed key is a second charge. It is an argument of
* the call, not middleware state, because a key minted in `HttpClient` middleware is minted again for every attempt.
*
* @since 0.1.0
*/
var IdempotencyKey_exports = /* @__PURE__ */ __exportAll({
	derive: () => derive,
	fromStored: () => fromStored,
	isIdempotencyKey: () => isIdempotencyKey,
	toText: () => toText,
	toUuid: () => toUuid
});
const TypeId$4 = "~breakwater/IdempotencyKey";
/**
* Returns whether a value is an `IdempotencyKey`.
*
* @category guards
* @since 0.1.0
*/
const isIdempotencyKey = (u) => Predicate.hasProperty(u, TypeId$4);
/**
* Derives a key from business identity: the operation's name and the parts that make this intent different from every
* other one.
*
* **When to use**
*
* Use when the intent has an identity of its own: an order, an invoice and its instalment, a message.
*
* **Details**
*
* The text is the first 16 bytes of a SHA-256 over the length-prefixed parts, as 32 hexadecimal digits: it fits every
* provider's limit that we know, and carries no personal data in clear. The bytes are frozen by committed vectors.
*
* **Gotchas**
*
* Two charges of one order need a part that tells them apart (an instalment number, a reason). The library can't know
* when a key was first used by an earlier process: give `issuedAt` to `Idempotency.keyed`, or store the call, if a
* restart may repeat an intent near the end of the provider's `lifetime`.
*
* **Example** (Deriving a key from an order)
*
* ```ts
* import { IdempotencyKey } from "breakwater"
*
* IdempotencyKey.toText(IdempotencyKey.derive("charge", "order-42")) // => "3c6c393618ab536ca1c29741ce58cda7"
* ```
*
* @category constructors
* @since 0.1.0
*/
const derive = (operation, ...intent) => ({
	[TypeId$4]: TypeId$4,
	parts: [operation, ...intent],
	stored: void 0
});
/**
* Takes a key that was minted earlier and stored, such as one that a client of yours sent or a row of your database
* holds.
*
* **Gotchas**
*
* A key minted at the moment of the call is new after a crash: store it first, or derive it.
*
* @category constructors
* @since 0.1.0
*/
const fromStored = (text) => ({
	[TypeId$4]: TypeId$4,
	parts: [],
	stored: text
});
const encoder$2 = new TextEncoder();
const digest = (parts) => {
	const encoded = parts.map((part) => encoder$2.encode(part));
	const message = new Uint8Array(encoded.reduce((n, part) => n + 4 + part.length, 0));
	const view = new DataView(message.buffer);
	let offset = 0;
	for (const part of encoded) {
		view.setUint32(offset, part.length);
		message.set(part, offset + 4);
		offset += 4 + part.length;
	}
	return sha256(message).subarray(0, 16);
};
/**
* The text of a key as it is sent: 32 hexadecimal digits, or the stored text unchanged.
*
* @category destructors
* @since 0.1.0
*/
const toText = (key) => key.stored ?? toHex(digest(key.parts));
/**
* The text of a key as a UUID (version 8, RFC 9562), for providers that accept nothing else. A stored key is sent
* unchanged.
*
* @category destructors
* @since 0.1.0
*/
const toUuid = (key) => {
	if (key.stored !== void 0) return key.stored;
	const bytes = digest(key.parts);
	bytes[6] = bytes[6] & 15 | 128;
	bytes[8] = bytes[8] & 63 | 128;
	const hex = toHex(bytes);
	return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
};

// dist/IdempotencyStore.js
/**
* Where the receiving side keeps what it has done: one record per scope and key, and one atomic transition at a time.
*
* Two numbers are separate: the *lease*, after which a claim whose owner has died may be taken over, and the *time to
* live*, after which a finished record is forgotten. Every write of an owner names the epoch of its claim, so that one who
* was paused past its lease can change nothing. Both are measured by the store's own clock.
*
* @since 0.1.0
*/
var IdempotencyStore_exports = /* @__PURE__ */ __exportAll({
	IdempotencyStore: () => IdempotencyStore,
	StoreError: () => StoreError$1,
	TransactionalStore: () => TransactionalStore,
	isStoreError: () => isStoreError
});
/**
* A store failed. `tookEffect` says whether the transition may have taken place.
*
* @category errors
* @since 0.1.0
*/
var StoreError$1 = class extends Data.TaggedError("StoreError") {
	get message() {
		const { operation, reason, store, tookEffect } = this;
		return `the idempotency store (${store}) could not ${operation}: ${reason === "Busy" ? "another transaction holds the record" : reason === "Malformed" ? "a record can't be read by this version" : "the store failed or could not be reached"}; ${tookEffect === "no" ? "nothing was written; try again" : "it may have been written; read the record before you answer"}`;
	}
};
/**
* Returns whether a value is a `StoreError`.
*
* @category guards
* @since 0.1.0
*/
const isStoreError = (u) => u instanceof StoreError$1;
/**
* The store of idempotency records.
*
* **When to use**
*
* Use `layerMemory` of `IdempotencyStoreMemory` for tests and for a single process that may forget on restart, the SQL
* store of `breakwater/sql` where there is a database, and Redis of `breakwater/redis` for many processes without one.
*
* @category services
* @since 0.1.0
*/
var IdempotencyStore = class extends Context.Service()("breakwater/IdempotencyStore") {};
/**
* A store that can take part in a transaction of the application's own database: claim, business writes and completion
* commit together or not at all. The SQL stores provide it beside `IdempotencyStore`; memory and Redis can't.
*
* @category services
* @since 0.1.0
*/
var TransactionalStore = class extends Context.Service()("breakwater/TransactionalStore") {};

// dist/internal/context.js
const ofTheFiber = /^(effect\/(Clock|Console|ConfigProvider|ErrorReporter|Logger|Metric|Random|References|Schedule|Scheduler|Scope|Tracer)(\/|$)|effect\/Layer\/|breakwater\/(Telemetry|Deadline|Nesting)\/)/;
/** Reads the services that an effect was given when its layer was built, without what belongs to a fiber. */
const servicesOf = (context) => {
	const own = [...context.mapUnsafe].filter(([key]) => !ofTheFiber.test(key));
	return own.length === 0 ? void 0 : Context.makeUnsafe(new Map(own));
};
/** The caller's context with the services of the build. */
const withServices = (caller, services) => services === void 0 ? caller : Context.merge(caller, services);

// dist/internal/drain.js
/**
* The calls of one integration that are running. When its layer closes, new calls are turned away, running ones have
* `drain` to end, and the rest are interrupted: their outcome is in the history that is reported for each.
*/
var Drain = class {
	running = /* @__PURE__ */ new Set();
	draining = false;
	idle = void 0;
	enter(call, fiber) {
		if (this.draining) return void 0;
		const entry = {
			call,
			fiber,
			onEnd: void 0
		};
		this.running.add(entry);
		return { leave: Effect.sync(() => {
			this.running.delete(entry);
			entry.onEnd?.();
			if (this.running.size === 0) this.idle?.();
		}) };
	}
	whenIdle = Effect.callback((resume) => {
		if (this.running.size === 0) return resume(Effect.void);
		this.idle = () => resume(Effect.void);
	});
	close(name, drain) {
		return Effect.suspend(() => {
			this.draining = true;
			if (this.running.size === 0) return Effect.void;
			return Effect.flatMap(Effect.raceFirst(Effect.as(this.whenIdle, true), Effect.as(Effect.sleep(drain), false)), (done) => done ? Effect.void : Effect.forEach([...this.running], (entry) => {
				const { call, fiber } = entry;
				const ended = Effect.callback((resume) => {
					if (!this.running.has(entry)) return resume(Effect.void);
					entry.onEnd = () => resume(Effect.void);
					call.cutBy = "drain";
					fiber.interruptUnsafe();
				});
				return Effect.flatMap(ended, () => Effect.logWarning(`${name} shut down while ${call.operation} was running: outcome ${call.outcome()}`).pipe(Effect.annotateLogs({
					integration: call.integration,
					operation: call.operation,
					effect: call.outcome(),
					correlation_id: call.correlationId,
					...call.key === void 0 ? {} : { idempotency_key: call.key }
				})));
			}, {
				discard: true,
				concurrency: "unbounded"
			}));
		});
	}
};

// dist/internal/breaker.js
/** Whether the shared state of a layer is that of a breaker. */
const isBreakerControl = (state) => typeof state === "object" && state !== null && "~breakwater/BreakerControl" in state;

// dist/internal/order.js
const order = [
	["observe", "one span, event and log line for the whole call"],
	["translate", "every failure becomes an error of the application"],
	["exhausted", "decides what a failure means once the policy is done"],
	["staleIfError", "serves the last good answer when there is none"],
	["totalDeadline", "bounds the whole call"],
	["prepare", "validates, derives the key and encodes, once"],
	["coalesce", "callers that ask the same at once share one answer"],
	["call", "a custom layer around all attempts"],
	["budget", "bounds the retries and hedges of all calls together"],
	["retry", "repeats what is transient, where a repeat is safe"],
	["hedge", "asks a second time while the first is slow"],
	["circuitBreaker", "turns attempts away while the provider fails"],
	["rateLimit", "bounds the attempts that start in a time"],
	["bulkhead", "bounds the attempts that run at once"],
	["attempt", "a custom layer around each attempt"],
	["attemptSpan", "one span for each attempt"],
	["attemptTimeout", "bounds one attempt"],
	["auth", "credentials, read for each attempt"],
	["send", "sends the same bytes each time"],
	["decode", "the status first, then the body against its schema"]
];
const ranks = new Map(order.map(([slot], index) => [slot, index]));
const rank = (slot) => ranks.get(slot);

// dist/internal/control.js
/** Where the service of an integration keeps what a control reaches. */
const ControlId = "~breakwater/Control";
/**
* A change that could not be made. Nothing was changed.
*
* @category errors
* @since 0.1.0
*/
var ControlError = class extends Data.TaggedError("ControlError") {
	get message() {
		return `${this.integration}: ${this.detail}`;
	}
};
/** The layers that cut a call or turn it away. */
const limits = /* @__PURE__ */ new Set([
	"totalDeadline",
	"budget",
	"circuitBreaker",
	"rateLimit",
	"bulkhead",
	"attemptTimeout"
]);
const list = (values) => [...new Set(values)].join(", ");
const breakersOf = (controlled) => {
	const found = /* @__PURE__ */ new Map();
	for (const [name, { state }] of controlled.states) if (name.startsWith("breaker ") && isBreakerControl(state)) found.set(name.slice(8), state);
	return found;
};
const modeOf = ({ initial, mode, name, observes, operation, slot }) => ({
	operation,
	slot,
	name,
	mode,
	initial,
	observes
});
/** The control of a built integration, or of a mock, which has nothing to control. */
const make$3 = (integration, built) => {
	const gates = built?.gates.toSorted((a, b) => built.operations.indexOf(a.operation) - built.operations.indexOf(b.operation) || rank(a.slot) - rank(b.slot)) ?? [];
	const refuse = (reason, detail) => Effect.fail(new ControlError({
		integration,
		reason,
		detail
	}));
	const tell = (change, message, because) => Effect.annotateLogs(Effect.logWarning(`${integration}: ${message}`), {
		integration,
		change,
		...because?.by === void 0 ? {} : { by: because.by },
		...because?.reason === void 0 ? {} : { reason: because.reason }
	});
	const set = (chosen, mode) => chosen.map((gate) => {
		gate.mode = mode(gate);
		return modeOf(gate);
	});
	const circuitsNow = () => built === void 0 ? [] : [...breakersOf(built)].flatMap(([breaker, control]) => control.circuits().map(({ forced, key, state }) => ({
		breaker,
		key,
		state,
		forced: forced ?? null
	})));
	const force = (to, options) => Effect.suspend(() => {
		if (built === void 0) return refuse("NotBuilt", "it is a mock, which sends nothing");
		const { breaker, key } = options ?? {};
		const breakers = breakersOf(built);
		if (breaker !== void 0 && !breakers.has(breaker)) return refuse("NoSuchBreaker", `there is no breaker ${breaker}; there is ${list(breakers.keys()) || "none"}`);
		if (key !== void 0 && breakers.size === 0) return refuse("NoSuchBreaker", "there is no breaker that could have this circuit");
		const whole = breaker === void 0 && key === void 0;
		if (whole) built.switch.off = to === "open";
		for (const [name, control] of breakers) {
			if (breaker !== void 0 && breaker !== name) continue;
			control.force(key, to);
			for (const [id, other] of key === void 0 ? built.forced : []) if (other.breaker === name) built.forced.delete(id);
			built.forced.set(JSON.stringify([name, key ?? null]), {
				breaker: name,
				key: key ?? null,
				to
			});
		}
		const which = key === void 0 ? "every circuit" : `the circuit ${key}`;
		const but = gates.filter(({ mode, name, slot }) => slot === "circuitBreaker" && mode !== "enforce" && (breaker === void 0 || name === breaker)).map(({ mode, name, operation }) => `${name} of ${operation} is in ${mode}`);
		return tell(to === "open" ? "forceOpen" : "forceClosed", whole ? `an operator switched it ${to === "open" ? "off: every attempt is turned away" : "on, whatever its circuits say"}` : `an operator forced ${which} of ${breaker ?? list(breakers.keys())} ${to}${but.length === 0 ? "" : `, but ${list(but)}`}`, options);
	});
	return {
		integration,
		modes: Effect.sync(() => gates.map(modeOf)),
		circuits: Effect.sync(circuitsNow),
		snapshot: Effect.sync(() => ({
			integration,
			switchedOff: built?.switch.off ?? false,
			modes: gates.map(modeOf),
			circuits: circuitsNow(),
			forced: [...built?.forced.values() ?? []],
			plan: built?.plan() ?? []
		})),
		setMode: ({ by, mode, operation, policy, reason }) => Effect.suspend(() => {
			if (built === void 0) return refuse("NotBuilt", "it is a mock, which has no layers");
			if (operation !== void 0 && !built.operations.includes(operation)) return refuse("NoSuchOperation", `there is no operation ${operation}; there is ${list(built.operations)}`);
			const within = gates.filter((gate) => operation === void 0 || gate.operation === operation);
			const chosen = within.filter((gate) => gate.slot === policy || gate.name === policy);
			if (chosen.length === 0) {
				const where = operation === void 0 ? "" : ` in ${operation}`;
				const names = list(within.flatMap(({ name, slot }) => name === slot ? [slot] : [slot, name]));
				return refuse("NoSuchLayer", `there is no layer ${policy}${where}; there is ${names}`);
			}
			const blind = mode === "observe" ? chosen.filter((gate) => !gate.observes) : [];
			if (blind.length > 0) return refuse("CanNotObserve", `${list(blind.map(({ name }) => name))} can't tell what it would do: let it enforce, or switch it off`);
			const changed = set(chosen, () => mode);
			return Effect.as(tell("setMode", `an operator set ${policy} of ${list(changed.map((each) => each.operation))} to ${mode}`, {
				by,
				reason
			}), changed);
		}),
		shadow: (because) => Effect.suspend(() => {
			const changed = set(gates.filter(({ observes, slot }) => observes && limits.has(slot)), () => "observe");
			return Effect.as(tell("shadow", "an operator set every limit to observe: they bound nothing", because), changed);
		}),
		resume: (because) => Effect.suspend(() => {
			set(gates, (gate) => gate.initial);
			if (built !== void 0) {
				built.switch.off = false;
				for (const control of breakersOf(built).values()) control.force(void 0, void 0);
				built.forced.clear();
			}
			return tell("resume", "an operator went back to what its policy says", because);
		}),
		forceOpen: (options) => force("open", options),
		forceClosed: (options) => force("closed", options)
	};
};

// dist/Outcome.js
var Outcome_exports = /* @__PURE__ */ __exportAll({
	didNotHappen: () => didNotHappen,
	fold: () => fold
});
/**
* Did it happen? The one question that every failure of an integration must answer.
*
* @since 0.1.0
*/
/**
* The outcome of a call, from all its attempts and never from the last one alone.
*
* **Details**
*
* `Applied` if any attempt was; else `Unknown` if any was and no later answer resolved it; else `Refused` if any was;
* else `NotSent`. Without it "timed out, then circuit open" reads as "did not happen", and the customer is charged twice.
*
* **Example** (A timeout followed by a local rejection)
*
* ```ts
* import { Outcome } from "breakwater"
*
* Outcome.fold([
*   { outcome: "Unknown", resolves: false },
*   { outcome: "NotSent", resolves: false }
* ]) // => "Unknown"
* ```
*
* @category combinators
* @since 0.1.0
*/
const fold = (attempts) => {
	let applied = false;
	let unknown = false;
	let refused = false;
	for (const attempt of attempts) {
		if (attempt.resolves) unknown = false;
		if (attempt.outcome === "Applied") applied = true;
		else if (attempt.outcome === "Unknown") unknown = true;
		else if (attempt.outcome === "Refused") refused = true;
	}
	return applied ? "Applied" : unknown ? "Unknown" : refused ? "Refused" : "NotSent";
};
/**
* Returns whether the effect certainly did not happen, so that doing it again or elsewhere can't do it twice.
*
* @category predicates
* @since 0.1.0
*/
const didNotHappen = (outcome) => outcome === "NotSent" || outcome === "Refused";

// dist/internal/limits.js
const epochMillis = (text) => {
	const date = Option.getOrUndefined(DateTime.make(text));
	return date === void 0 ? void 0 : DateTime.toEpochMillis(date);
};
const httpDate = (text) => /^[A-Za-z]{3},/.test(text) ? epochMillis(text) : void 0;
const numberOf = (value) => {
	const text = value?.trim();
	return text !== void 0 && /^\d+(\.\d+)?$/.test(text) ? Number(text) : void 0;
};
/** Whether and when an answer asks to be left alone: seconds or an HTTP date (RFC 9110, 10.2.3). */
const retryAfter = (value, now) => {
	if (value === void 0) return void 0;
	const seconds = numberOf(value);
	if (seconds !== void 0) return Duration.seconds(seconds);
	const date = httpDate(value.trim());
	return date === void 0 ? void 0 : Duration.millis(Math.max(0, date - now));
};
const units$1 = {
	ms: 1,
	s: 1e3,
	m: 6e4,
	h: 36e5,
	d: 864e5
};
/**
* When a limit is reset: seconds, an epoch in seconds or milliseconds, a text such as `6m0s`, or a date. A point of time is
* read against the provider's own clock where the answer has a `Date`, so that clocks that differ do no harm.
*/
const resetOf = (value, providersNow) => {
	const text = value?.trim();
	if (text === void 0) return void 0;
	const number = numberOf(text);
	if (number !== void 0) return number < 1e9 ? Duration.seconds(number) : Duration.millis(Math.max(0, (number < 0xe8d4a51000 ? number * 1e3 : number) - providersNow));
	if (/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) {
		let millis = 0;
		for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) millis += Number(amount) * units$1[unit];
		return Duration.millis(millis);
	}
	const date = /^\d{4}-\d\d-\d\dT/.test(text) ? epochMillis(text) : httpDate(text);
	return date === void 0 ? void 0 : Duration.millis(Math.max(0, date - providersNow));
};
/** The items of a structured list (RFC 9651) with their parameters of one letter: limits use no others. */
const itemsOf = (text) => {
	const items = [];
	for (const item of text.replace(/"(?:[^"\\]|\\.)*"/g, "\"\"").split(",")) {
		const found = /* @__PURE__ */ new Map();
		for (const [, key, value] of item.matchAll(/;\s*([a-z])\s*=([^;]*)/g)) found.set(key, value);
		items.push(found);
	}
	return items;
};
/** `RateLimit: "burst";r=3;t=5, "day";r=500;t=3600` of the draft since 08, with the quotas of `RateLimit-Policy`. */
const structured = (value, policy) => {
	const quotas = policy === void 0 ? [] : itemsOf(policy);
	const found = itemsOf(value);
	return found.flatMap((item, index) => {
		const remaining = numberOf(item.get("r"));
		if (remaining === void 0) return [];
		const seconds = numberOf(item.get("t"));
		return [{
			remaining,
			limit: quotas.length === found.length ? numberOf(quotas[index].get("q")) : void 0,
			resetAfter: seconds === void 0 ? void 0 : Duration.seconds(seconds)
		}];
	});
};
/** `RateLimit: limit=100, remaining=50, reset=5` of draft 07. */
const dictionary = (value) => {
	const entries = /* @__PURE__ */ new Map();
	for (const [, key, number] of value.matchAll(/(?:^|,)\s*([a-z]+)\s*=\s*(\d+)/g)) entries.set(key, number);
	const remaining = numberOf(entries.get("remaining"));
	const seconds = numberOf(entries.get("reset"));
	return remaining === void 0 ? [] : [{
		remaining,
		limit: numberOf(entries.get("limit")),
		resetAfter: seconds === void 0 ? void 0 : Duration.seconds(seconds)
	}];
};
/** Headers in threes. Of those that an answer has, the first stands for requests. */
const threes = [
	[
		"ratelimit-remaining",
		"ratelimit-reset",
		"ratelimit-limit"
	],
	[
		"x-ratelimit-remaining",
		["x-ratelimit-reset-after", "x-ratelimit-reset"],
		"x-ratelimit-limit"
	],
	[
		"x-rate-limit-remaining",
		"x-rate-limit-reset",
		"x-rate-limit-limit"
	],
	[
		"x-ratelimit-remaining-requests",
		"x-ratelimit-reset-requests",
		"x-ratelimit-limit-requests"
	],
	[
		"x-ratelimit-remaining-tokens",
		"x-ratelimit-reset-tokens",
		"x-ratelimit-limit-tokens"
	],
	[
		"x-ratelimit-requests-remaining",
		"x-ratelimit-requests-reset",
		"x-ratelimit-requests-limit"
	],
	[
		"anthropic-ratelimit-requests-remaining",
		"anthropic-ratelimit-requests-reset",
		"anthropic-ratelimit-requests-limit"
	],
	[
		"anthropic-ratelimit-tokens-remaining",
		"anthropic-ratelimit-tokens-reset",
		"anthropic-ratelimit-tokens-limit"
	]
];
const ofThree = (headers, [remaining, reset, limit], providersNow) => {
	const left = numberOf(headers[remaining]);
	if (left === void 0) return void 0;
	const names = typeof reset === "string" ? [reset] : reset;
	return {
		remaining: left,
		limit: numberOf(headers[limit]?.split(/[,;]/, 1)[0]),
		resetAfter: resetOf(names.map((name) => headers[name]).find((value) => value !== void 0), providersNow)
	};
};
const millisOf$2 = (reading) => reading.resetAfter === void 0 ? 0 : Duration.toMillis(reading.resetAfter);
/** Of several limits the one that is spent the longest, else the first, or where all count the same the smallest. */
const tightest = (readings, comparable) => {
	const spent = readings.filter(({ remaining }) => remaining === 0);
	if (spent.length > 0) return spent.reduce((a, b) => millisOf$2(b) > millisOf$2(a) ? b : a);
	return comparable && readings.length > 0 ? readings.reduce((a, b) => b.remaining < a.remaining ? b : a) : readings[0];
};
/** What the headers of an answer say of the provider's limit; `undefined` for nothing that is recognised. */
const limitOf = (headers, now) => {
	const standard = headers["ratelimit"];
	if (standard !== void 0) {
		const items = structured(standard, headers["ratelimit-policy"]);
		const found = tightest(items.length > 0 ? items : dictionary(standard), true);
		if (found !== void 0) return found;
	}
	const date = headers["date"];
	const providersNow = (date === void 0 ? void 0 : httpDate(date.trim())) ?? now;
	const readings = [];
	for (const names of threes) {
		const reading = ofThree(headers, names, providersNow);
		if (reading !== void 0) readings.push(reading);
	}
	if (readings.length > 0) return tightest(readings, false);
	const [, used, size] = /^\s*(\d+)\/(\d+)\s*$/.exec(headers["x-shopify-shop-api-call-limit"] ?? "") ?? [];
	return size === void 0 ? void 0 : {
		remaining: Math.max(0, Number(size) - Number(used)),
		limit: Number(size)
	};
};
const isGetter = (headers) => typeof headers.get === "function";
/** Where providers say the id of a request. */
const requestIds = [
	"request-id",
	"x-request-id",
	"x-amzn-requestid"
];
const read$1 = [
	"date",
	"retry-after",
	"idempotent-replayed",
	...requestIds,
	"ratelimit",
	"ratelimit-policy",
	"x-shopify-shop-api-call-limit",
	...threes.flatMap(([remaining, reset, limit]) => [
		remaining,
		limit,
		...typeof reset === "string" ? [reset] : reset
	])
];
/** The headers that are read, whatever a client hands out. */
const toLower = (headers) => {
	const lower = {};
	if (isGetter(headers)) {
		for (const name of read$1) {
			const value = headers.get(name);
			if (typeof value === "string") lower[name] = value;
		}
		return lower;
	}
	for (const [name, value] of Object.entries(headers)) if (typeof value === "string") lower[name.toLowerCase()] = value;
	else if (Array.isArray(value)) lower[name.toLowerCase()] = value.join(", ");
	else if (typeof value === "number") lower[name.toLowerCase()] = String(value);
	return lower;
};

// dist/Reason.js
var Reason_exports = /* @__PURE__ */ __exportAll({
	answered: () => answered,
	disconnected: () => disconnected,
	failed: () => failed$1,
	fromConnection: () => fromConnection,
	fromStatus: () => fromStatus,
	inProgress: () => inProgress,
	isLocalRejection: () => isLocalRejection,
	keyConflict: () => keyConflict,
	limitFromHeaders: () => limitFromHeaders,
	make: () => make$2,
	notProcessed: () => notProcessed,
	preconditionFailed: () => preconditionFailed,
	rejected: () => rejected,
	retryAfterFromHeaders: () => retryAfterFromHeaders,
	throttled: () => throttled,
	unavailable: () => unavailable,
	unreachable: () => unreachable
});
const row = (outcome, transient, health, message) => ({
	outcome,
	transient,
	health,
	message
});
/** The outcome table. A detail overrides its row only where the table itself depends on a detail (a 2xx, a 202). */
const table = {
	InvalidInput: row("NotSent", false, "ignored", "the input is invalid"),
	CircuitOpen: row("NotSent", true, "ignored", "the circuit is open"),
	BulkheadFull: row("NotSent", true, "ignored", "too many calls are running and waiting"),
	RateLimited: row("NotSent", true, "ignored", "the own rate limit is spent"),
	BudgetSpent: row("NotSent", false, "ignored", "the retry budget is spent"),
	DeadlineExceeded: row("NotSent", false, "ignored", "no time was left to start"),
	KeyExpired: row("NotSent", false, "ignored", "the provider may have forgotten the key"),
	Draining: row("NotSent", false, "ignored", "the integration is shutting down"),
	NotStored: row("NotSent", true, "ignored", "the outbox could not store the call"),
	NotAuthenticated: row("NotSent", true, "ignored", "no credentials could be got"),
	SourceFailed: row("NotSent", false, "ignored", "the body could not be made"),
	Unreachable: row("NotSent", true, "failure", "the provider could not be reached"),
	Disconnected: row("Unknown", true, "failure", "the connection was lost"),
	Timeout: row("Unknown", true, "failure", "no answer in time"),
	Throttled: row("Refused", true, "probe", "the provider asked to slow down"),
	NotProcessed: row("Refused", true, "probe", "the provider did not process the request"),
	Declared: row("Refused", false, "success", "the provider answered with a declared error"),
	Rejected: row("Refused", false, "success", "the provider rejected the request"),
	PreconditionFailed: row("Refused", false, "success", "the version is another than the request was made for"),
	Unavailable: row("Unknown", true, "failure", "the provider failed"),
	InProgress: row("Unknown", true, "success", "an earlier attempt with this key is still running"),
	OutcomeHeld: row("Unknown", false, "success", "the receiver holds the outcome for a person to decide"),
	KeyConflict: row("Unknown", false, "success", "the key was used before with another request"),
	BodyLost: row("Applied", true, "failure", "the answer's body was lost"),
	Truncated: row("Unknown", false, "failure", "the stream was cut before its end"),
	InvalidResponse: row("Applied", false, "success", "the answer does not match its schema"),
	ResponseNotStored: row("Applied", false, "success", "it was done before, and the receiver did not keep the answer"),
	Failed: row("Unknown", false, "failure", "the call failed")
};
/**
* Creates a reason. What `details` leaves out comes from the outcome table.
*
* @category constructors
* @since 0.1.0
*/
const make$2 = (tag, details = {}) => {
	const defaults = table[tag];
	const replayed = details.replayed ?? false;
	return {
		_tag: tag,
		message: details.message ?? defaults.message,
		outcome: details.outcome ?? defaults.outcome,
		transient: (details.transient ?? defaults.transient) && (!replayed || tag === "BodyLost"),
		health: details.health ?? defaults.health,
		status: details.status,
		retryAfter: details.retryAfter,
		requestId: details.requestId,
		error: details.error,
		cause: details.cause,
		resolves: details.resolves ?? false,
		replayed
	};
};
const local = /* @__PURE__ */ new Set([
	"CircuitOpen",
	"BulkheadFull",
	"RateLimited",
	"BudgetSpent",
	"DeadlineExceeded",
	"Draining",
	"NotStored"
]);
/**
* Returns whether this process itself turned the attempt away. Such an attempt says nothing about the provider.
*
* @category predicates
* @since 0.1.0
*/
const isLocalRejection = (self) => local.has(self._tag);
/**
* An ordinary answer that tells of the provider's rate limit in its body, such as the cost of a GraphQL query.
*
* **Example** (The cost of a query at Shopify)
*
* ```ts
* import { Duration } from "effect"
* import { Reason } from "breakwater"
*
* interface Cost {
*   readonly actualQueryCost: number
*   readonly throttleStatus: { readonly currentlyAvailable: number; readonly restoreRate: number }
* }
*
* const answered = ({ actualQueryCost, throttleStatus }: Cost) =>
*   Reason.answered({
*     limit: {
*       cost: actualQueryCost,
*       remaining: throttleStatus.currentlyAvailable,
*       resetAfter: Duration.seconds(actualQueryCost / throttleStatus.restoreRate)
*     }
*   })
*
* answered({ actualQueryCost: 3, throttleStatus: { currentlyAvailable: 997, restoreRate: 50 } }).limit.cost // => 3
* ```
*
* @category verdicts
* @since 0.1.0
*/
const answered = (told) => ({
	reason: "Answered",
	limit: told.limit
});
/**
* The provider limits the rate and did not process the request.
*
* @category verdicts
* @since 0.1.0
*/
const throttled = (details) => ({
	...details,
	reason: "Throttled"
});
/**
* The provider did not process the request; another try is welcome.
*
* @category verdicts
* @since 0.1.0
*/
const notProcessed = (details) => ({
	...details,
	reason: "NotProcessed"
});
/**
* The provider rejects the request for good: it did not happen, and a repeat would end the same.
*
* @category verdicts
* @since 0.1.0
*/
const rejected = (details) => ({
	...details,
	reason: "Rejected"
});
/**
* The provider makes the change to one version only, and has another: this request changed nothing. What an earlier
* attempt did it does not say.
*
* @category verdicts
* @since 0.1.0
*/
const preconditionFailed = (details) => ({
	...details,
	reason: "PreconditionFailed"
});
/**
* The provider failed; it may or may not have happened.
*
* @category verdicts
* @since 0.1.0
*/
const unavailable = (details) => ({
	...details,
	reason: "Unavailable"
});
/**
* An earlier attempt with the same key is still running at the provider.
*
* @category verdicts
* @since 0.1.0
*/
const inProgress = (details) => ({
	...details,
	reason: "InProgress"
});
/**
* The key was used before with another request. A bug at the caller; a new key would hide it.
*
* @category verdicts
* @since 0.1.0
*/
const keyConflict = (details) => ({
	...details,
	reason: "KeyConflict"
});
/**
* There is positive evidence that nothing reached the provider.
*
* @category verdicts
* @since 0.1.0
*/
const unreachable = (details) => ({
	...details,
	reason: "Unreachable"
});
/**
* Nothing is known; the same as no verdict for an error that a `send` or a promise failed with.
*
* @category verdicts
* @since 0.1.0
*/
const failed$1 = (details) => ({
	...details,
	reason: "Failed"
});
/**
* The connection was lost after something may have been sent.
*
* @category verdicts
* @since 0.1.0
*/
const disconnected = (details) => ({
	...details,
	reason: "Disconnected"
});
/**
* What an HTTP status means, by the outcome table: for the `classify` of an SDK whose errors carry one. `undefined` for a
* success. Give it the headers too, where the SDK keeps them: `Reason.fromStatus(error.status, { headers: error.headers })`.
*
* **Details**
*
* A redirect that the SDK did not follow, a 409 of which nothing more is known, and what is no status at all (0, NaN) are
* final and `Unknown`; the other 4xx were refused. What the provider says in the body (a key in flight, a conflict) the status can't tell: look there first.
*
* **Example** (The errors of an SDK)
*
* ```ts
* import { Reason } from "breakwater"
*
* Reason.fromStatus(429)?.reason // => "Throttled"
* Reason.fromStatus(503)?.reason // => "Unavailable"
* Reason.fromStatus(404)?.reason // => "Rejected"
* ```
*
* @category verdicts
* @since 0.1.0
*/
const fromStatus = (status, details) => {
	if (status >= 200 && status < 300) return void 0;
	const told = {
		status,
		message: `status ${status}`,
		...details
	};
	const inDoubt = {
		...told,
		outcome: told.outcome ?? "Unknown"
	};
	switch (status) {
		case 408: return unavailable(told);
		case 409: return rejected(inDoubt);
		case 412: return preconditionFailed(told);
		case 421:
		case 425: return notProcessed(told);
		case 429: return throttled(told);
		case 501:
		case 505: return rejected({
			...inDoubt,
			health: told.health ?? "failure"
		});
	}
	if (status >= 500) return unavailable(told);
	return rejected(status >= 400 ? told : inDoubt);
};
/** Codes that prove that no request reached the provider. Anything else may have. */
const notSent = /* @__PURE__ */ new Set([
	"ENOTFOUND",
	"EAI_AGAIN",
	"ECONNREFUSED",
	"UND_ERR_CONNECT_TIMEOUT",
	"ERR_TLS_CERT_ALTNAME_INVALID",
	"CERT_HAS_EXPIRED",
	"CERT_NOT_YET_VALID",
	"CERT_REVOKED",
	"CERT_UNTRUSTED",
	"DEPTH_ZERO_SELF_SIGNED_CERT",
	"SELF_SIGNED_CERT_IN_CHAIN",
	"UNABLE_TO_GET_ISSUER_CERT",
	"UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
	"UNABLE_TO_VERIFY_LEAF_SIGNATURE",
	"NGHTTP2_REFUSED_STREAM",
	"REFUSED_STREAM"
]);
/** The codes of an error: its own, its causes', and those of each address that was tried. */
const codesOf = (error, depth) => {
	if (typeof error !== "object" || error === null || depth > 5) return [];
	const { cause, code, errors, syscall } = error;
	const tried = Array.isArray(errors) ? errors.flatMap((e) => codesOf(e, depth + 1)) : [];
	if (tried.length > 0) return tried;
	if (code === "ETIMEDOUT" && syscall === "connect") return ["UND_ERR_CONNECT_TIMEOUT"];
	return typeof code === "string" ? [code] : codesOf(cause, depth + 1);
};
/**
* What an error of the network means: only positive evidence (a refused connection, a name that is not found, a certificate
* that is not trusted) makes it `Unreachable` and `NotSent`; anything else is `Disconnected` and `Unknown`. It reads the
* codes of Node's clients, of the error, its causes and the addresses that were tried.
*
* @category verdicts
* @since 0.1.0
*/
const fromConnection = (error) => {
	const codes = codesOf(error, 0);
	return codes.length > 0 && codes.every((code) => notSent.has(code)) ? unreachable({
		message: `the provider could not be reached (${codes[0]})`,
		cause: error
	}) : disconnected({
		message: codes.length > 0 ? `the connection was lost (${codes[0]})` : "the connection was lost",
		cause: error
	});
};
/**
* What the headers of an answer tell of the provider's rate limit; `undefined` if they hold nothing that is recognised.
*
* **When to use**
*
* In the `classify` of an SDK that keeps headers elsewhere than an answer's: `Details.headers` is less to write. Operations
* over HTTP are read without it.
*
* **Details**
*
* `now` is in epoch milliseconds, such as `call.startedAt` or Effect's clock. It reads `RateLimit` (the IETF draft, its
* structured form and that of draft 07), `RateLimit-*`, `X-RateLimit-*` and `X-Rate-Limit-*` with `Remaining`, `Reset` and
* `Limit`, those of OpenAI, Anthropic, Linear and Discord, and Shopify's `X-Shopify-Shop-Api-Call-Limit`. A reset may be
* seconds, an epoch in seconds or milliseconds, a text such as `6m0s`, or a date; a point of time is read against the
* answer's own `Date` where it has one. Of several limits the one that is spent counts; else the tightest, or the one of
* requests. What has another form is ignored.
*
* **Example** (GitHub, whose reset is an epoch in seconds)
*
* ```ts
* import { Duration } from "effect"
* import { Reason } from "breakwater"
*
* const now = 1_377_010_241_000
* const limit = Reason.limitFromHeaders({ "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1377013266" }, now)
*
* limit?.remaining // => 0
* limit?.resetAfter // => Duration.seconds(3025)
* ```
*
* @category headers
* @since 0.1.0
*/
const limitFromHeaders = (headers, now) => limitOf(toLower(headers), now);
/**
* How long `Retry-After` asks to be left alone: seconds or an HTTP date (RFC 9110, 10.2.3). `undefined` without one, and
* for what is neither.
*
* **Example** (Seconds, and nonsense)
*
* ```ts
* import { Duration } from "effect"
* import { Reason } from "breakwater"
*
* Reason.retryAfterFromHeaders({ "Retry-After": "30" }, 0) // => Duration.seconds(30)
* Reason.retryAfterFromHeaders({ "Retry-After": "soon" }, 0) // => undefined
* ```
*
* @category headers
* @since 0.1.0
*/
const retryAfterFromHeaders = (headers, now) => retryAfter(toLower(headers)["retry-after"], now);

// dist/internal/fingerprint.js
const encoder$1 = new TextEncoder();
/**
* JSON with the names of objects sorted, so that two texts of one value are equal (after RFC 8785; numbers are written as
* JavaScript writes them, which is what that RFC asks for).
*/
const canonical = (value) => {
	if (value === null || typeof value !== "object") return JSON.stringify(value) ?? "null";
	if ("toJSON" in value && typeof value.toJSON === "function") return canonical(value.toJSON());
	if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
	return `{${Object.entries(value).filter(([, part]) => part !== void 0).toSorted(([a], [b]) => a < b ? -1 : a > b ? 1 : 0).map(([name, part]) => `${JSON.stringify(name)}:${canonical(part)}`).join(",")}}`;
};
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
/** The SHA-256 of a text, in hexadecimal. */
const hashOf = (text) => hex(sha256(encoder$1.encode(text)));
/** What a request was. What stands before the colon names how that was found out. */
const fingerprintOf = (value) => `j1:${hashOf(canonical(value))}`;
const wayOf = (fingerprint) => fingerprint.slice(0, Math.max(0, fingerprint.indexOf(":")));
/**
* Whether two fingerprints say that their requests differ. Those that were made in two ways, by two versions, can't be
* compared and say nothing: then the key alone says which request it is.
*/
const differ = (one, other) => one !== other && wayOf(one) === wayOf(other);

// dist/internal/outboxTimes.js
/** Milliseconds of a duration, rounded up; one without an end has one in a hundred thousand years. */
const millisOf$1 = (duration) => Math.min(Math.ceil(Duration.toMillis(duration)), 0xe35fa931a0000);
/** How long an entry that a person gave up is kept, unless they say. */
const keepDiscarded = Duration.days(30);
/** What is known after a claim ended without a verdict: it may have happened. */
const inDoubt$2 = (outcome) => outcome === "Applied" ? "Applied" : "Unknown";
/** The reason of the last try. */
const lastReason = (history) => history.at(-1)?.reason;
/** Whether the entries behind it in its lane have to wait: it has not ended, or it blocks them. */
const blocks = ({ lane, state }) => {
	switch (state) {
		case "Waiting":
		case "Pending":
		case "Leased": return true;
		case "Dead":
		case "NeedsReconcile": return lane?.onDead === "block";
		case "Delivered":
		case "Discarded": return false;
	}
};

// dist/internal/stack.js
const constructor = Error;
const withoutStack = (make) => {
	const limit = constructor.stackTraceLimit;
	if (limit === void 0) return make();
	constructor.stackTraceLimit = 0;
	const made = make();
	constructor.stackTraceLimit = limit;
	return made;
};
const frames = 6;
const own$1 = 2;
/** The stack of a client method's caller, to be read only if the call fails. */
const callSite = () => {
	const limit = constructor.stackTraceLimit;
	if (limit === void 0) return /* @__PURE__ */ new Error();
	constructor.stackTraceLimit = frames;
	const site = /* @__PURE__ */ new Error();
	constructor.stackTraceLimit = limit;
	return site;
};
/** Gives `error` the stack of a call site, formatted only when somebody reads it. */
const setCallSite = (error, site) => {
	Object.defineProperty(error, "stack", {
		configurable: true,
		enumerable: false,
		get() {
			const lines = (site.stack ?? "").split("\n");
			lines.splice(0, lines[0]?.startsWith("Error") === true ? 3 : own$1);
			return `${error.name}: ${error.message}\n${lines.join("\n")}`;
		}
	});
};

// dist/internal/durable.js
/** By this an integration's methods carry what its worker needs. */
const DurableId = "~breakwater/Integration/durable";
/** Of an object of methods. */
const durablesOf = (methods) => typeof methods === "object" && methods !== null && "~breakwater/Integration/durable" in methods ? methods[DurableId] : void 0;
const fromJson = Schema.decodeUnknownExit(Schema.fromJsonString(Schema.Unknown));
const unreadable = (what) => make$2("InvalidInput", { message: `${what} can't be read from the store` });
/** An object from a text that `JSON.stringify` wrote and the cipher may have enciphered. */
const read = (cipher, text, what) => Effect.flatMap(Effect.catchCause(cipher.decrypt(text), () => Effect.fail(unreadable(what))), (plain) => {
	const parsed = fromJson(plain);
	return Exit.isSuccess(parsed) && typeof parsed.value === "object" && parsed.value !== null ? Effect.succeed(parsed.value) : Effect.fail(unreadable(what));
});
const write = (cipher, value) => Effect.catchCause(cipher.encrypt(JSON.stringify(value)), () => Effect.fail(make$2("NotStored", { message: "the cipher of the outbox failed" })));
/** Text for a person: what is `Redacted` says no more than that. */
const shown = (input) => Exit.getSuccess(Effect.runSyncExit(Effect.sync(() => JSON.stringify(input, (_, value) => typeof value === "bigint" ? String(value) : value) ?? null))).pipe((found) => found._tag === "Some" ? found.value : null);
/** What is stored of a call that was prepared: the text, and a hash of what it asks for. */
const payloadOf = (keep, cipher, call) => Effect.flatMap(keep.saveInput(call.input), (input) => {
	const request = call.prepared?.request?.() ?? null;
	return Effect.map(write(cipher, {
		v: 1,
		input,
		request,
		shown: shown(call.input)
	}), (payload) => ({
		payload,
		fingerprint: hashOf(JSON.stringify(request === null ? input : request))
	}));
});
/** Reads what was stored. A failure says that it can't be read, by this deploy at least. */
const load = (durable, entry) => Effect.flatMap(read(durable.cipher, entry.payload, "the call"), (saved) => Effect.flatMap(durable.keep.loadInput(saved.input), (input) => Effect.flatMap(durable.keep.restore(saved.request, input), (prepared) => {
	const refused = entry.key === void 0 ? void 0 : prepared.place(entry.key);
	return refused === void 0 ? Effect.succeed({
		input,
		prepared
	}) : Effect.fail(refused);
})));
/** The same integration, operation and key give the same id; without a key each call has its own. */
const idOf$1 = (integration, operation, key) => Effect.map(key === void 0 ? Effect.map(Effect.all([
	Random.nextInt,
	Random.nextInt,
	Random.nextInt
]), (parts) => `?${parts.join("/")}`) : Effect.succeed(`=${key}`), (identity) => hashOf(`${integration.length}:${integration}${operation.length}:${operation}${identity}`).slice(0, 32));
/** What a call has learned, and what to write into the history. */
const learnedOf = (exit, call, history, now) => {
	const last = call.attempts.at(-1);
	const failure = exit !== void 0 && Exit.isFailure(exit) ? failureOf$1(exit) : void 0;
	const success = exit !== void 0 && Exit.isSuccess(exit);
	const line = {
		at: now,
		reason: success ? "Success" : failure?.reason._tag ?? "Interrupted",
		message: success ? "answered" : failure?.reason.message ?? "given up by its process",
		outcome: success ? "Applied" : fold(call.attempts),
		status: failure?.reason.status ?? last?.status,
		attempts: call.attempts.length,
		elapsed: now - call.startedAt,
		requestId: failure?.reason.requestId ?? last?.requestId
	};
	return {
		outcome: success ? "Applied" : failure?.outcome ?? call.outcome(),
		firstSentAgo: call.firstSentAt === void 0 ? void 0 : Math.max(0, now - call.firstSentAt),
		inDoubtAgo: call.lastInDoubtAt === void 0 ? void 0 : Math.max(0, now - call.lastInDoubtAt),
		history: [...history, line].slice(-20)
	};
};
const failureOf$1 = (exit) => {
	if (Exit.isSuccess(exit)) return void 0;
	for (const reason of exit.cause.reasons) if (reason._tag === "Fail") return reason.error;
};
/** Reasons of a process that ends or has no time: the provider has nothing to do with them. */
const own = /* @__PURE__ */ new Set([
	"Draining",
	"DeadlineExceeded",
	"BudgetSpent",
	"NotStored"
]);
/**
* What the end of a try means for a stored call. One that has `progressed` and is in progress is well: it is no try that
* is spent, and goes on when the provider wants to be asked again.
*/
const decide$1 = (durable, entry, exit, thisTry, maxAttempts, progressed) => {
	if (Exit.isSuccess(exit)) return {
		_tag: "Delivered",
		value: exit.value
	};
	const failure = failureOf$1(exit);
	const counts = !didNotHappen(thisTry);
	if (failure === void 0) return {
		_tag: "Again",
		counts,
		pausing: false,
		hint: 0
	};
	const { outcome, reason } = failure;
	if (progressed && reason._tag === "InProgress") {
		const { retryAfter } = failure;
		return {
			_tag: "Again",
			counts: false,
			pausing: retryAfter === void 0,
			hint: retryAfter === void 0 ? 0 : Duration.toMillis(retryAfter)
		};
	}
	const happenedNot = didNotHappen(outcome);
	const hint = Math.max(failure.retryAfter === void 0 ? 0 : Duration.toMillis(failure.retryAfter), happenedNot ? 0 : durable.settle);
	if (reason._tag === "KeyExpired") return happenedNot ? {
		_tag: "Dead",
		why: "key expired",
		failure
	} : {
		_tag: "NeedsReconcile",
		why: "key expired",
		failure
	};
	if (reason.transient || own.has(reason._tag)) {
		if (durable.repeat === "AtMostOnce" && !happenedNot) return {
			_tag: "NeedsReconcile",
			why: "sent once",
			failure
		};
		if (counts && entry.attempts >= maxAttempts) return {
			_tag: "Dead",
			why: "exhausted",
			failure
		};
		return {
			_tag: "Again",
			counts,
			pausing: true,
			hint
		};
	}
	if (reason._tag === "Rejected" && outcome === "Unknown" && durable.repeat === "Idempotent" && entry.attempts < maxAttempts) return {
		_tag: "Again",
		counts: true,
		pausing: true,
		hint
	};
	return happenedNot || reason._tag === "KeyConflict" ? {
		_tag: "Dead",
		why: "rejected",
		failure
	} : {
		_tag: "NeedsReconcile",
		why: "unclear",
		failure
	};
};
/** A verdict as text. */
const answerOf$2 = (durable, decided) => {
	if (decided._tag === "Delivered") return Effect.flatMap(durable.keep.saveResult(decided.value), (result) => write(durable.cipher, {
		_tag: "Delivered",
		result
	}));
	const { failure } = decided;
	return Effect.flatMap(failure?.reason.error === void 0 ? Effect.undefined : Effect.catch(durable.keep.saveError(failure.reason.error), () => Effect.undefined), (error) => write(durable.cipher, {
		_tag: decided._tag,
		why: decided.why,
		failure: failure === void 0 ? null : {
			reason: {
				...failure.reason,
				error: void 0,
				cause: void 0,
				retryAfter: void 0
			},
			outcome: failure.outcome,
			attempts: failure.attempts,
			elapsed: Duration.toMillis(failure.elapsed),
			correlationId: failure.correlationId,
			stopped: failure.stopped
		},
		...error === void 0 ? {} : { error }
	}));
};
/** How far a call has come, as text. Without it the next delivery starts from the beginning, which its key makes safe. */
const progressOf = (durable, call) => call?.progress === void 0 ? Effect.undefined : Effect.catch(write(durable.cipher, {
	_tag: "Progress",
	progress: call.progress
}), () => Effect.undefined);
/** A delivery that a person vouches for, as text. The result is in its encoded form already. */
const answerBy = (cipher, result, keep) => {
	const notJson = Effect.fail(make$2("InvalidInput", { message: "the result is not JSON" }));
	return Effect.catchDefect(Effect.suspend(() => JSON.stringify(result) === void 0 ? notJson : write(cipher, {
		_tag: "Delivered",
		result,
		keep: millisOf$1(keep)
	})), () => notJson);
};
/** A verdict from text, or how far the call has come. */
const readAnswer = (durable, entry, text) => Effect.flatMap(read(durable.cipher, text, "the verdict"), (saved) => {
	if (saved._tag === "Progress") return Effect.succeed({
		_tag: "Progress",
		progress: saved.progress
	});
	if (saved._tag === "Delivered") {
		const keep = typeof saved.keep === "number" ? Duration.millis(saved.keep) : void 0;
		return Effect.map(durable.keep.loadResult(saved.result), (value) => ({
			_tag: "Delivered",
			value,
			keep
		}));
	}
	const failure = saved.failure;
	return Effect.map("error" in saved ? Effect.catch(durable.keep.loadError(saved.error), () => Effect.undefined) : Effect.undefined, (error) => ({
		_tag: saved._tag,
		why: saved.why,
		failure: failure === null ? void 0 : failureFrom(durable, entry, failure, error)
	}));
});
const failureFrom = (durable, entry, saved, error) => withoutStack(() => new CallFailure({
	integration: durable.integration,
	operation: durable.operation,
	repeat: durable.repeat,
	reason: make$2(saved.reason._tag, {
		...saved.reason,
		error
	}),
	outcome: saved.outcome,
	attempts: saved.attempts,
	elapsed: Duration.millis(saved.elapsed),
	retryAfter: void 0,
	correlationId: saved.correlationId,
	key: entry.key,
	stopped: saved.stopped
}));
/** The result that a delivered entry keeps. */
const resultOf = (durable, entry) => Effect.flatMap(read(durable.cipher, entry.result ?? "", "the result"), (saved) => durable.keep.loadResult(saved.result));
const saveResult = (durable, value) => Effect.flatMap(durable.keep.saveResult(value), (result) => write(durable.cipher, { result }));

// dist/internal/policy.js
const TypeId$3 = "~breakwater/Policy";
const Proto$1 = {
	[TypeId$3]: TypeId$3,
	pipe() {
		return pipeArguments(this, arguments);
	}
};
/** A policy of the given layers. With `alone`, the value is also a function for a pipe of its own. */
const fromLayers = (layers) => Object.assign(Object.create(Proto$1), { layers });
/** A policy that can also stand alone in a pipe. */
const standalone = (layer, alone) => {
	const self = (effect) => alone(effect);
	Object.defineProperties(self, {
		[TypeId$3]: { value: TypeId$3 },
		layers: { value: [layer] },
		name: { value: layer.name },
		pipe: { value: Proto$1.pipe }
	});
	return self;
};
const defaults = {
	limits: {},
	problems: [],
	longRunning: false,
	mode: "enforce",
	observes: true,
	tunable: void 0,
	settings: void 0
};
/** A layer around each attempt. */
const attemptLayer = (options) => ({
	level: "attempt",
	...defaults,
	...options
});
/** A layer around all attempts. */
const callLayer = (options) => ({
	level: "call",
	...defaults,
	...options
});

// dist/internal/timer.js
const liveClock = Context.get(Context.empty(), Clock.Clock);
const longestTimer = 2147483647;
/**
* Runs `self` for at most `millis`. When the time is up `onCut` runs first, then `self` is interrupted and waited for;
* what `onCut` returned becomes the result unless `self` had ended by then. One child fiber and one timer, where
* `Effect.timeout` takes two fibers; any clock but the live one takes Effect's own way.
*/
const cutAfter = (self, millis, onCut) => millis === Infinity ? self : Effect.withFiber((fiber) => fiber.getRef(Clock.Clock) !== liveClock || millis > longestTimer ? Effect.flatten(Effect.raceFirst(Effect.map(self, (value) => Effect.succeed(value)), Effect.map(Effect.sleep(millis), onCut))) : Effect.callback((resume) => {
	const child = Effect.runForkWith(fiber.context)(self);
	const done = child.pollUnsafe();
	if (done !== void 0) return resume(done);
	let cut;
	const timer = setTimeout(() => {
		cut = onCut();
		child.interruptUnsafe(fiber.id);
	}, millis);
	child.addObserver((exit) => {
		clearTimeout(timer);
		resume(cut !== void 0 && Exit.hasInterrupts(exit) ? cut : exit);
	});
	return Effect.suspend(() => {
		clearTimeout(timer);
		return Fiber.interrupt(child);
	});
}));
/**
* Runs `f` after `millis` in the context of a fiber, unless the returned function is called before. A defect of `f` stays
* in a fiber of its own.
*/
const later = (fiber, millis, f) => {
	const run = Effect.runForkWith(fiber.context);
	if (fiber.getRef(Clock.Clock) !== liveClock || millis > longestTimer) {
		const waiting = run(Effect.andThen(Effect.sleep(millis), Effect.sync(f)));
		return () => waiting.interruptUnsafe(fiber.id);
	}
	const timer = setTimeout(() => void run(Effect.sync(f)), millis);
	return () => clearTimeout(timer);
};
/** Epoch milliseconds of the current clock. */
const withNow = (f) => Effect.withFiber((fiber) => f(fiber.getRef(Clock.Clock).currentTimeMillisUnsafe()));
/** Epoch milliseconds of the clock of a fiber. */
const nowOf = (fiber) => fiber.getRef(Clock.Clock).currentTimeMillisUnsafe();

// dist/internal/gate.js
/** How one layer of one operation acts at the moment. A control writes it, the layer and the runner read it. */
var Gate = class {
	operation;
	slot;
	name;
	observes;
	/** What the policy says, to which a control goes back. */
	initial;
	mode;
	constructor(operation, layer) {
		this.operation = operation;
		this.slot = layer.slot;
		this.name = layer.name;
		this.observes = layer.observes;
		this.initial = layer.mode;
		this.mode = layer.mode;
	}
};
/** The site of one layer: the operation's, and the layer's own mode and voice. */
const siteOf = (site, gate) => ({
	...site,
	mode: () => gate.mode,
	decided: (call, decided, now) => decide(call, gate, decided, now)
});
const decide = (call, { mode, name, slot }, decided, now) => {
	const record = call;
	const whole = record.root ?? record;
	const decision = {
		policy: slot,
		name,
		decided,
		mode,
		at: now
	};
	(whole.decisions ??= []).push(record.legNumber === void 0 ? decision : {
		...decision,
		leg: record.legNumber
	});
};
/** What a layer that is off leaves of itself. The total deadline goes on to keep the caller's own. */
const standsAside = (gate) => gate.slot !== "totalDeadline";
/**
* Turns every attempt away while an operator has switched the integration off, whatever breaker it has and however that
* acts. It stands around the breakers and is no layer of the policy: neither the plan nor the modes show it.
*/
const switchLayer = (self) => attemptLayer({
	slot: "circuitBreaker",
	name: "operator",
	describe: "turns every attempt away while an operator has switched the integration off",
	build: (site) => Effect.sync(() => {
		site.clear.push(() => !self.off);
		return (step) => (call) => self.off ? withNow((now) => {
			site.decided(call, "rejected", now);
			return Effect.fail(make$2("CircuitOpen", { message: "switched off by an operator" }));
		}) : step(call);
	})
});

// dist/internal/hub.js
/**
* Where the integrations of a process and those who look on find each other. A call pays one read of `watchers` for it
* while nobody watches. What runs is not told: it is looked up, so that a watcher that came later sees it too.
*/
var Hub = class {
	watchers = [];
	integrations = /* @__PURE__ */ new Set();
	/** Adds an integration, and gives what removes it. */
	add(registered) {
		this.integrations.add(registered);
		return () => void this.integrations.delete(registered);
	}
	/** Adds a watcher, and gives what removes it. */
	watch(watcher) {
		const own = (event) => watcher(event);
		this.watchers = [...this.watchers, own];
		return () => {
			this.watchers = this.watchers.filter((other) => other !== own);
		};
	}
};
/** The process's hub, as `Metric.MetricRegistry` is its registry. A test gives its own to the layers that it builds. */
const CurrentHub = Context.Reference("breakwater/Hub", { defaultValue: () => new Hub() });

// dist/internal/nesting.js
/**
* What the retries of one call, and of every call that is made inside it, are taken from. Without it a call that is
* retried three times, and makes a call that is retried three times, sends nine requests.
*/
var Allowance = class {
	/** How many retries are left, for all of them together. */
	left;
	/** Whether the call has ended. What outlives it, such as a worker that it started, is not part of it. */
	ended = false;
	/** Whether the call looks up what became of it: its look is meant to be made inside it, and to be tried again. */
	looking = false;
	name;
	attempts;
	hedges;
	budget;
	constructor(name, attempts, hedges, budget) {
		this.name = name;
		this.attempts = attempts;
		this.left = attempts - 1;
		this.hedges = hedges;
		this.budget = budget;
	}
};
/** The allowance of the outermost retried call that the fiber runs in. */
const Current = Context.Reference("breakwater/Nesting/Current", { defaultValue: () => void 0 });
/**
* The allowance that a call has to share. A stored call that is made again is nobody's part, whoever's fiber makes it: its
* caller has gone, and each of its tries is of its own.
*/
const allowanceAround = (fiber, call) => {
	const current = fiber.getRef(Current);
	return current === void 0 || current.ended || call.resumed ? void 0 : current;
};
const seen = /* @__PURE__ */ new Map();
const nameOf$3 = (integration, operation) => `${integration}.${operation}`;
const note = (inner, { attempts, hedges, name }) => {
	let around = seen.get(inner);
	if (around === void 0) seen.set(inner, around = /* @__PURE__ */ new Map());
	around.set(name, {
		name,
		attempts,
		hedges
	});
};
const seenAround = (inner) => [...seen.get(inner)?.values() ?? []];

// dist/internal/boundary.js
/**
* Turns what an attempt ended with into a reason. A defect is `Failed`: no defect escapes where a failure is due. One
* that struck before anything was sent is known not to have happened.
*/
const reasonOf = (cause, call) => {
	for (const reason of cause.reasons) if (Cause.isFailReason(reason)) return reason.error;
	const outcome = call.phase === "waiting" ? "NotSent" : void 0;
	for (const reason of cause.reasons) if (Cause.isDieReason(reason)) return make$2("Failed", {
		message: `a defect: ${nameOf$2(reason.defect)}`,
		cause: reason.defect,
		outcome
	});
	return make$2("Failed", {
		message: "an empty cause",
		outcome
	});
};
const nameOf$2 = (u) => u instanceof Error ? u.name : typeof u;
/** How long before the end of a key's life the last attempt must have ended. */
const margin = (lifetime) => Math.min(6e4, lifetime / 60);
/**
* Begins and ends one attempt: checks that it may start at all, runs it, and writes it into the call's history whatever
* happens. Everything inside fails with a `Reason`, everything outside with a `CallFailure`.
*/
const boundary = (site, step) => (call) => Effect.withFiber((fiber) => {
	const now = nowOf(fiber);
	call.begin(now);
	call.stream?.begin();
	const refusal = refuse(site, call, now);
	if (refusal !== void 0) {
		call.end(refusal, now);
		return Effect.fail(call.fail(refusal, "no time is left for another attempt", now));
	}
	return Effect.matchCauseEffect(Effect.onExit(step(call), (exit) => {
		const end = nowOf(fiber);
		call.end(Exit.isSuccess(exit) ? "Success" : !Cause.hasInterruptsOnly(exit.cause) ? reasonOf(exit.cause, call) : call.cutBy === void 0 ? "Interrupted" : call.cut(cutMessage(call)), end);
		return Effect.void;
	}), {
		onFailure: (cause) => {
			if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause);
			return Effect.fail(call.fail(call.lastReason, "retries are switched off", nowOf(fiber)));
		},
		onSuccess: Effect.succeed
	});
});
const cutMessage = (call) => call.cutBy === "deadline" ? `cut by the ${call.deadlineOf} of ${format(call.deadline - call.deadlineFrom)}` : "cut because the integration shut down";
const refuse = (site, call, now) => {
	if (call.draining) return make$2("Draining");
	if (now >= call.deadline) return make$2("DeadlineExceeded");
	if (now >= call.leaseUntil) return make$2("DeadlineExceeded", { message: "the claim on the stored call has ended: another may make it" });
	if (call.firstSentAt !== void 0 && call.progress === void 0 && now + (site.limits.attemptTimeout ?? 0) + margin(site.lifetime) > call.firstSentAt + site.lifetime) {
		const [age, lifetime] = formatBoth(now - call.firstSentAt, site.lifetime);
		return make$2("KeyExpired", {
			outcome: call.firstSentAt < call.startedAt ? "Unknown" : "NotSent",
			message: `the key was first sent ${age} ago and is remembered for ${lifetime}`
		});
	}
};

// dist/internal/plan.js
const isStateful = (layer) => layer.slot === "circuitBreaker" || layer.slot === "bulkhead" || layer.slot === "rateLimit";
const longest$1 = 6e5;
const notOfPieces = /* @__PURE__ */ new Set([
	"hedge",
	"coalesce",
	"staleIfError"
]);
/** What a limit on time means for a stream: it holds until the stream flows. */
const aroundStream = (layer, { applied, limits }) => {
	const { firstByte } = limits;
	if (layer.slot === "totalDeadline") {
		const millis = layer.limits.totalDeadline;
		return {
			...layer,
			describe: `${format(millis)} to the first element, and after a cut to the next, whatever it waits for`
		};
	}
	if (layer.slot !== "attemptTimeout") return layer;
	const timed = applied === true || firstByte === void 0 || firstByte === Infinity ? layer : {
		...layer.tunable.tune({ ATTEMPT_TIMEOUT: firstByte }),
		mode: layer.mode
	};
	const to = firstByte === Infinity ? "status" : "first byte";
	return {
		...timed,
		describe: `${format(timed.limits.attemptTimeout)} to the ${to}, for each attempt`
	};
};
/** Puts the layers of an operation and of its integration into the one order. The last of a built-in slot stands. */
const stackOf = (definition, defaults, override) => {
	const all = [...(override ?? definition.policy ?? defaults.policy)?.layers ?? [], ...defaults.shared?.layers ?? []];
	const unique = /* @__PURE__ */ new Map();
	const layers = [];
	for (const layer of all) if (layer.slot === "call" || layer.slot === "attempt") layers.push(layer);
	else unique.set(isStateful(layer) ? `${layer.slot} ${layer.name} ${JSON.stringify(layer.settings)}` : layer.slot, layer);
	layers.push(...unique.values());
	const stream = definition.stream;
	const whole = stream === void 0 ? layers : layers.map((layer) => aroundStream(layer, stream));
	layers.splice(0, layers.length, ...whole);
	layers.sort((a, b) => rank(a.slot) - rank(b.slot));
	const limits = Object.assign({
		attemptTimeout: void 0,
		totalDeadline: void 0,
		maxAttempts: 1
	}, ...layers.map((layer) => layer.limits));
	const strategy = definition.strategy;
	const lifetime = strategy._tag === "Keyed" && strategy.lifetime !== "forever" ? check("the key's lifetime", strategy.lifetime) : void 0;
	const settle = strategy._tag === "Reconcilable" ? check("settle", strategy.settle) : void 0;
	const problems = [
		...definition.problems,
		...layers.flatMap((layer) => layer.problems),
		...layers.filter((layer) => layer.mode === "observe" && !layer.observes).map((layer) => `${layer.name} can't tell what it would do: let it enforce, or switch it off`),
		...[lifetime?.problem, settle?.problem].filter((problem) => problem !== void 0)
	];
	if (limits.attemptTimeout === void 0) problems.push("the policy has no attempt timeout");
	if (limits.totalDeadline === void 0) problems.push("the policy has no total deadline");
	const decision = (definition.exhausted ?? defaults.exhausted)?.decision;
	const orElse = definition.orElse ?? defaults.orElse;
	if (decision === void 0) problems.push("there is no decision for exhausted retries: give `exhausted`");
	if (orElse === void 0) problems.push("the provider's failures would leak: give `orElse`");
	if (definition.writeAhead !== void 0 && decision?._tag === "Fallback") problems.push("a call that is stored before it is sent has no fallback: the worker goes on with it; give Exhaustion.fail");
	if (stream !== void 0) {
		for (const { name, slot } of layers) if (notOfPieces.has(slot)) problems.push(`${name} sends twice, or shares or keeps answers: a stream can't have it`);
		if (decision !== void 0 && decision._tag !== "Fail") problems.push("a stream can't be replaced or parked when its retries are spent: give Exhaustion.fail");
		if (definition.writeAhead !== void 0) problems.push("a stream can't be stored and sent later");
		if (strategy._tag === "Reconcilable") problems.push("what a look finds is no stream: give Idempotency.keyed");
	}
	const { upload } = definition;
	const bounds = definition.writeAhead ?? (decision?._tag === "Park" ? decision.bounds : void 0);
	if (upload !== void 0) {
		for (const { name, slot } of layers) if (notOfPieces.has(slot)) problems.push(`${name} sends twice, or shares or keeps answers: an upload can't have it`);
		if (upload === "once" && limits.maxAttempts > 1) problems.push("its body can be sent once only: give Policy.retryNever(reason)");
		if (bounds !== void 0) problems.push("an upload can't be stored and sent later: its body is no value");
	}
	if (bounds !== void 0) {
		if (definition.inDeliveries === true && (limits.totalDeadline ?? 0) > longest$1) {
			const [total, most] = formatBoth(limits.totalDeadline, longest$1);
			problems.push(`a delivery that waits for ${total} is noticed that late when its process dies: let it wait for ${most} at most, the next one goes on`);
		}
		if (bounds.expiresAfter !== void 0) {
			const expires = check("expiresAfter", bounds.expiresAfter);
			if (expires.problem !== void 0) problems.push(expires.problem);
		}
		if (strategy._tag === "AtMostOnce" && definition.writeAhead === void 0) problems.push("a repeat is not safe, so it can't be parked: store it before it is sent, or let it fail");
		const unbounded = bounds.lane === void 0 && bounds.expiresAfter === void 0;
		if (strategy._tag === "Inherent" && unbounded) problems.push("sent late, it may overwrite what is newer: give it a lane, or expiresAfter");
		if (strategy._tag === "Conditional" && strategy.sends.header === "if-none-match" && unbounded) problems.push("sent late, it may bring back what was deleted since: give it a lane, or expiresAfter");
	}
	if (!layers.some((layer) => layer.slot === "retry")) problems.push("the policy does not decide about retries");
	if (problems.length === 0) {
		const attemptTimeout = limits.attemptTimeout;
		const totalDeadline = limits.totalDeadline;
		if (attemptTimeout > totalDeadline) {
			const [attempt, total] = formatBoth(attemptTimeout, totalDeadline);
			problems.push(`the attempt timeout of ${attempt} is longer than the total deadline of ${total}`);
		}
		if (totalDeadline > longest$1 && !layers.some((layer) => layer.longRunning)) {
			const [total, most] = formatBoth(totalDeadline, longest$1);
			problems.push(`the total deadline of ${total} is longer than ${most}: give totalDeadline a longRunning reason`);
		}
		if (lifetime !== void 0 && attemptTimeout + margin(lifetime.millis) > lifetime.millis) {
			const [attempt, remembered] = formatBoth(attemptTimeout, lifetime.millis);
			problems.push(`the attempt timeout of ${attempt} does not fit into the key's lifetime of ${remembered}`);
		}
		if (settle !== void 0 && limits.maxAttempts > 1 && settle.millis >= totalDeadline) {
			const [waits, total] = formatBoth(settle.millis, totalDeadline);
			problems.push(`settle of ${waits} is not shorter than the total deadline of ${total}: nothing could be repeated`);
		}
	}
	return {
		layers,
		limits,
		lifetime: lifetime?.millis ?? Infinity,
		decision: decision ?? { _tag: "Fail" },
		orElse: orElse ?? identity,
		problems
	};
};
/** Names that say no more than the slot does. */
const defaultNames = /* @__PURE__ */ new Set([
	"totalDeadline",
	"budget",
	"retry",
	"retryNever",
	"coalesce",
	"staleIfError",
	"hedge",
	"breaker",
	"rateLimit",
	"bulkhead",
	"attemptTimeout"
]);
const fixed = /* @__PURE__ */ new Set([
	"observe",
	"translate",
	"exhausted",
	"prepare",
	"attemptSpan",
	"send",
	"decode"
]);
const planOf = (integration, name, definition, stack) => {
	const http = definition.about.http;
	const { extraLoad, maxAttempts } = stack.limits;
	const legs = 1 + (stack.limits.hedges ?? 0);
	const worstCaseLoad = maxAttempts * legs;
	const bounded = stack.layers.some((layer) => layer.slot === "budget" && layer.mode === "enforce");
	return {
		operation: name,
		via: http === void 0 ? definition.about.transport : `${http.method} ${http.template}`,
		repeat: definition.repeat,
		key: describe(definition),
		layers: order.flatMap(([slot, why]) => [...fixed.has(slot) || slot === "auth" && http !== void 0 ? [{
			slot,
			describe: why
		}] : [], ...stack.layers.filter((layer) => layer.slot === slot).map((layer) => ({
			slot: defaultNames.has(layer.name) ? slot : `${slot} ${layer.name}`,
			describe: layer.mode === "enforce" ? layer.describe : `${layer.mode}: ${layer.describe}`
		}))]),
		worstCaseAttempts: maxAttempts,
		worstCaseLoad,
		outageLoad: Math.min(worstCaseLoad, bounded && extraLoad !== void 0 ? 1 + extraLoad : Infinity),
		retriedInside: seenAround(nameOf$3(integration, name)).map((around) => {
			const load = around.attempts * (1 + around.hedges) * legs;
			return {
				operation: around.name,
				load,
				unguardedLoad: load * maxAttempts
			};
		}),
		worstCaseTime: (stack.limits.totalDeadline ?? Infinity) + (stack.decision._tag === "Fail" ? 0 : 1e3),
		exhausted: definition.writeAhead === void 0 ? describe$1({ decision: stack.decision }) : "stored before it is sent; the outbox goes on with it",
		...definition.stream === void 0 ? {} : { stream: definition.stream.describe }
	};
};
const requests = (count) => `${count} ${count === 1 ? "request" : "requests"}`;
const formatPlan = (integration, operations) => [integration, ...operations.flatMap((operation) => [
	`  ${operation.operation}  ${operation.via}  ${operation.repeat}`,
	`    at worst   ${operation.worstCaseAttempts} ${operation.worstCaseAttempts === 1 ? "attempt" : "attempts"}, ${format(operation.worstCaseTime)}`,
	`    load       at most ${requests(operation.worstCaseLoad)} per call${operation.outageLoad === operation.worstCaseLoad ? "" : `, ${Math.ceil(operation.outageLoad * 100) / 100} in a long outage`}`,
	...operation.retriedInside.map((around) => `    inside     ${around.operation}, retried too: at most ${requests(around.load)} together, not ${around.unguardedLoad}`),
	`    repeats    ${operation.key}`,
	`    exhausted  ${operation.exhausted}`,
	...(operation.stream ?? []).map((line) => `    stream     ${line}`),
	"    layers, outermost first",
	...operation.layers.map((layer) => `      ${layer.slot.padEnd(16)} ${layer.describe}`)
])].join("\n");

// dist/OutboxStore.js
/**
* Where durable calls are kept: one entry per call, and one atomic transition at a time. The outbox decides, the store
* remembers.
*
* A claim has a *lease*: when it has ended without a verdict, another worker may claim the entry. Every write of an owner
* names the epoch of its claim, so that one who was paused past its lease can change nothing. Leases and due times are
* measured by the store's own clock.
*
* @since 0.1.0
*/
var OutboxStore_exports = /* @__PURE__ */ __exportAll({
	Cipher: () => Cipher,
	OutboxStore: () => OutboxStore,
	StoreError: () => StoreError
});
/**
* The service.
*
* @category services
* @since 0.1.0
*/
var OutboxStore = class extends Context.Service()("breakwater/OutboxStore") {};
/**
* The cipher of an outbox, read when the layer of an integration or of a worker is built. By default the text is stored as
* it is. A text that can't be deciphered leaves its entry dead, with `schema` as reason: keep old keys as long as entries.
*
* @category references
* @since 0.1.0
*/
const Cipher = Context.Reference("breakwater/OutboxStore/Cipher", { defaultValue: () => ({
	encrypt: Effect.succeed,
	decrypt: Effect.succeed
}) });
const TypeId$2 = "~breakwater/OutboxStore/StoreError";
/**
* A store failed.
*
* - `Unavailable`: it can't be reached, or it answered with an error.
* - `Busy`: another transaction held what was needed for too long; nothing was written.
* - `OtherTransaction`: a transaction is open that this store can't be part of; nothing was written.
* - `Malformed`: a text holds NUL or half a surrogate pair, which a database can't keep; nothing was written.
*
* @category errors
* @since 0.1.0
*/
var StoreError = class extends Data.TaggedError("OutboxStoreError") {
	[TypeId$2] = TypeId$2;
	get message() {
		const what = this.reason === "Busy" ? "another transaction held it for too long" : this.reason === "OtherTransaction" ? "a transaction of another database is open: give the outbox the same SqlClient, or call outside of the transaction" : this.reason === "Malformed" ? "a text is not well formed" : "it could not be reached, or failed";
		const effect = this.tookEffect === "no" ? "nothing was written" : "it is not known whether it was written";
		return `the outbox (${this.store}) could not ${this.operation}: ${what}; ${effect}`;
	}
};

// dist/PolicyError.js
/**
* A policy whose numbers make no sense, found when the integration's layer is built.
*
* @since 0.1.0
*/
/**
* Says which integration and operation, which values, and what would be right.
*
* @category errors
* @since 0.1.0
*/
var PolicyError = class extends Data.TaggedError("PolicyError") {
	get message() {
		return `${this.integration} ${this.operation}: ${this.problems.join("; ")}`;
	}
};

// dist/internal/call.js
/** The mutable record behind `Call`. One per logical call; only the runner and the built-in layers write it. */
var CallRecord = class {
	id;
	integration;
	operation;
	repeat;
	input;
	startedAt;
	correlationId;
	key = void 0;
	deadline = Infinity;
	/** Whose deadline that is. */
	deadlineOf = "total deadline";
	/** From when it counts. */
	deadlineFrom;
	/** How far its answer has come, if it is a stream. */
	stream = void 0;
	attempts = [];
	attempt = 0;
	phase = "idle";
	/** What the current attempt would be if it were cut now, once a status was read. */
	pending = void 0;
	/** Who cut the current attempt, when it was not the caller. */
	cutBy = void 0;
	attemptStartedAt = 0;
	/** When the current attempt is cut at the latest, in epoch milliseconds. */
	attemptEndsBy = Infinity;
	/** Whether the current attempt may take as long as its own timeout allows. */
	hasFullLimit = false;
	/** Backoff before the next attempt, and waits so far, in milliseconds. */
	waiting = 0;
	waited = 0;
	queued = 0;
	totalQueued = 0;
	/** What of the waits was for the rate. The rest was for a permit. */
	queuedForRate = 0;
	totalQueuedForRate = 0;
	/** Whether a layer wants to know what the answer tells of the provider's limit, and what it tells. */
	learns = false;
	limit = void 0;
	requestId = void 0;
	/** Whether the current attempt was refused for its credential and sent once more with another, and whether any was. */
	reauthenticated = false;
	everReauthenticated = false;
	status = void 0;
	/** When the first attempt may have left this process, or an earlier process may have sent it. */
	firstSentAt = void 0;
	firstSentBefore = void 0;
	/** When the last attempt ended that happened or may have. */
	lastInDoubtAt = void 0;
	fellBack = false;
	/** That it succeeded by being stored, or was stored when the caller gave up. */
	stored = void 0;
	/** What an earlier process, or an earlier try, did. */
	prior = "NotSent";
	/** Whether it is a stored call, which is made again. */
	resumed = false;
	/** Whether its layer was closing when it came: it is not sent, and may be parked. */
	draining = false;
	/** What the layers decided, or would have. */
	decisions = void 0;
	/** The call that this is one of several simultaneous legs of. */
	root = void 0;
	/** Which of the legs this is, from 1. */
	legNumber = void 0;
	/** Why its attempt was given up, when it was not the caller who did. */
	givenUp = void 0;
	/** Whether its attempt is written, and what it still does is not: it would not end when it was given up. */
	abandoned = false;
	/** Whether it was told how it ended, though something of it may still run. */
	over = false;
	/** Legs that were given up and still run. A layer that closes waits for them. */
	lingering = void 0;
	/** What its retries and hedges are drawn on; `undefined` while nothing bounds them. */
	budget = void 0;
	/** Whether it is a stored call that is made now, so that what it leaves unfinished can be kept with it. */
	durable = false;
	/**
	* How far a call has come that is made in several deliveries, as JSON: an earlier one left it here, or this one has got
	* there. What the next one learns is about the same piece of work.
	*/
	progress = void 0;
	/** When the claim on its entry ends, past which no attempt may start. */
	leaseUntil = Infinity;
	/** Why the last attempt failed; `undefined` if it did not. */
	lastReason = void 0;
	/** The input, validated and encoded. */
	prepared = void 0;
	constructor(options) {
		this.id = options.id;
		this.integration = options.integration;
		this.operation = options.operation;
		this.repeat = options.repeat;
		this.input = options.input;
		this.startedAt = options.startedAt;
		this.deadlineFrom = options.startedAt;
		this.correlationId = options.correlationId;
	}
	outcome = () => this.prior === "NotSent" ? fold(this.attempts) : fold([{
		outcome: this.prior,
		resolves: false
	}, ...this.attempts]);
	/**
	* One of several legs that run at once: it has an attempt of its own, and everything else is the call's. What it did is
	* written into the call's one history.
	*/
	leg(number) {
		const leg = Object.create(this);
		leg.root = this.root ?? this;
		leg.legNumber = number;
		return leg;
	}
	/** Says why a leg is interrupted. Whatever cuts the call from now on did not cut this leg: its own field hides the call's. */
	giveUp(why) {
		this.cutBy = void 0;
		this.givenUp = why;
	}
	/** Writes the attempt of a leg that was given up and has not ended. Nothing that it still does is written. */
	abandon(fiber, now) {
		this.givenUp = `${this.givenUp}; it could not be interrupted yet`;
		this.phase = "sent";
		this.end("Interrupted", now);
		this.abandoned = true;
		const whole = this.root ?? this;
		(whole.lingering ??= []).push(fiber);
	}
	begin(now) {
		if (this.root === void 0) this.attempt++;
		else {
			this.attempt = ++this.root.attempt;
			this.waiting = this.root.waiting;
			this.root.waiting = 0;
		}
		this.phase = "waiting";
		this.pending = void 0;
		this.requestId = void 0;
		this.status = void 0;
		this.reauthenticated = false;
		this.queued = 0;
		this.queuedForRate = 0;
		this.learns = false;
		this.limit = void 0;
		this.hasFullLimit = false;
		this.attemptStartedAt = now;
		this.attemptEndsBy = this.deadline;
		this.firstSentBefore = this.firstSentAt;
	}
	/** Marks the moment from which the provider may have seen the request. */
	sent(now) {
		this.phase = "sent";
		this.firstSentAt = Math.min(this.firstSentAt ?? now, now);
		if (this.root !== void 0) this.root.firstSentAt = Math.min(this.root.firstSentAt ?? now, now);
	}
	/** Marks that a refused credential was replaced. What the refusal told counts until the request is sent again. */
	reauthenticate() {
		this.reauthenticated = true;
		this.everReauthenticated = true;
		if (this.root !== void 0) this.root.everReauthenticated = true;
	}
	/** Marks that the request is sent once more within its attempt. */
	sentAgain(now) {
		this.pending = void 0;
		this.status = void 0;
		this.requestId = void 0;
		this.sent(now);
	}
	/** Keeps what an answer tells of the provider's limit: what is told here goes before what is known of it. */
	tell({ cost, limit, remaining, resetAfter }) {
		const known = this.limit;
		this.limit = {
			cost: cost ?? known?.cost,
			limit: limit ?? known?.limit,
			...remaining === void 0 && resetAfter === void 0 ? {
				remaining: known?.remaining,
				resetAfter: known?.resetAfter
			} : {
				remaining,
				resetAfter
			}
		};
	}
	/** Ends the current attempt and adds it to the history. */
	end(reason, now) {
		const bare = typeof reason === "string";
		this.lastReason = bare ? void 0 : reason;
		if (this.abandoned) return;
		const outcome = bare ? reason === "Success" ? "Applied" : this.pending?.outcome ?? (this.phase === "waiting" ? "NotSent" : "Unknown") : reason.outcome;
		this.attempts.push({
			number: this.attempt,
			reason: bare ? reason : reason._tag,
			message: bare ? reason === "Success" ? "answered" : this.givenUp ?? "given up by the caller" : reason.message,
			status: bare ? this.status : reason.status,
			outcome,
			resolves: reason === "Success" || !bare && reason.resolves && (this.key !== void 0 || this.progress !== void 0),
			startedAfter: this.attemptStartedAt - this.startedAt,
			elapsed: now - this.attemptStartedAt,
			waited: this.waiting,
			queued: this.queued,
			requestId: bare ? this.requestId : reason.requestId ?? this.requestId,
			...this.reauthenticated ? { reauthenticated: true } : {}
		});
		if (outcome === "NotSent") this.firstSentAt = this.firstSentBefore;
		const whole = this.root ?? this;
		whole.lastReason = this.lastReason;
		if (!didNotHappen(outcome)) whole.lastInDoubtAt = now;
		whole.waited += this.waiting;
		whole.totalQueued += this.queued;
		whole.totalQueuedForRate += this.queuedForRate;
		this.waiting = 0;
		this.phase = "idle";
	}
	/** The reason of an attempt that is cut now: it takes the outcome of its phase. */
	cut(message) {
		if (this.pending !== void 0) return {
			...this.pending,
			message: `${this.pending.message}; ${message}`
		};
		return make$2("Timeout", {
			message,
			outcome: this.phase === "sent" || this.phase === "answered" ? "Unknown" : "NotSent"
		});
	}
	fail(reason, stopped, now) {
		return withoutStack(() => new CallFailure({
			integration: this.integration,
			operation: this.operation,
			repeat: this.repeat,
			reason,
			outcome: this.attempts.length > 0 ? this.outcome() : fold([{
				outcome: this.prior,
				resolves: false
			}, {
				outcome: reason.outcome,
				resolves: false
			}]),
			attempts: this.attempts.slice(),
			elapsed: Duration.millis(now - this.startedAt),
			retryAfter: reason.retryAfter,
			correlationId: this.correlationId,
			key: this.key,
			stopped
		}));
	}
};

// dist/internal/alone.js
/** The record of a layer that stands alone, outside any integration. */
const alone = (operation, startedAt) => new CallRecord({
	id: "",
	integration: "(no integration)",
	operation,
	repeat: "AtMostOnce",
	input: void 0,
	startedAt,
	correlationId: ""
});
/** The site of a layer that stands alone. */
const siteAlone = {
	integration: "",
	operation: "",
	repeat: "AtMostOnce",
	limits: {
		attemptTimeout: void 0,
		totalDeadline: void 0,
		maxAttempts: 1
	},
	host: void 0,
	lifetime: Infinity,
	mode: () => "enforce",
	decided: () => {},
	clear: [],
	reconcile: void 0,
	shared: (_name, _options, make) => Effect.scoped(make)
};

// dist/PolicyTranslate.js
/**
* Turning every failure into an error of the application, as a layer for any effect.
*
* @since 0.1.0
*/
/** Applies the case that fits the error, if any does, to it and the call's input. */
const applyCase = (cases, error, input) => {
	if (cases === void 0 || !Predicate.hasProperty(error, "_tag")) return void 0;
	const tag = String(error._tag);
	return Object.hasOwn(cases, tag) ? cases[tag](error, input) : void 0;
};
/**
* Translates what an effect fails with: declared errors by their tag, every other failure by `orElse`.
*
* **Details**
*
* Declared errors arrive either bare or as the `error` of a `CallFailure`, so this stands outside `retry`. A case gets the
* error alone: what the effect was asked for is not known here.
*
* @category layers
* @since 0.1.0
*/
const translate = (cases, orElse) => (self) => Effect.catch(self, (error) => Effect.withFiber((fiber) => {
	const translated = applyCase(cases, isCallFailure(error) ? error.reason.error : error, void 0);
	if (translated !== void 0) return Effect.fail(translated);
	if (isCallFailure(error)) return Effect.fail(orElse(error));
	const now = nowOf(fiber);
	return Effect.fail(orElse(alone("translate", now).fail(make$2("Failed", {
		error,
		cause: error
	}), "not transient", now)));
}));

// dist/internal/series.js
/** How many sets of labels one metric has at most. OpenTelemetry's own default. */
const most = 2e3;
const overflowing = "otel.metric.overflow";
const registries = /* @__PURE__ */ new WeakMap();
const setsOf = (context, metric) => {
	const registry = Context.get(context, Metric.MetricRegistry);
	let metrics = registries.get(registry);
	if (metrics === void 0) registries.set(registry, metrics = /* @__PURE__ */ new Map());
	let sets = metrics.get(metric);
	if (sets === void 0) metrics.set(metric, sets = /* @__PURE__ */ new Set());
	return sets;
};
/**
* The labels of one more series of a metric. Past the limit they are those of one series for all the rest, which is
* counted, and warned of once: a metric whose labels grow without end takes the exporter and the database with it.
*
* It is asked once for each series and not for each measurement: callers keep what they made of the answer.
*/
const labelsFor = (context, metric, labels, overflow) => {
	const sets = setsOf(context, metric);
	const id = JSON.stringify(labels);
	if (sets.has(id)) return labels;
	if (sets.size < (overflow.limit ?? 2e3)) {
		sets.add(id);
		return labels;
	}
	Metric.counter(overflow.name, {
		description: "Sets of labels that were folded into the overflow series of a metric",
		incremental: true,
		attributes: {
			metric,
			unit: "{label_set}"
		}
	}).updateUnsafe(1, context);
	if (!sets.has(overflowing)) {
		sets.add(overflowing);
		Effect.runForkWith(context)(Effect.logWarning(`${metric} has ${sets.size - 1} sets of labels, the most that one metric may have: all others are one series, ${overflowing}="true". The labels that were one too many: ${Object.keys(labels).join(", ")}`));
	}
	const unit = labels["unit"];
	return {
		[overflowing]: "true",
		...unit === void 0 ? {} : { unit }
	};
};

// dist/Telemetry.js
/**
* The names of the signals, and the one event of every call. Exporters are Effect's.
*
* @since 0.1.0
*/
var Telemetry_exports = /* @__PURE__ */ __exportAll({
	CorrelationId: () => CorrelationId,
	LogLevels: () => LogLevels,
	Observers: () => Observers,
	attemptsMade: () => attemptsMade,
	formatJson: () => formatJson,
	formatLogFmt: () => formatLogFmt,
	layerLogFmt: () => layerLogFmt,
	layerLogJson: () => layerLogJson,
	layerObserver: () => layerObserver,
	makeMetrics: () => makeMetrics,
	metrics: () => metrics,
	names: () => names$3,
	prometheusName: () => prometheusName
});
/**
* How many attempts of a call were made. Its history also has those that this process turned away before they were sent:
* of a call that the breaker rejected it is 0.
*
* **Example** (A call that was rejected)
*
* ```ts
* import { Telemetry } from "breakwater"
*
* Telemetry.attemptsMade({ attempts: [] }) // => 0
* ```
*
* @category getters
* @since 0.1.0
*/
const attemptsMade = (event) => {
	let made = 0;
	for (const { reason } of event.attempts) if (!isLocalRejection({ _tag: reason })) made++;
	return made;
};
/**
* Names of spans' attributes, events and metrics. Tests and dashboards read them from here.
*
* @category constants
* @since 0.1.0
*/
const names$3 = {
	integration: "breakwater.integration",
	operation: "breakwater.operation",
	outcome: "breakwater.outcome",
	effect: "breakwater.effect",
	attempts: "breakwater.attempts",
	key: "breakwater.idempotency_key",
	correlationId: "breakwater.correlation_id",
	retryDelay: "breakwater.retry_delay",
	retryAfter: "breakwater.retry_after",
	queueWait: "breakwater.queue_wait",
	streamElements: "breakwater.stream.elements",
	streamBytes: "breakwater.stream.bytes",
	streamFirstElement: "breakwater.stream.first_element",
	errorType: "error.type",
	peer: "service.peer.name",
	resendCount: "http.request.resend_count",
	reauthenticated: "breakwater.reauthenticated",
	hedge: "breakwater.hedge",
	method: "http.request.method",
	status: "http.response.status_code",
	template: "url.template",
	server: "server.address",
	port: "server.port",
	retryEvent: "breakwater.retry",
	staleAge: "breakwater.stale_age",
	policyEvent: "breakwater.policy",
	policy: "breakwater.policy",
	policyName: "breakwater.policy.name",
	decided: "breakwater.decision",
	mode: "breakwater.mode",
	policyDecisions: "breakwater.policy.decisions",
	callDuration: "breakwater.call.duration",
	callAttempts: "breakwater.call.attempts",
	callRetryDelay: "breakwater.call.retry_delay",
	callQueueWait: "breakwater.call.queue_wait",
	activeCalls: "breakwater.active_calls",
	rateLimiterRemaining: "breakwater.rate_limiter.remaining",
	breakerState: "breakwater.circuit_breaker.state",
	breakerKey: "breakwater.circuit_breaker.key",
	breakerTransitions: "breakwater.circuit_breaker.transitions",
	breakerFrom: "breakwater.circuit_breaker.from",
	breakerTo: "breakwater.circuit_breaker.to",
	breakerOpen: "breakwater.circuit_breaker.open_circuits",
	bulkheadRunning: "breakwater.bulkhead.running",
	bulkheadWaiting: "breakwater.bulkhead.waiting",
	httpDuration: "http.client.request.duration",
	attemptDuration: "breakwater.attempt.duration",
	overflow: "breakwater.telemetry.overflow",
	outboxDepth: "breakwater.outbox.depth",
	outboxOldestAge: "breakwater.outbox.oldest_age",
	outboxEnded: "breakwater.outbox.ended",
	receiver: "breakwater.receiver",
	receiverRequests: "breakwater.receiver.requests"
};
const ofOperation = [names$3.integration, names$3.operation];
const ofPolicy = [names$3.integration, names$3.policyName];
/**
* Every metric of this package. Names for Prometheus, the dashboard of Grafana and its alerts are made from it.
*
* @category constants
* @since 0.1.0
*/
const metrics = {
	[names$3.callDuration]: {
		type: "histogram",
		unit: "s",
		labels: [
			...ofOperation,
			names$3.outcome,
			names$3.errorType
		]
	},
	[names$3.callAttempts]: {
		type: "histogram",
		unit: "{attempt}",
		labels: [...ofOperation, names$3.outcome]
	},
	[names$3.callRetryDelay]: {
		type: "histogram",
		unit: "s",
		labels: ofOperation
	},
	[names$3.callQueueWait]: {
		type: "histogram",
		unit: "s",
		labels: [...ofOperation, "gate"]
	},
	[names$3.activeCalls]: {
		type: "gauge",
		unit: "{call}",
		labels: ofOperation
	},
	[names$3.policyDecisions]: {
		type: "counter",
		unit: "{decision}",
		labels: [
			...ofOperation,
			names$3.policy,
			names$3.decided,
			names$3.mode
		]
	},
	[names$3.httpDuration]: {
		type: "histogram",
		unit: "s",
		labels: [
			names$3.integration,
			names$3.method,
			names$3.server,
			names$3.port,
			names$3.status,
			names$3.errorType
		]
	},
	[names$3.attemptDuration]: {
		type: "histogram",
		unit: "s",
		labels: [...ofOperation, names$3.errorType]
	},
	[names$3.breakerState]: {
		type: "gauge",
		unit: "{circuit}",
		labels: [
			...ofPolicy,
			names$3.breakerKey,
			names$3.breakerState
		]
	},
	[names$3.breakerTransitions]: {
		type: "counter",
		unit: "{transition}",
		labels: [
			...ofPolicy,
			names$3.breakerFrom,
			names$3.breakerTo
		]
	},
	[names$3.breakerOpen]: {
		type: "gauge",
		unit: "{circuit}",
		labels: ofPolicy
	},
	[names$3.bulkheadRunning]: {
		type: "gauge",
		unit: "{attempt}",
		labels: ofPolicy
	},
	[names$3.bulkheadWaiting]: {
		type: "gauge",
		unit: "{attempt}",
		labels: ofPolicy
	},
	[names$3.rateLimiterRemaining]: {
		type: "gauge",
		unit: "{token}",
		labels: [
			...ofPolicy,
			names$3.operation,
			names$3.server
		]
	},
	[names$3.outboxDepth]: {
		type: "gauge",
		unit: "{call}",
		labels: [...ofOperation, "state"]
	},
	[names$3.outboxOldestAge]: {
		type: "gauge",
		unit: "s",
		labels: [...ofOperation, "state"]
	},
	[names$3.outboxEnded]: {
		type: "counter",
		unit: "{call}",
		labels: [...ofOperation, "state"]
	},
	[names$3.receiverRequests]: {
		type: "counter",
		unit: "{request}",
		labels: [names$3.receiver, names$3.outcome]
	},
	[names$3.overflow]: {
		type: "counter",
		unit: "{label_set}",
		labels: ["metric"]
	}
};
/**
* The name of a metric of this package in Prometheus, with its unit and `_total` as OpenTelemetry's rules have it, so that
* it is the same by scrape and through a collector. Other names are left as they are.
*
* **When to use**
*
* Give it to Effect's `PrometheusMetrics` as `metricNameMapper`, which adds neither by itself.
*
* **Example** (Units and totals)
*
* ```ts
* import { Telemetry } from "breakwater"
*
* Telemetry.prometheusName(Telemetry.names.callDuration) // => "breakwater_call_duration_seconds"
* Telemetry.prometheusName(Telemetry.names.policyDecisions) // => "breakwater_policy_decisions_total"
* Telemetry.prometheusName("my.metric") // => "my.metric"
* ```
*
* @category getters
* @since 0.1.0
*/
const prometheusName = (name) => {
	const info = Object.hasOwn(metrics, name) ? metrics[name] : void 0;
	if (info === void 0) return name;
	return name.replaceAll(".", "_") + (info.unit === "s" ? "_seconds" : "") + (info.type === "counter" ? "_total" : "");
};
/**
* Functions that are called with every `CallObserved`. They run synchronously at the end of a call; one that throws is
* ignored, because an observer must not change what it observes.
*
* @category references
* @since 0.1.0
*/
const Observers = Context.Reference("breakwater/Telemetry/Observers", { defaultValue: () => [] });
/**
* Adds an observer, for the integrations that it is provided to and for the calls made below it.
*
* @category layers
* @since 0.1.0
*/
const layerObserver = (observe) => Layer.effectContext(Effect.map(Effect.service(Observers), (observers) => Context.make(Observers, [...observers, observe])));
/**
* The id that ties a call to the request that caused it. Without one, the trace's id is used.
*
* @category references
* @since 0.1.0
*/
const CorrelationId = Context.Reference("breakwater/Telemetry/CorrelationId", { defaultValue: () => void 0 });
/**
* The levels of the one log line per call; `undefined` writes none.
*
* @category references
* @since 0.1.0
*/
const LogLevels = Context.Reference("breakwater/Telemetry/LogLevels", { defaultValue: () => ({
	ok: "Info",
	failed: "Warn"
}) });
/** The ids that lead from a line to its trace and its request. What a line says itself, as that of a call does, counts. */
const idsOf = (fiber) => {
	const said = fiber.getRef(References.CurrentLogAnnotations);
	const span = fiber.cache.span;
	const own = span === void 0 || span.traceId === "noop" ? void 0 : span;
	const ids = {};
	const put = (name, id) => {
		if (typeof id === "string") ids[name] = id;
	};
	put("trace_id", said["trace_id"] ?? own?.traceId);
	put("span_id", said["span_id"] ?? own?.spanId);
	put("correlation_id", said["correlation_id"] ?? fiber.getRef(CorrelationId) ?? own?.traceId);
	return ids;
};
/**
* A logger that writes a line as JSON, like `Logger.formatJson`, with `trace_id`, `span_id` and `correlation_id` beside
* its message. Effect's own leaves them out.
*
* **Details**
*
* It is for every line of a program, not for those of calls only. A line inside a span has the ids of that span. The one
* line of a call has those of the call's span, whose children are the attempts.
*
* **Example** (One line of an application)
*
* ```ts
* import { Telemetry } from "breakwater"
* import { Effect, Logger } from "effect"
*
* const lines: Array<string> = []
* const logger = Logger.map(Telemetry.formatJson, (line) => void lines.push(line))
*
* Effect.logInfo("an order came in").pipe(
*   Effect.provideService(Telemetry.CorrelationId, "order-42"),
*   Effect.provide(Logger.layer([logger])),
*   Effect.runSync
* )
*
* JSON.parse(lines[0]!).correlation_id // => "order-42"
* ```
*
* @category loggers
* @since 0.1.0
*/
const formatJson = Logger.make((options) => {
	const { annotations, cause, fiberId, level, message, spans, timestamp } = Logger.formatStructured.log(options);
	return Formatter.formatJson({
		timestamp,
		level,
		message,
		...idsOf(options.fiber),
		cause,
		annotations,
		spans,
		fiberId
	});
});
/**
* A logger that writes a line as logfmt, like `Logger.formatLogFmt`, with `trace_id`, `span_id` and `correlation_id`.
*
* @category loggers
* @since 0.1.0
*/
const formatLogFmt = Logger.make((options) => {
	const said = options.fiber.getRef(References.CurrentLogAnnotations);
	let line = Logger.formatLogFmt.log(options);
	for (const [name, id] of Object.entries(idsOf(options.fiber))) if (said[name] === void 0) line += ` ${name}=${/^[^\s"=]+$/.test(id) ? id : JSON.stringify(id)}`;
	return line;
});
/**
* Writes every log line to the console as JSON, with the ids of its trace and of its request.
*
* @category layers
* @since 0.1.0
*/
const layerLogJson = Logger.layer([Logger.withConsoleLog(formatJson)]);
/**
* Writes every log line to the console as logfmt, with the ids of its trace and of its request.
*
* @category layers
* @since 0.1.0
*/
const layerLogFmt = Logger.layer([Logger.withConsoleLog(formatLogFmt)]);
/** OpenTelemetry's boundaries for durations in seconds, and four more for calls that retry. */
const seconds$2 = [
	.005,
	.01,
	.025,
	.05,
	.075,
	.1,
	.25,
	.5,
	.75,
	1,
	2.5,
	5,
	7.5,
	10
];
/**
* Creates the metrics of one operation. `http` adds OpenTelemetry's `http.client.request.duration`.
*
* @category constructors
* @since 0.1.0
*/
const makeMetrics = (options) => {
	const own = {
		[names$3.integration]: options.integration,
		[names$3.operation]: options.operation
	};
	const labels = (context, metric, more) => labelsFor(context, metric, more, { name: names$3.overflow });
	const make = (outcome, errorType, context) => {
		const attributes = {
			...own,
			[names$3.outcome]: outcome,
			...errorType === void 0 ? {} : { [names$3.errorType]: errorType }
		};
		return {
			duration: Metric.histogram(names$3.callDuration, {
				description: "Duration of calls as the application sees them",
				boundaries: [
					...seconds$2,
					15,
					30,
					60,
					120
				],
				attributes: labels(context, names$3.callDuration, {
					...attributes,
					unit: "s"
				})
			}),
			attempts: Metric.histogram(names$3.callAttempts, {
				description: "Attempts per call",
				boundaries: [
					1,
					2,
					3,
					4,
					5,
					8
				],
				attributes: labels(context, names$3.callAttempts, {
					...own,
					[names$3.outcome]: outcome,
					unit: "{attempt}"
				})
			})
		};
	};
	const handles = /* @__PURE__ */ new Map();
	const retryDelay = Metric.histogram(names$3.callRetryDelay, {
		description: "Time of a call during which it waited to try again",
		boundaries: seconds$2,
		attributes: {
			...own,
			unit: "s"
		}
	});
	const queueWait = (gate) => Metric.histogram(names$3.callQueueWait, {
		description: "Time of a call during which it waited for a permit",
		boundaries: seconds$2,
		attributes: {
			...own,
			gate,
			unit: "s"
		}
	});
	const bulkheadWait = queueWait("bulkhead");
	const rateWait = queueWait("ratelimit");
	const active = Metric.gauge(names$3.activeCalls, {
		description: "Calls that are running",
		attributes: {
			...own,
			unit: "{call}"
		}
	});
	const decisions = /* @__PURE__ */ new Map();
	const http = options.http;
	const attempts = /* @__PURE__ */ new Map();
	return {
		update(event, context) {
			const id = event.errorType === void 0 ? event.callOutcome : `${event.callOutcome} ${event.errorType}`;
			let handle = handles.get(id);
			if (handle === void 0) handles.set(id, handle = make(event.callOutcome, event.errorType, context));
			handle.duration.updateUnsafe(event.latency / 1e3, context);
			handle.attempts.updateUnsafe(attemptsMade(event), context);
			if (event.retryDelay > 0) retryDelay.updateUnsafe(event.retryDelay / 1e3, context);
			const { bulkhead, ratelimit } = event.queuedFor;
			if (bulkhead > 0) bulkheadWait.updateUnsafe(bulkhead / 1e3, context);
			if (ratelimit > 0) rateWait.updateUnsafe(ratelimit / 1e3, context);
			for (const { decided, mode, policy } of event.decisions) {
				const which = `${policy} ${decided} ${mode}`;
				let counter = decisions.get(which);
				if (counter === void 0) {
					counter = Metric.counter(names$3.policyDecisions, {
						description: "What the layers of a policy did, or in mode observe would have done",
						incremental: true,
						attributes: labels(context, names$3.policyDecisions, {
							...own,
							[names$3.policy]: policy,
							[names$3.decided]: decided,
							[names$3.mode]: mode,
							unit: "{decision}"
						})
					});
					decisions.set(which, counter);
				}
				counter.updateUnsafe(1, context);
			}
		},
		active(delta, context) {
			active.modifyUnsafe(delta, context);
		},
		attempt(attempt, context) {
			const id = `${attempt.status} ${attempt.errorType}`;
			let handle = attempts.get(id);
			if (handle === void 0) {
				const error = attempt.errorType === void 0 ? {} : { [names$3.errorType]: attempt.errorType };
				const server = {};
				if (http?.server !== void 0) server[names$3.server] = http.server;
				if (http?.port !== void 0) server[names$3.port] = String(http.port);
				if (attempt.status !== void 0) server[names$3.status] = String(attempt.status);
				handle = http === void 0 ? Metric.histogram(names$3.attemptDuration, {
					description: "Duration of attempts other than HTTP requests",
					boundaries: seconds$2,
					attributes: labels(context, names$3.attemptDuration, {
						...own,
						...error,
						unit: "s"
					})
				}) : Metric.histogram(names$3.httpDuration, {
					description: "Duration of HTTP client requests",
					boundaries: seconds$2,
					attributes: labels(context, names$3.httpDuration, {
						[names$3.integration]: options.integration,
						[names$3.method]: http.method,
						...server,
						...error,
						unit: "s"
					})
				});
				attempts.set(id, handle);
			}
			handle.updateUnsafe(attempt.seconds, context);
		}
	};
};

// dist/internal/observe.js
const names$2 = names$3;
/**
* The value of `error.type` for a reason: a status if one was read and is at fault, else a word of a closed list. A 2xx is
* not at fault for the error that its body tells: there the word is the reason's own.
*/
const errorType = (reason) => {
	switch (reason._tag) {
		case "InvalidResponse": return "decode";
		case "Timeout": return "timeout";
		case "CircuitOpen": return "circuit_open";
		case "BulkheadFull": return "bulkhead_full";
		case "RateLimited": return "rate_limited";
		case "InvalidInput": return "invalid_input";
		case "SourceFailed": return "source_failed";
		case "NotAuthenticated": return "not_authenticated";
		case "Unreachable":
		case "Disconnected":
		case "BodyLost": return "transport";
		case "Truncated": return "truncated";
		case "DeadlineExceeded":
		case "KeyExpired":
		case "BudgetSpent":
		case "Draining":
		case "NotStored": return "not_started";
	}
	if (reason.status === void 0) return "_OTHER";
	return reason.status >= 200 && reason.status < 300 ? reason._tag.replace(/\B[A-Z]/g, "_$&").toLowerCase() : String(reason.status);
};
/** Whether this process turned every attempt away. */
const sentNothing = ({ attempts }) => attempts.every((attempt) => isLocalRejection({ _tag: attempt.reason }));
/** A hedge that was given up, and the one that won, are no failures. */
const failed = (attempt) => attempt.reason !== "Success" && attempt.reason !== "Interrupted";
const callOutcome = (call, failure) => {
	if (call.stored !== void 0) return call.stored;
	if (failure === void 0) return call.fellBack ? "fallback" : call.attempts.some(failed) ? "ok_after_retry" : "ok";
	if (call.durable && call.progress !== void 0 && failure.reason._tag === "InProgress") return "queued";
	switch (failure.reason._tag) {
		case "CircuitOpen": return sentNothing(failure) ? "rejected_breaker" : "exhausted";
		case "RateLimited": return sentNothing(failure) ? "rejected_ratelimit" : "exhausted";
		case "BulkheadFull": return sentNothing(failure) ? "rejected_bulkhead" : "exhausted";
		case "Timeout":
		case "DeadlineExceeded": return "timeout";
		case "InvalidResponse": return "decode_failed";
		case "Truncated": if (failure.stopped === "no time is left for another attempt") return "timeout";
	}
	return failure.reason.transient ? "exhausted" : "failed";
};
/** What a span's exit may show: a tag and a message, never a cause that holds a request or an answer. */
const spanExit = (tag, message) => Exit.fail(withoutStack(() => {
	const error = new Error(message);
	error.name = tag;
	return error;
}));
/** Calls every observer; one that throws is ignored. */
const notify = (observers, event) => Effect.forEach(observers, (observe) => Effect.catchCause(Effect.sync(() => observe(event)), (cause) => Effect.logDebug("an observer of breakwater failed and was ignored", cause)), { discard: true });
/** The one log line of a call. */
const log = (fiber, event, span, failure) => {
	const levels = fiber.getRef(LogLevels);
	const level = event.callOutcome === "ok" || event.callOutcome === "ok_after_retry" || event.callOutcome === "cancelled" ? levels.ok : levels.failed;
	if (level === void 0 || isBelow(level, fiber.getRef(References.MinimumLogLevel))) return Effect.void;
	const attempts = attemptsMade(event);
	const line = Effect.logWithLevel(level)(`${event.integration} ${event.operation} ${event.callOutcome}` + (failure === void 0 ? "" : ` ${failure.reason._tag}`));
	const annotated = Effect.annotateLogs(line, {
		integration: event.integration,
		operation: event.operation,
		outcome: event.callOutcome,
		effect: event.outcome,
		attempts,
		latency_ms: Math.round(event.latency * 10) / 10,
		...event.retryDelay > 0 ? { retry_delay_ms: Math.round(event.retryDelay) } : {},
		...event.queueWait > 0 ? { queue_wait_ms: Math.round(event.queueWait) } : {},
		correlation_id: event.correlationId,
		...event.traceId === void 0 ? {} : {
			trace_id: event.traceId,
			span_id: span.spanId
		},
		...event.key === void 0 ? {} : { idempotency_key: event.key },
		...event.requestId === void 0 ? {} : { provider_request_id: event.requestId },
		...failure === void 0 ? {} : {
			error_type: event.errorType,
			reason: failure.reason.message,
			stopped: failure.stopped
		}
	});
	const placed = event.traceId === void 0 ? annotated : Effect.withParentSpan(annotated, span, { captureStackTrace: false });
	return Effect.catchCause(placed, () => Effect.void);
};
const levels = [
	"All",
	"Trace",
	"Debug",
	"Info",
	"Warn",
	"Error",
	"Fatal",
	"None"
];
const isBelow = (level, minimum) => levels.indexOf(level) < levels.indexOf(minimum);
const callAttributes = (call) => ({
	[names$2.integration]: call.integration,
	[names$2.operation]: call.operation,
	[names$2.peer]: call.integration
});

// dist/internal/attemptSpan.js
const names$1 = names$3;
/** One CLIENT span per attempt. Retries stand under the call's span as siblings, with `http.request.resend_count`. */
const attemptSpan = (about, server, metrics, step) => {
	const fixed = about.http === void 0 ? {} : {
		[names$1.method]: about.http.method,
		[names$1.template]: about.http.template,
		...server === void 0 ? {} : {
			[names$1.server]: server.address,
			[names$1.port]: server.port
		}
	};
	return (call) => Effect.uninterruptibleMask((restore) => Effect.flatMap(Effect.makeSpan(about.attemptName, {
		kind: "client",
		attributes: {
			...fixed,
			...about.attributes,
			[names$1.integration]: call.integration,
			[names$1.operation]: call.operation,
			[names$1.peer]: call.integration,
			...call.legNumber === void 0 ? {} : { [names$1.hedge]: call.legNumber },
			...call.attempt > 1 && about.http !== void 0 ? { [names$1.resendCount]: call.attempt - 1 } : {}
		}
	}), (span) => Effect.withFiber((fiber) => {
		const started = nowOf(fiber);
		return Effect.onExit(restore(Effect.withParentSpan(step(call), span, { captureStackTrace: false })), (exit) => Effect.sync(() => {
			const reason = reasonAt(exit, call);
			if (call.status !== void 0) span.attribute(names$1.status, call.status);
			if (call.reauthenticated) span.attribute(names$1.reauthenticated, true);
			if (call.requestId !== void 0) span.attribute("breakwater.provider_request_id", call.requestId);
			if (reason !== void 0) span.attribute(names$1.errorType, errorType(reason));
			metrics.attempt({
				seconds: (nowOf(fiber) - started) / 1e3,
				status: call.status,
				errorType: reason === void 0 ? void 0 : errorType(reason)
			}, fiber.context);
			span.end(nanos(fiber), Exit.isSuccess(exit) ? Exit.void : reason === void 0 ? Exit.failCause(exit.cause) : spanExit(reason._tag, reason.message));
		}));
	})));
};
/** Why the attempt failed; `undefined` for a success and for one that the caller gave up. */
const reasonAt = (exit, call) => Exit.isSuccess(exit) ? void 0 : !Cause.hasInterruptsOnly(exit.cause) ? reasonOf(exit.cause, call) : call.cutBy === void 0 ? void 0 : call.cut(`cut by the ${call.cutBy}`);
const nanos = (fiber) => fiber.getRef(Clock.Clock).currentTimeNanosUnsafe();

// dist/internal/precondition.js
const isConflict = ({ conflicts }, reason) => reason._tag === "PreconditionFailed" || (reason._tag === "Declared" || reason._tag === "Rejected") && reason.status !== void 0 && conflicts.has(reason.status);
/** Reads the answers of one attempt: a conflict refuses it, whatever status tells of it, and settles nothing before it. */
const judged = (condition, step) => (call) => Effect.mapError(step(call), (reason) => {
	if (reason._tag === "PreconditionFailed" || !isConflict(condition, reason)) return reason;
	const { error, message, requestId, retryAfter, status } = reason;
	return make$2(reason._tag === "Declared" ? "Declared" : "PreconditionFailed", {
		error,
		message,
		requestId,
		retryAfter,
		status
	});
});
/** A refusal of this attempt. After one that may have been applied it says nothing of the call. */
const isRefusal = ({ _tag, status = 0, transient }) => !transient && (_tag === "PreconditionFailed" || (_tag === "Declared" || _tag === "Rejected") && status >= 400 && status < 500);
/**
* Looks what a refusal means that follows an attempt which may have been applied, or says that it is not known. A
* conflict may be with one's own work, and what a DELETE does not find it may have deleted.
*/
const settled = (condition, services, step) => (call) => Effect.suspend(() => {
	const record = call;
	if (condition.mayHaveBeenSent && record.prior === "NotSent") record.prior = "Unknown";
	return Effect.catch(step(call), (failure) => {
		if (!isRefusal(failure.reason) || didNotHappen(failure.outcome)) return Effect.fail(failure);
		const conflict = isConflict(condition, failure.reason);
		return condition.applied === void 0 ? inDoubt$1(record, doubtOf(failure, conflict, "by an earlier attempt of this call or by somebody else")) : look(condition, condition.applied, services, record, failure, conflict);
	});
});
/** A reason of which no case of `translate` knows: they speak of what did not happen. */
const doubtOf = ({ outcome, reason }, conflict, whose) => {
	const said = reason.status === void 0 ? "a conflict" : `status ${reason.status}`;
	return make$2(conflict ? "PreconditionFailed" : "Rejected", {
		message: outcome === "Applied" ? `${said}, after an answer that said that it was applied` : conflict ? `${said}: the version has changed, ${whose}` : `${said}, which says nothing of the attempts before it`,
		outcome,
		status: reason.status,
		requestId: reason.requestId
	});
};
const inDoubt$1 = (call, reason) => Effect.withFiber((fiber) => Effect.fail(call.fail(reason, "not transient", nowOf(fiber))));
const look = ({ conclusive }, applied, services, call, failure, conflict) => Effect.withFiber((fiber) => {
	const unseen = {
		...doubtOf(failure, conflict, "and it could not be looked up whether by this call"),
		transient: true
	};
	call.pending = unseen;
	return Effect.matchCauseEffect(Effect.provideContext(Effect.suspend(() => applied(call.input)), withServices(fiber.context, services)), {
		onFailure: (cause) => Cause.hasInterruptsOnly(cause) ? Effect.failCause(cause) : Effect.fail(call.fail({
			...unseen,
			cause: Cause.squash(cause)
		}, "whether it happened could not be looked up", nowOf(fiber))),
		onSuccess: (found) => {
			call.pending = void 0;
			if (Option.isSome(found)) return Effect.succeed(found.value);
			if (!conclusive || !conflict || failure.outcome === "Applied") return inDoubt$1(call, doubtOf(failure, conflict, "and what is there now does not tell by whom"));
			const last = call.attempts.length - 1;
			const attempt = call.attempts[last];
			const message = `${attempt.message}; looked up afterwards: it did not happen`;
			call.attempts[last] = {
				...attempt,
				message,
				resolves: true
			};
			return Effect.fail(call.fail(failure.reason, failure.stopped, nowOf(fiber)));
		}
	});
});

// dist/OutboxEntry.js
const ParkedTypeId = "~breakwater/Outbox/Parked";
const QueuedTypeId = "~breakwater/Outbox/Queued";
/**
* @category constructors
* @since 0.1.0
*/
const parked = (id, outcome) => ({
	_tag: "Parked",
	[ParkedTypeId]: ParkedTypeId,
	id,
	outcome
});
/**
* @category constructors
* @since 0.1.0
*/
const queued = (id) => ({
	_tag: "Queued",
	[QueuedTypeId]: QueuedTypeId,
	id
});
/**
* Returns whether the success of a call says that it was parked.
*
* @category guards
* @since 0.1.0
*/
const isParked = (u) => typeof u === "object" && u !== null && ParkedTypeId in u;
/**
* Returns whether the success of a call says that it was queued.
*
* @category guards
* @since 0.1.0
*/
const isQueued = (u) => typeof u === "object" && u !== null && QueuedTypeId in u;

// dist/internal/storing.js
/** How long storing may take, past which the call's own result stands. */
const limit$1 = 1e3;
/** How long, after a call's own deadline, its owner has to write down what became of it. */
const grace$1 = 1e4;
/** What is parked: what was turned away here, did not arrive, was throttled, or whose answer is not known. */
const parkable = /* @__PURE__ */ new Set([
	"CircuitOpen",
	"BulkheadFull",
	"RateLimited",
	"BudgetSpent",
	"DeadlineExceeded",
	"Draining",
	"Unreachable",
	"Disconnected",
	"Timeout",
	"Throttled",
	"NotProcessed",
	"Unavailable",
	"InProgress",
	"BodyLost"
]);
const laneOf = (bounds, input) => bounds.lane === void 0 ? void 0 : {
	name: bounds.lane(input),
	onDead: bounds.onDead ?? "block"
};
const traceparent = (fiber) => {
	const span = fiber.cache.span;
	return span === void 0 || span.traceId === "noop" ? void 0 : `00-${span.traceId}-${span.spanId}-${span.sampled ? "01" : "00"}`;
};
const offer = (store, durable, call, origin, options) => Effect.withFiber((fiber) => Effect.flatMap(payloadOf(durable.keep, durable.cipher, call), ({ fingerprint, payload }) => Effect.flatMap(idOf$1(call.integration, call.operation, call.key), (id) => {
	const now = nowOf(fiber);
	const { expiresAfter } = durable.bounds;
	const { firstSentAt, lastInDoubtAt } = call;
	const outcome = call.outcome();
	return Effect.map(store.offer({
		id,
		integration: call.integration,
		operation: call.operation,
		key: call.key,
		fingerprint,
		origin,
		payload,
		correlationId: call.correlationId,
		traceparent: traceparent(fiber),
		lane: laneOf(durable.bounds, call.input),
		outcome,
		firstSentAgo: firstSentAt === void 0 ? void 0 : Math.max(0, now - firstSentAt),
		inDoubtAgo: lastInDoubtAt === void 0 ? void 0 : Math.max(0, now - lastInDoubtAt),
		attempts: didNotHappen(outcome) ? 0 : 1,
		expiresAfter: expiresAfter === void 0 ? void 0 : Duration.fromInputUnsafe(expiresAfter),
		...options
	}), (offered) => ({
		id,
		offered
	}));
})));
const over = /* @__PURE__ */ new Set([
	"Dead",
	"NeedsReconcile",
	"Discarded"
]);
/**
* How an effect ends that writes something down: within a second, whatever the caller does meanwhile, for what was sent is
* not to be lost. Past that it is given up, and who waits for it is not held up if it does not heed that.
*/
const bounded = (self) => Effect.uninterruptible(Effect.flatMap(Effect.forkDetach(Effect.interruptible(self)), (fiber) => {
	let late = false;
	const written = Effect.callback((resume) => {
		fiber.addObserver((exit) => {
			if (!late) resume(Effect.succeed(exit));
		});
	});
	const given = Effect.map(Effect.sleep(limit$1), () => {
		late = true;
		fiber.interruptUnsafe();
		return Exit.fail(`the outbox took longer than ${limit$1} ms`);
	});
	return Effect.raceFirst(Effect.interruptible(written), Effect.interruptible(given));
}));
/** Stores what the policy gave up. */
const park = (store, durable, prepare, step) => {
	const { bounds } = durable;
	const attempt = (call, failure) => Effect.withFiber((fiber) => {
		const now = nowOf(fiber);
		const settle = didNotHappen(call.outcome()) ? 0 : durable.settle;
		const hint = failure?.retryAfter === void 0 ? 1e3 : Duration.toMillis(failure.retryAfter);
		const history = call.attempts.length === 0 ? [] : learnedOf(failure === void 0 ? void 0 : Exit.fail(failure), call, [], now).history;
		return Effect.flatMap(offer(store, durable, call, "park", {
			delay: Duration.millis(Math.max(hint, settle)),
			lease: void 0,
			history
		}), ({ id, offered }) => {
			const is = () => {
				call.stored = "parked";
				return parked(id, call.outcome());
			};
			if (offered._tag === "Mismatch") return Effect.fail("another call with this key is stored, and it asks for something else");
			if (offered._tag === "Stored") return Effect.sync(is);
			const { entry } = offered;
			if (entry.state === "Delivered") return resultOf(durable, entry);
			return over.has(entry.state) ? Effect.fail(`the same call is stored as ${id}, and is ${entry.state}: see to that`) : Effect.sync(is);
		});
	});
	const stored = (call, failure) => bounded(store.outside(attempt(call, failure)));
	const instead = (call, failure) => Effect.flatMap(stored(call, failure), (exit) => Exit.isSuccess(exit) ? Effect.succeed(exit.value) : Effect.fail(notParked(failure, exit.cause)));
	const make = (given) => {
		const call = given;
		let interrupted = false;
		return Effect.matchCauseEffect(Effect.onExit(step(call), (exit) => {
			if (Exit.isSuccess(exit) || !Cause.hasInterruptsOnly(exit.cause)) return Effect.void;
			interrupted = true;
			return !call.attempts.some(({ outcome }) => outcome !== "NotSent") || call.attempts.at(-1)?.reason === "Success" ? Effect.void : Effect.flatMap(stored(call, void 0), (exit) => Exit.isSuccess(exit) ? Effect.void : Effect.logWarning(`${call.integration} ${call.operation} was given up and could not be parked`));
		}), {
			onSuccess: Effect.succeed,
			onFailure: (cause) => {
				if (interrupted) return Effect.failCause(cause);
				const failure = Cause.squash(cause);
				if (!(failure instanceof CallFailure) || call.prepared === void 0 || !parkable.has(failure.reason._tag)) return Effect.failCause(cause);
				return instead(call, failure);
			}
		});
	};
	if (bounds.lane === void 0) return make;
	return (given) => Effect.flatMap(prepare(given), () => {
		const call = given;
		const { name } = laneOf(bounds, call.input);
		const failure = (message) => Effect.withFiber((fiber) => Effect.fail(call.fail(make$2("NotStored", { message }), "not transient", nowOf(fiber))));
		return Effect.matchEffect(store.outside(store.isBusy({
			integration: call.integration,
			name
		})), {
			onFailure: (error) => failure(`whether its lane is free can't be told: ${error.message}`),
			onSuccess: (busy) => busy ? Effect.catch(failure("an earlier call of its lane is stored"), (failed) => instead(call, failed)) : make(call)
		});
	});
};
const notParked = (failure, cause) => {
	const error = Cause.squash(cause);
	const parkFailed = typeof error === "string" ? error : typeof error === "object" && error !== null && "message" in error ? String(error.message) : "the outbox failed";
	const copy = withoutStack(() => new CallFailure({
		...failure,
		parkFailed
	}));
	if (failure.stack !== void 0) copy.stack = failure.stack.replace(failure.message, copy.message);
	return copy;
};
/** Stores a call before it is sent: within a transaction for later, else for now. */
const writeAhead = (store, durable, maxAttempts, prepare, step) => {
	const refuse = (call, reason) => Effect.withFiber((fiber) => Effect.fail(call.fail(reason, "not transient", nowOf(fiber))));
	const failed = (call) => (error) => refuse(call, error._tag === "OutboxStoreError" ? make$2("NotStored", {
		message: error.message,
		error,
		transient: error.reason !== "OtherTransaction",
		cause: error.cause
	}) : error);
	const later = (call, id) => Effect.sync(() => {
		call.stored = "queued";
		return queued(id);
	});
	/** The try that follows at once, by the one who stored the call. */
	const now = (call, { entry }) => Effect.withFiber((fiber) => {
		call.leaseUntil = nowOf(fiber) + durable.limit + grace$1 / 2;
		call.durable = true;
		return Effect.matchCauseEffect(Effect.onExit(step(call), (exit) => conclude(call, entry, exit, nowOf(fiber))), {
			onSuccess: Effect.succeed,
			onFailure: (cause) => {
				const failure = Cause.squash(cause);
				return failure instanceof CallFailure && isOpen(call, entry, Exit.fail(failure)) ? later(call, entry.id) : Effect.failCause(cause);
			}
		});
	});
	const decided = (call, entry, exit) => decide$1(durable, entry, exit, fold(call.attempts), maxAttempts, call.progress !== void 0);
	const isOpen = (call, entry, exit) => decided(call, entry, exit)._tag === "Again";
	/** What became of it is written down for the worker, whose handlers run for it. */
	const conclude = (call, entry, exit, at) => {
		const what = decided(call, entry, exit);
		const learned = learnedOf(exit, call, entry.history, at);
		const written = what._tag === "Again" ? Effect.flatMap(progressOf(durable, call), (answer) => store.settle(entry, {
			_tag: "Again",
			delay: Duration.millis(Math.max(what.hint, what.pausing ? 1e3 : 0)),
			counts: what.counts,
			pausing: what.pausing,
			answer
		}, learned)) : Effect.flatMap(answerOf$2(durable, what), (answer) => store.settle(entry, {
			_tag: "Again",
			delay: Duration.zero,
			counts: true,
			pausing: false,
			answer
		}, learned));
		return Effect.flatMap(bounded(written), (end) => Exit.isSuccess(end) ? Effect.void : Effect.logWarning(`${call.integration} ${call.operation}: what became of the stored call ${entry.id} could not be written down; a worker will see to it`));
	};
	return (given) => Effect.flatMap(prepare(given), () => {
		const call = given;
		return Effect.flatMap(store.openTransaction, (open) => {
			if (open === "other") return refuse(call, make$2("NotStored", {
				message: "a transaction of another database is open: give the outbox the same SqlClient, or call outside of the transaction",
				transient: false
			}));
			return Effect.matchEffect(offer(store, durable, call, "write-ahead", {
				delay: Duration.zero,
				lease: open === "own" ? void 0 : Duration.millis(durable.limit + grace$1),
				history: []
			}), {
				onFailure: failed(call),
				onSuccess: ({ id, offered }) => {
					if (offered._tag === "Mismatch") return refuse(call, make$2("KeyConflict"));
					if (offered._tag === "Stored") return offered.claim === void 0 ? later(call, id) : now(call, offered.claim);
					const { entry } = offered;
					if (entry.state === "Delivered") return Effect.catch(resultOf(durable, entry), (reason) => refuse(call, {
						...reason,
						outcome: "Applied",
						message: `it was delivered before; ${reason.message}`
					}));
					return over.has(entry.state) ? refuse(call, make$2("NotStored", {
						message: `the same call is stored as ${id}, and is ${entry.state}: see to that`,
						outcome: entry.outcome,
						transient: false
					})) : later(call, id);
				}
			});
		});
	});
};

// dist/internal/streaming.js
/**
* A limit on time that is set again while what it bounds is running. Nothing rings before `cutBy` has it, and nothing after.
*/
var Alarm = class {
	at = Infinity;
	cancel = void 0;
	fiber = void 0;
	ring = void 0;
	/** Rings at that time, in epoch milliseconds of the current clock; never for `Infinity`. */
	set(at, now) {
		this.at = at;
		if (this.fiber !== void 0) this.arm(now);
	}
	attach(fiber, now, ring) {
		this.fiber = fiber;
		this.ring = ring;
		this.arm(now);
	}
	detach() {
		this.cancel?.();
		this.cancel = this.fiber = this.ring = void 0;
	}
	arm(now) {
		this.cancel?.();
		this.cancel = void 0;
		if (this.at !== Infinity) this.cancel = later(this.fiber, Math.max(0, this.at - now), () => this.ring?.());
	}
};
/** Runs `self` until an alarm rings: then `onCut` runs first, `self` is interrupted, and what `onCut` gave is the result. */
const cutBy = (self, alarm, now, onCut) => Effect.withFiber((fiber) => Effect.callback((resume) => {
	let cut;
	const child = Effect.runForkWith(fiber.context)(self);
	const done = child.pollUnsafe();
	if (done !== void 0) return resume(done);
	alarm.attach(fiber, now, () => {
		cut = onCut();
		child.interruptUnsafe(fiber.id);
	});
	child.addObserver((exit) => {
		alarm.detach();
		resume(cut !== void 0 && Exit.hasInterrupts(exit) ? cut : exit);
	});
	return Effect.suspend(() => {
		alarm.detach();
		return Fiber.interrupt(child);
	});
}));
/**
* Where the call hands its elements to the consumer: one chunk at a time, and none that was not asked for. So the provider
* is read as fast as the consumer takes, and is waited for only while the consumer waits.
*/
var Handoff = class {
	chunk = void 0;
	exit = void 0;
	wanted = false;
	taker = void 0;
	giver = void 0;
	/** For the consumer. One that is interrupted finds its chunk the next time. */
	take = Effect.suspend(() => {
		const { chunk, exit } = this;
		if (chunk !== void 0) {
			this.chunk = void 0;
			return Effect.succeed(chunk);
		}
		if (exit !== void 0) return Exit.isSuccess(exit) ? Cause.done() : Effect.failCause(exit.cause);
		return Effect.callback((resume) => {
			this.taker = () => resume(this.take);
			this.wanted = true;
			this.giver?.();
			return Effect.sync(() => {
				this.taker = void 0;
			});
		});
	});
	/** For the call: ends when the consumer has asked for more. */
	demand = Effect.suspend(() => this.wanted ? Effect.void : Effect.callback((resume) => {
		this.giver = () => resume(Effect.void);
		return Effect.sync(() => {
			this.giver = void 0;
		});
	}));
	/** For the call, when there is demand. */
	offer(chunk) {
		this.chunk = chunk;
		this.wanted = false;
		this.wake();
	}
	close(exit) {
		this.exit = exit;
		this.wake();
	}
	wake() {
		const { taker } = this;
		this.taker = void 0;
		taker?.();
	}
};
/** How far a stream has come, and its limits. One per call, beside the call's record. */
var StreamRecord = class {
	handoff;
	/** The limits in milliseconds; `Infinity` for none. */
	idle;
	total;
	/** Whether an attempt is bounded to its status only. */
	boundToStatus;
	elements = 0;
	bytes = 0;
	/** How often it went on after a cut. */
	resumed = 0;
	/** Elements when the last attempt began. */
	before = 0;
	/** Epoch milliseconds. */
	firstByteAt = void 0;
	firstElementAt = void 0;
	/** When the current attempt got its first byte. */
	answeredAt = void 0;
	/** Where it is, for the transport that can go on from there. */
	position = void 0;
	/** Ends the limit of the current attempt, and that of the call. */
	onAnswer = void 0;
	onFlow = void 0;
	/** Runs once, with the first element of an attempt. */
	onElement = void 0;
	/** Begins the limit of the call again. */
	onStall = void 0;
	flowing = false;
	constructor(handoff, limits) {
		this.handoff = handoff;
		this.idle = limits.idle;
		this.total = limits.total;
		this.boundToStatus = limits.boundToStatus;
	}
	/** Whether it has begun, and was not cut since. */
	get flows() {
		return this.flowing;
	}
	/** An attempt begins. */
	begin() {
		this.before = this.elements;
		this.answeredAt = this.onElement = void 0;
		if (this.elements > 0) this.resumed++;
	}
	/** Whether the last attempt brought anything: those after it are counted anew. */
	get progressed() {
		return this.elements > this.before;
	}
	/** The provider has begun to answer: from now on the attempt has other limits. */
	answers(now) {
		if (this.answeredAt !== void 0) return;
		this.answeredAt = now;
		this.onAnswer?.(now);
	}
	/** Hands elements over. There must be demand. */
	offer(chunk, now) {
		this.elements += chunk.length;
		this.firstElementAt ??= now;
		this.onElement?.(now);
		this.onElement = void 0;
		if (!this.flowing) {
			this.flowing = true;
			this.onFlow?.(now);
		}
		this.handoff.offer(chunk);
	}
	/** What telemetry is told, for a call that began then. */
	observed(startedAt) {
		const { bytes, elements, firstByteAt, firstElementAt, resumed } = this;
		return {
			firstByte: firstByteAt === void 0 ? void 0 : firstByteAt - startedAt,
			firstElement: firstElementAt === void 0 ? void 0 : firstElementAt - startedAt,
			elements,
			bytes,
			resumed
		};
	}
	/** It was cut, and is to go on. */
	stall(now) {
		if (!this.flowing) return;
		this.flowing = false;
		this.onStall?.(now);
	}
};
/**
* A stream whose every run is one call, on a fiber of its own that ends with the stream, whoever ends it. Nothing is sent
* before the first pull.
*/
const streamOf = (run) => Stream.fromChannel(Channel.fromTransform((_upstream, scope) => Effect.sync(() => {
	const handoff = new Handoff();
	let started = false;
	return Effect.suspend(() => {
		if (started) return handoff.take;
		started = true;
		return Effect.andThen(Effect.uninterruptible(Effect.map(Effect.forkIn(run(handoff), scope, { startImmediately: true }), (fiber) => fiber.addObserver((exit) => handoff.close(exit)))), handoff.take);
	});
})));

// dist/internal/streamLimits.js
/** The failure of a call that is cut now, by its deadline. */
const cutByDeadline = (call) => {
	const message = `not done within the ${call.deadlineOf} of ${format(Math.max(0, call.deadline - call.deadlineFrom))}`;
	return withNow((now) => {
		const last = call.attempts.at(-1);
		const cut = call.cut(message);
		return Effect.fail(call.fail(last === void 0 ? cut : {
			...cut,
			outcome: last.outcome
		}, "no time is left for another attempt", now));
	});
};
/** The attempt timeout: until the provider begins to answer. */
const attemptUntilAnswer = (step, call, stream, millis, now, site) => {
	const enforces = site.mode() !== "observe";
	call.hasFullLimit = !enforces || call.deadline - now >= millis * .99;
	const alarm = new Alarm();
	if (enforces && millis < call.deadline - now) alarm.set(now + millis, now);
	stream.onAnswer = (at) => {
		call.hasFullLimit = false;
		alarm.set(Infinity, at);
		if (!enforces && at > now + millis) site.decided(call, "cut", now + millis);
	};
	return cutBy(step(call), alarm, now, () => {
		site.decided(call, "cut", now + millis);
		return Effect.fail(call.cut(`cut by the attempt timeout of ${format(millis)}`));
	});
};
/** The total deadline: until the first element, and after a cut until the next. */
const deadlineUntilFlow = (self, call, stream, millis, now, site) => {
	const outer = call.deadline;
	const outerOf = call.deadlineOf;
	const alarm = new Alarm();
	const begin = (from, at) => {
		const own = from + millis;
		if (own >= outer || site?.mode() !== "enforce") return;
		call.deadline = own;
		call.deadlineOf = "total deadline";
		call.deadlineFrom = from;
		alarm.set(own, at);
	};
	stream.onFlow = (at) => {
		call.deadline = outer;
		call.deadlineOf = outerOf;
		call.deadlineFrom = call.startedAt;
		alarm.set(Infinity, at);
	};
	stream.onStall = (at) => begin(at, at);
	begin(call.startedAt, now);
	return cutBy(self, alarm, now, () => {
		call.cutBy = "deadline";
		site?.decided(call, "cut", call.deadline);
		return Effect.suspend(() => cutByDeadline(call));
	});
};
/** The limit of the whole stream, around all layers, and the caller's deadline. */
const withTotal = (step) => (anyCall) => withNow((now) => {
	const call = anyCall;
	const own = call.startedAt + call.stream.total;
	if (call.deadline <= own) call.deadlineOf = "caller's deadline";
	else {
		call.deadline = own;
		call.deadlineOf = "total limit of the stream";
	}
	const told = Effect.catch(step(call), (failure) => withNow((at) => Effect.fail(whole(call, failure, at))));
	return cutAfter(told, call.deadline - now, () => {
		call.cutBy = "deadline";
		return Effect.suspend(() => cutByDeadline(call));
	});
});
/** What a stream failed with when it could not go on: that it was cut is what its consumer has to know. */
const whole = (call, failure, now) => {
	const { stream } = call;
	const { reason } = failure;
	if (stream === void 0 || stream.elements === 0 || stream.progressed) return failure;
	if (reason._tag === "Truncated" || reason._tag === "Declared") return failure;
	return call.fail({
		...make$2("Truncated", { message: `${cutAt(stream)}, and it could not go on: ${reason.message}` }),
		transient: reason.transient,
		health: reason.health,
		status: reason.status,
		retryAfter: reason.retryAfter,
		requestId: reason.requestId,
		cause: reason.cause
	}, failure.stopped, now);
};
/** How far it had come. */
const cutAt = ({ bytes, elements }) => `the stream was cut after ${elements} ${elements === 1 ? "element" : "elements"} (${bytes} ${bytes === 1 ? "byte" : "bytes"})`;

// dist/internal/runner.js
/** The limit of a fallback, past which the call's own failure stands. */
const fallbackLimit = 1e3;
let calls = 0;
/** Compiles one operation: every policy is built, and the steps are folded, once. */
const compile = (definition, stack, defaults, bare, gateOf, drain, observers) => Effect.gen(function* () {
	const transport = yield* definition.open({
		integration: bare.integration,
		operation: bare.operation,
		classify: defaults.classify,
		classifyErrors: defaults.classifyErrors
	});
	const site = {
		...bare,
		host: transport.server?.address
	};
	const services = servicesOf(yield* Effect.context());
	const hub = yield* Effect.service(CurrentHub);
	const metrics = makeMetrics({
		integration: site.integration,
		operation: site.operation,
		http: definition.about.http === void 0 ? void 0 : {
			method: definition.about.http.method,
			server: transport.server?.address,
			port: transport.server?.port
		}
	});
	let attempt = (call) => call.prepared.send(call);
	const condition = definition.strategy._tag === "Conditional" ? definition.strategy : void 0;
	if (condition !== void 0) attempt = judged(condition, attempt);
	let wrapped;
	for (const layer of stack.layers.toReversed()) {
		const gate = gateOf(layer);
		const own = siteOf(site, gate);
		if (layer.level === "attempt") {
			const transform = yield* layer.build(own);
			attempt = aside(gate, attempt, transform(attempt));
			if (layer.slot === "attemptTimeout") attempt = attemptSpan(definition.about, transport.server, metrics, attempt);
		} else {
			wrapped ??= boundary(site, attempt);
			if (layer.slot === "totalDeadline") {
				if (site.reconcile !== void 0 && definition.strategy._tag === "Reconcilable") wrapped = lookFirst(site.reconcile, definition.strategy.lookFirst, wrapped);
				if (condition !== void 0) wrapped = settled(condition, services, wrapped);
				wrapped = prepareWith(definition, transport.prepare, wrapped);
			}
			const transform = yield* layer.build(own);
			wrapped = aside(gate, wrapped, transform(wrapped));
		}
	}
	const whole = wrapped;
	const orElse = stack.orElse;
	const name = `${site.integration} ${site.operation}`;
	const translate = (failure, input) => {
		const translated = applyCase(definition.translate, failure.reason.error, input);
		return translated !== void 0 ? translated : orElse(failure, input);
	};
	const record = (input, fiber, correlationId) => {
		const startedAt = nowOf(fiber);
		const id = `${startedAt.toString(36)}-${(++calls).toString(36)}`;
		const call = new CallRecord({
			id,
			integration: site.integration,
			operation: site.operation,
			repeat: site.repeat,
			input,
			startedAt,
			correlationId: correlationId ?? id
		});
		call.deadline = fiber.getRef(Current$1) ?? Infinity;
		return call;
	};
	/** What is to be parked is prepared even while the layer closes. */
	const parks = definition.writeAhead === void 0 && stack.decision._tag === "Park";
	/** Runs a call and tells of it, once. */
	const perform = (call, fiber, run, links, callSite) => {
		const { startedAt } = call;
		return Effect.uninterruptibleMask((restore) => Effect.flatMap(Effect.makeSpan(name, {
			kind: "internal",
			attributes: callAttributes(call),
			links
		}), (span) => {
			const traceId = span.traceId === "noop" ? void 0 : span.traceId;
			if (!call.resumed && fiber.getRef(CorrelationId) === void 0 && traceId !== void 0) call.correlationId = traceId;
			metrics.active(1, fiber.context);
			const ticket = drain.enter(call, fiber);
			call.draining = ticket === void 0;
			const body = ticket === void 0 && !parks ? Effect.fail(call.fail(make$2("Draining"), "not transient", startedAt)) : Effect.withParentSpan(run(call), span, { captureStackTrace: false });
			return Effect.matchCauseEffect(Effect.onExit(restore(body), (exit) => {
				metrics.active(-1, fiber.context);
				const failure = failureOf(exit, call, fiber);
				const event = observe(call, failure, exit, traceId, nowOf(fiber));
				metrics.update(event, fiber.context);
				span.attribute(names$3.outcome, event.callOutcome);
				span.attribute(names$3.effect, event.outcome);
				span.attribute(names$3.attempts, attemptsMade(event));
				span.attribute(names$3.correlationId, event.correlationId);
				if (event.retryDelay > 0) span.attribute(names$3.retryDelay, event.retryDelay / 1e3);
				if (event.queueWait > 0) span.attribute(names$3.queueWait, event.queueWait / 1e3);
				if (event.stream !== void 0) streamAttributes(span, event.stream);
				if (event.key !== void 0) span.attribute(names$3.key, event.key);
				if (event.errorType !== void 0) span.attribute(names$3.errorType, event.errorType);
				const after = failure?.reason.retryAfter;
				if (after !== void 0) span.attribute(names$3.retryAfter, Duration.toSeconds(after));
				for (const decision of event.decisions) spanEvent(span, decision);
				span.end(fiber.getRef(Clock.Clock).currentTimeNanosUnsafe(), Exit.isSuccess(exit) ? Exit.void : failure === void 0 ? Exit.failCause(exit.cause) : spanExit(failure.reason._tag, failure.reason.message));
				const own = fiber.getRef(Observers);
				const all = own.length === 0 ? observers : observers.length === 0 ? own : [.../* @__PURE__ */ new Set([...observers, ...own])];
				const written = log(fiber, event, span, failure);
				const watched = hub.watchers.length === 0 ? written : Effect.andThen(notify(hub.watchers, event), written);
				const told = all.length === 0 ? watched : Effect.andThen(notify(all, event), watched);
				if (ticket === void 0) return told;
				return Effect.andThen(told, call.lingering === void 0 ? ticket.leave : leaveLater(call, ticket));
			}), {
				onSuccess: Effect.succeed,
				onFailure: (cause) => {
					if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause);
					const failure = failureOf(Exit.failCause(cause), call, fiber);
					if (callSite !== void 0) setCallSite(failure, callSite);
					return Effect.fail(failure);
				}
			});
		}));
	};
	const prepareOnly = prepareWith(definition, transport.prepare, () => Effect.void);
	const bounds = definition.writeAhead ?? (stack.decision._tag === "Park" ? stack.decision.bounds : void 0);
	let run = exhaust(stack.decision, services, whole);
	let durable;
	if (bounds !== void 0) {
		const context = yield* Effect.context();
		const store = Context.getOption(context, OutboxStore);
		if (Option.isNone(store)) return yield* new PolicyError({
			integration: site.integration,
			operation: site.operation,
			problems: ["calls are to be stored, but there is no OutboxStore: provide one to this layer"]
		});
		const declared = Object.keys(definition.translate ?? {});
		if (declared.length > 0 && !transport.keep.keepsErrors) return yield* new PolicyError({
			integration: site.integration,
			operation: site.operation,
			problems: [`calls are to be stored, and with them what they failed with until a handler was told: give the schema of ${declared.join(", ")} as \`error\``]
		});
		durable = {
			integration: site.integration,
			operation: site.operation,
			repeat: site.repeat,
			bounds,
			limit: stack.limits.totalDeadline,
			settle: site.reconcile === void 0 ? 0 : Duration.toMillis(site.reconcile.settle),
			keep: transport.keep,
			cipher: Context.get(context, Cipher),
			translate,
			resume: (loaded, entry, onCall, times, progress) => Effect.withFiber((fiber) => {
				const call = record(loaded.input, fiber, entry.correlationId);
				call.resumed = true;
				call.durable = true;
				call.progress = progress;
				call.prepared = loaded.prepared;
				call.key = entry.key;
				call.prior = entry.outcome;
				call.firstSentAt = times.firstSentAt;
				call.lastInDoubtAt = times.inDoubtAt;
				call.leaseUntil = times.leaseUntil;
				onCall(call);
				return Effect.map(Effect.exit(perform(call, fiber, whole, linksOf(entry.traceparent), void 0)), (exit) => ({
					exit,
					call
				}));
			})
		};
		run = definition.writeAhead === void 0 ? park(store.value, durable, prepareOnly, whole) : writeAhead(store.value, durable, Infinity, prepareOnly, whole);
	}
	const { stream } = definition;
	if (stream !== void 0) {
		const { firstByte, idle, total } = stream.limits;
		const limits = {
			idle,
			total,
			boundToStatus: firstByte === Infinity
		};
		const bounded = withTotal(run);
		const streaming = (input, callSite) => streamOf((handoff) => Effect.withFiber((fiber) => {
			const call = record(input, fiber, fiber.getRef(CorrelationId));
			call.stream = new StreamRecord(handoff, limits);
			return Effect.mapError(perform(call, fiber, bounded, [], callSite), (failure) => translate(failure, input));
		}));
		return {
			method: streaming,
			durable
		};
	}
	const method = (input, callSite) => Effect.withFiber((fiber) => {
		const call = record(input, fiber, fiber.getRef(CorrelationId));
		return Effect.mapError(perform(call, fiber, run, [], callSite), (failure) => translate(failure, input));
	});
	return {
		method,
		durable
	};
});
/** What the call gave up may still run when it has ended. Until then a closing layer waits for it. */
const leaveLater = (call, ticket) => Effect.sync(() => {
	call.over = true;
	let running = call.lingering.length;
	for (const fiber of call.lingering) fiber.addObserver(() => {
		if (--running === 0) Effect.runSync(ticket.leave);
	});
});
/** The call that stored an entry, as a link of the span that makes it. */
const linksOf = (traceparent) => {
	const [, traceId, spanId, flags] = traceparent?.split("-") ?? [];
	return traceId === void 0 || spanId === void 0 ? [] : [{
		span: Tracer.externalSpan({
			traceId,
			spanId,
			sampled: flags === "01"
		}),
		attributes: {}
	}];
};
/** The failure behind an exit. A defect of a custom layer becomes one, so that none escapes. */
const failureOf = (exit, call, fiber) => {
	if (Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause)) return void 0;
	for (const reason of exit.cause.reasons) if (Cause.isFailReason(reason) && isCallFailure(reason.error)) return reason.error;
	const defect = Cause.squash(exit.cause);
	return call.fail(make$2("Failed", {
		message: "a layer of the policy died",
		cause: defect,
		outcome: call.outcome()
	}), "not transient", nowOf(fiber));
};
const observe = (call, failure, exit, traceId, now) => ({
	integration: call.integration,
	operation: call.operation,
	callOutcome: Exit.isFailure(exit) && failure === void 0 ? "cancelled" : callOutcome(call, failure),
	outcome: failure === void 0 ? Exit.isSuccess(exit) && !call.fellBack && call.stored === void 0 ? "Applied" : call.outcome() : failure.outcome,
	errorType: failure === void 0 ? void 0 : errorType(failure.reason),
	attempts: call.attempts,
	startedAt: call.startedAt,
	latency: now - call.startedAt,
	retryDelay: call.waited,
	queueWait: call.totalQueued,
	queuedFor: {
		bulkhead: call.totalQueued - call.totalQueuedForRate,
		ratelimit: call.totalQueuedForRate
	},
	correlationId: call.correlationId,
	traceId,
	key: call.key,
	requestId: (call.attempts.findLast(({ reason }) => reason === "Success") ?? call.attempts.at(-1))?.requestId,
	decisions: call.decisions ?? nothing,
	...call.stream === void 0 ? void 0 : { stream: call.stream.observed(call.startedAt) }
});
const nothing = [];
const streamAttributes = (span, { bytes, elements, firstElement }) => {
	span.attribute(names$3.streamElements, elements);
	span.attribute(names$3.streamBytes, bytes);
	if (firstElement !== void 0) span.attribute(names$3.streamFirstElement, firstElement / 1e3);
};
/** What a layer decided, as an event of the call's span. A retry has one of its own, with its delay. */
const spanEvent = (span, decision) => {
	if (decision.decided === "retried" && decision.mode === "enforce") return;
	span.event(names$3.policyEvent, BigInt(Math.round(decision.at * 1e6)), {
		[names$3.policy]: decision.policy,
		[names$3.policyName]: decision.name,
		[names$3.decided]: decision.decided,
		[names$3.mode]: decision.mode
	});
};
/** Goes around a layer that is off. */
const aside = (gate, inner, outer) => outer === inner || !standsAside(gate) ? outer : (call) => gate.mode === "off" ? inner(call) : outer(call);
/** Validates, derives the key and encodes, once per call. */
const prepareWith = (definition, prepare, step) => {
	const strategy = definition.strategy;
	const keyed = strategy._tag === "Keyed" ? strategy : void 0;
	return (call) => call.prepared !== void 0 ? step(call) : Effect.matchCauseEffect(Effect.flatMap(prepare(call.input), (prepared) => {
		const record = call;
		record.prepared = prepared;
		if (keyed === void 0) return Effect.void;
		const derived = Effect.try({
			try: () => keyed.derive(call.input),
			catch: (cause) => invalid("`derive` threw", cause)
		});
		return Effect.flatMap(derived, (key) => placeKey(keyed, key, prepared, record));
	}), {
		onSuccess: () => step(call),
		onFailure: (cause) => {
			if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause);
			const reason = cause.reasons.find(Cause.isFailReason)?.error;
			return Effect.withFiber((fiber) => Effect.fail(call.fail(reason ?? invalid("preparing it threw", Cause.squash(cause)), "not transient", nowOf(fiber))));
		}
	});
};
/** Looks before anything is sent: an earlier process may have carried the same intent out. */
const lookFirst = (reconcile, always, step) => (call) => Effect.suspend(() => {
	const record = call;
	if (!always && didNotHappen(record.prior)) return step(call);
	const unknown = make$2("Failed", {
		message: "it could not be looked up whether an earlier process did it; nothing was sent",
		transient: true
	});
	record.pending = unknown;
	return Effect.matchCauseEffect(reconcile.find(call.input), {
		onFailure: (cause) => Cause.hasInterruptsOnly(cause) ? Effect.failCause(cause) : Effect.withFiber((fiber) => Effect.fail(record.fail({
			...unknown,
			cause: Cause.squash(cause)
		}, "whether it happened could not be looked up", nowOf(fiber)))),
		onSuccess: (found) => {
			record.pending = void 0;
			return Option.match(found, {
				onSome: Effect.succeed,
				onNone: () => {
					if (record.prior === "Applied") {
						const unseen = make$2("Failed", {
							message: "it was answered before, and a look does not find it; nothing was sent",
							transient: true,
							outcome: "Applied"
						});
						return Effect.withFiber((fiber) => Effect.fail(record.fail(unseen, "a repeat is not safe", nowOf(fiber))));
					}
					record.prior = "NotSent";
					return step(call);
				}
			});
		}
	});
});
/** Turns the key into text, checks it, and puts it where the provider reads it. */
const placeKey = (keyed, key, prepared, call) => {
	if (!isIdempotencyKey(key)) return Effect.fail(invalid("`derive` returned no IdempotencyKey"));
	const text = keyed.placement.format === "uuid" ? toUuid(key) : toText(key);
	const problem = checkKey(text, keyed.placement.maxLength);
	if (problem !== void 0) return Effect.fail(invalid(problem));
	call.key = text;
	if (keyed.issuedAt !== void 0) {
		const issuedAt = keyed.issuedAt(call.input);
		if (!Number.isFinite(issuedAt)) return Effect.fail(invalid(`\`issuedAt\` returned ${issuedAt}, no time`));
		call.firstSentAt = issuedAt;
	}
	const refused = prepared.place(text);
	return refused === void 0 ? Effect.void : Effect.fail(refused);
};
const invalid = (message, cause) => make$2("InvalidInput", {
	message,
	cause
});
const checkKey = (text, maxLength) => text.length === 0 ? "the idempotency key is empty" : text.length > maxLength ? `the idempotency key has ${text.length} characters, the provider takes ${maxLength}` : /^[\x21-\x7e]+$/.test(text) ? void 0 : "the idempotency key has characters other than visible ASCII";
/** The decision for failures that the policy would have retried. */
const exhaust = (decision, services, step) => {
	if (decision._tag !== "Fallback") return step;
	const { f } = decision;
	return (call) => Effect.catch(step(call), (failure) => {
		const reason = failure.reason;
		if (!reason.transient || reason._tag === "Declared") return Effect.fail(failure);
		if (call.repeat !== "Safe" && !didNotHappen(failure.outcome)) return Effect.fail(failure);
		return Effect.withFiber((fiber) => Effect.catchCause(Effect.map(cutAfter(Effect.provideContext(Effect.suspend(() => f(call.input, failure)), withServices(fiber.context, services)), fallbackLimit, () => Effect.fail(failure)), (value) => {
			call.fellBack = true;
			return value;
		}), (cause) => Cause.hasInterruptsOnly(cause) ? Effect.failCause(cause) : Effect.fail(failure)));
	});
};
/** What a `reconcilable` operation needs of its site. */
const reconcileOf = (definition, services) => {
	const strategy = definition.strategy;
	if (strategy._tag !== "Reconcilable") return void 0;
	return {
		settle: Duration.fromInputUnsafe(strategy.settle),
		find: (input) => Effect.withFiber((fiber) => Effect.provideContext(Effect.suspend(() => strategy.find(input)), withServices(fiber.context, services)))
	};
};

// dist/internal/tuneNames.js
/** `createCharge` as `CREATE_CHARGE`. */
const upperSnake = (name) => name.replace(/([a-z0-9])([A-Z])/g, "$1_$2").replace(/([A-Z]+)([A-Z][a-z])/g, "$1_$2").replace(/[^A-Za-z0-9]+/g, "_").replace(/^_+|_+$/g, "").toUpperCase();
/** What the settings of the layers begin with of which several may stand in one place. */
const prefixes = {
	circuitBreaker: "BREAKER",
	rateLimit: "RATE_LIMIT",
	bulkhead: "BULKHEAD"
};
/** Layers of one name share their state over the operations: the numbers of that state are one. */
const shared$1 = /* @__PURE__ */ new Set([
	"circuitBreaker",
	"rateLimit",
	"bulkhead",
	"budget"
]);
const isShared = (layer, key) => shared$1.has(layer.slot) || key === "STALE_MAX_ENTRIES";
const custom = (slot) => slot === "call" || slot === "attempt";
/** The built-in places that a layer of a policy stands in. */
const switchable = [
	"staleIfError",
	"totalDeadline",
	"coalesce",
	"budget",
	"retry",
	"hedge",
	"circuitBreaker",
	"rateLimit",
	"bulkhead",
	"attemptTimeout"
];
/** The names of all numbers of the library's layers, so that one of a layer that is not there is told. */
const catalogue = [
	[
		"ATTEMPT_TIMEOUT",
		"TOTAL_DEADLINE",
		"MAX_ATTEMPTS"
	],
	[
		"BASE",
		"THROTTLED_BASE",
		"CAP"
	].map((name) => `BACKOFF_${name}`),
	[
		"CAPACITY",
		"TRANSIENT_COST",
		"THROTTLED_COST",
		"HEDGE_COST",
		"REFUND",
		"STOP_AT",
		"RATIO",
		"FLOOR",
		"TTL"
	].map((name) => `BUDGET_${name}`),
	[
		"CONSECUTIVE",
		"OPEN_FOR",
		"MAX_OPEN_FOR",
		"RATE_THRESHOLD",
		"RATE_SIZE",
		"RATE_MINIMUM_CALLS"
	].map((name) => `BREAKER_${name}`),
	[
		"AFTER",
		"RATE",
		"SIZE",
		"MINIMUM_CALLS"
	].map((name) => `BREAKER_SLOW_${name}`),
	[
		"CONCURRENCY",
		"QUEUE",
		"MAX_WAIT"
	].map((name) => `BULKHEAD_${name}`),
	[
		"RATE_LIMIT",
		"RATE_LIMIT_WINDOW",
		"RATE_LIMIT_MAX_WAIT"
	],
	[
		"AFTER",
		"PERCENTILE",
		"MINIMUM_CALLS",
		"FLOOR",
		"INITIALLY",
		"MAX",
		"MAX_EXTRA_LOAD"
	].map((name) => `HEDGE_${name}`),
	[
		"COALESCE_MAX_WAITERS",
		"STALE_FOR",
		"STALE_MAX_ENTRIES"
	]
].flat();
const settingName = (layer, key, several) => {
	const prefix = prefixes[layer.slot];
	if (!several || prefix === void 0) return key;
	const name = upperSnake(layer.name);
	return key.startsWith(prefix) ? `${prefix}_${name}${key.slice(prefix.length)}` : `${name}_${key}`;
};
const modeName = (layer, several) => custom(layer.slot) ? `${upperSnake(layer.name)}_MODE` : `${upperSnake(layer.slot)}${several ? `_${upperSnake(layer.name)}` : ""}_MODE`;
const units = Object.fromEntries([
	[[
		"ms",
		"milli",
		"millis",
		"millisecond",
		"milliseconds"
	], 1],
	[[
		"s",
		"sec",
		"second",
		"seconds"
	], 1e3],
	[[
		"m",
		"min",
		"minute",
		"minutes"
	], 6e4],
	[[
		"h",
		"hour",
		"hours"
	], 36e5],
	[[
		"d",
		"day",
		"days"
	], 864e5]
].flatMap(([names, millis]) => names.map((name) => [name, millis])));
/** Milliseconds of `2s`, `500 ms`, `1.5 minutes`, or anything that Effect reads as a duration with its unit. */
const millisOf = (text) => {
	const [, amount, unit] = /^([+-]?\d+(?:\.\d+)?)\s*([a-z]+)$/i.exec(text) ?? [];
	const known = unit === void 0 ? void 0 : units[unit.toLowerCase()];
	if (known !== void 0) return Number(amount) * known;
	const decoded = Schema.decodeUnknownOption(Schema.DurationFromString)(text);
	return Option.getOrUndefined(Option.filter(Option.map(decoded, Duration.toMillis), Number.isFinite));
};
const modes = [
	"enforce",
	"observe",
	"off"
];
const kinds = {
	duration: {
		expected: "a duration with its unit, such as 2s, 500ms or 1 minute",
		read: millisOf
	},
	integer: {
		expected: "a whole number, such as 5",
		read: (text) => /^[+-]?\d+$/.test(text) ? Number(text) : void 0
	},
	number: {
		expected: "a number, such as 0.5",
		read: (text) => /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : void 0
	},
	mode: {
		expected: "enforce, observe or off",
		read: (text) => modes.includes(text.toLowerCase()) ? text.toLowerCase() : void 0
	}
};
const shortened = (text) => JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
/** How many letters must be changed, added or left out to make one word of another, as far as `most` and one more. */
const distance = (a, b, most) => {
	if (Math.abs(a.length - b.length) > most) return most + 1;
	let row = Array.from({ length: b.length + 1 }, (_, i) => i);
	for (let i = 1; i <= a.length; i++) {
		const next = [i];
		for (let j = 1; j <= b.length; j++) next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)));
		row = next;
	}
	return row[b.length];
};

// dist/internal/tune.js
const targetsOf = (operation, stack, several) => stack.layers.flatMap((layer, index) => [...Object.entries(layer.tunable?.settings ?? {}).map(([key, { kind }]) => ({
	operation,
	layer: index,
	key,
	kind,
	base: settingName(layer, key, several.has(layer.slot))
})), {
	operation,
	layer: index,
	key: void 0,
	kind: "mode",
	base: modeName(layer, several.has(layer.slot))
}]);
/** The layers of an operation with other numbers and modes. */
const apply = (stack, values) => stack.layers.map((layer, index) => {
	const numbers = {};
	let mode = layer.mode;
	for (const [target, value] of values) {
		if (target.layer !== index) continue;
		if (target.key === void 0) mode = value;
		else numbers[target.key] = value;
	}
	return Object.keys(numbers).length === 0 || layer.tunable === void 0 ? {
		...layer,
		mode
	} : {
		...layer.tunable.tune(numbers),
		mode
	};
});
/** The names of all values below a path, as a variable would have them. A provider that can't enumerate gives none. */
const namesUnder = (provider, path, depth = 0) => Effect.flatMap(provider.load(path), (node) => {
	const own = node?.value === void 0 ? [] : [path.join("_")];
	return node?._tag !== "Record" || depth > 12 ? Effect.succeed(own) : Effect.map(Effect.forEach(node.keys, (key) => namesUnder(provider, [...path, key], depth + 1)), (below) => [...own, ...below.flat()]);
});
/**
* Reads the numbers and modes of every layer from the current `ConfigProvider`, and gives the stacks that they make. All
* that is wrong with any of them is one `PolicyError`.
*/
const configured = (options) => Effect.gen(function* () {
	const { defaults, integration, operations, overrides, prefix } = options;
	const fail = (problems) => Effect.fail(new PolicyError({
		integration,
		operation: "(layer)",
		problems
	}));
	if (!/^[A-Za-z][A-Za-z0-9_]*$/.test(prefix)) return yield* fail([`config must be a prefix such as STRIPE, got ${JSON.stringify(prefix)}`]);
	const names = Object.keys(operations);
	const bare = new Map(names.map((name) => [name, stackOf(operations[name].definition, defaults, overrides[name])]));
	const inPlace = /* @__PURE__ */ new Map();
	for (const { layers } of bare.values()) for (const { name, slot } of layers) if (prefixes[slot] !== void 0) inPlace.set(slot, (inPlace.get(slot) ?? /* @__PURE__ */ new Set()).add(name));
	const several = new Set([...inPlace].filter(([, found]) => found.size > 1).map(([slot]) => slot));
	const targets = new Map(names.map((name) => [name, targetsOf(name, bare.get(name), several)]));
	const bases = /* @__PURE__ */ new Map();
	/** Names that could mean several layers, with those that say which. */
	const vague = /* @__PURE__ */ new Map();
	for (const { base, key, kind, layer, operation } of [...targets.values()].flat()) {
		bases.set(base, kind);
		const { slot } = bare.get(operation).layers[layer];
		if (!several.has(slot)) continue;
		const short = key ?? `${upperSnake(slot)}_MODE`;
		vague.set(short, (vague.get(short) ?? /* @__PURE__ */ new Set()).add(base));
	}
	const nobodys = [...catalogue, ...switchable.map((slot) => `${upperSnake(slot)}_MODE`)].filter((name) => !bases.has(name) && !vague.has(name));
	const problems = [];
	const given = /* @__PURE__ */ new Map();
	const known = /* @__PURE__ */ new Map();
	const read = Effect.fnUntraced(function* (base, operation) {
		const path = operation === void 0 ? [prefix, base] : [
			prefix,
			upperSnake(operation),
			base
		];
		const name = path.join("_");
		const before = known.get(name);
		if (before !== void 0 && (before.operation !== operation || before.base !== base)) {
			if (given.has(name)) {
				const one = before.operation ?? "the integration";
				problems.push(`${name} may mean ${before.base} of ${one} or ${base} of ${operation}: rename one of them`);
			}
			return;
		}
		known.set(name, {
			base,
			operation
		});
		const text = Option.getOrUndefined(yield* Config.option(Config.schema(Schema.String, path)));
		if (text !== void 0) given.set(name, text.trim());
	});
	const unread = yield* Effect.result(Effect.gen(function* () {
		for (const base of bases.keys()) yield* read(base, void 0);
		for (const base of [...vague.keys(), ...nobodys]) yield* read(base, void 0);
		for (const name of names) for (const base of [
			...bases.keys(),
			...vague.keys(),
			...nobodys
		]) yield* read(base, name);
	}));
	if (unread._tag === "Failure") return yield* fail([`the configuration below ${prefix} could not be read: ${unread.failure.message}`]);
	const variables = /* @__PURE__ */ new Map();
	const unusable = /* @__PURE__ */ new Set();
	for (const [name, text] of given) {
		const { base, operation } = known.get(name);
		const kind = bases.get(base);
		const meant = vague.get(base);
		if (meant !== void 0) {
			const start = name.slice(0, -base.length);
			const clear = [...meant].map((each) => `${start}${each}`);
			problems.push(`${name}=${shortened(text)}: several layers could be meant, say which: ${clear.join(", ")}`);
			continue;
		}
		if (kind === void 0 || operation !== void 0 && !targets.get(operation).some((of) => of.base === base)) {
			problems.push(`${name}=${shortened(text)}: no layer of ${operation ?? integration} takes it`);
			continue;
		}
		const value = kinds[kind].read(text);
		if (value === void 0) {
			problems.push(`${name}=${shortened(text)}: expected ${kinds[kind].expected}`);
			unusable.add(name);
		} else variables.set(name, {
			name,
			text,
			value
		});
	}
	const provider = yield* ConfigProvider.ConfigProvider;
	const roots = prefix.includes("_") ? [[prefix], prefix.split("_")] : [[prefix]];
	const present = yield* Effect.orElseSucceed(Effect.map(Effect.forEach(roots, (path) => namesUnder(provider, path)), (found) => new Set(found.flat())), () => /* @__PURE__ */ new Set());
	for (const name of present) {
		if (known.has(name)) continue;
		const nested = [...bases.keys()].some((base) => name.endsWith(`_${base}`));
		const near = [...known].filter(([, { operation }]) => !nested || operation !== void 0).map(([other]) => [distance(name, other, 2), other]).filter(([far]) => far <= 2).toSorted(([a], [b]) => a - b)[0];
		if (near !== void 0) problems.push(`${name} is not known: did you mean ${near[1]}?`);
	}
	const shows = /* @__PURE__ */ new Map();
	const stacks = /* @__PURE__ */ new Map();
	for (const name of names) {
		const { definition: said } = operations[name];
		const definition = said.stream === void 0 ? said : {
			...said,
			stream: {
				...said.stream,
				applied: true
			}
		};
		const before = bare.get(name);
		const build = (values) => values.size === 0 ? before : stackOf(definition, withoutLayers(defaults), fromLayers(apply(before, values)));
		const nameOf = /* @__PURE__ */ new Map();
		const values = /* @__PURE__ */ new Map();
		const broken = /* @__PURE__ */ new Set();
		for (const target of targets.get(name)) {
			const own = `${prefix}_${upperSnake(name)}_${target.base}`;
			const general = `${prefix}_${target.base}`;
			const from = given.has(own) && known.get(own).operation === name ? own : general;
			if (unusable.has(from)) broken.add(target);
			const variable = variables.get(from);
			if (variable === void 0) continue;
			const layer = before.layers[target.layer];
			const others = names.filter((other) => other !== name && bare.get(other).layers.some((at) => at.slot === layer.slot && at.name === layer.name));
			if (from === own && from !== general && target.key !== void 0 && isShared(layer, target.key) && others.length > 0) {
				problems.push(`${own}: ${layer.name} is one for ${[name, ...others].join(", ")}: set ${general} for all of them`);
				broken.add(target);
				continue;
			}
			nameOf.set(target, from);
			values.set(target, variable.value);
		}
		const current = (target) => {
			const value = values.get(target) ?? before.layers[target.layer].tunable?.settings[target.key ?? ""]?.value;
			return typeof value === "number" ? value : void 0;
		};
		/** Whether a problem depends on it: it goes away, or reads otherwise, with another number or with the code's. */
		const depends = (problem, target) => {
			const without = new Map(values);
			without.delete(target);
			const other = new Map(values);
			const value = target.key === void 0 ? void 0 : current(target);
			if (value !== void 0) other.set(target, value * 2 + 1);
			return !build(without).problems.includes(problem) || !build(other).problems.includes(problem);
		};
		let more = false;
		const told = /* @__PURE__ */ new Set();
		do {
			const causing = /* @__PURE__ */ new Set();
			for (const problem of build(values).problems) {
				if (told.has(problem) || [...broken].some((target) => depends(problem, target))) continue;
				told.add(problem);
				const causes = [...values.keys()].filter((target) => depends(problem, target));
				const from = causes.map((target) => {
					const { name, text } = variables.get(nameOf.get(target));
					return `${name}=${shortened(text)}`;
				});
				const shown = from.length === 0 ? problem : `${problem} (from ${[...new Set(from)].join(", ")})`;
				shows.set(shown, [...shows.get(shown) ?? [], name]);
				for (const target of causes) causing.add(target);
			}
			for (const target of causing) {
				broken.add(target);
				values.delete(target);
			}
			more = causing.size > 0;
		} while (more);
		stacks.set(name, build(values));
	}
	for (const [shown, of] of shows) problems.push(`${of.join(", ")}: ${shown}`);
	return problems.length > 0 ? yield* fail(problems) : stacks;
});
const withoutLayers = ({ policy: _policy, shared: _shared, ...rest }) => rest;

// dist/Integration.js
/**
* One remote party: its operations as a service, its defaults, its layers, its plan.
*
* @since 0.1.0
*/
var Integration_exports = /* @__PURE__ */ __exportAll({
	ControlError: () => ControlError,
	Service: () => Service,
	control: () => control,
	layer: () => layer$3,
	nameOf: () => nameOf$1,
	plan: () => plan,
	planText: () => planText
});
const DefinitionId = "~breakwater/Integration";
/**
* Defines an integration: its id, what it decides for all its operations, and the operations.
*
* **When to use**
*
* Use once per remote party and credential. Extend the result with a class; the class is the service's tag.
*
* **Details**
*
* An operation for which neither itself nor the integration gives a policy, a decision for exhausted retries and an
* `orElse` does not compile; the message says which is missing.
*
* @category constructors
* @since 0.1.0
*/
const Service = () => (id, defaults, operations) => {
	const tag = Context.Service()(id);
	const runtime = {
		id,
		defaults,
		operations
	};
	return Object.assign(tag, {
		[DefinitionId]: runtime,
		layerMock(methods) {
			return Layer.succeed(this, mock(runtime, methods));
		}
	});
};
const mock = (runtime, methods) => Object.fromEntries(Object.entries(runtime.operations).map(([name, { definition }]) => {
	const missing = () => /* @__PURE__ */ new Error(`${runtime.id}.layerMock: ${name} was called, but has no mock`);
	const die = definition.stream === void 0 ? () => Effect.die(missing()) : () => Stream.die(missing());
	return [name, methods[name] ?? die];
}));
/**
* The integration's name in telemetry: its id.
*
* @category destructors
* @since 0.1.0
*/
const nameOf$1 = (self) => self[DefinitionId].id;
/**
* Builds an integration: every policy is checked and built, every operation compiled, once.
*
* **Details**
*
* Breakers, bulkheads and running calls belong to the layer: two calls of this function share nothing, and one layer
* value that is provided twice is built once, because Effect memoises layers by reference. Keep it as a constant.
*
* When the layer's scope closes, as on SIGTERM, new calls fail as `Draining`, those that run have `drain` to end, and
* the rest are interrupted and reported one by one with their outcome.
*
* Numbers that make no sense or contradict each other fail the build with one `PolicyError`.
*
* @category layers
* @since 0.1.0
*/
const layer$3 = (self, options) => Layer.effect(self, build(self, options));
const build = (self, options) => Effect.gen(function* () {
	const { defaults, id, operations } = self[DefinitionId];
	const overrides = options?.policy ?? {};
	const problems = [];
	for (const name of Object.keys(overrides)) if (!Object.hasOwn(operations, name)) problems.push(`policy.${name}: there is no such operation`);
	if (problems.length > 0) return yield* new PolicyError({
		integration: id,
		operation: "(layer)",
		problems
	});
	const grace = check("drain", options?.drain ?? "10 seconds", { zero: true });
	if (grace.problem !== void 0) return yield* new PolicyError({
		integration: id,
		operation: "(layer)",
		problems: [grace.problem]
	});
	const drain = new Drain();
	const observers = yield* Effect.service(Observers);
	const services = servicesOf(yield* Effect.context());
	const states = /* @__PURE__ */ new Map();
	const methods = {};
	const durables = {};
	const gates = [];
	const operator = { off: false };
	const stacks = options?.config === void 0 ? void 0 : yield* configured({
		integration: id,
		prefix: options.config,
		operations,
		defaults,
		overrides
	});
	const built = /* @__PURE__ */ new Map();
	for (const [name, operation] of Object.entries(operations)) {
		const definition = operation.definition;
		const stack = stacks?.get(name) ?? stackOf(definition, defaults, overrides[name]);
		if (stack.problems.length > 0) return yield* new PolicyError({
			integration: id,
			operation: name,
			problems: stack.problems
		});
		const own = {
			stack,
			gates: /* @__PURE__ */ new Map()
		};
		built.set(name, own);
		const switching = switchLayer(operator);
		const site = {
			integration: id,
			operation: name,
			repeat: definition.repeat,
			limits: stack.limits,
			lifetime: stack.lifetime,
			reconcile: reconcileOf(definition, services),
			mode: () => "enforce",
			decided: () => {},
			clear: [],
			shared: (key, settings, make) => Effect.suspend(() => {
				const known = states.get(key);
				if (known === void 0) return Effect.map(make, (state) => {
					states.set(key, {
						options: settings,
						operation: name,
						state
					});
					return state;
				});
				return same(known.options, settings) ? Effect.succeed(known.state) : Effect.fail(new PolicyError({
					integration: id,
					operation: name,
					problems: [`${key} has ${JSON.stringify(settings)} here and ${JSON.stringify(known.options)} in ${known.operation}: one name is one state, give another name`]
				}));
			})
		};
		const gateOf = (layer) => {
			const gate = new Gate(name, layer);
			if (layer === switching) return gate;
			gates.push(gate);
			own.gates.set(layer, gate);
			return gate;
		};
		const inside = stack.layers.findIndex((layer) => rank(layer.slot) >= rank(switching.slot));
		const layers = stack.layers.toSpliced(inside < 0 ? stack.layers.length : inside, 0, switching);
		const switched = {
			...stack,
			layers
		};
		const { durable, method } = yield* compile(definition, switched, defaults, site, gateOf, drain, observers);
		methods[name] = (input) => method(input, callSite());
		if (durable !== void 0) durables[name] = durable;
	}
	Object.defineProperty(methods, DurableId, { value: durables });
	const controlled = {
		integration: id,
		operations: Object.keys(operations),
		gates,
		states,
		switch: operator,
		forced: /* @__PURE__ */ new Map(),
		plan: () => [...built].map(([name, { gates, stack }]) => {
			const layers = stack.layers.map((layer) => ({
				...layer,
				mode: gates.get(layer)?.mode ?? layer.mode
			}));
			return planOf(id, name, operations[name].definition, {
				...stack,
				layers
			});
		})
	};
	Object.defineProperty(methods, ControlId, { value: controlled });
	const hub = yield* Effect.service(CurrentHub);
	yield* Effect.acquireRelease(Effect.sync(() => hub.add({
		controlled,
		running: drain.running
	})), (leave) => Effect.sync(leave));
	yield* Effect.addFinalizer(() => drain.close(id, grace.millis));
	return methods;
});
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
/**
* Derives the plan from the same data that the runner uses. Nothing is run.
*
* @category plans
* @since 0.1.0
*/
const plan = (self) => {
	const { defaults, id, operations } = self[DefinitionId];
	return {
		integration: id,
		operations: Object.entries(operations).map(([name, { definition }]) => planOf(id, name, definition, stackOf(definition, defaults, void 0)))
	};
};
/**
* A plan as text.
*
* @category plans
* @since 0.1.0
*/
const planText = (self) => {
	const { integration, operations } = plan(self);
	return formatPlan(integration, operations);
};
/**
* The switches of an integration that runs: modes of its layers, circuits forced open or closed, and what it is at the
* moment.
*
* **When to use**
*
* Use in an incident (switch a provider off, lift a limit), and to try a new limit in `observe` first. `HttpControl` puts it
* behind a route.
*
* **Details**
*
* It needs the built service and holds for that one layer, in this process. Changes last until `resume` or until the layer
* closes; what should outlast that belongs into the configuration. A mock has nothing to control: changes to it fail.
*
* **Example** (Switching a provider off)
*
* ```ts
* import { Exhaustion, Integration, Operation, Policy } from "breakwater"
* import { Data, Effect, Schema } from "effect"
*
* class Down extends Data.TaggedError("Down")<{ readonly why: string }> {}
*
* class Rates extends Integration.Service<Rates>()(
*   "shop/Rates",
*   { policy: Policy.standard({ maxAttempts: 1 }), exhausted: Exhaustion.fail, orElse: ({ reason }) => new Down({ why: reason._tag }) },
*   { today: Operation.query("today", { success: Schema.Number, send: () => Effect.succeed(1.25) }) }
* ) {}
*
* const program = Effect.gen(function* () {
*   const rates = yield* Rates
*   const control = yield* Integration.control(Rates)
*   yield* control.forceOpen({ reason: "wrong rates since 9:40" })
*   const refused = yield* Effect.flip(rates.today())
*   yield* control.resume()
*   return [refused.why, yield* rates.today()]
* })
*
* await Effect.runPromise(Effect.provide(program, Integration.layer(Rates))) // => ["CircuitOpen", 1.25]
* ```
*
* @category controls
* @since 0.1.0
*/
const control = (self) => Effect.map(Effect.service(self), (service) => make$3(self[DefinitionId].id, service[ControlId]));

// dist/PolicyDecode.js
/**
* Validating what came back, as a layer for any effect.
*
* @since 0.1.0
*/
/** A schema error on one line. */
const describeIssue = (error) => error.message.replace(/\n\s*/g, " ").replace(/\["((?:[^"\\]|\\.)*)"\]/g, (step, name) => isField(name) ? step : "[\"…\"]");
/**
* The names in a record are data: addresses, accounts, tokens. A path does not say whether a name is of a record or of a
* struct, so one that does not read like a field's is left out.
*/
const isField = (name) => /^[\w$-]{1,40}$/.test(name) && name.replace(/\D/g, "").length <= 2;
/**
* Decodes what an effect succeeds with. A value that does not match fails as `InvalidResponse` with outcome `Applied`:
* the provider did what it was asked, and a repeat would do it again.
*
* **Details**
*
* An operation decodes by its own `success` schema; this is for effects outside one. Place it inside `retry`.
*
* @category layers
* @since 0.1.0
*/
const decode = (schema) => (self) => {
	const parse = Schema.decodeUnknownEffect(schema);
	return Effect.flatMap(self, (value) => Effect.catch(parse(value), (error) => Effect.withFiber((fiber) => {
		const now = nowOf(fiber);
		const call = alone("decode", now);
		const reason = make$2("InvalidResponse", { message: describeIssue(error) });
		return Effect.fail(call.fail(reason, "not transient", now));
	})));
};

// dist/internal/keep.js
/** What is kept of a call whose parts have these schemas. Without one, nothing is: `undefined` comes back. */
const makeKeep = (options) => {
	const input = codecOf("the input", options.input, options.services);
	const result = codecOf("the result", options.success, options.services);
	const error = codecOf("the error", options.error, options.services);
	return {
		saveInput: input.encode,
		loadInput: input.decode,
		saveResult: result.encode,
		loadResult: result.decode,
		keepsErrors: options.error !== void 0,
		saveError: options.error === void 0 ? () => Effect.fail(make$2("InvalidInput", { message: "the error has no schema" })) : error.encode,
		loadError: error.decode,
		restore: options.restore
	};
};
const codecOf = (what, schema, services) => {
	if (schema === void 0) return {
		encode: () => Effect.succeed(null),
		decode: () => Effect.undefined
	};
	let codec;
	const built = () => {
		if (codec === void 0) {
			const json = Schema.toCodecJson(schema);
			codec = {
				encode: Schema.encodeUnknownEffect(json),
				decode: Schema.decodeUnknownEffect(json)
			};
		}
		return codec;
	};
	const run = (which) => (value) => Effect.withFiber((fiber) => Effect.catchCause(Effect.provideContext(Effect.suspend(() => built()[which](value)), withServices(fiber.context, services)), (cause) => Cause.hasInterruptsOnly(cause) ? Effect.failCause(cause) : Effect.fail(make$2("InvalidInput", { message: `${what} can't be ${which === "encode" ? "stored" : "read from the store"}: ${whyOf(cause)}` }))));
	return {
		encode: run("encode"),
		decode: run("decode")
	};
};
const whyOf = (cause) => {
	const error = Cause.squash(cause);
	return Schema.isSchemaError(error) ? describeIssue(error) : "its schema has no JSON form";
};

// dist/internal/effectTransport.js
/** A failure of `send` whose meaning is known where it was made. */
var Judged = class {
	verdict;
	error;
	constructor(verdict, error) {
		this.verdict = verdict;
		this.error = error;
	}
};
/** Opens the way to a provider through an effect or a promise. */
const openEffect = (options) => {
	const validate = options.input === void 0 ? void 0 : Schema.encodeUnknownEffect(options.input);
	const answer = options.decoded === true && options.success !== void 0 ? Schema.toType(options.success) : options.success;
	const decode = answer === void 0 ? void 0 : Schema.decodeUnknownEffect(answer);
	const unread = options.classifyAnswer === void 0 ? "Applied" : "Unknown";
	const reasonFor = (failed, call, fiber) => {
		const error = failed instanceof Judged ? failed.error : failed;
		const verdict = withHeaders(failed instanceof Judged ? failed.verdict : options.classify?.(error), fiber);
		if (verdict?.limit !== void 0) call.tell(verdict.limit);
		return verdict === void 0 ? make$2("Failed", {
			message: nameOf(error),
			error,
			cause: error
		}) : make$2(verdict.reason, {
			message: nameOf(error),
			...verdict,
			error,
			cause: error
		});
	};
	const open = (_site) => Effect.map(Effect.context(), (built) => {
		const services = servicesOf(built);
		const client = options.client === void 0 ? void 0 : Context.getUnsafe(built, options.client);
		const raw = (input, call, fiber) => {
			if (options.call !== void 0) {
				const invoke = options.call;
				return Effect.tryPromise({
					try: (signal) => {
						const sending = Object.assign(Object.create(call), { signal });
						return invoke(input, sending, client);
					},
					catch: (error) => reasonFor(error, call, fiber)
				});
			}
			return Effect.mapError(Effect.suspend(() => options.send(input, call)), (error) => reasonFor(error, call, fiber));
		};
		const prepared = (input) => ({
			place: () => void 0,
			send: (call) => Effect.withFiber((fiber) => {
				call.sent(nowOf(fiber));
				const { classifyAnswer } = options;
				const sent = classifyAnswer === void 0 ? raw(input, call, fiber) : Effect.flatMap(raw(input, call, fiber), (answer) => {
					const verdict = withHeaders(classifyAnswer(answer), fiber);
					if (verdict?.limit !== void 0) call.tell(verdict.limit);
					return verdict === void 0 || verdict.reason === "Answered" ? Effect.succeed(answer) : Effect.fail(make$2(verdict.reason, {
						message: "the answer was classified",
						...verdict
					}));
				});
				const decoded = decode === void 0 ? sent : Effect.flatMap(sent, (value) => {
					call.phase = "answered";
					call.pending = make$2("BodyLost", {
						message: "the answer arrived, but was not decoded in time",
						outcome: unread
					});
					return Effect.mapError(decode(value), (error) => make$2("InvalidResponse", {
						message: describeIssue(error),
						outcome: unread
					}));
				});
				return Effect.provideContext(decoded, withServices(fiber.context, services));
			})
		});
		return {
			keep: makeKeep({
				input: options.input,
				success: options.success ?? Schema.Unknown,
				error: options.error,
				services,
				restore: (_request, input) => Effect.succeed(prepared(input))
			}),
			prepare: (input) => validate === void 0 ? Effect.succeed(prepared(input)) : Effect.withFiber((fiber) => Effect.mapBoth(Effect.provideContext(validate(input), withServices(fiber.context, services)), {
				onFailure: (error) => make$2("InvalidInput", { message: describeIssue(error) }),
				onSuccess: () => prepared(input)
			}))
		};
	});
	return open;
};
/** Fills in what the headers of a verdict say. */
const withHeaders = (verdict, fiber) => {
	if (verdict?.headers === void 0 || verdict.headers === null) return verdict;
	const now = nowOf(fiber);
	const headers = toLower(verdict.headers);
	return {
		...verdict,
		retryAfter: verdict.retryAfter ?? retryAfter(headers["retry-after"], now),
		requestId: verdict.requestId ?? requestIds.map((name) => headers[name]).find((id) => id !== void 0),
		replayed: verdict.replayed ?? headers["idempotent-replayed"]?.toLowerCase() === "true",
		limit: verdict.limit ?? limitOf(headers, now)
	};
};
/** What kind of error it was, without its text: that may hold what must not be logged. */
const nameOf = (error) => {
	if (typeof error === "object" && error !== null) {
		if ("_tag" in error && typeof error._tag === "string") return `failed with ${error._tag}`;
		if (error instanceof Error) return `failed with ${error.name}`;
	}
	return `failed with a ${typeof error}`;
};

// dist/Operation.js
var Operation_exports = /* @__PURE__ */ __exportAll({
	fromDefinition: () => fromDefinition,
	fromPromise: () => fromPromise,
	isOperation: () => isOperation,
	isUnvalidated: () => isUnvalidated,
	mutation: () => mutation,
	query: () => query,
	unvalidated: () => unvalidated
});
const TypeId$1 = "~breakwater/Operation";
/**
* Returns whether a value is an `Operation`.
*
* @category guards
* @since 0.1.0
*/
const isOperation = (u) => Predicate.hasProperty(u, TypeId$1);
const Proto = {
	[TypeId$1]: TypeId$1,
	pipe() {
		return pipeArguments(this, arguments);
	}
};
/**
* Creates an operation from its definition. For adapters of other protocols.
*
* @category constructors
* @since 0.1.0
*/
const fromDefinition = (definition) => Object.assign(Object.create(Proto), { definition });
const UnvalidatedTypeId = "~breakwater/Operation/Unvalidated";
/**
* Takes an answer as it is, of type `unknown`, and says why nobody checks it.
*
* @category constructors
* @since 0.1.0
*/
const unvalidated = (reason) => ({
	[UnvalidatedTypeId]: UnvalidatedTypeId,
	reason
});
/**
* Returns whether a success is not validated.
*
* @category guards
* @since 0.1.0
*/
const isUnvalidated = (u) => Predicate.hasProperty(u, UnvalidatedTypeId);
/**
* A call that changes nothing at the provider, over any effect.
*
* @category constructors
* @since 0.1.0
*/
const query = (name, options) => fromDefinition(define(name, options, {
	repeat: "Safe",
	strategy: {
		_tag: "Safe",
		reason: "a query"
	}
}, "effect"));
/**
* A call that may change something at the provider, over any effect.
*
* **Details**
*
* `idempotency` says how a repeat is made safe. `send` receives the key, so that it can hand it to the provider.
*
* @category constructors
* @since 0.1.0
*/
const mutation = (name, options) => fromDefinition(define(name, options, options.idempotency, "effect"));
/**
* A call through an SDK that returns promises.
*
* **Details**
*
* `call` receives the key, the attempt's number, the deadline and an abort signal: pass the signal to the SDK. Set the
* SDK's own retries to 0, or attempts multiply out of sight of the deadline and the history.
*
* `client` names the service that holds the SDK's client: it is looked up when the layer is built, and `call` gets it as
* its third argument. So credentials come from the configuration, and a test points the SDK elsewhere.
*
* **Example** (An SDK whose client is a service)
*
* ```ts
* import { Exhaustion, Idempotency, IdempotencyKey, Integration, Operation, Policy } from "breakwater"
* import { Context, Data, Effect, Layer, Schema } from "effect"
*
* interface Mailer {
*   readonly send: (to: string, options: { readonly idempotencyKey: string | undefined }) => Promise<unknown>
* }
* class MailerSdk extends Context.Service<MailerSdk, Mailer>()("shop/MailerSdk") {}
* class MailDown extends Data.TaggedError("MailDown") {}
*
* class Mail extends Integration.Service<Mail>()(
*   "shop/Mail",
*   { policy: Policy.standard(), exhausted: Exhaustion.fail, orElse: () => new MailDown() },
*   {
*     welcome: Operation.fromPromise("welcome", {
*       input: Schema.String,
*       success: Schema.Struct({ id: Schema.String }),
*       idempotency: Idempotency.keyed((to: string) => IdempotencyKey.derive("welcome", to), { lifetime: "1 day" }),
*       client: MailerSdk,
*       call: (to, { key }, mailer) => mailer.send(to, { idempotencyKey: key })
*     })
*   }
* ) {}
*
* const MailLive = Integration.layer(Mail).pipe(
*   Layer.provide(Layer.succeed(MailerSdk, { send: (to) => Promise.resolve({ id: `for ${to}` }) }))
* )
* const program = Effect.flatMap(Mail, (mail) => mail.welcome("ada@example.com"))
*
* await Effect.runPromise(Effect.provide(program, MailLive)) // => { id: "for ada@example.com" }
* ```
*
* @category constructors
* @since 0.1.0
*/
const fromPromise = (name, options) => fromDefinition(define(name, options, options.idempotency, "promise"));
const define = (name, options, idempotency, transport) => ({
	name,
	repeat: idempotency.repeat,
	strategy: idempotency.strategy,
	policy: options.policy,
	exhausted: options.exhausted,
	orElse: options.orElse,
	translate: options.translate,
	about: {
		transport,
		attemptName: name,
		http: void 0
	},
	problems: idempotency.strategy._tag === "Conditional" && idempotency.strategy.sends.header !== void 0 ? [`${idempotency.strategy.sends.header} is a header of HTTP: pass the version to \`send\` yourself, and say Idempotency.versioned(reason)`] : [],
	open: openEffect({
		input: options.input,
		success: isUnvalidated(options.success) ? void 0 : options.success,
		error: options.error,
		send: options.send,
		client: options.client,
		call: options.call,
		classify: options.classify,
		classifyAnswer: options.classifyAnswer
	})
});

// dist/internal/budget.js
/** Who is throttled, or waits for an earlier attempt with the same key, needs more time, and the retry costs less. */
const kindOf$1 = ({ _tag, status }) => _tag === "Throttled" || _tag === "InProgress" || status === 429 ? "throttled" : "transient";
const thousandths = (amount) => Math.round(amount * 1e3);
/** A bucket that starts full and is filled by successes: the AWS SDKs' retry quota, and gRPC's retry throttling. */
var Bucket$1 = class {
	left;
	costs;
	capacity;
	stopAt;
	settings;
	constructor(settings) {
		this.settings = settings;
		this.capacity = thousandths(settings.capacity);
		this.left = this.capacity;
		this.stopAt = settings.stopAt === void 0 ? -1 : thousandths(settings.stopAt);
		this.costs = {
			transient: thousandths(settings.transientCost),
			throttled: thousandths(settings.throttledCost),
			hedge: thousandths(settings.hedgeCost)
		};
	}
	begin() {}
	withdraw(kind, _now) {
		const cost = this.settings.charges === "failures" && kind !== "hedge" ? 0 : this.costs[kind];
		if (this.left - cost <= this.stopAt) return void 0;
		this.left -= cost;
		return cost / 1e3;
	}
	giveBack(cost) {
		this.left = Math.min(this.capacity, this.left + thousandths(cost));
	}
	failed(kind) {
		if (this.settings.charges === "failures") this.left = Math.max(0, this.left - this.costs[kind]);
	}
	succeeded(last) {
		this.giveBack(last !== void 0 && this.settings.refundsLastRetry ? last : this.settings.refund);
	}
	balance() {
		return this.left / 1e3;
	}
};
/** Into how many parts the time to live is divided, as Finagle does it. */
const parts$1 = 10;
/**
* Every call adds a part of a token, which expires after a time; a retry takes one. A reserve for quiet times, and for
* retries alone, lies beneath: what is taken from it comes back when the withdrawal has expired.
*/
var Deposits = class {
	sums = Array.from({ length: parts$1 }, () => 0);
	sum = 0;
	part = -Infinity;
	deposit;
	reserve;
	length;
	settings;
	constructor(settings) {
		this.settings = settings;
		this.deposit = thousandths(settings.ratio);
		this.reserve = thousandths(settings.floorPerSecond * settings.ttl / 1e3);
		this.length = settings.ttl / parts$1;
	}
	/** Forgets what has expired. A clock that goes back stays in the current part. */
	at(now) {
		const part = Math.floor(now / this.length);
		if (part > this.part) {
			const expired = Math.min(parts$1, part - this.part);
			for (let n = 0; n < expired; n++) {
				const index = modulo(part - n);
				this.sum -= this.sums[index];
				this.sums[index] = 0;
			}
			this.part = part;
		}
		return modulo(this.part);
	}
	add(amount, now) {
		const index = this.at(now);
		this.sums[index] += amount;
		this.sum += amount;
	}
	begin(now) {
		this.add(this.deposit, now);
	}
	withdraw(kind, now) {
		this.at(now);
		if (this.sum + (kind === "hedge" ? 0 : this.reserve) < 1e3) return void 0;
		this.add(-1e3, now);
		return 1;
	}
	giveBack(cost, now) {
		this.add(thousandths(cost), now);
	}
	failed() {}
	succeeded() {}
	balance(now) {
		this.at(now);
		return (this.sum + this.reserve) / 1e3;
	}
};
const modulo = (part) => (part % parts$1 + parts$1) % parts$1;
/** What one call draws, on its own budget and on that of the call around it. */
var Draw = class {
	tokens;
	/** What the last retry cost. */
	last = void 0;
	before = void 0;
	taken = 0;
	around;
	site;
	call;
	constructor(tokens, around, site, call) {
		this.tokens = tokens;
		this.around = around;
		this.site = site;
		this.call = call;
	}
	withdraw(kind, now) {
		const { around } = this;
		const paid = around?.withdraw(kind, now);
		if (around !== void 0 && paid === void 0) return void 0;
		this.before = this.last;
		this.taken = 0;
		if (around?.tokens === this.tokens) return paid;
		const cost = this.tokens.withdraw(kind, now);
		if (cost === void 0) {
			this.site.decided(this.call, "rejected", now);
			if (this.site.mode() !== "observe") {
				around?.giveBack(now);
				return;
			}
		}
		if (kind !== "hedge") this.last = cost ?? 0;
		this.taken = cost ?? 0;
		return this.taken;
	}
	giveBack(now) {
		this.around?.giveBack(now);
		this.tokens.giveBack(this.taken, now);
		this.taken = 0;
		this.last = this.before;
	}
	failed(kind) {
		this.tokens.failed(kind);
	}
};

// dist/PolicyBudget.js
/**
* The retry budget: how many retries and hedges all calls of an integration may make together.
*
* @since 0.1.0
*/
const bucketForm = (options) => {
	const transientCost = options.transientCost ?? 14;
	const settings = {
		capacity: options.capacity ?? 500,
		transientCost,
		throttledCost: options.throttledCost ?? 5,
		hedgeCost: options.hedgeCost ?? transientCost,
		refund: options.refund ?? 1,
		refundsLastRetry: options.refundsLastRetry ?? true,
		stopAt: options.stopAt,
		charges: options.charges ?? "retries"
	};
	const { capacity, charges, hedgeCost, refund, refundsLastRetry, stopAt, throttledCost } = settings;
	const problems = [];
	if (!(capacity > 0 && Number.isFinite(capacity))) problems.push(`the budget's capacity must be finite and more than 0, got ${capacity}`);
	for (const [name, cost, least] of [
		[
			"transientCost",
			transientCost,
			.001
		],
		[
			"throttledCost",
			throttledCost,
			.001
		],
		[
			"hedgeCost",
			hedgeCost,
			0
		]
	]) if (!(cost >= least && Number.isFinite(cost))) problems.push(`the budget's ${name} must be finite and at least ${least}, got ${cost}`);
	else if (cost > capacity - (stopAt ?? 0)) problems.push(`the budget's ${name} of ${cost} is more than its capacity of ${capacity} has to give`);
	if (!(refund >= 0 && refund <= capacity)) problems.push(`the budget's refund must be in [0, ${capacity}] (capacity), got ${refund}`);
	if (stopAt !== void 0 && !(stopAt >= 0 && stopAt < capacity)) problems.push(`the budget's stopAt must be in [0, ${capacity}) (capacity), got ${stopAt}`);
	const gives = refundsLastRetry ? `a success gives its last retry's cost back, else ${refund}` : `a success ${refund}`;
	return {
		settings,
		problems,
		describe: `${capacity} tokens; ${charges === "failures" ? "a transient failure" : "a retry"} costs ${transientCost}, throttled ${throttledCost}, a hedge ${hedgeCost}; ${gives}` + (stopAt === void 0 ? "" : `; none at ${stopAt} or less`),
		extraLoad: refund / Math.min(transientCost, throttledCost),
		make: () => new Bucket$1(settings)
	};
};
const seconds$1 = {
	second: 1,
	minute: 60,
	hour: 3600
};
const perSecond = (rate) => {
	const [, count, unit] = /^(\d+(?:\.\d+)?(?:e-\d+)?) per (second|minute|hour)$/.exec(rate) ?? [];
	return Number(count) / seconds$1[unit];
};
const ratioForm = (options) => {
	const ratio = options.ratio ?? .2;
	const floor = options.floor ?? "10 per second";
	const ttl = check("the budget's ttl", options.ttl ?? 1e4);
	const settings = {
		ratio,
		floorPerSecond: perSecond(floor),
		ttl: ttl.millis
	};
	const problems = ttl.problem === void 0 ? [] : [ttl.problem];
	if (!(ratio >= 0 && Number.isFinite(ratio))) problems.push(`the budget's ratio must be finite and at least 0, got ${ratio}`);
	if (Number.isNaN(settings.floorPerSecond)) problems.push(`the budget's floor must read like "10 per second", got ${JSON.stringify(floor)}`);
	return {
		settings,
		problems,
		describe: `${ratio} retries and hedges for each call of the last ${format(ttl.millis)}, and ${floor} beside, no hedges`,
		extraLoad: ratio,
		make: () => new Deposits(settings)
	};
};
const layerOf$2 = (name, form, tunable, tokens) => fromLayers([callLayer({
	slot: "budget",
	name,
	describe: form.describe,
	problems: form.problems,
	limits: form.extraLoad === void 0 ? {} : { extraLoad: form.extraLoad },
	tunable,
	build: (site) => Effect.map(Effect.flatMap(Effect.isEffect(tokens) ? tokens : tokens(site), (made) => site.shared(`budget ${name}`, form.settings, Effect.succeed(made))), (state) => (step) => (call) => Effect.withFiber((fiber) => {
		const draw = new Draw(state, allowanceAround(fiber, call)?.budget, site, call);
		call.budget = draw;
		state.begin(nowOf(fiber));
		return Effect.map(step(call), (value) => {
			state.succeeded(draw.last);
			return value;
		});
	}))
})]);
/** The budgets that layers provide. Each name is a service of its own, so that several can be provided together. */
const provided = (name) => Context.Reference(`breakwater/Budget/${name}`, { defaultValue: () => void 0 });
const across = (name) => layerOf$2(`across ${name}`, {
	settings: { across: name },
	problems: [],
	describe: `the tokens of ${name}, together with other integrations`,
	extraLoad: void 0
}, void 0, (site) => Effect.flatMap(Effect.service(provided(name)), (tokens) => tokens === void 0 ? Effect.fail(new PolicyError({
	integration: site.integration,
	operation: site.operation,
	problems: [`the budget ${JSON.stringify(name)} is not there: provide Policy.layerBudget(${JSON.stringify(name)}) to this layer, and to every other that shares it`]
})) : Effect.succeed(tokens)));
/**
* Bounds the retries and hedges of all calls together, so that a provider that fails is not asked three times as much.
*
* **When to use**
*
* `Policy.standard` has one. Give numbers of your own, or share one between integrations that load the same provider.
*
* **Details**
*
* A bucket of 500 tokens, full at the start (AWS SDKs, 2026). A retry takes 14, after being throttled 5, a hedge 14; the
* success of a call gives back what its last retry cost, else 1. Tokens are taken before the backoff, so that who waits
* counts; a retry that is interrupted while it waits gets nothing back.
*
* When there are too few, no retry is made: the call ends at once, with the reason of its last attempt, and the attempt
* that was not made stands in its history as `BudgetSpent`. A hedge is left out, and its call goes on.
*
* The tokens belong to the layer that builds the integration, and all its operations draw on them. With `across` they are
* those of `layerBudget`, which several integrations share.
*
* **Example** (A bucket for a provider of which little is asked)
*
* ```ts
* import { Policy } from "breakwater"
*
* const policy = Policy.standard({ budget: { capacity: 100, refund: 2 } })
*
* policy.layers.map((layer) => layer.slot).includes("budget") // => true
* ```
*
* @category layers
* @since 0.1.0
*/
const budget = (options = {}) => {
	if (options.across !== void 0) return across(options.across);
	const form = bucketForm(options);
	const { settings } = form;
	return layerOf$2(options.name ?? "budget", form, {
		settings: {
			BUDGET_CAPACITY: {
				kind: "number",
				value: settings.capacity
			},
			BUDGET_TRANSIENT_COST: {
				kind: "number",
				value: settings.transientCost
			},
			BUDGET_THROTTLED_COST: {
				kind: "number",
				value: settings.throttledCost
			},
			BUDGET_HEDGE_COST: {
				kind: "number",
				value: settings.hedgeCost
			},
			BUDGET_REFUND: {
				kind: "number",
				value: settings.refund
			},
			BUDGET_STOP_AT: {
				kind: "number",
				value: settings.stopAt
			}
		},
		tune: (values) => budget({
			...options,
			capacity: values.BUDGET_CAPACITY ?? settings.capacity,
			transientCost: values.BUDGET_TRANSIENT_COST ?? settings.transientCost,
			throttledCost: values.BUDGET_THROTTLED_COST ?? settings.throttledCost,
			hedgeCost: values.BUDGET_HEDGE_COST ?? settings.hedgeCost,
			refund: values.BUDGET_REFUND ?? settings.refund,
			stopAt: values.BUDGET_STOP_AT ?? settings.stopAt
		}).layers[0]
	}, Effect.sync(form.make));
};
/**
* A budget that is a part of the calls: each call allows a fifth of a retry for 10 seconds, and beside that 10 retries a
* second are free (Finagle). A hedge may use what calls have brought, and nothing of what is free.
*
* **When to use**
*
* Use it where calls are many and steady: extra load never exceeds the ratio, whether the provider fails or is healed. The
* bucket of `budget` lets more through while retries succeed, and next to nothing while they don't.
*
* @category layers
* @since 0.1.0
*/
const budgetRatio = (options = {}) => {
	const form = ratioForm(options);
	const { settings } = form;
	return layerOf$2(options.name ?? "budget", form, {
		settings: {
			BUDGET_RATIO: {
				kind: "number",
				value: settings.ratio
			},
			BUDGET_FLOOR: {
				kind: "number",
				value: settings.floorPerSecond
			},
			BUDGET_TTL: {
				kind: "duration",
				value: settings.ttl
			}
		},
		tune: (values) => budgetRatio({
			...options,
			ratio: values.BUDGET_RATIO ?? settings.ratio,
			floor: `${values.BUDGET_FLOOR ?? settings.floorPerSecond} per second`,
			ttl: values.BUDGET_TTL ?? settings.ttl
		}).layers[0]
	}, Effect.sync(form.make));
};
/**
* Tokens that several integrations share: each has `Policy.budget({ across: name })`, and this layer is provided to all.
*
* **When to use**
*
* Use it where two integrations load the same provider, for example with two credentials.
*
* **Details**
*
* One layer value is one bucket, two layers are two, as with every layer: keep it as a constant. An integration that names
* a budget which is not provided fails its build with a `PolicyError`, and so do numbers that make no sense.
*
* **Example** (Two integrations, one bucket)
*
* ```ts
* import { Policy } from "breakwater"
*
* const shared = Policy.shared({ budget: { across: "acme" } }) // for both integrations
* const acmeBudget = Policy.layerBudget("acme", { capacity: 300 }) // Layer.provide(acmeBudget) for both layers
*
* shared.layers[0]!.describe // => "the tokens of acme, together with other integrations"
* ```
*
* @category layers
* @since 0.1.0
*/
const layerBudget = (name, options = {}) => {
	const form = "ratio" in options || "floor" in options || "ttl" in options ? ratioForm(options) : bucketForm(options);
	return Layer.effect(provided(name), form.problems.length === 0 ? Effect.sync(form.make) : Effect.fail(new PolicyError({
		integration: name,
		operation: "(layer of a budget)",
		problems: [...form.problems]
	})));
};

// dist/internal/breakerMetrics.js
const names = names$3;
/** What a circuit is to whoever looks at it. One that is forced closed is closed. */
const words = [
	"closed",
	"open",
	"half_open",
	"forced_open"
];
/**
* The metrics of one breaker. A key that calls bring along may have any number of values: of those circuits only the
* number of open ones is told.
*/
var BreakerMetrics = class {
	own;
	byKey;
	gauges = /* @__PURE__ */ new Map();
	counters = /* @__PURE__ */ new Map();
	count;
	constructor(integration, name, byKey) {
		this.own = {
			[names.integration]: integration,
			[names.policyName]: name
		};
		this.byKey = byKey;
		this.count = Metric.gauge(names.breakerOpen, {
			description: "Circuits of a breaker that are not closed",
			attributes: {
				...this.own,
				unit: "{circuit}"
			}
		});
	}
	/** Sets what a circuit is. */
	state(key, word, context) {
		if (!this.byKey) return;
		let gauges = this.gauges.get(key);
		if (gauges === void 0) {
			gauges = words.map((state) => [state, Metric.gauge(names.breakerState, {
				description: "Whether a circuit is in this state: 1 or 0",
				attributes: labelsFor(context, names.breakerState, {
					...this.own,
					[names.breakerKey]: key,
					[names.breakerState]: state,
					unit: "{circuit}"
				}, { name: names.overflow })
			})]);
			this.gauges.set(key, gauges);
		}
		for (const [state, gauge] of gauges) gauge.updateUnsafe(state === word ? 1 : 0, context);
	}
	/** Sets how many circuits are not closed. */
	open(count, context) {
		if (!this.byKey) this.count.updateUnsafe(count, context);
	}
	moved(from, to, context) {
		const id = `${from} ${to}`;
		let counter = this.counters.get(id);
		if (counter === void 0) {
			counter = Metric.counter(names.breakerTransitions, {
				description: "Changes of a circuit's state",
				incremental: true,
				attributes: {
					...this.own,
					[names.breakerFrom]: from,
					[names.breakerTo]: to,
					unit: "{transition}"
				}
			});
			this.counters.set(id, counter);
		}
		counter.updateUnsafe(1, context);
	}
};

// dist/internal/breakerGuard.js
const keyOf = (keyed, call) => typeof keyed === "string" ? keyed : keyed(call);
const ignored = make$2("DeadlineExceeded");
const timedOut = make$2("Timeout");
/** A deadline that cuts an attempt short says nothing about the provider, unless the attempt had its full limit. */
const cut = (call) => call.cutBy === "deadline" && call.hasFullLimit ? timedOut : ignored;
/**
* What an attempt that was admitted when it `began` says about the provider. Its own waits for a permit or the rate are
* none of the provider's time. One that the deadline cut was slow by then, if it was; a stream is as slow as its first
* byte; whether one that a caller gave up would have been, nobody knows.
*/
const findingOf = (exit, call, probe, began, rules, fiber, now) => {
	const reason = Exit.isSuccess(exit) ? void 0 : Exit.hasInterrupts(exit) ? cut(call) : reasonOf(exit.cause, call);
	const health = reason === void 0 ? "success" : reason.health === "probe" ? probe ? "success" : "ignored" : reason.health;
	return {
		health,
		slow: rules.slow !== void 0 && (health !== "ignored" || call.cutBy === "deadline" && Exit.hasInterrupts(exit)) && (call.stream?.answeredAt ?? now) - began - call.queued > rules.slow.after,
		random: fiber.getRef(Random.Random).nextDoubleUnsafe(),
		hint: reason?.retryAfter === void 0 ? 0 : Duration.toMillis(reason.retryAfter)
	};
};
/** Why an attempt is turned away. `left` is in milliseconds, `Infinity` while a probe runs. */
const rejection = (key, left) => {
	if (left === Infinity) return make$2("CircuitOpen", { message: `the circuit ${key} is half-open and probing` });
	const whole = Math.ceil(left);
	return make$2("CircuitOpen", {
		message: `the circuit ${key} is open for another ${format(whole)}`,
		retryAfter: Duration.millis(whole)
	});
};
/** Turns an attempt away, or tells that it would have and lets it go on, unrecorded. */
const turnAway = (site, step, call, reason, now) => {
	site.decided(call, "rejected", now);
	return site.mode() === "observe" ? step(call) : Effect.fail(reason);
};
/** What an operator has forced on a circuit, if anything. */
const forcedStep = (circuits, site, step, call, key, fiber) => {
	const forced = circuits.forced(key);
	if (forced === void 0) return void 0;
	return forced === "closed" ? step(call) : turnAway(site, step, call, make$2("CircuitOpen", { message: `the circuit ${key} is forced open by an operator` }), nowOf(fiber));
};
/** A breaker whose circuits are in this process: nothing of it waits. */
const guard$1 = (circuits, site, keyed) => (step) => (call) => Effect.withFiber((fiber) => {
	const key = keyOf(keyed, call);
	const forced = forcedStep(circuits, site, step, call, key, fiber);
	if (forced !== void 0) return forced;
	let ticket;
	let began = 0;
	const settle = (exit, now) => {
		if (ticket === void 0) return;
		const finding = findingOf(exit, call, ticket.state === "HalfOpen", began, circuits.rules, fiber, now);
		const became = circuits.put(key, ticket, finding, now, fiber.context);
		ticket = void 0;
		if (became !== void 0) site.decided(call, became, now);
	};
	return Effect.onExit(Effect.suspend(() => {
		const now = nowOf(fiber);
		const taken = circuits.take(key, now, fiber.context);
		if (typeof taken === "number") return turnAway(site, step, call, rejection(key, taken), now);
		ticket = taken;
		began = now;
		if (call.stream !== void 0 && taken.state === "HalfOpen") call.stream.onElement = (now) => settle(Exit.void, now);
		return step(call);
	}), (exit) => Effect.sync(() => settle(exit, nowOf(fiber))));
});

// dist/internal/circuit.js
const noWindow = {
	bits: [],
	next: 0,
	filled: 0,
	marked: 0
};
/** The window with one more outcome, of which it keeps `size`. */
const push = (self, size, mark) => {
	const bits = self.bits.slice();
	const word = self.next >>> 5;
	const bit = 1 << (self.next & 31);
	const dropped = (bits[word] & bit) !== 0;
	bits[word] = mark ? bits[word] | bit : bits[word] & ~bit;
	return {
		bits,
		next: self.next + 1 === size ? 0 : self.next + 1,
		filled: Math.min(size, self.filled + 1),
		marked: self.marked + (mark ? 1 : 0) - (dropped ? 1 : 0)
	};
};
/** Whether enough outcomes are known, and the share of the marked ones has reached the threshold, which is above 0. */
const reached = (self, threshold, minimumCalls) => self.filled >= minimumCalls && self.marked / self.filled >= threshold;
/** A circuit that nothing is known about. `generation` is one that no circuit of this key has had. */
const fresh = (now, generation) => ({
	state: "Closed",
	generation,
	lastActivity: now,
	streak: 0,
	failures: noWindow,
	slow: noWindow,
	openUntil: 0,
	openings: 0,
	lastOpenFor: 0,
	resetAt: 0,
	probing: false
});
/** Whether nobody has used it for so long that it is forgotten. A running probe keeps it. */
const isIdle = (self, now, idle) => self.state === "Open" ? now - Math.max(self.lastActivity, self.openUntil) >= idle : !self.probing && now - self.lastActivity >= idle;
/** How long it turns attempts away: 0 for not at all, `Infinity` while its probe runs, which nobody knows the end of. */
const shutFor = (self, now) => self.state === "Open" ? Math.max(0, self.openUntil - now) : self.probing ? Infinity : 0;
/**
* The circuit with one more attempt, which `shutFor` let pass. It is also that attempt's ticket: by its generation the
* outcome is told from those of another time, and in state `HalfOpen` the attempt is the probe.
*/
const admit = (self, now, generation) => {
	if (self.state !== "Closed") return {
		...self,
		state: "HalfOpen",
		probing: true,
		generation,
		lastActivity: now
	};
	if (self.openings > 0 && now >= self.resetAt) return {
		...self,
		openings: 0,
		lastActivity: now
	};
	return self.lastActivity === now ? self : {
		...self,
		lastActivity: now
	};
};
/**
* For how long the n-th opening in a row lasts. Equal jitter: a second process must not probe in the same instant. A hint
* is taken up to the own open time.
*/
const openTime = (rules, openings, random, hint) => {
	const longest = Math.min(rules.maxOpenFor, rules.openFor * 2 ** (openings - 1));
	return Math.max(longest / 2 + random * longest / 2, Math.min(hint, longest));
};
/** Whether the outcomes that a closed circuit knows open it. */
const trips = (rules, self) => self.streak >= rules.consecutive || rules.rate !== void 0 && reached(self.failures, rules.rate.threshold, rules.rate.minimumCalls) || rules.slow !== void 0 && reached(self.slow, rules.slow.rate, rules.slow.minimumCalls);
/**
* The circuit after an attempt that it admitted with `ticket`. `generation` is a new one, for a change of state.
*
* A slow probe opens it anew where slow attempts count, or a provider that is only slow would close it each time. What is
* ignored for its outcome may still have been slow.
*/
const record = (self, rules, ticket, finding, now, generation) => {
	if (self.generation !== ticket.generation) return self;
	const { health, slow } = finding;
	const open = () => {
		const lastOpenFor = openTime(rules, ticket.openings + 1, finding.random, finding.hint);
		return {
			...fresh(now, generation),
			state: "Open",
			openUntil: now + lastOpenFor,
			openings: self.openings + 1,
			lastOpenFor,
			resetAt: self.resetAt
		};
	};
	if (self.state === "HalfOpen") {
		if (health === "failure" || slow) return open();
		if (health === "ignored") return {
			...self,
			lastActivity: now,
			probing: false
		};
		return {
			...fresh(now, generation),
			openUntil: self.openUntil,
			openings: self.openings,
			lastOpenFor: self.lastOpenFor,
			resetAt: now + self.lastOpenFor
		};
	}
	const counts = health !== "ignored";
	const failed = health === "failure";
	const streak = !counts ? self.streak : failed ? self.streak + 1 : 0;
	const failures = counts && rules.rate !== void 0 ? push(self.failures, rules.rate.size, failed) : self.failures;
	const slower = rules.slow !== void 0 && (counts || slow) ? push(self.slow, rules.slow.size, slow) : self.slow;
	const next = {
		...self,
		lastActivity: now,
		streak,
		failures,
		slow: slower
	};
	return trips(rules, next) ? open() : next;
};

// dist/internal/circuits.js
/** How long a circuit that nobody uses is remembered, and how often the forgotten ones are looked for. */
const idle = 36e5;
const sweepEvery = 6e5;
const wordOf = (circuit) => circuit.state === "Closed" ? "closed" : circuit.state === "Open" ? "open" : "half_open";
/**
* The circuits of one breaker in this process, by key, and what an operator forced. With a store that processes share,
* they are what this process last saw of it.
*/
var Circuits = class {
	"~breakwater/BreakerControl" = true;
	rules;
	metrics;
	/** Of whoever built the layer: what an operator forces is told there. */
	services;
	entries = /* @__PURE__ */ new Map();
	/** Keys that exist before any call: those that no call brings along. */
	known = /* @__PURE__ */ new Set();
	forcedKeys = /* @__PURE__ */ new Map();
	forcedAll = void 0;
	shut = /* @__PURE__ */ new Set();
	generations = 0;
	swept = 0;
	constructor(rules, metrics, services) {
		this.rules = rules;
		this.metrics = metrics;
		this.services = services;
	}
	/** Reads one circuit as Effect's store does. */
	store = { state: (key) => Effect.map(Clock.currentTimeMillis, (now) => {
		const circuit = this.at(key, now);
		if (circuit === void 0 || circuit.state === "Closed") return {
			_tag: "Closed",
			key
		};
		const { openings: consecutiveOpenings } = circuit;
		return circuit.state === "Open" ? {
			_tag: "Open",
			key,
			retryAfter: Duration.millis(shutFor(circuit, now)),
			consecutiveOpenings
		} : {
			_tag: "HalfOpen",
			key,
			probing: circuit.probing,
			consecutiveOpenings
		};
	}) };
	/** A ticket for an attempt, or for how long it is turned away. */
	take(key, now, services) {
		this.sweep(now, services);
		const circuit = this.at(key, now) ?? fresh(now, this.next());
		const left = shutFor(circuit, now);
		if (left > 0) return left;
		return this.set(key, admit(circuit, now, this.next()), services);
	}
	/** Takes an outcome to the circuit that admitted the attempt, and says what became of it. */
	put(key, ticket, finding, now, services) {
		const circuit = this.at(key, now);
		if (circuit === void 0) return void 0;
		const next = record(circuit, this.rules, ticket, finding, now, this.next());
		this.set(key, next, services);
		return next.state === circuit.state ? void 0 : next.state === "Open" ? "opened" : "closed";
	}
	/** Writes down what another process may have made of a circuit. */
	learn(key, now, services, what) {
		this.sweep(now, services);
		const circuit = this.at(key, now) ?? fresh(now, this.next());
		return this.set(key, {
			...circuit,
			...what,
			lastActivity: now
		}, services);
	}
	at(key, now) {
		const circuit = this.entries.get(key)?.circuit;
		return circuit === void 0 || isIdle(circuit, now, idle) ? void 0 : circuit;
	}
	/** Whether an attempt is sure to pass. A half-open circuit may need its one probe for a call of its own. */
	isClosed(key, now) {
		const forced = this.forced(key);
		return forced === void 0 ? (this.at(key, now)?.state ?? "Closed") === "Closed" : forced === "closed";
	}
	forced(key) {
		return this.forcedKeys.get(key) ?? this.forcedAll;
	}
	/** Tells of a circuit that no call has used yet. */
	know(key) {
		this.known.add(key);
		this.metrics.state(key, this.entries.get(key)?.word ?? "closed", this.services);
	}
	circuits = () => [.../* @__PURE__ */ new Set([
		...this.known,
		...this.entries.keys(),
		...this.forcedKeys.keys()
	])].map((key) => ({
		key,
		state: this.entries.get(key)?.circuit.state ?? "Closed",
		forced: this.forced(key)
	}));
	force = (key, to) => {
		const keys = key === void 0 ? this.circuits().map((circuit) => circuit.key) : [key];
		if (key === void 0) {
			this.forcedAll = to;
			this.forcedKeys.clear();
		} else if (to === void 0) this.forcedKeys.delete(key);
		else this.forcedKeys.set(key, to);
		for (const one of keys) this.set(one, this.entries.get(one)?.circuit ?? fresh(0, this.next()), this.services);
	};
	/** A number that no circuit has had. */
	next() {
		return this.generations++;
	}
	set(key, circuit, services) {
		const forced = this.forced(key);
		const word = forced === void 0 ? wordOf(circuit) : forced === "open" ? "forced_open" : "closed";
		const before = this.entries.get(key)?.word;
		this.entries.set(key, {
			circuit,
			word
		});
		if (before !== word) this.tell(key, word, services);
		if ((before ?? "closed") !== word) this.metrics.moved(before ?? "closed", word, services);
		return circuit;
	}
	tell(key, word, services) {
		this.metrics.state(key, word, services);
		if (word === "closed") this.shut.delete(key);
		else this.shut.add(key);
		this.metrics.open(this.shut.size, services);
	}
	sweep(now, services) {
		if (now - this.swept < sweepEvery) return;
		this.swept = now;
		for (const [key, { circuit }] of this.entries) {
			if (!isIdle(circuit, now, idle) || this.forced(key) !== void 0) continue;
			this.entries.delete(key);
			this.tell(key, "closed", services);
		}
	}
};

// dist/internal/circuitStore.js
/** How long a call waits for the store, in milliseconds. */
const patience$1 = 100;
/** For how long a store that did not answer in time is left alone, unless it answers after all. */
const leftAlone = 1e3;
const warnEvery$1 = 6e4;
/**
* The circuits of one breaker in a store that processes share. What this process last saw of them, and what an operator
* forced, is in `local`, and so are the slow attempts: the store has no such rule, so each process counts its own, and
* opens the circuit for all.
*/
var StoredCircuits = class {
	"~breakwater/BreakerControl" = true;
	store;
	local;
	circuits;
	force;
	integration;
	name;
	leftAloneUntil = 0;
	warnedAt = -Infinity;
	constructor(store, local, integration, name) {
		this.store = store;
		this.local = local;
		this.circuits = local.circuits;
		this.force = local.force;
		this.integration = integration;
		this.name = name;
	}
	/** Asks for admission: `true`, for how long the circuit is shut, or `undefined` for a store that can't say. */
	ask(visit, fiber) {
		return Effect.suspend(() => {
			if (nowOf(fiber) < this.leftAloneUntil) return Effect.undefined;
			const scope = visit.scope = Scope.makeUnsafe();
			const asked = Effect.runForkWith(fiber.context)(Scope.provide(this.store.admit(this.keyOf(visit.key)), scope));
			visit.asked = asked;
			const exit = asked.pollUnsafe();
			if (exit !== void 0) return Effect.succeed(this.read(visit, exit, fiber));
			return cutAfter(Effect.map(Fiber.await(asked), (exit) => this.read(visit, exit, fiber)), patience$1, () => {
				this.tooLate(asked, fiber);
				this.giveBack(visit, fiber);
				return Effect.undefined;
			});
		});
	}
	/** Gives back what the store admitted, or will have, for an attempt that is not made. */
	giveBack(visit, fiber) {
		const { asked, scope } = visit;
		if (asked === void 0 || scope === void 0) return;
		visit.asked = void 0;
		const { context } = fiber;
		asked.addObserver((exit) => {
			const back = Exit.isSuccess(exit) ? this.store.record({
				key: this.keyOf(visit.key),
				generation: exit.value.generation,
				outcome: "Ignored",
				tripPolicy: this.policy,
				openFor: Duration.zero
			}) : Effect.void;
			Effect.runForkWith(context)(Effect.ignoreCause(Effect.ensuring(back, Scope.close(scope, Exit.void))));
		});
	}
	/** Records what an attempt came to. The call waits for it as long as for the admission, and never past its deadline. */
	record(visit, exit, call, site, fiber) {
		const now = nowOf(fiber);
		const admission = visit.admission;
		const finding = findingOf(exit, call, admission.probe, visit.began, this.local.rules, fiber, now);
		const recording = Effect.runForkWith(fiber.context)(Effect.ensuring(this.recordIn(visit, admission, finding, now, fiber), Scope.close(visit.scope, Exit.void)));
		const tell = (recorded, teller = fiber, ended = false) => {
			if (Exit.isFailure(recorded)) return this.warn("record", teller);
			const transition = recorded.value;
			if (transition === void 0) return Effect.void;
			const at = nowOf(teller);
			this.local.learn(visit.key, at, teller.context, {
				state: transition.to,
				slow: noWindow,
				openUntil: transition.to === "Open" ? at + Duration.toMillis(transition.retryAfter) : 0
			});
			if (!ended) site.decided(call, transition.to === "Open" ? "opened" : "closed", at);
			return Effect.void;
		};
		const { context } = fiber;
		const tellLater = () => recording.addObserver((recorded) => {
			Effect.runForkWith(context)(Effect.withFiber((teller) => tell(recorded, teller, true)));
		});
		const recorded = recording.pollUnsafe();
		if (recorded !== void 0) return tell(recorded);
		const wait = Math.min(patience$1, call.deadline - now);
		if (Exit.hasInterrupts(exit) || !(wait > 0)) {
			tellLater();
			return Effect.void;
		}
		return Effect.flatten(cutAfter(Effect.map(Fiber.await(recording), (recorded) => tell(recorded)), wait, () => {
			if (wait === patience$1) this.tooLate(recording, fiber);
			tellLater();
			return Effect.succeed(this.warn("record", fiber));
		}));
	}
	/** Tells that the store failed, once a minute. What it failed with may hold an address, and stays out of the log. */
	warn(what, fiber) {
		const now = nowOf(fiber);
		if (now - this.warnedAt < warnEvery$1) return Effect.void;
		this.warnedAt = now;
		return Effect.logWarning(`${this.integration}: the store of the breaker ${this.name} did not ${what} an attempt; this is told once a minute`);
	}
	get policy() {
		const { consecutive, rate } = this.local.rules;
		return rate === void 0 ? {
			_tag: "Consecutive",
			failures: consecutive
		} : {
			_tag: "Rate",
			...rate
		};
	}
	keyOf(key) {
		return `${this.integration}:${this.name}:${key}`;
	}
	read(visit, exit, fiber) {
		const now = nowOf(fiber);
		const learn = (what) => this.local.learn(visit.key, now, fiber.context, what);
		if (Exit.isSuccess(exit)) {
			const { generation, probe } = visit.admission = exit.value;
			visit.began = now;
			const renewed = this.local.at(visit.key, now)?.generation !== generation;
			learn({
				state: probe ? "HalfOpen" : "Closed",
				generation,
				...renewed ? { slow: noWindow } : {}
			});
			return true;
		}
		visit.asked = void 0;
		Effect.runForkWith(fiber.context)(Scope.close(visit.scope, Exit.void));
		const reason = answerOf$1(exit);
		if (reason === void 0) return void 0;
		if (reason._tag === "CircuitOpen") {
			const left = Duration.toMillis(reason.retryAfter);
			learn({
				state: "Open",
				openUntil: now + left
			});
			return left;
		}
		learn({ state: "HalfOpen" });
		return Infinity;
	}
	recordIn(visit, { consecutiveOpenings, generation, probe }, finding, now, fiber) {
		const { rules } = this.local;
		const slow = this.isTooSlow(visit.key, probe, generation, finding, now, fiber);
		const failed = finding.health === "failure" || slow;
		const outcome = failed ? "Failure" : finding.health === "success" ? "Success" : "Ignored";
		const put = (tripPolicy) => this.store.record({
			key: this.keyOf(visit.key),
			generation,
			outcome,
			tripPolicy,
			openFor: Duration.millis(openTime(rules, consecutiveOpenings + 1, finding.random, finding.hint))
		});
		if (slow && !probe) return put({
			_tag: "Consecutive",
			failures: 1
		});
		if (!failed || rules.rate === void 0) return put(this.policy);
		return Effect.flatMap(put(this.policy), (transition) => transition === void 0 ? put({
			_tag: "Consecutive",
			failures: 2 * rules.consecutive
		}) : Effect.succeed(transition));
	}
	isTooSlow(key, probe, generation, finding, now, fiber) {
		const rule = this.local.rules.slow;
		if (rule === void 0 || probe) return finding.slow;
		const circuit = this.local.at(key, now);
		if (circuit?.generation !== generation || finding.health === "ignored" && !finding.slow) return false;
		const slow = push(circuit.slow, rule.size, finding.slow);
		this.local.learn(key, now, fiber.context, { slow });
		return reached(slow, rule.rate, rule.minimumCalls);
	}
	/** Leaves the store alone for a while. A late answer ends that: then it is only slow. */
	tooLate(waiting, fiber) {
		this.leftAloneUntil = nowOf(fiber) + leftAlone;
		waiting.addObserver((exit) => {
			if (Exit.isSuccess(exit) || answerOf$1(exit) !== void 0) this.leftAloneUntil = 0;
		});
	}
};
/** Why the store turned an attempt away, unless it failed itself. */
const answerOf$1 = (exit) => {
	const error = Exit.findErrorOption(exit);
	const reason = error._tag === "Some" ? error.value.reason : void 0;
	return reason === void 0 || reason._tag === "CircuitBreakerStoreError" ? void 0 : reason;
};
/** A breaker whose circuits are in a store. */
const guardStored = (circuits, site, keyed, onStoreError) => (step) => (call) => Effect.withFiber((fiber) => {
	const key = keyOf(keyed, call);
	const forced = forcedStep(circuits.local, site, step, call, key, fiber);
	if (forced !== void 0) return forced;
	const visit = {
		key,
		asked: void 0,
		scope: void 0,
		admission: void 0,
		began: 0
	};
	return Effect.onExit(Effect.flatMap(circuits.ask(visit, fiber), (answer) => {
		const now = nowOf(fiber);
		if (answer === true) return step(call);
		if (answer !== void 0) return turnAway(site, step, call, rejection(key, answer), now);
		const reason = make$2("CircuitOpen", { message: `the store of the circuit ${key} can't be reached` });
		const goOn = onStoreError === "allow" ? step(call) : turnAway(site, step, call, reason, now);
		return Effect.andThen(circuits.warn("admit", fiber), goOn);
	}), (exit) => {
		if (visit.admission !== void 0) return circuits.record(visit, exit, call, site, fiber);
		circuits.giveBack(visit, fiber);
		return Effect.void;
	});
});

// dist/internal/breakerRules.js
const windowProblems = (what, share, value, size, minimumCalls) => [
	...value > 0 && value <= 1 ? [] : [`${what}.${share} must be in (0, 1], got ${value}`],
	...Number.isInteger(size) && size >= 1 ? [] : [`${what}.size must be an integer of at least 1, got ${size}`],
	...Number.isInteger(minimumCalls) && minimumCalls >= 1 && minimumCalls <= size ? [] : [`${what}.minimumCalls must be in [1, ${size}] (${what.split(" ").at(-1)}.size), got ${minimumCalls}`]
];
const rateOf = ({ threshold = .5, size = 20, minimumCalls = size } = {}) => ({
	threshold,
	size,
	minimumCalls
});
const slowOf = ({ after, rate = .5, size = 20, minimumCalls = size }) => ({
	after: check("the breaker's slow.after", after),
	rate,
	size,
	minimumCalls
});
/** The numbers with their defaults, and what is wrong with them. */
const rulesOf = (options) => {
	const first = check("the breaker's openFor", options.openFor ?? 1e3);
	const max = check("the breaker's maxOpenFor", options.maxOpenFor ?? 5e3);
	const slow = options.slow === void 0 ? void 0 : slowOf(options.slow);
	const rules = {
		consecutive: options.consecutive ?? 5,
		rate: options.rate === false ? void 0 : rateOf(options.rate),
		slow: slow === void 0 ? void 0 : {
			...slow,
			after: slow.after.millis
		},
		openFor: first.millis,
		maxOpenFor: max.millis
	};
	const problems = [
		first.problem,
		max.problem,
		slow?.after.problem
	].filter((problem) => problem !== void 0);
	if (!Number.isInteger(rules.consecutive) || rules.consecutive < 1) problems.push(`the breaker's consecutive must be an integer of at least 1, got ${rules.consecutive}`);
	if (rules.rate !== void 0) {
		const { minimumCalls, size, threshold } = rules.rate;
		problems.push(...windowProblems("the breaker's rate", "threshold", threshold, size, minimumCalls));
	}
	if (rules.slow !== void 0) {
		const { minimumCalls, rate, size } = rules.slow;
		problems.push(...windowProblems("the breaker's slow", "rate", rate, size, minimumCalls));
	}
	if (rules.openFor > rules.maxOpenFor) {
		const [first, longest] = formatBoth(rules.openFor, rules.maxOpenFor);
		problems.push(`the breaker's openFor of ${first} is longer than its maxOpenFor of ${longest}`);
	}
	return {
		rules,
		problems
	};
};
/** The numbers by their names in a configuration. */
const tunableOf$1 = (options, { consecutive, maxOpenFor, openFor, rate, slow }, layer) => {
	const setting = (kind, value) => ({
		kind,
		value
	});
	return {
		settings: {
			BREAKER_CONSECUTIVE: setting("integer", consecutive),
			BREAKER_OPEN_FOR: setting("duration", openFor),
			BREAKER_MAX_OPEN_FOR: setting("duration", maxOpenFor),
			BREAKER_RATE_THRESHOLD: setting("number", rate?.threshold),
			BREAKER_RATE_SIZE: setting("integer", rate?.size),
			BREAKER_RATE_MINIMUM_CALLS: setting("integer", rate?.minimumCalls),
			BREAKER_SLOW_AFTER: setting("duration", slow?.after),
			BREAKER_SLOW_RATE: setting("number", slow?.rate),
			BREAKER_SLOW_SIZE: setting("integer", slow?.size),
			BREAKER_SLOW_MINIMUM_CALLS: setting("integer", slow?.minimumCalls)
		},
		tune: (values) => {
			const of = (window, prefix) => ({
				size: values[`${prefix}_SIZE`] ?? window?.size,
				minimumCalls: values[`${prefix}_MINIMUM_CALLS`] ?? window?.minimumCalls
			});
			const given = (prefix) => Object.keys(values).some((key) => key.startsWith(prefix));
			const share = options.rate || void 0;
			const after = values.BREAKER_SLOW_AFTER ?? options.slow?.after;
			return layer({
				...options,
				consecutive: values.BREAKER_CONSECUTIVE ?? options.consecutive,
				openFor: values.BREAKER_OPEN_FOR ?? options.openFor,
				maxOpenFor: values.BREAKER_MAX_OPEN_FOR ?? options.maxOpenFor,
				rate: options.rate === false && !given("BREAKER_RATE_") ? false : {
					...of(share, "BREAKER_RATE"),
					threshold: values.BREAKER_RATE_THRESHOLD ?? share?.threshold
				},
				slow: after === void 0 ? void 0 : {
					...of(options.slow, "BREAKER_SLOW"),
					after,
					rate: values.BREAKER_SLOW_RATE ?? options.slow?.rate
				}
			});
		}
	};
};

// dist/internal/keyed.js
/** The kind of a key, for settings and plans. */
const kindOf = (key) => typeof key === "function" ? "call" : key ?? "integration";
/** What a plan says of it. */
const describeKey = (key) => {
	const kind = kindOf(key);
	return kind === "integration" ? "" : kind === "call" ? ", by a key of the call" : `, for each ${kind}`;
};
/** A key that every call of an operation has, or the function that reads it from the call. */
const keyAt = (what, key, site) => {
	if (typeof key === "function") return Effect.succeed(key);
	if (key === "operation") return Effect.succeed(site.operation);
	if (key !== "host") return Effect.succeed(site.integration);
	return site.host === void 0 ? Effect.fail(new PolicyError({
		integration: site.integration,
		operation: site.operation,
		problems: [`${what} is split by host, but the operation has none: give another key, or a fixed base URL`]
	})) : Effect.succeed(site.host);
};

// dist/PolicyBreaker.js
/**
* The circuit breaker: after enough failures, calls are turned away until one probe succeeds.
*
* @since 0.1.0
*/
const CircuitBreakerStore = Context.Service("effect/persistence/CircuitBreaker/CircuitBreakerStore");
/**
* Turns attempts away while the provider is failing.
*
* **When to use**
*
* Once per integration, among its `shared` layers. It spares a provider that is down, and callers the wait for it.
*
* **When not to use**
*
* For a provider whose failures have nothing to do with each other, as where each tenant has a server of its own: there,
* give a `key`. It is no limit of load: use a bulkhead or a rate limit.
*
* **Details**
*
* The circuit opens after `consecutive` failures in a row (default 5), when `rate` of the last `size` attempts failed
* (default half of 20), or when a share of them was `slow` (not looked at by default). It stays open for `openFor` (default
* 1 second), doubling to `maxOpenFor` (5 seconds), each less up to half of it by chance; then one probe decides. It counts
* attempts, not calls: standing inside retry it opens after 3 attempts of one call where a breaker outside would need 3
* calls. What counts as a failure is in the outcome table of `Reason`; local rejections never do. The time of an attempt
* begins when it has its permits.
*
* `key` splits it into circuits, by operation, host, or what a function reads from the call; circuits that are idle for an
* hour are forgotten. Breakers with one `name` are one breaker, for all operations of an integration.
*
* With `store: "environment"` circuits are in the `CircuitBreakerStore` of Effect that the integration's layer is given,
* under `<integration>:<name>:<key>`. A store that fails never changes what a call ends with: attempts go on unrecorded,
* and a warning says so once a minute.
*
* A rejection is `CircuitOpen`: `NotSent`, and with the time after which a probe is let through as its `retryAfter`. In
* mode `observe` the circuits live as they would, and what would have been turned away goes on unrecorded.
*
* **Example** (A breaker that also opens for a slow provider)
*
* ```ts
* import { Policy } from "breakwater"
*
* export const shared = Policy.shared({
*   breaker: Policy.breaker({ consecutive: 10, slow: { after: "3 seconds", rate: 0.8 }, key: "operation" })
* })
* ```
*
* @category layers
* @since 0.1.0
*/
const breaker = (options) => fromLayers([layer$2(options ?? {})]);
const layer$2 = (options) => {
	const name = options.name ?? "breaker";
	const { problems, rules } = rulesOf(options);
	const { rate, slow } = rules;
	const stored = options.store === "environment";
	const onStoreError = options.onStoreError ?? "allow";
	const kind = kindOf(options.key);
	const settings = {
		...rules,
		key: kind === "integration" ? void 0 : kind,
		store: stored ? options.store : void 0,
		onStoreError: stored && onStoreError !== "allow" ? onStoreError : void 0
	};
	return attemptLayer({
		slot: "circuitBreaker",
		name,
		describe: `opens at ${rules.consecutive} failures in a row${rate === void 0 ? "" : ` or ${rate.threshold * 100} % of ${rate.size}`}${slow === void 0 ? "" : ` or ${slow.rate * 100} % of ${slow.size} slower than ${format(slow.after)}`}, for ${format(rules.openFor)} to ${format(rules.maxOpenFor)}${describeKey(options.key)}${stored ? ", in a store that processes share" : ""}`,
		problems,
		tunable: tunableOf$1(options, rules, layer$2),
		settings,
		build: (site) => Effect.flatMap(keyAt("the breaker", options.key, site), (keyed) => Effect.flatMap(stateOf(site, name, settings, rules, stored, kind !== "call"), (state) => Effect.sync(() => {
			const circuits = state instanceof StoredCircuits ? state.local : state;
			if (typeof keyed === "string") circuits.know(keyed);
			site.clear.push((call, now) => site.mode() !== "enforce" || circuits.isClosed(typeof keyed === "string" ? keyed : keyed(call), now));
			return state instanceof StoredCircuits ? guardStored(state, site, keyed, onStoreError) : guard$1(state, site, keyed);
		})))
	});
};
const stateOf = (site, name, settings, rules, stored, byKey) => Effect.contextWith((context) => {
	const store = stored ? Context.getOrUndefined(context, CircuitBreakerStore) : void 0;
	if (stored && store === void 0) return Effect.fail(new PolicyError({
		integration: site.integration,
		operation: site.operation,
		problems: ["the breaker's circuits are to be in the environment's store, but there is none: provide CircuitBreaker.layerStoreRedis() of effect/persistence, over a Redis, to this layer"]
	}));
	return site.shared(`breaker ${name}`, settings, Effect.sync(() => {
		const circuits = new Circuits(rules, new BreakerMetrics(site.integration, name, byKey), context);
		return store === void 0 ? circuits : new StoredCircuits(store, circuits, site.integration, name);
	}));
});

// dist/internal/permits.js
/**
* Permits and a queue, first come, first served. Every permit that is taken is given back, whatever ends the attempt.
*/
var Permits = class {
	/** Attempts that run, those over the limit included that were let through by a bulkhead that observes. */
	taken = 0;
	/** Of those, how many would have been turned away. */
	extra = 0;
	/** Who waits, in order: whether the bulkhead still enforces for them, and since when they wait, in epoch milliseconds. */
	waiting = /* @__PURE__ */ new Map();
	concurrency;
	queue;
	constructor(concurrency, queue) {
		this.concurrency = concurrency;
		this.queue = queue;
	}
	/** Takes a permit if one is free. */
	take(ticket) {
		if (this.taken >= this.concurrency) return false;
		this.taken++;
		ticket.held = true;
		return true;
	}
	/** Runs beyond the limit where need be, and says what enforcing would have done. */
	exceed(ticket) {
		this.letGo();
		const load = this.taken - this.extra;
		const decided = load < this.concurrency ? void 0 : load < this.concurrency + this.queue ? "waited" : "rejected";
		this.taken++;
		ticket.held = true;
		if (decided === "rejected") {
			this.extra++;
			ticket.extra = true;
		}
		return decided;
	}
	/** Gives a permit back. */
	release(ticket) {
		this.taken--;
		if (ticket.extra === true) this.extra--;
		this.letGo();
		for (const take of this.waiting.keys()) {
			if (this.taken >= this.concurrency) return;
			this.hand(take);
		}
	}
	get isFull() {
		return this.waiting.size >= this.queue;
	}
	/** Stands in the queue from now on: between looking whether it is full and joining it nobody else may come. */
	join(ticket, enforces, since) {
		const take = () => {
			ticket.held = true;
			ticket.wake?.();
		};
		this.waiting.set(take, {
			enforces,
			since
		});
		ticket.leave = () => void this.waiting.delete(take);
	}
	/** Waits for the permit of a ticket that has joined, however long that takes. */
	wait(ticket) {
		return Effect.callback((resume) => {
			if (ticket.held) return resume(Effect.void);
			ticket.wake = () => resume(Effect.void);
			return Effect.sync(() => ticket.leave?.());
		});
	}
	full() {
		return make$2("BulkheadFull", { message: `${this.concurrency} attempts are running and ${this.waiting.size} waiting, the most allowed` });
	}
	/** Lets those go on who wait from before the mode changed, or newcomers would overtake them for ever. */
	letGo() {
		for (const [take, { enforces }] of this.waiting) if (!enforces()) this.hand(take);
	}
	hand(take) {
		this.waiting.delete(take);
		this.taken++;
		take();
	}
};
/** The permits of one bulkhead by key. A key without an attempt has nothing to remember, and is dropped at once. */
var Bulkhead = class {
	concurrency;
	queue;
	keys = /* @__PURE__ */ new Map();
	constructor(concurrency, queue) {
		this.concurrency = concurrency;
		this.queue = queue;
	}
	/** The permits of a key. Whoever uses them calls `done` at the end. */
	of(key) {
		let permits = this.keys.get(key);
		if (permits === void 0) this.keys.set(key, permits = new Permits(this.concurrency, this.queue));
		return permits;
	}
	done(key, permits) {
		if (permits.taken === 0 && permits.waiting.size === 0 && this.keys.get(key) === permits) this.keys.delete(key);
	}
	/** Whether an attempt would get a permit at once. */
	isFree(key) {
		const permits = this.keys.get(key);
		return permits === void 0 || permits.taken < permits.concurrency;
	}
	/** How many keys have attempts. */
	get size() {
		return this.keys.size;
	}
	/** Attempts that run, of all keys. */
	get taken() {
		return [...this.keys.values()].reduce((sum, permits) => sum + permits.taken, 0);
	}
	/** Since when each attempt waits that waits now, of all keys, in epoch milliseconds. */
	waits() {
		return [...this.keys.values()].flatMap(({ waiting }) => [...waiting.values()].map(({ since }) => since));
	}
	/** Attempts that wait, of all keys. */
	get waiting() {
		return { size: [...this.keys.values()].reduce((sum, permits) => sum + permits.waiting.size, 0) };
	}
};

// dist/PolicyBulkhead.js
/**
* Bounds the attempts that run at once.
*
* **When to use**
*
* For a provider that allows only so many requests at once, or whose slowness must not tie up all of this process. As a
* `shared` layer it bounds all operations of an integration together.
*
* **When not to use**
*
* For a limit of requests per time: that is a rate limit. Not to stop calling a provider that is down: that is a breaker.
*
* **Details**
*
* Attempts over `concurrency` wait in a fair queue of at most `queue` (default: as many as may run); one more fails at
* once with `BulkheadFull`, which did not happen, and so does one that has waited for `maxWait`. The wait ends with the
* call's total deadline in any case. A permit is held by an attempt and never by a backoff. Bulkheads with one `name` share
* their permits over an integration's operations.
*
* In mode `observe` nothing waits and nothing is turned away; what runs is counted, so that a bulkhead that begins to
* enforce lets nobody in before enough of it has ended.
*
* **Example** (At most 10 requests at once for each host)
*
* ```ts
* import { Policy } from "breakwater"
*
* export const shared = Policy.shared({
*   bulkhead: { concurrency: 10, queue: 20, maxWait: "2 seconds", key: "host" }
* })
* ```
*
* @category layers
* @since 0.1.0
*/
const bulkhead = (options) => fromLayers([layer$1(options)]);
const layer$1 = (options) => {
	const name = options.name ?? "bulkhead";
	const { concurrency } = options;
	const queue = options.queue ?? concurrency;
	const longest = options.maxWait === void 0 ? void 0 : check("the bulkhead's maxWait", options.maxWait);
	const kind = kindOf(options.key);
	const settings = {
		concurrency,
		queue,
		maxWait: longest?.millis,
		key: kind === "integration" ? void 0 : kind
	};
	const problems = longest?.problem === void 0 ? [] : [longest.problem];
	if (!Number.isInteger(concurrency) || concurrency < 1) problems.push(`the bulkhead's concurrency must be an integer of at least 1, got ${concurrency}`);
	if (!Number.isInteger(queue) || queue < 0) problems.push(`the bulkhead's queue must be an integer of at least 0, got ${queue}`);
	return attemptLayer({
		slot: "bulkhead",
		name,
		describe: `at most ${concurrency} attempts at once, ${queue} more may wait${longest === void 0 ? "" : ` for ${format(longest.millis)}`}${describeKey(options.key)}`,
		problems,
		tunable: tunableOf(options, longest?.millis),
		settings,
		build: (site) => Effect.flatMap(keyAt("the bulkhead", options.key, site), (keyed) => {
			const keyOf = typeof keyed === "string" ? () => keyed : keyed;
			return Effect.map(site.shared(`bulkhead ${name}`, settings, Effect.sync(() => new Bulkhead(concurrency, queue))), (state) => {
				site.clear.push((call) => site.mode() !== "enforce" || state.isFree(keyOf(call)));
				return limit(state, site, name, keyOf, longest?.millis ?? Infinity);
			});
		})
	});
};
const limit = (state, site, name, keyOf, maxWait) => {
	const attributes = {
		[names$3.integration]: site.integration,
		[names$3.policyName]: name
	};
	const running = Metric.gauge(names$3.bulkheadRunning, {
		description: "Attempts that hold a permit",
		attributes: {
			...attributes,
			unit: "{attempt}"
		}
	});
	const waiting = Metric.gauge(names$3.bulkheadWaiting, {
		description: "Attempts that wait for a permit",
		attributes: {
			...attributes,
			unit: "{attempt}"
		}
	});
	return (step) => (call) => Effect.withFiber((fiber) => {
		const asked = nowOf(fiber);
		const ticket = { held: false };
		let key;
		let permits;
		let counted;
		const count = (gauge) => {
			counted?.modifyUnsafe(-1, fiber.context);
			counted = gauge;
			gauge?.modifyUnsafe(1, fiber.context);
		};
		const go = () => {
			count(running);
			call.queued += nowOf(fiber) - asked;
			return step(call);
		};
		return Effect.onExit(Effect.suspend(() => {
			key = keyOf(call);
			permits = state.of(key);
			if (site.mode() === "observe") {
				const decided = permits.exceed(ticket);
				if (decided !== void 0) site.decided(call, decided, asked);
				return go();
			}
			if (permits.take(ticket)) return go();
			if (permits.isFull) {
				site.decided(call, "rejected", asked);
				return Effect.fail(permits.full());
			}
			site.decided(call, "waited", asked);
			permits.join(ticket, () => site.mode() === "enforce", asked);
			count(waiting);
			return Effect.flatMap(within(permits, ticket, maxWait, call, site, asked), go);
		}), () => {
			if (permits === void 0) return Effect.void;
			if (counted !== running) call.queued += nowOf(fiber) - asked;
			count(void 0);
			ticket.leave?.();
			if (ticket.held) permits.release(ticket);
			state.done(key, permits);
			return Effect.void;
		});
	});
};
/** Waits for a permit, but no longer than it may. */
const within = (permits, ticket, maxWait, call, site, asked) => cutAfter(permits.wait(ticket), maxWait, () => {
	if (ticket.held) return Effect.void;
	site.decided(call, "rejected", asked + maxWait);
	return Effect.fail(make$2("BulkheadFull", { message: `no permit within ${format(maxWait)}: ${permits.concurrency} attempts are running, the most allowed` }));
});
const tunableOf = (options, maxWait) => ({
	settings: {
		BULKHEAD_CONCURRENCY: {
			kind: "integer",
			value: options.concurrency
		},
		BULKHEAD_QUEUE: {
			kind: "integer",
			value: options.queue ?? options.concurrency
		},
		BULKHEAD_MAX_WAIT: {
			kind: "duration",
			value: maxWait
		}
	},
	tune: (values) => layer$1({
		...options,
		concurrency: values.BULKHEAD_CONCURRENCY ?? options.concurrency,
		queue: values.BULKHEAD_QUEUE ?? options.queue,
		maxWait: values.BULKHEAD_MAX_WAIT ?? options.maxWait
	})
});

// dist/internal/rateTokens.js
/** The environment's store, if there is one. */
const findStore = Effect.serviceOption(RateLimiter.RateLimiterStore);
/** A store of its own: layers are memoised by reference, and one would be everybody's. */
const memoryStore = Effect.scoped(Effect.map(Layer.build(Layer.fresh(RateLimiter.layerStoreMemory)), (context) => Context.get(context, RateLimiter.RateLimiterStore)));
/**
* The tokens of one key in a store of Effect's, and the last that is known of them. Without a shared store, one in memory
* for this key alone: Effect's forgets no key, so each is dropped with its store.
*
* A fixed window is a key of its own in the store, and begins at a multiple of its length since the epoch. The windows of
* Effect's limiter begin with a token and end the earlier the fewer are taken, so up to twice the limit would pass in the
* time of one.
*/
var Tokens = class {
	key;
	settings;
	shared;
	refillRate;
	refill;
	own;
	ownWindow = -1;
	/** The window whose key in the store lives to the window's end. */
	keptWindow = -1;
	/** What was there, and since when: for estimates, which need no look into the store. */
	level;
	since;
	without = /* @__PURE__ */ new Set();
	epoch = 0;
	constructor(key, settings, shared, now) {
		this.key = key;
		this.settings = settings;
		this.shared = shared;
		this.refillRate = Duration.millis(settings.window / settings.limit);
		this.refill = Duration.toMillis(this.refillRate);
		this.level = settings.limit;
		this.since = now;
	}
	get isWindow() {
		return this.settings.algorithm === "fixed-window";
	}
	windowAt(now) {
		return Math.floor(now / this.settings.window);
	}
	endOf(window) {
		return (window + 1) * this.settings.window;
	}
	/** Whether the window's key is in the store, or none is needed. */
	isKept(now) {
		return !this.isWindow || this.keptWindow === this.windowAt(now);
	}
	/** What is there at a time, as far as is known. */
	available(now) {
		const { limit } = this.settings;
		if (this.isWindow) return this.windowAt(now) === this.windowAt(this.since) ? this.level : limit;
		return Math.min(limit, this.level + this.cameBack(this.since, now));
	}
	cameBack(since, now) {
		return Math.max(0, Math.floor((now - since) / this.refill));
	}
	/** How long until all these may pass, one after the other. */
	estimate(costs, now) {
		const { limit, window } = this.settings;
		let room = this.available(now);
		if (!this.isWindow) {
			const total = costs.reduce((sum, cost) => sum + cost, 0);
			if (total <= room) return 0;
			return room >= limit ? Math.ceil(Math.ceil(total - limit) * this.refill) : Math.max(1, Math.ceil(this.since + Math.ceil(total - this.level) * this.refill - now));
		}
		let windows = 0;
		for (const cost of costs) {
			if (cost > room) {
				windows++;
				room = limit;
			}
			room -= cost;
		}
		return windows === 0 ? 0 : this.endOf(this.windowAt(now)) - now + (windows - 1) * window;
	}
	get store() {
		if (this.shared !== void 0) return Effect.succeed(this.shared);
		if (this.own !== void 0) return Effect.succeed(this.own);
		return Effect.map(memoryStore, (made) => this.own ??= made);
	}
	/** Takes these tokens if they are all there: zero, or how long they are short and nothing was taken. */
	take(tokens, without) {
		return this.isWindow ? this.moveInWindow(tokens, true) : this.moveInBucket(tokens, true, without);
	}
	/** Takes more than there is. */
	force(tokens, without) {
		return Effect.asVoid(this.isWindow ? this.moveInWindow(tokens, false) : this.moveInBucket(tokens, false, without));
	}
	/** Gives back of what an attempt took, all but its cost. */
	giveBack(taken, cost, window, without) {
		return withNow((now) => {
			if (this.isWindow) return this.windowAt(now) === window ? Effect.asVoid(this.moveInWindow(cost - taken, false)) : Effect.void;
			const { limit } = this.settings;
			this.refillWithout(without, now);
			const since = this.since + this.cameBack(this.since, now) * this.refill;
			const back = Math.min(taken, without.level - this.available(now)) - cost;
			const early = without.level < limit && without.since - since > .001 ? 1 : 0;
			return back - early > 0 ? Effect.asVoid(this.moveInBucket(early - back, false)) : Effect.void;
		});
	}
	/** Ends the bookkeeping of an attempt. */
	forget(without) {
		this.without.delete(without);
	}
	refillWithout(without, now) {
		const came = this.cameBack(without.since, now);
		without.level = Math.min(this.settings.limit, without.level + came);
		without.since = without.level >= this.settings.limit ? now : without.since + came * this.refill;
	}
	moveInBucket(tokens, strict, without) {
		return Effect.flatMap(this.store, (store) => withNow((now) => Effect.zipWith(Effect.orDie(store.tokenBucket({
			key: this.key,
			tokens,
			limit: this.settings.limit,
			refillRate: this.refillRate,
			allowOverflow: !strict
		})), withNow(Effect.succeed), ([remaining, elapsed], after) => {
			const denied = strict && remaining < 0;
			const byOthers = this.shared === void 0 ? 0 : Math.max(0, this.available(after) - remaining - tokens);
			this.level = denied ? remaining + tokens : remaining;
			this.since = now - elapsed;
			if (!denied) {
				for (const other of this.without) {
					this.refillWithout(other, now);
					other.level -= tokens + byOthers;
				}
				if (without !== void 0) {
					without.level = remaining + tokens;
					without.since = this.since;
					this.without.add(without);
				}
			}
			return denied ? Math.max(1, Math.ceil(Math.ceil(-remaining) * this.refill - elapsed)) : 0;
		})));
	}
	moveInWindow(tokens, strict) {
		return withNow((now) => {
			const { limit } = this.settings;
			const window = this.windowAt(now);
			const left = this.endOf(window) - now;
			if (this.ownWindow !== window) {
				this.own = void 0;
				this.ownWindow = window;
			}
			const refillRate = this.keptWindow === window || tokens <= 0 ? Duration.zero : Duration.millis((left + 1e3) / tokens);
			return Effect.flatMap(Effect.flatMap(this.store, (store) => Effect.orDie(store.fixedWindow({
				key: `${this.key}:${window}`,
				tokens,
				refillRate,
				limit: strict ? limit : void 0
			}))), ([count, ttl]) => withNow((after) => {
				const denied = strict && count > limit;
				if (ttl >= left) this.keptWindow = window;
				this.level = Math.min(limit, limit - (denied ? count - tokens : count));
				this.since = now;
				if (denied) return Effect.succeed(Math.max(1, this.endOf(window) - after));
				return strict && this.windowAt(after) !== window ? this.moveInWindow(tokens, true) : Effect.succeed(0);
			}));
		});
	}
	/**
	* How long all processes were told to pause. Nothing is counted in Effect's adaptive state: what is learned here is the
	* provider's word, and not a guess of its limit.
	*/
	readPause(store) {
		const { limit, window } = this.settings;
		return Effect.map(Effect.orDie(store.adaptiveConsume({
			key: this.key,
			tokens: 0,
			fallbackLimit: limit,
			fallbackWindow: Duration.millis(window)
		})), ({ delay, epoch }) => {
			this.epoch = epoch;
			return Math.ceil(Duration.toMillis(delay));
		});
	}
	/** Tells all processes to pause. The newest epoch goes with it: an answer from before the last pause counts too. */
	tellPause(store, millis) {
		return Effect.flatMap(this.readPause(store), () => Effect.orDie(store.adaptiveFeedback({
			key: this.key,
			epoch: this.epoch,
			tokens: 0,
			status: 429,
			retryAfter: Duration.millis(millis)
		})));
	}
};

// dist/internal/rate.js
/** A provider is believed for an hour, as in Effect's store. Then one attempt finds out. */
const longestPause = 36e5;
/** How long a store that others share may take to answer, and how often it is told that it does not. */
const patience = 100;
const warnEvery = 6e4;
/** One attempt at the gate. */
var Ticket = class {
	cost;
	/** Until when it waits. */
	giveUpAt;
	/** Since when it waits, in epoch milliseconds. */
	since = 0;
	/** Whether its tokens were taken, and from which window. */
	taken = false;
	window = 0;
	without = {
		level: 0,
		since: 0
	};
	/** The number of the provider's word on what is left, when they were taken. */
	noted = 0;
	/** Whether it was let through, and whether it is over. */
	passed = false;
	ended = false;
	slept = false;
	wake = void 0;
	signalled = false;
	constructor(cost, giveUpAt) {
		this.cost = cost;
		this.giveUpAt = giveUpAt;
	}
};
/** All keys of one limiter. */
var Limiter = class {
	buckets = /* @__PURE__ */ new Map();
	name;
	settings;
	learn;
	/** The environment's store, for several processes. */
	shared;
	/** Whether the store did not answer the last time. Nobody waits for another then, to find out the same. */
	failing = false;
	sweepAt = 0;
	warnedAt = -Infinity;
	constructor(name, settings, learn, shared) {
		this.name = name;
		this.settings = settings;
		this.learn = learn;
		this.shared = shared;
	}
	bucket(key, now) {
		if (now >= this.sweepAt) {
			this.sweepAt = now + Math.min(6e4, Math.max(1e4, this.settings.window));
			for (const [name, bucket] of this.buckets) if (bucket.isIdle(now)) this.buckets.delete(name);
		}
		let bucket = this.buckets.get(key);
		if (bucket === void 0) this.buckets.set(key, bucket = new Bucket(this, key, now));
		return bucket;
	}
	/** Since when each attempt waits that waits now, of all keys, in epoch milliseconds. */
	waits() {
		return [...this.buckets.values()].flatMap((bucket) => bucket.waits());
	}
	/**
	* What a shared store answers. One that fails, dies or takes too long is as good as none: a limiter is no reason to
	* stop. It is not waited for, even where it can't be interrupted.
	*/
	ask(self, otherwise) {
		return Effect.flatMap(Effect.forkDetach(self, { startImmediately: true }), (asked) => Effect.flatMap(Effect.timeoutOption(Fiber.await(asked), patience), (exit) => {
			this.failing = Option.isNone(exit) || Exit.isFailure(exit.value);
			return Option.isSome(exit) && Exit.isSuccess(exit.value) ? Effect.succeed(exit.value.value) : Effect.as(this.warn(Option.isNone(exit) ? `took longer than ${patience} ms` : "failed"), otherwise);
		}));
	}
	warn(why) {
		return withNow((now) => {
			if (now - this.warnedAt < warnEvery) return Effect.void;
			this.warnedAt = now;
			return Effect.logWarning(`the store of the rate limit ${this.name} ${why}: attempts go through unbounded`);
		});
	}
};
/**
* One key: the attempts that wait for its tokens in the order of their arrival, and what the provider told.
*
* Nothing is taken before it is used: who is first asks for tokens without a debt, and sleeps as long as they are short.
* So a wait that is given up, or that would not fit, has nothing to give back. The others only wait to be first.
*/
var Bucket = class {
	tokens;
	limiter;
	queue = /* @__PURE__ */ new Set();
	/** Attempts that passed and have not ended. */
	running = 0;
	/** The provider asked for a pause. */
	closedUntil = 0;
	/** What the provider said is left, and until when. */
	left = Infinity;
	leftUntil = 0;
	noted = 0;
	/** In `observe`, with windows: what would wait for later ones. */
	backlog = 0;
	backlogWindow = 0;
	constructor(limiter, key, now) {
		this.limiter = limiter;
		this.tokens = new Tokens(`{${limiter.name}:${key}}`, limiter.settings, limiter.shared, now);
	}
	/** Until when the provider lets nothing of this cost through. */
	closedFor(cost) {
		return cost > this.left ? Math.max(this.closedUntil, this.leftUntil) : this.closedUntil;
	}
	isClear(cost, now) {
		return this.queue.size === 0 && this.closedFor(cost) <= now && this.tokens.available(now) >= cost;
	}
	/** Whether nothing would be lost with it. */
	isIdle(now) {
		return this.queue.size === 0 && this.running === 0 && Math.max(this.closedUntil, this.leftUntil) <= now && this.backlog <= Math.max(0, this.tokens.windowAt(now) - this.backlogWindow - 1) * this.limiter.settings.limit && this.tokens.available(now) >= this.limiter.settings.limit;
	}
	/** Since when each ticket waits that waits now. One that is asked for at the moment does not. */
	waits() {
		return [...this.queue].filter(({ slept }) => slept).map(({ since }) => since);
	}
	waitFor(ticket, now) {
		const costs = [];
		for (const other of this.queue) {
			if (other === ticket) break;
			costs.push(other.cost);
		}
		costs.push(ticket.cost);
		return Math.max(this.tokens.estimate(costs, now), this.closedFor(ticket.cost) - now, 0);
	}
	/** Waits for the tokens of a ticket and takes them, or fails at once where that would take too long. */
	acquire(ticket) {
		return withNow((now) => {
			ticket.since = now;
			const first = this.queue.size === 0;
			if (!first) {
				const wait = this.waitFor(ticket, now);
				if (now + wait > ticket.giveUpAt) return this.reject(ticket, wait);
			}
			const { failing, shared } = this.limiter;
			if (!first || shared === void 0 || !failing && !this.tokens.isKept(now)) this.queue.add(ticket);
			return this.turn(ticket);
		});
	}
	turn(ticket) {
		return withNow((now) => {
			ticket.wake = void 0;
			ticket.signalled = false;
			const opens = this.closedFor(ticket.cost);
			if (opens > ticket.giveUpAt) return this.reject(ticket, this.waitFor(ticket, now));
			if (this.queue.size > 0 && this.head !== ticket && !this.limiter.failing) {
				const last = ticket.giveUpAt + (this.limiter.shared === void 0 ? 0 : patience);
				return now > last ? this.reject(ticket, this.waitFor(ticket, now)) : this.sleep(ticket, last + 1);
			}
			if (opens > now) return this.sleep(ticket, opens);
			return Effect.flatMap(this.take(ticket, now), (wait) => withNow((after) => {
				if (wait === 0) {
					ticket.passed = true;
					this.running++;
					this.remove(ticket);
					return Effect.void;
				}
				return after + wait > ticket.giveUpAt ? this.reject(ticket, wait) : this.sleep(ticket, after + wait);
			}));
		});
	}
	get head() {
		return this.queue.values().next().value;
	}
	sleep(ticket, until) {
		this.queue.add(ticket);
		ticket.slept = true;
		const slept = Effect.withFiber((fiber) => cutAfter(Effect.callback((resume) => {
			if (ticket.signalled) return resume(Effect.void);
			ticket.wake = () => resume(Effect.void);
		}), until - nowOf(fiber), () => Effect.void));
		return Effect.flatMap(slept, () => Effect.flatMap(Effect.yieldNow, () => this.turn(ticket)));
	}
	wake(ticket) {
		if (ticket === void 0) return;
		if (ticket.wake === void 0) ticket.signalled = true;
		else ticket.wake();
	}
	reject(ticket, wait) {
		this.remove(ticket);
		return Effect.fail(make$2("RateLimited", {
			message: `the own rate limit is spent for another ${format(wait)}`,
			retryAfter: Duration.millis(Math.ceil(wait))
		}));
	}
	/** Takes a ticket out of the queue; who is first then goes on. */
	remove(ticket) {
		const first = this.head === ticket;
		this.queue.delete(ticket);
		if (first) this.wake(this.head);
	}
	/** Takes the tokens of a ticket if all are there. Zero, or how long to wait. */
	take(ticket, now) {
		const taken = Effect.flatMap(this.tokens.take(ticket.cost, ticket.without), (wait) => withNow((after) => {
			if (wait > 0) return Effect.succeed(wait);
			this.took(ticket, after);
			return ticket.ended ? Effect.as(this.correct(ticket, 0), 0) : Effect.succeed(0);
		}));
		const { learn, shared } = this.limiter;
		if (shared === void 0) return Effect.uninterruptible(taken);
		const asked = learn ? Effect.flatMap(this.tokens.readPause(shared), (pause) => {
			if (pause > 0) this.closedUntil = Math.max(this.closedUntil, now + pause);
			return pause > 0 ? Effect.succeed(pause) : taken;
		}) : taken;
		return Effect.map(this.limiter.ask(asked, 0), (wait) => {
			if (this.limiter.failing) for (const other of this.queue) this.wake(other);
			return wait;
		});
	}
	took(ticket, now) {
		ticket.taken = true;
		ticket.window = this.tokens.windowAt(now);
		ticket.noted = this.noted;
		this.left -= ticket.cost;
	}
	/**
	* What `acquire` would have done, for `observe`: the attempt goes on at once, and its tokens are taken in a bucket that
	* may owe.
	*/
	shadow(ticket) {
		const { limit, algorithm, window } = this.limiter.settings;
		const decide = withNow((now) => {
			const opens = this.closedFor(ticket.cost);
			const tried = opens > now || this.backlog > 0 ? Effect.succeed(1) : this.tokens.take(ticket.cost, ticket.without);
			return Effect.flatMap(tried, (short) => {
				ticket.passed = true;
				this.running++;
				if (short === 0) {
					this.took(ticket, now);
					return Effect.undefined;
				}
				const queued = Math.floor(this.backlog / limit) * window;
				if (now + Math.max(opens - now, this.tokens.estimate([ticket.cost], now) + queued) > ticket.giveUpAt) return Effect.succeed("rejected");
				if (algorithm === "fixed-window") {
					this.backlog += ticket.cost;
					this.backlogWindow = this.tokens.windowAt(now);
					return Effect.succeed("waited");
				}
				ticket.taken = true;
				return Effect.as(this.tokens.force(ticket.cost, ticket.without), "waited");
			});
		});
		const decided = Effect.andThen(this.settleBacklog, decide);
		return this.limiter.shared === void 0 ? Effect.uninterruptible(decided) : this.limiter.ask(decided, void 0);
	}
	/** What waited for the windows that have begun meanwhile has had its turn. */
	settleBacklog = withNow((now) => {
		const { limit } = this.limiter.settings;
		const window = this.tokens.windowAt(now);
		const begun = window - this.backlogWindow;
		if (begun <= 0) return Effect.void;
		const took = Math.min(limit, this.backlog - (begun - 1) * limit);
		this.backlog = Math.max(0, this.backlog - begun * limit);
		this.backlogWindow = window;
		return took > 0 ? this.tokens.force(took) : Effect.void;
	});
	/** Ends a ticket: out of the queue, or no longer running. What was taken and is not the cost goes back. */
	end(ticket, cost) {
		ticket.ended = true;
		this.remove(ticket);
		if (ticket.passed) this.running--;
		return this.correct(ticket, cost ?? ticket.cost);
	}
	/** Gives back what an attempt did not cost, or takes what it cost more. */
	correct(ticket, cost) {
		if (!ticket.taken) return Effect.void;
		this.tokens.forget(ticket.without);
		const more = cost - ticket.cost;
		if (cost === 0 && ticket.noted === this.noted) this.left += ticket.cost;
		if (more > 0) return this.outside(this.tokens.force(more));
		if (more === 0) return Effect.void;
		const back = this.tokens.giveBack(ticket.cost, cost, ticket.window, ticket.without);
		return Effect.map(this.outside(back), () => this.wake(this.head));
	}
	/** Lets nothing through for as long as the provider asked. */
	close(millis, now) {
		const pause = Math.min(millis, longestPause);
		if (!(pause > 0)) return Effect.void;
		this.closedUntil = Math.max(this.closedUntil, now + pause);
		for (const ticket of this.queue) this.wake(ticket);
		return this.tell(pause);
	}
	/** Notes what the provider says is left until its reset. The newest answer counts. */
	note(left, resetAfter, now) {
		const pause = Math.min(resetAfter, longestPause);
		this.left = left;
		this.noted++;
		this.leftUntil = now + pause;
		for (const ticket of this.queue) if (ticket === this.head || ticket.cost > left && this.leftUntil > ticket.giveUpAt) this.wake(ticket);
		return left <= 0 && pause > 0 ? this.tell(pause) : Effect.void;
	}
	tell(pause) {
		const { shared } = this.limiter;
		return shared === void 0 ? Effect.void : this.outside(this.tokens.tellPause(shared, pause));
	}
	/** A shared store learns what it must, and no attempt waits for that. */
	outside(self) {
		return this.limiter.shared === void 0 ? self : Effect.asVoid(Effect.forkDetach(this.limiter.ask(self, void 0), { startImmediately: true }));
	}
};

// dist/PolicyRateLimit.js
/**
* The rate limit: how many attempts may start in a time, and what the provider says of it.
*
* @since 0.1.0
*/
const guard = (built, step) => {
	const { cost, gauge, keyOf, limiter, maxWait, site } = built;
	const room = site.limits.attemptTimeout ?? 0;
	const { limit } = limiter.settings;
	return (call) => Effect.withFiber((fiber) => {
		const asked = nowOf(fiber);
		const observing = site.mode() === "observe";
		const price = typeof cost === "number" ? cost : cost(call);
		if (!(price >= 0 && price <= limit)) {
			site.decided(call, "rejected", asked);
			return observing ? step(call) : Effect.fail(tooDear(price, limit));
		}
		const key = typeof keyOf === "string" ? keyOf : keyOf(call);
		const bucket = limiter.bucket(observing ? `observe:${key}` : key, asked);
		const latest = call.deadline - Math.min(room, (call.deadline - asked) / 2);
		const ticket = new Ticket(price, Math.min(asked + maxWait, latest));
		const begin = () => {
			if (ticket.slept) {
				waited(call, fiber, asked);
				site.decided(call, "waited", nowOf(fiber));
			}
			gauge?.updateUnsafe(bucket.tokens.available(nowOf(fiber)), fiber.context);
			if (limiter.learn) call.learns = true;
			return step(call);
		};
		const entered = observing ? Effect.flatMap(bucket.shadow(ticket), (decided) => {
			if (decided !== void 0) site.decided(call, decided, nowOf(fiber));
			return begin();
		}) : Effect.flatMap(bucket.acquire(ticket), begin);
		return Effect.onExit(entered, (exit) => {
			if (!ticket.passed) {
				if (ticket.slept) waited(call, fiber, asked);
				if (Exit.isFailure(exit) && !Exit.hasInterrupts(exit)) site.decided(call, "rejected", nowOf(fiber));
			}
			const sent = call.phase !== "waiting";
			if (!ticket.passed || !sent) return bucket.end(ticket, 0);
			return limiter.learn ? learn(bucket, ticket, call, exit, nowOf(fiber)) : bucket.end(ticket, void 0);
		});
	});
};
const waited = (call, fiber, asked) => {
	const wait = nowOf(fiber) - asked;
	call.queued += wait;
	call.queuedForRate += wait;
};
const tooDear = (cost, limit) => make$2("RateLimited", {
	message: cost > limit ? `it costs ${cost}, and the limit is ${limit}: it could never start` : `\`cost\` returned ${cost}, no number of at least 0`,
	transient: false
});
/** Ends an attempt and adapts to what its answer told: its cost, what is left, and whether to pause. */
const learn = (bucket, ticket, call, exit, now) => {
	const { limit } = call;
	const reason = Exit.isFailure(exit) && !Exit.hasInterrupts(exit) ? reasonOf(exit.cause, call) : void 0;
	const throttled = reason !== void 0 && (reason._tag === "Throttled" || reason.status === 429);
	const { cost, remaining, resetAfter } = limit ?? {};
	const ended = bucket.end(ticket, cost !== void 0 && cost >= 0 && cost < Infinity && !throttled ? cost : void 0);
	const noted = remaining === void 0 || !(remaining >= 0) || resetAfter === void 0 ? ended : Effect.andThen(ended, bucket.note(remaining, Duration.toMillis(resetAfter), now));
	return throttled && reason.retryAfter !== void 0 ? Effect.andThen(noted, bucket.close(Duration.toMillis(reason.retryAfter), now)) : noted;
};
/**
* Bounds the attempts that start in a time.
*
* **When to use**
*
* Use it where the provider documents a limit, and where it tells what is left of one: attempts then wait for their turn
* instead of being thrown away with a 429. One limit is for all operations of the integration (`shared`), or for each key.
*
* **When not to use**
*
* It does not bound what runs at once: that is `bulkhead`, which stands inside. It protects the provider, not this
* process: for requests that come in, limit them where they come in.
*
* **Details**
*
* Attempts that come too early wait in the order of their arrival, as long as the wait fits into `maxWait` and leaves
* room for an attempt before the deadline: its timeout, or half of what is left where that is less. What can't fit fails at
* once as `RateLimited` with `retryAfter`: it did not happen, and the retry policy decides about it as about any other
* reason. Neither a rejection nor a wait that is given up takes a token, and an attempt that never left this process (the
* bulkhead was full, the credentials failed) gives its back.
*
* With `learn` it reads the headers that `Reason.limitFromHeaders` knows, and `limit` of a verdict: what is left until the
* reset bounds the attempts until then, a 429 with `Retry-After` closes the key until then (an hour at most), and a cost
* other than estimated is corrected.
*
* The tokens are in Effect's `RateLimiterStore`. In memory each layer has its own; `environment` shares those of a store
* such as Redis between processes. A store that fails or takes longer than 100 milliseconds lets attempts through, with a
* warning once a minute.
*
* **Example** (Fifty requests a second, and a wait of two seconds at most)
*
* ```ts
* import { Policy } from "breakwater"
*
* export const shared = Policy.rateLimit({ limit: 50, window: "1 second", maxWait: "2 seconds" })
* ```
*
* @category layers
* @since 0.1.0
*/
const rateLimit = (options) => {
	const name = options.name ?? "rateLimit";
	const { limit } = options;
	const window = check("the rate limit's window", options.window);
	const maxWait = options.maxWait === void 0 ? void 0 : check("the rate limit's maxWait", options.maxWait, { zero: true });
	const algorithm = options.algorithm ?? "token-bucket";
	const cost = options.cost ?? 1;
	const learns = options.learn ?? true;
	const store = options.store ?? "memory";
	const problems = [window.problem, maxWait?.problem].filter((problem) => problem !== void 0);
	if (!Number.isInteger(limit) || limit < 1) problems.push(`the rate limit's limit must be an integer of at least 1, got ${limit}`);
	else if (typeof cost === "number" && !(cost > 0 && cost <= limit)) problems.push(`the rate limit's cost must be above 0 and at most its limit of ${limit}, got ${cost}`);
	const settings = {
		limit,
		window: window.millis,
		algorithm,
		key: kindOf(options.key),
		cost: typeof cost === "number" ? cost : "call",
		maxWait: maxWait?.millis ?? null,
		learn: learns,
		store
	};
	return fromLayers([attemptLayer({
		slot: "rateLimit",
		name,
		describe: `at most ${limit} ${cost === 1 ? "attempts" : "tokens"} start in ${format(window.millis)} (${algorithm})${describeKey(options.key)}${maxWait === void 0 ? "" : `, waiting ${format(maxWait.millis)} at most`}${store === "memory" ? "" : ", shared by all processes"}`,
		problems,
		settings,
		tunable: {
			settings: {
				RATE_LIMIT: {
					kind: "integer",
					value: limit
				},
				RATE_LIMIT_WINDOW: {
					kind: "duration",
					value: window.millis
				},
				RATE_LIMIT_MAX_WAIT: {
					kind: "duration",
					value: maxWait?.millis
				}
			},
			tune: (values) => rateLimit({
				...options,
				limit: values.RATE_LIMIT ?? limit,
				window: values.RATE_LIMIT_WINDOW ?? options.window,
				maxWait: values.RATE_LIMIT_MAX_WAIT ?? options.maxWait
			}).layers[0]
		},
		build: (site) => Effect.flatMap(Effect.all([keyAt("the rate limit", options.key, site), storeAt(site, name, store)]), ([keyOf, found]) => Effect.map(site.shared(`rateLimit ${name}`, settings, Effect.sync(() => {
			const owner = `${encodeURIComponent(site.integration)}:${encodeURIComponent(name)}`;
			return new Limiter(owner, {
				limit,
				window: window.millis,
				algorithm
			}, learns, found);
		})), (limiter) => {
			site.clear.push((call, now) => {
				if (site.mode() !== "enforce") return true;
				const key = typeof keyOf === "string" ? keyOf : keyOf(call);
				return limiter.buckets.get(key)?.isClear(typeof cost === "number" ? cost : cost(call), now) ?? true;
			});
			const gauge = typeof keyOf === "string" ? gaugeOf(site, name, options.key) : void 0;
			return (step) => guard({
				limiter,
				keyOf,
				cost,
				maxWait: maxWait?.millis ?? Infinity,
				site,
				gauge
			}, step);
		}))
	})]);
};
const storeAt = (site, name, store) => store === "memory" ? Effect.undefined : Effect.flatMap(findStore, (found) => Option.isSome(found) ? Effect.succeed(found.value) : Effect.fail(new PolicyError({
	integration: site.integration,
	operation: site.operation,
	problems: [`${name} keeps its tokens in the environment, but there is no RateLimiterStore: provide one to this layer, such as RateLimiter.layerStoreRedis()`]
})));
/** A key of the call has no gauge: nobody knows how many there are. */
const gaugeOf = (site, name, key) => Metric.gauge(names$3.rateLimiterRemaining, {
	description: "Tokens that are left of a rate limit, as of its last attempt",
	attributes: {
		[names$3.integration]: site.integration,
		[names$3.policyName]: name,
		...key === "operation" ? { [names$3.operation]: site.operation } : {},
		...key === "host" ? { [names$3.server]: site.host } : {},
		unit: "{token}"
	}
});

// dist/internal/retrying.js
/** A provider's hint is obeyed up to this much more than the policy's own delay. Source: AWS SDK retry behaviour. */
const hintAllowance = 5e3;
/** Repeats a step while another try may end differently, a repeat is safe, and there is something left to repeat with. */
const retrying = (site, maxAttempts, schedule, step) => {
	const warned = /* @__PURE__ */ new Set();
	const stop = (run, failure, stopped) => run.acts ? withNow((now) => Effect.fail(run.call.fail(failure.reason, stopped, now))) : Effect.fail(failure);
	const once = (run) => Effect.catch(step(run.call), (failure) => again(run, failure));
	const again = (run, failure) => {
		const { call } = run;
		if (!failure.reason.transient) return stop(run, failure, "not transient");
		if (call.stream?.progressed === true) return withNow((now) => repeat(goOn(run, now), failure));
		return repeat(run, failure);
	};
	/** A stream that went on before it was cut again is as good as new. */
	const goOn = (run, now) => {
		run.tries = 1;
		run.driver = void 0;
		if (run.allowance !== void 0 && !run.nested) run.allowance.left = run.allowance.attempts - 1;
		if (run.call.stream.resumed > 0) run.call.budget?.giveBack(now);
		return run;
	};
	const repeat = (run, failure) => {
		const { call } = run;
		call.budget?.failed(kindOf$1(failure.reason));
		if (call.repeat === "AtMostOnce" && !didNotHappen(call.outcome())) return stop(run, failure, "a repeat is not safe");
		if (run.tries >= maxAttempts) return stop(run, failure, "attempts are spent");
		if (run.allowance !== void 0 && run.allowance.left <= 0) return withNow((now) => {
			site.decided(call, "stopped", now);
			return stop(run, failure, run.nested ? "the retries of the call around it are spent" : "attempts are spent");
		});
		return run.driver === void 0 ? Effect.flatMap(Schedule.toStep(schedule), (made) => {
			run.driver = made;
			return wait(run, failure, run.driver);
		}) : wait(run, failure, run.driver);
	};
	const wait = (run, failure, driver) => Effect.withFiber((fiber) => Pull.matchEffect(driver(nowOf(fiber), failure), {
		onDone: () => stop(run, failure, "the schedule ended"),
		onFailure: (cause) => Effect.die(Cause.squash(cause)),
		onSuccess: ([, duration]) => {
			const { call } = run;
			const now = nowOf(fiber);
			const delay = Duration.toMillis(duration);
			const hint = failure.retryAfter === void 0 ? 0 : Duration.toMillis(failure.retryAfter);
			if (hint > delay + hintAllowance && failure.reason._tag !== "Truncated") return stop(run, failure, "the provider asked to wait longer than the policy waits");
			const reconcile = didNotHappen(call.outcome()) ? void 0 : site.reconcile;
			const settled = reconcile === void 0 ? 0 : (call.lastInDoubtAt ?? now) + Duration.toMillis(reconcile.settle) - now;
			const waiting = Math.max(delay, hint, settled);
			if (now + waiting >= call.deadline) return stop(run, failure, "no time is left for another attempt");
			if (call.firstSentAt !== void 0 && now + waiting + (site.limits.attemptTimeout ?? 0) + margin(site.lifetime) > call.firstSentAt + site.lifetime) return stop(run, failure, "the provider may forget the key before another attempt ends");
			if (call.budget !== void 0 && call.budget.withdraw(kindOf$1(failure.reason), now) === void 0) return spent(run, failure, now);
			site.decided(call, "retried", now);
			if (!run.acts) {
				call.budget?.giveBack(now);
				return Effect.fail(failure);
			}
			if (run.allowance !== void 0) run.allowance.left--;
			run.tries++;
			call.waiting = waiting;
			const span = fiber.cache.span;
			if (span?._tag === "Span") span.event(names$3.retryEvent, fiber.getRef(Clock.Clock).currentTimeNanosUnsafe(), {
				reason: failure.reason._tag,
				delay: waiting / 1e3,
				source: settled === waiting && settled > 0 ? "settle" : hint > delay ? "retry-after" : "backoff"
			});
			const next = () => reconcile === void 0 ? once(run) : look(run, failure, reconcile);
			return waiting > 0 ? Effect.flatMap(Effect.sleep(waiting), next) : next();
		}
	}));
	/** The attempt that is not made stands in the history; what the call failed with is still the provider's doing. */
	const spent = (run, failure, now) => {
		const { call } = run;
		site.decided(call, "stopped", now);
		if (!run.acts) return Effect.fail(failure);
		call.begin(now);
		call.end(make$2("BudgetSpent"), now);
		call.lastReason = failure.reason;
		return Effect.fail(call.fail(failure.reason, "the retry budget is spent", now));
	};
	/** Repeats only after a look that started late enough and found nothing. */
	const look = (run, failure, reconcile) => Effect.suspend(() => {
		const { allowance, call } = run;
		if (allowance !== void 0) allowance.looking = true;
		return Effect.matchCauseEffect(reconcile.find(call.input), {
			onFailure: (cause) => Cause.hasInterruptsOnly(cause) ? Effect.failCause(cause) : stop(run, failure, "whether it happened could not be looked up"),
			onSuccess: (found) => {
				if (allowance !== void 0) allowance.looking = false;
				return Option.match(found, {
					onSome: Effect.succeed,
					onNone: () => {
						if (call.outcome() === "Applied") return stop(run, failure, "a repeat is not safe");
						const last = call.attempts.length - 1;
						const attempt = call.attempts[last];
						const message = `${attempt.message}; looked up afterwards: it did not happen`;
						call.attempts[last] = {
							...attempt,
							message,
							outcome: "NotSent",
							resolves: true
						};
						return once(run);
					}
				});
			}
		});
	});
	/** Tells, once for each call around it, that both retry. */
	const warn = (inner, around) => {
		if (warned.has(around.name)) return void 0;
		note(inner, around);
		if (around.looking) return void 0;
		warned.add(around.name);
		return Effect.catchCause(Effect.logWarning(`${inner} is retried inside ${around.name}, which is retried too: together they make no more than the ${around.attempts - 1} retries of ${around.name}. Let one of them retry: give the other Policy.retryNever(reason)`), () => Effect.void);
	};
	return (call) => Effect.withFiber((fiber) => {
		const around = allowanceAround(fiber, call);
		call.budget ??= around?.budget;
		const acts = site.mode() !== "observe";
		if (around !== void 0) {
			const told = acts && maxAttempts > 1 ? warn(nameOf$3(call.integration, call.operation), around) : void 0;
			const run = once({
				call,
				allowance: around,
				nested: true,
				acts,
				tries: 1,
				driver: void 0
			});
			return told === void 0 ? run : Effect.andThen(told, run);
		}
		if (maxAttempts === 1 || !acts) return once({
			call,
			allowance: void 0,
			nested: false,
			acts,
			tries: 1,
			driver: void 0
		});
		const { hedges = 0 } = site.limits;
		const allowance = new Allowance(nameOf$3(call.integration, call.operation), maxAttempts, hedges, call.budget);
		return Effect.onExit(Effect.provideService(once({
			call,
			allowance,
			nested: false,
			acts,
			tries: 1,
			driver: void 0
		}), Current, allowance), () => {
			allowance.ended = true;
			return Effect.void;
		});
	});
};

// dist/PolicyRetry.js
/**
* Repeating a call: when another try may end differently, and a repeat is safe.
*
* @since 0.1.0
*/
/** The numbers of the schedules that `backoff` made, in milliseconds: what a configuration may replace. */
const numbers = /* @__PURE__ */ new WeakMap();
/**
* The delays between attempts: full jitter over an exponential base.
*
* **Details**
*
* The n-th delay is a random part of `min(cap, base · 2ⁿ)`. Default: 50 milliseconds after a transient failure, 1 second
* after being throttled and while an earlier attempt with the same key is at work, at most 20 seconds (AWS SDKs, 2026).
*
* @category schedules
* @since 0.1.0
*/
const backoff = (options) => {
	const base = Duration.toMillis(Duration.fromInputUnsafe(options?.base ?? 50));
	const throttledBase = Duration.toMillis(Duration.fromInputUnsafe(options?.throttledBase ?? 1e3));
	const cap = Duration.toMillis(Duration.fromInputUnsafe(options?.cap ?? 2e4));
	const schedule = Schedule.fromStep(Effect.sync(() => {
		let n = 0;
		return (_now, failure) => Effect.map(Random.next, (random) => {
			const first = kindOf$1(failure.reason) === "throttled" ? throttledBase : base;
			const delay = Duration.millis(random * Math.min(cap, first * 2 ** n++));
			return [delay, delay];
		});
	}));
	numbers.set(schedule, {
		base,
		throttledBase,
		cap
	});
	return schedule;
};
const problemsOf$1 = (maxAttempts, schedule) => {
	const problems = [];
	if (!Number.isInteger(maxAttempts) || maxAttempts < 1) problems.push(`maxAttempts must be a finite integer of at least 1, got ${maxAttempts}`);
	for (const [name, millis] of Object.entries(numbers.get(schedule) ?? {})) if (!(millis >= 0 && Number.isFinite(millis))) problems.push(`the backoff's ${name} must be finite and not negative, got ${format(millis)}`);
	return problems;
};
const describeWaits = (schedule) => {
	const known = numbers.get(schedule);
	return known === void 0 ? "waits as its schedule says" : `waits a random part of ${format(known.base)}, throttled of ${format(known.throttledBase)}, doubling to ${format(known.cap)}`;
};
const settingsOf = (maxAttempts, schedule) => {
	const known = numbers.get(schedule);
	const attempts = {
		kind: "integer",
		value: maxAttempts
	};
	return known === void 0 ? { MAX_ATTEMPTS: attempts } : {
		MAX_ATTEMPTS: attempts,
		BACKOFF_BASE: {
			kind: "duration",
			value: known.base
		},
		BACKOFF_THROTTLED_BASE: {
			kind: "duration",
			value: known.throttledBase
		},
		BACKOFF_CAP: {
			kind: "duration",
			value: known.cap
		}
	};
};
/**
* Repeats a call while another try may end differently and a repeat is safe.
*
* **Details**
*
* Two questions are asked of every failure. Is it transient: the outcome table says so. Is a repeat safe: the operation
* is safe or idempotent, or the call's outcome so far, over all attempts, is `NotSent` or `Refused`.
*
* `schedule` gives the delays; `maxAttempts` (default 3) counts the first attempt and bounds them all. A provider's
* `Retry-After` is never undercut: a hint longer than the delay by more than 5 seconds, or longer than the time left,
* ends the retries at once and is carried in the failure.
*
* A retry budget around it (`Policy.budget`) may end the retries of a call sooner. So does a retried call around it, whose
* `send` makes this one: the retries of both come out of the outer one's attempts, so that they don't multiply.
*
* With mode `observe` nothing is repeated, and telemetry tells of the first retry that would have been made. It can't tell
* of more: what a second attempt would have met is not known.
*
* Alone in a pipe nothing is known about the effect, so it is repeated only while it certainly did not happen, unless
* `repeats` says why a repeat is safe; `classify` says which of its errors are transient.
*
* @category layers
* @since 0.1.0
*/
const retry = (schedule = backoff(), options) => {
	const maxAttempts = options?.maxAttempts ?? 3;
	return standalone(callLayer({
		slot: "retry",
		name: "retry",
		describe: `up to ${maxAttempts} attempts: transient failures, where safe to repeat; ${describeWaits(schedule)}`,
		limits: { maxAttempts },
		problems: problemsOf$1(maxAttempts, schedule),
		tunable: {
			settings: settingsOf(maxAttempts, schedule),
			tune: (values) => {
				const known = numbers.get(schedule);
				return retry(known === void 0 ? schedule : backoff({
					base: values.BACKOFF_BASE ?? known.base,
					throttledBase: values.BACKOFF_THROTTLED_BASE ?? known.throttledBase,
					cap: values.BACKOFF_CAP ?? known.cap
				}), {
					...options,
					maxAttempts: values.MAX_ATTEMPTS ?? maxAttempts
				}).layers[0];
			}
		},
		build: (site) => Effect.succeed((step) => retrying(site, maxAttempts, schedule, step))
	}), (self) => Effect.withFiber((fiber) => {
		const now = nowOf(fiber);
		const record = alone("retry", now);
		const call = new CallRecord({
			...record,
			repeat: options?.repeats === void 0 ? "AtMostOnce" : "Idempotent"
		});
		const attempt = Effect.suspend(() => {
			call.sent(nowOf(fiber));
			return Effect.mapError(self, (error) => {
				if (isCallFailure(error)) return error.reason;
				const verdict = options?.classify?.(error);
				return verdict === void 0 ? make$2("Failed", {
					error,
					cause: error
				}) : make$2(verdict.reason, {
					...verdict,
					error,
					cause: error
				});
			});
		});
		return retrying(siteAlone, maxAttempts, schedule, boundary(siteAlone, () => attempt))(call);
	}));
};
/**
* The decision not to repeat, with the reason for it.
*
* @category layers
* @since 0.1.0
*/
const retryNever = (reason) => fromLayers([callLayer({
	slot: "retry",
	name: "retryNever",
	describe: `never repeated: ${reason}`,
	limits: { maxAttempts: 1 },
	build: () => Effect.succeed((step) => (call) => Effect.withFiber((fiber) => {
		call.budget ??= allowanceAround(fiber, call)?.budget;
		return step(call);
	}))
})]);

// dist/PolicyTimeout.js
/** Tells, when the effect has ended, that the limit would have cut it. */
const late = (self, call, limit, site) => Effect.onExit(self, () => withNow((now) => Effect.sync(() => now > limit && site.decided(call, "cut", limit))));
const deadlineOf = (call) => `the ${call.deadlineOf} of ${format(Math.max(0, call.deadline - call.startedAt))}`;
/**
* Bounds one attempt, from the first byte to the end of its body and decoding.
*
* **Details**
*
* An attempt that is cut takes the outcome of its phase: `NotSent` before it was sent, `Unknown` after, and what the
* status says once one was read. Less time than this may be left until the total deadline; then that deadline cuts the
* attempt and the breaker does not count it. Default in `standard`: 10 seconds (Polly's standard pipeline).
*
* **When not to use**
*
* A timeout on `HttpClient` ends at the response's headers, so a stalled body outlives it. Don't add one.
*
* @category layers
* @since 0.1.0
*/
const attemptTimeout = (limit) => {
	const { millis, problem } = check("the attempt timeout", limit);
	return standalone(attemptLayer({
		slot: "attemptTimeout",
		name: "attemptTimeout",
		describe: `each attempt ends within ${format(millis)}, body and decoding included`,
		limits: { attemptTimeout: millis },
		problems: problem === void 0 ? [] : [problem],
		tunable: {
			settings: { ATTEMPT_TIMEOUT: {
				kind: "duration",
				value: millis
			} },
			tune: (values) => attemptTimeout(values.ATTEMPT_TIMEOUT).layers[0]
		},
		build: (site) => Effect.succeed((step) => (call) => withNow((now) => {
			if (call.stream !== void 0) return attemptUntilAnswer(step, call, call.stream, millis, now, site);
			const left = call.deadline - now;
			if (site.mode() === "observe") {
				call.hasFullLimit = true;
				return late(step(call), call, now + millis, site);
			}
			call.attemptEndsBy = Math.min(call.deadline, now + millis);
			call.hasFullLimit = left >= millis * .99;
			return millis < left ? cutAfter(step(call), millis, () => {
				site.decided(call, "cut", now + millis);
				return Effect.fail(call.cut(`cut by the attempt timeout of ${format(millis)}`));
			}) : step(call);
		}))
	}), (self) => Effect.withFiber((fiber) => {
		const call = alone("attemptTimeout", nowOf(fiber));
		call.begin(call.startedAt);
		call.sent(call.startedAt);
		return cutAfter(self, millis, () => {
			const reason = call.cut(`cut by the attempt timeout of ${format(millis)}`);
			const now = nowOf(fiber);
			call.end(reason, now);
			return Effect.fail(call.fail(reason, "retries are switched off", now));
		});
	}));
};
/**
* Bounds the whole call: encoding, every attempt, every wait, the body and its decoding.
*
* **Details**
*
* Nothing is started that can't fit: a backoff longer than what is left ends the call at once with its last failure.
* Default in `standard`: 30 seconds. More than 10 minutes needs `longRunning`, which says why.
*
* @category layers
* @since 0.1.0
*/
const totalDeadline = (limit, options) => {
	const { millis, problem } = check("the total deadline", limit);
	const run = (self, call, site) => Effect.withFiber((fiber) => {
		if (call.stream !== void 0) return deadlineUntilFlow(self, call, call.stream, millis, nowOf(fiber), site);
		const mode = site === void 0 ? "enforce" : site.mode();
		const own = call.startedAt + millis;
		const callers = call.deadline;
		const watched = mode === "observe" ? late(self, call, own, site) : self;
		if (callers <= own) call.deadlineOf = "caller's deadline";
		else if (mode === "enforce") call.deadline = own;
		const began = nowOf(fiber);
		if (began >= call.deadline) return Effect.fail(call.fail(make$2("DeadlineExceeded", { message: `no time was left: ${deadlineOf(call)} had passed` }), "no time is left for another attempt", began));
		return cutAfter(watched, call.deadline - began, () => {
			call.cutBy = "deadline";
			if (mode === "enforce") site?.decided(call, "cut", call.deadline);
			return Effect.suspend(() => cutByDeadline(call));
		});
	});
	return standalone(callLayer({
		slot: "totalDeadline",
		name: "totalDeadline",
		describe: `the call ends within ${format(millis)}, whatever it waits for`,
		limits: { totalDeadline: millis },
		longRunning: options?.longRunning !== void 0,
		problems: problem === void 0 ? [] : [problem],
		tunable: {
			settings: { TOTAL_DEADLINE: {
				kind: "duration",
				value: millis
			} },
			tune: (values) => totalDeadline(values.TOTAL_DEADLINE, options).layers[0]
		},
		build: (site) => Effect.succeed((step) => (call) => run(step(call), call, site))
	}), (self) => withNow((now) => {
		const call = alone("totalDeadline", now);
		call.begin(now);
		call.sent(now);
		return run(self, call);
	}));
};

// dist/internal/asked.js
/** Problems of the options that decide who shares an answer. Types say them first. */
const problemsOf = (layer, whose) => whose === "everyone" || typeof whose === "function" || Effect.isEffect(whose) ? [] : [`${layer} needs a principal: an answer of one user must never reach another`];
/** Reads whose answer it is in the caller's fiber. An empty principal is nobody's, and nothing is shared with nobody. */
const withWhose = (whose, call, then) => {
	if (whose === "everyone") return then("everyone");
	const named = (name) => then(typeof name === "string" && name !== "" ? `of ${name}` : void 0);
	return Effect.isEffect(whose) ? Effect.flatMap(whose, named) : Effect.suspend(() => named(whose(call)));
};
/**
* The name of what a call asks for: two calls of one name ask the same for the same principal. `undefined` where nothing
* is known that would tell two different requests apart.
*/
const askedKey = (who, name, call) => {
	const { input, integration, operation, prepared } = call;
	const key = (kind, what) => fingerprintOf([
		integration,
		operation,
		who,
		kind,
		what
	]);
	if (name !== void 0) return key("name", name(call));
	const request = prepared?.request?.();
	if (request !== void 0) return lacksBody(request, input) ? void 0 : key("request", request);
	return isPlain(input, 0) ? key("input", input ?? null) : void 0;
};
/** Methods whose payload, if any, stands in the query. */
const bodyless = /* @__PURE__ */ new Set([
	"GET",
	"HEAD",
	"OPTIONS",
	"TRACE"
]);
/** Whether the JSON of a request leaves out what its input holds: a form or a stream has no bytes yet. */
const lacksBody = (request, input) => {
	if (typeof request !== "object" || request === null || !("body" in request) || request.body !== null) return false;
	if ("method" in request && bodyless.has(request.method)) return false;
	return typeof input === "object" && input !== null && "payload" in input && input.payload !== void 0;
};
const deepest = 64;
/**
* Whether JSON says all of a value. A Map, a class with private fields, a Redacted or NaN look like others in it, and two
* requests that look alike would share one answer.
*/
const isPlain = (value, depth) => {
	switch (typeof value) {
		case "string":
		case "boolean": return true;
		case "number": return Number.isFinite(value) && !Object.is(value, -0);
		case "undefined": return depth === 0;
		case "object": break;
		default: return false;
	}
	if (value === null) return depth > 0;
	if (depth > deepest) return false;
	if (Array.isArray(value)) return [...value].every((part) => isPlain(part, depth + 1));
	const prototype = Object.getPrototypeOf(value);
	if (prototype !== Object.prototype && prototype !== null) return false;
	if ("toJSON" in value || Object.getOwnPropertySymbols(value).length > 0) return false;
	return Object.values(value).every((part) => part === void 0 || isPlain(part, depth + 1));
};

// dist/internal/flight.js
/** One run that callers share: a fiber and a record of its own. */
var Flight = class {
	record;
	span;
	callers = /* @__PURE__ */ new Set();
	/** The call that started it, until it leaves: the attempts are written into its history. */
	leader;
	fiber = void 0;
	/** The call that left last. From then on it is being interrupted, and nobody joins. */
	last = void 0;
	after = /* @__PURE__ */ new Set();
	constructor(leader, record, span) {
		this.leader = leader;
		this.record = record;
		this.span = span;
	}
};
/** The runs of one layer by what they ask for. */
var Flights = class {
	running = /* @__PURE__ */ new Map();
	/**
	* Joins the run of a key, or starts it. Looking it up and joining it are one step, which nothing can come between; a run
	* that is being interrupted is waited for, so that there are never two.
	*/
	ask(key, call, fiber, way) {
		return Effect.callback((resume) => {
			const found = this.running.get(key);
			if (found?.last !== void 0) {
				const again = () => resume(this.ask(key, call, fiber, way));
				found.after.add(again);
				return Effect.sync(() => found.after.delete(again));
			}
			const caller = {
				call,
				fiber,
				resume
			};
			if (found === void 0) {
				const flight = this.start(key, caller, way);
				return Effect.suspend(() => leave(flight, caller));
			}
			const now = nowOf(fiber);
			if (found.callers.size >= way.most) {
				way.decided(call, "rejected", now);
				const full = make$2("BulkheadFull", { message: `${found.callers.size} callers wait for this answer, the most allowed` });
				return resume(Effect.fail(call.fail(full, "not transient", now)));
			}
			way.decided(call, "joined", now);
			link(fiber, found.span);
			found.callers.add(caller);
			return Effect.suspend(() => leave(found, caller));
		});
	}
	start(key, caller, way) {
		const { call, fiber } = caller;
		const record = new CallRecord({
			id: call.id,
			integration: call.integration,
			operation: call.operation,
			repeat: call.repeat,
			input: call.input,
			startedAt: nowOf(fiber),
			correlationId: call.correlationId
		});
		record.prepared = call.prepared;
		const flight = new Flight(call, record, spanOf(fiber));
		flight.callers.add(caller);
		this.running.set(key, flight);
		const run = call.deadline === Infinity ? way.step : way.bounded;
		const context = Context.add(fiber.context, Current$1, void 0);
		flight.fiber = Effect.runForkWith(context)(Effect.suspend(() => run(record)));
		flight.fiber.addObserver((exit) => {
			this.running.delete(key);
			finish(flight, exit);
		});
		return flight;
	}
	/** What still runs when the layer has closed. */
	close = Effect.suspend(() => Fiber.interruptAll([...this.running.values()].flatMap((flight) => flight.fiber ?? [])));
};
/** Everybody's history is complete before anybody goes on, as what one does next may end another. */
const finish = (flight, exit) => {
	const callers = [...flight.callers];
	flight.callers.clear();
	for (const { call } of callers) account(flight, call);
	if (flight.last !== void 0) account(flight, flight.last);
	const teller = flight.leader ?? flight.last ?? callers[0]?.call;
	if (flight.record.lingering !== void 0 && teller !== void 0) teller.lingering = [...teller.lingering ?? [], ...flight.record.lingering];
	for (const caller of callers) caller.resume(answerOf(exit, caller));
	for (const again of flight.after) again();
};
/** A caller gives up. The last one takes the run with it. */
const leave = (flight, caller) => {
	if (!flight.callers.delete(caller)) return Effect.void;
	const { call } = caller;
	const { fiber, record } = flight;
	if (flight.callers.size > 0) {
		part(flight, call, nowOf(caller.fiber));
		return Effect.void;
	}
	flight.last = call;
	record.cutBy = call.cutBy;
	record.deadline = call.deadline;
	record.deadlineOf = call.deadlineOf;
	return fiber === void 0 ? Effect.void : Fiber.interrupt(fiber);
};
/** Writes what the run has done into the history of one caller. */
const account = (flight, call) => {
	const { record } = flight;
	if (call !== flight.leader) {
		call.prior = soFar(record);
		if (!didNotHappen(call.prior)) call.phase = "sent";
		return;
	}
	const shift = record.startedAt - call.startedAt;
	for (const attempt of record.attempts) call.attempts.push({
		...attempt,
		startedAfter: attempt.startedAfter + shift
	});
	if (record.decisions !== void 0) (call.decisions ??= []).push(...record.decisions);
	call.attempt = record.attempt;
	call.waited += record.waited;
	call.totalQueued += record.totalQueued;
	call.totalQueuedForRate += record.totalQueuedForRate;
};
/** A caller leaves others behind: the attempt that runs goes on, and is given up by this one. */
const part = (flight, call, now) => {
	account(flight, call);
	const { record } = flight;
	if (call !== flight.leader) {
		call.pending = record.pending;
		return;
	}
	flight.leader = void 0;
	const phase = phaseOf(record);
	if (phase === void 0) return;
	call.phase = phase;
	call.pending = record.pending;
	call.requestId = record.requestId;
	call.status = record.status;
	call.waiting = record.waiting;
	call.queued = record.queued;
	call.queuedForRate = record.queuedForRate;
	call.attemptStartedAt = Math.max(record.attemptStartedAt, record.startedAt);
	call.end(call.cutBy === void 0 ? "Interrupted" : call.cut("no longer waited for; others wait on"), now);
};
/** Where the attempt that runs stands. Of several legs that run at once, the record knows only whether one was sent. */
const phaseOf = (record) => record.phase !== "idle" ? record.phase : record.attempt === record.attempts.length ? void 0 : record.firstSentAt === void 0 ? "waiting" : "sent";
/** What the run has done, the attempt that runs included. */
const soFar = (record) => {
	const phase = phaseOf(record);
	if (phase === void 0) return record.outcome();
	const outcome = record.pending?.outcome ?? (phase === "waiting" ? "NotSent" : "Unknown");
	return fold([...record.attempts, {
		outcome,
		resolves: false
	}]);
};
/** The answer for one caller. A failure is its own: with its correlation id, its time, and the run's attempts. */
const answerOf = (exit, { call, fiber }) => {
	if (Exit.isSuccess(exit)) return exit;
	const failure = exit.cause.reasons.find(Cause.isFailReason)?.error;
	if (!isCallFailure(failure)) return exit;
	return Effect.fail(withoutStack(() => new CallFailure({
		integration: call.integration,
		operation: call.operation,
		repeat: call.repeat,
		reason: failure.reason,
		outcome: failure.outcome,
		attempts: failure.attempts,
		elapsed: Duration.millis(nowOf(fiber) - call.startedAt),
		retryAfter: failure.retryAfter,
		correlationId: call.correlationId,
		key: call.key,
		stopped: failure.stopped
	})));
};
const spanOf = (fiber) => {
	const span = Context.getOrUndefined(fiber.context, Tracer.ParentSpan);
	return span?._tag === "Span" && span.traceId !== "noop" ? span : void 0;
};
const link = (fiber, span) => {
	if (span !== void 0) spanOf(fiber)?.addLinks([{
		span,
		attributes: {}
	}]);
};
/** Who would share a run, where the layer only tells: everybody sends for themselves. */
var Shadows = class {
	/** Of each key, the calls that run; the first is the one that would have started the run. */
	running = /* @__PURE__ */ new Map();
	watch(key, call, fiber, way) {
		return Effect.suspend(() => {
			const found = this.running.get(key);
			const now = nowOf(fiber);
			if (found !== void 0 && found.size >= way.most) {
				way.decided(call, "rejected", now);
				return way.step(call);
			}
			const shadow = found ?? /* @__PURE__ */ new Set();
			if (found === void 0) this.running.set(key, shadow);
			else way.decided(call, "joined", now);
			shadow.add(call);
			return Effect.onExit(way.step(call), (exit) => {
				const [first] = shadow;
				shadow.delete(call);
				if ((first === call && !(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)) || shadow.size === 0) && this.running.get(key) === shadow) this.running.delete(key);
				return Effect.void;
			});
		});
	}
};

// dist/PolicyCoalesce.js
/**
* Coalescing: callers that ask the same at once share one answer.
*
* @since 0.1.0
*/
const defaultWaiters = 1e4;
/**
* Lets callers that ask the same at once share one run: the first starts it, the others wait for its answer.
*
* **When to use**
*
* Use it where many ask for the same at the same moment: a price, a configuration, a token's introspection, when a cache
* has just expired.
*
* **When not to use**
*
* It keeps no answer once the run has ended: it is no cache. It does not compile on a call that changes something.
*
* **Details**
*
* The same is: the same operation, the same principal, and the same request (or input, where there is no request; or what
* `key` says). An input that JSON does not write down in full (a class, a Map, a stream) is not shared without a `key`.
*
* The run has the total deadline from its own start. Each caller waits no longer than for its own deadline; one that gives
* up leaves the others alone, and the last one ends the run. The answer is shared by reference: don't change it.
*
* **Example** (Ten callers, one request)
*
* ```ts
* import { Exhaustion, Integration, Operation, Policy } from "breakwater"
* import { Data, Effect, Schema } from "effect"
*
* class Down extends Data.TaggedError("Down") {}
* let requests = 0
*
* class Rates extends Integration.Service<Rates>()(
*   "shop/Rates",
*   { exhausted: Exhaustion.fail, orElse: () => new Down() },
*   {
*     euro: Operation.query("euro", {
*       policy: Policy.stack(Policy.standard(), Policy.coalesce({ principal: "everyone" })),
*       success: Schema.Number,
*       send: () => Effect.delay(Effect.sync(() => (requests++, 1.08)), "10 millis")
*     })
*   }
* ) {}
*
* const program = Effect.gen(function* () {
*   const rates = yield* Rates
*   yield* Effect.all(Array.from({ length: 10 }, () => rates.euro()), { concurrency: "unbounded" })
* })
*
* await Effect.runPromise(Effect.provide(program, Integration.layer(Rates)))
* requests // => 1
* ```
*
* @category layers
* @since 0.1.0
*/
const coalesce = (options) => fromLayers([layerOf$1(options)]);
const layerOf$1 = (options) => {
	const most = options.maxWaiters ?? defaultWaiters;
	const problems = [...problemsOf("coalesce", options.principal)];
	if (!Number.isInteger(most) || most < 1) problems.push(`coalesce's maxWaiters must be an integer of at least 1, got ${most}`);
	return callLayer({
		slot: "coalesce",
		name: "coalesce",
		describe: `callers that ask the same at once share one run, at most ${most} of them`,
		problems,
		tunable: {
			settings: { COALESCE_MAX_WAITERS: {
				kind: "integer",
				value: most
			} },
			tune: (values) => layerOf$1({
				...options,
				maxWaiters: values.COALESCE_MAX_WAITERS ?? most
			})
		},
		build: (site) => Effect.gen(function* () {
			yield* refuseUnlessSafe(site, "coalesce", "shares one run among callers");
			const { flights, shadows } = yield* site.shared(`coalesce ${site.operation}`, { maxWaiters: most }, state);
			const limit = site.limits.totalDeadline;
			const [deadline] = limit === void 0 ? [] : totalDeadline(limit).layers;
			const bound = deadline?.level === "call" ? yield* deadline.build(siteAlone) : (step) => step;
			const whose = options.principal;
			return (step) => {
				const way = {
					step,
					bounded: bound(step),
					most,
					decided: site.decided
				};
				return (call) => call.resumed || call.draining ? step(call) : withWhose(whose, call, (who) => share(who, call, way));
			};
			function share(who, call, way) {
				const key = who === void 0 ? void 0 : askedKey(who, options.key, call);
				if (key === void 0) return way.step(call);
				return Effect.withFiber((fiber) => site.mode() === "observe" ? shadows.watch(key, call, fiber, way) : flights.ask(key, call, fiber, way));
			}
		})
	});
};
const state = Effect.map(Effect.acquireRelease(Effect.sync(() => new Flights()), (flights) => flights.close), (flights) => ({
	flights,
	shadows: new Shadows()
}));
/**
* Refuses a layer for calls that may change something, where types could not: in the options of a layer for one deployment.
*
* @internal
*/
const refuseUnlessSafe = (site, name, does) => site.repeat === "Safe" ? Effect.void : Effect.fail(new PolicyError({
	integration: site.integration,
	operation: site.operation,
	problems: [`${name} ${does}: only a safe operation can have it`]
}));

// dist/internal/histogram.js
/** The shortest and the longest duration that keep the error. Others count as these. */
const shortest = .01;
const longest = 6e5;
/** The bound on the relative error. The buckets are a little narrower, which pays for the rounding of the logarithm. */
const relativeError = .01;
const growth = 1.00999 / .99001;
const perLog = 1 / Math.log(growth);
/** The bucket of a duration. Bucket 0 is what is not longer than the shortest. */
const bucketOf = (millis) => Math.min(buckets - 1, Math.max(0, Math.ceil(Math.log(millis / shortest) * perLog)));
/** The value that is equally far, relatively, from both bounds of a bucket. */
const valueOf = (bucket) => bucket === 0 ? shortest : 2 * shortest * growth ** bucket / 2.020181614327128;
/** How many buckets a histogram has, whatever it holds. */
const buckets = Math.ceil(Math.log(longest / shortest) * perLog) + 1;
/**
* Counts of durations. Memory is fixed (`buckets` counts of 4 bytes), and a percentile is off by at most one per cent for
* durations of 10 microseconds to 10 minutes.
*/
var Histogram = class {
	count = 0;
	counts = new Uint32Array(buckets);
	record(millis) {
		if (!(millis >= 0)) return;
		this.counts[bucketOf(millis)]++;
		this.count++;
	}
	/** The duration that `percent` of a hundred do not exceed (nearest rank); `undefined` while there is none. */
	percentile(percent) {
		if (this.count === 0) return void 0;
		const exact = Number((percent / 100 * this.count).toFixed(6));
		let left = Math.min(this.count, Math.max(1, Math.ceil(exact)));
		let bucket = 0;
		while ((left -= this.counts[bucket]) > 0) bucket++;
		return valueOf(bucket);
	}
	/** How many durations are longer than this one, to the error of the buckets. */
	above(millis) {
		let count = 0;
		for (let bucket = millis >= 0 ? bucketOf(millis) + 1 : 0; bucket < buckets; bucket++) count += this.counts[bucket];
		return count;
	}
	add(other) {
		for (let bucket = 0; bucket < buckets; bucket++) this.counts[bucket] += other.counts[bucket];
		this.count += other.count;
	}
	subtract(other) {
		for (let bucket = 0; bucket < buckets; bucket++) this.counts[bucket] -= other.counts[bucket];
		this.count -= other.count;
	}
	clear() {
		this.counts.fill(0);
		this.count = 0;
	}
};
/**
* A histogram of the last while: slices of time of which the oldest is forgotten as a new one begins. What was recorded
* counts for `window` minus one slice at least, and for `window` at most.
*
* The sum of the slices is kept, so that a percentile reads one histogram, and a record writes two.
*/
var SlidingHistogram = class {
	slices;
	total = new Histogram();
	length;
	/** The number of the newest slice, counted from the epoch. */
	current = -Infinity;
	constructor(options) {
		const slices = options?.slices ?? 6;
		this.length = (options?.window ?? 6e4) / slices;
		this.slices = Array.from({ length: slices }, () => new Histogram());
	}
	record(millis, now) {
		this.turn(now);
		this.total.record(millis);
		this.slices[this.current % this.slices.length].record(millis);
	}
	percentile(percent, now) {
		this.turn(now);
		return this.total.percentile(percent);
	}
	count(now) {
		this.turn(now);
		return this.total.count;
	}
	/** The durations of the window as one histogram, to add to those of other windows. Valid until the next call. */
	whole(now) {
		this.turn(now);
		return this.total;
	}
	/** Forgets the slices that are too old. A clock that was set back goes on in the newest one. */
	turn(now) {
		const slice = Math.max(0, Math.floor(now / this.length));
		if (slice <= this.current) return;
		const first = Math.max(this.current + 1, slice - this.slices.length + 1);
		if (this.current !== -Infinity) for (let n = first; n <= slice; n++) {
			const old = this.slices[n % this.slices.length];
			this.total.subtract(old);
			old.clear();
		}
		this.current = slice;
	}
};

// dist/internal/legs.js
/** How long an answer waits for the legs that lost to be interrupted. Most end in the turn in which they are. */
const grace = 20;
/**
* Runs one step of a call in a leg, and in more of them while there is no answer. The first answer is the call's, and the
* other legs are interrupted.
*
* A success is an answer, and so is a failure that another try would not change. What this process itself turned away is
* none, and what is transient waits for the legs that still run. When all have failed, the most informative failure stands.
*/
const race = (call, step, rules) => Effect.withFiber((fiber) => {
	const running = /* @__PURE__ */ new Set();
	let started = 0;
	let over = false;
	let standing;
	let cancelTimer;
	let resume;
	let onQuiet;
	const legOf = (number) => call.leg(rules.acts ? number : void 0);
	const start = (record) => {
		started++;
		const leg = {
			record,
			startedAt: nowOf(fiber),
			fiber: Effect.runForkWith(fiber.context)(step(record))
		};
		running.add(leg);
		leg.fiber.addObserver((exit) => end(leg, exit));
	};
	const end = (leg, exit) => {
		running.delete(leg);
		const now = nowOf(fiber);
		rules.ended(leg.record, exit, now - leg.startedAt, now);
		if (over) {
			if (running.size === 0) onQuiet?.();
			return;
		}
		const reason = noAnswer(exit);
		if (reason === void 0) return finish(leg, exit, now);
		if (standing === void 0 || told(reason) > told(noAnswer(standing))) standing = exit;
		if (running.size === 0) finish(void 0, standing, now);
	};
	const finish = (leg, exit, now) => {
		over = true;
		cancelTimer?.();
		if (leg !== void 0 && (leg.record.legNumber ?? 1) > 1 && !Exit.hasInterrupts(exit)) rules.won(leg.record, now);
		interruptAll("another leg answered first");
		resume(exit);
	};
	const interruptAll = (why) => {
		for (const leg of running) {
			if (why !== void 0) leg.record.giveUp(why);
			leg.fiber.interruptUnsafe(fiber.id);
		}
	};
	const arm = () => {
		cancelTimer = later(fiber, rules.after, () => {
			if (over) return;
			const leg = legOf(started + 1);
			const next = rules.next(leg, nowOf(fiber));
			if (next === "start") start(leg);
			if (next !== "stop" && !over && ++armed < rules.max) arm();
		});
	};
	let armed = 0;
	const raced = Effect.callback((done) => {
		resume = done;
		start(legOf(1));
		if (!over) arm();
		return Effect.suspend(() => {
			over = true;
			cancelTimer?.();
			interruptAll(void 0);
			return Fiber.awaitAll([...running].map((leg) => leg.fiber));
		});
	});
	const quiet = Effect.suspend(() => {
		let cancel;
		const waited = Effect.callback((done) => {
			if (running.size === 0) return done(Effect.void);
			onQuiet = () => done(Effect.void);
			const wait = Math.max(0, Math.min(grace, call.deadline - nowOf(fiber) - 1));
			cancel = later(fiber, wait, () => done(Effect.void));
		});
		return Effect.flatMap(waited, () => Effect.sync(() => {
			cancel?.();
			const now = nowOf(fiber);
			for (const leg of running) leg.record.abandon(leg.fiber, now);
		}));
	});
	return Effect.catch(Effect.onExit(raced, () => quiet), (failure) => withNow((now) => Effect.fail(call.fail(failure.reason, failure.stopped, now))));
});
/** Why a leg failed; `undefined` if it did not, or was interrupted. */
const reasonOfLeg = (exit) => {
	if (Exit.isSuccess(exit)) return void 0;
	for (const reason of exit.cause.reasons) if (Cause.isFailReason(reason)) return reason.error.reason;
};
/** The reason of a leg that is no answer; `undefined` for one that is. */
const noAnswer = (exit) => {
	const reason = reasonOfLeg(exit);
	return reason !== void 0 && (reason.transient || isLocal(reason)) ? reason : void 0;
};
/** Whether nothing left this process. */
const isLocal = (reason) => isLocalRejection(reason) || reason._tag === "KeyExpired";
/** How much a failure tells: a rejection of our own nothing, the network that there was no answer, an answer what it was. */
const told = (reason) => {
	if (isLocal(reason)) return 0;
	switch (reason._tag) {
		case "NotAuthenticated":
		case "Unreachable":
		case "Disconnected":
		case "Timeout":
		case "Failed": return 1;
		default: return 2;
	}
};

// dist/internal/hedge.js
/** How many hedges quiet times may save up. */
const burst = 10;
/** Parts of a hedge, so that adding a part per call is exact. */
const parts = 1e6;
/** What a hedge knows of one operation: how long its attempts took, and how many hedges its calls have paid for. */
var HedgeState = class {
	latencies;
	credit = 0;
	perCall;
	settings;
	constructor(settings) {
		this.settings = settings;
		this.latencies = settings.percentile === void 0 ? void 0 : new SlidingHistogram();
		this.perCall = Math.round(settings.maxExtraLoad * parts);
	}
	/** How long to wait for an attempt; `undefined` while too little is known. */
	delay(now) {
		const { after, floor, initially, minimumCalls, percentile } = this.settings;
		if (this.latencies === void 0) return after;
		if (this.latencies.count(now) < minimumCalls) return initially;
		return Math.max(floor, Math.ceil(this.latencies.percentile(percentile, now) / (1 - relativeError)));
	}
	earn() {
		this.credit = Math.min(burst * parts, this.credit + this.perCall);
	}
	get affords() {
		return this.credit >= parts;
	}
	spend() {
		this.credit -= parts;
	}
	giveBack() {
		this.credit = Math.min(burst * parts, this.credit + parts);
	}
};
/** What does not fit the operation, or its other layers. */
const problemsAt = ({ limits, operation, repeat }, delay) => {
	const { attemptTimeout = Infinity, totalDeadline = Infinity } = limits;
	const problems = [];
	if (repeat !== "Safe") problems.push(`a hedge may send twice at once, and ${operation} is not safe: only a safe operation can have it`);
	if (delay >= attemptTimeout) {
		const [after, limit] = formatBoth(delay, attemptTimeout);
		problems.push(`the hedge's delay of ${after} is not shorter than the attempt timeout of ${limit}: no attempt would be hedged`);
	} else if (2 * delay >= totalDeadline) {
		const [after, limit] = formatBoth(delay, totalDeadline);
		problems.push(`the hedge's delay of ${after} leaves no more than that of the total deadline of ${limit}: no attempt would be hedged`);
	}
	return problems;
};
/** The layer of one operation. */
const buildHedge = (settings, name) => (site) => Effect.gen(function* () {
	const problems = problemsAt(site, settings.after ?? settings.floor);
	if (problems.length > 0) return yield* new PolicyError({
		integration: site.integration,
		operation: site.operation,
		problems
	});
	const state = yield* site.shared(`hedge ${name} ${site.operation}`, settings, Effect.sync(() => new HedgeState(settings)));
	return (step) => (call) => Effect.withFiber((fiber) => hedged(site, settings, state, step, call, nowOf(fiber)));
});
const hedged = (site, { max }, state, step, call, began) => {
	if (call.attempt === 0) state.earn();
	const after = state.delay(began);
	if (after === void 0 || call.deadline - began <= 2 * after) return measured(state, step(call), began);
	const acts = site.mode() === "enforce";
	return race(call, step, {
		after,
		max,
		acts,
		next: (leg, now) => {
			if (call.deadline - now <= after || !state.affords) return "stop";
			if (!site.clear.every((passes) => passes(call, now))) return "stop";
			if (call.budget !== void 0 && call.budget.withdraw("hedge", now) === void 0) return "stop";
			state.spend();
			site.decided(leg, "hedged", now);
			if (acts) return "start";
			call.budget?.giveBack(now);
			return "wait";
		},
		ended: (leg, exit, elapsed, now) => {
			if (Exit.isSuccess(exit) || leg.givenUp !== void 0) state.latencies?.record(elapsed, now);
			const reason = reasonOfLeg(exit);
			if (reason !== void 0 && isLocal(reason) && (leg.legNumber ?? 1) > 1) state.giveBack();
		},
		won: (leg, now) => site.decided(leg, "hedge_won", now)
	});
};
/** An attempt that is not hedged is measured all the same. */
const measured = (state, self, began) => state.latencies === void 0 ? self : Effect.tap(self, () => withNow((now) => {
	state.latencies.record(now - began, now);
	return Effect.void;
}));

// dist/PolicyHedge.js
/**
* Starts another attempt while one is slow, and takes the answer that comes first.
*
* **When to use**
*
* Use it for reads whose slowest few per cent are much slower than the rest, at a provider that has room: a request that
* hit a slow machine is asked again, and the next one is probably fast.
*
* **When not to use**
*
* Not against a provider that is slow as a whole: more requests make that worse, and nothing faster comes of them. Not on
* what changes something: the types refuse it there.
*
* **Details**
*
* `after` is a duration, or a percentile of what the operation's attempts took in the last minute. With the percentile
* nothing is hedged before `minimumCalls` (100) attempts are known, unless `initially` gives a delay. `max` (1) bounds the
* hedges of one try; `maxExtraLoad` (0.05) those of all calls of an operation: each call pays for that part of one, quiet
* times save up 10 at most, and none is given. A retry budget around it is drawn on as well.
*
* A hedge starts only if a breaker, a rate limit and a bulkhead would let it through at once, and while more time than
* the delay is left until the deadline. Where it may not, the call goes on without: a hedge fails no call.
*
* The first success is the answer, and so is the first failure that another try would not change. A transient failure
* waits for the attempts that still run, and never starts a hedge early: that is what retry is for. The attempts that lost
* are interrupted, and the answer waits for them for 20 milliseconds at most. One that can't be interrupted keeps its permit
* until it ends, and a layer that closes waits for it.
*
* **Example** (Ask again what is slower than 95 % of the last minute)
*
* ```ts
* import { Policy } from "breakwater"
*
* const policy = Policy.stack(Policy.standard(), Policy.hedge({ after: { percentile: 95 } }))
* policy.layers.some(({ slot }) => slot === "hedge") // => true
* ```
*
* @category layers
* @since 0.1.0
*/
const hedge = (options) => {
	const name = options.name ?? "hedge";
	const problems = [];
	const millis = (what, input) => {
		const { millis, problem } = check(what, input);
		if (problem !== void 0) problems.push(problem);
		return millis;
	};
	const live = isPercentile(options.after) ? options.after : void 0;
	const settings = {
		after: isPercentile(options.after) ? void 0 : millis("the hedge's after", options.after),
		percentile: live?.percentile,
		minimumCalls: live?.minimumCalls ?? 100,
		floor: millis("the hedge's floor", live?.floor ?? 1),
		initially: live?.initially === void 0 ? void 0 : millis("the hedge's initially", live.initially),
		max: options.max ?? 1,
		maxExtraLoad: options.maxExtraLoad ?? .05
	};
	const { after, floor, initially, max, maxExtraLoad, minimumCalls, percentile } = settings;
	if (percentile !== void 0 && !(percentile >= 1 && percentile < 100)) problems.push(`the hedge's percentile must be in [1, 100), got ${percentile}`);
	if (!Number.isInteger(minimumCalls) || minimumCalls < 1) problems.push(`the hedge's minimumCalls must be an integer of at least 1, got ${minimumCalls}`);
	if (!Number.isInteger(max) || max < 1 || max > mostLegs) problems.push(`the hedge's max must be an integer in [1, ${mostLegs}], got ${max}`);
	else if (!(maxExtraLoad > 0 && maxExtraLoad <= max)) problems.push(`the hedge's maxExtraLoad must be in (0, ${max}] (max), got ${maxExtraLoad}`);
	const duration = (value) => ({
		kind: "duration",
		value
	});
	const wait = after !== void 0 ? format(after) : `as long as ${percentile} % of the last minute's attempts took${initially === void 0 ? "" : `, ${format(initially)} at first`}`;
	return fromLayers([callLayer({
		slot: "hedge",
		name,
		describe: `up to ${max} more ${max === 1 ? "attempt" : "attempts"} without an answer after ${wait}, at most ${maxExtraLoad} per call`,
		limits: { hedges: max },
		problems,
		tunable: {
			settings: {
				...live === void 0 ? { HEDGE_AFTER: duration(after) } : {
					HEDGE_PERCENTILE: {
						kind: "number",
						value: percentile
					},
					HEDGE_MINIMUM_CALLS: {
						kind: "integer",
						value: minimumCalls
					},
					HEDGE_FLOOR: duration(floor),
					HEDGE_INITIALLY: duration(initially)
				},
				HEDGE_MAX: {
					kind: "integer",
					value: max
				},
				HEDGE_MAX_EXTRA_LOAD: {
					kind: "number",
					value: maxExtraLoad
				}
			},
			tune: (values) => hedge({
				...options,
				after: live === void 0 ? values.HEDGE_AFTER ?? options.after : {
					percentile: values.HEDGE_PERCENTILE ?? live.percentile,
					minimumCalls: values.HEDGE_MINIMUM_CALLS ?? live.minimumCalls,
					floor: values.HEDGE_FLOOR ?? live.floor,
					initially: values.HEDGE_INITIALLY ?? live.initially
				},
				max: values.HEDGE_MAX ?? max,
				maxExtraLoad: values.HEDGE_MAX_EXTRA_LOAD ?? maxExtraLoad
			}).layers[0]
		},
		build: buildHedge(settings, name)
	})]);
};
/** More legs than that ask a provider to be down, and then none is faster. */
const mostLegs = 10;
const isPercentile = (after) => Predicate.hasProperty(after, "percentile");

// dist/PolicySpan.js
/**
* A span around any effect, as a layer.
*
* @since 0.1.0
*/
/**
* Runs an effect in an internal span of its own.
*
* **Details**
*
* An operation has its spans without this: one for the call and one for each attempt.
*
* @category layers
* @since 0.1.0
*/
const span = (name, attributes) => (self) => Effect.withSpan(self, name, {
	kind: "internal",
	attributes: { ...attributes },
	captureStackTrace: false
});

// dist/internal/lastGood.js
/**
* The last good answers of a layer: the least recently used go first, and those that are too old to be served are
* forgotten, also while nobody asks.
*/
var LastGood = class {
	/** The least recently used come first. */
	entries = /* @__PURE__ */ new Map();
	most;
	context;
	longest = 0;
	sweeper = void 0;
	constructor(most, context) {
		this.most = most;
		this.context = context;
	}
	keep(key, answer, now, millis) {
		this.entries.delete(key);
		this.entries.set(key, {
			answer,
			at: now,
			until: now + millis
		});
		if (this.entries.size > this.most) {
			const oldest = this.entries.keys().next();
			if (oldest.done === false) this.entries.delete(oldest.value);
		}
		this.longest = Math.max(this.longest, millis);
		if (this.sweeper !== void 0) return;
		const sweeper = Effect.runForkWith(this.context)(this.sweep);
		this.sweeper = sweeper;
		sweeper.addObserver(() => this.sweeper = void 0);
	}
	/** The answer of a key, if it is younger than `millis`. */
	find(key, now, millis) {
		const entry = this.entries.get(key);
		if (entry === void 0 || now - entry.at >= millis) return void 0;
		this.entries.delete(key);
		this.entries.set(key, entry);
		return entry;
	}
	forget(key) {
		this.entries.delete(key);
	}
	/** Runs only while something is kept, and looks once per the longest time that an answer may be kept. */
	sweep = Effect.suspend(() => Effect.andThen(Effect.sleep(this.longest), Effect.withFiber((fiber) => {
		const now = nowOf(fiber);
		for (const [key, { until }] of this.entries) if (until <= now) this.entries.delete(key);
		return this.entries.size === 0 ? Effect.void : this.sweep;
	})));
};

// dist/PolicyStale.js
/**
* Stale if error: the last good answer where there is no other.
*
* @since 0.1.0
*/
/** The name of a span's attribute: how old the answer was that was served, in seconds. */
const ageAttribute = names$3.staleAge;
/** Where the age of what is served is noted, for the program that asked to know. */
const Note = Context.Reference("breakwater/Telemetry/StaleAge", { defaultValue: () => void 0 });
/**
* Serves the last good answer to the same question when a call fails for a reason that passes: no answer in time, a
* provider that is down or throttles, an open circuit, a full bulkhead.
*
* **When to use**
*
* Use it for reads where an old answer is better than none: prices, catalogues, feature flags, profiles.
*
* **When not to use**
*
* Not where an old answer is a wrong one: balances, stock that is sold from, permissions. It is no cache: every call is
* sent. It does not compile on a call that changes something.
*
* **Details**
*
* The same question is: the same operation, the same principal, and the same request (or input, or what `key` says). An
* answer is never served for what the provider has decided (declared errors, rejections), invalid input, defects or
* interruption. 401, 403, 404 and 410 forget it. Telemetry counts it as `fallback`, never as `ok`; `withStaleAge` tells
* the caller. Answers are kept in memory, by reference: don't change them.
*
* **Example** (The provider goes down)
*
* ```ts
* import { Exhaustion, Integration, Operation, Policy, Reason } from "breakwater"
* import { Data, Effect, Schema } from "effect"
*
* class Down extends Data.TaggedError("Down") {}
* let healthy = true
*
* class Rates extends Integration.Service<Rates>()(
*   "shop/Rates",
*   { exhausted: Exhaustion.fail, orElse: () => new Down() },
*   {
*     euro: Operation.query("euro", {
*       policy: Policy.stack(
*         Policy.standard({ maxAttempts: 1 }),
*         Policy.staleIfError({ for: "10 minutes", principal: "everyone" })
*       ),
*       success: Schema.Number,
*       classify: () => Reason.unavailable(),
*       send: () => Effect.suspend(() => (healthy ? Effect.succeed(1.08) : Effect.fail("down")))
*     })
*   }
* ) {}
*
* const program = Effect.gen(function* () {
*   const rates = yield* Rates
*   const fresh = yield* Policy.withStaleAge(rates.euro())
*   healthy = false
*   const stale = yield* Policy.withStaleAge(rates.euro())
*   return [fresh.value, fresh.age === undefined, stale.value, stale.age === undefined]
* })
*
* await Effect.runPromise(Effect.provide(program, Integration.layer(Rates))) // => [1.08, true, 1.08, false]
* ```
*
* @category layers
* @since 0.1.0
*/
const staleIfError = (options) => fromLayers([layerOf(options)]);
const layerOf = (options) => {
	const name = options.name ?? "staleIfError";
	const { millis, problem } = check("the age of stale answers", options.for);
	const most = options.maxEntries ?? 1e3;
	const problems = [...problemsOf("staleIfError", options.principal)];
	if (problem !== void 0) problems.push(problem);
	if (!Number.isInteger(most) || most < 1) problems.push(`staleIfError's maxEntries must be an integer of at least 1, got ${most}`);
	return callLayer({
		slot: "staleIfError",
		name,
		describe: `where there is no answer, the last good one of the last ${format(millis)}; ${most} are kept`,
		problems,
		tunable: {
			settings: {
				STALE_FOR: {
					kind: "duration",
					value: millis
				},
				STALE_MAX_ENTRIES: {
					kind: "integer",
					value: most
				}
			},
			tune: (values) => layerOf({
				...options,
				for: values.STALE_FOR ?? millis,
				maxEntries: values.STALE_MAX_ENTRIES ?? most
			})
		},
		build: (site) => Effect.gen(function* () {
			yield* refuseUnlessSafe(site, "staleIfError", "keeps answers");
			const kept = yield* site.shared(`staleIfError ${name}`, { maxEntries: most }, makeKept(most));
			const whose = options.principal;
			return (step) => (call) => {
				if (call.resumed) return step(call);
				return Effect.withFiber((fiber) => asking(whose, call, site, fiber, (who) => Effect.matchEffect(step(call), {
					onFailure: (failure) => Effect.suspend(() => orStale(who, call, fiber, failure)),
					onSuccess: (answer) => Effect.suspend(() => {
						const key = who === void 0 ? void 0 : askedKey(who, options.key, call);
						if (key !== void 0) kept.keep(key, answer, nowOf(fiber), millis);
						return Effect.succeed(answer);
					})
				})));
			};
			function orStale(who, call, fiber, failure) {
				const { reason } = failure;
				const forgets = isGone(reason);
				if (who === void 0 || !(forgets || passes(reason))) return Effect.fail(failure);
				if (call.prepared === void 0 && options.key === void 0) return Effect.fail(failure);
				const key = askedKey(who, options.key, call);
				if (key === void 0) return Effect.fail(failure);
				if (forgets) {
					kept.forget(key);
					return Effect.fail(failure);
				}
				const now = nowOf(fiber);
				const entry = kept.find(key, now, millis);
				if (entry === void 0) return Effect.fail(failure);
				site.decided(call, "served_stale", now);
				if (site.mode() === "observe") return Effect.fail(failure);
				call.fellBack = true;
				tell(fiber, now - entry.at);
				return Effect.succeed(entry.answer);
			}
		})
	});
};
/**
* Runs a program and says how old the oldest answer is that `staleIfError` served to it; `undefined` if all were fresh.
*
* **When to use**
*
* Use it where the age matters to whoever gets the answer: to show it, to send an `Age` header, or to refuse a write that
* would rest on an old read.
*
* @category combinators
* @since 0.1.0
*/
const withStaleAge = (self) => Effect.withFiber((fiber) => {
	const noted = {
		oldest: void 0,
		outer: fiber.getRef(Note)
	};
	return Effect.map(Effect.provideService(self, Note, noted), (value) => ({
		value,
		age: noted.oldest === void 0 ? void 0 : Duration.millis(noted.oldest)
	}));
});
const makeKept = (most) => Effect.acquireRelease(Effect.map(Effect.context(), (context) => new LastGood(most, context)), (kept) => Effect.suspend(() => kept.sweeper === void 0 ? Effect.void : Fiber.interrupt(kept.sweeper)));
/** Reads whose answer it is. The layer stands outside the total deadline, and its reading must not. */
const asking = (whose, call, site, fiber, then) => {
	if (!Effect.isEffect(whose)) return withWhose(whose, call, then);
	const ends = Math.min(call.deadline, call.startedAt + (site.limits.totalDeadline ?? Infinity));
	const read = withWhose(whose, call, (who) => Effect.succeed(who));
	return Effect.flatMap(cutAfter(read, Math.max(0, ends - nowOf(fiber)), () => Effect.succeed(void 0)), then);
};
/** A reason that may be over the next time. What the provider has decided stays, and so does a call that shuts down. */
const passes = (reason) => reason._tag !== "Declared" && reason._tag !== "Draining" && (reason.transient || isLocalRejection(reason));
/** That there is nothing, or nothing for this principal: what was kept must not come back. */
const isGone = ({ _tag, status }) => (_tag === "Declared" || _tag === "Rejected") && (status === 401 || status === 403 || status === 404 || status === 410);
const tell = (fiber, age) => {
	for (let noted = fiber.getRef(Note); noted !== void 0; noted = noted.outer) noted.oldest = Math.max(noted.oldest ?? 0, age);
	const span = Context.getOrUndefined(fiber.context, Tracer.ParentSpan);
	if (span?._tag === "Span") span.attribute(ageAttribute, age / 1e3);
};

// dist/Policy.js
var Policy_exports = /* @__PURE__ */ __exportAll({
	PolicyError: () => PolicyError,
	attemptTimeout: () => attemptTimeout,
	backoff: () => backoff,
	breaker: () => breaker,
	budget: () => budget,
	budgetRatio: () => budgetRatio,
	bulkhead: () => bulkhead,
	coalesce: () => coalesce,
	decode: () => decode,
	hedge: () => hedge,
	isPolicy: () => isPolicy,
	layerBudget: () => layerBudget,
	make: () => make$1,
	noop: () => noop,
	rateLimit: () => rateLimit,
	retry: () => retry,
	retryNever: () => retryNever,
	shared: () => shared,
	span: () => span,
	stack: () => stack,
	staleIfError: () => staleIfError,
	standard: () => standard$2,
	totalDeadline: () => totalDeadline,
	translate: () => translate,
	withMode: () => withMode,
	withStaleAge: () => withStaleAge
});
/**
* Returns whether a value is a `Policy`.
*
* @category guards
* @since 0.1.0
*/
const isPolicy = (u) => Predicate.hasProperty(u, TypeId$3);
/**
* Puts layers together, outermost first.
*
* **Details**
*
* Built-in layers have their place in the one order that DESIGN gives; the order of arguments decides between layers of
* the same place: the last one replaces earlier ones, so `stack(standard(), attemptTimeout("2 seconds"))` shortens the
* standard's. Custom layers of `make` add up, outermost first.
*
* @category combinators
* @since 0.1.0
*/
const stack = (...outermostFirst) => fromLayers(outermostFirst.flatMap((policy) => policy.layers));
/**
* How the layers of a policy act: `enforce` (the default), `observe` or `off`.
*
* **When to use**
*
* Use `observe` before a new limit goes live: telemetry tells what it would have done (`breakwater.policy.decisions`, the
* span's events, `CallObserved.decisions`), and no call is changed. A control changes it while the integration runs.
*
* **Details**
*
* A limit in `observe` or `off` bounds nothing: the total deadline included, but for the caller's own (`Deadline.within`).
* A layer of `make` says with `observes` that it reads `site.mode`; else `observe` is a `PolicyError`.
*
* @category combinators
* @since 0.1.0
*/
const withMode = dual(2, (self, mode) => fromLayers(self.layers.map((layer) => ({
	...layer,
	mode
}))));
/**
* A policy that does nothing and decides nothing.
*
* @category layers
* @since 0.1.0
*/
const noop = /* @__PURE__ */ fromLayers([]);
/**
* A layer of your own.
*
* **Details**
*
* With slot `"attempt"` it wraps every attempt, inside the bulkhead and around the attempt's span, and sees a `Reason`;
* with slot `"call"` it wraps all attempts, outside retry and inside the total deadline, and sees a `CallFailure`.
* `build` runs once per operation when the integration's layer is built; state belongs into `site.shared`.
*
* @category constructors
* @since 0.1.0
*/
const make$1 = (options) => fromLayers([(options.slot === "call" ? callLayer : attemptLayer)({
	slot: options.slot,
	name: options.name,
	describe: options.describe ?? options.name,
	observes: options.observes ?? false,
	build: options.build
})]);
/**
* The three decisions that every operation needs, with defaults: an attempt timeout of 10 seconds, a total deadline of
* 30 seconds, and up to 3 attempts with full-jitter backoff; and a budget for the retries of all calls, of 500 tokens.
*
* **Details**
*
* All operations of an integration draw on one budget. One that has other numbers for its own needs another `name`, or
* the build fails; `budget: false` leaves its retries unbounded.
*
* @category layers
* @since 0.1.0
*/
const standard$2 = (options) => stack(totalDeadline(options?.totalDeadline ?? "30 seconds"), options?.budget === false ? noop : isPolicy(options?.budget) ? options.budget : budget(options?.budget), retry(options?.schedule ?? backoff(), { maxAttempts: options?.maxAttempts }), attemptTimeout(options?.attemptTimeout ?? "10 seconds"));
/**
* The stateful layers of an integration: one breaker, one rate limit and one bulkhead for all its operations, not one each.
*
* **Details**
*
* They stay when an operation replaces the integration's `policy`. Each layer that builds the integration has its own. A
* `budget` here takes the place of the one that `standard` has.
*
* @category layers
* @since 0.1.0
*/
const shared = (options) => fromLayers([
	...options.budget === void 0 ? [] : (isPolicy(options.budget) ? options.budget : budget(options.budget)).layers,
	...options.breaker === void 0 ? [] : (isPolicy(options.breaker) ? options.breaker : breaker(options.breaker)).layers,
	...options.rateLimit === void 0 ? [] : (isPolicy(options.rateLimit) ? options.rateLimit : rateLimit(options.rateLimit)).layers,
	...options.bulkhead === void 0 ? [] : (isPolicy(options.bulkhead) ? options.bulkhead : bulkhead(options.bulkhead)).layers
]);

// dist/Streaming.js
var Streaming_exports = /* @__PURE__ */ __exportAll({
	endless: () => endless,
	isUnlimited: () => isUnlimited,
	lastElement: () => lastElement,
	lastEventId: () => lastEventId,
	marker: () => marker,
	range: () => range,
	unlimited: () => unlimited
});
/**
* No limit, and why. For a subscription that has no end, or a provider that sends no sign of life.
*
* @category constructors
* @since 0.1.0
*/
const unlimited = (reason) => ({ unlimited: reason });
/**
* Returns whether a limit is none.
*
* @category guards
* @since 0.1.0
*/
const isUnlimited = (u) => Predicate.hasProperty(u, "unlimited");
const makeEnd = (end) => ({ end });
/**
* A mark after the last element, which is no element itself and is not decoded: `data: [DONE]`. A stream that ends without
* it was truncated. It gets an SSE event as it stood on the wire, or a line of NDJSON as parsed JSON.
*
* **Example** (OpenAI)
*
* ```ts
* import { Streaming } from "breakwater"
*
* const end = Streaming.marker(({ data }: Streaming.SseEvent) => data === "[DONE]")
*
* end.end._tag // => "Marker"
* ```
*
* @category ends
* @since 0.1.0
*/
const marker = (test) => makeEnd({
	_tag: "Marker",
	test
});
/**
* An element that is the last one, such as `{ "done": true }`. A stream that ends without it was truncated.
*
* @category ends
* @since 0.1.0
*/
const lastElement = (test) => makeEnd({
	_tag: "LastElement",
	test
});
/**
* No end: a subscription. However it ends, it was cut, and goes on where it can be resumed.
*
* @category ends
* @since 0.1.0
*/
const endless = /* @__PURE__ */ makeEnd({ _tag: "Endless" });
/**
* Asks for what comes after the last event that the consumer got, by `Last-Event-ID`.
*
* **Details**
*
* Every event needs an id of its own. One without leaves no place to go on from: the stream is then truncated. An event
* that comes again is dropped, and a provider that begins again from the start is a failure. `retry:` is the least wait.
*
* @category resuming
* @since 0.1.0
*/
const lastEventId = (/* @__PURE__ */ { resume: "Last-Event-ID" });
/**
* Asks for the bytes that are missing, by `Range` and `If-Range`.
*
* **Details**
*
* It needs a strong `ETag` in the first answer: without one, nothing says that the rest belongs to what came before. What
* has changed meanwhile is a failure, unless nothing had come. Compression is asked to be off, or the bytes could not be
* counted.
*
* @category resuming
* @since 0.1.0
*/
const range = (/* @__PURE__ */ { resume: "Range" });

// dist/internal/running.js
/** The claim under which a handler runs. `Receiver.step` and `Receiver.childKey` read it. */
var Running = class extends Context.Service()("breakwater/Receiver/Running") {};

// dist/internal/receive.js
const poll = Duration.millis(200);
/**
* Claims. A store compares fingerprints as text. One that another version made in another way is no other request, so it
* is claimed as what it was stored with: what is done is told, and nothing runs twice for a deploy.
*/
const claimIn = (store, options) => Effect.flatMap(store.claim(options), (claimed) => claimed._tag !== "Mismatch" ? Effect.succeed(claimed) : Effect.flatMap(store.get(options), (found) => {
	const fingerprint = Option.getOrUndefined(found)?.fingerprint;
	return fingerprint === void 0 || differ(fingerprint, options.fingerprint) ? Effect.succeed(claimed) : store.claim({
		...options,
		fingerprint
	});
}));
/** Claims until it is clear whose turn it is, or the wait is over. */
const claiming = (claim, wait) => Effect.flatMap(Clock.currentTimeMillis, (started) => {
	const again = Effect.flatMap(claim, (claimed) => {
		if (claimed._tag !== "InFlight") return Effect.succeed(claimed);
		return Effect.flatMap(Clock.currentTimeMillis, (now) => {
			const left = started + Duration.toMillis(wait) - now;
			return left <= 0 ? Effect.succeed(claimed) : Effect.andThen(Effect.sleep(Duration.min(Duration.min(claimed.retryAfter, poll), Duration.millis(left))), again);
		});
	});
	return again;
});
/**
* The claim commits first, the handler runs under a lease that is renewed, and its end is written under the claim's epoch.
*/
const leased$1 = (store, settings, work) => {
	const { address, fingerprint } = work;
	const { lease, onLostLease, timeToLive } = settings;
	const claim = claimIn(store, {
		...address,
		fingerprint,
		lease,
		timeToLive,
		onLostLease
	});
	const start = Effect.matchEffect(claiming(claim, settings.wait), {
		onFailure: (error) => Effect.succeed({
			_tag: "StoreFailed",
			error
		}),
		onSuccess: (claimed) => claimed._tag === "Started" ? owning({
			...address,
			epoch: claimed.epoch
		}, claimed.steps) : Effect.succeed(claimed)
	});
	const owning = (owner, steps) => Effect.uninterruptibleMask((restore) => Effect.gen(function* () {
		let lost = false;
		const running = {
			address,
			steps: new Map(steps.map(({ data, name }) => [name, data])),
			save: (step) => Effect.flatMap(store.saveStep(owner, step), (own) => {
				if (own) return Effect.void;
				lost = true;
				return Effect.interrupt;
			})
		};
		const handler = yield* Effect.forkChild(Effect.interruptible(Effect.timeoutOrElse(Effect.provideService(work.handler, Running, running), {
			duration: settings.maxRun,
			orElse: () => Effect.die(/* @__PURE__ */ new Error(`the handler was cut after ${Duration.format(settings.maxRun)} (maxRun)`))
		})), { startImmediately: true });
		const renewing = yield* Effect.forkChild(Effect.interruptible(Effect.flatMap(Effect.repeat(Effect.delay(Effect.catch(store.renew(owner, lease), () => Effect.succeed(true)), Duration.times(lease, 1 / 3)), { while: (own) => own }), () => {
			lost = true;
			return Fiber.interrupt(handler);
		})));
		const exit = yield* restore(Fiber.await(handler)).pipe(Effect.onInterrupt(() => Effect.andThen(Fiber.interrupt(handler), abandon(owner))));
		yield* Fiber.interrupt(renewing);
		if (lost) return yield* Effect.flatMap(reread, (known) => Effect.succeed(known ?? ran(exit, false)));
		const verdict = yield* work.judge(exit);
		const written = yield* Effect.exit(settle(owner, verdict));
		if (Exit.isFailure(written)) return ran(exit, false);
		if (written.value) return ran(exit, true);
		return (yield* reread) ?? ran(exit, false);
	}));
	const abandon = (owner) => Effect.ignore(onLostLease === "hold" ? store.hold(owner) : store.renew(owner, Duration.zero));
	const settle = (owner, verdict) => {
		const write = Effect.suspend(() => {
			if (verdict._tag === "Keep") return store.complete(owner, {
				result: verdict.result,
				timeToLive
			});
			if (verdict._tag === "Nothing") return store.release(owner);
			return onLostLease === "hold" ? store.hold(owner) : store.renew(owner, Duration.zero);
		});
		return Effect.retry(write, {
			times: 10,
			schedule: Schedule.spaced(Duration.times(lease, 1 / 20))
		});
	};
	/** What another owner has left, if it is final. */
	const reread = Effect.catch(Effect.map(store.get(address), (found) => {
		const record = Option.getOrUndefined(found);
		if (record?.state === "Done") return {
			_tag: "Replay",
			result: record.result
		};
		if (record?.state === "Held") return { _tag: "Held" };
		if (record?.state === "Running") return {
			_tag: "InFlight",
			retryAfter: lease
		};
	}), () => Effect.succeed(void 0));
	return start;
};
const ran = (exit, recorded) => ({
	_tag: "Ran",
	exit,
	recorded
});
/** Rolls the transaction back with what the handler ended with. */
var RolledBack = class {
	exit;
	constructor(exit) {
		this.exit = exit;
	}
};
/**
* The claim, what the handler writes and its end are one transaction. A crash anywhere leaves nothing; a failure that is
* an answer rolls back what the handler wrote and commits the record.
*/
const transactional$1 = (store, settings, work) => {
	const { address, fingerprint } = work;
	const { lockTimeout, timeToLive } = settings;
	const running = {
		address,
		steps: /* @__PURE__ */ new Map(),
		save: () => Effect.void
	};
	const inside = Effect.flatMap(claimIn(store, {
		...address,
		fingerprint,
		lease: Duration.minutes(10),
		timeToLive,
		onLostLease: "rerun"
	}), (claimed) => {
		if (claimed._tag !== "Started") return Effect.succeed(claimed);
		const owner = {
			...address,
			epoch: claimed.epoch
		};
		return Effect.flatMap(attempted, (exit) => Effect.flatMap(work.judge(exit), (verdict) => {
			if (verdict._tag !== "Keep") return Effect.fail(new RolledBack(exit));
			return Effect.flatMap(store.complete(owner, {
				result: verdict.result,
				timeToLive
			}), (own) => own ? Effect.succeed(ran(exit, true)) : Effect.fail(new StoreError$1({
				reason: "Unavailable",
				store: "transactional",
				operation: "complete",
				tookEffect: "no",
				cause: "the claim was lost before it was completed"
			})));
		}));
	});
	const attempted = Effect.matchCauseEffect(store.savepoint(Effect.provideService(work.handler, Running, running)), {
		onSuccess: (value) => Effect.succeed(Exit.succeed(value)),
		onFailure: (cause) => {
			const ofStore = cause.reasons.find((reason) => Cause.isFailReason(reason) && isStoreError(reason.error));
			return Cause.hasInterruptsOnly(cause) || ofStore !== void 0 ? Effect.failCause(cause) : Effect.succeed(Exit.failCause(cause));
		}
	});
	const once = Effect.matchCauseEffect(store.transaction({ lockTimeout })(inside), {
		onSuccess: (received) => Effect.succeed(received),
		onFailure: (cause) => {
			const error = cause.reasons.find(Cause.isFailReason)?.error;
			if (error instanceof RolledBack) return Effect.succeed(ran(error.exit, true));
			if (error !== void 0) return Effect.fail(error);
			return Effect.failCause(cause);
		}
	});
	return Effect.catch(once, (error) => {
		if (error.reason === "Busy") return Effect.succeed({
			_tag: "InFlight",
			retryAfter: lockTimeout
		});
		if (error.tookEffect === "no") return Effect.succeed({
			_tag: "StoreFailed",
			error
		});
		return Effect.match(store.get(address), {
			onFailure: () => ({
				_tag: "StoreFailed",
				error
			}),
			onSuccess: (found) => {
				const record = Option.getOrUndefined(found);
				return record?.state === "Done" && !differ(record.fingerprint, fingerprint) ? {
					_tag: "Replay",
					result: record.result
				} : {
					_tag: "StoreFailed",
					error
				};
			}
		});
	});
};

// dist/Receiver.js
/**
* The receiving side: a handler that runs once per key, however often its message, request or job arrives.
*
* @since 0.1.0
*/
var Receiver_exports = /* @__PURE__ */ __exportAll({
	ReceiverError: () => ReceiverError,
	Running: () => Running,
	childKey: () => childKey,
	leased: () => leased,
	once: () => once,
	step: () => step,
	transactional: () => transactional
});
/**
* Claim, business writes and completion in one transaction: a crash anywhere leaves nothing behind, and the next arrival
* runs as if it were the first. The only mode in which a failed handler can always be repeated.
*
* **When to use**
*
* Use where all that the handler does is to write into the database of a `TransactionalStore`. It must not call another
* service: a rollback can't undo a call. A handler that needs an integration does not compile; write to an outbox, or use
* `leased`.
*
* **Details**
*
* A duplicate that arrives meanwhile waits for the transaction, `lockTimeout` at most (default: 5 seconds), and then fails
* as `InProgress`. On SQLite transactions take turns: one handler runs at a time.
*
* @category modes
* @since 0.1.0
*/
const transactional = (options) => ({
	_tag: "Transactional",
	lockTimeout: Duration.fromInputUnsafe(options?.lockTimeout ?? "5 seconds")
});
/**
* The claim commits first; the handler runs under a lease that is renewed while its process lives.
*
* **When to use**
*
* Use where the handler calls other services. Say with `onLostLease` what becomes of a claim whose process died halfway:
*
* - `"rerun"`: run again from the start. Right only if every effect of the handler has a key of its own: derive those keys
*   with `childKey`.
* - `"resume"`: run again, but skip the steps that were saved with `step`.
* - `"hold"`: don't run again; arrivals fail as `OutcomeUnknown` until a person has resolved the record.
*
* **Details**
*
* `lease` (default: 30 seconds) is how long after a crash the next arrival has to wait. `maxRun` (default: 10 minutes)
* cuts a handler that hangs: without it a lease would be renewed for ever.
*
* @category modes
* @since 0.1.0
*/
const leased = (options) => ({
	_tag: "Leased",
	lease: Duration.fromInputUnsafe(options.lease ?? "30 seconds"),
	maxRun: Duration.fromInputUnsafe(options.maxRun ?? "10 minutes"),
	onLostLease: options.onLostLease
});
const next$1 = {
	InProgress: ["another arrival of this key is at work", "deliver it again later"],
	KeyReused: ["the key was used before with another input", "reject it; its sender has a bug"],
	OutcomeUnknown: ["an earlier run may have happened", "resolve the held record, then deliver it again"],
	ResponseNotStored: ["it was done before, and its answer was not kept", "acknowledge it"],
	InvalidKey: ["the key is none: 1 to 255 visible ASCII characters are", "reject it"],
	InvalidInput: ["the input does not match its schema", "reject it"],
	LeaseLost: ["this run lost its lease and was cut", "deliver it again"],
	StoreUnavailable: ["the idempotency store failed, so nothing was run", "deliver it again later"]
};
/**
* The handler did not run for this arrival, or its answer is not there.
*
* @category errors
* @since 0.1.0
*/
var ReceiverError = class extends Data.TaggedError("ReceiverError") {
	get message() {
		const [what, todo] = next$1[this.reason];
		const when = this.retryAfter === void 0 ? "" : ` (in ${Duration.format(this.retryAfter)})`;
		return `${this.scope} ${this.key}: ${what}; ${todo}${when}`;
	}
};
/**
* Makes a handler that runs once per key.
*
* **Details**
*
* The first arrival of a key runs the handler and stores how it ended; every later one gets the stored answer. While the
* first is at work, others wait or fail as `InProgress`. A store that fails before the handler ran fails the arrival:
* nothing runs unprotected. One that fails afterwards does not turn a success into an error.
*
* **Example** (A message that arrives twice)
*
* ```ts
* import { IdempotencyStoreMemory, Receiver } from "breakwater"
* import { Effect, Schema } from "effect"
*
* let mails = 0
* const welcome = Receiver.once({
*   name: "welcome",
*   mode: Receiver.leased({ onLostLease: "hold" }),
*   input: Schema.Struct({ id: Schema.String, to: Schema.String }),
*   key: ({ id }) => id,
*   success: Schema.String
* })(({ to }) => Effect.sync(() => `mail ${++mails} to ${to}`))
*
* const message = { id: "m-1", to: "a@shop.test" }
* const program = Effect.all([welcome(message), welcome(message)])
*
* await Effect.runPromise(Effect.provide(program, IdempotencyStoreMemory.layer)) // => ["mail 1 to a@shop.test", "mail 1 to a@shop.test"]
* ```
*
* @category constructors
* @since 0.1.0
*/
const once = (options) => (handler) => {
	const timeToLive = Duration.fromInputUnsafe(options.timeToLive ?? "7 days");
	const wait = Duration.fromInputUnsafe(options.wait ?? 0);
	const encodeInput = Schema.encodeEffect(options.input);
	const codec = resultCodec(options.success, options.error ?? Schema.Never);
	const max = options.maxStored ?? 262144;
	const mode = options.mode;
	const judge = (exit) => {
		if (Exit.isSuccess(exit)) return Effect.orDie(Effect.map(codec.success(exit.value), kept(max)));
		const error = exit.cause.reasons.find(Cause.isFailReason)?.error;
		if (error === void 0 || exit.cause.reasons.some(Cause.isDieReason)) return inDoubt;
		if (options.nothingHappened?.(error) === true) return Effect.succeed({ _tag: "Nothing" });
		return options.error === void 0 ? inDoubt : Effect.matchEffect(codec.error(error), {
			onFailure: () => inDoubt,
			onSuccess: (text) => Effect.succeed(kept(max)(text))
		});
	};
	return (input) => {
		const key = options.key(input);
		const text = typeof key === "string" ? key : toText(key);
		const address = {
			scope: scopeOf(options.name, options.scope?.(input)),
			key: text
		};
		const fail = (reason, more) => Effect.fail(new ReceiverError({
			reason,
			...address,
			retryAfter: more?.retryAfter,
			cause: more?.cause
		}));
		if (!/^[\x21-\x7e]{1,255}$/.test(text)) return fail("InvalidKey");
		const received = Effect.flatMap(encodeInput(input), (encoded) => {
			const work = {
				address,
				fingerprint: fingerprintOf(encoded),
				handler: Effect.suspend(() => handler(input)),
				judge
			};
			const settings = {
				timeToLive,
				wait
			};
			return mode._tag === "Leased" ? Effect.flatMap(IdempotencyStore, (store) => leased$1(store, {
				...mode,
				...settings
			}, work)) : Effect.flatMap(TransactionalStore, (store) => transactional$1(store, {
				...mode,
				...settings
			}, work));
		}).pipe(Effect.catchTag("SchemaError", () => fail("InvalidInput")));
		return Effect.flatMap(received, (ended) => {
			switch (ended._tag) {
				case "Ran": return Exit.isFailure(ended.exit) && !ended.recorded && Cause.hasInterruptsOnly(ended.exit.cause) ? fail("LeaseLost") : ended.exit;
				case "Replay": return ended.result === void 0 ? fail("ResponseNotStored") : Effect.flatten(Effect.catch(codec.decode(ended.result), () => fail("ResponseNotStored")));
				case "InFlight": return fail("InProgress", { retryAfter: ended.retryAfter });
				case "Mismatch": return fail("KeyReused");
				case "Held": return fail("OutcomeUnknown");
				case "StoreFailed": return fail("StoreUnavailable", {
					retryAfter: Duration.seconds(1),
					cause: ended.error
				});
			}
		});
	};
};
/** The scope of a record: what is done, and for whom. No name and principal together look like another name. */
const scopeOf = (name, principal) => {
	const first = name.replace(/[%|]/g, encodeURIComponent);
	return principal === void 0 ? first : `${first}|${principal}`;
};
const inDoubt = Effect.succeed({ _tag: "InDoubt" });
const kept = (max) => (text) => ({
	_tag: "Keep",
	result: text.length > max ? void 0 : text
});
const resultCodec = (success, error) => {
	const ok = Schema.fromJsonString(Schema.Struct({ ok: Schema.toCodecJson(success) }));
	const failed = Schema.fromJsonString(Schema.Struct({ failed: Schema.toCodecJson(error) }));
	const either = Schema.decodeUnknownEffect(Schema.Union([ok, failed]));
	const encodeOk = Schema.encodeUnknownEffect(ok);
	const encodeFailed = Schema.encodeUnknownEffect(failed);
	return {
		success: (value) => encodeOk({ ok: value }),
		error: (value) => encodeFailed({ failed: value }),
		decode: (text) => Effect.map(either(text), (found) => "ok" in found ? Exit.succeed(found.ok) : Exit.fail(found.failed))
	};
};
/**
* A step that is carried out once per key, even if the handler runs again with `onLostLease: "resume"`: a saved step
* answers with what it answered then.
*
* **Details**
*
* A crash between the step and its saving repeats it: give it a key of its own with `childKey`. Names are unique within
* a handler. In a transaction, and with another `onLostLease`, a step just runs.
*
* @category steps
* @since 0.1.0
*/
const step = (name, schema) => (self) => {
	const codec = Schema.fromJsonString(Schema.toCodecJson(schema));
	return Effect.flatMap(Running, (running) => {
		const saved = running.steps.get(name);
		if (saved !== void 0) return Effect.orDie(Schema.decodeEffect(codec)(saved));
		return Effect.tap(self, (value) => Effect.flatMap(Effect.orDie(Schema.encodeEffect(codec)(value)), (data) => running.save({
			name,
			data
		})));
	});
};
/**
* A key for a call that a handler makes, derived from the handler's own: the same in every run for this message, and
* another for every step.
*
* @category steps
* @since 0.1.0
*/
const childKey = (step) => Effect.map(Running, ({ address }) => derive(step, address.scope, address.key));

// dist/WebhookError.js
/**
* Why a webhook delivery was not accepted.
*
* @since 0.1.0
*/
const next = {
	TooLarge: "reject it; raise `maxBytes` if the provider sends events of this size",
	MissingHeader: "reject it; it did not come from this provider, or a proxy removed the header",
	Malformed: "reject it",
	Stale: "reject it; if all deliveries fail so, set the clock, or pass `receivedAt` for what was buffered",
	BadSignature: "reject it; if all deliveries fail so, compare the secret, and verify the bytes that arrived",
	InvalidEvent: "extend the schema; the provider delivers the event again",
	SecretsUnavailable: "deliver it again later",
	Misconfigured: "correct it before the receiver is started"
};
/**
* A delivery was not accepted. The message names no secret, no signature and nothing of the body.
*
* @category errors
* @since 0.1.0
*/
var WebhookError = class extends Data.TaggedError("WebhookError") {
	get message() {
		return `${this.provider} webhook: ${this.detail}; ${next[this.reason]}`;
	}
};

// dist/internal/webhookScheme.js
const failing = (provider) => (reason, detail) => Effect.fail(new WebhookError({
	reason,
	provider,
	detail
}));
const normalized = (input) => {
	const headers = Object.create(null);
	for (const [name, value] of Object.entries(input)) {
		if (value === void 0) continue;
		(headers[name.toLowerCase()] ??= []).push(...typeof value === "string" ? [value] : value);
	}
	return headers;
};
/** The one value of a header, or `undefined` where it is not there. */
const optional = (fail, arrival, name) => {
	const values = arrival.headers[name] ?? [];
	if (values.length > 1) return fail("Malformed", `the header ${name} came ${values.length} times`);
	const value = values[0]?.trim();
	return Effect.succeed(value === "" ? void 0 : value);
};
/** The one value of a header that must be there. */
const required = (fail, arrival, name) => Effect.flatMap(optional(fail, arrival, name), (value) => value === void 0 ? fail("MissingHeader", `the header ${name} is missing`) : Effect.succeed(value));
/** Whole seconds since 1970, written as nothing but digits. */
const seconds = (fail, name, text) => /^\d{1,12}$/.test(text) ? Effect.succeed(Number(text)) : fail("Malformed", `${name} is no time in seconds`);
/** An id that can be a key of the idempotency store. */
const idOf = (fail, name, value) => typeof value === "string" && /^[\x21-\x7e]{1,255}$/.test(value) ? Effect.succeed(value) : fail("Malformed", `${name} is no id of 1 to 255 visible ASCII characters`);
const encoder = /* @__PURE__ */ new TextEncoder();
const utf8 = (text) => encoder.encode(text);
/** A text followed by the bytes as they arrived: decoding them first could change what was signed. */
const concat = (text, bytes) => {
	const prefix = utf8(text);
	const all = new Uint8Array(prefix.length + bytes.length);
	all.set(prefix);
	all.set(bytes, prefix.length);
	return all;
};
/** Bytes of a Base64 text in its one canonical spelling, else `undefined`. Nothing is no text. */
const ofBase64 = (text) => {
	const bytes = Base64.decode(text);
	return text !== "" && Result.isSuccess(bytes) && Base64.encode(bytes.success) === text ? bytes.success : void 0;
};
/** Bytes of a lower-case hexadecimal text, else `undefined`. */
const ofHex = (text) => {
	const bytes = /^[0-9a-f]+$/.test(text) ? Hex.decode(text) : void 0;
	return bytes !== void 0 && Result.isSuccess(bytes) ? bytes.success : void 0;
};
const textOf = (fail, body) => Effect.catch(Effect.try({
	try: () => new TextDecoder("utf-8", { fatal: true }).decode(body),
	catch: () => "no UTF-8"
}), () => fail("Malformed", "the body is no UTF-8"));
const parsed = (fail, text) => Effect.catch(Effect.try({
	try: () => JSON.parse(text),
	catch: () => "no JSON"
}), () => fail("Malformed", "the body is no JSON"));
const jsonOf = (fail, body) => Effect.flatMap(textOf(fail, body), (text) => parsed(fail, text));
/** The parameters of a form. One that came more than once is a list. */
const formOf = (fail, body) => Effect.map(textOf(fail, body), (text) => {
	const parameters = /* @__PURE__ */ new Map();
	for (const [name, value] of new URLSearchParams(text)) {
		const values = parameters.get(name);
		if (values === void 0) parameters.set(name, [value]);
		else values.push(value);
	}
	return Object.fromEntries(Array.from(parameters, ([name, values]) => [name, values.length === 1 ? values[0] : values]));
});
/**
* Whether the body is a form. `Content-Type` is not signed, and JSON may hold `&payload=…` that somebody else has written:
* so it never makes a form of a body that is JSON by its first character, which no form begins with.
*/
const isForm = ({ body, headers }) => /^application\/x-www-form-urlencoded\b/i.test(headers["content-type"]?.[0]?.trim() ?? "") && !jsonStarts.has(body.find((byte) => !whiteSpace.has(byte)) ?? 0);
const whiteSpace = /* @__PURE__ */ new Set([
	9,
	10,
	13,
	32
]);
/** `{`, `[` and `"`: a form writes them as `%7B`, `%5B` and `%22`. */
const jsonStarts = /* @__PURE__ */ new Set([
	34,
	91,
	123
]);
const field = (value, name) => typeof value === "object" && value !== null && Object.hasOwn(value, name) ? value[name] : void 0;

// dist/internal/webhookCrypto.js
const layer = Layer.mergeAll(Mac.layerWebCrypto, Signature.layerWebCrypto, Digest.layerWebCrypto).pipe(Layer.provide(SecureRandom.layerWebCrypto));
/** What a secret must be that `ed25519` takes: 32 bytes. */
const ed25519Length = 32;
/**
* Needs nothing from its environment but the `WebCrypto` reference of Effect. A failure of WebCrypto itself says nothing
* about a delivery, so it is a defect.
*/
const open = Effect.map(Effect.scoped(Layer.build(layer)), (services) => {
	const mac = Context.get(services, Mac.Mac);
	const signature = Context.get(services, Signature.Signature);
	const digest = Context.get(services, Digest.Digest);
	const hmac = (scheme, bytes) => Effect.map(Effect.orDie(Mac.key(scheme.hash === "sha1" ? Mac.hmacSha1 : Mac.hmacSha256, bytes)), (key) => ({
		_tag: "Hmac",
		key
	}));
	const keyOf = (scheme, secret, at) => {
		const fail = failing(scheme.provider);
		const bad = (what) => fail("Misconfigured", `secret ${at} ${what}`);
		const text = Redacted.value(secret);
		if (text === "") return bad("is empty");
		if (text.trim() !== text) return bad("has white space around it");
		if (scheme.secret === "utf8") return hmac(scheme, utf8(text));
		const [, kind = "whsec_", encoded = ""] = /^(whsec_|whpk_|whsk_)?(.*)$/s.exec(text);
		const bytes = ofBase64(encoded);
		if (bytes === void 0) return bad("is no Base64 (whsec_…, whpk_… or whsk_…)");
		if (kind === "whsec_") return hmac(scheme, bytes);
		if (bytes.length !== ed25519Length) return bad(`is no ed25519 key: it has ${bytes.length} bytes, not 32`);
		return Effect.orDie(kind === "whpk_" ? Effect.map(Signature.publicKey(Signature.ed25519, bytes), (publicKey) => ({
			_tag: "Ed25519",
			publicKey,
			privateKey: void 0
		})) : Effect.flatMap(Signature.privateKey(Signature.ed25519, bytes), (privateKey) => Effect.map(signature.publicKeyOf(privateKey), (publicKey) => ({
			_tag: "Ed25519",
			publicKey,
			privateKey
		}))));
	};
	const sha256 = (bytes) => digest.digest(Digest.sha256, bytes);
	return {
		keys: (scheme, secrets) => secrets.length === 0 ? failing(scheme.provider)("Misconfigured", "there is no secret") : Effect.forEach(secrets, (secret, index) => keyOf(scheme, secret, index + 1)),
		verify: (keys, claimed) => Effect.orDie(Effect.gen(function* () {
			let matched = false;
			for (const key of keys) for (const content of claimed.contents) if (key._tag === "Hmac") {
				const tag = yield* mac.sign(key.key, content);
				for (const claim of claimed.hmacs) matched = Mac.timingSafeEqual(tag, claim) || matched;
			} else for (const claim of claimed.ed25519s) matched = (yield* signature.verify(key.publicKey, claim, content)) || matched;
			if (claimed.bodySha256 === void 0) return matched;
			return Mac.timingSafeEqual(yield* sha256(claimed.body), claimed.bodySha256) && matched;
		})),
		seal: (keys) => (content) => Effect.orDie(Effect.gen(function* () {
			const seals = [];
			for (const key of keys) if (key._tag === "Hmac") seals.push({
				_tag: "Hmac",
				bytes: yield* mac.sign(key.key, content)
			});
			else if (key.privateKey !== void 0) seals.push({
				_tag: "Ed25519",
				bytes: yield* signature.sign(key.privateKey, content)
			});
			return seals;
		})),
		sha256: (bytes) => digest.digestHex(Digest.sha256, bytes)
	};
});

// dist/internal/webhookProviders.js
/** So many signatures cover every rotation. More would let a stranger choose how much work a delivery is. */
const maxSignatures = 32;
const present = (values) => values.filter((value) => value !== void 0);
/** What was signed with the first secret, for a provider that sends one signature. */
const first = (fail, seal, content) => Effect.flatMap(seal(content), (seals) => seals[0] === void 0 ? fail("Misconfigured", "no secret can sign") : Effect.succeed(seals[0].bytes));
const all = (fail, seal, content) => Effect.flatMap(seal(content), (seals) => seals.length === 0 ? fail("Misconfigured", "no secret can sign") : Effect.succeed(seals));
/** `https://github.com/standard-webhooks/standard-webhooks`, version 1.0.0: `v1` (HMAC-SHA256) and `v1a` (ed25519). */
const standard$1 = (prefix) => {
	const provider = prefix === "svix" ? "Svix" : "Standard Webhooks";
	const fail = failing(provider);
	const readId = (arrival) => Effect.flatMap(required(fail, arrival, `${prefix}-id`), (text) => text.includes(".") ? fail("Malformed", `${prefix}-id has a full stop, which the specification warns of`) : idOf(fail, `${prefix}-id`, text));
	return {
		provider,
		hash: "sha256",
		secret: "standard",
		read: (arrival) => Effect.gen(function* () {
			const id = yield* readId(arrival);
			const timestamp = yield* required(fail, arrival, `${prefix}-timestamp`);
			const at = yield* seconds(fail, `${prefix}-timestamp`, timestamp);
			const signatures = (yield* required(fail, arrival, `${prefix}-signature`)).split(/ +/);
			if (signatures.length > maxSignatures) return yield* fail("Malformed", "there are too many signatures");
			const of = (version) => present(signatures.map((s) => s.startsWith(version) ? ofBase64(s.slice(version.length)) : void 0));
			const hmacs = of("v1,");
			const ed25519s = of("v1a,");
			if (hmacs.length + ed25519s.length === 0) return yield* fail("Malformed", `${prefix}-signature holds no signature of a known version`);
			return {
				body: arrival.body,
				contents: [concat(`${id}.${timestamp}.`, arrival.body)],
				hmacs,
				ed25519s,
				timestamp: at,
				bodySha256: void 0
			};
		}),
		identify: (arrival) => Effect.map(readId(arrival), (id) => ({
			id,
			signed: true
		})),
		payload: ({ body }) => jsonOf(fail, body),
		sign: ({ body, id, timestamp }, seal) => Effect.gen(function* () {
			if (!/^[\x21-\x2d\x2f-\x7e]{1,255}$/.test(id)) return yield* fail("Misconfigured", "an id is 1 to 255 visible ASCII characters without a full stop");
			const seals = yield* all(fail, seal, concat(`${id}.${timestamp}.`, body));
			return {
				[`${prefix}-id`]: id,
				[`${prefix}-timestamp`]: String(timestamp),
				[`${prefix}-signature`]: seals.map(({ _tag, bytes }) => `${_tag === "Hmac" ? "v1" : "v1a"},${Base64.encode(bytes)}`).join(" ")
			};
		})
	};
};
/** `https://docs.stripe.com/webhooks#verify-manually`: `t=…,v1=…` over `t.body`. `v0` is for tests only and does not count. */
const stripe$1 = (() => {
	const fail = failing("Stripe");
	const name = "stripe-signature";
	return {
		provider: "Stripe",
		hash: "sha256",
		secret: "utf8",
		read: (arrival) => Effect.gen(function* () {
			const parts = (yield* required(fail, arrival, name)).split(",").map((part) => part.trim());
			const of = (key) => parts.filter((p) => p.startsWith(`${key}=`)).map((p) => p.slice(key.length + 1));
			const [timestamp, ...others] = of("t");
			const signatures = of("v1");
			if (timestamp === void 0 || others.length > 0) return yield* fail("Malformed", `${name} has no one time`);
			const at = yield* seconds(fail, `the time of ${name}`, timestamp);
			if (signatures.length > maxSignatures) return yield* fail("Malformed", "there are too many signatures");
			const hmacs = present(signatures.map(ofHex));
			if (hmacs.length === 0) return yield* fail("Malformed", `${name} holds no signature of version v1`);
			return {
				body: arrival.body,
				contents: [concat(`${timestamp}.`, arrival.body)],
				hmacs,
				ed25519s: [],
				timestamp: at,
				bodySha256: void 0
			};
		}),
		identify: ({ body }) => Effect.flatMap(jsonOf(fail, body), (event) => Effect.map(idOf(fail, "the event's id", field(event, "id")), (id) => ({
			id,
			signed: true
		}))),
		payload: ({ body }) => jsonOf(fail, body),
		sign: ({ body, timestamp }, seal) => Effect.map(all(fail, seal, concat(`${timestamp}.`, body)), (seals) => ({ [name]: [`t=${timestamp}`, ...seals.map(({ bytes }) => `v1=${Hex.encode(bytes)}`)].join(",") }))
	};
})();
/** `https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries`: `sha256=` and hex over the body. */
const github$1 = (() => {
	const fail = failing("GitHub");
	const name = "x-hub-signature-256";
	return {
		provider: "GitHub",
		hash: "sha256",
		secret: "utf8",
		read: (arrival) => Effect.flatMap(required(fail, arrival, name), (text) => {
			const hmac = text.startsWith("sha256=") ? ofHex(text.slice(7)) : void 0;
			return hmac === void 0 ? fail("Malformed", `${name} holds no signature`) : Effect.succeed({
				body: arrival.body,
				contents: [arrival.body],
				hmacs: [hmac],
				ed25519s: [],
				timestamp: void 0,
				bodySha256: void 0
			});
		}),
		identify: (arrival) => Effect.gen(function* () {
			const text = yield* required(fail, arrival, "x-github-delivery");
			return {
				id: yield* idOf(fail, "x-github-delivery", text),
				signed: false
			};
		}),
		payload: (arrival) => isForm(arrival) ? Effect.flatMap(formOf(fail, arrival.body), (form) => parsed(fail, String(form["payload"] ?? ""))) : jsonOf(fail, arrival.body),
		sign: ({ body, id }, seal) => Effect.map(first(fail, seal, body), (bytes) => ({
			[name]: `sha256=${Hex.encode(bytes)}`,
			"x-github-delivery": id
		}))
	};
})();
/** `https://docs.slack.dev/authentication/verifying-requests-from-slack`: `v0=` and hex over `v0:time:body`. */
const slack$1 = (() => {
	const fail = failing("Slack");
	const payload = (arrival) => isForm(arrival) ? Effect.flatMap(formOf(fail, arrival.body), (form) => {
		const inner = form["payload"];
		return typeof inner === "string" ? parsed(fail, inner) : Effect.succeed(form);
	}) : jsonOf(fail, arrival.body);
	return {
		provider: "Slack",
		hash: "sha256",
		secret: "utf8",
		read: (arrival) => Effect.gen(function* () {
			const timestamp = yield* required(fail, arrival, "x-slack-request-timestamp");
			const at = yield* seconds(fail, "x-slack-request-timestamp", timestamp);
			const text = yield* required(fail, arrival, "x-slack-signature");
			const hmac = text.startsWith("v0=") ? ofHex(text.slice(3)) : void 0;
			if (hmac === void 0) return yield* fail("Malformed", "x-slack-signature holds no signature");
			return {
				body: arrival.body,
				contents: [concat(`v0:${timestamp}:`, arrival.body)],
				hmacs: [hmac],
				ed25519s: [],
				timestamp: at,
				bodySha256: void 0
			};
		}),
		identify: (arrival) => Effect.map(payload(arrival), (event) => {
			const id = field(event, "event_id") ?? field(event, "trigger_id");
			const challenge = field(event, "challenge");
			return {
				id: typeof id === "string" && /^[\x21-\x7e]{1,255}$/.test(id) ? id : void 0,
				signed: true,
				handshake: field(event, "type") === "url_verification" && typeof challenge === "string" ? challenge : void 0
			};
		}),
		payload,
		sign: ({ body, timestamp }, seal) => Effect.map(first(fail, seal, concat(`v0:${timestamp}:`, body)), (bytes) => ({
			"x-slack-request-timestamp": String(timestamp),
			"x-slack-signature": `v0=${Hex.encode(bytes)}`
		}))
	};
})();
/** `https://shopify.dev/docs/apps/build/webhooks/verify-deliveries`: Base64 over the body. */
const shopify$1 = (idHeader) => {
	const fail = failing("Shopify");
	const name = "x-shopify-hmac-sha256";
	return {
		provider: "Shopify",
		hash: "sha256",
		secret: "utf8",
		read: (arrival) => Effect.flatMap(required(fail, arrival, name), (text) => {
			const hmac = ofBase64(text);
			return hmac === void 0 ? fail("Malformed", `${name} holds no signature`) : Effect.succeed({
				body: arrival.body,
				contents: [arrival.body],
				hmacs: [hmac],
				ed25519s: [],
				timestamp: void 0,
				bodySha256: void 0
			});
		}),
		identify: (arrival) => Effect.gen(function* () {
			const text = yield* required(fail, arrival, idHeader);
			return {
				id: yield* idOf(fail, idHeader, text),
				signed: false
			};
		}),
		payload: ({ body }) => jsonOf(fail, body),
		sign: ({ body, id }, seal) => Effect.map(first(fail, seal, body), (bytes) => ({
			[name]: Base64.encode(bytes),
			[idHeader]: id
		}))
	};
};

// dist/internal/webhookTwilio.js
/** Reads an address without changing its spelling, as `URL` would: Twilio signs what is written. */
const addressOf = (text) => {
	const found = /^(https?:\/\/)([^/?#@]*@)?(\[[^\]/?#]+\]|[^/?#:@\s]+)(:\d+)?(\/[^?#]*)?(\?[^#]*)?(?:#.*)?$/i.exec(text);
	if (found === null) return void 0;
	const [, scheme = "", user = "", host = "", port = "", path = "", query = ""] = found;
	return {
		scheme,
		user,
		host,
		port,
		path,
		query
	};
};
/**
* `https://www.twilio.com/docs/usage/security#validating-requests`: SHA-1 over the address and the sorted parameters, or
* over an address that holds the SHA-256 of the body.
*/
const twilio$1 = (publicUrl) => {
	const fail = failing("Twilio");
	const name = "x-twilio-signature";
	const calledOf = (url) => {
		if (url === void 0) return fail("Misconfigured", "Twilio signs the address: pass the delivery's `url`");
		const called = addressOf(url);
		if (called === void 0) return fail("Malformed", "the address that was called is no URL");
		if (publicUrl === void 0) return Effect.succeed(called);
		const path = publicUrl.path === "" || publicUrl.path === "/" ? called.path : publicUrl.path;
		return Effect.succeed({
			...publicUrl,
			path,
			query: called.query
		});
	};
	/**
	* Twilio signs with and without the port, and is not consistent in it: its own libraries accept both. It signs an
	* apostrophe as it is (twilio-node#1183), which a `Request` of the Web platform has escaped.
	*/
	const spellings = ({ host, path, port, query, scheme, user }) => {
		const named = port === "" ? scheme.toLowerCase() === "https://" ? ":443" : ":80" : port;
		return Array.from(/* @__PURE__ */ new Set([query, query.replaceAll("%27", "'")])).flatMap((query) => ["", named].map((port) => scheme + user + host + port + path + query));
	};
	const hashOf = ({ query }) => new URLSearchParams(query).get("bodySHA256");
	const isJson = (called) => hashOf(called) !== null;
	const parameters = (body) => Effect.map(formOf(fail, body), (form) => Object.keys(form).toSorted().map((key) => {
		const value = form[key];
		return typeof value === "string" ? key + value : Array.from(new Set(value)).toSorted().map((one) => key + one).join("");
	}).join(""));
	const contents = (called, body) => Effect.map(isJson(called) ? Effect.succeed("") : parameters(body), (text) => spellings(called).map((spelling) => utf8(spelling + text)));
	const payload = (arrival) => Effect.flatMap(calledOf(arrival.url), (called) => isJson(called) ? jsonOf(fail, arrival.body) : formOf(fail, arrival.body));
	return {
		provider: "Twilio",
		hash: "sha1",
		secret: "utf8",
		read: (arrival) => Effect.gen(function* () {
			const hmac = ofBase64(yield* required(fail, arrival, name));
			if (hmac === void 0) return yield* fail("Malformed", `${name} holds no signature`);
			const called = yield* calledOf(arrival.url);
			const hash = hashOf(called);
			const bodySha256 = hash === null ? void 0 : ofHex(hash);
			if (hash !== null && bodySha256 === void 0) return yield* fail("Malformed", "bodySHA256 is no SHA-256");
			return {
				body: arrival.body,
				contents: yield* contents(called, arrival.body),
				hmacs: [hmac],
				ed25519s: [],
				timestamp: void 0,
				bodySha256
			};
		}),
		identify: (arrival) => Effect.gen(function* () {
			const event = yield* payload(arrival);
			const text = (key) => {
				const value = field(event, key);
				return typeof value === "string" && /^[\x21-\x39\x3b-\x7e]{1,80}$/.test(value) ? value : void 0;
			};
			const message = [text("MessageSid") ?? text("SmsSid"), text("MessageStatus") ?? text("SmsStatus")];
			const call = [
				text("CallSid"),
				text("CallStatus"),
				text("SequenceNumber")
			];
			for (const parts of [message, call]) if (!parts.includes(void 0)) return {
				id: parts.join(":"),
				signed: true
			};
			const token = yield* optional(fail, arrival, "i-twilio-idempotency-token");
			if (token === void 0) return {
				id: void 0,
				signed: true
			};
			if (token.includes(":")) return yield* fail("Malformed", "i-twilio-idempotency-token has a colon");
			return {
				id: yield* idOf(fail, "i-twilio-idempotency-token", token),
				signed: false
			};
		}),
		payload,
		sign: ({ body, id, url }, seal) => Effect.gen(function* () {
			const [content] = yield* contents(yield* calledOf(url), body);
			return {
				[name]: Base64.encode(yield* first(fail, seal, content)),
				"i-twilio-idempotency-token": id
			};
		})
	};
};

// dist/internal/webhookDefinition.js
/** Where a webhook keeps how its provider signs. */
const TypeId = "~breakwater/Webhook";
const make = (provider, options, horizon, timeToLive, timed, opening) => ({
	provider,
	secrets: options.secrets,
	tolerance: timed ? Duration.fromInputUnsafe(options.tolerance ?? "5 minutes") : void 0,
	maxBytes: options.maxBytes ?? 1048576,
	retryHorizon: Duration.fromInputUnsafe(horizon),
	timeToLive: Duration.fromInputUnsafe(timeToLive),
	[TypeId]: opening
});
/**
* Standard Webhooks (`standardwebhooks.com`), as OpenAI, Svix and many others send them.
*
* **Details**
*
* `v1` signatures are checked with secrets of the form `whsec_…` (the prefix may be missing), `v1a` signatures with the
* public key `whpk_…`, or with the key pair's secret `whsk_…`. With `prefix: "svix"` the headers are `svix-id` and so on.
*
* The specification's example schedule goes on for 75 hours and 35 minutes; an id is remembered for 7 days. (Its advice to
* keep ids for 5 minutes is for replays, and far too short for redeliveries.)
*
* **Gotchas**
*
* An id with a full stop is refused as `Malformed`, and there is no option for it. What is signed is `id.time.body`: if the
* id may hold a full stop, one signature fits several ids, times and bodies, and a captured delivery can be cut in another
* place, with a new time. The specification lets a sender use a full stop only in ids that no user has a say in, and a
* receiver can't see whether that is so.
*
* **Example** (Signed here, verified there)
*
* ```ts
* import { Webhook } from "breakwater"
* import { Effect, Redacted } from "effect"
*
* const Events = Webhook.standard({ secrets: Redacted.make("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw") })
* const body = new TextEncoder().encode('{"type":"invoice.paid"}')
*
* const program = Effect.gen(function* () {
*   const headers = yield* Webhook.sign(Events, { id: "msg_1", body })
*   const { id } = yield* Webhook.verify(Events, { headers, body })
*   return id
* })
*
* await Effect.runPromise(program) // => "msg_1"
* ```
*
* @category providers
* @since 0.1.0
*/
const standard = (options) => {
	const scheme = standard$1(options.prefix ?? "webhook");
	return make(scheme.provider, options, "4536 minutes", "7 days", true, Effect.succeed(scheme));
};
/**
* Stripe: `Stripe-Signature`, with the endpoint's signing secret (`whsec_…`, used as it is written).
*
* **Details**
*
* The id is the event's, from the body. Stripe delivers for 3 days, and an event can be sent again by hand for as long as
* Stripe keeps it, which is 30 days: so long is its id remembered. Bodies are not compared, because Stripe does not promise
* the same bytes twice: an event says how many of its deliveries are still open (`pending_webhooks`).
*
* @category providers
* @since 0.1.0
*/
const stripe = (options) => make("Stripe", options, "72 hours", "30 days", true, Effect.succeed(stripe$1));
/**
* GitHub: `X-Hub-Signature-256`, with the webhook's secret.
*
* **Details**
*
* The id is `X-GitHub-Delivery`, the same when a delivery is repeated. GitHub repeats nothing by itself; by hand or by its
* API it can be done for 3 days, with Enterprise Server for 7. Payloads may have 25 MB: raise `maxBytes` if you subscribe to
* events of that size.
*
* **Gotchas**
*
* The signature covers the body alone: no time, no id and no `X-GitHub-Event`, so tell events apart by what stands in the
* body, and take that header for a hint. What was captured once can be replayed for
* ever, and the memory of ids is the only defence. So an id is remembered for ten years, in practice without end. A
* replay under a made-up id is a new delivery to anyone who looks at ids: keep TLS on, and make handlers that do harm
* twice look at the event's own identity (with `Receiver.once` and a key from the payload).
*
* @category providers
* @since 0.1.0
*/
const github = (options) => make("GitHub", options, "7 days", "3650 days", false, Effect.succeed(github$1));
/**
* Slack: `X-Slack-Signature`, with the app's signing secret; for events, commands and interactions.
*
* **Details**
*
* The id is `event_id`, else `trigger_id`, else the digest of what was signed. Slack repeats an event 3 times: at once, a
* minute later and five minutes later. An id is remembered for at least 25 hours all the same. Its test of the address
* (`url_verification`) is answered by `WebhookReceiver`. The payload of an interaction is the JSON within its form.
*
* @category providers
* @since 0.1.0
*/
const slack = (options) => make("Slack", options, "25 hours", "7 days", true, Effect.succeed(slack$1));
/**
* Shopify: `X-Shopify-Hmac-SHA256`, with the app's client secret.
*
* **Details**
*
* The id is `X-Shopify-Webhook-Id`, of one delivery to one subscription; with `dedupe: "event"` it is `X-Shopify-Event-Id`,
* which several subscriptions share: then subscribe once per route. Shopify repeats 8 times within 4 hours. After a
* rotation it may sign with the old secret for an hour: keep both active.
*
* **Gotchas**
*
* The signature covers the body alone, no time and no id: see `github`. Give `WebhookReceiver` a longer `timeToLive` where
* a replay after 7 days would do harm.
*
* @category providers
* @since 0.1.0
*/
const shopify = (options) => make("Shopify", options, "4 hours", "7 days", false, Effect.succeed(shopify$1(`x-shopify-${options.dedupe ?? "webhook"}-id`)));
/**
* Twilio: `X-Twilio-Signature`, with the account's auth token.
*
* **Details**
*
* Twilio signs the address that it calls, and the sorted parameters of a form; of JSON, the address holds the digest
* (`bodySHA256`). Behind a proxy this process sees another address: say with `publicUrl` which one Twilio was given. An
* origin alone (`https://shop.test`) keeps the path that was called; the query is always that of the call. Both spellings
* of the port are accepted, as in Twilio's own libraries.
*
* The id is `MessageSid` and `MessageStatus`, or `CallSid`, `CallStatus` and `SequenceNumber`; else
* `I-Twilio-Idempotency-Token`, which the signature does not cover; else the digest of what was signed.
*
* **Gotchas**
*
* Without `publicUrl` the address is made from the `Host` header, which is the caller's: a delivery that was captured on
* its way to another host of the same account verifies here too.
*
* Twilio signs no time: see `github`. Give `WebhookReceiver` a longer `timeToLive` where a replay after 7 days would do
* harm.
*
* @category providers
* @since 0.1.0
*/
const twilio = (options) => {
	const { publicUrl } = options;
	const read = Config.isConfig(publicUrl) ? publicUrl : Effect.succeed(publicUrl);
	const opening = Effect.flatMap(read, (text) => {
		if (text === void 0) return Effect.succeed(twilio$1(void 0));
		const url = addressOf(String(text));
		return url === void 0 ? failing("Twilio")("Misconfigured", "`publicUrl` is no URL") : Effect.succeed(twilio$1(url));
	});
	return make("Twilio", options, "1 hour", "7 days", false, opening);
};

// dist/Webhook.js
/**
* Verifies that a webhook delivery was made by its provider, before anything in it is believed.
*
* A `Webhook` value says how one provider signs and which secrets are active. `verify` checks the raw bytes and headers
* of a delivery; `WebhookReceiver` of `breakwater/http` puts it before a handler that runs once per event.
*
* @since 0.1.0
*/
var Webhook_exports = /* @__PURE__ */ __exportAll({
	WebhookError: () => WebhookError,
	event: () => event,
	github: () => github,
	shopify: () => shopify,
	sign: () => sign,
	slack: () => slack,
	standard: () => standard,
	stripe: () => stripe,
	twilio: () => twilio,
	verifier: () => verifier,
	verify: () => verify
});
const sourceOf = (secret) => Redacted.isRedacted(secret) ? Effect.succeed({
	_tag: "Static",
	secret
}) : Config.isConfig(secret) ? Effect.map(secret, (read) => ({
	_tag: "Static",
	secret: read
})) : Effect.succeed({
	_tag: "Dynamic",
	read: secret
});
const listOf = (secret) => Redacted.isRedacted(secret) ? [secret] : secret;
/** A limit that is no number compares as false, and would let everything through. */
const limitProblem = ({ maxBytes, tolerance }) => Number.isSafeInteger(maxBytes) && maxBytes > 0 ? tolerance === void 0 ? void 0 : check("`tolerance`", tolerance).problem : `\`maxBytes\` must be a whole number of bytes above zero, got ${maxBytes}`;
const opened = (self) => Effect.gen(function* () {
	const scheme = yield* self[TypeId];
	const problem = limitProblem(self);
	if (problem !== void 0) return yield* failing(scheme.provider)("Misconfigured", problem);
	const { keys, seal, sha256, verify } = yield* open;
	const listed = Array.isArray(self.secrets) ? self.secrets : [self.secrets];
	const sources = yield* Effect.forEach(listed, sourceOf);
	const read = Effect.forEach(sources, (source) => source._tag === "Static" ? Effect.succeed(listOf(source.secret)) : Effect.map(Effect.catchCause(source.read, (cause) => Cause.hasInterruptsOnly(cause) ? Effect.interrupt : failing(scheme.provider)("SecretsUnavailable", "the effect that reads the secrets failed")), listOf)).pipe(Effect.flatMap((lists) => keys(scheme, lists.flat())));
	return {
		active: sources.every(({ _tag }) => _tag === "Static") ? Effect.succeed(yield* read) : read,
		scheme,
		seal,
		sha256,
		verify
	};
});
/**
* Reads the secrets and makes a function that verifies deliveries.
*
* **Details**
*
* It checks, in this order: the size of the body; that headers are there and can be read; the time of signing against the
* time of arrival; every signature against every active secret, all of them in constant time; the id. Nothing is believed
* before all of it holds.
*
* A secret that is empty, has white space around it or is no Base64 where the provider writes Base64 fails here, as
* `Misconfigured`, and not as a bad signature at every delivery. So does a `maxBytes` or a `tolerance` that limits nothing.
*
* @category verifying
* @since 0.1.0
*/
const verifier = (self) => Effect.map(opened(self), ({ active, scheme, sha256, verify }) => {
	const { provider } = scheme;
	const fail = failing(provider);
	const tolerance = self.tolerance === void 0 ? Infinity : Duration.toSeconds(self.tolerance);
	return (delivery) => Effect.gen(function* () {
		const { body } = delivery;
		if (body.length > self.maxBytes) return yield* fail("TooLarge", `the body has ${body.length} bytes, more than ${self.maxBytes}`);
		const receivedAt = delivery.receivedAt ?? (yield* Clock.currentTimeMillis);
		if (!Number.isFinite(receivedAt)) return yield* fail("Misconfigured", "`receivedAt` is no time");
		const arrival = {
			headers: normalized(delivery.headers),
			body,
			url: delivery.url
		};
		const claimed = yield* scheme.read(arrival);
		const age = claimed.timestamp === void 0 ? 0 : Math.floor(receivedAt / 1e3) - claimed.timestamp;
		if (Math.abs(age) > tolerance) return yield* fail("Stale", `it was signed ${Math.abs(age)} s ${age > 0 ? "before" : "after"} it arrived`);
		if (!(yield* verify(yield* active, claimed))) return yield* fail("BadSignature", "no active secret made any of its signatures");
		const { handshake, id, signed } = yield* scheme.identify(arrival);
		return {
			provider,
			id: id ?? `sha256:${yield* sha256(claimed.contents[0])}`,
			fingerprint: signed ? "" : yield* sha256(body),
			signedAt: claimed.timestamp === void 0 ? void 0 : claimed.timestamp * 1e3,
			receivedAt,
			headers: Object.fromEntries(Object.entries(arrival.headers).map(([name, values]) => [name, values.join(", ")])),
			body,
			payload: scheme.payload(arrival),
			handshake
		};
	});
});
/**
* Verifies one delivery.
*
* **When to use**
*
* Use for a delivery that came by another way than HTTP, such as a queue that buffered it: pass the `receivedAt` of its
* arrival. For more than a few make a `verifier` once, and for HTTP use `WebhookReceiver`.
*
* @category verifying
* @since 0.1.0
*/
const verify = (self, delivery) => Effect.flatMap(verifier(self), (check) => check(delivery));
const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1();
/** Where an event does not match, without what stands there. Names of a record are the sender's: they are kept short. */
const placesOf = (error) => {
	const places = issuesOf(error.issue).issues.map(({ path }) => {
		const place = (path ?? []).map((step) => String(typeof step === "object" ? step.key : step)).join(".");
		return place.slice(0, 80).replace(/[^\x20-\x7e]/g, "?") + (place.length > 80 ? "…" : "");
	});
	const named = Array.from(new Set(places.map((place) => place === "" ? "its root" : place)));
	return named.slice(0, 5).join(", ") + (named.length > 5 ? ", …" : "");
};
/**
* Makes a function that decodes the payload of a verified delivery. What does not match fails as `InvalidEvent`, with
* the places that do not and nothing of what stands there.
*
* @category verifying
* @since 0.1.0
*/
const event = (schema) => {
	const decode = Schema.decodeUnknownEffect(schema);
	return ({ payload, provider }) => Effect.flatMap(payload, (value) => Effect.catch(decode(value), (error) => failing(provider)("InvalidEvent", `the event does not match its schema at ${placesOf(error)}`)));
};
/**
* Signs a delivery, as its provider does, and returns the headers to send it with.
*
* **When to use**
*
* Use `standard` webhooks to send events of your own, and all of them to test a receiver. Send the very bytes that were
* signed.
*
* **Details**
*
* Standard Webhooks and Stripe carry a signature per secret, so a sender that rotates lists the old and the new one.
* The others carry one, of the first secret. Sign with `whsk_…` for `v1a`. `at` (epoch milliseconds) is the time of the
* attempt: a repeat has a new one and the same `id`. Stripe and Slack have their ids in the body, and Twilio needs the
* `url`, which must hold `bodySHA256` for JSON.
*
* @category signing
* @since 0.1.0
*/
const sign = (self, options) => Effect.gen(function* () {
	const { active, scheme, seal } = yield* opened(self);
	const at = options.at ?? (yield* Clock.currentTimeMillis);
	const body = typeof options.body === "string" ? utf8(options.body) : options.body;
	return yield* scheme.sign({
		id: options.id,
		body,
		timestamp: Math.floor(at / 1e3),
		url: options.url
	}, seal(yield* active));
});

export { load as $, cutAt as A, derive as At, names$3 as B, formatBoth as Bt, makeKeep as C, fold as Ct, control as D, IdempotencyStore_exports as Dt, Service as E, IdempotencyStore as Et, isParked as F, Idempotency_exports as Ft, Current as G, at as Gt, Cipher as H, fail as Ht, isQueued as I, atMostOnce as It, answerBy as J, CallFailure_exports as Jt, cutAfter as K, remaining as Kt, CorrelationId as L, inherent as Lt, cutBy as M, toUuid as Mt, bounded as N, sha256 as Nt, layer$3 as O, TransactionalStore as Ot, grace$1 as P, toHex as Pt, learnedOf as Q, LogLevels as R, check as Rt, openEffect as S, didNotHappen as St, Integration_exports as T, withServices as Tt, OutboxStore as U, Current$1 as Ut, PolicyError as V, Exhaustion_exports as Vt, OutboxStore_exports as W, Deadline_exports as Wt, decide$1 as X, answerOf$2 as Y, __exportAll as Yt, durablesOf as Z, totalDeadline as _, throttled as _t, ReceiverError as a, inDoubt$2 as at, fromDefinition as b, retryAfter as bt, leased$1 as c, millisOf$1 as ct, Streaming_exports as d, answered as dt, progressOf as et, isUnlimited as f, fromConnection as ft, attemptTimeout as g, rejected as gt, standard$2 as h, make$2 as ht, WebhookError as i, blocks as it, Alarm as j, toText as jt, nameOf$1 as k, IdempotencyKey_exports as kt, transactional$1 as l, canonical as lt, stack as m, keyConflict as mt, event as n, resultOf as nt, Receiver_exports as o, keepDiscarded as ot, Policy_exports as p, inProgress as pt, nowOf as q, within$1 as qt, verifier as r, saveResult as rt, once as s, lastReason as st, Webhook_exports as t, readAnswer as tt, Running as u, Reason_exports as ut, retryNever as v, unavailable as vt, describeIssue as w, servicesOf as wt, Judged as x, Outcome_exports as xt, Operation_exports as y, limitOf as yt, Telemetry_exports as z, format as zt };