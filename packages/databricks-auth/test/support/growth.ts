/**
 * Measures how the work grows with what it is done on, for tests that nothing takes more than in proportion to what
 * strangers send. Processor time of this thread is compared with itself, so that a slow machine makes no difference.
 */

// The clock of the processor is coarse: it takes this much for an error of a tenth or so.
const enough = 30_000

/** What the work takes once, in microseconds. */
const cost = (work: () => unknown, times = 1): number => {
  const { user, system } = process.threadCpuUsage()
  for (let n = 0; n < times; n++) work()
  const after = process.threadCpuUsage()
  const micros = after.user - user + (after.system - system)
  return micros < enough ? cost(work, times * 2) : micros / times
}

/**
 * How many times as much work sixteen times the input is: about 16 where it is in proportion, 256 where it grows by the
 * square. What it takes to make the input is not measured.
 */
export const growth = <Input>(make: (size: number) => Input, work: (input: Input) => unknown, size = 4000): number => {
  const [small, large] = [make(size), make(size * 16)]
  cost(() => work(small))
  return cost(() => work(large)) / cost(() => work(small))
}
