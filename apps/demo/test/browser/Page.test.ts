/**
 * The page in a real browser, on the stand-ins and their fast clock.
 */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals, assertInclude } from "@effect/vitest/utils"
import axe from "axe-core"
import { Showcase } from "@flyte-databricks/emulators"
import { ConfigProvider, Context, Effect, Exit, FileSystem, Layer, Option, Redacted, Scope } from "effect"
import { HttpServer } from "effect/http"
import type { BrowserContextOptions, Locator, Page } from "playwright-core"
import * as Access from "../../src/Access.ts"
import * as Platform from "../../src/Platform.ts"
import * as Server from "../../src/Server.ts"
import * as Browser from "../support/Browser.ts"

const chromium = await Effect.runPromise(Browser.find)

const standIns = Platform.layerStandIns(60)

/** An hour goes by in eighteen seconds. */
const hurried = Platform.layerStandIns(200)

/** A workspace that trusts no ServiceAccount. */
const withoutPolicies = Layer.unwrap(
  Effect.gen(function* () {
    const { directory, environment, kubernetes, workspace } = yield* Showcase.make()
    for (const { id } of yield* workspace.federationPolicies) yield* workspace.removeFederationPolicy(id)
    const authority = `${directory}/kubernetes-ca.pem`
    yield* FileSystem.FileSystem.use((files) => files.writeFileString(authority, kubernetes.caPem ?? ""))
    const env = { ...environment, FLYTE_DATABRICKS_CA_FILE: authority }
    return Layer.merge(Platform.layer(workspace.url, []), ConfigProvider.layer(ConfigProvider.fromEnv({ env })))
  })
)

/** A workspace that nobody is told how to log in to. */
const bare = Platform.layer("dbc-1.cloud.databricks.com", []).pipe(
  Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: {} })))
)

interface Options {
  readonly as?: BrowserContextOptions
  readonly on?: typeof standIns | typeof bare | typeof withoutPolicies
  /** What the service expects, and what the address that is opened has. */
  readonly token?: readonly [expected: string, brought: string]
}

interface Visit {
  readonly page: Page
  readonly card: (namespace: string) => Locator
  readonly choose: (authType: string) => Promise<void>
  readonly stop: () => Promise<void>
}

