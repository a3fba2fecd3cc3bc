// @ts-check
/**
 * The words of the pages, said by the same rules as on the server (catalogue.py).
 *
 * A page of the service names its catalogue: <html lang="..." dir="..." data-words="/words/...">.
 */

const PLACE = /\{([a-z_]+)\}/g;

/** @typedef {string | Record<string, string>} Text */

export class Words {
  /** @param {{ locale: string, texts: Record<string, Text> }} held */
  constructor({ locale, texts }) {
    this.locale = locale;
    this.texts = texts;
    this.plural = new Intl.PluralRules(locale);
    this.number = new Intl.NumberFormat(locale, { numberingSystem: "latn" });
    this.isolate = locale.startsWith("ar");
  }

  /**
   * The text of the key with the values in it; `n` chooses the plural form. Plain text.
   * @param {string} key
   * @param {Record<string, string | number>} [values]
   */
  say(key, values = {}) {
    let text = this.texts[key];
    if (text === undefined) throw new RangeError(`no words for ${key}`);
    if (typeof text !== "string") text = text[this.plural.select(Number(values.n))];
    return text.replace(PLACE, (_, name) => this.#put(values[name]));
  }

  /** @param {string | number} value */
  #put(value) {
    if (value === undefined) throw new RangeError("a value is missing");
    const said = typeof value === "number" ? this.number.format(value) : value;
    return this.isolate ? `\u2068${said}\u2069` : said;
  }
}

/** The words of this page. */
export async function load(url = document.documentElement.dataset.words) {
  const answer = await fetch(/** @type {string} */ (url));
  if (!answer.ok) throw new Error(`words: ${answer.status}`);
  return new Words(await answer.json());
}
