import * as redis from "./redis.ts"
import { storeSuite } from "./StoreSuite.ts"

const { skip } = redis

storeSuite(
  { name: "Redis, with a clock that stands still", open: redis.settable, forgets: "itself" },
  { live: true, skip }
)

storeSuite({ name: "Redis, in real time", open: redis.real, forgets: "itself" }, { live: true, skip })
