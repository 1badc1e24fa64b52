/** Splits a message after full stops that end a sentence, not inside names and numbers. */
export function sentences(message: string): readonly string[] {
  return message.split(/(?<=[.!?])\s+(?=[\p{Lu}"'])/u).filter(Boolean);
}
