// Puts live charts in the place of pictures. No eval, no request, no inline style.
const night = __DARK__;
const phone = __NARROW__;
const isDark = () => {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : window.matchMedia("(prefers-color-scheme: dark)").matches;
};
const recoloured = (value) => {
  if (typeof value === "string") return night[value] ?? value;
  if (Array.isArray(value)) return value.map(recoloured);
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, recoloured(v)]));
  }
  return value;
};
const few = (value) => {
  if (Array.isArray(value)) return value.map((each) => few(each));
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [
      k, k === "columns" && typeof v === "number" ? Math.min(v, 3) : k === "datasets" ? v : few(v),
    ]));
  }
  return value;
};
const fitted = (spec, width) => {
  const slim = width < 480;
  const config = { ...spec.config };
  if (slim) {
    config.axis = { ...config.axis, labelLimit: 136, tickCount: 4 };
    config.legend = { ...config.legend, columns: 2, labelLimit: 130 };
  }
  const whole = { ...spec, config, width: Math.max(260, Math.floor(width)) };
  const made = slim ? few(whole) : whole;
  return isDark() ? recoloured(made) : made;
};
const show = async (figure) => {
  const source = figure.querySelector("script.chart-spec");
  if (!source) return;
  const spec = JSON.parse(source.textContent);
  const width = figure.clientWidth || phone;
  figure.chartWidth = width;
  let place = figure.querySelector(".chart-place");
  if (!place) {
    place = document.createElement("div");
    place.className = "chart-place";
    figure.append(place);
  }
  try {
    if (figure.chartView) figure.chartView.finalize();
    const refuse = () => Promise.reject(new Error("charts load nothing"));
    const loader = { load: refuse, sanitize: refuse, http: refuse, file: refuse };
    figure.chartView = await vegaEmbed(place, fitted(spec, width), {
      mode: "vega-lite", actions: false, ast: true, renderer: "svg", loader,
      defaultStyle: false, tooltip: { disableDefaultStyle: true, theme: "custom" },
    });
    // Vega gives the place a role of its own.
    place.setAttribute("role", "img");
    place.setAttribute("aria-label", figure.dataset.summary || "");
    place.removeAttribute("aria-roledescription");
    place.querySelector("svg")?.setAttribute("aria-hidden", "true"); // one image, one text
    figure.classList.add("chart-live");
    figure.dispatchEvent(new CustomEvent("chart-live", { bubbles: true }));
  } catch (error) {
    place.remove();
    console.error(`chart ${figure.dataset.chart}:`, error);
  }
};
const all = () => document.querySelectorAll("[data-chart]");
const again = () => all().forEach((figure) => {
  if (figure.chartView && figure.clientWidth !== figure.chartWidth) show(figure);
});
let waiting;
window.addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(again, 150); });
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => all().forEach(show));
window.gpuoptCharts = { show, all: () => Promise.all([...all()].map(show)) };
const start = () => window.gpuoptCharts.all();
if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
else start();
