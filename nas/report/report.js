"use strict";
/* Which cost a front is drawn against, and which network is looked at. Without this script the page says the same. */
(() => {
  const hints = new Map([...document.querySelectorAll("[role=status]")].map((told) => [told, told.textContent]));
  let kept = false;

  function show(mark) {
    for (const other of document.querySelectorAll(".mark.picked")) other.classList.remove("picked");
    for (const [told, hint] of hints) told.textContent = hint;
    if (!mark) return;
    const told = (mark.closest(".board") || document).querySelector("[role=status]");
    if (told) told.textContent = mark.querySelector("title").textContent;
    for (const same of document.querySelectorAll(`.mark[data-network="${CSS.escape(mark.dataset.network)}"]`)) {
      same.classList.add("picked");
    }
  }

  for (const drawing of document.querySelectorAll("svg.marks")) {
    drawing.addEventListener("pointerover", (event) => {
      const mark = event.target.closest(".mark[data-network]");
      if (mark && !kept) show(mark);
    });
    drawing.addEventListener("click", (event) => {
      const mark = event.target.closest(".mark[data-network]");
      kept = Boolean(mark);
      show(mark);
    });
  }

  const x = (mark) => Number(mark.getAttribute("transform").match(/-?[\d.]+/)[0]);

  for (const chart of document.querySelectorAll("svg.marks[data-costs]")) {
    chart.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
      if (event.key === "Escape") {
        kept = false;
        show(null);
      }
      if (!step) return;
      event.preventDefault();
      const marks = [...chart.querySelectorAll(".mark")].sort((a, b) => x(a) - x(b));
      const now = marks.findIndex((mark) => mark === chart.current);
      chart.current = marks[(now + step + marks.length) % marks.length];
      kept = true;
      show(chart.current);
    });

    const control = chart.closest("section").querySelector("fieldset");
    const costs = chart.dataset.costs.split(" ");
    control.hidden = false;
    control.addEventListener("change", (event) => {
      const number = costs.indexOf(event.target.value);
      for (const mark of chart.querySelectorAll(".mark")) {
        mark.setAttribute("transform", `translate(${JSON.parse(mark.dataset.x)[number]} ${mark.dataset.y})`);
      }
      for (const layer of chart.querySelectorAll("g[data-cost]")) {
        layer.classList.toggle("other", layer.dataset.cost !== event.target.value);
      }
    });
  }

  addEventListener("beforeprint", () => {
    for (const folded of document.querySelectorAll("details")) folded.open = true;
  });
})();
