import { $ as load, At as derive, B as names, Ct as fold, Dt as IdempotencyStore_exports, Et as IdempotencyStore, F as isParked, Ft as Idempotency_exports, Gt as at$1, H as Cipher, I as isQueued, J as answerBy, Jt as CallFailure_exports, Kt as remaining, Mt as toUuid, N as bounded, P as grace, Q as learnedOf, Rt as check$1, S as openEffect, St as didNotHappen, T as Integration_exports, Tt as withServices, U as OutboxStore, V as PolicyError, Vt as Exhaustion_exports, W as OutboxStore_exports, Wt as Deadline_exports, X as decide, Y as answerOf, Yt as __exportAll, Z as durablesOf, _ as totalDeadline, at as inDoubt, b as fromDefinition, bt as retryAfter, ct as millisOf, d as Streaming_exports, et as progressOf, g as attemptTimeout, it as blocks, jt as toText, kt as IdempotencyKey_exports, lt as canonical, m as stack, nt as resultOf, o as Receiver_exports, ot as keepDiscarded, p as Policy_exports, q as nowOf, qt as within, rt as saveResult, st as lastReason, t as Webhook_exports, tt as readAnswer, ut as Reason_exports, v as retryNever, wt as servicesOf, x as Judged, xt as Outcome_exports, y as Operation_exports, z as Telemetry_exports } from "./Webhook-JKhLlG7h.js";
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
import { pipeArguments } from "effect/Pipeable";
import * as Fiber from "effect/Fiber";
import * as Cause from "effect/Cause";
import * as Metric from "effect/Metric";
import * as Schedule from "effect/Schedule";
import * as FiberSet from "effect/FiberSet";
import * as Latch from "effect/Latch";
import * as Pull from "effect/Pull";
import * as Arr from "effect/Array";
import * as Equal from "effect/Equal";
import * as Result from "effect/Result";

// dist/Call.js
var Call_exports = /* @__PURE__ */ __exportAll({});

// dist/Conditional.js
/**
* Read, change, write: what a conditional write is for.
*
* @since 0.1.0
*/
var Conditional_exports = /* @__PURE__ */ __exportAll({ update: () => update });
/**
* Reads and writes, and begins again where somebody else was faster, a bounded number of times.
*
* **When to use**
*
* Use where the change is made from what was read: append to a list, count up, rename if still unnamed. Where the new
* state is known without reading, a plain PUT is less.
*
* **Details**
*
* A write under `Idempotency.conditional` (or `versioned`, with the status of the conflict) fails with the declared
* conflict's own error only when this call has certainly changed nothing; a conflict in doubt is the error of `orElse`,
* and ends the update. So nothing is ever changed twice. Before it reads again it waits a random time, up to 50 ms, then
* 100, 200 and so on up to 1 s, for those who write at the same time would meet again. When the attempts are spent it
* fails with the conflict. A `Deadline` around it bounds it in time.
*
* Don't read through `Policy.staleIfError`, or a cache: an old version is a conflict each time.
*
* **Example** (Somebody else is faster once)
*
* ```ts
* import { Conditional } from "breakwater"
* import { Data, Effect } from "effect"
*
* class DocumentChanged extends Data.TaggedError("DocumentChanged") {}
*
* const document = { version: 1, tags: ["draft"] }
* let others = 1
*
* const tagged = Conditional.update({
*   read: Effect.sync(() => ({ ...document })),
*   write: ({ tags, version }) =>
*     Effect.suspend(() => {
*       if (others-- > 0) Object.assign(document, { version: 2, tags: ["draft", "urgent"] })
*       if (version !== document.version) return Effect.fail(new DocumentChanged())
*       return Effect.succeed(Object.assign(document, { version: version + 1, tags: [...tags, "read"] }).tags)
*     }),
*   changed: ({ _tag }) => _tag === "DocumentChanged"
* })
*
* await Effect.runPromise(tagged) // => ["draft", "urgent", "read"]
* ```
*
* @category combinators
* @since 0.1.0
*/
const update = (options) => {
	const { changed, maxAttempts = 5, read, write } = options;
	const attempt = (number) => Effect.flatMap(read, (current) => Effect.catch(write(current), (error) => number < maxAttempts && changed(error) ? Effect.flatMap(Random.nextBetween(0, Math.min(1e3, 25 * 2 ** number)), (wait) => Effect.andThen(Effect.sleep(wait), attempt(number + 1))) : Effect.fail(error)));
	return attempt(1);
};

// dist/IdempotencyStoreMemory.js
/**
* A store of idempotency records in memory: for tests, and for one process that may forget on restart.
*
* @since 0.1.0
*/
var IdempotencyStoreMemory_exports = /* @__PURE__ */ __exportAll({
	layer: () => layer$4,
	make: () => make$4
});
const idOf$1 = ({ key, scope }) => `${scope.length}:${scope}${key}`;
/**
* Makes a store. Each has records of its own.
*
* **Details**
*
* Its clock is the one that it was made under, whoever calls it: make it under `TestClock`, and a test moves its leases. Nothing is forgotten but by `sweep` and by
* claims of what has expired: put `IdempotencySweeper` beside it in a process that runs for long.
*
* @category constructors
* @since 0.1.0
*/
const make$4 = Effect.map(Clock.Clock, (clock) => {
	const records = /* @__PURE__ */ new Map();
	let epochs = 0;
	const atomic = (f) => Effect.sync(() => f(clock.currentTimeMillisUnsafe()));
	/** What an owner may change: its own claim, and nothing else. */
	const owned = (owner) => {
		const record = records.get(idOf$1(owner));
		return record !== void 0 && record.state === "Running" && record.epoch === owner.epoch ? record : void 0;
	};
	const change = (owner, f) => atomic((now) => {
		const record = owned(owner);
		if (record === void 0) return false;
		f(record, now);
		return true;
	});
	const start = (options, now, before, steps) => {
		const epoch = ++epochs;
		const leaseUntil = now + Duration.toMillis(options.lease);
		records.set(idOf$1(options), {
			scope: options.scope,
			key: options.key,
			fingerprint: options.fingerprint,
			state: "Running",
			epoch,
			onLostLease: options.onLostLease,
			leaseUntil,
			expiresAt: now + Duration.toMillis(options.timeToLive),
			steps,
			result: void 0,
			createdAt: now
		});
		return {
			_tag: "Started",
			epoch,
			leaseUntil,
			takenOver: before?.state === "Running",
			steps
		};
	};
	const claim = (options, now) => {
		const known = records.get(idOf$1(options));
		if (known === void 0 || isForgotten(known, now)) return start(options, now, void 0, []);
		if (known.fingerprint !== options.fingerprint) return { _tag: "Mismatch" };
		switch (known.state) {
			case "Done": return {
				_tag: "Replay",
				result: known.result
			};
			case "Held": return { _tag: "Held" };
			case "Running":
				if (known.leaseUntil > now) return {
					_tag: "InFlight",
					retryAfter: Duration.millis(known.leaseUntil - now)
				};
				if (known.onLostLease === "hold") {
					known.state = "Held";
					return { _tag: "Held" };
				}
				return start(options, now, known, known.onLostLease === "resume" ? known.steps : []);
		}
	};
	return {
		claim: (options) => atomic((now) => claim(options, now)),
		renew: (owner, lease) => change(owner, (record, now) => {
			record.leaseUntil = now + Duration.toMillis(lease);
		}),
		saveStep: (owner, step) => change(owner, (record) => {
			record.steps = [...record.steps.filter(({ name }) => name !== step.name), step];
		}),
		complete: (owner, { result, timeToLive }) => change(owner, (record, now) => {
			record.state = "Done";
			record.result = result;
			record.steps = [];
			record.expiresAt = now + Duration.toMillis(timeToLive);
		}),
		release: (owner) => change(owner, () => records.delete(idOf$1(owner))),
		hold: (owner) => change(owner, (record) => {
			record.state = "Held";
		}),
		resolve: (address, resolution) => atomic((now) => {
			const record = records.get(idOf$1(address));
			if (record === void 0 || !isHeld(record, now)) return false;
			if (resolution._tag === "Absent") return records.delete(idOf$1(address));
			record.state = "Done";
			record.result = resolution.result;
			record.steps = [];
			record.expiresAt = now + Duration.toMillis(resolution.timeToLive);
			return true;
		}),
		get: (address) => Effect.sync(() => Option.map(Option.fromNullishOr(records.get(idOf$1(address))), copy)),
		held: ({ limit, scope }) => atomic((now) => Array.from(records.values()).filter((record) => isHeld(record, now) && (scope === void 0 || record.scope === scope)).toSorted((a, b) => a.createdAt - b.createdAt).slice(0, limit).map((record) => ({
			...copy(record),
			state: "Held"
		}))),
		sweep: ({ limit }) => atomic((now) => {
			let swept = 0;
			for (const [id, record] of records) {
				if (swept === limit) break;
				if (!isForgotten(record, now)) continue;
				records.delete(id);
				swept++;
			}
			return swept;
		})
	};
});
const copy = (record) => ({ ...record });
const isHeld = (record, now) => record.state === "Held" || record.state === "Running" && record.onLostLease === "hold" && record.leaseUntil <= now;
/** Whether nothing would be lost with it: done or given up, and past its time to live. */
const isForgotten = (record, now) => record.expiresAt <= now && (record.state === "Done" || record.state === "Running" && record.leaseUntil <= now && record.onLostLease !== "hold");
/**
* A store of its own for every build of the layer.
*
* @category layers
* @since 0.1.0
*/
const layer$4 = Layer.effect(IdempotencyStore, make$4);

// dist/IdempotencySweeper.js
/**
* Forgets idempotency records whose time to live has passed, and tells when some are held.
*
* @since 0.1.0
*/
var IdempotencySweeper_exports = /* @__PURE__ */ __exportAll({
	layer: () => layer$3,
	sweep: () => sweep
});
/**
* Sweeps once.
*
* @category running
* @since 0.1.0
*/
const sweep = (options) => Effect.flatMap(IdempotencyStore, (store) => {
	const limit = options?.batch ?? 1e3;
	const batches = (forgotten) => Effect.flatMap(store.sweep({ limit }), (swept) => swept < limit ? Effect.succeed(forgotten + swept) : batches(forgotten + swept));
	return Effect.flatMap(batches(0), (forgotten) => Effect.map(store.held({ limit: 100 }), (held) => ({
		forgotten,
		held: held.length
	})));
});
/**
* Sweeps for as long as the layer lives. Several processes may do so on one store.
*
* **Details**
*
* It tells with a warning how many records are held, whenever that number has changed: nobody but a person, with the
* store's `held` and `resolve`, will end them. A store that fails is tried again at the next turn, and told once.
*
* @category layers
* @since 0.1.0
*/
const layer$3 = (options) => Layer.effectDiscard(Effect.gen(function* () {
	const every = Duration.fromInputUnsafe(options?.every ?? "1 minute");
	let held = 0;
	let failing = false;
	const turn = Effect.matchEffect(sweep(options), {
		onFailure: (error) => {
			if (failing) return Effect.void;
			failing = true;
			return Effect.logWarning("the sweep of idempotency records failed", error.message);
		},
		onSuccess: (swept) => {
			failing = false;
			if (swept.held === held) return Effect.void;
			held = swept.held;
			return held === 0 ? Effect.logInfo("no idempotency record is held any more") : Effect.logWarning(`${held}${held === 100 ? " or more" : ""} idempotency records are held: it is not known whether they happened; resolve them`);
		}
	});
	yield* Effect.forkScoped(Effect.forever(Effect.andThen(turn, Effect.sleep(every))));
}));

// dist/OutboxError.js
/**
* What a durable call ends with when it was not delivered, and what goes wrong with an outbox itself.
*
* @since 0.1.0
*/
/**
* A stored call that ended without an error of the provider: nobody sent it, or nobody can tell.
*
* @category errors
* @since 0.1.0
*/
var Undelivered = class extends Data.TaggedError("Undelivered") {
	get message() {
		return `the stored call ${this.id} (${this.integration} ${this.operation}) was not delivered: ${whys[this.why]}; outcome ${this.outcome}`;
	}
};
const whys = {
	rejected: "the provider rejected it",
	exhausted: "its attempts are spent",
	expired: "it was not delivered in the time that it had",
	schema: "what is stored can't be read any more: was its input's schema changed?",
	"key expired": "the provider may have forgotten its key",
	"sent once": "it may be sent once only, and it may have been",
	unclear: "the provider's answer does not say whether it happened"
};
/**
* An entry that can't be waited for, or an admin's wish that can't be done.
*
* - `NotFound`: there is no such entry; a delivered one is forgotten after a while.
* - `NotDelivered`: it ended, and not well: `state` and `why` say how.
* - `ResultGone`: it was delivered, and its result can't be read.
* - `WrongState`: what was asked for does not fit the state that the entry is in; nothing was changed.
* - `NeedsNewKey`: the provider may have forgotten the key, or it may be sent once only: it needs a new key, and evidence.
* - `Invalid`: the wish itself is wrong, such as one without a name or without evidence; nothing was changed.
* - `StoreFailed`: the store could not be asked, or did not answer.
*
* @category errors
* @since 0.1.0
*/
var OutboxError = class extends Data.TaggedError("OutboxError") {};

