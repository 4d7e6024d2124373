// One script per transition. Redis runs a script alone, so each is atomic, and reads the time of the server once.
//
// A record is a hash:
//
//   v    1, the version of this layout             lu   end of the lease, epoch milliseconds
//   id   scope and key, as JSON                    ex   from when it may be forgotten
//   fp   fingerprint                               cr   when it was claimed
//   st   R running, D done, H held, A absent       res  the result; not there where none was kept
//   ep   epoch                                     sn   how many steps were saved
//   on   rerun, resume, hold                       s:…  a step: its number, a colon, its data
//
// What may be forgotten expires by itself, ten minutes later than it may: until then its epoch is remembered, so that the
// next one is greater even if the clock of the server is set back in between. What is held, or would be if its owner did
// not come back, never expires. It stands in the index of its shard, with the time of its claim.
import * as Redis from "effect/persistence/Redis"
import type { OnLostLease } from "../../IdempotencyStore.ts"
import type { Keys } from "./keys.ts"

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
`

const owned = `${prologue}
local member = ARGV[1]
if state ~= "R" or int(epoch) ~= ARGV[2] then
  return { "0" }
end
`

type Reply = ReadonlyArray<string | ReadonlyArray<string>>

const keys = ({ index, record }: Keys): ReadonlyArray<string> => [record, index]

export const claim = Redis.script(
  (at: Keys, fingerprint: string, lease: number, timeToLive: number, onLostLease: OnLostLease) => [
    ...keys(at),
    at.member,
    at.text,
    fingerprint,
    lease,
    timeToLive,
    onLostLease
  ],
  {
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
  }
).withReturnType<Reply>()

export const renew = Redis.script((at: Keys, epoch: number, lease: number) => [...keys(at), at.member, epoch, lease], {
  numberOfKeys: 2,
  lua: `${owned}
local nextLease = now + tonumber(ARGV[3])
redis.call("HSET", record, "lu", int(nextLease))
if policy ~= "hold" then
  forget_at(math.max(nextLease, expiresAt))
end
return { "1" }
`
}).withReturnType<Reply>()

export const saveStep = Redis.script(
  (at: Keys, epoch: number, name: string, data: string) => [...keys(at), at.member, epoch, name, data],
  {
    numberOfKeys: 2,
    lua: `${owned}
local number = redis.call("HINCRBY", record, "sn", 1)
redis.call("HSET", record, "s:" .. ARGV[3], int(number) .. ":" .. ARGV[4])
return { "1" }
`
  }
).withReturnType<Reply>()

export const complete = Redis.script(
  (at: Keys, epoch: number, result: string | undefined, timeToLive: number) => [
    ...keys(at),
    at.member,
    epoch,
    timeToLive,
    result === undefined ? 0 : 1,
    result ?? ""
  ],
  {
    numberOfKeys: 2,
    lua: `${owned}
return finish(ARGV[4], ARGV[5], tonumber(ARGV[3]), member)
`
  }
).withReturnType<Reply>()

export const release = Redis.script((at: Keys, epoch: number) => [...keys(at), at.member, epoch], {
  numberOfKeys: 2,
  lua: `${owned}
return vanish(member)
`
}).withReturnType<Reply>()

export const hold = Redis.script((at: Keys, epoch: number) => [...keys(at), at.member, epoch], {
  numberOfKeys: 2,
  lua: `${owned}
redis.call("HSET", record, "st", "H")
redis.call("PERSIST", record)
redis.call("ZADD", index, int(createdAt), member)
return { "1" }
`
}).withReturnType<Reply>()

export const resolveDone = Redis.script(
  (at: Keys, result: string | undefined, timeToLive: number) => [
    ...keys(at),
    at.member,
    timeToLive,
    result === undefined ? 0 : 1,
    result ?? ""
  ],
  {
    numberOfKeys: 2,
    lua: `${prologue}
if not held then
  return { "0" }
end
return finish(ARGV[3], ARGV[4], tonumber(ARGV[2]), ARGV[1])
`
  }
).withReturnType<Reply>()

export const resolveAbsent = Redis.script((at: Keys) => [...keys(at), at.member], {
  numberOfKeys: 2,
  lua: `${prologue}
if not held then
  return { "0" }
end
return vanish(ARGV[1])
`
}).withReturnType<Reply>()

export const get = Redis.script((at: Keys) => [...keys(at)], {
  numberOfKeys: 2,
  lua: `${prologue}
if absent then
  return { "None" }
end
return { "Some", redis.call("HGETALL", record) }
`
}).withReturnType<Reply>()

/** The members of an index and the times of their claims, from a time on, oldest first. */
export const page = Redis.script(
  (index: string, from: string, skip: number, size: number) => [index, from, skip, size],
  {
    numberOfKeys: 1,
    lua: `return redis.call("ZRANGEBYSCORE", KEYS[1], ARGV[1], "+inf", "WITHSCORES", "LIMIT", ARGV[2], ARGV[3])`
  }
).withReturnType<ReadonlyArray<string>>()

/**
 * Of these records of a shard those that are held. A member of the index whose record is gone (evicted, or deleted by
 * hand) is taken out.
 */
export const held = Redis.script(
  (index: string, records: ReadonlyArray<string>, members: ReadonlyArray<string>) => [index, ...records, ...members],
  {
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
  }
).withReturnType<Reply>()
