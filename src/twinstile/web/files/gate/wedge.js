// @ts-check
/**
 * A reader that types like a keyboard, in the three forms in which browsers tell of it: keys; keys
 * an input method has taken (only `code` says which); and text in the field without any key, as
 * Android does. Whatever is typed is kept from buttons: an Enter of a card is no click.
 */

/** Characters by key of an American keyboard, without and with shift. @type {Record<string, string>} */
const KEYS = {
  Space: "  ", Minus: "-_", Equal: "=+", BracketLeft: "[{", BracketRight: "]}", Backslash: "\\|",
  Semicolon: ";:", Quote: "'\"", Comma: ",<", Period: ".>", Slash: "/?", Backquote: "`~",
  NumpadDecimal: "..", NumpadAdd: "++", NumpadSubtract: "--", NumpadMultiply: "**", NumpadDivide: "//",
};
const SHIFTED_DIGITS = ")!@#$%^&*(";
const LONGEST = 8000;
/** Milliseconds after which a line that was never ended is forgotten. */
const STALE_MS = 10_000;

/** @param {KeyboardEvent} event */
function fromCode(event) {
  const { code, shiftKey } = event;
  const [, kind, one] = /^(Digit|Numpad|Key)([0-9A-Z])$/.exec(code) ?? [];
  if (kind === "Key") return shiftKey ? one : one.toLowerCase();
  if (kind) return kind === "Digit" && shiftKey ? SHIFTED_DIGITS[Number(one)] : one;
  return Object.hasOwn(KEYS, code) ? KEYS[code][shiftKey ? 1 : 0] : "";
}

/**
 * Call `take` with each line and the moment of its Enter (performance.now).
 * @param {HTMLInputElement} field @param {(line: string, at: number) => void} take
 */
export function listen(field, take) {
  let line = "";
  let last = 0;
  /** @param {string} text @param {number} at */
  const type = (text, at) => {
    if (at - last > STALE_MS) line = "";
    last = at;
    line = (line + text).slice(0, LONGEST);
    field.value = line;
  };
  /** @param {number} at */
  const end = (at) => {
    const whole = line;
    line = "";
    field.value = "";
    if (whole.trim()) take(whole, at);
  };
  document.addEventListener("keydown", (event) => {
    if (elsewhere(event.target, field) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter" || event.code === "Enter" || event.code === "NumpadEnter") {
      if (!line) return;
      event.preventDefault();
      end(event.timeStamp);
      return;
    }
    if (event.key === "Backspace") line = line.slice(0, -1);
    const taken = event.key === "Process" || event.keyCode === 229 || event.isComposing;
    const text = taken ? fromCode(event) : event.key.length === 1 ? event.key : "";
    if (!text || (text === " " && !line)) return;
    event.preventDefault();
    type(text, event.timeStamp);
  });
  field.addEventListener("beforeinput", (event) => {
    if (event.inputType === "insertLineBreak") {
      event.preventDefault();
      end(event.timeStamp);
    } else if (event.data) {
      event.preventDefault();
      const [first, ...more] = event.data.split(/\r?\n/);
      type(first, event.timeStamp);
      for (const next of more) {
        end(event.timeStamp);
        type(next, event.timeStamp);
      }
    }
  });
}

/** Whether somebody types into another field, which is theirs. @param {EventTarget | null} target @param {HTMLInputElement} field */
function elsewhere(target, field) {
  if (!(target instanceof HTMLElement) || target === field) return false;
  return target.matches("input, select, textarea") || Boolean(target.closest("dialog[open]"));
}
