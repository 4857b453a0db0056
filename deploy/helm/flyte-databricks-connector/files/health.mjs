// Asks the connector behind the Service for its health, as a kubelet's gRPC probe does.
import { connect } from "node:http2"

const address = process.argv[1]
const end = (code, text) => {
  console.log(text)
  process.exit(code)
}
setTimeout(() => end(1, `${address} gave no answer within 10 seconds`), 10_000)
const session = connect(address)
session.on("error", (error) => end(1, `${address} is not reached: ${error.message}`))
const request = session.request({
  ":method": "POST",
  ":path": "/grpc.health.v1.Health/Check",
  "content-type": "application/grpc",
  te: "trailers"
})
const parts = []
request.on("data", (part) => parts.push(part))
request.on("error", (error) => end(1, `${address} gave no answer: ${error.message}`))
request.on("end", () => {
  // A frame of two bytes: the field `status`, and 1 for SERVING.
  const serving = Buffer.concat(parts).equals(Buffer.from([0, 0, 0, 0, 2, 8, 1]))
  end(serving ? 0 : 1, `${address} is ${serving ? "SERVING" : "not SERVING"}`)
})
// A frame of no bytes: the health of the server as a whole.
request.end(Buffer.alloc(5))
