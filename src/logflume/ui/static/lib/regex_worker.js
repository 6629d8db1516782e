/** Finds a regular expression in texts, in a worker: see `finder.js`. */

onmessage = ({ data: { pattern, texts, maxHits } }) => {
  const regex = compile(pattern);
  postMessage(regex && texts.map((text) => spansOf(text, regex, maxHits)));
};

/** Compile a pattern of RE2, whose flags JavaScript takes separately; null if it can't. @param {string} pattern */
function compile(pattern) {
  const [, flags = "", rest] = /^(?:\(\?([is]+)\))?(.*)$/s.exec(pattern) ?? [];
  try {
    return new RegExp(rest, `g${flags}`);
  } catch {
    return null;
  }
}

/** @param {string} text @param {RegExp} regex @param {number} maxHits */
function spansOf(text, regex, maxHits) {
  const spans = [];
  for (const { 0: hit, index } of text.matchAll(regex)) {
    if (hit && spans.push([index, index + hit.length]) === maxHits) break;
  }
  return spans;
}
