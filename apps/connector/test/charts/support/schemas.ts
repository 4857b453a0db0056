/** The kinds of an API server as JSON schemas, made of what it says of itself (OpenAPI), for kubeconform. */
import { ControlPlane } from "@flyte-databricks/kubernetes/testing/ControlPlane"
import * as ApiClient from "@flyte-databricks/kubernetes/testing/controlPlane/ApiClient"
import { Effect, FileSystem, Schema } from "effect"

const Fields = Schema.Record(Schema.String, Schema.Unknown)
const Index = Schema.Struct({
  paths: Schema.Record(Schema.String, Schema.Struct({ serverRelativeURL: Schema.String }))
})
const Kind = Schema.Struct({ group: Schema.String, kind: Schema.String, version: Schema.String })
const OpenApi = Schema.Struct({
  components: Schema.optional(Schema.Struct({ schemas: Schema.Record(Schema.String, Fields) }))
})
const isKind = Schema.is(Schema.Struct({ "x-kubernetes-group-version-kind": Schema.Tuple([Kind]) }))

/** A field that a schema does not name is an error. */
const closed = (schema: Record<string, unknown>) =>
  "properties" in schema && !("additionalProperties" in schema) ? { ...schema, additionalProperties: false } : schema

/** Writes a file for each kind, and says where they are. */
export const write = Effect.gen(function* () {
  const controlPlane = yield* ControlPlane
  const files = yield* FileSystem.FileSystem
  const { adminToken: token, caPem, url } = controlPlane
  const api = yield* ApiClient.make({ url, caPem, token })
  const directory = yield* files.makeTempDirectoryScoped()
  const { paths } = yield* api.ask({ method: "GET", path: "/openapi/v3" }, Index)
  for (const [name, { serverRelativeURL: path }] of Object.entries(paths)) {
    if (!/^apis?\/.*v\d+$/.test(name)) continue
    const { components } = yield* api.ask({ method: "GET", path }, OpenApi)
    const schemas = Object.fromEntries(
      Object.entries(components?.schemas ?? {}).map(([name, schema]) => [name, closed(schema)])
    )
    for (const [name, schema] of Object.entries(schemas)) {
      if (!isKind(schema)) continue
      const [{ group, kind, version }] = schema["x-kubernetes-group-version-kind"]
      // As kubeconform has them: of a group's name the first word.
      const file = [kind, group.split(".")[0], version].filter((part) => part !== "").join("-")
      yield* files.writeFileString(
        `${directory}/${file.toLowerCase()}.json`,
        JSON.stringify({ $ref: `#/components/schemas/${name}`, components: { schemas } })
      )
    }
  }
  return `${directory}/{{.ResourceKind}}{{.KindSuffix}}.json`
})
