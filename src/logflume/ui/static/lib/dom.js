/** The parts of the vendored Preact and htm that the page uses. */
export { html, render, useEffect, useMemo, useRef, useState } from "../vendor/preact-htm.js";