const make = Effect.fnUntraced(function* ({ as = Browser.desktop, on = standIns, token }: Options) {
  const browser = yield* Browser.launch(Option.getOrThrow(chromium))
  const scope = yield* Scope.make()
  yield* Effect.addFinalizer((exit) => Scope.close(scope, exit))
  const expected = token === undefined ? undefined : Redacted.make(token[0])
  const layer = Server.layer({ host: "127.0.0.1", port: 0 }).pipe(
    Layer.provide(Layer.succeed(Access.Expected, expected)),
    Layer.provide(on),
    Layer.provide(NodeServices.layer)
  )
  const context = yield* Layer.buildWithMemoMap(layer, Layer.makeMemoMapUnsafe(), scope)
  const { address } = Context.get(context, HttpServer.HttpServer)
  const port = "port" in address ? address.port : 0

  const page = yield* Effect.promise(async () => (await browser.newContext(as)).newPage())
  // For machines under load; nothing takes that long.
  page.setDefaultTimeout(60_000)
  const complaints = Browser.complaints(page)
  yield* Effect.promise(() => page.goto(`http://localhost:${port}/${token === undefined ? "" : `#token=${token[1]}`}`))
  const visit: Visit = {
    page,
    card: (namespace) => page.getByRole("article", { name: namespace, exact: true }),
    choose: (authType) => page.getByRole("radio", { name: authType, exact: true }).check(),
    stop: () => Effect.runPromise(Scope.close(scope, Exit.void))
  }
  return { visit, complaints }
})

/** A visit with a browser and a service of its own. Whatever it is about, the page has nothing to complain of. */
const visiting = (name: string, run: (visit: Visit) => Promise<void>, options: Options = {}) =>
  it.live(
    name,
    () =>
      Effect.gen(function* () {
        const { visit, complaints } = yield* make(options)
        yield* Effect.promise(() => run(visit))
        assertEquals(complaints, [])
      }),
    120_000
  )

/** What axe finds wrong, by the rules that WCAG 2.2 AA and good practice give. */
const violations = async (page: Page): Promise<ReadonlyArray<string>> => {
  await page.evaluate(axe.source)
  return page.evaluate(async () => {
    const { violations } = await (globalThis as unknown as { readonly axe: typeof axe }).axe.run()
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join("\n")}`)
  })
}

/** What a card's run was said to be doing, each thing once, as it goes on. */
const statuses = (card: Locator) =>
  card.evaluateHandle((element) => {
    const seen: Array<string> = []
    new MutationObserver(() => {
      const said = element.querySelector("[role=status] strong")?.textContent
      if (said !== undefined && said !== null && said !== seen.at(-1)) seen.push(said)
    }).observe(element, { subtree: true, childList: true, characterData: true })
    return seen
  })

describe.skipIf(Option.isNone(chromium))("the page", () => {
  visiting(
    "shows who each namespace would be in each of the four modes, and the chain that led there",
    async ({ card, choose }) => {
      const shows = async (namespace: string, ...texts: ReadonlyArray<string>) => {
        await card(namespace).locator(".who").waitFor()
        const text = await card(namespace).innerText()
        for (const expected of texts) assertInclude(text, expected)
      }
      await shows("fraud-production", "OIDC, Model 2", "20000000-", "ServiceAccount fraud-production/spark")
      await shows("pricing-production", "OIDC, Model 2", "30000000-")
      await shows("reports-development", "OIDC, Model 1", "10000000-", "shared by namespaces", "nothing there")
      await choose("OAuth M2M")
      await shows("search-production", "OAuth M2M", "40000000-", "Secret search-production/databricks-oauth")
      await shows("stock-production", "OAuth M2M", "10000000-", "nothing there", "connector, shared by namespaces")
      await choose("PAT")
      await shows("billing-production", "PAT", "Secret billing-production/databricks-token")
    }
  )

  visiting("shows a misconfigured namespace refused, never as somebody else", async ({ page, card, choose }) => {
    const refused = async (namespace: string, ...texts: ReadonlyArray<string>) => {
      await card(namespace).getByText("Refused").waitFor()
      const text = await card(namespace).innerText()
      for (const expected of texts) assertInclude(text, expected)
      assert.notMatch(text, /Runs as|0000-4000-8000/)
      assertEquals(await card(namespace).getByRole("button", { name: /^Run/ }).count(), 0)
    }
    await refused(
      "risk-staging",
      "FDC204",
      "More than one ServiceAccount has the label.",
      "batch, spark",
      "No other credential is tried",
      "To mend it: Take the label off all but one.",
      "docs/troubleshooting.md#two-service-accounts"
    )
    await choose("OAuth M2M")
    await refused("growth-staging", "FDC202", "lacks key client_secret", "To mend it: Give it the key that it lacks")
    await choose("PAT")
    await refused("fraud-production", "FDC201", "Nothing was found anywhere.", "nothing there")
    await page.getByText("1 of 8 have an identity; 7 refused, and nothing weaker tried.").waitFor()
    await card("fraud-production").getByText("What to do").click()
    await card("fraud-production").getByText("kubectl create secret generic databricks-token").waitFor()
  })

  visiting(
    "marks what a namespace brings and is not used, and puts the refused one first",
    async ({ page, card, choose }) => {
      await page.getByText("7 of 8 have an identity").waitFor()
      const marked = () =>
        page.getByRole("article").filter({ hasText: "not used" }).getByRole("heading").allInnerTexts()
      const first = () => page.getByRole("article").first().getByRole("heading").first().innerText()
      assertEquals(await marked(), ["search-production", "billing-production", "growth-staging"])
      assertEquals(await first(), "risk-staging")
      await choose("OAuth M2M")
      await card("search-production").getByText("Secret search-production/databricks-oauth").first().waitFor()
      await page.getByText("have an identity").waitFor()
      assert.notInclude(await marked(), "search-production")
      assertEquals(await first(), "growth-staging")
    }
  )

  visiting("proves an identity as connector explain does, each step with what it found", async ({ page, card }) => {
    await card("fraud-production").locator(".who").waitFor()
    await card("fraud-production").getByRole("button", { name: "Prove it that fraud-production works" }).click()
    const proof = card("fraud-production").getByRole("region", { name: "Proof of fraud-production" })
    await proof.waitFor()
    assertEquals(await proof.locator(".check").allInnerTexts(), [
      "ok identity",
      "ok jwt",
      "ok workspace",
      "ok issuer",
      "ok token",
      "ok me",
      "ok jobs"
    ])
    const text = await proof.innerText()
    assertInclude(text, "system:serviceaccount:fraud-production:spark")
    assertInclude(text, "It may use the Jobs API.")
    assertEquals(await proof.getByText("authType", { exact: true }).isVisible(), false)
    await proof.getByText("Settings, and what says so").click()
    await proof.getByText("FLYTE_DATABRICKS_INSTANCE").waitFor()
    // Its token is the one that runs take.
    await page.getByRole("region", { name: "Tokens" }).getByText("ServiceAccount fraud-production/spark").waitFor()
    assert.notMatch(await page.content(), /eyJ/)
  })

  visiting(
    "shows a finding of Databricks with its code, its repair and the command, and what waits for it",
    async ({ page, card }) => {
      await page.getByLabel("Another namespace").fill("fraud-production")
      await page.keyboard.press("Enter")
      await card("fraud-production").locator(".who").waitFor()
      await card("fraud-production")
        .getByRole("button", { name: /^Prove it/ })
        .click()
      const proof = card("fraud-production").getByRole("region", { name: "Proof of fraud-production" })
      await proof.getByText("FDC301", { exact: true }).waitFor()
      assertInclude(await proof.innerText(), "No federation policy lets the JWT in.")
      await proof.getByText("What to do").click()
      await proof.getByText("databricks account service-principal-federation-policy create").waitFor()
      assertEquals(await proof.locator(".skipped").count(), 2)
      assertEquals(await violations(page), [])
    },
    { on: withoutPolicies }
  )

  visiting("says who a run is where the card is somebody else by now", async ({ card, choose }) => {
    await choose("OAuth M2M")
    const run = card("search-production").getByRole("status")
    await card("search-production").getByRole("button", { name: "Run a job" }).click()
    await run.getByText(/run \d{16}/).waitFor()
    assert.notInclude(await run.innerText(), "40000000-")
    await choose("Auto-detect")
    await run.getByText("It was submitted as Secret search-production/databricks-oauth").waitFor()
    assertInclude(await run.innerText(), "40000000-")
  })

  visiting(
    "folds on a phone what was looked for",
    async ({ card }) => {
      await card("reports-development").locator(".who").waitFor()
      const found = card("reports-development").getByText("nothing there")
      assertEquals(await found.isVisible(), false)
      await card("reports-development").getByText("Looked for, strongest first").click()
      await found.waitFor()
    },
    { as: Browser.phone }
  )

  visiting("submits a job and follows it to its end, by keyboard alone", async ({ page, card }) => {
    await card("fraud-production").locator(".who").waitFor()
    const run = card("fraud-production").getByRole("button", { name: "Run a job as fraud-production" })
    while ((await run.and(page.locator(":focus")).count()) === 0) await page.keyboard.press("Tab")
    const seen = await statuses(card("fraud-production"))
    await page.keyboard.press("Enter")
    await card("fraud-production").getByRole("status").getByText("Succeeded").waitFor()
    const phases = await seen.jsonValue()
    // On a slow machine the shorter ones may pass unseen.
    const order = ["Submitting", "Queued", "Starting", "Running", "Succeeded"].filter((phase) => phases.includes(phase))
    assertEquals(phases, order)
    assertEquals(order.slice(-2), ["Running", "Succeeded"])
    // The card says who it is.
    assert.match(await card("fraud-production").getByRole("status").innerText(), /run \d{16}$/)
    const token = page.getByRole("region", { name: "Tokens" }).getByRole("listitem").first()
    assertInclude(await token.innerText(), "ServiceAccount fraud-production/spark")
  })

  visiting("cancels a run", async ({ card }) => {
    await card("reports-development").getByRole("button", { name: "Run a job" }).click()
    await card("reports-development").getByRole("button", { name: "Cancel the run of reports-development" }).click()
    await card("reports-development").getByRole("status").getByText("Cancelled").waitFor()
  })

  visiting(
    "follows a token from its issue through its expiry to the next one",
    async ({ page, card }) => {
      const token = page.getByRole("region", { name: "Tokens" }).locator(".token")
      await page.getByText("The cache is empty.").waitFor()
      await card("pricing-production").getByRole("button", { name: "Run a job" }).click()
      await token.getByText("fresh", { exact: true }).waitFor()
      const position = () =>
        token
          .locator(".timeline")
          .evaluate((timeline) => Number.parseFloat(getComputedStyle(timeline).getPropertyValue("--now")))
      const before = await position()
      await card("pricing-production").getByRole("status").getByText("Succeeded").waitFor()
      assert.isAbove(await position(), before)
      await token.getByText("expired", { exact: true }).waitFor()
      assert.isAbove(await position(), 98)
      await card("pricing-production").getByRole("button", { name: "Run another" }).click()
      await token.getByText("fresh", { exact: true }).waitFor()
      assert.isBelow(await position(), 98)
    },
    { on: hurried }
  )

  visiting(
    "says that it shows no namespace yet, and takes one",
    async ({ page, card }) => {
      await page.getByText("No namespace is shown yet.").waitFor()
      await page.getByLabel("Another namespace").fill("team-production")
      await page.keyboard.press("Enter")
      await card("team-production").getByText("Nothing was found anywhere.").waitFor()
      assertEquals(await violations(page), [])
    },
    { on: bare }
  )

  visiting("says when the service is gone", async ({ page, stop }) => {
    await page.getByText("have an identity").waitFor()
    await stop()
    await page.getByRole("alert").getByText("The service does not answer.").waitFor()
  })

  visiting(
    "brings the access token that its address has, and leaves it in no address",
    async ({ page, card }) => {
      await card("fraud-production").locator(".who").waitFor()
      assert.notInclude(page.url(), "the-token")
    },
    { token: ["the-token", "the-token"] }
  )

  visiting(
    "says that it lacks the access token",
    async ({ page }) => {
      await page.getByRole("heading", { name: "Unauthorized" }).waitFor()
      await page.getByText("Bring the access token").waitFor()
      assertEquals(await violations(page), [])
    },
    { token: ["the-token", "another"] }
  )

  for (const colorScheme of ["light", "dark"] as const) {
    for (const [size, context] of Object.entries({ desktop: Browser.desktop, phone: Browser.phone })) {
      visiting(
        `is accessible: ${size}, ${colorScheme}`,
        async ({ page, card, choose }) => {
          await page.getByText("7 of 8 have an identity").waitFor()
          await card("fraud-production").getByRole("button", { name: "Run a job" }).click()
          await card("reports-development").getByRole("button", { name: "Run a job" }).click()
          await page.locator(".token .timeline").nth(1).waitFor()
          await card("reports-development")
            .getByRole("status")
            .getByText(/Running|Succeeded/)
            .waitFor()
          assertEquals(await violations(page), [])
          await Browser.screenshot(page, `${size}-${colorScheme}-running`)
          await card("pricing-production")
            .getByRole("button", { name: /^Prove it/ })
            .click()
          await card("pricing-production")
            .getByRole("region", { name: /^Proof/ })
            .waitFor()
          assertEquals(await violations(page), [])
          await Browser.screenshot(page, `${size}-${colorScheme}-proved`)
          await choose("OAuth M2M")
          await card("growth-staging").getByText("Refused").waitFor()
          await card("fraud-production").getByRole("status").getByText("Succeeded").waitFor()
          assertEquals(await violations(page), [])
          await Browser.screenshot(page, `${size}-${colorScheme}-refused`)
        },
        { as: { ...context, colorScheme } }
      )
    }
  }
})
