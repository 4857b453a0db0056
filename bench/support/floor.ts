/**
 * The least that a connector on Node can be, as a process of its own: a bare @grpc/grpc-js server that makes a request to the
 * workspace by undici for each call and answers with constant bytes. Nothing is read, decided, remembered or logged. What a
 * connector costs beyond this is its own.
 */
import { readFileSync } from "node:fs"
import * as Grpc from "@grpc/grpc-js"
import { Agent } from "undici"

const [port = "0"] = process.argv.slice(2)
const origin = `https://${process.env["FLYTE_DATABRICKS_INSTANCE"] ?? ""}`
const ca = readFileSync(process.env["NODE_EXTRA_CA_CERTS"] ?? "", "utf8")
const agent = new Agent({ connections: 64, allowH2: false, connect: { ca } })

const headers = { accept: "application/json", authorization: "Bearer token", "user-agent": "floor" }

const ask = async (method: "GET" | "POST", path: string, body?: string): Promise<void> => {
  const sent = body === undefined ? headers : { ...headers, "content-type": "application/json" }
  const { statusCode, body: answer } = await agent.request({ origin, path, method, headers: sent, body: body ?? null })
  await answer.text()
  if (statusCode !== 200) throw new Error(`The workspace answered ${statusCode}`)
}

const raw = (bytes: Buffer): Buffer => bytes

const method = (path: string): Grpc.MethodDefinition<Buffer, Buffer> => ({
  path,
  requestStream: false,
  responseStream: false,
  requestSerialize: raw,
  requestDeserialize: raw,
  responseSerialize: raw,
  responseDeserialize: raw
})

const answered = async (work: Promise<void>, answer: Buffer, callback: Grpc.sendUnaryData<Buffer>): Promise<void> => {
  try {
    await work
    callback(null, answer)
  } catch (error) {
    callback({ code: Grpc.status.INTERNAL, details: String(error) })
  }
}

const answering =
  (answer: Buffer, work: (request: Buffer) => Promise<void>): Grpc.handleUnaryCall<Buffer, Buffer> =>
  ({ request }, callback) => {
    void answered(work(request), answer, callback)
  }

// As large as what the connector answers and submits.
const answer = (bytes: number): Buffer => Buffer.concat([Buffer.from([0x0a, bytes]), Buffer.alloc(bytes, "a")])
const job = JSON.stringify({ run_name: "floor", tasks: [{ parameters: "x".repeat(1500) }] })

const server = new Grpc.Server()
server.addService(
  {
    check: method("/grpc.health.v1.Health/Check"),
    createTask: method("/flyteidl.service.AsyncAgentService/CreateTask"),
    getTask: method("/flyteidl.service.AsyncAgentService/GetTask")
  },
  {
    // Field 1 is the status, 1 is SERVING.
    check: answering(Buffer.from([0x08, 0x01]), () => Promise.resolve()),
    createTask: answering(answer(120), () => ask("POST", "/api/2.1/jobs/runs/submit", job)),
    getTask: answering(answer(120), () => ask("GET", "/api/2.1/jobs/runs/get?run_id=123"))
  }
)
server.bindAsync(`127.0.0.1:${port}`, Grpc.ServerCredentials.createInsecure(), () => undefined)
process.on("SIGTERM", () => process.exit(0))
