/** Tokens as text: a vocabulary writes spaces, line breaks and bytes with other characters. */

/** The bytes behind the characters of byte-level vocabularies (GPT-2, Llama 3, Qwen). */
const BYTES = byteTable();

function byteTable() {
  /** @type {Map<string, number>} */
  const table = new Map();
  let next = 256;
  for (let byte = 0; byte < 256; byte++) {
    const isShown = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    table.set(String.fromCharCode(isShown ? byte : next++), byte);
  }
  return table;
}

/**
 * Return the texts of the tokens of a completion. A token that is a part of a character stays as the
 * vocabulary writes it.
 * @param {(string | null)[]} pieces
 */
export function pieceTexts(pieces) {
  const isByteLevel = pieces.some((piece) => piece && /[ĠĊ]/.test(piece));
  return pieces.map((piece) => {
    if (piece === null) return "�";
    return isByteLevel ? fromBytes(piece) : piece.replaceAll("▁", " ").replace(/^<0x0A>$/, "\n");
  });
}

/** @param {string} piece */
function fromBytes(piece) {
  const bytes = [...piece].map((c) => BYTES.get(c));
  if (bytes.includes(undefined)) return piece; // a special token
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array(/** @type {number[]} */ (bytes)));
  } catch {
    return piece;
  }
}