// dist/Outbox.js
/**
* Calls that must happen: stored before they are sent, and made until they have happened or a person has to decide.
*
* **Details**
*
* Two ways lead into an outbox, and only the first survives a crash at any moment.
*
* | | stored | a crash of this process |
* |---|---|---|
* | `Outbox.writeAhead(operation)` | before attempt 1, in the caller's SQL transaction if there is one | loses nothing that was committed |
* | `Exhaustion.park` | when the policy has given up | in the middle of the retries loses the call |
*
* A stored call keeps its key and its bytes. An `OutboxWorker` makes it, and runs a handler for what becomes of it.
*
* @since 0.1.0
*/
var Outbox_exports = /* @__PURE__ */ __exportAll({
	await: () => await_,
	isParked: () => isParked,
	isQueued: () => isQueued,
	queue: () => queue,
	writeAhead: () => writeAhead,
	writeAheadWith: () => writeAheadWith
});
/**
* Stores the calls of an operation before they are sent.
*
* **When to use**
*
* Use for what must happen once the business write is committed: a charge, a shipment, a message.
*
* **Details**
*
* - Within a transaction of the outbox's own `SqlClient` the call succeeds with `Queued`: it is committed, or rolled back,
*   with the transaction, and nothing is sent before the outermost commit. Then a worker makes it.
* - Within a transaction of another database the call fails, and nothing is stored: `NotStored`, in `orElse`.
* - Outside of a transaction it is stored and tried at once. It succeeds with the answer, or with `Queued` if another try is
*   needed, which a worker makes.
*
* If it can't be stored it is not sent. The integration and the key are one call: a second one with the same bytes gets the
* first one's result or its `Queued`, one with other bytes fails as `KeyConflict`. What becomes of every stored call is told
* to the handlers of an `OutboxWorker`, also of one that was answered at once.
*
* An `atMostOnce` operation is sent once: if it is not known what became of that, its entry needs to be reconciled.
*
* What a handler is told is kept until it has run. So an operation of `Operation.query` or `Operation.mutation` that has
* `translate` gives the schema of its declared errors as `error`; without it the layer fails with a `PolicyError`.
*
* **Example** (A charge that is stored with its order, or not at all)
*
* ```ts
* import { Exhaustion, Idempotency, IdempotencyKey, Integration, Operation, Outbox, Policy } from "breakwater"
* import { SqlOutboxStore } from "breakwater/sql"
* import { SqliteClient } from "breakwater/sql/node"
* import { Data, Effect, Layer, Schema } from "effect"
* import { SqlClient } from "effect/sql"
*
* class BankDown extends Data.TaggedError("BankDown") {}
* class Bank extends Integration.Service<Bank>()(
*   "shop/Bank",
*   { policy: Policy.standard(), exhausted: Exhaustion.fail, orElse: () => new BankDown() },
*   {
*     charge: Outbox.writeAhead(
*       Operation.mutation("charge", {
*         input: Schema.Struct({ order: Schema.String }),
*         success: Schema.Struct({ id: Schema.String }),
*         idempotency: Idempotency.keyed(
*           ({ order }: { readonly order: string }) => IdempotencyKey.derive("charge", order),
*           { lifetime: "1 day" }
*         ),
*         send: ({ order }) => Effect.succeed({ id: `ch_${order}` })
*       })
*     )
*   }
* ) {}
*
* const BankLive = Integration.layer(Bank).pipe(
*   Layer.provide(SqlOutboxStore.layer()),
*   Layer.provideMerge(SqliteClient.layer({ filename: ":memory:" }))
* )
* const program = Effect.gen(function* () {
*   const sql = yield* SqlClient.SqlClient
*   const bank = yield* Bank
*   yield* sql`CREATE TABLE orders (id TEXT)`
*   const place = (order: string) => Effect.andThen(sql`INSERT INTO orders VALUES (${order})`, bank.charge({ order }))
*   yield* Effect.ignore(sql.withTransaction(Effect.andThen(place("1"), Effect.fail("out of stock"))))
*   const second = yield* sql.withTransaction(place("2"))
*   const stored = yield* sql`SELECT operation FROM breakwater_outbox`
*   return { stored: stored.length, queued: Outbox.isQueued(second) }
* })
*
* await Effect.runPromise(Effect.provide(program, BankLive)) // => { stored: 1, queued: true }
* ```
*
* @category constructors
* @since 0.1.0
*/
const writeAhead = (operation) => stored(operation, {});
/**
* `writeAhead`, in a lane or for a limited time.
*
* **Details**
*
* The calls of one lane are made one after the other, in the order in which they were committed. Transactions that store
* into one lane take turns until they end.
*
* @category constructors
* @since 0.1.0
*/
const writeAheadWith = (operation, bounds) => stored(operation, bounds);
const stored = (operation, bounds) => fromDefinition({
	...operation.definition,
	writeAhead: bounds
});
/**
* The operations of an integration that are written ahead, as a service of their own.
*
* **When to use**
*
* Use in the handler of a `Receiver.transactional`, which refuses the integration itself: what is stored there is committed
* or rolled back with the handler's writes, and sent afterwards. Provide its `layer` over the integration's.
*
* @category constructors
* @since 0.1.0
*/
const queue = (integration) => {
	const tag = Context.Service(`breakwater/Outbox/Queue/${integration.key}`);
	return Object.assign(tag, { layer: Layer.effect(tag, Effect.map(integration, (methods) => methods)) });
};
/**
* Waits until a stored call has ended, and gives its result.
*
* **Details**
*
* It asks the store, at first after 50 milliseconds and then less often, up to once per second. A result is kept for a day
* after the delivery, unless the worker says otherwise. Fails with an `OutboxError` if the call died, needs to be reconciled
* or was discarded. It never ends while nobody delivers: give it a timeout.
*
* @category running
* @since 0.1.0
*/
const await_ = (integration, operation, call) => Effect.gen(function* () {
	const id = typeof call === "string" ? call : call.id;
	const methods = yield* integration;
	const durable = durablesOf(methods)?.[operation];
	if (durable === void 0) return yield* Effect.die(/* @__PURE__ */ new Error(`Outbox.await: ${integration.key} ${operation} stores no calls, or is a mock`));
	const store = yield* OutboxStore;
	let pause = 50;
	while (true) {
		const found = yield* Effect.mapError(store.get(id), (cause) => new OutboxError({
			reason: "StoreFailed",
			id,
			state: void 0,
			why: void 0,
			message: cause.message,
			cause
		}));
		if (Option.isNone(found) || found.value.integration !== durable.integration || found.value.operation !== durable.operation) return yield* new OutboxError({
			reason: "NotFound",
			id,
			state: void 0,
			why: void 0,
			message: `there is no stored call ${id} of ${durable.integration} ${operation}`
		});
		const { state, why } = found.value;
		if (state === "Delivered") return yield* Effect.mapError(resultOf(durable, found.value), (reason) => new OutboxError({
			reason: "ResultGone",
			id,
			state,
			why,
			message: reason.message
		}));
		if (state === "Dead" || state === "NeedsReconcile" || state === "Discarded") return yield* new OutboxError({
			reason: "NotDelivered",
			id,
			state,
			why,
			message: `the stored call ${id} is ${state}${why === void 0 ? "" : `: ${why}`}`
		});
		yield* Effect.sleep(Duration.millis(pause));
		pause = Math.min(pause * 2, 1e3);
	}
});

// dist/internal/admin.js
const where = (integration, operation) => `${integration} ${operation}`;
const failed$1 = (reason, id, message, more) => more instanceof Error ? new OutboxError({
	reason,
	id,
	state: void 0,
	why: void 0,
	message,
	cause: more
}) : new OutboxError({
	reason,
	id,
	state: more?.state,
	why: more?.why,
	message
});
/** What is wrong with a wish, whatever it is for. */
const problemOf = ({ by, evidence, limit, rate }) => by.trim() === "" ? "a change needs the name of who makes it: by" : evidence.trim() === "" ? "a change needs its reason, and on what evidence: evidence" : rate !== void 0 && !(rate > 0 && Number.isFinite(rate)) ? `rate is how many per second, and must be positive: got ${rate}` : limit !== void 0 && !(Number.isInteger(limit) && limit > 0) ? `limit must be a positive integer: got ${limit}` : void 0;
/** Whether a repeat under what it was sent with could do it twice. */
const isDoubtful = ({ outcome, state, why }) => state === "NeedsReconcile" && (why === "key expired" || why === "sent once") && !didNotHappen(outcome);
const past = {
	redrive: "redriven",
	discard: "discarded",
	resolve: "resolved"
};
/** It is not in a state for this. */
const unlike = (what, entry) => failed$1("WrongState", entry.id, `${entry.id} can't be ${past[what]}: it is ${entry.state}. ${capital(advice(entry))}`, entry);
/** Why an entry can't be changed so. */
const refusal = (what, entry, { again, newKey }) => {
	const { id, key, outcome, state } = entry;
	if (!(state === "Dead" || state === "NeedsReconcile") && !(what === "discard" && (state === "Pending" || state === "Waiting"))) return unlike(what, entry);
	if (what !== "redrive") return void 0;
	const anew = key === void 0 ? again === true : newKey === true;
	if (anew && outcome === "Applied") return failed$1("WrongState", id, `${id} has happened: ${key === void 0 ? "sent once more" : "under a new key"} it would happen a second time. Resolve it`, entry);
	return isDoubtful(entry) && !anew ? failed$1("NeedsNewKey", id, `${id} can't be sent again as it was: ${doubt(entry)}`, entry) : void 0;
};
const doubt = ({ key, why }) => `${why === "sent once" ? "it may be sent once only, and it may have happened" : "the provider may have forgotten its key, and it may have happened"}. Ask the provider. If it happened, resolve it; if not, redrive it ${key === void 0 ? "with again" : "with a new key (newKey)"}, and say how you know`;
/** The same for the same wish: a second one that comes too late for the first can't make a second call. */
const newKeyOf = ({ generation }, old) => {
	const key = derive("redrive", old, String(generation));
	return isUuid.test(old) ? toUuid(key) : toText(key);
};
const isUuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
/** What the audit trail keeps of a key that was replaced, at the end of the evidence. */
const noteOf = (old) => `(the key was ${old})`;
const capital = (text) => text.slice(0, 1).toUpperCase() + text.slice(1);
/** One sentence: what a person can do. */
const advice = (entry) => {
	const { answer, lane, outcome, state, why } = entry;
	const told = answer !== void 0;
	const begun = told && entry.history.at(-1)?.reason === "InProgress";
	switch (state) {
		case "Waiting": return `nothing is to be done: it goes when those before it in the lane ${lane?.name ?? ""} have ended; look for a dead one there`;
		case "Pending":
			if (begun) return "nothing is to be done: the provider has accepted it, and a worker goes on with it; see that one runs and that it is not paused";
			return told ? "nothing is to be done: it is known how it ended, and a worker tells its handler; see that one runs and that it is not paused" : "nothing is to be done: a worker sends it when it is due; see that one runs and that it is not paused";
		case "Leased": return `nothing is to be done: ${begun ? "its end is waited for" : told ? "its handler is being told how it ended" : "it is being sent"}; if its process died, another worker takes it when the lease ends`;
		case "Delivered": return "nothing is to be done: it happened";
		case "Discarded": return "nothing is to be done: it was given up, and its payload is gone; if it is wanted after all, make a new call";
		case "Dead":
		case "NeedsReconcile":
			if (outcome === "Applied") return "it happened, though its answer could not be used: resolve it";
			if (isDoubtful(entry)) return doubt(entry);
			switch (why) {
				case "schema": return "deploy what can read it, then redrive it";
				case "rejected": return "the provider said no, and will again: mend the cause, then redrive it; else discard it";
				case "exhausted": return "when the provider is well, redrive it";
				case "expired": return didNotHappen(outcome) ? "if it is still wanted, redrive it, and it expires no more; else discard it" : "it may have happened: ask the provider, then resolve it; if it is still wanted, redrive it";
				case "key expired": return "its key is too old, and it did not happen: redrive it with a new key (newKey)";
				default: return "ask the provider whether it happened: if so resolve it; else redrive it";
			}
	}
};
const none = {
	Waiting: 0,
	Pending: 0,
	Leased: 0,
	Delivered: 0,
	Dead: 0,
	NeedsReconcile: 0,
	Discarded: 0
};
const open$2 = [
	"Waiting",
	"Pending",
	"Leased"
];
const statsOf = (groups, paused, now) => {
	const operations = /* @__PURE__ */ new Map();
	const start = (integration, operation) => ({
		integration,
		operation,
		counts: none,
		oldestAge: void 0,
		paused: paused.some((own) => own.integration === integration && (own.operation === void 0 || own.operation === operation))
	});
	for (const { integration, operation } of paused) if (operation !== void 0) operations.set(where(integration, operation), start(integration, operation));
	for (const { count, integration, oldest, operation, state } of groups) {
		const name = where(integration, operation);
		const known = operations.get(name) ?? start(integration, operation);
		const age = open$2.includes(state) ? Math.max(0, now - oldest) : void 0;
		operations.set(name, {
			...known,
			counts: {
				...known.counts,
				[state]: known.counts[state] + count
			},
			oldestAge: age === void 0 ? known.oldestAge : Math.max(age, known.oldestAge ?? 0)
		});
	}
	return {
		operations: Array.from(operations.values()).toSorted((a, b) => where(a.integration, a.operation) < where(b.integration, b.operation) ? -1 : 1),
		paused
	};
};

