/** Word diffs, and the common beginning of texts. */

const MAX_CELLS = 4e6; // of the table: two texts of 2,000 words

/** @typedef {{kind: "same" | "removed" | "added", text: string}} Piece */

/** Split a text into words, tags such as `</answer>`, spaces and signs. @param {string} text */
function words(text) {
  return text.match(/<\/?[a-zA-Z_][\w-]{0,30}>|[\p{L}\p{N}_]+|\s+|[^\p{L}\p{N}_\s]/gu) ?? [];
}

/**
 * Return the word diff of two texts, by their longest common subsequence.
 * @param {string} before
 * @param {string} after
 * @returns {Piece[]}
 */
export function diffWords(before, after) {
  const a = words(before);
  const b = words(after);
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let end = 0;
  while (
    end < a.length - start &&
    end < b.length - start &&
    a[a.length - 1 - end] === b[b.length - 1 - end]
  ) {
    end++;
  }
  const middle = diffMiddle(a.slice(start, a.length - end), b.slice(start, b.length - end));
  /** @type {Piece[]} */
  const pieces = [
    { kind: "same", text: a.slice(0, start).join("") },
    ...middle,
    { kind: "same", text: a.slice(a.length - end).join("") },
  ];
  return merge(pieces.filter((piece) => piece.text));
}

/** @param {string[]} a @param {string[]} b @returns {Piece[]} */
function diffMiddle(a, b) {
  if (a.length * b.length > MAX_CELLS || !a.length || !b.length) {
    return [
      { kind: "removed", text: a.join("") },
      { kind: "added", text: b.join("") },
    ];
  }
  const width = b.length + 1;
  const lengths = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      lengths[i * width + j] =
        a[i] === b[j]
          ? lengths[(i + 1) * width + j + 1] + 1
          : Math.max(lengths[(i + 1) * width + j], lengths[i * width + j + 1]);
    }
  }
  /** @type {Piece[]} */
  const pieces = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      pieces.push({ kind: "same", text: a[i++] });
      j++;
    } else if (
      j >= b.length ||
      (i < a.length && lengths[(i + 1) * width + j] >= lengths[i * width + j + 1])
    ) {
      pieces.push({ kind: "removed", text: a[i++] });
    } else {
      pieces.push({ kind: "added", text: b[j++] });
    }
  }
  return pieces;
}

/** Join neighbours of one kind. @param {Piece[]} pieces @returns {Piece[]} */
function merge(pieces) {
  /** @type {Piece[]} */
  const merged = [];
  for (const piece of pieces) {
    const last = merged[merged.length - 1];
    if (last && last.kind === piece.kind) last.text += piece.text;
    else merged.push({ ...piece });
  }
  return merged;
}

/**
 * Return the number of characters at the beginning that all texts share, in whole words.
 * @param {string[]} texts
 */
export function sharedPrefix(texts) {
  if (texts.length < 2) return 0;
  const [first, ...others] = texts;
  let length = Math.min(...texts.map((text) => text.length));
  for (const other of others) {
    let same = 0;
    while (same < length && other[same] === first[same]) same++;
    length = same;
  }
  if (texts.every((text) => text.length === length)) return length;
  while (length > 0 && /[\p{L}\p{N}_]/u.test(first[length - 1])) length--;
  return length;
}
