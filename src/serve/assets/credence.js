// Keys for what can be clicked, and a slider that follows the hand. Every page works without this.
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

// What this page shows, fetched again, takes the place of its main part; unless somebody is writing there.
const showAnew = async () => {
  const main = document.querySelector("main");
  const writing = () => main.contains(document.activeElement) && document.activeElement.matches("input:not([type=radio]), textarea");
  if (writing()) return;
  const answer = await fetch(location.href, { headers: { accept: "text/html" } }).catch(() => null);
  if (!answer || !answer.ok) return;
  if (answer.redirected && new URL(answer.url).pathname !== location.pathname) {
    location.assign(answer.url);
    return;
  }
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (!writing()) main.replaceChildren(...page.querySelector("main").childNodes);
};

// A session that goes on elsewhere, on another device or in another window, goes on here too.
const session = document.querySelector("[data-follows]");
if (session) {
  const follow = new EventSource(session.dataset.follows);
  follow.addEventListener("turn", (event) => {
    const turn = JSON.parse(event.data);
    const reading = turn.confirm ? turn.confirm.text : "";
    const stands = `${turn.answers} ${turn.question ? turn.question.number : 0} ${turn.moved ? turn.moved.seq : 0} ${reading}`;
    const here = document.querySelector("[data-stands]");
    // What this page itself has just sent comes with the page that answers it.
    const sending = document.querySelector("form[data-sent]");
    if (turn.ended) over();
    else if (here && !sending && here.dataset.stands !== stands) showAnew();
  });
  const over = () => {
    follow.close();
    if (!document.querySelector("form[data-sent]")) location.assign(session.dataset.over);
  };
  follow.addEventListener("over", over);
}

// A run that is at work is followed until it is done; then the whole page has changed.
document.querySelectorAll("[data-progress]").forEach((run) => {
  const follow = new EventSource(run.dataset.progress);
  let isOver = false;
  follow.addEventListener("run", (event) => {
    const { done, standing } = JSON.parse(event.data);
    run.querySelector("progress").value = done;
    run.querySelector(".done").textContent = done;
    isOver = standing !== "running";
    if (isOver) {
      follow.close();
      location.reload();
    }
  });
});