// dist/OutboxAdmin.js
/**
* What a person does about stored calls: looks at them, makes dead ones again, gives them up, says that they happened.
*
* @since 0.1.0
*/
var OutboxAdmin_exports = /* @__PURE__ */ __exportAll({
	OutboxAdmin: () => OutboxAdmin,
	layer: () => layer$2,
	make: () => make$3,
	next: () => next,
	unwell: () => unwell
});
/**
* The service.
*
* @category services
* @since 0.1.0
*/
var OutboxAdmin = class extends Context.Service()("breakwater/OutboxAdmin") {};
/**
* What a redrive or a discard means if it is not said: entries that wait for a person.
*
* @category constants
* @since 0.1.0
*/
const unwell = ["Dead", "NeedsReconcile"];
/**
* One sentence: what a person can do about an entry in this state.
*
* @category destructors
* @since 0.1.0
*/
const next = advice;
const pageSize = 200;
const storeFailed = (id, before = "") => (error) => failed$1("StoreFailed", id, `${before}${error.message}${error.tookEffect === "unknown" ? ": look at it before you do it again" : ""}`, error);
/**
* Makes the tools over the store of the context.
*
* @category constructors
* @since 0.1.0
*/
const make$3 = Effect.gen(function* () {
	const store = yield* OutboxStore;
	const cipher = yield* Cipher;
	const find = (id) => Effect.flatMap(Effect.mapError(store.get(id), storeFailed(id)), Option.match({
		onNone: () => Effect.fail(failed$1("NotFound", id, `there is no entry ${id}: it may have been forgotten`)),
		onSome: Effect.succeed
	}));
	/** Every entry that a filter finds, page by page; a page may change what it found. */
	const each = (filter, limit, f) => {
		const from = (after, left) => left <= 0 ? Effect.void : Effect.flatMap(Effect.mapError(store.list(filter, {
			limit: Math.min(pageSize, left),
			after
		}), storeFailed("")), (page) => Effect.andThen(Effect.forEach(page, f, { discard: true }), page.length < Math.min(pageSize, left) ? Effect.void : Effect.suspend(() => from(page.at(-1), left - page.length))));
		return from(void 0, limit);
	};
	const change = Effect.fnUntraced(function* (what, which, given, changeOf) {
		const problem = problemOf(given);
		if (problem !== void 0) return yield* failed$1("Invalid", "", problem);
		const changed = [];
		const refused = [];
		const one = (entry) => {
			const problem = refusal(what, entry, given);
			if (problem !== void 0) return Effect.sync(() => void refused.push(problem));
			const to = changeOf(entry, changed.length);
			const replaced = to._tag === "Redrive" && to.newKey !== void 0;
			const audit = {
				action: replaced ? "redrive with a new key" : what,
				by: given.by.trim(),
				evidence: `${given.evidence.trim()}${replaced ? ` ${noteOf(entry.key ?? "")}` : ""}`
			};
			return Effect.flatMap(Effect.mapError(store.change(entry, to, audit), storeFailed(entry.id, changed.length === 0 ? "" : `after ${changed.length} entries: `)), (own) => own ? Effect.sync(() => void changed.push(entry)) : Effect.map(Effect.option(find(entry.id)), (now) => {
				refused.push(unlike(what, Option.getOrElse(now, () => entry)));
			}));
		};
		if (typeof which !== "string") {
			yield* each({
				...which,
				states: which.states ?? unwell
			}, given.limit ?? Infinity, one);
			return {
				changed,
				refused
			};
		}
		yield* Effect.flatMap(find(which), one);
		if (refused[0] !== void 0) return yield* refused[0];
		return {
			changed,
			refused
		};
	});
	return {
		list: (filter = {}, page = {}) => {
			const limit = page.limit ?? 50;
			return Effect.map(Effect.mapError(store.list(filter, {
				limit: limit + 1,
				after: page.after
			}), storeFailed("")), (found) => {
				const entries = found.slice(0, limit);
				return {
					entries,
					next: found.length > limit ? entries.at(-1) : void 0
				};
			});
		},
		show: (idOrKey) => Effect.gen(function* () {
			const byId = yield* store.get(idOrKey);
			const found = Option.isSome(byId) ? [byId.value] : yield* store.list({ key: idOrKey }, { limit: pageSize });
			const [first, ...rest] = yield* Effect.forEach(found, (entry) => Effect.map(store.audits(entry.id), (audits) => ({
				entry,
				audits
			})));
			if (first !== void 0) return [first, ...rest];
			return yield* failed$1("NotFound", idOrKey, `there is no entry with the id or the key ${idOrKey}: a delivered one is forgotten after a while`);
		}).pipe(Effect.catchTag("OutboxStoreError", (error) => Effect.fail(storeFailed(idOrKey)(error)))),
		groups: (filter = {}) => Effect.mapBoth(store.groups({
			...filter,
			states: filter.states ?? unwell
		}), {
			onFailure: storeFailed(""),
			onSuccess: (groups) => groups.toSorted((a, b) => b.count - a.count || a.oldest - b.oldest)
		}),
		redrive: (which, options) => change("redrive", which, options, (entry, index) => ({
			_tag: "Redrive",
			delay: options.rate === void 0 ? Duration.zero : Duration.millis(index * 1e3 / options.rate),
			newKey: options.newKey === true && entry.key !== void 0 ? newKeyOf(entry, entry.key) : void 0,
			again: options.again === true && entry.key === void 0
		})),
		discard: (which, options) => change("discard", which, options, () => ({
			_tag: "Discard",
			keep: options.keep
		})),
		resolve: (id, options) => Effect.suspend(() => {
			const { keep = Duration.days(30), result } = options;
			return result === void 0 ? change("resolve", id, options, () => ({
				_tag: "Resolve",
				keep
			})) : Effect.flatMap(Effect.mapError(answerBy(cipher, result, keep), ({ message }) => failed$1("Invalid", id, `${message}: nothing was changed`)), (answer) => change("resolve", id, options, () => ({
				_tag: "Answer",
				answer
			})));
		}),
		pause: (what) => Effect.mapError(store.pause(what), storeFailed("")),
		resume: (what) => Effect.mapError(Effect.flatMap(store.paused, (paused) => paused.some((own) => own.integration === what.integration && own.operation === what.operation) ? Effect.as(store.resume(what), true) : Effect.succeed(false)), storeFailed("")),
		stats: Effect.gen(function* () {
			const groups = yield* store.groups({});
			const paused = yield* store.paused;
			const now = yield* Clock.currentTimeMillis;
			return statsOf(groups, paused, now);
		}).pipe(Effect.mapError(storeFailed("")))
	};
});
/**
* The tools over an `OutboxStore`.
*
* **Example** (Everything that died because the provider was down, made again, ten per second)
*
* ```ts
* import { OutboxAdmin, OutboxStoreMemory } from "breakwater"
* import { Effect, Layer } from "effect"
*
* const program = Effect.gen(function* () {
*   const admin = yield* OutboxAdmin.OutboxAdmin
*   const { changed, refused } = yield* admin.redrive(
*     { integration: "payments", reason: "Unavailable" },
*     { by: "ada", evidence: "INC-42: the provider is back", rate: 10 }
*   )
*   return [changed.length, refused.length]
* })
*
* await Effect.runPromise(
*   Effect.provide(program, OutboxAdmin.layer.pipe(Layer.provide(OutboxStoreMemory.layer)))
* ) // => [0, 0]
* ```
*
* @category layers
* @since 0.1.0
*/
const layer$2 = Layer.effect(OutboxAdmin, make$3);

// dist/internal/outboxQueue.js
const before = (a, b) => a.at < b.at || a.at === b.at && a.seq < b.seq;
/**
* A queue by time: a heap from which nothing is taken out of turn. A value that has another slot by then, or none, is
* passed over when its turn comes.
*/
var OutboxQueue = class {
	heap = [];
	seq = 0;
	live = 0;
	get size() {
		return this.heap.length;
	}
	/** Waits for a time from now on, and no longer for another one. */
	add(value, at) {
		this.drop(value);
		const place = {
			at,
			seq: this.seq++,
			value
		};
		value.slot = place;
		this.live++;
		this.heap.push(place);
		this.up(this.heap.length - 1);
	}
	/** Waits no longer. */
	drop(value) {
		if (value.slot === void 0) return;
		value.slot = void 0;
		this.live--;
		if (this.heap.length > 64 && this.heap.length > 2 * this.live) this.clean();
	}
	/** The next value whose time has come, taken out. Equal times go in the order in which they were added. */
	take(now) {
		for (;;) {
			const first = this.heap[0];
			if (first === void 0 || first.at > now) return void 0;
			const last = this.heap.pop();
			if (this.heap.length > 0) {
				this.heap[0] = last;
				this.down(0);
			}
			if (first.value.slot === first) {
				first.value.slot = void 0;
				this.live--;
				return first.value;
			}
		}
	}
	/** Leaves out what would be passed over: when it is the greater part, so that it costs little per value. */
	clean() {
		this.heap = this.heap.filter((place) => place.value.slot === place);
		for (let n = (this.heap.length >> 1) - 1; n >= 0; n--) this.down(n);
	}
	up(from) {
		const place = this.heap[from];
		let n = from;
		while (n > 0) {
			const parent = n - 1 >> 1;
			if (!before(place, this.heap[parent])) break;
			this.heap[n] = this.heap[parent];
			n = parent;
		}
		this.heap[n] = place;
	}
	down(from) {
		const place = this.heap[from];
		let n = from;
		for (;;) {
			let child = 2 * n + 1;
			if (child >= this.heap.length) break;
			if (child + 1 < this.heap.length && before(this.heap[child + 1], this.heap[child])) child++;
			if (!before(this.heap[child], place)) break;
			this.heap[n] = this.heap[child];
			n = child;
		}
		this.heap[n] = place;
	}
};

