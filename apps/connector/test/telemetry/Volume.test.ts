/** How much the log has: of a thousand polls, of ten thousand identities in an outage. */
import { assert, describe, it } from "@effect/vitest"
import * as Log from "@flyte-databricks/emulators/testing/Log"
import { Effect, Exit, Logger, Option, References, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Call from "../../src/call/Call.ts"
import { ConnectorError, RequestIncomplete } from "../../src/call/ConnectorError.ts"
import * as Logging from "../../src/telemetry/Logging.ts"
import * as Polls from "../../src/telemetry/Polls.ts"
import * as Sparing from "../../src/telemetry/Sparing.ts"

const call = (operation: string, work: Effect.Effect<void, ConnectorError>) =>
  Effect.exit(Call.run(operation, Option.none(), work))
const failing = new ConnectorError({ reason: new RequestIncomplete({ operation: "CreateTask", missing: "a name" }) })

describe("warnings that are alike", () => {
  it.effect("are a few lines and a count a minute, which add up", () =>
    Effect.gen(function* () {
      const log = Log.make()
      yield* Effect.gen(function* () {
        const logger = yield* Sparing.make(log.logger)
        yield* Effect.gen(function* () {
          for (let index = 0; index < 10_000; index++) {
            yield* call("CreateTask", failing)
            yield* Effect.annotateLogs(Effect.logWarning(`The token of ${index} could not be renewed`), {
              reason: "TokenEndpointUnavailable"
            })
          }
          yield* Effect.logWarning("Something else")
        }).pipe(Effect.provide(Logger.layer([logger])))
        yield* TestClock.adjust("1 minute")
      }).pipe(Effect.scoped)
      const warnings = log.lines().filter(({ level }) => level === "WARN")
      assert.lengthOf(warnings, 2 * (Sparing.written + 1) + 1)
      const counted = warnings.flatMap(({ annotations }) => Number(annotations["alike"] ?? 0))
      assert.strictEqual(counted.reduce((sum, count) => sum + count, 0) + warnings.length - 2, 20_001)
      const last = warnings.find(({ message }) => String(message).startsWith("9995 more like it"))
      assert.deepInclude(last?.annotations, { operation: "CreateTask", outcome: "RequestIncomplete", code: "FDC606" })
    })
  )

  it.effect("are counted at the end, too, and kinds have a bound", () =>
    Effect.gen(function* () {
      const log = Log.make()
      const scope = yield* Scope.make()
      const logger = yield* Scope.provide(Sparing.make(log.logger), scope)
      const say = (text: string) => Effect.provide(Effect.logWarning(text), Logger.layer([logger]))
      for (let index = 0; index < 1000; index++) yield* say(`kind ${index}`)
      yield* Scope.close(scope, Exit.void)
      const lines = log.lines()
      assert.isAtMost(lines.length, 200 + Sparing.written + 1)
      assert.match(String(lines.at(-1)?.message), /^795 more like it/)
    })
  )
})

describe("polls that are fine", () => {
  it.effect("are lines at debug, and a line per workspace and minute", () =>
    Effect.gen(function* () {
      const log = Log.make()
      const written = Logger.layer([log.logger])
      yield* Effect.gen(function* () {
        const polls = yield* Polls.make
        for (let index = 0; index < 1000; index++) {
          yield* call("GetTask", Effect.void)
          polls.seen(`workspace-${index % 100}`, index % 3 === 0 ? "QUEUED" : "RUNNING")
        }
        assert.deepStrictEqual(log.lines(), [])
        yield* TestClock.adjust("1 minute")
        const lines = log.lines()
        assert.lengthOf(lines, 51)
        assert.strictEqual(
          lines.reduce((sum, { annotations }) => sum + Number(annotations["polls"]), 0),
          1000
        )
        assert.deepInclude(lines[0]?.annotations, { instance: "workspace-0", polls: 10, QUEUED: 4, RUNNING: 6 })
        assert.strictEqual(lines.at(-1)?.annotations["instance"], "others")
      }).pipe(Effect.scoped, Effect.provide(written))
      yield* call("GetTask", Effect.void).pipe(
        Effect.provide(written),
        Effect.provideService(References.MinimumLogLevel, "Debug")
      )
      assert.strictEqual(log.lines().at(-1)?.message, "GetTask")
    })
  )
})

it.effect("a line has its trace, where there is one", () =>
  Effect.gen(function* () {
    const texts: Array<string> = []
    const logger = Logger.map(Logging.line, (text) => void texts.push(text))
    const said = yield* Effect.gen(function* () {
      yield* Effect.logInfo("inside")
      return yield* Effect.currentSpan
    }).pipe(Effect.withSpan("call"), Effect.provide(Logger.layer([logger])))
    yield* Effect.provide(Effect.logInfo("outside"), Logger.layer([logger]))
    const [inside, outside] = texts.map((text) => JSON.parse(text))
    assert.deepInclude(inside, { message: "inside", traceId: said.traceId, spanId: said.spanId })
    assert.notProperty(outside, "traceId")
  })
)
