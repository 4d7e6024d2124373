/** What the three variants share: the provider's shapes, the application's error, and the intent. */
import { Schema } from "effect"

export const baseUrl = "https://jsonplaceholder.typicode.com"

export class Todo extends Schema.Class<Todo>("Todo")({
  userId: Schema.Int,
  id: Schema.Int,
  title: Schema.String,
  completed: Schema.Boolean
}) {}

export const NewTodo = Schema.Struct({ userId: Schema.Int, title: Schema.String, completed: Schema.Boolean })
export type NewTodo = typeof NewTodo.Type

/** The application's error: which call failed, and whether it was carried out. */
export class TodosUnavailable extends Schema.TaggedError<TodosUnavailable>()("TodosUnavailable", {
  operation: Schema.String,
  outcome: Schema.Literals(["NotSent", "Refused", "Unknown", "Applied"])
}) {}

/** What is to be on the list, once. */
export const intent: NewTodo = { userId: 7, title: "renew the certificate", completed: false }

/** How the list tells whether it has this todo: it knows no key. */
export const isSame = (wanted: NewTodo) => (todo: Todo) => todo.userId === wanted.userId && todo.title === wanted.title