// dist/internal/outboxTransitions.js
/** From when it may be claimed. */
const readyAt = ({ dueAt, leaseUntil, state }) => state === "Pending" ? dueAt : state === "Leased" ? leaseUntil : void 0;
const agoOf = (ago, now) => ago === void 0 ? void 0 : now - Math.max(0, Math.round(ago));
const copyTry = (own) => ({ ...own });
/** An entry as it is offered, pending. */
const entryOf = (offer, now, position) => ({
	id: offer.id,
	integration: offer.integration,
	operation: offer.operation,
	key: offer.key,
	fingerprint: offer.fingerprint,
	origin: offer.origin,
	state: "Pending",
	why: void 0,
	payload: offer.payload,
	result: void 0,
	answer: void 0,
	lane: offer.lane && {
		name: offer.lane.name,
		onDead: offer.lane.onDead
	},
	position,
	epoch: 0,
	generation: 0,
	attempts: offer.attempts,
	tries: 0,
	crashes: 0,
	outcome: offer.outcome,
	firstSentAt: agoOf(offer.firstSentAgo, now),
	inDoubtAt: agoOf(offer.inDoubtAgo, now),
	dueAt: now + millisOf(offer.delay),
	leaseUntil: void 0,
	createdAt: now,
	changedAt: now,
	expiresAt: offer.expiresAfter && now + millisOf(offer.expiresAfter),
	history: offer.history.map(copyTry),
	correlationId: offer.correlationId,
	traceparent: offer.traceparent
});
const claimed = (entry, now, lease) => {
	const lost = entry.state === "Leased";
	const doubt = lost && entry.answer === void 0 ? {
		outcome: inDoubt(entry.outcome),
		inDoubtAt: now,
		firstSentAt: entry.firstSentAt ?? entry.changedAt
	} : {};
	return {
		...entry,
		...doubt,
		state: "Leased",
		epoch: entry.epoch + 1,
		attempts: entry.attempts + 1,
		tries: entry.tries + 1,
		crashes: lost ? entry.crashes + 1 : entry.crashes,
		dueAt: readyAt(entry) ?? entry.dueAt,
		leaseUntil: now + lease,
		changedAt: now
	};
};
const settled = (entry, verdict, learned, now) => {
	const known = {
		...entry,
		outcome: learned.outcome,
		firstSentAt: agoOf(learned.firstSentAgo, now) ?? entry.firstSentAt,
		inDoubtAt: agoOf(learned.inDoubtAgo, now) ?? entry.inDoubtAt,
		history: learned.history.map(copyTry),
		leaseUntil: void 0,
		changedAt: now,
		answer: void 0,
		why: void 0
	};
	switch (verdict._tag) {
		case "Delivered": return {
			...known,
			state: "Delivered",
			payload: "",
			result: verdict.result
		};
		case "Dead":
		case "NeedsReconcile": return {
			...known,
			state: verdict._tag,
			why: verdict.why
		};
		case "Again": return {
			...known,
			state: "Pending",
			answer: verdict.answer,
			dueAt: now + millisOf(verdict.delay),
			attempts: verdict.counts ? entry.attempts : entry.attempts - 1,
			tries: verdict.pausing ? entry.tries : entry.tries - 1
		};
	}
};
/** `behind` says whether it has to wait for others of its lane when it is revived. */
const changed = (entry, change, behind, now) => {
	const over = {
		...entry,
		why: void 0,
		changedAt: now
	};
	const revived = {
		...over,
		state: behind ? "Waiting" : "Pending",
		generation: entry.generation + 1,
		attempts: 0,
		tries: 0,
		crashes: 0,
		dueAt: now
	};
	switch (change._tag) {
		case "Redrive": {
			const forgets = change.newKey !== void 0 || change.again === true;
			return {
				...revived,
				...forgets ? {
					outcome: "NotSent",
					firstSentAt: void 0,
					inDoubtAt: void 0
				} : {},
				key: change.newKey ?? entry.key,
				dueAt: now + millisOf(change.delay),
				expiresAt: void 0
			};
		}
		case "Answer": return {
			...revived,
			outcome: "Applied",
			answer: change.answer
		};
		case "Discard": return {
			...over,
			state: "Discarded",
			payload: "",
			answer: void 0
		};
		case "Resolve": return {
			...over,
			state: "Delivered",
			outcome: "Applied",
			payload: ""
		};
	}
};
const matches = (filter, entry) => (filter.states?.includes(entry.state) ?? true) && (filter.integration ?? entry.integration) === entry.integration && (filter.operation ?? entry.operation) === entry.operation && (filter.key ?? entry.key) === entry.key && (filter.lane ?? entry.lane?.name) === entry.lane?.name && (filter.why ?? entry.why) === entry.why && (filter.reason === void 0 || filter.reason === lastReason(entry.history)) && (filter.createdBefore === void 0 || entry.createdAt < filter.createdBefore) && (filter.createdAfter === void 0 || entry.createdAt > filter.createdAfter);
/** Oldest first. */
const inOrder = (a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
const grouped = (entries) => {
	const groups = /* @__PURE__ */ new Map();
	for (const { createdAt, history, integration, operation, state, why } of entries) {
		const reason = lastReason(history);
		const id = JSON.stringify([
			integration,
			operation,
			state,
			why ?? null,
			reason ?? null
		]);
		const { count = 0, oldest = createdAt } = groups.get(id) ?? {};
		groups.set(id, {
			integration,
			operation,
			state,
			why,
			reason,
			count: count + 1,
			oldest: Math.min(oldest, createdAt)
		});
	}
	return Array.from(groups.values());
};

// dist/OutboxStoreMemory.js
/**
* An outbox in memory: for tests, and for one process that may forget on restart.
*
* @since 0.1.0
*/
var OutboxStoreMemory_exports = /* @__PURE__ */ __exportAll({
	layer: () => layer$1,
	make: () => make$2
});
const idOf = (integration, name) => `${integration.length}:${integration}${name}`;
/**
* Makes a store. Each has entries of its own.
*
* **Details**
*
* Its clock is the one that it was made under, whoever calls it: make it under `TestClock`, and a test moves its leases and
* due times. It is part of no transaction: `transaction` and `outside` run what they are given as it is. Nothing is
* forgotten but by `sweep`.
*
* @category constructors
* @since 0.1.0
*/
const make$2 = Effect.map(Clock.Clock, (clock) => {
	const rows = /* @__PURE__ */ new Map();
	const lanes = /* @__PURE__ */ new Map();
	const queues = /* @__PURE__ */ new Map();
	const ended = new OutboxQueue();
	const pauses = /* @__PURE__ */ new Map();
	const wakers = /* @__PURE__ */ new Set();
	const atomic = (f) => Effect.sync(() => f(clock.currentTimeMillisUnsafe()));
	const wake = ({ integration, operation }) => {
		for (const waker of wakers) waker({
			integration,
			operation
		});
	};
	const isPaused = ({ integration, operation }) => pauses.size > 0 && (pauses.has(pauseOf$1({
		integration,
		operation: void 0
	})) || pauses.has(pauseOf$1({
		integration,
		operation
	})));
	const queueOf = ({ integration, operation }) => {
		const id = idOf(integration, operation);
		const known = queues.get(id);
		if (known !== void 0) return known;
		const queue = new OutboxQueue();
		queues.set(id, queue);
		return queue;
	};
	/** Puts an entry into its next state. */
	const write = (row, change, forgetAt) => {
		queueOf(row.entry).drop(row);
		const entry = {
			...row.entry,
			...change
		};
		row.entry = entry;
		const ready = readyAt(entry);
		if (ready !== void 0) queueOf(entry).add(row, ready);
		if (forgetAt !== void 0) {
			ended.add(row, forgetAt);
			row.lane?.rows.delete(row);
		}
		return entry;
	};
	/** Makes the next of a lane pending, if it waits for nobody any more. */
	const advance = (lane, now) => {
		for (const row of lane?.rows ?? []) {
			if (!blocks(row.entry)) continue;
			if (row.entry.state === "Waiting") wake(write(row, {
				state: "Pending",
				changedAt: now
			}));
			return;
		}
	};
	const isBusy = (lane) => lane !== void 0 && isBehind(lane, void 0);
	/** Whether an entry of a lane, before this one, has not ended, or blocks it. */
	const isBehind = (lane, row) => {
		for (const other of lane.rows) {
			if (other === row) return false;
			if (blocks(other.entry)) return true;
		}
		return false;
	};
	const claimRow = (row, now, lease) => {
		return {
			entry: write(row, claimed(row.entry, now, lease)),
			now
		};
	};
	const offer = (offer, now) => {
		const known = rows.get(offer.id);
		if (known !== void 0) return known.entry.fingerprint === offer.fingerprint ? {
			_tag: "Exists",
			entry: known.entry
		} : { _tag: "Mismatch" };
		const lane = offer.lane && laneOf(offer.integration, offer.lane.name);
		const waits = isBusy(lane);
		const row = {
			entry: entryOf(offer, now, lane && ++lane.last),
			slot: void 0,
			lane,
			audits: []
		};
		rows.set(offer.id, row);
		if (lane !== void 0) {
			lane.size++;
			lane.rows.add(row);
		}
		if (waits) write(row, { state: "Waiting" });
		else if (offer.lease !== void 0 && !isPaused(offer)) return {
			_tag: "Stored",
			claim: claimRow(row, now, millisOf(offer.lease))
		};
		else wake(write(row, {}));
		return {
			_tag: "Stored",
			claim: void 0
		};
	};
	const laneOf = (integration, name) => {
		const id = idOf(integration, name);
		const known = lanes.get(id);
		if (known !== void 0) return known;
		const lane = {
			last: 0,
			size: 0,
			rows: /* @__PURE__ */ new Set()
		};
		lanes.set(id, lane);
		return lane;
	};
	const settle = (row, verdict, learned, now) => {
		const keep = verdict._tag === "Delivered" ? now + millisOf(verdict.keep) : void 0;
		const entry = write(row, settled(row.entry, verdict, learned, now), keep);
		if (!blocks(entry)) advance(row.lane, now);
		if (verdict._tag === "Again" && entry.dueAt === now) wake(entry);
	};
	const change = (row, change, now) => {
		const { lane, state } = row.entry;
		if (!(state === "Dead" || state === "NeedsReconcile") && !(change._tag === "Discard" && (state === "Pending" || state === "Waiting"))) return false;
		const behind = row.lane !== void 0 && lane?.onDead === "block" && isBehind(row.lane, row);
		const keep = change._tag === "Discard" || change._tag === "Resolve" ? now + millisOf(change.keep ?? keepDiscarded) : void 0;
		const entry = write(row, changed(row.entry, change, behind, now), keep);
		if (entry.state === "Pending") wake(entry);
		advance(row.lane, now);
		return true;
	};
	const found = (filter) => Array.from(rows.values(), ({ entry }) => entry).filter((entry) => matches(filter, entry));
	return {
		name: "memory",
		offer: (options) => atomic((now) => offer(options, now)),
		openTransaction: Effect.withFiber(({ context: { mapUnsafe } }) => {
			const service = mapUnsafe.get("effect/sql/CurrentTransactionService");
			return Effect.succeed(service !== void 0 && mapUnsafe.has(service.key) ? "other" : "none");
		}),
		outside: (self) => self,
		claim: ({ integration, lease, limit, operation }) => atomic((now) => {
			const names = {
				integration,
				operation
			};
			const due = [];
			const queue = queues.get(idOf(integration, operation));
			if (queue === void 0 || isPaused(names)) return [];
			while (due.length < limit) {
				const row = queue.take(now);
				if (row === void 0) break;
				due.push(row);
			}
			return due.map((row) => claimRow(row, now, millisOf(lease)));
		}),
		settle: ({ epoch, id }, verdict, learned) => atomic((now) => {
			const row = rows.get(id);
			if (row === void 0 || row.entry.state !== "Leased" || row.entry.epoch !== epoch) return false;
			settle(row, verdict, learned, now);
			return true;
		}),
		transaction: (self) => self,
		isBusy: ({ integration, name }) => Effect.sync(() => isBusy(lanes.get(idOf(integration, name)))),
		get: (id) => Effect.sync(() => Option.fromNullishOr(rows.get(id)?.entry)),
		list: (filter, { after, limit }) => Effect.sync(() => found(filter).filter((entry) => after === void 0 || inOrder(after, entry) < 0).toSorted(inOrder).slice(0, limit)),
		groups: (filter) => Effect.sync(() => grouped(found(filter))),
		change: ({ generation, id }, to, audit) => atomic((now) => {
			const row = rows.get(id);
			if (row === void 0 || row.entry.generation !== generation || !change(row, to, now)) return false;
			row.audits = [...row.audits, {
				...audit,
				at: now
			}];
			return true;
		}),
		audits: (id) => Effect.sync(() => rows.get(id)?.audits ?? []),
		pause: (what) => Effect.sync(() => void pauses.set(pauseOf$1(what), { ...what })),
		resume: (what) => Effect.sync(() => {
			if (!pauses.delete(pauseOf$1(what))) return;
			const { integration } = what;
			const operations = new Set(found({
				...what,
				states: ["Pending"]
			}).map(({ operation }) => operation));
			for (const operation of operations) wake({
				integration,
				operation
			});
		}),
		paused: Effect.sync(() => Array.from(pauses.values())),
		sweep: ({ limit }) => atomic((now) => {
			let swept = 0;
			while (swept < limit) {
				const row = ended.take(now);
				if (row === void 0) break;
				const { id, integration, lane } = row.entry;
				rows.delete(id);
				if (row.lane !== void 0 && --row.lane.size === 0) lanes.delete(idOf(integration, lane?.name ?? ""));
				swept++;
			}
			return swept;
		}),
		onOffer: (waker) => {
			const own = (what) => waker(what);
			return Effect.asVoid(Effect.acquireRelease(Effect.sync(() => wakers.add(own)), () => Effect.sync(() => wakers.delete(own))));
		}
	};
});
const pauseOf$1 = ({ integration, operation }) => operation === void 0 ? `all of ${integration}` : idOf(integration, operation);
/**
* A store of its own for every build of the layer.
*
* @category layers
* @since 0.1.0
*/
const layer$1 = Layer.effect(OutboxStore, make$2);

// dist/internal/outboxUpkeep.js
/** How often the gauges are set, and how often what was kept long enough is forgotten, in milliseconds. */
const gaugeEvery = 1e4;
const sweepEvery = 6e4;
const sweepBatch = 1e3;
const states = {
	Waiting: "waiting",
	Pending: "pending",
	Leased: "leased",
	Dead: "dead",
	NeedsReconcile: "needs_reconcile"
};
/** Tells how many calls of an operation are stored and how old the oldest is, and forgets those that have ended. */
const upkeep = (durable, store) => {
	const { integration, operation } = durable;
	const shown = Object.keys(states);
	const gauges = shown.map((state) => {
		const attributes = {
			[names.integration]: integration,
			[names.operation]: operation,
			state: states[state]
		};
		return {
			state,
			depth: Metric.gauge(names.outboxDepth, {
				description: "Stored calls",
				attributes: {
					...attributes,
					unit: "{call}"
				}
			}),
			age: Metric.gauge(names.outboxOldestAge, {
				description: "Age of the oldest stored call",
				attributes: {
					...attributes,
					unit: "s"
				}
			})
		};
	});
	const gauge = Effect.withFiber((fiber) => Effect.flatMap(store.groups({
		integration,
		operation,
		states: shown
	}), (groups) => Effect.forEach(gauges, ({ age, depth, state }) => {
		const own = groups.filter((group) => group.state === state);
		const oldest = Math.min(...own.map((group) => group.oldest));
		return Effect.andThen(Metric.update(depth, own.reduce((sum, { count }) => sum + count, 0)), Metric.update(age, own.length === 0 ? 0 : Math.max(0, nowOf(fiber) - oldest) / 1e3));
	}, { discard: true })));
	const sweep = Effect.flatMap(Effect.catch(store.sweep({ limit: sweepBatch }), () => Effect.succeed(0)), (forgotten) => forgotten < sweepBatch ? Effect.void : sweep);
	const every = (millis, self) => Effect.forkScoped(Effect.forever(Effect.andThen(self, Effect.sleep(millis))));
	return Effect.andThen(every(gaugeEvery, Effect.ignore(gauge)), Effect.asVoid(every(sweepEvery, sweep)));
};

// dist/internal/outboxWorker.js
/** The pause before the next try: that of the schedule after so many. A schedule that ends keeps its last pause. */
const pauseOf = (schedule, tries) => Effect.gen(function* () {
	const step = yield* Schedule.toStep(schedule);
	let now = 0;
	let pause = 0;
	for (let n = 0; n < Math.min(tries, 64); n++) {
		const next = yield* Pull.catchDone(step(now, n + 1), () => Effect.undefined);
		if (next === void 0) break;
		pause = Duration.toMillis(next[1]);
		now += pause;
	}
	return pause;
});
/** The history of an entry whose answer could not be read, once: the handler of that may have to run again. */
const unreadOf = ({ history, outcome }, { _tag, message }, at) => history.at(-1)?.message === message ? history : [...history, {
	at,
	reason: _tag,
	message,
	outcome,
	status: void 0,
	attempts: 0,
	elapsed: 0,
	requestId: void 0
}].slice(-20);
/** The claim was taken over while its owner was away. */
var Stale = class {
	_tag = "Stale";
};
/** Claims, makes and ends the stored calls of one operation, until the scope closes. */
const run$1 = (durable, handlers, store, options) => Effect.gen(function* () {
	const { integration, operation } = durable;
	const { grace } = options;
	const name = `${integration} ${operation}`;
	const services = servicesOf(yield* Effect.context());
	const attributes = {
		[names.integration]: integration,
		[names.operation]: operation
	};
	const ended = (state) => Metric.counter(names.outboxEnded, {
		description: "Stored calls that ended",
		attributes: {
			...attributes,
			state,
			unit: "{call}"
		},
		incremental: true
	});
	const counters = {
		Delivered: ended("delivered"),
		Dead: ended("dead"),
		NeedsReconcile: ended("needs_reconcile")
	};
	const lease = Duration.millis(durable.limit + grace);
	const untilWritten = Schedule.upTo(Schedule.spaced("200 millis"), { duration: Duration.millis(grace / 2) });
	const settle = (entry, verdict, learned) => store.settle(entry, verdict, learned);
	const again = (entry, what, answer, learned) => Effect.flatMap(what.pausing ? pauseOf(options.schedule, entry.tries) : Effect.succeed(0), (pause) => Effect.retry(settle(entry, {
		_tag: "Again",
		delay: Duration.millis(Math.max(pause, what.hint)),
		counts: what.counts,
		pausing: what.pausing,
		answer
	}, learned), untilWritten));
	const unchanged = (entry) => ({
		outcome: entry.outcome,
		firstSentAgo: void 0,
		inDoubtAgo: void 0,
		history: entry.history
	});
	/** What can be said of an entry before it is sent. */
	const before = (entry, now) => {
		const happenedNot = didNotHappen(entry.outcome);
		const ends = (why) => ({
			_tag: happenedNot ? "Dead" : "NeedsReconcile",
			why,
			failure: void 0
		});
		if (durable.repeat === "AtMostOnce" && !happenedNot) return ends("sent once");
		if (entry.expiresAt !== void 0 && entry.expiresAt <= now) return ends("expired");
		if (entry.attempts > options.maxAttempts) return {
			_tag: "Dead",
			why: "exhausted",
			failure: void 0
		};
		const settled = (entry.inDoubtAt ?? 0) + durable.settle - now;
		return !happenedNot && settled > 0 ? {
			_tag: "Again",
			counts: false,
			pausing: false,
			hint: settled
		} : void 0;
	};
	const view = (entry, input, why, outcome) => ({
		id: entry.id,
		key: entry.key,
		outcome,
		attempts: entry.attempts,
		correlationId: entry.correlationId,
		createdAt: entry.createdAt,
		firstSentAt: entry.firstSentAt,
		history: entry.history,
		lane: entry.lane,
		why,
		input
	});
	const handle = (entry, input, verdict, learned) => Effect.suspend(() => {
		if (verdict._tag === "Delivered") return handlers.onDelivered(verdict.value, view({
			...entry,
			...learnedHistory(learned)
		}, input, void 0, "Applied"));
		const seen = view({
			...entry,
			...learnedHistory(learned)
		}, input, verdict.why, learned.outcome);
		if (verdict._tag === "NeedsReconcile") return handlers.onNeedsReconcile(seen);
		return handlers.onDead(verdict.failure === void 0 ? new Undelivered({
			id: entry.id,
			integration,
			operation,
			why: verdict.why,
			outcome: learned.outcome
		}) : durable.translate(verdict.failure, input), seen);
	});
	const learnedHistory = ({ history }) => ({ history });
	/** Runs the handler and writes the end down, both or neither. */
	const conclude = (entry, input, verdict, learned) => {
		const stored = verdict._tag === "Delivered" ? Effect.map(Effect.catch(saveResult(durable, verdict.value), () => Effect.undefined), (result) => ({
			_tag: "Delivered",
			result,
			keep: verdict.keep ?? Duration.millis(options.keep)
		})) : Effect.succeed({
			_tag: verdict._tag,
			why: verdict.why
		});
		const written = Effect.flatMap(stored, (end) => store.transaction(Effect.andThen(Effect.withFiber((fiber) => Effect.provideContext(handle(entry, input, verdict, learned), withServices(fiber.context, services))), Effect.flatMap(settle(entry, end, learned), (own) => own ? Effect.void : Effect.fail(new Stale())))));
		return Effect.matchCauseEffect(written, {
			onSuccess: () => Effect.andThen(Metric.update(counters[verdict._tag], 1), verdict._tag === "Delivered" ? Effect.void : tell(entry, verdict, learned)),
			onFailure: (cause) => {
				if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause);
				if (cause.reasons.some((reason) => reason._tag === "Fail" && reason.error instanceof Stale)) return Effect.logDebug(`${name}: the claim on ${entry.id} was taken over`);
				return Effect.andThen(annotated(entry, Effect.logError(`${name}: the handler of ${verdict._tag} failed; it runs again later`, cause)), Effect.flatMap(entry.answer === void 0 ? Effect.catch(answerOf(durable, verdict), () => Effect.undefined) : Effect.succeed(entry.answer), (answer) => again(entry, {
					counts: true,
					pausing: true,
					hint: 0
				}, answer, learned)));
			}
		}).pipe(Effect.catchCause((cause) => Cause.hasInterruptsOnly(cause) ? Effect.failCause(cause) : annotated(entry, Effect.logError(`${name}: what became of ${entry.id} could not be written down`, cause))));
	};
	const annotated = (entry, self) => Effect.annotateLogs(self, {
		integration,
		operation,
		entry: entry.id,
		correlation_id: entry.correlationId,
		...entry.key === void 0 ? {} : { idempotency_key: entry.key }
	});
	const tell = (entry, verdict, learned) => annotated(entry, Effect.logWarning(verdict._tag === "Dead" ? `${name}: the stored call ${entry.id} is dead: ${verdict.why}; outcome ${learned.outcome}` : `${name}: the stored call ${entry.id} needs to be reconciled: ${verdict.why}`));
	const one = ({ entry, now }) => Effect.withFiber((fiber) => {
		const here = nowOf(fiber);
		const local = (at) => at === void 0 ? void 0 : at - now + here;
		const ends = (input, decided, learned, kept = Effect.succeed(entry.answer)) => decided._tag === "Again" ? Effect.catchCause(Effect.asVoid(Effect.flatMap(kept, (answer) => again(entry, decided, answer, learned))), (cause) => Cause.hasInterruptsOnly(cause) ? Effect.failCause(cause) : Effect.logWarning(`${name}: ${entry.id} could not be given back; its lease will end`)) : conclude({
			...entry,
			answer: void 0
		}, input, decided, learned);
		const input = Effect.map(Effect.exit(load(durable, entry)), (exit) => Exit.isSuccess(exit) ? exit.value : void 0);
		return Effect.flatMap(input, (loaded) => {
			if (entry.answer !== void 0) return Effect.matchEffect(readAnswer(durable, entry, entry.answer), {
				onFailure: (reason) => conclude(entry, loaded?.input, {
					_tag: didNotHappen(entry.outcome) ? "Dead" : "NeedsReconcile",
					why: "schema",
					failure: void 0
				}, {
					...unchanged(entry),
					history: unreadOf(entry, reason, here)
				}),
				onSuccess: (verdict) => verdict._tag === "Progress" ? deliver(loaded, verdict.progress) : verdict._tag === "Delivered" && loaded === void 0 ? Effect.andThen(annotated(entry, Effect.logError(`${name}: ${entry.id} happened, but its input can't be read, so that its handler can't be told; it is tried again later`)), ends(void 0, {
					_tag: "Again",
					counts: true,
					pausing: true,
					hint: 0
				}, unchanged(entry))) : conclude(entry, loaded?.input, verdict, unchanged(entry))
			});
			return deliver(loaded, void 0);
		});
		/** Makes the call, or goes on with it from where an earlier delivery has left it. */
		function deliver(loaded, progress) {
			const known = before(entry, now);
			if (known !== void 0) return ends(loaded?.input, known, unchanged(entry));
			if (loaded === void 0) return ends(void 0, {
				_tag: "Dead",
				why: "schema",
				failure: void 0
			}, unchanged(entry));
			let call;
			return Effect.flatMap(Effect.onExit(durable.resume(loaded, entry, (made) => void (call = made), {
				firstSentAt: local(entry.firstSentAt),
				inDoubtAt: local(entry.inDoubtAt),
				leaseUntil: here + durable.limit + grace / 2
			}, progress), (exit) => {
				if (Exit.isSuccess(exit) || !Cause.hasInterruptsOnly(exit.cause)) return Effect.void;
				const tried = call === void 0 ? "NotSent" : fold(call.attempts);
				return bounded(Effect.flatMap(call === void 0 ? Effect.succeed(entry.answer) : progressOf(durable, call), (answer) => again(entry, {
					counts: answer === void 0 && !didNotHappen(tried),
					pausing: false,
					hint: 0
				}, answer, call === void 0 ? unchanged(entry) : learnedOf(void 0, call, entry.history, nowOf(fiber)))));
			}), ({ call, exit }) => ends(loaded.input, decide(durable, entry, exit, fold(call.attempts), options.maxAttempts, call.progress !== void 0), learnedOf(exit, call, entry.history, nowOf(fiber)), progressOf(durable, call)));
		}
	});
	const awake = yield* Latch.make(false);
	yield* store.onOffer((what) => {
		if (what.integration === integration && what.operation === operation) awake.openUnsafe();
	});
	let running = 0;
	let stopping = false;
	let failing = false;
	const fibers = yield* FiberSet.make();
	const fork = yield* FiberSet.runtime(fibers)();
	const turn = Effect.suspend(() => {
		awake.closeUnsafe();
		const limit = options.concurrency - running;
		if (limit === 0) return Effect.succeed(0);
		return Effect.flatMap(store.claim({
			integration,
			operation,
			limit,
			lease
		}), (claimed) => {
			failing = false;
			for (const each of claimed) {
				running++;
				fork(Effect.ensuring(Effect.catchCause(one(each), (cause) => Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.logError(`${name}: a stored call was left to its lease`, cause)), Effect.sync(() => {
					running--;
					awake.openUnsafe();
				})));
			}
			return Effect.succeed(claimed.length);
		});
	});
	const loop = Effect.suspend(() => stopping ? Effect.void : Effect.flatMap(Effect.catch(Effect.uninterruptible(turn), (error) => {
		if (failing) return Effect.succeed(0);
		failing = true;
		return Effect.as(Effect.logWarning(`${name}: stored calls can't be read`, error.message), 0);
	}), () => Effect.andThen(Effect.raceFirst(awake.await, Effect.sleep(options.poll)), loop)));
	yield* upkeep(durable, store);
	const looping = yield* Effect.forkScoped(loop);
	yield* Effect.addFinalizer(() => Effect.suspend(() => {
		stopping = true;
		looping.interruptUnsafe();
		return Effect.andThen(Effect.raceFirst(FiberSet.awaitEmpty(fibers), Effect.sleep(options.drain)), FiberSet.clear(fibers));
	}));
});

