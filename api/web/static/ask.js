// SPDX-License-Identifier: Apache-2.0
// Sliders beside numbers, the form's state in the URL, and an answer that is waited for.
"use strict";
(() => {
  // A slider says nothing that its number does not: it is for the pointer alone.
  for (const input of document.querySelectorAll("[data-slider]")) {
    const [least, most] = input.dataset.slider.split(" ");
    const slider = document.createElement("input");
    Object.assign(slider, { type: "range", min: least, max: most, step: 1, tabIndex: -1, className: "slider" });
    slider.setAttribute("aria-hidden", "true");
    const take = () => { slider.value = Number.parseFloat(input.value) || 0; };
    take();
    input.addEventListener("input", take);
    slider.addEventListener("input", () => {
      const number = Number(slider.value);
      input.value = number > 0 ? `+${number}` : number < 0 ? `${number}` : "";
      input.dispatchEvent(new Event("input", { bubbles: true }));
    });
    input.closest(".line").after(slider);
  }

  // What is filled in is in the URL, so that a question can be shared before it is asked.
  for (const form of document.querySelectorAll('[data-state="url"]')) {
    form.addEventListener("input", () => {
      const url = new URL(location.href);
      for (const field of form.elements) {
        if (!field.name || field.type === "hidden" || field.tagName === "BUTTON") continue;
        if (field.value.trim()) url.searchParams.set(field.name, field.value);
        else url.searchParams.delete(field.name);
      }
      history.replaceState(null, "", url);
    });
  }

  // While an answer is made, the page looks again; the phase is told as it changes.
  const part = document.querySelector("[data-follow]");
  const look = async () => {
    let wait = 700;
    try {
      const answer = await fetch(part.dataset.follow, { headers: { Accept: "text/html" } });
      const seen = new DOMParser().parseFromString(await answer.text(), "text/html");
      const now = seen.querySelector("[data-follow]");
      if (!answer.ok || !now) return location.reload();
      if (now.textContent !== part.textContent) part.replaceChildren(...now.childNodes);
    } catch {
      wait = 3000; // the service is away; it may come back
    }
    setTimeout(look, wait);
  };
  if (part) setTimeout(look, 400);
})();
