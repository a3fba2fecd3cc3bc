// @ts-check
/**
 * The desk by keys alone, one stop after the other: fields and questions in their order. Enter leaves a field (a
 * card reader ends with it), a letter answers a question; both go on to the next stop. The function keys are
 * the buttons. Everything works without this, only with more keys.
 */
const STOPS = "[data-keys] fieldset.ask, [data-keys] [data-stop]";
const stops = [...document.querySelectorAll(STOPS)];

/** @param {Element | undefined} stop where to go on; none: the first key that ends it */
function goTo(stop) {
  if (stop instanceof HTMLInputElement) return stop.select();
  const place = stop instanceof HTMLFieldSetElement
    ? stop.querySelector("input:checked") ?? stop.querySelector("input")
    : stop ?? document.getElementById("f2");
  /** @type {HTMLElement | null} */ (place)?.focus();
}

/** @param {Element} stop */
const goOn = (stop) => goTo(stops[stops.indexOf(stop) + 1]);

/** @param {KeyboardEvent} event @param {Element} question */
function answer(event, question) {
  // the place of the key where an input method holds back its letter
  const letter = event.code.startsWith("Key") ? event.code.slice(3) : event.key.toUpperCase();
  const tick = /** @type {HTMLInputElement | null} */ (
    question.querySelector(`input[data-key="${CSS.escape(letter)}"]`)
  );
  if (!tick) return;
  event.preventDefault();
  tick.checked = true;
  goOn(question);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
  const button = /^F[0-9]$/.test(event.key) && document.getElementById(event.key.toLowerCase());
  if (button) {
    event.preventDefault();
    button.click();
    return;
  }
  const target = /** @type {HTMLElement} */ (event.target);
  const stop = target.closest(STOPS);
  if (stop && event.code.endsWith("Enter") && !event.isComposing) {
    event.preventDefault();
    goOn(stop);
  } else if (stop instanceof HTMLFieldSetElement) answer(event, stop);
});

for (const sent of document.querySelectorAll("form")) {
  sent.addEventListener("submit", () => {
    for (const button of sent.querySelectorAll("button")) button.setAttribute("aria-disabled", "true");
  });
}
if (document.querySelector("section.told")) goTo(stops.find((stop) => stop.matches("fieldset")));