// dist/OutboxWorker.js
var OutboxWorker_exports = /* @__PURE__ */ __exportAll({ layer: () => layer });
const backoff$1 = Schedule.jittered(Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("5 minutes")]));
/**
* Makes the stored calls of an integration for as long as the layer lives. Several processes may do so on one store.
*
* **Details**
*
* Every try is a full call by the integration's own policy: to give stored calls another one, give the worker a layer of
* the integration with `policy`. The lease of a claim is the total deadline and `grace`: that long after a crash the call is
* made again, by any worker.
*
* **Example** (What becomes of a charge)
*
* ```ts
* import { Exhaustion, Idempotency, IdempotencyKey, Integration, Operation, Policy } from "breakwater"
* import { Outbox, OutboxStoreMemory, OutboxWorker } from "breakwater"
* import { Data, Deferred, Effect, Layer, Schema } from "effect"
*
* class BankDown extends Data.TaggedError("BankDown") {}
* class Bank extends Integration.Service<Bank>()(
*   "shop/Bank",
*   { policy: Policy.standard(), exhausted: Exhaustion.fail, orElse: () => new BankDown() },
*   {
*     charge: Outbox.writeAhead(
*       Operation.mutation("charge", {
*         input: Schema.String,
*         success: Schema.Struct({ id: Schema.String }),
*         idempotency: Idempotency.keyed((order: string) => IdempotencyKey.derive("charge", order), { lifetime: "1 day" }),
*         send: (order) => Effect.succeed({ id: `ch_${order}` })
*       })
*     )
*   }
* ) {}
*
* const paid = Deferred.makeUnsafe<string>()
* const Worker = OutboxWorker.layer(Bank, {
*   charge: {
*     onDelivered: ({ id }, { input }) => Deferred.succeed(paid, `${input} is paid: ${id}`),
*     onDead: (error, { id }) => Effect.logError(`${id} was not charged: ${error._tag}`),
*     onNeedsReconcile: ({ id, why }) => Effect.logError(`look whether ${id} was charged: ${why}`)
*   }
* })
*
* const BankLive = Integration.layer(Bank).pipe(Layer.provideMerge(OutboxStoreMemory.layer))
* const program = Effect.gen(function* () {
*   yield* (yield* Bank).charge("o-1")
*   return yield* Deferred.await(paid)
* })
*
* await Effect.runPromise(Effect.provide(program, Layer.provideMerge(Worker, BankLive))) // => "o-1 is paid: ch_o-1"
* ```
*
* @category layers
* @since 0.1.0
*/
const layer = (integration, handlers, options) => Layer.effectDiscard(Effect.gen(function* () {
	const methods = yield* integration;
	const durables = durablesOf(methods);
	if (durables === void 0) return yield* Effect.die(/* @__PURE__ */ new Error(`OutboxWorker: ${integration.key} is a mock, which stores nothing: give the worker Integration.layer or HttpIntegration.layer`));
	const store = yield* OutboxStore;
	for (const [name, durable] of Object.entries(durables)) {
		const own = {
			...options,
			...options?.operations?.[name]
		};
		const poll = check$1("pollInterval", own.pollInterval ?? "1 second");
		const keep = check$1("keepResults", own.keepResults ?? "1 day");
		const drain = check$1("drain", own.drain ?? "10 seconds", { zero: true });
		const grace$1 = check$1("grace", own.grace ?? 1e4);
		const concurrency = own.concurrency ?? 8;
		const maxAttempts = own.maxAttempts ?? 20;
		const problems = [...[
			poll,
			keep,
			drain,
			grace$1
		].flatMap(({ problem }) => problem === void 0 ? [] : [problem]), ...Object.entries({
			concurrency,
			maxAttempts
		}).flatMap(([what, value]) => Number.isInteger(value) && value > 0 ? [] : [`${what} must be a positive integer, got ${value}`])];
		if (problems.length > 0) return yield* new PolicyError({
			integration: durable.integration,
			operation: `${name} (worker)`,
			problems
		});
		yield* run$1(durable, handlers[name], store, {
			concurrency,
			schedule: own.schedule ?? backoff$1,
			maxAttempts,
			poll: poll.millis,
			keep: keep.millis,
			grace: grace$1.millis,
			drain: drain.millis
		});
	}
}));

// dist/internal/links.js
const space = /[ \t]*/y;
const target = /<([^<>]*)>/y;
const token = /[!#$%&'*+\-.^_`|~\w]+/y;
const quoted = /"((?:[^"\\]|\\.)*)"/y;
const emptyElements = /[ \t,]*/y;
/**
* Reads the header by the grammar of RFC 8288, 3, which is a list with `,` between links and `;` between parameters, either
* of which may also stand inside a quoted string or a target. None, if it is not written so: a reader that skipped what it
* does not understand could skip the next page.
*/
const parseLinks = (header) => {
	let at = 0;
	const take = (pattern) => {
		pattern.lastIndex = at;
		const match = pattern.exec(header);
		if (match !== null) at = pattern.lastIndex;
		return match;
	};
	const char = (expected) => {
		take(space);
		if (header[at] !== expected) return false;
		at++;
		return true;
	};
	const links = [];
	take(emptyElements);
	while (at < header.length) {
		const to = take(target);
		if (to === null) return Option.none();
		let rels;
		let anchored = false;
		while (char(";")) {
			take(space);
			const name = take(token)?.[0].toLowerCase();
			if (name === void 0) continue;
			let value = "";
			if (char("=")) {
				take(space);
				const string = take(quoted);
				const text = string === null ? take(token)?.[0] : string[1].replaceAll(/\\(.)/g, "$1");
				if (text === void 0) return Option.none();
				value = text;
			}
			if (name === "rel") rels ??= value.toLowerCase().split(/[ \t]+/).filter((rel) => rel !== "");
			if (name === "anchor") anchored = true;
		}
		links.push({
			target: to[1].trim(),
			rels: rels ?? [],
			anchored
		});
		take(space);
		if (at < header.length && header[at] !== ",") return Option.none();
		take(emptyElements);
	}
	return Option.some(links);
};
/** An address as a URL. A relative one gets a host that does not exist, and that nobody is ever sent to. */
const urlOf = (address, base = "http://relative.invalid/") => URL.canParse(address, base) ? Option.some(new URL(address, base)) : Option.none();
/** Those of the named parameters that the query of an address has. None, if it has none of them, or is no address. */
const queryIn = (address, names) => Option.flatMap(urlOf(address), ({ searchParams }) => {
	const found = {};
	for (const name of names) {
		const value = searchParams.get(name);
		if (value !== null) found[name] = value;
	}
	return Object.keys(found).length === 0 ? Option.none() : Option.some(found);
});

