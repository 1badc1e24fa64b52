/** Thrown by the scanner; the caller turns it into a typed failure that names the file. */
export class JsonSyntaxError extends Error {
  constructor(readonly at: number, readonly reason: string) {
    super(`${reason} at byte ${at}`);
  }
}

const QUOTE = 0x22, BACKSLASH = 0x5c, MINUS = 0x2d, ZERO = 0x30, NINE = 0x39;
const U64_MAX = 2n ** 64n - 1n;
/** So many decimal digits always fit a double exactly. */
const SAFE_DIGITS = 15;

/**
 * Reads JSON bytes strictly and forward only, as serde_json does (grammar, surrogates, control characters, numbers out of range, nesting),
 * because the safetensors reference parses its header with it. Unlike JSON.parse it reports repeated keys and makes no objects.
 * The bytes must be valid UTF-8.
 */
export class JsonScanner {
  at = 0;

  /** @param maxDepth brackets that may be open at once */
  constructor(private readonly bytes: Buffer, private readonly maxDepth: number) {}

  fail(reason: string, at = this.at): never {
    throw new JsonSyntaxError(at, reason);
  }

  /** The next byte after white space, not consumed; -1 at the end. */
  peek(): number {
    const { bytes } = this;
    let at = this.at;
    while (at < bytes.length) {
      const b = bytes[at];
      if (b !== 0x20 && b !== 0x0a && b !== 0x0d && b !== 0x09) break;
      at++;
    }
    this.at = at;
    return at < bytes.length ? bytes[at] : -1;
  }

  /** Consumes one punctuation byte. */
  expect(char: string): void {
    const b = this.peek();
    if (b !== char.charCodeAt(0)) this.fail(b === -1 ? `the text ends where "${char}" was expected` : `"${char}" expected`);
    this.at++;
  }

  /** Consumes the byte if it is next. */
  accept(char: string): boolean {
    if (this.peek() !== char.charCodeAt(0)) return false;
    this.at++;
    return true;
  }

  /** Requires that only white space is left. */
  end(): void {
    if (this.peek() !== -1) this.fail('nothing more was expected');
  }

  /** Walks the members of an object; `each` must consume the member's value. `depth` counts this object; `likely` keys are met without making strings. */
  members(depth: number, each: (key: string) => void, likely: readonly string[] = []): void {
    this.enter('{', depth);
    if (this.accept('}')) return;
    do {
      const key = this.word(likely) ?? this.string();
      this.expect(':');
      each(key);
    } while (this.accept(','));
    this.expect('}');
  }

  /** Walks the elements of an array; `each` must consume the element. `depth` counts this array. */
  elements(depth: number, each: (index: number) => void): void {
    this.enter('[', depth);
    if (this.accept(']')) return;
    let index = 0;
    do each(index++);
    while (this.accept(','));
    this.expect(']');
  }

  private enter(char: string, depth: number): void {
    this.expect(char);
    if (depth > this.maxDepth) this.fail('nested too deeply');
  }

  /** Reads a string. */
  string(): string {
    if (this.peek() !== QUOTE) this.fail('a string was expected');
    const { bytes } = this;
    const start = this.at + 1;
    let at = start;
    let ascii = true;
    for (; ; at++) {
      if (at >= bytes.length) this.fail('the text ends inside a string');
      const b = bytes[at];
      if (b === QUOTE) {
        this.at = at + 1;
        return ascii ? bytes.toString('latin1', start, at) : bytes.toString('utf8', start, at);
      }
      if (b === BACKSLASH) return this.escapedString(start, at);
      if (b < 0x20) this.fail('a control character inside a string', at);
      if (b >= 0x80) ascii = false;
    }
  }

  private escapedString(start: number, firstEscape: number): string {
    const { bytes } = this;
    const parts: string[] = [];
    let from = start;
    let at = firstEscape;
    for (; ;) {
      if (at >= bytes.length) this.fail('the text ends inside a string', at);
      const b = bytes[at];
      if (b === QUOTE) {
        parts.push(bytes.toString('utf8', from, at));
        this.at = at + 1;
        return parts.join('');
      }
      if (b < 0x20) this.fail('a control character inside a string', at);
      if (b !== BACKSLASH) {
        at++;
        continue;
      }
      parts.push(bytes.toString('utf8', from, at));
      const kind = bytes[at + 1];
      const simple = SIMPLE_ESCAPES.get(kind);
      if (simple !== undefined) {
        parts.push(simple);
        at += 2;
      } else if (kind === 0x75) {
        const unit = this.hex(at + 2);
        at += 6;
        if (unit >= 0xdc00 && unit <= 0xdfff) this.fail('half a surrogate pair', at);
        if (unit >= 0xd800 && unit <= 0xdbff) {
          if (bytes[at] !== BACKSLASH || bytes[at + 1] !== 0x75) this.fail('half a surrogate pair', at);
          const low = this.hex(at + 2);
          if (low < 0xdc00 || low > 0xdfff) this.fail('half a surrogate pair', at);
          parts.push(String.fromCharCode(unit, low));
          at += 6;
        } else parts.push(String.fromCharCode(unit));
      } else this.fail('an unknown escape inside a string', at);
      from = at;
    }
  }

