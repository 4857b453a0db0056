/** What README.md and docs/ say is what the code does: order, figures, words of errors, commands, configuration, links. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { ServiceAccountTokens, TokenPolicy } from "@flyte-databricks/databricks-auth"
import { Duration, Effect } from "effect"
import { Command } from "effect/cli"
import { TestConsole } from "effect/testing"
import { existsSync, readdirSync } from "node:fs"
import { dirname, join } from "node:path"
import { parse } from "yaml"
import * as Serve from "../src/cli/Serve.ts"
import * as Docs from "./support/docs.ts"

const everyPage = Docs.pages.map(Docs.read).join("\n")
const troubleshooting = Docs.read("docs/troubleshooting.md")

describe("README.md", () => {
  it("is short, and leads to every page of docs/", () => {
    const readme = Docs.read("README.md")
    assert.isAtMost(readme.split("\n").length, 250)
    const linked = Docs.matches(readme, /\]\((docs\/[\w-]+\.md)(?:#[^)]*)?\)/g)
    assert.deepStrictEqual(linked, Docs.files("docs/*.md"))
  })

  it.effect("has the places for an identity in the order in which they are looked at", () =>
    Effect.gen(function* () {
      const { reason } = (yield* Docs.everything).value
      if (reason._tag !== "CredentialsMissing") return assert.fail(reason.message)
      const places = [
        /ServiceAccount/,
        /client id and projected/,
        /databricks-oauth/,
        /client.id and .*secret/i,
        /databricks-token/,
        /access.token/i
      ]
      const looked = reason.looked.map(({ source }) => source)
      const said = Docs.rows(Docs.section("README.md", "How an identity is chosen")).slice(0, looked.length)
      assert.lengthOf(looked, places.length)
      for (const [index, place] of places.entries()) {
        assert.match(looked[index] ?? "", place)
        assert.match(said[index]?.[1] ?? "", place)
      }
    })
  )

  it("says which Effect it is built on", () => {
    const { devDependencies } = JSON.parse(Docs.read("package.json"))
    const [, version = ""] = /built on Effect ([\d.]+), where/.exec(Docs.prose("README.md")) ?? []
    assert.isTrue(devDependencies.effect.startsWith(`${version}.`), `${version}, ${devDependencies.effect}`)
  })
})

describe("docs/", () => {
  it("say of tokens what the policy says", () => {
    const text = Docs.prose("docs/operations.md", "How tokens are kept fresh")
    const { expiryBuffer, refreshLead, idleTimeToLive, capacity } = TokenPolicy.defaults
    assert.include(text, `in its last ${Docs.spoken(expiryBuffer)}`)
    assert.deepStrictEqual(refreshLead, Duration.minutes(20))
    assert.include(text, "20 to 28 minutes before it stops being usable")
    assert.deepStrictEqual(idleTimeToLive, Duration.hours(1))
    assert.include(text, "forgotten after an hour")
    assert.include(text, `At most ${capacity.toLocaleString("en")} are kept`)
  })

  it("quote errors in the words that the code has for them", () => {
    const [ours = ""] = troubleshooting.split("\n## ")
    const quoted = Docs.rows(ours).flatMap(([message]) => Docs.spans(message))
    assert.isNotEmpty(quoted)
    assert.deepStrictEqual(
      quoted.filter((words) => !words.split("…").every((part) => Docs.sources.includes(part.trim()))),
      []
    )
  })

  it("keep the anchors of their errors: people and alerts link to them", () => {
    assert.deepStrictEqual(Docs.namedAnchors(troubleshooting), [
      "no-credentials",
      "kubernetes-forbids",
      "kubernetes-unavailable",
      "jwt-refused",
      "client-secret-refused",
      "secret-not-whole",
      "service-account-without-client-id",
      "two-service-accounts",
      "half-a-pair",
      "jwt-file",
      "jwt-expired",
      "another-client-id",
      "credential-gone",
      "task-token-file",
      "task-override",
      "instance-refused",
      "not-in-workspace",
      "token-endpoint-unavailable",
      "certificate-not-trusted",
      "no-news-of-run",
      "not-cancelled",
      "run-not-followed",
      "token-endpoint-down",
      "pod-template",
      "rate-limited",
      "overloaded",
      "deadline",
      "metadata-refused",
      "run-of-another",
      "audit-unavailable",
      "task-runs-as-a-pod",
      "sensor-or-webhook-fails",
      "cancelled-in-databricks",
      "no-op-secret-manager",
      "connector-down",
      "calls-fail",
      "identity-refused",
      "no-news",
      "slow",
      "run-not-cancelled",
      "token-endpoint-fails",
      "circuit-open",
      "tokens-not-renewed",
      "projected-token-stale",
      "right-taken-away",
      "audit-fails"
    ])
    assert.lengthOf(Docs.namedAnchors(troubleshooting), Docs.rows(troubleshooting).length)
  })

  it.effect("configure both versions of Flyte for what the connector offers, where it listens", () =>
    Effect.gen(function* () {
      const { flags, taskTypes } = (yield* Docs.everything).value
      const [alone, beside, ...more] = Docs.fences(Docs.read("docs/flyte1.md"), "yaml").map((text) => parse(text))
      const [flyte2, ...further] = Docs.fences(Docs.read("docs/flyte2.md"), "yaml").map((text) => parse(text))
      assert.deepStrictEqual([more, further], [[], []])
      const service = (config: typeof alone) => config.plugins["connector-service"]
      for (const { endpoint } of [
        service(alone).defaultConnector,
        service(beside).defaultConnector,
        service(beside).connectors.databricks,
        service(flyte2).defaultConnector
      ]) {
        assert.match(endpoint, new RegExp(`^dns:///[a-z.-]+:${flags.port}$`))
      }
      assert.sameMembers(service(alone).supportedTaskTypes, [...taskTypes])
      assert.deepStrictEqual(
        service(beside).connectorForTaskTypes,
        Object.fromEntries(taskTypes.map((type) => [type, "databricks"]))
      )
      const { "enabled-plugins": enabled, "default-for-task-types": byType } = alone.tasks["task-plugins"]
      assert.includeMembers(enabled, Object.values(byType))
      assert.include(byType, Object.fromEntries(taskTypes.map((type) => [type, "connector-service"])))
      assert.deepStrictEqual(flyte2.tasks["task-plugins"]["default-for-task-types"], {
        databricks: "connector-service"
      })
    })
  )

  it("show the Python of examples/, as it is there", () => {
    for (const code of Docs.pages.flatMap((page) => Docs.fences(Docs.read(page), "python"))) {
      assert.isTrue(
        Docs.files("examples/**/*.py").some((file) => Docs.read(file).includes(code)),
        code
      )
    }
    assert.isNotEmpty(Docs.fences(Docs.read("docs/flyte2.md"), "python"))
  })

  it("name every room of the core and of the connector", () => {
    const architecture = Docs.read("docs/architecture.md")
    for (const folder of ["packages/databricks-auth/src", "apps/connector/src"]) {
      const [, text = ""] = architecture.split(`\n\`${folder}\``)
      const named = Docs.rows(text.split("\n## ")[0] ?? "").flatMap(([room]) => Docs.spans(room))
      const rooms = readdirSync(join(Docs.root, folder), { withFileTypes: true }).filter((entry) => entry.isDirectory())
      assert.sameMembers(
        named,
        rooms.map(({ name }) => `${name}/`)
      )
    }
  })
})

