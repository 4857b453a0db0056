/**
 * Measures how the work grows with what it is done on, for tests that nothing takes more than in proportion to what
 * strangers send. Processor time of this thread is compared with itself, so that a slow machine makes no difference.
 */

const micros = (work: () => unknown): number => {
  const { user, system } = process.threadCpuUsage()
  work()
  const after = process.threadCpuUsage()
  return after.user - user + (after.system - system)
}

/**
 * How many times as much work sixteen times the input is: about 16 where it is in proportion, 256 where it grows by the
 * square. What the input is made of is not measured. The size is doubled until there is something to measure.
 */
export const growth = <Input>(make: (size: number) => Input, work: (input: Input) => unknown, size = 1000): number => {
  const least = (input: Input): number => Math.min(...Array.from({ length: 5 }, () => micros(() => work(input))))
  const input = make(size)
  const once = least(input)
  return once < 500 ? growth(make, work, size * 2) : least(make(size * 16)) / once
}
