// @ts-check
/**
 * The desk by keys alone. A card reader types the number and ends with Enter: that goes on to the
 * first question. A letter answers the question that has the focus and goes on to the next; the
 * function keys are the buttons. Everything works without this, only with more keys.
 */
const BUTTONS = ["F2", "F3", "F4", "F6"];
const form = /** @type {HTMLFormElement} */ (document.getElementById("desk"));
const questions = [...form.querySelectorAll("fieldset.ask")];

/** @param {Element | undefined} question the one to answer; none: the first key that ends it */
function goTo(question) {
  const place = question
    ? question.querySelector("input:checked") ?? question.querySelector("input")
    : document.getElementById("f2");
  /** @type {HTMLElement | null} */ (place)?.focus();
}

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
  goTo(questions[questions.indexOf(question) + 1]);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
  if (BUTTONS.includes(event.key)) {
    event.preventDefault();
    document.getElementById(event.key.toLowerCase())?.click();
    return;
  }
  const target = /** @type {HTMLElement} */ (event.target);
  if (target.id === "number" && event.code.endsWith("Enter") && !event.isComposing) {
    event.preventDefault();
    goTo(questions[0]);
    return;
  }
  const question = target.closest("fieldset.ask");
  if (question) answer(event, question);
});

form.addEventListener("submit", () => {
  for (const button of form.querySelectorAll("button")) button.setAttribute("aria-disabled", "true");
});
if (document.querySelector("section.told")) goTo(questions[0]);
