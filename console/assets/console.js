"use strict";

// The theme: as the system has it, or as the button says.
const theme = document.getElementById("theme");
const themes = ["auto", "light", "dark"];

function setTheme(name) {
  if (name === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  theme.textContent = "theme: " + name;
}

function storedTheme() {
  try {
    const name = localStorage.getItem("mesh-theme");
    return themes.includes(name) ? name : "auto";
  } catch {
    return "auto"; // there is no storage for this page
  }
}

let chosen = storedTheme();
setTheme(chosen);
theme.hidden = false;
theme.addEventListener("click", () => {
  chosen = themes[(themes.indexOf(chosen) + 1) % themes.length];
  setTheme(chosen);
  try {
    localStorage.setItem("mesh-theme", chosen);
  } catch { /* it lasts as long as the page */ }
});

// morph makes the children of one element those of another and keeps the elements
// that stay: their focus, their scroll position, what a reader has just read.
// Elements with an id are the same wherever they are; others go by their place.
function morph(old, fresh) {
  const known = new Map();
  for (const child of old.children) if (child.id) known.set(child.id, child);
  let at = old.firstChild;
  for (const want of [...fresh.childNodes]) {
    let have = want.id ? known.get(want.id) : at;
    if (have && (have.nodeName !== want.nodeName || !want.id && have.id)) have = null;
    if (!have) {
      old.insertBefore(want, at);
      continue;
    }
    if (have === at) at = at.nextSibling;
    else old.insertBefore(have, at);
    known.delete(want.id);
    if (have.nodeType !== Node.ELEMENT_NODE) {
      if (have.data !== want.data) have.data = want.data;
      continue;
    }
    for (const { name } of [...have.attributes]) if (!want.hasAttribute(name)) have.removeAttribute(name);
    for (const { name, value } of want.attributes) if (have.getAttribute(name) !== value) have.setAttribute(name, value);
    morph(have, want);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

// The page stays current as long as somebody sees it and has not paused it.
const live = document.querySelector("#live[data-live]");
const pause = document.getElementById("pause");

if (live && pause) {
  const text = document.getElementById("pause-text");
  let source = null;
  let paused = false;

  const show = (word, lost) => {
    text.textContent = word;
    pause.classList.toggle("lost", lost);
  };
  const close = () => {
    if (source) source.close();
    source = null;
  };
  const open = () => {
    close();
    if (paused || document.hidden) return;
    source = new EventSource(location.href);
    source.addEventListener("open", () => show("live", false));
    source.addEventListener("error", () => show("connecting", true));
    source.addEventListener("page", (event) => {
      const fresh = new DOMParser().parseFromString(event.data, "text/html").body;
      morph(live, fresh);
      live.dataset.version = event.lastEventId;
    });
  };
  pause.hidden = false;
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    if (paused) {
      close();
      show("paused", false);
    } else {
      show("connecting", true);
      open();
    }
  });
  document.addEventListener("visibilitychange", open);
  open();
}
