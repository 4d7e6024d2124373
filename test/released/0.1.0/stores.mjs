/* oxlint-disable */
import * as Context from "effect/Context";
import * as Duration from "effect/Duration";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import * as Option from "effect/Option";
import * as Schedule from "effect/Schedule";
import * as Migrator from "effect/sql/Migrator";
import * as SqlClient from "effect/sql/SqlClient";
import * as Data from "effect/Data";
import { AuthorizationError, ConnectionError, ConstraintError, LockTimeoutError, SerializationError, SqlError, SqlSyntaxError, UniqueViolation, UnknownError, isSqlError } from "effect/sql/SqlError";
import * as Config from "effect/Config";
import * as Reactivity from "effect/reactivity/Reactivity";
import * as Semaphore from "effect/Semaphore";
import * as Statement from "effect/sql/Statement";
import * as Arr from "effect/Array";
import * as Cause from "effect/Cause";
import * as Stream from "effect/Stream";
import { DatabaseSync } from "node:sqlite";
import * as Clock from "effect/Clock";
import * as Redis from "effect/persistence/Redis";
import * as Predicate from "effect/Predicate";
import * as Schema from "effect/Schema";
// \0rolldown/runtime.js
var __defProp = Object.defineProperty;
var __exportAll = (all, no_symbols) => {
	let target = {};
	for (var name in all) __defProp(target, name, {
		get: all[name],
		enumerable: true
	});
	if (!no_symbols) __defProp(target, Symbol.toStringTag, { value: "Module" });
	return target;
};
// src/IdempotencyStore.ts
var StoreError$1 = class extends Data.TaggedError("StoreError") {
	get message() {
		const { operation, reason, store, tookEffect } = this;
		return `the idempotency store (${store}) could not ${operation}: ${reason === "Busy" ? "another transaction holds the record" : reason === "Malformed" ? "a record can't be read by this version" : "the store failed or could not be reached"}; ${tookEffect === "no" ? "nothing was written; try again" : "it may have been written; read the record before you answer"}`;
	}
};
var IdempotencyStore = class extends Context.Service()("breakwater/IdempotencyStore") {};
var TransactionalStore = class extends Context.Service()("breakwater/TransactionalStore") {};
// src/internal/sha256.ts
const K = new Uint32Array([
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
	const w = new Uint32Array(64);
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
	const out = new Uint8Array(32);
	const outView = new DataView(out.buffer);
	for (let i = 0; i < 8; i++) outView.setUint32(i * 4, h[i]);
	return out;
};
const hex$1 = Array.from({ length: 256 }, (_, n) => n.toString(16).padStart(2, "0"));
const toHex = (bytes) => {
	let out = "";
	for (const byte of bytes) out += hex$1[byte];
	return out;
};
// src/internal/fingerprint.ts
const encoder$1 = new TextEncoder();
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const hashOf = (text) => hex(sha256(encoder$1.encode(text)));
// src/sql/internal/within.ts
var Own$1 = class {
	error;
	constructor(error) {
		this.error = error;
	}
};
const within = (transaction, self, failed) => Effect.mapError(transaction(Effect.mapError(self, (error) => new Own$1(error))), (error) => error instanceof Own$1 ? error.error : failed(error));
// src/sql/internal/dialect.ts
const makeDialect = (sql) => sql.onDialectOrElse({
	pg: () => ({
		name: "postgresql",
		now: sql`(extract(epoch FROM clock_timestamp()) * 1000)::bigint`,
		text: (value) => sql`${value}::text`,
		greatest: (a, b) => sql`greatest(${a}, ${b})`,
		addStep: ({ data, name }) => sql`((SELECT coalesce(jsonb_agg(step ORDER BY place), '[]'::jsonb) FROM jsonb_array_elements(steps::jsonb) WITH ORDINALITY AS old (step, place) WHERE step ->> 'name' <> ${name}::text) || jsonb_build_array(jsonb_build_object('name', ${name}::text, 'data', ${data}::text)))::text`,
		isOneOf: (limited) => sql`id = ANY (ARRAY(${limited} FOR UPDATE SKIP LOCKED))`,
		transaction: (lockTimeout, failed) => {
			const limit = sql.literal(String(Math.max(1, Math.ceil(Duration.toMillis(lockTimeout)))));
			return (self) => outermost(sql, failed, (body) => Effect.andThen(sql`SET LOCAL lock_timeout = ${limit}`, body), self);
		}
	}),
	orElse: () => ({
		name: "sqlite",
		now: sql`CAST(unixepoch('subsec') * 1000 AS INTEGER)`,
		text: (value) => sql`${value}`,
		greatest: (a, b) => sql`max(${a}, ${b})`,
		addStep: ({ data, name }) => sql`json_insert((SELECT json_group_array(json(value)) FROM json_each(steps) WHERE json_extract(value, '$.name') <> ${name}), '$[#]', json_object('name', ${name}, 'data', ${data}))`,
		isOneOf: (limited) => sql`id IN (${limited})`,
		transaction: (lockTimeout, failed) => (self) => turn(lockTimeout, (started) => outermost(sql, failed, (body) => Effect.andThen(started, body), self))
	})
});
const outermost = (sql, failed, begin, self) => Effect.suspend(() => {
	let done = false;
	const body = Effect.map(self, (value) => {
		done = true;
		return value;
	});
	return within((inner) => sql.withTransaction(begin(inner)), body, (error) => failed("complete", done)(error));
});
const turn = (limit, run) => Effect.suspend(() => {
	let started = false;
	const late = Effect.andThen(Effect.sleep(limit), Effect.suspend(() => started ? Effect.never : Effect.fail(new StoreError$1({
		reason: "Busy",
		store: "sqlite",
		operation: "claim",
		tookEffect: "no",
		cause: void 0
	}))));
	const start = Effect.sync(() => {
		started = true;
	});
	return Effect.raceFirst(run(start), late);
});
// src/sql/internal/migrations.ts
const migrations$1 = (table) => ({ "0001_records": Effect.gen(function* () {
	const sql = yield* SqlClient.SqlClient;
	const big = sql.literal(sql.onDialectOrElse({
		pg: () => "BIGINT",
		orElse: () => "INTEGER"
	}));
	const bare = table.slice(table.lastIndexOf(".") + 1);
	yield* sql`CREATE TABLE IF NOT EXISTS ${sql(table)} (
      id CHAR(64) PRIMARY KEY,
      scope TEXT NOT NULL,
      idem_key TEXT NOT NULL,
      fingerprint TEXT NOT NULL,
      state CHAR(1) NOT NULL,
      epoch ${big} NOT NULL,
      takeovers ${big} NOT NULL,
      on_lost_lease TEXT NOT NULL,
      lease_until ${big} NOT NULL,
      expires_at ${big} NOT NULL,
      steps TEXT NOT NULL,
      result TEXT,
      created_at ${big} NOT NULL
    )`;
	yield* sql`CREATE INDEX IF NOT EXISTS ${sql(`${bare}_expires`)} ON ${sql(table)} (expires_at)`;
	yield* sql`CREATE INDEX IF NOT EXISTS ${sql(`${bare}_held`)} ON ${sql(table)} (state, on_lost_lease, lease_until) WHERE state <> 'D'`;
}) });
// src/sql/SqlIdempotencyStore.ts
var SqlIdempotencyStore_exports = __exportAll({
	layer: () => layer$3,
	make: () => make$5,
	migrate: () => migrate$1
});
const defaultTable$1 = "breakwater_idempotency";
const migrate$1 = (options) => {
	const table = options?.table ?? defaultTable$1;
	return Migrator.make({})({
		loader: Migrator.fromRecord(migrations$1(table)),
		table: `${table}_migrations`
	});
};
const stepsOf$1 = (text) => JSON.parse(text);
const states$2 = {
	R: "Running",
	D: "Done",
	H: "Held",
	A: "Done"
};
const idOf = (scope, key) => hashOf(`${scope.length}:${scope}${key}`);
const millisOf$1 = (duration) => Math.min(Math.ceil(Duration.toMillis(duration)), 0xe35fa931a0000);
const isWritable$1 = (text) => !/\0|[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/.test(text);
const unwritable = "scope, key and fingerprint must be well-formed text without NUL";
const recordOf$2 = (row) => ({
	scope: row.scope,
	key: row.idem_key,
	fingerprint: row.fingerprint,
	state: states$2[row.state],
	epoch: Number(row.epoch),
	onLostLease: row.on_lost_lease,
	leaseUntil: Number(row.lease_until),
	expiresAt: Number(row.expires_at),
	steps: stepsOf$1(row.steps),
	result: row.result ?? void 0,
	createdAt: Number(row.created_at)
});
const definite$1 = new Set([
	"DeadlockError",
	"SerializationError",
	"LockTimeoutError",
	"ConstraintError",
	"UniqueViolation",
	"SqlSyntaxError",
	"AuthenticationError",
	"AuthorizationError",
	"StatementTimeoutError"
]);
const startOver$1 = new Set(["DeadlockError", "SerializationError"]);
const busy$1 = new Set([...startOver$1, "LockTimeoutError"]);
const pauses$1 = Schedule.jittered(Schedule.spaced("5 millis"));
const make$5 = (options) => Effect.map(SqlClient.SqlClient, (sql) => {
	const table = sql(options?.table ?? defaultTable$1);
	const dialect = makeDialect(sql);
	const { name, now } = dialect;
	const from = (millis) => sql`${now} + ${millisOf$1(millis)}`;
	const failed = (operation, writes) => (error) => {
		const reason = error.reason._tag;
		return new StoreError$1({
			reason: busy$1.has(reason) ? "Busy" : "Unavailable",
			store: name,
			operation,
			tookEffect: !writes || definite$1.has(reason) ? "no" : "unknown",
			cause: error
		});
	};
	const again = (statement) => Effect.flatMap(Effect.serviceOption(sql.transactionService), (open) => Option.isSome(open) ? statement : Effect.retry(statement, {
		times: 50,
		while: ({ reason }) => startOver$1.has(reason._tag),
		schedule: pauses$1
	}));
	const write = (operation, statement) => Effect.mapBoth(again(statement), {
		onFailure: failed(operation, true),
		onSuccess: (rows) => rows.length > 0
	});
	const owns = ({ epoch, key, scope }) => sql`id = ${idOf(scope, key)} AND epoch = ${epoch} AND state = 'R'`;
	const absent = sql`state = 'A', steps = '[]', result = NULL, expires_at = ${now} + 60000`;
	const held = sql`(state = 'H' OR (state = 'R' AND on_lost_lease = 'hold' AND lease_until <= ${now}))`;
	const forgotten = sql`(expires_at <= ${now} AND epoch < ${now} * 1000 AND (state IN ('A', 'D') OR (state = 'R' AND on_lost_lease <> 'hold' AND lease_until <= ${now})))`;
	const claim = (request) => {
		const { fingerprint, key, lease, onLostLease, scope, timeToLive } = request;
		if (!isWritable$1(scope) || !isWritable$1(key) || !isWritable$1(fingerprint)) return Effect.fail(new StoreError$1({
			reason: "Malformed",
			store: name,
			operation: "claim",
			tookEffect: "no",
			cause: unwritable
		}));
		const over = sql`old.lease_until <= excluded.created_at AND old.state = 'R'`;
		const gone = sql`(old.state = 'A' OR (old.expires_at <= excluded.created_at AND (old.state = 'D' OR (${over} AND old.on_lost_lease <> 'hold'))))`;
		const lapsed = sql`(${over} AND old.fingerprint = excluded.fingerprint)`;
		const holding = sql`(${over} AND old.on_lost_lease = 'hold')`;
		const column = (name, value) => sql`${sql(name)} = CASE WHEN ${holding} THEN old.${sql(name)} ELSE ${typeof value === "string" ? sql.literal(value) : value} END`;
		const insert = sql`
        INSERT INTO ${table} AS old (id, scope, idem_key, fingerprint, state, epoch, takeovers, on_lost_lease, lease_until, expires_at, steps, result, created_at)
        SELECT ${dialect.text(idOf(scope, key))}, ${dialect.text(scope)}, ${dialect.text(key)}, ${dialect.text(fingerprint)}, 'R', clock.now * 1000, 0, ${dialect.text(onLostLease)},
          clock.now + ${millisOf$1(lease)}, clock.now + ${millisOf$1(timeToLive)}, '[]', NULL, clock.now
        FROM (SELECT ${now} AS now) AS clock WHERE true
        ON CONFLICT (id) DO UPDATE SET
          state = CASE WHEN ${holding} THEN 'H' ELSE 'R' END,
          ${column("epoch", dialect.greatest(sql`old.epoch + 1`, sql`excluded.epoch`))},
          ${column("takeovers", sql`CASE WHEN ${gone} THEN 0 ELSE old.takeovers + 1 END`)},
          ${column("steps", sql`CASE WHEN ${gone} OR old.on_lost_lease <> 'resume' THEN '[]' ELSE old.steps END`)},
          ${column("fingerprint", "excluded.fingerprint")},
          ${column("on_lost_lease", "excluded.on_lost_lease")},
          ${column("lease_until", "excluded.lease_until")},
          ${column("expires_at", "excluded.expires_at")},
          ${column("result", "NULL")},
          ${column("created_at", "excluded.created_at")}
        WHERE ${gone} OR ${lapsed}
        RETURNING state, epoch, takeovers, lease_until, steps`;
		const read = sql`
        SELECT *, ${now} AS now FROM ${table} WHERE id = ${idOf(scope, key)} AND state <> 'A'`;
		const attempt = (left) => Effect.flatMap(Effect.mapError(again(insert), failed("claim", true)), ([started]) => {
			if (started?.state === "H") return Effect.succeed({ _tag: "Held" });
			if (started !== void 0) return Effect.succeed({
				_tag: "Started",
				epoch: Number(started.epoch),
				leaseUntil: Number(started.lease_until),
				takenOver: Number(started.takeovers) > 0,
				steps: stepsOf$1(started.steps)
			});
			return Effect.flatMap(Effect.mapError(again(read), failed("claim", false)), ([row]) => {
				const found = row === void 0 ? void 0 : foundBy(row, Number(row.now), fingerprint);
				if (found !== void 0) return Effect.succeed(found);
				return left > 0 ? attempt(left - 1) : Effect.fail(new StoreError$1({
					reason: "Busy",
					store: name,
					operation: "claim",
					tookEffect: "no",
					cause: void 0
				}));
			});
		});
		return attempt(10);
	};
	return {
		claim,
		renew: (owner, lease) => write("renew", sql`UPDATE ${table} SET lease_until = ${from(lease)} WHERE ${owns(owner)} RETURNING epoch`),
		saveStep: (owner, step) => write("saveStep", sql`UPDATE ${table} SET steps = ${dialect.addStep(step)} WHERE ${owns(owner)} RETURNING epoch`),
		complete: (owner, { result, timeToLive }) => write("complete", sql`UPDATE ${table} SET state = 'D', result = ${result ?? null}, steps = '[]', expires_at = ${from(timeToLive)} WHERE ${owns(owner)} RETURNING epoch`),
		release: (owner) => write("release", sql`UPDATE ${table} SET ${absent} WHERE ${owns(owner)} RETURNING epoch`),
		hold: (owner) => write("hold", sql`UPDATE ${table} SET state = 'H' WHERE ${owns(owner)} RETURNING epoch`),
		resolve: ({ key, scope }, resolution) => write("resolve", resolution._tag === "Absent" ? sql`UPDATE ${table} SET ${absent} WHERE id = ${idOf(scope, key)} AND ${held} RETURNING epoch` : sql`UPDATE ${table} SET state = 'D', result = ${resolution.result ?? null}, steps = '[]', expires_at = ${from(resolution.timeToLive)} WHERE id = ${idOf(scope, key)} AND ${held} RETURNING epoch`),
		get: ({ key, scope }) => Effect.mapBoth(again(sql`SELECT * FROM ${table} WHERE id = ${idOf(scope, key)} AND state <> 'A'`), {
			onFailure: failed("get", false),
			onSuccess: ([row]) => row === void 0 ? Option.none() : Option.some(recordOf$2(row))
		}),
		held: ({ limit, scope }) => Effect.mapBoth(again(sql`SELECT * FROM ${table} WHERE ${held} ${scope === void 0 ? sql`` : sql`AND scope = ${scope}`} ORDER BY created_at, id LIMIT ${limit}`), {
			onFailure: failed("held", false),
			onSuccess: (rows) => rows.map((row) => ({
				...recordOf$2(row),
				state: "Held"
			}))
		}),
		sweep: ({ limit }) => Effect.mapBoth(again(sql`DELETE FROM ${table} WHERE ${dialect.isOneOf(sql`SELECT id FROM ${table} WHERE ${forgotten} ORDER BY expires_at LIMIT ${limit}`)} AND ${forgotten} RETURNING state`), {
			onFailure: failed("sweep", true),
			onSuccess: (rows) => rows.filter(({ state }) => state !== "A").length
		}),
		transaction: ({ lockTimeout }) => dialect.transaction(lockTimeout, failed),
		savepoint: (self) => within(sql.withTransaction, self, (error) => failed("claim", true)(error))
	};
});
const foundBy = (row, now, fingerprint) => {
	const leaseUntil = Number(row.lease_until);
	const live = row.state === "R" && leaseUntil > now;
	const isHeld = row.state === "H" || row.state === "R" && !live && row.on_lost_lease === "hold";
	if (!live && !isHeld && Number(row.expires_at) <= now) return void 0;
	if (row.fingerprint !== fingerprint) return { _tag: "Mismatch" };
	if (row.state === "D") return {
		_tag: "Replay",
		result: row.result ?? void 0
	};
	if (isHeld) return { _tag: "Held" };
	return live ? {
		_tag: "InFlight",
		retryAfter: Duration.millis(leaseUntil - now)
	} : void 0;
};
const layer$3 = (options) => Layer.effectContext(Effect.gen(function* () {
	if (options?.migrate !== false) yield* migrate$1(options);
	const store = yield* make$5(options);
	return Context.make(IdempotencyStore, store).pipe(Context.add(TransactionalStore, store));
}));
// src/OutboxStore.ts
var OutboxStore = class extends Context.Service()("breakwater/OutboxStore") {};
Context.Reference("breakwater/OutboxStore/Cipher", { defaultValue: () => ({
	encrypt: Effect.succeed,
	decrypt: Effect.succeed
}) });
const TypeId$1 = "~breakwater/OutboxStore/StoreError";
var StoreError = class extends Data.TaggedError("OutboxStoreError") {
	[TypeId$1] = TypeId$1;
	get message() {
		const what = this.reason === "Busy" ? "another transaction held it for too long" : this.reason === "OtherTransaction" ? "a transaction of another database is open: give the outbox the same SqlClient, or call outside of the transaction" : this.reason === "Malformed" ? "a text is not well formed" : "it could not be reached, or failed";
		const effect = this.tookEffect === "no" ? "nothing was written" : "it is not known whether it was written";
		return `the outbox (${this.store}) could not ${this.operation}: ${what}; ${effect}`;
	}
};
// src/internal/outboxTimes.ts
const millisOf = (duration) => Math.min(Math.ceil(Duration.toMillis(duration)), 0xe35fa931a0000);
const keepDiscarded = Duration.days(30);
const lastReason = (history) => history.at(-1)?.reason;
// src/sql/internal/outboxRow.ts
const maybe = (value) => value === null ? void 0 : Number(value);
const entryOf = (row) => ({
	id: row.id,
	integration: row.integration,
	operation: row.operation,
	key: row.idem_key ?? void 0,
	fingerprint: row.fingerprint,
	origin: row.origin,
	state: row.state,
	why: row.why ?? void 0,
	payload: row.payload,
	result: row.result ?? void 0,
	answer: row.answer ?? void 0,
	lane: row.lane === null ? void 0 : {
		name: row.lane,
		onDead: row.on_dead ?? "block"
	},
	position: maybe(row.lane_position),
	epoch: Number(row.epoch),
	generation: Number(row.generation),
	attempts: Number(row.attempts),
	tries: Number(row.tries),
	crashes: Number(row.crashes),
	outcome: row.outcome,
	firstSentAt: maybe(row.first_sent_at),
	inDoubtAt: maybe(row.in_doubt_at),
	dueAt: Number(row.due_at),
	leaseUntil: maybe(row.lease_until),
	createdAt: Number(row.created_at),
	changedAt: Number(row.changed_at),
	expiresAt: maybe(row.expires_at),
	history: triesOf(row.history),
	correlationId: row.correlation_id,
	traceparent: row.traceparent ?? void 0
});
const triesOf = (text) => JSON.parse(text).map((own) => ({
	...own,
	status: own.status,
	requestId: own.requestId
}));
const isWritable = (text) => text === void 0 || !/\0|[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/.test(text);
const refuse = (store, operation, texts, self) => texts.every(isWritable) ? self : Effect.fail(new StoreError({
	reason: "Malformed",
	store,
	operation,
	tookEffect: "no",
	cause: "texts must be well formed, without NUL"
}));
// src/sql/internal/outboxHand.ts
const pauseId = ({ integration, operation }) => hashOf(JSON.stringify([integration, operation ?? null]));
const makeHand = (parts) => {
	const { advance, audit, blocking, db, entries, lanes, lockLane, pauses, sql, wake } = parts;
	const { number, text } = db;
	const changeOf = (change) => {
		const gone = (keep) => sql`payload = '', answer = NULL, ready_at = NULL, forget_at = ${db.now} + ${number(millisOf(keep))},`;
		const behind = sql`on_dead = 'block' AND EXISTS (SELECT 1 FROM ${entries} AS other
      WHERE other.lane_id = entry.lane_id AND ${blocking} AND other.lane_position < entry.lane_position)`;
		const revived = (due) => sql`state = CASE WHEN ${behind} THEN 'Waiting' ELSE 'Pending' END,
      ready_at = CASE WHEN ${behind} THEN NULL ELSE ${due} END,
      due_at = ${due}, generation = generation + 1, attempts = 0, tries = 0, crashes = 0,`;
		switch (change._tag) {
			case "Discard": return sql`state = 'Discarded', ${gone(change.keep ?? keepDiscarded)}`;
			case "Resolve": return sql`state = 'Delivered', outcome = 'Applied', ${gone(change.keep)}`;
			case "Answer": return sql`${revived(db.now)} outcome = 'Applied', answer = ${text(change.answer)},`;
			case "Redrive": {
				const forgotten = sql`outcome = 'NotSent', first_sent_at = NULL, in_doubt_at = NULL,`;
				return sql`${revived(sql`${db.now} + ${number(millisOf(change.delay))}`)} expires_at = NULL,
          ${change.newKey === void 0 ? sql`` : sql`idem_key = ${text(change.newKey)},`}
          ${change.newKey === void 0 && change.again !== true ? sql`` : forgotten}`;
			}
		}
	};
	const change = ({ generation, id }, change, { action, by, evidence }) => {
		const open = change._tag === "Discard" ? sql`'Dead', 'NeedsReconcile', 'Pending', 'Waiting'` : sql`'Dead', 'NeedsReconcile'`;
		const body = Effect.gen(function* () {
			const lane = yield* lockLane(id);
			const [row] = yield* sql`UPDATE ${entries} AS entry SET ${changeOf(change)} why = NULL, changed_at = ${db.now}
        WHERE id = ${id} AND generation = ${number(generation)} AND state IN (${open}) RETURNING *`;
			if (row === void 0) return void 0;
			yield* sql`INSERT INTO ${audit} (entry_id, place, at, action, by_whom, evidence)
        SELECT ${text(id)}, (SELECT coalesce(max(place), 0) + 1 FROM ${audit} WHERE entry_id = ${text(id)}), ${db.now}, ${text(action)}, ${text(by)}, ${text(evidence)}`;
			return [...row.state === "Pending" ? [row] : [], ...yield* advance(lane)];
		});
		const texts = [
			by,
			evidence,
			"newKey" in change ? change.newKey : void 0,
			"answer" in change ? change.answer : void 0
		];
		const changed = Effect.gen(function* () {
			const due = yield* db.atomic("change", body);
			for (const names of due ?? []) yield* wake(names);
			return due !== void 0;
		});
		return refuse(db.name, "change", texts, changed);
	};
	const resume = (what) => Effect.gen(function* () {
		const { integration, operation } = what;
		if ((yield* db.writes("resume", sql`DELETE FROM ${pauses} WHERE id = ${pauseId(what)} RETURNING id`)).length === 0) return;
		if (operation !== void 0) return yield* wake({
			integration,
			operation
		});
		const due = sql`SELECT DISTINCT integration, operation FROM ${entries} WHERE integration = ${integration} AND ready_at IS NOT NULL`;
		for (const names of yield* db.reads("resume", due)) yield* wake(names);
	});
	const sweep = ({ limit }) => {
		const old = sql`SELECT id FROM ${entries} WHERE forget_at <= ${db.now} ORDER BY forget_at LIMIT ${number(limit)}`;
		const body = Effect.gen(function* () {
			const rows = yield* sql`DELETE FROM ${entries}
        WHERE ${db.isOneOf(old)} AND state IN ('Delivered', 'Discarded') RETURNING id, lane_id`;
			if (rows.length === 0) return 0;
			yield* sql`DELETE FROM ${audit} WHERE entry_id IN ${db.each(rows.map(({ id }) => id))}`;
			const used = [...new Set(rows.flatMap(({ lane_id }) => lane_id === null ? [] : [lane_id]))];
			if (used.length === 0) return rows.length;
			const locked = yield* sql`SELECT id FROM ${lanes} WHERE id IN ${db.each(used)} ${db.skippingLocked}`;
			yield* sql`DELETE FROM ${lanes} WHERE id IN ${db.each(locked.map(({ id }) => id))}
        AND NOT EXISTS (SELECT 1 FROM ${entries} AS entry WHERE entry.lane_id = ${lanes}.id)`;
			return rows.length;
		});
		return db.atomic("sweep", body);
	};
	return {
		change,
		audits: (id) => Effect.map(db.reads("audits", sql`SELECT * FROM ${audit} WHERE entry_id = ${id} ORDER BY place`), (notes) => notes.map(({ action, at, by_whom, evidence }) => ({
			at: Number(at),
			action,
			by: by_whom,
			evidence
		}))),
		pause: (what) => refuse(db.name, "pause", [what.integration, what.operation], Effect.asVoid(db.writes("pause", sql`INSERT INTO ${pauses} (id, integration, operation) VALUES (${pauseId(what)}, ${what.integration}, ${text(what.operation)}) ON CONFLICT (id) DO NOTHING`))),
		resume,
		paused: Effect.map(db.reads("paused", sql`SELECT integration, operation FROM ${pauses} ORDER BY integration, operation`), (rows) => rows.map(({ integration, operation }) => ({
			integration,
			operation: operation ?? void 0
		}))),
		sweep
	};
};
// src/sql/internal/outboxDatabase.ts
const definite = new Set([
	"DeadlockError",
	"SerializationError",
	"LockTimeoutError",
	"ConstraintError",
	"UniqueViolation",
	"SqlSyntaxError",
	"AuthenticationError",
	"AuthorizationError",
	"StatementTimeoutError"
]);
const startOver = new Set(["DeadlockError", "SerializationError"]);
const busy = new Set([...startOver, "LockTimeoutError"]);
const pauses = Schedule.jittered(Schedule.spaced("5 millis"));
const Current = Context.Reference("effect/sql/CurrentTransactionService", { defaultValue: () => void 0 });
const Outside = Context.Reference("breakwater/sql/Outbox/Outside", { defaultValue: () => false });
var Own = class {
	error;
	constructor(error) {
		this.error = error;
	}
};
const json = JSON.stringify;
const makeDatabase = (sql) => {
	const { isOneOf, name, now: clock } = makeDialect(sql);
	const pg = name === "postgresql";
	const failed = (operation, writes) => (error) => {
		const reason = error.reason._tag;
		return new StoreError({
			reason: busy.has(reason) ? "Busy" : "Unavailable",
			store: name,
			operation,
			tookEffect: !writes || definite.has(reason) ? "no" : "unknown",
			cause: error
		});
	};
	const isOpen = Effect.map(Effect.serviceOption(sql.transactionService), Option.isSome);
	const again = (self) => Effect.flatMap(isOpen, (open) => open ? self : Effect.retry(self, {
		times: 50,
		while: isToStartOver,
		schedule: pauses
	}));
	const patient = (self) => Effect.flatMap(Effect.service(Outside), (outside) => !outside ? self : pg ? inTransaction("write", Effect.andThen(sql`SET LOCAL lock_timeout = 5000`, self)) : Effect.fail(new StoreError({
		reason: "Busy",
		store: name,
		operation: "write outside of the open transaction",
		tookEffect: "no",
		cause: "SQLite has one writer, and that is the open transaction"
	})));
	const inTransaction = (operation, body) => Effect.suspend(() => {
		let done = false;
		const marked = Effect.map(body, (value) => {
			done = true;
			return value;
		});
		return Effect.mapError(sql.withTransaction(marked), (error) => isSqlError(error) ? failed(operation, done)(error) : error);
	});
	return {
		name,
		clock,
		now: sql`(SELECT ${clock})`,
		text: (value) => pg ? sql`${value ?? null}::text` : sql`${value ?? null}`,
		number: (value) => pg ? sql`${value ?? null}::bigint` : sql`${value ?? null}`,
		isOneOf,
		each: (values) => pg ? sql`(SELECT jsonb_array_elements_text(${json(values)}::jsonb))` : sql`(SELECT value FROM json_each(${json(values)}))`,
		materialized: sql.literal(pg ? "AS MATERIALIZED" : "AS"),
		skippingLocked: sql.literal(pg ? "FOR UPDATE SKIP LOCKED" : ""),
		reads: (operation, statement) => Effect.flatMap(Effect.service(Outside), (outside) => again(outside && !pg ? patient(Effect.mapError(statement, failed(operation, false))) : Effect.mapError(statement, failed(operation, false)))),
		writes: (operation, statement) => again(patient(Effect.mapError(statement, failed(operation, true)))),
		atomic: (operation, body) => again(patient(inTransaction(operation, body))),
		transaction: (self) => Effect.suspend(() => {
			let done = false;
			const body = Effect.mapBoth(self, {
				onFailure: (error) => new Own(error),
				onSuccess: (value) => {
					done = true;
					return value;
				}
			});
			return Effect.mapError(sql.withTransaction(body), (error) => error instanceof Own ? error.error : failed("commit", done)(error));
		}),
		openTransaction: Effect.withFiber(({ context: { mapUnsafe } }) => {
			if (mapUnsafe.has(sql.transactionService.key)) return Effect.succeed("own");
			const service = mapUnsafe.get(Current.key);
			return Effect.succeed(service !== void 0 && mapUnsafe.has(service.key) ? "other" : "none");
		}),
		outside: (self) => Effect.flatMap(isOpen, (open) => open ? Effect.updateContext(self, (context) => context.pipe(Context.omit(sql.transactionService, Current), Context.add(Outside, true))) : self)
	};
};
const isToStartOver = (error) => error instanceof StoreError && isSqlError(error.cause) && startOver.has(error.cause.reason._tag);
// src/sql/internal/outboxMigrations.ts
const tablesOf = (table) => ({
	entries: table,
	lanes: `${table}_lanes`,
	audit: `${table}_audit`,
	pauses: `${table}_pauses`,
	migrations: `${table}_migrations`
});
const blocking = "(state IN ('Waiting', 'Pending', 'Leased') OR (on_dead = 'block' AND state IN ('Dead', 'NeedsReconcile')))";
const migrations = (table) => ({ "0001_outbox": Effect.gen(function* () {
	const sql = yield* SqlClient.SqlClient;
	const { audit, entries, lanes, pauses } = tablesOf(table);
	const big = sql.literal(sql.onDialectOrElse({
		pg: () => "BIGINT",
		orElse: () => "INTEGER"
	}));
	const id = sql.literal(sql.onDialectOrElse({
		pg: () => "TEXT COLLATE \"C\"",
		orElse: () => "TEXT"
	}));
	const bare = table.slice(table.lastIndexOf(".") + 1);
	const index = (name) => sql(`${bare}_${name}`);
	yield* sql`CREATE TABLE IF NOT EXISTS ${sql(entries)} (
      id ${id} PRIMARY KEY,
      integration TEXT NOT NULL,
      operation TEXT NOT NULL,
      idem_key TEXT,
      fingerprint TEXT NOT NULL,
      origin TEXT NOT NULL,
      state TEXT NOT NULL,
      why TEXT,
      payload TEXT NOT NULL,
      result TEXT,
      answer TEXT,
      lane TEXT,
      lane_id ${id},
      on_dead TEXT,
      lane_position ${big},
      epoch ${big} NOT NULL,
      generation ${big} NOT NULL,
      attempts ${big} NOT NULL,
      tries ${big} NOT NULL,
      crashes ${big} NOT NULL,
      outcome TEXT NOT NULL,
      first_sent_at ${big},
      in_doubt_at ${big},
      due_at ${big} NOT NULL,
      lease_until ${big},
      ready_at ${big},
      created_at ${big} NOT NULL,
      changed_at ${big} NOT NULL,
      expires_at ${big},
      forget_at ${big},
      history TEXT NOT NULL,
      last_reason TEXT,
      correlation_id TEXT NOT NULL,
      traceparent TEXT
    )`;
	yield* sql`CREATE TABLE IF NOT EXISTS ${sql(lanes)} (
      id ${id} PRIMARY KEY,
      integration TEXT NOT NULL,
      name TEXT NOT NULL,
      last_position ${big} NOT NULL,
      changes ${big} NOT NULL
    )`;
	yield* sql`CREATE TABLE IF NOT EXISTS ${sql(audit)} (
      entry_id ${id} NOT NULL,
      place ${big} NOT NULL,
      at ${big} NOT NULL,
      action TEXT NOT NULL,
      by_whom TEXT NOT NULL,
      evidence TEXT NOT NULL,
      PRIMARY KEY (entry_id, place)
    )`;
	yield* sql`CREATE TABLE IF NOT EXISTS ${sql(pauses)} (
      id ${id} PRIMARY KEY,
      integration TEXT NOT NULL,
      operation TEXT
    )`;
	yield* sql`CREATE INDEX IF NOT EXISTS ${index("ready")} ON ${sql(entries)} (integration, operation, ready_at, id) WHERE ready_at IS NOT NULL`;
	yield* sql`CREATE INDEX IF NOT EXISTS ${index("lane")} ON ${sql(entries)} (lane_id, lane_position) WHERE lane_id IS NOT NULL AND ${sql.literal(blocking)}`;
	yield* sql`CREATE INDEX IF NOT EXISTS ${index("lane_all")} ON ${sql(entries)} (lane_id) WHERE lane_id IS NOT NULL`;
	yield* sql`CREATE INDEX IF NOT EXISTS ${index("forget")} ON ${sql(entries)} (forget_at) WHERE forget_at IS NOT NULL`;
	yield* sql`CREATE INDEX IF NOT EXISTS ${index("state")} ON ${sql(entries)} (state, created_at, id)`;
	yield* sql`CREATE INDEX IF NOT EXISTS ${index("key")} ON ${sql(entries)} (substr(idem_key, 1, 64)) WHERE idem_key IS NOT NULL`;
}) });
// src/sql/internal/outboxLanes.ts
const laneIdOf = (integration, name) => hashOf(`${integration.length}:${integration}${name}`);
const makeParts = (sql, table) => {
	const db = makeDatabase(sql);
	const names = tablesOf(table);
	const entries = sql(names.entries);
	const lanes = sql(names.lanes);
	const pauses = sql(names.pauses);
	const blocking$1 = sql.literal(blocking);
	const wakers = new Set();
	return {
		sql,
		db,
		entries,
		lanes,
		audit: sql(names.audit),
		pauses,
		blocking: blocking$1,
		wakers,
		wake: ({ integration, operation }) => wakers.size === 0 ? Effect.void : sql.afterCommit(Effect.sync(() => {
			for (const waker of wakers) waker({
				integration,
				operation
			});
		})),
		isPaused: ({ integration, operation }) => sql`EXISTS (SELECT 1 FROM ${pauses} WHERE integration = ${db.text(integration)} AND (operation IS NULL OR operation = ${db.text(operation)}))`,
		lockLane: (id) => Effect.map(sql`UPDATE ${lanes} SET changes = changes + 1
          WHERE id = (SELECT lane_id FROM ${entries} WHERE id = ${id}) RETURNING id`, ([row]) => row?.id),
		advance: (laneId) => laneId === void 0 ? Effect.succeed([]) : sql`UPDATE ${entries} SET state = 'Pending', ready_at = due_at, changed_at = ${db.now}
            WHERE id = (SELECT id FROM ${entries} WHERE lane_id = ${laneId} AND ${blocking$1} ORDER BY lane_position LIMIT 1)
              AND state = 'Waiting'
            RETURNING integration, operation`
	};
};
// src/sql/internal/outboxLook.ts
const states$1 = [
	"Waiting",
	"Pending",
	"Leased",
	"Delivered",
	"Dead",
	"NeedsReconcile",
	"Discarded"
];
const makeLook = (parts) => {
	const { blocking, db, entries, sql } = parts;
	const { number, text } = db;
	const where = (filter) => {
		const is = (column, value) => value === void 0 ? [] : [sql`${sql(column)} = ${text(value)}`];
		return sql.and([
			sql`1 = 1`,
			...is("integration", filter.integration),
			...is("operation", filter.operation),
			...is("lane", filter.lane),
			...is("why", filter.why),
			...is("last_reason", filter.reason),
			...is("idem_key", filter.key),
			...filter.key === void 0 ? [] : [sql`substr(idem_key, 1, 64) = substr(${text(filter.key)}, 1, 64)`],
			...filter.createdBefore === void 0 ? [] : [sql`created_at < ${number(filter.createdBefore)}`],
			...filter.createdAfter === void 0 ? [] : [sql`created_at > ${number(filter.createdAfter)}`]
		]);
	};
	const asked = ({ states: some }) => some === void 0 ? states$1 : states$1.filter((state) => some.includes(state));
	const list = (filter, { after, limit }) => {
		const past = after === void 0 ? sql`1 = 1` : sql`(created_at, id) > (${number(after.createdAt)}, ${text(after.id)})`;
		const among = asked(filter);
		if (among.length === 0 || limit <= 0) return Effect.succeed([]);
		const page = sql`ORDER BY created_at, id LIMIT ${number(limit)}`;
		const all = among.map((state, n) => sql`SELECT * FROM (SELECT * FROM ${entries} WHERE state = ${sql.literal(`'${state}'`)} AND ${past} AND ${where(filter)} ${page}) AS ${sql.literal(`of_${n}`)}`).reduce((before, part) => sql`${before} UNION ALL ${part}`);
		return Effect.map(db.reads("list", sql`SELECT * FROM (${all}) AS pages ${page}`), (rows) => rows.map(entryOf));
	};
	const groups = (filter) => {
		const among = asked(filter);
		if (among.length === 0) return Effect.succeed([]);
		const chosen = filter.states === void 0 ? sql`1 = 1` : sql`state IN (${sql.literal(among.map((state) => `'${state}'`).join(", "))})`;
		const statement = sql`SELECT integration, operation, state, why, last_reason, count(*) AS total, min(created_at) AS oldest
      FROM ${entries} WHERE ${chosen} AND ${where(filter)} GROUP BY integration, operation, state, why, last_reason`;
		return Effect.map(db.reads("groups", statement), (rows) => rows.map(({ integration, last_reason, oldest, operation, state, total, why }) => ({
			integration,
			operation,
			state,
			why: why ?? void 0,
			reason: last_reason ?? void 0,
			count: Number(total),
			oldest: Number(oldest)
		})));
	};
	return {
		list,
		groups,
		get: (id) => Effect.map(db.reads("get", sql`SELECT * FROM ${entries} WHERE id = ${id}`), ([row]) => row === void 0 ? Option.none() : Option.some(entryOf(row))),
		isBusy: ({ integration, name }) => Effect.map(db.reads("isBusy", sql`SELECT 1 AS busy FROM ${entries} WHERE lane_id = ${laneIdOf(integration, name)} AND ${blocking} LIMIT 1`), (rows) => rows.length > 0)
	};
};
// src/sql/internal/outboxOffer.ts
var Taken = class {
	_tag = "Taken";
};
const makeOffer = ({ blocking, db, entries, isPaused, lanes, sql, wake }) => {
	const { number, text } = db;
	const read = (id) => Effect.map(db.reads("offer", sql`SELECT * FROM ${entries} WHERE id = ${id}`), ([row]) => row && entryOf(row));
	const found = (offer, entry) => entry.fingerprint === offer.fingerprint ? {
		_tag: "Exists",
		entry
	} : { _tag: "Mismatch" };
	const insert = (offer, lane) => {
		const lease = offer.lease && millisOf(offer.lease);
		const waits = lane === void 0 ? sql`0 = 1` : sql`EXISTS (SELECT 1 FROM ${entries} WHERE lane_id = ${text(lane.id)} AND ${blocking})`;
		const ago = (millis) => millis === void 0 ? number(void 0) : sql`now - ${number(Math.max(0, Math.round(millis)))}`;
		const delay = number(millisOf(offer.delay));
		const whenLeased = (then, otherwise) => sql`CASE WHEN state = 'Leased' THEN ${then} ELSE ${otherwise} END`;
		const one = whenLeased(sql`1`, sql`0`);
		return sql`
      INSERT INTO ${entries} (
        id, integration, operation, idem_key, fingerprint, origin, state, payload,
        lane, lane_id, on_dead, lane_position, epoch, generation, attempts, tries, crashes,
        outcome, first_sent_at, in_doubt_at, due_at, lease_until, ready_at, created_at, changed_at, expires_at,
        history, last_reason, correlation_id, traceparent)
      SELECT
        ${text(offer.id)}, ${text(offer.integration)}, ${text(offer.operation)}, ${text(offer.key)},
        ${text(offer.fingerprint)}, ${text(offer.origin)}, state, ${text(offer.payload)},
        ${text(offer.lane?.name)}, ${text(lane?.id)}, ${text(offer.lane?.onDead)}, ${number(lane?.position)},
        ${one}, 0, ${number(offer.attempts)} + ${one}, ${one}, 0,
        ${text(offer.outcome)}, ${ago(offer.firstSentAgo)}, ${ago(offer.inDoubtAgo)}, now + ${delay},
        ${whenLeased(sql`now + ${number(lease ?? 0)}`, sql`NULL`)},
        CASE state WHEN 'Leased' THEN now + ${number(lease ?? 0)} WHEN 'Pending' THEN now + ${delay} END,
        now, now, ${offer.expiresAfter === void 0 ? number(void 0) : sql`now + ${number(millisOf(offer.expiresAfter))}`},
        ${text(JSON.stringify(offer.history))}, ${text(lastReason(offer.history))},
        ${text(offer.correlationId)}, ${text(offer.traceparent)}
      FROM (SELECT ${db.now} AS now,
        CASE WHEN ${waits} THEN 'Waiting' ${lease === void 0 ? sql`` : sql`WHEN NOT ${isPaused(offer)} THEN 'Leased'`} ELSE 'Pending' END AS state
      ) AS given WHERE 1 = 1
      ON CONFLICT (id) DO NOTHING
      RETURNING *`;
	};
	const place = (id, integration, name) => Effect.map(sql`
        INSERT INTO ${lanes} AS lane (id, integration, name, last_position, changes) VALUES (${id}, ${integration}, ${name}, 1, 0)
        ON CONFLICT (id) DO UPDATE SET last_position = lane.last_position + 1
        RETURNING last_position`, ([row]) => ({
		id,
		position: Number(row?.last_position)
	}));
	const inLane = (offer, lane) => Effect.suspend(() => {
		const id = laneIdOf(offer.integration, lane.name);
		const body = Effect.flatMap(Effect.flatMap(place(id, offer.integration, lane.name), (lane) => insert(offer, lane)), (rows) => rows.length === 0 ? Effect.fail(new Taken()) : Effect.succeed(rows));
		return Effect.catchTag(db.atomic("offer", body), "Taken", () => Effect.succeed([]));
	});
	const stored = (row) => {
		const entry = entryOf(row);
		if (entry.state === "Leased") return Effect.succeed({
			_tag: "Stored",
			claim: {
				entry,
				now: entry.createdAt
			}
		});
		const offered = {
			_tag: "Stored",
			claim: void 0
		};
		return entry.state === "Pending" ? Effect.as(wake(entry), offered) : Effect.succeed(offered);
	};
	const attempt = (offer, left) => Effect.flatMap(offer.lane === void 0 ? db.writes("offer", insert(offer, void 0)) : inLane(offer, offer.lane), ([row]) => {
		if (row !== void 0) return stored(row);
		return Effect.flatMap(read(offer.id), (entry) => {
			if (entry !== void 0) return Effect.succeed(found(offer, entry));
			return left > 0 ? attempt(offer, left - 1) : Effect.fail(new StoreError({
				reason: "Busy",
				store: db.name,
				operation: "offer",
				tookEffect: "no",
				cause: void 0
			}));
		});
	});
	return (offer) => {
		const { correlationId, fingerprint, id, integration, key, lane, operation, payload, traceparent } = offer;
		const texts = [
			correlationId,
			fingerprint,
			id,
			integration,
			key,
			lane?.name,
			operation,
			payload,
			traceparent
		];
		const offered = Effect.suspend(() => lane === void 0 ? attempt(offer, 10) : Effect.flatMap(read(id), (entry) => entry === void 0 ? attempt(offer, 10) : Effect.succeed(found(offer, entry))));
		return refuse(db.name, "offer", texts, offered);
	};
};
// src/sql/internal/outboxWork.ts
const makeWork = (parts) => {
	const { advance, db, entries, isPaused, lockLane, sql, wake } = parts;
	const { number, text } = db;
	const claim = ({ integration, lease, limit, operation }) => {
		const lost = sql`entry.state = 'Leased'`;
		const doubtful = sql`entry.state = 'Leased' AND entry.answer IS NULL`;
		const until = sql`clock.now + ${number(millisOf(lease))}`;
		const due = sql`SELECT id FROM ${entries}
      WHERE integration = ${text(integration)} AND operation = ${text(operation)} AND ready_at <= ${db.now}
        AND NOT ${isPaused({
			integration,
			operation
		})}
      ORDER BY ready_at, id LIMIT ${number(limit)} ${db.skippingLocked}`;
		const statement = sql`WITH due ${db.materialized} (${due}), clock ${db.materialized} (SELECT ${db.clock} AS now)
      UPDATE ${entries} AS entry SET
        state = 'Leased',
        epoch = entry.epoch + 1,
        attempts = entry.attempts + 1,
        tries = entry.tries + 1,
        crashes = CASE WHEN ${lost} THEN entry.crashes + 1 ELSE entry.crashes END,
        outcome = CASE WHEN ${doubtful} AND entry.outcome <> 'Applied' THEN 'Unknown' ELSE entry.outcome END,
        in_doubt_at = CASE WHEN ${doubtful} THEN clock.now ELSE entry.in_doubt_at END,
        first_sent_at = CASE WHEN ${doubtful} THEN coalesce(entry.first_sent_at, entry.changed_at) ELSE entry.first_sent_at END,
        due_at = entry.ready_at,
        lease_until = ${until},
        ready_at = ${until},
        changed_at = clock.now
      FROM clock WHERE entry.id IN (SELECT id FROM due)
      RETURNING *`;
		return Effect.map(db.writes("claim", statement), (rows) => rows.map(entryOf).toSorted((a, b) => a.dueAt - b.dueAt).map((entry) => ({
			entry,
			now: entry.changedAt
		})));
	};
	const write = ({ epoch, id }, verdict, learned, condition) => {
		const ago = (column, millis) => millis === void 0 ? sql`` : sql`${sql(column)} = ${db.now} - ${number(Math.max(0, Math.round(millis)))},`;
		return sql`UPDATE ${entries} SET
        ${changeOf(verdict)}
        outcome = ${learned.outcome},
        ${ago("first_sent_at", learned.firstSentAgo)}
        ${ago("in_doubt_at", learned.inDoubtAgo)}
        history = ${JSON.stringify(learned.history)},
        last_reason = ${text(lastReason(learned.history))},
        lease_until = NULL,
        changed_at = ${db.now}
      WHERE id = ${id} AND epoch = ${number(epoch)} AND state = 'Leased' AND ${condition}
      RETURNING *`;
	};
	const changeOf = (verdict) => {
		switch (verdict._tag) {
			case "Delivered": return sql`state = 'Delivered', why = NULL, payload = '', answer = NULL, result = ${text(verdict.result)},
          ready_at = NULL, forget_at = ${db.now} + ${number(millisOf(verdict.keep))},`;
			case "Dead":
			case "NeedsReconcile": return sql`state = ${verdict._tag}, why = ${verdict.why}, answer = NULL, ready_at = NULL,`;
			case "Again": {
				const due = sql`${db.now} + ${number(millisOf(verdict.delay))}`;
				return sql`state = 'Pending', why = NULL, answer = ${text(verdict.answer)}, due_at = ${due}, ready_at = ${due},
          attempts = attempts - ${number(verdict.counts ? 0 : 1)}, tries = tries - ${number(verdict.pausing ? 0 : 1)},`;
			}
		}
	};
	const settle = (owner, verdict, learned) => {
		const texts = [verdict._tag === "Delivered" ? verdict.result : verdict._tag === "Again" ? verdict.answer : void 0];
		const alone = {
			Again: sql`1 = 1`,
			Delivered: sql`lane_id IS NULL`,
			Dead: sql`(lane_id IS NULL OR on_dead = 'block')`,
			NeedsReconcile: sql`(lane_id IS NULL OR on_dead = 'block')`
		}[verdict._tag];
		const inLane = Effect.gen(function* () {
			const lane = yield* lockLane(owner.id);
			if (lane === void 0) return {
				done: false,
				next: []
			};
			const rows = yield* write(owner, verdict, learned, sql`1 = 1`);
			return {
				done: rows.length > 0,
				next: rows.length > 0 ? yield* advance(lane) : []
			};
		});
		const settled = Effect.gen(function* () {
			const [row] = yield* db.writes("settle", write(owner, verdict, learned, alone));
			if (row !== void 0) {
				if (verdict._tag === "Again" && millisOf(verdict.delay) === 0) yield* wake(row);
				return true;
			}
			if (verdict._tag === "Again") return false;
			const { done, next } = yield* db.atomic("settle", inLane);
			for (const names of next) yield* wake(names);
			return done;
		});
		return refuse(db.name, "settle", texts, settled);
	};
	return {
		claim,
		settle
	};
};
// src/sql/SqlOutboxStore.ts
var SqlOutboxStore_exports = __exportAll({
	layer: () => layer$2,
	make: () => make$4,
	migrate: () => migrate
});
const defaultTable = "breakwater_outbox";
const migrate = (options) => {
	const table = options?.table ?? defaultTable;
	return Migrator.make({})({
		loader: Migrator.fromRecord(migrations(table)),
		table: tablesOf(table).migrations
	});
};
const make$4 = (options) => Effect.map(SqlClient.SqlClient, (sql) => {
	const parts = makeParts(sql, options?.table ?? defaultTable);
	const { db, wakers } = parts;
	return {
		name: db.name,
		...makeWork(parts),
		...makeHand(parts),
		...makeLook(parts),
		offer: makeOffer(parts),
		openTransaction: db.openTransaction,
		outside: db.outside,
		transaction: db.transaction,
		onOffer: (waker) => {
			const own = (what) => waker(what);
			return Effect.asVoid(Effect.acquireRelease(Effect.sync(() => wakers.add(own)), () => Effect.sync(() => wakers.delete(own))));
		}
	};
});
const layer$2 = (options) => Layer.effect(OutboxStore, Effect.gen(function* () {
	if (options?.migrate !== false) yield* migrate(options);
	return yield* make$4(options);
}));
// src/internal/duration.ts
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
const trim = (n) => String(Math.round(n * 10) / 10);
// src/sql/node/internal/database.ts
const open = (filename, options) => {
	const database = new DatabaseSync(filename, {
		readOnly: options.readonly,
		enableForeignKeyConstraints: options.foreignKeys,
		timeout: 0
	});
	const cache = new Map();
	const prepareFirst = (script) => {
		if (isBlank(script)) throw new SyntaxError("the text holds no statement");
		const statement = database.prepare(script);
		return {
			statement,
			rest: script.slice(statement.sourceSQL.length)
		};
	};
	const prepareOnly = (sql) => {
		const { rest, statement } = prepareFirst(sql);
		if (!isBlank(rest)) throw new SyntaxError("the text holds more than one statement, and only the first would run: send them one by one, or a whole script with `.unprepared`");
		return statement;
	};
	return {
		path: database.location() ?? void 0,
		inTransaction: () => database.isOpen && database.isTransaction,
		prepareFirst,
		prepare: (sql, cached) => {
			if (!cached) return prepareOnly(sql);
			const statement = cache.get(sql) ?? prepareOnly(sql);
			cache.delete(sql);
			cache.set(sql, statement);
			if (cache.size > options.cacheSize) cache.delete(cache.keys().next().value);
			return statement;
		},
		close: () => {
			if (database.isOpen) database.close();
		}
	};
};
const run = (statement, values, mode, bigints) => {
	statement.setReadBigInts(bigints);
	statement.setReturnArrays(mode === "values");
	if (mode === "raw" && statement.columns().length === 0) return statement.run(...values);
	const rows = statement.all(...values);
	return mode === "values" ? rows : rows.map(plain);
};
const chunkSize = 128;
const iterate = (statement, values, bigints) => {
	statement.setReadBigInts(bigints);
	const iterator = statement.iterate(...values);
	let ended = false;
	return {
		take: () => {
			const rows = [];
			while (!ended && rows.length < chunkSize) {
				const next = iterator.next();
				if (next.done === true) ended = true;
				else rows.push(plain(next.value));
			}
			return rows;
		},
		end: () => void iterator.return?.()
	};
};
const plain = (row) => ({ ...row });
const isBlank = (text) => /^(?:[\s;]|--[^\n]*(?:\n|$)|\/\*[\s\S]*?(?:\*\/|$))*$/.test(text);
const bind = (params) => params.map(bindOne);
const bindOne = (value, index) => {
	switch (typeof value) {
		case "string":
		case "bigint": return value;
		case "number":
			if (Number.isNaN(value)) throw refused(index, "NaN, which SQLite would store as NULL");
			return Number.isSafeInteger(value) && !Object.is(value, -0) ? BigInt(value) : value;
		case "boolean": return value ? 1n : 0n;
		case "undefined": return null;
	}
	if (value === null) return null;
	if (value instanceof Date) {
		if (Number.isNaN(value.getTime())) throw refused(index, "an invalid Date");
		return value.toISOString();
	}
	if (value instanceof ArrayBuffer) return new Uint8Array(value);
	if (ArrayBuffer.isView(value)) return value;
	throw refused(index, Array.isArray(value) ? "an array" : `of type ${typeof value}`);
};
const refused = (index, what) => new TypeError(`parameter ${index + 1} is ${what}: give text, a number, a bigint, a boolean, a Date, bytes or null, and encode anything else first, for example with Schema.fromJsonString`);
// src/sql/node/internal/sqliteError.ts
const BUSY = 5;
const READONLY = 8;
const BUSY_SNAPSHOT = 517;
const unique = new Set([
	1555,
	2067,
	2579
]);
const codeOf = (cause) => {
	const code = typeof cause === "object" && cause !== null && "errcode" in cause ? cause.errcode : void 0;
	return typeof code === "number" ? code : 0;
};
const textOf$2 = (cause) => cause instanceof Error ? cause.message : String(cause);
const isBusy = (error) => {
	const code = codeOf(error.reason.cause);
	return (code & 255) === BUSY && code !== BUSY_SNAPSHOT;
};
const isForWriter = (error) => (codeOf(error.reason.cause) & 255) === READONLY || error.reason._tag === "SqlSyntaxError";
const sqlError = (cause, operation, where) => isSqlError(cause) ? cause : new SqlError({ reason: reasonOf(cause, operation, where ?? "") });
const reasonOf = (cause, operation, where) => {
	const code = codeOf(cause);
	const text = where + textOf$2(cause);
	const because = (message) => ({
		cause,
		message,
		operation
	});
	if (unique.has(code)) return new UniqueViolation({
		...because(text),
		constraint: constraintOf(textOf$2(cause))
	});
	if (code === BUSY_SNAPSHOT) return new SerializationError(because(`${text}: it was written to after this transaction had read; run the transaction again from the start`));
	switch (code & 255) {
		case 0: return noCode(cause, operation, text);
		case 1: return operation === "prepare" || /no such (?:table|column)/.test(text) ? new SqlSyntaxError(because(text)) : new UnknownError(because(text));
		case 3:
		case READONLY:
		case 23: return new AuthorizationError(because(text));
		case BUSY:
		case 6: return new LockTimeoutError(because(text));
		case 14: return new ConnectionError(because(`${text}: its folder must exist, and this user must be allowed to read and write there`));
		case 19: return new ConstraintError(because(text));
		default: return new UnknownError(because(text));
	}
};
const noCode = (cause, operation, text) => {
	const code = typeof cause === "object" && cause !== null && "code" in cause ? cause.code : void 0;
	const because = (message) => ({
		cause,
		message,
		operation
	});
	if (code === "ERR_OUT_OF_RANGE") return new UnknownError(because("an integer is too large for a JavaScript number: provide SqlClient.SafeIntegers with true to read bigints. If the statement writes, it has written"));
	if (code === "ERR_INVALID_STATE" && /not open|finalized/.test(text)) return new UnknownError(because("the database is closed: the scope of its client has ended; use it inside"));
	return operation === "prepare" ? new SqlSyntaxError(because(text)) : new UnknownError(because(text));
};
const constraintOf = (text) => /constraint failed: (.+)$/.exec(text)?.[1] ?? "unknown";
// src/sql/node/internal/connection.ts
const make$3 = (database, patience) => {
	let lost;
	const attempt = (sql, body) => Effect.suspend(() => {
		let operation = "prepare";
		const before = database.inTransaction();
		return Effect.try({
			try: () => {
				if (lost !== void 0) {
					if (!/^\s*(?:begin|rollback)\b/i.test(sql)) throw lost;
					lost = void 0;
				}
				return body((next) => {
					operation = next;
				});
			},
			catch: (cause) => {
				const error = sqlError(cause, operation);
				if (before && !database.inTransaction()) lost = rolledBack(error);
				return error;
			}
		});
	});
	const execute = (sql, params, mode, options) => Effect.withFiber((fiber) => {
		const bigints = fiber.getRef(SqlClient.SafeIntegers);
		return patience(attempt(sql, (at) => {
			const statement = database.prepare(sql, options?.cached ?? true);
			at("execute");
			return run(statement, bind(params), mode, bigints);
		}), options?.sleeping);
	});
	const script = (text, params) => Effect.withFiber((fiber) => {
		const bigints = fiber.getRef(SqlClient.SafeIntegers);
		let rest = text;
		let rows = [];
		const next = Effect.suspend(() => patience(attempt(rest, (at) => {
			const first = database.prepareFirst(rest);
			if (params.length > 0 && !isBlank(first.rest)) throw new SyntaxError("a script of several statements takes no parameters: send its statements one by one");
			at("execute");
			return {
				rest: first.rest,
				rows: run(first.statement, bind(params), "rows", bigints)
			};
		})));
		return Effect.map(Effect.whileLoop({
			while: () => !isBlank(rest),
			body: () => next,
			step: (done) => {
				rest = done.rest;
				rows = done.rows;
			}
		}), () => rows);
	});
	const cursor = (sql, params, transformRows) => Effect.withFiber((fiber) => {
		const bigints = fiber.getRef(SqlClient.SafeIntegers);
		const opened = patience(attempt(sql, (at) => {
			const statement = database.prepare(sql, false);
			at("execute");
			const rows = iterate(statement, bind(params), bigints);
			return {
				first: rows.take(),
				rows
			};
		}));
		return Effect.map(Effect.acquireRelease(opened, ({ rows }) => Effect.ignore(Effect.try(rows.end))), ({ first, rows }) => {
			let next = first;
			const more = attempt(sql, (at) => {
				at("execute");
				return rows.take();
			});
			const pull = Effect.suspend(() => {
				const read = next === void 0 ? more : Effect.succeed(next);
				next = void 0;
				return Effect.flatMap(read, (rows) => Arr.isReadonlyArrayNonEmpty(rows) ? Effect.succeed(transformed(rows, transformRows)) : Cause.done());
			});
			return Stream.fromPull(Effect.succeed(pull));
		});
	});
	const rows = (effect, transformRows) => Effect.map(effect, (rows) => transformRows?.(rows) ?? rows);
	const values = (effect) => effect;
	return {
		execute: (sql, params, transformRows) => rows(execute(sql, params, "rows"), transformRows),
		executeRaw: (sql, params) => execute(sql, params, "raw"),
		executeValues: (sql, params) => values(execute(sql, params, "values")),
		executeValuesUnprepared: (sql, params) => values(execute(sql, params, "values", { cached: false })),
		executeUnprepared: (sql, params, transformRows) => rows(script(sql, params), transformRows),
		executeStream: (sql, params, transformRows) => Stream.unwrap(cursor(sql, params, transformRows)),
		begin: (sql, sleeping) => Effect.asVoid(execute(sql, [], "raw", { sleeping })),
		cursor,
		isTransaction: database.inTransaction,
		lease: Effect.asVoid(Effect.acquireRelease(Effect.sync(database.inTransaction), (before) => Effect.suspend(() => {
			lost = void 0;
			return before || !database.inTransaction() ? Effect.void : Effect.orDie(execute("ROLLBACK", [], "raw"));
		})))
	};
};
const taking = (borrow, reader) => ({
	execute: (...args) => borrow((connection) => connection.execute(...args)),
	executeRaw: (...args) => borrow((connection) => connection.executeRaw(...args)),
	executeValues: (...args) => borrow((connection) => connection.executeValues(...args)),
	executeValuesUnprepared: (...args) => borrow((connection) => connection.executeValuesUnprepared(...args)),
	executeUnprepared: (...args) => borrow((connection) => connection.executeUnprepared(...args)),
	executeStream: (sql, params, transformRows) => {
		const atOnce = Stream.fromIterableEffect(borrow((connection) => connection.execute(sql, params, transformRows)));
		if (reader === void 0) return atOnce;
		return Stream.unwrap(Effect.flatMap(reader, (connection) => connection.cursor(sql, params, transformRows)).pipe(Effect.catchIf(isForWriter, () => Effect.succeed(atOnce))));
	}
});
const transformed = (rows, transformRows) => transformRows === void 0 ? rows : transformRows(rows);
const rolledBack = (error) => new SqlError({ reason: new UnknownError({
	cause: error,
	operation: error.reason.operation,
	message: `SQLite has rolled back the whole transaction because of this: ${error.message}. Nothing of it was kept; let the failure end the transaction, and run it again from the start`
}) });
// src/sql/node/internal/open.ts
const openScoped = (options, patience) => {
	const readonly = options.readonly ?? false;
	const failed = (cause) => sqlError(cause, "open", `can't open the database "${options.filename}": `);
	const opened = Effect.try({
		try: () => open(options.filename, {
			readonly,
			foreignKeys: options.foreignKeys ?? true,
			cacheSize: options.prepareCacheSize ?? 200
		}),
		catch: failed
	});
	return Effect.tap(Effect.acquireRelease(opened, (database) => Effect.sync(database.close)), (database) => {
		const pragma = (text) => database.prepare(`PRAGMA ${text}`, false).get()?.[text.split(" ")[0]];
		return patience(Effect.try({
			try: () => {
				pragma(`synchronous = ${options.synchronous ?? "full"}`);
				pragma("schema_version");
				if (readonly || options.wal === false || database.path === void 0) return;
				const mode = pragma("journal_mode = wal");
				if (mode === "wal") return;
				throw new Error(`it stays in journal mode ${String(mode)} instead of WAL; give wal: false to use it so`);
			},
			catch: failed
		}));
	});
};
// src/sql/node/internal/patience.ts
const delays = [
	1,
	2,
	5,
	10,
	15,
	20,
	25,
	25,
	25,
	50,
	50
];
const longest$1 = 100;
const make$2 = (millis) => (attempt, sleeping = (sleep) => sleep) => {
	const after = (error, tries, deadline) => Effect.flatMap(Clock.currentTimeMillis, (now) => now >= deadline ? Effect.fail(gaveUp(error, millis)) : Effect.andThen(sleeping(Effect.sleep(Math.min(delays[tries] ?? longest$1, deadline - now))), Effect.catchIf(attempt, isBusy, (error) => after(error, tries + 1, deadline))));
	return Effect.catchIf(attempt, isBusy, (error) => Effect.flatMap(Clock.currentTimeMillis, (now) => after(error, 0, now + millis)));
};
const gaveUp = ({ reason }, millis) => new SqlError({ reason: new LockTimeoutError({
	cause: reason.cause,
	operation: reason.operation,
	message: `${reason.message}: another connection held the lock for all of ${format(millis)} (busyTimeout); run the statement or the whole transaction again`
}) });
// src/sql/node/SqliteClient.ts
var SqliteClient_exports = __exportAll({
	SqliteClient: () => SqliteClient,
	layer: () => layer$1,
	layerConfig: () => layerConfig$1,
	make: () => make$1
});
const TypeId = "~breakwater/sql/node/SqliteClient";
const SqliteClient = Context.Service("breakwater/sql/node/SqliteClient");
const make$1 = (options) => Effect.gen(function* () {
	const { millis, problem } = check("busyTimeout", options.busyTimeout ?? "5 seconds", { zero: true });
	if (problem !== void 0) return yield* new SqlError({ reason: new UnknownError({
		cause: problem,
		message: problem,
		operation: "open"
	}) });
	const patience = make$2(millis);
	const database = yield* openScoped(options, patience);
	const connection = make$3(database, patience);
	const { borrower, isTransaction, onCommitFailure, transactionAcquirer } = SqlClient.makeSqliteAcquirers({
		connection: Effect.succeed(connection),
		semaphore: Semaphore.makeUnsafe(1),
		isTransaction: connection.isTransaction
	});
	const lease = Effect.tap(transactionAcquirer, () => connection.lease);
	const { path } = database;
	const reader = path === void 0 ? void 0 : Effect.map(openScoped({
		...options,
		filename: path,
		readonly: true
	}, patience), (own) => make$3(own, patience));
	const spanAttributes = [...Object.entries(options.spanAttributes ?? {}), ["db.system.name", "sqlite"]];
	const client = yield* SqlClient.make({
		acquirer: Effect.succeed(taking(borrower, reader)),
		borrower,
		transactionAcquirer: lease,
		compiler: Statement.makeCompilerSqlite(options.transformQueryNames),
		driver: "sqlite-node",
		spanAttributes,
		isTransaction,
		transformRows: options.transformResultNames && Statement.defaultTransforms(options.transformResultNames, false).array
	});
	const control = (sql) => Effect.asVoid(connection.execute(sql, [], void 0));
	const cleanup = (sql) => Effect.suspend(() => connection.isTransaction() ? control(sql) : Effect.void);
	const withTransaction = SqlClient.makeWithTransaction({
		transactionService: client.transactionService,
		spanAttributes,
		acquireConnection: (restore) => Effect.flatMap(restore(lease), () => Effect.withFiber((fiber) => Effect.as(connection.begin(fiber.getRef(SqlClient.BeginTransaction) ?? "BEGIN IMMEDIATE", restore), connection))),
		begin: () => Effect.void,
		savepoint: (_, id) => control(`SAVEPOINT breakwater_${id}`),
		releaseSavepoint: (_, id) => cleanup(`RELEASE SAVEPOINT breakwater_${id}`),
		commit: () => control("COMMIT"),
		onCommitFailure,
		rollback: () => cleanup("ROLLBACK"),
		rollbackSavepoint: (_, id) => cleanup(`ROLLBACK TO SAVEPOINT breakwater_${id}`)
	});
	return Object.assign(client, {
		[TypeId]: TypeId,
		options,
		withTransaction,
		reserve: Effect.flatMap(Effect.serviceOption(client.transactionService), Option.match({
			onNone: () => lease,
			onSome: ([own]) => Effect.succeed(own)
		}))
	});
});
const layer$1 = (options) => layerOf(make$1(options));
const layerConfig$1 = (options) => layerOf(Effect.flatMap(Config.unwrap(options), make$1));
const layerOf = (client) => Layer.provide(Layer.effectContext(Effect.map(client, (client) => Context.add(Context.make(SqliteClient, client), SqlClient.SqlClient, client))), Reactivity.layer);
// src/redis/internal/failure.ts
const store = "redis";
const refusals = /(?:^|[\s:])(?:LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|MOVED|ASK|TRYAGAIN|CROSSSLOT|NOAUTH|NOPERM|WRONGPASS|MISCONF|NOREPLICAS|OOM|BUSY|NOSCRIPT|UNBLOCKED)\s/;
const unsent = ["ClientClosedError", "ClientOfflineError"];
const isUnsent = (cause) => Predicate.isError(cause) && unsent.includes(cause.constructor?.name ?? "");
const textOf$1 = (cause) => Predicate.isError(cause) ? cause.message : typeof cause === "string" ? cause : "";
const reads = ["get", "held"];
const failureOf = (operation, cause) => {
	const text = textOf$1(cause);
	if (/(?:^|[\s:])WRONGTYPE\s/.test(text)) return malformed(operation, cause);
	const unwritten = reads.includes(operation) || refusals.test(text) || isUnsent(cause);
	return new StoreError$1({
		reason: "Unavailable",
		store,
		operation,
		tookEffect: unwritten ? "no" : "unknown",
		cause
	});
};
const malformed = (operation, cause) => new StoreError$1({
	reason: "Malformed",
	store,
	operation,
	tookEffect: "no",
	cause
});
const encoder = new TextEncoder();
const readable = 200;
const textOf = ({ key, scope }) => JSON.stringify([scope, key]);
const shardOf = (text) => {
	let hash = 2166136261;
	for (let n = 0; n < text.length; n++) hash = Math.imul(hash ^ text.charCodeAt(n), 16777619);
	return (hash >>> 0) % 64;
};
const indexOf = (prefix, shard) => `${prefix}{${shard}}:held`;
const recordOf$1 = (prefix, shard, member) => `${prefix}{${shard}}:r:${member}`;
const keysOf = (prefix, address) => {
	const text = textOf(address);
	const member = text.length <= readable ? text : `sha256:${toHex(sha256(encoder.encode(text)))}`;
	const shard = shardOf(text);
	return {
		record: recordOf$1(prefix, shard, member),
		index: indexOf(prefix, shard),
		member,
		text
	};
};
// src/redis/internal/record.ts
const states = {
	R: "Running",
	D: "Done",
	H: "Held"
};
const policies = [
	"rerun",
	"resume",
	"hold"
];
const fieldsOf = (flat) => {
	const fields = new Map();
	for (let n = 0; n + 1 < flat.length; n += 2) fields.set(flat[n], flat[n + 1]);
	return fields;
};
const stepsOf = (flat) => {
	const steps = [];
	for (const [field, value] of fieldsOf(flat)) {
		if (!field.startsWith("s:")) continue;
		const colon = value.indexOf(":");
		steps.push({
			name: field.slice(2),
			data: value.slice(colon + 1),
			number: Number(value.slice(0, colon))
		});
	}
	return steps.toSorted((a, b) => a.number - b.number).map(({ data, name }) => ({
		name,
		data
	}));
};
const recordOf = (flat) => {
	const fields = fieldsOf(flat);
	const address = addressOf(fields.get("id") ?? "");
	const fingerprint = fields.get("fp");
	const state = states[fields.get("st") ?? ""];
	const onLostLease = fields.get("on") ?? "";
	const [epoch, leaseUntil, expiresAt, createdAt] = [
		"ep",
		"lu",
		"ex",
		"cr"
	].map((name) => Number(fields.get(name)));
	const numbers = [
		epoch,
		leaseUntil,
		expiresAt,
		createdAt
	];
	if (address === void 0 || fingerprint === void 0 || state === void 0) return void 0;
	if (!policies.includes(onLostLease) || !numbers.every(Number.isFinite)) return void 0;
	return {
		...address,
		fingerprint,
		state,
		epoch,
		onLostLease,
		leaseUntil,
		expiresAt,
		steps: stepsOf(flat),
		result: fields.get("res"),
		createdAt
	};
};
const pair = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Tuple([Schema.String, Schema.String])));
const addressOf = (id) => {
	const found = pair(id);
	return Option.isNone(found) ? void 0 : {
		scope: found.value[0],
		key: found.value[1]
	};
};
// src/redis/internal/scripts.ts
const prologue = `
local record = KEYS[1]
local index = KEYS[2]
local time = redis.call("TIME")
local micros = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now = math.floor(micros / 1000)
local grace = 600000

local function int(n)
  return string.format("%.0f", n)
end

local found = redis.call("HMGET", record, "v", "st", "ep", "fp", "on", "lu", "ex", "cr")
if found[1] ~= "1" and redis.call("EXISTS", record) == 1 then
  return { "Malformed" }
end
local state = found[2] or "A"
local epoch = tonumber(found[3] or "0")
local fingerprint, policy = found[4], found[5]
local leaseUntil = tonumber(found[6] or "0")
local expiresAt = tonumber(found[7] or "0")
local createdAt = tonumber(found[8] or "0")
local lost = state == "R" and leaseUntil <= now
local held = state == "H" or (lost and policy == "hold")
local absent = state == "A" or (expiresAt <= now and (state == "D" or (lost and policy ~= "hold")))

local function forget_at(at)
  redis.call("PEXPIREAT", record, int(at + grace))
end

local function drop_steps()
  for _, field in ipairs(redis.call("HKEYS", record)) do
    if string.sub(field, 1, 2) == "s:" then
      redis.call("HDEL", record, field)
    end
  end
end

local function finish(kept, result, ttl, member)
  drop_steps()
  redis.call("HSET", record, "st", "D", "ex", int(now + ttl))
  if kept == "1" then
    redis.call("HSET", record, "res", result)
  end
  redis.call("ZREM", index, member)
  forget_at(now + ttl)
  return { "1" }
end

local function vanish(member)
  redis.call("DEL", record)
  redis.call("HSET", record, "v", "1", "st", "A", "ep", int(epoch))
  redis.call("ZREM", index, member)
  forget_at(now)
  return { "1" }
end
`;
const owned = `${prologue}
local member = ARGV[1]
if state ~= "R" or int(epoch) ~= ARGV[2] then
  return { "0" }
end
`;
const keys = ({ index, record }) => [record, index];
const claim = Redis.script((at, fingerprint, lease, timeToLive, onLostLease) => [
	...keys(at),
	at.member,
	at.text,
	fingerprint,
	lease,
	timeToLive,
	onLostLease
], {
	numberOfKeys: 2,
	lua: `${prologue}
local member, id, asked = ARGV[1], ARGV[2], ARGV[3]
local lease, ttl, on = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
if not absent then
  if fingerprint ~= asked then
    return { "Mismatch" }
  end
  if state == "D" then
    local result = redis.call("HGET", record, "res")
    if result then
      return { "Replay", result }
    end
    return { "Replay" }
  end
  if held then
    redis.call("HSET", record, "st", "H")
    return { "Held" }
  end
  if not lost then
    return { "InFlight", int(leaseUntil - now) }
  end
end

local steps = {}
if absent or policy ~= "resume" then
  redis.call("DEL", record)
else
  steps = redis.call("HGETALL", record)
end
local nextEpoch = math.max(micros, epoch + 1)
local nextLease = now + lease
redis.call("HSET", record, "v", "1", "id", id, "fp", asked, "st", "R", "ep", int(nextEpoch), "on", on,
  "lu", int(nextLease), "ex", int(now + ttl), "cr", int(now))
if on == "hold" then
  redis.call("PERSIST", record)
  redis.call("ZADD", index, int(now), member)
else
  redis.call("ZREM", index, member)
  forget_at(math.max(nextLease, now + ttl))
end
return { "Started", int(nextEpoch), int(nextLease), absent and "0" or "1", steps }
`
}).withReturnType();
const renew = Redis.script((at, epoch, lease) => [
	...keys(at),
	at.member,
	epoch,
	lease
], {
	numberOfKeys: 2,
	lua: `${owned}
local nextLease = now + tonumber(ARGV[3])
redis.call("HSET", record, "lu", int(nextLease))
if policy ~= "hold" then
  forget_at(math.max(nextLease, expiresAt))
end
return { "1" }
`
}).withReturnType();
const saveStep = Redis.script((at, epoch, name, data) => [
	...keys(at),
	at.member,
	epoch,
	name,
	data
], {
	numberOfKeys: 2,
	lua: `${owned}
local number = redis.call("HINCRBY", record, "sn", 1)
redis.call("HSET", record, "s:" .. ARGV[3], int(number) .. ":" .. ARGV[4])
return { "1" }
`
}).withReturnType();
const complete = Redis.script((at, epoch, result, timeToLive) => [
	...keys(at),
	at.member,
	epoch,
	timeToLive,
	result === void 0 ? 0 : 1,
	result ?? ""
], {
	numberOfKeys: 2,
	lua: `${owned}
return finish(ARGV[4], ARGV[5], tonumber(ARGV[3]), member)
`
}).withReturnType();
const release = Redis.script((at, epoch) => [
	...keys(at),
	at.member,
	epoch
], {
	numberOfKeys: 2,
	lua: `${owned}
return vanish(member)
`
}).withReturnType();
const hold = Redis.script((at, epoch) => [
	...keys(at),
	at.member,
	epoch
], {
	numberOfKeys: 2,
	lua: `${owned}
redis.call("HSET", record, "st", "H")
redis.call("PERSIST", record)
redis.call("ZADD", index, int(createdAt), member)
return { "1" }
`
}).withReturnType();
const resolveDone = Redis.script((at, result, timeToLive) => [
	...keys(at),
	at.member,
	timeToLive,
	result === void 0 ? 0 : 1,
	result ?? ""
], {
	numberOfKeys: 2,
	lua: `${prologue}
if not held then
  return { "0" }
end
return finish(ARGV[3], ARGV[4], tonumber(ARGV[2]), ARGV[1])
`
}).withReturnType();
const resolveAbsent = Redis.script((at) => [...keys(at), at.member], {
	numberOfKeys: 2,
	lua: `${prologue}
if not held then
  return { "0" }
end
return vanish(ARGV[1])
`
}).withReturnType();
const get = Redis.script((at) => [...keys(at)], {
	numberOfKeys: 2,
	lua: `${prologue}
if absent then
  return { "None" }
end
return { "Some", redis.call("HGETALL", record) }
`
}).withReturnType();
const page = Redis.script((index, from, skip, size) => [
	index,
	from,
	skip,
	size
], {
	numberOfKeys: 1,
	lua: `return redis.call("ZRANGEBYSCORE", KEYS[1], ARGV[1], "+inf", "WITHSCORES", "LIMIT", ARGV[2], ARGV[3])`
}).withReturnType();
const held = Redis.script((index, records, members) => [
	index,
	...records,
	...members
], {
	numberOfKeys: (_, records) => records.length + 1,
	lua: `
local time = redis.call("TIME")
local now = math.floor((tonumber(time[1]) * 1000000 + tonumber(time[2])) / 1000)
local records = {}
for n, member in ipairs(ARGV) do
  local record = KEYS[n + 1]
  local found = redis.call("HMGET", record, "v", "st", "on", "lu")
  if found[1] == "1" then
    if found[2] == "H" or (found[2] == "R" and found[3] == "hold" and tonumber(found[4]) <= now) then
      records[#records + 1] = redis.call("HGETALL", record)
    end
  elseif redis.call("EXISTS", record) == 0 then
    redis.call("ZREM", KEYS[1], member)
  else
    return { "Malformed" }
  end
end
return { "Records", unpack(records) }
`
}).withReturnType();
// src/redis/RedisIdempotencyStore.ts
var RedisIdempotencyStore_exports = __exportAll({
	layer: () => layer,
	layerConfig: () => layerConfig,
	make: () => make
});
const longest = 0xe35fa931a0000;
const millis = (duration) => Math.min(Math.ceil(Duration.toMillis(duration)), longest);
const make = (options = {}) => Effect.map(Redis.Redis, (redis) => {
	const prefix = options.prefix ?? "breakwater:idempotency:";
	const at = (address) => keysOf(prefix, address);
	const run = (operation, reply) => Effect.mapError(reply, ({ cause }) => failureOf(operation, cause));
	const changed = (operation, reply) => Effect.flatMap(run(operation, reply), ([answer]) => answer === "1" ? yes : answer === "0" ? no : Effect.fail(malformed(operation, answer)));
	const claim$1 = redis.eval(claim);
	const renew$1 = redis.eval(renew);
	const saveStep$1 = redis.eval(saveStep);
	const complete$1 = redis.eval(complete);
	const release$1 = redis.eval(release);
	const hold$1 = redis.eval(hold);
	const resolveDone$1 = redis.eval(resolveDone);
	const resolveAbsent$1 = redis.eval(resolveAbsent);
	const get$1 = redis.eval(get);
	const page$1 = redis.eval(page);
	const held$1 = redis.eval(held);
	const decode = (operation, flat) => {
		const record = Array.isArray(flat) ? recordOf(flat) : void 0;
		return record === void 0 ? Effect.fail(malformed(operation, new Error("a field of a record is not what this version writes"))) : Effect.succeed(record);
	};
	const heldIn = Effect.fnUntraced(function* (shard, limit, scope) {
		const index = indexOf(prefix, shard);
		const ofScope = scope === void 0 ? void 0 : `[${JSON.stringify(scope)},`;
		const found = [];
		let from = "-inf";
		let skip = 0;
		while (found.length < limit) {
			const rows = yield* run("held", page$1(index, from, skip, pageSize));
			const members = [];
			for (let n = 0; n + 1 < rows.length; n += 2) {
				const score = rows[n + 1];
				skip = score === from ? skip + 1 : 1;
				from = score;
				const member = rows[n];
				if (ofScope === void 0 || member.startsWith(ofScope) || !member.startsWith("[")) members.push(member);
			}
			if (members.length > 0) {
				const records = members.map((member) => recordOf$1(prefix, shard, member));
				const [tag, ...flats] = yield* run("held", held$1(index, records, members));
				if (tag !== "Records") return yield* Effect.fail(malformed("held", tag));
				for (const flat of flats) {
					const record = yield* decode("held", flat);
					if (scope === void 0 || record.scope === scope) found.push({
						...record,
						state: "Held"
					});
				}
			}
			if (rows.length < 2 * pageSize) break;
		}
		return found;
	});
	return {
		claim: (options) => {
			const { fingerprint, lease, onLostLease, timeToLive } = options;
			const reply = claim$1(at(options), fingerprint, millis(lease), millis(timeToLive), onLostLease);
			return Effect.flatMap(run("claim", reply), claimOf);
		},
		renew: (owner, lease) => changed("renew", renew$1(at(owner), owner.epoch, millis(lease))),
		saveStep: (owner, { data, name }) => changed("saveStep", saveStep$1(at(owner), owner.epoch, name, data)),
		complete: (owner, { result, timeToLive }) => changed("complete", complete$1(at(owner), owner.epoch, result, millis(timeToLive))),
		release: (owner) => changed("release", release$1(at(owner), owner.epoch)),
		hold: (owner) => changed("hold", hold$1(at(owner), owner.epoch)),
		resolve: (address, resolution) => changed("resolve", resolution._tag === "Done" ? resolveDone$1(at(address), resolution.result, millis(resolution.timeToLive)) : resolveAbsent$1(at(address))),
		get: (address) => Effect.flatMap(run("get", get$1(at(address))), ([tag, flat]) => tag === "None" ? Effect.succeed(Option.none()) : Effect.asSome(decode("get", flat))),
		held: ({ limit, scope }) => limit <= 0 ? Effect.succeed([]) : Effect.map(Effect.forEach(Array.from({ length: 64 }, (_, shard) => shard), (shard) => heldIn(shard, limit, scope), { concurrency: 16 }), (found) => found.flat().toSorted((a, b) => a.createdAt - b.createdAt || a.epoch - b.epoch).slice(0, limit)),
		sweep: () => Effect.succeed(0)
	};
});
const pageSize = 100;
const yes = Effect.succeed(true);
const no = Effect.succeed(false);
const claimOf = ([tag, ...rest]) => {
	const [first, second, third, steps] = rest;
	switch (tag) {
		case "Started": return Effect.succeed({
			_tag: tag,
			epoch: Number(first),
			leaseUntil: Number(second),
			takenOver: third === "1",
			steps: Array.isArray(steps) ? stepsOf(steps) : []
		});
		case "InFlight": return Effect.succeed({
			_tag: tag,
			retryAfter: Duration.millis(Number(first))
		});
		case "Replay": return Effect.succeed({
			_tag: tag,
			result: typeof first === "string" ? first : void 0
		});
		case "Mismatch":
		case "Held": return Effect.succeed({ _tag: tag });
		default: return Effect.fail(malformed("claim", tag));
	}
};
const layer = (options) => Layer.effect(IdempotencyStore, make(options));
const layerConfig = (options) => Layer.effect(IdempotencyStore, Effect.flatMap(Config.unwrap(options), make));
export { RedisIdempotencyStore_exports as RedisIdempotencyStore, SqlIdempotencyStore_exports as SqlIdempotencyStore, SqlOutboxStore_exports as SqlOutboxStore, SqliteClient_exports as SqliteClient };
