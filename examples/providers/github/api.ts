/**
 * The slice of GitHub's REST API that this example calls, as an ordinary Effect `HttpApi`.
 *
 * https://docs.github.com/rest/issues/issues, https://docs.github.com/rest/issues/comments
 */
import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"

// ---- errors: GitHub tells them apart by status alone, so the tag is added when they are decoded

const told = { message: Schema.String, documentation_url: Schema.optionalKey(Schema.String) }

export class Unauthorized extends Schema.Error<Unauthorized>("github/Unauthorized")(
  { _tag: Schema.tagDefaultOmit("Unauthorized"), ...told },
  { httpApiStatus: 401 }
) {}

export class Forbidden extends Schema.Error<Forbidden>("github/Forbidden")(
  { _tag: Schema.tagDefaultOmit("Forbidden"), ...told },
  { httpApiStatus: 403 }
) {}

/** Also the answer for a private repository that the token must not know of. */
export class NotFound extends Schema.Error<NotFound>("github/NotFound")(
  { _tag: Schema.tagDefaultOmit("NotFound"), ...told },
  { httpApiStatus: 404 }
) {}

/** The repository has its issues switched off. */
export class Gone extends Schema.Error<Gone>("github/Gone")(
  { _tag: Schema.tagDefaultOmit("Gone"), ...told },
  { httpApiStatus: 410 }
) {}

/** https://docs.github.com/rest/using-the-rest-api/troubleshooting-the-rest-api#validation-failed */
export class ValidationFailed extends Schema.Error<ValidationFailed>("github/ValidationFailed")(
  {
    _tag: Schema.tagDefaultOmit("ValidationFailed"),
    ...told,
    errors: Schema.optionalKey(
      Schema.Array(
        Schema.Struct({
          resource: Schema.optionalKey(Schema.String),
          field: Schema.optionalKey(Schema.String),
          code: Schema.String
        })
      )
    )
  },
  { httpApiStatus: 422 }
) {}

// ---- what is asked and answered

const repository = { owner: Schema.String, repo: Schema.String }

export const Repository = Schema.Struct({
  full_name: Schema.String,
  private: Schema.Boolean,
  has_issues: Schema.Boolean
})

export const Issue = Schema.Struct({
  number: Schema.Int,
  title: Schema.String,
  body: Schema.NullOr(Schema.String),
  state: Schema.Literals(["open", "closed"]),
  created_at: Schema.DateTimeUtcFromString
})

export const Comment = Schema.Struct({ id: Schema.Int, body: Schema.String })

/**
 * The body of an issue that this application opens. It ends with a comment that no reader sees and that names what the
 * issue is for: GitHub has no idempotency key, so this is how an issue is found again. The brand makes the compiler
 * refuse a body without it.
 */
export const MarkedBody = Schema.String.check(Schema.isPattern(/<!-- for:\S+ -->$/)).pipe(Schema.brand("MarkedBody"))
export type MarkedBody = typeof MarkedBody.Type

/** Where a page of a list begins. GitHub calls it by one of these names, which one depends on the list. */
export const Place = Schema.Struct({
  page: Schema.optionalKey(Schema.String),
  after: Schema.optionalKey(Schema.String)
})
export type Place = typeof Place.Type

export class GitHubApi extends HttpApi.make("github")
  .add(
    HttpApiGroup.make("repos").add(
      HttpApiEndpoint.get("get", "/repos/:owner/:repo", {
        params: repository,
        success: Repository,
        error: [Unauthorized, Forbidden, NotFound]
      })
    )
  )
  .add(
    HttpApiGroup.make("issues").add(
      HttpApiEndpoint.get("list", "/repos/:owner/:repo/issues", {
        params: repository,
        query: {
          state: Schema.Literals(["open", "closed", "all"]),
          sort: Schema.Literals(["created", "updated"]),
          direction: Schema.Literals(["asc", "desc"]),
          per_page: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100 })),
          ...Place.fields
        },
        // The next page stands in a header, so the success is a body with headers.
        success: HttpApiSchema.WithHeaders(Schema.Array(Issue), { link: Schema.optionalKey(Schema.String) }),
        error: [Unauthorized, Forbidden, NotFound]
      }),
      HttpApiEndpoint.post("create", "/repos/:owner/:repo/issues", {
        params: repository,
        payload: Schema.Struct({ title: Schema.String, body: MarkedBody }),
        success: Issue.pipe(HttpApiSchema.status(201)),
        error: [Unauthorized, Forbidden, NotFound, Gone, ValidationFailed]
      }),
      HttpApiEndpoint.post("comment", "/repos/:owner/:repo/issues/:number/comments", {
        params: { ...repository, number: Schema.Int },
        payload: Schema.Struct({ body: Schema.String }),
        success: Comment.pipe(HttpApiSchema.status(201)),
        error: [Unauthorized, Forbidden, NotFound, Gone, ValidationFailed]
      })
    )
  ) {}
