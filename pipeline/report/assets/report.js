// What the page does when it is used: nothing is fetched, and no text of the data becomes markup.
"use strict";
(() => {
  const one = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const body = document.body;
  const number = (value) => Number(value).toLocaleString("en");

  for (const control of all("[disabled]")) control.disabled = false;

  // Boxes and masks of a class page.
  for (const box of all("[data-show]")) {
    box.addEventListener("change", () => body.classList.toggle(`no-${box.dataset.show}`, !box.checked));
  }

  // Plots: numbers of the bars below the pointer, splits in and out, logarithmic heights.
  for (const plot of all(".plot")) {
    const drawing = one("svg", plot);
    const readout = one(".readout", plot);
    const groups = all("g", drawing);
    const bars = groups.map((group) => all("rect", group));
    let lit = [];
    const clear = () => {
      for (const bar of lit) bar.classList.remove("on");
      lit = [];
    };
    const tell = (x) => {
      clear();
      const texts = [];
      groups.forEach((group, place) => {
        if (group.hasAttribute("hidden") || !bars[place].length) return;
        let near = null;
        let least = Infinity;
        for (const bar of bars[place]) {
          const left = bar.x.baseVal.value;
          const right = left + bar.width.baseVal.value;
          const off = x < left ? left - x : x > right ? x - right : 0;
          if (off < least) [near, least] = [bar, off];
        }
        if (near === null || least > 14) return;
        lit.push(near);
        near.classList.add("on");
        const share = near.dataset.s ? ` (${near.dataset.s} %)` : "";
        texts.push(`${near.dataset.l}: ${group.dataset.split} ${number(near.dataset.c)}${share}`);
      });
      readout.textContent = texts.length ? `${texts.join(" · ")} ${plot.dataset.unit}` : "\u00a0";
    };
    drawing.addEventListener("pointermove", (event) => {
      const frame = drawing.getBoundingClientRect();
      tell(((event.clientX - frame.left) / frame.width) * drawing.viewBox.baseVal.width);
    });
    drawing.addEventListener("pointerleave", () => {
      clear();
      readout.textContent = "\u00a0";
    });
    drawing.addEventListener("click", (event) => {
      const to = event.target.dataset && event.target.dataset.h;
      if (to) location.href = to;
    });
    drawing.setAttribute("tabindex", "0");
    let place = -1;
    drawing.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const places = [...new Set(bars.flat().map((bar) => bar.x.baseVal.value + bar.width.baseVal.value / 2))];
      if (!step || !places.length) return;
      event.preventDefault();
      places.sort((a, b) => a - b);
      place = Math.min(places.length - 1, Math.max(0, place + step));
      tell(places[place]);
    });
  }
  for (const toggle of all("[data-toggle]")) {
    toggle.addEventListener("click", () => {
      const shown = toggle.getAttribute("aria-pressed") !== "true";
      toggle.setAttribute("aria-pressed", String(shown));
      for (const group of all(".bars g")) {
        if (group.dataset.split === toggle.dataset.toggle) group.toggleAttribute("hidden", !shown);
      }
    });
  }
  const log = one("#log");
  if (log) {
    log.addEventListener("change", () => {
      for (const bar of all(".bars rect")) {
        for (const [name, other] of [["y", "ly"], ["height", "lh"]]) {
          const now = bar.getAttribute(name);
          bar.setAttribute(name, bar.dataset[other]);
          bar.dataset[other] = now;
        }
      }
    });
  }

  // Search and order of the classes; keys and notes come in a script of their own, when asked for.
  const query = one("#query");
  if (!query) return;
  const cards = one("#cards");
  const items = all("li", cards);
  const empties = one("#empties");
  const rows = empties ? all("tr[data-find]", empties) : [];
  const hits = one("#hits");
  const none = one("#none");
  let keys = null;
  let asked = false;
  const load = () => {
    if (asked) return;
    asked = true;
    const script = document.createElement("script");
    script.src = body.dataset.keys;
    script.onload = () => {
      keys = window.shardmillKeys;
      find();
    };
    document.head.append(script);
  };
  const MOST = 60;
  const show = (words) => {
    hits.replaceChildren();
    if (!words.length || keys === null) return;
    const found = keys.images.filter((image) => {
      const text = `${image[0]} ${image[3]}`.toLowerCase();
      return words.every((word) => text.includes(word));
    });
    if (!found.length) return;
    const title = document.createElement("p");
    title.className = "hint";
    title.textContent = `${number(found.length)} of the shown images` + (found.length > MOST ? `, the first ${MOST}:` : ":");
    const list = document.createElement("ol");
    for (const [key, page, anchor, note] of found.slice(0, MOST)) {
      const item = document.createElement("li");
      const link = document.createElement("a");
      link.className = "key";
      link.href = `${body.dataset.classes}${String(page).padStart(5, "0")}.html#${anchor}`;
      link.textContent = key;
      item.append(link);
      if (note) item.append(` ${note}`);
      list.append(item);
    }
    hits.append(title, list);
  };
  const find = () => {
    const words = query.value.toLowerCase().split(/\s+/).filter(Boolean);
    let left = 0;
    let empty = 0;
    for (const row of rows) {
      const fits = words.every((word) => row.dataset.find.includes(word));
      row.hidden = !fits;
      empty += fits;
    }
    if (empties) {
      empties.hidden = empty === 0;
      if (words.length && empty > 0 && empty < rows.length) empties.open = true;
    }
    for (const item of items) {
      const fits = words.every((word) => item.dataset.find.includes(word));
      item.hidden = !fits;
      left += fits;
    }
    none.hidden = left + empty > 0;
    show(words);
  };
  query.addEventListener("focus", load);
  query.addEventListener("input", () => {
    load();
    find();
  });
  query.form.addEventListener("submit", (event) => event.preventDefault());
  one("#order").addEventListener("change", (event) => {
    const by = {
      label: (item) => Number(item.dataset.label),
      most: (item) => -Number(item.dataset.images),
      least: (item) => Number(item.dataset.images),
    }[event.target.value];
    items.sort((a, b) => by(a) - by(b) || a.dataset.label - b.dataset.label);
    cards.append(...items);
  });
})();
