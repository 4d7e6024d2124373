// One list for the time limits of all calls of the process: a limit that is not reached costs two links of a list, and no
// timer of its own. Limits are kept by the tick in which they end, so that adding and removing takes the same time however
// many calls are running.
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Fiber from "effect/Fiber"
import { envOf } from "./env.ts"
import { later } from "./timer.ts"

declare const setTimeout: (f: () => void, millis: number) => unknown
declare const clearTimeout: (timer: unknown) => void
declare const performance: { readonly now: () => number }

const liveClock = Context.get(Context.empty(), Clock.Clock)

/** How many milliseconds of the live clock are one: a limit ends at the end of its tick, so never early. */
const tick = 4

/** How long at most one timer waits. A process that has nothing else to do ends so much after its last call. */
const longestSleep = 100

/** What ends at a time, unless it is taken out before. One that has ended is in no list. */
export abstract class Limited {
  /** Where it stands: the lists of ticks, or the waiting fiber of another clock. */
  slot: Slot | undefined = undefined
  before: Limited | undefined = undefined
  after: Limited | undefined = undefined
  cancel: (() => void) | undefined = undefined
  /** Its time is up. */
  abstract expire(): void
}

interface Slot {
  readonly tick: number
  first: Limited | undefined
}

const slots = new Map<number, Slot>()
/** The list that the last one was put into: the next one mostly goes there too. It is kept while it is empty. */
let last: Slot | undefined = undefined
let count = 0
let timer: unknown = undefined
let wakesAt = Infinity

/** Ends `self` in so many milliseconds of the fiber's clock: up to one tick and the timer's own delay late, never early. */
export const limit = (self: Limited, millis: number, fiber: Fiber.Fiber<unknown, unknown>): void => {
  if (envOf(fiber).clock !== liveClock) {
    self.cancel = later(fiber, millis, () => {
      self.cancel = undefined
      self.expire()
    })
    return
  }
  // Monotonic: a clock that is set while calls are running must not stretch their limits.
  const now = performance.now()
  const number = Math.ceil((now + millis) / tick)
  let slot = last
  if (slot === undefined || slot.tick !== number) {
    if (slot !== undefined && slot.first === undefined) slots.delete(slot.tick)
    slot = slots.get(number)
    if (slot === undefined) slots.set(number, (slot = { tick: number, first: undefined }))
    last = slot
  }
  const { first } = slot
  self.slot = slot
  self.after = first
  if (first !== undefined) first.before = self
  slot.first = self
  count++
  const due = number * tick
  if (due < wakesAt) wakeAt(timer === undefined ? Math.min(due, now + longestSleep) : due, now)
}

/** Takes it out. Nothing happens where it has ended. */
export const release = (self: Limited): void => {
  if (self.cancel !== undefined) {
    self.cancel()
    self.cancel = undefined
    return
  }
  const { after, before, slot } = self
  if (slot === undefined) return
  if (before === undefined) slot.first = after
  else before.after = after
  if (after !== undefined) after.before = before
  self.slot = self.before = self.after = undefined
  count--
  if (slot.first === undefined && slot !== last) slots.delete(slot.tick)
}

const wakeAt = (at: number, now: number): void => {
  if (timer !== undefined) clearTimeout(timer)
  wakesAt = at
  timer = setTimeout(wake, Math.max(1, Math.ceil(at - now)))
}

const wake = (): void => {
  timer = undefined
  wakesAt = Infinity
  const now = performance.now()
  const due: Array<Slot> = []
  let next = Infinity
  for (const slot of slots.values()) {
    if (slot.tick * tick <= now) due.push(slot)
    else if (slot.first !== undefined && slot.tick < next) next = slot.tick
  }
  for (const slot of due) {
    // What expires may end others, of this list too.
    for (let one = slot.first; one !== undefined; one = slot.first) {
      release(one)
      one.expire()
    }
    if (slot !== last) slots.delete(slot.tick)
  }
  // What expired may have added limits, and with them a timer, which may be later than the next of the others.
  const at = Math.min(next * tick, now + longestSleep)
  if (count > 0 && at < wakesAt) wakeAt(at, now)
}

/** How many limits of the live clock are running, for tests. */
export const running = (): number => count
