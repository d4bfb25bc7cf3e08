// Keys for what can be clicked, and a slider that follows the hand. Every page works without this.
"use strict";

// A key clicks what names it, unless somebody is writing.
document.addEventListener("keydown", (event) => {
  const writing = event.target.closest("input:not([type=radio]):not([type=range]), select, textarea");
  if (writing || event.ctrlKey || event.metaKey || event.altKey) return;
  const best = document.querySelector(`input[data-best="${CSS.escape(event.key)}"]`);
  if (best) {
    // First the one that matters most, then the one that matters least.
    const chosen = document.querySelector("input[data-best]:checked");
    if (!chosen) {
      best.checked = true;
      best.focus();
    } else if (chosen !== best) {
      document.querySelector(`input[data-worst="${CSS.escape(event.key)}"]`).checked = true;
      document.querySelector('button[value="best_and_worst"]').click();
    }
    event.preventDefault();
    return;
  }
  const target = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (target) {
    event.preventDefault();
    target.click();
  }
});

// Nothing is sent twice by a second click.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
});
addEventListener("pageshow", () => document.querySelectorAll("form").forEach((form) => delete form.dataset.sent));

// The slider shows the belief at the record it stands at, without a new page.
document.querySelectorAll("form[data-follow]").forEach((form) => {
  const slider = form.querySelector("input[type=range]");
  let latest = 0;
  let timer;
  const follow = async () => {
    const turn = ++latest;
    const address = `${form.action}?${new URLSearchParams(new FormData(form))}`;
    const answer = await fetch(address, { headers: { accept: "text/html" } });
    if (!answer.ok || turn !== latest) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const here = document.getElementById(form.dataset.follow);
    const there = page.getElementById(form.dataset.follow);
    if (!here || !there) return;
    // The slider itself stays, so that it can be dragged on.
    here.querySelectorAll("h2, p, figure, h3, .wide").forEach((part) => part.remove());
    there.querySelectorAll(":scope > h2").forEach((part) => here.prepend(part));
    there.querySelectorAll(":scope > p, :scope > figure, :scope > h3, :scope > .wide").forEach((part) => here.append(part));
    history.replaceState(null, "", address);
  };
  slider.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(follow, 120);
  });
});

// What is at work is shown anew every two seconds, until it is done.
const refresh = async () => {
  const part = document.querySelector("[data-refresh]");
  if (!part) return;
  const answer = await fetch(location.href, { headers: { accept: "text/html" } }).catch(() => null);
  if (answer && answer.ok) {
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const there = page.getElementById(part.dataset.refresh);
    if (there && !part.contains(document.activeElement)) part.replaceWith(there);
    // Once it is done the rest of the page changes too.
    if (there && !there.dataset.refresh) location.reload();
  }
  setTimeout(refresh, 2000);
};
setTimeout(refresh, 2000);
