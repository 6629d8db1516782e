/** The keys of the completions: the next and the previous completion, group and step. */
import { useEffect } from "./dom.js";
import { setQuery } from "./route.js";

/** @param {{run: string, query: Record<string, string>, steps: number[], step: number, groups: any[], open: any}} view */
export function useKeys({ run, query, steps, step, groups, open }) {
  useEffect(() => {
    const go = (list, at, by) => list[Math.min(list.length - 1, Math.max(0, at + by))];
    const onKey = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const isTyping = event.target.matches("input, select, textarea");
      if (event.key === "Escape" && isTyping) event.target.blur();
      if (isTyping) return;
      const ids = open?.outputs.map((one) => one.id) ?? [];
      const moves = {
        ArrowDown: () => ({ step, group: go(groups, groups.indexOf(open), 1)?.key, id: "" }),
        ArrowUp: () => ({ step, group: go(groups, open ? groups.indexOf(open) : 1, -1)?.key, id: "" }),
        ArrowRight: () => open && { id: go(ids, ids.indexOf(query.id), 1) },
        ArrowLeft: () => open && { id: go(ids, Math.max(1, ids.indexOf(query.id)), -1) },
        "]": () => ({ step: go(steps, steps.indexOf(step), 1), group: "", id: "" }),
        "[": () => ({ step: go(steps, steps.indexOf(step), -1), group: "", id: "" }),
        Escape: () => ({ group: "", id: "" }),
      };
      moves.j = moves.ArrowDown;
      moves.k = moves.ArrowUp;
      if (event.key === "/") document.getElementById("search")?.focus();
      else if (!moves[event.key]) return;
      else {
        const changes = moves[event.key]();
        if (changes) setQuery(changes);
      }
      event.preventDefault();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [run, query, steps, step, groups, open]);
}
