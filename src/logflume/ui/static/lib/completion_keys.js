/** Keyboard navigation of completions: to the next and previous completion, group and step. */
import { useEffect } from "./dom.js";
import { currentRoute, setQuery } from "./route.js";

/** @param {{steps: number[], step: number, groups: any[], open: any}} view */
export function useKeys({ steps, step, groups, open }) {
  useEffect(() => {
    const go = (list, at, by) => list[Math.min(list.length - 1, Math.max(0, at + by))];
    const onKey = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const isTyping = event.target.matches("input, select, textarea");
      if (event.key === "Escape" && isTyping) event.target.blur();
      if (isTyping) return;
      // When keys are pressed fast, the URL is ahead of the page.
      const now = currentRoute().query;
      const current = groups.find((group) => group.key === now.group) ?? (now.group ? undefined : open);
      const ids = current?.outputs.map((one) => one.id) ?? [];
      const at = steps.includes(Number(now.step)) ? Number(now.step) : step;
      const moves = {
        ArrowDown: () => ({ step, group: go(groups, groups.indexOf(current), 1)?.key, id: "" }),
        ArrowUp: () => ({ step, group: go(groups, current ? groups.indexOf(current) : 1, -1)?.key, id: "" }),
        ArrowRight: () => current && { id: go(ids, ids.indexOf(now.id), 1) },
        ArrowLeft: () => current && { id: go(ids, Math.max(1, ids.indexOf(now.id)), -1) },
        "]": () => ({ step: go(steps, steps.indexOf(at), 1), group: "", id: "" }),
        "[": () => ({ step: go(steps, steps.indexOf(at), -1), group: "", id: "" }),
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
  }, [steps, step, groups, open]);
}
