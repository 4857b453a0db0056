/**
 * The resource `namespaces` of the core group: those that were given, and those in which there is something.
 */
import * as Effect from "effect/Effect"
import { type Access, resourceRoute } from "./Resource.ts"

/** The routes; `inUse` gives `namespace/name` of what there is. */
export const namespaceRoutes = (
  access: Access,
  given: ReadonlyArray<string>,
  inUse: Effect.Effect<ReadonlyArray<string>>
) => [
  resourceRoute(access, {
    method: "GET",
    path: "/api/v1/namespaces",
    verb: "list",
    apiGroup: "",
    resource: "namespaces",
    handle: () =>
      Effect.map(inUse, (paths) => ({
        kind: "NamespaceList",
        apiVersion: "v1",
        metadata: { resourceVersion: "1" },
        items: [...new Set([...given, ...paths.map((path) => path.split("/")[0] ?? "")])]
          .toSorted()
          .map((name) => ({ metadata: { name }, status: { phase: "Active" } }))
      }))
  })
]