describe("README.md and docs/", () => {
  it("have only npm scripts that exist", () => {
    const { scripts } = JSON.parse(Docs.read("package.json"))
    const named = [
      ...Docs.matches(everyPage, /npm run (?:-s )?([\w:-]+)/g),
      ...Docs.matches(everyPage, /npm (start|test)\b/g)
    ]
    assert.includeMembers(named, ["connector", "start"])
    assert.containsAllKeys(scripts, named)
  })

  it.effect("have only flags that `serve --help` lists", () =>
    Effect.gen(function* () {
      yield* Command.runWith(Serve.command, { version: "0" })(["--help"]).pipe(Effect.provide(NodeServices.layer))
      const help = Docs.matches((yield* TestConsole.logLines).join("\n"), /--[a-z-]+/g)
      const calls = Docs.matches(everyPage.replaceAll(/\s+/g, " "), /connector -- serve((?: --[\w-]+(?: \d+)?)+)/g)
      const named = Docs.matches(calls.join(" "), /--[a-z-]+/g)
      assert.includeMembers(named, ["--port", "--help"])
      assert.includeMembers(help, named)
    })
  )

  it("mark ServiceAccounts as the code looks for them, and so do the manifests", () => {
    const { audienceAnnotation, clientIdAnnotation, enabledLabel } = ServiceAccountTokens
    const marks = [audienceAnnotation, clientIdAnnotation, enabledLabel]
    const mark = /flyte\.org\/[a-z-]*[a-z]/g
    const documents = [everyPage, ...Docs.others.map(Docs.read)].join("\n")
    assert.deepStrictEqual(Docs.matches(Docs.read("docs/modes.md"), mark), marks)
    assert.deepStrictEqual(Docs.matches(documents, mark), marks)
  })

  it("say nothing twice", () => {
    const seen = new Map<string, string>()
    const twice: Array<string> = []
    for (const page of Docs.pages) {
      for (const sentence of sentencesOf(Docs.read(page))) {
        const before = seen.get(sentence)
        if (before !== undefined) twice.push(`${before}, ${page}: ${sentence}`)
        seen.set(sentence, page)
      }
    }
    assert.isAbove(seen.size, 200)
    assert.deepStrictEqual(twice, [])
  })

  const linking = [
    ...Docs.pages,
    ...Docs.others.filter((file) => file.endsWith(".md")),
    ...Docs.files("{packages,apps}/*/README.md"),
    "CONTRIBUTING.md"
  ]
  for (const file of linking) {
    it(`${file}: every link and every path leads somewhere`, () => {
      const text = Docs.read(file)
      const links = Docs.matches(text, /\]\(([^)\s]+)\)/g).filter((link) => !/^\w+:/.test(link))
      const broken = links.filter((link) => {
        const [path = "", anchor] = link.split("#")
        const target = path === "" ? file : join(dirname(file), path)
        if (!existsSync(join(Docs.root, target))) return true
        return anchor !== undefined && !Docs.anchorsOf(Docs.read(target)).has(anchor)
      })
      const missing = Docs.matches(text, /(?<=[\s@`])((?:deploy|examples)\/[\w/.-]*\w)/g).filter(
        (path) => !existsSync(join(Docs.root, path))
      )
      assert.deepStrictEqual([...broken, ...missing], [])
      if (Docs.pages.includes(file)) assert.isNotEmpty(links)
    })
  }
})

/** The sentences of a page that are long enough to be somebody's own, without markup. */
const sentencesOf = (text: string) =>
  text
    .replaceAll(/^ *```.*?^ *```$/gms, "\n\n")
    .replaceAll(/^\|/gm, "\n\n")
    .replaceAll(/\]\([^)]*\)|<[^>]*>|[*[\]]/g, "")
    .split(/\n\s*\n|\|| [-*] |\n- |(?<=[.:?]\)?) /)
    .map((sentence) => sentence.replaceAll(/\s+/g, " ").trim())
    .filter((sentence) => sentence.length > 40)
