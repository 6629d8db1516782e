/** What every view uses of the vendored Preact and htm. */
export {
  h,
  html,
  render,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "../vendor/preact-htm.js";
