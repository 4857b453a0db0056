/** The deployment: the gRPC port, and the process. */
import { type Entries, error, warning } from "./entry.ts"

export const deployment = {
  FDC501: warning(
    "fdc501",
    "Whoever reaches the gRPC port may name any namespace",
    "Close it by one of these: a NetworkPolicy or the policy of a mesh, a socket beside propeller (FLYTE_DATABRICKS_LISTEN=unix:/PATH), client certificates (FLYTE_DATABRICKS_TLS_CLIENT_CA_FILE), its pods (FLYTE_DATABRICKS_CALLERS=flyte/flytepropeller). docs/security.md says what each is good for."
  ),
  FDC502: warning(
    "fdc502",
    "No connector answers on the gRPC port",
    "Start `serve`, run the command where it runs (kubectl exec), or name its address (--address)."
  ),
  FDC503: warning(
    "fdc503",
    "The heap limit does not fit the memory limit",
    "Set NODE_OPTIONS=--max-old-space-size-percentage=50, so that Node.js leaves room for what is outside of its heap."
  ),
  FDC504: error("fdc504", "This Node.js is too old", "Use the image, or Node.js 24."),
  FDC505: warning(
    "fdc505",
    "Nothing bounds the young generation of the heap",
    "Add --max-semi-space-size=8 to NODE_OPTIONS: where memory is plenty V8 lets it grow to 192 MB and keeps it; where memory is short it makes it so small that it is collected all the time."
  )
} as const satisfies Entries
