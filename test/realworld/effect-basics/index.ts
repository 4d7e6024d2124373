/** Slice 1: list the todos, create one, read it back. */
import { Schema } from "effect"
import type { Slice } from "../Slice.ts"
import { breakwater } from "./breakwater.ts"
import { byHand } from "./byHand.ts"
import { recipe } from "./recipe.ts"
import { intent, isSame, NewTodo, Todo, TodosUnavailable } from "./shared.ts"

const decodeNewTodo = Schema.decodeUnknownSync(NewTodo)

export const slice: Slice = {
  name: "effect-basics",
  source: "Effect-TS/effect: ai-docs/src/50_http-client/10_basics.ts",
  steps: ["createTodo"],
  provider: () => {
    const todos = [{ userId: 7, id: 1, title: "write the report", completed: true }]
    return {
      operationOf: ({ method, url }) =>
        method === "POST" ? "createTodo" : new URL(url).pathname === "/todos" ? "allTodos" : "getTodo",
      respond: ({ operation, text, url }) => {
        switch (operation) {
          case "createTodo": {
            const todo = { id: todos.length + 1, ...decodeNewTodo(JSON.parse(text)) }
            todos.push(todo)
            return { status: 201, body: todo }
          }
          case "allTodos":
            return { body: todos }
          default: {
            const todo = todos.find(({ id }) => new URL(url).pathname === `/todos/${id}`)
            return todo === undefined ? { status: 404, body: {} } : { body: todo }
          }
        }
      }
    }
  },
  wire: { errorIn200: { error: "the database is locked" }, changedShape: { data: { todo: { key: "t-2" } } } },
  isSuccess: (value) => Schema.is(Todo)(value) && isSame(intent)(value),
  claimOf: (error) =>
    error instanceof TodosUnavailable ? { step: error.operation, outcome: error.outcome } : undefined,
  variants: { recipe, byHand, breakwater }
}
