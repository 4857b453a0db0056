/**
 * A request that has arrived and was looked through. Whoever waits may let go of its message, which has a few times the bytes
 * that it came as: it is made anew when it is wanted.
 */
export class Received<M> {
  /**
   * How many bytes the inputs of a task have. Nobody here reads them, and they may be most of a request, so that they are
   * not part of the message.
   */
  readonly inputBytes: number
  readonly #make: () => M
  #message: M | undefined

  constructor(message: M, make: () => M, inputBytes: number) {
    this.#message = message
    this.#make = make
    this.inputBytes = inputBytes
  }

  get message(): M {
    return (this.#message ??= this.#make())
  }

  letGo(): void {
    this.#message = undefined
  }
}
