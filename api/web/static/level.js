// SPDX-License-Identifier: Apache-2.0
// The slider of the commitment curve: every point is in the page, nothing is asked for.
"use strict";
(() => {
  for (const part of document.querySelectorAll("[data-level]")) {
    const points = JSON.parse(part.querySelector("[data-level-points]").textContent);
    const slider = part.querySelector("input[type=range]");
    const values = [...part.querySelectorAll("[data-level-value]")];
    const name = part.querySelector("[data-level-name]");
    const marks = [...part.querySelectorAll("[data-level-at]")];
    const chart = () => document.querySelector('[data-chart="commitment"]');
    let moved = new URL(location.href).searchParams.has("level");
    const draw = () => {
      const view = chart()?.chartView?.view;
      if (view && moved) view.signal("level", points[slider.value].x).runAsync();
    };
    const show = () => {
      const point = points[slider.value];
      name.textContent = point.name;
      slider.setAttribute("aria-valuetext", point.words);
      point.values.forEach((text, at) => { values[at].textContent = text; });
      for (const mark of marks) {
        if (mark.dataset.levelAt === slider.value) mark.setAttribute("aria-current", "true");
        else mark.removeAttribute("aria-current");
      }
      draw();
    };
    const keep = () => {
      const url = new URL(location.href);
      url.searchParams.set("level", points[slider.value].key);
      history.replaceState(null, "", url);
    };
    const move = () => { moved = true; show(); keep(); };
    slider.hidden = false;
    slider.addEventListener("input", move);
    for (const mark of marks) {
      mark.addEventListener("click", (event) => {
        event.preventDefault();
        slider.value = mark.dataset.levelAt;
        move();
      });
    }
    // A live chart is made anew when the window or its colours change.
    document.addEventListener("chart-live", (event) => { if (event.target === chart()) draw(); });
    draw();
  }
})();
