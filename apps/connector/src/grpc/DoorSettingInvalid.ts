import * as Schema from "effect/Schema"

/**
 * A setting of who may come in cannot be used: found when the server starts.
 */
export class DoorSettingInvalid extends Schema.TaggedError<DoorSettingInvalid>()("DoorSettingInvalid", {
  setting: Schema.String,
  problem: Schema.String,
  expected: Schema.String
}) {
  override get message() {
    return `${this.setting} ${this.problem}. Expected ${this.expected}.`
  }
}
