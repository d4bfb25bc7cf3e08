// Keys for what can be clicked. Every page works without this; what a page fetches by itself is said in its markup (htmx).
"use strict";

// A key clicks what names it, unless somebody is writing.
document.addEventListener("keydown", (event) => {
  const writing = event.target.closest("input:not([type=radio]):not([type=range]), select, textarea");
  if (writing || event.ctrlKey || event.metaKey || event.altKey) return;
  const key = CSS.escape(event.key.toLowerCase());
  const best = document.querySelector(`input[data-best="${key}"]`);
  if (best) {
    // First the one that matters most, then the one that matters least.
    const chosen = document.querySelector("input[data-best]:checked");
    if (!chosen) {
      best.checked = true;
      best.focus();
    } else if (chosen !== best) {
      document.querySelector(`input[data-worst="${key}"]`).checked = true;
      document.querySelector('button[value="best_and_worst"]').click();
    } else {
      // The same once more takes it back.
      chosen.checked = false;
    }
    event.preventDefault();
    return;
  }
  const target = document.querySelector(`[data-key="${key}"]`);
  if (target) {
    event.preventDefault();
    target.click();
    // What was opened to be written in is written in.
    const opened = target.closest("details[open]");
    if (opened) opened.querySelector("input:not([type=hidden])")?.focus();
  }
});
