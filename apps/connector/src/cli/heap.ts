/**
 * Lets the heap grow by half before all of it is looked through. In a small container V8 lets it grow by a third, and so looks
 * through it every other second of a busy half core. What it may have at most is not touched; with twice as much, long
 * headers by the thousand came close to the container's limit.
 */
import { setFlagsFromString } from "node:v8"

setFlagsFromString("--heap-growing-percent=50")
