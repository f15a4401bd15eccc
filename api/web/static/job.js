// SPDX-License-Identifier: Apache-2.0
// Follows a job by its server-sent events; when it has ended, the page is loaded again.
"use strict";
(() => {
  const part = document.querySelector("[data-job]");
  if (!part) return;
  const put = (name, text) => {
    const node = document.querySelector(`[data-job-${name}]`);
    if (node && text !== null && text !== undefined) node.textContent = text;
  };
  const money = (value) => value == null ? null
    : value.toLocaleString("en-US", { style: "currency", currency: part.dataset.currency, maximumFractionDigits: 0 });
  const bar = document.querySelector("[data-job-progress]");
  const steps = document.querySelector("[data-job-steps]");
  steps.replaceChildren(); // all of them are told again
  const tell = (name, phase, at = new Date()) => {
    const item = document.createElement("li");
    const word = document.createElement("b");
    word.textContent = name;
    item.append(`${at.toISOString().slice(11, 19)} `, word, ` ${phase ?? ""}`);
    steps.append(item);
    while (steps.children.length > 50) steps.firstChild.remove();
  };
  const source = new EventSource(`/jobs/${part.dataset.job}/events`);
  let last = "";
  source.addEventListener("running", () => { put("phase", "running"); tell("running"); });
  source.addEventListener("queued", () => tell("queued"));
  source.addEventListener("progress", (event) => {
    const data = JSON.parse(event.data);
    put("phase", data.phase);
    put("incumbent", money(data.incumbent));
    put("bound", money(data.bound));
    put("gap", data.gap == null ? null : `${(100 * data.gap).toFixed(2)}%`);
    const found = /^part (\d+) of (\d+)/.exec(data.phase ?? "");
    if (found) { bar.max = Number(found[2]); bar.value = Number(found[1]) - 0.5; }
    if (data.phase !== last) tell("progress", data.phase);
    last = data.phase;
  });
  for (const end of ["succeeded", "failed", "cancelled"]) {
    source.addEventListener(end, () => { source.close(); location.reload(); });
  }
})();
