/** The middle value. */
export const median = (values: ReadonlyArray<number>): number =>
  values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? Number.NaN

/** A figure's least, middle and greatest value over rounds. */
export const spread = (values: ReadonlyArray<number>): string => {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (part: number) => (sorted[Math.floor((sorted.length - 1) * part)] ?? Number.NaN).toFixed(0)
  return `${at(0)} / ${at(0.5)} / ${at(1)}`
}

const turned = (names: ReadonlyArray<string>, round: number): ReadonlyArray<string> => [
  ...names.slice((round + 1) % names.length),
  ...names.slice(0, (round + 1) % names.length)
]

/**
 * Nanoseconds per call. Every contender runs in every round, in an order that turns, so that a machine that slows down
 * slows them all.
 */
export const nanosPerCall = (
  contenders: Readonly<Record<string, (index: number) => unknown>>,
  options: { readonly calls: number; readonly rounds: number }
): Record<string, Array<number>> => {
  const names = Object.keys(contenders)
  const results: Record<string, Array<number>> = Object.fromEntries(names.map((name) => [name, []]))
  for (let round = -1; round < options.rounds; round++) {
    for (const name of turned(names, round)) {
      const call = contenders[name]!
      let kept: unknown
      const start = process.hrtime.bigint()
      for (let index = 0; index < options.calls; index++) kept = call(index)
      const nanos = Number(process.hrtime.bigint() - start) / options.calls
      if (kept === undefined) throw new Error(`${name} gave nothing`)
      // The first round warms up.
      if (round >= 0) results[name]!.push(nanos)
    }
  }
  return results
}

/**
 * Nanoseconds per call of what gives promises, one awaited after the other; otherwise as above.
 */
export const nanosPerAwait = async (
  contenders: Readonly<Record<string, (index: number) => Promise<unknown>>>,
  options: { readonly calls: number; readonly rounds: number }
): Promise<Record<string, Array<number>>> => {
  const names = Object.keys(contenders)
  const results: Record<string, Array<number>> = Object.fromEntries(names.map((name) => [name, []]))
  for (let round = -1; round < options.rounds; round++) {
    for (const name of turned(names, round)) {
      const call = contenders[name]!
      const start = process.hrtime.bigint()
      for (let index = 0; index < options.calls; index++) await call(index)
      if (round >= 0) results[name]!.push(Number(process.hrtime.bigint() - start) / options.calls)
    }
  }
  return results
}

/** Prints rows under a heading. */
export const table = (
  heading: string,
  header: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<string>>
): void => {
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] ?? "").length)))
  const line = (row: ReadonlyArray<string>) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")
  console.log(`\n${heading}\n\n${[line(header), ...rows.map(line)].join("\n")}`)
}
