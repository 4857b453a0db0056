// Asks the connector behind the Service for its health, as a kubelet's gRPC probe does.
import { connect } from "node:http2"

const address = process.argv[1]
const end = (exitCode, text) => {
  process.exitCode = exitCode
  process.stdout.write(`${address} ${text}\n`)
  session.destroy()
}
const session = connect(address)
session.on("error", ({ message }) => end(1, `is not reached: ${message}`))
session.setTimeout(10_000, () => end(1, "gave no answer within 10 seconds"))
const request = session.request({
  ":method": "POST",
  ":path": "/grpc.health.v1.Health/Check",
  "content-type": "application/grpc",
  te: "trailers"
})
const parts = []
request.on("data", (part) => parts.push(part))
request.on("error", ({ message }) => end(1, `gave no answer: ${message}`))
request.on("end", () => {
  // A frame of two bytes: the field `status`, and 1 for SERVING.
  const serving = Buffer.concat(parts).equals(Buffer.from([0, 0, 0, 0, 2, 8, 1]))
  end(serving ? 0 : 1, serving ? "is SERVING" : "is not SERVING")
})
// A frame of no bytes: the health of the server as a whole.
request.end(Buffer.alloc(5))