// dist/PagesError.js
/**
* Why a list that comes in pages could not be read to its end, although every page was.
*
* @since 0.1.0
*/
const said$1 = {
	Repeated: ["the place of the next page was read already, so that there would be no end", "check what says where the next page is, and that the provider moves on"],
	Unchanging: ["another place gave nothing new", "check that `read` hands the place on; set `equalPages` to \"allow\" if pages may be equal, or give `key` if the list changes while it is read"],
	TooMany: ["there are more pages than `maxPages`", "raise it if the list is that long, or go on from the last position"],
	TooEmpty: ["more pages than `maxEmpty` in a row held nothing", "narrow the query, or raise it"],
	NoPlace: ["there is a next page, and nothing readable says where it is", "compare the answer with the provider's documentation"],
	Moved: ["the page to resume at holds less than was taken from it, so that items may have moved past it", "start again, or give `key`, by which the last item is found again"],
	Invalid: ["an option or the position to resume at can't be right", "correct it"]
};
/**
* A list that could not be read to its end, although every page was. The message holds no cursor, no link and no item.
*
* Pages and items are those of this run, up to the failure; a run that was resumed counts from where it began.
*
* @category errors
* @since 0.1.0
*/
var PagesError = class extends Data.TaggedError("PagesError") {
	get message() {
		const [what, next] = said$1[this.reason];
		return `after ${counted(this.pages, "page")} and ${counted(this.items, "item")}: ${this.detail ?? what}; ${next}`;
	}
};
const counted = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;

// dist/internal/pages.js
/** Values of which the newest so many are remembered. */
const makeWindow = (limit) => {
	const values = /* @__PURE__ */ new Set();
	return {
		has: (value) => values.has(value),
		add: (value) => {
			values.add(value);
			if (values.size > limit) for (const oldest of values.keys()) return void values.delete(oldest);
		},
		size: () => values.size
	};
};
/** How much is remembered of a list, however long it is. */
const remembered = {
	places: 1e3,
	pages: 8,
	keys: 1e4
};
/**
* What is remembered of the pages that were read. It finds a circle of up to 1,000 places at its first repetition, and a
* longer one by Brent's algorithm: one place is kept and compared with those that follow it, 1, 2, 4, 8 … places long.
*/
const makeGuard = () => {
	const places = makeWindow(remembered.places);
	let kept;
	let since = 0;
	let power = 1;
	const contents = [];
	return {
		/** Notes a place, and returns whether it is a new one. */
		enter: (cursor) => {
			const place = cursor === void 0 ? "start" : canonical(cursor);
			if (places.has(place) || place === kept) return false;
			places.add(place);
			since++;
			if (since >= power) {
				kept = place;
				power *= 2;
				since = 0;
			}
			return true;
		},
		/** Notes what a page held, and returns whether no remembered page held the same. */
		differs: (items) => {
			if (contents.some((other) => other.length === items.length && Equal.equals(other, items))) return false;
			contents.push(items);
			if (contents.length > remembered.pages) contents.shift();
			return true;
		},
		sizes: () => ({
			places: places.size() + 1,
			pages: contents.length
		})
	};
};
const positionAt = (cursor, taken, last) => ({
	...cursor === void 0 ? {} : { cursor },
	taken,
	...last === void 0 ? {} : { last }
});
const isCount = (value, least) => Number.isSafeInteger(value) && value >= least;
/** A new reading: each run of the effect that it gives reads the next page; `undefined` is the end of the list. */
const open$1 = (list, from) => {
	const guard = makeGuard();
	const seen = makeWindow(remembered.keys);
	let pages = 0;
	let given = 0;
	let empty = 0;
	let resume = from ?? { taken: 0 };
	let cursor = resume.cursor ?? list.start;
	let ended = invalid(list, resume);
	guard.enter(cursor);
	const fail = (reason, detail) => Effect.fail(new PagesError({
		reason,
		pages,
		items: given,
		detail
	}));
	return Effect.suspend(() => {
		if (ended === true) return Effect.undefined;
		if (ended !== void 0) return fail(ended.reason, ended.detail);
		if (pages >= list.maxPages) return fail("TooMany", `there are more than ${list.maxPages} pages (\`maxPages\`)`);
		return Effect.flatMap(list.read(cursor), ({ items: all, keys, next }) => {
			pages++;
			const here = cursor;
			const begin = resume;
			let taken = resume.taken;
			if (resume.last !== void 0 && keys !== void 0) {
				if (keys[taken - 1] !== resume.last) taken = keys.indexOf(resume.last) + 1;
			} else if (taken > all.length) return fail("Moved");
			resume = { taken: 0 };
			if (keys === void 0 && list.equalPages === "fail" && all.length > 0 && !guard.differs(all)) return fail("Unchanging");
			const fresh = [];
			for (let index = 0; index < all.length; index++) {
				const key = keys?.[index];
				if (key !== void 0 && seen.has(key)) continue;
				if (key !== void 0) seen.add(key);
				if (index >= taken) fresh.push(index);
			}
			if (fresh.length > 0) empty = 0;
			else if (taken === 0 && ++empty > list.maxEmpty) return all.length > 0 ? fail("Unchanging", `more than ${list.maxEmpty} pages in a row held only doubles (\`maxEmpty\`)`) : fail("TooEmpty", `more than ${list.maxEmpty} pages in a row held nothing (\`maxEmpty\`)`);
			given += fresh.length;
			const at = (count) => positionAt(here, count, keys?.[count - 1]);
			let end = at(all.length);
			if (next._tag === "End") ended = true;
			else if (next._tag === "Lost") ended = {
				reason: "NoPlace",
				detail: next.detail
			};
			else if (!guard.enter(next.cursor)) ended = { reason: "Repeated" };
			else {
				cursor = next.cursor;
				end = positionAt(cursor, 0);
			}
			return Effect.succeed({
				items: fresh.map((index) => all[index]),
				after: (index) => index + 1 < fresh.length ? at(fresh[index + 1]) : end,
				begin: positionAt(here, begin.taken, begin.last),
				end,
				last: next._tag === "End"
			});
		});
	});
};
/** What of the options, or of a position that somebody stored, can't be. */
const invalid = (list, { taken }) => {
	const detail = !isCount(list.maxPages, 1) ? `\`maxPages\` is ${list.maxPages}, and must be an integer from 1 on` : !isCount(list.maxEmpty, 0) ? `\`maxEmpty\` is ${list.maxEmpty}, and must be an integer from 0 on` : !isCount(taken, 0) ? `${taken} items can't have been taken from the page to resume at` : void 0;
	return detail === void 0 ? void 0 : {
		reason: "Invalid",
		detail
	};
};
/** The pages as a stream. Each run has a reading of its own, and reads a page when it is asked for, or one ahead. */
const streamOf = (list, from, ahead) => Stream.unwrap(Effect.map(Effect.scope, (scope) => {
	const read = open$1(list, from);
	let next;
	const page = !ahead ? read : Effect.gen(function* () {
		const found = yield* Fiber.join(next ?? (yield* Effect.forkIn(read, scope)));
		next = found === void 0 || found.last ? void 0 : yield* Effect.forkIn(read, scope);
		return found;
	});
	return Stream.fromPull(Effect.succeed(Effect.flatMap(page, (found) => found === void 0 ? Cause.done() : Effect.succeed(Arr.of(found)))));
}));

// dist/Pages.js
/**
* Lists that come in pages, as a `Stream`: every page is a full call, read when it is asked for.
*
* A list is a value: `byCursor`, `byLink`, `byUrl`, `byOffset`, `byNumber` and `byConnection` say how its next page is
* found. `items` reads it, `itemsWithPosition` and `pages` also say where one stands, so that a reader that was killed goes
* on with `from`.
*
* @since 0.1.0
*/
var Pages_exports = /* @__PURE__ */ __exportAll({
	PagesError: () => PagesError,
	byConnection: () => byConnection,
	byCursor: () => byCursor,
	byLink: () => byLink,
	byNumber: () => byNumber,
	byOffset: () => byOffset,
	byUrl: () => byUrl,
	isPages: () => isPages,
	items: () => items,
	itemsWithPosition: () => itemsWithPosition,
	pages: () => pages,
	positionSchema: () => positionSchema
});
const TypeId$1 = "~breakwater/Pages";
/**
* The schema of a position, for a store.
*
* **Example** (A position as text)
*
* ```ts
* import { Schema } from "effect"
* import { Pages } from "breakwater"
*
* const Stored = Schema.fromJsonString(Pages.positionSchema(Schema.String))
*
* Schema.encodeSync(Stored)({ cursor: "c7", taken: 40 }) // => '{"cursor":"c7","taken":40}'
* ```
*
* @category schemas
* @since 0.1.0
*/
const positionSchema = (cursor) => Schema.Struct({
	cursor: Schema.optional(cursor),
	taken: Schema.Natural,
	last: Schema.optional(Schema.String)
});
const Proto = { pipe() {
	return pipeArguments(this, arguments);
} };
const make$1 = (options, start, read, next) => Object.assign(Object.create(Proto), { [TypeId$1]: {
	start,
	read: (cursor) => Effect.map(read(cursor), (page) => {
		const items = options.items(page);
		const { key } = options;
		return {
			items,
			keys: key === void 0 ? void 0 : items.map(key),
			next: next(page, cursor, items)
		};
	}),
	maxPages: options.maxPages ?? 1e4,
	maxEmpty: options.maxEmpty ?? 100,
	equalPages: options.equalPages ?? "fail"
} });
const end = { _tag: "End" };
const at = (cursor) => ({
	_tag: "At",
	cursor
});
const lost = (detail) => ({
	_tag: "Lost",
	detail
});
/**
* Returns whether a value is a `Pages`.
*
* @category guards
* @since 0.1.0
*/
const isPages = (value) => Predicate.hasProperty(value, TypeId$1);
/**
* A list whose page says where the next one begins: a token of the provider, or the id of the last item.
*
* **Details**
*
* `next` gives the cursor of the next page; `undefined`, `null` and `""` are the end. Where the page also says whether there
* are more, `more` decides, and a page with more and no cursor is a `NoPlace`. A cursor that is no string, such as DynamoDB's
* `LastEvaluatedKey`, is named where `read` takes it: `read: (cursor: Key | undefined) => …`.
*
* **Example** (Every item, page by page)
*
* ```ts
* import { Effect, Stream } from "effect"
* import { Pages } from "breakwater"
*
* const answers = [{ found: [1, 2], next_cursor: "b" }, { found: [3], next_cursor: "" }] as const
* // A method of an integration, in an application.
* const search = (query: { cursor: string | undefined }) => Effect.succeed(answers[query.cursor === "b" ? 1 : 0])
*
* const found = Pages.byCursor({
*   read: (cursor) => search({ cursor }),
*   items: (page) => page.found,
*   next: (page) => page.next_cursor
* })
*
* await Effect.runPromise(Stream.runCollect(Pages.items(found))) // => [1, 2, 3]
* ```
*
* @category constructors
* @since 0.1.0
*/
const byCursor = (options) => make$1(options, void 0, options.read, (page) => {
	const cursor = options.next(page);
	const none = cursor === void 0 || cursor === null || cursor === "";
	if (options.more === void 0 ? none : !options.more(page)) return end;
	return none ? lost("there are more pages, and `next` gives no cursor") : at(cursor);
});
const follow$1 = (options, next) => make$1(options, {}, (place) => options.read(place ?? {}), (page) => {
	const target = next(page);
	if (target._tag === "Lost") return target;
	if (target._tag === "None") return end;
	return Option.match(queryIn(target.value, options.query), {
		onNone: () => lost(`the address of the next page has none of: ${options.query.join(", ")}`),
		onSome: at
	});
});
/**
* A list whose next page stands in the `Link` header (RFC 8288), as with GitHub, GitLab, Shopify's REST API or Okta.
*
* **Details**
*
* Of the link only the parameters in `query` are used, and the page is read by the same method as the first: neither a
* credential nor a request goes to a host that a header names, and a path that the provider wrote otherwise does not matter.
* A link with none of them, or a header that is not written as the RFC has it, is a `NoPlace`; no header, and no
* `rel="next"` in it, are the end.
*
* **Example** (Two pages of issues)
*
* ```ts
* import { Effect, Stream } from "effect"
* import { Pages } from "breakwater"
*
* // A method of an integration whose success is declared with `HttpApiSchema.WithHeaders`, in an application.
* const issues = (query: { page?: string }) =>
*   Effect.succeed(
*     query.page === "2"
*       ? { body: ["third"], headers: {} }
*       : { body: ["first", "second"], headers: { link: '<https://api.example.com/r/1/issues?page=2>; rel="next"' } }
*   )
*
* const all = Pages.byLink({
*   query: ["page"],
*   read: (place) => issues({ ...place }),
*   items: (page) => page.body,
*   link: (page): string | undefined => page.headers.link
* })
*
* await Effect.runPromise(Stream.runCollect(Pages.items(all))) // => ["first", "second", "third"]
* ```
*
* @category constructors
* @since 0.1.0
*/
const byLink = (options) => {
	const rel = (options.rel ?? "next").toLowerCase();
	return follow$1(options, (page) => Option.match(parseLinks(options.link(page) ?? ""), {
		onNone: () => ({
			_tag: "Lost",
			detail: "the Link header can't be read"
		}),
		onSome: (links) => Option.map(Option.fromUndefinedOr(links.find((link) => !link.anchored && link.rels.includes(rel))), ({ target }) => target)
	}));
};
/**
* A list whose page holds the address of the next one: `next_page_uri` of Twilio, `links.next` of JSON:API, `next` of Django
* REST framework, `@odata.nextLink`. Only its query is used, as with `byLink`.
*
* @category constructors
* @since 0.1.0
*/
const byUrl = (options) => follow$1(options, (page) => {
	const url = options.url(page);
	return url === void 0 || url === null || url === "" ? Option.none() : Option.some(url);
});
/**
* A list that is read from the n-th item on.
*
* **Details**
*
* The next page begins behind the items of this one, or `step` further, for a provider that leaves items out of a page
* after counting it. The end is where `total` is reached, where `more` says so, or, with neither, at a page without items:
* that a page is short is no sign of the end, since a provider may cap what it gives.
*
* @category constructors
* @since 0.1.0
*/
const byOffset = (options) => {
	const first = options.first ?? 0;
	return make$1(options, first, (offset) => options.read(offset ?? first), (page, offset = first, items) => {
		const next = offset + (options.step ?? items.length);
		return options.more?.(page) ?? (options.total === void 0 ? void 0 : next - first < options.total(page)) ?? items.length > 0 ? at(next) : end;
	});
};
/**
* A list whose pages are numbered. The end is where `count` pages were read, where `more` says so, or, with neither, at a page
* without items.
*
* @category constructors
* @since 0.1.0
*/
const byNumber = (options) => {
	const first = options.first ?? 1;
	return make$1(options, first, (number) => options.read(number ?? first), (page, number = first, items) => {
		const next = number + 1;
		return options.more?.(page) ?? (options.count === void 0 ? void 0 : next - first < options.count(page)) ?? items.length > 0 ? at(next) : end;
	});
};
/**
* A list that is a GraphQL connection, read forward. `after` is `null` for the first page, as a variable may be.
*
* **Example** (Orders of a shop)
*
* ```ts
* import { Effect, Stream } from "effect"
* import { Pages } from "breakwater"
*
* const orders = (variables: { after: string | null }) =>
*   Effect.succeed({
*     shop: {
*       orders: {
*         edges: [{ node: variables.after === null ? "order-1" : "order-2" }],
*         pageInfo: { hasNextPage: variables.after === null, endCursor: "abc" }
*       }
*     }
*   })
*
* const all = Pages.byConnection({ read: (after) => orders({ after }), connection: (data) => data.shop.orders })
*
* await Effect.runPromise(Stream.runCollect(Pages.items(all))) // => ["order-1", "order-2"]
* ```
*
* @category constructors
* @since 0.1.0
*/
const byConnection = (options) => make$1({
	...options,
	items: (page) => {
		const connection = options.connection(page);
		return "nodes" in connection ? connection.nodes : connection.edges.map(({ node }) => node);
	}
}, void 0, (after) => options.read(after ?? null), (page) => {
	const { endCursor, hasNextPage } = options.connection(page).pageInfo;
	if (!hasNextPage) return end;
	return endCursor === void 0 || endCursor === null ? lost("`hasNextPage` is true, and there is no `endCursor`") : at(endCursor);
});
const open = (self, options = {}) => streamOf(self[TypeId$1], options.from, options.prefetch === 1);
/**
* Every item of a list, in its order.
*
* **Details**
*
* A page is read when an item of it is asked for, and not before (`prefetch: 1` reads one ahead). Each is a full call of
* `read`, with whatever deadline, retries and span that has; the errors are those of `read`, untouched, and `PagesError` for
* pages that would never end. `Deadline.within` around the program that runs the stream bounds all pages together.
*
* @category streams
* @since 0.1.0
*/
const items = (self, options) => Stream.flattenIterable(Stream.map(open(self, options), (page) => page.items));
/**
* Every item of a list with the position after it: what a reader stores who may be killed, and gives as `from` later.
*
* **Details**
*
* Resumed at `after`, a list whose pages do not change gives the items behind this one, each once, whether it was the last of
* its page or not. Store the position in the transaction that does something about the item, and each is done about once.
* After the last item of all, the position is behind it on the last page: resumed there, a list that has grown gives what is
* new.
*
* **Example** (Killed after two, resumed)
*
* ```ts
* import { Effect, Stream } from "effect"
* import { Pages } from "breakwater"
*
* const letters = Pages.byOffset({
*   read: (offset) => Effect.succeed(["a", "b", "c", "d", "e"].slice(offset, offset + 3)),
*   items: (page) => page
* })
*
* const two = await Effect.runPromise(Stream.runCollect(Stream.take(Pages.itemsWithPosition(letters), 2)))
* const from = two[1]!.after // => { cursor: 0, taken: 2 }
*
* await Effect.runPromise(Stream.runCollect(Pages.items(letters, { from }))) // => ["c", "d", "e"]
* ```
*
* @category streams
* @since 0.1.0
*/
const itemsWithPosition = (self, options) => Stream.flattenIterable(Stream.map(open(self, options), (page) => page.items.map((item, index) => ({
	item,
	after: page.after(index)
}))));
/**
* Every page of a list, empty ones too, for a reader that does something about a page at once: it stores `after` with it.
*
* @category streams
* @since 0.1.0
*/
const pages = (self, options) => Stream.map(open(self, options), (page) => ({
	items: page.items,
	before: page.begin,
	after: page.end,
	last: page.last
}));

