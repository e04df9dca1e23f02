"use strict";
// Filter and sort for the tables of this page. Without it every row is there; with it nothing is added from the data
// but text.
(() => {
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
  const LEAST = 9;

  function value(row, at) {
    const cell = row.cells[at];
    if (!cell || cell.querySelector(":scope > span.none")) return null;
    const told = cell.dataset.v;
    return told === undefined ? cell.textContent.trim() : Number(told);
  }

  function compare(a, b) {
    if (typeof a === "number" && typeof b === "number") return a - b;
    return collator.compare(String(a), String(b));
  }

  function sortable(table, original) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, at) => {
      if (head.classList.contains("k-bar")) return;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const now = head.getAttribute("aria-sort");
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        let rows = original;
        if (now !== "descending") {
          const turn = now === "ascending" ? -1 : 1;
          head.setAttribute("aria-sort", turn === 1 ? "ascending" : "descending");
          rows = original
            .map((row, n) => ({ row, n, v: value(row, at) }))
            .sort((a, b) => {
              // Rows without a value stand last, whichever way the others go.
              if (a.v === null || b.v === null) return (a.v === null) - (b.v === null) || a.n - b.n;
              return turn * compare(a.v, b.v) || a.n - b.n;
            })
            .map((item) => item.row);
        }
        table.tBodies[0].append(...rows);
      });
    });
  }

  function filterable(frame, table, rows) {
    const caption = table.caption.querySelector("span").firstChild.textContent.trim();
    const tools = document.createElement("p");
    const label = document.createElement("label");
    const field = document.createElement("input");
    const told = document.createElement("span");
    tools.className = "tools";
    label.textContent = "Filter rows ";
    field.type = "search";
    field.setAttribute("aria-label", "Filter rows: " + caption);
    told.setAttribute("role", "status");
    label.append(field);
    tools.append(label, told);
    frame.before(tools);
    let texts = null;
    field.addEventListener("input", () => {
      texts = texts || rows.map((row) => row.textContent.toLowerCase());
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      rows.forEach((row, n) => {
        row.hidden = !words.every((word) => texts[n].includes(word));
        shown += row.hidden ? 0 : 1;
      });
      told.textContent = words.length ? shown + " of " + rows.length + " rows" : "";
    });
    frame.addEventListener("clear", () => {
      field.value = "";
      field.dispatchEvent(new Event("input"));
    });
  }

  for (const frame of document.querySelectorAll(".frame.data")) {
    const table = frame.querySelector("table");
    const rows = [...table.tBodies[0].rows];
    if (rows.length > 1) sortable(table, rows);
    if (rows.length >= LEAST) filterable(frame, table, rows);
  }

  // A link to a row that a filter hides shows all rows of its table again.
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    const aim = link && document.getElementById(link.getAttribute("href").slice(1));
    const frame = aim && aim.closest(".frame");
    if (frame && aim.hidden) frame.dispatchEvent(new Event("clear"));
  });
})();
