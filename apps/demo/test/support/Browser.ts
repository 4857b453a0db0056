/**
 * A Chromium for the tests of the page, so that they skip aloud where there is none.
 */
import { NodeServices } from "@effect/platform-node"
import { Config, Console, Effect, FileSystem, Option, Schema } from "effect"
import { type BrowserContextOptions, chromium, type Page } from "playwright-core"
import { fileURLToPath } from "node:url"

/** There is no Chromium, and in CI that is a failure. */
class ChromiumMissing extends Schema.TaggedError<ChromiumMissing>()("ChromiumMissing", { path: Schema.String }) {
  override get message() {
    return `No Chromium at ${this.path}. Run \`npm run setup:browser\`, or set FLYTE_DATABRICKS_CHROMIUM to the path of one`
  }
}

const settings = Config.all({
  path: Config.String("FLYTE_DATABRICKS_CHROMIUM").pipe(Config.withDefault("/usr/bin/chromium")),
  ci: Config.Boolean("CI").pipe(Config.withDefault(false))
})

/** The path of a Chromium; without one it says so and gives nothing, and with `CI=true` it fails. */
export const find = Effect.gen(function* () {
  const { path, ci } = yield* settings
  const files = yield* FileSystem.FileSystem
  if (yield* files.exists(path)) return Option.some(path)
  const missing = new ChromiumMissing({ path })
  if (ci) return yield* missing
  yield* Console.warn(`SKIPPED: ${missing.message}`)
  return Option.none<string>()
}).pipe(Effect.provide(NodeServices.layer))

// It is to reach nothing but the service.
const args = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync"
]

/** A browser of its own, closed at the end. */
export const launch = (executablePath: string) =>
  Effect.acquireRelease(
    Effect.promise(() => chromium.launch({ executablePath, args })),
    (browser) => Effect.promise(() => browser.close())
  )

/** What the page complained of: errors of scripts, and what its content security policy kept it from. */
export const complaints = (page: Page): ReadonlyArray<string> => {
  const all: Array<string> = []
  page.on("pageerror", (error) => all.push(error.message))
  page.on("console", (message) => {
    // A refusal is an answer that the page shows; Chromium writes it down all the same.
    if (message.type() === "error" && !/status of (4|5)\d\d|ERR_CONNECTION_REFUSED/.test(message.text())) {
      all.push(message.text())
    }
  })
  return all
}

export const desktop: BrowserContextOptions = { viewport: { width: 1440, height: 1000 } }
export const phone: BrowserContextOptions = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 }

/** Where screenshots are left for people, and for CI to keep. */
export const screenshot = (page: Page, name: string) =>
  page.screenshot({ path: fileURLToPath(new URL(`../../screenshots/${name}.png`, import.meta.url)), fullPage: true })
