/**
 * Every fault, at every place, for every operation in every mode, through the connector and over HTTP: what Flyte is
 * told. A poll always ends in a phase; what may pass is never a verdict on the run.
 */
import { assert, describe, it } from "@effect/vitest"
import { Fault } from "@flyte-databricks/emulators"
import { Effect } from "effect"
import { cells, type Met, type Mode, type Operation, operations, type Place, places } from "./support/faultCells.ts"

const table = `
  fault              | token endpoint | Jobs API      | Kubernetes API
  400                | refused        | rejected      | unavailable
  401                | refused        | token refused | unavailable
  403 of the token   | refused        | token refused | unavailable
  403 of permissions | refused        | not permitted | forbidden
  404                | refused        | rejected      | unavailable
  408                | unavailable    | unavailable   | unavailable
  429                | unavailable    | unavailable   | unavailable
  500                | unavailable    | unavailable   | unavailable
  502                | unavailable    | unavailable   | unavailable
  503                | unavailable    | unavailable   | unavailable
  504                | unavailable    | unavailable   | unavailable
  connection reset   | unavailable    | unavailable   | unavailable
  silence            | unavailable    | unavailable   | unavailable
  HTML               | no token       | no answer     | unavailable
  truncated body     | unavailable    | unavailable   | unavailable
  slow body          | unavailable    | unavailable   | unavailable
  no such host       | unavailable    | unavailable   | unavailable
`

/** What the words of the table mean: the status of a submit or cancel, the phase that a poll is answered with, and why. */
const meanings: Record<string, (place: Place, mode: Mode) => readonly [code: string, phase: string, why: string]> = {
  refused: (_, mode) => ["UNAUTHENTICATED", "FAILED", mode === "OAuth M2M" ? "TokenRefused" : "ExchangeRefused"],
  rejected: () => ["INVALID_ARGUMENT", "FAILED", "RequestRejected"],
  "token refused": () => ["UNAUTHENTICATED", "FAILED", "TokenRefused"],
  "not permitted": () => ["PERMISSION_DENIED", "FAILED", "PermissionDenied"],
  forbidden: () => ["PERMISSION_DENIED", "FAILED", "AccessForbidden"],
  "no token": () => ["UNAVAILABLE", "RUNNING", "TokenResponseInvalid"],
  "no answer": () => ["UNAVAILABLE", "RUNNING", "ResponseInvalid"],
  unavailable: (place) => ["UNAVAILABLE", "RUNNING", unavailable[place]]
}
const unavailable: Record<Place, string> = {
  "token endpoint": "TokenEndpointUnavailable",
  "Jobs API": "JobsUnavailable",
  "Kubernetes API": "KubernetesUnavailable"
}

const forbidden = {
  kind: "Status",
  apiVersion: "v1",
  status: "Failure",
  message: 'forbidden: User "system:serviceaccount:flyte:flyteconnector" cannot do this',
  reason: "Forbidden",
  code: 403
}

/** A 404 or 403 that is not the Kubernetes API server's own word says nothing about the object. */
const faults: Record<string, (place: Place) => Met> = {
  ...Object.fromEntries(
    [400, 401, 404, 408, 429, 500, 502, 503, 504].map((status) => [`${status}`, () => Fault.status(status)])
  ),
  "403 of the token": () => Fault.status(403, { body: { error_code: "403", message: "Invalid access token." } }),
  "403 of permissions": (place) =>
    Fault.status(403, {
      body: place === "Kubernetes API" ? forbidden : { error_code: "PERMISSION_DENIED", message: "no right to do so" }
    }),
  "connection reset": () => Fault.connectionReset,
  silence: () => "hang",
  HTML: () => Fault.html(),
  "truncated body": () => Fault.truncatedBody,
  "slow body": () => Fault.slowBody("1 second"),
  "no such host": () => "no such host"
}

/** Who has nothing to ask there, and so does not notice. */
const asks = (place: Place, mode: Mode, operation: Operation): boolean => {
  switch (place) {
    case "token endpoint":
      return mode !== "PAT"
    case "Jobs API":
      return true
    case "Kubernetes API":
      // A PAT is in the run's metadata, and the connector's own JWT in its file.
      return operation === "submit" || mode === "OAuth M2M" || mode === "OIDC Model 2"
  }
}

/** A workspace has one name: one that leads nowhere is met at what is asked first. */
const metAt = (fault: string, place: Place, mode: Mode): Place =>
  fault !== "no such host" || place === "Kubernetes API" ? place : mode === "PAT" ? "Jobs API" : "token endpoint"

const expected = (word: string, fault: string, place: Place, mode: Mode, operation: Operation): string => {
  const met = metAt(fault, place, mode)
  if (!asks(met, mode, operation)) return operation === "get" ? "INITIALIZING" : "ok"
  const [code, phase, why] = meanings[word]?.(met, mode) ?? ["", "", word]
  return `${operation === "get" ? phase : code} ${why}`
}

const [header = [], ...rows] = table
  .trim()
  .split("\n")
  .map((line) => line.split("|").map((cell) => cell.trim()))

it("has a row for each fault, and a column for each place", () => {
  assert.deepStrictEqual(header.slice(1), Object.keys(places))
  assert.deepStrictEqual(rows.map(([fault]) => fault).toSorted(), Object.keys(faults).toSorted())
})

for (const [column, place] of (Object.keys(places) as Array<Place>).entries()) {
  describe(`at the ${place},`, () => {
    for (const [fault = "", ...words] of rows) {
      it.live(`${fault}: ${words[column]}`, () =>
        Effect.gen(function* () {
          const came = yield* cells(place, faults[fault]?.(place) ?? "hang")
          assert.lengthOf(came.cells, 4 * operations.length)
          const table = (cell: (mode: Mode, operation: Operation, came: string) => string) =>
            came.cells.map(({ mode, operation, came }) => `${mode}, ${operation}: ${cell(mode, operation, came)}`)
          assert.deepStrictEqual(
            table((_, __, came) => came),
            table((mode, operation) => expected(words[column] ?? "", fault, place, mode, operation))
          )
          for (const secret of came.secrets) assert.notInclude(came.shown, secret)
        }).pipe(Effect.scoped)
      )
    }
  })
}
