/**
 * Why a list that comes in pages could not be read to its end, although every page was.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * What is wrong with the pages.
 *
 * | reason       | what is known                                                           | what to do                                    |
 * |--------------|-------------------------------------------------------------------------|-----------------------------------------------|
 * | `Repeated`   | the place of the next page was read already                             | check what says where the next page is        |
 * | `Unchanging` | a new place gave what an earlier page had held, or nothing but doubles  | check that `read` hands the place on          |
 * | `TooMany`    | there are more than `maxPages`                                          | raise it, or go on from the last position     |
 * | `TooEmpty`   | more than `maxEmpty` pages in a row held nothing                        | narrow the query, or raise it                 |
 * | `NoPlace`    | there is a next page, and nothing readable says where                   | compare the answer with the documentation     |
 * | `Moved`      | the page to resume at holds less than was taken from it                 | start again, or give `key`                    |
 * | `Invalid`    | an option, or the position to resume at, can't be right                 | correct it                                    |
 *
 * @category errors
 * @since 0.1.0
 */
export type PagesReason = "Repeated" | "Unchanging" | "TooMany" | "TooEmpty" | "NoPlace" | "Moved" | "Invalid"

const said: Readonly<Record<PagesReason, readonly [what: string, next: string]>> = {
  Repeated: [
    "the place of the next page was read already, so that there would be no end",
    "check what says where the next page is, and that the provider moves on"
  ],
  Unchanging: [
    "another place gave nothing new",
    'check that `read` hands the place on; set `equalPages` to "allow" if pages may be equal, or give `key` if the list changes while it is read'
  ],
  TooMany: [
    "there are more pages than `maxPages`",
    "raise it if the list is that long, or go on from the last position"
  ],
  TooEmpty: ["more pages than `maxEmpty` in a row held nothing", "narrow the query, or raise it"],
  NoPlace: [
    "there is a next page, and nothing readable says where it is",
    "compare the answer with the provider's documentation"
  ],
  Moved: [
    "the page to resume at holds less than was taken from it, so that items may have moved past it",
    "start again, or give `key`, by which the last item is found again"
  ],
  Invalid: ["an option or the position to resume at can't be right", "correct it"]
}

/**
 * A list that could not be read to its end, although every page was. The message holds no cursor, no link and no item.
 *
 * Pages and items are those of this run, up to the failure; a run that was resumed counts from where it began.
 *
 * @category errors
 * @since 0.1.0
 */
export class PagesError extends Data.TaggedError("PagesError")<{
  readonly reason: PagesReason
  /** How many pages were read. */
  readonly pages: number
  /** How many items they gave. */
  readonly items: number
  /** What exactly is wrong, where there is more to say. */
  readonly detail?: string | undefined
}> {
  override get message(): string {
    const [what, next] = said[this.reason]
    return `after ${counted(this.pages, "page")} and ${counted(this.items, "item")}: ${this.detail ?? what}; ${next}`
  }
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`
