// SPDX-License-Identifier: Apache-2.0
// What pages can do more with JavaScript; without it, all of it works by links and forms.
"use strict";
(() => {
  const all = (what, within = document) => [...within.querySelectorAll(what)];
  const typing = (node) => node.matches?.("input, select, textarea, [contenteditable]");

  // Help, and keys.
  const help = document.getElementById("help");
  for (const button of all("[data-opens]")) {
    button.hidden = false;
    button.addEventListener("click", () => document.getElementById(button.dataset.opens).showModal());
  }
  let going = 0;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.key === "Escape" && typing(event.target)) return event.target.blur();
    if (typing(event.target)) return;
    if (event.key === "/") {
      const field = document.querySelector('.bar input[type="search"]');
      if (field) { event.preventDefault(); field.focus(); field.select(); }
    } else if (event.key === "?") {
      event.preventDefault(); help.showModal();
    } else if (event.key === "g") {
      going = event.timeStamp;
    } else if (/^[1-9]$/.test(event.key) && event.timeStamp - going < 1500) {
      all("nav a")[Number(event.key) - 1]?.click();
    }
  });

  // On a phone the navigation scrolls: the page that is open is in sight.
  document.querySelector("nav [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });

  // A filter hides rows as one types, where all rows are here; the URL follows.
  for (const part of all("[data-table]")) {
    const field = part.querySelector('input[type="search"]');
    const rows = all("tbody tr", part);
    if (!field || field.value || !rows.length || part.querySelector('.note a[href*=".all=1"]')) continue;
    const told = document.createElement("p");
    told.className = "note"; told.setAttribute("role", "status");
    part.append(told);
    field.addEventListener("input", () => {
      const words = field.value.toLocaleLowerCase().split(/\s+/).filter(Boolean);
      let left = 0;
      for (const row of rows) {
        const text = row.textContent.toLocaleLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        left += !row.hidden;
      }
      told.textContent = words.length ? `${left} of ${rows.length} rows` : "";
      const url = new URL(location.href);
      if (field.value) url.searchParams.set(field.name, field.value);
      else url.searchParams.delete(field.name);
      history.replaceState(null, "", url);
      const csv = part.querySelector(".csv");
      url.searchParams.set("csv", part.dataset.table); url.hash = "";
      csv.href = url;
    });
  }

  // A form that does something is sent once; a page that is gone back to can send it again.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) all("form[method=post] button").forEach((button) => { button.disabled = false; });
  });
  for (const form of all('form[method="post"]:not(.theme)')) {
    form.addEventListener("submit", () => {
      setTimeout(() => all("button", form).forEach((button) => { button.disabled = true; }), 0);
    });
  }
})();
