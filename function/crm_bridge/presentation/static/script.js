// Filters and sorts a journal in the page. Without it the server does the same for journals that are kept.
(() => {
  "use strict";
  const form = document.querySelector("form.filter");
  const body = document.querySelector("table.journal tbody");
  if (!form || !body) return;
  const rows = Array.from(body.rows);
  if (rows.length !== Number(form.dataset.total)) return; // the server has filtered: it goes on doing so
  form.hidden = false;
  const shown = document.querySelector(".shown");
  const kopecks = (row) => Number(row.cells[3].querySelector("b").textContent.replace(/\D/g, ""));
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
  let texts = null;
  let order = form.elements.sort.value;
  const apply = () => {
    texts = texts || rows.map((row) => `${phone(row)} ${row.cells[1].textContent} ${row.cells[5].textContent}`.toLowerCase());
    const result = form.elements.result.value;
    const wanted = form.elements.q.value.trim().toLowerCase();
    let count = 0;
    rows.forEach((row, i) => {
      const fits = (!result || row.className === result) && texts[i].includes(wanted);
      row.hidden = !fits;
      count += fits;
    });
    if (order !== form.elements.sort.value) {
      order = form.elements.sort.value;
      const by = orders[order];
      const keyed = rows.map((row, i) => [by ? by[0](row) : i, i, row]);
      keyed.sort((a, b) => (by ? by[1] : 1) * compare(a[0], b[0]) || a[1] - b[1]);
      body.append(...keyed.map((item) => item[2]));
    }
    shown.textContent = shown.dataset.words.replace("{shown}", count).replace("{total}", rows.length);
  };
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