  private hex(at: number): number {
    let value = 0;
    for (let i = at; i < at + 4; i++) {
      const b = this.bytes[i] ?? 0;
      const digit = b >= ZERO && b <= NINE ? b - ZERO : b >= 0x41 && b <= 0x46 ? b - 0x37 : b >= 0x61 && b <= 0x66 ? b - 0x57 : -1;
      if (digit < 0) this.fail('four hexadecimal digits were expected', i);
      value = value * 16 + digit;
    }
    return value;
  }

  /** Reads an unsigned 64-bit integer, written as one (no sign, fraction or exponent). A bigint where a number would not be exact. */
  unsigned(): number | bigint {
    this.peek();
    const start = this.at;
    const short = this.shortUnsigned();
    if (short >= 0) return short;
    const integer = this.numberToken();
    if (!integer || this.bytes[start] === MINUS) this.fail('a non-negative integer was expected', start);
    if (this.at - start > 20) this.fail('a non-negative integer of 64 bits was expected', start);
    const value = BigInt(this.bytes.toString('latin1', start, this.at));
    if (value > U64_MAX) this.fail('a non-negative integer of 64 bits was expected', start);
    return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
  }

  /** The common case without a detour through text: a few digits and then neither a digit, a dot nor an exponent; -1 (nothing consumed) otherwise. */
  private shortUnsigned(): number {
    const { bytes } = this;
    let at = this.at;
    let value = 0;
    while (at < bytes.length && bytes[at] >= ZERO && bytes[at] <= NINE) value = value * 10 + bytes[at++] - ZERO;
    const digits = at - this.at;
    if (digits === 0 || digits > SAFE_DIGITS || (digits > 1 && bytes[this.at] === ZERO)) return -1;
    const after = at < bytes.length ? bytes[at] : 0;
    if (after === 0x2e || after === 0x65 || after === 0x45) return -1;
    this.at = at;
    return value;
  }

  /** One of the words if it is next, written without escapes; null (nothing consumed) otherwise. Saves making a string for each of a million keys. */
  word<T extends string>(words: readonly T[]): T | null {
    if (this.peek() !== QUOTE) return null;
    const { bytes } = this;
    const from = this.at + 1;
    for (const word of words) {
      const end = from + word.length;
      if (bytes[end] !== QUOTE) continue;
      let i = 0;
      while (i < word.length && bytes[from + i] === word.charCodeAt(i)) i++;
      if (i < word.length) continue;
      this.at = end + 1;
      return word;
    }
    return null;
  }

  /** Consumes a number; true when it is written as an integer. */
  private numberToken(): boolean {
    const { bytes } = this;
    const start = this.at;
    const digits = (): void => {
      const from = this.at;
      while (bytes[this.at] >= ZERO && bytes[this.at] <= NINE) this.at++;
      if (this.at === from) this.fail('a number was expected');
    };
    if (bytes[this.at] === MINUS) this.at++;
    if (bytes[this.at] === ZERO) {
      this.at++;
      if (bytes[this.at] >= ZERO && bytes[this.at] <= NINE) this.fail('a number with a leading zero');
    } else digits();
    let integer = true;
    if (bytes[this.at] === 0x2e) {
      integer = false;
      this.at++;
      digits();
    }
    if (bytes[this.at] === 0x65 || bytes[this.at] === 0x45) {
      integer = false;
      this.at++;
      if (bytes[this.at] === 0x2b || bytes[this.at] === MINUS) this.at++;
      digits();
    }
    if (!Number.isFinite(Number(bytes.toString('latin1', start, this.at)))) this.fail('a number out of range', start);
    return integer;
  }

  /** Consumes any value. `depth` = brackets already open. */
  skip(depth: number): void {
    const b = this.peek();
    if (b === QUOTE) this.string();
    else if (b === 0x7b) this.members(depth + 1, () => this.skip(depth + 1));
    else if (b === 0x5b) this.elements(depth + 1, () => this.skip(depth + 1));
    else if (b === MINUS || (b >= ZERO && b <= NINE)) this.numberToken();
    else if (!this.literal('true') && !this.literal('false') && !this.literal('null')) this.fail(b === -1 ? 'the text ends where a value was expected' : 'a value was expected');
  }

  /** Consumes `true`, `false` or `null` if it is next. */
  literal(word: string): boolean {
    this.peek();
    if (this.bytes.toString('latin1', this.at, this.at + word.length) !== word) return false;
    this.at += word.length;
    return true;
  }
}

const SIMPLE_ESCAPES: ReadonlyMap<number, string> = new Map([
  [0x22, '"'], [0x5c, '\\'], [0x2f, '/'], [0x62, '\b'], [0x66, '\f'], [0x6e, '\n'], [0x72, '\r'], [0x74, '\t'],
]);
