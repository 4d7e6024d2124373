// Streaming and upgrade endpoints have no operations yet.
import { HttpOperation } from "breakwater/http"
import { Api } from "../contract.ts"

// expect: streaming and upgrade endpoints can't be operations: they have no end that a deadline could wait for
HttpOperation.endpoint(Api, "streams", "events")
// expect: streaming and upgrade endpoints can't be operations: they have no end that a deadline could wait for
HttpOperation.endpoint(Api, "streams", "lines")
// expect: streaming and upgrade endpoints can't be operations: they have no end that a deadline could wait for
HttpOperation.endpoint(Api, "streams", "bytes")
// expect: streaming and upgrade endpoints can't be operations: they have no end that a deadline could wait for
HttpOperation.endpoint(Api, "streams", "linesWithHeaders")
// expect: streaming and upgrade endpoints can't be operations: they have no end that a deadline could wait for
HttpOperation.endpoint(Api, "streams", "socket")
// expect: streaming and upgrade endpoints can't be operations: they have no end that a deadline could wait for
HttpOperation.endpoint(Api, "streams", "socketWithHeaders")
// expect: a streamed payload can't be sent twice: it can't be an operation
HttpOperation.endpoint(Api, "streams", "sendBytes")
// expect: a streamed payload can't be sent twice: it can't be an operation
HttpOperation.endpoint(Api, "streams", "sendLines")
// expect: streaming and upgrade endpoints can't be operations: they have no end that a deadline could wait for
HttpOperation.endpoint(Api, "streams", "bytes", {})
