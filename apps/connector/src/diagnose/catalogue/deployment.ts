/** The deployment: the gRPC port, and the process. */
import { type Entries, error, warning } from "./entry.ts"

export const deployment = {
  FDC501: warning(
    "fdc501",
    "Whoever reaches the gRPC port may name any namespace",
    "Close it: listen on loopback beside propeller, or let only propeller through (NetworkPolicy, a mesh)."
  ),
  FDC502: warning(
    "fdc502",
    "Nothing listens on the gRPC port",
    "Start `serve`, or run the command where it runs (kubectl exec)."
  ),
  FDC503: warning(
    "fdc503",
    "The heap limit does not fit the memory limit",
    "Set NODE_OPTIONS=--max-old-space-size-percentage=50, so that Node.js leaves room for what is outside of its heap."
  ),
  FDC504: error("fdc504", "This Node.js is too old", "Use the image, or Node.js 24.")
} as const satisfies Entries
