// Filters and sorts a journal in the page. Without it, and for more rows than one page has, the server does the same.
(() => {
  "use strict";
  const form = document.querySelector("form.filter");
  const body = document.querySelector("table.journal tbody");
  if (!form || !body) return;
  const rows = Array.from(body.rows);
  if (rows.length !== Number(form.dataset.total)) return; // the server has filtered: it goes on doing so
  form.hidden = false;
  const stored = "stored" in form.dataset;
  const shown = document.querySelector(".shown");
  const nothing = document.querySelector(".nothing");
  const csv = document.querySelector("a.csv");
  const sums = (row) => row.cells[3].dataset.sums.split(" ");
  const kopecks = (row) => Number(sums(row)[0].replace(".", ""));
  const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
  const phone = (row) => new URL(row.cells[0].querySelector("a").href).searchParams.get("phone");
  const date = (row) => row.cells[4].dataset.date;
  const orders = {
    "": null,
    "phone": [phone, 1],
    "amount": [kopecks, 1],
    "-amount": [kopecks, -1],
    "date": [date, 1],
    "-date": [date, -1],
    "result": [(row) => row.className, 1],
  };
  const search = (text) => {
    const wanted = text.trim().toLowerCase();
    let digits = "";
    let roubles = "";
    if (/^[\d\s()+.,₽-]*\d[\d\s()+.,₽-]*$/.test(wanted)) {
      digits = wanted.replace(/\D/g, "").replace(/^8(\d{10})$/, "7$1");
      roubles = wanted.replace(/[\s₽]/g, "").replace(/,/g, ".");
    }
    const isSum = (sum) => sum && (sum === roubles || sum.replace(/\.00$/, "") === roubles);
    return (i) => texts[i].includes(wanted) || (digits && (phones[i].includes(digits) || sums(rows[i]).some(isSum)));
  };
  let texts = null;
  let phones = null;
  let order = form.elements.sort.value;
  const remember = () => {
    const query = new URLSearchParams(Array.from(new FormData(form)).filter(([, value]) => value));
    history.replaceState(null, "", `${location.pathname}${query.size ? "?" : ""}${query}`);
    query.set("format", "csv");
    csv.href = `${csv.href.split("?")[0]}?${query}`;
  };
  const apply = () => {
    phones = phones || rows.map(phone);
    texts = texts || rows.map((row, i) =>
      `${phones[i]} ${row.cells[1].textContent} ${row.cells[5].textContent}`.toLowerCase());
    const result = form.elements.result.value;
    const fits = search(form.elements.q.value);
    let count = 0;
    rows.forEach((row, i) => {
      const isShown = Boolean((!result || row.className === result) && fits(i));
      row.hidden = !isShown;
      count += isShown;
    });
    if (order !== form.elements.sort.value) {
      order = form.elements.sort.value;
      const by = orders[order];
      const keyed = rows.map((row, i) => [by ? by[0](row) : i, i, row]);
      keyed.sort((a, b) => (by ? by[1] : 1) * compare(a[0], b[0]) || a[1] - b[1]);
      body.append(...keyed.map((item) => item[2]));
    }
    for (const button of document.querySelectorAll("button.sort")) {
      const { first, then } = button.dataset;
      button.closest("th").ariaSort = order && [first, then].includes(order)
        ? (order.startsWith("-") ? "descending" : "ascending") : null;
    }
    shown.textContent = shown.dataset.words.replace("{shown}", count).replace("{total}", rows.length);
    nothing.hidden = count > 0;
    if (stored) remember();
  };
  for (const heading of document.querySelectorAll(".sort")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.textContent = heading.textContent;
    Object.assign(button.dataset, heading.dataset);
    button.addEventListener("click", () => {
      const { first, then } = button.dataset;
      form.elements.sort.value = then && form.elements.sort.value === first ? then : first;
      apply();
    });
    heading.replaceWith(button);
  }
  let waiting = 0;
  form.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(apply, 80);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    apply();
  });
})();