// dist/PollingError.js
/**
* Why the end of a job is not known.
*
* @since 0.1.0
*/
const said = {
	Deadline: ["the job is not done in time, and goes on", "keep `job`, and resume it later"],
	Spent: ["the schedule has ended before the job", "keep `job`, and resume it later"],
	StatusFailed: ["its status can't be asked for, and the job goes on", "mend that, then resume `job`"],
	Missing: ["the provider does not know the job", "ask the provider what became of it before it is started again"],
	UnknownState: ["the provider gives a state that is not known here", "extend the integration, then resume `job`"],
	BadLocation: ["the job was started, and its address can't be used", "compare it with the provider's documentation, and allow its origin if it is right"],
	OtherJob: ["the job does not belong here, or can't be read", "resume it where it was started"]
};
/**
* The end of a job is not known. What the job does may have happened, or may yet happen: its outcome is `Unknown`, whatever
* the outcome of the call that started it.
*
* @category errors
* @since 0.1.0
*/
var PollingError = class extends Data.TaggedError("PollingError") {
	get message() {
		const [what, next] = said[this.reason];
		return `${this.job === void 0 ? "polling" : this.job.polling}: ${what} (asked ${this.polls} time${this.polls === 1 ? "" : "s"}); ${next}`;
	}
};

// dist/internal/polling.js
const TypeId = "~breakwater/Polling";
const hintOf = (hint, now) => {
	const found = typeof hint === "string" ? retryAfter(hint, now) : typeof hint === "number" ? Number.isFinite(hint) ? Duration.seconds(hint) : void 0 : hint;
	return found !== void 0 && Duration.toMillis(found) > 0 ? found : void 0;
};
/** What is stored of a job of which the provider has given this reference. */
const jobOf$1 = (polling, ref, startedAt) => Effect.map(Effect.orDie(Schema.encodeEffect(polling.job)(ref)), (ref) => ({
	polling: polling.name,
	ref,
	startedAt
}));
/** The reference of a job, if it is one of this polling. */
const refOf = (polling, job) => {
	const other = new PollingError({
		reason: "OtherJob",
		job,
		outcome: "Unknown",
		polls: 0
	});
	return job.polling === polling.name ? Effect.mapError(Schema.decodeUnknownEffect(polling.job)(job.ref), () => other) : Effect.fail(other);
};
/** The end that an answer to the start is already, as with a `200` instead of a `202`. */
const endOf = (step) => step._tag === "Succeeded" || step._tag === "Failed" ? Effect.succeed(step) : Effect.fail(new PollingError({
	reason: "UnknownState",
	job: void 0,
	outcome: "Unknown",
	polls: 0
}));
/** One look, as far as it says anything: `again` is a look that says nothing yet. */
const look = (polling, ref, startedAt, fail) => Effect.gen(function* () {
	const found = yield* Effect.result(polling.status(ref));
	if (Result.isFailure(found)) {
		const error = found.failure;
		if (polling.missing(error)) {
			if ((yield* Clock.currentTimeMillis) - startedAt > polling.grace) return yield* fail("Missing", error);
		} else if (polling.fatal(error)) return yield* fail("StatusFailed", error);
		return {
			_tag: "Again",
			retryAfter: void 0,
			error
		};
	}
	const step = found.success;
	switch (step?._tag) {
		case "Running": return {
			_tag: "Again",
			retryAfter: step.retryAfter,
			error: void 0
		};
		case "Succeeded":
		case "Failed": return step;
		default: return yield* fail("UnknownState");
	}
});
/**
* Asks until the job has ended, or the time has. `first` is when to ask first: as the provider has said, by the schedule,
* or at once where somebody has waited already.
*/
const follow = (polling, ref, job, first) => Effect.gen(function* () {
	const step = yield* Schedule.toStep(polling.schedule);
	let polls = 0;
	let last;
	let told = first;
	const fail = (reason, error = last, retryAfter) => new PollingError({
		reason,
		job,
		outcome: "Unknown",
		polls,
		error,
		retryAfter
	});
	while (true) {
		if (told !== "at once") {
			const now = yield* Clock.currentTimeMillis;
			const pause = yield* Pull.catchDone(step(now, polls), () => Effect.undefined);
			if (pause === void 0) return yield* fail("Spent");
			const wait = hintOf(told, now) ?? pause[1];
			const left = (yield* remaining) ?? Duration.infinity;
			if (Duration.isGreaterThanOrEqualTo(wait, left)) return yield* fail("Deadline", last, wait);
			yield* Effect.sleep(wait);
		}
		const time = (yield* remaining) ?? Duration.infinity;
		polls++;
		const found = yield* Effect.timeoutOption(look(polling, ref, job.startedAt, fail), time);
		if (Option.isNone(found)) return yield* fail("Deadline");
		const seen = found.value;
		if (seen._tag !== "Again") return seen;
		last = seen.error;
		told = seen.retryAfter;
	}
});
/** The parts of an address that a template names, if it is one of ours. */
const locate = (location, template, origins) => {
	const here = "http://relative.invalid";
	const url = Option.getOrUndefined(urlOf(location ?? "", `${here}/`));
	if (location === void 0 || location === null || location === "" || url === void 0) return void 0;
	if (url.username !== "" || url.password !== "") return void 0;
	const allowed = origins.flatMap((origin) => Option.getOrElse(Option.map(urlOf(origin), (found) => [found.origin]), () => []));
	if (!(url.origin === here && !location.toLowerCase().includes("relative.invalid")) && !allowed.includes(url.origin)) return void 0;
	const parts = url.pathname.split("/");
	const names = template.split("/");
	if (parts.length !== names.length) return void 0;
	const found = {};
	for (const [index, name] of names.entries()) {
		const part = parts[index];
		if (!name.startsWith(":")) {
			if (name !== part) return void 0;
			continue;
		}
		const value = Result.getOrUndefined(Result.try(() => decodeURIComponent(part)));
		if (value === void 0 || value === "") return void 0;
		found[name.slice(1)] = value;
	}
	return found;
};

