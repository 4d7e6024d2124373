// The harness itself: `expectType` refuses a type that is only near.
import { expectType } from "../support.ts"

// expect: Argument of type 'number' is not assignable to parameter of type '{ readonly expected: string; readonly actual: number; }'
expectType<string>()(1 as number)

// expect: Argument of type 'any' is not assignable to parameter of type 'never'
expectType<number>()(JSON.parse("1"))

// expect: Expected 2 arguments, but got 1
expectType<number>()(1 as never)

// expect: readonly expected: { readonly a: string; }
expectType<{ readonly a: string }>()({ a: "b" })

// expect: readonly expected: "a"; readonly actual: "a" | "b"
expectType<"a">()("a" as "a" | "b")
