// The harness itself: what must compile, with the exact type.
import { expectType } from "../support.ts"

expectType<number>()(1 as number)
expectType<{ readonly a: string }>()({ a: "b" } as { readonly a: string })
expectType<"a" | "b">()("a" as "a" | "b")
expectType<unknown>()(1 as unknown)
expectType<never>()(1 as never)