// dist/PollingOperation.js
/**
* A job as one operation of an integration.
*
* @since 0.1.0
*/
/**
* A job as one operation of an integration: it has a line in the plan, one event per call, typed errors, and it can be
* stored (`Outbox.writeAhead`, `Exhaustion.park`) and resumed after a crash.
*
* **Details**
*
* Start and status are calls of another integration, with its policy and its credentials; their spans stand below the one
* of this operation. The operation has one attempt, and the polling's `within` as its deadline. `idempotency` is that of
* the start: a repeat with its key gives the same job. Use the same derivation for both.
*
* - A job that has failed is a declared error: `translate` has a case for it, and a stored call needs its schema (`error`).
* - `classify` says what an error of the start means.
* - Every other failure is `orElse`'s: that the time was up is `InProgress`, with outcome `Unknown`. `Polling.jobFrom` gives
*   the job that goes on.
*
* **In an outbox**
*
* A stored call is made in deliveries. The first starts the job, and its reference is stored with the entry; the caller has
* `Queued`. Each of the next waits `within` at most, and gives the entry back until the provider wants to be asked again.
* The start is not repeated once the job is stored; a crash before that repeats it, with its key. A claim is held no longer
* than `within` and the worker's `grace`: that is how late a crash is noticed, so `within` may be 10 minutes at most, and one
* minute is a good choice. How long the job may take in all is `Outbox.writeAheadWith(operation, { expiresAfter })`.
*
* **Example** (An export that survives a crash)
*
* ```ts
* import { Exhaustion, Idempotency, IdempotencyKey, Integration, Outbox, OutboxStoreMemory } from "breakwater"
* import { OutboxWorker, Polling } from "breakwater"
* import { Data, Effect, Layer, Schedule, Schema } from "effect"
*
* class ExportFailed extends Schema.TaggedError<ExportFailed>()("ExportFailed", { why: Schema.String }) {}
* class ExportLate extends Data.TaggedError("ExportLate")<{ readonly job: Polling.Job | undefined }> {}
* const Order = Schema.Struct({ order: Schema.String })
*
* const exports = Polling.make("shop/export", {
*   job: Schema.String,
*   // In an application: two methods of the integration that calls the provider.
*   start: ({ order }: typeof Order.Type) => Effect.succeed(Polling.started(`job-${order}`)),
*   status: (id) => Effect.succeed(id === "" ? Polling.failed(new ExportFailed({ why: "?" })) : Polling.succeeded(`/${id}`)),
*   within: "1 minute",
*   schedule: Schedule.spaced("20 millis")
* })
*
* class Exports extends Integration.Service<Exports>()(
*   "shop/Exports",
*   { exhausted: Exhaustion.fail, orElse: (failure) => new ExportLate({ job: Polling.jobFrom(failure) }) },
*   {
*     make: Outbox.writeAheadWith(
*       Polling.operation("make", {
*         input: Order,
*         success: Schema.String,
*         polling: exports,
*         idempotency: Idempotency.keyed(({ order }: typeof Order.Type) => IdempotencyKey.derive("export", order), {
*           lifetime: "1 day"
*         }),
*         error: ExportFailed,
*         translate: { ExportFailed: (error) => error }
*       }),
*       { expiresAfter: "2 hours" }
*     )
*   }
* ) {}
*
* const Worker = OutboxWorker.layer(Exports, {
*   make: {
*     onDelivered: (url, { input }) => Effect.log(`${input.order} is at ${url}`),
*     onDead: (error) => Effect.logError(error._tag),
*     onNeedsReconcile: ({ id }) => Effect.logError(`look what became of ${id}`)
*   }
* }, { pollInterval: "50 millis" })
*
* const program = Effect.gen(function* () {
*   const queued = yield* (yield* Exports).make({ order: "42" })
*   return Outbox.isQueued(queued) ? yield* Outbox.await(Exports, "make", queued) : queued
* })
* const Live = Worker.pipe(
*   Layer.provideMerge(Integration.layer(Exports)),
*   Layer.provideMerge(OutboxStoreMemory.layer)
* )
*
* await Effect.runPromise(Effect.provide(program, Live)) // => "/job-42"
* ```
*
* @category constructors
* @since 0.1.0
*/
const operation = (name, options) => {
	const given = options;
	const { idempotency, polling } = given;
	const { name: job, within } = polling[TypeId];
	return fromDefinition({
		name,
		repeat: idempotency.repeat,
		strategy: idempotency.strategy,
		policy: stack(totalDeadline(within, { longRunning: `the job ${job} is waited for` }), retryNever(`start and status of ${job} are retried by their own integration`), attemptTimeout(within)),
		exhausted: given.exhausted,
		orElse: given.orElse,
		translate: given.translate,
		about: {
			transport: "effect",
			attemptName: name,
			http: void 0
		},
		problems: [],
		inDeliveries: true,
		open: openEffect({
			input: given.input,
			success: given.success,
			decoded: true,
			error: given.error,
			send: (input, call) => wait(polling[TypeId], input, call, given.classify),
			client: void 0,
			call: void 0,
			classify: void 0,
			classifyAnswer: void 0
		})
	});
};
/** What is left of an attempt for telling how it ended, before its own limit would cut it. */
const margin = (left) => Math.min(1e3, left / 20);
/** One delivery, or the whole where nothing is stored: the start unless there was one, and the wait. */
const wait = (polling, input, call, classify) => Effect.uninterruptibleMask((restore) => Effect.gen(function* () {
	const now = yield* Clock.currentTimeMillis;
	const end = Math.min(call.deadline, call.attemptEndsBy, call.leaseUntil);
	const bounded = (self) => restore(end === Infinity ? self : at$1(self, end - margin(end - now)));
	const known = call.progress;
	if (known !== void 0) return yield* bounded(Effect.flatMap(refOf(polling, known), (ref) => follow(polling, ref, known, "at once"))).pipe(Effect.mapError(judged), Effect.flatMap(told));
	const started = yield* Effect.result(bounded(polling.start(input)));
	if (Result.isFailure(started)) return yield* Effect.fail(startFailed(started.failure, classify));
	const answer = started.success;
	if (answer._tag !== "Started") return yield* Effect.flatMap(Effect.mapError(endOf(answer), judged), told);
	const job = yield* jobOf$1(polling, answer.ref, now);
	call.progress = job;
	if (call.durable) return yield* Effect.fail(yield* accepted(polling.schedule, answer.retryAfter));
	return yield* bounded(follow(polling, answer.ref, job, answer.retryAfter)).pipe(Effect.mapError(judged), Effect.flatMap(told));
})).pipe(Effect.withSpan(`polling ${polling.name}`));
const told = (end) => {
	if (end._tag === "Succeeded") return Effect.succeed(end.value);
	return Effect.fail(new Judged(end.outcome === "Refused" ? {
		reason: "Rejected",
		message: "the job has failed",
		resolves: true
	} : {
		reason: "Failed",
		message: "the job has failed",
		outcome: end.outcome,
		health: "success"
	}, end.error));
};
/** That the job was started: it is stored before its end is waited for. */
const accepted = (schedule, hint) => Effect.gen(function* () {
	const now = yield* Clock.currentTimeMillis;
	const told = hintOf(hint, now);
	if (told !== void 0) return inProgress("the job was started", told);
	const step = yield* Schedule.toStep(schedule);
	const first = yield* Pull.catchDone(step(now, 0), () => Effect.undefined);
	return inProgress("the job was started", first?.[1]);
});
const inProgress = (message, retryAfter, error) => new Judged({
	reason: "InProgress",
	message,
	retryAfter
}, error);
/** What it means that the end is not known. */
const judged = (error) => error.reason === "Deadline" || error.reason === "Spent" ? inProgress(`the job has not ended (asked ${times(error.polls)})`, error.retryAfter, error) : new Judged({
	reason: "Failed",
	message: error.message,
	outcome: error.outcome,
	health: "ignored"
}, error);
const times = (n) => n === 1 ? "once" : `${n} times`;
/** An address that leads elsewhere is an answer to the start too, and no error of its integration. */
const startFailed = (error, classify) => error instanceof PollingError ? judged(error) : new Judged(classify?.(error) ?? { reason: "Failed" }, error);

// dist/Polling.js
/**
* Jobs that a provider starts with one call (`202 Accepted`) and tells about in others: start, ask until the end, and give
* that as the result.
*
* @since 0.1.0
*/
var Polling_exports = /* @__PURE__ */ __exportAll({
	Job: () => Job,
	PollingError: () => PollingError,
	check: () => check,
	failed: () => failed,
	fromLocation: () => fromLocation,
	jobFrom: () => jobFrom,
	jobOf: () => jobOf,
	make: () => make,
	operation: () => operation,
	resume: () => resume,
	run: () => run,
	running: () => running,
	started: () => started,
	succeeded: () => succeeded,
	unexpected: () => unexpected
});
/**
* The schema of a job, for a store.
*
* @category schemas
* @since 0.1.0
*/
const Job = Schema.Struct({
	/** The name of the polling that it belongs to. */
	polling: Schema.String,
	/** What the provider calls it. */
	ref: Schema.Json,
	/** When it was started, in epoch milliseconds. */
	startedAt: Schema.Finite
});
/**
* A job was started.
*
* @category states
* @since 0.1.0
*/
const started = (ref, told = {}) => ({
	_tag: "Started",
	ref,
	retryAfter: told.retryAfter
});
/**
* The job has not ended.
*
* @category states
* @since 0.1.0
*/
const running = (told = {}) => ({
	_tag: "Running",
	retryAfter: told.retryAfter
});
/**
* The job has ended well, with this.
*
* @category states
* @since 0.1.0
*/
const succeeded = (value) => ({
	_tag: "Succeeded",
	value
});
/**
* The job has ended otherwise: it failed, was cancelled, has expired. The error is the application's own.
*
* **Details**
*
* For an `operation` it also says whether what was asked for happened: `Refused`, it did not, unless `outcome` says
* otherwise. A job that may have done a part of its work before it failed is `Unknown`: a stored one needs to be reconciled
* then, instead of being dead.
*
* @category states
* @since 0.1.0
*/
const failed = (error, options) => ({
	_tag: "Failed",
	error,
	outcome: options?.outcome ?? "Refused"
});
/**
* A state that the integration does not know. It ends the polling, as `UnknownState`: going on could go on for ever.
*
* @category states
* @since 0.1.0
*/
const unexpected = { _tag: "Unexpected" };
/**
* Says how a job is started, and how its end is found out.
*
* **Details**
*
* `start` and `status` are methods of an integration: each call has its own policy, span and event. So `start` is a mutation
* that says how a repeat is made safe, and `status` a query.
*
* - An error of `start` is the error of the whole, untouched: there may be no job.
* - An error of `status` says nothing of the job, so it is asked again, unless `fatal` says otherwise.
* - `missing` tells the error that means "no such job": right after the start it may only not be visible yet (`grace`).
* - With a status that is a union of literals the compiler refuses a `switch` that forgets one; with any string, end it with
*   `default: return Polling.unexpected`.
*
* **Example** (An export)
*
* ```ts
* import { Polling } from "breakwater"
* import { Data, Effect, Schema } from "effect"
*
* class ExportFailed extends Data.TaggedError("ExportFailed") {}
*
* // Two methods of an integration, in an application.
* const start = (order: string) => Effect.succeed({ id: `job-${order}`, retryAfter: "1" })
* const status = (_: { id: string }): Effect.Effect<{ state: "running" | "done" | "failed"; url?: string }> =>
*   Effect.succeed({ state: "done", url: "/files/7" })
*
* const exports = Polling.make("shop/export", {
*   job: Schema.Struct({ id: Schema.String }),
*   start: (order: string) =>
*     Effect.map(start(order), ({ id, retryAfter }) => Polling.started({ id }, { retryAfter })),
*   status: (job) =>
*     Effect.map(status(job), (answer) => {
*       switch (answer.state) {
*         case "running":
*           return Polling.running()
*         case "done":
*           return Polling.succeeded(answer.url)
*         case "failed":
*           return Polling.failed(new ExportFailed())
*       }
*     }),
*   within: "10 minutes"
* })
*
* await Effect.runPromise(Polling.run(exports, "42")) // => "/files/7"
* ```
*
* @category constructors
* @since 0.1.0
*/
const make = (name, options) => ({ [TypeId]: {
	name,
	job: options.job,
	start: options.start,
	status: options.status,
	within: options.within,
	schedule: options.schedule ?? backoff,
	missing: options.missing ?? (() => false),
	fatal: options.fatal ?? (() => false),
	grace: Duration.toMillis(Duration.fromInputUnsafe(options.grace ?? "10 seconds"))
} });
const backoff = Schedule.jittered(Schedule.min([Schedule.exponential("1 second", 1.5), Schedule.spaced("30 seconds")]));
/**
* Starts a job, and waits for its end.
*
* **Details**
*
* One deadline holds for all of it. When it ends, the job goes on: the `PollingError` says so, and carries the `job` that
* `resume` takes. `onJob` is given the job before its status is asked for the first time, whatever the caller does meanwhile:
* who stores it there can go on after a crash. A crash between the start and that loses the job's name, not the job: a start
* with a key gives the same job once more.
*
* @category running
* @since 0.1.0
*/
const run = (self, input, options = {}) => {
	const polling = self[TypeId];
	return Effect.uninterruptibleMask((restore) => Effect.gen(function* () {
		const startedAt = yield* Clock.currentTimeMillis;
		const answer = yield* restore(polling.start(input));
		if (answer._tag !== "Started") return yield* Effect.flatMap(endOf(answer), given);
		const job = yield* jobOf$1(polling, answer.ref, startedAt);
		if (options.onJob !== void 0) yield* options.onJob(job);
		return yield* Effect.flatMap(restore(follow(polling, answer.ref, job, answer.retryAfter)), given);
	})).pipe(within(options.within ?? polling.within), Effect.withSpan(`polling ${polling.name}`));
};
const given = (end) => end._tag === "Succeeded" ? Effect.succeed(end.value) : Effect.fail(end.error);
/**
* The job of a reference, to be stored: for one that was started otherwise, such as by another system.
*
* @category running
* @since 0.1.0
*/
const jobOf = (self, ref, startedAt) => jobOf$1(self[TypeId], ref, startedAt);
/**
* The job that a call of an `operation` has left unfinished, for `orElse`: what `resume` takes. `undefined` for a failure
* that is about none.
*
* @category running
* @since 0.1.0
*/
const jobFrom = (failure) => failure.reason.error instanceof PollingError ? failure.reason.error.job : void 0;
/**
* Goes on waiting for a job that was started before, in this process or another. It has as much time as a new one.
*
* @category running
* @since 0.1.0
*/
const resume = (self, job, options = {}) => Effect.flatMap(refOf(self[TypeId], job), (ref) => follow(self[TypeId], ref, job, void 0)).pipe(Effect.flatMap(given), within(options.within ?? self["~breakwater/Polling"].within), Effect.withSpan(`polling ${self[TypeId].name}`));
/**
* Asks once how a job stands, for who waits in a loop or a schedule of its own. `undefined` where it has not ended, or could
* not be asked for.
*
* @category running
* @since 0.1.0
*/
const check = (self, job) => Effect.gen(function* () {
	const ref = yield* refOf(self[TypeId], job);
	const found = yield* look(self[TypeId], ref, job.startedAt, (reason, error) => new PollingError({
		reason,
		job,
		outcome: "Unknown",
		polls: 1,
		error
	}));
	if (found._tag === "Failed") return yield* Effect.fail(found.error);
	return found._tag === "Succeeded" ? { value: found.value } : void 0;
});
/**
* The parameters of the address where a job's status is (`Location`, `Operation-Location`), for the endpoint that reads it.
*
* **Details**
*
* The address itself is never called: it only has to fit the path of the endpoint, and the integration calls its own host.
* An absolute address must be on one of `origins`, so that a job of another host is not asked for at this one. Everything
* else is a `BadLocation`.
*
* **Example** (The id in a Location)
*
* ```ts
* import { Polling } from "breakwater"
* import { Effect } from "effect"
*
* const at = { path: "/v1/jobs/:id", origins: ["https://api.example.com"] } as const
*
* Effect.runSync(Polling.fromLocation("https://api.example.com/v1/jobs/7?v=2", at)) // => { id: "7" }
* Effect.runSync(Effect.flip(Polling.fromLocation("https://evil.test/v1/jobs/7", at))).reason // => "BadLocation"
* ```
*
* @category locations
* @since 0.1.0
*/
const fromLocation = (location, options) => {
	const found = locate(location, options.path, options.origins ?? []);
	return found === void 0 ? Effect.fail(new PollingError({
		reason: "BadLocation",
		job: void 0,
		outcome: "Unknown",
		polls: 0
	})) : Effect.succeed(found);
};

export { Call_exports as Call, CallFailure_exports as CallFailure, Conditional_exports as Conditional, Deadline_exports as Deadline, Exhaustion_exports as Exhaustion, Idempotency_exports as Idempotency, IdempotencyKey_exports as IdempotencyKey, IdempotencyStore_exports as IdempotencyStore, IdempotencyStoreMemory_exports as IdempotencyStoreMemory, IdempotencySweeper_exports as IdempotencySweeper, Integration_exports as Integration, Operation_exports as Operation, Outbox_exports as Outbox, OutboxAdmin_exports as OutboxAdmin, OutboxError, OutboxStore_exports as OutboxStore, OutboxStoreMemory_exports as OutboxStoreMemory, OutboxWorker_exports as OutboxWorker, Outcome_exports as Outcome, Pages_exports as Pages, Policy_exports as Policy, Polling_exports as Polling, Reason_exports as Reason, Receiver_exports as Receiver, Streaming_exports as Streaming, Telemetry_exports as Telemetry, Undelivered, Webhook_exports as Webhook };