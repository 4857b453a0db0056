/**
 * The attacks, each by its name, as a program of its own: what they cost the attacker must not slow whoever watches. It
 * prints how often each status came.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Duration, Effect, Schema, type Scope } from "effect"
import { constants } from "node:http2"
import * as wire from "./wire.ts"

const [, , name = "", portGiven = "", argument = "{}"] = process.argv
const port = Number(portGiven)
const meta = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown)))(argument)

const count = (statuses: ReadonlyArray<number>) => {
  const counts: Record<string, number> = {}
  for (const status of statuses) counts[status] = (counts[status] ?? 0) + 1
  return counts
}

const times = (n: number) => Array.from({ length: n }, (_, index) => index)

/** So many calls over one connection, so many at once. */
const calls = (path: string, number: number, concurrency: number, message: (n: number) => Uint8Array) =>
  Effect.gen(function* () {
    const session = yield* wire.connection(port)
    return count(yield* Effect.forEach(times(number), (n) => wire.call(session, path, message(n)), { concurrency }))
  })

const oddMetadata = [
  "",
  "{}",
  "null",
  "[[[[[[[[",
  '{"databricks_instance":1}',
  '{"databricks_instance":"evil.example","run_id":"1"}',
  '{"databricks_instance":"http://127.0.0.1:1","run_id":"-1"}',
  '{"databricks_instance":"http://127.0.0.1:1","run_id":"1","auth_type":"kerberos"}',
  '{"databricks_instance":"http://127.0.0.1:1","run_id":"1","namespace":"../x"}',
  '{"__proto__":{"run_id":"1"},"run_id":"99999999999999999999999999"}',
  "\u0080\u0004\u0095pickle",
  `{"run_id":"${"9".repeat(500)}"}`
]

const big = 4 * 1024 * 1024 - 64

const attacks: Readonly<Record<string, Effect.Effect<unknown, never, Scope.Scope>>> = {
  oneOfManyValues: calls(wire.paths.create, 1, 1, () => wire.taskWithValues(1_030_000)),
  tenOfManyValues: calls(wire.paths.create, 10, 10, (n) => wire.taskWithValues(100_000, { node: `n${n}` })),
  manyOfSomeValues: calls(wire.paths.create, 300, 100, (n) => wire.taskWithValues(9000, { node: `n${n}` })),
  audiences: calls(wire.paths.create, 200, 4, (n) =>
    wire.task({ node: `n${n}`, custom: { databricksOidcAudience: `${n}${"a".repeat(3_000_000)}` } })
  ),
  clientIds: calls(wire.paths.get, 2000, 16, (n) => wire.poll({ ...meta, client_id: `${n}${"c".repeat(55_000)}` })),
  polls: calls(wire.paths.get, 64, 16, (n) => wire.poll({ ...meta, run_id: String(1000 + n) })),
  logs: calls(wire.paths.logs, 16, 8, () => wire.logs(meta)),
  forgedPages: calls(wire.paths.logs, 16, 8, () =>
    wire.logs(meta, Buffer.from(`databricks-logs:${String(meta["run_id"])}:999999999`).toString("base64url"))
  ),
  bigTasks: calls(wire.paths.create, 100, 100, (n) =>
    wire.task({ node: `n${n}`, custom: { padding: "x".repeat(3_900_000) } })
  ),
  refused: calls(wire.paths.create, 200, 4, (n) =>
    wire.task({ node: `n${n}`, custom: { padding: "x".repeat(3_000_000), databricksClientId: `sp-${n}` } })
  ),
  creates: calls(wire.paths.create, 10, 1, (n) => wire.task({ node: `n${n}`, namespace: String(meta["namespace"]) })),

  unfinished: Effect.gen(function* () {
    const session = yield* wire.connection(port)
    const message = wire.framed(new Uint8Array(big)).subarray(0, -1)
    return count(
      yield* Effect.forEach(
        times(500),
        () => {
          const stream = wire.open(session, wire.paths.create)
          stream.write(message)
          return wire.status(stream)
        },
        { concurrency: "unbounded" }
      ).pipe(Effect.timeoutOrElse({ duration: Duration.seconds(15), orElse: () => Effect.succeed([-2]) }))
    )
  }),
  silent: Effect.gen(function* () {
    const session = yield* wire.connection(port)
    return count(
      yield* Effect.forEach(times(500), () => wire.status(wire.open(session, wire.paths.create)), {
        concurrency: "unbounded"
      }).pipe(Effect.timeoutOrElse({ duration: Duration.seconds(15), orElse: () => Effect.succeed([-2]) }))
    )
  }),
  headers: Effect.gen(function* () {
    const headers = Object.fromEntries(times(30).map((n) => [`x-${n}`, "h".repeat(2000)]))
    return yield* Effect.forEach(
      times(4),
      () =>
        Effect.gen(function* () {
          const session = yield* wire.connection(port)
          return yield* Effect.forEach(times(900), () => wire.status(wire.open(session, wire.paths.create, headers)), {
            concurrency: "unbounded"
          })
        }),
      { concurrency: "unbounded" }
    ).pipe(
      Effect.map((all) => count(all.flat())),
      Effect.timeoutOrElse({ duration: Duration.seconds(15), orElse: () => Effect.succeed({ "-2": 1 }) })
    )
  }),
  smallCalls: calls(wire.paths.get, 10_000, 64, (n) => {
    const odd = oddMetadata[n % oddMetadata.length]!
    return n % 3 === 0 ? Buffer.from(odd) : wire.pollOf(Buffer.from(odd))
  }),
  rapidResets: Effect.gen(function* () {
    const session = yield* wire.connection(port)
    for (const n of times(20_000)) {
      if (session.closed || session.destroyed) return { [n]: 1 }
      wire.open(session, wire.paths.create).close(constants.NGHTTP2_CANCEL)
      if (n % 100 === 0) yield* Effect.yieldNow
    }
    return {}
  }),
  ...Object.fromEntries(
    Object.entries(wire.floods).map(([kind, frame]) => [
      kind,
      Effect.map(wire.flood(port, frame), (mb) => ({ [mb]: 1 }))
    ])
  ),
  connections: Effect.gen(function* () {
    yield* Effect.forEach(times(4000), () => wire.connection(port), { concurrency: 100, discard: true })
    yield* Effect.sleep("8 seconds")
    return {}
  })
}

const attack = attacks[name] ?? Effect.die(`no attack ${name}`)
attack.pipe(
  Effect.flatMap((result) => Console.log(JSON.stringify(result))),
  Effect.scoped,
  NodeRuntime.runMain
)
