/**
 * Lets the heap double before all of it is looked through. In a small container V8 lets it grow by a third, and then looks
 * through it every other second of a busy half core: a sixth of the processor went there. What the heap may have at most is
 * not touched.
 */
import { setFlagsFromString } from "node:v8"

setFlagsFromString("--heap-growing-percent=100")
