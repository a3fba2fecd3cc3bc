// @ts-check
/** Whether this device trusts the hub: it is asked over HTTPS, again each time the page is shown. */
const shown = /** @type {HTMLElement} */ (document.getElementById("trust"));

async function look() {
  const trusted = await fetch(`${shown.dataset.service}/livez`, { mode: "no-cors", cache: "no-store" })
    .then(() => true, () => false);
  shown.textContent = /** @type {string} */ (trusted ? shown.dataset.yes : shown.dataset.no);
  shown.className = trusted ? "good" : "warning";
}

document.addEventListener("visibilitychange", () => document.hidden || look());
setInterval(look, 10_000);
look();
