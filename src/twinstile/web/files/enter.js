// @ts-check
/**
 * The code that came with the address, as from a QR code, is put where it would be typed. It stands
 * behind the #, so it was sent to nobody, and is taken out of the address and its history.
 */
const code = decodeURIComponent(location.hash.slice(1));
const field = /** @type {HTMLInputElement | null} */ (document.getElementById("code"));
if (code && field) {
  field.value = code.slice(0, field.maxLength);
  document.getElementById("name")?.focus();
  history.replaceState(null, "", location.pathname);
}
