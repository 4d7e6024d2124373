/**
 * A slice of DynamoDB as an Effect `HttpApi`: reserve stock for an order, and read what is left of it. Every operation is a
 * POST to `/` that names itself in `X-Amz-Target`. Each endpoint here is one access pattern of one table: a caller gives
 * what differs, and the wire carries the expressions.
 *
 * - https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html and …/API_GetItem.html
 * - https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.LowLevelAPI.html
 * - https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
 */
import { Schema, SchemaTransformation } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiMiddleware, HttpApiSchema } from "effect/http-api"

/** Its client side writes `X-Amz-Target`: the names of the group and of the endpoint below. */
export class Target extends HttpApiMiddleware.Service<Target>()("aws/Target", { requiredForClient: true }) {}

/** Requests and answers are JSON under AWS's own name. */
export const mediaType = "application/x-amz-json-1.0"
const json = HttpApiSchema.asJson({ contentType: mediaType })

const table = Schema.Literal("shop-stock")
const text = Schema.Struct({ S: Schema.String })
/** Numbers are text on the wire: they have up to 38 digits. */
const number = Schema.Struct({ N: Schema.FiniteFromString })

/** Asked for, so that a success says something: without it, AWS answers a transaction with `{}`. */
const capacity = Schema.Literal("TOTAL")
const Consumed = Schema.Struct({ TableName: table, CapacityUnits: Schema.Finite })

// ---- reserve: a reservation is written, and the stock made smaller, or neither

export const Reservation = Schema.Struct({
  order: Schema.String,
  sku: Schema.String,
  units: Schema.Int.check(Schema.isGreaterThan(0))
})

const isNew = Schema.Literal("attribute_not_exists(pk)")
const take = Schema.Literal("SET available = available - :units")
const isEnough = Schema.Literal("available >= :units")

/** DynamoDB answers with a reason for each of the two, in this order. */
const reserve = Schema.Struct({
  ReturnConsumedCapacity: capacity,
  TransactItems: Schema.Tuple([
    Schema.Struct({
      Put: Schema.Struct({
        TableName: table,
        Item: Schema.Struct({ pk: text, orderId: text, sku: text, units: number }),
        ConditionExpression: isNew
      })
    }),
    Schema.Struct({
      Update: Schema.Struct({
        TableName: table,
        Key: Schema.Struct({ pk: text }),
        UpdateExpression: take,
        ConditionExpression: isEnough,
        ExpressionAttributeValues: Schema.Struct({ ":units": number })
      })
    })
  ])
}).pipe(
  Schema.decodeTo(
    Schema.toType(Reservation),
    SchemaTransformation.transform({
      decode: ({ TransactItems: [{ Put }] }) => ({
        order: Put.Item.orderId.S,
        sku: Put.Item.sku.S,
        units: Put.Item.units.N
      }),
      encode: ({ order, sku, units }) => ({
        ReturnConsumedCapacity: capacity.literal,
        TransactItems: [
          {
            Put: {
              TableName: table.literal,
              Item: { pk: { S: `order#${order}` }, orderId: { S: order }, sku: { S: sku }, units: { N: units } },
              ConditionExpression: isNew.literal
            }
          },
          {
            Update: {
              TableName: table.literal,
              Key: { pk: { S: `sku#${sku}` } },
              UpdateExpression: take.literal,
              ConditionExpression: isEnough.literal,
              ExpressionAttributeValues: { ":units": { N: units } }
            }
          }
        ] as const
      })
    })
  )
)

/** A repeat with the same token gives less than the first time: it only read. */
export const Reserved = Schema.Struct({ ConsumedCapacity: Schema.Tuple([Consumed]) })

/** The end of `__type` is the name of an error; what stands before it differs by where in AWS it was found. */
export const nameOf = (type: string): string => type.slice(type.lastIndexOf("#") + 1)

/** Nothing was written. The reasons stand in the order of the items; `None` is one that was no obstacle. */
export class TransactionCanceled extends Schema.Error<TransactionCanceled>("aws/TransactionCanceled")(
  {
    // Ours, and not a part of the body.
    _tag: Schema.tagDefaultOmit("TransactionCanceled"),
    __type: Schema.String.check(
      Schema.makeFilter((type) => nameOf(type) === "TransactionCanceledException", { message: "another error" })
    ),
    Message: Schema.String,
    CancellationReasons: Schema.Array(
      Schema.Struct({ Code: Schema.optionalKey(Schema.String), Message: Schema.optionalKey(Schema.String) })
    )
  },
  { httpApiStatus: 400 }
) {}

// ---- read what is left

const read = Schema.Struct({
  TableName: table,
  Key: Schema.Struct({ pk: text }),
  ConsistentRead: Schema.Literal(true),
  ReturnConsumedCapacity: capacity
}).pipe(
  Schema.decodeTo(
    Schema.Struct({ sku: Schema.String }),
    SchemaTransformation.transform({
      decode: ({ Key }) => ({ sku: Key.pk.S.slice("sku#".length) }),
      encode: ({ sku }) => ({
        TableName: table.literal,
        Key: { pk: { S: `sku#${sku}` } },
        ConsistentRead: true as const,
        ReturnConsumedCapacity: capacity.literal
      })
    })
  )
)

/** There is no `Item` for a key that the table does not have. */
const found = Schema.Struct({
  Item: Schema.optionalKey(Schema.Struct({ available: number })),
  ConsumedCapacity: Consumed
}).pipe(
  Schema.decodeTo(
    Schema.toType(Schema.Struct({ available: Schema.UndefinedOr(Schema.Int), capacity: Schema.Finite })),
    SchemaTransformation.transform({
      decode: ({ ConsumedCapacity, Item }) => ({
        available: Item?.available.N,
        capacity: ConsumedCapacity.CapacityUnits
      }),
      encode: ({ available, capacity }) => ({
        ...(available === undefined ? {} : { Item: { available: { N: available } } }),
        ConsumedCapacity: { TableName: table.literal, CapacityUnits: capacity }
      })
    })
  )
)

export class DynamoDb extends HttpApi.make("dynamodb").add(
  HttpApiGroup.make("DynamoDB_20120810")
    .add(
      HttpApiEndpoint.post("TransactWriteItems", "/", {
        payload: reserve.pipe(json),
        success: Reserved.pipe(json),
        error: TransactionCanceled.pipe(json)
      }),
      HttpApiEndpoint.post("GetItem", "/", { payload: read.pipe(json), success: found.pipe(json) })
    )
    .middleware(Target)
) {}
